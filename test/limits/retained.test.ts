// Retained messages, and the topic nodes and labels that their names need.

import { describe, expect } from "vitest";
import { ReasonCode } from "../../src/index";
import type { Limits } from "../../src/memory/limits";
import { type Level, PUBLISH, publish, readPublish, unsubscribe } from "../support/packets";
import type { Guest } from "./guest";
import { type Case, rule, type Scene } from "./scene";

interface Shortage {
  limit: "retained" | "topicNodes" | "topicLabels" | "labelBytes";
  limits: Partial<Limits>;
  /** Topics with a retained message, and one for which there is no room then. */
  names: readonly string[];
  more: string;
}

const long = "abcdefghijklmnopqrstuvwxyz0123456";
const shortages: readonly Shortage[] = [
  { limit: "retained", limits: {}, names: ["a", "b", "c"], more: "d" },
  // The receiver's filter is a node too; its label is there from the start.
  { limit: "topicNodes", limits: { topicNodes: 4, retained: 9 }, names: ["a", "b", "c"], more: "d" },
  { limit: "topicNodes", limits: { topicNodes: 5, retained: 9 }, names: ["a", "b/c/d"], more: "b/c/a" },
  { limit: "topicLabels", limits: { topicLabels: 3, retained: 9 }, names: ["a", "b", "c"], more: "d" },
  { limit: "topicLabels", limits: { topicLabels: 3, retained: 9 }, names: ["a", "b", "a/b/c"], more: "a/b/d" },
  { limit: "labelBytes", limits: { labelBytes: 48, retained: 9 }, names: ["a", "b", "c"], more: "d" },
  { limit: "labelBytes", limits: { labelBytes: 48, retained: 9 }, names: ["a"], more: long },
];

/** Retained messages on all names, and a receiver of everything that has taken them. */
function fill(scene: Scene, level: Level, shortage: Shortage): { publisher: Guest; receiver: Guest } {
  const receiver = scene.join(level, "receiver");
  receiver.subscribe("#", 2);
  const publisher = scene.joinForLong(level, "p");
  for (const name of shortage.names) publisher.tells(name, { qos: 1, retain: true, payload: name }, [0]);
  expect(receiver.payloads()).toEqual(shortage.names);
  scene.said();
  scene.audit();
  return { publisher, receiver };
}

/** What a new subscription to everything gets. */
function kept(scene: Scene, level: Level): string[] {
  const late = scene.join(level, "late");
  const id = late.newId();
  late.send([0x82, level === 5 ? 7 : 6, 0, id, ...(level === 5 ? [0] : []), 0, 1, 0x23, 1]);
  late.next("SUBACK");
  const names = late.takes().map((it) => `${it.topic}=${it.payload}`);
  late.leaves();
  return names.sort();
}

const retained = (names: readonly string[]): string[] => names.map((name) => `${name}=${name}`).sort();

for (const shortage of shortages) {
  const { limit, limits, names, more } = shortage;
  const qos = [1, 2] as const;

  describe(`${limit}, for ${more} beside ${names.join(", ")}`, () => {
    rule("a new retained message is refused, and nothing is done", { limits, qos, modes: true }, (scene, it) => {
      const { level } = it;
      const { publisher, receiver } = fill(scene, level, shortage);
      const id = publisher.publish(more, { qos: it.qos, retain: true, payload: "more" });
      scene.advance(scene.limits.holdMilliseconds + 400);
      const lines = refusal(scene, it, publisher, id, limit);
      scene.audit();
      const isLive = level !== 5 && scene.limits.refuse311 === "acknowledge";
      expect(receiver.payloads()).toEqual(isLive ? ["more"] : []);
      scene.saidBesidesHolds(...lines);
      expect(kept(scene, level)).toEqual(retained(names));
    });

    rule("at QoS 0 it is delivered live, not kept, and counted", { limits }, (scene, { level }) => {
      const { publisher, receiver } = fill(scene, level, shortage);
      for (let i = 0; i < 3; i++) {
        publisher.tells(more, { retain: true, payload: `${i}` });
        expect(receiver.payloads()).toEqual([`${i}`]);
        scene.said(`retainRefused p ${limit}`);
        scene.audit();
      }
      expect(kept(scene, level)).toEqual(retained(names));
    });

    rule("a retained message can be replaced", { limits, qos: [0, 1, 2] }, (scene, { level, qos }) => {
      const { publisher, receiver } = fill(scene, level, shortage);
      for (let round = 0; round < 4; round++) {
        for (const name of names) {
          publisher.tells(name, { qos, retain: true, payload: `${name}${round}` }, [0]);
          expect(receiver.payloads()).toEqual([`${name}${round}`]);
          scene.audit();
        }
      }
      scene.said();
      expect(kept(scene, level)).toEqual(names.map((name) => `${name}=${name}3`).sort());
    });

    rule("when one is cleared there is room for another", { limits, qos: [0, 1, 2] }, (scene, { level, qos }) => {
      const { publisher, receiver } = fill(scene, level, shortage);
      // All of one name is given back.
      for (const name of names) publisher.tells(name, { qos, retain: true }, [0]);
      receiver.takes();
      scene.audit();
      expect(scene.broker.router.retainedCount).toBe(0);
      publisher.tells(more, { qos, retain: true, payload: more }, [0]);
      expect(receiver.payloads()).toEqual([more]);
      scene.said();
      expect(kept(scene, level)).toEqual(retained([more]));
    });

    rule("room in time ends the hold", { limits, qos }, (scene, it) => {
      const { publisher, receiver } = fill(scene, it.level, shortage);
      const id = publisher.publish(more, { qos: it.qos, retain: true, payload: more });
      publisher.silent();
      scene.said("held p room");
      receiver.quiet();
      scene.advance(scene.limits.holdMilliseconds - 100);
      const other = scene.join(it.level, "other");
      for (const name of names) other.tells(name, { retain: true });
      other.leaves();
      receiver.takes();
      publisher.acknowledged(it.qos, id, [0]);
      scene.said();
      scene.audit();
      expect(kept(scene, it.level)).toEqual(retained([more]));
    });
  });
}

/** What a refused PUBLISH is told; returns what the log says of it. */
function refusal(scene: Scene, { level, qos }: Case, publisher: Guest, id: number, limit: string): string[] {
  if (level === 5) {
    publisher.acknowledged(qos, id, [ReasonCode.QuotaExceeded]);
    publisher.quiet();
    return [`publishRefused p ${limit}`];
  }
  if (scene.limits.refuse311 === "close") {
    publisher.closed();
    return [`publishRefused p ${limit}`, "disconnected p 0x97"];
  }
  publisher.acknowledged(qos, id);
  publisher.quiet();
  // It was delivered, and only not kept.
  return [`retainRefused p ${limit}`];
}

describe("clearing a retained message always works", () => {
  const exhaustions: readonly { what: string; limits: Partial<Limits>; payloads: readonly string[] }[] = [
    { what: "deliveries", limits: { deliveries: 6, messages: 9 }, payloads: [..."123456"] },
    { what: "messages", limits: { messages: 2, retained: 1, queuePerSession: 8 }, payloads: [..."12345678"] },
    {
      what: "blocks",
      limits: {},
      payloads: ["1".repeat(210), "2".repeat(210), "3".repeat(210), "4".repeat(60), "5", "6"],
    },
  ];

  for (const { what, limits, payloads } of exhaustions) {
    rule(`without ${what}, where nobody would get it`, { limits, qos: [0, 1, 2] }, (scene, { level, qos }) => {
      scene.absent(level, "away", "fill");
      const filler = scene.join(level, "filler");
      filler.tells("kept", { qos: 1, retain: true, payload: "kept" });
      for (const payload of payloads) {
        const id = filler.publish("fill", { qos: 1, payload });
        if (scene.trouble().length > 0) break;
        filler.acknowledged(1, id, [0]);
      }
      filler.vanishes();
      scene.advance(scene.limits.holdMilliseconds + 400);
      scene.trouble();
      const publisher = scene.join(level, "p");
      const id = publisher.publish("kept", { qos, retain: true });
      scene.advance(scene.limits.holdMilliseconds + 400);
      publisher.acknowledged(qos, id);
      publisher.quiet();
      scene.saidBesidesHolds();
      expect(scene.broker.router.retainedCount).toBe(0);
      scene.audit();
    });
  }

  rule("without blocks and in pieces; of several at once the first", { qos: [1, 2] }, (scene, { level, qos }) => {
    scene.absent(level, "away", "fill");
    const filler = scene.join(level, "filler");
    for (const topic of ["r1", "r2"]) filler.tells(topic, { qos: 1, retain: true, payload: "kept" });
    for (const length of [210, 210, 210, 40]) filler.tells("fill", { qos: 1, payload: "x".repeat(length) }, [0]);
    for (let i = 0; i < 2; i++) filler.publish("fill", { qos: 1 });
    filler.vanishes();
    scene.advance(scene.limits.holdMilliseconds + 400);
    scene.trouble();
    const [first, second] = ["first", "p"].map((name) => scene.join(level, name));
    const packets = ["r1", "r2"].map((topic) => publish({ level, topic, qos, id: 1, retain: true }));
    first.send(packets[0].slice(0, -1));
    scene.advance(scene.limits.holdMilliseconds + 400);
    second.send(packets[1].slice(0, -1));
    scene.advance(scene.limits.holdMilliseconds + 400);
    second.send(packets[1].slice(-1));
    expect(scene.broker.router.retainedCount).toBe(2);
    first.send(packets[0].slice(-1));
    first.acknowledged(qos, 1);
    first.quiet();
    expect(scene.broker.router.retainedCount).toBe(1);
    expect(scene.trouble()).toContain("publishRefused p payloadBytes");
  });

  rule("and what is cleared twice is cleared", { qos: [0, 1, 2] }, (scene, { level, qos }) => {
    const publisher = scene.join(level, "p");
    publisher.tells("r", { qos, retain: true, payload: "r" });
    for (let i = 0; i < 3; i++) publisher.tells("r", { qos, retain: true });
    publisher.tells("never", { qos, retain: true });
    expect(scene.broker.router.retainedCount).toBe(0);
    scene.said();
  });
});

describe("what gives way to a new message may have the only node of its name", () => {
  // A retained message that is cleared or replaced keeps its name's node while it waits in a queue. When the queue drops
  // it for a new retained message, nodes and labels go that the new one was about to use.
  for (const sessionOverflow of ["drop-oldest", "latest-per-topic"] as const) {
    rule(
      `${sessionOverflow}: the new one is kept under its own name`,
      { limits: { sessionOverflow, messages: 12 } },
      (scene, it) => {
        const { level } = it;
        scene.absent(level, "away", "#");
        const publisher = scene.join(level, "p");
        publisher.tells("x/b", { qos: 1, retain: true, payload: "old" }, [0]);
        publisher.tells("x/b", { qos: 1, retain: true }, [0]);
        for (const name of ["q/1", "q/2", "q/3", "q/4"]) publisher.tells(name, { qos: 1, payload: name }, [0]);
        scene.said();
        for (const name of ["a/b", "b/x", "y/7"]) {
          publisher.tells(name, { qos: 1, retain: true, payload: name }, [0]);
          scene.audit();
        }
        const dropped = scene.trouble();
        expect(dropped).toEqual(["", "", ""].map(() => "dropped away queueFull"));
        expect(kept(scene, level)).toEqual(retained(["a/b", "b/x", "y/7"]));
      },
    );
  }
});

describe("a subscription whose retained messages are being sent", () => {
  const transport = { downBytes: 48 };
  const limits = { retained: 9 };
  const names = ["r/1", "r/2", "r/3", "r/4"];

  for (const how of ["unsubscribed", "subscribed again", "gone", "taken over"]) {
    rule(`can be ${how}`, { limits, transport }, (scene, { level }) => {
      const publisher = scene.join(level, "p");
      for (const name of names) publisher.tells(name, { qos: 1, retain: true, payload: name.repeat(10) });
      const guest = scene.joinForLong(level, "s");
      guest.client.stalled = true;
      guest.subscribeLater([["r/#", 1]]);
      scene.audit();
      if (how === "unsubscribed") guest.send(unsubscribe(level, 7, ["r/#"]));
      if (how === "subscribed again") guest.subscribeLater([["r/#", 0]]);
      if (how === "gone") guest.vanishes();
      const now = how === "taken over" || how === "gone" ? scene.joinForLong(level, "s") : guest;
      scene.audit();
      now.client.stalled = false;
      const got = new Set<string>();
      for (let packets = now.received(); packets.length > 0; packets = now.received()) {
        for (const packet of packets) {
          if (packet[0] >> 4 !== PUBLISH) continue;
          const it = readPublish(level, packet);
          got.add(it.topic);
          now.answer(it);
        }
        scene.audit();
      }
      if (how === "unsubscribed") expect(got.size).toBeLessThan(names.length);
      else expect([...got].sort()).toEqual(names);
      scene.trouble();
    });
  }
});
