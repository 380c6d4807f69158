// What the tests of the worlds share: runs, and what they must have reached.

import { audit } from "../../sim/audit";
import { draw, type Options, type World } from "../../sim/options";
import { type Result, simulate } from "../../sim/simulation";

export function run(seed: number, world: World, auditEvery: number, options: Partial<Options> = {}): Result {
  return simulate(seed, { ...draw(seed, world), ...options }, { traceLines: 40, audit, auditEvery });
}

/** "" when the run passed, else what to print. */
export function failureOf({ seed, options, failure }: Result): string {
  if (failure === undefined) return "";
  return [
    `${failure.kind}: ${failure.message}`,
    ...failure.trace,
    `again: npm run sim -- --seed ${seed} --world ${options.world}`,
  ].join("\n");
}

/** Events with their limits, causes and holds that runs must have reached, as `Result.details` names them. */
export const exhaustion: readonly string[] = [
  "ConnectRefused 137", // connections
  "ConnectRefused 151", // sessions
  "ConnectRefused 149", // CONNECT too large
  "PublishRefused 6", // messageBytes
  "PublishRefused 8", // topicBytes
  "PublishRefused 9", // topicLevels
  "PublishRefused 16", // payloadBytes
  "PublishRefused 17", // messages
  "PublishRefused 18", // deliveries
  "PublishRefused 19", // retained
  "PublishDropped 17",
  "RetainRefused 19",
  "SubscribeRefused 9",
  "SubscribeRefused 10", // subscriptions
  "SubscribeRefused 11", // subscriptionsPerSession
  "SubscribeRefused 12", // filtersPerSubscribe
  "LimitReached 5", // packetBytes
  "LimitReached 7", // receiveMaximum
  "Dropped 1", // queue full
  "Dropped 2", // too large for the client
  "Dropped 3", // expired
  "Dropped 4", // superseded
  "Held 2", // room
  "Held 4", // receiver
  "Disconnected 256", // lost
  "Disconnected 258", // packet took too long
  "Disconnected 141", // Keep Alive
  "Disconnected 142", // taken over
  "Disconnected 147", // Receive Maximum
  "Abandoned 256",
  "Abandoned 257", // no CONNECT
  "Abandoned 259", // evicted
];
