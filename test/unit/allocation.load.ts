// The program that allocation.test.ts runs by itself: a broker on the in-memory transport and clients that send packets
// from a stock made beforehand, a million of them, without allocating anything themselves.
//
//   node --expose-gc --max-semi-space-size=1 --no-concurrent-recompilation load.mjs PACKETS [plant] [exact]
//
// It prints, as JSON, how many packets the broker received, how many garbage collections there were meanwhile, and what
// it holds when everybody has left. `plant` makes one small object for each packet: the control. `exact`: on a transport
// that takes no bytes back.

import { PerformanceObserver, performance } from "node:perf_hooks";
import { Broker } from "../../src/broker/broker";
import { Counter } from "../../src/broker/counters";
import { presets } from "../../src/memory/limits";
import { type MemoryStream, MemoryTransport } from "../support/memory-transport";
import {
  type Bytes,
  CONNACK,
  connect,
  type Level,
  PINGRESP,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  pingreq,
  property,
  publish,
  SUBACK,
  subscribe,
  UNSUBACK,
  unsubscribe,
} from "../support/packets";

/** Rows that an empty broker has taken: the root of the topic tree, and the labels of its wildcards. */
const SET_ASIDE: Record<string, number> = { topicNodes: 1, topicLabels: 2, labelBytes: 2 };

const readAhead = !process.argv.includes("exact");
const { connections } = presets.gateway;
const transport = new MemoryTransport({ connections, readAhead, upBytes: 8192, downBytes: 16_384 });
const clock = { milliseconds: 0, now: (): number => clock.milliseconds, wall: (): number => 0 };
const broker = new Broker({ ...presets.gateway }, { transport, clock, log: { event(): void {} } }, 1);
transport.listen(broker);

/** A client that acknowledges what it receives, in memory made beforehand. */
class LoadClient {
  readonly stream: MemoryStream = transport.connect();
  readonly #input = new Uint8Array(32_768);
  readonly #answer = new Uint8Array(4);
  #length = 0;
  /** Packets by type. */
  readonly received = new Uint32Array(16);

  /** Sends `count` bytes from `at` on. */
  send(bytes: Uint8Array, at: number, count: number): void {
    while (count > 0) {
      const sent = this.stream.write(bytes, at, count);
      at += sent;
      count -= sent;
      if (count > 0 && !broker.step()) throw new Error("the broker does not read");
    }
  }

  /** Reads and acknowledges; true when anything came. */
  pump(): boolean {
    const count = this.stream.readInto(this.#input, this.#length, this.#input.length - this.#length);
    if (count === 0) return false;
    this.#length += count;
    let at = 0;
    for (let length = this.#packetLength(at); length > 0; length = this.#packetLength(at)) {
      this.#take(at);
      at += length;
    }
    this.#input.copyWithin(0, at, this.#length);
    this.#length -= at;
    return true;
  }

  /** Bytes of the whole packet at `at`, 0 when it is not complete. */
  #packetLength(at: number): number {
    const input = this.#input;
    let length = 0;
    let head = at + 1;
    for (let shift = 0; ; shift += 7) {
      if (head >= this.#length) return 0;
      const byte = input[head++];
      length |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    length += head - at;
    return at + length <= this.#length ? length : 0;
  }

  #take(at: number): void {
    const input = this.#input;
    const type = input[at] >> 4;
    this.received[type]++;
    let head = at + 1;
    while (input[head] >= 128) head++;
    head++;
    if (type === PUBLISH) {
      const qos = (input[at] >> 1) & 3;
      const id = head + 2 + ((input[head] << 8) | input[head + 1]);
      if (qos === 1) this.#acknowledge(0x40, id);
      else if (qos === 2) this.#acknowledge(0x50, id);
    } else if (type === PUBREC) this.#acknowledge(0x62, head);
    else if (type === PUBREL) this.#acknowledge(0x70, head);
  }

  #acknowledge(first: number, id: number): void {
    const answer = this.#answer;
    answer[0] = first;
    answer[1] = 2;
    answer[2] = this.#input[id];
    answer[3] = this.#input[id + 1];
    this.send(answer, 0, 4);
  }
}

const clients: LoadClient[] = [];

/** Until everything has come to rest. */
function settle(): void {
  for (let active = true; active; ) {
    active = broker.step();
    for (let i = 0; i < clients.length; i++) if (clients[i].pump()) active = true;
  }
}

function open(...packets: Bytes[]): LoadClient {
  const client = new LoadClient();
  clients.push(client);
  transport.poll();
  const bytes = Uint8Array.from(packets.flat());
  client.send(bytes, 0, bytes.length);
  settle();
  if (client.received[CONNACK] !== 1) throw new Error("no CONNACK");
  return client;
}

/** Packets one behind the other. */
class Stock {
  readonly bytes: Uint8Array;
  readonly starts: Int32Array;
  /** Where the Packet Identifier is, 0 for none. */
  readonly ids: Int32Array;

  constructor(packets: readonly { bytes: Bytes; idAt: number }[]) {
    this.bytes = Uint8Array.from(packets.flatMap(({ bytes }) => bytes));
    this.starts = new Int32Array(packets.length + 1);
    this.ids = new Int32Array(packets.length);
    for (const [i, { bytes, idAt }] of packets.entries()) {
      this.starts[i + 1] = this.starts[i] + bytes.length;
      this.ids[i] = idAt === 0 ? 0 : this.starts[i] + idAt;
    }
  }

  get count(): number {
    return this.ids.length;
  }

  /** Sends a packet in up to three pieces, under a Packet Identifier. */
  send(client: LoadClient, number: number, id: number, first: number, second: number): void {
    const start = this.starts[number];
    const length = this.starts[number + 1] - start;
    const idAt = this.ids[number];
    if (idAt !== 0) {
      this.bytes[idAt] = id >> 8;
      this.bytes[idAt + 1] = id;
    }
    const one = first % length;
    const two = one + (second % (length - one));
    client.send(this.bytes, start, one);
    if (one > 0) settle();
    client.send(this.bytes, start + one, two - one);
    if (two > one) settle();
    client.send(this.bytes, start + two, length - two);
    settle();
  }
}

let draw = 12_345;

/** The next draw of a generator, of 16 bits. */
function next(): number {
  draw = (Math.imul(draw, 1_103_515_245) + 12_345) | 0;
  return (draw >>> 8) & 0xffff;
}

const pick = <T>(list: readonly T[]): T => list[next() % list.length];
const rooms = ["kitchen", "living room", "attic", "garage", "küche", "a room with a rather long name"];
const things = ["temperature", "state", "set", "config", "linkquality", "power"];

function topic(): string {
  return `home/${pick(rooms)}/${pick(things)}`;
}

function body(most: number): string {
  return "0123456789abcdef".repeat(1 + most / 16).slice(0, next() % (most + 1));
}

function publishProperties(): Bytes {
  return [
    ...(next() % 3 === 0 ? property.messageExpiry(3600) : []),
    ...(next() % 4 === 0 ? property.contentType("application/json") : []),
    ...(next() % 4 === 0 ? property.responseTopic("answers/here") : []),
    ...(next() % 4 === 0 ? property.correlationData([1, 2, 3, 255]) : []),
    ...(next() % 4 === 0 ? property.user("name", body(60)) : []),
  ];
}

/** PUBLISH of every QoS, with topics, lengths and properties that differ. */
function publishStock(level: Level, count: number, retained: "no" | "set" | "clear"): Stock {
  const packets = Array.from({ length: count }, () => {
    const name = retained === "no" ? topic() : `home/retained/${next() % 40}/state`;
    const qos = next() % 3;
    const size = pick([20, 20, 200, 1400]);
    const bytes = publish({
      level,
      topic: name,
      payload: retained === "clear" ? "" : `x${body(size)}`,
      qos,
      retain: retained !== "no",
      properties: publishProperties(),
    });
    const idAt = bytes.length > 129 ? 3 : 2;
    return { bytes, idAt: qos === 0 ? 0 : idAt + 2 + Buffer.byteLength(name) };
  });
  return new Stock(packets);
}

/** A SUBSCRIBE to every filter, or an UNSUBSCRIBE from it. */
function filterStock(level: Level, isSubscribe: boolean): Stock {
  const filters = ["home/retained/#", "home/retained/+/state", "home/attic/+", "+/+/state", "new/level/of/a/tree", "#"];
  const idAt = 2;
  return new Stock(
    filters.map((filter, i) => ({
      bytes: isSubscribe ? subscribe(level, 1, [[filter, i % 3]]) : unsubscribe(level, 1, [filter]),
      idAt,
    })),
  );
}

const hello = (level: Level, id: string): Bytes => connect({ level, id, keepAlive: 0 });
open(hello(5, "all"), subscribe(5, 1, [["home/#", 0x08 | 2]], property.subscriptionIdentifier(1)));
open(hello(4, "some"), subscribe(4, 1, [["home/+/state", 1]]));
open(
  hello(5, "overlapping"),
  subscribe(5, 1, [["home/kitchen/#", 0]], property.subscriptionIdentifier(200)),
  subscribe(5, 2, [["+/kitchen/+", 1]], property.subscriptionIdentifier(20_000)),
);
open(hello(3, "old"), subscribe(3, 1, [["home/+/power", 2]]));
const publishers = [open(hello(5, "p5")), open(hello(4, "p4"))];
const stocks = ([5, 4] as const).map((level) => ({
  publish: publishStock(level, 400, "no"),
  set: publishStock(level, 100, "set"),
  clear: publishStock(level, 60, "clear"),
}));
const churners = [open(hello(5, "c5")), open(hello(4, "c4"))];
const subscribes = [filterStock(5, true), filterStock(4, true)];
const unsubscribes = [filterStock(5, false), filterStock(4, false)];
const ping = Uint8Array.from(pingreq());

let id = 0;
let turn = 0;
let planted: object | undefined;

/** Sends packets until the broker has received `count` more. */
function run(count: number, plants: boolean): void {
  const from = broker.log.value(Counter.PacketsReceived);
  for (let seen = 0; seen < count; ) {
    const received = broker.log.value(Counter.PacketsReceived) - from;
    for (; seen < received; seen++) if (plants) planted = { seen };
    turn++;
    clock.milliseconds++;
    id = (id % 65_535) + 1;
    const which = turn & 1;
    const stock = stocks[which];
    const kind = next() % 16;
    const first = turn % 3 === 0 ? 0 : next();
    const second = turn % 3 === 0 ? 0 : next();
    if (kind < 10) stock.publish.send(publishers[which], next() % stock.publish.count, id, first, second);
    else if (kind < 12) stock.set.send(publishers[which], next() % stock.set.count, id, first, second);
    else if (kind < 13) stock.clear.send(publishers[which], next() % stock.clear.count, id, first, second);
    else if (kind < 14) subscribes[which].send(churners[which], next() % subscribes[which].count, id, first, second);
    else if (kind < 15)
      unsubscribes[which].send(churners[which], next() % unsubscribes[which].count, id, first, second);
    else {
      clients[next() % clients.length].send(ping, 0, 2);
      settle();
    }
  }
}

const packets = Number(process.argv[2]);
const plants = process.argv.includes("plant");

let collections = 0;
let since = Number.POSITIVE_INFINITY;
const observer = new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (entry.startTime >= since) collections++;
});
observer.observe({ entryTypes: ["gc"] });

const idle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50));
run(200_000, plants); // until everything is compiled
gc?.();
await idle();
const receivedBefore = broker.log.value(Counter.PacketsReceived);
const sentBefore = broker.log.value(Counter.PublishSent);
const heapBefore = process.memoryUsage().heapUsed;
since = performance.now();
run(packets, plants);
const until = performance.now();
const heapBytes = process.memoryUsage().heapUsed - heapBefore;
await idle();
observer.disconnect();

/** Sums over all clients, by packet type. */
const received = Array.from({ length: 16 }, (_, type) => clients.reduce((sum, it) => sum + it.received[type], 0));
const result = {
  packets: broker.log.value(Counter.PacketsReceived) - receivedBefore,
  sent: broker.log.value(Counter.PublishSent) - sentBefore,
  collections,
  heapBytes,
  milliseconds: Math.round(until - since),
  planted: planted !== undefined,
  types: {
    publish: received[PUBLISH],
    puback: received[PUBACK],
    pubrec: received[PUBREC],
    pubrel: received[PUBREL],
    pubcomp: received[PUBCOMP],
    suback: received[SUBACK],
    unsuback: received[UNSUBACK],
    pingresp: received[PINGRESP],
  },
  connected: broker.connections.connectedCount,
  retained: broker.router.retainedCount,
  counters: broker.counters(),
};

// Everybody leaves, and what is retained is cleared.
for (let i = 0; i < 40; i++) {
  const bytes = Uint8Array.from(publish({ level: 4, topic: `home/retained/${i}/state`, retain: true }));
  publishers[1].send(bytes, 0, bytes.length);
  settle();
}
for (const { stream } of clients) stream.reset();
for (transport.poll(); broker.step(); ) transport.poll();
const left = broker.pools().filter(({ capacity, free, name }) => free !== capacity - (SET_ASIDE[name] ?? 0));
console.log(JSON.stringify({ ...result, left: left.map(({ name, capacity, free }) => `${name}: ${capacity - free}`) }));
