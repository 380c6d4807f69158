// What SUBSCRIBE and UNSUBSCRIBE are told, Topic Filter by Topic Filter.

import { describe, expect } from "vitest";
import { presets, ReasonCode } from "../../src/index";
import type { Limits } from "../../src/memory/limits";
import {
  type Level,
  readSuback,
  SUBACK,
  type Subscription,
  subscribe,
  UNSUBACK,
  unsubscribe,
} from "../support/packets";
import { refusalOf } from "./guest";
import { rule, type Scene } from "./scene";

/** The code of a Topic Filter that is refused. */
const code = (level: Level, reason: ReasonCode): number => (level === 5 ? reason : 0x80);

function subscriptionCount(scene: Scene): number {
  return scene.limits.subscriptions - scene.broker.subscriptions.pool.free;
}

describe("a Topic Filter", () => {
  const cases = [
    { what: "of more than topicLevels levels", limit: "topicLevels", over: "1/2/3/4/5/6/7", fits: "1/2/3/4/5/6" },
    { what: "of many levels", limit: "topicLevels", over: "/".repeat(30), fits: "/".repeat(5) },
    {
      what: "of more than topicLevels levels with wildcards",
      limit: "topicLevels",
      over: "+/+/+/+/+/+/#",
      fits: "+/#",
    },
    { what: "longer than topicBytes", limit: "topicBytes", over: "x".repeat(65), fits: "x".repeat(64) },
    { what: "much longer than topicBytes", limit: "topicBytes", over: "y".repeat(400), fits: "y" },
  ];

  for (const { what, limit, over, fits } of cases) {
    rule(`${what} is refused, the others proceed`, {}, (scene, { level }) => {
      const guest = scene.join(level, "s");
      const codes = guest.subscribes([
        ["a", 1],
        [over, 1],
        [fits, 2],
        [over, 0],
        ["b", 0],
      ]);
      const refused = code(level, ReasonCode.TopicFilterInvalid);
      expect(codes).toEqual([1, refused, 2, refused, 0]);
      scene.said(`subscribeRefused s ${limit}`, `subscribeRefused s ${limit}`);
      expect(subscriptionCount(scene)).toBe(3);
      scene.audit();
      expect(guest.unsubscribes([over, "a", fits])).toEqual(level === 5 ? [0x11, 0, 0] : []);
      expect(subscriptionCount(scene)).toBe(1);
      guest.quiet();
    });
  }
});

describe("a Topic Name", () => {
  const cases = [
    { what: "of more than topicLevels levels", limit: "topicLevels", over: "1/2/3/4/5/6/7", fits: "1/2/3/4/5/6" },
    { what: "longer than topicBytes", limit: "topicBytes", over: "x".repeat(65), fits: "x".repeat(64) },
    { what: "much longer than topicBytes", limit: "topicBytes", over: "y".repeat(200), fits: "y" },
  ];

  for (const { what, limit, over, fits } of cases) {
    for (const retain of [false, true]) {
      const name = `${what} is refused${retain ? ", retained or not" : ""}`;
      rule(name, { qos: [0, 1, 2], modes: true }, (scene, { level, qos }) => {
        const receiver = scene.join(level, "r");
        receiver.subscribe("#", 2);
        const publisher = scene.joinForLong(level, "p");
        const id = publisher.publish(over, { qos, retain, payload: "x" });
        const lines = [`${qos === 0 ? "publishDropped" : "publishRefused"} p ${limit}`];
        if (qos > 0 && level !== 5 && scene.limits.refuse311 === "close") {
          publisher.closed();
          lines.push("disconnected p 0x97");
        } else {
          publisher.acknowledged(qos, id, [level === 5 ? refusalOf(limit) : 0]);
          publisher.quiet();
        }
        scene.said(...lines);
        scene.audit();
        receiver.quiet();
        const again = publisher.isClosed ? scene.joinForLong(level, "p") : publisher;
        again.tells(fits, { qos, retain, payload: "fits" }, [0]);
        expect(receiver.payloads()).toEqual(["fits"]);
      });
    }
  }
});

interface Shortage {
  limit: "subscriptions" | "subscriptionsPerSession" | "topicNodes" | "topicLabels" | "labelBytes";
  limits: Partial<Limits>;
  /** Topic Filters of two sessions, and one for which the second has no room then. */
  others: readonly string[];
  own: readonly string[];
  more: string;
}

const shortages: readonly Shortage[] = [
  { limit: "subscriptions", limits: {}, others: ["a", "b", "c", "d", "e", "f"], own: ["a", "b"], more: "c" },
  { limit: "subscriptions", limits: { subscriptions: 6 }, others: ["+/x", "#"], own: ["a", "b", "c", "d"], more: "e" },
  { limit: "subscriptionsPerSession", limits: {}, others: ["a"], own: ["a", "b", "c", "d", "e", "f"], more: "g" },
  { limit: "topicNodes", limits: { topicNodes: 4 }, others: ["a/b"], own: ["c", "d"], more: "e" },
  { limit: "topicNodes", limits: { topicNodes: 4 }, others: ["a/b"], own: ["a/c"], more: "a/b/+/#" },
  { limit: "topicLabels", limits: { topicLabels: 3 }, others: ["a/b"], own: ["a", "c/c/c"], more: "d" },
  { limit: "topicLabels", limits: { topicLabels: 3 }, others: ["a/b"], own: ["b/+", "b/#"], more: "d/e/d" },
  { limit: "labelBytes", limits: { labelBytes: 48 }, others: ["a"], own: ["b", "c/c/c"], more: "d" },
  { limit: "labelBytes", limits: { labelBytes: 64 }, others: ["a"], own: ["b".repeat(33)], more: "c".repeat(17) },
];

for (const { limit, limits, others, own, more } of shortages) {
  describe(`${limit}, for ${more} beside ${others.join(", ")} and ${own.join(", ")}`, () => {
    const list = (filters: readonly string[]): Subscription[] => filters.map((filter) => [filter, 1]);

    rule("is refused, the others proceed", { limits }, (scene, { level }) => {
      const other = scene.joinForLong(level, "other");
      expect(other.subscribes(list(others))).toEqual(others.map(() => 1));
      const guest = scene.joinForLong(level, "s");
      const refused = code(level, ReasonCode.QuotaExceeded);
      // Between those for which there is room, and before one that replaces.
      const codes = guest.subscribes([...list(own), [more, 1], [own[0], 2]]);
      expect(codes).toEqual([...own.map(() => 1), refused, 2]);
      scene.said(`subscribeRefused s ${limit}`);
      scene.audit();
      expect(subscriptionCount(scene)).toBe(others.length + own.length);
      for (let i = 0; i < 3; i++) expect(guest.subscribes([[more, i]])).toEqual([refused]);
      scene.trouble();
      guest.unsubscribes([more]);
      scene.audit();
      // What was there before is as it was.
      expect(guest.subscribes(list(own))).toEqual(own.map(() => 1));
      expect(other.subscribes(list(others))).toEqual(others.map(() => 1));
      scene.said();
    });

    rule("succeeds when others have gone", { limits }, (scene, { level }) => {
      const other = scene.join(level, "other");
      other.subscribes(list(others));
      const guest = scene.join(level, "s");
      guest.subscribes(list(own));
      expect(guest.subscribes([[more, 1]])).toEqual([code(level, ReasonCode.QuotaExceeded)]);
      scene.trouble();
      other.vanishes();
      guest.unsubscribes(own);
      scene.audit();
      expect(guest.subscribes([[more, 1]])).toEqual([1]);
      if (!/[+#]/.test(more)) {
        scene.join(level, "p").tells(more, { qos: 1, payload: "x" }, [0]);
        expect(guest.payloads()).toEqual(["x"]);
      }
      scene.said();
    });

    rule("a refused Topic Filter gets no retained messages and no live ones", { limits }, (scene, { level }) => {
      if (/[+#]/.test(more)) return;
      const publisher = scene.join(level, "p");
      scene.join(level, "other").subscribes(list(others));
      const guest = scene.join(level, "s");
      guest.subscribes(list(own));
      guest.subscribes([[more, 1]]);
      publisher.tells(more, { qos: 1, payload: "x" });
      expect(guest.payloads()).toEqual(others.includes("#") && own.includes("#") ? ["x"] : []);
    });
  });
}

describe("Topic Filters in one packet", () => {
  const limits = { filtersPerSubscribe: 4 };
  const many = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i % 5}`);

  for (const count of [5, 10, 200]) {
    rule(`${count} in SUBSCRIBE: those beyond filtersPerSubscribe are refused`, { limits }, (scene, { level }) => {
      const guest = scene.join(level, "s");
      const codes = guest.subscribes(many(count).map((filter) => [filter, 1]));
      const refused = code(level, ReasonCode.QuotaExceeded);
      expect(codes).toEqual(many(count).map((_, i) => (i < 4 ? 1 : refused)));
      scene.said(...many(count - 4).map(() => "subscribeRefused s filtersPerSubscribe"));
      expect(subscriptionCount(scene)).toBe(4);
      scene.audit();
      expect(guest.subscribes([["4", 1]])).toEqual([1]);
    });

    rule(`${count} in UNSUBSCRIBE of 5.0: those beyond are refused`, { limits, levels: [5] }, (scene, { level }) => {
      const guest = scene.join(level, "s");
      for (let i = 0; i < 5; i++) guest.subscribe(`${i}`);
      const codes = guest.unsubscribes(many(count));
      expect(codes).toEqual(many(count).map((_, i) => (i < 4 ? 0 : ReasonCode.ImplementationSpecificError)));
      expect(subscriptionCount(scene)).toBe(1);
      scene.audit();
      expect(guest.unsubscribes(["4"])).toEqual([0]);
    });

    // Its UNSUBACK has no codes, so it can't say that something was not done; it needs no room for codes either.
    rule(`${count} in UNSUBSCRIBE before 5.0 are all done`, { limits, levels: [3, 4] }, (scene, { level }) => {
      const guest = scene.join(level, "s");
      for (let i = 0; i < 5; i++) guest.subscribe(`${i}`);
      guest.unsubscribes(many(count));
      expect(subscriptionCount(scene)).toBe(0);
      scene.audit();
    });
  }

  rule("a SUBACK longer than the output is sent in pieces, others between them", { limits }, (scene, { level }) => {
    const guest = scene.join(level, "s");
    const other = scene.join(level, "o");
    guest.client.stalled = true;
    guest.send(
      subscribe(
        level,
        9,
        many(200).map((filter) => [filter, 0]),
      ),
    );
    other.quiet();
    scene.audit();
    guest.client.stalled = false;
    const suback = readSuback(level, SUBACK, guest.next("SUBACK"));
    expect(suback.reasons.length).toBe(200);
    guest.quiet();
    scene.trouble();
  });
});

describe("a long SUBSCRIBE", () => {
  const limits = { ...presets.esp32, keepAliveSeconds: 60, sessionExpirySeconds: 120 };

  rule("of 500 Topic Filters in 29 KB passes on a device", { limits }, (scene, { level }) => {
    const guest = scene.join(level, "s");
    const filters = Array.from({ length: 500 }, (_, i) => `home/floor/room${i % 7}/device/${i}/`.padEnd(56, "x"));
    const bytes = subscribe(
      level,
      9,
      filters.map((filter) => [filter, 1]),
    );
    expect(bytes.length).toBeGreaterThan(29_000);
    guest.send(bytes);
    const { reasons } = readSuback(level, SUBACK, guest.next("SUBACK"));
    expect(reasons).toHaveLength(500);
    const granted = reasons.filter((reason) => reason === 1).length;
    expect(granted).toBe(scene.limits.subscriptionsPerSession);
    expect(new Set(reasons)).toEqual(new Set([1, code(level, ReasonCode.QuotaExceeded)]));
    expect(new Set(scene.trouble())).toEqual(new Set(["subscribeRefused s subscriptionsPerSession"]));
    scene.audit();
  });
});

describe("a second SUBSCRIBE", () => {
  // So little goes out at once that a SUBACK stays.
  const transport = { downBytes: 48 };

  rule("waits until the first is answered", { transport, transports: ["tight"] }, (scene, { level }) => {
    const guest = scene.join(level, "s");
    guest.client.stalled = true;
    const list: Subscription[] = Array.from({ length: 60 }, (_, i) => [`${i % 3}`, 0]);
    guest.send(subscribe(level, 1, list), subscribe(level, 2, list), unsubscribe(level, 3, ["0"]));
    scene.advance(scene.limits.holdMilliseconds * 3);
    guest.silent();
    scene.audit();
    expect(scene.trouble()).toContain("held s subscribe");
    guest.client.stalled = false;
    const packets = guest.received();
    expect(packets.map((packet) => packet[0] >> 4)).toEqual([SUBACK, SUBACK, UNSUBACK]);
    expect(packets.slice(0, 2).map((packet) => readSuback(level, SUBACK, packet).reasons.length)).toEqual([60, 60]);
    guest.quiet();
    scene.trouble();
  });
});

describe("a SUBSCRIBE that is not completed", () => {
  const list: Subscription[] = [
    ["kept", 2],
    ["new/1", 1],
    ["new/2", 1],
    ["new/3", 1],
  ];
  const filters = list.map(([filter]) => String(filter));

  const cases: readonly { what: string; end: (level: Level) => number[]; reason: (level: Level) => number }[] = [
    // Reserved bits, a Topic Filter that is none, no UTF-8.
    { what: "malformed options", end: () => [0, 1, 0x78, 0xc0], reason: () => ReasonCode.MalformedPacket },
    { what: "a wildcard in a level", end: () => [0, 2, 0x78, 0x23, 0], reason: () => ReasonCode.TopicFilterInvalid },
    { what: "ill-formed UTF-8", end: () => [0, 1, 0xff, 0], reason: () => ReasonCode.MalformedPacket },
  ];

  for (const { what, end, reason } of cases) {
    rule(`because of ${what} takes its new subscriptions back`, {}, (scene, { level }) => {
      const guest = scene.joinForLong(level, "s");
      guest.subscribe("kept", 1);
      guest.subscribe("too", 1);
      const bytes = subscribe(level, 7, list);
      const tail = end(level);
      bytes[1] += tail.length;
      guest.send([...bytes, ...tail]);
      guest.disconnected(reason(level));
      scene.trouble();
      scene.audit();
      expect(subscriptionCount(scene)).toBe(2);
      const back = scene.joinForLong(level, "s");
      expect(back.unsubscribes(filters)).toEqual(level === 5 ? [0, 0x11, 0x11, 0x11] : []);
    });
  }

  rule("because the stream breaks takes its new subscriptions back", {}, (scene, { level }) => {
    const bytes = subscribe(level, 7, list);
    for (let length = 1; length < bytes.length; length += 3) {
      const guest = scene.joinForLong(level, "s");
      guest.subscribe("kept", 1);
      guest.send(bytes.slice(0, length));
      scene.audit();
      if (length % 2 === 0) guest.client.end();
      else guest.client.reset();
      scene.audit();
      expect(subscriptionCount(scene)).toBe(1);
    }
  });

  rule("in packetMilliseconds ends the connection, however steadily it comes", {}, (scene, { level }) => {
    const guest = scene.joinForLong(level, "s");
    guest.subscribe("kept", 1);
    const bytes = subscribe(level, 7, list);
    for (const [i, byte] of bytes.entries()) {
      if (guest.isClosed) break;
      guest.send([byte]);
      if (i < bytes.length - 1) scene.advance(150);
      if (i < 10) guest.silent();
    }
    guest.disconnected(ReasonCode.ImplementationSpecificError);
    scene.said("disconnected s packetTimeout");
    scene.audit();
    expect(subscriptionCount(scene)).toBe(1);
  });
});

describe("Subscription Identifiers", () => {
  const identifier = (n: number): number[] => [0x0b, n];
  const options = { levels: [5] as const, qos: [0, 1, 2] as const };

  rule("beyond those that can be kept, each subscription gets its own copy", options, (scene, { level, qos }) => {
    const guest = scene.join(level, "s");
    for (const [i, filter] of ["t", "#", "+", "t/#"].entries()) guest.subscribe(filter, 2, identifier(i + 1));
    const publisher = scene.join(level, "p");
    for (let i = 0; i < 3; i++) {
      publisher.tells("t", { qos, payload: "x" }, [0]);
      const got = guest.takes();
      expect(got.map((it) => it.properties.map(({ number }) => number))).toHaveLength(4);
      expect(got.flatMap((it) => it.properties.map(({ number }) => number)).sort()).toEqual([1, 2, 3, 4]);
      scene.audit();
    }
    scene.said();
  });

  rule("that can be kept come in one copy", options, (scene, { level, qos }) => {
    const guest = scene.join(level, "s");
    for (const [i, filter] of ["t", "#", "+"].entries()) guest.subscribe(filter, 2, identifier(i + 1));
    const publisher = scene.join(level, "p");
    for (let i = 0; i < 3; i++) {
      publisher.tells("t", { qos, payload: "x" }, [0]);
      const got = guest.takes();
      expect(got.map((it) => it.properties.map(({ number }) => number).sort())).toEqual([[1, 2, 3]]);
      scene.audit();
    }
  });

  rule("that wait in a queue are missed by the next message", { levels: [5] }, (scene, { level }) => {
    const away = scene.joinForLong(level, "away");
    for (const [i, filter] of ["t", "#", "+"].entries()) away.subscribe(filter, 1, identifier(i + 1));
    away.leaves();
    const publisher = scene.join(level, "p");
    publisher.tells("t", { qos: 1, payload: "1" }, [0]);
    publisher.tells("t", { qos: 1, payload: "2" }, [0]);
    scene.audit();
    const back = scene.joinForLong(level, "away");
    const got = back.takes().map((it) => [it.payload, ...it.properties.map(({ number }) => number).sort()]);
    expect(got.sort()).toEqual([
      ["1", 1, 2, 3],
      ["2", 1],
      ["2", 2],
      ["2", 3],
    ]);
    publisher.tells("t", { qos: 1, payload: "3" }, [0]);
    expect(back.takes()).toHaveLength(1);
  });

  const few = { deliveries: 7, messages: 9 };

  rule("copies that find no delivery are refused as a whole", { levels: [5], limits: few }, (scene, { level }) => {
    scene.absent(level, "away", "fill");
    const guest = scene.join(level, "s");
    for (const [i, filter] of ["t", "#", "+", "t/#"].entries()) guest.subscribe(filter, 1, identifier(i + 1));
    const publisher = scene.join(level, "p");
    // The receiver has no room for one more, and needs four.
    guest.unsubscribes(["#", "+"]);
    for (let i = 0; i < 6; i++) publisher.tells("fill", { qos: 1 }, [0]);
    for (const [i, filter] of ["#", "+"].entries()) guest.subscribe(filter, 1, identifier(i + 5));
    const id = publisher.publish("t", { qos: 1, payload: "x" });
    scene.advance(scene.limits.holdMilliseconds + 400);
    publisher.acknowledged(1, id, [ReasonCode.QuotaExceeded]);
    guest.quiet();
    scene.saidBesidesHolds("publishRefused p deliveries");
    scene.joinForLong(level, "away").takes();
    publisher.tells("t", { qos: 1, payload: "x" }, [0]);
    expect(guest.takes()).toHaveLength(4);
  });
});
