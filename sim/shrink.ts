// Looks for a smaller case of a failure: shorter, with fewer clients, without this or that fault. The world is made anew
// from the same seed each time; any failure of the same kind will do.

import type { Options } from "./options";
import { type Result, type RunOptions, simulate } from "./simulation";

const MOST_ROUNDS = 4;

const FAULTS = [
  "clockBack",
  "resets",
  "ends",
  "halfOpens",
  "stalls",
  "aging",
  "idleReady",
  "split",
  "neverAcks",
  "acksLate",
  "slowReaders",
  "neverReads",
  "duplicates",
  "reusesIds",
  "takesOver",
  "malformed",
  "wills",
  "sleepers",
  "floods",
  "overruns",
  "longIds",
  "expiring",
  "oversized",
  "retained",
  "persistent",
  "stepsPerTick",
  "tinyPeers",
  "largePeers",
  "acceptsByHand",
  "pauses",
  "actsInside",
  "otherServers",
  "dialFailures",
  "stops",
] as const;

export function shrink(failed: Result, run: RunOptions, say: (line: string) => void): Result {
  let best = failed;
  const attempt = (change: Partial<Options>, what: string): boolean => {
    const result = simulate(failed.seed, { ...best.options, ...change }, run);
    if (result.failure?.kind !== failed.failure?.kind) return false;
    best = result;
    say(`shrink: ${what}: ${result.failure?.message.split("\n")[0]}`);
    return true;
  };
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const before = best;
    const failedAt = Math.ceil(best.milliseconds / 1000);
    if (failedAt < best.options.seconds) attempt({ seconds: failedAt }, `${failedAt} s`);
    if (best.options.seconds > 2) {
      const seconds = Math.ceil(best.options.seconds / 2);
      attempt({ seconds }, `${seconds} s`);
    }
    while (best.options.clients > 1 && attempt({ clients: best.options.clients - 1 }, "one client less"));
    while (best.options.peers > 1 && attempt({ peers: best.options.peers - 1 }, "one peer less"));
    if (best.options.peers > 0 && best.options.clients === 1) attempt({ clients: 0 }, "only peers");
    for (const fault of FAULTS) if (best.options[fault] > 0) attempt({ [fault]: 0 }, `no ${fault}`);
    if (best === before) break;
  }
  return best;
}
