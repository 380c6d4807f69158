// The broker: a server of MQTT 3.1, 3.1.1 and 5.0 over the ports it is given. The host tells it by `opened`, `ready` and
// `closed` what happened, which only sets marks; `step` does a bounded amount of work. All memory is taken in the
// constructor.

import { Cause, Event, Hold } from "../events";
import type { Blocks } from "../memory/blocks";
import type { Fifo } from "../memory/fifo";
import { Layout, NONE } from "../memory/layout";
import type { Limits } from "../memory/limits";
import type { Wheel } from "../memory/wheel";
import { AcknowledgementReader } from "../mqtt/acknowledgement";
import { ConnectReader } from "../mqtt/connect";
import { ReasonCode } from "../mqtt/constants";
import type { Decoder } from "../mqtt/decoder";
import type { ConnackProperties } from "../mqtt/encoder";
import type { Clock, Log, Transport } from "../ports";
import type { Inbox } from "../session/inbox";
import type { Messages } from "../session/messages";
import type { Outbox } from "../session/outbox";
import type { Replayer } from "../session/replay";
import type { Router } from "../session/router";
import { SessionFlag, type Sessions } from "../session/sessions";
import type { Subscriptions } from "../session/subscriptions";
import type { Topics } from "../session/topics";
import { type Connections, State } from "./connections";
import { Counter, type Counters, counterNames } from "./counters";
import { end } from "./ending";
import { indexBytesFor, type Plan, plan } from "./plan";
import { type PoolReport, poolReports, sessionClientId } from "./reports";
import { Sender } from "./sender";
import { Tables } from "./tables";
import { armConnection, Time } from "./time";
import { takeTurn } from "./turn";

/** What the broker needs of the machine it runs on. */
export interface Ports {
  transport: Transport;
  clock: Clock;
  log: Log;
}

export class Broker {
  readonly limits: Limits;
  /** What the memory is used for; computed before it is taken. */
  readonly layout: Layout;
  readonly transport: Transport;
  readonly log: Counters;
  readonly connections: Connections;
  readonly sessions: Sessions;
  readonly decoder: Decoder;
  readonly router: Router;
  readonly messages: Messages;
  readonly outbox: Outbox;
  readonly inbox: Inbox;
  readonly senders: Fifo;
  readonly readers: Fifo;
  readonly held: Fifo;
  readonly starved: Fifo;
  readonly blocks: Blocks;
  readonly topics: Topics;
  readonly subscriptions: Subscriptions;
  readonly replayer: Replayer;
  readonly timers: Wheel;
  readonly time: Time;
  readonly sender: Sender;
  readonly connect: ConnectReader;
  readonly acknowledgement: AcknowledgementReader;
  readonly connackProperties: ConnackProperties;
  readonly tables: Tables;
  /** Something was freed or sent: who is held may try again. */
  moved = false;
  /** Blocks that PUBLISH leaves for CONNECT and Will Messages. */
  readonly connectReserve: number;
  isStopping = false;

  /**
   * Takes all memory and attaches the transport.
   * @param seed any 32-bit number; random where clients may be hostile: the hash of topic levels starts from it.
   * @throws LimitsError when the limits can't be.
   */
  constructor(limits: Limits, ports: Ports, seed = 0) {
    this.limits = limits;
    this.layout = new Layout(new ArrayBuffer(plan(limits).arenaBytes), indexBytesFor(limits));
    const tables = new Tables(this.layout, limits, seed, ports.log);
    this.tables = tables;
    this.transport = ports.transport;
    this.log = tables.counters;
    this.connections = tables.connections;
    this.sessions = tables.sessions;
    this.decoder = tables.decoder;
    this.router = tables.router;
    this.messages = tables.messages;
    this.outbox = tables.outbox;
    this.inbox = tables.inbox;
    this.senders = tables.senders;
    this.readers = tables.readers;
    this.held = tables.held;
    this.starved = tables.starved;
    this.blocks = tables.blocks;
    this.topics = tables.topics;
    this.subscriptions = tables.subscriptions;
    this.replayer = tables.replayer;
    this.timers = tables.timers;
    this.time = new Time(ports.clock, seed);
    this.connect = new ConnectReader(this.layout.u8, this.decoder.properties);
    this.acknowledgement = new AcknowledgementReader(this.layout.u8, this.decoder.properties);
    this.connackProperties = {
      receiveMaximum: limits.receiveMaximum,
      maximumPacketSize: limits.packetBytes,
      sessionExpiry: 0,
      sessionExpiryDiffers: false,
      serverKeepAlive: -1,
      assignedAt: 0,
      assignedLength: 0,
    };
    this.connectReserve = this.blocks.blocksFor(limits.stageBytes);
    this.sender = new Sender(this, tables.output, limits.outputBytes, tables.head);
    ports.transport.attach(
      this.layout.u8.buffer as ArrayBuffer,
      tables.input,
      limits.inputBytes,
      tables.output,
      limits.outputBytes,
    );
  }

  /** Milliseconds of the core's clock: int32, never steps back, wraps. */
  get now(): number {
    return this.time.now;
  }

  /** Seconds since the broker was made. */
  get seconds(): number {
    return this.time.seconds;
  }

  // From the host

  /** A stream was accepted as `connection`, on `listener` (0 to 255: the host's own number for it). */
  opened(connection: number, listener: number): void {
    const { u8, u32 } = this.layout;
    const { connections } = this;
    this.time.read();
    connections.clear(connection);
    u8[connections.state + connection] = State.Open;
    u8[connections.listener + connection] = listener;
    u32[connections.beganAt + connection] = this.time.now;
    connections.openCount++;
    armConnection(this, connection);
    this.readers.push(connection);
    this.log.event(Event.Opened, connection, listener);
  }

  /** Bytes wait on `connection`, or it takes more again. */
  ready(connection: number): void {
    this.readers.push(connection);
    this.senders.push(connection);
  }

  /** The peer has ended or broken the stream; what waits is still received. */
  closed(connection: number): void {
    this.layout.u8[this.connections.isClosed + connection] = 1;
    this.readers.push(connection);
  }

  /** Does a bounded amount of work. True when more waits. Call it at least every 100 ms, for the time limits. */
  step(): boolean {
    const { readers, senders, held, starved } = this;
    this.time.read();
    this.router.now = this.time.now;
    this.router.seconds = this.time.seconds;
    this.router.sixteenth = this.time.sixteenth;
    this.time.check(this);
    if (this.connections.openCount >= this.limits.connections) this.#evictOldest();
    for (let left = Math.min(readers.length, this.limits.connectionsPerStep); left > 0; left--) {
      takeTurn(this, readers.shift());
    }
    const { overflows } = this.tables;
    for (let row = overflows.shift(); row !== NONE; row = overflows.shift()) end(this, row, ReasonCode.QuotaExceeded);
    for (let left = Math.min(senders.length, this.limits.connectionsPerStep); left > 0; left--) {
      this.sender.pump(senders.shift());
    }
    if (this.moved) {
      this.moved = false;
      for (let row = held.shift(); row !== NONE; row = held.shift()) readers.push(row);
      for (let row = starved.shift(); row !== NONE; row = starved.shift()) senders.push(row);
    }
    return readers.length > 0 || senders.length > 0;
  }

  /** Ends all connections, with DISCONNECT Server shutting down where the version has it. No Will Message is published. */
  stop(): void {
    this.isStopping = true;
    for (let connection = 1; connection <= this.limits.connections; connection++) {
      end(this, connection, ReasonCode.ServerShuttingDown);
    }
  }

  /** Streams that are open. */
  get connectionCount(): number {
    return this.connections.openCount;
  }

  // For the handlers

  sessionOf(connection: number): number {
    return this.layout.index[this.connections.session + connection];
  }

  isAlive(connection: number): boolean {
    return this.layout.u8[this.connections.state + connection] !== State.Free;
  }

  /** Sends the first `count` bytes of the output. */
  send(connection: number, count: number): void {
    if (count === 0) return;
    this.transport.send(connection, count);
    this.log.add(Counter.BytesSent, count);
  }

  /** Ends a connection for a reason of ours. */
  end(connection: number, reason: ReasonCode | Cause): void {
    end(this, connection, reason);
  }

  /** The session's timer row: those of the connections come first. */
  sessionTimer(session: number): number {
    return this.limits.connections + session;
  }

  /** A connection's client took something: it holds publishers again, once its queue is short. */
  progressed(connection: number): void {
    const { sessions } = this;
    const { u32, index } = this.layout;
    const session = this.sessionOf(connection);
    this.moved = true;
    if (session === NONE) return;
    u32[sessions.progressAt + session] = this.time.now;
    if (index[sessions.outCount + session] <= this.limits.queuePerSession >>> 2) {
      sessions.set(session, SessionFlag.Slow, false);
      sessions.set(session, SessionFlag.Long, false);
    }
  }

  /** Keeps a connection from being read for a while. */
  hold(connection: number, holds: Hold): void {
    const { u8, u32 } = this.layout;
    const { connections } = this;
    if (u8[connections.holds + connection] === 0) {
      u32[connections.heldAt + connection] = this.time.now;
      this.timers.setSooner(connection, (this.time.now + this.limits.holdMilliseconds) | 0);
      this.log.event(Event.Held, connection, holds);
    }
    u8[connections.holds + connection] = holds;
    // A receiver may stall before the hold is over.
    if (holds === Hold.Receiver) {
      this.timers.setSooner(connection, (this.time.now + this.limits.stallMilliseconds) | 0);
    }
    this.held.push(connection);
  }

  /** What a connection was held for is done with, one way or the other. */
  endHold(connection: number): void {
    const { u8, u32 } = this.layout;
    const { connections } = this;
    if (u8[connections.holds + connection] === 0) return;
    u8[connections.holds + connection] = 0;
    if (u8[connections.state + connection] === State.Free) return;
    // What it sent meanwhile could not be read: its Keep Alive and the time for its packet begin anew. That of CONNECT
    // does not: a stream that never becomes a client may not stay.
    u32[connections.receivedAt + connection] = this.time.now;
    if (u8[connections.state + connection] === State.Connected) u32[connections.beganAt + connection] = this.time.now;
    armConnection(this, connection);
  }

  /** Whether a connection may be held (longer). A CONNECT waits as long as it may take. */
  mayHold(connection: number): boolean {
    const { u8, u32 } = this.layout;
    const { connections, limits } = this;
    if (u8[connections.state + connection] === State.Open) return true;
    if (u8[connections.holds + connection] === 0) return limits.holdMilliseconds > 0;
    return ((this.time.now - u32[connections.heldAt + connection]) | 0) < limits.holdMilliseconds;
  }

  // Reports; they may allocate.

  // allocates: a report
  /** What its memory is used for: computed again, not kept. */
  get plan(): Plan {
    return plan(this.limits);
  }

  // allocates: a report
  /** The Client Identifier of a connection, "" while it is unknown. It comes from the network: escape it. */
  clientId(connection: number): string {
    return sessionClientId(this, this.sessionOf(connection));
  }

  // allocates: a report
  sessionClientId(session: number): string {
    return sessionClientId(this, session);
  }

  /** 3, 4 or 5; 0 while it is unknown. */
  protocolVersion(connection: number): number {
    return this.layout.u8[this.connections.version + connection];
  }

  /** A counter by its name in `counters()`; 0 for an unknown name. */
  counter(name: string): number {
    const number = counterNames.indexOf(name);
    return number < 1 ? 0 : this.log.value(number);
  }

  // allocates: a report
  counters(): Record<string, number> {
    const all: Record<string, number> = {};
    for (let number = 1; number < counterNames.length; number++) all[counterNames[number]] = this.log.value(number);
    return all;
  }

  // allocates: a report
  /** Every pool with its capacity, what is free, and the least that ever was. */
  pools(): PoolReport[] {
    return poolReports(this);
  }

  /** No connection is free: of the streams that have not sent their CONNECT the oldest goes, unless it is the only one. */
  #evictOldest(): void {
    const { u8, u32 } = this.layout;
    const { connections } = this;
    let oldest = NONE;
    let age = -1;
    let count = 0;
    for (let row = 1; row <= this.limits.connections; row++) {
      if (u8[connections.state + row] !== State.Open) continue;
      count++;
      const rowAge = (this.time.now - u32[connections.beganAt + row]) | 0;
      if (rowAge > age) {
        oldest = row;
        age = rowAge;
      }
    }
    if (count > 1) end(this, oldest, Cause.Evicted);
  }
}
