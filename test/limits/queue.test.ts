// One session's queue: what gives way when it is full, and whom a receiver holds up until then.

import { describe, expect } from "vitest";
import { ReasonCode } from "../../src/index";
import type { Overflow } from "../../src/memory/limits";
import { publish } from "../support/packets";
import type { Guest } from "./guest";
import { rule, type Scene } from "./scene";

/** Only the queue is short: 6 messages, 3 of them in flight. */
const room = { messages: 30, deliveries: 40 };
const policies: readonly Overflow[] = ["drop-newest", "drop-oldest", "latest-per-topic", "disconnect"];

function droppedOf(scene: Scene, name: string): number {
  const { sessions, layout } = scene.broker;
  for (let row = 1; row <= scene.limits.sessions; row++) {
    const isNamed =
      scene.broker.sessionClientId(row) === name && sessions.find(sessions.idAt(row), name.length) === row;
    if (isNamed) return layout.u32[sessions.dropped + row];
  }
  throw new Error(`no session of ${name}`);
}

/** Publishes topic=payload for each, with time between them in which no receiver makes progress. */
function tell(scene: Scene, publisher: Guest, names: readonly string[], qos: number): void {
  for (const name of names) {
    const [topic, payload] = name.split("=");
    // Whatever happens to one receiver, the publisher is told success.
    publisher.tells(topic, { qos, payload }, [0]);
    scene.advance(scene.limits.stallMilliseconds + 300);
  }
}

const names = (got: readonly { topic: string; payload: string }[]): string[] =>
  got.map((it) => `${it.topic}=${it.payload}`);

describe("the queue of a session that is away", () => {
  const first = ["a=1", "b=2", "c=3", "d=4", "e=5", "f=6"];
  const more = ["g=7", "c=8", "h=9"];
  const cases: Readonly<Record<Overflow, { left: readonly string[]; causes: readonly string[] }>> = {
    "drop-newest": { left: first, causes: ["queueFull", "queueFull", "queueFull"] },
    "drop-oldest": { left: [...first.slice(3), ...more], causes: ["queueFull", "queueFull", "queueFull"] },
    "latest-per-topic": {
      left: ["d=4", "e=5", "f=6", ...more],
      causes: ["queueFull", "superseded", "queueFull"],
    },
    // There is nobody to disconnect.
    disconnect: { left: first, causes: ["queueFull", "queueFull", "queueFull"] },
  };

  for (const sessionOverflow of policies) {
    const limits = { ...room, sessionOverflow };
    rule(`${sessionOverflow}; the publisher is told success`, { limits, qos: [1, 2] }, (scene, { level, qos }) => {
      scene.absent(level, "away", "#");
      const publisher = scene.join(level, "p");
      tell(scene, publisher, first, qos);
      scene.said();
      tell(scene, publisher, more, qos);
      const { left, causes } = cases[sessionOverflow];
      scene.said(...causes.map((cause) => `dropped away ${cause}`));
      expect(droppedOf(scene, "away")).toBe(3);
      scene.audit();
      const back = scene.joinForLong(level, "away");
      expect(names(back.takes())).toEqual(left);
      // With room again, nothing is dropped.
      tell(scene, publisher, ["i=10"], qos);
      expect(names(back.takes())).toEqual(["i=10"]);
      scene.said();
    });
  }

  rule(
    "what was begun is never dropped",
    { limits: { ...room, sessionOverflow: "drop-oldest" } },
    (scene, { level }) => {
      const away = scene.joinForLong(level, "away");
      away.subscribe("#", 1);
      const publisher = scene.join(level, "p");
      tell(scene, publisher, first, 1);
      expect(names(away.published())).toEqual(["a=1", "b=2", "c=3"]);
      away.vanishes();
      tell(scene, publisher, more, 1);
      expect(scene.trouble()).toHaveLength(3);
      scene.audit();
      const back = scene.joinForLong(level, "away");
      const got = back.takes();
      expect(names(got)).toEqual(["a=1", "b=2", "c=3", ...more]);
      expect(got.map((it) => it.dup)).toEqual([true, true, true, false, false, false]);
    },
  );

  rule("QoS 0 is not queued for who is away", { limits: room }, (scene, { level }) => {
    const away = scene.absent(level, "away", "#");
    const publisher = scene.join(level, "p");
    for (let i = 0; i < 10; i++) publisher.tells("t", { payload: `${i}` });
    scene.said();
    expect(away.isClosed).toBe(true);
    expect(scene.joinForLong(level, "away").takes()).toEqual([]);
  });
});

describe("the queue of a client that does not acknowledge", () => {
  const first = ["a=1", "b=2", "c=3", "d=4", "e=5", "f=6"];
  const more = ["e=7", "a=8"];
  // The first three are in flight, and stay.
  const cases: Readonly<Record<Overflow, { left: readonly string[]; said: readonly string[] }>> = {
    "drop-newest": { left: ["d=4", "e=5", "f=6"], said: ["dropped s queueFull", "dropped s queueFull"] },
    "drop-oldest": { left: ["f=6", "e=7", "a=8"], said: ["dropped s queueFull", "dropped s queueFull"] },
    "latest-per-topic": { left: ["f=6", "e=7", "a=8"], said: ["dropped s superseded", "dropped s queueFull"] },
    disconnect: {
      left: ["d=4", "e=5", "f=6"],
      said: ["dropped s queueFull", "disconnected s 0x97", "dropped s queueFull"],
    },
  };

  for (const sessionOverflow of policies) {
    const limits = { ...room, sessionOverflow };
    rule(`${sessionOverflow}; the publisher is told success`, { limits, qos: [1, 2] }, (scene, { level, qos }) => {
      const { left, said } = cases[sessionOverflow];
      const slow = scene.joinForLong(level, "s");
      slow.subscribe("#", qos);
      const publisher = scene.join(level, "p");
      tell(scene, publisher, first, qos);
      const got = slow.published();
      expect(names(got)).toEqual(first.slice(0, 3));
      scene.said();
      tell(scene, publisher, more, qos);
      scene.said(...said);
      expect(droppedOf(scene, "s")).toBe(2);
      scene.audit();
      if (sessionOverflow === "disconnect") {
        slow.disconnected(ReasonCode.QuotaExceeded);
        const back = scene.joinForLong(level, "s");
        expect(names(back.takes())).toEqual(first);
      } else {
        for (const it of got) slow.answer(it);
        expect(names(slow.takes())).toEqual(left);
      }
    });
  }

  const disconnecting = { ...room, sessionOverflow: "disconnect" as const };

  rule("disconnect: all whose queue is full, not only one", { limits: disconnecting }, (scene, { level }) => {
    const slow = ["s1", "s2"].map((name) => scene.joinForLong(level, name));
    for (const it of slow) it.subscribe("#", 1);
    const publisher = scene.join(level, "p");
    tell(scene, publisher, first, 1);
    for (const it of slow) it.published();
    tell(scene, publisher, ["more=7"], 1);
    for (const it of slow) it.disconnected(ReasonCode.QuotaExceeded);
    const lines = ["s1", "s2"].flatMap((name) => [`dropped ${name} queueFull`, `disconnected ${name} 0x97`]);
    scene.saidBesidesHolds(...lines);
    scene.audit();
    for (const name of ["s1", "s2"]) expect(names(scene.joinForLong(level, name).takes())).toEqual(first);
  });

  rule("disconnect: a Will Message can be one too many, too", { limits: disconnecting }, (scene, { level }) => {
    const slow = scene.joinForLong(level, "s");
    slow.subscribe("#", 1);
    const publisher = scene.join(level, "p", { keepAlive: 10, will: { topic: "w", payload: "7", qos: 1 } });
    tell(scene, publisher, first, 1);
    slow.published();
    scene.advance(16_000);
    publisher.disconnected(ReasonCode.KeepAliveTimeout);
    slow.disconnected(ReasonCode.QuotaExceeded);
    scene.saidBesidesHolds("disconnected p 0x8d", "dropped s queueFull", "disconnected s 0x97");
    scene.audit();
  });

  rule("disconnect: a publisher whose own queue is full goes too", { limits: disconnecting }, (scene, { level }) => {
    const own = scene.joinForLong(level, "own");
    own.subscribe("#", 1);
    for (let id = 1; id <= 7; id++) {
      own.send(publish({ level, topic: "t", qos: 1, id, payload: `${id}` }));
      scene.advance(scene.limits.stallMilliseconds + 300);
    }
    expect(own.isClosed || own.connection === 0).toBe(true);
    expect(scene.trouble()).toContain("disconnected own 0x97");
    scene.audit();
    // It was acknowledged what was done.
    expect(scene.joinForLong(level, "own").payloads()).toEqual(["1", "2", "3", "4", "5", "6"]);
  });
});

describe("a PUBLISH that is half sent", () => {
  const transport = { downBytes: 60 };

  for (const sessionOverflow of ["drop-oldest", "latest-per-topic"] as const) {
    const limits = { ...room, sessionOverflow };
    rule(`${sessionOverflow} passes it over`, { limits, transport, qos: [0, 1, 2] }, (scene, { level, qos }) => {
      const slow = scene.join(level, "s");
      slow.subscribe("t", qos);
      slow.client.stalled = true;
      scene.advance(scene.limits.stallMilliseconds + 300);
      const publisher = scene.join(level, "p");
      const payloads = Array.from({ length: 12 }, (_, i) => String.fromCharCode(97 + i).repeat(60));
      for (const payload of payloads) {
        publisher.tells("t", { qos, payload }, [0]);
        scene.advance(scene.limits.stallMilliseconds + 300);
        scene.audit();
      }
      const drops = scene.trouble().length;
      expect(drops).toBe(6);
      slow.client.stalled = false;
      const got = slow.takes().map((it) => it.payload);
      expect(got).toEqual([payloads[0], ...payloads.slice(7)]);
    });
  }

  rule(
    "is completed though its subscription, session queue and topic are gone",
    { transport, limits: room },
    (scene, it) => {
      const { level } = it;
      const slow = scene.join(level, "s");
      slow.subscribe("t");
      slow.client.stalled = true;
      const publisher = scene.join(level, "p");
      publisher.tells("t", { retain: true, payload: "x".repeat(150) });
      publisher.tells("t", { retain: true });
      scene.audit();
      slow.send([0xa2, level === 5 ? 6 : 5, 0, 9, ...(level === 5 ? [0] : []), 0, 1, 0x74]);
      scene.audit();
      slow.client.stalled = false;
      const packets = slow.received();
      expect(packets.filter((packet) => packet[0] >> 4 === 3).map((packet) => packet.length > 140)[0]).toBe(true);
      scene.trouble();
    },
  );
});

describe("a receiver that makes no progress", () => {
  const transport = { downBytes: 60 };

  rule("holds nobody", { limits: room, transport, qos: [0, 1, 2] }, (scene, { level, qos }) => {
    const stalled = scene.join(level, "s");
    stalled.subscribe("#", 2);
    stalled.client.stalled = true;
    const healthy = scene.join(level, "h");
    healthy.subscribe("#");
    const publisher = scene.join(level, "p");
    // Enough to fill its stream, then time to see that it does not move.
    for (let i = 0; i < 3; i++) publisher.tells("t", { qos, payload: "x".repeat(30) }, [0]);
    scene.advance(scene.limits.stallMilliseconds + 300);
    healthy.takes();
    scene.trouble();
    const payloads = Array.from({ length: 30 }, (_, i) => `${i}`);
    for (const payload of payloads) publisher.tells("t", { qos, payload }, [0]);
    expect(healthy.payloads()).toEqual(payloads);
    const said = scene.trouble();
    expect(said.length).toBeGreaterThan(20);
    expect(new Set(said)).toEqual(new Set(["dropped s queueFull"]));
    scene.audit();
  });

  rule(
    "holds a publisher no longer than stallMilliseconds",
    { limits: { ...room, holdMilliseconds: 5000 } },
    (scene, it) => {
      const { level } = it;
      const slow = scene.join(level, "s");
      slow.subscribe("t", 1);
      const publisher = scene.join(level, "p");
      for (let i = 0; i < 4; i++) publisher.tells("t", { qos: 1 }, [0]);
      const id = publisher.publish("t", { qos: 1 });
      publisher.silent();
      scene.said("held p receiver");
      scene.audit();
      // It is late by a few ticks of the timers at most.
      scene.advance(scene.limits.stallMilliseconds + 400);
      publisher.acknowledged(1, id, [0]);
      scene.audit();
    },
  );

  rule(
    "and leaves lets the publisher go on",
    { limits: { ...room, holdMilliseconds: 60_000, stallMilliseconds: 50_000 } },
    (scene, it) => {
      const { level } = it;
      const slow = scene.join(level, "s");
      slow.subscribe("t", 1);
      const publisher = scene.join(level, "p");
      for (let i = 0; i < 4; i++) publisher.tells("t", { qos: 1 }, [0]);
      const id = publisher.publish("t", { qos: 1 });
      scene.advance(1000);
      publisher.silent();
      slow.vanishes();
      publisher.acknowledged(1, id);
      scene.audit();
    },
  );
});

describe("a receiver that makes progress", () => {
  /** Acknowledges one message each `milliseconds` until none is left. */
  function work(scene: Scene, guest: Guest, milliseconds: number): string[] {
    const done: string[] = [];
    const waiting = guest.published();
    for (let it = waiting.shift(); it !== undefined; it = waiting.shift()) {
      scene.advance(milliseconds);
      done.push(it.payload);
      guest.answer(it);
      waiting.push(...guest.published());
      scene.audit();
    }
    return done;
  }

  const count = 25;
  const payloads = Array.from({ length: count }, (_, i) => `${i}`);

  rule("holds the publisher, and gets everything in order", { limits: room, qos: [0, 1] }, (scene, { level, qos }) => {
    // What is QoS 0 to the publisher is so to the receiver; its queue is emptied as its stream takes it.
    const receiver = scene.join(level, "s");
    receiver.subscribe("t", 1);
    const publisher = scene.join(level, "p");
    publisher.send(
      ...payloads.map((payload, i) => publish({ level, topic: "t", qos, id: qos === 0 ? 0 : i + 1, payload })),
    );
    expect(qos === 0 ? receiver.payloads() : work(scene, receiver, 100)).toEqual(payloads);
    const said = scene.trouble();
    expect(said.filter((line) => line !== "held p receiver")).toEqual([]);
    if (qos > 0) {
      expect(said.length).toBeGreaterThan(5);
      expect(publisher.received()).toHaveLength(count);
    }
  });

  rule("holds only who fills its queue", { limits: room }, (scene, { level }) => {
    const receiver = scene.join(level, "s");
    receiver.subscribe("t", 1);
    const other = scene.join(level, "o");
    other.subscribe("u");
    const publisher = scene.join(level, "p");
    for (let i = 0; i < 5; i++) publisher.publish("t", { qos: 1 });
    expect(scene.trouble()).toEqual(["held p receiver"]);
    for (let i = 0; i < 10; i++) other.tells("v", { qos: 1 });
    scene.said();
    receiver.takes();
    publisher.received();
    scene.audit();
  });

  rule("too slowly holds a publisher for holdMilliseconds, once", { limits: room }, (scene, { level }) => {
    const receiver = scene.join(level, "s");
    receiver.subscribe("t", 1);
    const publisher = scene.join(level, "p");
    for (let i = 0; i < 4; i++) publisher.tells("t", { qos: 1 }, [0]);
    const waiting = receiver.published();
    // It acknowledges and gets as many again: its queue stays as long.
    const id = publisher.publish("t", { qos: 1 });
    publisher.silent();
    scene.said("held p receiver");
    const trickle = scene.join(level, "q");
    let passed = 0;
    for (; passed <= scene.limits.holdMilliseconds + 400; passed += 100) {
      scene.advance(100);
      const it = waiting.shift();
      if (it === undefined) break;
      // Another publisher fills what comes free.
      trickle.publish("t", { qos: 1 });
      if (publisher.client.next() !== undefined) break;
    }
    expect(passed).toBeLessThanOrEqual(scene.limits.holdMilliseconds + 400);
    expect(id).toBe(5);
    scene.trouble();
    // From now on it holds nobody, until its queue was short again.
    for (let i = 0; i < 5; i++) publisher.publish("t", { qos: 1 });
    expect(publisher.received().length).toBeGreaterThanOrEqual(5);
    expect(scene.trouble().filter((line) => line.startsWith("held p"))).toEqual([]);
    receiver.takes();
    for (const it of waiting) receiver.answer(it);
    receiver.takes();
    scene.audit();
    trickle.received();
    publisher.received();
    receiver.takes();
    for (let i = 0; i < 5; i++) publisher.publish("t", { qos: 1 });
    expect(scene.trouble().filter((line) => line.startsWith("held p"))).toEqual(["held p receiver"]);
    scene.advance(1000);
  });
});
