// The network as a client of ours has it: its one stream, opened after a while or never, with all the faults that model
// clients meet. It holds the client to the rules of the ports, and shows the oracle every packet that passes.

import type { Client } from "../src/client/client";
import type { Dialer } from "../src/client/ports";
import type { Transport } from "../src/ports";
import { ByteQueue } from "./bytes";
import { piecesOf } from "./client";
import { Dialect, type Offer } from "./dialect";
import { encode, type Packet, PacketReader } from "./packets";
import type { Random } from "./random";
import type { Stream } from "./stream";

export interface WireOptions {
  version: number;
  readAhead: boolean;
  /** The end of a stream is told when all was received; else at once. */
  tellsLate: boolean;
  /** What was not received when a stream broke is lost. */
  resetLosesInput: boolean;
  /** How many ticks of 1,000 the stream is `ready` for no reason. */
  idleReady: number;
  /** Dials of 100 that fail, and half as many that nobody ever answers. */
  dialFailures: number;
  /** The longest a dial takes, ms. */
  dialMost: number;
  offer: Offer | undefined;
}

/** What a wire needs of the world. */
export interface WireSurroundings {
  connect(version: number, least: number): Stream;
  freed(stream: Stream): void;
  fault(kind: string, client: string): void;
}

/** Who watches what passes between a client and its stream. */
export interface WireTap {
  dialed(): void;
  opened(): void;
  /** The client is told that the stream is over. */
  told(): void;
  closed(reader: PacketReader): void;
  received(count: number): void;
  receivedPacket(packet: Packet, size: number): void;
  /** Bytes were sent; whether a packet was half sent before, and is now. */
  sending(wasHalf: boolean, isHalf: boolean): void;
  sentPacket(packet: Packet, size: number): void;
  violation(text: string): never;
}

export class PeerWire implements Transport, Dialer {
  readonly readAhead: boolean;
  stream: Stream | undefined;
  /** There was no room for a small packet when it was last asked. */
  isFull = false;
  client!: Client;
  readonly #name: string;
  readonly #options: WireOptions;
  readonly #world: WireSurroundings;
  readonly #tap: WireTap;
  readonly #random: Random;
  #dialect: Dialect | undefined;
  /** What the dialect has made of packets, and what it still reads. */
  readonly #translated = new ByteQueue();
  #reader: PacketReader;
  #up: PacketReader;
  #down: PacketReader;
  #memory = new Uint8Array(0);
  #input = 0;
  #inputLength = 0;
  #output = 0;
  #outputLength = 0;
  #now = 0;
  #isDialing = false;
  #answerAt = 0;
  #answer: "open" | "fail" | "never" = "open";
  #isTold = false;
  /** Bytes that had come when the client was last told. */
  #toldBytes = 0;
  #shortOf = 0;

  constructor(name: string, options: WireOptions, world: WireSurroundings, tap: WireTap, random: Random) {
    this.readAhead = options.readAhead;
    this.#name = name;
    this.#options = options;
    this.#world = world;
    this.#tap = tap;
    this.#random = random;
    this.#reader = this.#up = this.#down = new PacketReader(options.version);
  }

  /** The network is good from now on. */
  heal(): void {
    this.#options.dialFailures = this.#options.idleReady = 0;
    this.#options.dialMost = Math.min(this.#options.dialMost, 50);
    if (!this.#isDialing || this.#answer !== "never") return;
    this.#answer = "open";
    this.#answerAt = this.#now;
  }

  /** Time is `now`: the client hears what has happened. */
  tick(now: number): void {
    this.#now = now;
    const { client, stream } = this;
    if (this.#isDialing) this.#answerDial();
    else if (stream !== undefined && !this.#isTold) {
      const come = stream.read + stream.down.arrived.length;
      if (come > this.#toldBytes || this.#random.chance(this.#options.idleReady, 1000)) client.ready();
      this.#toldBytes = come;
      if (this.#shortOf > 0 && this.#room(stream) >= this.#shortOf) {
        this.#shortOf = 0;
        client.ready();
      }
      this.#tellEnd(stream);
    }
  }

  #answerDial(): void {
    if (this.#now < this.#answerAt || this.#answer === "never") return;
    this.#isDialing = false;
    if (this.#answer === "fail") {
      this.#tap.told();
      this.client.closed();
      return;
    }
    const { version, offer } = this.#options;
    // A SUBSCRIBE goes out in one piece: a stream that never takes one is of no use.
    this.stream = this.#world.connect(version, this.client.limits.topicBytes + 24);
    this.#dialect = offer === undefined ? undefined : new Dialect(offer, this.#random);
    this.#reader = new PacketReader(version);
    this.#up = new PacketReader(version);
    this.#down = new PacketReader(version);
    this.#translated.truncate(0);
    this.#isTold = false;
    this.#toldBytes = this.#shortOf = 0;
    this.#tap.opened();
    this.client.opened();
  }

  #tellEnd(stream: Stream): void {
    const { resetLosesInput, tellsLate } = this.#options;
    // Who is half open hears nothing, also when the broker has closed it long ago.
    const isClosed = stream.isClosed && !stream.isHalfOpen && stream.down.isDelivered;
    if (!stream.isBroken && !isClosed) return;
    if (stream.isBroken && resetLosesInput) stream.down.arrived.truncate(0);
    if (tellsLate && this.#waiting(stream) > 0) return;
    this.#isTold = true;
    this.#tap.told();
    this.client.closed();
  }

  /** Bytes that the client has not taken. */
  #waiting(stream: Stream): number {
    return stream.down.arrived.length + this.#translated.length;
  }

  // Dialer

  dial(connection: number): void {
    if (connection !== 1) this.#tap.violation(`dial as ${connection}`);
    if (this.#isDialing || this.stream !== undefined) this.#tap.violation("dial with a stream open");
    this.#tap.dialed();
    const { dialFailures, dialMost } = this.#options;
    const random = this.#random;
    this.#isDialing = true;
    this.#answer = "open";
    if (random.chance(dialFailures, 100)) {
      this.#answer = random.chance(1, 3) ? "never" : "fail";
      this.#world.fault(this.#answer === "fail" ? "dial fails" : "dial is not answered", this.#name);
    }
    this.#answerAt = this.#now + 1 + random.below(dialMost);
  }

  // Transport

  attach(memory: ArrayBuffer, input: number, inputLength: number, output: number, outputLength: number): void {
    this.#memory = new Uint8Array(memory);
    this.#input = input;
    this.#inputLength = inputLength;
    this.#output = output;
    this.#outputLength = outputLength;
  }

  receive(connection: number, max: number): number {
    const stream = this.#own(connection, "receive");
    if (max > this.#inputLength) this.#tap.violation(`receive of ${max} bytes, the input has ${this.#inputLength}`);
    const count =
      this.#dialect === undefined ? stream.takeInto(this.#memory, this.#input, max) : this.#take(stream, max);
    if (count === 0) return 0;
    this.#world.freed(stream);
    this.#down.push(this.#memory.subarray(this.#input, this.#input + count));
    for (let found = this.#down.next(); found !== undefined; found = this.#down.next()) {
      this.#tap.receivedPacket(found.packet, found.size);
    }
    this.#tap.received(count);
    return count;
  }

  /** Bytes of whole packets, translated: as many packets as it takes until there are any. */
  #take(stream: Stream, max: number): number {
    const piece = new Uint8Array(256);
    while (this.#translated.length === 0) {
      const count = stream.takeInto(piece, 0, piece.length);
      if (count === 0) return 0;
      this.#reader.push(piece.subarray(0, count));
      for (let found = this.#reader.next(); found !== undefined; found = this.#reader.next()) {
        this.#translated.push(encode(this.#dialect!.down(found.packet), this.#options.version));
      }
    }
    return this.#translated.takeInto(this.#memory, this.#input, max);
  }

  unreceive(): void {
    this.#tap.violation("bytes are given back that have room in the input");
  }

  #room(stream: Stream): number {
    if (stream.isBroken || stream.isClosed) return this.#outputLength;
    return Math.max(0, stream.up.window - stream.up.outstanding);
  }

  writable(connection: number): number {
    const stream = this.#own(connection, "writable");
    const room = this.#room(stream);
    this.#shortOf = room < this.#outputLength ? room + 1 : 0;
    this.isFull = room < 8;
    return room;
  }

  send(connection: number, count: number): void {
    const stream = this.#own(connection, "send");
    if (count > this.#outputLength) this.#tap.violation(`send of ${count} bytes, the output has ${this.#outputLength}`);
    // A new stream takes a CONNECT, whatever the window is.
    const room = stream.written === 0 ? this.#outputLength : this.#room(stream);
    if (count > room) this.#tap.violation(`send of ${count} bytes, ${room} are writable`);
    const bytes = this.#memory.slice(this.#output, this.#output + count);
    const wasHalf = this.#up.partial > 0;
    if (this.#dialect === undefined) stream.writeBytes(bytes);
    this.#up.push(bytes);
    for (let found = this.#next(); found !== undefined; found = this.#next()) {
      const { packet, size } = found;
      if (this.#dialect === undefined) stream.frame(size, piecesOf(packet, size));
      else this.#writeTranslated(stream, this.#dialect.up(packet));
      this.#tap.sentPacket(packet, size);
    }
    this.#tap.sending(wasHalf, this.#up.partial > 0);
  }

  #writeTranslated(stream: Stream, packet: Packet): void {
    const bytes = encode(packet, this.#options.version);
    stream.write(bytes, piecesOf(packet, bytes.length));
  }

  #next(): ReturnType<PacketReader["next"]> {
    try {
      return this.#up.next();
    } catch (error) {
      return this.#tap.violation(`malformed packet sent: ${(error as Error).message}`);
    }
  }

  close(connection: number, _discardMilliseconds: number): void {
    if (connection !== 1) this.#tap.violation(`close: ${connection} is not its connection`);
    const { stream } = this;
    this.#isDialing = false;
    this.stream = undefined;
    this.isFull = false;
    if (stream !== undefined) stream.isEnding = true;
    this.#tap.closed(this.#up);
    this.#up = new PacketReader(this.#options.version);
  }

  #own(connection: number, call: string): Stream {
    const { stream } = this;
    if (connection !== 1 || stream === undefined) return this.#tap.violation(`${call}: there is no stream`);
    return stream;
  }
}
