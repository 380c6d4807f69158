// A Transport of byte rings, and the client's side of each stream.
//
// Problem: tests need streams that split, stall, end and break exactly when they say so, and one test counts garbage
// collections over a million packets, so nothing here may allocate per packet.
// Form: two rings of bytes per stream, made when the stream is; plain loops, no views, no closures.
// Like lwIP, and unlike most hosts, it reports an end or an error only when what waited was received.
// It also checks the core: a number that the core does not own, more bytes than `writable`, more given back than was
// taken, all throw.

import type { Transport } from "../../src/ports";

/** What the transport tells. */
export interface Listener {
  opened(connection: number, listener: number): void;
  ready(connection: number): void;
  closed(connection: number): void;
}

export interface MemoryTransportOptions {
  /** Numbers 1 to this; a stream beyond waits until a number is free. */
  connections: number;
  /** Default true. */
  readAhead?: boolean;
  /** Bytes from client to server that fit; default 65,536. */
  upBytes?: number;
  /** Bytes from server to client that fit, so that `writable` can be 0; default 65,536. */
  downBytes?: number;
}

/** Bytes in the order they came, at most `capacity` of them. */
export class Ring {
  private readonly bytes: Uint8Array;
  private head = 0;
  length = 0;

  constructor(readonly capacity: number) {
    this.bytes = new Uint8Array(capacity);
  }

  get room(): number {
    return this.capacity - this.length;
  }

  put(from: Uint8Array | readonly number[], at: number, count: number): void {
    let tail = this.head + this.length;
    if (tail >= this.capacity) tail -= this.capacity;
    for (let i = 0; i < count; i++) {
      this.bytes[tail] = from[at + i];
      if (++tail === this.capacity) tail = 0;
    }
    this.length += count;
  }

  take(to: Uint8Array, at: number, count: number): void {
    for (let i = 0; i < count; i++) {
      to[at + i] = this.bytes[this.head];
      if (++this.head === this.capacity) this.head = 0;
    }
    this.length -= count;
  }

  /** The last `count` bytes taken wait again; nothing may have been put behind a full ring since. */
  untake(count: number): void {
    if (count > this.room) throw new Error("unreceive: the ring has been refilled");
    this.head -= count;
    if (this.head < 0) this.head += this.capacity;
    this.length += count;
  }

  clear(): void {
    this.length = 0;
  }
}

/** The client's side of one stream. */
export class MemoryStream {
  /** The server's number for it; 0 before it has one and after the server closed it. */
  connection = 0;
  /** While true, nothing is read and the window fills. */
  stalled = false;
  /** The server closed it; what it sent before can still be read. */
  serverClosed = false;
  readonly up: Ring;
  readonly down: Ring;
  ended = false;
  broken = false;
  /** The end or the error was reported. */
  told = false;
  /** `writable` answered less than the window. */
  short = false;
  /** Count of the last `receive`, for `unreceive`. */
  received = 0;

  constructor(
    private readonly transport: MemoryTransport,
    readonly listener: number,
    upBytes: number,
    downBytes: number,
  ) {
    this.up = new Ring(upBytes);
    this.down = new Ring(downBytes);
  }

  /** Sends to the server what fits and returns how much did. After the server closed, everything vanishes. */
  write(bytes: Uint8Array | readonly number[], at = 0, count = bytes.length - at): number {
    if (this.ended || this.broken) throw new Error("write after end");
    if (this.serverClosed) return count;
    // A few bytes of room stay free for `unreceive`, as a host keeps what it took until it is consumed.
    const room = this.up.room - this.received;
    const fits = count < room ? count : room > 0 ? room : 0;
    this.up.put(bytes, at, fits);
    if (this.connection !== 0 && fits > 0) this.transport.tell(this.connection);
    return fits;
  }

  /** Moves up to `max` bytes from the server to `target` and returns how many. */
  readInto(target: Uint8Array, at: number, max: number): number {
    if (this.stalled) return 0;
    const count = this.down.length < max ? this.down.length : max;
    if (count === 0) return 0;
    this.down.take(target, at, count);
    if (this.short && this.connection !== 0) {
      this.short = false;
      this.transport.tell(this.connection);
    }
    return count;
  }

  /** All that came from the server. */
  read(): Uint8Array {
    const bytes = new Uint8Array(this.stalled ? 0 : this.down.length);
    this.readInto(bytes, 0, bytes.length);
    return bytes;
  }

  /** No more bytes will come from this client; it still reads. */
  end(): void {
    this.ended = true;
  }

  /** The stream is gone without a word: what the server sends vanishes. */
  reset(): void {
    this.broken = true;
    this.down.clear();
    if (this.connection !== 0) this.transport.tell(this.connection);
  }
}

export class MemoryTransport implements Transport {
  readonly readAhead: boolean;
  private readonly upBytes: number;
  private readonly downBytes: number;
  private readonly streams: (MemoryStream | undefined)[];
  private readonly backlog: MemoryStream[] = [];
  private listener: Listener | undefined;
  private memory = new Uint8Array(0);
  private input = 0;
  private inputLength = 0;
  private output = 0;
  private outputLength = 0;

  constructor(options: MemoryTransportOptions) {
    this.readAhead = options.readAhead ?? true;
    this.upBytes = options.upBytes ?? 65536;
    this.downBytes = options.downBytes ?? 65536;
    this.streams = new Array(options.connections + 1).fill(undefined);
  }

  /** Who is told; before the first `connect`. */
  listen(listener: Listener): void {
    this.listener = listener;
  }

  /** A client opens a stream. The server hears of it at the next `poll`. */
  connect(listener = 0): MemoryStream {
    const stream = new MemoryStream(this, listener, this.upBytes, this.downBytes);
    this.backlog.push(stream);
    return stream;
  }

  /** Numbers streams that wait for one and reports ends. Returns whether anything was reported. */
  poll(): boolean {
    let reported = false;
    for (let connection = 1; connection < this.streams.length; connection++) {
      const stream = this.streams[connection];
      if (stream === undefined) {
        if (this.backlog.length > 0) {
          this.accept(connection);
          reported = true;
        }
      } else if ((stream.ended || stream.broken) && !stream.told && stream.up.length === 0) {
        stream.told = true;
        this.listener?.closed(connection);
        reported = true;
      }
    }
    return reported;
  }

  /** Streams that have no number yet. */
  get waiting(): number {
    return this.backlog.length;
  }

  tell(connection: number): void {
    this.listener?.ready(connection);
  }

  private accept(connection: number): void {
    const stream = this.backlog.shift() as MemoryStream;
    this.streams[connection] = stream;
    stream.connection = connection;
    this.listener?.opened(connection, stream.listener);
    if (stream.up.length > 0) this.listener?.ready(connection);
  }

  private own(connection: number): MemoryStream {
    const stream = this.streams[connection];
    if (stream === undefined) throw new Error(`connection ${connection} is not open`);
    return stream;
  }

  attach(memory: ArrayBuffer, input: number, inputLength: number, output: number, outputLength: number): void {
    this.memory = new Uint8Array(memory);
    this.input = input;
    this.inputLength = inputLength;
    this.output = output;
    this.outputLength = outputLength;
  }

  receive(connection: number, max: number): number {
    const stream = this.own(connection);
    if (max > this.inputLength) throw new Error(`receive: ${max} bytes, input has ${this.inputLength}`);
    const count = stream.up.length < max ? stream.up.length : max;
    stream.up.take(this.memory, this.input, count);
    stream.received = this.readAhead ? count : 0;
    return count;
  }

  unreceive(connection: number, count: number): void {
    const stream = this.own(connection);
    if (!this.readAhead) throw new Error("unreceive without readAhead");
    if (count > stream.received) throw new Error(`unreceive: ${count} bytes, ${stream.received} were received`);
    stream.up.untake(count);
    stream.received = 0;
  }

  writable(connection: number): number {
    const stream = this.own(connection);
    if (stream.broken) return this.outputLength;
    const room = stream.down.room;
    if (room < this.outputLength) stream.short = true;
    return room;
  }

  send(connection: number, count: number): void {
    const stream = this.own(connection);
    if (count > this.outputLength) throw new Error(`send: ${count} bytes, output has ${this.outputLength}`);
    if (stream.broken) return;
    if (count > stream.down.room) throw new Error(`send: ${count} bytes, ${stream.down.room} are writable`);
    stream.down.put(this.memory, this.output, count);
  }

  close(connection: number, _discardMilliseconds: number): void {
    const stream = this.own(connection);
    stream.serverClosed = true;
    stream.connection = 0;
    stream.up.clear();
    this.streams[connection] = undefined;
  }
}
