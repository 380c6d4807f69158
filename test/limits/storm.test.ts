// Everything at once: clients of all versions do what they like at tiny limits, in any pieces, reading or not, and the
// memory is audited after each thing they do. A failure names its seed; MIDGE_LONG tries more of them.

import { describe, expect, test } from "vitest";
import { audit } from "../../sim/audit";
import { presets } from "../../src/index";
import type { Limits, Overflow } from "../../src/memory/limits";
import {
  type Bytes,
  disconnect,
  type Level,
  PUBLISH,
  PUBREC,
  PUBREL,
  pingreq,
  property,
  puback,
  pubcomp,
  publish,
  pubrec,
  pubrel,
  readAcknowledgement,
  readPublish,
  subscribe,
  unsubscribe,
} from "../support/packets";
import { Random } from "../support/random";
import type { Guest } from "./guest";
import { persistent, Scene } from "./scene";

const seeds = Number(process.env.MIDGE_LONG) === 1 ? 1500 : 60;
const STEPS = 150;

const levels: readonly Level[] = [3, 4, 5];
const topics = ["a", "b", "a/b", "b/a", "c/d/e", "a/+", "$x/y", "1/2/3/4/5/6/7", "long".repeat(17)];
const filters = [
  "a",
  "#",
  "+",
  "a/#",
  "+/b",
  "a/b",
  "c/+/e",
  "c/d/e/#",
  "b",
  "b/a",
  "1/2/3/4/5/6/7",
  "wide".repeat(17),
];
const ids = ["x", "y", "z", "u", "v", "w"];

class Storm {
  readonly scene: Scene;
  private readonly random: Random;
  private guests: Guest[] = [];

  constructor(seed: number) {
    this.random = new Random(seed);
    const { random } = this;
    const limits: Partial<Limits> = {
      sessionOverflow: random.pick<Overflow>(["drop-newest", "drop-oldest", "latest-per-topic", "disconnect"]),
      refuse311: random.pick(["close", "acknowledge"]),
      connections: 4 + random.below(4),
      sessions: 7,
      holdMilliseconds: random.pick([0, 100, 300, 3000]),
      messages: 2 + random.below(8),
      deliveries: 6 + random.below(10),
      subscriptionIdentifiers: random.below(4),
      topicNodes: 6 + random.below(12),
      topicLabels: 4 + random.below(10),
      retained: random.below(4),
      receiveShared: random.below(3),
      queuePerSession: 3 + random.below(4),
      inflightPerSession: 1 + random.below(3),
      receiveMaximum: 1 + random.below(3),
      subscriptions: 3 + random.below(10),
      subscriptionsPerSession: 1 + random.below(3),
      filtersPerSubscribe: 1 + random.below(8),
      topicBytes: random.pick([3, 16, 64]),
      topicLevels: 1 + random.below(6),
      labelBytes: 16 + random.below(200),
      inputBytes: 64 + random.below(70),
      outputBytes: 87 + random.below(50),
      connectionsPerStep: 1 + random.below(3),
      packetsPerTurn: 1 + random.below(4),
      stallMilliseconds: random.pick([50, 200, 5000]),
    };
    const isTight = random.below(2) === 0;
    this.scene = new Scene({
      limits,
      transport: { readAhead: !isTight, upBytes: 64 + random.below(300), downBytes: 64 + random.below(100) },
    });
  }

  run(): void {
    for (let step = 0; step < STEPS; step++) {
      this.step();
      audit(this.scene.broker);
    }
    this.scene.finish();
  }

  private step(): void {
    const { random, scene } = this;
    this.guests = this.guests.filter((guest) => !guest.isClosed && !guest.client.stream.broken);
    const kind = random.below(20);
    if (kind === 0 || this.guests.length === 0) return this.open();
    if (kind === 1) return scene.advance(random.pick([10, 100, 400, 2500, 61_000]));
    const guest = random.pick(this.guests);
    if (kind === 2) guest.client.stalled = !guest.client.stalled;
    else if (kind === 3 && random.below(4) === 0) guest.client.reset();
    else if (kind === 4 && random.below(6) === 0) guest.client.end();
    else if (kind < 9) this.answer(guest);
    else this.send(guest, this.packet(guest));
  }

  private open(): void {
    const { random, scene } = this;
    const guest = scene.open(random.pick(levels), random.pick(ids));
    this.guests.push(guest);
    if (random.below(8) === 0) return;
    const { level } = guest;
    const will = {
      topic: random.pick(topics.slice(0, 5)),
      payload: "w".repeat(random.below(60)),
      qos: random.below(3),
      retain: random.below(2) === 0,
      properties: random.below(2) === 0 ? property.willDelay(random.below(5)) : [],
    };
    const options = random.below(2) === 0 ? persistent(level) : {};
    guest.asks({ ...options, ...(random.below(3) === 0 && { will }), keepAlive: random.pick([0, 10, 60]) });
  }

  /** In one piece or in several, or not to its end. */
  private send(guest: Guest, bytes: Bytes): void {
    const { random, scene } = this;
    if (guest.client.stream.ended) return;
    if (random.below(3) > 0) return guest.send(bytes);
    const most = random.below(6) === 0 ? random.below(bytes.length) : bytes.length;
    for (let at = 0; at < most; ) {
      const count = Math.min(1 + random.below(20), most - at);
      guest.send(bytes.slice(at, at + count));
      audit(scene.broker);
      at += count;
    }
  }

  private packet(guest: Guest): Bytes {
    const { random } = this;
    const { level } = guest;
    const id = 1 + random.below(6);
    switch (random.below(12)) {
      case 0:
        return pingreq();
      case 1:
        return random.below(4) === 0 ? disconnect() : pingreq();
      case 2:
        return unsubscribe(level, id, this.list(filters));
      case 3:
      case 4:
        return subscribe(
          level,
          id,
          this.list(filters).map((filter) => [filter, random.below(3)] as const),
          random.below(2) === 0 ? property.subscriptionIdentifier(1 + random.below(5)) : [],
        );
      case 5:
        return random.pick([puback, pubrec, pubrel, pubcomp])(id);
      case 6:
        return random.below(5) === 0 ? [random.below(256), random.below(20), ...this.bytes(20)] : pingreq();
      default: {
        const isLong = random.below(4) === 0;
        return publish({
          level,
          topic: random.pick(
            random.below(10) === 0 ? topics.filter((topic) => !topic.includes("+")) : topics.slice(0, 5),
          ),
          qos: random.below(3),
          id,
          retain: random.below(3) === 0,
          payload: "p".repeat(random.below(isLong ? 260 : 30)),
          properties: random.below(4) === 0 ? property.messageExpiry(1 + random.below(3)) : [],
        });
      }
    }
  }

  private list<T>(all: readonly T[]): T[] {
    return Array.from({ length: 1 + this.random.below(4) }, () => this.random.pick(all));
  }

  private bytes(count: number): number[] {
    return Array.from({ length: count }, () => this.random.below(256));
  }

  /** Answers what came, as one should. */
  private answer(guest: Guest): void {
    if (guest.client.stream.ended) return;
    for (const packet of guest.received()) {
      const type = packet[0] >> 4;
      if (type === PUBLISH) guest.answer(readPublish(guest.level, packet));
      if (type === PUBREC) guest.send(pubrel(readAcknowledgement(guest.level, PUBREC, packet).id));
      if (type === PUBREL) guest.send(pubcomp(readAcknowledgement(guest.level, PUBREL, packet).id));
    }
  }
}

describe("a storm leaves the memory whole", () => {
  for (let seed = 1; seed <= seeds; seed++) test(`seed ${seed}`, () => new Storm(seed).run());

  test("and is one: most limits are reached", () => {
    const said = new Set<string>();
    for (let seed = 1; seed <= 40; seed++) {
      const storm = new Storm(seed);
      storm.run();
      for (const line of storm.scene.trouble()) said.add(line.replace(/ \S* /, " "));
    }
    for (const limit of ["connections", "messages", "deliveries", "retained", "topicNodes", "topicLabels"]) {
      expect(
        [...said].some((line) => line.endsWith(limit)),
        limit,
      ).toBe(true);
    }
    expect(presets.tiny.connections).toBe(4);
  });
});
