// Packets written byte by byte and read back, for tests only. Nothing here comes from `src`: a mistake in the codec
// must not be able to hide behind the same mistake in its test.

export type Bytes = readonly number[];
export type Level = 3 | 4 | 5;

export const CONNECT = 1;
export const CONNACK = 2;
export const PUBLISH = 3;
export const PUBACK = 4;
export const PUBREC = 5;
export const PUBREL = 6;
export const PUBCOMP = 7;
export const SUBSCRIBE = 8;
export const SUBACK = 9;
export const UNSUBSCRIBE = 10;
export const UNSUBACK = 11;
export const PINGREQ = 12;
export const PINGRESP = 13;
export const DISCONNECT = 14;
export const AUTH = 15;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The bytes of a text, without a length. */
export function ascii(text: string): number[] {
  return [...encoder.encode(text)];
}

export function text(bytes: Uint8Array | Bytes): string {
  return decoder.decode(Uint8Array.from(bytes));
}

/** Bytes from hex digits; blanks are for the reader. */
export function hex(digits: string): number[] {
  const packed = digits.replace(/\s/g, "");
  const bytes: number[] = [];
  for (let i = 0; i < packed.length; i += 2) bytes.push(Number.parseInt(packed.slice(i, i + 2), 16));
  return bytes;
}

export function toHex(bytes: Uint8Array | Bytes): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

export function u16(value: number): number[] {
  return [(value >>> 8) & 255, value & 255];
}

export function u32(value: number): number[] {
  return [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

/** A Variable Byte Integer in its shortest form. */
export function variable(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const byte = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? byte | 128 : byte);
  } while (rest > 0);
  return bytes;
}

/** A length of two bytes, then the text or the bytes. */
export function string(value: string | Bytes): number[] {
  const bytes = typeof value === "string" ? ascii(value) : value;
  return [...u16(bytes.length), ...bytes];
}

/** Fixed header and rest. */
export function packet(type: number, flags: number, ...parts: Bytes[]): number[] {
  const rest = parts.flat();
  return [(type << 4) | flags, ...variable(rest.length), ...rest];
}

/** A Property Length, then the properties. */
export function properties(...list: Bytes[]): number[] {
  const bytes = list.flat();
  return [...variable(bytes.length), ...bytes];
}

/** One property each: identifier and value. */
export const property = {
  payloadFormat: (value: number): number[] => [0x01, value],
  messageExpiry: (seconds: number): number[] => [0x02, ...u32(seconds)],
  contentType: (value: string | Bytes): number[] => [0x03, ...string(value)],
  responseTopic: (value: string | Bytes): number[] => [0x08, ...string(value)],
  correlationData: (value: string | Bytes): number[] => [0x09, ...string(value)],
  subscriptionIdentifier: (value: number): number[] => [0x0b, ...variable(value)],
  sessionExpiry: (seconds: number): number[] => [0x11, ...u32(seconds)],
  assignedClientIdentifier: (value: string): number[] => [0x12, ...string(value)],
  serverKeepAlive: (seconds: number): number[] => [0x13, ...u16(seconds)],
  authenticationMethod: (value: string | Bytes): number[] => [0x15, ...string(value)],
  authenticationData: (value: string | Bytes): number[] => [0x16, ...string(value)],
  requestProblemInformation: (value: number): number[] => [0x17, value],
  willDelay: (seconds: number): number[] => [0x18, ...u32(seconds)],
  requestResponseInformation: (value: number): number[] => [0x19, value],
  responseInformation: (value: string): number[] => [0x1a, ...string(value)],
  serverReference: (value: string): number[] => [0x1c, ...string(value)],
  reasonString: (value: string | Bytes): number[] => [0x1f, ...string(value)],
  receiveMaximum: (value: number): number[] => [0x21, ...u16(value)],
  topicAliasMaximum: (value: number): number[] => [0x22, ...u16(value)],
  topicAlias: (value: number): number[] => [0x23, ...u16(value)],
  maximumQoS: (value: number): number[] => [0x24, value],
  retainAvailable: (value: number): number[] => [0x25, value],
  user: (name: string | Bytes, value: string | Bytes): number[] => [0x26, ...string(name), ...string(value)],
  maximumPacketSize: (bytes: number): number[] => [0x27, ...u32(bytes)],
  wildcardSubscriptionAvailable: (value: number): number[] => [0x28, value],
  subscriptionIdentifierAvailable: (value: number): number[] => [0x29, value],
  sharedSubscriptionAvailable: (value: number): number[] => [0x2a, value],
};

export interface Will {
  topic: string | Bytes;
  payload?: string | Bytes;
  qos?: number;
  retain?: boolean;
  /** Without their length; only written at level 5. */
  properties?: Bytes;
}

export interface ConnectOptions {
  level: Level;
  /** Client Identifier, "c" when not given. */
  id?: string | Bytes;
  /** Clean Session or Clean Start; true when not given. */
  clean?: boolean;
  /** Seconds, 60 when not given. */
  keepAlive?: number;
  /** Without their length; only written at level 5. */
  properties?: Bytes;
  will?: Will;
  user?: string | Bytes;
  password?: string | Bytes;
  /** Bits that are inverted in the Connect Flags, to write what is wrong. */
  invertFlags?: number;
  /** Instead of "MQIsdp" or "MQTT". */
  protocolName?: string | Bytes;
  /** Instead of `level`. */
  protocolLevel?: number;
  /** Appended behind the payload. */
  tail?: Bytes;
}

export function connect(options: ConnectOptions): number[] {
  const { level, will, user, password } = options;
  const five = level === 5;
  let flags = (options.clean ?? true) ? 0x02 : 0;
  if (will) flags |= 0x04 | ((will.qos ?? 0) << 3) | (will.retain ? 0x20 : 0);
  if (password !== undefined) flags |= 0x40;
  if (user !== undefined) flags |= 0x80;
  flags ^= options.invertFlags ?? 0;
  return packet(
    CONNECT,
    0,
    string(options.protocolName ?? (level === 3 ? "MQIsdp" : "MQTT")),
    [options.protocolLevel ?? level, flags],
    u16(options.keepAlive ?? 60),
    five ? properties(options.properties ?? []) : [],
    string(options.id ?? "c"),
    will && five ? properties(will.properties ?? []) : [],
    will ? string(will.topic) : [],
    will ? string(will.payload ?? "") : [],
    user === undefined ? [] : string(user),
    password === undefined ? [] : string(password),
    options.tail ?? [],
  );
}

export interface PublishOptions {
  level: Level;
  topic: string | Bytes;
  payload?: string | Bytes;
  qos?: number;
  /** Packet Identifier; written when QoS is 1 or 2, 1 when not given. */
  id?: number;
  dup?: boolean;
  retain?: boolean;
  /** Without their length; only written at level 5. */
  properties?: Bytes;
}

export function publish(options: PublishOptions): number[] {
  const qos = options.qos ?? 0;
  const payload = options.payload ?? "";
  return packet(
    PUBLISH,
    (options.dup ? 8 : 0) | (qos << 1) | (options.retain ? 1 : 0),
    string(options.topic),
    qos > 0 ? u16(options.id ?? 1) : [],
    options.level === 5 ? properties(options.properties ?? []) : [],
    typeof payload === "string" ? ascii(payload) : payload,
  );
}

function acknowledgement(type: number, flags: number, id: number, reason?: number, list?: Bytes): number[] {
  return packet(type, flags, u16(id), reason === undefined ? [] : [reason], list === undefined ? [] : properties(list));
}

/** Reason and properties are left out when not given, as both are allowed to be. */
export function puback(id: number, reason?: number, list?: Bytes): number[] {
  return acknowledgement(PUBACK, 0, id, reason, list);
}

export function pubrec(id: number, reason?: number, list?: Bytes): number[] {
  return acknowledgement(PUBREC, 0, id, reason, list);
}

export function pubrel(id: number, reason?: number, list?: Bytes): number[] {
  return acknowledgement(PUBREL, 2, id, reason, list);
}

export function pubcomp(id: number, reason?: number, list?: Bytes): number[] {
  return acknowledgement(PUBCOMP, 0, id, reason, list);
}

/** A Topic Filter and its options: QoS, 0x04 No Local, 0x08 Retain As Published, 0x10 and 0x20 Retain Handling. */
export type Subscription = readonly [filter: string | Bytes, options: number];

export function subscribe(level: Level, id: number, list: readonly Subscription[], props: Bytes = []): number[] {
  return packet(
    SUBSCRIBE,
    2,
    u16(id),
    level === 5 ? properties(props) : [],
    ...list.map(([filter, options]) => [...string(filter), options]),
  );
}

export function unsubscribe(
  level: Level,
  id: number,
  filters: readonly (string | Bytes)[],
  props: Bytes = [],
): number[] {
  return packet(UNSUBSCRIBE, 2, u16(id), level === 5 ? properties(props) : [], ...filters.map((f) => string(f)));
}

export function pingreq(): number[] {
  return [0xc0, 0];
}

export function disconnect(reason?: number, list?: Bytes): number[] {
  return packet(DISCONNECT, 0, reason === undefined ? [] : [reason], list === undefined ? [] : properties(list));
}

export function auth(reason?: number, list?: Bytes): number[] {
  return packet(AUTH, 0, reason === undefined ? [] : [reason], list === undefined ? [] : properties(list));
}

/** Cuts a stream of bytes into packets, knowing nothing but the fixed header. */
export class Framer {
  private waiting: number[] = [];
  private from = 0;

  push(bytes: Uint8Array | Bytes): void {
    for (const byte of bytes) this.waiting.push(byte);
  }

  /** Bytes of a packet that is not complete. */
  get partial(): number {
    return this.waiting.length - this.from;
  }

  /** The next whole packet. */
  next(): Uint8Array | undefined {
    let length = 0;
    let at = this.from + 1;
    for (let shift = 0; ; shift += 7) {
      if (at >= this.waiting.length) return undefined;
      if (shift > 21) throw new Error(`no Remaining Length: ${toHex(this.waiting.slice(this.from, this.from + 8))}`);
      const byte = this.waiting[at++];
      length += (byte & 127) * 2 ** shift;
      if (byte < 128) break;
    }
    if (this.waiting.length < at + length) return undefined;
    const whole = Uint8Array.from(this.waiting.slice(this.from, at + length));
    this.from = at + length;
    if (this.from > 65536 || this.from === this.waiting.length) {
      this.waiting = this.waiting.slice(this.from);
      this.from = 0;
    }
    return whole;
  }
}

/** A property as it was read: a number, or the bytes of a text or of Binary Data; a pair is two texts. */
export interface ReadProperty {
  id: number;
  number: number;
  bytes: Uint8Array;
  second: Uint8Array;
}

export class Reader {
  at = 0;
  constructor(readonly bytes: Uint8Array) {}

  byte(): number {
    if (this.at >= this.bytes.length) throw new Error(`packet too short: ${toHex(this.bytes)}`);
    return this.bytes[this.at++];
  }

  integer(bytes: number): number {
    let value = 0;
    for (let i = 0; i < bytes; i++) value = value * 256 + this.byte();
    return value;
  }

  variable(): number {
    let value = 0;
    for (let i = 0; i < 4; i++) {
      const byte = this.byte();
      value += (byte & 127) * 128 ** i;
      if (byte < 128) return value;
    }
    throw new Error(`no Variable Byte Integer: ${toHex(this.bytes)}`);
  }

  string(): Uint8Array {
    return this.take(this.integer(2));
  }

  take(length: number): Uint8Array {
    if (this.at + length > this.bytes.length) throw new Error(`packet too short: ${toHex(this.bytes)}`);
    this.at += length;
    return this.bytes.slice(this.at - length, this.at);
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  end(): void {
    if (this.left > 0) throw new Error(`${this.left} bytes too many: ${toHex(this.bytes)}`);
  }
}

const BYTE_PROPERTIES = [0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2a];
const TWO_BYTE_PROPERTIES = [0x13, 0x21, 0x22, 0x23];
const FOUR_BYTE_PROPERTIES = [0x02, 0x11, 0x18, 0x27];
const STRING_PROPERTIES = [0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1a, 0x1c, 0x1f];

export function readProperties(reader: Reader): ReadProperty[] {
  const list: ReadProperty[] = [];
  const inner = new Reader(reader.take(reader.variable()));
  const none = new Uint8Array(0);
  while (inner.left > 0) {
    const id = inner.variable();
    if (BYTE_PROPERTIES.includes(id)) list.push({ id, number: inner.byte(), bytes: none, second: none });
    else if (TWO_BYTE_PROPERTIES.includes(id)) list.push({ id, number: inner.integer(2), bytes: none, second: none });
    else if (FOUR_BYTE_PROPERTIES.includes(id)) list.push({ id, number: inner.integer(4), bytes: none, second: none });
    else if (id === 0x0b) list.push({ id, number: inner.variable(), bytes: none, second: none });
    else if (STRING_PROPERTIES.includes(id)) list.push({ id, number: -1, bytes: inner.string(), second: none });
    else if (id === 0x26) list.push({ id, number: -1, bytes: inner.string(), second: inner.string() });
    else throw new Error(`unknown property ${id}: ${toHex(reader.bytes)}`);
  }
  return list;
}

/** A reader behind the fixed header of a packet of this type. */
export function openPacket(bytes: Uint8Array, type: number): Reader {
  if (bytes[0] >> 4 !== type) throw new Error(`packet of type ${type} expected, got ${toHex(bytes)}`);
  const reader = new Reader(bytes);
  reader.byte();
  if (reader.variable() !== reader.left) throw new Error(`Remaining Length is wrong: ${toHex(bytes)}`);
  return reader;
}

export interface Connack {
  flags: number;
  present: boolean;
  reason: number;
  properties: ReadProperty[];
}

/** Level 5 has properties. */
export function readConnack(level: Level, bytes: Uint8Array): Connack {
  const reader = openPacket(bytes, CONNACK);
  const flags = reader.byte();
  const reason = reader.byte();
  const list = level === 5 ? readProperties(reader) : [];
  reader.end();
  return { flags, present: (flags & 1) === 1, reason, properties: list };
}

export interface Publish {
  dup: boolean;
  qos: number;
  retain: boolean;
  topic: string;
  /** 0 at QoS 0. */
  id: number;
  properties: ReadProperty[];
  payload: string;
  bytes: Uint8Array;
}

export function readPublish(level: Level, bytes: Uint8Array): Publish {
  const reader = openPacket(bytes, PUBLISH);
  const qos = (bytes[0] >> 1) & 3;
  const topic = text(reader.string());
  const id = qos > 0 ? reader.integer(2) : 0;
  const list = level === 5 ? readProperties(reader) : [];
  // Payloads of tests are text; one byte stands for one character so that any payload can be compared.
  const payload = Array.from(reader.take(reader.left), (byte) => String.fromCharCode(byte)).join("");
  return { dup: (bytes[0] & 8) !== 0, qos, retain: (bytes[0] & 1) === 1, topic, id, properties: list, payload, bytes };
}

export interface Acknowledgement {
  id: number;
  reason: number;
  properties: ReadProperty[];
}

/** PUBACK, PUBREC, PUBREL or PUBCOMP; an absent Reason Code is 0. */
export function readAcknowledgement(level: Level, type: number, bytes: Uint8Array): Acknowledgement {
  const reader = openPacket(bytes, type);
  if ((bytes[0] & 15) !== (type === PUBREL ? 2 : 0)) throw new Error(`reserved bits: ${toHex(bytes)}`);
  const id = reader.integer(2);
  const reason = level === 5 && reader.left > 0 ? reader.byte() : 0;
  const list = level === 5 && reader.left > 0 ? readProperties(reader) : [];
  reader.end();
  return { id, reason, properties: list };
}

export interface Suback {
  id: number;
  reasons: number[];
  properties: ReadProperty[];
}

/** SUBACK or UNSUBACK; the latter has no Reason Codes before level 5. */
export function readSuback(level: Level, type: number, bytes: Uint8Array): Suback {
  const reader = openPacket(bytes, type);
  if ((bytes[0] & 15) !== 0) throw new Error(`reserved bits: ${toHex(bytes)}`);
  const id = reader.integer(2);
  const list = level === 5 ? readProperties(reader) : [];
  return { id, reasons: [...reader.take(reader.left)], properties: list };
}

export interface Disconnect {
  reason: number;
  properties: ReadProperty[];
}

/** Level 5 only: before that a server sends none. */
export function readDisconnect(bytes: Uint8Array): Disconnect {
  const reader = openPacket(bytes, DISCONNECT);
  const reason = reader.left > 0 ? reader.byte() : 0;
  const list = reader.left > 0 ? readProperties(reader) : [];
  reader.end();
  return { reason, properties: list };
}
