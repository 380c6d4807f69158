// The broker's transport, made of streams. It also holds the broker to the rules of the port: a number that is not its
// own, more bytes than `writable`, more given back than taken, are violations.

import type { Broker, Transport } from "../src/index";
import type { Random } from "./random";
import { Stream, type StreamOptions } from "./stream";

export interface NetworkOptions extends StreamOptions {
  readAhead: boolean;
  /** The end of a stream is told when all was received, as lwIP does; else at once. */
  tellsLate: boolean;
  /** What was not received when a stream broke is lost, as with many sockets. */
  resetLosesInput: boolean;
  /** How many ticks of 1,000 a stream is `ready` for no reason. */
  idleReady: number;
}

/** Who watches what passes between broker and transport. */
export interface Tap {
  opened(stream: Stream): void;
  received(stream: Stream): void;
  gaveBack(stream: Stream): void;
  sent(stream: Stream, bytes: Uint8Array): void;
  closed(stream: Stream, connection: number): void;
  violation(text: string): void;
}

export class Network implements Transport {
  readonly readAhead: boolean;
  readonly #options: NetworkOptions;
  readonly #random: Random;
  readonly #byConnection: (Stream | undefined)[];
  readonly #free: number[] = [];
  readonly #waiting: Stream[] = [];
  #live: Stream[] = [];
  #memory = new Uint8Array(0);
  #input = 0;
  #inputLength = 0;
  #output = 0;
  #outputLength = 0;
  #broker!: Broker;
  #tap!: Tap;

  constructor(options: NetworkOptions, connections: number, random: Random) {
    this.readAhead = options.readAhead;
    this.#options = options;
    this.#random = random;
    this.#byConnection = new Array(connections + 1).fill(undefined);
    for (let connection = connections; connection > 0; connection--) this.#free.push(connection);
  }

  start(broker: Broker, tap: Tap): void {
    this.#broker = broker;
    this.#tap = tap;
  }

  /** A client opens a stream that takes `least` bytes at once; the broker hears of it when it has a number for it. */
  connect(version: number, least = 0): Stream {
    const stream = new Stream(this.#options, this.#random, version, Math.max(this.#options.windowUp, least));
    this.#waiting.push(stream);
    return stream;
  }

  /** The network is good from now on. What is half open breaks. */
  heal(): void {
    const options = this.#options;
    options.delayLeast = Math.min(options.delayLeast, 5);
    options.delayMost = Math.min(options.delayMost, 20);
    options.idleReady = 0;
    for (const stream of this.#live) {
      stream.up.stalledUntil = 0;
      stream.down.stalledUntil = 0;
      if (stream.isHalfOpen) this.reset(stream);
    }
  }

  /** The stream breaks: what travels is lost from some byte on. */
  reset(stream: Stream): void {
    if (stream.isBroken) return;
    stream.isBroken = true;
    stream.up.isDead = false;
    stream.up.cut();
    stream.down.cut();
    if (this.#options.resetLosesInput) stream.up.arrived.truncate(0);
    else if (stream.connection !== 0) this.#broker.ready(stream.connection);
  }

  /** The client is gone, and nobody tells the broker. */
  halfOpen(stream: Stream): void {
    stream.isHalfOpen = true;
    stream.up.isDead = true;
    stream.down.isDead = true;
  }

  /** Moves bytes, gives numbers, reports ends. */
  tick(now: number): void {
    this.#accept();
    for (const stream of this.#live) {
      if (stream.up.move(now) && stream.connection !== 0) this.#broker.ready(stream.connection);
      stream.down.move(now);
      if (stream.connection === 0) continue;
      if (this.#random.chance(this.#options.idleReady, 1000)) this.#broker.ready(stream.connection);
      this.freed(stream);
      const isOver = stream.isBroken || (stream.isEnding && stream.up.isDelivered && !stream.isHalfOpen);
      if (!isOver || stream.isTold) continue;
      if (this.#options.tellsLate && stream.up.arrived.length > 0) continue;
      stream.isTold = true;
      this.#broker.closed(stream.connection);
    }
    this.#live = this.#live.filter((stream) => stream.connection !== 0 || !stream.isOver);
  }

  /** The client has read: the broker is told when it had asked for more room. */
  freed(stream: Stream): void {
    if (stream.shortOf === 0 || stream.connection === 0) return;
    if (this.#room(stream) <= stream.shortOf - 1) return;
    stream.shortOf = 0;
    this.#broker.ready(stream.connection);
  }

  /** Streams that have no number yet, and streams that the broker has. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  get openCount(): number {
    return this.#byConnection.reduce((count, stream) => count + (stream === undefined ? 0 : 1), 0);
  }

  #accept(): void {
    while (this.#waiting.length > 0 && this.#free.length > 0) {
      const stream = this.#waiting.shift()!;
      if (stream.isBroken) continue;
      const at = this.#random.below(this.#free.length);
      const connection = this.#free[at];
      this.#free[at] = this.#free[this.#free.length - 1];
      this.#free.pop();
      stream.connection = connection;
      this.#byConnection[connection] = stream;
      this.#live.push(stream);
      this.#tap.opened(stream);
      this.#broker.opened(connection, 0);
    }
  }

  #own(connection: number, call: string): Stream {
    const stream = this.#byConnection[connection];
    if (stream === undefined) throw new Error(`${call}: connection ${connection} is not the broker's`);
    return stream;
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
    const count = stream.up.arrived.takeInto(this.#memory, this.#input, max);
    stream.received = count;
    stream.consumed += count;
    this.#tap.received(stream);
    return count;
  }

  unreceive(connection: number, count: number): void {
    const stream = this.#own(connection, "unreceive");
    if (!this.readAhead) this.#tap.violation("unreceive without readAhead");
    if (count > stream.received) this.#tap.violation(`unreceive of ${count} bytes, ${stream.received} were received`);
    stream.up.arrived.untake(count);
    stream.consumed -= count;
    stream.received = 0;
    this.#tap.gaveBack(stream);
  }

  #room(stream: Stream): number {
    return stream.down.window - stream.down.outstanding;
  }

  writable(connection: number): number {
    const stream = this.#own(connection, "writable");
    if (stream.isBroken) return this.#outputLength;
    const room = Math.max(0, this.#room(stream));
    if (room < this.#outputLength) stream.shortOf = room + 1;
    return room;
  }

  send(connection: number, count: number): void {
    const stream = this.#own(connection, "send");
    if (count > this.#outputLength) this.#tap.violation(`send of ${count} bytes, the output has ${this.#outputLength}`);
    if (!stream.isBroken && count > this.#room(stream)) {
      this.#tap.violation(`send of ${count} bytes, ${this.#room(stream)} are writable`);
    }
    const bytes = this.#memory.slice(this.#output, this.#output + count);
    this.#tap.sent(stream, bytes);
    if (!stream.isBroken) stream.down.write(bytes);
  }

  close(connection: number, _discardMilliseconds: number): void {
    const stream = this.#own(connection, "close");
    stream.isClosed = true;
    stream.connection = 0;
    stream.up.arrived.truncate(0);
    this.#byConnection[connection] = undefined;
    this.#free.push(connection);
    this.#tap.closed(stream, connection);
  }
}
