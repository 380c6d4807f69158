// Packets as a server sees them, for tests that play one: what only it sends, written, and what only it gets, read.

import {
  type Bytes,
  CONNACK,
  CONNECT,
  type Level,
  openPacket,
  packet,
  properties,
  type ReadProperty,
  readProperties,
  SUBACK,
  SUBSCRIBE,
  text,
  toHex,
  UNSUBACK,
  type UNSUBSCRIBE,
  u16,
} from "./packets";

export interface ConnackOptions {
  present?: boolean;
  reason?: number;
  /** Without their length; only written at level 5. */
  properties?: Bytes;
}

export function connack(level: Level, options: ConnackOptions = {}): number[] {
  const list = level === 5 ? properties(options.properties ?? []) : [];
  return packet(CONNACK, 0, [options.present ? 1 : 0, options.reason ?? 0], list);
}

export function suback(level: Level, id: number, reasons: Bytes, list: Bytes = []): number[] {
  return packet(SUBACK, 0, u16(id), level === 5 ? properties(list) : [], reasons);
}

/** Before level 5 it has no Reason Codes. */
export function unsuback(level: Level, id: number, reasons: Bytes = [0], list: Bytes = []): number[] {
  return packet(UNSUBACK, 0, u16(id), level === 5 ? properties(list) : [], level === 5 ? reasons : []);
}

export function pingresp(): number[] {
  return [0xd0, 0];
}

export interface ReadWill {
  qos: number;
  retain: boolean;
  properties: ReadProperty[];
  topic: string;
  payload: string;
}

export interface Connect {
  level: number;
  flags: number;
  clean: boolean;
  keepAlive: number;
  properties: ReadProperty[];
  id: string;
  will: ReadWill | undefined;
  user: string | undefined;
  password: string | undefined;
  bytes: Uint8Array;
}

/** A CONNECT of MQTT 3.1.1 or 5.0; an error when it is not formed as its own flags say [section 3.1]. */
export function readConnect(bytes: Uint8Array): Connect {
  const reader = openPacket(bytes, CONNECT);
  if (bytes[0] !== 0x10) throw new Error(`flags of CONNECT: ${toHex(bytes)}`);
  const name = text(reader.string());
  const level = reader.byte();
  if (name !== "MQTT" || (level !== 4 && level !== 5)) throw new Error(`protocol ${name} ${level}`);
  const flags = reader.byte();
  if ((flags & 1) !== 0) throw new Error("the reserved Connect Flag is set");
  const hasWill = (flags & 4) !== 0;
  if (!hasWill && (flags & 0x38) !== 0) throw new Error("Will QoS or Will Retain without a will");
  if ((flags & 0x18) === 0x18) throw new Error("Will QoS 3");
  if (level === 4 && (flags & 0xc0) === 0x40) throw new Error("a Password without a User Name");
  const keepAlive = reader.integer(2);
  const list = level === 5 ? readProperties(reader) : [];
  const id = text(reader.string());
  let will: ReadWill | undefined;
  if (hasWill) {
    const properties = level === 5 ? readProperties(reader) : [];
    const topic = text(reader.string());
    const payload = text(reader.string());
    will = { qos: (flags >> 3) & 3, retain: (flags & 0x20) !== 0, properties, topic, payload };
  }
  const user = (flags & 0x80) !== 0 ? text(reader.string()) : undefined;
  const password = (flags & 0x40) !== 0 ? text(reader.string()) : undefined;
  reader.end();
  const clean = (flags & 2) !== 0;
  return { level, flags, clean, keepAlive, properties: list, id, will, user, password, bytes };
}

export interface Request {
  id: number;
  properties: ReadProperty[];
  /** Topic Filters; with their options in a SUBSCRIBE. */
  filters: [filter: string, options: number][];
}

/** A SUBSCRIBE, or an UNSUBSCRIBE, whose options are 0. */
export function readRequest(level: Level, type: typeof SUBSCRIBE | typeof UNSUBSCRIBE, bytes: Uint8Array): Request {
  const reader = openPacket(bytes, type);
  if ((bytes[0] & 15) !== 2) throw new Error(`reserved bits: ${toHex(bytes)}`);
  const id = reader.integer(2);
  const list = level === 5 ? readProperties(reader) : [];
  const filters: [string, number][] = [];
  while (reader.left > 0) filters.push([text(reader.string()), type === SUBSCRIBE ? reader.byte() : 0]);
  return { id, properties: list, filters };
}
