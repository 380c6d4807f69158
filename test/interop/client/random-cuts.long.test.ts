// As random-cuts.test.ts, with 10,000 messages.

import { describe, expect, test } from "vitest";
import { newSeed, publishThroughCuts } from "./random-cuts";
import { kinds, versions } from "./setup";

describe.each(kinds)("%s", (kind) => {
  describe.each(versions)("version %i", (version) => {
    test.each([1, 2])("10,000 messages at QoS %i", async (qos) => {
      const run = { kind, version, qos, messages: 10_000, mostBytes: 12_000, patience: 60_000 };
      expect(await publishThroughCuts(run, newSeed())).toBeGreaterThan(50);
    });
  });
});
