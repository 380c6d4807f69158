// The broker's streams over the Listener and TCP classes of ECMA-419, as Moddable's SDK has them on lwIP and on Linux.
//
// Problem: callbacks may come in the middle of anything, an error is held back while bytes are unread, each write posts to
// a queue of few places, and nothing may be allocated per packet.
// Form: sockets have places; callbacks, shared by all, only note what happened, so that they can't throw; one timer runs
// the broker, one step a turn. A connection that the broker closed stays open for a while, its input discarded: else the
// last packet could be destroyed by a reset.
// Cost: a socket object per connection, as the SDK makes it, and nothing else; two resizable buffers for all.
// Rejected: a bound on what is written in one turn instead of one on the sockets. lwIP fills the queue by itself when
// enough sockets hear something, and then the next write waits for lwIP, which waits for the queue: for ever.

import type { Broker } from "../../src/broker/broker";
import type { Transport } from "../../src/ports";
import { Bounce } from "./bounce";
import type { ListenerConstructor, ListenerSocket, TcpConstructor, TcpSocket, TimeModule, TimerModule } from "./io";
import { Pacer } from "./pacer";
import { QueueLedger } from "./queue-ledger";

/** How often the broker looks at the clock, ms. */
const TICK = 100;
/** Bytes discarded at once from a connection that is over. */
const DISCARD_BYTES = 512;
/**
 * Writes to one connection that the peer has not acknowledged, at most. What fills the least send buffer of an ESP32 takes
 * 4 of lwIP's buffers, and each write may begin one more; a connection has 16 (TCP_SND_QUEUELEN), and the next would be
 * its end.
 */
const MOST_WRITES = 7;
/** Steps of the broker in `stop`, for each connection. */
const STEPS_TO_STOP = 2;
const FORMAT = "buffer";

export interface TransportOptions {
  TCP: TcpConstructor;
  Listener: ListenerConstructor;
  Timer: TimerModule;
  Time: TimeModule;
  /** Numbers for the broker: `Limits.connections`. */
  connections: number;
  /** Sockets that may be open, those that are over and not closed yet included; at least `connections`, at most 255. */
  sockets: number;
  /**
   * Messages that the queue of the XS task holds: `defines.task.queueLength` of the manifest; at least `sockets` + 6. Each
   * socket may have one there, also one just closed; the rest is for the listener, promises and the network interface.
   * Left out where there is no such queue, as on Linux.
   */
  queueLength?: number;
  /** Hears of a connection that there was no place for. Must not throw. */
  onRefused?: () => void;
}

const enum State {
  Free = 0,
  /** The broker's. */
  Open = 1,
  /** The broker is done with it: what comes is discarded until the peer ends or time is over. */
  Closing = 2,
}

/** What a socket is made of; one object for all, so that a connection costs no more than it must. */
interface SocketOptions extends Record<string, unknown> {
  from: TcpSocket | undefined;
  target: number;
}

export class SocketTransport implements Transport {
  readonly readAhead = false;
  /** Connections for which there was no place. */
  refusedCount = 0;
  /** The most sockets that were open at once. */
  mostOpen = 0;
  /** Sockets open, those that are over and not closed yet included. */
  openCount = 0;
  readonly #options: TransportOptions;
  readonly #socketOptions: SocketOptions;
  readonly #queue: QueueLedger;
  /** By place: the socket, what is known of it, and the broker's number for it. */
  readonly #sockets: (TcpSocket | undefined)[];
  readonly #addresses: (string | undefined)[];
  readonly #states: Uint8Array;
  readonly #readable: Int32Array;
  readonly #writable: Int32Array;
  /** The most that was ever writable: all that was written is acknowledged. */
  readonly #mostWritable: Int32Array;
  /** Writes since then. */
  readonly #writes: Uint8Array;
  /** The broker was told of less room than its output has. */
  readonly #isShort: Uint8Array;
  readonly #connections: Uint8Array;
  readonly #isOver: Uint8Array;
  readonly #closeAt: Uint32Array;
  /** By the broker's number: the place; 0: none. */
  readonly #places: Uint8Array;
  #closingCount = 0;
  #memory = new Uint8Array(0);
  #outgoing = new Uint8Array(0);
  #input = 0;
  #incomingBounce = new Bounce(0);
  #outgoingBounce = new Bounce(0);
  readonly #discarded = new Bounce(DISCARD_BYTES);
  #listener: ListenerSocket | undefined;
  #broker: Broker | undefined;
  readonly #pacer: Pacer;

  /** @throws RangeError when the numbers don't go together. */
  constructor(options: TransportOptions) {
    const { connections, sockets, queueLength } = options;
    if (!(connections > 0 && connections <= sockets && sockets < 256)) {
      throw new RangeError("sockets: at least the connections, at most 255");
    }
    this.#queue = new QueueLedger(sockets, queueLength);
    this.#options = options;
    this.#pacer = new Pacer(options.Timer, TICK, () => this.#turn());
    this.#socketOptions = this.#makeSocketOptions();
    this.#sockets = new Array(sockets + 1).fill(undefined);
    this.#addresses = new Array(sockets + 1).fill(undefined);
    this.#states = new Uint8Array(sockets + 1);
    this.#readable = new Int32Array(sockets + 1);
    this.#writable = new Int32Array(sockets + 1);
    this.#mostWritable = new Int32Array(sockets + 1);
    this.#writes = new Uint8Array(sockets + 1);
    this.#isShort = new Uint8Array(sockets + 1);
    this.#connections = new Uint8Array(sockets + 1);
    this.#isOver = new Uint8Array(sockets + 1);
    this.#closeAt = new Uint32Array(sockets + 1);
    this.#places = new Uint8Array(connections + 1);
  }

  /** The callbacks find their place in the socket's `target`; one that is not there any more is nobody's. */
  #makeSocketOptions(): SocketOptions {
    const self = this;
    return {
      from: undefined,
      target: 0,
      format: FORMAT,
      nodelay: true,
      onReadable(this: TcpSocket, count: number) {
        const place = this.target as number;
        if (self.#sockets[place] === this) self.#onReadable(place, count);
      },
      onWritable(this: TcpSocket, count: number) {
        const place = this.target as number;
        if (self.#sockets[place] === this) self.#onWritable(place, count);
      },
      onError(this: TcpSocket) {
        const place = this.target as number;
        if (self.#sockets[place] === this) self.#onError(place);
      },
    };
  }

  /** Listens, and runs the broker from now on. @throws what the Listener throws when the port can't be opened. */
  start(broker: Broker, port: number): void {
    const { Listener } = this.#options;
    this.#listener = new Listener({ port, onReadable: (count) => this.#accept(count) });
    this.#broker = broker;
    this.#pacer.start();
    this.wake();
  }

  /**
   * Listens no more, and breaks all connections at once, as a network that is gone would: `Broker.stop` before it, and
   * `discardMilliseconds`, if clients are to be told. What the broker holds of them ends here or after `start`.
   */
  stop(): void {
    const broker = this.#broker;
    this.#pacer.stop();
    this.#listener?.close();
    this.#listener = undefined;
    for (let place = 1; place < this.#sockets.length; place++) {
      if (this.#states[place] === State.Closing) this.#free(place);
      if (this.#states[place] !== State.Open) continue;
      this.#closeSocket(place);
      this.#onError(place);
    }
    let steps = STEPS_TO_STOP * this.#places.length;
    while (broker !== undefined && steps-- > 0 && broker.step());
  }

  /** The broker has something to do: it runs when what runs now is over. */
  wake(): void {
    this.#pacer.soon();
  }

  // The host's side

  /** Takes all that wait, now: the end of one that is not taken would never be told. */
  #accept(count: number): void {
    for (let left = count; left > 0; left--) {
      const from = this.#listener?.read();
      if (from === undefined) return;
      const connection = this.#freeConnection();
      const place = connection === 0 || !this.#queue.hasRoom(this.openCount) ? 0 : this.#freePlace();
      if (place !== 0 && this.#open(place, connection, from)) continue;
      if (place === 0) {
        this.refusedCount++;
        this.#options.onRefused?.();
      }
      from.close();
    }
  }

  /** False when there is no connection behind the socket: it was reset already, or lwIP had none free for it. */
  #open(place: number, connection: number, from: TcpSocket): boolean {
    const { TCP } = this.#options;
    const options = this.#socketOptions;
    this.#readable[place] = 0;
    this.#writable[place] = 0;
    this.#mostWritable[place] = 0;
    this.#writes[place] = 0;
    this.#isShort[place] = 0;
    this.#isOver[place] = 0;
    options.from = from;
    options.target = place;
    try {
      this.#sockets[place] = new TCP(options);
    } catch {
      return false;
    } finally {
      options.from = undefined;
    }
    this.#addresses[place] = this.#sockets[place]?.remoteAddress;
    this.#states[place] = State.Open;
    this.#connections[place] = connection;
    this.#places[connection] = place;
    if (++this.openCount > this.mostOpen) this.mostOpen = this.openCount;
    this.#broker?.opened(connection, 0);
    this.wake();
    return true;
  }

  #freeConnection(): number {
    for (let connection = 1; connection < this.#places.length; connection++) {
      if (this.#places[connection] === 0) return connection;
    }
    return 0;
  }

  #freePlace(): number {
    for (let place = 1; place < this.#states.length; place++) if (this.#states[place] === State.Free) return place;
    return 0;
  }

  #onReadable(place: number, count: number): void {
    this.#readable[place] = count;
    if (this.#states[place] === State.Open) this.#broker?.ready(this.#connections[place]);
    this.wake();
  }

  /** Most acknowledgements tell the broker nothing new: it hears of room only when it had too little. */
  #onWritable(place: number, count: number): void {
    this.#writable[place] = count;
    if (count >= this.#mostWritable[place]) {
      this.#mostWritable[place] = count;
      this.#writes[place] = 0;
    }
    if (this.#isShort[place] === 0 || this.#writes[place] >= MOST_WRITES) return;
    this.#isShort[place] = 0;
    if (this.#states[place] !== State.Open) return;
    this.#broker?.ready(this.#connections[place]);
    this.wake();
  }

  #onError(place: number): void {
    this.#isOver[place] = 1;
    this.#writable[place] = 0;
    if (this.#states[place] === State.Open) this.#broker?.closed(this.#connections[place]);
    this.wake();
  }

  #turn(): void {
    if (this.#closingCount > 0) this.#discard();
    if (this.#broker?.step()) this.wake();
    if (this.#queue.turn(this.openCount)) this.wake();
  }

  /** Reads and forgets what comes on connections that are over; closes those whose peer has ended, or whose time is. */
  #discard(): void {
    const now = this.#options.Time.ticks;
    for (let place = 1; place < this.#states.length; place++) {
      if (this.#states[place] !== State.Closing) continue;
      while (this.#readable[place] > 0) {
        const count = Math.min(this.#readable[place], DISCARD_BYTES);
        this.#discarded.shorten(count);
        this.#readable[place] -= count;
        this.#sockets[place]?.read(this.#discarded.view);
        this.#discarded.restore();
      }
      if (this.#isOver[place] !== 0 || ((now - this.#closeAt[place]) | 0) >= 0) this.#free(place);
    }
  }

  /** Nobody needs the place any more: neither the broker nor the peer. */
  #free(place: number): void {
    if (this.#states[place] === State.Closing) this.#closingCount--;
    this.#states[place] = State.Free;
    this.#closeSocket(place);
  }

  #closeSocket(place: number): void {
    const socket = this.#sockets[place];
    if (socket === undefined) return;
    this.#sockets[place] = undefined;
    this.#addresses[place] = undefined;
    this.#readable[place] = 0;
    this.openCount--;
    this.#queue.closed();
    socket.close();
  }

  // The broker's side

  attach(memory: ArrayBuffer, input: number, inputLength: number, output: number, outputLength: number): void {
    this.#memory = new Uint8Array(memory);
    this.#outgoing = new Uint8Array(memory, output, outputLength);
    this.#input = input;
    this.#incomingBounce = new Bounce(inputLength);
    this.#outgoingBounce = new Bounce(outputLength);
  }

  receive(connection: number, max: number): number {
    const place = this.#places[connection];
    const readable = this.#readable[place];
    const count = max < readable ? max : readable;
    if (count === 0) return 0;
    const bounce = this.#incomingBounce;
    bounce.shorten(count);
    this.#readable[place] = readable - count;
    this.#sockets[place]?.read(bounce.view);
    this.#memory.set(bounce.view, this.#input);
    bounce.restore();
    return count;
  }

  unreceive(): void {
    throw new Error("a socket of ECMA-419 takes nothing back");
  }

  writable(connection: number): number {
    const place = this.#places[connection];
    const most = this.#outgoing.length;
    if (this.#isOver[place] !== 0) return most; // whatever is sent is nobody's
    const writable = this.#writes[place] < MOST_WRITES ? this.#writable[place] : 0;
    if (writable >= most) return most;
    this.#isShort[place] = 1;
    return writable;
  }

  send(connection: number, count: number): void {
    const place = this.#places[connection];
    if (this.#isOver[place] !== 0) return;
    const bounce = this.#outgoingBounce;
    bounce.view.set(this.#outgoing); // all of it costs less than a view of the part
    bounce.shorten(count);
    this.#writes[place]++;
    try {
      this.#writable[place] = this.#sockets[place]?.write(bounce.view) ?? 0;
    } catch {
      // The SDK tells of an error when all was read, but throws for a write already before that.
      this.#writable[place] = 0;
      this.#isOver[place] = 1;
    }
    bounce.restore();
  }

  close(connection: number, discardMilliseconds: number): void {
    const place = this.#places[connection];
    this.#places[connection] = 0;
    if (this.#isOver[place] !== 0 || discardMilliseconds === 0) return this.#free(place);
    this.#states[place] = State.Closing;
    this.#closeAt[place] = (this.#options.Time.ticks + discardMilliseconds) >>> 0;
    this.#closingCount++;
    this.wake(); // what waits already is not announced again
  }

  /** The peer's address, for a log, as it was when the connection was accepted: asking later may crash the SDK. */
  address(connection: number): string | undefined {
    return this.#addresses[this.#places[connection]];
  }
}
