// A model client: speaks MQTT through `mqtt-packet`, keeps its half of the QoS protocols, and breaks exactly those rules
// that its personality says.

import { type ConnectPacket, encode, type Packet, type PublishPacket } from "./packets";
import type { Personality, Subscription } from "./personality";
import type { Random } from "./random";
import type { Piece, Stream } from "./stream";

/** What a client needs of the world. */
export interface Surroundings {
  connect(version: number): Stream;
  reset(stream: Stream): void;
  halfOpen(stream: Stream): void;
  /** The network may have room again. */
  freed(stream: Stream): void;
  /** The next message of a client, of at most `most` bytes. */
  message(client: Client): PublishPacket;
  subscriptions(client: Client): Subscription[];
  malformed(client: Client): Buffer;
  /** Whether the broker can take this message at all: a client that sends again what was refused by closing never rests. */
  mayRepeat(client: Client, packet: PublishPacket): boolean;
  /** "" when nothing is left to send to the session of `id` or to expect of it. */
  leftFor(id: string): string;
  hasSession(id: string): boolean;
  fault(kind: string, client: string): void;
}

interface Outgoing {
  packet: PublishPacket;
  state: "puback" | "pubrec" | "pubcomp";
}

/** How long a client waits for a CONNACK, ms. */
const PATIENCE = 8000;
/** Bytes that a client lets wait in its socket. */
const MOST_UNSENT = 1024;

export class Client {
  stream: Stream | undefined;
  isConnected = false;
  /** It has left for good. */
  isDone = false;
  /** From when to when it was connected, ms. */
  readonly spans: [from: number, to: number][] = [];
  id: string;
  #now = 0;
  #connectAt: number;
  #openedAt = 0;
  #sentAt = 0;
  #publishAt = 0;
  #subscribeAt = 0;
  #sleepAt = 0;
  #quietAt = 0;
  #isHealing = false;
  /** The next connection is the last: it ends the session. */
  #isLast = false;
  #keepAlive = 0;
  #window = 0;
  #packetId = 0;
  #filters: string[] = [];
  /** What it has to say when its window allows. */
  #queue: PublishPacket[] = [];
  readonly #outgoing = new Map<number, Outgoing>();
  readonly #received = new Set<number>();
  /** Acknowledgements that are sent later, or never. */
  #later: { at: number; packet: Packet }[] = [];

  constructor(
    readonly name: string,
    readonly personality: Personality,
    readonly world: Surroundings,
    readonly random: Random,
  ) {
    this.id = personality.clientId;
    this.#connectAt = random.below(3000);
    this.#packetId = random.chance(1, 4) ? 65530 : random.below(100);
  }

  get traits(): readonly string[] {
    return this.personality.traits;
  }

  get version(): number {
    return this.personality.version;
  }

  /** Faults are over: it behaves from now on, takes what is left for it, and goes. */
  heal(): void {
    this.#isHealing = true;
    // Who used identifiers twice, or too many, has lost count of what it began.
    if (this.personality.reusesIds > 0 || this.personality.overruns) this.#outgoing.clear();
    this.personality.heal();
    this.#queue = [];
    for (const [id, { packet, state }] of this.#outgoing) {
      if (state !== "pubcomp" && !this.world.mayRepeat(this, packet)) this.#outgoing.delete(id);
    }
    for (const { packet } of this.#later.splice(0)) this.#send(packet);
    const { stream } = this;
    // Who has much on its way begins again: each message of it may be held for a while.
    const isBusy = stream !== undefined && stream.up.outstanding > MOST_UNSENT;
    if (!this.isConnected || isBusy || this.random.chance(1, 2)) this.drop("reset");
    this.#connectAt = Math.min(this.#connectAt, this.#now + this.random.below(2000));
    this.#quietAt = this.#now + 1000;
  }

  /** Its connection is lost, in one way or another. */
  drop(how: "reset" | "end" | "half-open"): void {
    const { stream } = this;
    if (stream === undefined) return;
    this.world.fault(how, this.name);
    if (how === "reset") this.world.reset(stream);
    else if (how === "end") stream.isEnding = true;
    else this.world.halfOpen(stream);
    this.#lost();
  }

  stall(until: number): void {
    const { stream } = this;
    if (stream === undefined) return;
    this.world.fault("stall", this.name);
    if (this.random.chance(1, 2)) stream.up.stalledUntil = until;
    if (this.random.chance(1, 2)) stream.down.stalledUntil = until;
  }

  tick(now: number): void {
    this.#now = now;
    if (this.isDone) return;
    if (this.stream === undefined) {
      if (now >= this.#connectAt) this.#open();
      return;
    }
    this.#read();
    if (this.stream === undefined) return;
    if (this.stream.isOver) return this.#lost();
    this.#acknowledgeLate();
    if (!this.isConnected) {
      if (now - this.#openedAt > PATIENCE) this.drop("reset");
      return;
    }
    this.#ping();
    this.#publishQueue();
    if (this.#isHealing) this.#leave();
    else this.#act();
  }

  // Connecting

  #open(): void {
    const { personality, random, world } = this;
    if (this.#isHealing && !this.#isLast && !world.hasSession(this.id) && !personality.isLoyal) {
      this.isDone = true;
      return;
    }
    this.stream = world.connect(this.version);
    this.#openedAt = this.#sentAt = this.#now;
    const packet = this.#connectPacket();
    this.#keepAlive = packet.keepalive ?? 0;
    this.#window = Math.min(personality.window, 3);
    if (personality.isMute && random.chance(1, 4)) return; // never sends its CONNECT
    this.#send(packet);
    if (!personality.persists || this.#isLast) this.#forget();
  }

  #connectPacket(): ConnectPacket {
    const { personality } = this;
    const clean = this.#isLast || this.id === "" || (!personality.persists && !this.#isHealing);
    const v5 = this.version === 5;
    const base = personality.connect(this.id, clean);
    if (!this.#isHealing) return base;
    const { will: _, properties, ...rest } = base;
    return v5
      ? {
          ...rest,
          properties: { ...properties, sessionExpiryInterval: this.#isLast ? 0 : 60, maximumPacketSize: undefined },
        }
      : rest;
  }

  #forget(): void {
    this.#outgoing.clear();
    this.#received.clear();
    this.#filters = [];
  }

  #lost(): void {
    if (this.isConnected) this.spans[this.spans.length - 1][1] = this.#now;
    this.stream = undefined;
    this.isConnected = false;
    this.#later = [];
    const { pause } = this.personality;
    this.#connectAt = this.#now + (this.#isHealing ? 200 + this.random.below(1500) : this.random.below(pause));
  }

  #connack(packet: Extract<Packet, { cmd: "connack" }>): void {
    if ((packet.reasonCode ?? packet.returnCode) !== 0) return;
    const { properties } = packet;
    this.isConnected = true;
    this.spans.push([this.#now, this.#now]);
    if (properties?.assignedClientIdentifier !== undefined) this.id = properties.assignedClientIdentifier;
    if (properties?.serverKeepAlive !== undefined) this.#keepAlive = properties.serverKeepAlive;
    if (properties?.receiveMaximum !== undefined) this.#window = properties.receiveMaximum;
    const { random, personality } = this;
    this.#window = personality.overruns ? personality.window : Math.min(this.#window, personality.window);
    this.#sleepAt = personality.awake > 0 ? this.#now + random.below(2 * personality.awake) : 0;
    this.#publishAt = this.#now + random.below(personality.publishEvery);
    this.#subscribeAt = this.#now + random.below(200);
    this.#quietAt = this.#now + 1000;
    if (packet.sessionPresent) this.#resume();
    else this.#forget();
    if (!this.#isHealing || personality.isLoyal) this.#queue = personality.greetings(random);
  }

  #resume(): void {
    for (const [messageId, { packet, state }] of this.#outgoing) {
      if (state === "pubcomp") this.#send({ cmd: "pubrel", messageId });
      else this.#send({ ...packet, dup: true });
    }
  }

  // What comes

  #read(): void {
    const stream = this.stream!;
    const { personality } = this;
    if (personality.readBytes === 0) return;
    const packets = stream.take(personality.readBytes);
    this.world.freed(stream);
    for (const packet of packets) {
      if (this.stream !== stream) return;
      this.#receive(packet);
    }
  }

  #receive(packet: Packet): void {
    const messageId = packet.messageId ?? 0;
    if (packet.cmd !== "pingresp" && packet.cmd !== "connack") this.#quietAt = this.#now + 500;
    switch (packet.cmd) {
      case "connack":
        return this.#connack(packet);
      case "publish":
        if (packet.qos === 1) this.#acknowledge({ cmd: "puback", messageId });
        else if (packet.qos === 2) {
          this.#received.add(messageId);
          this.#acknowledge({ cmd: "pubrec", messageId });
        }
        return;
      case "pubrel":
        this.#received.delete(messageId);
        return this.#acknowledge({ cmd: "pubcomp", messageId });
      case "puback":
        this.#outgoing.delete(messageId);
        return;
      case "pubrec": {
        if ((packet.reasonCode ?? 0) >= 0x80) {
          this.#outgoing.delete(messageId);
          return;
        }
        const outgoing = this.#outgoing.get(messageId);
        if (outgoing !== undefined) outgoing.state = "pubcomp";
        this.#send({ cmd: "pubrel", messageId });
        if (this.random.chance(this.personality.duplicates, 100)) this.#send({ cmd: "pubrel", messageId });
        return;
      }
      case "pubcomp":
        this.#outgoing.delete(messageId);
        return;
      default:
        return;
    }
  }

  #acknowledge(packet: Packet): void {
    const { personality, random } = this;
    if (this.version === 5 && packet.cmd !== "pubcomp" && random.chance(personality.refuses, 100)) {
      this.#send({ ...packet, reasonCode: 0x80 } as Packet);
      return;
    }
    if (personality.acks === "at once") {
      this.#send(packet);
      if (random.chance(personality.duplicates, 100)) this.#send(packet);
      return;
    }
    const last = this.#later[this.#later.length - 1]?.at ?? 0;
    const at = personality.acks === "never" ? Number.POSITIVE_INFINITY : this.#now + random.below(8000);
    this.#later.push({ at: Math.max(at, last), packet });
  }

  #acknowledgeLate(): void {
    while (this.#later.length > 0 && this.#later[0].at <= this.#now) this.#send(this.#later.shift()!.packet);
  }

  // What goes

  #ping(): void {
    if (this.#keepAlive === 0 || this.personality.isMute) return;
    if (this.#now - this.#sentAt > this.#keepAlive * 700) this.#send({ cmd: "pingreq" });
  }

  #act(): void {
    const { personality, random } = this;
    if (this.#sleepAt > 0 && this.#now >= this.#sleepAt) return this.#disconnect();
    if (this.#now >= this.#subscribeAt) {
      this.#subscribe();
      this.#subscribeAt = this.#now + 1000 + random.below(personality.subscribeEvery);
    }
    for (let i = 0; this.#now >= this.#publishAt && i < personality.burst; i++) {
      if (this.stream!.up.unsent > MOST_UNSENT) break;
      this.#publish(this.world.message(this));
      this.#publishAt += 1 + random.below(2 * personality.publishEvery);
      if (this.stream === undefined || this.stream.isEnding) return;
    }
    if (this.#publishAt < this.#now) this.#publishAt = this.#now;
    if (random.chance(personality.malformed, 100_000)) this.#sendMalformed();
    else if (random.chance(personality.takesOver, 100_000)) this.#takeOver();
  }

  /** Opens a second stream with the same Client Identifier; the first is left to the broker. */
  #takeOver(): void {
    this.world.fault("takeover", this.name);
    this.#lost();
    this.#connectAt = this.#now;
  }

  #sendMalformed(): void {
    this.world.fault("malformed", this.name);
    const bytes = this.world.malformed(this);
    const packet: Packet = { cmd: "pingreq" };
    const { length: end } = bytes;
    this.stream!.write(bytes, [{ start: 0, end, filter: -1, packet, size: end, isMalformed: true }]);
    this.#quietAt = this.#now + 5000;
  }

  #disconnect(): void {
    const { random } = this;
    const withWill = this.version === 5 && random.chance(1, 4);
    this.#send(withWill ? { cmd: "disconnect", reasonCode: 4 } : { cmd: "disconnect" });
    this.stream!.isEnding = true;
    this.#lost();
    this.#connectAt = this.#now + random.below(2 * this.personality.asleep);
  }

  #subscribe(): void {
    const { random, world, personality } = this;
    if (this.#filters.length > 0 && random.chance(personality.unsubscribes, 100)) {
      const unsubscriptions = [random.pick(this.#filters)];
      if (random.chance(1, 5)) unsubscriptions.push("no/such");
      this.#send({ cmd: "unsubscribe", messageId: this.#nextId(), unsubscriptions });
      this.#filters = this.#filters.filter((filter) => !unsubscriptions.includes(filter));
      return;
    }
    const subscriptions = world.subscriptions(this);
    if (subscriptions.length === 0) return;
    const hasIdentifier = this.version === 5 && random.chance(1, 2);
    const properties = hasIdentifier ? { subscriptionIdentifier: 1 + random.skewed(300_000) } : undefined;
    this.#send({ cmd: "subscribe", messageId: this.#nextId(), subscriptions, properties });
    for (const { topic } of subscriptions) if (!this.#filters.includes(topic)) this.#filters.push(topic);
  }

  #publishQueue(): void {
    while (this.#queue.length > 0 && this.#outgoing.size < this.#window && this.stream!.up.unsent < MOST_UNSENT) {
      this.#publish(this.#queue.shift()!);
    }
  }

  #publish(message: PublishPacket): void {
    const { random, personality } = this;
    if (message.qos === 0) {
      this.#send(message);
      return;
    }
    if (this.#outgoing.size >= this.#window) {
      if (personality.persists) return;
      if (!random.chance(personality.reusesIds, 100)) return;
    }
    let messageId = this.#nextId();
    const known = [...this.#outgoing.keys()];
    if (known.length > 0 && random.chance(personality.reusesIds, 100)) messageId = random.pick(known);
    const packet = { ...message, messageId };
    this.#outgoing.set(messageId, { packet, state: message.qos === 1 ? "puback" : "pubrec" });
    this.#send(packet);
    if (random.chance(personality.duplicates, 100)) this.#send({ ...packet, dup: true });
  }

  #nextId(): number {
    do this.#packetId = (this.#packetId % 65535) + 1;
    while (this.#outgoing.has(this.#packetId));
    return this.#packetId;
  }

  #send(packet: Packet): void {
    const { stream } = this;
    if (stream === undefined || stream.isOver) return;
    const bytes = encode(packet, this.version);
    stream.write(bytes, piecesOf(packet, bytes.length));
    this.#sentAt = this.#now;
  }

  // Healing

  /** Stays until nothing is left for it, then ends its session. */
  #leave(): void {
    if (this.#now < this.#quietAt || this.#outgoing.size + this.#later.length + this.#queue.length > 0) return;
    if (this.world.leftFor(this.id) !== "") return;
    this.#send({ cmd: "disconnect" });
    this.stream!.isEnding = true;
    this.#lost();
    if (this.#isLast) this.isDone = true;
    this.#isLast = true;
  }
}

/** Where in a packet the broker is through with something. */
export function piecesOf(packet: Packet, size: number): Piece[] {
  const pieces: Piece[] = [];
  const whole = { start: 0, packet, size, isMalformed: false };
  if (packet.cmd === "subscribe" || packet.cmd === "unsubscribe") {
    const isSubscribe = packet.cmd === "subscribe";
    const filters = isSubscribe ? packet.subscriptions.map(({ topic }) => topic) : packet.unsubscriptions;
    let end = size;
    for (let filter = filters.length - 1; filter >= 0; filter--) {
      pieces.unshift({ ...whole, end, filter });
      end -= 2 + Buffer.byteLength(filters[filter]) + (isSubscribe ? 1 : 0);
    }
  }
  pieces.push({ ...whole, end: size, filter: -1 });
  return pieces;
}
