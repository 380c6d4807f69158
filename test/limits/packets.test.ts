// Packets that are too large or too slow, properties that are too long, Topic Aliases, which are not offered.

import { describe, expect } from "vitest";
import { ReasonCode } from "../../src/index";
import {
  type Bytes,
  type Level,
  property,
  puback,
  publish,
  pubrec,
  readAcknowledgement,
  subscribe,
  unsubscribe,
} from "../support/packets";
import type { Guest } from "./guest";
import { type Case, rule, type Scene } from "./scene";

/** A PUBLISH of exactly `total` bytes, the fixed header included. */
function publishOf(total: number, options: { level: Level; qos: number; id: number; topic?: string }): number[] {
  const { topic = "t", ...rest } = options;
  for (let length = total; length > 0; length--) {
    const bytes = publish({ ...rest, topic, payload: "x".repeat(length) });
    if (bytes.length === total) return bytes;
    if (bytes.length < total) break;
  }
  throw new Error(`no PUBLISH has ${total} bytes`);
}

const remaining = (bytes: Bytes): number => bytes.length - (bytes[1] < 128 ? 2 : bytes[2] < 128 ? 3 : 4);

/** A PUBLISH whose Remaining Length is `length`. */
function publishWith(length: number, options: { level: Level; qos: number; id: number }): number[] {
  const bytes = publishOf(length + (length < 128 ? 2 : 3), options);
  expect(remaining(bytes)).toBe(length);
  return bytes;
}

/** What a PUBLISH that is read and refused is told; then it is as before. */
function refused(scene: Scene, { level, qos }: Case, publisher: Guest, id: number, limit: string): Guest {
  const lines = [`${qos === 0 ? "publishDropped" : "publishRefused"} p ${limit}`];
  if (qos > 0 && level !== 5 && scene.limits.refuse311 === "close") {
    publisher.closed();
    lines.push("disconnected p 0x97");
  } else {
    publisher.acknowledged(qos, id, [level === 5 ? ReasonCode.QuotaExceeded : 0]);
    publisher.quiet();
  }
  scene.said(...lines);
  scene.audit();
  return publisher.isClosed ? scene.joinForLong(level, "p") : publisher;
}

function receiver(scene: Scene, level: Level): Guest {
  const guest = scene.join(level, "r");
  guest.subscribe("t", 2);
  return guest;
}

const qos = [0, 1, 2] as const;

describe("a PUBLISH above Maximum Packet Size", () => {
  const limits = { messageBytes: 224, packetBytes: 300 };

  for (const extra of [1, 2, 500, 70000]) {
    rule(`by ${extra} bytes ends the connection`, { limits, qos, levels: [5] }, (scene, it) => {
      const to = receiver(scene, it.level);
      const publisher = scene.joinForLong(it.level, "p");
      publisher.send(publishOf(scene.limits.packetBytes + extra, { ...it, id: 1 }));
      publisher.disconnected(ReasonCode.PacketTooLarge);
      scene.said("limitReached p packetBytes", "disconnected p 0x95");
      scene.audit();
      to.quiet();
      scene.joinForLong(it.level, "p").tells("t", { qos: it.qos }, [0]);
      expect(to.takes()).toHaveLength(1);
    });
  }

  rule("is refused as refuse311 says", { limits, qos, levels: [3, 4], modes: true }, (scene, it) => {
    const to = receiver(scene, it.level);
    let publisher = scene.joinForLong(it.level, "p");
    for (const extra of [1, 500]) {
      publisher.send(publishOf(scene.limits.packetBytes + extra, { ...it, id: 1 }));
      if (scene.limits.refuse311 === "close") {
        publisher.closed();
        scene.said("limitReached p packetBytes", "disconnected p 0x95");
        scene.audit();
        publisher = scene.joinForLong(it.level, "p");
      } else {
        publisher = refused(scene, it, publisher, 1, "packetBytes");
      }
      to.quiet();
    }
    publisher.tells("t", { qos: it.qos }, [0]);
    expect(to.takes()).toHaveLength(1);
  });

  rule("is not yet one of exactly that size", { limits, qos, modes: true }, (scene, it) => {
    const publisher = scene.joinForLong(it.level, "p");
    publisher.send(publishOf(scene.limits.packetBytes, { ...it, id: 1 }));
    refused(scene, it, publisher, 1, "messageBytes");
  });

  const acknowledging = { ...limits, refuse311: "acknowledge" as const };

  rule("counts in the window", { limits: acknowledging, levels: [3, 4] }, (scene, { level }) => {
    const publisher = scene.joinForLong(level, "p");
    const other = scene.joinForLong(level, "o");
    const { receiveMaximum, receiveShared } = scene.limits;
    const most = receiveMaximum + 1 + receiveShared;
    for (let id = 1; id <= most; id++) publisher.publish("t", { qos: 2, id });
    expect(publisher.received()).toHaveLength(most);
    scene.audit();
    publisher.send(publishOf(scene.limits.packetBytes + 1, { level, qos: 2, id: most + 1 }));
    publisher.closed();
    scene.audit();
    // What others may have of their own is still theirs.
    for (let id = 1; id <= receiveMaximum + 1; id++) other.publish("t", { qos: 2, id });
    expect(other.received()).toHaveLength(receiveMaximum + 1);
    scene.trouble();
  });

  rule("can be a resent one before 5.0", { limits: acknowledging, levels: [3, 4] }, (scene, { level }) => {
    const publisher = scene.join(level, "p");
    for (let i = 0; i < 3; i++) {
      publisher.send(publishOf(scene.limits.packetBytes + 1, { level, qos: 2, id: 7 }));
      expect(readAcknowledgement(level, 5, publisher.next("PUBREC")).id).toBe(7);
      scene.audit();
    }
    publisher.releases(7);
    scene.trouble();
  });
});

describe("another packet above Maximum Packet Size", () => {
  const filters = Array.from({ length: 200 }, () => "filter");
  const packets: Readonly<Record<string, (level: Level) => number[]>> = {
    SUBSCRIBE: (level) =>
      subscribe(
        level,
        1,
        filters.map((filter) => [filter, 0]),
      ),
    UNSUBSCRIBE: (level) => unsubscribe(level, 1, filters),
  };

  for (const [name, packet] of Object.entries(packets)) {
    rule(`${name} ends the connection`, {}, (scene, { level }) => {
      const guest = scene.joinForLong(level, "s");
      guest.subscribe("kept");
      guest.send(packet(level));
      guest.disconnected(ReasonCode.PacketTooLarge);
      scene.said("limitReached s packetBytes", "disconnected s 0x95");
      scene.audit();
      expect(scene.broker.subscriptions.pool.free).toBe(scene.limits.subscriptions - 1);
    });
  }

  const small: Readonly<Record<string, (text: string) => number[]>> = {
    PUBACK: (text) => puback(1, 0, property.reasonString(text)),
    PUBREC: (text) => pubrec(1, 0x80, property.reasonString(text)),
  };

  for (const [name, packet] of Object.entries(small)) {
    rule(`${name} above stageBytes ends the connection`, { levels: [5] }, (scene, { level }) => {
      const guest = scene.joinForLong(level, "s");
      const fits = packet("r".repeat(scene.limits.stageBytes - 8));
      expect(remaining(fits)).toBe(scene.limits.stageBytes);
      guest.send(fits);
      if (name === "PUBREC") guest.quiet();
      guest.quiet();
      scene.audit();
      guest.send(packet("r".repeat(scene.limits.stageBytes - 7)));
      guest.disconnected(ReasonCode.PacketTooLarge);
      scene.said("limitReached s stageBytes", "disconnected s 0x95");
      scene.audit();
    });
  }
});

describe("a PUBLISH above messageBytes", () => {
  rule("is refused, one of exactly that size is not", { qos, modes: true }, (scene, it) => {
    const to = receiver(scene, it.level);
    let publisher = scene.joinForLong(it.level, "p");
    for (const length of [scene.limits.messageBytes + 1, scene.limits.messageBytes + 2, 900]) {
      publisher.send(publishWith(length, { ...it, id: 3 }));
      publisher = refused(scene, it, publisher, 3, "messageBytes");
      to.quiet();
    }
    publisher.send(publishWith(scene.limits.messageBytes, { ...it, id: 3 }));
    publisher.acknowledged(it.qos, 3, [0]);
    expect(to.takes()).toHaveLength(1);
    scene.said();
  });

  rule("is refused in pieces too", { qos, modes: true }, (scene, it) => {
    const publisher = scene.joinForLong(it.level, "p");
    const bytes = publishWith(scene.limits.messageBytes + 1, { ...it, id: 3 });
    for (let at = 0; at < bytes.length; at += 7) {
      publisher.send(bytes.slice(at, at + 7));
      if (at + 7 < bytes.length) publisher.silent();
      scene.audit();
    }
    refused(scene, it, publisher, 3, "messageBytes");
  });
});

describe("a property longer than stageBytes", () => {
  const levels = [5] as const;
  const long = (scene: Scene, extra: number): number[] => {
    const name = "n".repeat(10);
    return property.user(name, "v".repeat(scene.limits.stageBytes - 5 - name.length + extra));
  };

  rule("is refused with its PUBLISH, as long is not", { qos, levels }, (scene, it) => {
    const to = receiver(scene, it.level);
    const publisher = scene.joinForLong(it.level, "p");
    const id = publisher.publish("t", { qos: it.qos, properties: long(scene, 1) });
    refused(scene, it, publisher, id, "stageBytes");
    to.quiet();
    publisher.tells("t", { qos: it.qos, properties: long(scene, 0) }, [0]);
    expect(to.takes().map((got) => got.properties[0].bytes.length)).toEqual([10]);
    scene.said();
  });

  rule("is refused with its PUBLISH in pieces", { qos, levels }, (scene, it) => {
    const publisher = scene.joinForLong(it.level, "p");
    const bytes = publish({ ...it, topic: "t", id: 3, properties: long(scene, 1), payload: "tail" });
    for (const byte of bytes) {
      publisher.send([byte]);
      scene.audit();
    }
    refused(scene, it, publisher, 3, "stageBytes");
  });

  for (const [name, packet] of Object.entries({
    SUBSCRIBE: (props: Bytes) => subscribe(5, 1, [["f", 0]], props),
    UNSUBSCRIBE: (props: Bytes) => unsubscribe(5, 1, ["f"], props),
  })) {
    rule(`ends the connection with its ${name}, as long does not`, { levels }, (scene, { level }) => {
      const guest = scene.join(level, "s");
      guest.send(packet(long(scene, 0)));
      expect(guest.received()).toHaveLength(1);
      guest.send(packet(long(scene, 1)));
      guest.disconnected(ReasonCode.PacketTooLarge);
      scene.said("limitReached s stageBytes", "disconnected s 0x95");
      scene.audit();
    });
  }
});

describe("Topic Alias", () => {
  for (const [name, topic] of Object.entries({ "with a Topic Name": "t", "instead of one": "" })) {
    rule(`${name} ends the connection`, { qos, levels: [5] }, (scene, { level, qos }) => {
      const to = receiver(scene, level);
      const publisher = scene.join(level, "p");
      publisher.publish(topic, { qos, properties: property.topicAlias(1), payload: "x".repeat(50) });
      publisher.disconnected(ReasonCode.TopicAliasInvalid);
      scene.said("disconnected p 0x94");
      scene.audit();
      to.quiet();
    });
  }
});

describe("time for a packet", () => {
  const packets: Readonly<Record<string, (level: Level) => number[]>> = {
    PUBLISH: (level) => publish({ level, topic: "t", qos: 1, id: 1, payload: "x".repeat(100) }),
    SUBSCRIBE: (level) => subscribe(level, 1, [["filter/of/some/length", 0]]),
    PUBACK: () => puback(1),
  };

  for (const [name, packet] of Object.entries(packets)) {
    for (const part of [0, 0.5, 1]) {
      const where = ["one byte", "half", "all but a byte"][part * 2];
      rule(`${where} of a ${name}: closed after packetMilliseconds, not before`, {}, (scene, { level }) => {
        const guest = scene.joinForLong(level, "s");
        const to = receiver(scene, level);
        const bytes = packet(level);
        guest.send(bytes.slice(0, 1 + Math.floor((bytes.length - 2) * part)));
        scene.advance(scene.limits.packetMilliseconds - 100);
        guest.silent();
        scene.audit();
        scene.advance(500);
        guest.disconnected(ReasonCode.ImplementationSpecificError);
        scene.said("disconnected s packetTimeout");
        scene.audit();
        to.quiet();
        scene.joinForLong(level, "s").quiet();
      });
    }

    rule(`a ${name} that trickles in is bounded too`, {}, (scene, { level }) => {
      const guest = scene.joinForLong(level, "s");
      const bytes = packet(level);
      const step = Math.ceil((scene.limits.packetMilliseconds * 2) / bytes.length);
      let sent = 0;
      for (; sent < bytes.length && !guest.client.stream.serverClosed; sent++) {
        guest.send([bytes[sent]]);
        scene.advance(step);
      }
      if (name === "PUBACK") {
        // Its fixed header and its body have the time each.
        expect(sent).toBeGreaterThan(1);
      } else {
        expect(sent).toBeLessThan(bytes.length);
        guest.disconnected(ReasonCode.ImplementationSpecificError);
      }
      scene.trouble();
      scene.audit();
    });
  }

  rule("begins anew with each packet", {}, (scene, { level }) => {
    const guest = scene.join(level, "s");
    const bytes = publish({ level, topic: "t", qos: 1, id: 1, payload: "x".repeat(20) });
    for (let i = 0; i < 4; i++) {
      guest.send(bytes.slice(0, 9));
      scene.advance(scene.limits.packetMilliseconds - 300);
      guest.send(bytes.slice(9));
      guest.acknowledged(1, 1);
      scene.audit();
    }
    scene.said();
  });

  rule(
    "does not run while the connection is held",
    { limits: { holdMilliseconds: 5000, deliveries: 6, messages: 9 } },
    (scene, it) => {
      const { level } = it;
      scene.absent(level, "away", "fill");
      const filler = scene.join(level, "filler");
      for (let i = 0; i < 6; i++) filler.tells("fill", { qos: 1 }, [0]);
      filler.leaves();
      const to = receiver(scene, level);
      const publisher = scene.join(level, "p");
      const bytes = [1, 2].flatMap((id) => publish({ level, topic: "t", qos: 1, id, payload: "x".repeat(20) }));
      publisher.send(bytes.slice(0, bytes.length - 5));
      scene.advance(scene.limits.packetMilliseconds * 2);
      publisher.silent();
      scene.audit();
      scene.joinForLong(level, "away").takes();
      publisher.acknowledged(1, 1, [0]);
      scene.advance(scene.limits.packetMilliseconds - 300);
      publisher.send(bytes.slice(-5));
      publisher.acknowledged(1, 2, [0]);
      expect(to.takes()).toHaveLength(2);
      scene.trouble();
    },
  );

  const long = { holdMilliseconds: 5000 };

  rule("nor while it is held at its fixed header", { limits: long, qos: [0, 1, 2] }, (scene, { level, qos }) => {
    scene.absent(level, "away", "fill");
    const filler = scene.join(level, "filler");
    for (const length of [210, 210, 210, 60]) filler.tells("fill", { qos: 1, payload: "x".repeat(length) }, [0]);
    filler.leaves();
    const publisher = scene.join(level, "p");
    const bytes = publish({ level, topic: "t", qos, id: 1, payload: "x".repeat(150) });
    publisher.send(bytes.slice(0, 50));
    scene.advance(scene.limits.packetMilliseconds * 2);
    publisher.silent();
    scene.said("held p room");
    scene.joinForLong(level, "away").takes();
    scene.audit();
    scene.advance(scene.limits.packetMilliseconds - 300);
    publisher.silent();
    scene.audit();
    publisher.send(bytes.slice(50));
    publisher.acknowledged(qos, 1);
    publisher.quiet();
    scene.said();
  });

  rule(
    "nor does Keep Alive, which begins anew",
    { limits: { ...long, deliveries: 6, messages: 9 } },
    (scene, { level }) => {
      scene.absent(level, "away", "fill");
      const filler = scene.join(level, "filler");
      for (let i = 0; i < 6; i++) filler.tells("fill", { qos: 1 }, [0]);
      filler.leaves();
      receiver(scene, level);
      const publisher = scene.join(level, "p", { keepAlive: 1 });
      publisher.publish("t", { qos: 1 });
      scene.advance(4000);
      publisher.silent();
      scene.joinForLong(level, "away").takes();
      publisher.acknowledged(1, 1, [0]);
      scene.audit();
      scene.advance(1200);
      publisher.silent();
      scene.advance(800);
      publisher.disconnected(ReasonCode.KeepAliveTimeout);
      scene.audit();
      scene.trouble();
    },
  );

  rule("runs again when the hold is over", { limits: long }, (scene, { level }) => {
    scene.absent(level, "away", "fill");
    const filler = scene.join(level, "filler");
    for (const length of [210, 210, 210, 60]) filler.tells("fill", { qos: 1, payload: "x".repeat(length) }, [0]);
    filler.leaves();
    const publisher = scene.join(level, "p");
    publisher.send(publish({ level, topic: "t", qos: 1, id: 1, payload: "x".repeat(150) }).slice(0, 50));
    scene.advance(1000);
    scene.joinForLong(level, "away").takes();
    scene.audit();
    scene.advance(scene.limits.packetMilliseconds + 400);
    publisher.disconnected(ReasonCode.ImplementationSpecificError);
    scene.audit();
    scene.trouble();
  });
});

describe("what is refused and what follows", () => {
  // One connection, everything in one write: the packets behind a refused one are read in their place.
  rule("packets behind a refused PUBLISH are not lost", { qos, levels: [5] }, (scene, { level, qos }) => {
    const to = receiver(scene, level);
    const publisher = scene.join(level, "p");
    publisher.send(
      publishWith(scene.limits.messageBytes + 9, { level, qos, id: 1 }),
      publish({ level, topic: "1/2/3/4/5/6/7", qos, id: 2 }),
      publish({ level, topic: "y".repeat(99), qos, id: 3 }),
      publish({ level, topic: "t", qos: 1, id: 4, payload: "good" }),
    );
    const got = publisher.received();
    const codes = got.map((packet) => [packet[3], packet[4] ?? 0]);
    expect(codes).toEqual([
      ...(qos === 0
        ? []
        : [
            [1, 0x97],
            [2, 0x90],
            [3, 0x90],
          ]),
      [4, 0],
    ]);
    expect(to.payloads()).toEqual(["good"]);
    scene.trouble();
  });
});
