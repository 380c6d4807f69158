// A million packets of all kinds through the broker, in a process of its own: no garbage collection at all. And the
// control, without which this would prove nothing: with one small object for each packet there are collections.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isLong } from "../support/random";

interface Result {
  packets: number;
  sent: number;
  collections: number;
  heapBytes: number;
  milliseconds: number;
  planted: boolean;
  types: Record<string, number>;
  connected: number;
  retained: number;
  counters: Record<string, number>;
  left: string[];
}

const directory = mkdtempSync(join(tmpdir(), "midge-allocation-"));
const program = join(directory, "load.mjs");

// In one file, as a host would have it: without that, an enumeration is a property read.
beforeAll(async () => {
  await build({
    entryPoints: [fileURLToPath(new URL("allocation.load.ts", import.meta.url))],
    outfile: program,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    logLevel: "warning",
  });
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/**
 * Runs the load; with a young generation of 1 MB, so that few objects are enough for a collection, and compiling at once,
 * so that a busy machine does not run slow code, which boxes numbers, for longer; and without collections that only time
 * brings about.
 */
function run(packets: number, ...options: string[]): Result {
  const flags = ["--expose-gc", "--max-semi-space-size=1", "--no-concurrent-recompilation", "--no-memory-reducer"];
  const args = [...flags, program, String(packets), ...options];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" }));
}

const million = 1_000_000;
const fewer = isLong ? million : million / 4;
/** A busy machine is slow, and slowness is no failure. */
const patience = { timeout: isLong ? 600_000 : 120_000 };

describe("many packets", () => {
  test.each([
    ["a million, on a transport that reads ahead", million, []],
    ["fewer, on a transport that does not", fewer, ["exact"]],
  ] as const)("%s: no collection, and next to no bytes", patience, (_, count, options) => {
    const { packets, sent, collections, heapBytes, types, connected, retained, counters, left } = run(
      count,
      ...options,
    );
    expect(packets).toBeGreaterThanOrEqual(count);
    expect(collections).toBe(0);
    expect(heapBytes).toBeLessThan(500_000); // the compiler's own
    // It was the load it is meant to be.
    expect(sent).toBeGreaterThan(count / 2);
    for (const type of Object.keys(types)) expect(types[type], type).toBeGreaterThan(count / 200);
    expect(retained).toBeGreaterThan(10);
    expect(connected).toBe(8);
    for (const event of ["publishRefused", "publishDropped", "dropped", "subscribeRefused", "retainRefused"]) {
      expect(counters[event], event).toBe(0);
    }
    expect(left).toEqual([]);
  });

  test("fewer, with one object for each: collections", patience, () => {
    const { packets, collections, planted } = run(fewer, "plant");
    expect(packets).toBeGreaterThanOrEqual(fewer);
    expect(planted).toBe(true);
    expect(collections).toBeGreaterThan(5);
  });
});
