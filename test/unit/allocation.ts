// Runs a program that counts collections, in a process of its own.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll } from "vitest";
import { isLong } from "../support/random";

/** A busy machine is slow, and slowness is no failure. */
export const patience = { timeout: isLong ? 600_000 : 120_000 };
export const million = 1_000_000;
export const fewer = isLong ? million : million / 4;

/**
 * Builds `entry` before the tests of this file and returns what runs it: with a young generation of 1 MB, so that few
 * objects are enough for a collection, and compiling at once, so that a busy machine does not run slow code, which boxes
 * numbers, for longer; and without collections that only time brings about.
 */
export function program<Result>(entry: string): (packets: number, ...options: string[]) => Result {
  const directory = mkdtempSync(join(tmpdir(), "midge-allocation-"));
  const outfile = join(directory, "load.mjs");
  // In one file, as a host would have it: without that, an enumeration is a property read.
  beforeAll(async () => {
    await build({
      entryPoints: [fileURLToPath(new URL(entry, import.meta.url))],
      outfile,
      bundle: true,
      format: "esm",
      platform: "node",
      target: "node20",
      logLevel: "warning",
    });
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const flags = ["--expose-gc", "--max-semi-space-size=1", "--no-concurrent-recompilation", "--no-memory-reducer"];
  return (packets, ...options) =>
    JSON.parse(execFileSync(process.execPath, [...flags, outfile, String(packets), ...options], { encoding: "utf8" }));
}
