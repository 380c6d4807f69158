// Reads packets of one direction from many streams, as far as those need who answer: type, flags, Packet Identifier, code.
// After the constructor nothing here allocates. Nothing here comes from `src`.

import { DISCONNECT, PUBLISH } from "./packet";

export const CONNACK = 2;
export const SUBACK = 9;
export const UNSUBACK = 11;
export const PINGRESP = 13;

/** Whom the reader tells. */
export interface Receiver {
  /** A packet is complete. */
  received(stream: number, header: number, id: number): void;
}

/** What a stream is in the middle of. */
const enum Reading {
  Header = 0,
  Length = 1,
  Head = 2,
  Rest = 3,
}

/** Bytes behind the fixed header that are looked at one by one: topic length of PUBLISH, Packet Identifier, code. */
const HEAD_BYTES = 4;

export class Reader {
  private readonly receiver: Receiver;
  /** Packets that came, by stream and type. */
  private readonly counts: Int32Array;
  /** The second byte behind the Packet Identifier, or of a CONNACK or DISCONNECT, by stream and type. */
  private readonly codes: Uint8Array;
  /** PUBLISH with a Topic Alias alone. */
  private readonly nameless: Int32Array;
  private readonly reading: Uint8Array;
  private readonly header: Uint8Array;
  private readonly remaining: Int32Array;
  private readonly position: Int32Array;
  private readonly idAt: Int32Array;
  private readonly id: Int32Array;

  /** For streams from 1 to `streams`. */
  constructor(streams: number, receiver: Receiver) {
    this.receiver = receiver;
    this.counts = new Int32Array((streams + 1) * 16);
    this.codes = new Uint8Array((streams + 1) * 16);
    this.nameless = new Int32Array(streams + 1);
    this.reading = new Uint8Array(streams + 1);
    this.header = new Uint8Array(streams + 1);
    this.remaining = new Int32Array(streams + 1);
    this.position = new Int32Array(streams + 1);
    this.idAt = new Int32Array(streams + 1);
    this.id = new Int32Array(streams + 1);
  }

  /** A new stream: what was left of the old one is forgotten. */
  open(stream: number): void {
    this.reading[stream] = Reading.Header;
  }

  /** Counts from 0 again. */
  clear(stream: number): void {
    this.counts.fill(0, stream * 16, stream * 16 + 16);
    this.nameless[stream] = 0;
  }

  /** Packets of a type since `clear`. */
  count(stream: number, type: number): number {
    return this.counts[stream * 16 + type];
  }

  /** The code of the last packet of that type. */
  code(stream: number, type: number): number {
    return this.codes[stream * 16 + type];
  }

  /** PUBLISH with a Topic Alias alone, since `clear`. */
  namelessCount(stream: number): number {
    return this.nameless[stream];
  }

  feed(stream: number, memory: Uint8Array, at: number, count: number): void {
    const end = at + count;
    while (at < end) {
      switch (this.reading[stream]) {
        case Reading.Header:
          this.header[stream] = memory[at++];
          this.remaining[stream] = 0;
          this.position[stream] = 0;
          this.reading[stream] = Reading.Length;
          break;
        case Reading.Length: {
          const byte = memory[at++];
          const position = this.position[stream]++;
          this.remaining[stream] |= (byte & 127) << (7 * position);
          if (byte >= 128) break;
          this.position[stream] = 0;
          this.id[stream] = 0;
          this.idAt[stream] = this.firstOfId(stream);
          this.reading[stream] = Reading.Head;
          if (this.remaining[stream] === 0) this.complete(stream);
          break;
        }
        case Reading.Head: {
          const position = this.position[stream]++;
          this.headByte(stream, position, memory[at++]);
          if (--this.remaining[stream] === 0) this.complete(stream);
          else if (position >= this.idAt[stream] + HEAD_BYTES) this.reading[stream] = Reading.Rest;
          else if (this.header[stream] >>> 4 === PUBLISH && position === 1) this.reading[stream] = Reading.Rest;
          break;
        }
        default:
          at = this.rest(stream, at, end);
      }
    }
  }

  /** Where the Packet Identifier begins, as far as it is known before the Topic Name's length was read. */
  private firstOfId(stream: number): number {
    return this.header[stream] >>> 4 === PUBLISH ? 0x7fff : 0;
  }

  private headByte(stream: number, position: number, byte: number): void {
    const type = this.header[stream] >>> 4;
    const first = this.idAt[stream];
    if (type === PUBLISH && position < 2) {
      if (position === 0) this.id[stream] = byte << 8;
      else {
        const length = this.id[stream] | byte;
        this.idAt[stream] = 2 + length;
        if (length === 0) this.nameless[stream]++;
      }
    } else if (position === first) this.id[stream] = byte << 8;
    else if (position === first + 1) this.id[stream] |= byte;
    if (position === (type === CONNACK ? 1 : type === DISCONNECT ? 0 : 2)) this.codes[stream * 16 + type] = byte;
  }

  /** Passes over a topic, a payload, what is not looked at; returns where it stopped. */
  private rest(stream: number, at: number, end: number): number {
    const waiting = end - at;
    let count = this.remaining[stream];
    if (this.header[stream] >>> 4 === PUBLISH && (this.header[stream] & 6) !== 0) {
      const before = this.idAt[stream] - this.position[stream];
      if (before === 0) {
        this.reading[stream] = Reading.Head;
        return at;
      }
      if (before > 0) count = before;
    }
    if (count > waiting) count = waiting;
    this.position[stream] += count;
    this.remaining[stream] -= count;
    if (this.remaining[stream] === 0) this.complete(stream);
    return at + count;
  }

  private complete(stream: number): void {
    const header = this.header[stream];
    this.reading[stream] = Reading.Header;
    this.counts[stream * 16 + (header >>> 4)]++;
    this.receiver.received(stream, header, this.id[stream]);
  }
}
