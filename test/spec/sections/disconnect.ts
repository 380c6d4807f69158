// DISCONNECT [3.14].

import {
  connect as connectPacket,
  disconnect,
  hex,
  pingreq,
  property,
  publish,
  readDisconnect,
  toHex,
} from "../../support/packets";
import { check, connect, equal, MALFORMED, open, persistent } from "../client";
import { rule, section } from "../rules";

section("DISCONNECT");

rule("no DISCONNECT is sent before a CONNACK that accepts", { "5.0": "3.14.0-1" }, async (server, level) => {
  await connect(server, level, { id: "control" });
  const wrong = [
    pingreq(),
    hex("f0 00"),
    connectPacket({ level, protocolName: "X" }),
    connectPacket({ level, invertFlags: 1 }),
    connectPacket({ level, properties: property.receiveMaximum(0) }),
    connectPacket({ level, properties: property.authenticationMethod("unknown") }),
  ];
  for (const bytes of wrong) {
    const client = await open(server, level);
    await client.send(bytes);
    const packet = await client.nextOrClosed();
    check(packet === undefined || packet[0] === 0x20, `CONNACK or nothing expected, got ${toHex(packet ?? [])}`);
    if (packet !== undefined) await client.closed();
  }
});

rule(
  "flags of DISCONNECT other than 0000 are malformed",
  { "3.1.1": "3.14.1-1 2.2.2-2", "5.0": "3.14.1-1", levels: [4, 5] },
  async (server, level) => {
    for (let flags = 1; flags < 16; flags++) {
      const client = await connect(server, level);
      await client.send([0xe0 | flags, 0]);
      await client.disconnected(0x81);
    }
  },
);

/** Reason Codes of a DISCONNECT that a server may send. */
const SERVER_REASONS = [
  0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a,
  0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
];

rule(
  "the server's DISCONNECT has a Reason Code of its table, fits, and has no Session Expiry Interval",
  { "5.0": "3.14.2-1 3.14.2-2 3.14.2-3 3.14.2-4" },
  async (server, level) => {
    const wrong = [
      hex("c1 00"),
      hex("36 00"),
      publish({ level, topic: "#", payload: "x" }),
      publish({ level, topic: "t", payload: "x", properties: property.topicAlias(9999) }),
      connectPacket({ level }),
      hex("f0 00"),
      hex("82 03 00 01 00"),
    ];
    for (const bytes of wrong) {
      const properties = [...property.maximumPacketSize(32), ...property.sessionExpiry(10)];
      const client = await connect(server, level, { properties });
      await client.send(bytes);
      const packet = await client.next();
      check(packet.length <= 32, `${packet.length} bytes`);
      const got = readDisconnect(packet);
      check(SERVER_REASONS.includes(got.reason), `DISCONNECT 0x${got.reason.toString(16)}`);
      equal(got.properties.filter((it) => it.id === 0x11).length, 0, "Session Expiry Interval");
      await client.closed();
    }
  },
);

rule(
  "after its DISCONNECT the server sends nothing and closes",
  { "5.0": "3.14.4-1 3.14.4-2 4.13.2-1" },
  async (server, level) => {
    const client = await connect(server, level);
    await client.subscribe("t", 0);
    await client.send([
      ...publish({ level, topic: "t", payload: "x", qos: 3 }),
      ...pingreq(),
      ...publish({ level, topic: "t", payload: "x", qos: 1 }),
    ]);
    await client.disconnected(...MALFORMED);
  },
);

rule("DISCONNECT discards the will", { "3.1.1": "3.14.4-3", "5.0": "3.14.4-3" }, async (server, level) => {
  const watcher = await connect(server, level, { id: "watcher" });
  await watcher.subscribe("w");
  const will = { topic: "w", payload: "will" };
  for (const bytes of level === 5 ? [disconnect(), disconnect(0), disconnect(0, [])] : [disconnect()]) {
    const client = await connect(server, level, { will });
    await client.leave(bytes);
    await server.advance(100);
    await watcher.quiet();
  }
  const lost = await connect(server, level, { will });
  await lost.vanish();
  await watcher.gets("w", "will");
});

rule(
  "the server closes after a DISCONNECT and processes nothing behind it",
  { levels: [3, 4, 5] },
  async (server, level) => {
    const watcher = await connect(server, level, { id: "watcher" });
    await watcher.subscribe("t");
    const client = await connect(server, level);
    await client.send([...disconnect(), ...publish({ level, topic: "t", payload: "x" }), ...pingreq()]);
    await client.closed();
    await watcher.quiet();
  },
);

rule("DISCONNECT with 0x04 publishes the will", { levels: [5] }, async (server, level) => {
  const watcher = await connect(server, level, { id: "watcher" });
  await watcher.subscribe("w");
  for (const reason of [0x04, 0x80]) {
    const client = await connect(server, level, { will: { topic: "w", payload: "will" } });
    await client.leave(disconnect(reason));
    await watcher.gets("w", "will");
  }
});

rule("DISCONNECT may shorten or lengthen the Session Expiry Interval", { levels: [5] }, async (server, level) => {
  const first = await connect(server, level, { id: "a", clean: false, properties: property.sessionExpiry(1000) });
  await first.leave(disconnect(0, property.sessionExpiry(0)));
  const second = await connect(server, level, { id: "a", clean: false, properties: property.sessionExpiry(1) });
  equal(second.connack.flags, 0, "Session Present");
  await second.leave(disconnect(0, property.sessionExpiry(1000)));
  await server.advance(1000 + server.slack);
  const third = await connect(server, level, { id: "a", clean: false });
  equal(third.connack.flags, 1, "Session Present");
});

rule("DISCONNECT may not give a Session a time that had none", { levels: [5] }, async (server, level) => {
  const client = await connect(server, level);
  await client.send(disconnect(0, property.sessionExpiry(10)));
  await client.disconnected(0x82);
  const again = await connect(server, level, persistent(level, { clean: false }));
  equal(again.connack.flags, 0, "Session Present");
});

rule("a DISCONNECT before MQTT 5.0 has no body", { levels: [4] }, async (server, level) => {
  const watcher = await connect(server, level, { id: "watcher" });
  await watcher.subscribe("w");
  const client = await connect(server, level, { will: { topic: "w", payload: "will" } });
  await client.send(hex("e0 01 00"));
  await client.closed();
  // It is malformed, so it was no farewell.
  await watcher.gets("w", "will");
});

/** Reason Codes of a DISCONNECT that a client may send. */
const CLIENT_REASONS = [0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99];

rule(
  "every Reason Code of its table is accepted in a client's DISCONNECT",
  { "5.0": "3.14.2-1" },
  async (server, level) => {
    for (const reason of CLIENT_REASONS) {
      const client = await connect(server, level);
      await client.leave(disconnect(reason));
    }
  },
);
