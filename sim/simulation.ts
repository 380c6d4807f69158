// One run: a world made from a seed, a broker in it, two phases. In the first there are faults; then all heal, and what
// was promised must arrive within a bound. At the end, with everybody gone, every pool must be whole.

import type { Client as OwnClient } from "../src/client/client";
import type { Event } from "../src/events";
import { Broker, type PoolReport } from "../src/index";
import { Client, piecesOf, type Surroundings } from "./client";
import { VirtualClock } from "./clock";
import { homeClients } from "./home";
import { eventNames, eventText } from "./names";
import { Network } from "./network";
import { limitsOf, type Options } from "./options";
import { type Message, Violation } from "./oracle/model";
import { type Observer, Oracle } from "./oracle/oracle";
import { encode, type PublishPacket } from "./packets";
import { Peer, type PeerSurroundings } from "./peer";
import { drawStyle } from "./peer-style";
import { drawPersonality, healed, type Personality, PLAIN } from "./personality";
import { Random } from "./random";
import { Recorder, type Timeline } from "./timeline";
import { type FreePools, Trace } from "./trace";
import { Workload } from "./workload";

/** How long it may take until all is delivered when faults are over, ms. */
const DRAIN = 240_000;
/** A broker that takes more steps than this in one tick never rests. */
const MOST_STEPS = 20_000;

export interface RunOptions {
  /** Lines of the trace that a failure shows. */
  traceLines?: number;
  print?: (line: string) => void;
  /** Looks at the memory of the broker, and of the clients that are ours; throws. */
  audit?: (broker: Broker, clients: readonly OwnClient[]) => void;
  /** Every how many ticks; default 1. */
  auditEvery?: number;
}

export interface Result {
  seed: number;
  options: Options;
  hash: string;
  /** Virtual, ms. */
  milliseconds: number;
  packetsIn: number;
  packetsOut: number;
  faults: Record<string, number>;
  events: Record<string, number>;
  /** Events with the limit, cause, drop or hold that they were about. */
  details: Record<string, number>;
  counters: Record<string, number>;
  pools: PoolReport[];
  /** What happened to clients that are ours. */
  peers: Record<string, number>;
  /** What there was when faults ended. */
  atHealing: { clients: number; subscriptions: number; retained: number; retainedBytes: number };
  timeline: Timeline;
  failure: Failure | undefined;
}

export interface Failure {
  kind: "oracle" | "audit" | "crash";
  message: string;
  stack: string;
  trace: string[];
}

class AuditFailure extends Error {}

export class Simulation implements Surroundings, PeerSurroundings, Observer {
  readonly broker: Broker;
  readonly clock: VirtualClock;
  readonly network: Network;
  readonly oracle: Oracle;
  readonly trace: Trace;
  readonly clients: Client[] = [];
  readonly peers: Peer[] = [];
  readonly recorder: Recorder;
  readonly faults: Record<string, number> = {};
  readonly events: Record<string, number> = {};
  readonly details: Record<string, number> = {};
  /** What clients that are ours have come to. */
  readonly ways: Record<string, number> = {};
  #phase: "faults" | "healing" = "faults";
  readonly #free: FreePools = { blocks: 0, messages: 0, deliveries: 0 };
  readonly #random: Random;
  readonly #workload: Workload;
  readonly #initial: PoolReport[];
  /** How often a payload was accepted, in runs with clients that are ours. */
  readonly #routed = new Map<string, number>();
  #healedAt = 0;
  #atHealing: Result["atHealing"] = { clients: 0, subscriptions: 0, retained: 0, retainedBytes: 0 };
  #ticks = 0;

  constructor(
    readonly seed: number,
    readonly options: Options,
    readonly run: RunOptions,
  ) {
    const random = new Random(seed ^ 0x5eed);
    const limits = limitsOf(options);
    this.#random = random.fork();
    this.clock = new VirtualClock(options.clockStart);
    this.network = new Network({ ...options }, limits.connections, random.fork());
    this.trace = new Trace(run.traceLines ?? 0, run.print);
    const log = { event: (code: Event, a: number, b: number) => this.oracle.event(code, a, b) };
    this.broker = new Broker(limits, { transport: this.network, clock: this.clock, log }, random.next());
    this.oracle = new Oracle(this.broker, this);
    this.network.start(this.broker, this.oracle);
    this.#initial = this.broker.pools();
    this.recorder = new Recorder(seed, options, this.broker);
    this.#workload = new Workload(options, limits, random.fork());
    this.clients.push(...this.#makeClients(random));
    for (let i = 1; i <= options.peers; i++) this.peers.push(this.#makePeer(`p${i}`, random.fork()));
  }

  #makeClients(random: Random): Client[] {
    if (this.options.world === "home") return homeClients(this, random, this.#workload);
    const clients: Client[] = [];
    for (let i = 1; i <= this.options.clients; i++) {
      const own = random.fork();
      const message = (): PublishPacket => this.#workload.message(5);
      clients.push(new Client(`c${i}`, drawPersonality(this.options, own, `c${i}`, message), this, own));
    }
    for (let i = 1; i <= this.options.longIds; i++) {
      const own = random.fork();
      const message = (): PublishPacket => this.#workload.message(5);
      const personality = drawPersonality(this.options, own, "", message);
      personality.clientId = `long ${i}`.padEnd(this.broker.limits.clientIdBytes + 1, ".");
      clients.push(new Client(`long ${i}`, personality, this, own));
    }
    return clients;
  }

  #makePeer(name: string, own: Random): Peer {
    const style = drawStyle(this.options, own, name, this.broker.limits);
    return new Peer(name, style, this.options, this, own, this.#workload);
  }

  /** Model clients, and clients that are ours. */
  get #devices(): readonly (Client | Peer)[] {
    return this.peers.length === 0 ? this.clients : [...this.clients, ...this.peers];
  }

  /** Runs to the end. Never throws. */
  result(): Result {
    let failure: Failure | undefined;
    try {
      this.#runFaults();
      this.#runHealing();
      this.#runEnd();
    } catch (error) {
      failure = this.#failure(error as Error);
    }
    const { seed, options } = this;
    const counters = this.broker.counters();
    return {
      seed,
      options,
      hash: this.trace.hash,
      milliseconds: this.clock.milliseconds,
      packetsIn: this.recorder.packetsIn,
      packetsOut: this.recorder.packetsOut,
      faults: this.faults,
      events: this.events,
      details: this.details,
      counters,
      pools: this.broker.pools(),
      peers: this.ways,
      atHealing: this.#atHealing,
      timeline: this.recorder.timeline(
        this.clock.milliseconds,
        this.#healedAt || this.clock.milliseconds,
        this.#devices,
      ),
      failure,
    };
  }

  #failure(error: Error): Failure {
    const kind = error instanceof Violation ? "oracle" : error instanceof AuditFailure ? "audit" : "crash";
    return { kind, message: error.message, stack: error.stack ?? "", trace: this.trace.last() };
  }

  // Phases

  #runFaults(): void {
    const end = this.options.seconds * 1000;
    while (this.clock.milliseconds < end) {
      this.#injectFaults();
      this.#tick();
    }
  }

  #runHealing(): void {
    const { sessions, retained } = this.oracle.model;
    const messages = [...retained.values()];
    this.#atHealing = {
      clients: this.#devices.filter(({ isConnected }) => isConnected).length,
      subscriptions: [...sessions.values()].reduce((sum, { subscriptions }) => sum + subscriptions.size, 0),
      retained: messages.length,
      retainedBytes: messages.reduce((sum, { payload }) => sum + payload.length, 0),
    };
    this.#phase = "healing";
    this.#healedAt = this.clock.milliseconds;
    this.network.heal();
    for (const device of this.#devices) device.heal();
    const end = this.#healedAt + DRAIN;
    while (!this.#isDrained()) {
      this.#tick();
      if (this.clock.milliseconds > end)
        throw new Violation(`not at rest ${DRAIN / 1000} s after all healed: ${this.#unfinished()}`);
    }
  }

  #isDrained(): boolean {
    return this.#devices.every(({ isDone }) => isDone) && this.network.openCount + this.network.waitingCount === 0;
  }

  #unfinished(): string {
    const left = this.#devices.find(({ isDone }) => !isDone);
    if (left === undefined) return `${this.network.openCount} connections are open`;
    if (left instanceof Peer) return `${left.name}: ${left.left() || "it does not go"}`;
    const why =
      this.leftFor(left.id) || (left.isConnected ? "its own messages are not acknowledged" : "it can't connect");
    return `${left.name}: ${why}`;
  }

  /** Retained messages are cleared, sessions expire, and all memory must be free again. */
  #runEnd(): void {
    const janitor = new Client("janitor", this.#janitor(), this, this.#random.fork());
    this.clients.push(janitor);
    janitor.heal();
    const end = this.clock.milliseconds + DRAIN;
    while (!janitor.isDone || this.oracle.model.sessions.size > 0 || this.network.openCount > 0) {
      this.#tick();
      if (this.clock.milliseconds < end) continue;
      const [session] = this.oracle.model.sessions.values();
      throw new Violation(session ? `the session of ${session.id} is still there` : `no end: ${this.#unfinished()}`);
    }
    for (let i = 0; i < 3; i++) this.#tick();
    const now = this.broker.pools();
    this.#initial.forEach(({ name, free }, i) => {
      if (now[i].free !== free) throw new Violation(`${name}: ${now[i].free} free at the end, ${free} at the start`);
    });
    if (this.broker.connectionCount !== 0) throw new Violation("connections are counted at the end");
  }

  #janitor(): Personality {
    return {
      ...PLAIN,
      traits: ["janitor"],
      version: 5,
      clientId: "janitor",
      isLoyal: true,
      connect: (clientId, clean) => ({
        cmd: "connect",
        clientId,
        clean,
        protocolVersion: 5,
        protocolId: "MQTT",
        keepalive: 0,
        properties: { sessionExpiryInterval: 0 },
      }),
      greetings: () =>
        [...this.oracle.model.retained.keys()].map((topic) => ({
          cmd: "publish",
          topic,
          payload: Buffer.alloc(0),
          qos: 0,
          retain: true,
          dup: false,
        })),
      heal: healed,
    };
  }

  // One tick

  #tick(): void {
    const { clock, network, options, broker, oracle } = this;
    clock.advance(options.tick);
    oracle.tick(clock.elapsed);
    const now = clock.milliseconds;
    network.tick(now);
    for (const device of this.#devices) device.tick(now);
    const most = this.#phase === "faults" && options.stepsPerTick > 0 ? options.stepsPerTick : MOST_STEPS;
    for (let steps = 1; ; steps++) {
      const more = broker.step();
      oracle.stepped();
      if (!more || steps >= most) {
        if (more && steps >= MOST_STEPS) throw new Violation(`no rest after ${MOST_STEPS} steps`);
        break;
      }
    }
    this.recorder.tick(now);
    const { audit, auditEvery = 1 } = this.run;
    if (audit === undefined || ++this.#ticks % auditEvery !== 0) return;
    try {
      audit(
        broker,
        this.peers.map(({ core }) => core),
      );
    } catch (error) {
      throw Object.assign(new AuditFailure((error as Error).message), { stack: (error as Error).stack });
    }
  }

  #injectFaults(): void {
    const { options, clock } = this;
    const random = this.#random;
    const perTick = options.tick; // of 1,000,000 ms
    if (random.chance(options.clockBack, 10_000)) {
      clock.stepBack(random.skewed(10_000));
      this.fault("clock back", "");
    }
    for (const client of this.#devices) {
      if (client.stream === undefined) continue;
      if (random.chance(options.resets * perTick, 1_000_000)) client.drop("reset");
      else if (random.chance(options.ends * perTick, 1_000_000)) client.drop("end");
      else if (random.chance(options.halfOpens * perTick, 1_000_000)) client.drop("half-open");
      else if (random.chance(options.stalls * perTick, 1_000_000))
        client.stall(clock.milliseconds + random.skewed(8000));
      else if (random.chance(options.aging * perTick, 1_000_000)) this.#age(client);
    }
  }

  /** A session's Packet Identifiers come round again: as if tens of thousands of messages had been sent and finished. */
  #age(client: Client | Peer): void {
    if (client instanceof Peer && this.#random.chance(1, 2)) {
      if (client.age()) this.fault("aging", client.name);
      return;
    }
    const session = this.oracle.model.sessions.get(client.id);
    if (session === undefined || session.flights.length === 0) return;
    const { packetId } = this.#random.pick(session.flights);
    const { layout, sessions } = this.broker;
    layout.u16[sessions.nextId + session.row] = packetId;
    layout.u16[sessions.freeIds + session.row] = 0;
    this.fault("aging", client.name);
  }

  // Surroundings

  connect(version: number, least = 0): ReturnType<Network["connect"]> {
    return this.network.connect(version, least);
  }

  reset(stream: Parameters<Network["reset"]>[0]): void {
    this.network.reset(stream);
  }

  halfOpen(stream: Parameters<Network["reset"]>[0]): void {
    this.network.halfOpen(stream);
  }

  freed(stream: Parameters<Network["reset"]>[0]): void {
    this.network.freed(stream);
  }

  message(client: Client): ReturnType<Workload["message"]> {
    return this.#workload.message(client.version);
  }

  subscriptions(client: Client): ReturnType<Workload["subscriptions"]> {
    return this.#workload.subscriptions(client);
  }

  malformed(client: Client): Buffer {
    return this.#workload.malformed(client.version);
  }

  leftFor(id: string): string {
    return this.oracle.leftFor(id);
  }

  mayRepeat({ version }: Client, { topic, payload }: PublishPacket): boolean {
    const { limits } = this.broker;
    if (version !== 5 && limits.refuse311 === "close") return false;
    // Who subscribed to it and has a full queue would be disconnected by its own message, again and again.
    if (limits.sessionOverflow === "disconnect") return false;
    return payload.length + topic.length + 200 < limits.packetBytes;
  }

  hasSession(id: string): boolean {
    return this.oracle.model.sessions.has(id);
  }

  idOf({ connection }: Parameters<Network["reset"]>[0]): string {
    return this.oracle.model.connections.get(connection)?.session?.id ?? "";
  }

  filtersOf(id: string): string[] {
    return [...(this.oracle.model.sessions.get(id)?.subscriptions.keys() ?? [])];
  }

  reached(name: string, what: string): void {
    this.ways[what] = (this.ways[what] ?? 0) + 1;
    if (!what.startsWith("not accepted")) this.#trace(0, name, what, 0);
  }

  routedOf(payload: Buffer): number {
    return this.#routed.get(payload.toString("latin1")) ?? 0;
  }

  takeOver(clientId: string): void {
    const stream = this.connect(4);
    const packet = {
      cmd: "connect",
      clientId,
      clean: true,
      protocolVersion: 4,
      protocolId: "MQTT",
      keepalive: 0,
    } as const;
    const bytes = encode(packet, 4);
    stream.write(bytes, piecesOf(packet, bytes.length));
    stream.isEnding = true;
  }

  fault(kind: string, client: string): void {
    if (this.#phase !== "faults") return;
    this.faults[kind] = (this.faults[kind] ?? 0) + 1;
    this.recorder.fault(this.clock.milliseconds, kind, client);
  }

  // Observer

  packet(connection: number, direction: "in" | "out", name: string, id: number): void {
    this.recorder.packet(direction);
    this.#trace(connection, direction, name, id);
  }

  event(code: Event, a: number, b: number): void {
    const name = eventNames[code];
    const text = eventText(code, b);
    this.events[name] = (this.events[name] ?? 0) + 1;
    this.details[text] = (this.details[text] ?? 0) + 1;
    this.recorder.event(code);
    this.#trace(a, "*", text, 0);
  }

  delivered(latency: number): void {
    this.recorder.delivered(latency);
  }

  accepted({ payload }: Message): void {
    this.recorder.accepted();
    if (this.peers.length === 0) return;
    const text = payload.toString("latin1");
    this.#routed.set(text, this.routedOf(payload) + 1);
  }

  #trace(connection: number, direction: string, text: string, id: number): void {
    const free = this.#free;
    free.blocks = this.broker.blocks.pool.free;
    free.messages = this.broker.messages.pool.free;
    free.deliveries = this.broker.outbox.pool.free;
    this.trace.add(this.clock.milliseconds, connection, direction, text, id, free);
  }
}

export function simulate(seed: number, options: Options, run: RunOptions = {}): Result {
  return new Simulation(seed, options, run).result();
}
