// What is published while there is no connection: taken whole or not at all, and what was taken arrives in order, also at a
// server that has forgotten everything.

import { describe, expect, test } from "vitest";
import { type MqttClient, MqttError, NotAcceptedError } from "../../../hosts/node/client/index";
import { listen } from "../../../hosts/node/listen";
import { presets } from "../../../src/memory/limits";
import { until } from "../clients";
import { Mosquitto, startServer } from "../server";
import { watchNextCore } from "./memory";
import { Relay } from "./relay";
import { join, keeping, kinds, quick, versions } from "./setup";

/** No connection, and none to be had. */
async function goDown(relay: Relay, client: MqttClient): Promise<void> {
  await relay.stop();
  await until(() => !client.connected, "the loss is noticed");
}

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${n}`);
}

describe.each(kinds)("%s", (kind) => {
  describe.each(versions)("version %i", (version) => {
    test.each([1, 2])("QoS %i: what was taken arrives in order, what was not has left nothing behind", async (qos) => {
      const { port } = await startServer(presets.node, kind);
      const relay = await Relay.start(port);
      const watch = watchNextCore();
      const limits = { ...quick, messages: 40, payloadBytes: 8192, blockBytes: 64 };
      const client = await join(relay.port, { ...keeping(version, "c"), limits });
      const memory = watch.memory();
      const observer = await join(port, { version });
      const got: string[] = [];
      await observer.subscribe("t", ({ payload }) => void got.push(payload.toString().slice(0, 3)), { qos: 2 });
      await goDown(relay, client);

      const taken = numbers(30).map((n) => client.publish("t", n, { qos }));
      const { free } = memory.core.blocks.pool;
      const large = client.publish("t", "x".repeat(7000), { qos });
      await expect(large).rejects.toThrow(NotAcceptedError);
      await expect(large).rejects.toMatchObject({ limit: "payloadBytes" });
      expect(memory.core.blocks.pool.free).toBe(free);
      taken.push(...numbers(10).map((n) => client.publish("t", `+${n}`, { qos })));
      for (let i = 0; i < 3; i++) {
        await expect(client.publish("t", "no", { qos })).rejects.toMatchObject({ limit: "messages" });
      }
      expect(client.unpublished).toBe(40);
      await expect(client.publish("t", "no", { qos: 0 })).rejects.toThrow("needs a connection");

      await relay.startAgain();
      await Promise.all(taken);
      const all = [...numbers(30), ...numbers(10).map((n) => `+${n}`)];
      await until(() => got.length >= all.length, "all came");
      await client.publish("t", "end", { qos });
      await until(() => got.at(-1) === "end", "the last came");
      expect(got).toEqual([...all, "end"]);
      memory.expectWhole();
    });

    test.each([1, 2])("QoS %i: it arrives at a server that was started anew and knows nothing", async (qos) => {
      const server = await startServer(presets.node, kind);
      const client = await join(server.port, keeping(version, "c"));
      const got: string[] = [];
      await client.subscribe("t", ({ payload }) => void got.push(`${payload}`), { qos: 2 });
      await client.publish("t", "before", { qos: 1 });
      await until(() => got.length === 1, "it came");
      if (server instanceof Mosquitto) await server.kill();
      else await server.stop();
      await until(() => !client.connected, "the loss is noticed");
      const waiting = [
        client.subscribe("u", ({ payload }) => void got.push(`u ${payload}`), { qos: 1 }),
        client.unsubscribe("never").catch((error: unknown) => error),
      ];
      const published = numbers(100).map((n) => client.publish("t", n, { qos }));
      published.push(client.publish("u", "last", { qos }));
      const again = server instanceof Mosquitto ? undefined : await listen({ limits: presets.node, port: server.port });
      if (server instanceof Mosquitto) await server.startAgain();
      await Promise.all(published);
      expect(client.server?.sessionPresent).toBe(false);
      expect((await Promise.all(waiting)).at(1)).toBeInstanceOf(NotAcceptedError);
      await until(() => got.at(-1) === "u last", "all came");
      expect(got).toEqual(["before", ...numbers(100), "u last"]);
      await client.close();
      await again?.close();
    });
  });

  test("a Message Expiry Interval that passes while there is no connection", async () => {
    const { port } = await startServer(presets.node, kind);
    const relay = await Relay.start(port);
    const client = await join(relay.port, keeping(5, "c"));
    const got: string[] = [];
    const expiries: (number | undefined)[] = [];
    await client.subscribe("t", ({ payload, messageExpiry }) => {
      got.push(payload.toString());
      expiries.push(messageExpiry);
    });
    await goDown(relay, client);
    const began = Date.now();
    const first = client.publish("t", "first", { qos: 1, messageExpiry: 1000 });
    const short = client.publish("t", "short", { qos: 1, messageExpiry: 1 });
    const zero = client.publish("t", "zero", { qos: 2, messageExpiry: 0 });
    const last = client.publish("t", "last", { qos: 2 });
    const failed = Promise.allSettled([short, zero]);
    await until(() => Date.now() - began > 2200, "it has expired");
    await relay.startAgain();
    for (const result of await failed) {
      expect(result).toMatchObject({
        reason: expect.objectContaining({ message: "not done: Message Expiry Interval passed" }),
      });
      expect((result as PromiseRejectedResult).reason).toBeInstanceOf(MqttError);
    }
    await Promise.all([first, last]);
    await until(() => got.length === 2, "the others came");
    expect(got).toEqual(["first", "last"]);
    expect(expiries[0]).toBeGreaterThan(900);
    expect(expiries[0]).toBeLessThanOrEqual(998); // what it waited is taken off
    expect(expiries[1]).toBeUndefined();
  });
});
