// What clients talk about: a small space of topics, so that filters overlap and retained messages meet; payloads that
// tell every message from every other.

import type { ClientLimits } from "../src/client/limits";
import type { Limits } from "../src/index";
import type { Client } from "./client";
import type { Options } from "./options";
import type { Said } from "./oracle/peer-model";
import { encode, type PublishPacket, type PublishProperties, propertyBytes } from "./packets";
import type { Subscription } from "./personality";
import type { Random } from "./random";

const LEVELS = ["a", "b", "c", "", "temperature", "ä", "living room, upstairs"];

export class Workload {
  readonly #options: Options;
  readonly #limits: Limits;
  readonly #random: Random;
  #count = 0;

  constructor(options: Options, limits: Limits, random: Random) {
    this.#options = options;
    this.#limits = limits;
    this.#random = random;
  }

  /** The payload of the next message, of at least a few bytes. */
  payload(bytes: number): Buffer {
    this.#count++;
    const payload = Buffer.alloc(Math.max(bytes, 8), 0x61 + (this.#count % 26));
    payload.write(`m${this.#count}.`, 0, "latin1");
    return payload;
  }

  message(version: number): PublishPacket {
    const random = this.#random;
    const options = this.#options;
    const retain = random.chance(options.retained, 100);
    let payload: Buffer;
    if (retain && random.chance(1, 4)) payload = Buffer.alloc(0);
    else if (random.chance(options.oversized, 100)) payload = this.payload(this.#oversize());
    else payload = this.payload(random.skewed(options.payload));
    return {
      cmd: "publish",
      topic: this.topic(),
      payload,
      qos: random.pick([0, 0, 1, 1, 1, 2, 2] as const),
      retain,
      dup: false,
      properties: version === 5 ? this.#properties() : undefined,
    };
  }

  /** Mostly an ordinary one; some are none, some are too much for who has little memory. */
  #topicOf(kind: number): string {
    const random = this.#random;
    if (kind === 0) return random.pick(["", "a/#", "+", "a\0b", "b".repeat(100)]);
    return kind > 3 ? this.topic() : random.pick(["a/b/c/a/b/c", "temperature/living room, upstairs/temperature/ä"]);
  }

  /** What the application of a client of ours publishes; some of it can't be accepted. */
  said(version: number, { payloadBytes }: ClientLimits): Said {
    const random = this.#random;
    const { expiring, oversized, payload: usual, retained } = this.#options;
    const { messageBytes, packetBytes } = this.#limits;
    const large = random.pick([payloadBytes, payloadBytes >> 1, messageBytes + 1]);
    const isLarge = random.chance(oversized, 100) && large < packetBytes - 300;
    const retain = random.chance(retained, 100);
    const isEmpty = random.chance(1, retain ? 4 : 40);
    const { messageExpiryInterval: _, ...properties } = this.#properties() ?? {};
    const hasProperties = version === 5 || random.chance(1, 4);
    return {
      topic: this.#topicOf(random.below(40)),
      payload: isEmpty ? Buffer.alloc(0) : this.payload(isLarge ? large : random.skewed(usual)),
      qos: random.pick([0, 0, 1, 1, 1, 2, 2]),
      retain,
      expiry: random.chance(expiring, 100) ? random.pick([0, 1, 2, 5, 30]) : -1,
      properties: hasProperties ? properties : undefined,
      propertyBytes: hasProperties ? propertyBytes(properties) : new Uint8Array(0),
    };
  }

  topic(): string {
    const random = this.#random;
    if (random.chance(1, 30))
      return random.pick(["$x/a", "a/b/c/d/e/f/g/h/i/j/k/l/m/n", "a/".repeat(random.range(20, 160)), "/"]);
    const levels: string[] = [];
    for (let left = random.range(1, 3); left > 0; left--)
      levels.push(random.pick(LEVELS.slice(0, random.range(2, LEVELS.length))));
    return levels.join("/") || "a";
  }

  filter(): string {
    const random = this.#random;
    if (random.chance(1, 40)) return random.pick(["$x/#", "$share/g/a", "+/+/+/+/+/+/+/+/+/+/+/+/+", "b/".repeat(160)]);
    const levels = this.topic().split("/");
    for (let i = 0; i < levels.length; i++) if (random.chance(1, 3)) levels[i] = "+";
    if (random.chance(1, 4)) levels[levels.length - 1] = "#";
    return levels.join("/");
  }

  subscriptions(client: Client): Subscription[] {
    const random = this.#random;
    const count = random.chance(1, 10) ? random.range(5, 12) : random.range(1, 3);
    const found = new Map<string, Subscription>();
    for (let left = count; left > 0; left--) {
      const topic = this.filter();
      if (topic.startsWith("$share/") && client.version !== 5) continue;
      const subscription: Subscription = { topic, qos: random.pick([0, 1, 2] as const) };
      if (client.version === 5) {
        subscription.nl = !topic.startsWith("$share/") && random.chance(1, 4);
        subscription.rap = random.chance(1, 3);
        subscription.rh = random.pick([0, 0, 0, 1, 2]);
      }
      found.set(topic, subscription);
    }
    return [...found.values()];
  }

  /** Bytes that no server may take from a client that is connected. */
  malformed(version: number): Buffer {
    const random = this.#random;
    const publish = encode({ ...this.message(version), qos: 1, messageId: 7 }, version);
    switch (random.below(9)) {
      case 0:
        return Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x01]); // Remaining Length of five bytes
      case 1:
        return Buffer.from([0x36, 7, 0, 1, 0x61, 0, 1, 0x78, 0x79]); // QoS 3
      case 2:
        return Buffer.from([0x80, 6, 0, 1, 0, 1, 0x61, 0]); // SUBSCRIBE with reserved bits
      case 3:
        return version === 5 ? Buffer.from([0x82, 3, 0, 1, 0]) : Buffer.from([0x82, 2, 0, 1]); // no Topic Filter
      case 4:
        return Buffer.from([0x30, 4, 0, 1, 0x23, 0]); // a wildcard in a Topic Name
      case 5:
        return Buffer.from([0x30, 5, 0, 2, 0xc0, 0x80, 0]); // ill-formed UTF-8
      case 6:
        return Buffer.from([0x20, 2, 0, 0]); // CONNACK from a client
      case 7:
        return encode({ cmd: "connect", clientId: "again", clean: true, protocolVersion: 4, protocolId: "MQTT" }, 4);
      default:
        // Packet Identifier 0.
        publish.writeUInt16BE(0, this.#packetIdAt(publish));
        return publish;
    }
  }

  #packetIdAt(publish: Buffer): number {
    let at = 1;
    while (publish[at] >= 0x80) at++;
    return at + 3 + publish.readUInt16BE(at + 1);
  }

  #oversize(): number {
    const { messageBytes, packetBytes } = this.#limits;
    return this.#random.pick([messageBytes + 1, messageBytes - 20, packetBytes, packetBytes + 100]);
  }

  #properties(): PublishProperties {
    const random = this.#random;
    const properties: PublishProperties = {};
    if (random.chance(this.#options.expiring, 100)) properties.messageExpiryInterval = random.pick([0, 1, 2, 5, 30]);
    if (random.chance(1, 6)) properties.contentType = "text/plain";
    if (random.chance(1, 8)) properties.responseTopic = "a/response";
    if (random.chance(1, 8)) properties.correlationData = Buffer.from([1, 2, 3, random.below(256)]);
    if (random.chance(1, 8)) properties.payloadFormatIndicator = random.chance(1, 2);
    if (random.chance(1, 6)) properties.userProperties = { unit: ["°C", "K"], n: String(random.below(10)) };
    return properties;
  }
}
