import { expect, test } from "vitest";
import { worlds } from "../../sim/options";
import { failureOf, run } from "./worlds";

const SEEDS = 200;

test.each(worlds)(`world %s passes with seeds 1 to ${SEEDS}`, (world) => {
  for (let seed = 1; seed <= SEEDS; seed++) expect(failureOf(run(seed, world, world === "home" ? 200 : 20))).toBe("");
});
