// A client of a scene: bytes out, bytes in, at once. What it does not expect is an error.

import { ReasonCode } from "../../src/index";
import type { TestClient } from "../support/harness";
import {
  type Bytes,
  CONNACK,
  type Connack,
  type ConnectOptions,
  connect,
  disconnect,
  type Level,
  PINGRESP,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  type Publish,
  type PublishOptions,
  pingreq,
  puback,
  pubcomp,
  publish,
  pubrec,
  pubrel,
  readAcknowledgement,
  readConnack,
  readDisconnect,
  readPublish,
  readSuback,
  SUBACK,
  type Subscription,
  subscribe,
  toHex,
  UNSUBACK,
  unsubscribe,
} from "../support/packets";

export type Qos = 0 | 1 | 2;
export type PublishWith = Partial<Omit<PublishOptions, "level" | "topic">>;

/** Success, and No matching subscribers. */
const DONE: readonly number[] = [0, 0x10];

function fail(what: string): never {
  throw new Error(what);
}

export class Guest {
  connack: Connack | undefined;
  private lastId = 0;

  constructor(
    readonly client: TestClient,
    readonly level: Level,
    readonly name: string,
  ) {}

  /** The server's number for the stream, 0 when it has closed it. */
  get connection(): number {
    return this.client.stream.connection;
  }

  get isClosed(): boolean {
    return this.client.closed;
  }

  newId(): number {
    return ++this.lastId;
  }

  send(...packets: Bytes[]): void {
    this.client.send(...packets);
  }

  /** Every whole packet that came. */
  received(): Uint8Array[] {
    return this.client.receive();
  }

  next(what: string): Uint8Array {
    return this.client.next() ?? fail(`${this.name}: no ${what} came${this.isClosed ? ", the stream is closed" : ""}`);
  }

  /** Nothing came, and the stream is open. */
  silent(): void {
    const packet = this.client.next();
    if (packet !== undefined) fail(`${this.name}: nothing expected, got ${toHex(packet)}`);
    if (this.isClosed) fail(`${this.name}: the stream is closed`);
  }

  /** It is alive, and nothing waits for it. */
  quiet(): void {
    this.send(pingreq());
    const packet = this.next("PINGRESP");
    if (packet[0] >> 4 !== PINGRESP) fail(`${this.name}: PINGRESP expected, got ${toHex(packet)}`);
    this.silent();
  }

  /** The server says nothing (more) and closes. */
  closed(): void {
    const packet = this.client.next();
    if (packet !== undefined) fail(`${this.name}: close expected, got ${toHex(packet)}`);
    if (!this.isClosed) fail(`${this.name}: the stream is still open`);
  }

  /** 5.0 is told the Reason Code; then the stream is closed. */
  disconnected(reason: number): void {
    if (this.level === 5) {
      const got = readDisconnect(this.next("DISCONNECT")).reason;
      if (got !== reason) fail(`${this.name}: DISCONNECT 0x${got.toString(16)} instead of 0x${reason.toString(16)}`);
    }
    this.closed();
  }

  /** Sends a CONNECT with its name as Client Identifier. */
  asks(options: Partial<ConnectOptions> = {}): void {
    this.send(connect({ id: this.name, ...options, level: this.level }));
  }

  /** The CONNECT was accepted. */
  accepted(): Connack {
    const connack = readConnack(this.level, this.next("CONNACK"));
    if (connack.reason !== 0) fail(`${this.name}: CONNACK 0x${connack.reason.toString(16)}`);
    this.connack = connack;
    return connack;
  }

  /** The CONNECT was refused: 5.0 gets the Reason Code, the others the return code or, for 0, nothing; then closed. */
  refused(reason: number, returnCode: number): void {
    const want = this.level === 5 ? reason : returnCode;
    if (want !== 0) {
      const connack = readConnack(this.level, this.next("CONNACK"));
      if (connack.reason !== want || connack.flags !== 0) fail(`${this.name}: CONNACK ${JSON.stringify(connack)}`);
    }
    const packet = this.client.next();
    if (packet !== undefined) {
      const what = packet[0] >> 4 === CONNACK ? "a CONNACK" : "more";
      fail(`${this.name}: nothing expected, got ${what}: ${toHex(packet)}`);
    }
    this.closed();
  }

  /** Sends a PUBLISH; returns its Packet Identifier, 0 at QoS 0. */
  publish(topic: string, options: PublishWith = {}): number {
    const id = (options.qos ?? 0) === 0 ? 0 : (options.id ?? this.newId());
    this.send(publish({ ...options, level: this.level, topic, id }));
    return id;
  }

  /** A PUBACK or PUBREC came; a QoS 2 message that is not refused is finished. */
  acknowledged(qos: number, id: number, reasons: readonly number[] = DONE): void {
    if (qos === 0) return;
    const type = qos === 1 ? PUBACK : PUBREC;
    const got = readAcknowledgement(this.level, type, this.next(qos === 1 ? "PUBACK" : "PUBREC"));
    if (got.id !== id) fail(`${this.name}: Packet Identifier ${got.id} instead of ${id}`);
    if (!reasons.includes(got.reason)) fail(`${this.name}: Reason Code 0x${got.reason.toString(16)}`);
    if (qos === 2 && got.reason < 0x80) this.releases(id);
  }

  /** PUBREL, PUBCOMP. */
  releases(id: number): void {
    this.send(pubrel(id));
    const got = readAcknowledgement(this.level, PUBCOMP, this.next("PUBCOMP"));
    if (got.id !== id || got.reason !== 0) fail(`${this.name}: PUBCOMP ${JSON.stringify(got)}`);
  }

  /** Publishes and is acknowledged; at QoS 0 it is alive afterwards. */
  tells(topic: string, options: PublishWith = {}, reasons: readonly number[] = DONE): void {
    const id = this.publish(topic, options);
    if ((options.qos ?? 0) === 0) this.quiet();
    else this.acknowledged(options.qos ?? 0, id, reasons);
  }

  /** Subscribes; returns the Reason Codes. Retained messages may follow. */
  subscribes(list: readonly Subscription[], properties: Bytes = []): number[] {
    const id = this.newId();
    this.send(subscribe(this.level, id, list, properties));
    const suback = readSuback(this.level, SUBACK, this.next("SUBACK"));
    if (suback.id !== id) fail(`${this.name}: SUBACK of ${suback.id} instead of ${id}`);
    return suback.reasons;
  }

  /** Sends a SUBSCRIBE and does not wait for the answer. */
  subscribeLater(list: readonly Subscription[]): number {
    const id = this.newId();
    this.send(subscribe(this.level, id, list));
    return id;
  }

  /** Subscribes to one Topic Filter and is granted what it asks for. */
  subscribe(filter: string, options = 0, properties: Bytes = []): void {
    const reasons = this.subscribes([[filter, options]], properties);
    if (reasons.length !== 1 || reasons[0] !== (options & 3)) fail(`${this.name}: SUBACK ${reasons}`);
  }

  unsubscribes(filters: readonly string[]): number[] {
    const id = this.newId();
    this.send(unsubscribe(this.level, id, filters));
    const unsuback = readSuback(this.level, UNSUBACK, this.next("UNSUBACK"));
    if (unsuback.id !== id) fail(`${this.name}: UNSUBACK of ${unsuback.id} instead of ${id}`);
    return unsuback.reasons;
  }

  /** PUBLISH packets that came, not acknowledged; nothing else came. */
  published(): Publish[] {
    return this.received().map((packet) => {
      if (packet[0] >> 4 !== PUBLISH) fail(`${this.name}: PUBLISH expected, got ${toHex(packet)}`);
      return readPublish(this.level, packet);
    });
  }

  /** Acknowledges a PUBLISH as far as it can be without an answer. */
  answer(it: Publish): void {
    if (it.qos === 1) this.send(puback(it.id));
    if (it.qos === 2) this.send(pubrec(it.id));
  }

  /** All that comes while everything is acknowledged in full. */
  takes(): Publish[] {
    const got: Publish[] = [];
    for (let packets = this.received(); packets.length > 0; packets = this.received()) {
      for (const packet of packets) {
        if (packet[0] >> 4 === PUBREL) {
          this.send(pubcomp(readAcknowledgement(this.level, PUBREL, packet).id));
          continue;
        }
        if (packet[0] >> 4 !== PUBLISH) fail(`${this.name}: PUBLISH expected, got ${toHex(packet)}`);
        const it = readPublish(this.level, packet);
        got.push(it);
        this.answer(it);
      }
    }
    return got;
  }

  /** The payloads of all that comes. */
  payloads(): string[] {
    return this.takes().map((it) => it.payload);
  }

  /** Leaves with a DISCONNECT. */
  leaves(): void {
    this.send(disconnect());
    this.closed();
  }

  /** The stream breaks. */
  vanishes(): void {
    this.client.reset();
  }
}

/** What a PUBLISH refused with a limit is told. */
export const refusalOf = (limit: string): number =>
  limit === "topicBytes" || limit === "topicLevels" ? ReasonCode.TopicNameInvalid : ReasonCode.QuotaExceeded;
