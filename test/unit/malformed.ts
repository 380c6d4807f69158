// Input that nobody should send: random bytes, and valid packets that were changed, cut short, repeated and shuffled,
// before and after CONNECT, at all levels, at tiny limits with tiny windows. Whatever comes, the core does not throw, its
// memory stays whole, everybody else is served, and the connection ends or stays usable.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { audit } from "../../sim/audit";
import { type Limits, presets } from "../../src/memory/limits";
import { startBroker } from "../support/broker";
import { bytesOf, fixtures } from "../support/fixtures";
import type { TestClient } from "../support/harness";
import { type Bytes, connect, type Level, packet, publish, subscribe, unsubscribe } from "../support/packets";
import { Player } from "../support/player";
import { runs } from "../support/random";

const { tiny } = presets;

/** Tiny limits, with enough of what all share that an attacker's sessions can't take what others need. */
const apart: Limits = {
  ...tiny,
  messages: 64,
  deliveries: 64,
  payloadBytes: 16_384,
  topicNodes: 64,
  topicLabels: 64,
  labelBytes: 4096,
  subscriptions: 24,
};

const levels: readonly Level[] = [3, 4, 5];

/** Valid packets of each level that fit into the limits' windows, as a pool to make invalid ones of. */
const valid = new Map(
  levels.map((level) => {
    const known = fixtures.filter((it) => it.level === level).map((it) => [...bytesOf(it)]);
    const own = [
      publish({ level, topic: "a/b", payload: "x", qos: 2, id: 1 }),
      publish({ level, topic: "r", payload: "x", qos: 1, id: 2, retain: true }),
      publish({ level, topic: "r", retain: true }),
      subscribe(level, 3, [
        ["#", 2],
        ["a/+", 1],
      ]),
      unsubscribe(level, 4, ["#", "a/+"]),
      connect({ level, id: "attacker", clean: false, will: { topic: "w", payload: "x", qos: 1, retain: true } }),
      connect({ level, id: "bystander" }),
      publish({ level, topic: "/".repeat(tiny.topicBytes), retain: true, qos: 1, id: 5 }),
      publish({ level, topic: "in", payload: "p".repeat(200), qos: 1, id: 6 }),
      subscribe(level, 7, [["in", 1]]),
    ];
    return [level, [...own, ...known].filter((bytes) => bytes.length < 2000)] as const;
  }),
);

type Step =
  | { kind: "bytes"; bytes: Bytes }
  | { kind: "wait"; milliseconds: number }
  | { kind: "stall"; stalled: boolean }
  | { kind: "end"; how: "end" | "reset" };

/** What an attacker does after opening a stream. */
interface Attack {
  level: Level;
  connects: boolean;
  steps: readonly Step[];
  /** Sizes of the pieces in which bytes are sent. */
  pieces: readonly number[];
}

const randomBytes: fc.Arbitrary<Bytes> = fc.array(fc.nat(255), { maxLength: 60 });

/** Random bytes behind a fixed header that is right, or nearly so. */
const randomBody = fc
  .tuple(fc.nat(15), fc.nat(15), fc.constantFrom(0, 0, 0, 1, -1), randomBytes)
  .map(([type, flags, off, body]): Bytes => {
    const bytes = packet(type, [0, 2, flags][type % 3], body);
    if (body.length < 100) bytes[1] = Math.max(0, bytes[1] + off);
    return bytes;
  });

function validOf(level: Level): fc.Arbitrary<Bytes> {
  return fc.constantFrom(...valid.get(level)!);
}

/** A valid packet with some of its bytes changed, taken out or put in. */
function mutated(level: Level): fc.Arbitrary<Bytes> {
  const change = fc.record({
    at: fc.nat(),
    nearStart: fc.boolean(),
    kind: fc.constantFrom("set", "flip", "remove", "insert", "swap"),
    byte: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff, 0x23, 0x2b, 0x2f, 0x24)),
  });
  return fc.tuple(validOf(level), fc.array(change, { minLength: 1, maxLength: 4 })).map(([bytes, changes]) => {
    const changed = [...bytes];
    for (const { at, nearStart, kind, byte } of changes) {
      if (changed.length === 0) break;
      const index = at % (nearStart ? Math.min(changed.length, 16) : changed.length);
      if (kind === "set") changed[index] = byte;
      else if (kind === "flip") changed[index] ^= 1 << (byte & 7);
      else if (kind === "remove") changed.splice(index, 1 + (byte & 3));
      else if (kind === "insert") changed.splice(index, 0, byte);
      else changed.splice(index, 2, ...changed.slice(index, index + 2).reverse());
    }
    return changed;
  });
}

function truncated(level: Level): fc.Arbitrary<Bytes> {
  return fc.tuple(validOf(level), fc.nat()).map(([bytes, at]) => bytes.slice(0, at % bytes.length));
}

function repeated(level: Level): fc.Arbitrary<Bytes> {
  return fc.tuple(validOf(level), fc.integer({ min: 2, max: 40 })).map(([bytes, count]) => {
    return Array.from({ length: Math.min(count, Math.ceil(3000 / bytes.length)) }, () => bytes).flat();
  });
}

function stepsOf(level: Level): fc.Arbitrary<Step[]> {
  const bytes = fc
    .oneof(
      { weight: 3, arbitrary: validOf(level) },
      { weight: 3, arbitrary: mutated(level) },
      { weight: 1, arbitrary: truncated(level) },
      { weight: 1, arbitrary: repeated(level) },
      { weight: 1, arbitrary: randomBytes },
      { weight: 2, arbitrary: randomBody },
    )
    .map((it): Step => ({ kind: "bytes", bytes: it }));
  const wait = fc.constantFrom(1, 150, 400, 1100, 2100).map((milliseconds): Step => ({ kind: "wait", milliseconds }));
  const stall = fc.boolean().map((stalled): Step => ({ kind: "stall", stalled }));
  const end = fc.constantFrom<Step>({ kind: "end", how: "end" }, { kind: "end", how: "reset" });
  return fc.array(
    fc.oneof(
      { weight: 12, arbitrary: bytes },
      { weight: 2, arbitrary: wait },
      { weight: 2, arbitrary: stall },
      { weight: 1, arbitrary: end },
    ),
    { minLength: 1, maxLength: 12 },
  );
}

const attack: fc.Arbitrary<Attack> = fc.constantFrom(...levels).chain((level) =>
  fc.record({
    level: fc.constant(level),
    connects: fc.integer({ min: 0, max: 3 }).map((it) => it > 0),
    steps: stepsOf(level),
    pieces: fc.array(fc.constantFrom(1, 2, 3, 7, 30, 200, 5000), { minLength: 1, maxLength: 4 }),
  }),
);

const transport = fc.record({
  readAhead: fc.boolean(),
  upBytes: fc.constantFrom(1, 5, 64, 5000),
  downBytes: fc.constantFrom(128, 200, 5000),
  seed: fc.integer(),
});

type Broker = ReturnType<typeof startBroker>;

/** More than any attack can leave unread. */
const MOST_PACKETS = 150;

/** One attacker: opens a stream, does what the attack says, and is thrown out or asked for a PINGRESP. */
function perform(harness: Broker, { level, connects, steps, pieces }: Attack): void {
  const client = harness.client();
  if (connects) client.send(connect({ level, id: "attacker", clean: false, properties: [0x11, 0, 0, 0, 100] }));
  let piece = 0;
  let isOver = false;
  for (const step of steps) {
    if (step.kind === "wait") harness.advance(step.milliseconds);
    else if (step.kind === "stall") client.stalled = step.stalled;
    else if (step.kind === "end") {
      isOver = true;
      if (step.how === "reset") client.reset();
      else client.end();
      break;
    } else {
      for (let at = 0; at < step.bytes.length; ) {
        const size = pieces[piece++ % pieces.length];
        client.send(step.bytes.slice(at, at + size));
        at += size;
      }
    }
    audit(harness.core);
  }
  settleDown(harness, client, isOver);
  harness.forget(client);
}

/** The connection has ended, or is usable: what was begun is over in time, and PINGREQ is answered. */
function settleDown(harness: Broker, client: TestClient, isOver: boolean): void {
  client.stalled = false;
  harness.advance(tiny.packetMilliseconds + tiny.holdMilliseconds + 200);
  // Each PUBLISH that still waits may be held for its time.
  if (isOver) {
    for (let left = MOST_PACKETS; client.stream.connection !== 0; left--) {
      expect(left).toBeGreaterThan(0); // its number is free again, in the end
      harness.advance(tiny.holdMilliseconds);
    }
    return;
  }
  const before = client.receive();
  if (client.stream.serverClosed) return;
  client.send([0xc0, 0]);
  const isAnswered = (): boolean => client.receive().some((it) => it[0] === 0xd0);
  for (let left = MOST_PACKETS; !isAnswered(); left--) {
    if (client.stream.serverClosed) return; // the PINGREQ was the end of something else, or was not waited for
    expect(left).toBeGreaterThan(0);
    harness.advance(tiny.holdMilliseconds);
  }
  expect(client.unsentBytes).toBe(0);
  expect(before.length).toBeGreaterThan(0); // at least the CONNACK
  client.reset();
}

/** Everybody leaves and every session expires: nothing is left but retained messages and what they need. */
function checkEmpty(harness: Broker): void {
  const { core } = harness;
  harness.dropClients();
  harness.advance((tiny.sessionExpirySeconds + 2) * 1000);
  audit(core);
  const left = Object.fromEntries(core.pools().map(({ name, capacity, free }) => [name, capacity - free]));
  expect(left).toMatchObject({
    sessions: 0,
    subscriptions: 0,
    messages: core.router.retainedCount,
    deliveries: 0,
    subscriptionIdentifiers: 0,
    receipts: 0,
    retained: core.router.retainedCount,
  });
  if (core.router.retainedCount === 0) expect(left.payloadBytes).toBe(0);
  expect(core.connectionCount).toBe(0);
  expect(core.blocks.promised).toBe(core.limits.connections);
}

/** @param count attacks in a short run. */
export function malformed(count: number): void {
  describe("malformed input", () => {
    test("does not disturb others, and the connection ends or stays usable", () => {
      fc.assert(
        fc.property(fc.array(attack, { minLength: 1, maxLength: 3 }), transport, (attacks, options) => {
          const harness = startBroker({ limits: apart, ...options });
          const bystander = new Player(harness, { level: 5, id: "bystander-1", keepAlive: 0 });
          const speaker = new Player(harness, { level: 4, id: "speaker", keepAlive: 0 });
          bystander.subscribe([["bystanders/+", 1]]);
          for (const [i, one] of attacks.entries()) {
            perform(harness, one);
            speaker.publish("bystanders/1", `${i}`, 1);
            harness.advance(700); // it may have been held for somebody who is slow
            const got = bystander.take().map(({ topic, payload }) => `${topic} ${payload}`);
            expect(got.filter((it) => it === `bystanders/1 ${i}`).length).toBe(1);
            bystander.stream.send([0xc0, 0]);
            expect(bystander.play().others.some((it) => it[0] === 0xd0)).toBe(true);
            bystander.others.length = 0;
          }
          checkEmpty(harness);
        }),
        runs(count),
      );
    });

    test("leaves nothing behind at tiny limits, and everybody can be served again", () => {
      fc.assert(
        fc.property(fc.array(attack, { minLength: 1, maxLength: 4 }), transport, (attacks, options) => {
          const harness = startBroker({ limits: tiny, ...options });
          for (const one of attacks) perform(harness, one);
          checkEmpty(harness);
          const speaker = new Player(harness, { level: 5, id: "speaker" });
          const listener = new Player(harness, { level: 5, id: "listener" });
          const isFull = harness.core.topics.pool.free < 2 || harness.core.router.retainedCount > 0;
          if (!isFull) {
            listener.subscribe([["l", 1]]);
            speaker.publish("l", "x", 1);
            expect(listener.take().map(({ payload }) => payload)).toEqual(["x"]);
          }
        }),
        runs(count),
      );
    });

    test("of several attackers at once does not throw", () => {
      fc.assert(
        fc.property(
          fc.array(attack, { minLength: 2, maxLength: 5 }),
          transport,
          fc.nat(),
          (attacks, options, start) => {
            const harness = startBroker({ limits: tiny, ...options, startMilliseconds: 2 ** 32 - (start % 5000) });
            const clients = attacks.map((it) => {
              const client = harness.client();
              if (it.connects) client.send(connect({ level: it.level, id: `c${it.level}` }));
              return client;
            });
            const longest = Math.max(...attacks.map(({ steps }) => steps.length));
            for (let i = 0; i < longest; i++) {
              for (const [one, { steps }] of attacks.entries()) {
                const step = steps[i];
                const client = clients[one];
                if (step === undefined || client.stream.ended || client.stream.broken) continue;
                if (step.kind === "bytes") client.send(step.bytes);
                else if (step.kind === "wait") harness.advance(step.milliseconds);
                else if (step.kind === "stall") client.stalled = step.stalled;
                else if (step.how === "reset") client.reset();
                else client.end();
              }
              audit(harness.core);
            }
            for (const client of clients) client.stalled = false;
            checkEmpty(harness);
          },
        ),
        runs(count),
      );
    });
  });
}
