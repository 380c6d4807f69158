// PUBLISH of the client [3.3], its Packet Identifiers [2.2.1], and the senders of the delivery protocols [4.3, 4.4, 4.6].

import {
  type Bytes,
  PUBREL,
  type Publish,
  packet,
  property,
  puback,
  pubcomp,
  publish,
  pubrec,
  pubrel,
  readPublish,
  SUBSCRIBE,
  string,
  UNSUBSCRIBE,
  u16,
} from "../../support/packets";
import { readRequest, suback, unsuback } from "../../support/server-packets";
import { check, equal } from "../client";
import { clientRule, section } from "../rules";
import { type Line, lasting, type Scene, utf8 } from "../scene";

section("Sending");

const names = (got: readonly Publish[]): string[] => got.map((it) => `${it.payload} ${it.id} ${it.dup}`);

/** All PUBLISH packets that came. */
function taken(line: Line): Publish[] {
  const list: Publish[] = [];
  for (let bytes = line.framer.next(); bytes !== undefined; bytes = line.framer.next()) {
    list.push(readPublish(line.level, bytes));
  }
  return list;
}

clientRule(
  "PUBLISH has its fields in order, and a Packet Identifier only above QoS 0",
  {
    "3.1.1": "2.3.1-5 2.2.2-1 3.3.2-1 3.3.1-2 4.3.1-1 4.3.2-1 4.3.3-1",
    "5.0": "2.2.1-2 2.1.3-1 2.2.2-1 3.3.2-1 3.3.1-2 4.3.1-1 4.3.2-2 4.3.3-2 3.3.4-6 1.5.5-1",
  },
  (play, level) => {
    const scene = play(level);
    const line = scene.connect();
    const none = level === 5 ? [0] : [];
    scene.publish("a/b", "xyz", 0);
    line.expect(packet(3, 0, string("a/b"), none, [0x78, 0x79, 0x7a]));
    scene.publish("/", "", 0, true);
    line.expect(packet(3, 1, string("/"), none));
    for (const qos of [1, 2]) {
      for (const retain of [false, true]) {
        scene.publish("t", "x", qos, retain);
        const bytes = line.next();
        const id = (bytes[5] << 8) | bytes[6];
        check(id > 0, "Packet Identifier 0");
        equal([...bytes], packet(3, (qos << 1) | (retain ? 1 : 0), string("t"), u16(id), none, [0x78]), "PUBLISH");
        line.finish(readPublish(level, bytes));
      }
    }
    // Remaining Lengths of one byte and of two, as short as they can be.
    for (const length of [120, 121, 122, 123, 124, 125, 200, 300]) {
      scene.publish("t", "x".repeat(length), 0);
      line.expect(packet(3, 0, string("t"), none, new Array<number>(length).fill(0x78)));
    }
    line.nothing();
  },
);

clientRule("properties of PUBLISH are sent as they were given", { "5.0": "2.2.2-1 1.5.5-1" }, (play, level) => {
  const scene = play(level);
  const line = scene.connect();
  const list = [...property.contentType("é"), ...property.user("a", "b"), ...property.user("a", "")];
  scene.publish("t", "x", 0, false, list);
  line.expect(publish({ level, topic: "t", payload: "x", properties: list }));
  scene.publish("t", "x", 0, false, [], 60);
  line.expect(publish({ level, topic: "t", payload: "x", properties: property.messageExpiry(60) }));
  const long = property.user("k", "v".repeat(130));
  scene.publish("t", "x", 0, false, long);
  line.expect(publish({ level, topic: "t", payload: "x", properties: long }));
});

clientRule(
  "QoS 0 is sent once, whatever becomes of the connection",
  { "3.1.1": "4.3.1-1", "5.0": "4.3.1-1" },
  (play, level) => {
    const scene = play(level);
    const line = scene.connect(lasting(level));
    const row = scene.publish("t", "x", 0);
    equal(line.published("t", "x", 0).dup, false, "DUP");
    scene.told(`published ${row} 0x0`);
    const second = scene.resume(line);
    second.nothing();
    equal((scene.client.publish("t", utf8("y"), 0, false) as number) > 0, true, "publish");
  },
);

clientRule(
  "QoS 1 is unacknowledged until its PUBACK: sent once a connection, again with DUP on the next, then no more",
  { "3.1.1": "4.3.2-1 3.3.1-1 4.4.0-1 2.3.1-3", "5.0": "4.3.2-3 3.3.1-1 4.4.0-1 4.3.2-2" },
  (play, level) => {
    const scene = play(level);
    const line = scene.connect(lasting(level));
    const row = scene.publish("t", "x", 1);
    const sent = line.published("t", "x", 1);
    equal(sent.dup, false, "DUP");
    scene.advance(40_000);
    line.nothing();
    scene.notTold("published");
    const second = scene.resume(line);
    const again = second.published("t", "x", 1);
    equal([again.id, again.dup], [sent.id, true], "Packet Identifier and DUP");
    const third = scene.resume(second);
    const third1 = third.published("t", "x", 1);
    equal([third1.id, third1.dup], [sent.id, true], "Packet Identifier and DUP");
    scene.notTold("published");
    third.send(puback(sent.id));
    scene.told(`published ${row} 0x0`);
    scene.resume(third).nothing();
  },
);

clientRule(
  "QoS 2 is unacknowledged until its PUBREC, and PUBREL until its PUBCOMP",
  {
    "3.1.1": "4.3.3-1 4.4.0-1 3.3.1-1 2.3.1-3 2.3.1-6 3.6.1-1 2.2.2-1",
    "5.0": "4.3.3-2 4.3.3-3 4.3.3-4 4.3.3-5 4.3.3-6 4.4.0-1 3.3.1-1 2.2.1-5 3.6.1-1 3.6.2-1 2.1.3-1",
  },
  (play, level) => {
    const scene = play(level);
    let line = scene.connect(lasting(level));
    const row = scene.publish("t", "x", 2);
    const sent = line.published("t", "x", 2);
    equal(sent.dup, false, "DUP");
    scene.advance(40_000);
    line.nothing();
    for (let i = 0; i < 2; i++) {
      line = scene.resume(line);
      const again = line.published("t", "x", 2);
      equal([again.id, again.dup], [sent.id, true], "Packet Identifier and DUP");
      line.nothing();
    }
    line.send(pubrec(sent.id));
    line.expect(pubrel(sent.id));
    scene.advance(40_000);
    line.nothing();
    scene.notTold("published");
    for (let i = 0; i < 2; i++) {
      line = scene.resume(line);
      line.expect(pubrel(sent.id));
      line.nothing();
    }
    // A PUBREC that is said again is answered again; the message is not sent any more.
    line.send(pubrec(sent.id));
    line.expect(pubrel(sent.id));
    line.nothing();
    line.send(pubcomp(sent.id));
    scene.told(`published ${row} 0x0`);
    scene.resume(line).nothing();
  },
);

clientRule(
  "a PUBREC that never arrived is sent again, and what it leads to is the same",
  { "3.1.1": "4.4.0-1", "5.0": "4.4.0-1 4.3.3-6" },
  (play, level) => {
    const scene = play(level);
    const line = scene.connect(lasting(level));
    const row = scene.publish("t", "x", 2);
    const sent = line.published("t", "x", 2);
    // The client's PUBREL is lost with the connection.
    line.stalled = true;
    line.send(pubrec(sent.id));
    const second = scene.resume(line);
    second.expect(pubrel(sent.id));
    second.nothing();
    second.send(pubcomp(sent.id, level === 5 ? 0x92 : undefined));
    scene.told(`published ${row} 0x0`);
    second.alive();
  },
);

clientRule(
  "a PUBLISH that was half sent is sent again whole, with DUP",
  { "3.1.1": "4.4.0-1 2.3.1-3 3.3.1-1", "5.0": "4.4.0-1 3.3.1-1" },
  (play, level) => {
    const scene = play(level, { payloadBytes: 131_072, inflight: 1 });
    const line = scene.connect(lasting(level));
    line.stalled = true;
    // More than a stream takes.
    const large = "x".repeat(70_000);
    scene.publish("t", large, 1);
    scene.publish("t", "y", 1);
    const second = scene.resume(line);
    const got = second.published("t", large, 1);
    equal(got.dup, true, "DUP");
    second.nothing();
    second.finish(got);
    equal(second.published("t", "y", 1).dup, false, "DUP");
  },
);

clientRule(
  "what was sent is sent again in the order in which it was sent first",
  { "3.1.1": "4.6.0-1", "5.0": "4.6.0-1" },
  (play, level) => {
    const scene = play(level, { messages: 12, inflight: 8 });
    const line = scene.connect(lasting(level));
    const qos = [1, 2, 2, 1, 1, 2, 1, 2];
    for (const [i, each] of qos.entries()) scene.publish("t", `${i}`, each);
    const sent = taken(line);
    equal(sent.length, 8, "messages");
    line.send(puback(sent[3].id), pubrec(sent[2].id), pubrec(sent[5].id));
    line.expect(pubrel(sent[2].id), pubrel(sent[5].id));
    line.send(pubcomp(sent[5].id));
    scene.publish("t", "8", 1);
    scene.publish("t", "9", 1);
    const more = taken(line);
    equal(
      more.map((it) => it.payload),
      ["8", "9"],
      "messages",
    );
    const second = scene.resume(line);
    second.expect(pubrel(sent[2].id));
    const left = [...[0, 1, 4, 6, 7].map((i) => sent[i]), ...more];
    equal(
      names(taken(second)),
      left.map((it) => `${it.payload} ${it.id} true`),
      "sent again",
    );
  },
);

clientRule("PUBREL goes out in the order of PUBREC", { "3.1.1": "4.6.0-4", "5.0": "4.6.0-4" }, (play, level) => {
  const scene = play(level, { inflight: 8 });
  const line = scene.connect(lasting(level));
  for (let i = 0; i < 5; i++) scene.publish("t", `${i}`, 2);
  const ids = taken(line).map((it) => it.id);
  // One by one, and all at once.
  for (const i of [2, 0]) {
    line.send(pubrec(ids[i]));
    line.expect(pubrel(ids[i]));
  }
  const order = [4, 1, 3];
  line.send(order.flatMap((i) => pubrec(ids[i])));
  line.expect(...order.map((i) => pubrel(ids[i])));
  line.nothing();
});

clientRule(
  "a PUBACK or PUBREC of 0x80 and more ends a message",
  { "5.0": "4.4.0-2 4.3.3-4 2.2.1-5" },
  (play, level) => {
    const scene = play(level);
    for (const reason of [0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]) {
      const line = scene.connect(lasting(level), { present: false });
      const rows = [1, 2].map((qos) => scene.publish("t", "x", qos));
      const first = line.published("t", "x", 1);
      const second = line.published("t", "x", 2);
      line.send(puback(first.id, reason), pubrec(second.id, reason));
      for (const row of rows) scene.told(`published ${row} 0x${reason.toString(16)}`);
      line.nothing();
      const next = scene.resume(line);
      next.alive();
      scene.stop();
    }
  },
);

clientRule("every Reason Code below 0x80 is a success", { "5.0": "4.3.3-4" }, (play, level) => {
  const scene = play(level);
  const line = scene.connect();
  const list = [...property.reasonString("well"), ...property.user("a", "b")];
  for (const more of [[], [0], [0x10], [0, []], [0x10, list]] as [number?, Bytes?][]) {
    const row = scene.publish("t", "x", 1);
    line.send(puback(line.published("t", "x", 1).id, ...more));
    scene.told(`published ${row} 0x${(more[0] ?? 0).toString(16)}`);
    const other = scene.publish("t", "x", 2);
    const { id } = line.published("t", "x", 2);
    line.send(pubrec(id, ...more));
    line.expect(pubrel(id));
    line.send(pubcomp(id, ...((more[0] === 0x10 ? [0x92, more[1]] : more) as [number?, Bytes?])));
    scene.told(`published ${other} 0x0`);
  }
  line.alive();
});

clientRule(
  "an acknowledgement of what is not on its way changes nothing; PUBREC for it gets PUBREL",
  { "3.1.1": "2.3.1-6", "5.0": "3.6.2-1 2.2.1-5" },
  (play, level) => {
    const scene = play(level);
    const line = scene.connect();
    const row = scene.publish("t", "x", 2);
    const { id } = line.published("t", "x", 2);
    line.send(puback(id), pubcomp(id), puback(999), pubcomp(999));
    line.nothing();
    scene.notTold("published");
    line.send(pubrec(999));
    line.acknowledged(PUBREL, 999, 0x92);
    line.send(pubcomp(999));
    line.send(pubrec(id));
    line.expect(pubrel(id));
    line.send(pubcomp(id));
    scene.told(`published ${row} 0x0`);
    line.alive();
  },
);

clientRule("what was sent does not expire", { "5.0": "4.3.3-7" }, (play, level) => {
  const scene = play(level);
  const line = scene.connect(lasting(level));
  const row = scene.publish("t", "x", 2, false, undefined, 2);
  const sent = line.published("t", "x", 2);
  line.drop();
  const waiting = scene.client.publish("t", utf8("late"), 2, false, undefined, 2);
  scene.client.stop();
  scene.advance(10_000);
  scene.events.said.length = 0;
  const second = scene.connect(lasting(level, { cleanStart: false }), { present: true });
  const again = second.published("t", "x", 2);
  equal([again.id, again.dup], [sent.id, true], "Packet Identifier and DUP");
  scene.told(`published ${waiting} 0x104`);
  second.send(pubrec(again.id));
  second.expect(pubrel(again.id));
  second.send(pubcomp(again.id));
  scene.told(`published ${row} 0x0`);
  second.alive();
});

clientRule(
  "Packet Identifiers on their way are different, those of SUBSCRIBE, UNSUBSCRIBE and PUBLISH together",
  { "3.1.1": "2.3.1-1 2.3.1-2", "5.0": "2.2.1-3 4.3.2-1 4.3.3-1" },
  (play, level) => {
    const scene = play(level);
    const line = scene.connect();
    scene.subscribe("a", 1);
    line.send(suback(level, line.subscribed("a", 1).id, [1]));
    const ids = new Set<number>();
    const take = (id: number): void => {
      check(id > 0 && !ids.has(id), `Packet Identifier ${id}`);
      ids.add(id);
    };
    for (let i = 0; i < 3; i++) {
      scene.subscribe(`b${i}`, 0);
      take(readRequest(level, SUBSCRIBE, line.next()).id);
      scene.publish("t", "x", 1 + (i % 2));
      take(readPublish(level, line.next()).id);
    }
    scene.unsubscribe("a");
    take(readRequest(level, UNSUBSCRIBE, line.next()).id);
    equal(ids.size, 7, "packets");
  },
);

/** Publishes and acknowledges until `count` Packet Identifiers have been used; none may be one of `used`. */
function use(scene: Scene, line: Line, count: number, used: readonly number[]): number {
  let last = 0;
  for (let i = 0; i < count; i++) {
    check(scene.client.publish("t", undefined, 1, false) > 0, "publish");
    if (i % 50 !== 49 && i !== count - 1) continue;
    scene.settle();
    const ids = taken(line).map((it) => it.id);
    for (const id of ids) {
      check(id > 0 && id < 65536 && !used.includes(id), `Packet Identifier ${id} is in use`);
      last = id;
    }
    line.send(ids.flatMap((id) => puback(id)));
    line.nothing();
  }
  scene.events.said.length = 0;
  return last;
}

clientRule(
  "Packet Identifiers begin anew behind 65,535, without those in use",
  { "3.1.1": "2.3.1-1 2.3.1-2", "5.0": "2.2.1-3 4.3.2-1 4.3.3-1" },
  (play, level) => {
    const scene = play(level, { messages: 60, inflight: 55, payloadBytes: 4096 });
    const line = scene.connect();
    // In use all along: PUBLISH of QoS 1, PUBLISH of QoS 2 up to PUBREL, SUBSCRIBE, UNSUBSCRIBE.
    scene.subscribe("left", 0);
    line.send(suback(level, line.subscribed("left", 0).id, [0]));
    scene.publish("one", "x", 1);
    const one = line.published("one", "x", 1).id;
    scene.publish("two", "x", 2);
    const two = line.published("two", "x", 2).id;
    line.send(pubrec(two));
    line.expect(pubrel(two));
    scene.subscribe("asked", 0);
    const asked = line.subscribed("asked", 0).id;
    scene.unsubscribe("left");
    const left = line.unsubscribed("left").id;
    const used = [one, two, asked, left];
    equal(new Set(used).size, 4, "different Packet Identifiers");
    const last = use(scene, line, 65_600, used);
    check(last < 1000, `the last Packet Identifier is ${last}`);
    // A SUBSCRIBE must not take that of a PUBLISH either: bring the next one just in front of it.
    line.send(puback(one), pubcomp(two), suback(level, asked, [0]), unsuback(level, left));
    scene.publish("three", "x", 1);
    const three = line.published("three", "x", 1).id;
    use(scene, line, 65_534, [three]);
    scene.subscribe("again", 0);
    check(line.subscribed("again", 0).id !== three, "SUBSCRIBE has the Packet Identifier of a PUBLISH");
  },
);

clientRule(
  "what can't be a Topic Name, and QoS 3, are not accepted",
  {
    "3.1.1": "3.3.2-2 3.3.1-4 4.7.3-1 4.7.3-2 1.5.3-1 1.5.3-2 4.7.1-1",
    "5.0": "3.3.2-2 3.3.1-4 4.7.0-1 4.7.3-1 4.7.3-2 1.5.4-1 1.5.4-2",
  },
  (play, level) => {
    const scene = play(level);
    const line = scene.connect();
    const bytes = [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0x61, 0xe2, 0x82], [0xf4, 0x90, 0x80, 0x80], [0x61, 0]];
    for (const qos of [0, 1, 2]) {
      for (const topic of ["", "#", "+", "a/#", "a/+/b", "a+", "a\0", "\ud800", "a\udfff", "a".repeat(81)]) {
        equal(scene.client.publish(topic, utf8("x"), qos, false), -3, `publish to "${topic}"`);
      }
      for (const topic of bytes)
        equal(scene.client.publish(Uint8Array.from(topic), undefined, qos, false), -3, "bytes");
    }
    const strange = [3, 4, -1, 0.5];
    for (const qos of strange) check(scene.client.publish("t", utf8("x"), qos, false) < 0, `QoS ${qos}`);
    scene.settle();
    line.nothing();
    for (const topic of ["/", "é€😀", "\ufeff", "a".repeat(80), " ", "$a", "a//b"]) {
      scene.publish(topic, "x", 0);
      line.expect(publish({ level, topic, payload: "x" }));
    }
    scene.client.publish(Uint8Array.from([0xc3, 0xa9]), utf8("x"), 0, false);
    scene.settle();
    line.expect(publish({ level, topic: "é", payload: "x" }));
    line.drop();
    for (const qos of strange) check(scene.client.publish("t", utf8("x"), qos, false) < 0, `QoS ${qos}`);
  },
);

clientRule(
  "a topic of more than 65,535 bytes is not accepted",
  { "3.1.1": "4.7.3-3", "5.0": "4.7.3-3" },
  (play, level) => {
    const topicBytes = 65_535;
    const sizes = { topicBytes, stageBytes: 66_000, headBytes: 66_000, outputBytes: 67_000, payloadBytes: 200_000 };
    const scene = play(level, sizes);
    const line = scene.connect({ keepAlive: 0 });
    const { client } = scene;
    for (const topic of ["a".repeat(65_536), "é".repeat(32_768)]) {
      equal([client.publish(topic, undefined, 1, false), client.subscribe(topic, 0)], [-3, -3], "not accepted");
    }
    const topic = "a".repeat(65_535);
    scene.publish(topic, "x", 1);
    line.finish(line.published(topic, "x", 1));
    line.alive();
  },
);

clientRule(
  "Application Message properties that can't be are not accepted",
  { "5.0": "3.3.2-8 3.3.2-13 3.3.2-14 3.3.2-19 3.3.4-6 1.5.7-1 1.5.4-1 1.5.4-2" },
  (play, level) => {
    const scene = play(level);
    const line = scene.connect();
    const wrong: Bytes[] = [
      property.responseTopic([0xff]),
      property.responseTopic("a/+"),
      property.responseTopic("#"),
      property.responseTopic(""),
      property.contentType([0xc0, 0x80]),
      property.contentType("a\0b"),
      property.user("a", [0xed, 0xa0, 0x80]),
      property.user([0xff], "a"),
      property.subscriptionIdentifier(1),
      property.topicAlias(1),
      property.topicAlias(0),
      property.messageExpiry(5),
      property.payloadFormat(2),
      [...property.contentType("a"), ...property.contentType("a")],
      property.sessionExpiry(1),
      [0x7f],
      property.contentType("abc").slice(0, -1),
      [0x26, 0, 1, 0x61, 0, 9],
    ];
    for (const qos of [0, 1, 2]) {
      for (const list of wrong) {
        check(scene.client.publish("t", utf8("x"), qos, false, Uint8Array.from(list)) < 0, `accepted: ${list}`);
      }
    }
    scene.settle();
    line.nothing();
    const list = [
      ...property.payloadFormat(1),
      ...property.responseTopic("a/é"),
      ...property.correlationData([0, 255]),
      ...property.contentType("\ufeff"),
      ...property.user("a", "b"),
      ...property.user("a", "b"),
    ];
    scene.publish("t", "x", 0, false, list);
    line.expect(publish({ level, topic: "t", payload: "x", properties: list }));
  },
);

clientRule("properties are not sent before MQTT 5.0", { levels: [4] }, (play, level) => {
  const scene = play(level);
  const line = scene.connect();
  scene.publish("t", "x", 1, false, property.contentType("a"), 9);
  line.finish(line.published("t", "x", 1));
  line.alive();
});
