// Will Messages [3.1.2.5, 3.1.3.2].

import { disconnect, hex, property, toHex } from "../../support/packets";
import { connect, equal, numberOf, one, persistent, textOf } from "../client";
import { rule, section } from "../rules";

section("Will");

rule(
  "the will is published when the connection is lost, whichever way",
  { "3.1.1": "3.1.2-8", "5.0": "3.1.2-7 3.1.2-8" },
  async (server, level) => {
    const watcher = await connect(server, level, { id: "watcher" });
    await watcher.subscribe("w", 2);
    for (const qos of [0, 1, 2]) {
      const will = { topic: "w", payload: `will ${qos}`, qos };
      const ended = await connect(server, level, { will });
      await ended.vanish();
      await watcher.gets("w", `will ${qos}`, qos);
      const broken = await connect(server, level, { will });
      await broken.peer.reset();
      await watcher.gets("w", `will ${qos}`, qos);
      const malformed = await connect(server, level, { will });
      await malformed.send(hex("36 00"));
      await watcher.gets("w", `will ${qos}`, qos);
      const replaced = await connect(server, level, { will });
      const last = await connect(server, level);
      await replaced.disconnected(0x8e);
      await watcher.gets("w", `will ${qos}`, qos);
      await last.leave();
    }
    await watcher.quiet();
  },
);

rule(
  "the will is published once, and not after a DISCONNECT",
  { "3.1.1": "3.1.2-10", "5.0": "3.1.2-10" },
  async (server, level) => {
    const watcher = await connect(server, level, { id: "watcher" });
    await watcher.subscribe("w");
    const first = await connect(server, level, persistent(level, { id: "s", will: { topic: "w", payload: "will" } }));
    await first.vanish();
    await watcher.gets("w", "will");
    const second = await connect(server, level, persistent(level, { id: "s" }));
    await second.vanish();
    await server.advance(200);
    await watcher.quiet();
    const third = await connect(server, level, persistent(level, { id: "s", will: { topic: "w", payload: "again" } }));
    await third.leave();
    const fourth = await connect(server, level, persistent(level, { id: "s" }));
    await fourth.vanish();
    await server.advance(200);
    await watcher.quiet();
  },
);

rule("without a will nothing is published", { "3.1.1": "3.1.2-12", levels: [3, 4, 5] }, async (server, level) => {
  const watcher = await connect(server, level, { id: "watcher" });
  await watcher.subscribe("#");
  const client = await connect(server, level);
  await client.vanish();
  await server.advance(200);
  await watcher.quiet();
});

rule("a will without RETAIN is not retained", { "3.1.1": "3.1.2-16", "5.0": "3.1.2-14" }, async (server, level) => {
  const watcher = await connect(server, level, { id: "watcher" });
  await watcher.subscribe("w");
  const client = await connect(server, level, { will: { topic: "w", payload: "will", qos: 1 } });
  await client.vanish();
  equal((await watcher.gets("w", "will")).retain, false, "RETAIN");
  const later = await connect(server, level, { id: "later" });
  await later.subscribe("w");
  await later.quiet();
});

rule("a will with RETAIN is retained", { "3.1.1": "3.1.2-17", "5.0": "3.1.2-15" }, async (server, level) => {
  const watcher = await connect(server, level, { id: "watcher" });
  await watcher.subscribe("w");
  const client = await connect(server, level, { will: { topic: "w", payload: "will", qos: 1, retain: true } });
  await client.vanish();
  equal((await watcher.gets("w", "will")).retain, false, "RETAIN");
  const later = await connect(server, level, { id: "later" });
  await later.subscribe("w", 1);
  equal((await later.gets("w", "will", 1)).retain, true, "RETAIN");
});

rule("an empty will with RETAIN clears the retained message", { levels: [3, 4, 5] }, async (server, level) => {
  const publisher = await connect(server, level, { id: "publisher" });
  await publisher.publish("w", "online", { retain: true });
  const watcher = await connect(server, level, { id: "watcher" });
  await watcher.subscribe("w");
  await watcher.gets("w", "online");
  const client = await connect(server, level, { will: { topic: "w", retain: true } });
  await client.vanish();
  await watcher.gets("w", "");
  const later = await connect(server, level, { id: "later" });
  await later.subscribe("w");
  await later.quiet();
});

rule("the will waits for its Will Delay Interval", { "5.0": "3.1.2-8" }, async (server, level) => {
  const watcher = await connect(server, level, { id: "watcher" });
  await watcher.subscribe("w");
  const will = { topic: "w", payload: "will", properties: property.willDelay(3) };
  const client = await connect(server, level, persistent(level, { will }));
  await client.vanish();
  await server.advance(3000 - 500);
  await watcher.quiet();
  await server.advance(500 + server.slack);
  await watcher.gets("w", "will");
  await watcher.quiet();
});

rule("the will does not wait longer than the Session lasts", { "5.0": "3.1.2-8" }, async (server, level) => {
  const watcher = await connect(server, level, { id: "watcher" });
  await watcher.subscribe("w");
  const will = { topic: "w", payload: "will", properties: property.willDelay(1000) };
  const none = await connect(server, level, { will });
  await none.vanish();
  await watcher.gets("w", "will");
  const short = await connect(server, level, { will, clean: false, properties: property.sessionExpiry(2) });
  await short.vanish();
  await server.advance(2000 - 500);
  await watcher.quiet();
  await server.advance(500 + server.slack);
  await watcher.gets("w", "will");
});

rule("a clean start ends the Session, so the will does not wait", { "5.0": "3.1.2-8" }, async (server, level) => {
  const watcher = await connect(server, level, { id: "watcher" });
  await watcher.subscribe("w");
  const will = { topic: "w", payload: "will", properties: property.willDelay(1000) };
  const client = await connect(server, level, persistent(level, { will }));
  await client.vanish();
  await watcher.quiet();
  await connect(server, level, { clean: true });
  await watcher.gets("w", "will");
});

rule(
  "a new connection to the Session in time withdraws the will",
  { "5.0": "3.1.3-9 3.1.2-8" },
  async (server, level) => {
    const watcher = await connect(server, level, { id: "watcher" });
    await watcher.subscribe("w");
    const will = { topic: "w", payload: "will", properties: property.willDelay(2) };
    const first = await connect(server, level, persistent(level, { will }));
    await first.vanish();
    const second = await connect(server, level, persistent(level));
    equal(second.connack.flags, 1, "Session Present");
    await server.advance(2000 + server.slack);
    await watcher.quiet();
    // The same by a takeover.
    const third = await connect(server, level, persistent(level, { will }));
    await second.disconnected(0x8e);
    await connect(server, level, persistent(level));
    await third.disconnected(0x8e);
    await server.advance(2000 + server.slack);
    await watcher.quiet();
  },
);

rule("a takeover publishes a will that has no delay", { levels: [3, 4, 5] }, async (server, level) => {
  const watcher = await connect(server, level, { id: "watcher" });
  await watcher.subscribe("w");
  const first = await connect(server, level, persistent(level, { will: { topic: "w", payload: "will" } }));
  await connect(server, level, persistent(level));
  await first.disconnected(0x8e);
  await watcher.gets("w", "will");
  await watcher.quiet();
});

rule("DISCONNECT that ends the Session publishes the will at once", { levels: [5] }, async (server, level) => {
  const watcher = await connect(server, level, { id: "watcher" });
  await watcher.subscribe("w");
  const will = { topic: "w", payload: "will", properties: property.willDelay(1000) };
  const client = await connect(server, level, persistent(level, { will }));
  await client.leave(disconnect(0x04, property.sessionExpiry(0)));
  await watcher.gets("w", "will");
});

rule(
  "the properties of the will are passed on, User Properties in their order, the delay not",
  { "5.0": "3.1.3-10 3.1.2-9" },
  async (server, level) => {
    const watcher = await connect(server, level, { id: "watcher" });
    await watcher.subscribe("w", 1);
    const properties = [
      ...property.user("b", "1"),
      ...property.willDelay(0),
      ...property.payloadFormat(1),
      ...property.user("a", "2"),
      ...property.messageExpiry(100),
      ...property.contentType("type"),
      ...property.responseTopic("answer"),
      ...property.correlationData(hex("00 01")),
      ...property.user("b", "3"),
    ];
    const client = await connect(server, level, { will: { topic: "w", payload: "will", qos: 1, properties } });
    await client.vanish();
    const got = await watcher.gets("w", "will");
    equal(numberOf(got.properties, 0x01), 1, "Payload Format Indicator");
    equal([100, 99].includes(numberOf(got.properties, 0x02) ?? -1), true, "Message Expiry Interval");
    equal(textOf(got.properties, 0x03), "type", "Content Type");
    equal(textOf(got.properties, 0x08), "answer", "Response Topic");
    equal(toHex(one(got.properties, 0x09)?.bytes ?? []), "00 01", "Correlation Data");
    equal(one(got.properties, 0x18), undefined, "Will Delay Interval");
    const users = got.properties.filter((it) => it.id === 0x26);
    equal(
      users.map((it) => String.fromCharCode(...it.bytes, ...it.second)),
      ["b1", "a2", "b3"],
      "User Properties",
    );
  },
);

rule(
  "the will of a client that subscribed to it is delivered to its Session",
  { levels: [3, 4, 5] },
  async (server, level) => {
    const will = { topic: "w", payload: "will", qos: 1 };
    const first = await connect(server, level, persistent(level, { will }));
    await first.subscribe("w", 1);
    await first.vanish();
    const second = await connect(server, level, persistent(level));
    await second.gets("w", "will", 1);
  },
);
