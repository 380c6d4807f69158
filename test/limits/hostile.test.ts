// Clients that bend the rules, or only meet each other badly: nobody else may notice.

import { describe, expect, test } from "vitest";
import { presets } from "../../src/memory/limits";
import { startBroker } from "../support/broker";
import { connect, property, puback, publish, pubrel, string, subscribe, toHex } from "../support/packets";
import { Scene } from "./scene";

describe("one client does not hurt another", () => {
  test("by asking for an Authentication Method: older clients connect afterwards", () => {
    const scene = new Scene();
    scene.open(5, "bad").asks({ properties: [0x15, ...string("SCRAM")] });
    const good = scene.open(4, "good");
    good.asks();
    good.accepted();
  });

  test("by taking the shared receipts between another's fixed header and its end", () => {
    const limits = { sessions: 3, connections: 4, receiveMaximum: 1, receiveShared: 1, holdMilliseconds: 0 };
    const scene = new Scene({ limits });
    // Two of their own each, and one that all share.
    const guests = ["a", "b", "c"].map((name) => scene.join(4, name));
    for (const guest of guests) {
      for (let id = 1; id <= 2; id++) guest.send(publish({ level: 4, topic: "t", qos: 2, id, payload: "x" }));
    }
    const third = publish({ level: 4, topic: "t", qos: 2, id: 3, payload: "xyz" });
    for (const guest of guests) guest.send(third.slice(0, -1));
    expect(scene.broker.inbox.sharedFree).toBe(1);
    for (const guest of guests) guest.send(third.slice(-1));
    scene.audit();
    expect(scene.broker.inbox.sharedFree).toBe(0);
    expect(guests.map((guest) => guest.isClosed)).toEqual([false, true, true]);
    scene.trouble();
  });

  test("by taking one message after the other, just fast enough to hold every publisher", () => {
    const took = (every: number): number => {
      const limits = { ...presets.esp32, holdMilliseconds: 2000, stallMilliseconds: 1000 };
      const harness = startBroker({ limits });
      const [publisher, other, slow] = ["p", "o", "s"].map((id) => {
        const client = harness.client();
        client.send(connect({ level: 5, id }));
        return client;
      });
      other.send(subscribe(5, 1, [["t", 0]]));
      if (every > 0) slow.send(subscribe(5, 1, [["t", 1]]));
      other.receive();
      slow.receive();
      const unacknowledged: number[] = [];
      let count = 0;
      for (let ms = 0, id = 1; ms < 20_000; ms += 50) {
        for (let i = 0; i < 10 && publisher.unsentBytes < 200; i++) {
          publisher.send(publish({ level: 5, topic: "t", payload: "x", qos: 1, id: 1 + (id++ % 60_000) }));
        }
        harness.clock.milliseconds += 50;
        harness.settle();
        publisher.receive();
        count += other.receive().length;
        for (const bytes of slow.receive()) if (bytes[0] >> 4 === 3) unacknowledged.push((bytes[5] << 8) | bytes[6]);
        if (every > 0 && ms % every === 0 && unacknowledged.length > 0) slow.send(puback(unacknowledged.shift()!));
      }
      return count;
    };
    const free = took(0);
    expect(free).toBeGreaterThan(1000);
    // It may hold publishers for two seconds, until its pace is known.
    expect(took(900)).toBeGreaterThan(free * 0.8);
  });
});

test("a topic of too many levels in a PUBLISH that is refused at once touches nobody's memory", () => {
  const scene = new Scene({ limits: { holdMilliseconds: 0, messages: 40, deliveries: 40, queuePerSession: 40 } });
  scene.absent(5, "away", "fill/#");
  const guest = scene.join(5, "p");
  for (let id = 1; id <= 10; id++)
    guest.send(publish({ level: 5, topic: "fill/x", qos: 1, id, payload: "x".repeat(100) }));
  guest.received();
  const { topics } = scene.broker;
  guest.send([
    ...publish({ level: 5, topic: "a", retain: true }),
    ...publish({ level: 5, topic: "/".repeat(90), retain: true }),
  ]);
  expect(topics.levels).toBeLessThanOrEqual(scene.limits.topicLevels);
  scene.audit();
  scene.trouble();
});

describe("QoS 2", () => {
  test("a client that comes back sends PUBREL, and at once as many PUBLISH as its Receive Maximum allows", () => {
    const scene = new Scene();
    const keeping = { clean: false, properties: property.sessionExpiry(100) };
    const first = scene.join(5, "a", keeping);
    for (let id = 1; id <= 3; id++) first.send(publish({ level: 5, topic: "t", qos: 2, id, payload: "x" }));
    first.received();
    first.vanishes();
    const again = scene.open(5, "a");
    again.asks(keeping);
    again.accepted();
    const fourth = publish({ level: 5, topic: "t", qos: 2, id: 4, payload: "x" });
    again.send([...pubrel(1), ...pubrel(2), ...pubrel(3), ...fourth]);
    expect(again.received().map((bytes) => toHex(bytes).slice(0, 2))).toEqual(["70", "70", "70", "50"]);
    scene.trouble();
  });

  test("PUBREL that comes before the PUBREC could go out gets a PUBCOMP without PUBREC's Reason Code", () => {
    const scene = new Scene();
    const guest = scene.join(5, "a");
    guest.send([...publish({ level: 5, topic: "t", qos: 2, id: 1, payload: "x" }), ...pubrel(1)]);
    expect(guest.received().map(toHex)).toEqual(["70 02 00 01"]);
  });
});

describe("Maximum Packet Size [MQTT-3.1.2-24]", () => {
  test("a client that could not take our CONNACK is refused", () => {
    const scene = new Scene();
    const guest = scene.open(5, "a");
    guest.asks({ properties: property.maximumPacketSize(10) });
    expect(guest.received().map(toHex)).toEqual(["20 03 00 95 00"]);
    guest.closed();
    scene.trouble();
  });

  test("a client that could not take its SUBACK is disconnected", () => {
    const scene = new Scene();
    const guest = scene.join(5, "a", { properties: property.maximumPacketSize(20) });
    guest.send(
      subscribe(
        5,
        1,
        Array.from({ length: 15 }, () => ["x", 0] as const),
      ),
    );
    expect(guest.received()).toHaveLength(1);
    guest.send(
      subscribe(
        5,
        1,
        Array.from({ length: 16 }, () => ["x", 0] as const),
      ),
    );
    expect(guest.received().map(toHex)).toEqual(["e0 01 95"]);
    scene.audit();
    scene.trouble();
  });
});
