// Counters of the broker: every event that is logged, and the traffic. 32 bits each; they wrap.

import type { Event } from "../events";
import type { Layout } from "../memory/layout";
import type { Log } from "../ports";

/** What is counted besides events, whose numbers come before. */
export const enum Counter {
  PacketsReceived = 16,
  PublishReceived = 17,
  PublishSent = 18,
  BytesReceived = 19,
  BytesSent = 20,
}

/** The names, by number: of `Event`, then of `Counter`. */
export const counterNames: readonly string[] = Object.freeze([
  "",
  "opened",
  "connected",
  "connectRefused",
  "disconnected",
  "abandoned",
  "sessionEnded",
  "publishRefused",
  "subscribeRefused",
  "dropped",
  "publishDropped",
  "retainRefused",
  "willPublished",
  "willDropped",
  "held",
  "limitReached",
  "packetsReceived",
  "publishReceived",
  "publishSent",
  "bytesReceived",
  "bytesSent",
]);

export class Counters {
  readonly #u32: Uint32Array;
  readonly #at: number;
  readonly #log: Log;

  constructor(layout: Layout, log: Log) {
    this.#at = layout.area("counters", 4 * counterNames.length) / 4;
    this.#u32 = layout.u32;
    this.#log = log;
  }

  /** Counts an event and hands it on. */
  event(code: Event, a: number, b: number): void {
    this.#u32[this.#at + code]++;
    this.#log.event(code, a, b);
  }

  add(counter: Counter, count: number): void {
    this.#u32[this.#at + counter] += count;
  }

  value(number: number): number {
    return this.#u32[this.#at + number];
  }
}
