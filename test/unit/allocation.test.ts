// A million packets of all kinds through the broker, in a process of its own: no garbage collection at all. And the
// control, without which this would prove nothing: with one small object for each packet there are collections.

import { describe, expect, test } from "vitest";
import { fewer, million, patience, program } from "./allocation";

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

const run = program<Result>("allocation.load.ts");

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
