// Shows that the counters count: nothing for a loop that allocates nothing, each planted allocation with its size, and
// nothing for 1,000 round trips over TCP. host.test.ts is the other side and compares.

import { host } from "./host";

const { slots, chunks, collections } = host;
const bytes = new Uint8Array(256);
const literals: object[] = [{}];
let sum = 0;

function idle(): void {
  for (let row = 0; row < 256; row++) {
    bytes[row] = (bytes[row] * 31 + row) & 0xff;
    sum = (sum + bytes[row]) >>> 0;
  }
  bytes.copyWithin(0, 16, 128);
}

function plantedLiteral(): void {
  literals[0] = { sum };
}

function plantedView(): void {
  literals[0] = new Uint8Array(bytes.buffer, 0, 16);
}

function plantedChunk(): void {
  literals[0] = new ArrayBuffer(100);
}

/** Prints "name slots chunks collections" for one call after a warm-up. */
function measure(name: string, step: () => void): void {
  step();
  host.collect();
  const slotsBefore = slots();
  const chunksBefore = chunks();
  const collectionsBefore = collections();
  step();
  const slotsAfter = slots();
  const chunksAfter = chunks();
  const collectionsAfter = collections();
  host.print(
    `${name} ${slotsAfter - slotsBefore} ${chunksAfter - chunksBefore} ${collectionsAfter - collectionsBefore}`,
  );
}

const buffer = new ArrayBuffer(4096);
let listener = -1;
let connection = -1;
let roundTrips = 0;
let slotsBefore = 0;
let chunksBefore = 0;
let collectionsBefore = 0;

function echo(): boolean {
  host.wait(1000);
  if (connection < 0) {
    connection = host.tcpAccept(listener);
    host.collect();
    slotsBefore = slots();
    chunksBefore = chunks();
    collectionsBefore = collections();
    return true;
  }
  const waiting = host.tcpReadable(connection);
  if (waiting < 0) return false;
  const room = host.tcpWritable(connection);
  const length = Math.min(waiting, room, 4096);
  if (length > 0) {
    host.tcpRead(connection, buffer, 0, length);
    host.tcpWrite(connection, buffer, 0, length);
    roundTrips++;
  }
  return true;
}

function main(): void {
  host.print(`engine ${host.engine} ${host.slotBytes} ${host.args.join(" ")}`);
  if (host.args[0] === "fill") {
    const kept: unknown[] = [];
    if (host.args[1] === "slots") for (;;) kept.push({ kept });
    if (host.args[1] === "keys") for (let n = 0; ; n++) kept.push({ [`name${n}`]: n });
    if (host.args[1] === "stack") kept.push(main()); // not the last thing it does: XS turns that into a jump
    if (host.args[1] === "throw") throw new RangeError("planted");
    for (;;) kept.push(new ArrayBuffer(1000));
  }
  measure("idle", idle);
  measure("literal", plantedLiteral);
  measure("view", plantedView);
  measure("chunk", plantedChunk);
  listener = host.tcpListen(0);
  host.print(`port ${host.tcpPort(listener)}`);
}

function poll(): boolean {
  if (echo()) return true;
  const slotsAfter = slots();
  const chunksAfter = chunks();
  const collectionsAfter = collections();
  host.tcpClose(connection);
  host.tcpClose(listener);
  host.print(`echo ${slotsAfter - slotsBefore} ${chunksAfter - chunksBefore} ${collectionsAfter - collectionsBefore}`);
  host.print(`reads ${roundTrips}`);
  return false;
}

Object.assign(globalThis, { main, poll });
