// The broker the tests talk to: Midge, in this process, on a free port of the loopback. With MIDGE_INTEROP=mosquitto
// Debian's Mosquitto stands in, which tests the tests; what only Midge promises is then left out.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach } from "vitest";
import { type Listening, listen } from "../../hosts/node/listen";
import { type Limits, presets } from "../../src/memory/limits";

/** True when Mosquitto stands in for Midge. */
export const standIn = process.env.MIDGE_INTEROP === "mosquitto";

export interface Server {
  readonly port: number;
  /** Not with the stand-in. */
  readonly midge: Listening;
  stop(): Promise<void>;
}

const running: Server[] = [];

afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
});

/** A broker for one test; stopped after it. */
export async function startServer(
  limits: Readonly<Limits> = presets.node,
  kind: "midge" | "mosquitto" = standIn ? "mosquitto" : "midge",
): Promise<Server> {
  const server = kind === "mosquitto" ? await startMosquitto() : await startMidge(limits);
  running.push(server);
  return server;
}

async function startMidge(limits: Readonly<Limits>): Promise<Server> {
  const midge = await listen({ limits, port: 0 });
  return { port: midge.port, midge, stop: () => midge.close() };
}

async function startMosquitto(): Promise<Server> {
  const directory = mkdtempSync(join(tmpdir(), "midge-interop-"));
  const port = await freePort();
  const config = join(directory, "mosquitto.conf");
  writeFileSync(
    config,
    `listener ${port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nset_tcp_nodelay true\n`,
  );
  const child = spawn(findCommand("mosquitto") ?? "mosquitto", ["-c", config], { stdio: "ignore" });
  await reachable(port, child);
  const stop = async (): Promise<void> => {
    const exited = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await exited;
    rmSync(directory, { recursive: true });
  };
  return {
    port,
    get midge(): Listening {
      throw new Error("this test needs Midge itself");
    },
    stop,
  };
}

/** Where a command is, or undefined. Debian keeps servers in /usr/sbin, which is not in everybody's PATH. */
export function findCommand(name: string): string | undefined {
  const directories = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin"];
  return directories.map((directory) => join(directory, name)).find((path) => existsSync(path));
}

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function reachable(port: number, child: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    if (child.exitCode !== null) throw new Error(`mosquitto ended with ${child.exitCode}`);
    const connected = await new Promise<boolean>((resolve) => {
      const socket = net.connect(port, "127.0.0.1");
      socket.once("connect", () => {
        socket.destroy();
        resolve(true);
      });
      socket.once("error", () => resolve(false));
    });
    if (connected) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("mosquitto did not open its port");
}
