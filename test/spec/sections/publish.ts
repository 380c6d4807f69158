// PUBLISH [3.3] and what happens to its properties on the way.

import {
  connect as connectPacket,
  hex,
  PUBACK,
  PUBCOMP,
  PUBREC,
  packet,
  pingreq,
  property,
  puback,
  pubcomp,
  publish,
  pubrec,
  pubrel,
  readPublish,
  string,
  subscribe,
  toHex,
  u16,
  unsubscribe,
} from "../../support/packets";
import { check, connect, equal, MALFORMED, numberOf, one, open, persistent, textOf } from "../client";
import { rule, section } from "../rules";

section("PUBLISH");

rule("DUP is 0 at QoS 0", { "3.1.1": "3.3.1-2 4.3.1-1", "5.0": "3.3.1-2 4.3.1-1" }, async (server, level) => {
  const client = await connect(server, level);
  await client.subscribe("t", 0);
  await client.send(publish({ level, topic: "t", payload: "x", qos: 1, id: 5, dup: true }));
  const packets = await client.drain();
  const got = packets.filter((bytes) => bytes[0] >> 4 === 3);
  equal(got.length, 1, "deliveries");
  equal(got[0][0], 0x30, "first byte");
});

rule("DUP of the publisher is not passed on", { "3.1.1": "3.3.1-3", "5.0": "3.3.1-3" }, async (server, level) => {
  const subscriber = await connect(server, level, { id: "subscriber" });
  await subscriber.subscribe("t", 2);
  const publisher = await connect(server, level, { id: "publisher" });
  for (const qos of [1, 2]) {
    await publisher.publish("t", "x", { qos, dup: true });
    equal((await subscriber.take()).dup, false, "DUP");
  }
});

rule("QoS 3 closes", { "3.1.1": "3.3.1-4", "5.0": "3.3.1-4" }, async (server, level) => {
  for (const dup of [false, true]) {
    const client = await connect(server, level);
    await client.send(publish({ level, topic: "t", payload: "x", qos: 3, dup }));
    await client.disconnected(...MALFORMED);
  }
});

rule("a PUBLISH without a Topic Name closes", { "3.1.1": "3.3.2-1", "5.0": "3.3.2-1" }, async (server, level) => {
  for (const bytes of [
    packet(3, 0),
    packet(3, 0, [0]),
    packet(3, 0, u16(4), hex("61 62 63")),
    packet(3, 2, string("t")),
  ]) {
    const client = await connect(server, level);
    await client.send(bytes);
    await client.disconnected(...MALFORMED);
  }
});

rule("a Topic Name with a wildcard closes", { "3.1.1": "3.3.2-2", "5.0": "3.3.2-2" }, async (server, level) => {
  for (const topic of ["+", "#", "a/+", "a/#", "a+b", "a#"]) {
    for (const qos of [0, 1, 2]) {
      const client = await connect(server, level);
      await client.send(publish({ level, topic, payload: "x", qos }));
      await client.disconnected(0x90, ...MALFORMED);
    }
  }
});

rule("a Topic Name without a character closes", { levels: [3, 4, 5] }, async (server, level) => {
  const client = await connect(server, level);
  await client.send(publish({ level, topic: "", payload: "x" }));
  await client.disconnected(0x90, ...MALFORMED);
});

rule(
  "what is delivered has the Topic Name it was published to",
  { "3.1.1": "3.3.2-3", "5.0": "3.3.2-3" },
  async (server, level) => {
    const client = await connect(server, level);
    await client.subscribe("a/+/c");
    await client.subscribe("d/#");
    await client.send(publish({ level, topic: "a/b/c", payload: "1" }), publish({ level, topic: "d", payload: "2" }));
    await client.gets("a/b/c", "1");
    await client.gets("d", "2");
    await client.send(publish({ level, topic: "a/b/x", payload: "3" }));
    await client.quiet();
  },
);

rule("the acknowledgement is that of the QoS", { "3.1.1": "3.3.4-1", "5.0": "3.3.4-1" }, async (server, level) => {
  const client = await connect(server, level);
  await client.send(publish({ level, topic: "t", payload: "0" }));
  await client.quiet();
  await client.send(publish({ level, topic: "t", payload: "1", qos: 1, id: 10 }));
  await client.acknowledged(PUBACK, 10);
  await client.send(publish({ level, topic: "t", payload: "2", qos: 2, id: 11 }));
  await client.acknowledged(PUBREC, 11);
  await client.quiet();
});

rule("acknowledgements have the Packet Identifier", { "3.1.1": "2.3.1-6", "5.0": "2.2.1-5" }, async (server, level) => {
  const client = await connect(server, level);
  for (const id of [1, 255, 256, 65535]) {
    await client.publish("t", "x", { qos: 1, id });
    await client.publish("t", "x", { qos: 2, id });
  }
});

rule(
  "SUBACK and UNSUBACK have the Packet Identifier",
  { "3.1.1": "2.3.1-7", "5.0": "2.2.1-6" },
  async (server, level) => {
    const client = await connect(server, level);
    for (const id of [1, 255, 256, 65535]) {
      await client.send(subscribe(level, id, [["t", 0]]));
      equal((await client.next()).slice(2, 4), Uint8Array.from(u16(id)), "SUBACK");
      await client.send(unsubscribe(level, id, ["t"]));
      equal((await client.next()).slice(2, 4), Uint8Array.from(u16(id)), "UNSUBACK");
    }
  },
);

rule("there is no Packet Identifier at QoS 0", { "3.1.1": "2.3.1-5", "5.0": "2.2.1-2" }, async (server, level) => {
  const client = await connect(server, level);
  const other = await connect(server, level, { id: "other" });
  await other.subscribe("t", 0);
  await client.send(publish({ level, topic: "t", payload: "xy", qos: 0 }));
  await other.expect(publish({ level, topic: "t", payload: "xy" }));
});

rule("Packet Identifier 0 closes", { "3.1.1": "2.3.1-1", "5.0": "2.2.1-3" }, async (server, level) => {
  const packets = [
    publish({ level, topic: "t", payload: "x", qos: 1, id: 0 }),
    publish({ level, topic: "t", payload: "x", qos: 2, id: 0 }),
    subscribe(level, 0, [["t", 0]]),
    unsubscribe(level, 0, ["t"]),
  ];
  for (const bytes of packets) {
    const client = await connect(server, level);
    await client.send(bytes);
    await client.disconnected(...MALFORMED);
  }
});

rule(
  "the server's Packet Identifiers are not 0 and not in use",
  { "3.1.1": "2.3.1-4 4.3.2-1 4.3.3-1", "5.0": "2.2.1-4 4.3.2-1 4.3.3-1" },
  async (server, level) => {
    const subscriber = await connect(server, level, { id: "subscriber" });
    await subscriber.subscribe("t", 2);
    const publisher = await connect(server, level, { id: "publisher" });
    const used = new Set<number>();
    for (let i = 0; i < 6; i++) {
      await publisher.publish("t", `${i}`, { qos: 1 + (i & 1) });
      const got = await subscriber.published();
      check(got.id !== 0 && !used.has(got.id), `Packet Identifier ${got.id}`);
      used.add(got.id);
    }
  },
);

rule(
  "Packet Identifiers go round after 65,535 and leave out 0 and those in use",
  { levels: [4], virtual: true },
  async (server, level) => {
    const subscriber = await connect(server, level, { id: "subscriber", keepAlive: 0 });
    await subscriber.subscribe("t", 1);
    const publisher = await connect(server, level, { id: "publisher", keepAlive: 0 });
    const message = publish({ level, topic: "t", payload: "x", qos: 1, id: 1 });
    await publisher.send(message);
    await publisher.next();
    const held = (await subscriber.published()).id;
    check(held !== 0, "Packet Identifier 0");
    for (let i = 0; i < 65540; i++) {
      await publisher.send(message);
      await publisher.next();
      const bytes = await subscriber.next();
      const id = readPublish(level, bytes).id;
      check(id !== 0 && id !== held, `Packet Identifier ${id}`);
      await subscriber.send(puback(id));
    }
  },
);

rule("without properties Property Length is 0", { "5.0": "2.2.2-1" }, async (server, level) => {
  const client = await connect(server, level);
  await client.send(subscribe(level, 3, [["t", 0]]));
  await client.expect(hex("90 04 00 03 00 00"));
  await client.send(publish({ level, topic: "t", payload: "x" }));
  await client.expect(hex("30 05 00 01 74 00 78"));
  await client.send(unsubscribe(level, 4, ["t"]));
  await client.expect(hex("b0 04 00 04 00 00"));
});

rule(
  "overlapping subscriptions deliver at their highest QoS",
  { "3.1.1": "3.3.5-1", "5.0": "3.3.4-2" },
  async (server, level) => {
    for (const [first, second] of [
      [0, 2],
      [2, 0],
      [1, 0],
    ]) {
      const subscriber = await connect(server, level, { id: "subscriber" });
      await subscriber.subscribe("a/+", first);
      await subscriber.subscribe("a/#", second);
      const publisher = await connect(server, level, { id: "publisher" });
      await publisher.publish("a/b", "x", { qos: 2 });
      const got = await subscriber.takeAll();
      check(got.length === 1 || got.length === 2, `${got.length} copies`);
      equal(Math.max(...got.map((it) => it.qos)), Math.max(first, second), "QoS");
    }
  },
);

rule(
  "overlapping subscriptions deliver their Subscription Identifiers",
  { "5.0": "3.3.4-3 3.3.4-4 3.3.4-5" },
  async (server, level) => {
    const subscriber = await connect(server, level, { id: "subscriber" });
    await subscriber.subscribe("a/+", 1, property.subscriptionIdentifier(1));
    await subscriber.subscribe("a/#", 1, property.subscriptionIdentifier(268435455));
    await subscriber.subscribe("a/b", 1);
    const publisher = await connect(server, level, { id: "publisher" });
    await publisher.publish("a/b", "x", { qos: 1 });
    const got = await subscriber.takeAll();
    const ids = got.flatMap((it) => it.properties.filter((p) => p.id === 0x0b).map((p) => p.number));
    equal(
      ids.sort((a, b) => a - b),
      [1, 268435455],
      "Subscription Identifiers",
    );
    // One copy with both, or one for each subscription.
    check(got.length === 1 || got.length === 3, `${got.length} copies`);
    if (got.length === 3) for (const it of got) check(it.properties.length <= 1, "one identifier a copy");
    await publisher.publish("a/c/d", "x", { qos: 1 });
    equal(numberOf((await subscriber.take()).properties, 0x0b), 268435455, "Subscription Identifier");
  },
);

rule("a client's PUBLISH with a Subscription Identifier closes", { "5.0": "3.3.4-6" }, async (server, level) => {
  const client = await connect(server, level);
  await client.send(publish({ level, topic: "t", payload: "x", properties: property.subscriptionIdentifier(1) }));
  await client.disconnected(...MALFORMED);
});

rule("more QoS 2 than the server's Receive Maximum closes", { "5.0": "3.3.4-7" }, async (server, level) => {
  const client = await connect(server, level);
  const maximum = numberOf(client.connack.properties, 0x21) ?? 65535;
  for (let id = 1; id <= maximum; id++) {
    await client.send(publish({ level, topic: "t", payload: "x", qos: 2, id }));
    await client.acknowledged(PUBREC, id);
  }
  await client.quiet();
  await client.send(publish({ level, topic: "t", payload: "x", qos: 2, id: maximum + 1 }));
  await client.disconnected(0x93);
});

rule(
  "no more is sent unacknowledged than the client's Receive Maximum",
  { "5.0": "3.3.4-9 4.9.0-1 4.9.0-2" },
  async (server, level) => {
    for (const maximum of [1, 3]) {
      const subscriber = await connect(server, level, {
        id: "subscriber",
        properties: property.receiveMaximum(maximum),
      });
      await subscriber.subscribe("t", 2);
      const publisher = await connect(server, level, { id: "publisher" });
      for (let i = 0; i < 6; i++) await publisher.publish("t", `${i}`, { qos: 1 + (i & 1) });
      const window = (await subscriber.drain()).map((bytes) => readPublish(level, bytes));
      equal(window.length, maximum, "PUBLISH packets unacknowledged");
      await publisher.publish("t", "not in the window", { qos: 0 });
      // QoS 0 is not bounded by it; whether it may overtake is the server's.
      await subscriber.drain();
      await subscriber.acknowledge(window[0]);
      const more = await subscriber.drain();
      equal(
        more.filter((bytes) => (bytes[0] & 0x06) !== 0 && bytes[0] >> 4 === 3).length,
        1,
        "PUBLISH packets after one ack",
      );
      await subscriber.leave();
    }
  },
);

rule("PUBREC with a failure frees the window, PUBREC without does not", { "5.0": "3.3.4-9" }, async (server, level) => {
  const subscriber = await connect(server, level, { id: "subscriber", properties: property.receiveMaximum(1) });
  await subscriber.subscribe("t", 2);
  const publisher = await connect(server, level, { id: "publisher" });
  for (const payload of ["1", "2", "3"]) await publisher.publish("t", payload, { qos: 2 });
  const first = await subscriber.published();
  await subscriber.send(pubrec(first.id, 0x80));
  const second = await subscriber.published();
  equal([first.payload, second.payload], ["1", "2"], "payloads");
  await subscriber.send(pubrec(second.id));
  await subscriber.acknowledged(6, second.id, [0]);
  await subscriber.quiet();
  await subscriber.send(pubcomp(second.id));
  equal((await subscriber.published()).payload, "3", "payload");
});

rule(
  "everything but PUBLISH is sent and processed with the window full",
  { "5.0": "3.3.4-10 4.9.0-3" },
  async (server, level) => {
    const client = await connect(server, level, { properties: property.receiveMaximum(1) });
    await client.subscribe("t", 1);
    const publisher = await connect(server, level, { id: "publisher" });
    for (const payload of ["1", "2"]) await publisher.publish("t", payload, { qos: 1 });
    const first = await client.published();
    await client.quiet();
    await client.subscribe("u", 0);
    await client.unsubscribe("u");
    await client.publish("other", "x", { qos: 2 });
    await client.send(puback(first.id));
    equal((await client.published()).payload, "2", "payload");
  },
);

rule(
  "a message longer than the client's Maximum Packet Size is not sent, as if it had been",
  { "5.0": "3.1.2-24 3.1.2-25" },
  async (server, level) => {
    for (const qos of [0, 1, 2]) {
      const properties = [...property.maximumPacketSize(64), ...property.receiveMaximum(1)];
      const subscriber = await connect(server, level, { id: "subscriber", properties });
      const other = await connect(server, level, { id: "other" });
      await subscriber.subscribe("t", 2);
      await other.subscribe("t", 2);
      const publisher = await connect(server, level, { id: "publisher" });
      const long = "x".repeat(64);
      await publisher.publish("t", long, { qos });
      await publisher.publish("t", "fits", { qos });
      await subscriber.gets("t", "fits", qos);
      await subscriber.quiet();
      await other.gets("t", long, qos);
      await other.gets("t", "fits", qos);
      await subscriber.leave();
    }
  },
);

rule("a PUBLISH of exactly the Maximum Packet Size is sent", { "5.0": "3.1.2-24" }, async (server, level) => {
  const subscriber = await connect(server, level, { properties: property.maximumPacketSize(64) });
  await subscriber.subscribe("t", 0);
  const publisher = await connect(server, level, { id: "publisher" });
  const exact = publish({ level, topic: "t", payload: "x".repeat(64 - 6) });
  equal(exact.length, 64, "length");
  await publisher.send(publish({ level, topic: "t", payload: "x".repeat(64 - 5) }), exact);
  await subscriber.expect(exact);
  await subscriber.quiet();
});

rule("a retained message that is too long is not sent either", { "5.0": "3.1.2-25" }, async (server, level) => {
  const publisher = await connect(server, level, { id: "publisher" });
  await publisher.publish("t/long", "x".repeat(64), { retain: true });
  await publisher.publish("t/short", "x", { retain: true });
  const subscriber = await connect(server, level, { properties: property.maximumPacketSize(64) });
  await subscriber.subscribe("t/#", 1);
  await subscriber.gets("t/short", "x");
  await subscriber.quiet();
});

rule(
  "no Topic Alias is sent that the client did not allow",
  { "5.0": "3.1.2-26 3.1.2-27 3.3.2-11" },
  async (server, level) => {
    for (const maximum of [undefined, 0, 2]) {
      const properties = maximum === undefined ? [] : property.topicAliasMaximum(maximum);
      const subscriber = await connect(server, level, { id: "subscriber", properties });
      await subscriber.subscribe("#", 0);
      const publisher = await connect(server, level, { id: "publisher" });
      for (const topic of ["a", "b", "c", "a"]) await publisher.publish(topic, "x");
      const got = await subscriber.takeAll();
      equal(got.length, 4, "messages");
      for (const it of got) {
        const alias = numberOf(it.properties, 0x23);
        check(alias === undefined || (alias > 0 && alias <= (maximum ?? 0)), `Topic Alias ${alias}`);
      }
    }
  },
);

rule(
  "a Topic Alias of 0, or above the server's Topic Alias Maximum, closes",
  { "5.0": "3.3.2-8 3.3.2-9 3.2.2-17 3.2.2-18" },
  async (server, level) => {
    for (const over of [false, true]) {
      const client = await connect(server, level);
      const alias = over ? (numberOf(client.connack.properties, 0x22) ?? 0) + 1 : 0;
      await client.send(publish({ level, topic: "t", payload: "x", properties: property.topicAlias(alias) }));
      await client.disconnected(0x94, ...MALFORMED);
    }
  },
);

rule("a Topic Alias means nothing on the next connection", { "5.0": "3.3.2-7" }, async (server, level) => {
  const watcher = await connect(server, level, { id: "watcher" });
  await watcher.subscribe("#");
  const first = await connect(server, level, persistent(level, { id: "s" }));
  const maximum = numberOf(first.connack.properties, 0x22) ?? 0;
  if (maximum > 0) {
    await first.publish("t", "1", { properties: property.topicAlias(1) });
    await watcher.gets("t", "1");
  }
  await first.leave();
  const second = await connect(server, level, persistent(level, { id: "s" }));
  await second.send(publish({ level, topic: "", payload: "2", properties: property.topicAlias(1) }));
  await second.disconnected(0x94, ...MALFORMED);
  await watcher.quiet();
});

rule(
  "all properties of a PUBLISH are passed on unaltered, User Properties in their order",
  { "5.0": "3.3.2-4 3.3.2-15 3.3.2-16 3.3.2-17 3.3.2-18 3.3.2-20" },
  async (server, level) => {
    const properties = [
      ...property.user("b", "1"),
      ...property.payloadFormat(1),
      ...property.user("a", "2"),
      ...property.responseTopic("answer/here"),
      ...property.correlationData(hex("00 ff 80 00")),
      ...property.user("b", "3"),
      ...property.contentType("text/plain; charset=utf-8"),
      ...property.user("", ""),
    ];
    const live = await connect(server, level, { id: "live" });
    await live.subscribe("t", 2);
    const offline = await connect(server, level, persistent(level, { id: "offline" }));
    await offline.subscribe("t", 2);
    await offline.leave();
    const publisher = await connect(server, level, { id: "publisher" });
    await publisher.publish("t", "x", { qos: 2, retain: true, properties });
    const later = await connect(server, level, { id: "later" });
    await later.subscribe("t", 2);
    const back = await connect(server, level, persistent(level, { id: "offline" }));
    for (const client of [live, later, back]) {
      const got = await client.take();
      equal(numberOf(got.properties, 0x01), 1, "Payload Format Indicator");
      equal(textOf(got.properties, 0x03), "text/plain; charset=utf-8", "Content Type");
      equal(textOf(got.properties, 0x08), "answer/here", "Response Topic");
      equal(toHex(one(got.properties, 0x09)?.bytes ?? []), "00 ff 80 00", "Correlation Data");
      const users = got.properties.filter((it) => it.id === 0x26);
      const pairs = users.map((it) => `${String.fromCharCode(...it.bytes)}=${String.fromCharCode(...it.second)}`);
      equal(pairs, ["b=1", "a=2", "b=3", "="], "User Properties");
      equal(got.properties.length, 8, "properties");
    }
  },
);

rule("properties do not reach clients before MQTT 5.0", { levels: [5] }, async (server, level) => {
  const subscriber = await connect(server, 4, { id: "subscriber" });
  await subscriber.subscribe("t", 0);
  const publisher = await connect(server, level, { id: "publisher" });
  await publisher.publish("t", "x", { properties: [...property.contentType("c"), ...property.user("a", "b")] });
  await subscriber.expect(hex("30 04 00 01 74 78"));
});

rule(
  "an absent Payload Format Indicator stays absent, and one of 0 says the same",
  { "5.0": "3.3.2-4" },
  async (server, level) => {
    const client = await connect(server, level);
    await client.subscribe("t");
    await client.send(publish({ level, topic: "t", payload: "x" }));
    equal(numberOf((await client.published()).properties, 0x01), undefined, "Payload Format Indicator");
    await client.send(publish({ level, topic: "t", payload: "x", properties: property.payloadFormat(0) }));
    equal(numberOf((await client.published()).properties, 0x01) ?? 0, 0, "Payload Format Indicator");
  },
);

rule("a Response Topic with a wildcard closes", { "5.0": "3.3.2-14" }, async (server, level) => {
  for (const topic of ["#", "a/+", "a/#/b"]) {
    const client = await connect(server, level);
    await client.send(publish({ level, topic: "t", payload: "x", properties: property.responseTopic(topic) }));
    await client.disconnected(0x90, ...MALFORMED);
  }
});

rule("a message that has expired is not delivered", { "5.0": "3.3.2-5" }, async (server, level) => {
  const subscriber = await connect(server, level, persistent(level, { id: "s" }));
  await subscriber.subscribe("t", 2);
  await subscriber.leave();
  const publisher = await connect(server, level, { id: "publisher" });
  await publisher.publish("t", "soon", { qos: 1, properties: property.messageExpiry(1) });
  await publisher.publish("t", "also soon", { qos: 2, properties: property.messageExpiry(1) });
  await publisher.publish("t", "late", { qos: 1, properties: property.messageExpiry(1000) });
  await publisher.publish("t", "never", { qos: 1 });
  await server.advance(1000 + server.slack);
  const back = await connect(server, level, persistent(level, { id: "s" }));
  await back.gets("t", "late");
  await back.gets("t", "never");
  await back.quiet();
});

rule("a retained message that has expired is not delivered", { "5.0": "3.3.2-5" }, async (server, level) => {
  const publisher = await connect(server, level, { id: "publisher" });
  await publisher.publish("t/soon", "x", { retain: true, properties: property.messageExpiry(1) });
  await publisher.publish("t/late", "x", { retain: true, properties: property.messageExpiry(1000) });
  await server.advance(1000 + server.slack);
  const subscriber = await connect(server, level, { id: "subscriber" });
  await subscriber.subscribe("t/#", 1);
  await subscriber.gets("t/late", "x");
  await subscriber.quiet();
});

rule("what is left of the Message Expiry Interval is passed on", { "5.0": "3.3.2-6" }, async (server, level) => {
  const live = await connect(server, level, { id: "live" });
  await live.subscribe("t", 1);
  const offline = await connect(server, level, persistent(level, { id: "s" }));
  await offline.subscribe("t", 1);
  await offline.leave();
  const publisher = await connect(server, level, { id: "publisher" });
  const properties = property.messageExpiry(100);
  await publisher.publish("t", "x", { qos: 1, retain: true, properties });
  const now = numberOf((await live.take()).properties, 0x02);
  check(now === 100 || now === 99, `Message Expiry Interval ${now} at once`);
  await server.advance(3000);
  const back = await connect(server, level, persistent(level, { id: "s" }));
  const waited = numberOf((await back.take()).properties, 0x02) ?? -1;
  check(waited >= 95 && waited <= 97, `Message Expiry Interval ${waited} after 3 s`);
  const later = await connect(server, level, { id: "later" });
  await later.subscribe("t", 1);
  const retained = numberOf((await later.take()).properties, 0x02) ?? -1;
  check(retained >= 95 && retained <= 97, `Message Expiry Interval ${retained} of a retained message`);
});

rule("a payload of any bytes, or none, is delivered as it is", { levels: [3, 4, 5] }, async (server, level) => {
  const subscriber = await connect(server, level, { id: "subscriber" });
  await subscriber.subscribe("t", 2);
  const publisher = await connect(server, level, { id: "publisher" });
  const bytes = Array.from({ length: 1000 }, (_, i) => (i * 7) & 255);
  for (const qos of [0, 1, 2]) {
    for (const payload of [[], [0], bytes]) {
      const text = String.fromCharCode(...payload);
      // As bytes: every payload here but the empty one is no text.
      await publisher.send(publish({ level, topic: "t", payload, qos, id: 1 }));
      if (qos > 0) await publisher.acknowledged(qos === 1 ? PUBACK : PUBREC, 1);
      if (qos === 2) {
        await publisher.send(pubrel(1));
        await publisher.acknowledged(PUBCOMP, 1, [0]);
      }
      equal((await subscriber.take()).payload, text, "payload");
    }
  }
});

rule("a PUBLISH may come in any pieces", { levels: [3, 4, 5] }, async (server, level) => {
  const subscriber = await connect(server, level, { id: "subscriber" });
  await subscriber.subscribe("topic/name", 0);
  const publisher = await connect(server, level, { id: "publisher" });
  const properties = property.contentType("type");
  const bytes = publish({ level, topic: "topic/name", payload: "payload", properties });
  for (let cut = 1; cut < bytes.length; cut++) {
    await publisher.send(bytes.slice(0, cut));
    await publisher.send(bytes.slice(cut));
    await subscriber.gets("topic/name", "payload");
  }
  for (const byte of bytes) await publisher.send([byte]);
  await subscriber.gets("topic/name", "payload");
  await publisher.send([...bytes, ...bytes, ...pingreq()]);
  await subscriber.gets("topic/name", "payload");
  await subscriber.gets("topic/name", "payload");
});

rule("Response Information is not returned when it is not asked for", { "5.0": "3.1.2-28" }, async (server, level) => {
  for (const properties of [[], property.requestResponseInformation(0)]) {
    const { connack } = await connect(server, level, { properties });
    equal(one(connack.properties, 0x1a), undefined, "Response Information");
  }
});

rule(
  "Reason String and User Property stay away when Request Problem Information is 0",
  { "5.0": "3.1.2-29" },
  async (server, level) => {
    const client = await connect(server, level, { properties: property.requestProblemInformation(0) });
    const subscription = await client.subscribes([
      ["$share/g/t", 1],
      ["t", 0],
    ]);
    const unsubscription = await client.unsubscribe("never/subscribed");
    await client.send(publish({ level, topic: "nobody", payload: "x", qos: 1, id: 1 }));
    const acknowledgement = await client.acknowledged(PUBACK, 1);
    await client.send(hex("62 02 77 77"));
    const completion = await client.acknowledged(7, 0x7777, [0x92, 0]);
    for (const { properties } of [subscription, unsubscription, acknowledgement, completion]) {
      equal(properties.filter((it) => it.id === 0x1f || it.id === 0x26).length, 0, "Reason String, User Property");
    }
  },
);

rule("a PUBLISH above the server's Maximum Packet Size closes", { levels: [5] }, async (server, level) => {
  const client = await connect(server, level);
  const maximum = numberOf(client.connack.properties, 0x27);
  check(maximum !== undefined, "Maximum Packet Size");
  await client.send(publish({ level, topic: "t", payload: new Array(maximum).fill(0) }));
  await client.disconnected(0x95);
});

rule("No CONNECT, no PUBLISH: what came first was not processed", { levels: [3, 4, 5] }, async (server, level) => {
  const watcher = await connect(server, level, { id: "watcher" });
  await watcher.subscribe("#");
  const client = await open(server, level);
  await client.send([...publish({ level, topic: "t", payload: "x" }), ...connectPacket({ level })]);
  await client.closed();
  await watcher.quiet();
});
