// Publishes one after the other, with a bounded number on their way: whoever gives them waits until there is room.

import type { MqttClient, PublishOptions } from "../client/index";
import { encodeProperties } from "../client/properties";
import { reasonOf } from "./link";

/** The most that is on its way, unless one message is larger. */
const MESSAGES = 512;
export const WAY_BYTES = 2_097_152;
/** More than what the client takes for a message beside its bytes. */
const OVERHEAD = 1024;

export class Publisher {
  /** Messages that were given, and are not done with. */
  waiting = 0;
  given = 0;
  refused = 0;
  /** Why the first of those was refused. */
  firstReason = "";
  readonly #client: MqttClient;
  readonly #topic: string;
  readonly #options: PublishOptions;
  readonly #headBytes: number;
  #bytes = 0;
  #wake = (): void => {};

  constructor(client: MqttClient, topic: string, options: PublishOptions) {
    this.#client = client;
    this.#topic = topic;
    this.#options = options;
    this.#headBytes = headBytes(topic, options);
  }

  /** Resolves when it is on its way. At QoS 0 it waits for a connection, as no server will ask for it again. */
  async publish(payload: Uint8Array): Promise<void> {
    const bytes = this.#headBytes + payload.length;
    while (this.waiting >= MESSAGES || (this.waiting > 0 && this.#bytes + bytes > WAY_BYTES)) await this.#change();
    while (this.#options.qos === 0 && !this.#client.connected) {
      await new Promise<void>((resolve) => this.#client.once("connect", () => resolve()));
    }
    this.waiting++;
    this.given++;
    this.#bytes += bytes;
    void this.#follow(this.#client.publish(this.#topic, payload, this.#options), bytes);
  }

  /** Resolves when all that were given are done with. */
  async settled(): Promise<void> {
    while (this.waiting > 0) await this.#change();
  }

  async #follow(sent: Promise<void>, bytes: number): Promise<void> {
    try {
      await sent;
    } catch (error) {
      if (this.refused++ === 0) this.firstReason = reasonOf(error as Error);
    }
    this.waiting--;
    this.#bytes -= bytes;
    this.#wake();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      const before = this.#wake;
      this.#wake = () => {
        before();
        this.#wake = () => {};
        resolve();
      };
    });
  }
}

/** What a message takes beside its payload, bytes. */
export function headBytes(topic: string, options: PublishOptions): number {
  return OVERHEAD + Buffer.byteLength(topic) + encodeProperties(options).length;
}
