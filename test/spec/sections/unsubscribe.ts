// UNSUBSCRIBE and UNSUBACK [3.10, 3.11].

import {
  hex,
  PUBREL,
  packet,
  property,
  pubcomp,
  publish,
  pubrec,
  readPublish,
  string,
  subscribe,
  u16,
  unsubscribe,
} from "../../support/packets";
import { check, connect, equal, MALFORMED, persistent } from "../client";
import { rule, section } from "../rules";

section("UNSUBSCRIBE");

rule(
  "flags of UNSUBSCRIBE other than 0010 close",
  { "3.1.1": "3.10.1-1 2.2.2-2", "5.0": "3.10.1-1", levels: [4, 5] },
  async (server, level) => {
    for (let flags = 0; flags < 16; flags++) {
      if (flags === 2) continue;
      const client = await connect(server, level);
      const bytes = unsubscribe(level, 1, ["t"]);
      bytes[0] = 0xa0 | flags;
      await client.send(bytes);
      await client.disconnected(...MALFORMED);
    }
  },
);

rule("a Topic Filter that is no UTF-8 closes", { "3.1.1": "3.10.3-1", "5.0": "3.10.3-1" }, async (server, level) => {
  const client = await connect(server, level);
  await client.send(unsubscribe(level, 1, [hex("61 ff")]));
  await client.disconnected(...MALFORMED);
});

rule(
  "UNSUBSCRIBE without a Topic Filter, or with half of one, closes",
  { "3.1.1": "3.10.3-2", "5.0": "3.10.3-2" },
  async (server, level) => {
    const head = level === 5 ? [...u16(1), 0] : u16(1);
    for (const tail of [[], hex("00"), hex("00 05 61"), [...string("t"), 0]]) {
      const client = await connect(server, level);
      await client.send(packet(10, 2, head, tail));
      await client.disconnected(...MALFORMED);
    }
  },
);

rule(
  "Topic Filters are compared character by character",
  { "3.1.1": "3.10.4-1", "5.0": "3.10.4-1" },
  async (server, level) => {
    const client = await connect(server, level);
    const publisher = await connect(server, level, { id: "publisher" });
    await client.subscribe("a/+", 0);
    for (const filter of ["a/b", "a/#", "#", "A/+", "a/+/", "/a/+", "a", "+/+"]) {
      await client.unsubscribe(filter);
      await publisher.publish("a/b", filter);
      await client.gets("a/b", filter);
    }
    await client.unsubscribe("a/+");
    await publisher.publish("a/b", "gone");
    await client.quiet();
  },
);

rule("after UNSUBSCRIBE no new message is added", { "3.1.1": "3.10.4-2", "5.0": "3.10.4-2" }, async (server, level) => {
  const client = await connect(server, level);
  const publisher = await connect(server, level, { id: "publisher" });
  for (const qos of [0, 1, 2]) {
    await client.subscribe("t", qos);
    await publisher.publish("t", "before", { qos });
    await client.gets("t", "before");
    await client.unsubscribe("t");
    await publisher.publish("t", "after", { qos });
    await client.quiet();
  }
});

rule(
  "what is under way when UNSUBSCRIBE comes is finished",
  { "3.1.1": "3.10.4-3", "5.0": "3.10.4-3" },
  async (server, level) => {
    const first = await connect(server, level, persistent(level, { id: "s" }));
    const publisher = await connect(server, level, { id: "publisher" });
    await first.subscribe("t", 2);
    await publisher.publish("t", "two", { qos: 2 });
    await publisher.publish("t", "one", { qos: 1 });
    const two = await first.published();
    const one = await first.published();
    await first.unsubscribe("t");
    await first.send(pubrec(two.id));
    await first.acknowledged(PUBREL, two.id, [0]);
    await first.send(pubcomp(two.id));
    await first.quiet();
    await first.peer.reset();
    const second = await connect(server, level, persistent(level, { id: "s" }));
    const again = await second.published();
    equal([again.id, again.dup, again.payload], [one.id, true, "one"], "sent again");
    await second.acknowledge(again);
    await second.quiet();
  },
);

rule("UNSUBSCRIBE is answered with UNSUBACK", { "3.1.1": "3.10.4-4", "5.0": "3.10.4-4" }, async (server, level) => {
  const client = await connect(server, level);
  await client.subscribe("t", 0);
  await client.send(unsubscribe(level, 0x1234, ["t"]));
  await client.expect(level === 5 ? hex("b0 04 12 34 00 00") : hex("b0 02 12 34"));
});

rule(
  "UNSUBACK comes even when there was no subscription",
  { "3.1.1": "3.10.4-5", "5.0": "3.10.4-5 3.11.3-2" },
  async (server, level) => {
    const client = await connect(server, level);
    await client.send(unsubscribe(level, 0x1234, ["never"]));
    await client.expect(level === 5 ? hex("b0 04 12 34 00 11") : hex("b0 02 12 34"));
  },
);

rule(
  "several Topic Filters in one UNSUBSCRIBE are as good as one in several, with one UNSUBACK",
  { "3.1.1": "3.10.4-6", "5.0": "3.10.4-6" },
  async (server, level) => {
    const client = await connect(server, level);
    const publisher = await connect(server, level, { id: "publisher" });
    for (const filter of ["a", "b/+", "c"]) await client.subscribe(filter, 0);
    await client.unsubscribe("a", "b/+");
    for (const topic of ["a", "b/x", "c"]) await publisher.publish(topic, topic);
    await client.gets("c", "c");
    await client.quiet();
  },
);

rule(
  "the codes of UNSUBACK are in the order of the Topic Filters",
  { "5.0": "3.11.3-1 3.11.3-2" },
  async (server, level) => {
    const client = await connect(server, level);
    await client.subscribe("a", 0);
    await client.subscribe("b", 0);
    const { reasons } = await client.unsubscribe("x", "a", "y", "b", "a");
    equal(reasons, [0x11, 0x00, 0x11, 0x00, 0x11], "UNSUBACK");
  },
);

rule("UNSUBSCRIBE with User Properties is read", { levels: [5] }, async (server, level) => {
  const client = await connect(server, level);
  await client.subscribe("t", 0);
  await client.send(unsubscribe(level, 7, ["t"], [...property.user("a", "b"), ...property.user("a", "b")]));
  await client.expect(hex("b0 04 00 07 00 00"));
  await client.send(publish({ level, topic: "t", payload: "x" }));
  await client.quiet();
});

rule(
  "an UNSUBSCRIBE during the replay of retained messages ends it in order",
  { levels: [3, 4, 5] },
  async (server, level) => {
    const publisher = await connect(server, level, { id: "publisher" });
    for (let i = 0; i < 20; i++) await publisher.publish(`r/${i}`, "x".repeat(200), { retain: true });
    const client = await connect(server, level);
    await client.peer.stall(true);
    await client.send([
      ...hex(level === 5 ? "82 09 00 01 00 00 03 72 2f 23 00" : "82 08 00 01 00 03 72 2f 23 00"),
      ...unsubscribe(level, 2, ["r/#"]),
    ]);
    await client.peer.stall(false);
    const types = (await client.drain()).map((bytes) => bytes[0] >> 4);
    equal(
      types.filter((type) => type !== 3),
      [9, 11],
      "SUBACK and UNSUBACK",
    );
    check(types.filter((type) => type === 3).length <= 20, "retained messages");
    await publisher.publish("r/0", "later");
    await client.quiet();
  },
);

rule(
  "UNSUBACK has a code for each of very many Topic Filters",
  { "3.1.1": "3.10.4-6", "5.0": "3.10.4-6 3.11.3-2" },
  async (server, level) => {
    const client = await connect(server, level);
    await client.subscribe("f/0", 0);
    const count = 2000;
    const { reasons } = await client.unsubscribe(...Array.from({ length: count }, (_, i) => `f/${i}`));
    if (level === 5) {
      equal([reasons.length, reasons[0]], [count, 0], "codes");
      check(
        reasons.slice(1).every((reason) => [0x11, 0x80, 0x83, 0x87, 0x8f, 0x91].includes(reason)),
        "codes",
      );
    }
    await client.send(publish({ level, topic: "f/0", payload: "x" }));
    await client.quiet();
  },
);

rule(
  "an UNSUBSCRIBE during the replay of retained messages ends no other's",
  { levels: [3, 4, 5] },
  async (server, level) => {
    const publisher = await connect(server, level, { id: "publisher" });
    for (let i = 0; i < 10; i++) {
      for (const root of ["a", "b", "c"]) await publisher.publish(`${root}/${i}`, "x".repeat(200), { retain: true });
    }
    const client = await connect(server, level);
    await client.subscribe("unrelated", 0);
    await client.peer.stall(true);
    await client.send(
      subscribe(level, 1, [
        ["a/+", 0],
        ["b/+", 0],
      ]),
      subscribe(level, 2, [["c/#", 0]]),
      unsubscribe(level, 3, ["b/+", "unrelated", "never"]),
    );
    await client.peer.stall(false);
    const packets = await client.drain();
    const topics = packets.filter((bytes) => bytes[0] >> 4 === 3).map((bytes) => readPublish(level, bytes).topic);
    for (const root of ["a", "c"]) {
      equal(topics.filter((topic) => topic.startsWith(`${root}/`)).length, 10, `retained messages of ${root}`);
    }
  },
);
