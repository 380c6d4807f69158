// Malformed Packets and Protocol Errors [4.13; 3.1.1: 4.8], and packets a server never gets.

import { auth, connect as connectPacket, hex, packet, property, publish, string, u16 } from "../../support/packets";
import { check, connect, equal, MALFORMED, one, open } from "../client";
import { rule, section } from "../rules";

section("Errors");

rule("packets that only a server sends close", { "3.1.1": "4.8.0-1", "5.0": "4.13.1-1" }, async (server, level) => {
  const wrong = [
    "20 02 00 00",
    "20 03 00 00 00",
    "90 03 00 01 00",
    "90 04 00 01 00 00",
    "b0 02 00 01",
    "b0 04 00 01 00 00",
    "d0 00",
  ];
  for (const digits of wrong) {
    const client = await connect(server, level);
    await client.send(hex(digits));
    await client.disconnected(...MALFORMED);
  }
});

rule("packet type 0 closes", { "3.1.1": "4.8.0-1", "5.0": "4.13.1-1" }, async (server, level) => {
  for (const digits of ["00 00", "02 00", "0f 02 00 00"]) {
    const client = await connect(server, level);
    await client.send(hex(digits));
    await client.disconnected(...MALFORMED);
  }
});

rule("packet type 15 closes before MQTT 5.0", { "3.1.1": "4.8.0-1" }, async (server, level) => {
  const client = await connect(server, level);
  await client.send(hex("f0 00"));
  await client.closed();
});

rule(
  "reserved flags close",
  { "3.1.1": "2.2.2-1 2.2.2-2", "5.0": "2.1.3-1 4.13.1-1", levels: [4, 5] },
  async (server, level) => {
    for (const type of [4, 5, 7]) {
      for (let flags = 1; flags < 16; flags++) {
        const client = await connect(server, level);
        await client.send([(type << 4) | flags, 2, 0, 1]);
        await client.disconnected(...MALFORMED);
      }
    }
  },
);

rule(
  "an acknowledgement of the wrong length closes",
  { "3.1.1": "4.8.0-1", "5.0": "4.13.1-1" },
  async (server, level) => {
    for (const first of [0x40, 0x50, 0x62, 0x70]) {
      const bodies = level === 5 ? ["", "00", "00 01 00 05", "00 01 00 01"] : ["", "00", "00 01 00"];
      for (const body of bodies) {
        const client = await connect(server, level);
        const bytes = hex(body);
        await client.send([first, bytes.length, ...bytes]);
        await client.disconnected(...MALFORMED);
      }
    }
  },
);

rule("a Property Length beyond the packet closes", { "5.0": "4.13.1-1" }, async (server, level) => {
  const wrong = [
    packet(3, 0, string("t"), [5, 0x01, 0x01]),
    packet(3, 0, string("t"), [2, 0x02, 0, 0, 0, 1]),
    packet(3, 0, string("t"), [1, 0x01]),
    packet(3, 0, string("t"), [4, 0x03, 0, 9, 0x61]),
    packet(3, 0, string("t")),
    packet(8, 2, u16(1), [200], string("t"), [0]),
    packet(14, 0, [0, 5, 0x11, 0, 0]),
    packet(14, 0, [0, 0, 0]),
  ];
  for (const bytes of wrong) {
    const client = await connect(server, level);
    await client.send(bytes);
    await client.disconnected(...MALFORMED);
  }
});

rule("one client's errors are no concern of another", { levels: [3, 4, 5] }, async (server, level) => {
  const subscriber = await connect(server, level, { id: "subscriber" });
  await subscriber.subscribe("t", 0);
  const publisher = await connect(server, level, { id: "publisher" });
  for (const digits of ["36 00", "00 00", "30 ff ff ff ff 7f", "82 00", "f7 00", "62 00"]) {
    const client = await connect(server, level);
    await client.send(hex(digits));
    await client.nextOrClosed();
    await publisher.publish("t", digits);
    await subscriber.gets("t", digits);
  }
});

rule(
  "a connection that sends no CONNECT is closed after a while",
  { levels: [4], virtual: true },
  async (server, level) => {
    await connect(server, level, { id: "control", keepAlive: 0 });
    const silent = await open(server, level);
    const half = await open(server, level);
    await half.send(connectPacket({ level }).slice(0, 7));
    await server.advance(60_000);
    await silent.closed();
    await half.closed();
  },
);

section("AUTH");

rule(
  "an Authentication Method the server does not have is refused",
  { "5.0": "4.12.0-1 3.1.4-2" },
  async (server, level) => {
    await connect(server, level, { id: "control" });
    for (const extra of [[], property.authenticationData("data")]) {
      const client = await open(server, level);
      await client.send(connectPacket({ level, properties: [...property.authenticationMethod("GS2-X"), ...extra] }));
      await client.refused(0x8c, 0x87);
    }
  },
);

rule("Authentication Data without a method closes", { levels: [5] }, async (server, level) => {
  await connect(server, level, { id: "control" });
  const client = await open(server, level);
  await client.send(connectPacket({ level, properties: property.authenticationData("data") }));
  await client.notConnected(...MALFORMED);
});

rule(
  "without an Authentication Method the server sends none, and no AUTH",
  { "5.0": "4.12.0-6" },
  async (server, level) => {
    const client = await connect(server, level, { user: "u", password: "p" });
    equal(one(client.connack.properties, 0x15), undefined, "Authentication Method");
    equal(one(client.connack.properties, 0x16), undefined, "Authentication Data");
    await client.quiet();
  },
);

rule("AUTH without an Authentication Method closes", { "5.0": "4.12.0-7" }, async (server, level) => {
  for (const bytes of [
    auth(),
    auth(0),
    auth(0x18, property.authenticationMethod("m")),
    auth(0x19, property.authenticationMethod("m")),
  ]) {
    const client = await connect(server, level);
    await client.send(bytes);
    await client.disconnected(0x8c, ...MALFORMED);
  }
});

rule("flags of AUTH other than 0000 close", { "5.0": "3.15.1-1" }, async (server, level) => {
  for (let flags = 1; flags < 16; flags++) {
    const client = await connect(server, level);
    await client.send([0xf0 | flags, 0]);
    await client.disconnected(...MALFORMED);
  }
});

rule("a message is not lost by what is wrong behind it", { levels: [3, 4, 5] }, async (server, level) => {
  const subscriber = await connect(server, level, { id: "subscriber" });
  await subscriber.subscribe("t", 1);
  const client = await connect(server, level);
  await client.send([...publish({ level, topic: "t", payload: "x", qos: 1, id: 7 }), ...hex("36 00")]);
  await subscriber.gets("t", "x", 1);
  const packet = await client.nextOrClosed();
  check(packet === undefined || packet[0] === 0x40 || packet[0] === 0xe0, "PUBACK, DISCONNECT or nothing");
});
