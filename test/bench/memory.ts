// `npm run bench:core`: the core alone, without sockets, in nanoseconds per packet. With `--against` another tree takes
// turns with this one, which shows what a change of the core is worth.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError } from "commander";
import { build } from "esbuild";
import { figure, median, spread, table } from "./statistics";

interface Options {
  seconds: number;
  rounds: number;
  only: string[];
  against: string[];
  profile?: string;
  json?: true;
}

/** Nanoseconds by the name of what was measured. */
type Times = Record<string, number>;

/** The core of a tree with what measures it; `const enum` must be inlined, so it is one bundle. */
async function bundle(tree: string, outfile: string): Promise<void> {
  await build({
    entryPoints: [join(tree, "test/bench/core.ts")],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    logLevel: "warning",
  });
}

function measure(file: string, options: Options): Times {
  const profile = options.profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${options.profile}`];
  const args = [...profile, file, String(options.seconds), ...options.only];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" }));
}

async function main(options: Options): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "midge-bench-"));
  try {
    const trees = [fileURLToPath(new URL("../..", import.meta.url)), ...options.against.map((path) => resolve(path))];
    const files = trees.map((_, number) => join(directory, `core-${number}.mjs`));
    for (const [number, tree] of trees.entries()) await bundle(tree, files[number]);
    const runs: Times[][] = trees.map(() => []);
    for (let round = 0; round < options.rounds; round++) {
      for (const [number, file] of files.entries()) runs[number].push(measure(file, options));
    }
    const names = Object.keys(runs[0][0]);
    const times = (tree: number, name: string): number[] => runs[tree].map((run) => run[name]);
    if (options.json) {
      const all = trees.map((_, tree) => Object.fromEntries(names.map((name) => [name, median(times(tree, name))])));
      console.log(JSON.stringify({ node: process.version, trees, nanoseconds: all }, null, 2));
      return;
    }
    const rows = names.map((name) => {
      const own = median(times(0, name));
      const others = options.against.flatMap((_, i) => {
        const other = median(times(i + 1, name));
        return [figure(other), (other / own).toFixed(2)];
      });
      return [name, figure(own), (spread(times(0, name)) * 100).toFixed(0), ...others];
    });
    const heads = options.against.flatMap((path) => [path, "ratio"]);
    console.log(table([["nanoseconds", "this tree", "±%", ...heads], ...rows]));
    console.log(`\nNode.js ${process.version}, medians of ${options.rounds} runs; ratio above 1: this tree is faster.`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError("a number above 0");
  return value;
}

function list(value: string, all: string[]): string[] {
  return [...all, value];
}

new Command("bench:core")
  .description("The core alone, in nanoseconds per packet.")
  .option("--seconds <number>", "for each measurement", positive, 0.5)
  .option("--rounds <number>", "runs of each tree", positive, 3)
  .option("--only <text>", "what has this in its name; may be repeated", list, [])
  .option("--against <tree>", "another tree that has this benchmark; may be repeated", list, [])
  .option("--profile <directory>", "write CPU profiles there")
  .option("--json", "print JSON")
  .action(main)
  .parseAsync()
  .catch((error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
