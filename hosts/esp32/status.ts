// What the broker says of itself, once a minute, as retained messages under `$SYS/broker/`: names as Mosquitto has them
// where it has them. It publishes as a client does, so it takes its share of the limits: a connection, a session, and six
// retained messages.

import type { Broker } from "../../src/broker/broker";
import type { Client } from "../../src/client/client";
import { ClientState } from "../../src/client/client";
import { type ClientLimits, clientPresets } from "../../src/client/limits";
import { bytesOf } from "../ecma419/text";

/** One small message at a time. */
export const statusLimits: Readonly<ClientLimits> = Object.freeze<ClientLimits>({
  ...clientPresets.sensor,
  messages: 2,
  inflight: 1,
  payloadBytes: 768,
  blockBytes: 64,
  receiveMaximum: 1,
  receiveShared: 1,
  subscriptions: 0,
  topicBytes: 64,
  topicLevels: 4,
  headBytes: 96,
  stageBytes: 128,
  outputBytes: 320,
  aliasesOut: 0,
});

export const STATUS_CLIENT = "midge-status";
const MINUTE = 60;
const MESSAGES = 6;

export interface StatusOptions {
  broker: Broker;
  client: Client;
  /** Why this run began. */
  restartReason: string;
  /** Bytes of the heap: free, and the least that ever was; 0: unknown. */
  heap: () => number;
  leastHeap: () => number;
}

export class Status {
  readonly #options: StatusOptions;
  #seconds = 0;

  constructor(options: StatusOptions) {
    this.#options = options;
  }

  /** Once a second: a message a second at the beginning of each minute. */
  tick(): void {
    const { client } = this.#options;
    if (client.state !== ClientState.Connected) return;
    const second = this.#seconds++ % MINUTE;
    if (second >= MESSAGES) return;
    const [topic, text] = this.#message(second);
    client.publish(`$SYS/broker/${topic}`, bytesOf(text), 0, true);
    client.ready();
  }

  #message(second: number): [topic: string, text: string] {
    const { broker, restartReason } = this.#options;
    switch (second) {
      case 0:
        return ["uptime", `${broker.seconds} seconds`];
      case 1:
        return ["restart", restartReason];
      case 2:
        return ["clients/connected", `${broker.connectionCount - 1}`];
      case 3:
        return ["messages/received", `${broker.counter("publishReceived")}`];
      case 4:
        return ["messages/sent", `${broker.counter("publishSent")}`];
      default:
        return ["pools", this.#pools()];
    }
  }

  #pools(): string {
    const { broker, heap, leastHeap } = this.#options;
    const free = heap();
    const parts = free > 0 ? [`heap ${free} ${leastHeap()}`] : [];
    return [...parts, ...lowestFree(broker)].join(", ");
  }
}

/** Of each pool, the least that was ever free, and how much there is. */
export function lowestFree(broker: Broker): string[] {
  return broker.pools().map(({ name, capacity, lowestFree }) => `${name} ${lowestFree}/${capacity}`);
}
