// Runs the statements' tests against any server that listens on TCP, a fresh one for each test:
//
//   tsx test/spec/tcp.ts [--only TEXT] [--jobs N] [--silent] -- COMMAND...        {port} in COMMAND is replaced
//   tsx test/spec/tcp.ts -- mosquitto -p {port}
//
// With --silent a server may close without a DISCONNECT that says why. Tests that need hours, or a clock that steps back, are left out. Prints every test that fails, and totals.

import { type ChildProcess, spawn } from "node:child_process";
import net from "node:net";
import type { Level } from "../support/packets";
import { rules } from "./all";
import { type Rule, title } from "./rules";
import { TcpServer } from "./server";

/** Ports of tests that run now: one that is free may have been given to a server that has not opened it yet. */
const taken = new Set<number>();

async function freePort(): Promise<number> {
  for (;;) {
    const port = await new Promise<number>((resolve, reject) => {
      const server = net.createServer();
      server.once("error", reject);
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as net.AddressInfo;
        server.close(() => resolve(port));
      });
    });
    if (taken.has(port)) continue;
    taken.add(port);
    return port;
  }
}

function reachable(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ port, host: "127.0.0.1" });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once("exit", () => resolve());
  });
}

async function attempt(command: string[], explains: boolean, it: Rule, level: Level): Promise<string | undefined> {
  const port = await freePort();
  const [file, ...args] = command.map((word) => word.replace("{port}", `${port}`));
  const child = spawn(file, args, { stdio: "ignore" });
  const server = new TcpServer(port, explains);
  try {
    for (let tries = 0; !(await reachable(port)); tries++) {
      if (tries > 200 || child.exitCode !== null) return "the server did not start";
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    if (child.exitCode !== null) return "the server did not start";
    await it.run(server, level);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  } finally {
    await server.close();
    child.kill("SIGKILL");
    await ended(child);
    taken.delete(port);
  }
}

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  const dashes = args.indexOf("--");
  const command = dashes < 0 ? [] : args.slice(dashes + 1);
  if (command.length === 0) throw new Error("usage: tcp.ts [--only TEXT] [--jobs N] [--silent] -- COMMAND...");
  const option = (name: string): string | undefined => {
    const at = args.indexOf(name);
    return at >= 0 && at < dashes ? args[at + 1] : undefined;
  };
  const only = option("--only") ?? "";
  const explains = !args.slice(0, dashes).includes("--silent");
  const jobs = Number(option("--jobs") ?? 8);
  const queue = rules
    .filter((it) => !it.virtual)
    .flatMap((it) => it.levels.map((level) => ({ it, level })))
    .filter(({ it, level }) => `${it.section}: ${title(it, level)}`.includes(only));
  const total = queue.length;
  let failed = 0;
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { it, level } = next;
      const error = await attempt(command, explains, it, level);
      if (error === undefined) continue;
      failed++;
      console.log(`FAILED ${it.section}: ${title(it, level)}\n       ${error.replace(/\n/g, "\n       ")}`);
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  console.log(`${total - failed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}

await main();
