// The one stream of a client over a socket of node:net or node:tls.

import type { Socket } from "node:net";
import type { Client } from "../../../src/client/client";
import type { Dialer } from "../../../src/client/ports";
import type { Transport } from "../../../src/ports";

/** Bytes received and not yet taken beyond which the socket is not read. */
const MOST_HELD = 262144;
/** Bytes sent and not yet written beyond which nothing more is sent. */
const MOST_UNSENT = 262144;
/** How long nothing may move after the end while what was sent last is written, and then until the server ends too, ms. */
const LINGER = 1000;

export class ClientStream implements Transport, Dialer {
  readonly readAhead = true;
  /** Why the stream broke last, if the system said so. */
  error: Error | undefined;
  readonly #open: () => Socket;
  readonly #wake: () => void;
  #client: Client | undefined;
  #socket: Socket | undefined;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #used = 0; // of the first chunk
  #memory = Buffer.alloc(0);
  #input = 0;
  #output = 0;

  /** @param open begins to open a socket. @param wake is called when the client has something to do. */
  constructor(open: () => Socket, wake: () => void) {
    this.#open = open;
    this.#wake = wake;
  }

  /** Whom to tell; before the first `dial`. */
  serve(client: Client): void {
    this.#client = client;
  }

  attach(memory: ArrayBuffer, input: number, _inputLength: number, output: number): void {
    this.#memory = Buffer.from(memory);
    this.#input = input;
    this.#output = output;
  }

  dial(): void {
    let socket: Socket;
    try {
      socket = this.#open();
    } catch (error) {
      // What node:tls does not take it says at once: an attempt that failed like any other.
      this.error = error as Error;
      setImmediate(() => {
        this.#client?.closed();
        this.#wake();
      });
      return;
    }
    const tell = (what: "opened" | "ready" | "closed"): void => {
      if (socket !== this.#socket) return;
      this.#client?.[what]();
      this.#wake();
    };
    this.#socket = socket;
    this.error = undefined;
    socket.setNoDelay(true);
    socket.once("encrypted" in socket ? "secureConnect" : "connect", () => tell("opened"));
    socket.on("data", (chunk: Buffer) => {
      if (socket !== this.#socket) return;
      this.#held.push(chunk);
      this.#heldBytes += chunk.length;
      if (this.#heldBytes >= MOST_HELD) socket.pause();
      tell("ready");
    });
    socket.on("drain", () => tell("ready"));
    socket.on("error", (error) => {
      if (socket === this.#socket) this.error = error;
    });
    socket.once("close", () => tell("closed"));
  }

  receive(_connection: number, max: number): number {
    const chunk = this.#held[0];
    if (chunk === undefined) return 0;
    const count = chunk.copy(this.#memory, this.#input, this.#used, this.#used + max);
    this.#used += count;
    this.#heldBytes -= count;
    if (this.#used === chunk.length) {
      this.#held.shift();
      this.#used = 0;
      if (this.#heldBytes < MOST_HELD) this.#socket?.resume();
    }
    return count;
  }

  unreceive(): void {
    throw new Error("a client keeps what it does not use yet in its input");
  }

  writable(): number {
    const socket = this.#socket;
    return socket === undefined ? 0 : Math.max(0, MOST_UNSENT - socket.writableLength);
  }

  send(_connection: number, count: number): void {
    this.#socket?.write(Buffer.from(this.#memory.subarray(this.#output, this.#output + count)));
  }

  close(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#held = [];
    this.#heldBytes = 0;
    this.#used = 0;
    if (socket === undefined) return;
    if (socket.connecting) {
      socket.destroy();
      return;
    }
    socket.end();
    socket.resume(); // what still comes is nobody's
    // A slow way may take long; one on which nothing moves is given up, and a server that does not end its side too.
    socket.setTimeout(LINGER, () => socket.destroy());
    socket.once("finish", () => setTimeout(() => socket.destroy(), LINGER).unref());
  }
}
