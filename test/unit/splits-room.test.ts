// Packets in pieces while no blocks are left: what is carried of them needs room too.

import { ok, strictEqual } from "node:assert/strict";
import { describe, expect, test } from "vitest";
import { audit } from "../../sim/audit";
import type { Broker } from "../../src/broker/broker";
import { presets } from "../../src/memory/limits";
import { startBroker } from "../support/broker";
import type { Harness, TestClient } from "../support/harness";
import { connect, property, puback, publish, subscribe } from "../support/packets";
import { check } from "./splits";

describe("when no room is left", () => {
  /** Takes all blocks but those kept for CONNECT, and `leave` more: with messages that nobody acknowledges. */
  function fill(client: TestClient, other: TestClient, harness: Harness<Broker>, leave = 0): void {
    const { blocks, connectReserve } = harness.core;
    const room = (): number => blocks.available - connectReserve - leave;
    client.send(publish({ level: 5, topic: "$y/r", payload: "x", retain: true, qos: 1 }));
    client.send(subscribe(5, 1, [["in/#", 1]]));
    for (let id = 1; room() > 0; id++) {
      const size = Math.min(200, room() * blocks.blockBytes - 12);
      other.send(publish({ level: 4, topic: "in/1", payload: "p".repeat(size), qos: 1, id }));
      harness.advance(400);
      ok(id < 10);
    }
    strictEqual(room(), 0);
  }

  test.each([
    ["clearing a retained message", publish({ level: 5, topic: "$y/r", retain: true, qos: 1, id: 5 })],
    ["a message", publish({ level: 5, topic: "in/2", payload: "p".repeat(100), qos: 1, id: 5 })],
    ["a message of QoS 0", publish({ level: 5, topic: "nobody", payload: "p".repeat(40) })],
    ["a SUBSCRIBE with a long Topic Filter", subscribe(5, 5, [["f".repeat(60), 0]])],
    ["a PUBACK", puback(1)],
  ] as const)("%s", (title, bytes) => check({ title, level: 5, bytes, before: fill, wait: 600 }));

  /** Three clients at tiny limits, of which two take all blocks but `leave`. */
  function filled(leave: number, before: (client: TestClient) => void): [TestClient, Harness<Broker>] {
    const harness = startBroker();
    const [holder, other, client] = ([5, 4, 5] as const).map((level) => {
      const one = harness.client();
      one.send(connect({ level, id: `c${harness.core.connectionCount}` }));
      return one;
    });
    before(client);
    fill(holder, other, harness, leave);
    client.receive();
    return [client, harness];
  }

  test("a topic of more levels than there may be clears nothing, and harms nobody's memory", () => {
    const [client, harness] = filled(0, () => {});
    const { layout, topics, subscriptions } = harness.core;
    const end = topics.matches + presets.tiny.subscriptions + 1; // of the room for matching nodes
    const behind = (): number[] => [...layout.index.slice(end, subscriptions.pool.next + 50)];
    const before = behind();
    client.send(publish({ level: 5, topic: "/".repeat(presets.tiny.topicBytes), retain: true, qos: 1, id: 7 }));
    harness.advance(600);
    const [answer] = client.receive();
    expect(behind()).toEqual(before);
    audit(harness.core);
    expect([...answer.subarray(0, 4)]).toEqual([0x40, 3, 0, 7]);
    expect(answer[4]).toBeGreaterThanOrEqual(0x80);
  });

  test("clearing a retained message is not counted as one that could not be retained", () => {
    const [client, harness] = filled(2, (one) => {
      for (const topic of ["$y/1", "$y/2"]) one.send(publish({ level: 5, topic, payload: "x", retain: true }));
    });
    client.send(publish({ level: 5, topic: "$y/3", payload: "x", retain: true })); // one too many
    const { retainRefused } = harness.core.counters();
    expect(retainRefused).toBe(1);
    const properties = property.user("n", "v".repeat(100)); // too many for the blocks that are left
    client.send(publish({ level: 5, topic: "$y/1", retain: true, qos: 1, properties }));
    harness.advance(600);
    expect(harness.core.router.retainedCount).toBe(2);
    expect(harness.core.counters().retainRefused).toBe(1);
  });

  /** Takes all blocks; gives the client that can free some, and one more. */
  function exhaust(readAhead: boolean): { holder: TestClient; client: TestClient; harness: Harness<Broker> } {
    const harness = startBroker({ readAhead });
    const holder = harness.client();
    holder.send(connect({ level: 5, id: "holder" }));
    const publisher = harness.client();
    publisher.send(connect({ level: 4, id: "publisher" }));
    fill(holder, publisher, harness);
    publisher.reset();
    harness.client().send(connect({ level: 4, id: "will", will: { topic: "w", payload: "p".repeat(150) } }));
    const client = harness.client();
    client.send(connect({ level: 4, id: "client" }));
    strictEqual(harness.core.blocks.available, 1);
    client.receive();
    holder.receive();
    return { holder, client, harness };
  }

  test("a message that waits for a delivery is forgotten when its publisher is taken over", () => {
    const harness = startBroker({ limits: { ...presets.tiny, messages: 20 } });
    const [holder, other, publisher] = ["holder", "other", "publisher"].map((id) => {
      const client = harness.client();
      client.send(connect({ level: 4, id }), subscribe(4, 1, [[`${id}/#`, 1]]));
      return client;
    });
    const { outbox, messages, blocks } = harness.core;
    for (let id = 1; outbox.pool.free > 0 && id < 30; id++) {
      const topic = id % 2 === 0 ? "holder/x" : "other/x";
      publisher.send(publish({ level: 4, topic, payload: "x", qos: 1, id }));
      harness.advance(400);
    }
    const free = [messages.pool.free, blocks.available];
    publisher.send(publish({ level: 4, topic: "publisher/x", payload: "waits", qos: 1, id: 50 }));
    expect(messages.pool.free).toBeLessThan(free[0]);
    harness.client().send(connect({ level: 4, id: "publisher" }));
    expect(publisher.closed).toBe(true);
    audit(harness.core);
    expect([messages.pool.free, blocks.available]).toEqual(free);
    expect([holder.closed, other.closed]).toEqual([false, false]);
  });

  const long = subscribe(4, 5, [["f".repeat(60), 0]]);

  test.each([true, false])("a Topic Filter in pieces goes on when there is room (reading ahead %s)", (readAhead) => {
    const { holder, client, harness } = exhaust(readAhead);
    client.send(long.slice(0, 50));
    client.send(long.slice(50));
    client.expect();
    harness.advance(100);
    holder.send(puback(1));
    client.expect([0x90, 3, 0, 5, 0]);
  });

  test.each([true, false])(
    "a Topic Filter in pieces is refused after holdMilliseconds (reading ahead %s)",
    (readAhead) => {
      const { client, harness } = exhaust(readAhead);
      client.send(long.slice(0, 50));
      client.send(long.slice(50));
      harness.advance(presets.tiny.holdMilliseconds - 100);
      expect(client.closed).toBe(false);
      harness.advance(200);
      expect(client.closed).toBe(true);
      audit(harness.core);
    },
  );
});
