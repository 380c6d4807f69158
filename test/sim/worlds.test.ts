import { describe, expect, test } from "vitest";
import { eventNames } from "../../sim/names";
import { worlds } from "../../sim/options";
import { regressions } from "./regressions";
import { exhaustion, failureOf, run } from "./worlds";

const SEEDS = 20;
const reached: Record<string, number> = {};

describe.each(worlds)("world %s", (world) => {
  test(`passes with seeds 1 to ${SEEDS}`, () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const result = run(seed, world, 10);
      for (const name of Object.keys({ ...result.events, ...result.details })) reached[name] = 1;
      expect(failureOf(result)).toBe("");
    }
  });

  test("the same seed does the same", () => {
    expect(run(3, world, 1000).hash).toBe(run(3, world, 1000).hash);
    expect(run(3, world, 1000).hash).not.toBe(run(4, world, 1000).hash);
  });
});

test("every event is reached", () => {
  expect(eventNames.slice(1).filter((name) => reached[name] === undefined)).toEqual([]);
});

test("every limit is reached", () => {
  expect(exhaustion.filter((name) => reached[name] === undefined)).toEqual([]);
});

test.each(regressions)("$world $seed: $was", ({ seed, world, options }) => {
  expect(failureOf(run(seed, world, 1, options))).toBe("");
});
