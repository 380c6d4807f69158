// What a run looked like over time, for a picture of it.

import { Event } from "../src/events";
import type { Broker } from "../src/index";
import type { Options } from "./options";

export interface Timeline {
  seed: number;
  world: string;
  limits: string;
  options: Record<string, number | string | boolean>;
  /** Virtual duration. */
  milliseconds: number;
  /** When faults end, ms. */
  healedAt: number;
  /** Evenly spaced. */
  samples: Sample[];
  faults: { at: number; kind: string; client: string }[];
  clients: { name: string; personality: string; version: number; connected: [from: number, to: number][] }[];
  totals: Record<string, number>;
}

export interface Sample {
  at: number;
  clients: number;
  /** Per second over the sample. */
  packetsIn: number;
  packetsOut: number;
  /** From a PUBLISH accepted to its delivery, ms. */
  latency: { p50: number; p99: number } | null;
  pools: { name: string; used: number; capacity: number }[];
  refused: number;
  dropped: number;
  held: number;
}

/** Whose time on the network is drawn. */
export interface Device {
  readonly name: string;
  readonly traits: readonly string[];
  readonly version: number;
  readonly spans: readonly (readonly [from: number, to: number])[];
  readonly isConnected: boolean;
}

const MOST_SAMPLES = 600;

export class Recorder {
  packetsIn = 0;
  packetsOut = 0;
  readonly #seed: number;
  readonly #options: Options;
  readonly #broker: Broker;
  readonly #faults: Timeline["faults"] = [];
  #samples: Sample[] = [];
  #every = 500;
  #at = 0;
  #in = 0;
  #out = 0;
  #latencies: number[] = [];
  #refused = 0;
  #dropped = 0;
  #held = 0;
  #delivered = 0;
  #accepted = 0;

  constructor(seed: number, options: Options, broker: Broker) {
    this.#seed = seed;
    this.#options = options;
    this.#broker = broker;
  }

  packet(direction: "in" | "out"): void {
    if (direction === "in") this.packetsIn++;
    else this.packetsOut++;
  }

  event(code: Event): void {
    switch (code) {
      case Event.PublishRefused:
      case Event.SubscribeRefused:
      case Event.ConnectRefused:
      case Event.RetainRefused:
      case Event.WillDropped:
        this.#refused++;
        break;
      case Event.Dropped:
      case Event.PublishDropped:
        this.#dropped++;
        break;
      case Event.Held:
        this.#held++;
    }
  }

  delivered(latency: number): void {
    this.#delivered++;
    this.#latencies.push(latency);
  }

  accepted(): void {
    this.#accepted++;
  }

  fault(at: number, kind: string, client: string): void {
    this.#faults.push({ at, kind, client });
  }

  tick(now: number): void {
    if (now - this.#at < this.#every) return;
    this.#sample(now);
    if (this.#samples.length < MOST_SAMPLES) return;
    this.#samples = merge(this.#samples);
    this.#every *= 2;
  }

  #sample(now: number): void {
    const seconds = (now - this.#at) / 1000;
    this.#samples.push({
      at: now,
      clients: this.#broker.connections.connectedCount,
      packetsIn: (this.packetsIn - this.#in) / seconds,
      packetsOut: (this.packetsOut - this.#out) / seconds,
      latency: percentiles(this.#latencies),
      pools: this.#broker.pools().map(({ name, capacity, free }) => ({ name, used: capacity - free, capacity })),
      refused: this.#refused,
      dropped: this.#dropped,
      held: this.#held,
    });
    this.#at = now;
    this.#in = this.packetsIn;
    this.#out = this.packetsOut;
    this.#latencies = [];
    this.#refused = this.#dropped = this.#held = 0;
  }

  timeline(milliseconds: number, healedAt: number, clients: readonly Device[]): Timeline {
    const { world, limits } = this.#options;
    const counters = this.#broker.counters();
    return {
      seed: this.#seed,
      world,
      limits,
      options: { ...this.#options },
      milliseconds,
      healedAt,
      samples: this.#samples,
      faults: this.#faults,
      clients: clients.map(({ name, traits, version, spans, isConnected }) => ({
        name,
        personality: traits.join(", ") || "clean",
        version,
        connected: spans.map(([from, to], i) => [from, isConnected && i === spans.length - 1 ? milliseconds : to]),
      })),
      totals: {
        packetsIn: this.packetsIn,
        packetsOut: this.packetsOut,
        accepted: this.#accepted,
        delivered: this.#delivered,
        ...counters,
      },
    };
  }
}

function percentiles(latencies: number[]): Sample["latency"] {
  if (latencies.length === 0) return null;
  latencies.sort((a, b) => a - b);
  const at = (part: number): number => latencies[Math.min(latencies.length - 1, Math.floor(part * latencies.length))];
  return { p50: at(0.5), p99: at(0.99) };
}

/** Half as many samples, each of two. */
function merge(samples: readonly Sample[]): Sample[] {
  const merged: Sample[] = [];
  for (let i = 0; i + 1 < samples.length; i += 2) {
    const a = samples[i];
    const b = samples[i + 1];
    const latency =
      a.latency && b.latency
        ? { p50: Math.max(a.latency.p50, b.latency.p50), p99: Math.max(a.latency.p99, b.latency.p99) }
        : (a.latency ?? b.latency);
    merged.push({
      ...b,
      packetsIn: (a.packetsIn + b.packetsIn) / 2,
      packetsOut: (a.packetsOut + b.packetsOut) / 2,
      latency,
      refused: a.refused + b.refused,
      dropped: a.dropped + b.dropped,
      held: a.held + b.held,
    });
  }
  return merged;
}
