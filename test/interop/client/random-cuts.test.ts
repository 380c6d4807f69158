// Connections that are cut at random: QoS 2 comes exactly once and in order, QoS 1 at least once, in order when it comes for
// the first time.

import { describe, expect, test } from "vitest";
import { newSeed, publishThroughCuts } from "./random-cuts";
import { kinds, versions } from "./setup";

describe.each(kinds)("%s", (kind) => {
  test.each(versions)("500 messages at each QoS, version %i", async (version) => {
    const seed = newSeed();
    const run = { kind, version, messages: 500, mostBytes: 1500, patience: 20_000 };
    const cuts = await Promise.all([1, 2].map((qos) => publishThroughCuts({ ...run, qos }, seed)));
    for (const count of cuts) expect(count).toBeGreaterThan(5);
  });
});
