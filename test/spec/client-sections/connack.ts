// CONNACK [3.2], and what may come before it.

import { auth, hex, packet, property, puback, pubcomp, publish, pubrec, u16 } from "../../support/packets";
import { connack, pingresp, suback, unsuback } from "../../support/server-packets";
import { check, equal } from "../client";
import { clientRule, section } from "../rules";
import { lasting } from "../scene";

section("CONNACK");

clientRule(
  "Session Present 1 in answer to Clean Start 1 closes",
  { "3.1.1": "4.8.0-1", "5.0": "3.2.2-4" },
  (play, level) => {
    const scene = play(level);
    scene.connect().drop();
    scene.stop();
    scene.events.said.length = 0;
    scene.start({ cleanStart: true });
    const line = scene.opened();
    line.next();
    line.send(connack(level, { present: true }));
    line.closed();
    scene.told("disconnected 0x82");
    scene.notTold("connected");
    // It can go on when the server thinks better of it.
    scene.reconnect().alive();
  },
);

clientRule(
  "Session Present 0 discards the state, and the messages that are left begin anew",
  { "3.1.1": "3.1.2-6", "5.0": "3.2.2-5" },
  (play, level) => {
    const scene = play(level);
    const line = scene.connect(lasting(level));
    const subscription = scene.subscribe("f", 1);
    line.send(suback(level, line.subscribed("f", 1).id, [1]));
    const rows = ["a", "b", "c"].map((payload) => scene.publish("t", payload, payload === "c" ? 1 : 2));
    const [a, b, c] = [2, 2, 1].map((qos, i) => line.published("t", "abc"[i], qos));
    line.send(pubrec(a.id));
    line.next();
    line.send(publish({ level, topic: "t", payload: "x", qos: 2, id: 7 }));
    line.expect(pubrec(7));
    scene.got("t x q2");
    line.drop();
    const second = scene.reconnect();
    equal(second.connect.clean, false, "Clean Start");
    // The server had the first: it is not sent again, as a new message or otherwise.
    scene.told(`subscribed ${subscription} 0x1`, `published ${rows[0]} 0x0`);
    second.subscribed("f", 1);
    const anew = [second.published("t", "b", 2), second.published("t", "c", 1)];
    for (const it of anew) check(!it.dup && it.id !== b.id && it.id !== c.id, "sent as of the session before");
    second.nothing();
    second.send(publish({ level, topic: "t", payload: "y", qos: 2, id: 7 }));
    second.expect(pubrec(7));
    scene.got("t y q2");
  },
);

const codes: Readonly<Record<number, readonly (readonly [code: number, told: number])[]>> = {
  4: [
    [1, 0x84],
    [2, 0x85],
    [3, 0x88],
    [4, 0x86],
    [5, 0x87],
    [6, 0x80],
    [255, 0x80],
  ],
  5: [
    0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a, 0x9b, 0x9c,
    0x9d, 0x9f,
  ].map((code) => [code, code]),
};

clientRule(
  "a refusal closes, the application is told, and CONNECT is sent again later",
  { "3.1.1": "4.8.0-1", "5.0": "4.13.2-1" },
  (play, level) => {
    const scene = play(level, { reconnectMostMilliseconds: 1000 });
    scene.start();
    for (const [reason, told] of codes[level]) {
      const line = scene.opened();
      line.next();
      const properties = [...property.reasonString("no"), ...property.user("a", "b")];
      line.send(connack(level, { reason, properties }));
      line.closed();
      scene.told(`disconnected 0x${told.toString(16)}`);
      scene.advance(1100);
    }
    const line = scene.opened();
    line.next();
    line.send(connack(level));
    line.alive();
    scene.told("connected false");
  },
);

clientRule("a second CONNACK closes", { "3.1.1": "4.8.0-1", "5.0": "4.13.1-1" }, (play, level) => {
  for (const reason of [0, level === 5 ? 0x80 : 1]) {
    const line = play(level).connect();
    line.alive();
    line.send(connack(level, { reason }));
    line.ends(0x82);
  }
});

clientRule("anything else before CONNACK closes", { "3.1.1": "4.8.0-1", "5.0": "4.13.1-1" }, (play, level) => {
  const early = [
    publish({ level, topic: "t", payload: "x" }),
    publish({ level, topic: "t", payload: "x", qos: 1 }),
    puback(1),
    pubrec(1),
    hex("62 02 00 01"),
    pubcomp(1),
    suback(level, 1, [0]),
    unsuback(level, 1),
    pingresp(),
    hex("e0 00"),
    ...(level === 5 ? [auth(0x18, property.authenticationMethod("m"))] : []),
  ];
  const scene = play(level, { reconnectMostMilliseconds: 1000 });
  scene.start();
  for (const bytes of early) {
    const line = scene.opened();
    line.next();
    line.send(bytes);
    line.closed();
    scene.told("disconnected 0x82");
    scene.advance(1100);
  }
  scene.got();
  const line = scene.opened();
  line.next();
  line.send(connack(level));
  line.alive();
});

clientRule("a malformed CONNACK closes", { "3.1.1": "4.8.0-1 2.2.2-2", "5.0": "4.13.1-1 2.1.3-1" }, (play, level) => {
  const five = ["20 03 02 00 00", "20 03 ff 00 00", "20 03 01 80 00", "20 02 00 00", "20 00", "20 03 00 00 01"];
  five.push("20 04 00 00 00 00", "21 03 00 00 00", "2f 03 00 00 00", "20 06 00 00 03 21 00 00", "20 05 00 00 02 7f 00");
  const four = ["20 02 02 00", "20 02 ff 00", "20 02 01 01", "20 03 00 00 00", "20 01 00", "20 00", "21 02 00 00"];
  const scene = play(level, { reconnectMostMilliseconds: 1000 });
  scene.start();
  for (const digits of level === 5 ? five : four) {
    const line = scene.opened();
    line.next();
    line.send(hex(digits));
    line.closed();
    scene.notTold("connected");
    scene.advance(1100);
  }
  const line = scene.opened();
  line.next();
  line.send(connack(level));
  line.alive();
});

clientRule("a property of CONNACK that can't be, or comes twice, closes", { "5.0": "4.13.1-1" }, (play, level) => {
  const wrong = [
    property.receiveMaximum(0),
    property.maximumPacketSize(0),
    property.maximumQoS(2),
    property.retainAvailable(2),
    property.wildcardSubscriptionAvailable(2),
    property.subscriptionIdentifierAvailable(2),
    property.sharedSubscriptionAvailable(2),
    property.topicAlias(1),
    property.willDelay(1),
    property.assignedClientIdentifier("\0"),
    [0x1f, 0, 1, 0xff],
  ];
  const once = [
    property.sessionExpiry(1),
    property.receiveMaximum(1),
    property.maximumQoS(1),
    property.retainAvailable(1),
    property.maximumPacketSize(1000),
    property.assignedClientIdentifier("x"),
    property.topicAliasMaximum(1),
    property.reasonString("x"),
    property.wildcardSubscriptionAvailable(1),
    property.subscriptionIdentifierAvailable(1),
    property.sharedSubscriptionAvailable(1),
    property.serverKeepAlive(1),
    property.responseInformation("x"),
    property.serverReference("x"),
    property.authenticationMethod("x"),
    property.authenticationData("x"),
  ];
  const scene = play(level, { reconnectMostMilliseconds: 1000 });
  scene.start();
  for (const properties of [...wrong, ...once.map((it) => [...it, ...it])]) {
    const line = scene.opened();
    line.next();
    line.send(connack(level, { properties }));
    line.closed();
    scene.notTold("connected");
    scene.advance(1100);
  }
  const line = scene.opened();
  line.next();
  line.send(connack(level, { properties: once.slice(0, 12).flat() }));
  line.alive();
});

clientRule("without a CONNACK the client gives up, and tries again", { levels: [4, 5] }, (play, level) => {
  const scene = play(level);
  scene.start();
  const line = scene.opened();
  line.next();
  scene.advance(scene.limits.connectMilliseconds + 1000);
  line.closed();
  scene.told("disconnected 0x101");
  scene.reconnect().alive();
});

clientRule("a CONNACK may come in pieces", { levels: [4, 5] }, (play, level) => {
  const scene = play(level);
  scene.start();
  const line = scene.opened();
  line.next();
  for (const byte of packet(2, 0, [0, 0], level === 5 ? [3, 0x21, ...u16(9)] : [])) line.send([byte]);
  scene.told("connected false");
  line.alive();
});
