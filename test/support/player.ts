// A client that plays by the rules: it acknowledges everything, and keeps the messages that came.

import type { TestClient } from "./harness";
import {
  type Bytes,
  CONNACK,
  type ConnectOptions,
  connect,
  type Level,
  PUBLISH,
  PUBREC,
  PUBREL,
  type Publish,
  puback,
  pubcomp,
  publish,
  pubrec,
  pubrel,
  readAcknowledgement,
  readPublish,
  SUBACK,
  type Subscription,
  subscribe,
} from "./packets";

/** What is used of a client's stream. */
export interface PlayerStream {
  send(...packets: Bytes[]): void;
  receive(): Uint8Array[];
  reset(): void;
}

interface Streams<S> {
  client(): S;
}

export class Player<S extends PlayerStream = TestClient> {
  readonly level: Level;
  stream: S;
  /** What came and was not taken yet. */
  messages: Publish[] = [];
  /** Packets other than PUBLISH and its acknowledgements, in the order in which they came. */
  others: Uint8Array[] = [];
  /** Reason Codes of PUBACK and PUBREC. */
  reasons: number[] = [];
  #nextId = 0;

  constructor(
    private readonly harness: Streams<S>,
    readonly options: ConnectOptions,
  ) {
    this.level = options.level;
    this.stream = harness.client();
    this.stream.send(connect(options));
    this.play();
    if (this.others[0]?.[0] >> 4 !== CONNACK) throw new Error("no CONNACK");
  }

  /** Reads and acknowledges until nothing more comes. */
  play(): this {
    for (let packets = this.stream.receive(); packets.length > 0; packets = this.stream.receive()) {
      for (const bytes of packets) this.#answer(bytes);
    }
    return this;
  }

  #answer(bytes: Uint8Array): void {
    const type = bytes[0] >> 4;
    if (type === PUBLISH) {
      const message = readPublish(this.level, bytes);
      this.messages.push(message);
      if (message.qos === 1) this.stream.send(puback(message.id));
      if (message.qos === 2) this.stream.send(pubrec(message.id));
    } else if (type === PUBREL) this.stream.send(pubcomp(readAcknowledgement(this.level, type, bytes).id));
    else if (type === PUBREC) {
      const { id, reason } = readAcknowledgement(this.level, type, bytes);
      this.reasons.push(reason);
      if (reason < 0x80) this.stream.send(pubrel(id));
    } else if (type === 4) this.reasons.push(readAcknowledgement(this.level, type, bytes).reason);
    else if (type !== 7) this.others.push(bytes);
  }

  /** The messages that came since the last call. */
  take(): Publish[] {
    this.play();
    return this.messages.splice(0);
  }

  subscribe(list: readonly Subscription[], props: Bytes = []): this {
    this.stream.send(subscribe(this.level, this.#id(), list, props));
    this.play();
    if (this.others.at(-1)![0] >> 4 !== SUBACK) throw new Error("no SUBACK");
    return this;
  }

  publish(topic: string, payload: string, qos = 0, retain = false, props: Bytes = []): this {
    const { level } = this;
    this.stream.send(publish({ level, topic, payload, qos, retain, properties: props, id: this.#id() }));
    return this.play();
  }

  #id(): number {
    this.#nextId = (this.#nextId % 65535) + 1;
    return this.#nextId;
  }

  /** The stream breaks. */
  lose(): void {
    this.stream.reset();
    (this.harness as { forget?: (stream: S) => void }).forget?.(this.stream);
  }

  /** A new stream, and CONNECT without Clean Start. */
  comeBack(): this {
    this.stream = this.harness.client();
    this.stream.send(connect({ ...this.options, clean: false }));
    return this.play();
  }
}
