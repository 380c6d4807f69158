// A million packets of all kinds in and out of the client, in a process of its own: no garbage collection at all. And the
// control: with one small object for each packet there are collections.

import { describe, expect, test } from "vitest";
import { clientKinds } from "../xs/client-traffic";
import { fewer, million, patience, program } from "./allocation";

interface Result {
  packets: number;
  collections: number;
  heapBytes: number;
  milliseconds: number;
  planted: boolean;
  kinds: Record<string, number>;
  left: string[];
}

const run = program<Result>("allocation.client.load.ts");

describe("many packets of the client", () => {
  test.each([
    ["a million, on a transport that reads ahead", million, []],
    ["fewer, on a transport that does not", fewer, ["exact"]],
  ] as const)("%s: no collection, and next to no bytes", patience, (_, count, options) => {
    const { packets, collections, heapBytes, kinds, left } = run(count, ...options);
    expect(packets).toBeGreaterThanOrEqual(count);
    expect(collections).toBe(0);
    expect(heapBytes).toBeLessThan(500_000); // the compiler's own
    // It was the load it is meant to be; each kind has checked what came.
    expect(Object.keys(kinds)).toEqual(Object.keys(clientKinds));
    for (const kind of Object.keys(kinds)) expect(kinds[kind], kind).toBeGreaterThan(count / 200);
    expect(left).toEqual([]);
  });

  test("fewer, with one object for each: collections", patience, () => {
    const { packets, collections, planted } = run(fewer, "plant");
    expect(packets).toBeGreaterThanOrEqual(fewer);
    expect(planted).toBe(true);
    expect(collections).toBeGreaterThan(3);
  });
});
