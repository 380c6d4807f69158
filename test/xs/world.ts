// A broker, and clients that answer, in one machine: for programs that count what the core allocates and what it costs.
// After the constructor nothing here allocates either.

import { Broker } from "../../src/index";
import type { Limits } from "../../src/memory/limits";
import type { Clock, Log } from "../../src/ports";
import { type Copy, LeanTransport, type Peer } from "../support/lean-transport";
import { CONNECT, Packet, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL } from "./packet";
import { CONNACK, Reader, type Receiver } from "./reader";

/** A clock that only the program moves. */
class ManualClock implements Clock {
  milliseconds = 1;
  now(): number {
    return this.milliseconds;
  }
  wall(): number {
    return 0;
  }
}

class CountingLog implements Log {
  events = 0;
  event(): void {
    this.events++;
  }
}

/** Not where it is used: on XS a literal is a new string each time. */
const PACKETS_RECEIVED = "packetsReceived";
/** Bytes that wait in one connection at most. */
const UP_BYTES = 1024;

export interface WorldOptions {
  readAhead: boolean;
  copy: Copy;
}

export class World implements Peer, Receiver {
  readonly broker: Broker;
  readonly limits: Readonly<Limits>;
  readonly transport: LeanTransport;
  readonly clock = new ManualClock();
  readonly log = new CountingLog();
  /** What the clients send; a handler of theirs uses `answer`, so that one can be in the making. */
  readonly packet: Packet;
  private readonly answer = new Packet(8);
  readonly connections: number;
  protected readonly reader: Reader;
  /** 1: the client acknowledges what it receives. */
  private readonly answers: Uint8Array;
  /** 1: it put something that the broker has not been told of. */
  private readonly dirty: Uint8Array;
  protected anyDirty = false;
  /** Set to know `stackAtStep`: says how many slots of stack are in use. */
  measureStack: (() => number) | undefined;
  /** The fewest slots of stack that were in use when the broker was called. */
  stackAtStep = 0x7fffffff;
  /** For controls: is called once, the next time that the broker sends something. */
  plant: (() => void) | undefined;
  /** Packets that the broker sent. */
  sentPackets = 0;
  private random = 1;

  constructor(limits: Readonly<Limits>, options: WorldOptions) {
    const { connections } = limits;
    this.connections = connections;
    this.transport = new LeanTransport(connections, UP_BYTES, options.readAhead, options.copy);
    this.limits = limits;
    this.packet = new Packet(limits.messageBytes + 400);
    this.reader = new Reader(connections, this);
    this.answers = new Uint8Array(connections + 1);
    this.dirty = new Uint8Array(connections + 1);
    this.transport.peer = this;
    this.broker = new Broker({ ...limits }, { transport: this.transport, clock: this.clock, log: this.log }, 1);
  }

  // Streams

  /** Opens a stream; returns its number, or 0 when none is free. */
  open(): number {
    for (let connection = 1; connection <= this.connections; connection++) {
      if (this.transport.isOpen(connection)) continue;
      this.transport.open(connection);
      this.reader.open(connection);
      this.answers[connection] = 1;
      this.dirty[connection] = 0;
      this.reader.clear(connection);
      this.broker.opened(connection, 0);
      return connection;
    }
    return 0;
  }

  isOpen(connection: number): boolean {
    return this.transport.isOpen(connection);
  }

  /** Packets of a type that came since the stream was opened. */
  count(connection: number, type: number): number {
    return this.reader.count(connection, type);
  }

  /** The code of the last packet of that type. */
  code(connection: number, type: number): number {
    return this.reader.code(connection, type);
  }

  setAnswers(connection: number, answers: boolean): void {
    this.answers[connection] = answers ? 1 : 0;
  }

  /** The client ends or breaks the stream. */
  lose(connection: number): void {
    this.broker.closed(connection);
    this.settle();
  }

  /** A pseudo-random number from 0 to `bound` - 1. */
  draw(bound: number): number {
    let x = this.random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.random = x;
    return (x & 0x7fffffff) % bound;
  }

  // Sending

  /** Sends `packet` whole and lets everybody come to rest. */
  send(connection: number): void {
    this.sendPieces(connection, 0x3fffffff);
  }

  /** Sends `packet` in pieces of 1 to `most` bytes, each of which is worked on before the next arrives. */
  sendPieces(connection: number, most: number): void {
    const { packet, transport, broker } = this;
    let at = packet.at;
    while (at < packet.end || transport.underway(connection) > 0) {
      if (at < packet.end) at += transport.put(connection, packet.buffer, at, packet.end - at);
      transport.arrive(connection, most > 0xffff ? most : 1 + this.draw(most));
      if (!transport.isOpen(connection)) break;
      broker.ready(connection);
      this.settle();
    }
  }

  /** Packets that the broker received and sent. */
  get packets(): number {
    return this.broker.counter(PACKETS_RECEIVED) + this.sentPackets;
  }

  /** The client takes `count` bytes from now on, any number for -1. */
  grant(connection: number, count: number): void {
    if (this.transport.grant(connection, count)) this.broker.ready(connection);
  }

  /** Lets the broker work, and the clients answer, until nothing waits. */
  settle(): void {
    const { broker } = this;
    if (this.measureStack !== undefined) {
      const stack = this.measureStack();
      if (stack < this.stackAtStep) this.stackAtStep = stack;
    }
    for (let steps = 0; ; steps++) {
      if (steps > 100000) throw new Error("no rest");
      const more = broker.step();
      if (this.anyDirty) this.tell();
      else if (!more) return;
    }
  }

  /** Tells the broker what was put. */
  protected tell(): void {
    this.anyDirty = false;
    for (let connection = 1; connection <= this.connections; connection++) {
      if (this.dirty[connection] === 0) continue;
      this.dirty[connection] = 0;
      if (!this.transport.isOpen(connection)) continue;
      this.transport.arrive(connection, 0x3fffffff);
      this.broker.ready(connection);
    }
  }

  // Receiving

  sent(connection: number, memory: Uint8Array, at: number, count: number): void {
    if (this.plant !== undefined) this.plantNow();
    this.reader.feed(connection, memory, at, count);
  }

  protected plantNow(): void {
    const { plant } = this;
    this.plant = undefined;
    plant?.();
  }

  received(connection: number, header: number, id: number): void {
    const type = header >>> 4;
    this.sentPackets++;
    if (this.answers[connection] === 0) return;
    if (type === PUBLISH) {
      const qos = (header >>> 1) & 3;
      if (qos > 0) this.acknowledge(connection, qos === 1 ? PUBACK : PUBREC, id);
    } else if (type === PUBREC) this.acknowledge(connection, PUBREL, id);
    else if (type === PUBREL) this.acknowledge(connection, PUBCOMP, id);
  }

  private acknowledge(connection: number, type: number, id: number): void {
    const { answer } = this;
    answer.acknowledgement(type, id);
    if (this.transport.put(connection, answer.buffer, answer.at, 4) < 4) throw new Error("no room for an answer");
    this.dirty[connection] = 1;
    this.anyDirty = true;
  }

  closed(_connection: number): void {}

  // Packets that every program needs

  /** CONNECT of client `number`. `flags` without user name and password; no Keep Alive. */
  connect(connection: number, version: number, number: number, flags: number, sessionExpiry: number): void {
    const { packet } = this;
    packet.begin();
    packet.beginString();
    if (version === 3) {
      packet.u32(0x4d514973); // "MQIs"
      packet.u16(0x6470); // "dp"
    } else packet.u32(0x4d515454); // "MQTT"
    packet.endString();
    packet.u8(version);
    packet.u8(flags);
    packet.u16(0);
    if (version === 5) {
      packet.beginProperties();
      if (sessionExpiry > 0) {
        packet.u8(0x11);
        packet.u32(sessionExpiry);
      }
      packet.endProperties();
    }
    packet.beginString();
    packet.u8(0x63);
    packet.digits(number);
    packet.endString();
    if ((flags & 4) !== 0) this.will(version);
    packet.finish(CONNECT, 0);
    this.send(connection);
  }

  private will(version: number): void {
    const { packet } = this;
    if (version === 5) {
      packet.beginProperties();
      packet.endProperties();
    }
    packet.beginString();
    packet.word(1);
    packet.slash();
    packet.word(2);
    packet.endString();
    packet.beginString();
    packet.fill(0x77, 20);
    packet.endString();
  }

  /** Opens a stream and connects; throws when that fails. Returns the connection. */
  join(version: number, number: number, clean = true): number {
    const connection = this.open();
    this.connect(connection, version, number, clean ? 2 : 0, clean ? 0 : 3600);
    if (this.count(connection, CONNACK) !== 1 || this.code(connection, CONNACK) !== 0) throw new Error("no CONNACK");
    return connection;
  }
}
