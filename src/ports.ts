// Ports: what the core needs from the machine it runs on. Interfaces only; a host implements them, the core never
// looks behind them. Nothing here blocks, and nothing here allocates per packet.

import type { Event } from "./events";

/**
 * A numbered set of byte streams. Connections are numbered from 1 to `Limits.connections`; the host chooses a free
 * number when it accepts a stream and the number belongs to the core until the core calls `close`.
 */
export interface Transport {
  /**
   * Called once, before anything else: received bytes go to `memory[input .. input + inputLength)`, bytes to send are
   * taken from `memory[output .. output + outputLength)`. The host makes its views here. `headroom` bytes in front of
   * `output` belong to the host (frame headers).
   */
  attach(memory: ArrayBuffer, input: number, inputLength: number, output: number, outputLength: number): void;

  /**
   * Whether `receive` may be asked for more than the packet at hand needs, the rest being given back by `unreceive`.
   * False where bytes can't be given back: the core then asks for at most what the current packet needs.
   */
  readonly readAhead: boolean;

  /** Moves up to `max` waiting bytes to `input` and returns how many; 0 when none wait. */
  receive(connection: number, max: number): number;

  /** Gives back the last `count` bytes of the last `receive` on this connection. Only called with `readAhead`. */
  unreceive(connection: number, count: number): void;

  /** How many bytes `send` takes now. When it was less than asked for and grows, the host calls `ready`. */
  writable(connection: number): number;

  /** Sends the first `count` bytes of `output`; they are copied or sent before it returns. */
  send(connection: number, count: number): void;

  /**
   * Flushes what was sent, discards what still arrives for at most `discardMilliseconds`, then closes: a reset must
   * not destroy the CONNACK or DISCONNECT just sent. Afterwards the number is free; no callback names it any more.
   */
  close(connection: number, discardMilliseconds: number): void;
}

/** Bytes in front of `output` that belong to the host: the longest frame header of RFC 6455 without a mask. */
export const HEADROOM = 16;

export interface Clock {
  /** Milliseconds from any start, as uint32; wraps after 49.7 days and may step back. */
  now(): number;
  /** Seconds since 1970 as uint32, or 0 where nobody knows. */
  wall(): number;
}

export interface Log {
  /** Something happened. Called synchronously; `a` and `b` are numbers whose meaning `Event` documents. */
  event(code: Event, a: number, b: number): void;
}

/** NOR flash: a program clears bits, an erase sets a whole erase block to 0xFF. Offsets and sizes are bytes. */
export interface Storage {
  readonly size: number;
  readonly eraseSize: number;
  readonly programSize: number;
  read(at: number, offset: number, length: number): boolean;
  program(at: number, offset: number, length: number): boolean;
  erase(at: number): boolean;
}
