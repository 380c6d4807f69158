// The one stream of a client over a TCP class of ECMA-419. Callbacks only note what happened and wake the client.

import type { Client } from "../../src/client/client";
import type { Dialer } from "../../src/client/ports";
import type { Transport } from "../../src/ports";
import { Bounce } from "./bounce";
import type { TcpCallbacks, TcpSocket } from "./io";

/** Opens a socket; `failed` when it can't even begin to. */
export type Open = (callbacks: TcpCallbacks, failed: () => void) => void;

export class ClientStream implements Transport, Dialer {
  readonly readAhead = false;
  readonly #open: Open;
  readonly #wake: () => void;
  #client: Client | undefined;
  #socket: TcpSocket | undefined;
  /** Counts streams: callbacks of an earlier one are nobody's. */
  #serial = 0;
  #readable = 0;
  #writable = 0;
  #isOpen = false;
  #memory = new Uint8Array(0);
  #outgoing = new Uint8Array(0);
  #input = 0;
  #incomingBounce = new Bounce(0);
  #outgoingBounce = new Bounce(0);

  constructor(open: Open, wake: () => void) {
    this.#open = open;
    this.#wake = wake;
  }

  /** Whom to tell; before the first `dial`. */
  serve(client: Client): void {
    this.#client = client;
  }

  attach(memory: ArrayBuffer, input: number, inputLength: number, output: number, outputLength: number): void {
    this.#memory = new Uint8Array(memory);
    this.#outgoing = new Uint8Array(memory, output, outputLength);
    this.#input = input;
    this.#incomingBounce = new Bounce(inputLength);
    this.#outgoingBounce = new Bounce(outputLength);
  }

  dial(): void {
    const serial = ++this.#serial;
    const isOld = (): boolean => serial !== this.#serial;
    const end = (): void => {
      if (isOld()) return;
      this.close(); // the SDK's socket is not closed by its error
      this.#client?.closed();
      this.#wake();
    };
    this.#readable = 0;
    this.#writable = 0;
    this.#isOpen = false;
    const callbacks: TcpCallbacks = {
      onReadable: (count) => {
        if (isOld()) return;
        this.#readable = count;
        this.#client?.ready();
        this.#wake();
      },
      onWritable: (count) => {
        if (isOld()) return;
        this.#writable = count;
        if (this.#isOpen) this.#client?.ready();
        else this.#client?.opened();
        this.#isOpen = true;
        this.#wake();
      },
      onError: end,
    };
    this.#open(callbacks, end);
  }

  /** `dial` opened this one. */
  use(socket: TcpSocket): void {
    this.#socket = socket;
  }

  /** Whether a stream that was dialed is still wanted. */
  get serial(): number {
    return this.#serial;
  }

  receive(_connection: number, max: number): number {
    const count = max < this.#readable ? max : this.#readable;
    if (count === 0 || this.#socket === undefined) return 0;
    const bounce = this.#incomingBounce;
    bounce.shorten(count);
    this.#readable -= count;
    this.#socket.read(bounce.view);
    this.#memory.set(bounce.view, this.#input);
    bounce.restore();
    return count;
  }

  unreceive(): void {
    throw new Error("a client keeps what it does not use yet in its input");
  }

  writable(): number {
    const most = this.#outgoing.length;
    return this.#writable < most ? this.#writable : most;
  }

  send(_connection: number, count: number): void {
    if (this.#socket === undefined) return;
    const bounce = this.#outgoingBounce;
    bounce.view.set(this.#outgoing); // all of it costs less than a view of the part
    bounce.shorten(count);
    try {
      this.#writable = this.#socket.write(bounce.view) ?? 0;
    } catch {
      this.#writable = 0; // an error that is told when all was read
    }
    bounce.restore();
  }

  close(): void {
    const socket = this.#socket;
    this.#serial++;
    this.#socket = undefined;
    this.#readable = 0;
    this.#writable = 0;
    socket?.close();
  }
}
