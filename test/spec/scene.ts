// What a statement's test of a client needs: the client on one side of an in-memory stream, the test as its application
// and as its server on the other, raw bytes in and out, and a clock that only the test moves.

import type { Client } from "../../src/client/client";
import { type ClientLimits, clientPresets } from "../../src/client/limits";
import type { ConnectOptions } from "../../src/client/options";
import type { ClientEvents, ClientPorts } from "../../src/client/ports";
import type { Transport } from "../../src/ports";
import { type Peer, Recorder, wireClient } from "../support/client-wire";
import { type Core, Harness } from "../support/harness";
import {
  type Acknowledgement,
  type Bytes,
  Framer,
  type Level,
  PUBREL,
  type Publish,
  puback,
  pubcomp,
  publish as publishPacket,
  pubrec,
  readAcknowledgement,
  readDisconnect,
  readPublish,
  SUBSCRIBE,
  toHex,
  UNSUBSCRIBE,
} from "../support/packets";
import {
  type ConnackOptions,
  type Connect,
  connack,
  type Request,
  readConnect,
  readRequest,
} from "../support/server-packets";
import { check, equal } from "./client";

/** What is tested: the client's core, or something that stands in for it. */
export type TestedClient = Pick<
  Client,
  | "acceptsByHand"
  | "accept"
  | "closed"
  | "isPaused"
  | "opened"
  | "publish"
  | "ready"
  | "resume"
  | "start"
  | "state"
  | "step"
  | "stop"
  | "subscribe"
  | "unsubscribe"
>;

export type MakeClient = (limits: ClientLimits, ports: ClientPorts, events: SceneEvents) => TestedClient;

export interface SceneOptions {
  readAhead?: boolean;
  /** Bytes on their way to the server, and to the client; a CONNECT must fit. */
  upBytes?: number;
  downBytes?: number;
}

/** Opens a scene with a client of its own, with `clientPresets.sensor` and these limits instead. */
export type Play = (level: Level, limits?: Partial<ClientLimits>) => Scene;

const NEVER = 300_000;

export function play(make: MakeClient, options: SceneOptions = {}): Play {
  return (level, limits = {}) => new Scene(make, level, { ...clientPresets.sensor, ...limits }, options);
}

/** Options of a session that outlives its connection. */
export function lasting(level: Level, options: ConnectOptions = {}): ConnectOptions {
  return { cleanStart: false, ...(level === 5 && { sessionExpiry: 3600 }), ...options };
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export class SceneEvents extends Recorder implements ClientEvents {
  /** Properties of the message that came last, as hex. */
  properties = "";
  packetId = 0;

  override messageEnd(): void {
    super.messageEnd();
    const { layout, message } = this.client as Client;
    this.packetId = message.packetId;
    const { propertiesAt, propertiesLength } = message;
    this.properties = toHex(layout.u8.slice(propertiesAt, propertiesAt + propertiesLength));
  }
}

export class Scene {
  readonly client: TestedClient;
  readonly events = new SceneEvents();
  private readonly peer: Peer<TestedClient>;
  private readonly server: PlayedServer;
  private lines = 0;

  constructor(
    make: MakeClient,
    readonly level: Level,
    readonly limits: ClientLimits,
    options: SceneOptions,
  ) {
    const harness = new Harness({ connections: 4, ...options }, ({ transport }) => new PlayedServer(transport));
    this.server = harness.core;
    this.peer = wireClient(harness, this.events, options, (ports) => make(limits, ports, this.events));
    this.client = this.peer.client;
  }

  /** Everything is done that can be done while the clock stands still. */
  settle(): void {
    this.peer.settle();
  }

  advance(milliseconds: number): void {
    this.peer.advance(milliseconds);
  }

  // As the application

  start(options: ConnectOptions = {}): void {
    this.client.start({ version: this.level, clientId: "c", ...options });
    this.settle();
  }

  stop(reason?: number): void {
    this.client.stop(reason);
    this.settle();
  }

  /** Returns the message's number. */
  publish(topic: string, payload: string, qos: number, retain = false, properties?: Bytes, expiry?: number): number {
    const list = properties === undefined ? undefined : Uint8Array.from(properties);
    const row = this.client.publish(topic, utf8(payload), qos, retain, list, expiry);
    check(row > 0, `publish: ${row}`);
    this.settle();
    return row;
  }

  /** Returns the subscription's number. */
  subscribe(filter: string, options = 0, identifier = 0): number {
    const row = this.client.subscribe(filter, options, identifier);
    check(row > 0, `subscribe: ${row}`);
    this.settle();
    return row;
  }

  unsubscribe(filter: string): number {
    const row = this.client.unsubscribe(filter);
    check(row > 0, `unsubscribe: ${row}`);
    this.settle();
    return row;
  }

  /** The application was told this, among what it has not been asked for yet. */
  told(...lines: string[]): void {
    for (const line of lines) {
      const at = this.events.said.indexOf(line);
      check(at >= 0, `the application was told ${JSON.stringify(this.events.said)}, not "${line}"`);
      this.events.said.splice(at, 1);
    }
  }

  /** The application was told nothing that begins so. */
  notTold(start: string): void {
    check(!this.events.said.some((line) => line.startsWith(start)), `told ${JSON.stringify(this.events.said)}`);
  }

  /** These messages came, each as "topic payload qN", with " r" when retained; and no others. */
  got(...messages: string[]): void {
    equal(this.events.messages.splice(0), messages, "messages");
  }

  // As the server

  /** The stream that the client has opened. */
  opened(): Line {
    const line = this.server.lines[this.lines];
    check(line !== undefined, "the client has opened no stream");
    this.lines++;
    line.scene = this;
    return line;
  }

  /** The client starts, sends its CONNECT, is accepted, and says so. */
  connect(options: ConnectOptions = {}, answer: ConnackOptions = {}): Line {
    this.start(options);
    return this.accept(answer);
  }

  /** The client connects again, in its time. */
  reconnect(answer: ConnackOptions = {}): Line {
    for (let left = NEVER; left > 0 && this.server.lines.length === this.lines; left -= 500) this.advance(500);
    return this.accept(answer);
  }

  private accept(answer: ConnackOptions): Line {
    const line = this.opened();
    line.connect = readConnect(line.next());
    equal(line.connect.level, this.level, "Protocol Level");
    line.nothing();
    line.send(connack(this.level, answer));
    this.told(`connected ${answer.present === true}`);
    return line;
  }

  /** A session that outlives its connection, which was lost, and is resumed. */
  resume(line: Line, answer: ConnackOptions = {}): Line {
    line.drop();
    return this.reconnect({ present: true, ...answer });
  }
}

/** The server's end of one stream. */
export class Line {
  readonly framer = new Framer();
  readonly unsent: number[] = [];
  /** The CONNECT. */
  connect!: Connect;
  scene!: Scene;
  /** While true, nothing is read. */
  stalled = false;
  isOpen = true;

  constructor(
    private readonly server: PlayedServer,
    readonly connection: number,
  ) {}

  get level(): Level {
    return this.scene.level;
  }

  send(...packets: Bytes[]): void {
    for (const bytes of packets) this.unsent.push(...bytes);
    this.scene.settle();
  }

  /** The stream is over; what was sent can still be read. */
  drop(): void {
    this.server.drop(this);
    this.scene.settle();
  }

  /** The next packet. */
  next(): Uint8Array {
    const packet = this.framer.next();
    if (packet === undefined) throw new Error(this.isOpen ? "no packet came" : "closed instead of a packet");
    return packet;
  }

  /** These packets come next, byte for byte. */
  expect(...packets: Bytes[]): void {
    for (const bytes of packets) equal(toHex(this.next()), toHex(bytes), "packet");
  }

  /** Nothing came, not even a part of a packet, and the stream is open. */
  nothing(): void {
    const packet = this.framer.next();
    if (packet !== undefined) throw new Error(`nothing expected, got ${toHex(packet)}`);
    equal(this.framer.partial, 0, "bytes of a further packet");
    check(this.isOpen, "the client has closed the stream");
  }

  /** The client has closed the stream, and nothing more came. */
  closed(): void {
    const packet = this.framer.next();
    if (packet !== undefined) throw new Error(`closed expected, got ${toHex(packet)}`);
    check(!this.isOpen, "the client has not closed the stream");
  }

  /** The client says in 5.0 with one of these why it closes, before that nothing; then it closes. */
  ends(...reasons: readonly number[]): void {
    if (this.level === 5) {
      const { reason, properties } = readDisconnect(this.next());
      check(reasons.includes(reason), `DISCONNECT with 0x${reason.toString(16)}`);
      equal(properties.length, 0, "properties of DISCONNECT");
    }
    this.closed();
    check(
      this.scene.events.said.some((line) => line.startsWith("disconnected ")),
      "the application was not told",
    );
  }

  /** A PUBLISH comes next. */
  published(topic: string, payload: string, qos: number): Publish {
    const got = readPublish(this.level, this.next());
    equal([got.topic, got.payload, got.qos], [topic, payload, qos], "topic, payload, QoS");
    if (qos > 0) check(got.id > 0, "Packet Identifier 0");
    return got;
  }

  /** An acknowledgement comes next, of this type, Packet Identifier and Reason Code. */
  acknowledged(type: number, id: number, reason = 0): Acknowledgement {
    const got = readAcknowledgement(this.level, type, this.next());
    equal([got.id, got.reason], [id, this.level === 5 ? reason : 0], "Packet Identifier and Reason Code");
    return got;
  }

  /** Acknowledges a PUBLISH to its end. */
  finish(got: Publish): void {
    if (got.qos === 1) this.send(puback(got.id));
    if (got.qos !== 2) return;
    this.send(pubrec(got.id));
    this.acknowledged(PUBREL, got.id);
    this.send(pubcomp(got.id));
  }

  /** A SUBSCRIBE of this one Topic Filter comes next. */
  subscribed(filter: string, options: number): Request {
    const got = readRequest(this.level, SUBSCRIBE, this.next());
    equal(got.filters, [[filter, options]], "SUBSCRIBE");
    return got;
  }

  unsubscribed(filter: string): Request {
    const got = readRequest(this.level, UNSUBSCRIBE, this.next());
    equal(got.filters, [[filter, 0]], "UNSUBSCRIBE");
    return got;
  }

  /** The client serves this connection: it takes a message and acknowledges it. Nothing else waits. */
  alive(): void {
    const topic = "alive";
    this.send(publishPacket({ level: this.level, topic, payload: "?", qos: 1, id: 0xfffe }));
    this.expect(puback(0xfffe));
    equal(this.scene.events.messages.pop(), "alive ? q1", "message");
    this.nothing();
  }
}

const AREA = 65536;

/** Hands bytes on, both ways. */
class PlayedServer implements Core {
  readonly lines: Line[] = [];
  private readonly memory = new Uint8Array(2 * AREA);

  constructor(private readonly transport: Transport) {
    transport.attach(this.memory.buffer, 0, AREA, AREA, AREA);
  }

  opened(connection: number): void {
    this.lines.push(new Line(this, connection));
  }

  ready(): void {}

  closed(connection: number): void {
    const line = this.lines.find((it) => it.isOpen && it.connection === connection);
    if (line === undefined) throw new Error("closed twice");
    line.isOpen = false;
    this.transport.close(connection, 0);
  }

  drop(line: Line): void {
    check(line.isOpen, "the client has closed the stream before");
    line.isOpen = false;
    this.transport.close(line.connection, 0);
  }

  step(): boolean {
    let isActive = false;
    for (const line of this.lines) {
      if (line.isOpen && this.move(line)) isActive = true;
    }
    return isActive;
  }

  private move({ connection, framer, stalled, unsent }: Line): boolean {
    const { memory, transport } = this;
    const read = stalled ? 0 : transport.receive(connection, AREA);
    if (read > 0) framer.push(memory.slice(0, read));
    const sent = Math.min(transport.writable(connection), unsent.length, AREA);
    if (sent > 0) {
      memory.set(unsent.splice(0, sent), AREA);
      transport.send(connection, sent);
    }
    return read > 0 || sent > 0;
  }
}
