// What a client is like. Each trait is drawn on its own, so that a slow reader may also be one who reuses identifiers.

import type { Options } from "./options";
import type { ConnectPacket, PublishPacket } from "./packets";
import type { Random } from "./random";

export interface Subscription {
  topic: string;
  qos: 0 | 1 | 2;
  nl?: boolean;
  rap?: boolean;
  rh?: number;
}

export interface Personality {
  readonly traits: string[];
  readonly version: 3 | 4 | 5;
  clientId: string;
  /** Its session outlives its connections. */
  persists: boolean;
  /** It comes back in the second phase even without a session. */
  isLoyal: boolean;
  /** It sends no PINGREQ, and sometimes no CONNECT. */
  isMute: boolean;
  keepAlive: number;
  acks: "at once" | "late" | "never";
  /** Bytes read in one tick. */
  readBytes: number;
  /** Acknowledgements of 100 that refuse; packets of 100 sent twice; identifiers of 100 used twice. */
  refuses: number;
  duplicates: number;
  reusesIds: number;
  /** In 100,000 ticks. */
  takesOver: number;
  malformed: number;
  /** ms between two connections at most, between two messages, two subscriptions on average. */
  pause: number;
  publishEvery: number;
  subscribeEvery: number;
  unsubscribes: number;
  /** Messages in one tick at most. */
  burst: number;
  /** QoS 1 and 2 that it has on the way, within the Receive Maximum of the broker or not. */
  window: number;
  overruns: boolean;
  /** ms that it stays, and that it is away; 0: stays. */
  awake: number;
  asleep: number;
  connect(clientId: string, clean: boolean): ConnectPacket;
  /** What it publishes when it has connected. */
  greetings(random: Random): PublishPacket[];
  heal(): void;
}

export const PLAIN: Omit<Personality, "traits" | "version" | "clientId" | "connect" | "heal"> = {
  persists: false,
  isLoyal: false,
  isMute: false,
  keepAlive: 30,
  acks: "at once",
  readBytes: Number.POSITIVE_INFINITY,
  refuses: 0,
  duplicates: 0,
  reusesIds: 0,
  takesOver: 0,
  malformed: 0,
  pause: 3000,
  publishEvery: 1000,
  subscribeEvery: 10_000,
  unsubscribes: 30,
  burst: 4,
  window: 10,
  overruns: false,
  awake: 0,
  asleep: 0,
  greetings: () => [],
};

/** Nothing of it is a fault any more. */
export function healed(this: Personality): void {
  this.isMute = false;
  this.acks = "at once";
  this.readBytes = Number.POSITIVE_INFINITY;
  this.refuses = 0;
  this.duplicates = 0;
  this.reusesIds = 0;
  this.overruns = false;
}

/** Draws a client's personality. `message` makes what its will says. */
export function drawPersonality(
  options: Options,
  random: Random,
  name: string,
  message: () => PublishPacket,
): Personality {
  const version = random.pick([3, 4, 4, 5, 5, 5] as const);
  const has = (percent: number): boolean => random.chance(percent, 100);
  const traits: string[] = [];
  const trait = (percent: number, text: string): boolean => {
    const is = has(percent);
    if (is) traits.push(text);
    return is;
  };
  const persists = trait(options.persistent, "resuming");
  const isAssigned = version === 5 && has(10);
  if (isAssigned) traits.push("assigned");
  const isFlooder = trait(options.floods, "flooder");
  const isSleeper = trait(options.sleepers, "sleepy");
  const neverReads = trait(options.neverReads, "writer");
  const isSlow = trait(options.slowReaders, "slow reader");
  const expiry = isAssigned
    ? random.pick([0, 10])
    : persists
      ? random.pick([5, 30, 300, 0xffffffff])
      : random.pick([0, 0, 3]);
  const receiveMaximum = random.pick([undefined, undefined, 1, 2, 5]);
  const maximumPacketSize = random.pick([undefined, undefined, 100, 300]);
  const hasWill = trait(options.wills, "will");
  const neverAcks = trait(options.neverAcks, "never acks");
  const acksLate = !neverAcks && trait(options.acksLate, "late acks");
  const willDelay = random.pick([0, 0, 1, 5, 60]);
  const keepAlive = random.pick([0, 2, 5, 15, 60]);
  const personality: Personality = {
    ...PLAIN,
    traits,
    version,
    clientId: isAssigned ? "" : name,
    persists,
    isMute: trait(8, "mute"),
    keepAlive,
    acks: neverAcks ? "never" : acksLate ? "late" : "at once",
    readBytes: neverReads ? 0 : isSlow ? random.pick([1, 5, 20]) : Number.POSITIVE_INFINITY,
    refuses: trait(10, "refuses") ? 20 : 0,
    duplicates: trait(options.duplicates, "duplicator") ? 20 : 0,
    reusesIds: trait(options.reusesIds, "id reuser") ? 20 : 0,
    takesOver: trait(options.takesOver, "taker-over") ? 200 : 0,
    malformed: trait(options.malformed, "malformed") ? 100 : 0,
    pause: random.pick([500, 3000, 10_000]),
    publishEvery: isFlooder ? 2 : options.publishEvery,
    burst: isFlooder ? 20 : 4,
    window: random.pick([1, 3, 10]),
    awake: isSleeper ? random.range(500, 5000) : 0,
    asleep: isSleeper ? random.range(2000, 20_000) : 0,
    connect: (clientId, clean) => {
      const connect: ConnectPacket = {
        cmd: "connect",
        clientId,
        clean,
        protocolVersion: version,
        protocolId: version === 3 ? "MQIsdp" : "MQTT",
        keepalive: keepAlive,
      };
      if (hasWill) connect.will = willOf(message(), version, willDelay);
      if (version === 5) {
        connect.properties = { sessionExpiryInterval: expiry };
        if (receiveMaximum !== undefined) connect.properties.receiveMaximum = receiveMaximum;
        if (maximumPacketSize !== undefined) connect.properties.maximumPacketSize = maximumPacketSize;
      }
      return connect;
    },
    heal: healed,
  };
  personality.overruns = options.overruns > 0 && trait(options.overruns, "overruns");
  if (personality.overruns) personality.window = 20;
  return personality;
}

function willOf(message: PublishPacket, version: number, willDelayInterval: number): ConnectPacket["will"] {
  const { topic, payload, qos, retain, properties } = message;
  const will: ConnectPacket["will"] = { topic, payload, qos, retain };
  if (version === 5) will.properties = { ...properties, ...(willDelayInterval > 0 ? { willDelayInterval } : {}) };
  return will;
}
