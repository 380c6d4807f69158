// What `memory.ts` bundles and runs: each measurement in turn, then one line of JSON. Arguments: seconds for each, and
// parts of names. Only the time inside the core counts; that of the transport and of the clients is left out.

import { Broker } from "../../src/index";
import { presets } from "../../src/memory/limits";
import { PacketType } from "../../src/mqtt/constants";
import { Decoded } from "../../src/mqtt/decoded";
import { VirtualClock } from "../support/harness";
import { type MemoryStream, MemoryTransport } from "../support/memory-transport";
import * as packets from "../support/packets";
import { ascending, choose, quantile } from "./statistics";

const LEVEL = 4;
const SMALL = 32;
const LARGE = 1024;
/** Messages that a publisher has on their way; below the broker's Receive Maximum. */
const BATCH = 200;
const RING_BYTES = 1 << 20;

/** A transport that knows how long it took. */
class TimedTransport extends MemoryTransport {
  milliseconds = 0;

  override receive(connection: number, max: number): number {
    const began = performance.now();
    const count = super.receive(connection, max);
    this.milliseconds += performance.now() - began;
    return count;
  }

  override send(connection: number, count: number): void {
    const began = performance.now();
    super.send(connection, count);
    this.milliseconds += performance.now() - began;
  }
}

/** A client that acknowledges what comes. */
class Client {
  delivered = 0;
  completed = 0;
  readonly stream: MemoryStream;
  readonly #bytes = new Uint8Array(RING_BYTES);
  readonly #answers = new Uint8Array(RING_BYTES);
  #begun = 0;

  constructor(transport: TimedTransport) {
    this.stream = transport.connect();
  }

  write(bytes: Uint8Array | packets.Bytes): void {
    if (this.stream.write(bytes) !== bytes.length) throw new Error("the ring is full");
  }

  /** Reads and answers what came; false when nothing did. */
  pump(): boolean {
    const bytes = this.#bytes;
    const count = this.stream.readInto(bytes, this.#begun, bytes.length - this.#begun);
    if (count === 0) return false;
    const end = this.#begun + count;
    let at = 0;
    let answers = 0;
    while (at + 1 < end) {
      const long = bytes[at + 1] >= 128;
      if (long && at + 2 >= end) break;
      const length = long ? 3 + (bytes[at + 1] & 127) + 128 * bytes[at + 2] : 2 + bytes[at + 1];
      if (at + length > end) break;
      answers += this.#packet(at, long ? at + 3 : at + 2, answers);
      at += length;
    }
    bytes.copyWithin(0, at, end);
    this.#begun = end - at;
    if (answers > 0) this.write(this.#answers.subarray(0, answers));
    return true;
  }

  /** Returns how many bytes the answer has. */
  #packet(at: number, bodyAt: number, answerAt: number): number {
    const bytes = this.#bytes;
    switch (bytes[at] >>> 4) {
      case packets.PUBLISH: {
        this.delivered++;
        const qos = (bytes[at] >>> 1) & 3;
        const idAt = bodyAt + 2 + 256 * bytes[bodyAt] + bytes[bodyAt + 1];
        return qos === 0 ? 0 : this.#answer(answerAt, qos === 1 ? packets.PUBACK << 4 : packets.PUBREC << 4, idAt);
      }
      case packets.PUBREC:
        return this.#answer(answerAt, (packets.PUBREL << 4) | 2, bodyAt);
      case packets.PUBREL:
        return this.#answer(answerAt, packets.PUBCOMP << 4, bodyAt);
      default:
        this.completed++;
        return 0;
    }
  }

  #answer(answerAt: number, header: number, idAt: number): number {
    this.#answers[answerAt] = header;
    this.#answers[answerAt + 1] = 2;
    this.#answers[answerAt + 2] = this.#bytes[idAt];
    this.#answers[answerAt + 3] = this.#bytes[idAt + 1];
    return 4;
  }
}

class World {
  readonly transport = new TimedTransport({ connections: 64, upBytes: RING_BYTES, downBytes: RING_BYTES });
  readonly broker: Broker;
  readonly clients: Client[] = [];
  /** Time inside the core. */
  milliseconds = 0;

  constructor() {
    const log = { event: (): void => {} };
    this.broker = new Broker(presets.node, { transport: this.transport, clock: new VirtualClock(), log }, 1);
    this.transport.listen(this.broker);
  }

  client(filter?: string, qos = 0): Client {
    const client = new Client(this.transport);
    this.clients.push(client);
    client.write(packets.connect({ level: LEVEL, id: `c${this.clients.length}`, keepAlive: 0 }));
    if (filter !== undefined) client.write(packets.subscribe(LEVEL, 1, [[filter, qos]]));
    this.transport.poll();
    this.settle();
    return client;
  }

  settle(): void {
    for (let active = true; active; ) {
      const before = this.transport.milliseconds;
      const began = performance.now();
      active = this.broker.step();
      this.milliseconds += performance.now() - began - (this.transport.milliseconds - before);
      for (const client of this.clients) if (client.pump()) active = true;
    }
  }
}

/** Short enough that most slices are not interrupted where other programs run. */
const SLICE_MILLISECONDS = 2;

/**
 * Nanoseconds of one of the things of which `round` does some and returns how many; `milliseconds` is a clock. The lower
 * quartile of many short slices: other programs only ever make it slower.
 */
function timed(seconds: number, milliseconds: () => number, round: () => number): number {
  const slice = (most: number): number => {
    const began = milliseconds();
    let count = 0;
    while (milliseconds() - began < most) count += round();
    return ((milliseconds() - began) * 1e6) / count;
  };
  slice(seconds * 500); // for the compiler
  const slices = Math.ceil((seconds * 1000) / SLICE_MILLISECONDS);
  const all = Array.from({ length: slices }, () => slice(SLICE_MILLISECONDS));
  return quantile(all.sort(ascending), 0.25);
}

const now = (): number => performance.now();

function publishes(count: number, qos: number, payloadBytes: number, topic: (i: number) => string): Uint8Array {
  const payload = new Array<number>(payloadBytes).fill(0x2a);
  const all: packets.Bytes[] = [];
  for (let i = 0; i < count; i++) {
    all.push(packets.publish({ level: LEVEL, topic: topic(i), payload, qos, id: i + 1 }));
  }
  return Uint8Array.from(all.flat());
}

const oneTopic = (): string => "site/lab/003/temperature";

/** The decoder alone, with the body stored and given back. */
function decode(seconds: number, bytes: Uint8Array, count: number): number {
  const { broker } = new World();
  const { decoder, layout, tables, blocks } = broker;
  layout.u8.set(bytes, tables.input);
  decoder.load(1);
  decoder.version = LEVEL;
  return timed(seconds, now, () => {
    decoder.feed(tables.input, bytes.length);
    for (let left = count; ; ) {
      switch (decoder.next()) {
        case Decoded.Header:
          decoder.begin(false, decoder.type === PacketType.PUBLISH ? blocks.blocksFor(decoder.remaining) : 0);
          break;
        case Decoded.Publish:
          decoder.finish();
          left--;
          break;
        case Decoded.Packet:
          left--;
          break;
        default:
          if (left !== 0) throw new Error(`${left} packets were not decoded`);
          return count;
      }
    }
  });
}

/** From a publisher to `receivers` subscribers, acknowledgements of all included; by message. */
function deliver(
  seconds: number,
  qos: number,
  receivers: number,
  payloadBytes = SMALL,
  topic: (i: number) => string = oneTopic,
): number {
  const world = new World();
  for (let i = 0; i < receivers; i++) world.client("site/+/+/temperature", qos);
  const publisher = world.client();
  const batch = publishes(BATCH, qos, payloadBytes, topic);
  const nanoseconds = timed(
    seconds,
    () => world.milliseconds,
    () => {
      publisher.write(batch);
      world.settle();
      return BATCH;
    },
  );
  const [first] = world.clients;
  if (receivers > 0 && (first.delivered === 0 || first.delivered % BATCH !== 0)) throw new Error("lost messages");
  return nanoseconds;
}

/** Splitting a Topic Name and finding the nodes that match, among `count` subscriptions. */
function match(seconds: number, count: number): number {
  const { broker } = new World();
  const { topics, subscriptions, layout, tables } = broker;
  const encoder = new TextEncoder();
  const put = (text: string, at: number): number => {
    const bytes = encoder.encode(text);
    layout.u8.set(bytes, at);
    return bytes.length;
  };
  const name = (i: number): string => `site/${i % 97}/device/${i}/state`;
  for (let i = 0; i < count; i++) {
    // One in a hundred has a wildcard.
    const filter = i % 100 !== 99 ? name(i) : i % 200 === 99 ? `site/${i % 97}/+/${i}/state` : `site/${i}/#`;
    topics.split(tables.input, put(filter, tables.input));
    if (subscriptions.add(1, topics.ensure()) === 0) throw new Error("no room for a subscription");
  }
  const names = 1024;
  const lengths = new Uint16Array(names);
  for (let i = 0; i < names; i++) {
    lengths[i] = put(name(Math.floor((i * 7919) % count)), tables.input + 64 * i);
  }
  let found = 0;
  const nanoseconds = timed(seconds, now, () => {
    for (let i = 0; i < names; i++) {
      topics.split(tables.input + 64 * i, lengths[i]);
      topics.match(false);
      found += topics.matchCount;
    }
    return names;
  });
  if (found === 0) throw new Error("nothing matched");
  return nanoseconds;
}

const measurements: Record<string, (seconds: number) => number> = {
  "decode PUBLISH QoS 0": (s) => decode(s, publishes(BATCH, 0, SMALL, oneTopic), BATCH),
  "decode PUBLISH QoS 1": (s) => decode(s, publishes(BATCH, 1, SMALL, oneTopic), BATCH),
  "decode PUBLISH QoS 0, 1 KB": (s) => decode(s, publishes(60, 0, LARGE, oneTopic), 60),
  "decode PUBACK": (s) => {
    const ids = Array.from({ length: BATCH }, (_, i) => packets.puback(i + 1));
    return decode(s, Uint8Array.from(ids.flat()), BATCH);
  },
  "route QoS 0 to nobody": (s) => deliver(s, 0, 0),
  "route QoS 0 to 1": (s) => deliver(s, 0, 1),
  "route QoS 0 to 1, 200 topics": (s) => deliver(s, 0, 1, SMALL, (i) => `site/lab/${1000 + i}/temperature`),
  "route QoS 0 to 1, 1 KB": (s) => deliver(s, 0, 1, LARGE),
  "route QoS 0 to 10": (s) => deliver(s, 0, 10),
  "round trip QoS 1": (s) => deliver(s, 1, 1),
  "round trip QoS 1 to 10": (s) => deliver(s, 1, 10),
  "round trip QoS 2": (s) => deliver(s, 2, 1),
  "match among 10": (s) => match(s, 10),
  "match among 1,000": (s) => match(s, 1000),
  "match among 100,000": (s) => match(s, 100_000),
};

const [seconds, ...only] = process.argv.slice(2);
const times: Record<string, number> = {};
for (const name of choose(Object.keys(measurements), only)) times[name] = measurements[name](Number(seconds));
console.log(JSON.stringify(times));
