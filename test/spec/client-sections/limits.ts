// What server and client announce to each other [3.1.2.11, 3.2.2.3, 3.3.4, 4.9]: Receive Maximum, Maximum Packet Size, Topic
// Aliases, and what the server does not offer.

import {
  type Bytes,
  PUBREL,
  property,
  puback,
  pubcomp,
  publish,
  pubrec,
  pubrel,
  readPublish,
} from "../../support/packets";
import { pingresp, suback } from "../../support/server-packets";
import { check, equal, numberOf } from "../client";
import { clientRule, section } from "../rules";
import { type Line, lasting, utf8 } from "../scene";

section("Announced limits");

/** Packet Identifiers of the PUBLISH packets that came; nothing else may have. */
function publishes(line: Line): number[] {
  const ids: number[] = [];
  for (let bytes = line.framer.next(); bytes !== undefined; bytes = line.framer.next()) {
    ids.push(readPublish(line.level, bytes).id);
  }
  return ids;
}

clientRule(
  "no more than the server's Receive Maximum is on its way",
  { "5.0": "3.3.4-7 4.9.0-1 4.9.0-2" },
  (play, level) => {
    for (const most of [1, 2, 3]) {
      const scene = play(level);
      let line = scene.connect(lasting(level), { properties: property.receiveMaximum(most) });
      for (let i = 0; i < 8; i++) scene.publish("t", "x", 1 + (i % 2));
      let ids = publishes(line);
      equal(ids.length, most, "PUBLISH packets");
      // PUBREC gives nothing free, PUBCOMP does; so do PUBACK and a refusal.
      for (let i = 0; i < 4; i++) {
        const id = ids.shift() as number;
        if (i % 2 === 1) {
          line.send(pubrec(id));
          line.acknowledged(PUBREL, id);
          line.nothing();
          line.send(pubcomp(id));
        } else line.send(puback(id));
        ids.push(...publishes(line));
        equal(ids.length, most, "PUBLISH packets");
      }
      line = scene.resume(line, { properties: property.receiveMaximum(most) });
      ids = publishes(line);
      equal(ids.length, most, "PUBLISH packets sent again");
      // It is that of the connection.
      line = scene.resume(line);
      equal(publishes(line).length, 4, "PUBLISH packets sent again");
    }
  },
);

clientRule("a refused QoS 2 message leaves room for another", { "5.0": "3.3.4-7 4.9.0-2" }, (play, level) => {
  const scene = play(level);
  const line = scene.connect({}, { properties: property.receiveMaximum(1) });
  for (let i = 0; i < 3; i++) scene.publish("t", `${i}`, 2);
  for (let i = 0; i < 3; i++) {
    const { id } = line.published("t", `${i}`, 2);
    line.nothing();
    line.send(pubrec(id, 0x97));
  }
  line.alive();
});

clientRule("PUBREL that is owed counts on the next connection too", { "5.0": "3.3.4-7 4.9.0-2" }, (play, level) => {
  const scene = play(level);
  const line = scene.connect(lasting(level));
  scene.publish("t", "a", 2);
  scene.publish("t", "b", 1);
  const a = line.published("t", "a", 2);
  const b = line.published("t", "b", 1);
  line.send(pubrec(a.id));
  line.next();
  const second = scene.resume(line, { properties: property.receiveMaximum(1) });
  second.expect(pubrel(a.id));
  second.nothing();
  second.send(pubcomp(a.id));
  equal(second.published("t", "b", 1).id, b.id, "Packet Identifier");
});

clientRule("all else goes on while the Receive Maximum is used up", { "5.0": "3.3.4-8 4.9.0-3" }, (play, level) => {
  const scene = play(level);
  const line = scene.connect({ keepAlive: 10 }, { properties: property.receiveMaximum(1) });
  scene.publish("t", "a", 2);
  scene.publish("t", "b", 1);
  const a = line.published("t", "a", 2);
  line.nothing();
  line.alive();
  line.send(publish({ level, topic: "t", payload: "x", qos: 2, id: 3 }));
  line.expect(pubrec(3));
  line.send(pubrel(3));
  line.expect(pubcomp(3));
  scene.subscribe("f", 0);
  line.send(suback(level, line.subscribed("f", 0).id, [0]));
  scene.unsubscribe("f");
  line.unsubscribed("f");
  scene.advance(7600);
  line.expect([0xc0, 0]);
  line.send(pingresp());
  line.send(pubrec(a.id));
  line.expect(pubrel(a.id));
  line.nothing();
  scene.stop();
  line.expect([0xe0, 0]);
  line.closed();
});

clientRule(
  "the client's Receive Maximum is announced; more is an error of the server",
  { levels: [5] },
  (play, level) => {
    const scene = play(level, { receiveShared: 0 });
    const line = scene.connect();
    equal(numberOf(line.connect.properties, 0x21), scene.limits.receiveMaximum, "Receive Maximum");
    for (let id = 1; id <= 4; id++) {
      line.send(publish({ level, topic: "t", payload: "x", qos: 2, id }));
      line.expect(pubrec(id));
    }
    // Said again, it does not count again.
    line.send(publish({ level, topic: "t", payload: "x", qos: 2, id: 4, dup: true }));
    line.expect(pubrec(4));
    line.send(publish({ level, topic: "t", payload: "x", qos: 2, id: 5 }));
    line.ends(0x93);
  },
);

clientRule("the server's Maximum Packet Size is not exceeded", { "5.0": "3.2.2-15" }, (play, level) => {
  const scene = play(level);
  const line = scene.connect(lasting(level), { properties: property.maximumPacketSize(30) });
  // Fixed header 2, topic 3, Property Length 1, payload; from QoS 1 on a Packet Identifier of 2.
  const sizes = [
    [0, 24],
    [1, 22],
    [2, 22],
  ] as const;
  for (const [qos, most] of sizes) {
    const small = scene.publish("t", "x".repeat(most), qos);
    const bytes = line.next();
    equal(bytes.length, 30, "bytes");
    line.finish(readPublish(level, bytes));
    scene.told(`published ${small} 0x0`);
    const large = scene.publish("t", "x".repeat(most + 1), qos);
    scene.told(`published ${large} 0x95`);
    line.nothing();
  }
  // 2 + 2 + 1 + 2 + filter + options; without options.
  scene.subscribe("f".repeat(22), 0);
  line.send(suback(level, line.subscribed("f".repeat(22), 0).id, [0]));
  const refused = scene.subscribe("f".repeat(23), 0);
  scene.told(`subscribed ${refused} 0x95`);
  const identified = scene.subscribe("f".repeat(20), 0, 1);
  line.send(suback(level, line.subscribed("f".repeat(20), 0).id, [0]));
  scene.told(`subscribed ${identified} 0x0`);
  line.nothing();
  // On a connection with less room they can't be asked for again; what waited is dropped with its reason.
  scene.publish("t", "y".repeat(20), 1);
  line.published("t", "y".repeat(20), 1);
  line.drop();
  const second = scene.reconnect({ properties: property.maximumPacketSize(12) });
  second.nothing();
  check(scene.events.said.filter((it) => it.endsWith("0x95")).length >= 3, JSON.stringify(scene.events.said));
});

clientRule(
  "packets larger than the client's Maximum Packet Size end the connection",
  { levels: [5] },
  (play, level) => {
    const limits = { packetBytes: 128 };
    const scene = play(level, limits);
    const line = scene.connect();
    equal(numberOf(line.connect.properties, 0x27), 128, "Maximum Packet Size");
    line.send(publish({ level, topic: "t", payload: "x".repeat(122) }));
    scene.got(`t ${"x".repeat(122)} q0`);
    line.send(publish({ level, topic: "t", payload: "x".repeat(123) }));
    line.ends(0x95);
  },
);

clientRule(
  "Topic Aliases are used up to the server's maximum",
  { "5.0": "3.2.2-17 3.3.2-8 3.3.2-9" },
  (play, level) => {
    for (const most of [1, 2, 3, 65535]) {
      const scene = play(level, { aliasesOut: 2 });
      const line = scene.connect({}, { properties: property.topicAliasMaximum(most) });
      // The client uses two at most.
      const known = new Map<number, string>();
      const topics = ["one", "two", "one", "two", "three", "two", "one", "three", "three"];
      let omitted = 0;
      for (const [i, topic] of topics.entries()) {
        scene.publish(topic, `${i}`, i % 2);
        const got = readPublish(level, line.next());
        const alias = numberOf(got.properties, 0x23);
        if (alias !== undefined) {
          check(alias > 0 && alias <= most, `Topic Alias ${alias}`);
          if (got.topic !== "") known.set(alias, got.topic);
          else omitted++;
        }
        equal(got.topic === "" ? known.get(alias ?? 0) : got.topic, topic, "topic");
        equal(got.payload, `${i}`, "payload");
        if (got.qos === 1) line.send(puback(got.id));
      }
      check(omitted > 0, "no Topic Name was left out");
    }
  },
);

clientRule("without a maximum of the server no Topic Alias is used", { "5.0": "3.2.2-18" }, (play, level) => {
  for (const properties of [[], property.topicAliasMaximum(0)]) {
    const scene = play(level, { aliasesOut: 2 });
    const line = scene.connect({}, { properties });
    for (let i = 0; i < 3; i++) {
      scene.publish("t", "x", 0);
      line.expect(publish({ level, topic: "t", payload: "x" }));
    }
  }
});

clientRule("Topic Aliases end with the connection, for the sender", { "5.0": "3.3.2-7" }, (play, level) => {
  const scene = play(level, { aliasesOut: 2 });
  const properties = property.topicAliasMaximum(5);
  let line = scene.connect(lasting(level), { properties });
  const aliased = (topic: string, payload: string, qos: number, id = 1): number[] =>
    publish({ level, topic, payload, qos, id, properties: property.topicAlias(1) });
  scene.publish("t", "a", 0);
  line.expect(aliased("t", "a", 0));
  scene.publish("t", "b", 1);
  line.expect(aliased("", "b", 1));
  line = scene.resume(line, { properties });
  // Sent again with its Topic Name, as the alias is not known any more.
  equal(line.published("t", "b", 1).dup, true, "DUP");
  line.send(puback(1));
  scene.publish("t", "c", 0);
  line.expect(aliased("", "c", 0));
  line = scene.resume(line);
  scene.publish("t", "d", 0);
  line.expect(publish({ level, topic: "t", payload: "d" }));
});

const aliased = (topic: string, alias: number, payload: string, id = 1): number[] =>
  publish({ level: 5, topic, payload, qos: 1, id, properties: property.topicAlias(alias) });

clientRule("every Topic Alias up to the announced maximum is accepted", { "5.0": "3.3.2-10" }, (play, level) => {
  const scene = play(level, { aliasesIn: 3, aliasesOut: 0 });
  const line = scene.connect();
  equal(numberOf(line.connect.properties, 0x22), 3, "Topic Alias Maximum");
  const exchange = (topic: string, alias: number, want: string): void => {
    line.send(aliased(topic, alias, "x"));
    line.expect(puback(1));
    scene.got(`${want} x q1`);
  };
  for (const alias of [1, 2, 3]) exchange(`t${alias}`, alias, `t${alias}`);
  for (const alias of [3, 1, 2, 2]) exchange("", alias, `t${alias}`);
  exchange("other", 2, "other");
  exchange("", 2, "other");
  exchange("", 1, "t1");
});

clientRule(
  "a Topic Alias stands also when its message was repeated, or refused",
  { "5.0": "3.3.2-10" },
  (play, level) => {
    const scene = play(level, { aliasesIn: 3 });
    const line = scene.connect();
    const two = (topic: string, alias: number): number[] =>
      publish({ level, topic, payload: "x", qos: 2, id: 9, properties: property.topicAlias(alias) });
    line.send(two("a", 1));
    line.expect(pubrec(9));
    line.send(two("b", 2));
    line.expect(pubrec(9));
    scene.got("a x q2");
    line.send(aliased("", 2, "y"));
    line.expect(puback(1));
    scene.got("b y q1");
    // Too long for the client: what comes under its alias is refused as well, and is no error of the server.
    const long = "a".repeat(scene.limits.topicBytes + 1);
    for (const topic of [long, ""]) {
      line.send(aliased(topic, 3, "z", 4));
      line.acknowledged(4, 4, 0x97);
    }
    line.send(aliased("c", 3, "z", 4));
    line.expect(puback(4));
    scene.got("c z q1");
    // Longer still, so that its properties are not read: it may have been any alias, also one that is known.
    line.send(aliased("a".repeat(200), 3, "z", 4));
    line.acknowledged(4, 4, 0x97);
    for (const alias of [3, 2, 1]) {
      line.send(aliased("", alias, "z", 4));
      line.acknowledged(4, 4, 0x97);
    }
    line.send(aliased("b", 2, "y"));
    line.expect(puback(1));
    line.send(aliased("", 2, "y"));
    line.expect(puback(1));
    scene.got("b y q1", "b y q1");
    line.alive();
  },
);

clientRule("Topic Aliases end with the connection, for the receiver", { "5.0": "3.3.2-7" }, (play, level) => {
  const scene = play(level, { aliasesIn: 3 });
  const line = scene.connect(lasting(level));
  line.send(aliased("t", 1, "x"));
  line.expect(puback(1));
  line.send(aliased("", 1, "y"));
  line.expect(puback(1));
  scene.got("t x q1", "t y q1");
  const second = scene.resume(line);
  second.send(aliased("", 1, "z"));
  second.ends(0x82);
  scene.got();
});

clientRule(
  "a Topic Alias of 0, beyond the maximum, or unknown closes",
  { "5.0": "3.3.2-8 4.13.1-1" },
  (play, level) => {
    const cases: [alias: number, topic: string, aliasesIn: number, reason: number][] = [
      [0, "t", 3, 0x94],
      [4, "t", 3, 0x94],
      [65535, "t", 3, 0x94],
      [1, "t", 0, 0x94],
      [2, "", 3, 0x82],
      [3, "", 3, 0x82],
    ];
    for (const [alias, topic, aliasesIn, reason] of cases) {
      const scene = play(level, { aliasesIn });
      const line = scene.connect();
      line.alive();
      line.send(aliased(topic, alias, "x"));
      line.ends(reason);
      scene.got();
    }
    // Neither a Topic Name nor an alias.
    const line = play(level, { aliasesIn: 3 }).connect();
    line.alive();
    line.send(publish({ level, topic: "", payload: "x" }));
    line.ends(0x82);
  },
);

clientRule("the server's Maximum QoS is not exceeded", { "5.0": "3.2.2-11" }, (play, level) => {
  for (const most of [0, 1]) {
    const scene = play(level);
    const properties = property.maximumQoS(most);
    const queued = [1, 2].map((qos) => scene.client.publish("q", utf8("x"), qos, false));
    const line = scene.connect(lasting(level), { properties });
    for (const qos of [1, 2]) {
      if (qos > most) scene.told(`published ${queued[qos - 1]} 0x9b`);
      else line.finish(line.published("q", "x", qos));
    }
    line.nothing();
    for (const qos of [0, 1, 2]) {
      if (qos > most) equal(scene.client.publish("t", utf8("x"), qos, false), -5, `QoS ${qos}`);
      else {
        scene.publish("t", "x", qos);
        line.finish(line.published("t", "x", qos));
      }
    }
    scene.settle();
    line.nothing();
    // Of subscriptions nothing is said.
    scene.subscribe("f", 2);
    line.subscribed("f", 2);
  }
});

clientRule("nothing is sent again above a Maximum QoS that is new", { "5.0": "3.2.2-11" }, (play, level) => {
  const scene = play(level);
  const line = scene.connect(lasting(level));
  const row = scene.publish("t", "x", 2);
  line.published("t", "x", 2);
  const second = scene.resume(line, { properties: property.maximumQoS(1) });
  second.nothing();
  scene.told(`published ${row} 0x9b`);
  second.alive();
});

clientRule("Retain Available 0 means no RETAIN", { "5.0": "3.2.2-14" }, (play, level) => {
  const scene = play(level);
  const queued = scene.client.publish("q", utf8("x"), 1, true);
  const line = scene.connect({}, { properties: property.retainAvailable(0) });
  scene.told(`published ${queued} 0x9a`);
  line.nothing();
  for (const qos of [0, 1, 2]) {
    equal(scene.client.publish("t", utf8("x"), qos, true), -5, "retained");
    scene.publish("t", "x", qos);
    const got = line.published("t", "x", qos);
    equal(got.retain, false, "RETAIN");
    line.finish(got);
  }
  line.nothing();
});

clientRule("what the server does not offer is not asked for", { levels: [5] }, (play, level) => {
  const cases: [properties: Bytes, filter: string, options: number, identifier: number, reason: number][] = [
    [property.wildcardSubscriptionAvailable(0), "a/#", 0, 0, 0xa2],
    [property.wildcardSubscriptionAvailable(0), "+", 0, 0, 0xa2],
    [property.subscriptionIdentifierAvailable(0), "a", 0, 7, 0xa1],
    [property.sharedSubscriptionAvailable(0), "$share/g/a", 0, 0, 0x9e],
  ];
  for (const [properties, filter, options, identifier, reason] of cases) {
    // Asked before the server has said so, and after.
    const scene = play(level);
    const row = scene.client.subscribe(filter, options, identifier);
    check(row > 0, `subscribe: ${row}`);
    const line = scene.connect({}, { properties });
    line.nothing();
    scene.told(`subscribed ${row} 0x${reason.toString(16)}`);
    equal(scene.client.subscribe(filter, options, identifier), -5, "subscribe");
    scene.settle();
    line.nothing();
    scene.subscribe("plain", 1);
    line.subscribed("plain", 1);
    // And where it is offered.
    const other = play(level);
    const there = other.connect();
    other.subscribe(filter, options, identifier);
    equal(there.subscribed(filter, options).properties.length, identifier === 0 ? 0 : 1, "properties");
  }
});
