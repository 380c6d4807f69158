// A client of ours in the world: the real core over a stream with all its faults, and the application that uses it, which
// is as moody as model clients are. Everything that passes between the two is told to the oracle.

import { Client } from "../src/client/client";
import type { ConnectOptions } from "../src/client/options";
import { ClientCause, type ClientEvents } from "../src/client/ports";
import { VirtualClock } from "./clock";
import type { Options } from "./options";
import { Violation } from "./oracle/model";
import { PeerOracle } from "./oracle/peer";
import type { Got } from "./oracle/peer-model";
import { parseProperties } from "./packets";
import type { PeerStyle } from "./peer-style";
import { PeerWire, type WireSurroundings } from "./peer-wire";
import type { Random } from "./random";
import type { Stream } from "./stream";
import type { Workload } from "./workload";

const NOTHING = Buffer.alloc(0);
/** Steps of a client in one tick after which it should rest. */
const MOST_STEPS = 5000;

/** What a client of ours needs of the world. */
export interface PeerSurroundings extends WireSurroundings {
  reset(stream: Stream): void;
  halfOpen(stream: Stream): void;
  /** The Client Identifier by which the broker knows whoever is at the other end. */
  idOf(stream: Stream): string;
  /** Something has happened that tests ask for. */
  reached(name: string, what: string): void;
  /** "" when nothing is left to send to the session of `id` or to expect of it. */
  leftFor(id: string): string;
  /** The Topic Filters of the session of `id`. */
  filtersOf(id: string): string[];
  /** How often the broker has accepted a message with this payload. */
  routedOf(payload: Buffer): number;
  /** Somebody else connects as `id`, begins a new session, and goes. */
  takeOver(id: string): void;
}

export class Peer implements ClientEvents {
  readonly core: Client;
  readonly oracle: PeerOracle;
  readonly clock: VirtualClock;
  isDone = false;
  readonly spans: [from: number, to: number][] = [];
  /** Which of the last things it does it is at, when all heals. */
  #stage: "working" | "finishing" | "unsubscribing" | "restarting" | "ending" = "working";
  readonly #wire: PeerWire;
  readonly #options: Options;
  #now = 0;
  #publishAt = 0;
  #subscribeAt = 0;
  #resumeAt = 0;
  /** Its Packet Identifiers have come round on this connection. */
  #isAged = false;
  #restartAt = 0;
  #quietAt = 0;
  /** Messages that the application has not accepted. */
  #open: { packetId: number; qos: number; at: number }[] = [];
  #pieces: Uint8Array[] = [];

  constructor(
    readonly name: string,
    readonly style: PeerStyle,
    options: Options,
    readonly world: PeerSurroundings,
    readonly random: Random,
    readonly workload: Workload,
  ) {
    const { limits, offer, readAhead, resetLosesInput, tellsLate } = style;
    this.#options = options;
    this.clock = new VirtualClock(random.chance(1, 2) ? 0xffffffff - random.below(60_000) : random.next());
    this.oracle = new PeerOracle(limits, options.tick, (what) => world.reached(name, what));
    const { dialFailures, idleReady } = options;
    const dialMost = 10 + random.skewed(1000);
    const wire = {
      version: this.version,
      readAhead,
      tellsLate,
      resetLosesInput,
      idleReady,
      dialFailures,
      dialMost,
      offer,
    };
    this.#wire = new PeerWire(name, wire, world, this.oracle, random.fork());
    const ports = { transport: this.#wire, dialer: this.#wire, clock: this.clock, random: random.fork() };
    this.core = new Client(limits, ports, this);
    this.#wire.client = this.core;
    this.oracle.isFull = () => this.#wire.isFull;
    this.oracle.routedOf = (payload) => world.routedOf(payload);
    this.#restartAt = random.below(3000);
  }

  get version(): number {
    return this.style.options.version ?? 5;
  }

  /** The broker may have given it a Client Identifier that it does not know. */
  get id(): string {
    const { stream } = this;
    return (stream !== undefined && this.world.idOf(stream)) || this.oracle.model.clientId;
  }

  get traits(): string[] {
    return this.style.traits;
  }

  get stream(): Stream | undefined {
    return this.#wire.stream;
  }

  get isConnected(): boolean {
    return this.oracle.model.state === "connected";
  }

  // Faults

  drop(how: "reset" | "end" | "half-open"): void {
    const { stream } = this;
    if (stream === undefined || stream.isBroken || stream.isClosed) return;
    this.world.fault(how, this.name);
    if (how === "half-open") this.world.halfOpen(stream);
    else this.world.reset(stream);
  }

  stall(until: number): void {
    const { stream } = this;
    if (stream === undefined) return;
    this.world.fault("stall", this.name);
    if (this.random.chance(1, 2)) stream.up.stalledUntil = until;
    if (this.random.chance(1, 2)) stream.down.stalledUntil = until;
  }

  /** Its Packet Identifiers come round again: the next is one that is in use. */
  age(): boolean {
    const { filters, orphans, outgoing } = this.oracle.model;
    // Nobody knows these any more; 65,535 messages later they are long answered.
    if (orphans.size > 0) return false;
    const used = [...outgoing, ...filters.values()].map(({ packetId }) => packetId).filter((packetId) => packetId > 0);
    if (used.length === 0) return false;
    const { layout, sessions } = this.core;
    layout.u16[sessions.nextId + 1] = this.random.pick(used);
    layout.u16[sessions.freeIds + 1] = 0;
    this.#isAged = true;
    return true;
  }

  /** Faults are over: it finishes what it has, ends its session, and goes. */
  heal(): void {
    const { stream } = this;
    this.#stage = "finishing";
    this.style.piece = Number.POSITIVE_INFINITY;
    this.style.pause = this.style.acceptsWithin = this.style.actsInside = 0;
    for (const open of this.#open) open.at = this.#now;
    this.#resumeAt = Math.min(this.#resumeAt, this.#now);
    this.#restartAt = Math.min(this.#restartAt, this.#now);
    this.#wire.heal();
    if (stream?.isHalfOpen) this.world.reset(stream);
    this.#quietAt = this.#now + 1000;
  }

  // One tick

  tick(now: number): void {
    try {
      this.#turn(now);
    } catch (error) {
      if (error instanceof Violation) error.message = `${this.name}: ${error.message}`;
      throw error;
    }
  }

  #turn(now: number): void {
    const { clock, core, oracle } = this;
    this.#now = now;
    clock.advance(this.#options.tick);
    oracle.tick(clock.elapsed);
    if (this.isDone) return;
    this.#wire.tick(now);
    if (oracle.model.state === "stopped") this.#start();
    else if (this.#stage === "working") this.#act();
    else this.#leave();
    this.#answer();
    const { stepsPerTick } = this.#options;
    const most = this.#stage === "working" && stepsPerTick > 0 ? stepsPerTick : MOST_STEPS;
    let rests = false;
    for (let steps = 0; steps < most && !rests; steps++) rests = !core.step();
    if (!rests && most === MOST_STEPS) throw new Violation(`does not rest after ${MOST_STEPS} steps`);
    oracle.check(core);
    if (rests) oracle.checkRest();
    if (this.random.chance(this.#options.clockBack, 10_000)) clock.stepBack(this.random.skewed(10_000));
  }

  #start(): void {
    if (this.#now < this.#restartAt) return;
    const { acceptsByHand, options } = this.style;
    // The last time it only ends the session that there is.
    const last: ConnectOptions = { ...options, cleanStart: true, sessionExpiry: 0, clientId: this.id };
    const wanted = this.#stage === "restarting" ? last : options;
    this.core.acceptsByHand = acceptsByHand;
    this.oracle.starts(wanted, acceptsByHand);
    this.core.start(wanted);
    if (this.#stage === "restarting") this.#stage = "ending";
  }

  #stop(): void {
    this.oracle.stops();
    this.core.stop(this.version === 5 && this.random.chance(1, 4) ? 4 : 0);
  }

  /** The application takes payload again, and accepts what it has. */
  #answer(): void {
    if (this.oracle.model.isPaused && this.#now >= this.#resumeAt) {
      this.oracle.model.isPaused = false;
      this.core.resume();
    }
    for (const open of [...this.#open]) if (this.#now >= open.at) this.#accept(open);
  }

  #accept(open: { packetId: number }): void {
    const at = this.#open.indexOf(open as never);
    if (at < 0) return;
    this.#open.splice(at, 1);
    this.oracle.accepts(open.packetId, this.core.accept(open.packetId));
  }

  #act(): void {
    const { random, style } = this;
    if (this.#now >= this.#publishAt) {
      for (let left = 1 + random.below(style.burst); left > 0; left--) this.#publish();
      this.#publishAt = this.#now + random.below(2 * style.publishEvery);
    }
    if (this.#now >= this.#subscribeAt) {
      this.#subscribe();
      this.#subscribeAt = this.#now + random.below(2 * style.subscribeEvery);
    }
    if (random.chance(this.#options.takesOver * this.#options.tick, 1_000_000) && this.id !== "") {
      this.world.fault("takeover", this.name);
      this.world.takeOver(this.id);
    }
    if (random.chance(this.#options.stops * this.#options.tick, 1_000_000)) {
      this.#restartAt = this.#now + random.skewed(8000);
      this.world.fault("stop", this.name);
      this.#stop();
    }
  }

  #publish(): void {
    const { core, oracle, random, workload } = this;
    const said = workload.said(this.version, this.style.limits);
    const { expiry, payload, propertyBytes: properties, qos, retain, topic } = said;
    const asText = !random.chance(1, 3);
    const row = core.publish(asText ? topic : Buffer.from(topic), payload, qos, retain, properties, expiry);
    if (row > 0) oracle.accepted(said, row);
    else oracle.notAccepted(said, row);
  }

  #subscribe(): void {
    const { core, oracle, random, workload } = this;
    const known = [...oracle.model.filters.keys()];
    if (known.length > 0 && random.chance(1, 3)) {
      const filter = random.chance(1, 6) ? "no/such" : random.pick(known);
      if (this.#isAsked(filter)) return;
      oracle.unsubscribes(filter, core.unsubscribe(filter));
      return;
    }
    const filter = known.length > 0 && random.chance(1, 4) ? random.pick(known) : workload.filter();
    if (filter.startsWith("$share/") || this.#isAsked(filter)) return;
    const isPlain = this.version === 4 || random.chance(1, 2);
    const options =
      random.below(this.style.mostQoS + 1) |
      (isPlain ? 0 : 4 * random.below(2) + 8 * random.below(2) + 16 * random.below(3));
    const identifier = random.chance(1, 4) ? 1 + random.skewed(300_000) : 0;
    oracle.subscribes(filter, options, identifier, core.subscribe(filter, options, identifier));
  }

  /** Whether it changes its mind after identifiers have come round, and before the server has answered. */
  #isAsked(filter: string): boolean {
    const stage = this.oracle.model.filters.get(filter)?.stage;
    return this.#isAged && (stage === "asked" || stage === "leaving");
  }

  // Healing

  /** Stays until nothing is left, then gives everything back: its subscriptions, its session, its memory. */
  #leave(): void {
    const { oracle } = this;
    if (!this.isConnected || this.#now < this.#quietAt || this.left() !== "") return;
    switch (this.#stage) {
      case "finishing": {
        const { filters, strays } = oracle.model;
        const granted = [...filters.keys()].sort().join(", ");
        const known = this.world.filtersOf(this.id).filter((filter) => filters.has(filter) || !strays.has(filter));
        const there = known.sort().join(", ");
        if (granted !== there) throw new Violation(`is subscribed to ${there}, not to ${granted}`);
        for (const filter of oracle.model.filters.keys()) oracle.unsubscribes(filter, this.core.unsubscribe(filter));
        this.#stage = "unsubscribing";
        return;
      }
      case "unsubscribing":
        this.#stop();
        this.#stage = "restarting";
        return;
      default:
        this.#stop();
        this.#checkMemory();
        this.isDone = true;
    }
  }

  /** What it still waits for. */
  left(): string {
    if (!this.isConnected) return `it is ${this.oracle.model.state}`;
    return this.oracle.left() || this.world.leftFor(this.id);
  }

  #checkMemory(): void {
    const { blocks, inbox, limits, messages, outbox, subscriptions, tables } = this.core;
    const pools = { blocks, messages, deliveries: outbox, receipts: inbox, subscriptions, received: tables.received };
    for (const [name, { pool }] of Object.entries(pools)) {
      if (pool.free !== pool.capacity) throw new Violation(`${name}: ${pool.free} of ${pool.capacity} free`);
    }
    if (inbox.sharedFree !== limits.receiveShared) throw new Violation(`sharedFree is ${inbox.sharedFree}`);
    // One block is promised to what comes in pieces.
    if (blocks.promised !== 0 || tables.received.promised !== 1) throw new Violation(`blocks are promised`);
  }

  // ClientEvents

  connected(sessionPresent: boolean): void {
    this.oracle.connected(sessionPresent);
    if (!sessionPresent) this.#open = [];
    this.spans.push([this.#now, this.#now]);
    this.#quietAt = this.#now + 1000;
    this.#inside();
  }

  disconnected(reason: number): void {
    if (this.isConnected) this.spans[this.spans.length - 1][1] = this.#now;
    this.oracle.disconnected(reason);
    this.#isAged = false;
    // QoS 1 comes again; QoS 2 does not.
    this.#open = this.#open.filter(({ qos }) => qos === 2);
    if (reason !== ClientCause.Stopped) this.#inside();
  }

  published(message: number, reasonCode: number): void {
    this.oracle.published(message, reasonCode);
    this.#inside();
  }

  subscribed(subscription: number, reasonCode: number): void {
    this.oracle.subscribed("subscribed", subscription, reasonCode);
    this.#inside();
  }

  unsubscribed(subscription: number, reasonCode: number): void {
    this.oracle.subscribed("unsubscribed", subscription, reasonCode);
    this.#inside();
  }

  message(): void {
    this.#pieces = [];
    this.oracle.messageBegins(this.#got());
    this.#inside();
  }

  payload(at: number, count: number): number {
    const { piece } = this.style;
    const some = piece > 0 ? piece : this.random.chance(1, 2) ? 0 : count;
    const taken = Math.min(count, some);
    this.#pieces.push(this.core.layout.u8.slice(at, at + taken));
    if (taken < count) {
      this.oracle.model.isPaused = true;
      this.oracle.model.reach("paused");
      this.#resumeAt = this.#now + this.random.below(this.style.pause + 1);
    }
    return taken;
  }

  messageEnd(): void {
    const { model } = this.oracle;
    if (model.got !== undefined) model.got.payload = Buffer.concat(this.#pieces);
    const { packetId, qos } = this.oracle.messageEnds();
    this.#quietAt = this.#now + 500;
    if (qos > 0 && this.style.acceptsByHand) {
      const open = { packetId, qos, at: this.#now + this.random.below(this.style.acceptsWithin) };
      this.#open.push(open);
      if (this.random.chance(this.style.actsInside, 100)) this.#accept(open);
    }
    this.#inside();
  }

  messageLost(): void {
    this.oracle.messageLost();
  }

  #got(): Got {
    const { layout, message } = this.core;
    const { dup, expiry, packetId, payloadLength, propertiesAt, propertiesLength, qos, retain } = message;
    const bytes = (at: number, length: number): Buffer => Buffer.from(layout.u8.slice(at, at + length));
    return {
      topic: bytes(message.topicAt, message.topicLength).toString(),
      ...{ qos, retain, dup, packetId, expiry, payloadLength },
      // Before 5.0 there are none.
      properties: propertiesLength > 0 ? parseProperties(bytes(propertiesAt, propertiesLength)) : undefined,
      payload: NOTHING,
    };
  }

  /** The application uses the client while it is told something. */
  #inside(): void {
    const { actsInside } = this.style;
    if (actsInside === 0 || !this.random.chance(actsInside, 100)) return;
    this.oracle.model.reach("acted inside");
    if (this.random.chance(1, 20) && this.oracle.model.state !== "stopped") {
      this.#restartAt = this.#now + this.random.below(2000);
      this.#stop();
    } else if (this.random.chance(1, 4)) this.#subscribe();
    else this.#publish();
  }
}
