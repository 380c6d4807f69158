// What the oracle believes of one client of ours: what the application gave it, what passed on its connection, what it
// has told. Plain maps and lists; no code is shared with the client.

import type { ClientLimits } from "../../src/client/limits";
import type { ConnectOptions } from "../../src/client/options";
import type { Packet, PublishPacket, PublishProperties } from "../packets";

/** A message that the application publishes. */
export interface Said {
  topic: string;
  payload: Buffer;
  qos: number;
  retain: boolean;
  /** Message Expiry Interval, seconds; -1: none. */
  expiry: number;
  properties: PublishProperties;
  /** The same as they go on the wire. */
  propertyBytes: Uint8Array;
}

/** One that the client accepted and has not told the end of. */
export interface Outgoing {
  said: Said;
  row: number;
  acceptedAt: number;
  state: "queued" | "puback" | "pubrec" | "pubrel owed" | "pubcomp";
  packetId: number;
  /** Bytes of its PUBLISH were sent, in this session. */
  isBegun: boolean;
  /** Its PUBLISH was sent on this connection. */
  isOnThis: boolean;
  /** QoS 0: it was told as sent, and goes out before the client's turn is over. */
  isTold: boolean;
  /** The client may have read a PUBREC for it, before the connection was lost. */
  isMaybeThere: boolean;
  /** It was sent in a session that is no more: the server may get it twice. */
  isAnew: boolean;
}

export interface Filter {
  filter: string;
  row: number;
  options: number;
  identifier: number;
  stage: "wanted" | "asked" | "granted" | "unwanted" | "leaving";
  packetId: number;
  /** It was granted before, by a session that is no more. */
  isAgain: boolean;
  /** What it was before the application changed it in this tick: a packet for that may be on its way. */
  before: Filter | undefined;
}

/** An acknowledgement that the client owes. */
export interface Owed {
  cmd: "puback" | "pubrec" | "pubcomp" | "pubrel";
  packetId: number;
  /** Reason Codes that are right. */
  codes: readonly number[];
  /** The application has not accepted the message. */
  isOpen: boolean;
}

/** What the client must tell next, because of a packet it was given. */
export type Due =
  | { kind: "connected"; present: boolean }
  | { kind: "disconnected"; reason: number }
  | { kind: "published"; row: number; code: number; outgoing: Outgoing }
  | { kind: "subscribed" | "unsubscribed"; row: number; code: number }
  | { kind: "message"; packet: PublishPacket; size: number };

/** A message as the application gets it. */
export interface Got {
  topic: string;
  qos: number;
  retain: boolean;
  dup: boolean;
  packetId: number;
  expiry: number;
  payloadLength: number;
  properties: PublishProperties;
  payload: Buffer;
}

/** What the server said of itself in its CONNACK. */
export interface Server {
  receiveMaximum: number;
  /** 0: no limit. */
  maximumPacketSize: number;
  aliasMaximum: number;
  maximumQoS: number;
  retainAvailable: boolean;
  identifiersAvailable: boolean;
}

export const UNLIMITED: Server = {
  receiveMaximum: 65535,
  maximumPacketSize: 0,
  aliasMaximum: 0,
  maximumQoS: 2,
  retainAvailable: true,
  identifiersAvailable: true,
};

export class PeerModel {
  options: ConnectOptions = {};
  version = 5;
  acceptsByHand = false;
  /** ms of its own clock that have passed for it. */
  now = 0;
  state: "stopped" | "waiting" | "dialing" | "connecting" | "connected" = "stopped";
  /** When the state began. */
  since = 0;
  /** Attempts since it was connected. */
  attempts = 0;
  /** It was never connected since `start`. */
  isFirst = true;
  clientId = "";
  server: Server = UNLIMITED;
  /** Seconds, as agreed. */
  keepAlive = 0;
  connackSeen = false;
  /** A CONNECT was not answered: the server may have begun another session for it. */
  isUnsure = false;
  /** The CONNECT asked for a new session. */
  isClean = true;
  receivedAt = 0;
  sentAt = 0;
  /** The same, also when nothing can be sent. */
  wroteAt = 0;
  /** When the packet that is half sent began; -1: none is. */
  beganAt = -1;
  pingedAt = 0;
  isPingOwed = false;
  /** When it last had a reason not to read. */
  busyAt = 0;
  isPaused = false;
  /** It knows that its stream is over. */
  isTold = false;
  isStopping = false;
  /** The Reason Code of the DISCONNECT that it sent; -1: none. */
  saidWhy = -1;

  /** In the order in which they were accepted. */
  outgoing: Outgoing[] = [];
  readonly filters = new Map<string, Filter>();
  /** Topic Filters that the client gave up because the server would not take the packet: it may still have them. */
  readonly strays = new Set<string>();
  /** Packet Identifiers of SUBSCRIBE and UNSUBSCRIBE whose answer does not matter any more. */
  readonly orphans = new Set<number>();
  /** Packets given to the client whose consequences it has not shown. */
  arrived: { packet: Packet; size: number }[] = [];
  due: Due[] = [];
  owed: Owed[] = [];
  /** QoS 2 that is not released: true when the application has accepted it. */
  readonly incoming = new Map<number, boolean>();
  /** Those of them for which it may have read a PUBREL, before the connection was lost. */
  readonly released = new Set<number>();
  got: Got | undefined;
  /** A message was lost, and the end of the connection has not been told. */
  isLost = false;
  /** QoS 0 was told as lost: the connection must be about to be. */
  losing = false;
  readonly aliasesUp = new Map<number, string>();
  /** "" for what the client can't know, because it refused the PUBLISH. */
  readonly aliasesDown = new Map<number, string>();

  /** @param reach is told what happens, for the trace and the summary. */
  constructor(
    readonly limits: ClientLimits,
    readonly reach: (what: string) => void,
  ) {}

  /** CONNACK has been read: what is told of it comes before `connected`. */
  get isOnline(): boolean {
    return this.state === "connected" || this.due.some(({ kind }) => kind === "connected");
  }

  get v5(): boolean {
    return this.version === 5;
  }

  /** Rows of `blockBytes` that what it holds takes at most. */
  blocksTaken(): number {
    const { blockBytes } = this.limits;
    let count = 0;
    for (const { said, state } of this.outgoing) {
      if (state === "pubrel owed" || state === "pubcomp") continue;
      count += Math.ceil(sizeOf(said) / blockBytes);
    }
    for (const { filter } of this.filters.values()) count += Math.ceil(Buffer.byteLength(filter) / blockBytes);
    return count;
  }
}

/** Bytes that a message takes in the client's memory. */
export function sizeOf({ topic, payload, propertyBytes }: Said): number {
  return Buffer.byteLength(topic) + propertyBytes.length + payload.length;
}

export function textOf(payload: Uint8Array): string {
  return JSON.stringify(Buffer.from(payload.subarray(0, 12)).toString("latin1"));
}
