// UTF-8 Encoded Strings [1.5.4], Variable Byte Integers [1.5.5].

import {
  type Bytes,
  connect as connectPacket,
  disconnect,
  hex,
  type Level,
  PUBACK,
  packet,
  property,
  puback,
  publish,
  string,
  subscribe,
  u16,
  unsubscribe,
} from "../../support/packets";
import { connect, equal, MALFORMED, open, textOf } from "../client";
import { rule, section } from "../rules";
import type { Server } from "../server";

section("UTF-8");

/** Surrogates, overlong forms, beyond U+10FFFF, stray and missing continuation bytes. */
const ILL_FORMED = [
  "ed a0 80",
  "ed bf bf",
  "ed a0 80 ed b0 80",
  "c0 80",
  "c1 bf",
  "e0 80 80",
  "e0 9f bf",
  "f0 80 80 80",
  "f0 8f bf bf",
  "f4 90 80 80",
  "f5 80 80 80",
  "f8 88 80 80 80",
  "ff",
  "fe",
  "80",
  "bf",
  "c3",
  "e2 82",
  "f0 9f 98",
  "c3 28",
  "e2 28 a1",
  "e2 82 28",
  "f0 28 8c bc",
  "f0 90 28 bc",
  "f0 90 8c 28",
].map(hex);

/** A text in a CONNECT. */
const CONNECT_FIELDS: readonly [
  name: string,
  levels: readonly Level[],
  write: (level: Level, text: Bytes) => number[],
][] = [
  ["Client Identifier", [3, 4, 5], (level, id) => connectPacket({ level, id })],
  ["Will Topic", [3, 4, 5], (level, topic) => connectPacket({ level, will: { topic, payload: "x" } })],
  ["User Name", [3, 4, 5], (level, user) => connectPacket({ level, user })],
  [
    "Content Type of the will",
    [5],
    (level, it) => connectPacket({ level, will: { topic: "w", properties: property.contentType(it) } }),
  ],
  [
    "Response Topic of the will",
    [5],
    (level, it) => connectPacket({ level, will: { topic: "w", properties: property.responseTopic(it) } }),
  ],
  [
    "Authentication Method",
    [5],
    (level, it) => connectPacket({ level, properties: property.authenticationMethod(it) }),
  ],
  ["User Property of CONNECT", [5], (level, it) => connectPacket({ level, properties: property.user("a", it) })],
  [
    "User Property of the will",
    [5],
    (level, it) => connectPacket({ level, will: { topic: "w", properties: property.user(it, "a") } }),
  ],
];

/** A text in a packet after CONNACK. */
const FIELDS: readonly [name: string, levels: readonly Level[], write: (level: Level, text: Bytes) => number[]][] = [
  ["Topic Name", [3, 4, 5], (level, topic) => publish({ level, topic, payload: "x" })],
  ["Topic Filter of SUBSCRIBE", [3, 4, 5], (level, filter) => subscribe(level, 1, [[filter, 0]])],
  ["Topic Filter of UNSUBSCRIBE", [3, 4, 5], (level, filter) => unsubscribe(level, 1, [filter])],
  ["Content Type", [5], (level, it) => publish({ level, topic: "t", properties: property.contentType(it) })],
  ["Response Topic", [5], (level, it) => publish({ level, topic: "t", properties: property.responseTopic(it) })],
  ["User Property of PUBLISH", [5], (level, it) => publish({ level, topic: "t", properties: property.user(it, "x") })],
  ["User Property of SUBSCRIBE", [5], (level, it) => subscribe(level, 1, [["t", 0]], property.user("x", it))],
  ["User Property of UNSUBSCRIBE", [5], (level, it) => unsubscribe(level, 1, ["t"], property.user("x", it))],
  ["Reason String of DISCONNECT", [5], (_, it) => disconnect(0, property.reasonString(it))],
];

async function refusesText(server: Server, level: Level, wrong: readonly Bytes[]): Promise<void> {
  await connect(server, level, { id: "control" });
  for (const text of wrong) {
    for (const [name, levels, write] of CONNECT_FIELDS) {
      if (!levels.includes(level)) continue;
      const client = await open(server, level);
      await client.send(write(level, text));
      await client.notConnected(0x85, ...MALFORMED).catch((error: Error) => {
        throw new Error(`${name}: ${error.message}`);
      });
    }
    for (const [name, levels, write] of FIELDS) {
      if (!levels.includes(level)) continue;
      const client = await connect(server, level);
      await client.send(write(level, text));
      await client.disconnected(...MALFORMED).catch((error: Error) => {
        throw new Error(`${name}: ${error.message}`);
      });
    }
  }
}

rule(
  "what is no UTF-8 closes, in every text",
  { "3.1.1": "1.5.3-1", "5.0": "1.5.4-1 3.3.2-13 3.3.2-19 4.13.1-1" },
  async (server, level) => {
    for (const wrong of ILL_FORMED) await refusesText(server, level, [[0x61, ...wrong]]);
  },
);

rule(
  "U+0000 closes, in every text",
  { "3.1.1": "1.5.3-2 4.7.3-2", "5.0": "1.5.4-2 4.7.3-2" },
  async (server, level) => {
    await refusesText(server, level, [[0], hex("61 00 62")]);
  },
);

rule("both texts of a pair are checked", { "5.0": "1.5.7-1" }, async (server, level) => {
  for (const pair of [property.user(hex("ed a0 80"), "x"), property.user("x", hex("61 00")), property.user([0], "x")]) {
    const client = await connect(server, level);
    await client.send(publish({ level, topic: "t", payload: "x", properties: pair }));
    await client.disconnected(...MALFORMED);
  }
});

rule("U+FEFF is kept wherever it is", { "3.1.1": "1.5.3-3", "5.0": "1.5.4-3" }, async (server, level) => {
  const subscriber = await connect(server, level, { id: "subscriber" });
  await subscriber.subscribe("\ufefft", 0);
  await subscriber.subscribe("a\ufeffb", 0);
  const publisher = await connect(server, level, { id: "publisher" });
  for (const topic of ["t", "ab", "\ufeff"]) await publisher.publish(topic, "no");
  await subscriber.quiet();
  const properties = property.contentType("\ufeffc");
  await publisher.send(publish({ level, topic: hex("ef bb bf 74"), payload: "yes", properties }));
  const got = await subscriber.gets("\ufefft", "yes");
  if (level === 5) equal(textOf(got.properties, 0x03)?.length, 1, "Content Type, its U+FEFF read as a mark here");
  await publisher.send(publish({ level, topic: "a\ufeffb", payload: "yes" }));
  await subscriber.gets("a\ufeffb", "yes");
});

rule("every well-formed text is accepted", { levels: [3, 4, 5] }, async (server, level) => {
  const subscriber = await connect(server, level, { id: "subscriber" });
  await subscriber.subscribe("t/#", 0);
  const publisher = await connect(server, level, { id: "publisher" });
  // Control characters and noncharacters are left out: a receiver may refuse them.
  const texts = ["7e", "c2 a0", "df bf", "e0 a0 80", "ed 9f bf", "ee 80 80", "ef bf bd", "f0 90 80 80", "f4 8f bf bd"];
  for (const digits of texts) {
    const topic = [0x74, 0x2f, ...hex(digits)];
    await publisher.send(publish({ level, topic, payload: digits }));
    const got = await subscriber.take();
    equal(got.payload, digits, "payload");
    equal([...got.bytes.slice(4, 4 + topic.length)], topic, "Topic Name");
  }
});

rule("a Variable Byte Integer in more bytes than it needs closes", { "5.0": "1.5.5-1" }, async (server, level) => {
  const body = [...string("t"), ...u16(1)];
  const wrong = [
    // Property Length, Subscription Identifier, Remaining Length.
    packet(3, 2, body, hex("80 00")),
    packet(8, 2, u16(1), hex("03 0b 81 00"), string("t"), [0]),
    packet(8, 2, u16(1), hex("05 0b ff ff ff ff"), string("t"), [0]),
    hex("c0 80 00"),
  ];
  for (const bytes of wrong) {
    const client = await connect(server, level);
    await client.send(bytes);
    await client.disconnected(...MALFORMED);
  }
});

rule("a Remaining Length of more than four bytes closes", { levels: [3, 4, 5] }, async (server, level) => {
  for (const bytes of [hex("30 ff ff ff ff 01"), hex("c0 80 80 80 80 00"), hex("30 80 80 80 80 01")]) {
    const client = await connect(server, level);
    await client.send(bytes);
    await client.disconnected(0x95, ...MALFORMED);
  }
});

rule("a Reason String that is no UTF-8 closes", { "5.0": "1.5.4-1" }, async (server, level) => {
  const client = await connect(server, level);
  await client.subscribe("t", 1);
  await client.send(publish({ level, topic: "t", payload: "x", qos: 1, id: 3 }));
  const packets = await client.drain();
  const delivered = packets.find((bytes) => bytes[0] >> 4 === 3);
  equal(packets.filter((bytes) => bytes[0] >> 4 === PUBACK).length, 1, "PUBACK");
  const id = ((delivered?.[5] ?? 0) << 8) | (delivered?.[6] ?? 0);
  await client.send(puback(id, 0, property.reasonString(hex("ff"))));
  await client.disconnected(...MALFORMED);
});
