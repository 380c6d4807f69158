// As random-cuts.test.ts, with 10,000 messages, and with 20 seeds.

import { describe, expect, test } from "vitest";
import { newSeed, publishThroughCuts } from "./random-cuts";
import { kinds, versions } from "./setup";

describe.each(kinds)("%s", (kind) => {
  describe.each(versions)("version %i", (version) => {
    describe.each([1, 2])("QoS %i", (qos) => {
      test("10,000 messages", async () => {
        const run = { kind, version, qos, messages: 10_000, mostBytes: 12_000, patience: 60_000 };
        expect(await publishThroughCuts(run, newSeed())).toBeGreaterThan(20);
      });

      test("20 seeds", async () => {
        const run = { kind, version, qos, messages: 500, mostBytes: 1500, patience: 60_000 };
        const first = newSeed();
        for (let seed = first; seed < first + 20; seed++) {
          expect(await publishThroughCuts(run, seed)).toBeGreaterThan(5);
        }
      });
    });
  });
});
