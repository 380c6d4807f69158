// What a broker takes of the machine, for memory.mjs:
//
//   midge-xs memory.js PRESET
//
// prints one line of JSON: the plan, what the started broker keeps in slots and chunks, how far its pools went down and
// the stack went up under each kind of load, and what was allocated meanwhile.

import { Broker, type Limits, type PresetName, plan, presets } from "../../src/index";
import type { Transport } from "../../src/ports";
import { host } from "./host";
import { kinds } from "./traffic";
import { World } from "./world";

const { slots, chunks, collections } = host;
const PACKETS = 500;

/** What is in use once all garbage is gone. */
function inUse(): { slots: number; chunks: number } {
  host.collect();
  return { slots: slots(), chunks: chunks() };
}

interface Load {
  kind: string;
  slots: number;
  chunks: number;
  collections: number;
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

/** Slots and chunk bytes that a broker keeps, without its host. */
function brokerAlone(limits: Readonly<Limits>): { slots: number; chunks: number } {
  const ports = { transport: new NoTransport(), clock, log };
  const before = inUse();
  const broker = new Broker({ ...limits }, ports, 1);
  const after = inUse();
  broker.step(); // it is still there
  return { slots: after.slots - before.slots, chunks: after.chunks - before.chunks };
}

/** Runs a kind of load; adds to `lowest` how far the pools went down. Returns what was allocated, and the stack. */
function load(limits: Readonly<Limits>, kind: string, lowest: Record<string, [number, number]>): Load {
  host.collect();
  const world = new World(limits, { readAhead: false, copy: host.copy });
  const subject = kinds[kind](world);
  world.measureStack = host.stack;
  subject.prepare();
  host.collect();
  const slotsBefore = slots();
  const chunksBefore = chunks();
  const collectionsBefore = collections();
  for (let i = 0; i < PACKETS; i++) subject.step(i);
  const slotsAfter = slots();
  const chunksAfter = chunks();
  const collectionsAfter = collections();
  for (const { name, capacity, lowestFree } of world.broker.pools()) {
    lowest[name] = [capacity, Math.min(lowestFree, lowest[name]?.[1] ?? capacity)];
  }
  return {
    kind,
    slots: slotsAfter - slotsBefore,
    chunks: chunksAfter - chunksBefore,
    collections: collectionsAfter - collectionsBefore,
    stack: host.peakStack() - world.stackAtStep,
  };
}

function main(): void {
  const limits = presets[host.args[0] as PresetName];
  const { arenaBytes, viewBytes } = plan(limits);
  const kept = brokerAlone(limits);
  const lowest: Record<string, [number, number]> = {};
  const loads = Object.keys(kinds).map((kind) => load(limits, kind, lowest));
  host.print(JSON.stringify({ slotBytes: host.slotBytes, arenaBytes, viewBytes, ...kept, loads, pools: lowest }));
}

Object.assign(globalThis, { main });
