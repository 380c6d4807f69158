// What a packet costs: the same text on XS and on Node.
//
//   midge-xs bench.js time                 prints microseconds a packet for each case
//   midge-xs bench.js count N [CASE]       prints the name of each case between two calls of host.mark(), for callgrind
//
// Packets are made before, and come from a transport that does what a device's does and nothing else; the clients do not
// look at what they get, they know which Packet Identifiers the broker takes. So nearly all that is counted is the core.

import { Broker } from "../../src/index";
import { Blocks } from "../../src/memory/blocks";
import { Layout, NONE } from "../../src/memory/layout";
import { type Limits, presets } from "../../src/memory/limits";
import { Decoded } from "../../src/mqtt/decoded";
import { Decoder } from "../../src/mqtt/decoder";
import { Subscriptions } from "../../src/session/subscriptions";
import { Topics } from "../../src/session/topics";
import { type Case, clientCases, topic } from "./client-bench";
import { host } from "./host";
import { OnePacketTransport } from "./one-packet-transport";
import { Packet, PINGREQ, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, SUBSCRIBE, UNSUBSCRIBE } from "./packet";

const limits: Limits = { ...presets.esp32 };
const PAYLOAD = 32;

const clock = { now: () => 1, wall: () => 0 };
const log = { event: () => {} };

/** A publisher and receivers, with the packets that they send. */
class Scene {
  private readonly transport: OnePacketTransport;
  private readonly broker: Broker;
  private readonly publisher: number;
  private readonly receivers: number[] = [];
  private readonly packet = new Packet(1500);
  private readonly answer = new Packet(4);
  private id = 0;
  private answerId = 0;

  /** @param others subscriptions that each receiver has beside the one that matches. */
  constructor(readAhead: boolean, receivers: number, qos: number, others: number) {
    this.transport = new OnePacketTransport(readAhead);
    this.broker = new Broker(limits, { transport: this.transport, clock, log }, 1);
    this.publisher = this.connect(1);
    for (let n = 0; n < receivers; n++) {
      const receiver = this.connect(2 + n);
      const { packet } = this;
      packet.begin();
      packet.u16(1);
      packet.u8(0);
      topic(packet, 0, 1, 2);
      packet.u8(qos);
      for (let other = 0; other < others; other++) {
        topic(packet, 3, other / 12, other % 12);
        packet.u8(qos);
      }
      packet.finish(SUBSCRIBE, 2);
      this.send(receiver, packet);
      this.receivers.push(receiver);
    }
    this.packet.begin();
    topic(this.packet, 0, 1, 2);
    if (qos > 0) this.packet.u16(1);
    this.packet.u8(0);
    this.packet.fill(0x61, PAYLOAD);
    this.packet.finish(PUBLISH, qos << 1);
  }

  private connect(connection: number): number {
    const { packet } = this;
    this.broker.opened(connection, 0);
    packet.begin();
    packet.u16(4);
    packet.u32(0x4d515454);
    packet.u8(5);
    packet.u8(2);
    packet.u16(0);
    packet.u8(0);
    packet.beginString();
    packet.digits(connection);
    packet.endString();
    packet.finish(1, 0);
    this.send(connection, packet);
    return connection;
  }

  private send(connection: number, packet: Packet): void {
    this.transport.offer(connection, packet);
    this.broker.ready(connection);
    while (this.broker.step()) {
      // until nothing waits
    }
  }

  private acknowledge(connection: number, type: number, id: number): void {
    this.answer.acknowledgement(type, id);
    this.send(connection, this.answer);
  }

  private writeId(): void {
    const { bytes, end } = this.packet;
    this.id = this.id === 65535 ? 1 : this.id + 1;
    bytes[end - PAYLOAD - 3] = this.id >>> 8;
    bytes[end - PAYLOAD - 2] = this.id;
  }

  private nextAnswer(): number {
    this.answerId = this.answerId === 65535 ? 1 : this.answerId + 1;
    return this.answerId;
  }

  qos0(count: number): void {
    for (let i = 0; i < count; i++) this.send(this.publisher, this.packet);
  }

  qos1(count: number): void {
    const [receiver] = this.receivers;
    for (let i = 0; i < count; i++) {
      this.writeId();
      this.send(this.publisher, this.packet);
      this.acknowledge(receiver, PUBACK, this.nextAnswer());
    }
  }

  qos2(count: number): void {
    const [receiver] = this.receivers;
    for (let i = 0; i < count; i++) {
      this.writeId();
      this.send(this.publisher, this.packet);
      this.acknowledge(this.publisher, PUBREL, this.id);
      const answerId = this.nextAnswer();
      this.acknowledge(receiver, PUBREC, answerId);
      this.acknowledge(receiver, PUBCOMP, answerId);
    }
  }

  ping(count: number): void {
    this.packet.begin();
    this.packet.finish(PINGREQ, 0);
    for (let i = 0; i < count; i++) this.send(this.publisher, this.packet);
  }

  subscribe(count: number): void {
    const { packet } = this;
    for (let i = 0; i < count; i++) {
      packet.begin();
      packet.u16(1);
      packet.u8(0);
      topic(packet, 3, i >>> 1, 4);
      if ((i & 1) === 0) packet.u8(1);
      packet.finish((i & 1) === 0 ? SUBSCRIBE : UNSUBSCRIBE, 2);
      this.send(this.publisher, packet);
    }
  }
}

/** The decoder alone: a PUBLISH of QoS 0 with topic and payload, stored in blocks and given back. */
class Decoding {
  private readonly layout: Layout;
  private readonly blocks: Blocks;
  private readonly decoder: Decoder;
  private readonly input: number;
  private readonly length: number;
  private readonly exact: boolean;

  /** @param exact feed no more than the decoder asks for. */
  constructor(exact: boolean) {
    this.exact = exact;
    this.layout = new Layout(new ArrayBuffer(16384), 2);
    this.input = this.layout.area("input", 512);
    const stage = this.layout.area("stage", limits.stageBytes);
    this.blocks = new Blocks(this.layout, "blocks", 64, limits.blockBytes);
    this.decoder = new Decoder(this.layout, this.blocks, limits, stage);
    this.layout.end();
    const packet = new Packet(200);
    packet.begin();
    topic(packet, 0, 1, 2);
    packet.u8(0);
    packet.fill(0x61, PAYLOAD);
    packet.finish(PUBLISH, 0);
    this.length = packet.length;
    this.layout.u8.set(packet.bytes.subarray(packet.at, packet.end), this.input);
    this.decoder.load(1);
    this.decoder.version = 5;
  }

  run(count: number): void {
    const { blocks, decoder, exact, input, length } = this;
    for (let i = 0; i < count; i++) {
      decoder.load(1);
      decoder.version = 5;
      for (let at = 0, found = decoder.next(); found !== Decoded.Publish; found = decoder.next()) {
        if (found === Decoded.Header) {
          decoder.begin(false, blocks.blocksFor(decoder.remaining));
          continue;
        }
        const left = length - at;
        const wanted = exact && decoder.wanted < left ? decoder.wanted : left;
        decoder.feed(input + at, wanted);
        at += wanted;
      }
      decoder.finish();
      decoder.save();
    }
  }
}

/** The topic tree alone: one of 8 names against `count` subscriptions, of which three match. */
class Matching {
  private readonly topics: Topics;
  private readonly names: number[] = [];
  private readonly lengths: number[] = [];

  constructor(count: number) {
    const sizes = {
      topicNodes: 2 * count + 16,
      topicLabels: count + 32,
      labelBytes: 16 * count + 512,
      topicBytes: 64,
      topicLevels: 8,
      subscriptions: count,
    };
    const layout = new Layout(new ArrayBuffer(4096 + 128 * count), 2);
    const scratch = layout.area("names", 1024);
    this.topics = new Topics(layout, sizes, 1);
    const subscriptions = new Subscriptions(layout, count, this.topics);
    const packet = new Packet(64);
    let end = scratch;
    for (let n = 0; n < count; n++) {
      packet.begin();
      packet.word(0);
      packet.slash();
      if (n % 16 === 1) packet.u8(0x2b);
      else packet.digits(n);
      packet.slash();
      packet.word(n % 8 === 7 && n < 8 ? 1 : 2);
      if (n % 16 === 1) packet.digits(n >>> 4);
      const bytes = packet.bytes.subarray(5, packet.end);
      layout.u8.set(bytes, end);
      this.topics.split(end, bytes.length);
      const node = this.topics.ensure();
      if (node === NONE) throw new Error("no room");
      subscriptions.add(1, node);
      if (n < 8 && n % 16 !== 1) {
        this.names.push(end);
        this.lengths.push(bytes.length);
        end += bytes.length;
      }
    }
  }

  run(count: number): void {
    const { topics, names, lengths } = this;
    for (let i = 0; i < count; i++) {
      const n = i % names.length;
      topics.split(names[n], lengths[n]);
      topics.match(false);
      if (topics.matchCount === 0) throw new Error("no match");
    }
  }
}

const cases: readonly Case[] = [
  { name: "decode PUBLISH", make: () => method(new Decoding(false)) },
  { name: "decode PUBLISH, exact reads", make: () => method(new Decoding(true)) },
  { name: "match of 8 subscriptions", make: () => method(new Matching(8)) },
  { name: "match of 64 subscriptions", make: () => method(new Matching(64)) },
  { name: "match of 512 subscriptions", make: () => method(new Matching(512)) },
  { name: "PUBLISH QoS 0 to nobody", make: () => scene(0, 0, "qos0") },
  { name: "PUBLISH QoS 0 to 1", make: () => scene(1, 0, "qos0") },
  { name: "PUBLISH QoS 0 to 6", make: () => scene(6, 0, "qos0") },
  { name: "PUBLISH QoS 0 to 1 of 32 subscriptions", make: () => scene(1, 0, "qos0", false, 31) },
  { name: "PUBLISH QoS 0 to 1, reading ahead", make: () => scene(1, 0, "qos0", true) },
  { name: "QoS 1 round trip", make: () => scene(1, 1, "qos1") },
  { name: "QoS 1 round trip, reading ahead", make: () => scene(1, 1, "qos1", true) },
  { name: "QoS 2 round trip", make: () => scene(1, 2, "qos2") },
  { name: "PINGREQ", make: () => scene(0, 0, "ping") },
  { name: "SUBSCRIBE or UNSUBSCRIBE", make: () => scene(0, 0, "subscribe") },
  ...clientCases,
];

function method(subject: { run(count: number): void }): (count: number) => void {
  return (count) => subject.run(count);
}

function scene(
  receivers: number,
  qos: number,
  name: "qos0" | "qos1" | "qos2" | "ping" | "subscribe",
  readAhead = false,
  others = 0,
): (count: number) => void {
  const subject = new Scene(readAhead, receivers, qos, others);
  return (count) => subject[name](count);
}

/** The best of some runs, in microseconds a packet: the rest is the machine's. */
function time(run: (count: number) => void): number {
  const warmUp = 300;
  run(warmUp);
  const count = 1000;
  let best = Number.POSITIVE_INFINITY;
  for (let runs = 0; runs < 7; runs++) {
    const began = host.microseconds();
    run(count);
    best = Math.min(best, (host.microseconds() - began) / count);
  }
  return best;
}

function main(): void {
  const [what, count, only] = host.args;
  for (const { name, make } of cases) {
    if (only !== undefined && only !== name) continue;
    const run = make();
    if (what === "time") {
      host.print(`${time(run)} ${name}`);
      continue;
    }
    run(20);
    host.collect();
    host.mark();
    run(Number(count));
    host.mark();
    host.print(name);
  }
}

Object.assign(globalThis, { main });
