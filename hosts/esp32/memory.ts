// What memory is used for, said before any is taken; and whether there is enough.

import type { Plan } from "../../src/broker/plan";
import { grouped } from "../text/events";

/** Bytes of a connection in lwIP: CONFIG_LWIP_TCP_WND_DEFAULT and CONFIG_LWIP_TCP_SND_BUF_DEFAULT of sdkconfig.defaults. */
export const WINDOW_BYTES = 2872;
export const SEND_BYTES = 2872;
/** Messages in the queue of the XS task: `defines.task.queueLength` of manifest.json. */
export const QUEUE_LENGTH = 64;
/** CONFIG_LWIP_MAX_ACTIVE_TCP of sdkconfig.defaults. */
export const ACTIVE_CONNECTIONS = 24;

/** Chunks besides the broker's memory: the local client's, buffers, texts of the log, the setup page, packets of DNS-SD. */
export const RESERVE_BYTES = 36_000;

/** What the device knows of its heap, bytes; 0: nothing. */
export interface Heap {
  free: number;
  largestBlock: number;
}

/** Connections of TCP that can be open at once, by limits that allow `connections`. */
export function socketCount(connections: number): number {
  return Math.min(connections - 1, ACTIVE_CONNECTIONS);
}

/** The most that sockets can take of the heap: each with its window and its send buffer full. */
export function socketBytes(connections: number): number {
  return socketCount(connections) * (WINDOW_BYTES + SEND_BYTES);
}

/** The plan, as lines. */
export function planLines(plan: Plan, client: Plan | undefined, connections: number, heap: Heap): string[] {
  const rows: (readonly [string, string, string, string])[] = [
    ["memory, fixed before start", "count", "bytes each", "bytes"],
  ];
  for (const { name, count, bytesEach, bytes } of plan.rows) {
    rows.push([name, grouped(count), grouped(bytesEach), grouped(bytes)]);
  }
  rows.push(["the broker, in all", "", "", grouped(plan.totalBytes)]);
  if (client !== undefined) rows.push(["the local client, in all", "", "", grouped(client.totalBytes)]);
  const sockets = socketCount(connections);
  const each = WINDOW_BYTES + SEND_BYTES;
  rows.push(["sockets at worst, beside it", grouped(sockets), grouped(each), grouped(sockets * each)]);
  if (heap.free > 0) rows.push(["heap that is free now", "", "", grouped(heap.free)]);
  return rows.map(
    ([name, count, each, bytes]) => `${name.padEnd(40)}${count.padStart(9)}${each.padStart(12)}${bytes.padStart(12)}`,
  );
}

/**
 * Why these limits can't be on this device; "" when they can.
 * @param chunkBytes what the machine has for chunks; 0: it may grow
 */
export function memoryProblem(plan: Plan, preset: string, chunkBytes: number, heap: Heap): string {
  const wanted = plan.totalBytes + RESERVE_BYTES;
  const advice = "Choose a smaller preset (config.limits), or lower single limits (config.changes).";
  if (chunkBytes > 0 && wanted > chunkBytes) {
    return (
      `the limits (${preset}) need ${grouped(plan.totalBytes)} bytes and ${grouped(RESERVE_BYTES)} beside them; ` +
      `this build's machine has ${grouped(chunkBytes)} (creation.chunk.initial). ${advice}`
    );
  }
  if (chunkBytes === 0 && heap.largestBlock > 0 && wanted > heap.largestBlock) {
    return (
      `the limits (${preset}) need ${grouped(plan.totalBytes)} bytes in one piece and ${grouped(RESERVE_BYTES)} beside ` +
      `them; the largest piece of the heap has ${grouped(heap.largestBlock)}. ${advice}`
    );
  }
  return "";
}

/** What may go wrong later; "" when nothing is foreseen. */
export function memoryWarning(connections: number, heap: Heap): string {
  const worst = socketBytes(connections);
  if (heap.free === 0 || heap.free >= worst) return "";
  return (
    `if all ${socketCount(connections)} connections were full at once, sockets would take ${grouped(worst)} bytes of ` +
    `${grouped(heap.free)} free: lwIP would then drop segments, and clients would be slow`
  );
}
