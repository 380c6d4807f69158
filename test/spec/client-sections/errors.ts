// DISCONNECT [3.14], Malformed Packets and Protocol Errors of the server [4.13; 3.1.1: 4.8], and text [1.5.4].

import { auth, type Bytes, hex, type Level, packet, property, publish, string, u16 } from "../../support/packets";
import { check, equal } from "../client";
import { clientRule, section } from "../rules";
import { lasting, type Play, utf8 } from "../scene";

/** The client is connected and works; then each of these makes it say one of `reasons`, and close. */
function ends(play: Play, level: Level, list: readonly Bytes[], ...reasons: readonly number[]): void {
  for (const bytes of list) {
    const scene = play(level);
    const line = scene.connect();
    line.alive();
    line.send(bytes);
    line.ends(...reasons);
    scene.got();
    // It comes back.
    scene.reconnect().alive();
  }
}

section("DISCONNECT");

clientRule(
  "DISCONNECT is last, and the stream is closed",
  { "3.1.1": "3.14.4-1 3.14.4-2 2.2.2-1", "5.0": "3.14.4-1 3.14.4-2 3.14.2-1 3.14.2-3 3.14.2-4 2.1.3-1" },
  (play, level) => {
    for (const reason of [undefined, 0, 0x04]) {
      const scene = play(level);
      const line = scene.connect();
      line.alive();
      // What is still to be sent stays.
      scene.client.publish("t", utf8("x"), 1, false);
      scene.client.subscribe("f", 1);
      scene.stop(reason);
      line.expect(level === 5 && reason === 4 ? [0xe0, 1, 4] : [0xe0, 0]);
      line.closed();
      scene.told("disconnected 0x103");
      scene.advance(200_000);
      line.closed();
      const second = scene.connect();
      second.subscribed("f", 1);
      second.published("t", "x", 1);
    }
  },
);

clientRule(
  "after an error of the server DISCONNECT is last too",
  { "5.0": "3.14.4-1 3.14.4-2 3.14.2-1 4.13.2-1" },
  (play, level) => {
    const scene = play(level);
    const line = scene.connect();
    line.alive();
    scene.client.publish("t", utf8("x"), 1, false);
    // An acknowledgement would be owed for the first.
    line.send([...publish({ level, topic: "t", payload: "x", qos: 1 }), ...hex("41 02 00 01"), ...hex("d0 00")]);
    let bytes = line.next();
    while (bytes[0] >> 4 !== 14) bytes = line.next();
    equal([...bytes], [0xe0, 1, 0x81], "DISCONNECT");
    line.closed();
    scene.told("disconnected 0x81");
  },
);

clientRule(
  "a DISCONNECT from the server ends the connection; nothing answers it",
  { "5.0": "4.13.2-1" },
  (play, level) => {
    const list = [...property.reasonString("é"), ...property.user("a", "b"), ...property.serverReference("other")];
    for (const bytes of ["e0 00", "e0 01 00", "e0 01 8b", "e0 01 8e", "e0 01 9c", "e0 02 98 00"]) {
      const scene = play(level);
      const line = scene.connect(lasting(level));
      line.alive();
      scene.client.publish("t", utf8("x"), 1, false);
      scene.client.subscribe("f", 1);
      line.stalled = true;
      line.send(hex(bytes));
      line.stalled = false;
      scene.settle();
      check(!line.isOpen, "the client has not closed the stream");
      const reason = hex(bytes)[2] ?? 0;
      scene.told(`disconnected 0x${reason.toString(16)}`);
      const second = scene.reconnect({ present: true });
      second.subscribed("f", 1);
      second.published("t", "x", 1);
    }
    const scene = play(level);
    const line = scene.connect();
    line.alive();
    line.send(packet(14, 0, [0x9d], [list.length], list));
    line.closed();
    scene.told("disconnected 0x9d");
  },
);

clientRule("a DISCONNECT that can't be is an error", { "5.0": "3.14.1-1 4.13.1-1" }, (play, level) => {
  const flags = Array.from({ length: 15 }, (_, i) => [0xe1 + i, 0]);
  ends(play, level, [...flags, hex("e0 02 00 01"), hex("e0 03 00 00 00"), hex("e0 03 00 02 7f")], 0x81);
  const expiry = packet(14, 0, [0], [5], property.sessionExpiry(1));
  const twice = packet(14, 0, [0], [8], property.reasonString("a"), property.reasonString("b"));
  ends(play, level, [hex("e0 01 01"), hex("e0 01 84"), hex("e0 01 ff"), expiry, twice], 0x82);
});

clientRule("before MQTT 5.0 a server sends no DISCONNECT", { "3.1.1": "4.8.0-1" }, (play, level) => {
  ends(play, level, [hex("e0 00")]);
});

section("Errors");

clientRule("packets that only a client sends close", { "3.1.1": "4.8.0-1", "5.0": "4.13.1-1" }, (play, level) => {
  const list = ["10 00", "82 06 00 01 00 01 61 00", "a2 05 00 01 00 01 61", "c0 00"];
  ends(play, level, list.map(hex), 0x82);
});

clientRule(
  "reserved flags and packet type 0 close",
  { "3.1.1": "2.2.2-1 2.2.2-2 3.6.1-1", "5.0": "2.1.3-1 3.6.1-1 4.13.1-1" },
  (play, level) => {
    const wrong: number[][] = [];
    for (const type of [2, 4, 5, 6, 7, 9, 11, 13]) {
      for (let flags = 0; flags < 16; flags++) {
        if (flags !== (type === 6 ? 2 : 0)) wrong.push([(type << 4) | flags, type === 13 ? 0 : 2, 0, 1]);
      }
    }
    for (let flags = 0; flags < 16; flags++) wrong.push([flags, 0]);
    ends(play, level, wrong, 0x81);
  },
);

clientRule("AUTH closes, as no method was asked for; none is sent", { "5.0": "4.12.0-7 4.13.1-1" }, (play, level) => {
  const list = [auth(), auth(0x18, property.authenticationMethod("m")), auth(0x19, property.authenticationMethod("m"))];
  ends(play, level, list, 0x82);
});

clientRule("reserved flags of AUTH are malformed", { "5.0": "3.15.1-1" }, (play, level) => {
  ends(
    play,
    level,
    Array.from({ length: 15 }, (_, i) => [0xf1 + i, 0]),
    0x81,
  );
});

clientRule("packet type 15 closes before MQTT 5.0", { "3.1.1": "4.8.0-1" }, (play, level) => {
  ends(play, level, [hex("f0 00"), hex("f0 02 18 00")]);
});

clientRule(
  "QoS 3, and DUP at QoS 0, close",
  { "3.1.1": "3.3.1-4 3.3.1-2", "5.0": "3.3.1-4 3.3.1-2" },
  (play, level) => {
    const body = [...string("t"), ...u16(1), ...(level === 5 ? [0] : []), 0x78];
    ends(
      play,
      level,
      [0x36, 0x37, 0x3e, 0x3f, 0x38, 0x39].map((first) => [first, body.length, ...body]),
      0x81,
    );
  },
);

clientRule("a Packet Identifier of 0 closes", { "3.1.1": "4.8.0-1", "5.0": "4.13.1-1" }, (play, level) => {
  const list = [1, 2].map((qos) => publish({ level, topic: "t", payload: "x", qos, id: 0 }));
  list.push(...["40", "50", "62", "70"].map((first) => hex(`${first} 02 00 00`)));
  ends(play, level, list, 0x82);
});

clientRule("lengths that do not fit close", { "3.1.1": "4.8.0-1", "5.0": "4.13.1-1" }, (play, level) => {
  const both = ["30 00", "30 01 00", "30 03 00 05 61", "32 03 00 01 61", "32 04 00 01 61 00", "40 00", "40 01 00"];
  both.push("50 01 00", "62 00", "70 01 00", "90 00", "90 01 00", "90 02 00 01", "b0 01 00", "d0 01 00");
  const four = ["40 03 00 01 00", "62 03 00 01 00", "b0 03 00 01 00"];
  const five = ["30 03 00 01 61", "30 05 00 01 61 05 01", "30 06 00 01 61 02 02 00", "90 03 00 01 00"];
  five.push("40 04 00 01 00 05", "40 05 00 01 00 00 00", "b0 03 00 01 00", "90 04 00 01 09 00", "e0 02 00 09");
  ends(play, level, [...both, ...(level === 5 ? five : four)].map(hex), 0x81);
});

clientRule(
  "a Variable Byte Integer that is too long closes",
  { "3.1.1": "4.8.0-1", "5.0": "1.5.5-1 4.13.1-1" },
  (play, level) => {
    ends(play, level, ["30 ff ff ff ff 7f", "d0 80 00", "d0 80 80 80 00", "30 84 00 00 01 61 00"].map(hex), 0x81);
    if (level !== 5) return;
    // Property Length, and Subscription Identifier.
    const five = ["30 05 00 01 61 80 00", "30 08 00 01 61 80 80 80 80 01", "30 07 00 01 61 03 0b 81 00"];
    ends(play, level, [...five, "40 05 00 01 00 80 00", "30 0a 00 01 61 06 0b ff ff ff ff 7f"].map(hex), 0x81);
  },
);

clientRule("a property that can't be closes", { "5.0": "4.13.1-1" }, (play, level) => {
  const message = (...list: Bytes[]): number[] => publish({ level, topic: "t", payload: "x", properties: list.flat() });
  const malformed = [[0x7f, 0], [0], property.willDelay(1), property.receiveMaximum(1), property.reasonString("x")];
  ends(
    play,
    level,
    malformed.map((it) => message(it)),
    0x81,
  );
  const once = [
    property.payloadFormat(1),
    property.messageExpiry(1),
    property.contentType("a"),
    property.responseTopic("a"),
    property.correlationData("a"),
  ];
  const range = [message(property.payloadFormat(2)), message(property.subscriptionIdentifier(0))];
  ends(play, level, [...once.map((it) => message(it, it)), ...range], 0x82);
  const text = property.reasonString("a");
  const acks: Bytes[] = [];
  for (const [type, flags] of [
    [4, 0],
    [5, 0],
    [6, 2],
    [7, 0],
  ]) {
    acks.push(packet(type, flags, u16(1), [0, 8], text, text));
  }
  acks.push(packet(9, 0, u16(1), [8], text, text, [0]), packet(11, 0, u16(1), [8], text, text, [0]));
  ends(play, level, acks, 0x82);
  ends(play, level, [packet(4, 0, u16(1), [0, 2, 0x01, 0]), packet(9, 0, u16(1), [2, 0x0b, 1], [0])], 0x81);
});

section("Text");

/** What is no UTF-8 Encoded String: stray, overlong, cut short, surrogates, beyond U+10FFFF, U+0000. */
const illFormed: readonly Bytes[] = [
  [0x80],
  [0xff],
  [0x61, 0xbf],
  [0xc0, 0x80],
  [0xc1, 0xbf],
  [0xc3],
  [0xc3, 0x41],
  [0xe0, 0x9f, 0xbf],
  [0xe2, 0x82],
  [0xed, 0xa0, 0x80],
  [0xed, 0xbf, 0xbf],
  [0xf0, 0x8f, 0xbf, 0xbf],
  [0xf4, 0x90, 0x80, 0x80],
  [0xf5, 0x80, 0x80, 0x80],
  [0x00],
  [0x61, 0x00, 0x62],
];

clientRule(
  "a Topic Name that is no UTF-8, or has U+0000, closes",
  { "3.1.1": "1.5.3-1 1.5.3-2 3.3.2-1 4.7.3-2", "5.0": "1.5.4-1 1.5.4-2 3.3.2-1 4.7.3-2 4.13.1-1" },
  (play, level) => {
    for (const qos of [0, 1, 2]) {
      ends(
        play,
        level,
        illFormed.map((topic) => publish({ level, topic, payload: "x", qos })),
        0x81,
      );
    }
  },
);

clientRule(
  "a Topic Name that is empty or has a wildcard closes",
  { "3.1.1": "3.3.2-2 4.7.1-1 4.7.3-1 4.8.0-1", "5.0": "3.3.2-2 4.7.0-1 4.7.3-1 4.13.1-1" },
  (play, level) => {
    const message = (topic: string): number[] => publish({ level, topic, payload: "x", qos: 1 });
    ends(play, level, ["#", "+", "a/#", "a/+/b", "a+", "#a"].map(message), 0x90);
    ends(play, level, [message("")], 0x82);
  },
);

clientRule(
  "other text that is no UTF-8, or has U+0000, closes",
  { "5.0": "1.5.4-1 1.5.4-2 1.5.7-1 3.3.2-13 3.3.2-19" },
  (play, level) => {
    const list: number[][] = [];
    for (const text of illFormed) {
      for (const each of [
        property.contentType(text),
        property.responseTopic(text),
        property.user(text, "a"),
        property.user("a", text),
      ]) {
        list.push(publish({ level, topic: "t", payload: "x", properties: each }));
      }
      const reason = property.reasonString(text);
      list.push(packet(4, 0, u16(1), [0, reason.length], reason));
      list.push(packet(14, 0, [0x80, reason.length], reason));
    }
    ends(play, level, list, 0x81);
  },
);

clientRule("a Response Topic that is empty or has a wildcard closes", { "5.0": "3.3.2-14" }, (play, level) => {
  const list = ["", "#", "a/+"].map((topic) =>
    publish({ level, topic: "t", payload: "x", properties: property.responseTopic(topic) }),
  );
  ends(play, level, list, 0x82);
});

clientRule(
  "texts that are well formed are taken as they are",
  { "3.1.1": "1.5.3-3", "5.0": "1.5.4-1 1.5.4-3" },
  (play, level) => {
    const scene = play(level);
    const line = scene.connect();
    for (const topic of [
      "é",
      "€",
      "😀",
      "\ufeff",
      "\u0001",
      "\u007f\u0080",
      "\ud7ff\ue000",
      "\uffff",
      "\u{10ffff}",
      " ",
    ]) {
      line.send(publish({ level, topic, payload: "x" }));
      scene.got(`${topic} x q0`);
    }
    line.alive();
  },
);
