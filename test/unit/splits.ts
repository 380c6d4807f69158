// A packet that arrives in pieces has the same effect as in one: every byte sent to every client is the same, wherever
// it is split. Three reads for packets of up to 64 bytes, two for up to 1 KB, beyond that around the boundaries of the
// buffers; on a transport that takes bytes back, and on one that does not.

import { strictEqual } from "node:assert/strict"; // where `expect` would take most of the time
import { expect } from "vitest";
import { audit } from "../../sim/audit";
import type { Broker } from "../../src/broker/broker";
import { Event } from "../../src/events";
import { type Limits, presets } from "../../src/memory/limits";
import { startBroker } from "../support/broker";
import type { Harness, TestClient } from "../support/harness";
import { type Bytes, connect, type Level, pingreq, publish, subscribe, toHex } from "../support/packets";
import { isLong } from "../support/random";

export interface Case {
  title: string;
  level: Level;
  bytes: Bytes;
  /** What happens before, when the client is connected; none for a CONNECT. */
  before?: (client: TestClient, other: TestClient, harness: Harness<Broker>) => void;
  /** Time that passes afterwards, milliseconds. */
  wait?: number;
  limits?: Limits;
  isConnect?: boolean;
  /** What the client gets for it, when that is all there is to say. */
  answer?: readonly Bytes[];
  /** Whether the connection ends with it; only looked at with an answer. */
  ends?: boolean;
}

const RETAIN_AS_PUBLISHED = 0x08;

/** The bytes of a packet; of a long one its beginning, its length and a sum. */
function brief(bytes: Uint8Array): string {
  if (bytes.length <= 40) return toHex(bytes);
  const sum = bytes.reduce((total, byte) => (Math.imul(total, 31) + byte) | 0, 0);
  return `${toHex(bytes.subarray(0, 20))} … ${bytes.length} bytes, sum ${sum}`;
}

/** Everything that everybody gets when the packet arrives in these pieces, as text. */
function outcome(it: Case, ends: readonly number[], readAhead: boolean): string {
  const limits = it.limits ?? presets.tiny;
  const room = it.bytes.length > 1024 ? 70_000 : 4096;
  const harness = startBroker({ limits, readAhead, upBytes: room, downBytes: room });
  const watcher = harness.client();
  const other = harness.client();
  watcher.send(connect({ level: 5, id: "watcher" }));
  const watch = subscribe(5, 1, [
    ["#", 2 | RETAIN_AS_PUBLISHED],
    ["$x/#", 2],
  ]);
  watcher.send(watch);
  other.send(connect({ level: 4, id: "other" }), subscribe(4, 1, [["a/+", 1]]));
  const client = harness.client();
  if (!it.isConnect) client.send(connect({ level: it.level, id: "client" }));
  it.before?.(client, other, harness);
  let from = 0;
  for (const end of ends) {
    client.send(it.bytes.slice(from, end));
    from = end;
  }
  if (it.wait !== undefined) harness.advance(it.wait);
  // What it left behind: is the client alive, what is retained, what did it subscribe to.
  const alive = !client.closed && !client.stream.serverClosed;
  if (alive) client.send(pingreq());
  watcher.send(watch);
  for (const topic of ["a", "x/b/y", "t/1"]) other.send(publish({ level: 4, topic, payload: "now", qos: 1, id: 7 }));
  audit(harness.core);
  const events = harness.log.events
    .filter(({ code }) => code !== Event.Held)
    .map(({ code, a, b }) => `${code}(${a},${b})`);
  const streams = [client, watcher, other].map((one) => one.receive().map(brief).join("\n"));
  return [...streams, events.join(" "), `alive: ${alive}`].join("\n--\n");
}

/** Where to split. */
function* splits({ bytes, limits = presets.tiny }: Case): Generator<number[]> {
  const { length } = bytes;
  if (length <= 64) {
    // A short run tries second pieces of every size for the shorter ones only.
    const sizes =
      isLong || length <= 32 ? Array.from({ length }, (_, size) => size) : [0, 1, 2, 3, 5, 8, 13, 21, 34, 55];
    for (let first = 1; first < length; first++) {
      for (const size of sizes) if (first + size < length) yield [...new Set([first, first + size]), length];
    }
    return;
  }
  if (length <= 1024) {
    for (let first = 1; first < length; first++) yield [first, length];
  } else {
    const near = new Set<number>();
    const around = (at: number): void => {
      for (let offset = -2; offset <= 2; offset++) if (at + offset > 0 && at + offset < length) near.add(at + offset);
    };
    for (let at = 0; at <= 80; at++) around(at);
    around(length);
    const sizes = [limits.blockBytes, limits.stageBytes, limits.inputBytes, limits.packetBytes, limits.messageBytes];
    for (const size of sizes) {
      for (let times = 1; times * size < length && times <= (isLong ? 100 : 4); times++) around(times * size);
    }
    for (const at of near) yield [at, length];
  }
  for (const size of [1, 2, 3, 7, 31, 32, 33, 127, 128, 129, limits.stageBytes, limits.inputBytes]) {
    if (length / size > 3000) continue;
    const ends: number[] = [];
    for (let end = size; end < length; end += size) ends.push(end);
    yield [...ends, length];
  }
}

/** The same everywhere it is split, and what it should be. */
export function check(it: Case): void {
  if (it.answer !== undefined) checkAnswer(it, it.answer);
  const whole = outcome(it, [it.bytes.length], true);
  strictEqual(outcome(it, [it.bytes.length], false), whole, "in one piece, without reading ahead");
  // A short run takes turns with the longer ones.
  const isBoth = isLong || it.bytes.length <= 32;
  let turn = 0;
  for (const ends of splits(it)) {
    turn++;
    for (const readAhead of isBoth ? [true, false] : [turn % 2 === 0]) {
      strictEqual(outcome(it, ends, readAhead), whole, `split at ${ends.slice(0, 4)}, reading ahead ${readAhead}`);
    }
  }
}

function checkAnswer(it: Case, answer: readonly Bytes[]): void {
  const client = startBroker({ limits: it.limits }).client();
  if (!it.isConnect) client.send(connect({ level: it.level, id: "client" }));
  client.receive();
  client.send(it.bytes);
  client.expect(...answer);
  expect(client.closed).toBe(it.ends ?? false);
}
