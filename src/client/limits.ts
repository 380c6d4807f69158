// The limits of a client: its memory follows from them as a broker's does from `Limits`.

import { checkNumbers, LimitsError } from "../memory/limits";

export interface ClientLimits {
  /** Messages accepted from the application and not yet sent (QoS 0) or acknowledged (QoS 1, 2). 1 to 1,000,000. */
  messages: number;
  /** QoS 1 and QoS 2 messages on their way to the server, at most its Receive Maximum. 1 to 65,535. */
  inflight: number;
  /** Bytes for topics, properties and payloads of those messages, and for Topic Filters. */
  payloadBytes: number;
  /** Size of a block of `payloadBytes`: a power of two, 32 to 65,536. */
  blockBytes: number;
  /** Receive Maximum announced: messages that the application or the protocol is not done with. 1 to 65,535. */
  receiveMaximum: number;
  /**
   * As `receiveMaximum`, more of them, for a server that sends more: one before MQTT 5.0, which is not told, and one that
   * after a reconnection sends all that was ever on its way (Mosquitto 2.0). Beyond: DISCONNECT 0x93. With 0 a server of
   * 5.0 is held to what was announced. 0 to 1,000,000.
   */
  receiveShared: number;
  /** Topic Filters subscribed to. */
  subscriptions: number;
  /** Longest Topic Name or Topic Filter, bytes. */
  topicBytes: number;
  /** Most levels of a Topic Name or Topic Filter. */
  topicLevels: number;
  /** Topic Name and properties of a PUBLISH that is received, bytes; its payload is not stored. Beyond: PUBACK 0x97. */
  headBytes: number;
  /** Longest Client Identifier, 23 to 255 bytes; also one that the server assigns. Beyond: 0x97. */
  clientIdBytes: number;
  /** What goes into a CONNECT, bytes; and the longest packet that is received, other than PUBLISH. DISCONNECT 0x95. */
  stageBytes: number;
  /** Maximum Packet Size announced, 128 to 268,435,455 bytes. DISCONNECT 0x95. */
  packetBytes: number;
  /** Bytes received at once. */
  inputBytes: number;
  /** Bytes sent at once. */
  outputBytes: number;
  /** Topic Alias Maximum announced, and the most that are used towards the server. */
  aliasesIn: number;
  aliasesOut: number;
  /** Time for the stream to open and for the CONNACK, each, ms. */
  connectMilliseconds: number;
  /** Wait before the first attempt to connect again, ms; doubled each time, until a connection lasts eight times as long. */
  reconnectMilliseconds: number;
  /** The longest wait, ms. */
  reconnectMostMilliseconds: number;
  /** Packets read in one step. */
  packetsPerStep: number;
}

/** A sensor: a few topics, in 4 KB. */
const sensor = Object.freeze<ClientLimits>({
  messages: 8,
  inflight: 4,
  payloadBytes: 832,
  blockBytes: 32,
  receiveMaximum: 4,
  receiveShared: 20,
  subscriptions: 4,
  topicBytes: 80,
  topicLevels: 8,
  headBytes: 160,
  clientIdBytes: 40,
  stageBytes: 224,
  packetBytes: 65536,
  inputBytes: 128,
  outputBytes: 320,
  aliasesIn: 0,
  aliasesOut: 2,
  connectMilliseconds: 10000,
  reconnectMilliseconds: 1000,
  reconnectMostMilliseconds: 120000,
  packetsPerStep: 8,
});

/** A service on Node.js or a large device. */
const client = Object.freeze<ClientLimits>({
  messages: 1024,
  inflight: 20, // what Mosquitto takes at once; before MQTT 5.0 a server can't say
  payloadBytes: 4194304,
  blockBytes: 256,
  receiveMaximum: 128,
  receiveShared: 1024,
  subscriptions: 512,
  topicBytes: 1024,
  topicLevels: 64,
  headBytes: 8192,
  clientIdBytes: 128,
  stageBytes: 65536,
  packetBytes: 268435455,
  inputBytes: 65536,
  outputBytes: 73728,
  aliasesIn: 16,
  aliasesOut: 16,
  connectMilliseconds: 20000,
  reconnectMilliseconds: 500,
  reconnectMostMilliseconds: 60000,
  packetsPerStep: 1024,
});

/** Named sets of limits; copy one with a spread and change what you need. */
export const clientPresets = Object.freeze({ sensor, client });

const ranges: Readonly<Record<string, readonly number[]>> = Object.freeze({
  messages: Object.freeze([1, 1000000]),
  inflight: Object.freeze([1, 65535]),
  payloadBytes: Object.freeze([256, 2000000000]),
  blockBytes: Object.freeze([32, 65536]),
  receiveMaximum: Object.freeze([1, 65535]),
  receiveShared: Object.freeze([0, 1000000]),
  subscriptions: Object.freeze([0, 65535]),
  topicBytes: Object.freeze([1, 65535]),
  topicLevels: Object.freeze([1, 1024]),
  headBytes: Object.freeze([32, 10000000]),
  clientIdBytes: Object.freeze([23, 255]),
  stageBytes: Object.freeze([128, 1000000]),
  packetBytes: Object.freeze([128, 268435455]),
  inputBytes: Object.freeze([64, 1048576]),
  outputBytes: Object.freeze([64, 1048576]),
  aliasesIn: Object.freeze([0, 65535]),
  aliasesOut: Object.freeze([0, 65535]),
  connectMilliseconds: Object.freeze([1, 3600000]),
  reconnectMilliseconds: Object.freeze([1, 3600000]),
  reconnectMostMilliseconds: Object.freeze([1, 86400000]),
  packetsPerStep: Object.freeze([1, 1000000]),
});

// allocates: start-up only
/** Throws `LimitsError` for the first limit that is missing, unknown, out of its range or at odds with another. */
export function checkClientLimits(limits: ClientLimits): void {
  checkNumbers(limits as unknown as Record<string, unknown>, ranges, []);
  const need = (holds: boolean, field: string, why: string): void => {
    if (!holds) throw new LimitsError(field, why);
  };
  need((limits.blockBytes & (limits.blockBytes - 1)) === 0, "blockBytes", "must be a power of two");
  need(limits.payloadBytes >= limits.blockBytes, "payloadBytes", "must be at least blockBytes");
  need(limits.inflight <= limits.messages, "inflight", "must be at most messages");
  need(limits.stageBytes >= limits.topicBytes + 64, "stageBytes", "must be at least topicBytes + 64");
  need(limits.headBytes >= limits.topicBytes + 32, "headBytes", "must be at least topicBytes + 32");
  // CONNECT, and a SUBSCRIBE of one Topic Filter, are written in one piece.
  need(
    limits.outputBytes >= limits.stageBytes + limits.clientIdBytes + 48,
    "outputBytes",
    "must be at least stageBytes + clientIdBytes + 48",
  );
  need(
    limits.reconnectMostMilliseconds >= limits.reconnectMilliseconds,
    "reconnectMostMilliseconds",
    "must be at least reconnectMilliseconds",
  );
}
