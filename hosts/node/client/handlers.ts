// Who gets a message: handlers by Topic Filter. A message is done with when all that they returned is settled; how many are
// not decides whether the client goes on reading.

import type { MessageProperties } from "./properties";
import { filterMatches } from "./topic-filter";

export interface ReceivedMessage extends MessageProperties {
  /** It comes from the network: escape it before you print it. */
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: number;
  readonly retain: boolean;
  /** Sent again: perhaps not for the first time here. Never so for the second time at QoS 2. */
  readonly dup: boolean;
}

/**
 * Gets the messages of a Topic Filter. At QoS 1 and 2 a message is acknowledged to the server when all handlers it went to
 * have returned, and what they returned is settled.
 */
export type Handler = (message: ReceivedMessage) => unknown;

export class Handlers {
  /** Messages that are not done with, and their payloads in bytes. */
  unsettled = 0;
  unsettledBytes = 0;
  readonly #byFilter = new Map<string, Handler>();
  /** Those whose filters are granted. */
  readonly #kept = new Map<string, Handler>();
  readonly #all: Handler | undefined;
  readonly #failed: (error: unknown) => void;

  /** @param failed hears what a handler throws. @param all gets every message. */
  constructor(failed: (error: unknown) => void, all?: Handler) {
    this.#failed = failed;
    this.#all = all;
  }

  get(filter: string): Handler | undefined {
    return this.#byFilter.get(filter);
  }

  /** The filter was granted; or, undefined, given up. */
  keep(filter: string, handler: Handler | undefined): void {
    if (handler === undefined) this.#kept.delete(filter);
    else this.#kept.set(filter, handler);
  }

  /** The filter was refused to `handler`, which gives way to the one before. */
  revert(filter: string, handler: Handler | undefined): void {
    if (this.get(filter) === handler) this.set(filter, this.#kept.get(filter));
  }

  /** Undefined: it has none any more. */
  set(filter: string, handler: Handler | undefined): void {
    if (handler === undefined) this.#byFilter.delete(filter);
    else this.#byFilter.set(filter, handler);
  }

  /** Calls every handler whose filter matches; `done` when all are done with the message. */
  dispatch(message: ReceivedMessage, done: () => void): void {
    const handled: Promise<void>[] = [];
    if (this.#all !== undefined) handled.push(this.#handle(this.#all, message));
    for (const [filter, handler] of this.#byFilter) {
      // What is shared comes under its topic [5.0 section 4.8.2].
      const own = filter.replace(/^\$share\/[^/]+\//, "");
      if (filterMatches(own, message.topic)) handled.push(this.#handle(handler, message));
    }
    if (handled.length === 0) return done();
    this.unsettled++;
    this.unsettledBytes += message.payload.length;
    void Promise.all(handled).then(() => {
      this.unsettled--;
      this.unsettledBytes -= message.payload.length;
      done();
    });
  }

  async #handle(handler: Handler, message: ReceivedMessage): Promise<void> {
    try {
      await handler(message);
    } catch (error) {
      this.#failed(error);
    }
  }
}
