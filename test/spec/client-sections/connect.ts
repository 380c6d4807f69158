// CONNECT [3.1].

import type { ConnectOptions, Will } from "../../../src/client/options";
import { type Bytes, connect as connectPacket, type Level, property, publish, pubrec } from "../../support/packets";
import { connack, readConnect } from "../../support/server-packets";
import { check, equal } from "../client";
import { clientRule, section } from "../rules";
import { lasting, type Scene, utf8 } from "../scene";

section("CONNECT");

/** What `clientPresets.sensor` says of itself in each CONNECT of 5.0. */
const own: Bytes = [...property.receiveMaximum(4), ...property.maximumPacketSize(65536)];

/** `start` does not accept an option, and nothing happens. */
function refuses(scene: Scene, option: string, options: ConnectOptions): void {
  let refused = "";
  try {
    scene.start(options);
  } catch (error) {
    refused = (error as { option?: string }).option ?? `${error}`;
  }
  equal(refused, option, "the option that is refused");
  equal(scene.events.said, [], "events");
}

/** A CONNECT comes, and the client works when it is accepted. */
function starts(scene: Scene, options: ConnectOptions, bytes: Bytes): void {
  scene.start(options);
  const line = scene.opened();
  line.expect(bytes);
  line.nothing();
  line.send(connack(scene.level));
  line.alive();
  scene.stop();
}

clientRule(
  "CONNECT comes first, and nothing else before CONNACK",
  { "3.1.1": "3.1.0-1", "5.0": "3.1.0-1" },
  (play, level) => {
    const scene = play(level);
    scene.client.publish("t", utf8("x"), 1, false);
    scene.client.subscribe("t", 0);
    scene.start();
    const line = scene.opened();
    equal(readConnect(line.next()).id, "c", "Client Identifier");
    line.nothing();
    scene.advance(scene.limits.connectMilliseconds / 2);
    line.nothing();
    line.send(connack(level));
    line.subscribed("t", 0);
    line.published("t", "x", 1);
    line.nothing();
  },
);

const combinations = {
  "3.1.1": "3.1.2-9 3.1.2-11 3.1.2-13 3.1.2-14 3.1.2-15 3.1.2-18 3.1.2-19 3.1.2-20 3.1.2-21 3.1.3-1 3.1.3-3 2.2.2-1",
  "5.0": "3.1.2-1 3.1.2-9 3.1.2-11 3.1.2-12 3.1.2-13 3.1.2-16 3.1.2-17 3.1.2-18 3.1.2-19 3.1.3-1 3.1.3-3 2.1.3-1",
};

/** Every will that the options allow, and none. */
function wills(level: Level): (Will | undefined)[] {
  const list: (Will | undefined)[] = [undefined, { topic: "w" }];
  for (const qos of [0, 1, 2]) {
    for (const retain of [false, true]) {
      list.push({ topic: "will/t", payload: utf8("gone"), qos, retain });
      if (level !== 5) continue;
      list.push({ topic: "w", payload: utf8("!"), qos, retain, properties: Uint8Array.from(property.willDelay(9)) });
    }
  }
  return list;
}

clientRule("the Connect Flags say what is there, in every combination", combinations, (play, level) => {
  const scene = play(level);
  for (const will of wills(level)) {
    for (const userName of [undefined, "", "user"]) {
      for (const password of [undefined, "", "secret", Uint8Array.of(0, 255)]) {
        if (level === 4 && password !== undefined && userName === undefined) continue;
        for (const cleanStart of [false, true]) {
          const bytes = connectPacket({
            level,
            id: "me",
            clean: cleanStart,
            keepAlive: 7,
            properties: own,
            will: will && {
              topic: will.topic as string,
              payload: [...(will.payload ?? [])],
              qos: will.qos,
              retain: will.retain,
              properties: [...(will.properties ?? [])],
            },
            user: userName,
            password: typeof password === "object" ? [...password] : password,
          });
          starts(scene, { clientId: "me", keepAlive: 7, will, userName, password, cleanStart }, bytes);
        }
      }
    }
  }
});

clientRule("the properties of CONNECT are those that were asked for", { "5.0": "2.2.2-1" }, (play, level) => {
  const user = property.user("a", "b");
  const options = { clientId: "x", sessionExpiry: 0xffffffff, properties: Uint8Array.from(user) };
  const wanted = (more: Bytes): number[] => [...own, ...more, ...property.sessionExpiry(0xffffffff), ...user];
  starts(play(level), options, connectPacket({ level, id: "x", properties: wanted([]) }));
  const aliases = property.topicAliasMaximum(3);
  starts(play(level, { aliasesIn: 3 }), options, connectPacket({ level, id: "x", properties: wanted(aliases) }));
  // A will without properties has a Property Length of 0.
  const scene = play(level);
  scene.start({ will: { topic: "w", payload: utf8("!") } });
  const line = scene.opened();
  const tail = [...line.next().slice(-10)];
  equal(tail, [0, 1, 0x63, 0, 0, 1, 0x77, 0, 1, 0x21], "Client Identifier, Property Length, Will Topic, Will Payload");
  line.send(connack(level));
  line.alive();
});

clientRule(
  "properties of CONNECT or of a will that can't be are not accepted",
  { "5.0": "1.5.4-1 1.5.7-1" },
  (play, level) => {
    const scene = play(level);
    const wrong: Bytes[] = [
      [0x7f],
      property.topicAlias(1),
      property.user("a", [0xff]),
      property.user([0xed, 0xa0, 0x80], "a"),
      property.contentType("a").slice(0, -1),
    ];
    const ofConnect = [property.receiveMaximum(9), property.requestProblemInformation(2), property.willDelay(1)];
    for (const list of [...wrong, ...ofConnect]) refuses(scene, "properties", { properties: Uint8Array.from(list) });
    const again = [...property.willDelay(1), ...property.willDelay(1)];
    const ofWill = [property.receiveMaximum(9), property.responseTopic("#"), property.contentType([0xff]), again];
    for (const list of [...wrong, ...ofWill]) {
      refuses(scene, "will.properties", { will: { topic: "w", properties: Uint8Array.from(list) } });
    }
    scene.connect({ properties: Uint8Array.from(property.requestProblemInformation(1)) }).alive();
  },
);

clientRule("a Will QoS of 3 is not accepted", { "3.1.1": "3.1.2-14", "5.0": "3.1.2-12" }, (play, level) => {
  const scene = play(level);
  for (const qos of [3, 4, -1, 0.5]) refuses(scene, "will.qos", { will: { topic: "w", qos } });
  scene.connect({ will: { topic: "w", qos: 2 } }).alive();
});

clientRule("a Password without a User Name is not accepted", { "3.1.1": "3.1.2-22" }, (play, level) => {
  const scene = play(level);
  refuses(scene, "userName", { password: "secret" });
  scene.connect({ userName: "", password: "secret" }).alive();
});

clientRule("an empty Client Identifier needs a Clean Session", { "3.1.1": "3.1.3-7" }, (play, level) => {
  const scene = play(level);
  refuses(scene, "clientId", { clientId: "", cleanStart: false });
  const line = scene.connect({ clientId: "" });
  equal([line.connect.id, line.connect.clean], ["", true], "Client Identifier and Clean Session");
  line.alive();
  line.drop();
  const again = scene.reconnect();
  equal([again.connect.id, again.connect.clean], ["", true], "Client Identifier and Clean Session");
});

clientRule(
  "texts of CONNECT are UTF-8, and what can't be is not accepted",
  {
    "3.1.1": "1.5.3-1 1.5.3-2 1.5.3-3 3.1.3-4 3.1.3-10 3.1.3-11",
    "5.0": "1.5.4-1 1.5.4-2 1.5.4-3 3.1.3-4 3.1.3-11 3.1.3-12",
  },
  (play, level) => {
    const scene = play(level);
    for (const text of ["a\0b", "\ud800", "\udfff", "\ud800a", "a\udc00b", "\udc00\ud800"]) {
      refuses(scene, "clientId", { clientId: text });
      refuses(scene, "will.topic", { will: { topic: text } });
      refuses(scene, "userName", { userName: text });
    }
    for (const topic of ["", "#", "a/+"]) refuses(scene, "will.topic", { will: { topic } });
    for (const text of ["é€😀", "\ufeff", "a\ufeff", "\u0080\u07ff\u0800\uffff\u{10000}\u{10ffff}", "\ud7ff\ue000"]) {
      const properties = own;
      const bytes = connectPacket({ level, id: text, properties, will: { topic: text }, user: text, password: text });
      starts(scene, { clientId: text, will: { topic: text }, userName: text, password: text }, bytes);
    }
  },
);

clientRule(
  "the Client Identifier stays the same, and so does the state that belongs to it",
  { "3.1.1": "3.1.3-2 3.1.2-4 4.1.0-1 4.1.0-2", "5.0": "3.1.3-2 3.1.2-23 4.1.0-1" },
  (play, level) => {
    const scene = play(level);
    const line = scene.connect(lasting(level, { clientId: "me" }));
    equal([line.connect.id, line.connect.clean], ["me", false], "Client Identifier and Clean Start");
    scene.publish("t", "x", 1);
    const sent = line.published("t", "x", 1);
    line.send(publish({ level, topic: "t", payload: "y", qos: 2, id: 7 }));
    line.expect(pubrec(7));
    scene.got("t y q2");
    const second = scene.resume(line);
    equal([second.connect.id, second.connect.clean], ["me", false], "Client Identifier and Clean Start");
    const again = second.published("t", "x", 1);
    equal([again.id, again.dup], [sent.id, true], "Packet Identifier and DUP");
    second.send(publish({ level, topic: "t", payload: "y", qos: 2, id: 7, dup: true }));
    second.expect(pubrec(7));
    scene.got();
  },
);

clientRule(
  "state is not that of another Client Identifier",
  { "3.1.1": "3.1.3-2", "5.0": "3.1.3-2" },
  (play, level) => {
    const scene = play(level);
    const line = scene.connect(lasting(level, { clientId: "one" }));
    scene.publish("t", "x", 1);
    const first = line.published("t", "x", 1);
    line.send(publish({ level, topic: "t", payload: "of one", qos: 2, id: 7 }));
    line.expect(pubrec(7));
    scene.got("t of one q2");
    scene.stop();
    const other = scene.connect(lasting(level, { clientId: "two" }), { present: true });
    equal(other.connect.id, "two", "Client Identifier");
    const sent = other.published("t", "x", 1);
    check(!sent.dup && sent.id !== first.id, "sent as another's message");
    other.send(publish({ level, topic: "t", payload: "of two", qos: 2, id: 7 }));
    other.expect(pubrec(7));
    scene.got("t of two q2");
  },
);

clientRule("an Assigned Client Identifier is used from then on", { "5.0": "3.1.3-2" }, (play, level) => {
  const scene = play(level);
  const properties = property.assignedClientIdentifier("by the server");
  const line = scene.connect({ clientId: "", sessionExpiry: 100 }, { properties });
  equal(line.connect.id, "", "Client Identifier");
  const second = scene.resume(line);
  equal([second.connect.id, second.connect.clean], ["by the server", false], "Client Identifier and Clean Start");
  second.alive();
});

clientRule(
  "with Clean Start 1 nothing of an earlier session is left",
  { "3.1.1": "3.1.2-6", "5.0": "3.1.2-4" },
  (play, level) => {
    const scene = play(level);
    const line = scene.connect(lasting(level));
    line.send(publish({ level, topic: "t", payload: "x", qos: 2, id: 7 }));
    line.expect(pubrec(7));
    scene.got("t x q2");
    const row = scene.publish("t", "mine", 2);
    const sent = line.published("t", "mine", 2);
    line.send(pubrec(sent.id));
    line.next();
    scene.stop();
    const second = scene.connect({ cleanStart: true });
    equal(second.connect.clean, true, "Clean Start");
    scene.told(`published ${row} 0x0`); // the server has it: that was the old session's
    second.nothing();
    second.send(publish({ level, topic: "t", payload: "another", qos: 2, id: 7 }));
    second.expect(pubrec(7));
    scene.got("t another q2");
  },
);

clientRule("a Clean Session is clean each time", { "3.1.1": "3.1.2-6" }, (play, level) => {
  const scene = play(level);
  const line = scene.connect({ cleanStart: true });
  scene.publish("t", "x", 1);
  const sent = line.published("t", "x", 1);
  line.drop();
  const second = scene.reconnect();
  equal(second.connect.clean, true, "Clean Session");
  const again = second.published("t", "x", 1);
  check(!again.dup && again.id !== sent.id, "a state of the session before is used");
});

clientRule("during authentication nothing but CONNECT is sent", { "5.0": "3.1.2-30" }, (play, level) => {
  const properties = property.authenticationMethod("m");
  const scene = play(level);
  scene.client.publish("t", utf8("x"), 1, false);
  scene.start({ properties: Uint8Array.from(properties) });
  const line = scene.opened();
  line.next();
  scene.advance(5000);
  line.nothing();
  line.send(connack(level, { properties }));
  line.published("t", "x", 1);
});
