// The Node.js transport: byte streams of node:net, numbered for the core.
//
// What makes it fast (measured): everything that arrived in a poll phase is one step of the core in one setImmediate;
// what the core sends is copied into a lent buffer and written once per connection and turn; reads of all connections
// go through one buffer; nothing is allocated per packet, and one timer serves everybody.
//
// What the core does not take is held, and the socket is paused when more bytes could not help the core: TCP then slows
// the sender. Unsent bytes are bounded per connection (`HIGH_WATER`). When many connections stall at once, `LENT_BUDGET`
// bounds them together: beyond it a connection may have `SCARCE_WATER` unsent and one read held.

import type { Socket } from "node:net";
import type { Transport } from "../../src/ports";
import { BufferPool, KEPT_BYTES } from "./buffers";
import { Connection, State } from "./connection";
import { shareReads } from "./shared-reads";

/** What a transport tells the core. `Broker` is one. */
export interface Core {
  opened(connection: number, listener: number): void;
  ready(connection: number): void;
  closed(connection: number): void;
  step(): boolean;
}

export interface TransportOptions {
  /** Most unsent bytes of one connection before `writable` says 0. Default 262,144. */
  highWater?: number;
  /** Bytes lent to all connections beyond which each gets little more. Default 67,108,864. */
  lentBudget?: number;
  /** Reads go through one shared buffer where the runtime allows it. Default true. */
  sharedReads?: boolean;
}

/** Most unsent bytes of one connection. */
export const HIGH_WATER = 262_144;
/** Bytes of buffers lent to all connections beyond which each gets little more. */
export const LENT_BUDGET = 67_108_864;
/** Most unsent bytes of one connection while `LENT_BUDGET` is used up. */
export const SCARCE_WATER = 4096;
/** Most bytes of one read. */
export const READ_BYTES = 16_384;
/** How often the core is called when nothing happens, ms. */
export const TICK_MILLISECONDS = 100;

export class NodeTransport implements Transport {
  readonly readAhead = true;

  readonly #capacity: number;
  readonly #highWater: number;
  readonly #lentBudget: number;
  readonly #sharedReads: boolean;
  readonly #pool = new BufferPool();
  readonly #readBuffer = Buffer.allocUnsafeSlow(READ_BYTES);
  readonly #connections: (Connection | undefined)[];
  readonly #freeNumbers: number[] = [];
  /** Closed by the core and not yet gone: first those being flushed, then those whose peer still talks. */
  readonly #flushing = new Set<Connection>();
  readonly #discarding = new Set<Connection>();
  #core!: Core;
  #memory!: Uint8Array;
  #input = 0;
  #inputLength = 0;
  #output = 0;
  #outputLength = 0;

  /** Connections to write and look after at the end of the turn. */
  #touched: Connection[] = [];
  #settling: Connection[] = [];
  #turn: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** The core said that more waits: it is called by the turn, not by every read. */
  #more = false;
  /** The core was told something since its last step. */
  #told = false;

  /** @param connections how many streams may be open at once; their numbers are 1 to `connections` */
  constructor(connections: number, options: TransportOptions = {}) {
    this.#capacity = connections;
    this.#highWater = options.highWater ?? HIGH_WATER;
    this.#lentBudget = options.lentBudget ?? LENT_BUDGET;
    this.#sharedReads = options.sharedReads ?? true;
    this.#connections = new Array(connections + 1);
    for (let number = connections; number >= 1; number -= 1) this.#freeNumbers.push(number);
  }

  attach(memory: ArrayBuffer, input: number, inputLength: number, output: number, outputLength: number): void {
    this.#memory = new Uint8Array(memory);
    this.#input = input;
    this.#inputLength = inputLength;
    this.#output = output;
    this.#outputLength = outputLength;
  }

  /** Begins to call the core: on events, and every `TICK_MILLISECONDS`. */
  start(core: Core): void {
    this.#core = core;
    this.#timer = setInterval(() => this.#tick(), TICK_MILLISECONDS);
    this.#timer.unref();
  }

  /** Destroys what is still open and calls the core no more. */
  stop(): void {
    clearInterval(this.#timer);
    clearImmediate(this.#turn);
    this.#turn = undefined;
    for (const connection of [...this.#connections, ...this.#discarding]) {
      if (connection === undefined) continue;
      connection.socket.destroy();
      if (connection.state === State.Open) connection.state = State.Flushing;
      this.#gone(connection);
    }
  }

  /** Streams that have a number. */
  get openCount(): number {
    return this.#capacity - this.#freeNumbers.length;
  }

  /** Streams being flushed, or ended while what their peer still sends is discarded. */
  get closingCount(): number {
    return this.#flushing.size + this.#discarding.size;
  }

  /** Bytes of all buffers lent to connections now. */
  get lentBytes(): number {
    return this.#pool.lentBytes;
  }

  /** Address and port of a connection's peer, or "". */
  address(connection: number): string {
    return this.#connections[connection]?.address ?? "";
  }

  /**
   * Takes an accepted socket, which must not have been read yet (`pauseOnConnect`) and must allow half-open streams.
   * Returns its number, or 0 when none is free and the socket was left alone.
   */
  accept(socket: Socket, listener: number): number {
    const number = this.#freeNumbers.pop();
    if (number === undefined) return 0;
    const connection = new Connection(number, listener, socket, this.#pool, this.#written);
    this.#connections[number] = connection;
    const shared =
      this.#sharedReads &&
      shareReads(socket, this.#readBuffer, (count) => this.#read(connection, this.#readBuffer, count, true));
    if (!shared) {
      socket.on("data", (chunk: Buffer) => {
        if (!this.#read(connection, chunk, chunk.length, false)) socket.pause();
      });
    }
    socket.on("end", () => this.#peerEnded(connection));
    socket.on("error", () => {
      connection.broken = true;
      this.#peerEnded(connection);
    });
    socket.on("finish", () => this.#flushed(connection));
    socket.on("close", () => this.#gone(connection));
    this.#core.opened(number, listener);
    socket.resume();
    this.wake();
    return number;
  }

  receive(number: number, max: number): number {
    const connection = this.#connections[number];
    if (connection === undefined) return 0;
    const most = max < this.#inputLength ? max : this.#inputLength;
    const count = connection.take(this.#memory, this.#input, most);
    if (count === 0) return 0;
    if (connection.heldBytes === 0) connection.drained = true;
    this.#touch(connection);
    return count;
  }

  unreceive(number: number, count: number): void {
    this.#connections[number]?.untake(count);
  }

  writable(number: number): number {
    const connection = this.#connections[number];
    if (connection === undefined) return 0;
    const unsent = connection.unsent;
    const room = (this.#isScarce ? SCARCE_WATER : this.#highWater) - unsent;
    if (room >= this.#outputLength || unsent === 0) return room;
    connection.refusedRoom = true;
    return room > 0 ? room : 0;
  }

  send(number: number, count: number): void {
    const connection = this.#connections[number];
    if (connection === undefined || connection.broken || connection.state !== State.Open) return;
    connection.fill(this.#memory, this.#output, count);
    this.#touch(connection);
  }

  close(number: number, discardMilliseconds: number): void {
    const connection = this.#connections[number];
    if (connection === undefined || connection.state !== State.Open) return;
    connection.state = State.Flushing;
    connection.patience = discardMilliseconds;
    connection.deadline = performance.now() + discardMilliseconds;
    this.#flushing.add(connection);
    this.#touch(connection);
  }

  /** Bytes came. Returns false when the socket must stop reading. */
  #read(connection: Connection, bytes: Buffer, count: number, shared: boolean): boolean {
    if (connection.state !== State.Open) return true;
    connection.hold(bytes, count, shared);
    this.#core.ready(connection.number);
    this.wake();
    // The input is as much as the core can ever see at once: more bytes would not help it.
    if (connection.heldBytes < this.#inputLength && !this.#isScarce) return true;
    connection.paused = true;
    return false;
  }

  get #isScarce(): boolean {
    return this.#pool.lentBytes > this.#lentBudget;
  }

  #step(): void {
    this.#told = false;
    this.#more = this.#core.step();
  }

  /** The core has something to do: it is called in the next turn. */
  wake(): void {
    this.#told = true;
    this.#planTurn();
  }

  #planTurn(): void {
    this.#turn ??= setImmediate(this.#takeTurn);
  }

  readonly #takeTurn = (): void => {
    if (this.#told || this.#more) this.#step();
    this.#settle();
    this.#turn = undefined;
    if (this.#told || this.#more) this.#planTurn();
  };

  #tick(): void {
    this.wake();
    if (this.closingCount === 0) return;
    const now = performance.now();
    for (const connection of this.#flushing) {
      if (now >= connection.deadline) connection.socket.destroy();
    }
    for (const connection of this.#discarding) {
      if (now >= connection.deadline) connection.socket.destroy();
    }
  }

  #touch(connection: Connection): void {
    if (connection.touched) return;
    connection.touched = true;
    this.#touched.push(connection);
    this.#planTurn();
  }

  /** The end of a turn: one write for each connection that has something to write, and what else its state needs. */
  #settle(): void {
    const settling = this.#touched;
    this.#touched = this.#settling;
    this.#settling = settling;
    for (const connection of settling) {
      connection.touched = false;
      this.#settleOne(connection);
    }
    settling.length = 0;
  }

  #settleOne(connection: Connection): void {
    if (connection.broken) connection.dropUnwritten();
    else connection.write();
    if (connection.state === State.Flushing) {
      connection.dropHeld();
      if (connection.broken) connection.socket.destroy();
      else connection.socket.end();
      if (connection.paused) this.#resume(connection);
      if (connection.socket.destroyed) this.#gone(connection);
      return;
    }
    if (connection.state !== State.Open) return;
    const held = connection.heldBytes;
    if (connection.paused && (connection.drained || !this.#isScarce) && held < this.#inputLength)
      this.#resume(connection);
    connection.drained = false;
    if (held > 0) return;
    connection.dropHeld();
    if (connection.ended) this.#tellClosed(connection);
  }

  #resume(connection: Connection): void {
    connection.paused = false;
    connection.socket.resume();
  }

  readonly #written = (connection: Connection): void => {
    if (connection.state === State.Flushing) {
      connection.deadline = performance.now() + connection.patience;
      return;
    }
    if (!connection.refusedRoom || connection.state !== State.Open) return;
    const unsent = connection.unsent;
    if (unsent > 0 && this.#highWater - unsent < Math.max(this.#outputLength, this.#highWater >> 1)) return;
    connection.refusedRoom = false;
    this.#core.ready(connection.number);
    this.wake();
  };

  #peerEnded(connection: Connection): void {
    connection.ended = true;
    if (connection.state === State.Open) this.#touch(connection);
  }

  #tellClosed(connection: Connection): void {
    if (connection.toldClosed) return;
    connection.toldClosed = true;
    this.#core.closed(connection.number);
    this.wake();
  }

  /** All bytes and the end of the stream are on their way: the number is free, the peer may still talk for a while. */
  #flushed(connection: Connection): void {
    if (connection.state !== State.Flushing) return;
    connection.state = State.Discarding;
    connection.deadline = performance.now() + connection.patience;
    this.#flushing.delete(connection);
    this.#discarding.add(connection);
    this.#freeNumber(connection);
    // Those that connect and leave in a loop must not pile up: no more of them than numbers.
    if (this.#discarding.size <= this.#capacity) return;
    for (const oldest of this.#discarding) {
      oldest.socket.destroy();
      break;
    }
  }

  #gone(connection: Connection): void {
    if (connection.state === State.Gone) return;
    if (connection.state === State.Open) {
      // The core has not closed it yet: it keeps its number, and what it sends goes nowhere.
      connection.broken = true;
      this.#peerEnded(connection);
      return;
    }
    if (connection.state === State.Flushing) this.#freeNumber(connection);
    connection.state = State.Gone;
    this.#flushing.delete(connection);
    this.#discarding.delete(connection);
    connection.dropHeld();
    connection.dropUnwritten();
  }

  #freeNumber(connection: Connection): void {
    this.#connections[connection.number] = undefined;
    this.#freeNumbers.push(connection.number);
  }
}

/** Bytes the host holds beside the core's arena. */
export interface HostBuffers {
  name: string;
  count: number;
  bytesEach: number;
  bytes: number;
}

/** What this transport adds to the plan. Only the buffers on their way grow with load, and only while peers are slow. */
export function hostBuffers(connections: number, inputBytes: number): HostBuffers[] {
  const row = (name: string, bytesEach: number): HostBuffers => ({ name, count: 1, bytesEach, bytes: bytesEach });
  const busy = connections * (HIGH_WATER + inputBytes + READ_BYTES);
  const scarce = LENT_BUDGET + connections * (SCARCE_WATER + READ_BYTES);
  return [
    row("read buffer", READ_BYTES),
    row("buffers kept for reuse, at most", KEPT_BYTES),
    row("buffers of bytes on their way, at most", Math.min(busy, scarce)),
  ];
}
