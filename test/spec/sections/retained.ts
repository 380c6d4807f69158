// Retained messages [3.3.1.3] and the subscription options that concern them [3.8.3.1].

import { property, publish } from "../../support/packets";
import { connect, equal, persistent } from "../client";
import { rule, section } from "../rules";

section("Retained messages");

const RETAIN_AS_PUBLISHED = 0x08;

rule(
  "a retained message is stored, with its QoS, and replaced by the next",
  { "3.1.1": "3.3.1-5 3.3.1-6", "5.0": "3.3.1-5" },
  async (server, level) => {
    const publisher = await connect(server, level, { id: "publisher" });
    for (const qos of [0, 1, 2]) {
      await publisher.publish("t", `old ${qos}`, { qos: 2 - qos, retain: true });
      await publisher.publish("t", `new ${qos}`, { qos, retain: true });
      const client = await connect(server, level);
      await client.subscribe("t", 2);
      await client.gets("t", `new ${qos}`, qos);
      await client.quiet();
      await client.leave();
      // The subscription may ask for less.
      const lower = await connect(server, level);
      await lower.subscribe("t", 0);
      await lower.gets("t", `new ${qos}`, 0);
      await lower.leave();
    }
  },
);

rule(
  "every matching retained message is sent to a new subscription",
  { "3.1.1": "3.3.1-6", "5.0": "3.3.1-9" },
  async (server, level) => {
    const publisher = await connect(server, level, { id: "publisher" });
    const topics = ["r/1", "r/2", "r/2/x", "r", "other", "r/1/a/b"];
    for (const topic of topics) await publisher.publish(topic, topic, { qos: 1, retain: true });
    const client = await connect(server, level);
    const receives = async (filter: string, want: string[]): Promise<void> => {
      await client.subscribe(filter, 1);
      const got = await client.takeAll();
      equal(got.map((it) => it.topic).sort(), want.sort(), filter);
      equal(
        got.every((it) => it.payload === it.topic && it.retain),
        true,
        "payload and RETAIN",
      );
      await client.unsubscribe(filter);
    };
    await receives("r/#", ["r", "r/1", "r/2", "r/2/x", "r/1/a/b"]);
    await receives("r/+", ["r/1", "r/2"]);
    await receives("+/+/+", ["r/2/x"]);
    await receives("other", ["other"]);
    await receives("nothing", []);
    await receives("#", [...topics]);
  },
);

rule(
  "a retained message at QoS 0 discards the one before",
  { "3.1.1": "3.3.1-7", levels: [3, 4, 5] },
  async (server, level) => {
    const publisher = await connect(server, level, { id: "publisher" });
    await publisher.publish("t", "one", { qos: 1, retain: true });
    await publisher.publish("t", "zero", { qos: 0, retain: true });
    const client = await connect(server, level);
    await client.subscribe("t", 1);
    await client.gets("t", "zero", 0);
    await client.quiet();
  },
);

rule(
  "a message sent for a new subscription has RETAIN 1",
  { "3.1.1": "3.3.1-8", levels: [3, 4, 5] },
  async (server, level) => {
    const publisher = await connect(server, level, { id: "publisher" });
    await publisher.publish("t", "x", { qos: 1, retain: true });
    const client = await connect(server, level);
    for (const options of level === 5 ? [1, 1 | RETAIN_AS_PUBLISHED] : [1]) {
      await client.subscribe("t", options);
      equal((await client.take()).retain, true, "RETAIN");
    }
  },
);

rule(
  "a message sent for a subscription that was there has RETAIN 0",
  { "3.1.1": "3.3.1-9", "5.0": "3.3.1-12" },
  async (server, level) => {
    const client = await connect(server, level);
    await client.subscribe("t", 2);
    const publisher = await connect(server, level, { id: "publisher" });
    for (const retain of [true, false]) {
      for (const qos of [0, 1, 2]) {
        await publisher.publish("t", "x", { qos, retain });
        equal((await client.take()).retain, false, "RETAIN");
      }
    }
  },
);

rule("with Retain As Published RETAIN is as it was published", { "5.0": "3.3.1-13" }, async (server, level) => {
  const client = await connect(server, level);
  await client.subscribe("t", RETAIN_AS_PUBLISHED | 1);
  const publisher = await connect(server, level, { id: "publisher" });
  for (const retain of [true, false, true]) {
    await publisher.publish("t", "x", { qos: 1, retain });
    equal((await client.take()).retain, retain, "RETAIN");
  }
});

rule("Retain As Published holds for queued messages", { "5.0": "3.3.1-13 3.3.1-12" }, async (server, level) => {
  const filters = [
    ["as", RETAIN_AS_PUBLISHED | 1],
    ["not", 1],
  ] as const;
  const client = await connect(server, level, persistent(level, { id: "s" }));
  await client.subscribes(filters);
  await client.leave();
  const publisher = await connect(server, level, { id: "publisher" });
  for (const topic of ["as", "not"]) await publisher.publish(topic, "x", { qos: 1, retain: true });
  const back = await connect(server, level, persistent(level, { id: "s" }));
  equal(
    (await back.takeAll()).map((it) => [it.topic, it.retain]),
    [
      ["as", true],
      ["not", false],
    ],
    "RETAIN",
  );
});

rule(
  "an empty retained message removes the one before and is delivered to who is there",
  { "3.1.1": "3.3.1-10 3.3.1-11", "5.0": "3.3.1-6 3.3.1-7" },
  async (server, level) => {
    for (const qos of [0, 1, 2]) {
      const publisher = await connect(server, level, { id: "publisher" });
      await publisher.publish("t", "x", { qos: 1, retain: true });
      const live = await connect(server, level, { id: "live" });
      await live.subscribe("t", 2);
      await live.gets("t", "x");
      await publisher.publish("t", "", { qos, retain: true });
      const got = await live.gets("t", "", qos);
      equal(got.retain, false, "RETAIN");
      const later = await connect(server, level, { id: "later" });
      await later.subscribe("t", 2);
      await later.quiet();
    }
  },
);

rule(
  "a message without RETAIN leaves the retained one alone",
  { "3.1.1": "3.3.1-12", "5.0": "3.3.1-8" },
  async (server, level) => {
    const publisher = await connect(server, level, { id: "publisher" });
    await publisher.publish("none", "x", { qos: 1 });
    await publisher.publish("t", "kept", { qos: 1, retain: true });
    for (const qos of [0, 1, 2]) await publisher.publish("t", "x", { qos });
    await publisher.publish("t", "", { qos: 1 });
    const client = await connect(server, level);
    await client.subscribe("none", 1);
    await client.quiet();
    await client.subscribe("t", 1);
    await client.gets("t", "kept");
    await client.quiet();
  },
);

rule("Retain Handling 0 sends retained messages each time", { "5.0": "3.3.1-9" }, async (server, level) => {
  const publisher = await connect(server, level, { id: "publisher" });
  await publisher.publish("t", "x", { retain: true });
  const client = await connect(server, level);
  for (let i = 0; i < 3; i++) {
    await client.subscribe("t", 0);
    await client.gets("t", "x");
    await client.quiet();
  }
});

rule(
  "Retain Handling 1 sends retained messages to a new subscription only",
  { "5.0": "3.3.1-10" },
  async (server, level) => {
    const publisher = await connect(server, level, { id: "publisher" });
    await publisher.publish("t/1", "x", { retain: true });
    const client = await connect(server, level, persistent(level, { id: "s" }));
    await client.subscribe("t/+", 0x10);
    await client.gets("t/1", "x");
    await client.subscribe("t/+", 0x10 | 1);
    await client.quiet();
    await client.leave();
    const back = await connect(server, level, persistent(level, { id: "s" }));
    await back.subscribe("t/+", 0x10);
    await back.quiet();
    await back.unsubscribe("t/+");
    await back.subscribe("t/+", 0x10);
    await back.gets("t/1", "x");
  },
);

rule("Retain Handling 2 sends no retained messages", { "5.0": "3.3.1-11" }, async (server, level) => {
  const publisher = await connect(server, level, { id: "publisher" });
  await publisher.publish("t", "x", { retain: true });
  const client = await connect(server, level);
  await client.subscribe("t", 0x20);
  await client.quiet();
  await publisher.publish("t", "live");
  await client.gets("t", "live");
});

rule("No Local does not keep retained messages back at subscription time", { levels: [5] }, async (server, level) => {
  // The options say nothing about who retained a message; either is allowed, but a client of another name gets it.
  const client = await connect(server, level, { id: "other" });
  const publisher = await connect(server, level, { id: "publisher" });
  await publisher.publish("t", "x", { retain: true });
  await client.subscribe("t", 0x04);
  await client.gets("t", "x");
});

rule("retained messages are sent once each, as the client reads", { levels: [3, 4, 5] }, async (server, level) => {
  const publisher = await connect(server, level, { id: "publisher" });
  for (let i = 0; i < 24; i++) await publisher.publish(`r/${i}`, `${i}:${"x".repeat(300)}`, { qos: 1, retain: true });
  const client = await connect(server, level);
  await client.peer.stall(true);
  await client.send([0x82, ...(level === 5 ? [9, 0, 1, 0] : [8, 0, 1]), 0, 3, 0x72, 0x2f, 0x23, 1]);
  await client.peer.stall(false);
  await client.next();
  const got = await client.takeAll();
  equal(new Set(got.map((it) => it.topic)).size, 24, "topics");
  equal(got.length, 24, "messages");
});

rule(
  "retained messages of a Topic Name with $ need a Topic Filter with $",
  { levels: [3, 4, 5] },
  async (server, level) => {
    const publisher = await connect(server, level, { id: "publisher" });
    await publisher.publish("$x/a", "hidden", { qos: 1, retain: true });
    const client = await connect(server, level);
    await client.subscribe("#", 0);
    await client.quiet();
    await client.subscribe("+/a", 0);
    await client.quiet();
    await client.subscribe("$x/+", 0);
    await client.gets("$x/a", "hidden");
  },
);

rule(
  "one SUBSCRIBE with overlapping Topic Filters sends retained messages at least once",
  { levels: [3, 4, 5] },
  async (server, level) => {
    const publisher = await connect(server, level, { id: "publisher" });
    await publisher.publish("a/b", "x", { qos: 1, retain: true });
    const client = await connect(server, level);
    await client.subscribes([
      ["a/b", 1],
      ["a/+", 1],
    ]);
    const got = await client.takeAll();
    equal(got.length === 1 || got.length === 2, true, "copies");
    equal(
      got.every((it) => it.retain),
      true,
      "RETAIN",
    );
  },
);

rule(
  "a retained message published in one go with its subscription arrives once",
  { levels: [3, 4, 5] },
  async (server, level) => {
    const client = await connect(server, level);
    const properties = property.contentType("c");
    await client.send([
      ...publish({ level, topic: "t", payload: "before", retain: true, properties }),
      ...[0x82, ...(level === 5 ? [7, 0, 1, 0] : [6, 0, 1]), 0, 1, 0x74, 0],
      ...publish({ level, topic: "t", payload: "after", retain: true, properties }),
    ]);
    const packets = await client.drain();
    const types = packets.map((bytes) => bytes[0]);
    equal(types.filter((first) => first === 0x90).length, 1, "SUBACK");
    const payloads = packets
      .filter((bytes) => bytes[0] >> 4 === 3)
      .map((bytes) => String.fromCharCode(...bytes.slice(-5)));
    equal(payloads.filter((it) => it === "after").length, 1, "live message");
  },
);
