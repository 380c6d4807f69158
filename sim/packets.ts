// Packets as the model's clients know them, through `mqtt-packet`: a codec that shares nothing with the broker's.

import { generate, type Packet, parser } from "mqtt-packet";

export type { Packet };

/** Everything a client may say of a message it publishes. */
export type PublishProperties = Extract<Packet, { cmd: "publish" }>["properties"];
export type ConnectPacket = Extract<Packet, { cmd: "connect" }>;
export type PublishPacket = Extract<Packet, { cmd: "publish" }> & { payload: Buffer };
export type SubscribePacket = Extract<Packet, { cmd: "subscribe" }>;
export type UnsubscribePacket = Extract<Packet, { cmd: "unsubscribe" }>;

export function encode(packet: Packet, version: number): Buffer {
  return generate(packet, { protocolVersion: version });
}

/** Cuts a stream of bytes into packets by their Remaining Length, and has each parsed in one piece. */
export class PacketReader {
  readonly #parser: ReturnType<typeof parser>;
  #waiting = Buffer.alloc(0);
  #packet: Packet | undefined;
  #error: Error | undefined;

  constructor(version: number) {
    this.#parser = parser({ protocolVersion: version });
    this.#parser.on("packet", (packet: Packet) => {
      this.#packet = packet;
    });
    this.#parser.on("error", (error: Error) => {
      this.#error = error;
    });
  }

  /** Bytes of a packet that is not complete. */
  get partial(): number {
    return this.#waiting.length;
  }

  /** The first byte of the packet that is not complete. */
  get partialHeader(): number {
    return this.#waiting.length > 0 ? this.#waiting[0] : 0;
  }

  /** Topic Name and the beginning of the payload of a PUBLISH that is not complete; undefined when less has come. */
  partialPublish(version: number): { topic: string; payload: Buffer } | undefined {
    const bytes = this.#waiting;
    if (this.partialHeader >> 4 !== 3) return undefined;
    let at = afterVariable(bytes, 1);
    if (at + 2 > bytes.length) return undefined;
    const topicEnd = at + 2 + bytes.readUInt16BE(at);
    const topic = bytes.toString("utf8", at + 2, topicEnd);
    at = topicEnd + ((bytes[0] & 6) !== 0 ? 2 : 0);
    if (version === 5) {
      const properties = afterVariable(bytes, at);
      if (properties > bytes.length) return undefined;
      let length = 0;
      for (let i = properties - 1; i >= at; i--) length = (length << 7) | (bytes[i] & 127);
      at = properties + length;
    }
    return at < bytes.length ? { topic, payload: bytes.subarray(at) } : undefined;
  }

  push(bytes: Uint8Array): void {
    this.#waiting = this.#waiting.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#waiting, bytes]);
  }

  /** The next whole packet and its size, or undefined. Throws on what can't be parsed. */
  next(): { packet: Packet; size: number } | undefined {
    const bytes = this.#waiting;
    let length = 0;
    let at = 1;
    for (let shift = 0; ; shift += 7, at++) {
      if (at >= bytes.length) return undefined;
      if (at > 4) throw new Error("Remaining Length of five bytes");
      length |= (bytes[at] & 127) << shift;
      if (bytes[at] < 128) break;
    }
    const size = at + 1 + length;
    if (bytes.length < size) return undefined;
    this.#packet = undefined;
    this.#error = undefined;
    const frame = bytes.subarray(0, size);
    this.#waiting = bytes.subarray(size);
    this.#parser.parse(frame);
    if (this.#error !== undefined) throw new Error(`${(this.#error as Error).message}: ${frame.toString("hex")}`);
    if (this.#packet === undefined) throw new Error(`no packet: ${frame.toString("hex")}`);
    return { packet: this.#packet, size };
  }
}

/** Where a Variable Byte Integer that begins at `at` ends; beyond the bytes when it is not complete. */
function afterVariable(bytes: Buffer, at: number): number {
  let end = at;
  while (end < bytes.length && bytes[end] >= 0x80) end++;
  return end + 1;
}

/** The properties of a message that travel with it unchanged, in one order, as text. */
export function travelling(properties: PublishProperties): string {
  if (properties === undefined) return "";
  const { payloadFormatIndicator, contentType, responseTopic, correlationData, userProperties } = properties;
  const parts = [
    payloadFormatIndicator === undefined ? "" : `format ${payloadFormatIndicator}`,
    contentType === undefined ? "" : `type ${contentType}`,
    responseTopic === undefined ? "" : `response ${responseTopic}`,
    correlationData === undefined ? "" : `correlation ${correlationData.toString("hex")}`,
  ];
  for (const name in userProperties) parts.push(`${name}=${JSON.stringify(userProperties[name])}`);
  return parts.filter((part) => part !== "").join(" ");
}

/** Properties of a PUBLISH as they go on the wire, without their length. */
export function propertyBytes(properties: PublishProperties): Uint8Array {
  const packet: Packet = { cmd: "publish", topic: "t", payload: Buffer.alloc(0), qos: 0, retain: false, dup: false };
  const bytes = encode({ ...packet, properties } as Packet, 5);
  return bytes.subarray(afterVariable(bytes, afterVariable(bytes, 1) + 3));
}

/** The same the other way round. */
export function parseProperties(bytes: Uint8Array): PublishProperties {
  const { length } = bytes;
  const lengths = variable(length);
  const head = [0x30, ...variable(3 + lengths.length + length), 0, 1, 0x74, ...lengths];
  const reader = new PacketReader(5);
  reader.push(Buffer.concat([Buffer.from(head), bytes]));
  return (reader.next()!.packet as PublishPacket).properties;
}

function variable(value: number): number[] {
  return value < 128 ? [value] : [128 | (value & 127), ...variable(value >> 7)];
}
