// The brokers that are compared, each in a process of its own on a port of the loopback, ended by its process id.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { accessSync, constants, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import { delimiter, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../..", import.meta.url));

export interface Kind {
  name: string;
  version: string;
  /** The command that serves on `port`. */
  command(port: number): string[];
}

/** CPU time and memory of a process. */
export interface Usage {
  cpuSeconds: number;
  /** Time its main thread was ready to run while others had the CPU. */
  waitSeconds: number;
  rssBytes: number;
}

export class Broker {
  static readonly #running = new Set<ChildProcess>();

  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(port: number, child: ChildProcess) {
    this.port = port;
    this.#child = child;
  }

  static async start(kind: Kind): Promise<Broker> {
    const port = await freePort();
    const [program, ...rest] = kind.command(port);
    const child = spawn(program, rest, { stdio: ["ignore", "ignore", "inherit"] });
    Broker.#running.add(child);
    child.once("exit", () => Broker.#running.delete(child));
    await reachable(port, child, kind.name);
    return new Broker(port, child);
  }

  /** Process ids of all that run. */
  static pids(): number[] {
    return [...Broker.#running].map(({ pid }) => pid as number);
  }

  static killAll(): void {
    for (const child of Broker.#running) child.kill("SIGKILL");
  }

  usage(): Usage {
    return usageOf(this.#child.pid as number);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await exited;
  }
}

/** Midge as users get it, built from this tree into `directory`, or any built `midge.mjs`. */
export function midge(name: string, bundle: string | undefined, directory: string): Kind {
  let path = bundle;
  if (path === undefined) {
    execFileSync(process.execPath, [join(root, "scripts/build.mjs"), directory], { stdio: "inherit" });
    path = join(directory, "midge.mjs");
  }
  const file = resolve(path);
  return {
    name,
    version: execFileSync(process.execPath, [file, "--version"], { encoding: "utf8" }).trim(),
    command: (port) => [process.execPath, file, "broker", "--quiet", "--limits", "node", "--port", String(port)],
  };
}

/**
 * Mosquitto with its limits on queues lifted; undefined when it is not installed. Its default of 20 messages in flight
 * also ends clients of MQTT 3.1.1 that have more of QoS 2.
 */
export function mosquitto(directory: string): Kind | undefined {
  const directories = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  const program = directories.map((path) => join(path, "mosquitto")).find(isExecutable);
  if (program === undefined) return undefined;
  const config = join(directory, "mosquitto.conf");
  return {
    name: "mosquitto",
    version: /version (\S+)/.exec(outputOf(program, ["-h"]))?.[1] ?? "?",
    command: (port) => {
      const lines = [
        `listener ${port} 127.0.0.1`,
        "allow_anonymous true",
        "set_tcp_nodelay true",
        "max_queued_messages 0",
        "max_inflight_messages 1024",
        "log_type none",
      ];
      writeFileSync(config, `${lines.join("\n")}\n`);
      return [program, "-c", config];
    },
  };
}

/** Aedes, bundled; undefined when it is not installed. */
export async function aedes(directory: string): Promise<Kind | undefined> {
  let version: string;
  try {
    version = JSON.parse(readFileSync(join(root, "node_modules/aedes/package.json"), "utf8")).version;
  } catch {
    return undefined;
  }
  mkdirSync(directory, { recursive: true });
  const outfile = join(directory, "aedes.cjs");
  await build({
    stdin: {
      contents: `
        const { Aedes } = require("aedes");
        const { createServer } = require("node:net");
        Aedes.createBroker({ concurrency: 1000 }).then((broker) => {
          createServer({ noDelay: true }, broker.handle).listen(Number(process.argv[2]), "127.0.0.1");
        });`,
      resolveDir: root,
    },
    bundle: true,
    platform: "node",
    target: "node20",
    outfile,
    logLevel: "warning",
  });
  return { name: "aedes", version, command: (port) => [process.execPath, outfile, String(port)] };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** What a program prints, whatever its exit code. */
function outputOf(program: string, args: string[]): string {
  try {
    return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch (error) {
    return String((error as { stdout?: unknown }).stdout ?? "");
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

async function reachable(port: number, child: ChildProcess, name: string): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`);
    const open = await new Promise<boolean>((resolve) => {
      const socket = net.connect(port, "127.0.0.1", () => resolve(true));
      socket.once("error", () => resolve(false));
      socket.once("connect", () => socket.destroy());
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${name} does not listen`);
}

/** CPU time of all threads, from /proc; zeros where there is none. */
function usageOf(pid: number): Usage {
  const usage = { cpuSeconds: 0, waitSeconds: 0, rssBytes: 0 };
  const schedule = (thread: string): number[] =>
    readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ").map(Number);
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) usage.cpuSeconds += schedule(thread)[0] / 1e9;
    usage.waitSeconds = schedule(String(pid))[1] / 1e9;
    usage.rssBytes = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
  } catch {
    // no Linux, or a thread that just ended
  }
  return usage;
}
