// Request and response [5.0 section 4.10]: a request carries the topic on which the answer is awaited, and data by which it
// is known.

import { randomBytes, randomUUID } from "node:crypto";
import { OptionsError } from "../../../src/client/options";
import { ClientCause } from "../../../src/client/ports";
import type { MqttClient } from "./client";
import { MqttError } from "./errors";
import type { ReceivedMessage } from "./handlers";
import type { PublishOptions } from "./options";

export interface RequestOptions extends PublishOptions {
  /** How long to wait for the response, ms, 1 to 2,147,483,647. Default 10,000. */
  timeout?: number;
  signal?: AbortSignal;
  /** Default: one of the client's own, `response/` and a random name. */
  responseTopic?: string;
}

const MOST_TIMEOUT = 0x7fffffff;

/** The requests of a client that wait. */
export class Requests {
  readonly #client: MqttClient;
  readonly #waiting = new Map<string, { resolve(response: ReceivedMessage): void; reject(error: Error): void }>();
  /** By Response Topic: subscribed to, once. */
  readonly #topics = new Map<string, Promise<number>>();
  readonly #ownTopic = `response/${randomUUID()}`;

  constructor(client: MqttClient) {
    this.#client = client;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** The client is closed: none will be answered. */
  end(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
  }

  async request(topic: string, payload: string | Uint8Array, options: RequestOptions): Promise<ReceivedMessage> {
    const { timeout = 10_000, signal, responseTopic = this.#ownTopic, ...publish } = options;
    if (!Number.isInteger(timeout) || timeout < 1 || timeout > MOST_TIMEOUT) {
      throw new OptionsError("timeout", `must be from 1 to ${MOST_TIMEOUT} ms`);
    }
    this.#client.checkVersion();
    signal?.throwIfAborted();
    const correlationData = publish.correlationData ?? randomBytes(8);
    const key = Buffer.from(correlationData).toString("hex");
    if (this.#waiting.has(key)) throw new OptionsError("correlationData", "is that of a request that waits");
    let timer: NodeJS.Timeout | undefined;
    let abort = (): void => {};
    const answered = new Promise<ReceivedMessage>((resolve, reject) => {
      this.#waiting.set(key, { resolve, reject });
      timer = setTimeout(() => reject(new MqttError("no response", ClientCause.ConnectTimeout)), timeout);
      abort = () => reject(signal?.reason);
      signal?.addEventListener("abort", abort, { once: true });
    });
    answered.catch(() => {}); // told below, or by what failed before
    try {
      await Promise.race([this.#listen(responseTopic), answered]);
      const sent = this.#client.publish(topic, payload, { ...publish, responseTopic, correlationData });
      await Promise.race([sent, answered]);
      return await answered;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      this.#waiting.delete(key);
    }
  }

  /** Awaits responses on a topic from now on. */
  #listen(topic: string): Promise<number> {
    const known = this.#topics.get(topic);
    if (known !== undefined) return known;
    const listening = this.#client.subscribe(topic, (message) => this.#take(message), { qos: 1 });
    this.#topics.set(topic, listening);
    listening.catch(() => this.#topics.delete(topic)); // the next request tries again
    return listening;
  }

  #take(message: ReceivedMessage): void {
    if (message.correlationData === undefined) return;
    this.#waiting.get(Buffer.from(message.correlationData).toString("hex"))?.resolve(message);
  }
}
