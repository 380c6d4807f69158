// The replay of retained messages against a naive filter over the retained set, in small steps, while retained messages
// come and go, topics vanish under its position, and subscriptions are made again midway.

import { ok, strictEqual } from "node:assert/strict"; // where `expect` would take most of the time
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { appendSubscription, removeSubscription } from "../../src/broker/filters";
import { NONE } from "../../src/memory/layout";
import { type Limits, presets } from "../../src/memory/limits";
import { Replay } from "../../src/session/replay";
import { startBroker } from "../support/broker";
import type { TestClient } from "../support/harness";
import { connect, PUBLISH, property, puback, publish, readPublish, subscribe } from "../support/packets";
import { Random, runs, seeds } from "../support/random";
import { filterMatches, filtersOf, topicsOf } from "../support/topic-filter";

const limits: Limits = {
  ...presets.esp32,
  subscriptions: 64,
  topicNodes: 900,
  topicLabels: 300,
  labelBytes: 9600,
  retained: 400,
  payloadBytes: 65_536,
};

const names = topicsOf(["a", "b", "", "$x", "c"], 3);
const filters = filtersOf(["a", "b", "", "$x"], 3);

/** What a subscription is still owed, by Topic Name: the payload that was retained when it was made. */
interface Owed {
  filter: string;
  row: number;
  due: Map<string, string>;
}

/** A broker whose retained messages a client changes, and sessions without connection whose replay the test drives. */
class Rig {
  readonly harness = startBroker({ limits });
  readonly core = this.harness.core;
  readonly publisher = this.harness.client();
  readonly retained = new Map<string, string>();
  /** By session, then by Subscription Identifier. */
  readonly owed = new Map<number, Map<number, Owed>>();
  #version = 0;
  #identifier = 0;

  constructor() {
    this.publisher.send(connect({ level: 4, id: "publisher" }));
  }

  retain(name: string, keep: boolean): void {
    const payload = keep ? `${++this.#version}` : "";
    this.publisher.send(publish({ level: 4, topic: name, payload, retain: true }));
    if (keep) this.retained.set(name, payload);
    else this.retained.delete(name);
    for (const all of this.owed.values()) for (const { due } of all.values()) due.delete(name); // it went live
  }

  #write(text: string): number {
    const bytes = new TextEncoder().encode(text);
    this.core.layout.u8.set(bytes, this.core.tables.input);
    return bytes.length;
  }

  session(id: string): number {
    const { sessions, tables } = this.core;
    const session = sessions.add(tables.input, this.#write(id));
    this.owed.set(session, new Map());
    return session;
  }

  subscribe(session: number, filter: string): void {
    const { topics, subscriptions, tables } = this.core;
    topics.split(tables.input, this.#write(filter));
    const row = subscriptions.add(session, topics.ensure());
    appendSubscription(this.core, session, row);
    this.#begin(session, row, filter);
  }

  #begin(session: number, row: number, filter: string): void {
    const { subscriptions, router } = this.core;
    const identifier = ++this.#identifier;
    subscriptions.set(row, 2, identifier);
    this.core.replayer.begin(session, row, router.nextEpoch());
    const due = new Map([...this.retained].filter(([name]) => filterMatches(filter, name)));
    this.owed.get(session)!.set(identifier, { filter, row, due });
  }

  resubscribe(session: number, identifier: number): void {
    const all = this.owed.get(session)!;
    const { filter, row } = all.get(identifier)!;
    this.core.replayer.reset(session, row);
    all.delete(identifier);
    this.#begin(session, row, filter);
  }

  unsubscribe(session: number, identifier: number): void {
    const all = this.owed.get(session)!;
    removeSubscription(this.core, session, all.get(identifier)!.row);
    all.delete(identifier);
  }

  /** One step of the replay; what it finds must be owed. */
  next(session: number): Replay {
    const { replayer, outbox, messages, layout, tables } = this.core;
    const step = replayer.next(session, 0, 0);
    const row = outbox.firstUnsent(session);
    strictEqual(row !== NONE, step === Replay.Found);
    if (step !== Replay.Found) return step;
    const message = outbox.message(row);
    const nameLength = messages.topicLength(message);
    messages.copyTopic(message, tables.input);
    messages.copyBody(message, 0, tables.input + nameLength, messages.bodyLength(message));
    const bytes = Buffer.from(layout.u8.slice(tables.input, tables.input + nameLength + messages.bodyLength(message)));
    const name = bytes.toString("utf8", 0, nameLength);
    const { filter, due } = this.owed.get(session)!.get(outbox.identifier(row))!;
    strictEqual(bytes.toString("utf8", nameLength), due.get(name), `${filter} gets ${name}`);
    due.delete(name);
    outbox.removeFirstUnsent(session);
    return step;
  }

  /** Everything that is owed comes. */
  drain(session: number): void {
    for (let steps = 0; this.next(session) !== Replay.Done; steps++) ok(steps < 100_000, "the replay ends");
    for (const { filter, due } of this.owed.get(session)!.values()) strictEqual([...due].join(), "", filter);
  }

  /** All is given back when subscriptions and retained messages are gone. */
  end(): void {
    const { core, owed } = this;
    for (const [session, all] of owed) {
      for (const identifier of [...all.keys()]) this.unsubscribe(session, identifier);
      core.sessions.remove(session);
    }
    for (const name of [...this.retained.keys()]) this.retain(name, false);
    strictEqual(core.topics.pool.free, core.topics.pool.capacity - 1);
    strictEqual(core.topics.labels.pool.free, core.topics.labels.pool.capacity - 2);
    strictEqual(core.messages.pool.free, core.messages.pool.capacity);
    strictEqual(core.blocks.pool.free, core.blocks.pool.capacity);
  }
}

describe("replay", () => {
  test("of a still tree: each small filter gets what it matches, once", () => {
    const rig = new Rig();
    for (const name of names) rig.retain(name, true);
    const session = rig.session("s");
    for (const filter of filters) {
      rig.subscribe(session, filter);
      rig.drain(session);
      for (const identifier of [...rig.owed.get(session)!.keys()]) rig.unsubscribe(session, identifier);
    }
    rig.end();
  });

  test("of a tree that changes", () => {
    const share = fc.integer({ min: 1, max: 60 });
    fc.assert(
      fc.property(seeds, share, fc.integer({ min: 0, max: 12 }), (seed, most, pace) => {
        const random = new Random(seed);
        const rig = new Rig();
        const some = Array.from({ length: most }, () => random.pick(names));
        const sessions = ["s", "t"].map((id) => rig.session(id));
        for (const name of some) if (random.chance(2)) rig.retain(name, true);
        for (let turn = 0; turn < 150; turn++) {
          const session = random.pick(sessions);
          const known = [...rig.owed.get(session)!.keys()];
          switch (random.below(8)) {
            case 0:
            case 1:
              rig.retain(random.pick(some), true);
              break;
            case 2:
            case 3:
              rig.retain(random.pick(some), false);
              break;
            case 4:
              if (known.length < 4) {
                const filter = random.pick(filters);
                const all = [...rig.owed.get(session)!.values()];
                if (!all.some((it) => it.filter === filter)) rig.subscribe(session, filter);
              }
              break;
            case 5:
              if (known.length > 0 && random.chance(3)) rig.resubscribe(session, random.pick(known));
              break;
            case 6:
              if (known.length > 0 && random.chance(3)) rig.unsubscribe(session, random.pick(known));
              break;
            default:
              for (let step = 0; step <= pace; step++) rig.next(session);
          }
        }
        for (const session of sessions) rig.drain(session);
        rig.end();
      }),
      runs(100),
    );
  });

  test("goes on when the topic it rests on, and all before it, are cleared", () => {
    for (const filter of ["#", "+/+", "a/#", "a/+/#", "+/b/+"]) {
      const rig = new Rig();
      const some = names.filter((name) => name.startsWith("a") || name.startsWith("b"));
      for (const name of some) rig.retain(name, true);
      const session = rig.session("s");
      rig.subscribe(session, filter);
      const [owed] = rig.owed.get(session)!.values();
      for (;;) {
        const before = new Set(owed.due.keys());
        const step = rig.next(session);
        if (step === Replay.Done) break;
        const found = [...before].find((name) => !owed.due.has(name));
        if (found !== undefined) rig.retain(found, false);
      }
      expect(owed.due.size).toBe(0);
      rig.end();
    }
  });

  test("rests on a topic that nothing else holds", () => {
    const rig = new Rig();
    for (const name of ["a/b/c", "a/b", "a"]) rig.retain(name, true);
    const session = rig.session("s");
    rig.subscribe(session, "#");
    expect(rig.next(session)).toBe(Replay.Found);
    expect(rig.next(session)).toBe(Replay.Found);
    for (const name of ["a/b/c", "a/b", "a"]) rig.retain(name, false);
    rig.retain("b", true); // may be given the memory of what is gone
    rig.drain(session);
    rig.end();
  });

  test("waits while no delivery is free", () => {
    const rig = new Rig();
    const { outbox } = rig.core;
    rig.retain("a", true);
    const session = rig.session("s");
    rig.subscribe(session, "#");
    const taken: number[] = [];
    for (let row = outbox.pool.take(); row !== NONE; row = outbox.pool.take()) taken.push(row);
    expect(rig.next(session)).toBe(Replay.Again);
    for (const row of taken) outbox.pool.give(row);
    rig.drain(session);
    rig.end();
  });
});

describe("through the broker", () => {
  const all = Array.from({ length: 40 }, (_, i) => `t/${i}`);

  function start(downBytes: number, qos = 0): { harness: ReturnType<typeof startBroker>; client: () => TestClient } {
    const harness = startBroker({ limits, downBytes });
    const publisher = harness.client();
    publisher.send(connect({ level: 4, id: "p" }));
    for (const name of all) publisher.send(publish({ level: 4, topic: name, payload: "x", retain: true, qos }));
    return { harness, client: () => harness.client() };
  }

  const topicsIn = (packets: Uint8Array[]): string[] =>
    packets.filter((it) => it[0] >> 4 === PUBLISH).map((it) => readPublish(5, it).topic);

  test("a client that acknowledges little by little, and comes back midway, gets each once", () => {
    const { client } = start(96, 1);
    const hello = connect({ level: 5, id: "c", clean: false, properties: property.sessionExpiry(100) });
    const topics: string[] = [];
    let unacknowledged: number[] = [];
    const read = (from: TestClient): void => {
      for (const bytes of from.receive()) {
        if (bytes[0] >> 4 !== PUBLISH) continue;
        const { id, topic, retain, dup } = readPublish(5, bytes);
        expect(retain).toBe(true);
        if (!dup) topics.push(topic);
        unacknowledged.push(id);
      }
    };
    const first = client();
    first.send(hello, subscribe(5, 1, [["t/+", 1]]));
    for (let turn = 0; turn < 4; turn++) {
      read(first);
      expect(unacknowledged.length).toBe(limits.inflightPerSession);
      first.send(...unacknowledged.splice(0, 3).map((id) => puback(id)));
    }
    read(first);
    expect(topics.length).toBe(limits.inflightPerSession + 12);
    first.reset();

    const second = client();
    unacknowledged = [];
    second.send(hello);
    for (read(second); unacknowledged.length > 0; read(second)) second.send(puback(unacknowledged.shift()!));
    expect(topics.length).toBe(all.length);
    expect([...topics].sort()).toEqual([...all].sort());
  });

  test.each([1, 2])("a subscription that is made again with Retain Handling %i loses nothing", (handling) => {
    const { client } = start(160);
    const receiver = client();
    receiver.send(connect({ level: 5, id: "c" }));
    receiver.receive();
    receiver.stalled = true;
    receiver.send(subscribe(5, 1, [["t/+", 0]]));
    receiver.send(subscribe(5, 2, [["t/+", handling << 4]])); // [MQTT-3.8.4-4]
    receiver.stalled = false;
    expect(topicsIn(receiver.receive()).sort()).toEqual([...all].sort());
  });

  test("an old retained message is replayed, whatever the number of subscriptions since", () => {
    const { harness, client } = start(65_536);
    const { router } = harness.core;
    for (let eighth = 1; eighth < 10; eighth++) {
      router.epoch = (router.epoch + 2 ** 29) | 0; // as many were made
      harness.advance(120_000);
      const receiver = client();
      receiver.send(connect({ level: 5, id: "c", keepAlive: 0 }), subscribe(5, 1, [["t/+", 0]]));
      expect(topicsIn(receiver.receive()).length).toBe(all.length);
      receiver.reset();
    }
  });
});
