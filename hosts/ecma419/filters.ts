// SUBSCRIBE and UNSUBSCRIBE of several Topic Filters: the core sends one packet for each; the application is told once, when
// all are answered.

import { findFilter, writeFilter } from "../../src/client/accept";
import type { Client } from "../../src/client/client";
import { NONE } from "../../src/memory/layout";
import { PacketType } from "../../src/mqtt/constants";
import type { ControlMessage } from "./mqtt-client";

/** A Topic Filter that the server, by its CONNACK, does not offer: Failure in 3.1.1, Unspecified error in 5.0. */
const REFUSED = 0x80;

/** Requests for one Topic Filter that wait for an answer: beyond them the oldest is not told of it. */
const MOST_WAITING = 8;

interface Request {
  operation: number;
  id: number;
  codes: number[];
  left: number;
}

export class Filters {
  readonly #core: Client;
  readonly #tell: (message: ControlMessage) => void;
  /** By row: the requests that wait for its answer, and the place of each filter in them. */
  readonly #waiting = new Map<number, { request: Request; at: number }[]>();

  constructor(core: Client, tell: (message: ControlMessage) => void) {
    this.#core = core;
    this.#tell = tell;
  }

  /** @throws Error when not all of them can be taken; then none is. */
  write(isSubscribe: boolean, items: readonly { topic: string; QoS?: number }[], id: number): void {
    const core = this.#core;
    const { blocks, subscriptions } = core;
    let blockCount = 0;
    let rowCount = 0;
    for (const { topic, QoS = 0 } of items) {
      const length = typeof topic === "string" ? writeFilter(core, topic) : -1;
      if (length <= 0) throw new Error("invalid topic");
      if (![0, 1, 2].includes(QoS)) throw new RangeError("QoS");
      // An application says it again after each CONNACK: what is there already takes nothing.
      if (findFilter(core, length) !== NONE) continue;
      blockCount += blocks.blocksFor(length);
      rowCount++;
    }
    if (isSubscribe && (subscriptions.pool.free < rowCount || blocks.available < blockCount)) {
      throw new Error("overflow");
    }
    const request: Request = {
      operation: isSubscribe ? PacketType.SUBACK : PacketType.UNSUBACK,
      id,
      codes: [],
      left: 0,
    };
    for (const [at, { topic, QoS = 0 }] of items.entries()) {
      const row = isSubscribe ? core.subscribe(topic, QoS) : core.unsubscribe(topic);
      // UNSUBSCRIBE of what is not subscribed to: nothing to do, as a server says too. SUBSCRIBE of what can't be: refused.
      request.codes[at] = row < 0 && isSubscribe ? REFUSED : 0;
      if (row < 0) continue;
      request.left++;
      this.#wait(row, request, at);
    }
    if (request.left === 0) this.#done(request);
  }

  #wait(row: number, request: Request, at: number): void {
    const waiting = this.#waiting.get(row) ?? [];
    // An application that subscribes at each CONNACK, on connections that end before the SUBACK, would fill the memory.
    if (waiting.length === MOST_WAITING) waiting.shift();
    waiting.push({ request, at });
    this.#waiting.set(row, waiting);
  }

  answered(row: number, code: number): void {
    const waiting = this.#waiting.get(row) ?? [];
    this.#waiting.delete(row);
    for (const { request, at } of waiting) {
      request.codes[at] = code;
      if (--request.left === 0) this.#done(request);
    }
  }

  #done({ operation, id, codes }: Request): void {
    this.#tell(operation === PacketType.SUBACK ? { operation, id, payload: codes } : { operation, id });
  }
}
