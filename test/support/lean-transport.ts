// A Transport for engines where a byte moved by a loop is dear, and memory is short: memory-transport.ts keeps two rings
// of bytes for each stream and moves them one by one; here what goes up waits in one row of a shared buffer, moved by a
// native of the host, and what comes down is handed to the client's side where it lies. Nothing allocates after the start.
//
// The client's side decides what the server sees: how many of the bytes that were put have arrived (`arrive`), and how
// many it takes now (`grant`). Like memory-transport.ts it checks the core: it throws when more is sent than `writable`
// said, when more is given back than was taken, and when a number is used that is not open.

import type { Transport } from "../../src/ports";

/** Moves bytes from one buffer to another. */
export type Copy = (from: ArrayBuffer, fromOffset: number, to: ArrayBuffer, toOffset: number, count: number) => void;

/** The client's side of all streams. */
export interface Peer {
  /** The server sent `memory[at .. at + count)`; it is overwritten after the call. */
  sent(connection: number, memory: Uint8Array, at: number, count: number): void;
  /** The server closed the stream. */
  closed(connection: number): void;
}

/** What `writable` answers while nobody limits it. */
const PLENTY = 0x3fffffff;

export class LeanTransport implements Transport {
  readonly readAhead: boolean;
  private readonly copy: Copy;
  private readonly up: ArrayBuffer;
  private readonly upBytes: number;
  // Of each connection's row in `up`: from `head` on it waits to be received, up to `arrived` the server may see it, up to
  // `tail` it was put.
  private readonly head: Int32Array;
  private readonly arrived: Int32Array;
  private readonly tail: Int32Array;
  /** Bytes that the last `receive` took, and that can be given back. */
  private readonly taken: Int32Array;
  /** Bytes that the client takes now. */
  private readonly room: Int32Array;
  /** Bit 1: open; bit 2: `writable` answered less than the output. */
  private readonly state: Uint8Array;
  private memory = new ArrayBuffer(0);
  private bytes = new Uint8Array(0);
  private input = 0;
  private inputLength = 0;
  private output = 0;
  private outputLength = 0;
  peer: Peer | undefined;

  /** @param upBytes what a connection's row takes: the longest packet, or less when it is put piece by piece. */
  constructor(connections: number, upBytes: number, readAhead: boolean, copy: Copy) {
    this.readAhead = readAhead;
    this.copy = copy;
    this.upBytes = upBytes;
    this.up = new ArrayBuffer((connections + 1) * upBytes);
    this.head = new Int32Array(connections + 1);
    this.arrived = new Int32Array(connections + 1);
    this.tail = new Int32Array(connections + 1);
    this.taken = new Int32Array(connections + 1);
    this.room = new Int32Array(connections + 1).fill(PLENTY);
    this.state = new Uint8Array(connections + 1);
  }

  // The client's side

  /** Makes a number the server's. The caller tells the server. */
  open(connection: number): void {
    this.state[connection] = 1;
    this.head[connection] = this.arrived[connection] = this.tail[connection] = connection * this.upBytes;
    this.taken[connection] = 0;
    this.room[connection] = PLENTY;
  }

  isOpen(connection: number): boolean {
    return (this.state[connection] & 1) !== 0;
  }

  /** Puts as many of `count` bytes as fit and returns how many; they have not arrived yet. */
  put(connection: number, from: ArrayBuffer, at: number, count: number): number {
    if ((this.state[connection] & 1) === 0) return count; // it vanishes
    const start = connection * this.upBytes;
    const head = this.head[connection];
    // A row that was received in full begins again. (Nothing is put between a receive and its unreceive.)
    if (head === this.tail[connection]) {
      this.head[connection] = this.arrived[connection] = this.tail[connection] = start;
    }
    const tail = this.tail[connection];
    const left = start + this.upBytes - tail;
    const fits = count < left ? count : left;
    if (fits > 0) this.copy(from, at, this.up, tail, fits);
    this.tail[connection] = tail + fits;
    return fits;
  }

  /** `count` bytes more of what was put can be received. */
  arrive(connection: number, count: number): void {
    const arrived = this.arrived[connection] + count;
    const tail = this.tail[connection];
    this.arrived[connection] = arrived < tail ? arrived : tail;
  }

  /** Bytes that were put and have not arrived. */
  underway(connection: number): number {
    return this.tail[connection] - this.arrived[connection];
  }

  /** Bytes that were put and not received. */
  waiting(connection: number): number {
    return this.tail[connection] - this.head[connection];
  }

  /** Bytes that `put` takes now. */
  left(connection: number): number {
    const start = connection * this.upBytes;
    const tail = this.tail[connection];
    return this.head[connection] === tail ? this.upBytes : start + this.upBytes - tail;
  }

  /** The client takes `count` bytes now, and no more; any number for -1. True when the server waits to hear of it. */
  grant(connection: number, count: number): boolean {
    this.room[connection] = count < 0 ? PLENTY : count;
    if ((this.state[connection] & 2) === 0 || count === 0) return false;
    this.state[connection] &= ~2;
    return true;
  }

  // The server's side

  attach(memory: ArrayBuffer, input: number, inputLength: number, output: number, outputLength: number): void {
    this.memory = memory;
    this.bytes = new Uint8Array(memory);
    this.input = input;
    this.inputLength = inputLength;
    this.output = output;
    this.outputLength = outputLength;
  }

  receive(connection: number, max: number): number {
    if ((this.state[connection] & 1) === 0) throw new Error("receive: not open");
    if (max > this.inputLength) throw new Error("receive: more than the input takes");
    const head = this.head[connection];
    const waiting = this.arrived[connection] - head;
    const count = waiting < max ? waiting : max;
    if (count <= 0) return 0;
    this.copy(this.up, head, this.memory, this.input, count);
    this.head[connection] = head + count;
    this.taken[connection] = this.readAhead ? count : 0;
    return count;
  }

  unreceive(connection: number, count: number): void {
    if (!this.readAhead) throw new Error("unreceive without readAhead");
    if (count > this.taken[connection]) throw new Error("unreceive: more than was received");
    this.head[connection] -= count;
    this.taken[connection] = 0;
  }

  writable(connection: number): number {
    if ((this.state[connection] & 1) === 0) throw new Error("writable: not open");
    const room = this.room[connection];
    if (room < this.outputLength) this.state[connection] |= 2;
    return room;
  }

  send(connection: number, count: number): void {
    if ((this.state[connection] & 1) === 0) throw new Error("send: not open");
    if (count > this.outputLength) throw new Error("send: more than the output holds");
    const room = this.room[connection];
    if (count > room) throw new Error("send: more than is writable");
    if (room !== PLENTY) this.room[connection] = room - count;
    this.peer?.sent(connection, this.bytes, this.output, count);
  }

  close(connection: number, _discardMilliseconds: number): void {
    if ((this.state[connection] & 1) === 0) throw new Error("close: not open");
    this.state[connection] = 0;
    this.head[connection] = this.tail[connection];
    this.peer?.closed(connection);
  }
}
