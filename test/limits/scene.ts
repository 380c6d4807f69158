// A broker at tiny limits, its guests, and what its log said. Every test of this directory runs in a scene: once on a
// roomy transport that takes bytes back, and once on one like a device's. When a test is over, the memory is audited, all
// leave, sessions expire, retained messages are cleared, and every pool must be whole.

import { expect, test } from "vitest";
import { audit } from "../../sim/audit";
import type { Broker } from "../../src/broker/broker";
import { counterNames } from "../../src/broker/counters";
import { Cause, Drop, Event, limitNames, presets } from "../../src/index";
import { NONE } from "../../src/memory/layout";
import type { Limits } from "../../src/memory/limits";
import { startBroker } from "../support/broker";
import type { Harness } from "../support/harness";
import type { MemoryTransportOptions } from "../support/memory-transport";
import { type ConnectOptions, disconnect, type Level, property, text } from "../support/packets";
import { Guest, type Qos } from "./guest";

export type Transport = Partial<Omit<MemoryTransportOptions, "connections">>;

export const transports: Readonly<Record<string, Transport>> = {
  roomy: { readAhead: true },
  tight: { readAhead: false, upBytes: 96, downBytes: 96 },
};

export const levelNames: Readonly<Record<Level, string>> = { 3: "3.1", 4: "3.1.1", 5: "5.0" };

export interface SceneOptions {
  /** What differs from `presets.tiny`. */
  limits?: Partial<Limits>;
  transport?: Transport;
}

const causes: Readonly<Record<number, string>> = {
  [Cause.Lost]: "lost",
  [Cause.ConnectTimeout]: "connectTimeout",
  [Cause.PacketTimeout]: "packetTimeout",
  [Cause.Evicted]: "evicted",
};
const drops: Readonly<Record<number, string>> = {
  [Drop.QueueFull]: "queueFull",
  [Drop.TooLarge]: "tooLarge",
  [Drop.Expired]: "expired",
  [Drop.Superseded]: "superseded",
};
const holds = ["window", "room", "receiver", "subscribe"];

export class Scene {
  readonly limits: Limits;
  readonly harness: Harness<Broker>;
  readonly broker: Broker;
  readonly guests: Guest[] = [];
  private readonly whole: string;
  private readonly log: string[] = [];
  private readonly counts = new Map<number, number>();

  constructor(options: SceneOptions = {}) {
    this.limits = { ...presets.tiny, ...options.limits };
    this.harness = startBroker({ limits: this.limits, ...options.transport });
    this.broker = this.harness.core;
    this.whole = this.free();
    this.harness.log.event = (code, a, b) => {
      this.counts.set(code, (this.counts.get(code) ?? 0) + 1);
      const line = this.describe(code, a, b);
      if (line !== undefined) this.log.push(line);
    };
  }

  /** A stream that sent nothing yet. */
  open(level: Level, name: string): Guest {
    const guest = new Guest(this.harness.client(), level, name);
    this.guests.push(guest);
    return guest;
  }

  /** A client that is connected. */
  join(level: Level, name: string, options: Partial<ConnectOptions> = {}): Guest {
    const guest = this.open(level, name);
    guest.asks(options);
    guest.accepted();
    return guest;
  }

  /** A client whose session stays when it leaves. */
  joinForLong(level: Level, name: string, options: Partial<ConnectOptions> = {}): Guest {
    return this.join(level, name, persistent(level, options));
  }

  /** A session that is not connected, with these subscriptions at QoS 2. */
  absent(level: Level, name: string, ...filters: string[]): Guest {
    const guest = this.joinForLong(level, name);
    for (const filter of filters) guest.subscribe(filter, 2);
    guest.leaves();
    return guest;
  }

  advance(milliseconds: number): void {
    this.harness.advance(milliseconds);
  }

  /** What the log said since it was asked last, besides the normal course of things. */
  trouble(): string[] {
    return this.log.splice(0);
  }

  /** The log said exactly this since it was asked last. */
  said(...lines: string[]): void {
    expect(this.trouble()).toEqual(lines);
  }

  /** The log said this, in any order, besides that connections were held. */
  saidBesidesHolds(...lines: string[]): void {
    const said = this.trouble().filter((line) => !line.startsWith("held "));
    expect(said.sort()).toEqual([...lines].sort());
  }

  audit(): void {
    audit(this.broker);
  }

  /** Everybody leaves, sessions expire, retained messages are cleared: every pool is as at the start. */
  finish(): void {
    this.audit();
    this.counters();
    this.leave();
    expect(this.broker.connectionCount).toBe(0);
    this.advance(this.limits.sessionExpirySeconds * 1000 + 1000);
    this.audit();
    const sweeper = this.join(5, "sweeper");
    for (const topic of this.retained()) sweeper.tells(topic, { retain: true });
    sweeper.leaves();
    this.audit();
    expect(this.free()).toBe(this.whole);
  }

  /** Topics that have a retained message. */
  private retained(): string[] {
    const { layout, tables, topics } = this.broker;
    const found: string[] = [];
    const nodes = [topics.root];
    for (let node = nodes.pop(); node !== undefined; node = nodes.pop()) {
      for (let child = topics.firstChild(node); child !== NONE; child = topics.nextSibling(child)) nodes.push(child);
      if (topics.retained(node) === NONE) continue;
      const length = topics.nameLength(node);
      topics.copyName(node, tables.stage, length);
      found.push(text(layout.u8.slice(tables.stage, tables.stage + length)));
    }
    return found;
  }

  private leave(): void {
    for (const guest of this.guests) guest.client.stalled = false;
    for (const [i, guest] of this.guests.entries()) {
      if (guest.connection === 0 || guest.client.stream.broken) continue;
      // Some say goodbye, some end, some break.
      if (i % 3 === 0) guest.client.reset();
      else if (i % 3 === 1) guest.client.end();
      else guest.send(disconnect());
    }
    // One held PUBLISH may wait behind another.
    for (let seconds = 0; seconds < 300 && this.broker.connectionCount > 0; seconds++) this.advance(1000);
  }

  /** Every event is counted. */
  private counters(): void {
    for (const [code, count] of this.counts) {
      expect([counterNames[code], this.broker.counter(counterNames[code])]).toEqual([counterNames[code], count]);
    }
  }

  private free(): string {
    return this.broker
      .pools()
      .map((pool) => `${pool.name} ${pool.free}`)
      .join(", ");
  }

  /** An event that tells of a limit or of an end that is not the client's own, as text. */
  private describe(code: Event, a: number, b: number): string | undefined {
    const connection = this.broker.clientId(a) || "?";
    const reason = causes[b] ?? `0x${b.toString(16)}`;
    switch (code) {
      case Event.Opened:
      case Event.Connected:
      case Event.SessionEnded:
      case Event.WillPublished:
        return undefined;
      case Event.Disconnected:
        return b === 0 || b === Cause.Lost ? undefined : `disconnected ${connection} ${reason}`;
      case Event.ConnectRefused:
      case Event.Abandoned:
        return `${counterNames[code]} ${reason}`;
      case Event.Dropped:
        return `dropped ${this.broker.sessionClientId(a)} ${drops[b]}`;
      case Event.WillDropped:
        return `willDropped ${this.broker.sessionClientId(a)} ${limitNames[b]}`;
      case Event.Held:
        return `held ${connection} ${holds.filter((_, bit) => (b & (1 << bit)) !== 0).join("+")}`;
      default:
        return `${counterNames[code]} ${connection} ${limitNames[b]}`;
    }
  }
}

/** Options of a CONNECT whose session stays when its connection ends. */
export function persistent(level: Level, options: Partial<ConnectOptions> = {}): Partial<ConnectOptions> {
  const expiry = level === 5 ? property.sessionExpiry(3600) : [];
  return { clean: false, ...options, properties: [...expiry, ...(options.properties ?? [])] };
}

export interface RuleOptions extends SceneOptions {
  levels?: readonly Level[];
  /** Once for each; default once, as QoS 0. */
  qos?: readonly Qos[];
  /** Once for each value of `refuse311`, at levels before 5.0. */
  modes?: boolean;
  transports?: readonly string[];
}

export interface Case {
  level: Level;
  qos: Qos;
}

/** A rule, at each level, QoS and transport. */
export function rule(name: string, options: RuleOptions, run: (scene: Scene, it: Case) => void): void {
  for (const transport of options.transports ?? Object.keys(transports)) {
    for (const level of options.levels ?? ([3, 4, 5] as const)) {
      const modes = options.modes && level !== 5 ? (["close", "acknowledge"] as const) : [undefined];
      for (const qos of options.qos ?? ([undefined] as const)) {
        for (const refuse311 of modes) {
          const how = [transport, levelNames[level]];
          if (qos !== undefined) how.push(`QoS ${qos}`);
          if (refuse311 !== undefined) how.push(refuse311);
          test(`${name} (${how.join(", ")})`, () => {
            const limits = { ...options.limits, ...(refuse311 && { refuse311 }) };
            const scene = new Scene({ limits, transport: { ...transports[transport], ...options.transport } });
            run(scene, { level, qos: qos ?? 0 });
            scene.finish();
          });
        }
      }
    }
  }
}
