// A client in the same machine as its broker, without a socket: an application that includes the broker publishes and
// subscribes as any other client does, with the same acknowledgements, over one of the broker's connections.
//
// Problem: the two cores have a memory each, both move bytes by number, and nothing may be allocated per packet.
// Form: two pipes; bytes go in behind what waits and come out in front, by a view that is shortened for one call. The
// broker's transport is the sockets' with one number more, the pipes'.
// Cost: three times the output of either core: what waits, what comes behind it, and what is taken in part.

import type { Broker } from "../../src/broker/broker";
import type { Client } from "../../src/client/client";
import type { Dialer } from "../../src/client/ports";
import type { Transport } from "../../src/ports";
import type { TimerModule } from "./io";

/** How often the client looks at the clock, ms. */
const TICK = 100;
/** The number of the listener that the broker is told for the local stream. */
export const LOCAL_LISTENER = 255;

/** Bytes in one direction: at most as many as the sender's output has. */
class Pipe {
  length = 0;
  #outgoing = new Uint8Array(0);
  /** What waits, and behind it room for a whole output, of which only the beginning counts. */
  #waiting = new Uint8Array(0);
  #head = new Uint8Array(0);
  /** As long as the output, but while a part is taken. XS would give away what a buffer does not use when it collects. */
  #buffer = new ArrayBuffer(0);
  #part = new Uint8Array(0);
  /** The sender saw less room than there can be: it is told when there is more. */
  #isShort = false;

  /** The sender's output, all of which is copied: that costs less than a view of the part. */
  attach(memory: ArrayBuffer, output: number, outputLength: number): void {
    this.#outgoing = new Uint8Array(memory, output, outputLength);
    this.#waiting = new Uint8Array(2 * outputLength);
    this.#head = new Uint8Array(this.#waiting.buffer, 0, outputLength);
    this.#buffer = new ArrayBuffer(outputLength, { maxByteLength: outputLength });
    this.#part = new Uint8Array(this.#buffer);
  }

  /** Bytes that it takes now. */
  get room(): number {
    if (this.length > 0) this.#isShort = true;
    return this.#outgoing.length - this.length;
  }

  /** Whether the sender waited for what was taken now. */
  wasShort(): boolean {
    if (!this.#isShort || this.length > 0) return false;
    this.#isShort = false;
    return true;
  }

  put(count: number): void {
    this.#waiting.set(this.#outgoing, this.length);
    this.length += count;
  }

  /** Moves up to `max` bytes to `at` and returns how many. */
  take(memory: Uint8Array, at: number, max: number): number {
    const { length } = this;
    const count = max < length ? max : length;
    if (count === 0) return 0;
    const part = this.#part;
    part.set(this.#head);
    this.#buffer.resize(count);
    memory.set(part, at);
    this.#buffer.resize(this.#head.length);
    this.#waiting.copyWithin(0, count, length);
    this.length = length - count;
    return count;
  }

  clear(): void {
    this.length = 0;
    this.#isShort = false;
  }
}

/** The client's end: give it to `Client` as `transport` and as `dialer`. */
class ClientEnd implements Transport, Dialer {
  readonly readAhead = false;
  readonly #local: LocalTransport;

  constructor(local: LocalTransport) {
    this.#local = local;
  }

  attach(memory: ArrayBuffer, input: number, _inputLength: number, output: number, outputLength: number): void {
    this.#local.attachClient(memory, input, output, outputLength);
  }

  dial(): void {
    this.#local.dial();
  }

  receive(_connection: number, max: number): number {
    return this.#local.receiveForClient(max);
  }

  unreceive(): void {
    throw new Error("a client keeps what it does not use yet in its input");
  }

  writable(): number {
    return this.#local.writableForClient();
  }

  send(_connection: number, count: number): void {
    this.#local.sendFromClient(count);
  }

  close(): void {
    this.#local.closeByClient();
  }
}

const enum Stream {
  /** Nobody has it. */
  Closed = 0,
  /** The client wants one; the broker has not freed the number, or has not been told yet. */
  Dialed = 1,
  Open = 2,
  /** The client is done with it, the broker is not. */
  Left = 3,
}

export class LocalTransport implements Transport {
  readonly readAhead = false;
  readonly clientEnd: Transport & Dialer;
  readonly #sockets: Transport;
  readonly #connection: number;
  readonly #toBroker = new Pipe();
  readonly #toClient = new Pipe();
  #broker: Broker | undefined;
  #client: Client | undefined;
  #wakeBroker: () => void = nothing;
  #timers: TimerModule | undefined;
  #timer: unknown;
  #isSoon = false;
  #stream: Stream = Stream.Closed;
  #memory = new Uint8Array(0);
  #input = 0;
  #clientMemory = new Uint8Array(0);
  #clientInput = 0;

  /**
   * @param sockets the transport of all other connections; it must not use the number `connection`
   * @param connection the local stream's number, for instance `Limits.connections`
   */
  constructor(sockets: Transport, connection: number) {
    if (sockets.readAhead) throw new RangeError("sockets: a transport without readAhead");
    this.#sockets = sockets;
    this.#connection = connection;
    this.clientEnd = new ClientEnd(this);
  }

  /** Runs the client from now on; `wakeBroker` makes the broker run soon. Call `client.start` afterwards. */
  start(broker: Broker, client: Client, Timer: TimerModule, wakeBroker: () => void): void {
    this.#broker = broker;
    this.#client = client;
    this.#wakeBroker = wakeBroker;
    this.#timers = Timer;
    this.#timer = Timer.repeat(() => this.#turn(), TICK);
  }

  /** The client runs no more. Stop the client before, for it to say goodbye. */
  stop(): void {
    this.#timers?.clear(this.#timer);
    this.#timer = undefined;
  }

  /** The client has something to do: it runs when what runs now is over. */
  wake(): void {
    if (this.#isSoon || this.#timer === undefined) return;
    this.#isSoon = true;
    this.#timers?.schedule(this.#timer, 0, TICK);
  }

  #turn(): void {
    this.#isSoon = false;
    if (this.#stream === Stream.Dialed) this.#open();
    if (this.#client?.step()) this.wake();
  }

  #open(): void {
    this.#stream = Stream.Open;
    this.#toBroker.clear();
    this.#toClient.clear();
    this.#broker?.opened(this.#connection, LOCAL_LISTENER);
    this.#client?.opened();
    this.#wakeBroker();
  }

  // The broker's side

  attach(memory: ArrayBuffer, input: number, inputLength: number, output: number, outputLength: number): void {
    this.#sockets.attach(memory, input, inputLength, output, outputLength);
    this.#memory = new Uint8Array(memory);
    this.#input = input;
    this.#toClient.attach(memory, output, outputLength);
  }

  receive(connection: number, max: number): number {
    if (connection !== this.#connection) return this.#sockets.receive(connection, max);
    const count = this.#toBroker.take(this.#memory, this.#input, max);
    if (count === 0) return 0;
    if (this.#stream === Stream.Open && this.#toBroker.wasShort()) {
      this.#client?.ready();
      this.wake();
    }
    if (this.#stream === Stream.Left && this.#toBroker.length === 0) this.#broker?.closed(connection);
    return count;
  }

  unreceive(): void {
    throw new Error("this transport takes nothing back");
  }

  writable(connection: number): number {
    if (connection !== this.#connection) return this.#sockets.writable(connection);
    return this.#toClient.room;
  }

  send(connection: number, count: number): void {
    if (connection !== this.#connection) return this.#sockets.send(connection, count);
    if (this.#stream !== Stream.Open) return; // whatever is sent is nobody's
    this.#toClient.put(count);
    this.#client?.ready();
    this.wake();
  }

  close(connection: number, discardMilliseconds: number): void {
    if (connection !== this.#connection) return this.#sockets.close(connection, discardMilliseconds);
    const before = this.#stream;
    this.#stream = Stream.Closed;
    this.#toBroker.clear();
    if (before === Stream.Open) {
      // What was sent before is still received.
      this.#client?.closed();
      this.wake();
    }
  }

  // The client's side, by `clientEnd`

  attachClient(memory: ArrayBuffer, input: number, output: number, outputLength: number): void {
    this.#clientMemory = new Uint8Array(memory);
    this.#clientInput = input;
    this.#toBroker.attach(memory, output, outputLength);
  }

  dial(): void {
    if (this.#stream === Stream.Closed) {
      this.#stream = Stream.Dialed;
    } else {
      // The broker has not closed the one before: it is tried again later.
      this.#client?.closed();
    }
    this.wake();
  }

  receiveForClient(max: number): number {
    const count = this.#toClient.take(this.#clientMemory, this.#clientInput, max);
    if (count > 0 && this.#stream === Stream.Open && this.#toClient.wasShort()) {
      this.#broker?.ready(this.#connection);
      this.#wakeBroker();
    }
    return count;
  }

  writableForClient(): number {
    return this.#toBroker.room;
  }

  sendFromClient(count: number): void {
    if (this.#stream !== Stream.Open) return;
    this.#toBroker.put(count);
    this.#broker?.ready(this.#connection);
    this.#wakeBroker();
  }

  closeByClient(): void {
    this.#toClient.clear();
    if (this.#stream === Stream.Dialed) this.#stream = Stream.Closed;
    if (this.#stream !== Stream.Open) return;
    this.#stream = Stream.Left;
    // The end is told when all before it has been received.
    if (this.#toBroker.length === 0) this.#broker?.closed(this.#connection);
    this.#wakeBroker();
  }
}

function nothing(): void {}
