// Limits: every bound of the system, as data. Memory follows from them (`plan`), and what a peer is told when one is
// reached is named here. `checkLimits` states the relations that must hold between them.

export type Overflow = "drop-newest" | "drop-oldest" | "latest-per-topic" | "disconnect";
export type Refuse311 = "close" | "acknowledge";

// For comparisons: a literal in a function would be a new string each time, in a preloaded module on XS.
export const DROP_OLDEST = "drop-oldest";
export const LATEST_PER_TOPIC = "latest-per-topic";
export const DISCONNECT = "disconnect";
export const CLOSE = "close";

export interface Limits {
  /** Network Connections, one of them the spare that reads a CONNECT when all others are in use. 2 to 65,534. CONNACK 0x89. */
  connections: number;
  /** Sessions, connected or not; an unexpired one is never evicted. 1 to 1,000,000. CONNACK 0x97. */
  sessions: number;
  /** Subscriptions of all sessions. SUBACK 0x97 for that Topic Filter. */
  subscriptions: number;
  /** Subscriptions of one session. SUBACK 0x97. */
  subscriptionsPerSession: number;
  /** Topic Filters in one SUBSCRIBE or UNSUBSCRIBE; those beyond get SUBACK 0x97, UNSUBACK 0x83. */
  filtersPerSubscribe: number;
  /** Further Subscription Identifiers of overlapping subscriptions in queued messages; without one a second copy is sent. */
  subscriptionIdentifiers: number;
  /** Nodes of the topic tree: one a level of each Topic Filter and each retained Topic Name. SUBACK 0x97, PUBACK 0x97. */
  topicNodes: number;
  /** Different topic levels in the tree. As `topicNodes`. */
  topicLabels: number;
  /** Bytes for the text of topic levels, in blocks of 16. As `topicNodes`. */
  labelBytes: number;
  /** Longest Topic Name or Topic Filter, bytes. SUBACK 0x8F, PUBACK 0x90. */
  topicBytes: number;
  /** Most levels of a Topic Name or Topic Filter. SUBACK 0x8F, PUBACK 0x90. */
  topicLevels: number;
  /** Retained messages. PUBACK 0x97; QoS 0 is delivered but not kept. */
  retained: number;
  /** Application Messages waiting for receivers, each stored once. PUBACK 0x97 after `holdMilliseconds`. */
  messages: number;
  /** Deliveries waiting or unacknowledged, one a message and receiver. PUBACK 0x97 after `holdMilliseconds`. */
  deliveries: number;
  /** Bytes for topics, properties and payloads of all messages. PUBACK 0x97 after `holdMilliseconds`. */
  payloadBytes: number;
  /** Size of a block of `payloadBytes`: a power of two, 32 to 65,536. Small saves memory, large saves time. */
  blockBytes: number;
  /** Messages waiting or unacknowledged for one session. See `sessionOverflow`. */
  queuePerSession: number;
  /** QoS 1 and QoS 2 messages on their way to one client, at most its Receive Maximum. 1 to 65,535. */
  inflightPerSession: number;
  /** Receive Maximum announced: unacknowledged PUBLISH from one client. What is beyond waits while we owe an acknowledgement, else DISCONNECT 0x93. */
  receiveMaximum: number;
  /** Unfinished QoS 2 PUBLISH of clients before MQTT 5.0, which know no Receive Maximum, beyond `receiveMaximum` each; shared, one may have 1,024. */
  receiveShared: number;
  /** Longest Client Identifier, 23 to 255 bytes. CONNACK 0x85. */
  clientIdBytes: number;
  /** Longest CONNECT with its will, longest property, and longest packet other than PUBLISH, SUBSCRIBE, UNSUBSCRIBE. CONNACK or DISCONNECT 0x95. */
  stageBytes: number;
  /** Maximum Packet Size announced, 128 to 268,435,455 bytes with the fixed header. DISCONNECT 0x95. */
  packetBytes: number;
  /** Largest PUBLISH that is stored: topic, properties and payload. PUBACK 0x97. */
  messageBytes: number;
  /** Bytes received at once. */
  inputBytes: number;
  /** Bytes sent to one connection at once. */
  outputBytes: number;
  /** Time for the CONNECT after the stream opened, ms. Then closed. */
  connectMilliseconds: number;
  /** Time for a packet to arrive once it began, ms. Then DISCONNECT 0x83. */
  packetMilliseconds: number;
  /** Longest time a publisher is not read for want of room, ms. Then refused. */
  holdMilliseconds: number;
  /** A receiver that took nothing for this long holds no publisher any more, ms. */
  stallMilliseconds: number;
  /** How long what a closed connection still sends is discarded, ms. */
  discardMilliseconds: number;
  /** Longest Keep Alive, s; a client that wants longer or none gets Server Keep Alive (5.0). 0: any. */
  keepAliveSeconds: number;
  /** Longest Session Expiry Interval, s, and that of persistent sessions before MQTT 5.0. 4,294,967,295: for ever. */
  sessionExpirySeconds: number;
  /**
   * When `queuePerSession` is reached. The publisher gets success; what is dropped is counted. With "disconnect" a client
   * that publishes to itself faster than it reads may be disconnected again and again.
   */
  sessionOverflow: Overflow;
  /** A PUBLISH refused before MQTT 5.0, which knows no refusal [MQTT-3.3.5-2]: close, or acknowledge, deliver where possible, and count. */
  refuse311: Refuse311;
  /** Connections served in one step. */
  connectionsPerStep: number;
  /** Packets read from one connection in one step. */
  packetsPerTurn: number;
}

const FOREVER = 0xffffffff;

/** For tests: every limit is hit all the time. */
const tiny = Object.freeze<Limits>({
  connections: 4,
  sessions: 4,
  subscriptions: 8,
  subscriptionsPerSession: 6,
  filtersPerSubscribe: 8,
  subscriptionIdentifiers: 2,
  topicNodes: 16,
  topicLabels: 16,
  labelBytes: 256,
  topicBytes: 64,
  topicLevels: 6,
  retained: 3,
  messages: 6,
  deliveries: 10,
  payloadBytes: 1024,
  blockBytes: 32,
  queuePerSession: 6,
  inflightPerSession: 3,
  receiveMaximum: 3,
  receiveShared: 2,
  clientIdBytes: 23,
  stageBytes: 192,
  packetBytes: 1024,
  messageBytes: 224,
  inputBytes: 128,
  outputBytes: 128,
  connectMilliseconds: 1000,
  packetMilliseconds: 2000,
  holdMilliseconds: 300,
  stallMilliseconds: 200,
  discardMilliseconds: 100,
  keepAliveSeconds: 60,
  sessionExpirySeconds: 120,
  sessionOverflow: "drop-newest",
  refuse311: "close",
  connectionsPerStep: 2,
  packetsPerTurn: 4,
});

/** An ESP32 without PSRAM: a handful of devices in 40 KB. */
const esp32 = Object.freeze<Limits>({
  connections: 8,
  sessions: 12,
  subscriptions: 48,
  subscriptionsPerSession: 32,
  filtersPerSubscribe: 512,
  subscriptionIdentifiers: 16,
  topicNodes: 192,
  topicLabels: 112,
  labelBytes: 2048,
  topicBytes: 256,
  topicLevels: 12,
  retained: 32,
  messages: 48,
  deliveries: 96,
  payloadBytes: 16384,
  blockBytes: 64,
  queuePerSession: 32,
  inflightPerSession: 8,
  receiveMaximum: 10,
  receiveShared: 32,
  clientIdBytes: 48,
  stageBytes: 1024,
  packetBytes: 32768,
  messageBytes: 4000,
  inputBytes: 1024,
  outputBytes: 1436,
  connectMilliseconds: 5000,
  packetMilliseconds: 20000,
  holdMilliseconds: 2000,
  stallMilliseconds: 1000,
  discardMilliseconds: 500,
  keepAliveSeconds: 300,
  sessionExpirySeconds: 86400,
  sessionOverflow: "drop-oldest",
  refuse311: "acknowledge",
  connectionsPerStep: 4,
  packetsPerTurn: 8,
});

/** A home on an ESP32: about 22 clients, one of them with 400 subscriptions, in 128 KB. */
const gateway = Object.freeze<Limits>({
  ...esp32,
  connections: 24,
  sessions: 32,
  subscriptions: 512,
  subscriptionsPerSession: 450,
  filtersPerSubscribe: 512,
  subscriptionIdentifiers: 64,
  topicNodes: 1500,
  topicLabels: 448,
  labelBytes: 8480,
  retained: 384,
  messages: 128,
  deliveries: 320,
  payloadBytes: 32768,
  queuePerSession: 100,
  inflightPerSession: 16,
  receiveMaximum: 12,
  receiveShared: 64,
  stageBytes: 1536,
  messageBytes: 8000,
});

/** A board with PSRAM: 64 connections in 2 MB. */
const psram = Object.freeze<Limits>({
  ...gateway,
  connections: 64,
  sessions: 96,
  subscriptions: 2048,
  subscriptionsPerSession: 1024,
  filtersPerSubscribe: 1024,
  subscriptionIdentifiers: 256,
  topicNodes: 8192,
  topicLabels: 3072,
  labelBytes: 65536,
  retained: 2048,
  messages: 1024,
  deliveries: 4096,
  payloadBytes: 1048576,
  blockBytes: 128,
  queuePerSession: 500,
  inflightPerSession: 32,
  receiveMaximum: 32,
  receiveShared: 256,
  clientIdBytes: 64,
  stageBytes: 8192,
  packetBytes: 262144,
  messageBytes: 196608,
  inputBytes: 4096,
  outputBytes: 5744,
});

/** Node.js: thousands of connections, messages of 1 MB. */
const node = Object.freeze<Limits>({
  connections: 10001,
  sessions: 20000,
  subscriptions: 200000,
  subscriptionsPerSession: 20000,
  filtersPerSubscribe: 8192,
  subscriptionIdentifiers: 16384,
  topicNodes: 400000,
  topicLabels: 200000,
  labelBytes: 3200000,
  topicBytes: 8192,
  topicLevels: 128,
  retained: 100000,
  messages: 200000,
  deliveries: 1000000,
  payloadBytes: 134217728,
  blockBytes: 512,
  queuePerSession: 10000,
  inflightPerSession: 1024,
  receiveMaximum: 256,
  receiveShared: 262144,
  clientIdBytes: 128,
  stageBytes: 262144,
  packetBytes: 1100000,
  messageBytes: 1090000,
  inputBytes: 65536,
  outputBytes: 65536,
  connectMilliseconds: 10000,
  packetMilliseconds: 60000,
  holdMilliseconds: 2000,
  stallMilliseconds: 1000,
  discardMilliseconds: 500,
  keepAliveSeconds: 0,
  sessionExpirySeconds: FOREVER,
  sessionOverflow: "drop-newest",
  refuse311: "acknowledge",
  connectionsPerStep: 256,
  packetsPerTurn: 4096,
});

export type PresetName = "tiny" | "esp32" | "gateway" | "psram" | "node";

/** Named sets of limits; copy one with a spread and change what you need. */
export const presets: Readonly<Record<PresetName, Readonly<Limits>>> = Object.freeze({
  tiny,
  esp32,
  gateway,
  psram,
  node,
});

/** A limit that can't be: `field` names it, the message says why. Thrown before anything starts. */
export class LimitsError extends Error {
  readonly field: string;
  constructor(field: string, why: string) {
    super(`limit "${field}": ${why}`);
    this.name = "LimitsError";
    this.field = field;
  }
}

/** Smallest and largest value of every number in `Limits`. */
export const limitRanges: Readonly<Record<string, readonly number[]>> = Object.freeze({
  connections: Object.freeze([2, 65534]),
  sessions: Object.freeze([1, 1000000]),
  subscriptions: Object.freeze([1, 10000000]),
  subscriptionsPerSession: Object.freeze([1, 10000000]),
  filtersPerSubscribe: Object.freeze([1, 65535]),
  subscriptionIdentifiers: Object.freeze([0, 10000000]),
  topicNodes: Object.freeze([1, 10000000]),
  topicLabels: Object.freeze([1, 10000000]),
  labelBytes: Object.freeze([16, 1000000000]),
  topicBytes: Object.freeze([1, 65535]),
  topicLevels: Object.freeze([1, 1024]),
  retained: Object.freeze([0, 10000000]),
  messages: Object.freeze([1, 10000000]),
  deliveries: Object.freeze([1, 100000000]),
  payloadBytes: Object.freeze([256, 2000000000]),
  blockBytes: Object.freeze([32, 65536]),
  queuePerSession: Object.freeze([1, 10000000]),
  inflightPerSession: Object.freeze([1, 65535]),
  receiveMaximum: Object.freeze([1, 65535]),
  receiveShared: Object.freeze([0, 10000000]),
  clientIdBytes: Object.freeze([23, 255]),
  stageBytes: Object.freeze([128, 1000000]),
  packetBytes: Object.freeze([128, 268435455]),
  messageBytes: Object.freeze([32, 268435455]),
  inputBytes: Object.freeze([64, 1048576]),
  outputBytes: Object.freeze([64, 1048576]),
  connectMilliseconds: Object.freeze([1, 3600000]),
  packetMilliseconds: Object.freeze([1, 3600000]),
  holdMilliseconds: Object.freeze([0, 3600000]),
  stallMilliseconds: Object.freeze([1, 3600000]),
  discardMilliseconds: Object.freeze([0, 60000]),
  keepAliveSeconds: Object.freeze([0, 65535]),
  sessionExpirySeconds: Object.freeze([0, 0xffffffff]),
  connectionsPerStep: Object.freeze([1, 65535]),
  packetsPerTurn: Object.freeze([1, 1000000]),
});

const overflows: readonly string[] = Object.freeze(["drop-newest", "drop-oldest", "latest-per-topic", "disconnect"]);
const refusals: readonly string[] = Object.freeze(["close", "acknowledge"]);

// allocates: start-up only
/** Throws `LimitsError` for the first limit that is missing, unknown, out of its range or at odds with another. */
export function checkLimits(limits: Limits): void {
  checkNumbers(limits as unknown as Record<string, unknown>, limitRanges, ["sessionOverflow", "refuse311"]);
  if (!overflows.includes(limits.sessionOverflow)) {
    throw new LimitsError("sessionOverflow", `must be one of ${overflows.join(", ")}`);
  }
  if (!refusals.includes(limits.refuse311)) throw new LimitsError("refuse311", `must be one of ${refusals.join(", ")}`);
  checkRelations(limits);
}

// allocates: start-up only
/** Throws `LimitsError` for the first number that is missing or out of its range, or a field that is neither one nor in `others`. */
export function checkNumbers(
  values: Record<string, unknown>,
  ranges: Readonly<Record<string, readonly number[]>>,
  others: readonly string[],
): void {
  for (const field of Object.keys(ranges)) {
    const [least, most] = ranges[field];
    const value = values[field];
    if (typeof value !== "number" || !Number.isInteger(value)) throw new LimitsError(field, "must be a whole number");
    if (value < least || value > most) throw new LimitsError(field, `must be from ${least} to ${most}, not ${value}`);
  }
  for (const field of Object.keys(values)) {
    if (!(field in ranges) && !others.includes(field)) throw new LimitsError(field, "is no limit");
  }
}

// allocates: start-up only
function checkRelations(limits: Limits): void {
  const need = (holds: boolean, field: string, why: string): void => {
    if (!holds) throw new LimitsError(field, why);
  };
  // Every connected client has a session, so fewer sessions than connections would refuse clients that have a seat.
  need(limits.sessions >= limits.connections - 1, "sessions", "must be at least connections - 1");
  need(
    limits.subscriptionsPerSession <= limits.subscriptions,
    "subscriptionsPerSession",
    "must be at most subscriptions",
  );
  // Chains address their blocks by shift and mask.
  need((limits.blockBytes & (limits.blockBytes - 1)) === 0, "blockBytes", "must be a power of two");
  // One connection may have at most a quarter of the blocks promised to it, or one upload would stall everybody.
  need(limits.messageBytes * 4 <= limits.payloadBytes, "messageBytes", "must be at most a quarter of payloadBytes");
  need(limits.messageBytes <= limits.packetBytes, "messageBytes", "must be at most packetBytes");
  // A Topic Filter with its length and options, and a property with its identifier, are read in one piece.
  need(limits.stageBytes >= limits.topicBytes + 64, "stageBytes", "must be at least topicBytes + 64");
  // A CONNECT that comes in pieces waits in blocks.
  need(limits.stageBytes * 4 <= limits.payloadBytes, "stageBytes", "must be at most a quarter of payloadBytes");
  need(limits.stageBytes <= limits.packetBytes, "stageBytes", "must be at most packetBytes");
  // One session alone must not be able to hold what all sessions share.
  need(limits.queuePerSession <= limits.deliveries, "queuePerSession", "must be at most deliveries");
  need(limits.inflightPerSession <= limits.queuePerSession, "inflightPerSession", "must be at most queuePerSession");
  // The longest packet besides PUBLISH and SUBACK that is written in one piece: CONNACK with an Assigned Client Identifier.
  need(limits.outputBytes >= limits.clientIdBytes + 64, "outputBytes", "must be at least clientIdBytes + 64");
}
