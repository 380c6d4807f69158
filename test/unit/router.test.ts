// Who gets a message, how often, at which QoS, with which flags and Subscription Identifiers: random subscriptions
// against a naive oracle, through the broker.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Limits, presets } from "../../src/memory/limits";
import { startBroker } from "../support/broker";
import { type Publish, property } from "../support/packets";
import { Player } from "../support/player";
import { Random, runs, seeds } from "../support/random";
import { filterMatches, filtersOf, topicsOf } from "../support/topic-filter";

const limits: Limits = { ...presets.esp32, subscriptionIdentifiers: 96, subscriptions: 96, queuePerSession: 24 };

const names = topicsOf(["a", "b", "", "$x"], 2);
const filters = filtersOf(["a", "b", "", "$x"], 2);
const NO_LOCAL = 0x04;
const RETAIN_AS_PUBLISHED = 0x08;
const NO_REPLAY = 0x20;

interface Subscription {
  qos: number;
  noLocal: boolean;
  retainAsPublished: boolean;
  identifier: number;
}

/** What one PUBLISH is expected to say, as text. */
function say(qos: number, retain: boolean, identifiers: readonly number[]): string {
  const sorted = [...identifiers].sort((a, b) => a - b);
  return `QoS ${qos}${retain ? " retained" : ""} [${sorted.join()}]`;
}

function identifiersOf(message: Publish): number[] {
  return message.properties.filter(({ id }) => id === 0x0b).map(({ number }) => number);
}

class Receiver {
  readonly subscriptions = new Map<string, Subscription>();
  isOnline = true;
  /** What waits for it while it is away. */
  readonly waiting: string[] = [];

  constructor(readonly player: Player) {}

  /** What this session gets of a message, or undefined. */
  expected(topic: string, qos: number, retain: boolean, publisher: Receiver): string | undefined {
    const matching = [...this.subscriptions].filter(([filter, it]) => {
      if (!filterMatches(filter, topic) || (it.noLocal && publisher === this)) return false;
      return this.isOnline || (qos > 0 && it.qos > 0); // QoS 0 is not kept
    });
    if (matching.length === 0) return undefined;
    const granted = Math.max(...matching.map(([, it]) => it.qos));
    const asPublished = matching.some(([, it]) => it.retainAsPublished);
    const identifiers = matching.map(([, it]) => it.identifier).filter((identifier) => identifier > 0);
    return say(Math.min(qos, granted), retain && asPublished, identifiers);
  }

  subscribe(random: Random): void {
    const { player, subscriptions } = this;
    const five = player.level === 5;
    const filter = random.pick(filters);
    const it = {
      qos: random.below(3),
      noLocal: five && random.chance(3),
      retainAsPublished: five && random.chance(3),
      identifier: five && !random.chance(3) ? 1 + random.below(random.pick([5, 200, 20_000, 268_435_455])) : 0,
    };
    const options =
      it.qos | (it.noLocal ? NO_LOCAL : 0) | (it.retainAsPublished ? RETAIN_AS_PUBLISHED : 0) | (five ? NO_REPLAY : 0);
    player.subscribe([[filter, options]], it.identifier > 0 ? property.subscriptionIdentifier(it.identifier) : []);
    player.take(); // retained messages, before 5.0
    expect(player.others.at(-1)!.at(-1)).toBe(it.qos);
    subscriptions.set(filter, it);
  }
}

describe("a message goes to all whose subscriptions match", () => {
  test("once, with the highest QoS and all Subscription Identifiers", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = new Random(seed);
        const harness = startBroker({ limits, seed });
        const receivers = ([5, 5, 4, 5] as const).map((level, i) => {
          const expiry = property.sessionExpiry(1000);
          return new Receiver(new Player(harness, { level, id: `c${i}`, clean: false, properties: expiry }));
        });
        for (let turn = 0; turn < 60; turn++) {
          const receiver = random.pick(receivers);
          if (!receiver.isOnline) {
            if (random.chance(3)) {
              receiver.isOnline = true;
              const got = receiver.player.comeBack().take();
              expect(got.map((it) => say(it.qos, it.retain, identifiersOf(it)))).toEqual(receiver.waiting.splice(0));
            }
            continue;
          }
          if (random.chance(20)) {
            receiver.isOnline = false;
            receiver.player.lose();
            continue;
          }
          if (random.chance(3)) {
            if (receiver.subscriptions.size < 12) receiver.subscribe(random);
            continue;
          }
          const [topic, qos, retain] = [random.pick(names), random.below(3), random.chance(4)];
          const expected = receivers.map((it) => it.expected(topic, qos, retain, receiver));
          receiver.player.publish(topic, `${turn}`, qos, retain);
          receivers.forEach((it, i) => {
            const text = expected[i];
            if (!it.isOnline) {
              if (text !== undefined) it.waiting.push(text);
              return;
            }
            const got = it.player.take();
            expect(got.map((one) => say(one.qos, one.retain, identifiersOf(one)))).toEqual(text ? [text] : []);
            for (const one of got) expect([one.topic, one.payload]).toEqual([topic, `${turn}`]);
          });
          const reasons = receiver.player.reasons.splice(0);
          const nobody = receiver.player.level === 5 && expected.every((it) => it === undefined);
          expect(reasons).toEqual(qos === 0 ? [] : [nobody ? 0x10 : 0]);
        }
      }),
      runs(100),
    );
  });

  test("or a copy for each Subscription Identifier, where there is no room for several in one", () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 0, max: 3 }), (seed, subscriptionIdentifiers) => {
        const random = new Random(seed);
        const harness = startBroker({ limits: { ...limits, subscriptionIdentifiers }, seed });
        const receivers = ["a", "b"].map((id) => new Receiver(new Player(harness, { level: 5, id })));
        for (const receiver of receivers) for (let count = 0; count < 8; count++) receiver.subscribe(random);
        for (let turn = 0; turn < 10; turn++) {
          const [topic, qos, retain] = [random.pick(names), random.below(3), random.chance(4)];
          const publisher = random.pick(receivers);
          publisher.player.publish(topic, "x", qos, retain);
          for (const receiver of receivers) {
            const got = receiver.player.take();
            const expected = receiver.expected(topic, qos, retain, publisher);
            if (expected === undefined) {
              expect(got).toEqual([]);
              continue;
            }
            const highest = Math.max(...got.map((it) => it.qos)); // [MQTT-3.3.4-2]
            const anyRetained = got.some((it) => it.retain);
            expect(say(highest, anyRetained, got.flatMap(identifiersOf))).toBe(expected);
            if (got.length > 1) for (const it of got) expect(identifiersOf(it).length).toBeLessThanOrEqual(1);
          }
        }
        const { free, capacity } = harness.core.outbox.identifiers;
        expect(free).toBe(capacity);
      }),
      runs(60),
    );
  });
});
