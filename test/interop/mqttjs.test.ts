// MQTT.js against the broker, as applications use it, in every version of the protocol.

import { describe, expect, test } from "vitest";
import { connectJs, JsClient, sleep, until, versions } from "./clients";
import { standIn, startServer } from "./server";

describe.each(versions)("MQTT.js with MQTT $name", ({ version }) => {
  const five = version === 5;

  test.each([0, 1, 2] as const)("QoS %i: messages arrive whole, once and in order", async (qos) => {
    const { port } = await startServer();
    const subscriber = await connectJs(port, version);
    await subscriber.client.subscribeAsync("data/#", { qos });
    const publisher = await connectJs(port, version);
    const count = 300;
    const sent = Array.from({ length: count }, (_, i) => `${i} ${"x".repeat(i % 150)}`);
    // MQTT.js sends all at once, whatever Receive Maximum the server announced.
    for (let i = 0; i < count; i += 20) {
      const some = sent.slice(i, i + 20);
      await Promise.all(some.map((payload) => publisher.client.publishAsync("data/a", payload, { qos })));
    }
    const messages = await subscriber.received(count);
    await sleep(20);
    expect(subscriber.payloads()).toEqual(sent);
    expect(messages.every((message) => message.qos === qos && message.topic === "data/a")).toBe(true);
  });

  test("a message goes out with the lower QoS of its own and the subscription's", async () => {
    const { port } = await startServer();
    const client = await connectJs(port, version);
    await client.client.subscribeAsync({ "to/0": { qos: 0 }, "to/1": { qos: 1 }, "to/2": { qos: 2 } });
    for (const subscribed of [0, 1, 2]) {
      for (const qos of [0, 1, 2] as const) await client.client.publishAsync(`to/${subscribed}`, `${qos}`, { qos });
    }
    await client.received(9);
    const got = client.messages.map(({ topic, payload, qos }) => `${topic} ${payload} ${qos}`).sort();
    const want = [0, 1, 2].flatMap((s) => [0, 1, 2].map((q) => `to/${s} ${q} ${Math.min(s, q)}`)).sort();
    expect(got).toEqual(want);
  });

  test("both directions at once, several clients, QoS 2", async () => {
    const { port } = await startServer();
    const clients = await Promise.all([1, 2, 3, 4].map(() => connectJs(port, version)));
    for (const [i, { client }] of clients.entries()) await client.subscribeAsync(`in/${i}`, { qos: 2 });
    const rounds = 60;
    for (let n = 0; n < rounds; n++) {
      await Promise.all(
        clients.flatMap(({ client }, from) =>
          clients.map((_, to) => client.publishAsync(`in/${to}`, `${from}:${n}`, { qos: 2 })),
        ),
      );
    }
    for (const client of clients) {
      await client.received(4 * rounds);
      for (let from = 0; from < 4; from++) {
        const mine = client.payloads().filter((payload) => payload.startsWith(`${from}:`));
        expect(mine).toEqual(Array.from({ length: rounds }, (_, n) => `${from}:${n}`));
      }
    }
  });

  test("a retained message reaches a later subscriber with the flag set, a live one without, and can be cleared", async () => {
    const { port } = await startServer();
    const client = await connectJs(port, version);
    await client.client.publishAsync("state/lamp", "on", { qos: 1, retain: true });
    await client.client.publishAsync("state/door", "open", { qos: 2, retain: true });
    await client.client.publishAsync("state/door", "shut", { qos: 2, retain: true });
    const later = await connectJs(port, version);
    await later.client.subscribeAsync("state/+", { qos: 2 });
    await later.received(2);
    const got = later.messages.map(({ topic, payload, retain, qos }) => ({ topic, payload, retain, qos }));
    expect(got.sort((a, b) => a.topic.localeCompare(b.topic))).toEqual([
      { topic: "state/door", payload: "shut", retain: true, qos: 2 },
      { topic: "state/lamp", payload: "on", retain: true, qos: 1 },
    ]);
    await client.client.publishAsync("state/lamp", "off", { qos: 1, retain: true });
    await later.received(3);
    expect(later.messages[2]).toMatchObject({ payload: "off", retain: false });
    await client.client.publishAsync("state/lamp", "", { qos: 1, retain: true });
    const last = await connectJs(port, version);
    await last.client.subscribeAsync("state/#", { qos: 1 });
    await last.received(1);
    await sleep(50);
    expect(last.messages.map(({ topic }) => topic)).toEqual(["state/door"]);
  });

  test("a cut connection publishes the will, a DISCONNECT does not", async () => {
    const { port } = await startServer();
    const watcher = await connectJs(port, version);
    await watcher.client.subscribeAsync("will/#", { qos: 1 });
    const will = (name: string) => ({
      topic: `will/${name}`,
      payload: Buffer.from("gone"),
      qos: 1 as const,
      retain: true,
    });
    const polite = await connectJs(port, version, { will: will("polite") });
    const rude = await connectJs(port, version, { will: will("rude") });
    await polite.client.endAsync();
    rude.cut();
    await watcher.received(1);
    await sleep(50);
    expect(watcher.messages.map(({ topic, payload, qos }) => ({ topic, payload, qos }))).toEqual([
      { topic: "will/rude", payload: "gone", qos: 1 },
    ]);
    const later = await connectJs(port, version);
    await later.client.subscribeAsync("will/#", { qos: 1 });
    await later.received(1);
    expect(later.messages[0]).toMatchObject({ topic: "will/rude", retain: true });
  });

  test("a persistent session over a cut connection gets what came meanwhile, in order", async () => {
    const { port } = await startServer();
    const options = {
      clientId: `keeper-${version}`,
      clean: false,
      properties: five ? { sessionExpiryInterval: 600 } : undefined,
    };
    const first = await connectJs(port, version, options);
    expect(first.sessionPresent).toBe(false);
    await first.client.subscribeAsync("news/#", { qos: 2 });
    first.cut();
    await until(() => !first.client.connected, "the client noticed");
    const publisher = await connectJs(port, version);
    for (let i = 0; i < 40; i++) await publisher.client.publishAsync("news/x", `${i}`, { qos: i % 2 === 0 ? 1 : 2 });
    const second = new JsClient(port, version, options);
    await second.connected();
    // CONNACK of 3.1 has no Session Present; Mosquitto sends none, and MQTT.js reads the bit anyway.
    if (version !== 3) expect(second.sessionPresent).toBe(true);
    await second.received(40);
    await publisher.client.publishAsync("news/x", "live", { qos: 1 });
    await second.received(41);
    // MQTT.js hands a QoS 2 message out at its PUBREL, so each QoS has an order of its own.
    const numbers = Array.from({ length: 40 }, (_, i) => `${i}`);
    const ofQoS = (qos: number) => second.messages.filter((m) => m.qos === qos).map(({ payload }) => payload);
    expect(ofQoS(1)).toEqual([...numbers.filter((_, i) => i % 2 === 0), "live"]);
    expect(ofQoS(2)).toEqual(numbers.filter((_, i) => i % 2 === 1));
    await second.client.endAsync();
    const third = await connectJs(port, version, { ...options, clean: true });
    expect(third.sessionPresent).toBe(false);
    await publisher.client.publishAsync("news/x", "nobody", { qos: 1 });
    await sleep(50);
    expect(third.messages).toEqual([]);
  });

  test("QoS 2 is exactly once while the publisher's and the subscriber's connections are cut again and again", async () => {
    const { port } = await startServer();
    const options = {
      clean: false,
      reconnectPeriod: 5,
      properties: five ? { sessionExpiryInterval: 600 } : undefined,
    };
    const subscriber = await connectJs(port, version, { ...options, clientId: `once-in-${version}` });
    await subscriber.client.subscribeAsync("once", { qos: 2 });
    const publisher = await connectJs(port, version, { ...options, clientId: `once-out-${version}` });
    const count = 400;
    const acknowledged: string[] = [];
    let answered = 0;
    for (let i = 0; i < count; i++) {
      publisher.client.publish("once", `${i}`, { qos: 2 }, (error) => {
        answered += 1;
        // MQTT.js gives up what it had queued and not sent when the connection goes.
        if (!error) acknowledged.push(`${i}`);
      });
      if (i % 40 === 20) publisher.cut();
      if (i % 40 === 35) subscriber.cut();
      if (i % 10 === 0) await sleep(5);
    }
    await until(() => answered === count, "MQTT.js had answered for every message", 20_000);
    expect(acknowledged.length).toBeGreaterThan(count / 4);
    const missing = () => acknowledged.filter((payload) => !subscriber.payloads().includes(payload));
    await until(() => missing().length === 0, "every acknowledged message had come", 20_000);
    await sleep(100);
    expect(new Set(subscriber.payloads()).size).toBe(subscriber.messages.length);
    await publisher.client.endAsync();
    await subscriber.client.endAsync();
  });

  test("wildcards match as the standard says", async () => {
    const { port } = await startServer();
    const filters = ["a/+", "a/#", "+/+", "#", "+", "/+", "a/+/c", "+/b/#", "$house/#", "a"];
    const topics = ["a", "a/b", "a/b/c", "/a", "b", "a/", "$house/x", "x/b", "x/b/y/z"];
    const clients = await Promise.all(filters.map(() => connectJs(port, version)));
    for (const [i, { client }] of clients.entries()) await client.subscribeAsync(filters[i], { qos: 1 });
    const publisher = await connectJs(port, version);
    for (const topic of topics) await publisher.client.publishAsync(topic, "x", { qos: 1 });
    const expected: Record<string, string[]> = {
      "a/+": ["a/b", "a/"],
      "a/#": ["a", "a/b", "a/b/c", "a/"],
      "+/+": ["a/b", "/a", "a/", "x/b"],
      "#": ["a", "a/b", "a/b/c", "/a", "b", "a/", "x/b", "x/b/y/z"],
      "+": ["a", "b"],
      "/+": ["/a"],
      "a/+/c": ["a/b/c"],
      "+/b/#": ["a/b", "a/b/c", "x/b", "x/b/y/z"],
      "$house/#": ["$house/x"],
      a: ["a"],
    };
    await sleep(100);
    for (const [i, client] of clients.entries()) {
      await client.received(expected[filters[i]].length);
      expect(client.messages.map(({ topic }) => topic)).toEqual(expected[filters[i]]);
    }
  });

  test("500 Topic Filters in one SUBSCRIBE, and in one UNSUBSCRIBE", async () => {
    const { port } = await startServer();
    const client = await connectJs(port, version);
    const filters = Array.from({ length: 500 }, (_, i) => `home/${"floor".repeat(8)}/device-${i}/+/state`);
    const granted = await client.client.subscribeAsync(
      Object.fromEntries(filters.map((f) => [f, { qos: 1 as const }])),
    );
    expect(granted.length).toBe(500);
    expect(granted.every(({ qos }) => qos === 1)).toBe(true);
    const publisher = await connectJs(port, version);
    for (const i of [0, 250, 499]) {
      await publisher.client.publishAsync(`home/${"floor".repeat(8)}/device-${i}/lamp/state`, `${i}`, { qos: 1 });
    }
    await client.received(3);
    expect(client.payloads()).toEqual(["0", "250", "499"]);
    await client.client.unsubscribeAsync(filters);
    await publisher.client.publishAsync(`home/${"floor".repeat(8)}/device-0/lamp/state`, "late", { qos: 1 });
    await sleep(50);
    expect(client.messages.length).toBe(3);
  });

  test.each([0, 1, 2] as const)(
    "QoS %i: a payload of 100 KB, and one of 1 MB where it fits, arrive as they were",
    async (qos) => {
      const { port } = await startServer();
      const subscriber = await connectJs(port, version);
      await subscriber.client.subscribeAsync("big/#", { qos });
      const publisher = await connectJs(port, version);
      const sizes = standIn ? [100_000] : [100_000, 1_000_000];
      for (const [i, size] of sizes.entries()) {
        const payload = Buffer.alloc(size, 0).map((_, at) => (at * 7 + i) % 251);
        await publisher.client.publishAsync("big/one", Buffer.from(payload), { qos, retain: true });
        await subscriber.received(i + 1);
        expect(Buffer.compare(subscriber.messages[i].bytes, payload)).toBe(0);
      }
      const later = await connectJs(port, version);
      await later.client.subscribeAsync("big/#", { qos });
      await later.received(1);
      expect(later.messages[0].bytes.length).toBe(sizes[sizes.length - 1]);
    },
  );

  test("a second client with the same Client Identifier takes over", async () => {
    const { port } = await startServer();
    const first = await connectJs(port, version, { clientId: `same-${version}` });
    const closed = new Promise((resolve) => first.client.once("close", () => resolve(true)));
    const second = await connectJs(port, version, { clientId: `same-${version}` });
    expect(await closed).toBe(true);
    await second.client.subscribeAsync("t", { qos: 1 });
    await second.client.publishAsync("t", "mine", { qos: 1 });
    await second.received(1);
  });
});

describe("MQTT.js, what is new in MQTT 5.0", () => {
  test("properties of PUBLISH travel with the message, live and retained", async () => {
    const { port } = await startServer();
    const live = await connectJs(port, 5);
    await live.client.subscribeAsync("p/#", { qos: 1 });
    const publisher = await connectJs(port, 5);
    const properties = {
      payloadFormatIndicator: true,
      contentType: "text/plain",
      responseTopic: "answers/1",
      correlationData: Buffer.from([1, 2, 3]),
      userProperties: { room: "kitchen", unit: "°C" },
      messageExpiryInterval: 3600,
    };
    await publisher.client.publishAsync("p/x", "21", { qos: 1, retain: true, properties });
    await live.received(1);
    const late = await connectJs(port, 5);
    await late.client.subscribeAsync("p/#", { qos: 1 });
    await late.received(1);
    for (const { messages } of [live, late]) {
      const got = messages[0].properties;
      expect(got).toMatchObject({
        contentType: "text/plain",
        responseTopic: "answers/1",
        payloadFormatIndicator: true,
      });
      expect({ ...(got.userProperties as object) }).toEqual({ room: "kitchen", unit: "°C" });
      expect(Buffer.from(got.correlationData as Buffer)).toEqual(Buffer.from([1, 2, 3]));
      expect(got.messageExpiryInterval).toBeGreaterThan(3590);
      expect(got.messageExpiryInterval).toBeLessThanOrEqual(3600);
    }
  });

  test("Subscription Identifier, No Local, Retain As Published, Retain Handling", async () => {
    const { port } = await startServer();
    const client = await connectJs(port, 5);
    await client.client.publishAsync("s/old", "old", { qos: 1, retain: true });
    await client.client.subscribeAsync("s/#", { qos: 1, nl: true, rh: 2, properties: { subscriptionIdentifier: 7 } });
    const other = await connectJs(port, 5);
    await other.client.subscribeAsync("s/#", { qos: 1, rap: true, rh: 0, properties: { subscriptionIdentifier: 300 } });
    await other.received(1);
    await client.client.publishAsync("s/mine", "from client", { qos: 1 });
    await other.client.publishAsync("s/theirs", "from other", { qos: 1, retain: true });
    await client.received(1);
    await other.received(3);
    await sleep(50);
    expect(client.payloads()).toEqual(["from other"]);
    expect(client.messages[0]).toMatchObject({ retain: false, properties: { subscriptionIdentifier: 7 } });
    expect(other.payloads()).toEqual(["old", "from client", "from other"]);
    expect(other.messages.map(({ retain }) => retain)).toEqual([true, false, true]);
    expect(other.messages[0].properties).toMatchObject({ subscriptionIdentifier: 300 });
  });

  test("Will Delay: a client that comes back in time has no will published, one that stays away has", async () => {
    const { port } = await startServer();
    const watcher = await connectJs(port, 5);
    await watcher.client.subscribeAsync("late/#", { qos: 1 });
    const options = (id: string) => ({
      clientId: id,
      clean: false,
      properties: { sessionExpiryInterval: 60 },
      will: {
        topic: `late/${id}`,
        payload: Buffer.from("gone"),
        qos: 1 as const,
        retain: false,
        properties: { willDelayInterval: 1, contentType: "text/plain" },
      },
    });
    const back = await connectJs(port, 5, options("back"));
    const away = await connectJs(port, 5, options("away"));
    back.cut();
    away.cut();
    await sleep(100);
    await connectJs(port, 5, options("back"));
    expect(watcher.messages).toEqual([]);
    await watcher.received(1, 6000);
    await sleep(1200);
    expect(watcher.messages.map(({ topic }) => topic)).toEqual(["late/away"]);
    expect(watcher.messages[0].properties).toMatchObject({ contentType: "text/plain" });
  });

  test("DISCONNECT with Will Message (0x04) publishes the will", async () => {
    const { port } = await startServer();
    const watcher = await connectJs(port, 5);
    await watcher.client.subscribeAsync("will", { qos: 1 });
    const client = await connectJs(port, 5, {
      will: { topic: "will", payload: Buffer.from("left"), qos: 1, retain: false },
    });
    await client.client.endAsync(false, { reasonCode: 4 });
    await watcher.received(1);
    expect(watcher.payloads()).toEqual(["left"]);
  });

  test("a message that waited longer than its Message Expiry Interval is not delivered", async () => {
    const { port } = await startServer();
    const options = { clientId: "sleeper", clean: false, properties: { sessionExpiryInterval: 60 } };
    const sleeper = await connectJs(port, 5, options);
    await sleeper.client.subscribeAsync("e", { qos: 1 });
    sleeper.cut();
    const publisher = await connectJs(port, 5);
    await sleep(50);
    await publisher.client.publishAsync("e", "short", { qos: 1, properties: { messageExpiryInterval: 1 } });
    await publisher.client.publishAsync("e", "long", { qos: 1, properties: { messageExpiryInterval: 100 } });
    await sleep(2200);
    const again = new JsClient(port, 5, options);
    await again.connected();
    await again.received(1);
    await sleep(50);
    expect(again.payloads()).toEqual(["long"]);
    expect(again.messages[0].properties.messageExpiryInterval).toBeLessThan(100);
  });

  // Mosquitto 2.0 sends a third message before the second is finished.
  test.skipIf(standIn)(
    "the client's Receive Maximum is respected, and an empty Client Identifier gets one assigned",
    async () => {
      const { port } = await startServer();
      const client = await connectJs(port, 5, { clientId: "", properties: { receiveMaximum: 2 } });
      expect(client.assignedId).toMatch(/./);
      await client.client.subscribeAsync("r", { qos: 2 });
      const publisher = await connectJs(port, 5);
      await Promise.all(Array.from({ length: 20 }, (_, i) => publisher.client.publishAsync("r", `${i}`, { qos: 2 })));
      await client.received(20);
      expect(client.payloads()).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`));
      expect(client.mostInFlight).toBeLessThanOrEqual(2);
    },
  );
});
