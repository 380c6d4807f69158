// The memory plan of a broker.

import type { Layout } from "../memory/layout";
import { checkLimits, type Limits } from "../memory/limits";
import { type Plan, planOf } from "../memory/plan";
import { Tables } from "./tables";

export type { Plan };

// allocates: start-up only
/**
 * What a broker with these limits takes, computed without taking it. The rows add up to `arenaBytes`.
 * @throws LimitsError when the limits can't be.
 */
export function plan(limits: Limits): Plan {
  checkLimits(limits);
  return planFor(limits, indexBytesFor(limits));
}

// allocates: start-up only
/** Bytes of a row number: 2 where every table has fewer than 65,535 rows and every count of references fits, else 4. */
export function indexBytesFor(limits: Limits): number {
  // Everybody may refer to one topic node: subscriptions, its children, messages by its name, replays that rest on it.
  const messageCount = limits.messages + limits.retained + limits.sessions;
  let most = limits.subscriptions + limits.topicNodes + messageCount + limits.sessions + 2;
  for (const row of planFor(limits, 2).rows) most = Math.max(most, row.count);
  return most < 65535 ? 2 : 4;
}

// allocates: start-up only
function planFor(limits: Limits, indexBytes: number): Plan {
  return planOf((layout: Layout) => new Tables(layout, limits, 0, silent), indexBytes);
}

const silent = Object.freeze({ event: nothing });

function nothing(): void {}
