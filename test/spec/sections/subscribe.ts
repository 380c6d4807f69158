// SUBSCRIBE and SUBACK [3.8, 3.9].

import {
  hex,
  packet,
  property,
  publish,
  readSuback,
  SUBACK,
  string,
  subscribe,
  toHex,
  u16,
} from "../../support/packets";
import { check, connect, equal, MALFORMED, numberOf, persistent } from "../client";
import { rule, section } from "../rules";

section("SUBSCRIBE");

/** Subscription Options of MQTT 5.0. */
const NO_LOCAL = 0x04;
const RETAIN_AS_PUBLISHED = 0x08;

rule(
  "flags of SUBSCRIBE other than 0010 close",
  { "3.1.1": "3.8.1-1 2.2.2-2", "5.0": "3.8.1-1", levels: [4, 5] },
  async (server, level) => {
    for (let flags = 0; flags < 16; flags++) {
      if (flags === 2) continue;
      const client = await connect(server, level);
      const bytes = subscribe(level, 1, [["t", 0]]);
      bytes[0] = 0x80 | flags;
      await client.send(bytes);
      await client.disconnected(...MALFORMED);
    }
  },
);

rule("a Topic Filter that is no UTF-8 closes", { "3.1.1": "3.8.3-1", "5.0": "3.8.3-1" }, async (server, level) => {
  const client = await connect(server, level);
  await client.send(subscribe(level, 1, [[hex("61 ed a0 80"), 0]]));
  await client.disconnected(...MALFORMED);
});

rule("wildcards can be subscribed to", { "3.1.1": "3.8.3-2", levels: [3, 4, 5] }, async (server, level) => {
  const client = await connect(server, level);
  await client.subscribe("+/b/#", 1);
  const publisher = await connect(server, level, { id: "publisher" });
  await publisher.publish("a/b/c/d", "x");
  await client.gets("a/b/c/d", "x");
});

rule("SUBSCRIBE without a Topic Filter closes", { "3.1.1": "3.8.3-3", "5.0": "3.8.3-2" }, async (server, level) => {
  const client = await connect(server, level);
  await client.send(subscribe(level, 1, []));
  await client.disconnected(...MALFORMED);
});

rule(
  "SUBSCRIBE that ends inside a Topic Filter or before its options closes",
  { "3.1.1": "3.8.3-3", "5.0": "3.8.3-2" },
  async (server, level) => {
    const head = level === 5 ? [...u16(1), 0] : u16(1);
    for (const tail of [hex("00"), hex("00 05"), hex("00 05 61 62"), string("t"), [...string("t"), 0, 0]]) {
      const client = await connect(server, level);
      await client.send(packet(8, 2, head, tail));
      await client.disconnected(...MALFORMED);
    }
  },
);

rule("No Local keeps a client's own messages from it", { "5.0": "3.8.3-3" }, async (server, level) => {
  const client = await connect(server, level, { id: "a" });
  const other = await connect(server, level, { id: "b" });
  await client.subscribe("t", NO_LOCAL | 1);
  await other.subscribe("t", NO_LOCAL | 1);
  await client.publish("t", "mine", { qos: 1 });
  await client.quiet();
  await other.gets("t", "mine");
  await other.publish("t", "theirs", { qos: 1 });
  await client.gets("t", "theirs");
  await client.quiet();
});

rule("No Local holds for the Session after a reconnect", { "5.0": "3.8.3-3" }, async (server, level) => {
  const first = await connect(server, level, persistent(level, { id: "a" }));
  await first.subscribe("t", NO_LOCAL | 1);
  await first.leave();
  const client = await connect(server, level, persistent(level, { id: "a" }));
  await client.publish("t", "mine", { qos: 1 });
  await client.quiet();
  const other = await connect(server, level, { id: "b" });
  await other.publish("t", "theirs", { qos: 1 });
  await client.gets("t", "theirs");
});

rule("No Local with a Shared Subscription is refused", { "5.0": "3.8.3-4" }, async (server, level) => {
  const client = await connect(server, level);
  await client.send(subscribe(level, 1, [["$share/g/t", NO_LOCAL]]));
  const bytes = await client.next();
  if (bytes[0] >> 4 === SUBACK) {
    // Where there are no Shared Subscriptions at all, the answer is that of any.
    equal(readSuback(level, SUBACK, bytes).reasons, [0x9e], "SUBACK");
    return;
  }
  check(bytes[0] === 0xe0 && MALFORMED.includes(bytes[2] as 0x82), `DISCONNECT expected, got ${toHex(bytes)}`);
  await client.closed();
});

rule("reserved bits of the options close", { "3.1.1": "3.8.3-4", "5.0": "3.8.3-5" }, async (server, level) => {
  const bits = level === 5 ? [0x40, 0x80, 0xc0] : [0x04, 0x08, 0x10, 0x20, 0x40, 0x80];
  // MQTT 3.1 only says that they are not used.
  if (level === 3) bits.length = 0;
  for (const bit of bits) {
    const client = await connect(server, level);
    await client.send(subscribe(level, 1, [["t", bit | 1]]));
    await client.disconnected(...MALFORMED);
  }
  const client = await connect(server, level);
  await client.send(subscribe(level, 1, [["t", 3]]));
  await client.disconnected(...MALFORMED);
});

rule("Retain Handling 3 closes", { levels: [5] }, async (server, level) => {
  const client = await connect(server, level);
  await client.send(subscribe(level, 1, [["t", 0x30]]));
  await client.disconnected(...MALFORMED);
});

rule("all options are accepted", { levels: [5] }, async (server, level) => {
  const client = await connect(server, level);
  for (const handling of [0x00, 0x10, 0x20]) {
    for (const bits of [0, NO_LOCAL, RETAIN_AS_PUBLISHED, NO_LOCAL | RETAIN_AS_PUBLISHED]) {
      for (const qos of [0, 1, 2]) await client.subscribe("t", handling | bits | qos);
    }
  }
});

rule(
  "SUBSCRIBE is answered with SUBACK",
  { "3.1.1": "3.8.4-1 3.8.4-2", "5.0": "3.8.4-1 3.8.4-2" },
  async (server, level) => {
    const client = await connect(server, level);
    await client.send(subscribe(level, 0x1234, [["t", 1]]));
    await client.expect(level === 5 ? hex("90 04 12 34 00 01") : hex("90 03 12 34 01"));
  },
);

rule(
  "the same Topic Filter replaces the subscription",
  { "3.1.1": "3.8.4-3", "5.0": "3.8.4-3" },
  async (server, level) => {
    const client = await connect(server, level);
    const publisher = await connect(server, level, { id: "publisher" });
    for (const qos of [2, 0, 1]) {
      await client.subscribe("t/+", qos);
      await publisher.publish("t/x", `${qos}`, { qos: 2 });
      await client.gets("t/x", `${qos}`, qos);
      await client.quiet();
    }
    await client.unsubscribe("t/+");
    await publisher.publish("t/x", "gone", { qos: 2 });
    await client.quiet();
  },
);

rule("a replaced subscription has its new options", { "5.0": "3.8.4-3" }, async (server, level) => {
  const client = await connect(server, level);
  await client.subscribe("t", 0, property.subscriptionIdentifier(1));
  await client.subscribe("t", RETAIN_AS_PUBLISHED, property.subscriptionIdentifier(2));
  const publisher = await connect(server, level, { id: "publisher" });
  await publisher.publish("t", "x", { retain: true });
  const got = await client.take();
  equal([got.retain, numberOf(got.properties, 0x0b)], [true, 2], "RETAIN and Subscription Identifier");
  await client.subscribe("t", NO_LOCAL | 0x20);
  await publisher.publish("t", "y", { retain: true });
  const plain = await client.take();
  equal([plain.retain, numberOf(plain.properties, 0x0b)], [false, undefined], "RETAIN and Subscription Identifier");
});

rule(
  "subscribing again sends retained messages again and loses none",
  { "3.1.1": "3.8.4-3", "5.0": "3.8.4-4" },
  async (server, level) => {
    const publisher = await connect(server, level, { id: "publisher" });
    await publisher.publish("t", "retained", { qos: 1, retain: true });
    const client = await connect(server, level, persistent(level, { id: "s" }));
    await client.subscribe("t", 1);
    await client.gets("t", "retained");
    await publisher.publish("t", "unacknowledged", { qos: 1 });
    const waiting = await client.published();
    await client.send(subscribe(level, 9, [["t", 1]]));
    const kinds = new Map<number, Uint8Array>();
    for (const bytes of await client.drain()) kinds.set(bytes[0] >> 4, bytes);
    check(kinds.has(9), "SUBACK");
    check(kinds.has(3), "the retained message again");
    await client.acknowledge(waiting);
    await publisher.publish("t", "later", { qos: 1 });
    equal((await client.takeAll()).at(-1)?.payload, "later", "payload");
  },
);

rule(
  "several Topic Filters in one SUBSCRIBE are as good as one in several, with one SUBACK",
  { "3.1.1": "3.8.4-4", "5.0": "3.8.4-5" },
  async (server, level) => {
    const publisher = await connect(server, level, { id: "publisher" });
    await publisher.publish("r", "retained", { retain: true });
    const client = await connect(server, level);
    await client.send(
      subscribe(level, 5, [
        ["a", 0],
        ["b/+", 1],
        ["r", 2],
        ["a", 2],
      ]),
    );
    const packets = await client.drain();
    const subacks = packets.filter((bytes) => bytes[0] >> 4 === SUBACK);
    equal(
      subacks.map((bytes) => readSuback(level, SUBACK, bytes).reasons),
      [[0, 1, 2, 2]],
      "SUBACK",
    );
    equal(packets.length, 2, "SUBACK and retained message");
    // The last of two equal Topic Filters holds.
    await publisher.publish("a", "1", { qos: 2 });
    await client.gets("a", "1", 2);
    await publisher.publish("b/c", "2", { qos: 2 });
    await client.gets("b/c", "2", 1);
  },
);

rule(
  "SUBACK has a code for each Topic Filter",
  { "3.1.1": "3.8.4-5", "5.0": "3.8.4-6 3.8.4-7" },
  async (server, level) => {
    const client = await connect(server, level);
    for (const count of [1, 2, 20]) {
      const list = Array.from({ length: count }, (_, i) => [`t/${i}`, i % 3] as const);
      equal(
        (await client.subscribes(list)).reasons,
        list.map((it) => it[1]),
        "SUBACK",
      );
    }
  },
);

rule(
  "the codes are in the order of the Topic Filters",
  { "3.1.1": "3.9.3-1", "5.0": "3.9.3-1" },
  async (server, level) => {
    const client = await connect(server, level);
    const deep = "/".repeat(250);
    const suback = await client.subscribes([
      ["a", 2],
      [deep, 1],
      ["b", 0],
      ["c", 1],
    ]);
    equal([suback.reasons[0], suback.reasons[2], suback.reasons[3]], [2, 0, 1], "codes");
    check(suback.reasons[1] >= 0x80, "a Topic Filter with too many levels");
  },
);

/** Reason Codes that SUBACK may have. */
const SUBSCRIBE_REASONS = [0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2];

rule(
  "SUBACK has codes of its table, and before MQTT 5.0 no other failure than 0x80",
  { "3.1.1": "3.9.3-2", "5.0": "3.9.3-2" },
  async (server, level) => {
    const client = await connect(server, level);
    const filters = ["a", "+/+", "/".repeat(250), "x".repeat(1000), "$share/g/t", "$SYS/#"];
    const { reasons } = await client.subscribes(filters.map((filter) => [filter, 1] as const));
    equal(reasons.length, filters.length, "number of codes");
    const allowed = level === 5 ? SUBSCRIBE_REASONS : [0, 1, 2, 0x80];
    for (const reason of reasons) check(allowed.includes(reason), `code 0x${reason.toString(16)}`);
    check(reasons[2] >= 0x80 && reasons[3] >= 0x80, "Topic Filters beyond the limits");
  },
);

rule(
  "a message arrives at the lower of its QoS and that of the subscription",
  { "3.1.1": "3.8.4-6", "5.0": "3.8.4-8" },
  async (server, level) => {
    const client = await connect(server, level);
    const publisher = await connect(server, level, { id: "publisher" });
    for (const granted of [0, 1, 2]) {
      await client.subscribe("t", granted);
      for (const qos of [0, 1, 2]) {
        await publisher.publish("t", `${qos}`, { qos });
        await client.gets("t", `${qos}`, Math.min(qos, granted));
      }
    }
  },
);

rule("a Subscription Identifier of 0, or two, close", { levels: [5] }, async (server, level) => {
  const two = [...property.subscriptionIdentifier(1), ...property.subscriptionIdentifier(2)];
  for (const list of [property.subscriptionIdentifier(0), two]) {
    const client = await connect(server, level);
    await client.send(subscribe(level, 1, [["t", 0]], list));
    await client.disconnected(...MALFORMED);
  }
});

rule(
  "a Subscription Identifier comes with each message of its subscription",
  { levels: [5] },
  async (server, level) => {
    const publisher = await connect(server, level, { id: "publisher" });
    await publisher.publish("r", "retained", { retain: true });
    const client = await connect(server, level, persistent(level, { id: "s" }));
    await client.send(
      subscribe(
        level,
        1,
        [
          ["t", 1],
          ["r", 1],
        ],
        property.subscriptionIdentifier(300),
      ),
    );
    await client.next();
    equal(numberOf((await client.take()).properties, 0x0b), 300, "with the retained message");
    await client.leave();
    await publisher.publish("t", "x", { qos: 1 });
    const again = await connect(server, level, persistent(level, { id: "s" }));
    equal(numberOf((await again.take()).properties, 0x0b), 300, "after a reconnect");
  },
);

rule(
  "Shared Subscriptions, which the server does not have, are refused with 0x9E",
  { "5.0": "4.8.2-1 4.8.2-2" },
  async (server, level) => {
    const client = await connect(server, level);
    const { reasons } = await client.subscribes([
      ["$share/group/t", 1],
      ["t", 1],
    ]);
    equal(reasons, [0x9e, 1], "SUBACK");
    for (const filter of ["$share/", "$share/g", "$share//t", "$share/g/", "$share/g+/t", "$share/#"]) {
      const it = await connect(server, level, { id: "other" });
      await it.send(subscribe(level, 1, [[filter, 0]]));
      const bytes = await it.next();
      if (bytes[0] >> 4 === SUBACK) {
        const { reasons: codes } = readSuback(level, SUBACK, bytes);
        check(codes.length === 1 && (codes[0] === 0x8f || codes[0] === 0x9e), `SUBACK ${toHex(bytes)} for ${filter}`);
      } else {
        check(bytes[0] === 0xe0 && [0x81, 0x82, 0x8f, 0x9e].includes(bytes[2]), `${toHex(bytes)} for ${filter}`);
      }
    }
  },
);

rule("before MQTT 5.0 a Topic Filter with $share is like any other", { levels: [3, 4] }, async (server, level) => {
  const client = await connect(server, level);
  await client.subscribe("$share/g/t", 1);
  const publisher = await connect(server, level, { id: "publisher" });
  await publisher.publish("t", "not this");
  await publisher.publish("$share/g/t", "this", { qos: 1 });
  await client.gets("$share/g/t", "this");
});

rule("a subscription made by what is cut in pieces is whole", { levels: [3, 4, 5] }, async (server, level) => {
  const client = await connect(server, level);
  const bytes = subscribe(level, 9, [
    ["first/+/filter", 0],
    ["second/#", 1],
  ]);
  for (let cut = 1; cut < bytes.length; cut++) {
    await client.send(bytes.slice(0, cut));
    await client.send(bytes.slice(cut));
    equal(readSuback(level, SUBACK, await client.next()).reasons, [0, 1], "SUBACK");
  }
  await client.send(publish({ level, topic: "second/x", payload: "x" }));
  await client.gets("second/x", "x");
});

rule("a SUBSCRIBE found wrong halfway leaves no subscription", { levels: [4, 5] }, async (server, level) => {
  const first = await connect(server, level, persistent(level, { id: "s" }));
  await first.subscribe("kept", 1);
  await first.send(
    subscribe(level, 9, [
      ["new", 1],
      ["t", 0xff],
    ]),
  );
  await first.disconnected(...MALFORMED);
  const publisher = await connect(server, level, { id: "publisher" });
  await publisher.publish("new", "x", { qos: 1 });
  await publisher.publish("kept", "x", { qos: 1 });
  const second = await connect(server, level, persistent(level, { id: "s" }));
  await second.gets("kept", "x");
  await second.quiet();
});

rule(
  "SUBACK has a code for each of very many Topic Filters",
  { "3.1.1": "3.8.4-5 3.9.3-2", "5.0": "3.8.4-6 3.9.3-2" },
  async (server, level) => {
    // More codes than fit in what is sent at once; how many are granted is the server's.
    const client = await connect(server, level);
    const count = 2000;
    const list = Array.from({ length: count }, (_, i) => [`f/${i}`, i % 3] as const);
    const { reasons } = await client.subscribes(list);
    equal(reasons.length, count, "number of codes");
    const failures = level === 5 ? SUBSCRIBE_REASONS.filter((it) => it >= 0x80) : [0x80];
    check(
      reasons.every((reason, i) => reason === i % 3 || failures.includes(reason)),
      "codes",
    );
    await client.quiet();
    const granted = reasons.findIndex((reason) => reason < 0x80);
    check(granted >= 0, "none was granted");
    const publisher = await connect(server, level, { id: "publisher" });
    await publisher.publish(`f/${granted}`, "x");
    await client.gets(`f/${granted}`, "x");
  },
);
