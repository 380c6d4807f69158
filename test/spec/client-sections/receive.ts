// PUBLISH to the client [3.3], PUBACK, PUBREC, PUBREL, PUBCOMP [3.4 to 3.7], and the receivers of the delivery protocols
// [4.3, 4.5, 4.6].

import {
  hex,
  PUBACK,
  PUBCOMP,
  PUBREC,
  PUBREL,
  property,
  puback,
  pubcomp,
  publish,
  pubrec,
  pubrel,
  readAcknowledgement,
} from "../../support/packets";
import { check, equal } from "../client";
import { clientRule, section } from "../rules";
import { lasting } from "../scene";

section("Receiving");

clientRule(
  "a PUBLISH is answered as its QoS says",
  {
    "3.1.1": "3.3.4-1 4.3.2-2 4.3.3-2 2.3.1-6 2.2.2-1",
    "5.0": "3.3.4-1 4.3.2-4 4.3.3-8 4.3.3-11 2.2.1-5 3.4.2-1 3.5.2-1 3.7.2-1 2.1.3-1",
  },
  (play, level) => {
    const scene = play(level);
    const line = scene.connect();
    line.send(publish({ level, topic: "t", payload: "0" }));
    line.nothing();
    for (const id of [1, 0x1234, 65535]) {
      line.send(publish({ level, topic: "t", payload: "1", qos: 1, id, retain: true }));
      line.expect(puback(id));
      line.send(publish({ level, topic: "t", payload: "2", qos: 2, id }));
      line.expect(pubrec(id));
      line.send(pubrel(id));
      line.expect(pubcomp(id));
    }
    line.nothing();
    scene.got("t 0 q0", ...[1, 2, 3].flatMap(() => ["t 1 q1 r", "t 2 q2"]));
  },
);

clientRule(
  "after its PUBACK the same Packet Identifier is a new message, whatever DUP says",
  { "3.1.1": "4.3.2-2", "5.0": "4.3.2-5" },
  (play, level) => {
    const scene = play(level);
    let line = scene.connect(lasting(level));
    for (const dup of [false, true, true, false]) {
      line.send(publish({ level, topic: "t", payload: `${dup}`, qos: 1, id: 5, dup }));
      line.expect(puback(5));
      scene.got(`t ${dup} q1`);
    }
    line = scene.resume(line);
    line.send(publish({ level, topic: "t", payload: "x", qos: 1, id: 5, dup: true }));
    line.expect(puback(5));
    scene.got("t x q1");
  },
);

clientRule(
  "until PUBREL the same Packet Identifier is the same message, also on the next connection",
  { "3.1.1": "4.3.3-2 4.1.0-1 3.1.2-4", "5.0": "4.3.3-10 4.1.0-1 3.1.2-23" },
  (play, level) => {
    const scene = play(level);
    let line = scene.connect(lasting(level));
    line.send(publish({ level, topic: "t", payload: "x", qos: 2, id: 5 }));
    line.expect(pubrec(5));
    for (const dup of [true, false]) {
      line.send(publish({ level, topic: "t", payload: "x", qos: 2, id: 5, dup }));
      line.expect(pubrec(5));
    }
    for (let i = 0; i < 2; i++) {
      line = scene.resume(line);
      line.nothing();
      line.send(publish({ level, topic: "t", payload: "x", qos: 2, id: 5, dup: true }));
      line.expect(pubrec(5));
    }
    scene.got("t x q2");
    line.send(pubrel(5));
    line.expect(pubcomp(5));
    line.nothing();
  },
);

clientRule(
  "after its PUBCOMP the same Packet Identifier is a new message, whatever DUP says",
  { "3.1.1": "4.3.3-2", "5.0": "4.3.3-12" },
  (play, level) => {
    const scene = play(level);
    const line = scene.connect();
    for (const dup of [false, true, false]) {
      line.send(publish({ level, topic: "t", payload: `${dup}`, qos: 2, id: 5, dup }));
      line.expect(pubrec(5));
      line.send(pubrel(5));
      line.expect(pubcomp(5));
      scene.got(`t ${dup} q2`);
    }
  },
);

clientRule(
  "every PUBREL is answered, known or not",
  { "3.1.1": "4.3.3-2 2.3.1-6", "5.0": "4.3.3-11 3.7.2-1 2.2.1-5" },
  (play, level) => {
    const scene = play(level);
    const line = scene.connect(lasting(level));
    line.send(publish({ level, topic: "t", payload: "x", qos: 2, id: 5 }));
    line.expect(pubrec(5));
    line.send(pubrel(5));
    line.expect(pubcomp(5));
    line.send(pubrel(5));
    line.acknowledged(PUBCOMP, 5, 0x92);
    for (const id of [6, 65535]) {
      line.send(pubrel(id));
      line.acknowledged(PUBCOMP, id, 0x92);
    }
    // On the next connection, with the PUBCOMP lost.
    line.send(publish({ level, topic: "t", payload: "y", qos: 2, id: 7 }));
    line.expect(pubrec(7));
    const second = scene.resume(line);
    second.send(pubrel(7));
    second.expect(pubcomp(7));
    const third = scene.resume(second);
    third.send(pubrel(7));
    third.acknowledged(PUBCOMP, 7, 0x92);
    scene.got("t x q2", "t y q2");
  },
);

clientRule(
  "what the client can't hold is refused, and its Packet Identifier is free again",
  { "5.0": "4.3.3-9 3.4.2-1 3.5.2-1 4.5.0-2" },
  (play, level) => {
    const scene = play(level);
    const line = scene.connect();
    const long = { level, topic: "a".repeat(200), payload: "x" };
    line.send(publish({ ...long, qos: 0 }));
    line.nothing();
    line.send(publish({ ...long, qos: 1, id: 5 }));
    line.acknowledged(PUBACK, 5, 0x97);
    line.send(publish({ ...long, qos: 2, id: 5 }));
    line.acknowledged(PUBREC, 5, 0x97);
    scene.got();
    line.send(publish({ level, topic: "t", payload: "x", qos: 2, id: 5, dup: true }));
    line.expect(pubrec(5));
    line.send(pubrel(5));
    line.expect(pubcomp(5));
    scene.got("t x q2");
  },
);

clientRule("every PUBLISH is acknowledged, wanted or not", { "3.1.1": "4.5.0-2", "5.0": "4.5.0-2" }, (play, level) => {
  // The client has asked for none of these.
  const scene = play(level);
  const line = scene.connect();
  for (const topic of ["nobody", "$SYS/x", "a".repeat(80), "a/".repeat(7)]) {
    line.send(publish({ level, topic, payload: "x", qos: 1, id: 3 }));
    line.expect(puback(3));
  }
  // Before 5.0 there is no way to refuse what is too long for the client: it is acknowledged all the same.
  for (const topic of ["a".repeat(81), "a/".repeat(8)]) {
    line.send(publish({ level, topic, payload: "x", qos: 1, id: 4 }));
    line.acknowledged(PUBACK, 4, 0x97);
    line.send(publish({ level, topic, payload: "x", qos: 2, id: 4 }));
    line.acknowledged(PUBREC, 4, 0x97);
    line.send(pubrel(4));
    line.acknowledged(PUBCOMP, 4, 0x92);
  }
  equal(scene.events.messages.length, 4, "messages");
});

clientRule(
  "PUBACK and PUBREC go out in the order of their messages",
  { "3.1.1": "4.6.0-2 4.6.0-3", "5.0": "4.6.0-2 4.6.0-3" },
  (play, level) => {
    const scene = play(level, { receiveMaximum: 8 });
    const line = scene.connect();
    const list = [9, 2, 7, 1, 8, 3].map((id, i) => ({ level, topic: "t", payload: `${id}`, qos: 1 + (i % 2), id }));
    line.send(list.flatMap((it) => publish(it)));
    line.expect(...list.map(({ id, qos }) => (qos === 1 ? puback(id) : pubrec(id))));
    line.nothing();
  },
);

clientRule(
  "PUBACK and PUBREC keep their order when the application accepts in another",
  { "3.1.1": "4.6.0-2 4.6.0-3", "5.0": "4.6.0-2 4.6.0-3" },
  (play, level) => {
    const scene = play(level);
    scene.client.acceptsByHand = true;
    const line = scene.connect();
    for (const id of [1, 2, 3]) line.send(publish({ level, topic: "t", payload: "x", qos: 1 + (id % 2), id }));
    line.nothing();
    for (const id of [3, 2]) check(scene.client.accept(id), "accept");
    scene.settle();
    line.nothing();
    check(scene.client.accept(1), "accept");
    scene.settle();
    line.expect(pubrec(1), puback(2), pubrec(3));
  },
);

clientRule("QoS 2 goes on when the message has expired", { "5.0": "4.3.3-13" }, (play, level) => {
  const scene = play(level);
  const line = scene.connect(lasting(level));
  const properties = property.messageExpiry(1);
  line.send(publish({ level, topic: "t", payload: "x", qos: 2, id: 5, properties }));
  line.expect(pubrec(5));
  scene.advance(10_000);
  line.send(publish({ level, topic: "t", payload: "x", qos: 2, id: 5, dup: true, properties }));
  line.expect(pubrec(5));
  line.send(pubrel(5));
  line.expect(pubcomp(5));
  scene.got("t x q2");
});

clientRule(
  "acknowledgements have no properties, so that none makes one too long",
  { "5.0": "3.4.2-2 3.4.2-3 3.5.2-2 3.5.2-3 3.6.2-2 3.6.2-3 3.7.2-2 3.7.2-3" },
  (play, level) => {
    const scene = play(level);
    const line = scene.connect({}, { properties: property.maximumPacketSize(5) });
    const long = { level, topic: "a".repeat(200), payload: "x", id: 5 };
    const exchanges = [
      [publish({ ...long, qos: 1 }), PUBACK],
      [publish({ ...long, qos: 2 }), PUBREC],
      [pubrel(6), PUBCOMP],
      [pubrec(6), PUBREL],
      [publish({ level, topic: "t", qos: 1, id: 8 }), PUBACK],
      [publish({ level, topic: "t", qos: 2, id: 9 }), PUBREC],
      [pubrel(9), PUBCOMP],
    ] as const;
    for (const [bytes, type] of exchanges) {
      line.send(bytes);
      const answer = line.next();
      check(answer.length <= 5, `${answer.length} bytes`);
      equal(readAcknowledgement(level, type, answer).properties, [], "properties");
    }
    line.nothing();
  },
);

clientRule(
  "an acknowledgement may have properties; a Reason Code that is not its own closes",
  { "5.0": "4.13.1-1" },
  (play, level) => {
    const list = [...property.reasonString("é"), ...property.user("a", "b"), ...property.user("a", "b")];
    const scene = play(level);
    const line = scene.connect();
    line.send(puback(1, 0x10, list), pubcomp(1, 0x92, list), puback(1, 0x97, []), hex("40 03 00 01 00"));
    line.alive();
    for (const wrong of ["40 03 00 01 92", "50 03 00 01 01", "62 03 00 01 80", "70 03 00 01 10", "40 03 00 01 ff"]) {
      const each = play(level).connect();
      each.alive();
      each.send(hex(wrong));
      each.ends(0x82);
    }
  },
);

clientRule(
  "properties of a message are given to the application unaltered, U+FEFF too",
  { "3.1.1": "1.5.3-3", "5.0": "1.5.4-3" },
  (play, level) => {
    const scene = play(level);
    const line = scene.connect();
    const list = [
      ...property.payloadFormat(1),
      ...property.contentType("\ufefftext"),
      ...property.responseTopic("a/\ufeff"),
      ...property.correlationData([1, 0, 255]),
      ...property.user("\ufeff", "\ufeff"),
      ...property.user("a", "b"),
      ...property.subscriptionIdentifier(1),
      ...property.subscriptionIdentifier(268_435_455),
    ];
    line.send(publish({ level, topic: "\ufeffa", payload: "x", properties: list }));
    scene.got("\ufeffa x q0");
    const digits = level === 5 ? list.map((byte) => byte.toString(16).padStart(2, "0")).join(" ") : "";
    equal(scene.events.properties, digits, "properties");
    line.nothing();
  },
);

clientRule(
  "what could not be acknowledged before the connection was lost is not acknowledged on the next unasked",
  { "3.1.1": "4.4.0-1 4.3.3-2", "5.0": "4.4.0-1 4.3.3-10" },
  (play, level) => {
    for (const isHeld of [false, true]) {
      const scene = play(level, { payloadBytes: 131_072 });
      scene.client.acceptsByHand = isHeld;
      const line = scene.connect(lasting(level));
      line.stalled = true;
      // The stream to the server is full, or the application has not accepted.
      if (!isHeld) scene.publish("t", "x".repeat(70_000), 0);
      const messages = [1, 2].map((qos) => ({ level, topic: "t", payload: `${qos}`, qos, id: qos }));
      line.send(...messages.map((it) => publish(it)));
      scene.got("t 1 q1", "t 2 q2");
      const second = scene.resume(line);
      second.nothing();
      // Of QoS 1 it is a new message, of QoS 2 the same.
      second.send(...messages.map((it) => publish({ ...it, dup: true })));
      scene.got("t 1 q1");
      for (const { id } of isHeld ? messages : []) check(scene.client.accept(id), "accept");
      scene.settle();
      second.expect(puback(1), pubrec(2));
      second.send(pubrel(2));
      second.expect(pubcomp(2));
      scene.client.acceptsByHand = false;
      second.alive();
    }
  },
);

clientRule(
  "QoS 2 that was accepted while there was no connection is acknowledged when it is sent again",
  { "3.1.1": "4.3.3-2", "5.0": "4.3.3-8 4.3.3-10" },
  (play, level) => {
    const scene = play(level);
    scene.client.acceptsByHand = true;
    const line = scene.connect(lasting(level));
    const message = { level, topic: "t", payload: "x", qos: 2, id: 7 };
    line.send(publish(message));
    scene.got("t x q2");
    line.drop();
    check(scene.client.accept(7), "accept");
    const second = scene.reconnect({ present: true });
    second.nothing();
    second.send(publish({ ...message, dup: true }));
    second.expect(pubrec(7));
    scene.got();
    second.send(pubrel(7));
    second.expect(pubcomp(7));
  },
);
