// CONNECT [3.1].

import {
  type Bytes,
  connect as connectPacket,
  hex,
  type Level,
  packet,
  pingreq,
  property,
  publish,
  string,
  subscribe,
  toHex,
  u16,
} from "../../support/packets";
import { check, connect, equal, MALFORMED, open, persistent, textOf } from "../client";
import { rule, section } from "../rules";
import type { Server } from "../server";

section("CONNECT");

/** A well-formed CONNECT is accepted, and this one is not: nothing comes but perhaps, at level 5, its reason. */
async function rejects(
  server: Server,
  level: Level,
  bytes: Bytes,
  reasons: readonly number[] = MALFORMED,
): Promise<void> {
  await connect(server, level, { id: "control" });
  const client = await open(server, level);
  await client.send(bytes);
  await client.notConnected(...reasons);
}

rule("anything before CONNECT closes", { "3.1.1": "3.1.0-1", "5.0": "3.1.0-1" }, async (server, level) => {
  await connect(server, level, { id: "control" });
  const first = [
    pingreq(),
    publish({ level, topic: "t", payload: "x" }),
    subscribe(level, 1, [["t", 0]]),
    hex("e0 00"),
    hex("20 02 00 00"),
  ];
  for (const bytes of first) {
    const client = await open(server, level);
    await client.send(bytes);
    await client.closed();
  }
});

rule("a second CONNECT closes", { "3.1.1": "3.1.0-2", "5.0": "3.1.0-2" }, async (server, level) => {
  const client = await connect(server, level);
  await client.send(connectPacket({ level }));
  await client.disconnected(0x82);
});

rule("another Protocol Name closes", { "3.1.1": "3.1.2-1", "5.0": "3.1.2-1" }, async (server, level) => {
  for (const protocolName of ["MQTX", "mqtt", "MQTTT", "MQT", ""]) {
    await connect(server, level, { id: "control" });
    const client = await open(server, level);
    await client.send(connectPacket({ level, protocolName }));
    await client.notConnected(0x84, ...MALFORMED);
  }
});

rule(
  "a Protocol Level below 4 gets CONNACK 0x01 and is closed",
  { "3.1.1": "3.1.2-2", levels: [4] },
  async (server, level) => {
    await connect(server, level, { id: "control" });
    for (const protocolLevel of [0, 1, 2]) {
      const client = await open(server, level);
      await client.send(connectPacket({ level, protocolLevel }));
      await client.expect(hex("20 02 00 01"));
      await client.closed();
    }
  },
);

rule("a Protocol Version above 5 gets CONNACK 0x84 and is closed", { "5.0": "3.1.2-2" }, async (server, level) => {
  await connect(server, level, { id: "control" });
  for (const protocolLevel of [6, 7, 127, 255]) {
    const client = await open(server, level);
    await client.send(connectPacket({ level, protocolLevel }));
    await client.refused(0x84);
  }
});

rule("the reserved flag closes", { "3.1.1": "3.1.2-3", "5.0": "3.1.2-3", levels: [4, 5] }, async (server, level) => {
  await rejects(server, level, connectPacket({ level, invertFlags: 0x01 }));
});

rule(
  "a clean start discards the Session",
  { "3.1.1": "3.1.2-6 3.1.4-3", "5.0": "3.1.2-4 3.1.4-4" },
  async (server, level) => {
    const publisher = await connect(server, level, { id: "publisher" });
    const first = await connect(server, level, persistent(level, { id: "s" }));
    await first.subscribe("t", 1);
    await publisher.publish("t", "received", { qos: 1 });
    equal((await first.published()).payload, "received", "payload");
    await first.peer.reset();
    await publisher.publish("t", "queued", { qos: 1 });

    const second = await connect(server, level, persistent(level, { id: "s", clean: true }));
    equal(second.connack.flags, 0, "Session Present");
    await second.quiet();
    await publisher.publish("t", "later", { qos: 1 });
    await second.quiet();
  },
);

rule(
  "a Session is resumed, with its subscriptions",
  { "3.1.1": "3.1.2-4", "5.0": "3.1.2-5" },
  async (server, level) => {
    const first = await connect(server, level, persistent(level, { id: "s" }));
    await first.subscribe("t", 1);
    await first.leave();
    const second = await connect(server, level, persistent(level, { id: "s" }));
    equal(second.connack.flags, level === 3 ? 0 : 1, "Session Present");
    const publisher = await connect(server, level, { id: "publisher" });
    await publisher.publish("t", "resumed", { qos: 1 });
    await second.gets("t", "resumed", 1);
  },
);

rule(
  "without a Session to resume a new one is made",
  { "3.1.1": "3.1.2-4", "5.0": "3.1.2-6" },
  async (server, level) => {
    const first = await connect(server, level, persistent(level, { id: "new" }));
    equal(first.connack.flags, 0, "Session Present");
    await first.subscribe("t", 1);
    await first.leave();
    const publisher = await connect(server, level, { id: "publisher" });
    await publisher.publish("t", "x", { qos: 1 });
    const second = await connect(server, level, persistent(level, { id: "new" }));
    await second.gets("t", "x", 1);
  },
);

rule(
  "QoS 1 and 2 messages are kept for a Session that is not connected",
  { "3.1.1": "3.1.2-5", "5.0": "3.1.2-23 4.5.0-1" },
  async (server, level) => {
    const first = await connect(server, level, persistent(level, { id: "s" }));
    await first.subscribe("t/#", 2);
    await first.leave();
    const publisher = await connect(server, level, { id: "publisher" });
    await publisher.publish("t/1", "one", { qos: 1 });
    await publisher.publish("t/2", "two", { qos: 2 });
    const second = await connect(server, level, persistent(level, { id: "s" }));
    // Sent for the first time, so DUP is 0.
    equal((await second.gets("t/1", "one", 1)).dup, false, "DUP");
    equal((await second.gets("t/2", "two", 2)).dup, false, "DUP");
    await second.quiet();
  },
);

rule(
  "Will QoS and Will Retain without a will close",
  { "3.1.1": "3.1.2-11 3.1.2-13 3.1.2-15", "5.0": "3.1.2-11 3.1.2-13", levels: [4, 5] },
  async (server, level) => {
    for (const invertFlags of [0x08, 0x10, 0x18, 0x20])
      await rejects(server, level, connectPacket({ level, invertFlags }));
  },
);

rule("Will QoS 3 closes", { "3.1.1": "3.1.2-14", "5.0": "3.1.2-12" }, async (server, level) => {
  await rejects(server, level, connectPacket({ level, will: { topic: "w", qos: 3 } }));
});

rule("Will QoS 0, 1 and 2 are accepted", { "3.1.1": "3.1.2-14", "5.0": "3.1.2-12" }, async (server, level) => {
  for (const qos of [0, 1, 2]) await connect(server, level, { will: { topic: "w", qos } });
});

rule("a will announced but not there closes", { "3.1.1": "3.1.2-9", "5.0": "3.1.2-9" }, async (server, level) => {
  await rejects(server, level, connectPacket({ level, invertFlags: 0x04 }));
  // A topic, but no payload.
  const cut = level === 5 ? [0, ...string("w")] : string("w");
  await rejects(server, level, connectPacket({ level, invertFlags: 0x04, tail: cut }));
});

rule("a will that was not announced closes", { "3.1.1": "3.1.2-11", levels: [4] }, async (server, level) => {
  await rejects(server, level, connectPacket({ level, will: { topic: "w", payload: "x" }, invertFlags: 0x04 }));
});

rule(
  "a User Name that was not announced closes",
  { "3.1.1": "3.1.2-18", "5.0": "3.1.2-16", levels: [4, 5] },
  async (server, level) => {
    await connect(server, level, { id: "named", user: "u" });
    await rejects(server, level, connectPacket({ level, user: "u", invertFlags: 0x80 }));
  },
);

rule(
  "a User Name announced but not there closes",
  { "3.1.1": "3.1.2-19", "5.0": "3.1.2-17", levels: [4, 5] },
  async (server, level) => {
    await rejects(server, level, connectPacket({ level, invertFlags: 0x80 }));
  },
);

rule("a User Name announced but not there is allowed", { levels: [3] }, async (server, level) => {
  // MQTT 3.1: the Remaining Length has precedence over the flag.
  await connect(server, level, { invertFlags: 0x80 });
});

rule(
  "a Password that was not announced closes",
  { "3.1.1": "3.1.2-20", "5.0": "3.1.2-18", levels: [4, 5] },
  async (server, level) => {
    await connect(server, level, { id: "named", user: "u", password: "p" });
    await rejects(server, level, connectPacket({ level, user: "u", password: "p", invertFlags: 0x40 }));
  },
);

rule(
  "a Password announced but not there closes",
  { "3.1.1": "3.1.2-21", "5.0": "3.1.2-19", levels: [4, 5] },
  async (server, level) => {
    await rejects(server, level, connectPacket({ level, user: "u", invertFlags: 0x40 }));
  },
);

rule("a Password without a User Name closes", { "3.1.1": "3.1.2-22", levels: [4] }, async (server, level) => {
  await rejects(server, level, connectPacket({ level, password: "p" }));
});

rule("a Password without a User Name is allowed", { levels: [5] }, async (server, level) => {
  await connect(server, level, { password: "p" });
});

rule(
  "the fields of the payload are read in their order",
  { "3.1.1": "3.1.3-1", "5.0": "3.1.3-1" },
  async (server, level) => {
    const watcher = await connect(server, level, { id: "watcher" });
    await watcher.subscribe("will/topic");
    const client = await connect(server, level, {
      id: "all",
      user: "user",
      password: "secret",
      will: {
        topic: "will/topic",
        payload: "will payload",
        properties: level === 5 ? property.contentType("text") : [],
      },
    });
    await client.vanish();
    const got = await watcher.gets("will/topic", "will payload");
    if (level === 5) equal(textOf(got.properties, 0x03), "text", "Content Type");
  },
);

rule("the Client Identifier names the Session", { "3.1.1": "3.1.3-2", "5.0": "3.1.3-2" }, async (server, level) => {
  const publisher = await connect(server, level, { id: "publisher" });
  for (const id of ["a", "b"]) {
    const client = await connect(server, level, persistent(level, { id }));
    await client.subscribe(`topic/${id}`, 1);
    await client.leave();
  }
  for (const id of ["a", "b"]) await publisher.publish(`topic/${id}`, `for ${id}`, { qos: 1 });
  for (const id of ["b", "a"]) {
    const client = await connect(server, level, persistent(level, { id }));
    await client.gets(`topic/${id}`, `for ${id}`);
    await client.quiet();
  }
});

rule(
  "a CONNECT without a Client Identifier closes",
  { "3.1.1": "3.1.3-3", "5.0": "3.1.3-3" },
  async (server, level) => {
    const name = string(level === 3 ? "MQIsdp" : "MQTT");
    await rejects(server, level, packet(1, 0, name, [level, 2], u16(60), level === 5 ? [0] : []));
  },
);

rule(
  "a Client Identifier that is no UTF-8 is rejected",
  { "3.1.1": "3.1.3-4", "5.0": "3.1.3-4" },
  async (server, level) => {
    await rejects(server, level, connectPacket({ level, id: hex("61 c0 80") }), [...MALFORMED, 0x85]);
  },
);

rule(
  "1 to 23 letters and digits are a Client Identifier",
  { "3.1.1": "3.1.3-5", "5.0": "3.1.3-5" },
  async (server, level) => {
    const ids = [
      "0",
      "0123456789abcdefghijklm",
      "nopqrstuvwxyzABCDEFGHIJ",
      "KLMNOPQRSTUVWXYZ0123456",
      "A1",
      "zzzzzzzzzzzzzzzzzzzzzzz",
    ];
    for (const id of ids) {
      const client = await connect(server, level, { id });
      await client.quiet();
      await client.leave();
    }
  },
);

rule("clients without a Client Identifier get one each", { "3.1.1": "3.1.3-6", levels: [4] }, async (server, level) => {
  const a = await connect(server, level, { id: "" });
  const b = await connect(server, level, { id: "" });
  equal([toHex([a.connack.flags]), toHex([b.connack.flags])], ["00", "00"], "Session Present");
  await a.subscribe("t");
  await b.publish("t", "x");
  await a.gets("t", "x");
  await b.quiet();
});

rule(
  "a client without a Client Identifier is told the one it got, unique and good for coming back",
  { "5.0": "3.1.3-6 3.1.3-7 3.2.2-16" },
  async (server, level) => {
    const a = await connect(server, level, persistent(level, { id: "", clean: true }));
    const b = await connect(server, level, persistent(level, { id: "", clean: false }));
    const assigned = textOf(a.connack.properties, 0x12);
    const other = textOf(b.connack.properties, 0x12);
    check(!!assigned && !!other && assigned !== other, `Assigned Client Identifiers ${assigned}, ${other}`);
    equal(b.connack.flags, 0, "Session Present");
    await a.subscribe("t", 1);
    await a.leave();
    await b.publish("t", "x", { qos: 1 });
    const again = await connect(server, level, persistent(level, { id: assigned }));
    equal(again.connack.flags, 1, "Session Present");
    equal(textOf(again.connack.properties, 0x12), undefined, "Assigned Client Identifier");
    await again.gets("t", "x");
  },
);

rule(
  "no Client Identifier and a Session to keep gets CONNACK 0x02",
  { "3.1.1": "3.1.3-8", levels: [4] },
  async (server, level) => {
    await connect(server, level, { id: "control" });
    const client = await open(server, level);
    await client.send(connectPacket({ level, id: "", clean: false }));
    await client.expect(hex("20 02 00 02"));
    await client.closed();
  },
);

rule("no Client Identifier gets CONNACK 0x02", { levels: [3] }, async (server, level) => {
  await connect(server, level, { id: "control" });
  for (const clean of [false, true]) {
    const client = await open(server, level);
    await client.send(connectPacket({ level, id: "", clean }));
    await client.expect(hex("20 02 00 02"));
    await client.closed();
  }
});

rule(
  "a Client Identifier that is refused gets a CONNACK that says so, and is closed",
  { "3.1.1": "3.1.3-9", "5.0": "3.1.3-8" },
  async (server, level) => {
    // Longer than any limit of this server.
    await connect(server, level, { id: "control" });
    const client = await open(server, level);
    await client.send(connectPacket({ level, id: "i".repeat(300) }));
    await client.refused(level === 5 ? 0x85 : 0x02);
  },
);

rule("a Will Topic that is no UTF-8 closes", { "3.1.1": "3.1.3-10", "5.0": "3.1.3-11" }, async (server, level) => {
  await rejects(server, level, connectPacket({ level, will: { topic: hex("77 ff") } }));
});

rule("a Will Topic with a wildcard, or without a character, closes", { levels: [3, 4, 5] }, async (server, level) => {
  for (const topic of ["w/#", "+", ""]) {
    await rejects(server, level, connectPacket({ level, will: { topic } }), [...MALFORMED, 0x90]);
  }
});

rule("a User Name that is no UTF-8 closes", { "3.1.1": "3.1.3-11", "5.0": "3.1.3-12" }, async (server, level) => {
  await rejects(server, level, connectPacket({ level, user: hex("ed a0 80") }));
});

rule(
  "a CONNECT that is not as long as it says closes",
  { "3.1.1": "3.1.4-1 3.2.2-6", "5.0": "3.1.4-1" },
  async (server, level) => {
    // Every length that is too short for its fields, each with the rest of the bytes cut off.
    const whole = connectPacket({ level, id: "client" });
    const body = whole.slice(2);
    for (let length = 0; length < body.length; length++) {
      await rejects(server, level, packet(1, 0, body.slice(0, length)), [0x84, ...MALFORMED]);
    }
  },
);

rule(
  "bytes behind the payload close",
  { "3.1.1": "3.1.4-1", "5.0": "3.1.4-1", levels: [4, 5] },
  async (server, level) => {
    await rejects(server, level, connectPacket({ level, tail: [0] }));
    await rejects(server, level, connectPacket({ level, tail: string("more") }));
  },
);

rule(
  "flags in the fixed header of CONNECT close",
  { "3.1.1": "3.1.4-1 2.2.2-2", "5.0": "3.1.4-1 2.1.3-1", levels: [4, 5] },
  async (server, level) => {
    for (const flags of [1, 2, 4, 8]) {
      const bytes = connectPacket({ level });
      bytes[0] |= flags;
      await rejects(server, level, bytes);
    }
  },
);

rule("the same Client Identifier takes over", { "3.1.1": "3.1.4-2", "5.0": "3.1.4-3" }, async (server, level) => {
  const first = await connect(server, level, { id: "same" });
  const second = await connect(server, level, { id: "same" });
  await first.disconnected(0x8e);
  await second.quiet();
});

rule(
  "a takeover resumes the Session, or with a clean start does not",
  { "3.1.1": "3.1.4-3", "5.0": "3.1.4-4" },
  async (server, level) => {
    const publisher = await connect(server, level, { id: "publisher" });
    const first = await connect(server, level, persistent(level, { id: "same" }));
    await first.subscribe("t", 1);
    const second = await connect(server, level, persistent(level, { id: "same" }));
    equal(second.connack.flags, level === 3 ? 0 : 1, "Session Present");
    await first.disconnected(0x8e);
    await publisher.publish("t", "resumed", { qos: 1 });
    await second.gets("t", "resumed");
    const third = await connect(server, level, persistent(level, { id: "same", clean: true }));
    equal(third.connack.flags, 0, "Session Present");
    await second.disconnected(0x8e);
    await publisher.publish("t", "gone", { qos: 1 });
    await third.quiet();
  },
);

rule("a takeover at another protocol level resumes the Session", { levels: [4, 5] }, async (server, level) => {
  const other: Level = level === 5 ? 4 : 5;
  const first = await connect(server, level, persistent(level, { id: "same" }));
  await first.subscribe("t", 1);
  const second = await connect(server, other, persistent(other, { id: "same" }));
  await first.disconnected(0x8e);
  const publisher = await connect(server, level, { id: "publisher" });
  await publisher.publish("t", "x", { qos: 1 });
  await second.gets("t", "x", 1);
});

rule("CONNECT is acknowledged", { "3.1.1": "3.1.4-4", "5.0": "3.1.4-5" }, async (server, level) => {
  const client = await open(server, level);
  await client.send(connectPacket({ level }));
  const connack = await client.next();
  if (level === 5) equal([connack[0], connack[2], connack[3]], [0x20, 0, 0], "CONNACK");
  else equal(toHex(connack), "20 02 00 00", "CONNACK");
});

rule(
  "what follows a CONNECT that is rejected is not processed",
  { "3.1.1": "3.1.4-5", "5.0": "3.1.4-6 3.1.4-2" },
  async (server, level) => {
    const watcher = await connect(server, level, { id: "watcher" });
    await watcher.subscribe("t");
    const rejected = await open(server, level);
    const wrong =
      level === 5
        ? connectPacket({ level, properties: property.authenticationMethod("unknown") })
        : connectPacket({ level, id: "", clean: false });
    await rejected.send([
      ...wrong,
      ...publish({ level, topic: "t", payload: "x" }),
      ...subscribe(level, 1, [["t", 0]]),
    ]);
    await rejected.refused(...(level === 5 ? [0x8c, 0x87] : [0x02]));
    await watcher.quiet();
  },
);

rule("packets that follow a CONNECT at once are processed after it", { levels: [3, 4, 5] }, async (server, level) => {
  const client = await open(server, level);
  await client.send([...connectPacket({ level }), ...pingreq(), ...subscribe(level, 7, [["t", 0]])]);
  check((await client.next())[0] === 0x20, "CONNACK");
  await client.expect(hex("d0 00"), level === 5 ? hex("90 04 00 07 00 00") : hex("90 03 00 07 00"));
});

rule("a CONNECT in single bytes is accepted", { levels: [3, 4, 5] }, async (server, level) => {
  const client = await open(server, level);
  const bytes = connectPacket({ level, id: "slow", user: "u", password: "p", will: { topic: "w", payload: "x" } });
  for (const byte of bytes) await client.send([byte]);
  check((await client.next())[0] === 0x20, "CONNACK");
});
