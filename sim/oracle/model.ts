// What the oracle believes: sessions, connections, retained messages, as plain maps. It shares no code with the broker.

import type { Limits } from "../../src/index";
import type { ConnectPacket, Packet, PacketReader, PublishPacket, PublishProperties } from "../packets";
import { travelling } from "../packets";
import type { Stream } from "../stream";

/** The broker did what it must not do, or did not do what it must. */
export class Violation extends Error {
  override name = "Violation";
}

export interface Message {
  /** The place among all accepted messages; 0 before it is accepted. */
  sequence: number;
  topic: string;
  payload: Buffer;
  qos: number;
  retain: boolean;
  /** Message Expiry Interval, seconds; -1 for none. */
  expiry: number;
  properties: PublishProperties;
  /** What of the properties travels with it. */
  travelling: string;
  acceptedAt: number;
}

/** A message that a session is to get and that was not sent to it. */
export interface Expected {
  message: Message;
  qos: number;
  retain: boolean;
  /** Subscription Identifiers of the subscriptions that match, sorted. */
  identifiers: number[];
  /** QoS and RETAIN of each, where it may be sent once for each. */
  copies: { qos: number; retain: boolean }[];
  hasPlain: boolean;
  /** It may be sent once for each. */
  canSplit: boolean;
  /** One copy was sent, more are to come. */
  isSplit: boolean;
  /** It may have been dropped, in part or as a whole. */
  isOptional: boolean;
}

/** A retained message that a subscription is to get. */
export interface Replay {
  filter: string;
  message: Message;
  qos: number;
  identifier: number;
  /** Nothing has happened since that makes it needless. */
  isRequired: boolean;
  /** The message that took its place at the topic. */
  replacedBy: number;
}

export const enum FlightState {
  Puback = 1,
  Pubrec = 2,
  PubrelOwed = 3,
  Pubcomp = 4,
}

/** A message of QoS 1 or 2 that was sent and is not finished. */
export interface Flight {
  expected: { message: Message; qos: number; retain: boolean; identifiers: readonly number[] };
  packetId: number;
  state: FlightState;
  /** Its PUBLISH went out on this connection. */
  isOnThis: boolean;
}

export interface Subscription {
  filter: string;
  levels: string[];
  qos: number;
  noLocal: boolean;
  retainAsPublished: boolean;
  identifier: number;
}

export interface Will {
  message: Message;
  /** Will Delay Interval, ms. */
  delay: number;
  /** When it is due, ms of elapsed time; -1 while its client is connected. */
  dueAt: number;
}

export class Session {
  row = 0;
  connection: Connection | undefined;
  readonly subscriptions = new Map<string, Subscription>();
  expected: Expected[] = [];
  flights: Flight[] = [];
  replays: Replay[] = [];
  /** Packet Identifiers of QoS 2 messages from the client that are not finished. */
  readonly incoming = new Set<number>();
  /** The last message that was sent on each topic because it went live. */
  readonly lastLive = new Map<string, Message>();
  /** Messages logged as dropped that were not found missing yet. */
  droppedFull = 0;
  /** By their topic, which is that of the message that took their place. */
  readonly droppedSuperseded = new Map<string, number>();
  /** A PUBLISH was half sent when the connection was lost: it may come again with DUP. */
  hasBegun = false;
  /** Replays of QoS 0 that may have been lost with a connection. */
  lostReplays = 0;
  will: Will | undefined;
  /** Session Expiry Interval, s. */
  expiry = 0;
  /** ms of elapsed time when its client left; -1 while it is connected. */
  leftAt = -1;
  receiveMaximum = 65535;
  /** 0: none. */
  maximumPacketSize = 0;
  version = 4;

  constructor(readonly id: string) {}

  get isOnline(): boolean {
    return this.connection !== undefined;
  }
}

export interface Owed {
  cmd: "puback" | "pubrec" | "pubcomp" | "pubrel";
  packetId: number;
  /** Reason Codes that are right. */
  codes: readonly number[];
}

export class Connection {
  isConnected = false;
  session: Session | undefined;
  connect: ConnectPacket | undefined;
  /** The CONNACK is owed, with this Session Present. */
  connack: { present: boolean } | undefined;
  owed: Owed[] = [];
  /** SUBACK and UNSUBACK owed, with their codes; the last one may be in the making. */
  filterAcks: { cmd: "suback" | "unsuback"; packetId: number; codes: number[]; isComplete: boolean }[] = [];
  pings = 0;
  /** What became of the PUBLISH at hand. */
  publish: "waits" | "accepted" | "lenient" | "cleared" | "refused" = "waits";
  /** When it was complete, -1 before: its Message Expiry Interval runs from then on. */
  arrivedAt = -1;
  publishReceivers = 0;
  publishDrops = 0;
  /** Subscriptions that the SUBSCRIBE at hand made: they go when it fails. */
  added: string[] = [];
  disconnect: Extract<Packet, { cmd: "disconnect" }> | undefined;
  isRefused = false;
  /** With this Reason Code. */
  refusedFor = 0;
  /** The Reason Code of the DISCONNECT that was sent to it; -1 for none. */
  toldWhy = -1;
  sawMalformed = false;
  /** The client sent more, or other acknowledgements, than it may. */
  openedAt = 0;
  lastReceivedAt = 0;
  heldAt = -1;
  /** When the packet at hand began, -1 between packets. */
  beganAt = -1;
  frameBeganAt = 0;
  /** When it had as many unfinished PUBLISH as it may, last; -1 for never. */
  fullAt = -1;
  keepAlive = 0;
  endedFor = -1;

  #answeredAt = -1;
  #answers = 0;

  /** An acknowledgement was sent. */
  answered(now: number): void {
    if (this.#answeredAt !== now) this.#answers = 0;
    this.#answeredAt = now;
    this.#answers++;
  }

  /** Acknowledgements that were sent just now. */
  answersAt(now: number): number {
    return this.#answeredAt === now ? this.#answers : 0;
  }

  constructor(
    readonly number: number,
    readonly stream: Stream,
    readonly reader: PacketReader,
  ) {}
}

export function messageOf(packet: PublishPacket, version: number): Message {
  const { properties } = packet;
  return {
    sequence: 0,
    topic: packet.topic,
    payload: packet.payload,
    qos: packet.qos,
    retain: packet.retain,
    expiry: version === 5 ? (properties?.messageExpiryInterval ?? -1) : -1,
    properties,
    travelling: version === 5 ? travelling(properties) : "",
    acceptedAt: 0,
  };
}

export function willOf(packet: ConnectPacket): Will | undefined {
  const { will } = packet;
  if (will === undefined) return undefined;
  const v5 = packet.protocolVersion === 5;
  const properties = v5 ? will.properties : undefined;
  const message: Message = {
    sequence: 0,
    topic: will.topic,
    payload: Buffer.from(will.payload),
    qos: will.qos ?? 0,
    retain: will.retain ?? false,
    expiry: properties?.messageExpiryInterval ?? -1,
    properties,
    travelling: travelling(properties),
    acceptedAt: 0,
  };
  return { message, delay: 1000 * (properties?.willDelayInterval ?? 0), dueAt: -1 };
}

/** Whether a Topic Filter matches a Topic Name [5.0 section 4.7]. */
export function matches(filter: readonly string[], name: readonly string[]): boolean {
  if (name[0].startsWith("$") && (filter[0] === "+" || filter[0] === "#")) return false;
  for (let i = 0; i < filter.length; i++) {
    if (filter[i] === "#") return true;
    if (i >= name.length) return false;
    if (filter[i] !== "+" && filter[i] !== name[i]) return false;
  }
  return filter.length === name.length;
}

/** Whether a message's Message Expiry Interval has passed, `slack` ms ago or more. */
export function isExpired(message: Message, now: number, slack: number): boolean {
  return message.expiry >= 0 && now - message.acceptedAt >= message.expiry * 1000 + slack;
}

export interface Model {
  readonly limits: Limits;
  /** Elapsed time of the broker, ms. */
  now: number;
  readonly sessions: Map<string, Session>;
  readonly retained: Map<string, Message>;
  readonly connections: Map<number, Connection>;
  sequence: number;
}
