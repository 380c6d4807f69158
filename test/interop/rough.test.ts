// Clients that write without reading, stall, send too much, or come back while their old connection hangs.

import { describe, expect, test } from "vitest";
import { presets } from "../../src/memory/limits";
import { connectJs, encode, RawClient, sleep, until, type Version, versions } from "./clients";
import { standIn, startServer } from "./server";

/** Every pool is as full as before, except for what the test leaves on purpose. */
function free(server: Awaited<ReturnType<typeof startServer>>): Record<string, number> {
  return Object.fromEntries(server.midge.broker.pools().map(({ name, free }) => [name, free]));
}

describe.each(versions)("rough clients with MQTT $name", ({ version }) => {
  const presetNames = standIn ? (["node"] as const) : (["node", "esp32"] as const);

  test.each(presetNames)("limits %s: a client writes 1,000 QoS 1 messages before it reads", async (preset) => {
    const server = await startServer(presets[preset]);
    const subscriber = await connectJs(server.port, version);
    await subscriber.client.subscribeAsync("flood", { qos: 1 });
    const writer = new RawClient(server.port, version);
    await writer.connect("writer");
    writer.socket.pause();
    const packets = Array.from({ length: 1000 }, (_, i) =>
      encode(
        { cmd: "publish", topic: "flood", payload: `${i}`, qos: 1, messageId: i + 1, retain: false, dup: false },
        version,
      ),
    );
    writer.socket.write(Buffer.concat(packets));
    await sleep(300);
    writer.socket.resume();
    await until(() => writer.count("puback") === 1000, "all were acknowledged", 30_000);
    const acknowledged = writer.packets.filter(({ cmd }) => cmd === "puback");
    expect(acknowledged.map(({ messageId }) => messageId)).toEqual(packets.map((_, i) => i + 1));
    expect(acknowledged.every((packet) => ((packet as { reasonCode?: number }).reasonCode ?? 0) === 0)).toBe(true);
    await subscriber.received(1000);
    expect(subscriber.payloads()).toEqual(packets.map((_, i) => `${i}`));
  });

  const stallLimits = { ...presets.psram, queuePerSession: 200, inflightPerSession: 20 };

  test.each([0, 1, 2] as const)(
    "QoS %i: a stalled subscriber does not keep a healthy one from anything",
    async (qos) => {
      const server = await startServer(stallLimits);
      const stalled = new RawClient(server.port, version);
      await stalled.connect("stalled");
      stalled.send({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "s/#", qos }] });
      await stalled.next("suback");
      stalled.socket.pause();
      const healthy = await connectJs(server.port, version);
      await healthy.client.subscribeAsync("s/#", { qos });
      const publisher = await connectJs(server.port, version);
      const count = 3000;
      const filler = "x".repeat(1000);
      const started = Date.now();
      for (let i = 0; i < count; i += 10) {
        const some = Array.from({ length: 10 }, (_, n) => `${i + n} ${filler}`);
        await Promise.all(some.map((payload) => publisher.client.publishAsync("s/a", payload, { qos })));
        // QoS 0 has no acknowledgement that would pace it.
        if (qos === 0) await sleep(1);
      }
      await healthy.received(count, 20_000);
      expect(Date.now() - started).toBeLessThan(20_000);
      expect(healthy.messages.map(({ bytes }) => Number.parseInt(bytes.toString(), 10))).toEqual(
        Array.from({ length: count }, (_, i) => i),
      );
      stalled.socket.resume();
      if (qos === 0) await until(() => stalled.count("publish") > 0, "the stalled one got something");
      else await stalled.next("publish");
    },
  );

  test.skipIf(standIn)(
    "a rebooted device takes over its half-open connection when every connection is taken",
    async () => {
      const limits = { ...presets.esp32, connections: 4, sessions: 4 };
      const server = await startServer(limits);
      const hanging = new RawClient(server.port, version);
      await hanging.connect("device");
      const others = [await connectJs(server.port, version), await connectJs(server.port, version)];
      // A stranger finds no place …
      const stranger = new RawClient(server.port, version);
      const refusal = await stranger.connect("stranger");
      expect(refusal).toMatchObject(version === 5 ? { reasonCode: 0x89 } : { returnCode: 3 });
      await until(() => stranger.ended, "the stranger was turned away");
      // … the device does, several times over.
      let old = hanging;
      for (let round = 0; round < 3; round++) {
        const rebooted = new RawClient(server.port, version);
        const connack = await rebooted.connect("device");
        expect(connack).toMatchObject(version === 5 ? { reasonCode: 0 } : { returnCode: 0 });
        if (version === 5) expect(await old.next("disconnect")).toMatchObject({ reasonCode: 0x8e });
        await until(() => old.ended, "the old connection was closed");
        old = rebooted;
      }
      old.send({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "hello", qos: 0 }] });
      await old.next("suback");
      await others[0].client.publishAsync("hello", "there", { qos: 1 });
      expect(await old.next("publish")).toMatchObject({ topic: "hello" });
      expect(others.every(({ client }) => client.connected)).toBe(true);
      // A place that is given up goes to the next stranger.
      await others[1].client.endAsync();
      const welcome = new RawClient(server.port, version);
      expect(await welcome.connect("stranger")).toMatchObject(version === 5 ? { reasonCode: 0 } : { returnCode: 0 });
    },
  );

  test.skipIf(standIn)("a packet beyond the announced Maximum Packet Size harms nobody", async () => {
    const server = await startServer({ ...presets.esp32, refuse311: "close" });
    const bystander = await connectJs(server.port, version);
    await bystander.client.subscribeAsync("#", { qos: 1 });
    const before = free(server);
    const culprit = new RawClient(server.port, version);
    const connack = await culprit.connect("culprit");
    if (version === 5) {
      expect((connack as { properties?: object }).properties).toMatchObject({
        maximumPacketSize: presets.esp32.packetBytes,
      });
    }
    culprit.send({
      ...{ cmd: "publish", topic: "big", qos: 1, messageId: 1, retain: true, dup: false },
      payload: Buffer.alloc(presets.esp32.packetBytes + 1),
    });
    if (version === 5) expect(await culprit.next("disconnect")).toMatchObject({ reasonCode: 0x95 });
    await until(() => culprit.ended, "the culprit was cut off");
    await bystander.client.publishAsync("ok", "fine", { qos: 1 });
    await bystander.received(1);
    expect(bystander.payloads()).toEqual(["fine"]);
    await until(() => JSON.stringify(free(server)) === JSON.stringify(before), "every pool was whole again");
  });

  test.skipIf(standIn)(
    "a message that fits the packet size and not the memory is refused, and the client goes on",
    async () => {
      const server = await startServer(presets.esp32);
      const bystander = await connectJs(server.port, version);
      await bystander.client.subscribeAsync("#", { qos: 1 });
      const before = free(server);
      const client = new RawClient(server.port, version);
      await client.connect("large");
      for (const qos of [0, 1, 2] as const) {
        client.send({
          ...{ cmd: "publish", topic: "large", qos, messageId: qos + 1, retain: true, dup: false },
          payload: Buffer.alloc(20_000),
        });
      }
      const reason = version === 5 ? { reasonCode: 0x97 } : {};
      expect(await client.next("puback")).toMatchObject({ messageId: 2, ...reason });
      expect(await client.next("pubrec")).toMatchObject({ messageId: 3, ...reason });
      if (version !== 5) {
        client.send({ cmd: "pubrel", messageId: 3 });
        await client.next("pubcomp");
      }
      client.send({ cmd: "publish", topic: "small", payload: "ok", qos: 1, messageId: 9, retain: false, dup: false });
      expect(await client.next("puback")).toMatchObject({ messageId: 9 });
      await bystander.received(1);
      await sleep(50);
      expect(bystander.messages.map(({ topic }) => topic)).toEqual(["small"]);
      client.socket.destroy();
      await until(() => JSON.stringify(free(server)) === JSON.stringify(before), "every pool was whole again");
    },
  );

  test.skipIf(standIn)("a SUBSCRIBE of 500 Topic Filters in 29 KB where only 450 fit", async () => {
    const server = await startServer(presets.gateway);
    const before = free(server);
    const client = new RawClient(server.port, version);
    await client.connect("hub");
    const subscriptions = Array.from({ length: 500 }, (_, i) => ({
      topic: `zigbee2mqtt/${"bedroom-".repeat(4)}${Math.floor(i / 20)}/device-${i % 20}/set/#`,
      qos: 1 as const,
    }));
    client.send({ cmd: "subscribe", messageId: 1, subscriptions });
    const suback = await client.next("suback");
    const granted = suback.granted as number[];
    expect(granted.length).toBe(500);
    expect(granted.filter((code) => code === 1).length).toBe(presets.gateway.subscriptionsPerSession);
    expect(new Set(granted.slice(450))).toEqual(new Set([version === 5 ? 0x97 : 0x80]));
    client.send({ cmd: "unsubscribe", messageId: 2, unsubscriptions: subscriptions.map(({ topic }) => topic) });
    await client.next("unsuback");
    client.socket.destroy();
    await until(() => JSON.stringify(free(server)) === JSON.stringify(before), "every pool was whole again");
  });

  test("a connection without CONNECT, and one with garbage, are closed; others live on", async () => {
    const server = await startServer({ ...presets.node, connectMilliseconds: 300 });
    const healthy = await connectJs(server.port, version);
    const garbage = new RawClient(server.port, version);
    garbage.socket.write(Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    await until(() => garbage.ended, "the garbage was cut off");
    if (!standIn) {
      const silent = new RawClient(server.port, version);
      await until(() => silent.ended, "the silent one was cut off");
    }
    await healthy.client.subscribeAsync("t", { qos: 1 });
    await healthy.client.publishAsync("t", "alive", { qos: 1 });
    await healthy.received(1);
  });
});

test.skipIf(standIn)("closing the server tells MQTT 5.0 clients why, and every client goes", async () => {
  const server = await startServer(presets.esp32);
  const clients: RawClient[] = [];
  for (const version of [3, 4, 5] as Version[]) {
    const client = new RawClient(server.port, version);
    await client.connect(`c${version}`);
    clients.push(client);
  }
  await server.midge.close();
  expect(await clients[2].next("disconnect")).toMatchObject({ reasonCode: 0x8b });
  for (const client of clients) await until(() => client.ended, "the client was let go");
  expect(clients[0].count("disconnect") + clients[1].count("disconnect")).toBe(0);
});
