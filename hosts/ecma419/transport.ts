// The broker's streams over the Listener and TCP classes of ECMA-419, as Moddable's SDK has them on lwIP and on Linux.
//
// Problem: callbacks may come in the middle of anything, an error is held back while bytes are unread, each write posts to
// a queue of few places, and nothing may be allocated per packet.
// Form: sockets have numbers; callbacks, shared by all, only note what happened, so that they can't throw; one timer runs
// the broker, one step a turn, and what it writes waits in the queue until the turn is over. A connection that the broker
// closed stays open for a while, its input discarded: else the last packet could be destroyed by a reset.
// Cost: a socket object per connection, as the SDK makes it; two resizable buffers for all.

import type { Broker } from "../../src/broker/broker";
import type { Transport } from "../../src/ports";
import { Bounce } from "./bounce";
import type { ListenerConstructor, ListenerSocket, TcpConstructor, TcpSocket, TimeModule, TimerModule } from "./io";

/** How often the broker looks at the clock, ms. */
const TICK = 100;
/** Bytes discarded at once from a connection that is over. */
const DISCARD_BYTES = 512;

export interface TransportOptions {
  TCP: TcpConstructor;
  Listener: ListenerConstructor;
  Timer: TimerModule;
  Time: TimeModule;
  /** Numbers for the broker: `Limits.connections`. */
  connections: number;
  /** Sockets that may be open, those that are over and not closed yet included; at least `connections`. */
  sockets: number;
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

export class SocketTransport implements Transport {
  readonly readAhead = false;
  /** Connections for which there was no place. */
  refusedCount = 0;
  /** The most sockets that were open at once. */
  mostOpen = 0;
  /** Sockets open, those that are over and not closed yet included. */
  openCount = 0;
  readonly #options: TransportOptions;
  /** By place: the socket, what is known of it, and the broker's number for it. */
  readonly #sockets: (TcpSocket | undefined)[];
  readonly #states: Uint8Array;
  readonly #readable: Int32Array;
  readonly #writable: Int32Array;
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
  #timer: unknown;
  #isSoon = false;

  constructor(options: TransportOptions) {
    const { connections, sockets } = options;
    if (!(connections > 0 && connections <= sockets && sockets < 256)) {
      throw new RangeError("sockets: at least the connections, at most 255");
    }
    this.#options = options;
    this.#sockets = new Array(sockets + 1).fill(undefined);
    this.#states = new Uint8Array(sockets + 1);
    this.#readable = new Int32Array(sockets + 1);
    this.#writable = new Int32Array(sockets + 1);
    this.#connections = new Uint8Array(sockets + 1);
    this.#isOver = new Uint8Array(sockets + 1);
    this.#closeAt = new Uint32Array(sockets + 1);
    this.#places = new Uint8Array(connections + 1);
  }

  /** Listens, and runs the broker from now on. @throws what the Listener throws when the port can't be opened. */
  start(broker: Broker, port: number): void {
    const { Listener, Timer } = this.#options;
    this.#broker = broker;
    this.#timer = Timer.repeat(() => this.#turn(), TICK);
    this.#listener = new Listener({ port, onReadable: () => this.#accept() });
  }

  /** Listens no more, and closes everything at once. */
  stop(): void {
    this.#options.Timer.clear(this.#timer);
    this.#timer = undefined;
    this.#listener?.close();
    this.#listener = undefined;
    for (let place = 1; place < this.#sockets.length; place++) {
      if (this.#states[place] !== State.Free) this.#free(place);
    }
  }

  /** The broker has something to do: it runs when what runs now is over. */
  wake(): void {
    if (this.#isSoon || this.#timer === undefined) return;
    this.#isSoon = true;
    this.#options.Timer.schedule(this.#timer, 0, TICK);
  }

  // The host's side

  /** Takes all that wait: one that is not taken has nobody who hears of its end. */
  #accept(): void {
    for (;;) {
      const from = this.#listener?.read();
      if (from === undefined) return;
      const connection = this.#freeConnection();
      const place = connection === 0 ? 0 : this.#freePlace();
      if (place === 0) {
        this.refusedCount++;
        this.#options.onRefused?.();
        from.close();
        continue;
      }
      this.#open(place, connection, from);
    }
  }

  #open(place: number, connection: number, from: TcpSocket): void {
    const { TCP } = this.#options;
    this.#states[place] = State.Open;
    this.#readable[place] = 0;
    this.#writable[place] = 0;
    this.#isOver[place] = 0;
    this.#connections[place] = connection;
    this.#places[connection] = place;
    if (++this.openCount > this.mostOpen) this.mostOpen = this.openCount;
    this.#sockets[place] = new TCP({
      from,
      format: "buffer",
      nodelay: true,
      onReadable: (count) => this.#onReadable(place, count),
      onWritable: (count) => this.#onWritable(place, count),
      onError: () => this.#onError(place),
    });
    this.#broker?.opened(connection, 0);
    this.wake();
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

  #onWritable(place: number, count: number): void {
    this.#writable[place] = count;
    if (this.#states[place] === State.Open) this.#broker?.ready(this.#connections[place]);
    this.wake();
  }

  #onError(place: number): void {
    this.#isOver[place] = 1;
    this.#writable[place] = 0;
    if (this.#states[place] === State.Open) this.#broker?.closed(this.#connections[place]);
    this.wake();
  }

  #turn(): void {
    this.#isSoon = false;
    if (this.#closingCount > 0) this.#discard();
    if (this.#broker?.step()) this.wake();
  }

  /** Reads and forgets what comes on connections that are over; closes those whose peer has ended, or whose time is. */
  #discard(): void {
    const now = this.#options.Time.ticks;
    for (let place = 1; place < this.#states.length; place++) {
      if (this.#states[place] !== State.Closing) continue;
      while (this.#readable[place] > 0) {
        const count = Math.min(this.#readable[place], DISCARD_BYTES);
        this.#discarded.length = count;
        this.#readable[place] -= count;
        this.#sockets[place]?.read(this.#discarded.view);
      }
      if (this.#isOver[place] !== 0 || ((now - this.#closeAt[place]) | 0) >= 0) {
        this.#closingCount--;
        this.#free(place);
      }
    }
  }

  #free(place: number): void {
    const socket = this.#sockets[place];
    if (this.#states[place] === State.Open) this.#places[this.#connections[place]] = 0;
    this.#states[place] = State.Free;
    this.#sockets[place] = undefined;
    this.#readable[place] = 0;
    this.openCount--;
    socket?.close();
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
    bounce.length = count;
    this.#readable[place] = readable - count;
    this.#sockets[place]?.read(bounce.view);
    this.#memory.set(bounce.view, this.#input);
    return count;
  }

  unreceive(): void {
    throw new Error("a socket of ECMA-419 takes nothing back");
  }

  writable(connection: number): number {
    const place = this.#places[connection];
    const most = this.#outgoing.length;
    if (this.#isOver[place] !== 0) return most; // whatever is sent is nobody's
    const writable = this.#writable[place];
    return writable < most ? writable : most;
  }

  send(connection: number, count: number): void {
    const place = this.#places[connection];
    if (this.#isOver[place] !== 0) return;
    const bounce = this.#outgoingBounce;
    bounce.length = this.#outgoing.length;
    bounce.view.set(this.#outgoing); // all of it costs less than a view of the part
    bounce.length = count;
    this.#writable[place] = this.#sockets[place]?.write(bounce.view) ?? 0;
  }

  close(connection: number, discardMilliseconds: number): void {
    const place = this.#places[connection];
    this.#places[connection] = 0;
    if (this.#isOver[place] !== 0 || discardMilliseconds === 0) {
      this.#states[place] = State.Closing; // its number is free already
      this.#free(place);
      return;
    }
    this.#states[place] = State.Closing;
    this.#closeAt[place] = (this.#options.Time.ticks + discardMilliseconds) >>> 0;
    this.#closingCount++;
  }

  /** The peer's address, for a log; read it when a connection was opened, not later. */
  address(connection: number): string | undefined {
    const place = this.#places[connection];
    return this.#isOver[place] !== 0 ? undefined : this.#sockets[place]?.remoteAddress;
  }
}
