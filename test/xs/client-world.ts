// The client's core in a World: its one stream leads to the broker there, or to a server that does as a script says. For
// programs that count what the client allocates and what it costs; nothing here allocates after `start`.

import { Client, ClientState } from "../../src/client/client";
import type { ClientLimits } from "../../src/client/limits";
import type { ConnectOptions } from "../../src/client/options";
import type { ClientEvents, ClientPorts } from "../../src/client/ports";
import { presets } from "../../src/memory/limits";
import { LeanTransport, type Peer } from "../support/lean-transport";
import { Packet, PINGREQ, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, SUBSCRIBE, UNSUBSCRIBE } from "./packet";
import { CONNACK, PINGRESP, Reader, type Receiver, SUBACK, UNSUBACK } from "./reader";
import { World, type WorldOptions } from "./world";

/** The one connection of the client. */
const ONE = 1;
/** Streams of the reader: what the client sends, what it gets. */
export const UP = 1;
export const DOWN = 2;
/** Bytes that wait on their way to the client at most. */
const DOWN_BYTES = 1024;
const ALL = 0x3fffffff;

/** Takes what the client tells, and checks that each payload is what one letter repeated makes. */
export class Application implements ClientEvents {
  memory: Uint8Array = new Uint8Array(0);
  /** Bytes of payload taken at once. */
  most = ALL;
  connectedCount = 0;
  resumedCount = 0;
  disconnectedCount = 0;
  disconnectedFor = 0;
  publishedCount = 0;
  /** Of those the ones that the server did not get, and why the last. */
  unpublishedCount = 0;
  unpublishedFor = 0;
  subscribedCount = 0;
  unsubscribedCount = 0;
  /** Messages by QoS. */
  readonly messages = new Int32Array(3);
  lostCount = 0;
  /** Pieces in which payloads came. */
  pieces = 0;
  /** Packet Identifiers of the last messages, the last first. */
  readonly ids = new Int32Array(4);
  private readonly world: ClientWorld;
  private letter = 0;
  private taken = 0;

  constructor(world: ClientWorld) {
    this.world = world;
  }

  connected(sessionPresent: boolean): void {
    this.connectedCount++;
    if (sessionPresent) this.resumedCount++;
  }

  disconnected(reason: number): void {
    this.disconnectedCount++;
    this.disconnectedFor = reason;
  }

  published(_message: number, reasonCode: number): void {
    this.publishedCount++;
    if (reasonCode < 0x80) return;
    this.unpublishedCount++;
    this.unpublishedFor = reasonCode;
  }

  subscribed(_subscription: number, reasonCode: number): void {
    if (reasonCode >= 0x80) throw new Error("a Topic Filter was refused");
    this.subscribedCount++;
  }

  unsubscribed(): void {
    this.unsubscribedCount++;
  }

  message(): void {
    this.taken = 0;
  }

  payload(at: number, count: number): number {
    const { memory } = this;
    if (this.taken === 0) this.letter = memory[at];
    if (memory[at] !== this.letter || memory[at + count - 1] !== this.letter) throw new Error("another payload");
    const taken = count < this.most ? count : this.most;
    this.taken += taken;
    this.pieces++;
    return taken;
  }

  messageEnd(): void {
    const { qos, packetId, payloadLength } = this.world.client.message;
    if (this.taken !== payloadLength) throw new Error("a payload of another length");
    this.messages[qos]++;
    this.ids.copyWithin(1, 0, 3);
    this.ids[0] = packetId;
    this.world.atWork();
  }

  messageLost(): void {
    this.lostCount++;
  }
}

/** What the client has in common with a World: both are the far end of a LeanTransport. */
class ClientEnd implements Peer {
  constructor(private readonly world: ClientWorld) {}

  sent(_connection: number, memory: Uint8Array, at: number, count: number): void {
    this.world.clientSent(memory, at, count);
  }

  closed(): void {
    this.world.clientClosed();
  }
}

/** Counts packets, and has the script answer those of the client. */
class Wire implements Receiver {
  constructor(private readonly world: ClientWorld) {}

  received(stream: number, header: number, id: number): void {
    this.world.passed(stream, header, id);
  }
}

export class ClientWorld extends World {
  readonly client: Client;
  readonly application = new Application(this);
  readonly clientLimits: ClientLimits;
  /** The client's stream; what is put there is on its way to the client. */
  readonly stream: LeanTransport;
  readonly wire: Reader;
  /** The script answers, not the broker. For the next connection. */
  isScripted = false;
  /** Nobody answers when a stream is opened. */
  isDown = false;
  /** The script takes what comes and answers nothing. */
  isSilent = false;
  /** Topic Alias Maximum that the script announces. */
  scriptAliases = 0;
  /** Pieces in which bytes arrive on either side are of 1 to so many bytes; 0: whole. */
  most = 0;
  /** Bytes that the stream takes from the client in all until this changes. */
  upRoom = ALL;
  /** Bytes that pass in either direction until the stream breaks. */
  cutAfter = ALL;
  private version = 5;
  private isDialed = false;
  /** There is a stream, and the server's end of it is open. */
  private isLinked = false;
  private isCut = false;
  /** The broker's number for it; 0: the script has it. */
  private link = 0;
  /** 1: a connection of the broker that was the client's. */
  private readonly wasLink: Uint8Array;
  private readonly reply = new Packet(16);
  private packetCount = 0;

  constructor(clientLimits: ClientLimits, options: WorldOptions) {
    super(presets.esp32, options);
    this.clientLimits = clientLimits;
    this.wasLink = new Uint8Array(this.connections + 1);
    this.stream = new LeanTransport(1, DOWN_BYTES, options.readAhead, options.copy);
    this.stream.peer = new ClientEnd(this);
    this.wire = new Reader(2, new Wire(this));
    const ports: ClientPorts = {
      transport: this.stream,
      dialer: { dial: () => this.dial() },
      clock: this.clock,
      random: { next: () => this.draw(0x3fffffff) },
    };
    this.client = new Client(clientLimits, ports, this.application);
    this.application.memory = this.client.layout.u8;
  }

  /** Packets that the client sent and got. */
  override get packets(): number {
    return this.packetCount;
  }

  /** Connects the client; it keeps its session for an hour. */
  start(version: number, further: ConnectOptions = {}): void {
    const kept = version === 5 ? { sessionExpiry: 3600 } : {};
    this.version = version;
    this.client.start({ version, clientId: "core", keepAlive: 0, cleanStart: false, ...kept, ...further });
    this.settle();
    if (this.client.state !== ClientState.Connected) throw new Error("the client is not connected");
  }

  /** Time passes until the client is connected again and at rest. */
  reconnect(): void {
    this.settle();
    for (let waits = 0; this.client.state !== ClientState.Connected; waits++) {
      if (waits > 400) throw new Error("the client does not come back");
      this.clock.milliseconds += 500;
      this.settle();
    }
  }

  /** The application takes payload until there is no more. */
  resume(): void {
    for (let times = 0; this.client.isPaused; times++) {
      if (times > 100000) throw new Error("no end of a payload");
      this.client.resume();
      this.settle();
    }
  }

  /** The script sends `packet`, in pieces of 1 to `most` bytes. */
  push(most: number): void {
    const { packet, stream } = this;
    this.most = most;
    for (let at = packet.at; at < packet.end && this.isLinked; ) {
      const count = stream.put(ONE, packet.buffer, at, packet.end - at);
      this.wire.feed(DOWN, packet.bytes, at, count);
      at += count;
      this.settle();
    }
    this.most = 0;
  }

  /** The stream breaks, with what is on its way. */
  cut(): void {
    if (!this.isLinked) return;
    this.isLinked = false;
    this.isCut = false;
    if (this.link !== 0) this.broker.closed(this.link);
    this.link = 0;
    this.client.closed();
  }

  override open(): number {
    const connection = super.open();
    this.wasLink[connection] = 0;
    return connection;
  }

  /** Lets client, broker and the other clients work until nothing waits. */
  override settle(): void {
    if (this.measureStack !== undefined) {
      const stack = this.measureStack();
      if (stack < this.stackAtStep) this.stackAtStep = stack;
    }
    for (let turns = 0; this.turn(); turns++) if (turns > 100000) throw new Error("no rest");
  }

  /** True when anything happened. */
  private turn(): boolean {
    const { broker, client, link, stream, transport } = this;
    let isActive = this.carry();
    const up = link === 0 ? 0 : transport.waiting(link);
    const down = this.isLinked ? stream.waiting(ONE) : 0;
    this.regulate();
    if (broker.step()) isActive = true;
    if (this.anyDirty) {
      this.tell();
      isActive = true;
    }
    if (client.step()) isActive = true;
    if (this.isCut) {
      this.cut();
      return true;
    }
    if (link !== this.link || this.isDialed) return true;
    return (
      isActive || (link !== 0 && up !== transport.waiting(link)) || (this.isLinked && down !== stream.waiting(ONE))
    );
  }

  /** Each side may send what the other's row takes. */
  private regulate(): void {
    const { client, link, stream, transport } = this;
    if (!this.isLinked) return;
    let up = link === 0 ? ALL : transport.left(link);
    if (this.upRoom < up) up = this.upRoom;
    if (stream.grant(ONE, up)) client.ready();
    if (link !== 0) this.grant(link, stream.left(ONE));
  }

  /** Opens what was dialled, and moves bytes on. */
  private carry(): boolean {
    const { client, link, stream, transport } = this;
    let isActive = false;
    if (this.isDialed) {
      this.isDialed = false;
      isActive = true;
      this.answerDial();
    }
    if (link !== 0 && transport.underway(link) > 0) {
      transport.arrive(link, this.piece());
      this.broker.ready(link);
      isActive = true;
    }
    if (this.isLinked && stream.underway(ONE) > 0) {
      stream.arrive(ONE, this.piece());
      client.ready();
      isActive = true;
    }
    return isActive;
  }

  private piece(): number {
    return this.most === 0 ? ALL : 1 + this.draw(this.most);
  }

  private dial(): void {
    this.stream.open(ONE);
    this.wire.open(UP);
    this.wire.open(DOWN);
    this.isDialed = true;
  }

  private answerDial(): void {
    if (this.isDown) return this.client.closed();
    this.isLinked = true;
    if (!this.isScripted) {
      this.link = this.open();
      if (this.link === 0) throw new Error("no connection is free");
      this.wasLink[this.link] = 1;
    }
    this.client.opened();
  }

  // The client's end

  /** The client is in the middle of something. */
  atWork(): void {
    if (this.plant !== undefined) this.plantNow();
  }

  clientSent(memory: Uint8Array, at: number, count: number): void {
    this.atWork();
    if (!this.isLinked) return;
    if (this.upRoom !== ALL) this.upRoom -= count;
    const passes = this.passing(count);
    if (this.link !== 0) this.transport.put(this.link, memory.buffer as ArrayBuffer, at, passes);
    this.wire.feed(UP, memory, at, passes);
  }

  /** How many of `count` bytes come through before the stream breaks. */
  private passing(count: number): number {
    if (count < this.cutAfter) {
      if (this.cutAfter !== ALL) this.cutAfter -= count;
      return count;
    }
    const passes = this.cutAfter;
    this.cutAfter = ALL;
    this.isCut = true;
    return passes;
  }

  clientClosed(): void {
    this.isDialed = false;
    if (!this.isLinked) return;
    this.isLinked = false;
    this.isCut = false;
    if (this.link === 0) return;
    this.transport.arrive(this.link, ALL);
    this.broker.ready(this.link);
    this.broker.closed(this.link);
    this.link = 0;
  }

  // The server's end

  override sent(connection: number, memory: Uint8Array, at: number, count: number): void {
    if (connection === this.link) {
      const passes = this.passing(count);
      if (this.stream.put(ONE, memory.buffer as ArrayBuffer, at, passes) !== passes) throw new Error("no room");
      this.wire.feed(DOWN, memory, at, passes);
    } else if (this.wasLink[connection] === 0) {
      this.reader.feed(connection, memory, at, count);
    }
  }

  override closed(connection: number): void {
    if (connection !== this.link) return;
    this.link = 0;
    this.isLinked = false;
    this.stream.arrive(ONE, ALL);
    this.client.closed();
  }

  /** A packet has passed, in either direction. */
  passed(stream: number, header: number, id: number): void {
    this.packetCount++;
    if (stream === UP && this.isScripted && this.link === 0 && !this.isSilent) this.script(header, id);
  }

  /** The packet at hand of the client is answered. */
  private script(header: number, id: number): void {
    switch (header >>> 4) {
      case 1:
        return this.accept();
      case PUBLISH:
        if ((header & 6) !== 0) this.confirm((header & 6) === 2 ? PUBACK : PUBREC, id);
        return;
      case PUBREC:
        return this.confirm(PUBREL, id);
      case PUBREL:
        return this.confirm(PUBCOMP, id);
      case SUBSCRIBE:
      case UNSUBSCRIBE:
        return this.grantFilter(header >>> 4 === SUBSCRIBE ? SUBACK : UNSUBACK, id);
      case PINGREQ:
        this.reply.begin();
        this.reply.finish(PINGRESP, 0);
        this.give();
    }
  }

  private accept(): void {
    const { reply } = this;
    reply.begin();
    reply.u8(0);
    reply.u8(0);
    if (this.version === 5) {
      reply.beginProperties();
      if (this.scriptAliases > 0) {
        reply.u8(0x22);
        reply.u16(this.scriptAliases);
      }
      reply.endProperties();
    }
    reply.finish(CONNACK, 0);
    this.give();
  }

  private confirm(type: number, id: number): void {
    this.reply.acknowledgement(type, id);
    this.give();
  }

  private grantFilter(type: number, id: number): void {
    const { reply } = this;
    reply.begin();
    reply.u16(id);
    if (this.version === 5) reply.u8(0);
    if (type === SUBACK || this.version === 5) reply.u8(0);
    reply.finish(type, 0);
    this.give();
  }

  private give(): void {
    const { reply, stream } = this;
    if (stream.put(ONE, reply.buffer, reply.at, reply.length) !== reply.length)
      throw new Error("no room for an answer");
    this.wire.feed(DOWN, reply.bytes, reply.at, reply.length);
  }
}
