// One TCP connection between a client and the broker: in each direction bytes wait to be sent, travel, and wait to be
// read. They are split and merged anyhow, late, held up, and kept back by a window; they are lost only as a suffix, when
// the connection breaks.

import { ByteQueue } from "./bytes";
import type { Packet } from "./packets";
import type { Random } from "./random";

export interface StreamOptions {
  /** Milliseconds that a segment travels. */
  delayLeast: number;
  delayMost: number;
  /** How many segments of 100 are cut at a random place. */
  split: number;
  /** Bytes between the ends, one way: from the client, to the client. */
  windowUp: number;
  windowDown: number;
}

interface Segment {
  at: number;
  bytes: Uint8Array;
}

const SEGMENT_BYTES = 1460;

/** One direction. */
export class Way {
  /** Bytes that the receiver can read. */
  readonly arrived = new ByteQueue();
  /** When the oldest bytes arrived that can be read; never, when there are none. And the time of the last look. */
  waitsSince = Number.POSITIVE_INFINITY;
  movedAt = 0;
  /** No segment arrives before this. */
  stalledUntil = 0;
  /** Nothing arrives any more, and the sender does not know. */
  isDead = false;
  readonly #unsent = new ByteQueue();
  readonly #segments: Segment[] = [];
  #travelling = 0;
  #lastAt = 0;

  constructor(
    readonly options: StreamOptions,
    readonly window: number,
    readonly random: Random,
  ) {}

  /** Bytes that wait to be sent or to be read, or travel. */
  get outstanding(): number {
    return this.#unsent.length + this.#travelling + this.arrived.length;
  }

  get unsent(): number {
    return this.#unsent.length;
  }

  /** Everything that was written can be read. */
  get isDelivered(): boolean {
    return this.#unsent.length === 0 && this.#travelling === 0;
  }

  write(bytes: Uint8Array): void {
    this.#unsent.push(bytes);
  }

  /** Time is `now`. Returns whether bytes arrived. */
  move(now: number): boolean {
    this.movedAt = now;
    if (this.arrived.length === 0) this.waitsSince = Number.POSITIVE_INFINITY;
    if (this.isDead) return false;
    const { options, random } = this;
    while (this.#unsent.length > 0) {
      const room = this.window - this.#travelling - this.arrived.length;
      if (room <= 0) break;
      let count = Math.min(SEGMENT_BYTES, room, this.#unsent.length);
      if (random.chance(options.split, 100)) count = 1 + random.skewed(count - 1);
      const at = now + random.range(options.delayLeast, options.delayMost);
      this.#lastAt = Math.max(this.#lastAt, at);
      this.#segments.push({ at: this.#lastAt, bytes: this.#unsent.take(count) });
      this.#travelling += count;
    }
    if (now < this.stalledUntil) return false;
    let moved = false;
    while (this.#segments.length > 0 && this.#segments[0].at <= now) {
      this.#arrive(this.#segments.shift()!.bytes);
      moved = true;
    }
    if (moved && this.waitsSince > now) this.waitsSince = now;
    return moved;
  }

  /** The connection breaks: of what travels a part still arrives, the rest is gone. */
  cut(): void {
    let left = this.random.below(this.#travelling + 1);
    for (const { bytes } of this.#segments.splice(0)) {
      const count = Math.min(left, bytes.length);
      if (count > 0) this.arrived.push(bytes.subarray(0, count));
      left -= count;
    }
    this.#travelling = 0;
    this.#unsent.truncate(0);
  }

  #arrive(bytes: Uint8Array): void {
    this.arrived.push(bytes);
    this.#travelling -= bytes.length;
  }
}

/** What the client sent, where it ends in the stream, and what of it the broker takes at once. */
export interface Piece {
  /** Where the whole packet begins, where this piece of it ends. */
  start: number;
  end: number;
  /** A Topic Filter is worked on as soon as it is there: its place in the packet; -1 for the packet itself. */
  filter: number;
  packet: Packet;
  /** The whole packet, bytes. */
  size: number;
  /** It is no packet that a server may take. */
  isMalformed: boolean;
}

export class Stream {
  readonly up: Way;
  readonly down: Way;
  /** The broker's number for it; 0 before it has one and after it was closed. */
  connection = 0;
  /** The client ends it when all is sent. */
  isEnding = false;
  /** It broke; nobody says anything any more. */
  isBroken = false;
  /** The broker has closed it; what it sent before can be read. */
  isClosed = false;
  /** The client is gone without a word. */
  isHalfOpen = false;
  /** The broker was told of its end. */
  isTold = false;
  /** `writable` answered one byte less than this, and that was too little; 0 when it was not. */
  shortOf = 0;
  /** Bytes of the last `receive`. */
  received = 0;
  /** Bytes that the broker has taken, in all; and those written for it. */
  consumed = 0;
  written = 0;
  /** Where the last packet ends that was written as a whole. */
  framed = 0;
  readonly pieces: Piece[] = [];
  /** Packets that the broker sent, and where they end. */
  readonly packets: { end: number; packet: Packet }[] = [];
  /** Where the last whole packet to the client ends. */
  lastEnd = 0;
  /** Bytes the client has read. */
  read = 0;

  constructor(
    options: StreamOptions,
    random: Random,
    readonly version: number,
    windowUp = options.windowUp,
  ) {
    this.up = new Way(options, windowUp, random);
    this.down = new Way(options, options.windowDown, random);
  }

  /** The client sends bytes; `pieces` say where in them what ends. */
  write(bytes: Uint8Array, pieces: readonly Piece[]): void {
    if (this.isEnding || this.isBroken) return;
    for (const piece of pieces)
      this.pieces.push({ ...piece, start: piece.start + this.written, end: piece.end + this.written });
    this.written += bytes.length;
    if (pieces.length > 0) this.framed = this.written;
    this.up.write(bytes);
  }

  /** Bytes as they come; when they complete a packet, `frame` tells. */
  writeBytes(bytes: Uint8Array): void {
    if (this.isEnding || this.isBroken) return;
    this.written += bytes.length;
    this.up.write(bytes);
  }

  /** What was written since the last packet begins with a packet of `size` bytes; `pieces` say where in it what ends. */
  frame(size: number, pieces: readonly Piece[]): void {
    if (this.isEnding || this.isBroken) return;
    for (const piece of pieces)
      this.pieces.push({ ...piece, start: piece.start + this.framed, end: piece.end + this.framed });
    this.framed += size;
  }

  /** Where the packet begins that the broker works on, or will. */
  get begins(): number {
    return this.pieces.length > 0 ? this.pieces[0].start : this.framed;
  }

  /** The client reads up to `most` bytes: the packets that are complete now. */
  take(most: number): Packet[] {
    const count = Math.min(most, this.down.arrived.length);
    this.down.arrived.drop(count);
    this.read += count;
    return this.#complete();
  }

  /** The client reads up to `most` bytes as they are; returns how many. */
  takeInto(target: Uint8Array, at: number, most: number): number {
    const count = this.down.arrived.takeInto(target, at, most);
    this.read += count;
    this.#complete();
    return count;
  }

  #complete(): Packet[] {
    const found: Packet[] = [];
    while (this.packets.length > 0 && this.packets[0].end <= this.read) found.push(this.packets.shift()!.packet);
    return found;
  }

  /** Nothing more will come for the client. */
  get isOver(): boolean {
    return this.isBroken || (this.isClosed && this.down.isDelivered && this.down.arrived.length === 0);
  }
}
