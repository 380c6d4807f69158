// Blocks, messages and deliveries, which all share: a publisher is held first, then refused; nobody gets what is refused.

import { describe, expect } from "vitest";
import { ReasonCode } from "../../src/index";
import type { Limits } from "../../src/memory/limits";
import { connect, type Level, pingreq, puback, publish, subscribe, unsubscribe } from "../support/packets";
import type { Guest, Qos } from "./guest";
import { type Case, rule, type Scene } from "./scene";

interface Resource {
  limit: "deliveries" | "messages" | "payloadBytes";
  limits: Partial<Limits>;
  /** What a message that needs the resource carries. */
  payload: string;
  /** Payloads that use it up while they wait for one session. */
  fill: readonly string[];
}

const resources: readonly Resource[] = [
  { limit: "deliveries", limits: { deliveries: 6, messages: 9 }, payload: "more", fill: [..."123456"] },
  {
    limit: "messages",
    limits: { messages: 2, retained: 0, queuePerSession: 8 },
    payload: "more",
    fill: [..."12345678"],
  },
  // A fifth of the blocks is left to CONNECT.
  {
    limit: "payloadBytes",
    limits: {},
    payload: "x".repeat(130),
    fill: ["1".repeat(210), "2".repeat(210), "3".repeat(210), "4".repeat(60)],
  },
];

/** A session that is away and for which messages wait until nothing is left. Returns what waits. */
function fill(scene: Scene, level: Level, resource: Resource): string[] {
  scene.absent(level, "away", "fill");
  return refill(scene, level, resource);
}

function refill(scene: Scene, level: Level, resource: Resource): string[] {
  const filler = scene.join(level, "filler");
  const filled: string[] = [];
  scene.trouble();
  for (const payload of resource.fill) {
    const id = filler.publish("fill", { qos: 1, payload });
    if (scene.trouble().length > 0) break; // full: it is held
    filler.acknowledged(1, id, [0]);
    filled.push(payload);
  }
  filler.vanishes();
  scene.advance(scene.limits.holdMilliseconds + 300);
  scene.trouble();
  scene.audit();
  expect(filled.length).toBeGreaterThan(0);
  return filled;
}

/** The session comes back and takes what waits for it. */
function drain(scene: Scene, level: Level, filled: readonly string[]): void {
  const back = scene.joinForLong(level, "away");
  expect(back.payloads()).toEqual(filled);
  back.leaves();
}

function receiver(scene: Scene, level: Level): Guest {
  const guest = scene.join(level, "receiver");
  guest.subscribe("t", 2);
  return guest;
}

for (const resource of resources) {
  const { limit, limits, payload } = resource;
  describe(limit, () => {
    const qos: readonly Qos[] = [0, 1, 2];

    rule("a publisher is held, and goes on when there is room in time", { limits, qos }, (scene, it) => {
      const filled = fill(scene, it.level, resource);
      const publisher = scene.join(it.level, "p");
      const to = receiver(scene, it.level);
      const id = publisher.publish("t", { qos: it.qos, payload });
      scene.advance(scene.limits.holdMilliseconds - 150);
      publisher.silent();
      scene.said("held p room");
      to.quiet();
      scene.audit();
      drain(scene, it.level, filled);
      publisher.acknowledged(it.qos, id, [0]);
      publisher.quiet();
      expect(to.payloads()).toEqual([payload]);
      scene.said();
      scene.audit();
    });

    rule("then it is refused, and nobody gets it", { limits, qos, modes: true }, (scene, it) => {
      const filled = fill(scene, it.level, resource);
      const to = receiver(scene, it.level);
      let publisher = scene.joinForLong(it.level, "p");
      for (let i = 0; i < 2; i++) {
        const id = publisher.publish("t", { qos: it.qos, payload });
        publisher.silent();
        scene.said("held p room");
        scene.advance(scene.limits.holdMilliseconds - 50);
        publisher.silent();
        scene.audit();
        scene.advance(400);
        expectRefusal(scene, it, publisher, id, limit);
        scene.audit();
        to.quiet();
        if (publisher.isClosed) publisher = scene.joinForLong(it.level, "p");
      }
      drain(scene, it.level, filled);
      publisher.tells("t", { qos: it.qos, payload }, [0]);
      expect(to.payloads()).toEqual([payload]);
      scene.said();
    });

    rule("a PUBLISH that is held is counted once", { limits, qos }, (scene, it) => {
      const filled = fill(scene, it.level, resource);
      const publisher = scene.join(it.level, "p");
      const to = receiver(scene, it.level);
      const before = scene.broker.counters();
      publisher.publish("t", { qos: it.qos, payload });
      for (let i = 0; i < 5; i++) {
        to.quiet();
        scene.advance(20);
      }
      drain(scene, it.level, filled);
      const after = scene.broker.counters();
      expect(after.publishReceived - before.publishReceived).toBe(1);
      expect(after.held - before.held).toBe(1);
      scene.trouble();
    });

    rule("without a hold it is refused at once", { limits: { ...limits, holdMilliseconds: 0 }, qos }, (scene, it) => {
      fill(scene, it.level, resource);
      const to = receiver(scene, it.level);
      const publisher = scene.join(it.level, "p");
      const id = publisher.publish("t", { qos: it.qos, payload });
      expectRefusal(scene, it, publisher, id, limit);
      to.quiet();
    });

    rule("each PUBLISH is held for holdMilliseconds, not only the first", { limits, qos: [1] }, (scene, { level }) => {
      fill(scene, level, resource);
      scene.broker.limits.refuse311 = "acknowledge";
      receiver(scene, level);
      const publisher = scene.join(level, "p");
      const code = level === 5 ? ReasonCode.QuotaExceeded : 0;
      for (let i = 0; i < 3; i++) {
        const id = publisher.publish("t", { qos: 1, payload });
        scene.advance(scene.limits.holdMilliseconds - 50);
        publisher.silent();
        scene.advance(400);
        publisher.acknowledged(1, id, [code]);
      }
    });

    rule("who goes while it is held leaves nothing behind", { limits, qos }, (scene, it) => {
      fill(scene, it.level, resource);
      const to = receiver(scene, it.level);
      for (const how of ["reset", "end", "taken over"]) {
        const publisher = scene.join(it.level, "p");
        publisher.publish("t", { qos: it.qos, payload });
        publisher.silent();
        if (how === "reset") publisher.client.reset();
        if (how === "end") publisher.client.end();
        if (how === "taken over") scene.join(it.level, "p").leaves();
        scene.advance(scene.limits.holdMilliseconds + 400);
        scene.audit();
        expect(scene.broker.connections.connectedCount).toBe(1);
      }
      to.quiet();
    });

    rule("who goes after a hold that ended well is gone", { limits, qos }, (scene, it) => {
      let filled = fill(scene, it.level, resource);
      const to = receiver(scene, it.level);
      for (const how of ["reset", "end"]) {
        const publisher = scene.join(it.level, "p", { keepAlive: 0 });
        publisher.publish("t", { qos: it.qos, payload });
        drain(scene, it.level, filled);
        if (it.qos > 0) expect(publisher.received().length).toBe(1);
        expect(to.payloads()).toEqual([payload]);
        if (how === "reset") publisher.client.reset();
        else publisher.client.end();
        scene.advance(1000);
        scene.audit();
        expect(scene.broker.connections.connectedCount).toBe(1);
        filled = refill(scene, it.level, resource);
      }
    });

    rule("all that is no PUBLISH goes on meanwhile", { limits }, (scene, { level }) => {
      const other = scene.joinForLong(level, "other");
      const reader = scene.join(level, "reader");
      reader.subscribe("before", 1);
      other.tells("before", { qos: 1, payload: "b" }, [0]);
      fill(scene, level, resource);
      other.publish("t", { qos: 1, payload });
      reader.send(puback(reader.published()[0].id));
      reader.quiet();
      reader.subscribe("s", 1);
      expect(reader.unsubscribes(["s"])).toEqual(level === 5 ? [0] : []);
      for (const byte of [...pingreq(), ...subscribe(level, 9, [["s", 0]]), ...unsubscribe(level, 10, ["s"])]) {
        reader.send([byte]);
        scene.audit();
      }
      expect(reader.received().map((packet) => packet[0] >> 4)).toEqual([13, 9, 11]);
      scene.join(level, "new").leaves();
      reader.leaves();
      scene.advance(1000);
    });

    rule("a PUBLISH that no one waits for is held only where it needs something", { limits }, (scene, { level }) => {
      fill(scene, level, resource);
      const publisher = scene.join(level, "p");
      publisher.publish("nobody", { payload });
      if (limit === "deliveries") {
        scene.said();
        publisher.quiet();
      } else {
        scene.said("held p room");
      }
    });
  });
}

/** What a refused PUBLISH is told, and what the log says of it. */
function expectRefusal(scene: Scene, it: Case, publisher: Guest, id: number, limit: string): void {
  const { level, qos } = it;
  const event = qos === 0 ? "publishDropped" : "publishRefused";
  const lines = [`${event} ${publisher.name} ${limit}`];
  if (qos === 0) {
    publisher.quiet();
  } else if (level === 5) {
    publisher.acknowledged(qos, id, [ReasonCode.QuotaExceeded]);
    publisher.quiet();
  } else if (scene.limits.refuse311 === "close") {
    publisher.closed();
    lines.push(`disconnected ${publisher.name} 0x97`);
  } else {
    publisher.acknowledged(qos, id, [0]);
    publisher.quiet();
    // It is delivered where that is possible, and here it is not.
    if (limit === "deliveries") lines.push("dropped receiver queueFull");
  }
  scene.saidBesidesHolds(...lines);
}

describe("before 5.0 what is acknowledged all the same", () => {
  const limits = { deliveries: 7, messages: 9, refuse311: "acknowledge" as const };

  rule("goes to those for whom there is room", { limits, qos: [1, 2], levels: [3, 4] }, (scene, { level, qos }) => {
    fill(scene, level, resources[0]);
    const receivers = ["r1", "r2"].map((name) => scene.join(level, name));
    for (const it of receivers) it.subscribe("t", 1);
    const publisher = scene.join(level, "p");
    const id = publisher.publish("t", { qos, payload: "x" });
    for (const it of receivers) it.quiet();
    scene.advance(scene.limits.holdMilliseconds + 400);
    publisher.acknowledged(qos, id);
    scene.audit();
    const got = receivers.map((it) => it.payloads().length).sort();
    expect(got).toEqual([0, 1]);
    const said = scene.trouble();
    expect(said.filter((line) => line.startsWith("dropped "))).toHaveLength(1);
    expect(said).toContain("publishRefused p deliveries");
  });

  const five = { deliveries: 7, messages: 9 };

  rule("goes to nobody in 5.0", { limits: five, qos: [1, 2], levels: [5] }, (scene, { level, qos }) => {
    fill(scene, level, resources[0]);
    const receivers = ["r1", "r2"].map((name) => scene.join(level, name));
    for (const it of receivers) it.subscribe("t", 1);
    const publisher = scene.join(level, "p");
    const id = publisher.publish("t", { qos, payload: "x" });
    scene.advance(scene.limits.holdMilliseconds + 400);
    publisher.acknowledged(qos, id, [ReasonCode.QuotaExceeded]);
    for (const it of receivers) it.quiet();
    scene.saidBesidesHolds("publishRefused p deliveries");
  });
});

describe("blocks", () => {
  rule("one client that is promised a quarter of them stops nobody", { qos: [0, 1, 2] }, (scene, { level, qos }) => {
    const largest = "x".repeat(scene.limits.messageBytes - 2 - 1 - 2 - 1);
    const slow = scene.join(level, "slow");
    const bytes = publish({ level, topic: "t", qos: 1, id: 1, payload: largest });
    slow.send(bytes.slice(0, 3));
    scene.audit();
    const to = receiver(scene, level);
    const publisher = scene.join(level, "p");
    for (let i = 0; i < 5; i++) {
      publisher.tells("t", { qos, payload: largest }, [0]);
      expect(to.payloads()).toEqual([largest]);
      scene.audit();
    }
    slow.send(bytes.slice(3));
    slow.acknowledged(1, 1, [0]);
    expect(to.payloads()).toEqual([largest]);
    scene.said();
  });

  rule("what a PUBLISH reserves and does not need is given back", {}, (scene, { level }) => {
    const before = scene.broker.blocks.available;
    const publisher = scene.join(level, "p");
    for (const retain of [false, true]) {
      for (let length = 0; length < 70; length++) {
        publisher.tells("t", { qos: 1, retain, payload: "x".repeat(length) });
        scene.audit();
      }
    }
    publisher.tells("t", { qos: 1, retain: true });
    expect(scene.broker.blocks.available).toBe(before);
  });

  rule("a PUBLISH that breaks off gives its blocks back", { qos: [0, 1, 2] }, (scene, { level, qos }) => {
    const before = scene.broker.blocks.available;
    const bytes = publish({ level, topic: "topic", qos, id: 1, payload: "x".repeat(100), retain: true });
    for (let length = 1; length < bytes.length; length += 7) {
      const publisher = scene.join(level, "p");
      publisher.send(bytes.slice(0, length));
      scene.audit();
      if (length % 2 === 0) publisher.client.end();
      else publisher.client.reset();
      scene.audit();
      expect(scene.broker.blocks.available).toBe(before);
      scene.harness.settle();
    }
  });
});

describe("the codes of a SUBACK or UNSUBACK", () => {
  // More blocks for the codes of one packet than PUBLISH leaves free.
  const limits = { filtersPerSubscribe: 512, packetBytes: 4096 };
  const blocks = resources[2];
  const filters = Array.from({ length: 400 }, (_, i) => `f${i % 5}`);
  const packets = {
    SUBSCRIBE: (level: Level) =>
      subscribe(
        level,
        5,
        filters.map((filter) => [filter, 0]),
      ),
    UNSUBSCRIBE: (level: Level) => unsubscribe(level, 5, filters),
  };

  for (const [name, packet] of Object.entries(packets)) {
    rule(`${name} is held without blocks for them, and goes on with them`, { limits }, (scene, { level }) => {
      const filled = fill(scene, level, blocks);
      const guest = scene.join(level, "s");
      guest.send(packet(level));
      guest.silent();
      scene.said("held s room");
      scene.audit();
      drain(scene, level, filled);
      expect(guest.received().length).toBe(1);
      guest.quiet();
    });

    rule(`${name} ends the connection when there are none in time`, { limits }, (scene, { level }) => {
      const filled = fill(scene, level, blocks);
      const guest = scene.joinForLong(level, "s");
      guest.send(packet(level));
      scene.advance(scene.limits.holdMilliseconds - 50);
      guest.silent();
      scene.advance(400);
      guest.disconnected(ReasonCode.QuotaExceeded);
      scene.said("held s room", "limitReached s payloadBytes", "disconnected s 0x97");
      scene.audit();
      expect(scene.broker.subscriptions.pool.free).toBe(scene.limits.subscriptions - 1);
      drain(scene, level, filled);
      const back = scene.joinForLong(level, "s");
      back.send(packet(level));
      expect(back.received().length).toBe(1);
    });
  }
});

describe("blocks to carry a packet in pieces", () => {
  // Everybody is promised one; more are shared.
  const limits = { connections: 12, sessions: 11 };
  const blocks = resources[2];

  /** Streams whose CONNECT stays incomplete, until not a block is left. */
  function hog(scene: Scene, level: Level): Guest[] {
    const hogs: Guest[] = [];
    while (scene.broker.blocks.available > 0) {
      const it = scene.open(level, `hog${hogs.length}`);
      it.send(connect({ level, id: "hog", user: "u".repeat(150) }).slice(0, 150));
      hogs.push(it);
      expect(hogs.length).toBeLessThan(8);
    }
    scene.audit();
    return hogs;
  }

  const filter = "f/".concat("x".repeat(50));

  rule("who needs more is held, and goes on when there are some", { limits }, (scene, { level }) => {
    const guest = scene.join(level, "s");
    const bytes = subscribe(level, 5, [[filter, 0]]);
    guest.send(bytes.slice(0, 6));
    fill(scene, level, blocks);
    const hogs = hog(scene, level);
    scene.trouble();
    guest.send(bytes.slice(6, bytes.length - 4));
    guest.silent();
    scene.said("held s room");
    scene.audit();
    hogs[0].vanishes();
    scene.audit();
    guest.send(bytes.slice(bytes.length - 4));
    expect(guest.received().length).toBe(1);
    guest.quiet();
  });

  rule("who needs more and waits in vain is told and closed", { limits }, (scene, { level }) => {
    const guest = scene.joinForLong(level, "s");
    guest.subscribe("kept");
    const bytes = subscribe(level, 5, [
      ["one", 0],
      [filter, 0],
    ]);
    guest.send(bytes.slice(0, 6));
    fill(scene, level, blocks);
    hog(scene, level);
    scene.trouble();
    guest.send(bytes.slice(6, bytes.length - 4));
    scene.advance(scene.limits.holdMilliseconds - 50);
    guest.silent();
    scene.advance(400);
    guest.disconnected(ReasonCode.QuotaExceeded);
    scene.said("held s room", "limitReached s payloadBytes", "disconnected s 0x97");
    scene.audit();
    // Only what was subscribed before is left.
    expect(scene.broker.subscriptions.pool.free).toBe(scene.limits.subscriptions - 2);
  });

  rule("a CONNECT that waits in vain is closed after connectMilliseconds", { limits }, (scene, { level }) => {
    fill(scene, level, blocks);
    hog(scene, level);
    const late = scene.open(level, "late");
    late.send(connect({ level, id: "late", user: "u".repeat(150) }).slice(0, 150));
    scene.audit();
    late.silent();
    scene.advance(scene.limits.connectMilliseconds + 400);
    late.closed();
    scene.audit();
    scene.join(level, "late", { user: "u".repeat(100) }).quiet();
  });

  rule("a CONNECT that waited has no more time than others", { limits }, (scene, { level }) => {
    fill(scene, level, blocks);
    const late = scene.open(level, "late");
    const hogs = hog(scene, level);
    late.send(connect({ level, id: "late", user: "u".repeat(150) }).slice(0, 150));
    scene.advance(scene.limits.connectMilliseconds - 300);
    hogs[0].vanishes();
    late.silent();
    scene.audit();
    scene.advance(700);
    late.closed();
    scene.audit();
    expect(new Set(scene.trouble())).toEqual(new Set(["held ? room", "abandoned lost", "abandoned connectTimeout"]));
  });

  rule("a CONNECT waits as long as it may take", { limits }, (scene, { level }) => {
    fill(scene, level, blocks);
    const late = scene.open(level, "late");
    const hogs = hog(scene, level);
    const bytes = connect({ level, id: "late", user: "u".repeat(150) });
    late.send(bytes.slice(0, 150));
    // Longer than others are held; first too little comes free, then enough.
    scene.advance(scene.limits.connectMilliseconds - 300);
    for (const it of hogs.reverse()) it.vanishes();
    scene.audit();
    late.send(bytes.slice(150));
    late.accepted();
    late.quiet();
    scene.trouble();
  });

  rule("acknowledgements, PINGREQ and DISCONNECT need no more than is promised", { limits }, (scene, { level }) => {
    const guest = scene.join(level, "s");
    guest.subscribe("t", 2);
    const publisher = scene.join(level, "p");
    publisher.tells("t", { qos: 1, payload: "one" }, [0]);
    publisher.tells("t", { qos: 2, payload: "two" }, [0]);
    const [one, two] = guest.published();
    fill(scene, level, blocks);
    hog(scene, level);
    const slowly = (bytes: readonly number[]): void => {
      for (const byte of bytes) {
        guest.send([byte]);
        scene.audit();
      }
    };
    slowly(level === 5 ? puback(one.id, 0, [0x1f, 0, 3, 111, 107, 33]) : puback(one.id));
    slowly([0x50, 2, 0, two.id]);
    expect([...guest.next("PUBREL")]).toEqual([0x62, 2, 0, two.id]);
    slowly([0x70, 2, 0, two.id]);
    slowly(pingreq());
    expect([...guest.next("PINGRESP")]).toEqual([0xd0, 0]);
    slowly([0xe0, 0]);
    guest.closed();
  });
});
