// The program that allocation.client.test.ts runs by itself: the client's core against the broker's, or a scripted server,
// all kinds of traffic that are counted on XS, one after the other, without allocating anything besides.
//
//   node --expose-gc --max-semi-space-size=1 --no-concurrent-recompilation load.mjs PACKETS [plant] [exact]
//
// It prints, as JSON, how many packets the client sent and got, how many garbage collections there were meanwhile, and
// what it holds at the end. `plant` makes one small object for each packet: the control. `exact`: on transports that take
// no bytes back.

import { PerformanceObserver, performance } from "node:perf_hooks";
import { clientPresets } from "../../src/client/limits";
import { clientKinds } from "../xs/client-traffic";
import { ClientWorld } from "../xs/client-world";

/** Views by buffer, made once each. */
const views = new Map<ArrayBuffer, Uint8Array>();

function viewOf(buffer: ArrayBuffer): Uint8Array {
  let view = views.get(buffer);
  if (view === undefined) {
    view = new Uint8Array(buffer);
    views.set(buffer, view);
  }
  return view;
}

function copy(from: ArrayBuffer, fromOffset: number, to: ArrayBuffer, toOffset: number, count: number): void {
  const source = viewOf(from);
  const target = viewOf(to);
  for (let i = 0; i < count; i++) target[toOffset + i] = source[fromOffset + i];
}

const readAhead = !process.argv.includes("exact");
const plants = process.argv.includes("plant");
const names = Object.keys(clientKinds);
const worlds = names.map(() => new ClientWorld(clientPresets.sensor, { readAhead, copy }));
const kinds = names.map((name, i) => clientKinds[name](worlds[i]));
const steps = new Int32Array(names.length);
let planted: object | undefined;

function total(): number {
  let packets = 0;
  for (let i = 0; i < worlds.length; i++) packets += worlds[i].packets;
  return packets;
}

/** Some steps of each kind in turn, until there were `count` packets more. */
function run(count: number): void {
  const end = total() + count;
  for (let seen = end - count; seen < end; ) {
    for (let i = 0; i < kinds.length; i++) for (let n = 0; n < 20; n++) kinds[i].step(steps[i]++);
    const now = total();
    for (; seen < now; seen++) if (plants) planted = { seen };
  }
}

let collections = 0;
let since = Number.POSITIVE_INFINITY;
const observer = new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (entry.startTime >= since) collections++;
});
observer.observe({ entryTypes: ["gc"] });

const idle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50));
for (const kind of kinds) kind.prepare();
run(300_000); // until everything is compiled
gc?.();
await idle();
const before = worlds.map(({ packets }) => packets);
const heapBefore = process.memoryUsage().heapUsed;
since = performance.now();
run(Number(process.argv[2]));
const until = performance.now();
const heapBytes = process.memoryUsage().heapUsed - heapBefore;
await idle();
observer.disconnect();
for (const kind of kinds) kind.check();

/** Rows of a client that are in use, besides the Topic Filters that it keeps. */
function left({ client }: ClientWorld): string[] {
  const { inbox, messages, outbox, tables } = client;
  const pools = { messages: messages.pool, outbox: outbox.pool, inbox: inbox.pool, received: tables.received.pool };
  return Object.entries(pools)
    .filter(([, pool]) => pool.free !== pool.capacity)
    .map(([name, pool]) => `${name}: ${pool.capacity - pool.free}`);
}

console.log(
  JSON.stringify({
    packets: worlds.reduce((sum, { packets }, i) => sum + packets - before[i], 0),
    collections,
    heapBytes,
    milliseconds: Math.round(until - since),
    planted: planted !== undefined,
    kinds: Object.fromEntries(names.map((name, i) => [name, worlds[i].packets - before[i]])),
    left: worlds.flatMap((world, i) => left(world).map((line) => `${names[i]}: ${line}`)),
  }),
);
