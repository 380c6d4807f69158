import { describe, expect, test } from "vitest";
import { eventNames } from "../../sim/names";
import { worlds } from "../../sim/options";
import { regressions } from "./regressions";
import { exhaustion, failureOf, reachedByClients, run, shortages } from "./worlds";

const SEEDS = 20;
/** More of the clients that are ours: what they come to is rare. */
const MORE = 140;
const reached = new Set<string>();
const reachedBy = new Set<string>();

describe.each(worlds)("world %s", (world) => {
  // The home has few packets and much memory: the audit is most of the work there.
  const auditEvery = world === "home" ? 100 : 10;

  test(`passes with seeds 1 to ${SEEDS}`, () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const result = run(seed, world, auditEvery);
      for (const name of Object.keys({ ...result.events, ...result.details })) reached.add(name);
      for (const name of Object.keys(result.peers)) reachedBy.add(name);
      expect(failureOf(result)).toBe("");
    }
  });

  test("the same seed does the same, another one something else", () => {
    const { hash } = run(3, world, 1000);
    expect(run(3, world, 1000).hash).toBe(hash);
    expect(run(4, world, 1000).hash).not.toBe(hash);
  });
});

test(`world peers passes with seeds ${SEEDS + 1} to ${MORE}`, () => {
  for (let seed = SEEDS + 1; seed <= MORE; seed++) {
    const result = run(seed, "peers", 50);
    for (const name of Object.keys(result.peers)) reachedBy.add(name);
    expect(failureOf(result)).toBe("");
  }
});

describe("these runs reach", () => {
  test("all that clients can come to", () => {
    expect(reachedByClients.filter((name) => !reachedBy.has(name))).toEqual([]);
  });

  test("every event", () => {
    expect(eventNames.slice(1).filter((name) => !reached.has(name))).toEqual([]);
  });

  test("every limit, cause, drop and hold", () => {
    const said = new Set([...reached].map((text) => text.slice(text.indexOf(" ") + 1)));
    expect(shortages.filter((name) => !said.has(name))).toEqual([]);
  });

  test("every row of the table of what may run out", () => {
    expect(exhaustion.filter((text) => !reached.has(text))).toEqual([]);
  });
});

test.each(regressions)("$world $seed: $was", ({ seed, world, options }) => {
  expect(failureOf(run(seed, world, 1, options))).toBe("");
});
