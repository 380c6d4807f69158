// Sessions: how long they are kept [3.1.2.11, 4.1].

import { property } from "../../support/packets";
import { connect, equal, numberOf, persistent } from "../client";
import { rule, section } from "../rules";

section("Session");

rule(
  "a Session is kept while its connection is open",
  { "3.1.1": "4.1.0-1 4.1.0-2", "5.0": "4.1.0-1" },
  async (server, level) => {
    const properties = level === 5 ? property.sessionExpiry(1) : [];
    const client = await connect(server, level, { id: "s", clean: false, properties });
    await client.subscribe("t", 1);
    await server.advance(2000 + server.slack);
    await client.quiet();
    const publisher = await connect(server, level, { id: "publisher" });
    await publisher.publish("t", "x", { qos: 1 });
    await client.gets("t", "x");
  },
);

rule(
  "a Session is discarded when its Session Expiry Interval has passed, and not earlier",
  { "5.0": "4.1.0-2 3.1.2-23" },
  async (server, level) => {
    const options = { id: "s", clean: false, properties: property.sessionExpiry(4) };
    const first = await connect(server, level, options);
    await first.subscribe("t", 1);
    await first.leave();
    await server.advance(4000 - 1000);
    const second = await connect(server, level, options);
    equal(second.connack.flags, 1, "Session Present before");
    await second.vanish();
    await server.advance(4000 + server.slack);
    const third = await connect(server, level, options);
    equal(third.connack.flags, 0, "Session Present after");
    const publisher = await connect(server, level, { id: "publisher" });
    await publisher.publish("t", "x", { qos: 1 });
    await third.quiet();
  },
);

rule(
  "without a Session Expiry Interval, or with one of 0, the Session ends with the connection",
  { "5.0": "3.1.2-23" },
  async (server, level) => {
    for (const properties of [[], property.sessionExpiry(0)]) {
      const first = await connect(server, level, { id: "s", clean: false, properties });
      await first.subscribe("t", 1);
      await first.vanish();
      const second = await connect(server, level, { id: "s", clean: false });
      equal(second.connack.flags, 0, "Session Present");
      await second.leave();
    }
  },
);

rule(
  "a Session Expiry Interval of 4,294,967,295 is as long as the server keeps any",
  { levels: [5], virtual: true },
  async (server, level) => {
    const first = await connect(server, level, {
      id: "s",
      clean: false,
      properties: property.sessionExpiry(0xffffffff),
    });
    const granted = numberOf(first.connack.properties, 0x11) ?? 0xffffffff;
    await first.leave();
    await server.advance(Math.min(granted - 10, 100 * 86400) * 1000);
    const second = await connect(server, level, { id: "s", clean: false });
    equal(second.connack.flags, 1, "Session Present");
  },
);

rule("a new CONNECT sets a new Session Expiry Interval", { levels: [5] }, async (server, level) => {
  const first = await connect(server, level, { id: "s", clean: false, properties: property.sessionExpiry(1000) });
  await first.leave();
  const second = await connect(server, level, { id: "s", clean: false });
  equal(second.connack.flags, 1, "Session Present");
  await second.leave();
  const third = await connect(server, level, { id: "s", clean: false });
  equal(third.connack.flags, 0, "Session Present");
});

rule("a clean session ends with its connection", { "3.1.1": "3.1.2-6", levels: [4] }, async (server, level) => {
  const first = await connect(server, level, { id: "s", clean: true });
  await first.subscribe("t", 1);
  await first.leave();
  const publisher = await connect(server, level, { id: "publisher" });
  await publisher.publish("t", "x", { qos: 1 });
  const second = await connect(server, level, { id: "s", clean: false });
  equal(second.connack.flags, 0, "Session Present");
  await second.quiet();
});

rule("retained messages outlive the Session", { "3.1.1": "3.1.2-7", levels: [3, 4, 5] }, async (server, level) => {
  const publisher = await connect(server, level, { id: "publisher" });
  await publisher.publish("t", "kept", { qos: 1, retain: true });
  await publisher.leave();
  await server.advance(100);
  const client = await connect(server, level);
  await client.subscribe("t", 1);
  await client.gets("t", "kept");
});

rule("QoS 0 messages do not count among what a Session owes", { levels: [3, 4, 5] }, async (server, level) => {
  // Whether they are kept is the server's; whatever it does, those of higher QoS arrive.
  const first = await connect(server, level, persistent(level, { id: "s" }));
  await first.subscribe("t", 1);
  await first.leave();
  const publisher = await connect(server, level, { id: "publisher" });
  await publisher.publish("t", "0", { qos: 0 });
  await publisher.publish("t", "1", { qos: 1 });
  const second = await connect(server, level, persistent(level, { id: "s" }));
  const got = await second.takeAll();
  equal(got.at(-1)?.payload, "1", "payload");
});

rule(
  "a Session that is taken over from a stalled connection loses nothing",
  { levels: [3, 4, 5] },
  async (server, level) => {
    const first = await connect(server, level, persistent(level, { id: "s" }));
    await first.subscribe("t", 1);
    await first.peer.stall(true);
    const publisher = await connect(server, level, { id: "publisher" });
    for (let i = 0; i < 5; i++) await publisher.publish("t", `${i}`, { qos: 1 });
    const second = await connect(server, level, persistent(level, { id: "s" }));
    equal(
      (await second.takeAll()).map((it) => it.payload),
      ["0", "1", "2", "3", "4"],
      "payloads",
    );
  },
);
