// What the tests of the worlds share: runs, and what they must have reached.

import { audit } from "../../sim/audit";
import { causeNames, clientCauseNames, dropNames, holdNames, notAcceptedNames } from "../../sim/names";
import { draw, type Options, type World } from "../../sim/options";
import { type Result, simulate } from "../../sim/simulation";
import { limitNames } from "../../src/events";

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

/** What some event must have said, whichever it was. The queue of a session is a drop: "queue full". */
export const shortages: readonly string[] = [
  ...limitNames.filter((name) => name !== "" && name !== "queuePerSession"),
  ...causeNames.values(),
  ...dropNames.values(),
  ...holdNames.values(),
];

/** What clients that are ours must have come to, as `Result.peers` names it: every cause, every refusal, every way. */
export const reachedByClients: readonly string[] = [
  ...[...clientCauseNames.values()].filter((name) => name !== "expired").map((name) => `disconnected: ${name}`),
  ...notAcceptedNames.slice(1).map((name) => `not accepted: ${name}`),
  ...[0, 1, 2].map((qos) => `accepted QoS ${qos}`),
  "connected",
  "CONNECT refused",
  "DISCONNECT received",
  "disconnected: 0x8e", // taken over
  "dialed again",
  "dialed again and again",
  "will",
  "PINGREQ",
  "published",
  "published, refused",
  "given up: expired",
  "given up: 0x95", // Maximum Packet Size of the server
  "given up: 0x9a", // it retains nothing
  "given up: 0x9b", // its Maximum QoS
  "wanted filter given up: 0x95",
  "wanted filter given up: 0xa1", // it knows no Subscription Identifiers
  "PUBLISH half sent",
  "PUBLISH again",
  "PUBREL unknown",
  "QoS 2 repeated",
  "resumed",
  "resumed with messages",
  "present after a CONNECT without an answer",
  "sent anew",
  "released without PUBCOMP",
  "subscribed",
  "subscribed again",
  "SUBSCRIBE refused",
  "unsubscribed",
  "alias used",
  "alias received",
  "message",
  "message lost",
  "message refused",
  "message refused for its alias",
  "paused",
  "waits for room",
  "acted inside",
];

/** The rows of the table "When something runs out" in README.md, as `Result.details` names them. */
export const exhaustion: readonly string[] = [
  "LimitReached connections",
  "ConnectRefused 0x89",
  "LimitReached sessions",
  "ConnectRefused 0x97",
  "LimitReached clientIdBytes",
  "ConnectRefused 0x85",
  "LimitReached stageBytes",
  "ConnectRefused 0x95",
  "Abandoned CONNECT too slow",
  "Disconnected packet too slow",
  "Disconnected 0x8d", // Keep Alive
  "SessionEnded expired",
  "LimitReached packetBytes",
  "Disconnected 0x95",
  "PublishRefused packetBytes", // before 5.0, with "acknowledge"
  "LimitReached receiveMaximum",
  "Disconnected 0x93",
  "Held window",
  "SubscribeRefused topicLevels",
  "SubscribeRefused topicBytes",
  "PublishRefused topicLevels",
  "PublishRefused topicBytes",
  "SubscribeRefused subscriptions",
  "SubscribeRefused subscriptionsPerSession",
  "SubscribeRefused topicNodes",
  "SubscribeRefused filtersPerSubscribe",
  "Held room",
  "PublishRefused payloadBytes",
  "PublishRefused messages",
  "PublishRefused deliveries",
  "PublishDropped payloadBytes",
  "PublishDropped messages",
  "PublishDropped deliveries",
  "PublishRefused messageBytes",
  "PublishDropped messageBytes",
  "PublishRefused retained",
  "RetainRefused retained",
  "Dropped queue full",
  "Dropped superseded",
  "Disconnected 0x97", // "disconnect", or refused before 5.0
  "Held receiver",
  "Disconnected 0x8e", // taken over
  "Abandoned evicted",
];
