// What a broker or a client takes of the machine, for memory.mjs:
//
//   midge-xs memory.js PRESET
//
// prints one line of JSON: the plan, what the started broker keeps in slots and chunks, how far its pools went down and
// the stack went up under each kind of load, and what was allocated meanwhile. With `sensor` for PRESET all that of a
// client.

import { Client } from "../../src/client/client";
import { type ClientLimits, clientPresets } from "../../src/client/limits";
import type { ClientEvents } from "../../src/client/ports";
import { planClient } from "../../src/client/tables";
import { Broker, type Limits, type PresetName, plan, presets } from "../../src/index";
import type { Plan } from "../../src/memory/plan";
import type { Transport } from "../../src/ports";
import { clientKinds } from "./client-traffic";
import { ClientWorld } from "./client-world";
import { host } from "./host";
import { type Allocated, Meter } from "./meter";
import { type Kind, kinds } from "./traffic";
import { World } from "./world";

const PACKETS = 500;

/** What is in use once all garbage is gone. */
function inUse(): { slots: number; chunks: number } {
  host.collect();
  return { slots: host.slots(), chunks: host.chunks() };
}

interface Load extends Allocated {
  kind: string;
  /** The most slots of stack that the core took so far, the clients' answers to what it sends on top. */
  stack: number;
}

const clock = { now: () => 0, wall: () => 0 };
const log = { event: () => {} };

class NoTransport implements Transport {
  readonly readAhead = false;
  attach(): void {}
  receive(): number {
    return 0;
  }
  unreceive(): void {}
  writable(): number {
    return 0;
  }
  send(): void {}
  close(): void {}
}

class NoEvents implements ClientEvents {
  connected(): void {}
  disconnected(): void {}
  published(): void {}
  subscribed(): void {}
  unsubscribed(): void {}
  message(): void {}
  payload(_at: number, count: number): number {
    return count;
  }
  messageEnd(): void {}
  messageLost(): void {}
}

interface Kept {
  slots: number;
  chunks: number;
}

/**
 * Slots and chunk bytes of what `make` makes: of the second, because objects of the plan that was computed last may be
 * found by the collector for a while; before and after the second they are the same.
 */
function keptBy(make: () => { step(): boolean }): Kept {
  const first = make();
  const before = inUse();
  const second = make();
  const after = inUse();
  first.step(); // they are still there
  second.step();
  return { slots: after.slots - before.slots, chunks: after.chunks - before.chunks };
}

/** A broker without its host. */
function brokerAlone(limits: Readonly<Limits>): Kept {
  const ports = { transport: new NoTransport(), clock, log };
  return keptBy(() => new Broker({ ...limits }, ports, 1));
}

/** A client that is started, without its host. */
function clientAlone(limits: ClientLimits): Kept {
  const ports = { transport: new NoTransport(), dialer: { dial() {} }, clock, random: { next: () => 1 } };
  const events = new NoEvents();
  return keptBy(() => {
    const client = new Client({ ...limits }, ports, events);
    client.start({ clientId: "sensor" });
    return client;
  });
}

interface Pools {
  pools(): { name: string; capacity: number; lowestFree: number }[];
}

/** Runs a kind of load; adds to `lowest` how far the pools went down. Returns what was allocated, and the stack. */
function load(kind: string, world: World, subject: Kind, subjects: Pools, lowest: Lowest): Load {
  world.measureStack = host.stack;
  subject.prepare();
  const meter = new Meter();
  meter.start();
  for (let i = 0; i < PACKETS; i++) subject.step(i);
  const allocated = meter.stop();
  for (const { name, capacity, lowestFree } of subjects.pools()) {
    lowest[name] = [capacity, Math.min(lowestFree, lowest[name]?.[1] ?? capacity)];
  }
  return {
    kind,
    ...allocated,
    stack: host.peakStack() - world.stackAtStep,
  };
}

type Lowest = Record<string, [number, number]>;

function brokerLoad(limits: Readonly<Limits>, kind: string, lowest: Lowest): Load {
  host.collect();
  const world = new World(limits, { readAhead: false, copy: host.copy });
  return load(kind, world, kinds[kind](world), world.broker, lowest);
}

/** What `client.pools()` would say. */
function poolsOf({ blocks, messages, outbox, inbox, subscriptions, tables }: Client): Pools {
  const pools = {
    blocks: blocks.pool,
    "blocks received": tables.received.pool,
    messages: messages.pool,
    deliveries: outbox.pool,
    receipts: inbox.pool,
    subscriptions: subscriptions.pool,
  };
  return {
    pools: () => Object.entries(pools).map(([name, { capacity, lowestFree }]) => ({ name, capacity, lowestFree })),
  };
}

function clientLoad(limits: ClientLimits, kind: string, lowest: Lowest): Load {
  host.collect();
  const world = new ClientWorld(limits, { readAhead: false, copy: host.copy });
  return load(kind, world, clientKinds[kind](world), poolsOf(world.client), lowest);
}

function print({ arenaBytes, viewBytes }: Plan, kept: Kept, loads: readonly Load[], pools: Lowest): void {
  host.print(JSON.stringify({ slotBytes: host.slotBytes, arenaBytes, viewBytes, ...kept, loads, pools }));
}

function main(): void {
  const [preset] = host.args;
  const lowest: Lowest = {};
  if (preset === "sensor") {
    const limits = clientPresets.sensor;
    const kept = clientAlone(limits);
    const loads = Object.keys(clientKinds).map((kind) => clientLoad(limits, kind, lowest));
    return print(planClient(limits), kept, loads, lowest);
  }
  const limits = presets[preset as PresetName];
  const kept = brokerAlone(limits);
  const loads = Object.keys(kinds).map((kind) => brokerLoad(limits, kind, lowest));
  print(plan(limits), kept, loads, lowest);
}

Object.assign(globalThis, { main });
