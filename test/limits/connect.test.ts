// What a CONNECT is told when something runs out, and that a refused one changes nothing.

import { describe, expect } from "vitest";
import { ReasonCode } from "../../src/index";
import { connect, pingreq, property, publish } from "../support/packets";
import { persistent, rule } from "./scene";

describe("connections", () => {
  rule("one connection stays free: who wants it is told so and closed", {}, (scene, { level }) => {
    const guests = ["a", "b", "c"].map((name) => scene.join(level, name));
    const fourth = scene.open(level, "d");
    fourth.asks();
    fourth.refused(ReasonCode.ServerBusy, 3);
    scene.said("limitReached ? connections", "connectRefused 0x89");
    scene.audit();
    for (const guest of guests) guest.quiet();
    guests[1].leaves();
    scene.join(level, "d").quiet();
    scene.said();
  });

  rule("a persistent session that is away does not get the last connection either", {}, (scene, { level }) => {
    scene.absent(level, "away", "t");
    for (const name of ["a", "b", "c"]) scene.join(level, name);
    const back = scene.open(level, "away");
    back.asks(persistent(level));
    back.refused(ReasonCode.ServerBusy, 3);
    scene.said("limitReached ? connections", "connectRefused 0x89");
    scene.audit();
    scene.guests[1].leaves();
    const again = scene.joinForLong(level, "away");
    expect(again.connack?.present).toBe(level !== 3);
  });

  rule("who is connected takes over through the free connection, as often as it likes", {}, (scene, { level }) => {
    for (const name of ["a", "b"]) scene.join(level, name);
    let guest = scene.joinForLong(level, "c");
    guest.subscribe("t", 1);
    for (let i = 0; i < 5; i++) {
      const next = scene.joinForLong(level, "c");
      expect(next.connack?.present).toBe(level !== 3);
      guest.disconnected(ReasonCode.SessionTakenOver);
      scene.said("disconnected c 0x8e");
      scene.audit();
      guest = next;
      // What came free is the free connection now.
      const other = scene.open(level, "d");
      other.asks();
      other.refused(ReasonCode.ServerBusy, 3);
      scene.trouble();
    }
    scene.guests[0].tells("t", { qos: 1, payload: "to the last" });
    expect(guest.payloads()).toEqual(["to the last"]);
  });

  rule("a rebooted device whose CONNECT comes in pieces takes over too", {}, (scene, { level }) => {
    for (const name of ["a", "b", "c"]) scene.join(level, name);
    const again = scene.open(level, "a");
    const bytes = connect({ level, id: "a" });
    for (const byte of bytes) {
      again.send([byte]);
      scene.audit();
    }
    again.accepted();
    scene.guests[0].disconnected(ReasonCode.SessionTakenOver);
    scene.said("disconnected a 0x8e");
  });

  rule("of silent streams the oldest goes when the last connection is taken", {}, (scene, { level }) => {
    const silent = ["s1", "s2", "s3"].map((name) => {
      scene.advance(10);
      return scene.open(level, name);
    });
    scene.said();
    const guest = scene.open(level, "g");
    silent[0].closed();
    scene.said("abandoned evicted");
    scene.audit();
    guest.asks();
    guest.accepted();
    scene.advance(10);
    scene.open(level, "s4");
    silent[1].closed();
    scene.said("abandoned evicted");
    // The youngest can still connect, and nobody who is connected is ever evicted.
    silent[2].asks();
    silent[2].accepted();
    scene.audit();
    guest.quiet();
  });

  rule("who is connected is not evicted: the next stream waits for the free connection", {}, (scene, { level }) => {
    for (const name of ["a", "b", "c"]) scene.join(level, name);
    const silent = scene.open(level, "s");
    const waiting = scene.open(level, "a");
    waiting.asks();
    waiting.silent();
    expect(scene.harness.transport.waiting).toBe(1);
    scene.advance(scene.limits.connectMilliseconds + 300);
    silent.closed();
    waiting.accepted();
    scene.guests[0].disconnected(ReasonCode.SessionTakenOver);
    scene.said("abandoned connectTimeout", "disconnected a 0x8e");
    scene.guests[1].quiet();
  });
});

describe("time for CONNECT", () => {
  for (const sent of [0, 1, 9]) {
    rule(`${sent} bytes of a CONNECT: closed after connectMilliseconds, not before`, {}, (scene, { level }) => {
      const guest = scene.open(level, "late");
      guest.send(connect({ level, id: "late" }).slice(0, sent));
      scene.advance(scene.limits.connectMilliseconds - 50);
      guest.silent();
      scene.audit();
      scene.advance(400);
      guest.closed();
      scene.said("abandoned connectTimeout");
      scene.audit();
      scene.join(level, "late").quiet();
    });
  }
});

describe("sessions", () => {
  rule("no unexpired session is evicted: a new one is refused", {}, (scene, { level }) => {
    const names = ["a", "b", "c", "d"];
    for (const name of names) scene.absent(level, name, `t/${name}`);
    scene.said();
    const refused = (): void => {
      for (const clean of [true, false]) {
        const guest = scene.open(level, "e");
        guest.asks({ clean });
        guest.refused(ReasonCode.QuotaExceeded, 3);
        scene.said("limitReached ? sessions", "connectRefused 0x97");
        scene.audit();
      }
    };
    refused();
    for (const name of names) {
      const guest = scene.joinForLong(level, name);
      expect(guest.connack?.present).toBe(level !== 3);
      guest.tells(`t/${name}`, { qos: 1, payload: name }, [0]);
      expect(guest.payloads()).toEqual([name]);
      guest.leaves();
    }
    refused();
    // One expires while the others keep coming back.
    for (let i = 0; i < 2; i++) {
      scene.advance(scene.limits.sessionExpirySeconds * 500 + 500);
      for (const name of names.slice(1)) scene.joinForLong(level, name).leaves();
    }
    scene.join(level, "e").quiet();
    scene.said();
  });

  rule("a clean start of a session that is there needs no further one", {}, (scene, { level }) => {
    for (const name of ["a", "b", "c", "d"]) scene.absent(level, name, "t");
    const guest = scene.join(level, "b");
    expect(guest.connack?.present).toBe(false);
    guest.tells("t", { qos: 1 });
    guest.quiet();
    scene.said();
  });
});

describe("Client Identifier", () => {
  rule("longer than clientIdBytes is refused, as long is not", {}, (scene, { level }) => {
    const guest = scene.open(level, "x".repeat(scene.limits.clientIdBytes + 1));
    guest.asks();
    guest.refused(ReasonCode.ClientIdentifierNotValid, 2);
    scene.said("limitReached ? clientIdBytes", "connectRefused 0x85");
    scene.audit();
    scene.join(level, "x".repeat(scene.limits.clientIdBytes)).quiet();
  });
});

describe("CONNECT", () => {
  // The variable header and the Client Identifier "big" in front of a User Name.
  const overhead = { 3: 12 + 5 + 2, 4: 10 + 5 + 2, 5: 11 + 5 + 2 };

  rule("larger than stageBytes is refused, as large is not", {}, (scene, { level }) => {
    const most = scene.limits.stageBytes - overhead[level];
    for (const extra of [1, 2, 100, 5000]) {
      const guest = scene.open(level, "big");
      guest.asks({ user: "u".repeat(most + extra) });
      guest.refused(ReasonCode.PacketTooLarge, 2);
      scene.said("limitReached ? stageBytes", "connectRefused 0x95");
      scene.audit();
    }
    const guest = scene.join(level, "big", { user: "u".repeat(most) });
    guest.quiet();
  });

  rule("too large in pieces is refused at its beginning", {}, (scene, { level }) => {
    const guest = scene.open(level, "big");
    const bytes = connect({ level, id: "big", user: "u".repeat(1000) });
    for (const byte of bytes.slice(0, 15)) guest.send([byte]);
    guest.refused(ReasonCode.PacketTooLarge, 2);
    scene.said("limitReached ? stageBytes", "connectRefused 0x95");
  });
});

describe("Will Message", () => {
  const cases = [
    {
      what: "larger than messageBytes",
      limits: { messageBytes: 64 },
      will: { topic: "w", payload: "x".repeat(64) },
      fits: { topic: "w", payload: "x".repeat(60) },
      limit: "messageBytes",
      reason: ReasonCode.PacketTooLarge,
      returnCode: 2,
    },
    {
      what: "on a topic longer than topicBytes",
      limits: {},
      will: { topic: "w".repeat(65) },
      fits: { topic: "w".repeat(64) },
      limit: "topicBytes",
      reason: ReasonCode.TopicNameInvalid,
      returnCode: 0,
    },
    {
      what: "on a topic of more than topicLevels levels",
      limits: {},
      will: { topic: "1/2/3/4/5/6/7" },
      fits: { topic: "1/2/3/4/5/6" },
      limit: "topicLevels",
      reason: ReasonCode.TopicNameInvalid,
      returnCode: 0,
    },
  ];

  for (const { what, limits, will, fits, limit, reason, returnCode } of cases) {
    rule(`${what} is refused, and the session stays as it was`, { limits }, (scene, { level }) => {
      const old = scene.joinForLong(level, "old");
      old.subscribe("t", 1);
      old.leaves();
      scene.join(level, "p").tells("t", { qos: 1, payload: "kept" }, [0]);
      for (const clean of [true, false]) {
        const guest = scene.open(level, "old");
        guest.asks({ ...persistent(level), clean, will });
        guest.refused(reason, returnCode);
        scene.said(`limitReached ? ${limit}`, `connectRefused 0x${reason.toString(16)}`);
        scene.audit();
      }
      const back = scene.joinForLong(level, "old", { will: fits });
      expect(back.connack?.present).toBe(level !== 3);
      expect(back.payloads()).toEqual(["kept"]);
    });

    rule(`${what} is refused, and who is connected stays connected`, { limits }, (scene, { level }) => {
      const old = scene.joinForLong(level, "old");
      old.subscribe("t", 1);
      const guest = scene.open(level, "old");
      guest.asks({ will });
      guest.refused(reason, returnCode);
      scene.trouble();
      old.quiet();
      scene.join(level, "p").tells("t", { qos: 1, payload: "live" }, [0]);
      expect(old.payloads()).toEqual(["live"]);
    });
  }

  const many = { connections: 16, sessions: 16 };

  rule("without blocks for it is refused, with room it is taken", { limits: many }, (scene, { level }) => {
    const will = { topic: "w", payload: "x".repeat(100) };
    const guests = ["a", "b", "c", "d", "e", "f", "g"].map((name) => scene.join(level, name, { will }));
    for (let i = 0; i < 2; i++) {
      const guest = scene.open(level, "h");
      guest.asks({ will });
      guest.refused(ReasonCode.QuotaExceeded, 3);
      scene.said("limitReached ? payloadBytes", "connectRefused 0x97");
      scene.audit();
    }
    scene.join(level, "i").quiet();
    guests[0].leaves();
    scene.join(level, "h", { will }).quiet();
  });

  rule("with no blocks for it leaves who is connected connected", { limits: many }, (scene, { level }) => {
    const will = { topic: "w", payload: "x".repeat(100) };
    const guests = ["a", "b", "c", "d", "e", "f", "g"].map((name) => scene.join(level, name, { will }));
    const guest = scene.open(level, "a");
    guest.asks({ will });
    guest.refused(ReasonCode.QuotaExceeded, 3);
    scene.trouble();
    for (const it of guests) it.quiet();
  });

  rule("has a row whatever waits for receivers", { limits: { messages: 1, retained: 0 } }, (scene, { level }) => {
    scene.absent(level, "away", "t");
    const publisher = scene.join(level, "p");
    for (let i = 0; i < scene.limits.queuePerSession - 1; i++) {
      if (publisher.isClosed) break;
      publisher.publish("t", { qos: 1 });
      scene.advance(scene.limits.holdMilliseconds + 300);
      publisher.received();
    }
    scene.trouble();
    scene.audit();
    scene.join(level, "w", { will: { topic: "w", payload: "last" } }).quiet();
  });

  const full = { deliveries: 6 };

  rule("without room for its deliveries is counted", { limits: full, qos: [0, 1, 2] }, (scene, { level, qos }) => {
    const away = scene.absent(level, "away", "t");
    const dier = scene.join(level, "dier", { will: { topic: "w", payload: "gone", qos } });
    const receiver = scene.join(level, "receiver");
    receiver.subscribe("w", 2);
    const publisher = scene.join(level, "p");
    if (away.isClosed) for (let i = 0; i < 6; i++) publisher.tells("t", { qos: 1 }, [0]);
    dier.vanishes();
    scene.said("dropped receiver queueFull", "willDropped dier deliveries");
    scene.audit();
    receiver.quiet();
  });

  const few = { deliveries: 7, messages: 9 };

  rule("with room for some of its deliveries goes to some", { limits: few, qos: [1, 2] }, (scene, { level, qos }) => {
    scene.absent(level, "away", "t");
    const filler = scene.join(level, "filler");
    for (let i = 0; i < 6; i++) filler.tells("t", { qos: 1 }, [0]);
    filler.leaves();
    const dier = scene.join(level, "dier", { will: { topic: "w", payload: "gone", qos } });
    const receivers = ["r1", "r2"].map((name) => scene.join(level, name));
    for (const it of receivers) it.subscribe("w", 1);
    dier.vanishes();
    scene.audit();
    expect(receivers.map((it) => it.payloads().length).sort()).toEqual([0, 1]);
    const said = scene.trouble();
    expect(said).toHaveLength(2);
    expect(said[0]).toMatch(/^dropped r[12] queueFull$/);
    expect(said[1]).toBe("willDropped dier deliveries");
  });

  rule("that can't be retained is delivered live and counted", { qos: [0, 1, 2] }, (scene, { level, qos }) => {
    const publisher = scene.join(level, "p");
    for (const topic of ["r1", "r2", "r3"]) publisher.tells(topic, { retain: true, payload: "r" });
    const dier = scene.join(level, "dier", { will: { topic: "w", payload: "gone", qos, retain: true } });
    const receiver = scene.join(level, "receiver");
    receiver.subscribe("w", 2);
    dier.vanishes();
    expect(receiver.payloads()).toEqual(["gone"]);
    scene.said("willDropped dier retained");
    receiver.leaves();
    const late = scene.join(level, "late");
    late.subscribe("w");
    late.quiet();
  });
});

describe("Keep Alive", () => {
  for (const wanted of [0, 61, 65535]) {
    rule(`of ${wanted} s: 5.0 is told ours, and it holds`, { levels: [5] }, (scene, { level }) => {
      const guest = scene.join(level, "k", { keepAlive: wanted });
      const { keepAliveSeconds } = scene.limits;
      expect(guest.connack?.properties.filter(({ id }) => id === 0x13).map(({ number }) => number)).toEqual([
        keepAliveSeconds,
      ]);
      scene.advance(keepAliveSeconds * 1500 - 500);
      guest.silent();
      scene.advance(1000);
      guest.disconnected(ReasonCode.KeepAliveTimeout);
      scene.said("disconnected k 0x8d");
    });
  }

  rule("of 60 s is the client's own", { levels: [5] }, (scene, { level }) => {
    const guest = scene.join(level, "k", { keepAlive: 60 });
    expect(guest.connack?.properties.some(({ id }) => id === 0x13)).toBe(false);
  });

  rule("above ours holds before 5.0, where we can't say another", { levels: [3, 4] }, (scene, { level }) => {
    const guest = scene.join(level, "k", { keepAlive: 100 });
    scene.advance(149_000);
    guest.quiet();
    scene.advance(151_000);
    guest.closed();
    scene.said("disconnected k 0x8d");
  });
});

describe("Session Expiry Interval", () => {
  for (const wanted of [121, 86400, 0xffffffff]) {
    rule(`of ${wanted} s: 5.0 is told ours, and it holds`, { levels: [5] }, (scene, { level }) => {
      const guest = scene.join(level, "s", { clean: false, properties: property.sessionExpiry(wanted) });
      const told = guest.connack?.properties.filter(({ id }) => id === 0x11).map(({ number }) => number);
      expect(told).toEqual([scene.limits.sessionExpirySeconds]);
      guest.leaves();
      scene.advance(scene.limits.sessionExpirySeconds * 1000 - 1000);
      const back = scene.join(level, "s", { clean: false, properties: property.sessionExpiry(wanted) });
      expect(back.connack?.present).toBe(true);
      back.vanishes();
      scene.advance(scene.limits.sessionExpirySeconds * 1000 + 500);
      expect(scene.join(level, "s", { clean: false }).connack?.present).toBe(false);
    });
  }

  rule("before 5.0 a session ends sessionExpirySeconds after its connection", { levels: [4] }, (scene, { level }) => {
    scene.absent(level, "s", "t");
    scene.advance(scene.limits.sessionExpirySeconds * 1000 - 1000);
    const back = scene.joinForLong(level, "s");
    expect(back.connack?.present).toBe(true);
    back.leaves();
    scene.advance(scene.limits.sessionExpirySeconds * 1000 + 500);
    expect(scene.joinForLong(level, "s").connack?.present).toBe(false);
  });

  rule("in DISCONNECT is bounded too", { levels: [5] }, (scene, { level }) => {
    const guest = scene.joinForLong(level, "s");
    guest.send([0xe0, 7, 0, 5, ...property.sessionExpiry(0xfffffff0)]);
    guest.closed();
    scene.advance(scene.limits.sessionExpirySeconds * 1000 + 500);
    expect(scene.joinForLong(level, "s").connack?.present).toBe(false);
  });
});

describe("a stream that is refused", () => {
  rule("does not disturb what others are in the middle of", {}, (scene, { level }) => {
    const sub = scene.join(level, "sub");
    sub.subscribe("t", 1);
    const pub = scene.join(level, "pub");
    const bytes = publish({ level, topic: "t", qos: 1, id: 7, payload: "x".repeat(150) });
    pub.send(bytes.slice(0, 60));
    const guest = scene.open(level, "x".repeat(24));
    guest.asks();
    guest.refused(ReasonCode.ClientIdentifierNotValid, 2);
    sub.send(pingreq());
    expect(sub.received().length).toBe(1);
    pub.send(bytes.slice(60));
    pub.acknowledged(1, 7, [0]);
    expect(sub.payloads()).toEqual(["x".repeat(150)]);
    scene.trouble();
  });
});
