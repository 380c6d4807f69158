// What a client of ours and its application are like.

import type { ClientLimits } from "../src/client/limits";
import { clientPresets } from "../src/client/limits";
import type { ConnectOptions } from "../src/client/options";
import type { Limits } from "../src/index";
import { drawOffer, type Offer } from "./dialect";
import type { Options } from "./options";
import type { Random } from "./random";

/** Every limit is soon reached. */
const tiny: ClientLimits = {
  messages: 3,
  inflight: 2,
  payloadBytes: 320,
  blockBytes: 32,
  receiveMaximum: 2,
  receiveShared: 8, // a server before 5.0 is not told, and may send as much as the broker's inflightPerSession
  subscriptions: 3,
  topicBytes: 40,
  topicLevels: 4,
  headBytes: 72,
  clientIdBytes: 48,
  stageBytes: 128,
  packetBytes: 300,
  inputBytes: 64,
  outputBytes: 224,
  aliasesIn: 2,
  aliasesOut: 1,
  connectMilliseconds: 2000,
  reconnectMilliseconds: 200,
  reconnectMostMilliseconds: 3000,
  packetsPerStep: 1,
};

/** A sensor that does not wait for minutes. */
const sensor: ClientLimits = { ...clientPresets.sensor, connectMilliseconds: 5000, reconnectMostMilliseconds: 10_000 };

const large: ClientLimits = {
  ...clientPresets.client,
  messages: 100,
  payloadBytes: 65536,
  blockBytes: 64,
  topicBytes: 400,
  headBytes: 2000,
  stageBytes: 1000,
  inputBytes: 4096,
  outputBytes: 1400,
  connectMilliseconds: 5000,
  reconnectMostMilliseconds: 20_000,
};

/** Before MQTT 5.0 a server is not told: it sends more than there is room for, and what is QoS 1 waits. */
const short: ClientLimits = { ...tiny, receiveShared: 0 };

export interface PeerStyle {
  traits: string[];
  limits: ClientLimits;
  options: ConnectOptions;
  acceptsByHand: boolean;
  /** Bytes of payload that it takes at once, and how long it rests after that, ms. */
  piece: number;
  pause: number;
  /** Callbacks of 100 in which it uses the client. */
  actsInside: number;
  /** ms until it accepts a message, at most. */
  acceptsWithin: number;
  publishEvery: number;
  /** Messages at once. */
  burst: number;
  subscribeEvery: number;
  /** The highest QoS that it asks for. */
  mostQoS: number;
  offer: Offer | undefined;
  readAhead: boolean;
  tellsLate: boolean;
  resetLosesInput: boolean;
}

export function drawStyle(options: Options, random: Random, name: string, broker: Limits): PeerStyle {
  const has = (percent: number): boolean => random.chance(percent, 100);
  const traits = ["peer"];
  const trait = (percent: number, text: string): boolean => {
    const is = has(percent);
    if (is) traits.push(text);
    return is;
  };
  const version = random.pick([4, 5, 5]);
  const isTiny = trait(options.tinyPeers, "tiny");
  const isShort = isTiny && version === 4 && trait(50, "short of receipts");
  const isLarge = !isTiny && trait(options.largePeers, "large");
  const persists = trait(options.persistent, "resuming");
  const isPausing = trait(options.pauses, "pausing");
  const isAssigned = !persists && has(15);
  if (isAssigned) traits.push("assigned");
  const hasWill = trait(options.wills, "will");
  const keepAlive = random.pick([0, 2, 2, 5, 15, 60]);
  const expiry = persists ? random.pick([5, 30, 100]) : random.pick([0, 0, 3]);
  const connect: ConnectOptions = {
    version,
    clientId: isAssigned ? "" : name,
    keepAlive,
    cleanStart: !persists,
    ...(version === 5 && expiry > 0 && { sessionExpiry: expiry }),
    ...(hasWill && { will: drawWill(random, version, name) }),
  };
  const isOther = version === 5 && trait(options.otherServers, "other server");
  const limits = isShort ? short : isTiny ? tiny : isLarge ? large : sensor;
  // Before 5.0 a client is not told either: who sends more than the broker takes is disconnected, and sends it again.
  const inflight = version === 4 ? Math.min(limits.inflight, broker.receiveMaximum) : limits.inflight;
  return {
    traits,
    limits: { ...limits, inflight },
    options: connect,
    acceptsByHand: trait(options.acceptsByHand, "accepts by hand"),
    piece: isPausing ? random.pick([0, 1, 7, 40]) : Number.POSITIVE_INFINITY,
    pause: isPausing ? random.pick([1, 100, 3000]) : 0,
    actsInside: trait(options.actsInside, "acts inside") ? 20 : 0,
    acceptsWithin: random.pick([1, 200, 5000]),
    publishEvery: options.publishEvery,
    burst: random.pick([1, 2, 10]),
    subscribeEvery: random.pick([2000, 10_000]),
    mostQoS: isShort ? 1 : 2,
    offer: isOther ? drawOffer(random) : undefined,
    readAhead: random.chance(1, 2),
    tellsLate: random.chance(1, 2),
    resetLosesInput: random.chance(1, 2),
  };
}

function drawWill(random: Random, version: number, name: string): ConnectOptions["will"] {
  return {
    topic: `a/${name}`,
    payload: Buffer.from(`gone ${random.below(1000)}`),
    qos: random.below(3),
    retain: random.chance(1, 3),
    ...(version === 5 && random.chance(1, 2) && { properties: Uint8Array.of(0x18, 0, 0, 0, random.below(5)) }),
  };
}
