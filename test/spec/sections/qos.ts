// PUBACK, PUBREC, PUBREL, PUBCOMP [3.4 to 3.7] and the delivery protocols [4.3, 4.4, 4.6].

import {
  hex,
  PUBACK,
  PUBCOMP,
  PUBREC,
  PUBREL,
  property,
  puback,
  pubcomp,
  publish,
  pubrec,
  pubrel,
  readAcknowledgement,
  readPublish,
  subscribe,
  toHex,
  unsubscribe,
} from "../../support/packets";
import { type Client, check, connect, equal, MALFORMED, persistent } from "../client";
import { rule, section } from "../rules";

section("QoS");

rule(
  "QoS 1 is sent with DUP 0 and not again while the connection lasts",
  { "3.1.1": "4.3.2-1", "5.0": "4.3.2-2 4.4.0-1" },
  async (server, level) => {
    const subscriber = await connect(server, level, { id: "subscriber" });
    await subscriber.subscribe("t", 1);
    const publisher = await connect(server, level, { id: "publisher" });
    await publisher.publish("t", "x", { qos: 1 });
    const got = await subscriber.published();
    equal([got.qos, got.dup], [1, false], "QoS and DUP");
    await server.advance(30_000 / (server.virtual ? 1 : 30));
    await subscriber.quiet();
  },
);

rule(
  "QoS 1 is unacknowledged until its PUBACK, and then it is not",
  { "3.1.1": "4.3.2-1 3.3.1-1", "5.0": "4.3.2-3 3.3.1-1" },
  async (server, level) => {
    const first = await connect(server, level, persistent(level, { id: "s" }));
    await first.subscribe("t", 1);
    const publisher = await connect(server, level, { id: "publisher" });
    await publisher.publish("t", "x", { qos: 1 });
    const sent = await first.published();
    await first.peer.reset();
    const second = await connect(server, level, persistent(level, { id: "s" }));
    const again = await second.published();
    equal([again.id, again.dup, again.qos, again.topic, again.payload], [sent.id, true, 1, "t", "x"], "sent again");
    await second.send(puback(again.id));
    await second.quiet();
    await second.peer.reset();
    const third = await connect(server, level, persistent(level, { id: "s" }));
    await third.quiet();
  },
);

rule("QoS 1 is answered with PUBACK", { "3.1.1": "4.3.2-2", "5.0": "4.3.2-4 3.4.2-1" }, async (server, level) => {
  const subscriber = await connect(server, level, { id: "subscriber" });
  await subscriber.subscribe("t", 0);
  const publisher = await connect(server, level, { id: "publisher" });
  await publisher.send(publish({ level, topic: "t", payload: "x", qos: 1, id: 77 }));
  await publisher.acknowledged(PUBACK, 77);
  await subscriber.gets("t", "x");
});

rule(
  "after its PUBACK the same Packet Identifier is a new message, whatever DUP says",
  { "3.1.1": "4.3.2-2", "5.0": "4.3.2-5" },
  async (server, level) => {
    const subscriber = await connect(server, level, { id: "subscriber" });
    await subscriber.subscribe("t", 0);
    const publisher = await connect(server, level, { id: "publisher" });
    for (const dup of [false, true, false]) {
      await publisher.publish("t", `${dup}`, { qos: 1, id: 5, dup });
      await subscriber.gets("t", `${dup}`);
    }
  },
);

rule(
  "QoS 2 is sent with DUP 0, PUBREC is answered with PUBREL",
  { "3.1.1": "4.3.3-1", "5.0": "4.3.3-2 4.3.3-4 3.6.2-1" },
  async (server, level) => {
    const subscriber = await connect(server, level, { id: "subscriber" });
    await subscriber.subscribe("t", 2);
    const publisher = await connect(server, level, { id: "publisher" });
    await publisher.publish("t", "x", { qos: 2 });
    const got = await subscriber.published();
    equal([got.qos, got.dup], [2, false], "QoS and DUP");
    await subscriber.quiet();
    await subscriber.send(pubrec(got.id));
    const bytes = await subscriber.next();
    equal(bytes[0], 0x62, "PUBREL");
    equal(readAcknowledgement(level, PUBREL, bytes).id, got.id, "Packet Identifier");
    equal(readAcknowledgement(level, PUBREL, bytes).reason, 0, "Reason Code");
    await subscriber.send(pubcomp(got.id));
    await subscriber.quiet();
  },
);

rule(
  "QoS 2 is unacknowledged until its PUBREC",
  { "3.1.1": "4.3.3-1 4.4.0-1", "5.0": "4.3.3-3 4.4.0-1" },
  async (server, level) => {
    const first = await connect(server, level, persistent(level, { id: "s" }));
    await first.subscribe("t", 2);
    const publisher = await connect(server, level, { id: "publisher" });
    await publisher.publish("t", "x", { qos: 2 });
    const sent = await first.published();
    await first.peer.reset();
    const second = await connect(server, level, persistent(level, { id: "s" }));
    const again = await second.published();
    equal([again.id, again.dup, again.qos, again.payload], [sent.id, true, 2, "x"], "sent again");
    await second.acknowledge(again);
    await second.quiet();
  },
);

rule(
  "PUBREL is unacknowledged until its PUBCOMP, and PUBLISH is not sent again",
  { "3.1.1": "4.3.3-1 4.4.0-1", "5.0": "4.3.3-5 4.3.3-6 4.4.0-1" },
  async (server, level) => {
    const first = await connect(server, level, persistent(level, { id: "s" }));
    await first.subscribe("t", 2);
    const publisher = await connect(server, level, { id: "publisher" });
    await publisher.publish("t", "x", { qos: 2 });
    const { id } = await first.published();
    await first.send(pubrec(id));
    await first.acknowledged(PUBREL, id, [0]);
    await first.peer.reset();
    const second = await connect(server, level, persistent(level, { id: "s" }));
    await second.acknowledged(PUBREL, id, [0]);
    await second.quiet();
    await second.send(pubcomp(id));
    await second.quiet();
    await second.peer.reset();
    const third = await connect(server, level, persistent(level, { id: "s" }));
    await third.quiet();
  },
);

rule(
  "a message that was sent does not expire before it is acknowledged",
  { "5.0": "4.3.3-7" },
  async (server, level) => {
    const first = await connect(server, level, persistent(level, { id: "s" }));
    await first.subscribe("t", 2);
    const publisher = await connect(server, level, { id: "publisher" });
    await publisher.publish("t", "x", { qos: 2, properties: property.messageExpiry(1) });
    const sent = await first.published();
    await first.peer.reset();
    await server.advance(1000 + server.slack);
    const second = await connect(server, level, persistent(level, { id: "s" }));
    const again = await second.published();
    equal([again.id, again.dup, again.payload], [sent.id, true, "x"], "sent again");
    await second.acknowledge(again);
  },
);

rule("QoS 2 is answered with PUBREC", { "3.1.1": "4.3.3-2", "5.0": "4.3.3-8 3.5.2-1" }, async (server, level) => {
  const publisher = await connect(server, level);
  await publisher.send(publish({ level, topic: "t", payload: "x", qos: 2, id: 77 }));
  await publisher.acknowledged(PUBREC, 77);
  await publisher.quiet();
});

rule(
  "after a PUBREC that refuses, the Packet Identifier is a new message",
  { "5.0": "4.3.3-9" },
  async (server, level) => {
    // A Topic Name with more levels than the server has room for is refused, not malformed.
    const subscriber = await connect(server, level, { id: "subscriber" });
    await subscriber.subscribe("#", 2);
    const publisher = await connect(server, level, { id: "publisher" });
    await publisher.send(publish({ level, topic: "/".repeat(200), payload: "x", qos: 2, id: 5 }));
    const { reason } = readAcknowledgement(level, PUBREC, await publisher.next());
    check(reason >= 0x80, `PUBREC 0x${reason.toString(16)}`);
    await publisher.publish("t", "accepted", { qos: 2, id: 5 });
    await subscriber.gets("t", "accepted");
    await subscriber.quiet();
  },
);

rule(
  "until its PUBREL the same Packet Identifier is the same message",
  { "3.1.1": "4.3.3-2", "5.0": "4.3.3-10" },
  async (server, level) => {
    const subscriber = await connect(server, level, { id: "subscriber" });
    await subscriber.subscribe("t", 0);
    const publisher = await connect(server, level, { id: "publisher" });
    for (const dup of [false, true, true]) {
      await publisher.send(publish({ level, topic: "t", payload: "x", qos: 2, id: 5, dup }));
      await publisher.acknowledged(PUBREC, 5);
    }
    await publisher.send(pubrel(5));
    await publisher.acknowledged(PUBCOMP, 5, [0]);
    await subscriber.gets("t", "x");
    await subscriber.quiet();
  },
);

rule(
  "an unfinished QoS 2 message is remembered over a reconnect",
  { "3.1.1": "4.3.3-2", "5.0": "4.3.3-10" },
  async (server, level) => {
    const subscriber = await connect(server, level, { id: "subscriber" });
    await subscriber.subscribe("t", 0);
    const first = await connect(server, level, persistent(level, { id: "s" }));
    await first.send(publish({ level, topic: "t", payload: "x", qos: 2, id: 5 }));
    await first.acknowledged(PUBREC, 5);
    await first.peer.reset();
    const second = await connect(server, level, persistent(level, { id: "s" }));
    await second.send(publish({ level, topic: "t", payload: "x", qos: 2, id: 5, dup: true }));
    await second.acknowledged(PUBREC, 5);
    await second.send(pubrel(5));
    await second.acknowledged(PUBCOMP, 5, [0]);
    await subscriber.gets("t", "x");
    await subscriber.quiet();
  },
);

rule("PUBREL is answered with PUBCOMP", { "3.1.1": "4.3.3-2", "5.0": "4.3.3-11 3.7.2-1" }, async (server, level) => {
  const publisher = await connect(server, level);
  for (const id of [1, 40000]) await publisher.publish("t", "x", { qos: 2, id });
});

rule(
  "PUBREL for an unknown message is answered with PUBCOMP",
  { "5.0": "3.7.2-1", levels: [3, 4, 5] },
  async (server, level) => {
    const client = await connect(server, level);
    await client.send(pubrel(999));
    await client.acknowledged(PUBCOMP, 999, level === 5 ? [0x92] : [0]);
    await client.quiet();
  },
);

rule("PUBREC for an unknown message is answered with PUBREL", { "5.0": "3.6.2-1" }, async (server, level) => {
  const client = await connect(server, level);
  await client.send(pubrec(999));
  await client.acknowledged(PUBREL, 999, [0x92]);
  await client.quiet();
});

rule(
  "after its PUBCOMP the same Packet Identifier is a new message",
  { "3.1.1": "4.3.3-2", "5.0": "4.3.3-12" },
  async (server, level) => {
    const subscriber = await connect(server, level, { id: "subscriber" });
    await subscriber.subscribe("t", 0);
    const publisher = await connect(server, level, { id: "publisher" });
    for (const payload of ["1", "2"]) {
      await publisher.publish("t", payload, { qos: 2, id: 5, dup: payload === "2" });
      await subscriber.gets("t", payload);
    }
  },
);

rule("QoS 2 is finished even after the message expired", { "5.0": "4.3.3-13" }, async (server, level) => {
  const client = await connect(server, level);
  await client.send(publish({ level, topic: "t", payload: "x", qos: 2, id: 5, properties: property.messageExpiry(1) }));
  await client.acknowledged(PUBREC, 5);
  await server.advance(1000 + server.slack);
  await client.send(pubrel(5));
  await client.acknowledged(PUBCOMP, 5, [0]);
});

rule(
  "everything unacknowledged is sent again in its order and before what is new",
  { "3.1.1": "4.4.0-1 4.6.0-1 4.6.0-6", "5.0": "4.4.0-1 4.6.0-5" },
  async (server, level) => {
    const first = await connect(server, level, persistent(level, { id: "s" }));
    await first.subscribe("t", 2);
    const publisher = await connect(server, level, { id: "publisher" });
    const sent: string[] = [];
    const ids: number[] = [];
    for (let i = 0; i < 4; i++) {
      await publisher.publish("t", `${i}`, { qos: 1 + (i & 1) });
      const got = await first.published();
      sent.push(got.payload);
      ids.push(got.id);
    }
    // The second message gets as far as its PUBREL.
    await first.send(pubrec(ids[1]));
    await first.acknowledged(PUBREL, ids[1], [0]);
    await first.peer.reset();
    await publisher.publish("t", "new", { qos: 1 });
    const second = await connect(server, level, persistent(level, { id: "s" }));
    const packets = await second.drain();
    const publishes = packets.filter((bytes) => bytes[0] >> 4 === 3).map((bytes) => readPublish(level, bytes));
    equal(
      publishes.map((it) => [it.payload, it.dup]),
      [
        ["0", true],
        ["2", true],
        ["3", true],
        ["new", false],
      ],
      "payload and DUP",
    );
    equal(
      publishes.slice(0, 3).map((it) => it.id),
      [ids[0], ids[2], ids[3]],
      "Packet Identifiers",
    );
    const releases = packets.filter((bytes) => bytes[0] >> 4 === PUBREL);
    equal(
      releases.map((bytes) => readAcknowledgement(level, PUBREL, bytes).id),
      [ids[1]],
      "PUBREL",
    );
  },
);

rule("a message refused by PUBACK or PUBREC is not sent again", { "5.0": "4.4.0-2" }, async (server, level) => {
  const first = await connect(server, level, persistent(level, { id: "s" }));
  await first.subscribe("t", 2);
  const publisher = await connect(server, level, { id: "publisher" });
  await publisher.publish("t", "1", { qos: 1 });
  await publisher.publish("t", "2", { qos: 2 });
  const one = await first.published();
  const two = await first.published();
  await first.send(puback(one.id, 0x97, []), pubrec(two.id, 0x80, []));
  await first.quiet();
  await first.peer.reset();
  const second = await connect(server, level, persistent(level, { id: "s" }));
  await second.quiet();
});

rule(
  "a message is owed to every Session that subscribed, and to no other",
  { "3.1.1": "4.5.0-1", "5.0": "4.5.0-1" },
  async (server, level) => {
    const clients: Client[] = [];
    for (const [id, filter] of [
      ["a", "x/+"],
      ["b", "x/y"],
      ["c", "#"],
      ["d", "x/z"],
    ]) {
      const client = await connect(server, level, { id });
      await client.subscribe(filter, 1);
      clients.push(client);
    }
    const publisher = await connect(server, level, { id: "publisher" });
    await publisher.publish("x/y", "m", { qos: 1 });
    for (const client of clients.slice(0, 3)) await client.gets("x/y", "m", 1);
    for (const client of clients) await client.quiet();
  },
);

rule(
  "messages of one publisher arrive in their order",
  { "3.1.1": "4.6.0-5 4.6.0-6", "5.0": "4.6.0-5 4.6.0-6" },
  async (server, level) => {
    for (const qos of [0, 1, 2]) {
      const subscriber = await connect(server, level, { id: "subscriber" });
      await subscriber.subscribe("t/#", 2);
      const publisher = await connect(server, level, { id: "publisher" });
      const want: string[] = [];
      for (let i = 0; i < 9; i++) {
        want.push(`${i}`);
        await publisher.publish(`t/${i % 3}`, `${i}`, { qos });
      }
      const got = await subscriber.takeAll();
      equal(
        got.map((it) => it.payload),
        want,
        `payloads at QoS ${qos}`,
      );
      equal(
        got.every((it) => it.qos === qos),
        true,
        "QoS",
      );
    }
  },
);

rule(
  "messages sent in one go arrive in their order",
  { "3.1.1": "4.6.0-6", "5.0": "4.6.0-5" },
  async (server, level) => {
    const subscriber = await connect(server, level, { id: "subscriber" });
    await subscriber.subscribe("t", 1);
    const publisher = await connect(server, level, { id: "publisher" });
    const bytes: number[] = [];
    for (let id = 1; id <= 8; id++) bytes.push(...publish({ level, topic: "t", payload: `${id}`, qos: 1, id }));
    await publisher.send(bytes);
    for (let id = 1; id <= 8; id++) await publisher.acknowledged(PUBACK, id);
    equal(
      (await subscriber.takeAll()).map((it) => it.payload),
      ["1", "2", "3", "4", "5", "6", "7", "8"],
      "payloads",
    );
  },
);

rule(
  "PUBACK, PUBREC and PUBREL are sent in the order of what they answer",
  { "3.1.1": "4.6.0-6", levels: [3, 4, 5] },
  async (server, level) => {
    const client = await connect(server, level);
    const ids = [3, 1, 2];
    await client.send(ids.flatMap((id) => publish({ level, topic: "n", payload: "x", qos: 1, id })));
    for (const id of ids) await client.acknowledged(PUBACK, id);
    await client.send(ids.flatMap((id) => publish({ level, topic: "n", payload: "x", qos: 2, id })));
    for (const id of ids) await client.acknowledged(PUBREC, id);
    await client.send(ids.flatMap((id) => pubrel(id)));
    for (const id of ids) await client.acknowledged(PUBCOMP, id, [0]);
    await client.subscribe("t", 2);
    const publisher = await connect(server, level, { id: "publisher" });
    for (let i = 0; i < 3; i++) await publisher.publish("t", "x", { qos: 2 });
    const sent = [await client.published(), await client.published(), await client.published()];
    await client.send(sent.flatMap((it) => pubrec(it.id)));
    for (const it of sent) await client.acknowledged(PUBREL, it.id, [0]);
  },
);

rule(
  "flags of PUBREL other than 0010 close",
  { "3.1.1": "3.6.1-1 2.2.2-2", "5.0": "3.6.1-1", levels: [4, 5] },
  async (server, level) => {
    for (let flags = 0; flags < 16; flags++) {
      if (flags === 2) continue;
      const client = await connect(server, level);
      await client.send(publish({ level, topic: "t", payload: "x", qos: 2, id: 5 }));
      await client.acknowledged(PUBREC, 5);
      await client.send([0x60 | flags, 2, 0, 5]);
      await client.disconnected(...MALFORMED);
    }
  },
);

rule("PUBREL, SUBSCRIBE and UNSUBSCRIBE may have DUP", { levels: [3] }, async (server, level) => {
  const client = await connect(server, level);
  await client.send(publish({ level, topic: "t", payload: "x", qos: 2, id: 5 }));
  await client.acknowledged(PUBREC, 5);
  await client.send(hex("6a 02 00 05"));
  await client.acknowledged(PUBCOMP, 5);
  await client.send(hex("8a 06 00 07 00 01 74 00"));
  await client.expect(hex("90 03 00 07 00"));
  await client.send(hex("aa 05 00 08 00 01 74"));
  await client.expect(hex("b0 02 00 08"));
});

rule(
  "acknowledgements are not longer than the client's Maximum Packet Size for a Reason String or User Property",
  { "5.0": "3.4.2-2 3.4.2-3 3.5.2-2 3.5.2-3 3.6.2-2 3.6.2-3 3.7.2-2 3.7.2-3 3.9.2-1 3.9.2-2 3.11.2-1 3.11.2-2" },
  async (server, level) => {
    // CONNACK itself needs some bytes; every other answer must fit as well.
    const most = 32;
    const client = await connect(server, level, { properties: property.maximumPacketSize(most) });
    const fits = (bytes: Uint8Array): Uint8Array => {
      check(bytes.length <= most, `${bytes.length} bytes: ${toHex(bytes)}`);
      return bytes;
    };
    const deep = "/".repeat(200);
    await client.send(publish({ level, topic: deep, payload: "x", qos: 1, id: 1 }));
    equal(fits(await client.next())[0], 0x40, "PUBACK");
    await client.send(publish({ level, topic: deep, payload: "x", qos: 2, id: 2 }));
    equal(fits(await client.next())[0], 0x50, "PUBREC");
    await client.send(pubrec(998));
    equal(fits(await client.next())[0], 0x62, "PUBREL");
    await client.send(pubrel(999));
    equal(fits(await client.next())[0], 0x70, "PUBCOMP");
    await client.send(subscribe(level, 3, [["$share/g/t", 1]]));
    equal(fits(await client.next())[0], 0x90, "SUBACK");
    await client.send(unsubscribe(level, 4, ["never/subscribed"]));
    equal(fits(await client.next())[0], 0xb0, "UNSUBACK");
  },
);

rule("an acknowledgement with a reason and properties is read", { levels: [5] }, async (server, level) => {
  const client = await connect(server, level);
  await client.subscribe("t", 2);
  const publisher = await connect(server, level, { id: "publisher" });
  const list = [...property.reasonString("because"), ...property.user("a", "b")];
  await publisher.publish("t", "1", { qos: 1 });
  await client.send(puback((await client.published()).id, 0, list));
  await publisher.publish("t", "2", { qos: 2 });
  const { id } = await client.published();
  await client.send(pubrec(id, 0, list));
  await client.acknowledged(PUBREL, id, [0]);
  await client.send(pubcomp(id, 0, list));
  await client.quiet();
  await client.send(publish({ level, topic: "n", payload: "x", qos: 2, id: 9 }));
  await client.acknowledged(PUBREC, 9);
  await client.send(pubrel(9, 0, list));
  await client.acknowledged(PUBCOMP, 9, [0]);
});

/** Reason Codes that a client's PUBACK or PUBREC may have, and its PUBREL or PUBCOMP. */
const RECEIVED = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
const FINISHED = [0x00, 0x92];

rule(
  "every Reason Code of its table is accepted in an acknowledgement, and no other",
  { "5.0": "3.4.2-1 3.5.2-1 3.6.2-1 3.7.2-1" },
  async (server, level) => {
    const publisher = await connect(server, level, { id: "publisher" });
    for (const [write, allowed, wrong] of [
      [puback, RECEIVED, [0x01, 0x04, 0x11, 0x81, 0x92, 0xff]],
      [pubrec, RECEIVED, [0x01, 0x04, 0x11, 0x81, 0x92, 0xff]],
      [pubrel, FINISHED, [0x01, 0x10, 0x80, 0x91, 0xff]],
      [pubcomp, FINISHED, [0x01, 0x10, 0x80, 0x91, 0xff]],
    ] as const) {
      for (const reason of [...allowed, ...wrong]) {
        const client = await connect(server, level);
        let id = 9;
        if (write === pubrel) {
          await client.send(publish({ level, topic: "n", payload: "x", qos: 2, id }));
          await client.acknowledged(PUBREC, id);
        } else {
          const qos = write === puback ? 1 : 2;
          await client.subscribe("t", qos);
          await publisher.publish("t", "x", { qos });
          ({ id } = await client.published());
          if (write === pubcomp) {
            await client.send(pubrec(id));
            await client.acknowledged(PUBREL, id, [0]);
          }
        }
        await client.send(write(id, reason));
        if (!allowed.includes(reason)) {
          await client.disconnected(...MALFORMED);
          continue;
        }
        const answers = (await client.drain()).map((bytes) => bytes[0]);
        const answered = write === pubrel || (write === pubrec && reason < 0x80);
        equal(answers, answered ? [write === pubrel ? 0x70 : 0x62] : [], `answer to 0x${reason.toString(16)}`);
      }
    }
  },
);

rule("a client that reads again gets what waited without asking", { levels: [3, 4, 5] }, async (server, level) => {
  const subscriber = await connect(server, level, { id: "subscriber" });
  await subscriber.subscribe("t", 1);
  await subscriber.peer.stall(true);
  const publisher = await connect(server, level, { id: "publisher" });
  for (let i = 0; i < 5; i++) await publisher.publish("t", `${i}:${"x".repeat(900)}`, { qos: 1 });
  await subscriber.peer.stall(false);
  for (let i = 0; i < 5; i++) equal((await subscriber.published()).payload[0], `${i}`, "payload");
});
