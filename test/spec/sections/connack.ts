// CONNACK [3.2].

import { connect as connectPacket, pingreq, property } from "../../support/packets";
import { check, connect, equal, numberOf, open, persistent } from "../client";
import { rule, section } from "../rules";

section("CONNACK");

rule(
  "CONNACK is the first packet, even with messages waiting",
  { "3.1.1": "3.2.0-1", "5.0": "3.2.0-1" },
  async (server, level) => {
    const first = await connect(server, level, persistent(level, { id: "s" }));
    await first.subscribe("t", 1);
    await first.leave();
    const publisher = await connect(server, level, { id: "publisher" });
    await publisher.publish("t", "x", { qos: 1 });
    const second = await open(server, level);
    await second.send([...connectPacket({ level, ...persistent(level, { id: "s" }) }), ...pingreq()]);
    const types = [(await second.next())[0] >> 4, (await second.next())[0] >> 4, (await second.next())[0] >> 4];
    equal(types[0], 2, "first packet");
    equal(types.slice(1).sort(), [13, 3], "other packets");
  },
);

rule("there is one CONNACK a connection", { "5.0": "3.2.0-2" }, async (server, level) => {
  const client = await connect(server, level);
  await client.subscribe("t", 1);
  await client.send(connectPacket({ level }));
  await client.disconnected(0x82);
});

rule("reserved bits of CONNACK are 0", { "5.0": "3.2.2-1", levels: [3, 4, 5] }, async (server, level) => {
  const first = await connect(server, level, persistent(level, { id: "s" }));
  equal(first.connack.flags, 0, "flags");
  await first.leave();
  const second = await connect(server, level, persistent(level, { id: "s" }));
  // MQTT 3.1 has no Session Present.
  equal(second.connack.flags, level === 3 ? 0 : 1, "flags");
});

rule("Session Present is 0 with a clean start", { "3.1.1": "3.2.2-1", "5.0": "3.2.2-2" }, async (server, level) => {
  const first = await connect(server, level, persistent(level, { id: "s" }));
  await first.leave();
  const second = await connect(server, level, { id: "s", clean: true });
  equal(second.connack.flags, 0, "flags");
});

rule(
  "Session Present is 1 exactly when there is a Session to resume",
  { "3.1.1": "3.2.2-2 3.2.2-3", "5.0": "3.2.2-3", levels: [4, 5] },
  async (server, level) => {
    const first = await connect(server, level, persistent(level, { id: "s" }));
    equal(first.connack.flags, 0, "flags");
    await first.leave();
    const second = await connect(server, level, persistent(level, { id: "s" }));
    equal(second.connack.flags, 1, "flags of a Session without subscriptions");
    await second.leave();
    const other = await connect(server, level, persistent(level, { id: "other" }));
    equal(other.connack.flags, 0, "flags of another client");
  },
);

rule(
  "a refusal has Session Present 0 and closes",
  { "3.1.1": "3.2.2-4 3.2.2-5", "5.0": "3.2.2-6 3.2.2-7 4.13.2-1", levels: [4, 5] },
  async (server, level) => {
    const first = await connect(server, level, persistent(level, { id: "s" }));
    await first.leave();
    const second = await open(server, level);
    if (level === 5) {
      const properties = property.authenticationMethod("unknown");
      await second.send(connectPacket({ level, id: "s", clean: false, properties }));
      await second.refused(0x8c, 0x87);
    } else {
      await second.send(connectPacket({ level, id: "s", clean: false, protocolLevel: 2 }));
      await second.refused(0x01);
    }
    const third = await connect(server, level, persistent(level, { id: "s" }));
    equal(third.connack.flags, 1, "the Session is untouched");
  },
);

/** Reason Codes that CONNACK may have. */
const CONNECT_REASONS = [
  0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a, 0x9b,
  0x9c, 0x9d, 0x9f,
];

rule("CONNACK has a Reason Code of its table", { "5.0": "3.2.2-8" }, async (server, level) => {
  const tries = [
    connectPacket({ level, properties: property.authenticationMethod("unknown") }),
    connectPacket({ level, protocolLevel: 9 }),
    connectPacket({ level, properties: property.receiveMaximum(0) }),
    connectPacket({ level, will: { topic: "#" } }),
    connectPacket({ level, id: "i".repeat(300) }),
    connectPacket({ level, invertFlags: 1 }),
    connectPacket({ level, will: { topic: "w", qos: 3 } }),
  ];
  await connect(server, level, { id: "control" });
  for (const bytes of tries) {
    const client = await open(server, level);
    await client.send(bytes);
    await client.notConnected(...CONNECT_REASONS.slice(1));
  }
});

rule("every QoS can be published, and no Maximum QoS is announced", { "5.0": "3.2.2-9" }, async (server, level) => {
  const client = await connect(server, level);
  equal(numberOf(client.connack.properties, 0x24), undefined, "Maximum QoS");
  await client.publish("t", "1", { qos: 1 });
  await client.publish("t", "2", { qos: 2 });
});

rule("every QoS can be subscribed to", { "5.0": "3.2.2-10", levels: [3, 4, 5] }, async (server, level) => {
  const client = await connect(server, level);
  for (const qos of [0, 1, 2]) await client.subscribe("t", qos);
});

rule(
  "CONNACK is not longer than the client's Maximum Packet Size for a Reason String or User Property",
  { "5.0": "3.2.2-19 3.2.2-20" },
  async (server, level) => {
    await connect(server, level, { id: "control" });
    const client = await open(server, level);
    const properties = [...property.maximumPacketSize(20), ...property.authenticationMethod("unknown")];
    await client.send(connectPacket({ level, properties }));
    const connack = await client.nextOrClosed();
    if (connack !== undefined) check(connack.length <= 20, `CONNACK of ${connack.length} bytes`);
  },
);

rule("without Server Keep Alive the client's Keep Alive holds", { "5.0": "3.2.2-22" }, async (server, level) => {
  const client = await connect(server, level, { keepAlive: 2 });
  equal(numberOf(client.connack.properties, 0x13), undefined, "Server Keep Alive");
  await server.advance(3000 - 500);
  await client.quiet();
  await server.advance(3000 + server.slack);
  await client.disconnected(0x8d);
});

rule("what the server can't do, CONNACK says", { levels: [5] }, async (server, level) => {
  const { connack } = await connect(server, level);
  equal(numberOf(connack.properties, 0x22) ?? 0, 0, "Topic Alias Maximum");
  equal(numberOf(connack.properties, 0x2a), 0, "Shared Subscription Available");
  check((numberOf(connack.properties, 0x21) ?? 65535) > 0, "Receive Maximum");
  check((numberOf(connack.properties, 0x27) ?? 1) > 0, "Maximum Packet Size");
  for (const id of [0x25, 0x28, 0x29]) check((numberOf(connack.properties, id) ?? 1) === 1, `property ${id}`);
});

rule("limits of the server are announced", { levels: [5] }, async (server, level) => {
  const { connack } = await connect(server, level);
  check(numberOf(connack.properties, 0x21) !== undefined, "Receive Maximum");
  check(numberOf(connack.properties, 0x27) !== undefined, "Maximum Packet Size");
});

rule(
  "a Keep Alive that is too long, or none, gets Server Keep Alive, which then holds",
  { levels: [5], virtual: true },
  async (server, level) => {
    for (const keepAlive of [0, 65535]) {
      const client = await connect(server, level, { keepAlive });
      const seconds = numberOf(client.connack.properties, 0x13);
      check(seconds !== undefined && seconds > 0 && seconds < 65535, `Server Keep Alive ${seconds}`);
      await server.advance(seconds * 1500 - 500);
      await client.quiet();
      await server.advance(seconds * 1500 + server.slack);
      await client.disconnected(0x8d);
    }
  },
);

rule(
  "a Session Expiry Interval that is too long is answered with the one that holds",
  { levels: [5] },
  async (server, level) => {
    const short = await connect(server, level, { id: "short", properties: property.sessionExpiry(60) });
    equal(numberOf(short.connack.properties, 0x11) ?? 60, 60, "Session Expiry Interval");
    const long = await connect(server, level, { id: "long", properties: property.sessionExpiry(0xffffffff) });
    const granted = numberOf(long.connack.properties, 0x11);
    check(granted === undefined || granted < 0xffffffff, `Session Expiry Interval ${granted}`);
  },
);
