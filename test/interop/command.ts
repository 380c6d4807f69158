// The command `midge` in a process of its own, bundled from its sources.

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, afterEach, beforeAll } from "vitest";
import { until } from "./clients";

const root = fileURLToPath(new URL("../..", import.meta.url));

const directory = mkdtempSync(join(tmpdir(), "midge-command-"));
const bundle = join(directory, "midge.mjs");

beforeAll(async () => {
  await build({
    absWorkingDir: root,
    entryPoints: ["hosts/node/cli.ts"],
    outfile: bundle,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    define: { MIDGE_VERSION: '"1.2.3"' },
    // Bundled CommonJS asks for Node's own modules by `require`.
    banner: { js: 'import { createRequire } from "node:module";\nconst require = createRequire(import.meta.url);' },
  });
});
afterAll(() => rmSync(directory, { recursive: true }));

const running: Midge[] = [];

afterEach(async () => {
  for (const midge of running.splice(0)) {
    if (midge.code === undefined) midge.child.kill("SIGKILL");
    await midge.exited;
  }
});

export class Midge {
  readonly child: ChildProcessWithoutNullStreams;
  readonly exited: Promise<number>;
  output = "";
  errors = "";
  code: number | undefined;
  readonly #chunks: Buffer[] = [];

  /** @param input what stdin holds; "open" leaves it to the test. */
  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}, input: string | Buffer = "") {
    this.child = spawn(process.execPath, [bundle, ...args], {
      cwd: directory,
      env: { ...process.env, FORCE_COLOR: undefined, ...env },
    });
    this.child.stdin.on("error", () => {}); // it may end before it has read all
    if (input !== "open") this.child.stdin.end(input);
    this.child.stdout.on("data", (bytes) => {
      this.output += bytes;
      this.#chunks.push(bytes);
    });
    this.child.stderr.on("data", (bytes) => {
      this.errors += bytes;
    });
    this.exited = new Promise((resolve) => {
      this.child.on("close", (code, signal) => {
        this.code = code ?? (signal === null ? -1 : -2);
        resolve(this.code);
      });
    });
    running.push(this);
  }

  /** What it printed, as it was. */
  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  get lines(): string[] {
    return this.output.split("\n").filter((line) => line !== "");
  }

  /** Lines of `--json`. */
  get events(): Record<string, unknown>[] {
    return this.lines.map((line) => JSON.parse(line));
  }

  /** Waits until it prints what matches. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    const match = (): RegExpExecArray | null => pattern.exec(this.output);
    await until(() => match() !== null || this.code !== undefined, `it printed ${pattern}`, 15_000);
    const found = match();
    if (found === null) throw new Error(`it ended with ${this.code}: ${this.errors}`);
    return found;
  }

  /** The port it listens on. */
  async listening(): Promise<number> {
    return Number((await this.printed(/mqtt:\/\/[^"\s]*:(\d+)/))[1]);
  }
}
