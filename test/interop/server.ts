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
  if (kind === "mosquitto") return Mosquitto.start();
  const server = await startMidge(limits);
  running.push(server);
  return server;
}

async function startMidge(limits: Readonly<Limits>): Promise<Server> {
  const midge = await listen({ limits, port: 0 });
  return { port: midge.port, midge, stop: () => midge.close() };
}

export interface MosquittoOptions {
  /** Lines behind the listener's; `path` gives the place of one of the files. */
  config?: (path: (name: string) => string) => readonly string[];
  /** Texts by file name. */
  files?: Readonly<Record<string, string>>;
}

/** Mosquitto with settings of its own, which can be started anew at the same port; it keeps nothing on disk. */
export class Mosquitto implements Server {
  readonly port: number;
  readonly #directory: string;
  #child: ChildProcess;

  private constructor(port: number, directory: string, child: ChildProcess) {
    this.port = port;
    this.#directory = directory;
    this.#child = child;
  }

  static async start(options: MosquittoOptions = {}): Promise<Mosquitto> {
    const directory = mkdtempSync(join(tmpdir(), "midge-interop-"));
    const port = await freePort();
    const path = (name: string): string => join(directory, name);
    for (const [name, text] of Object.entries(options.files ?? {})) writeFileSync(path(name), text, { mode: 0o600 });
    const own = options.config?.(path) ?? [];
    const lines = [
      "user root", // else it gives up the right to read its files when root starts it
      `listener ${port} 127.0.0.1`,
      ...(own.some((line) => line.startsWith("allow_anonymous")) ? [] : ["allow_anonymous true"]),
      "max_queued_messages 0",
      "set_tcp_nodelay true",
      ...own,
    ];
    writeFileSync(path("mosquitto.conf"), `${lines.join("\n")}\n`);
    const mosquitto = new Mosquitto(port, directory, spawnMosquitto(directory));
    running.push(mosquitto);
    await reachable(port, mosquitto.#child);
    return mosquitto;
  }

  get midge(): Listening {
    throw new Error("this test needs Midge itself");
  }

  /** It ends without a word, and forgets everything. */
  async kill(): Promise<void> {
    const exited = new Promise((resolve) => this.#child.once("exit", resolve));
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await exited;
  }

  /** After `kill`. */
  async startAgain(): Promise<void> {
    this.#child = spawnMosquitto(this.#directory);
    await reachable(this.port, this.#child);
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.#directory, { recursive: true });
  }
}

function spawnMosquitto(directory: string): ChildProcess {
  const config = join(directory, "mosquitto.conf");
  return spawn(findCommand("mosquitto") ?? "mosquitto", ["-c", config], { stdio: "ignore" });
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
