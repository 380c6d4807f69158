// Midge's client on Node.js, against Midge and against Debian's Mosquitto.

import { describe, expect, test } from "vitest";
import type { ReceivedMessage } from "../../../hosts/node/client/index";
import { presets } from "../../../src/memory/limits";
import { startServer } from "../server";
import { Relay } from "./relay";
import { join, kinds, versions } from "./setup";

describe.each(kinds)("%s", (kind) => {
  describe.each(versions)("version %i", (version) => {
    test("every QoS, retained messages, wildcards", async () => {
      const { port } = await startServer(presets.node, kind);
      const [publisher, subscriber] = [await join(port, { version }), await join(port, { version })];
      await publisher.publish("home/door", "open", { qos: 1, retain: true });
      const got: string[] = [];
      let sent: Promise<void> | undefined;
      subscriber.once("message", () => {
        sent = (async () => {
          for (const qos of [0, 1, 2]) await publisher.publish(`home/é/${qos}`, `m${qos}`, { qos });
        })();
      });
      const keep = ({ topic, payload, qos, retain }: ReceivedMessage): void => {
        got.push(`${topic} ${payload} q${qos} ${retain}`);
      };
      await subscriber.subscribe("home/#", keep, { qos: 2 });
      await expect.poll(() => got.length).toBe(4);
      await sent;
      expect(got).toEqual([
        "home/door open q1 true",
        "home/é/0 m0 q0 false",
        "home/é/1 m1 q1 false",
        "home/é/2 m2 q2 false",
      ]);
    });

    test("payloads of 100 KB", async () => {
      const { port } = await startServer(presets.node, kind);
      const client = await join(port, { version });
      const payload = Buffer.alloc(100_000, "midge");
      const got: Buffer[] = [];
      await client.subscribe("big", (message) => void got.push(message.payload));
      await client.publish("big", payload);
      await expect.poll(() => got.length).toBe(1);
      expect(got[0].equals(payload)).toBe(true);
    });

    test("a message whose handler is not done is not acknowledged", async () => {
      const { port } = await startServer(presets.node, kind);
      const relay = await Relay.start(port);
      const keeping = { version, clientId: "c", cleanStart: false, ...(version === 5 && { sessionExpiry: 1000 }) };
      const client = await join(relay.port, { ...keeping, retry: true });
      const dups: boolean[] = [];
      let release = (): void => {};
      await client.subscribe(
        "t",
        ({ dup }) => {
          dups.push(dup);
          return new Promise<void>((resolve) => {
            release = resolve;
          });
        },
        { qos: 1 },
      );
      const other = await join(port, { version });
      await other.publish("t", "x", { qos: 1 });
      await expect.poll(() => dups).toEqual([false]);
      relay.cut();
      await expect.poll(() => dups, { timeout: 10_000 }).toEqual([false, true]);
      release();
    });
  });

  test("properties of 5.0 both ways", async () => {
    const { port } = await startServer(presets.node, kind);
    const client = await join(port);
    const properties = {
      messageExpiry: 100,
      isText: true,
      contentType: "text/plain",
      responseTopic: "answers",
      correlationData: new Uint8Array([1, 2, 3]),
      userProperties: [
        ["a", "1"],
        ["a", "2"],
      ] as [string, string][],
    };
    const got: ReceivedMessage[] = [];
    await client.subscribe("p", (message) => void got.push(message));
    await client.publish("p", "", properties);
    await expect.poll(() => got.length).toBe(1);
    expect(got[0]).toMatchObject(properties);
  });

  test("messages() yields one after the other", async () => {
    const { port } = await startServer(presets.node, kind);
    const client = await join(port);
    const got: string[] = [];
    const loop = (async () => {
      for await (const { payload } of client.messages("t", { qos: 1 })) if (got.push(payload.toString()) === 3) return;
    })();
    for (const text of ["0", "1", "2"]) await client.publish("t", text, { qos: 1 });
    await loop;
    expect(got).toEqual(["0", "1", "2"]);
  });

  test("a loop over messages ends with close, also without a connection; leaving one unsubscribes", async () => {
    const { port } = await startServer(presets.node, kind);
    const relay = await Relay.start(port);
    const client = await join(relay.port);
    await client.publish("a", "kept", { qos: 1, retain: true });
    for await (const { payload } of client.messages("a", { qos: 1 })) {
      expect(payload.toString()).toBe("kept");
      break;
    }
    await client.unsubscribe("a"); // it has begun
    await expect(client.unsubscribe("a")).rejects.toThrow("no such subscription");
    const got: string[] = [];
    const loop = (async () => {
      for await (const { topic } of client.messages("a")) got.push(topic);
    })();
    await expect.poll(() => got).toEqual(["a"]);
    const lost = new Promise((resolve) => client.once("disconnect", resolve));
    relay.cut();
    await lost;
    await client.close(true);
    await loop;
  });

  test("a filter that is asked for twice at once is granted twice", async () => {
    const { port } = await startServer(presets.node, kind);
    const client = await join(port);
    expect(await Promise.all([client.subscribe("t"), client.subscribe("t", undefined, { qos: 1 })])).toEqual([1, 1]);
  });

  test("a will is sent when the client is lost, and not when it leaves", async () => {
    const { port } = await startServer(presets.node, kind);
    const relay = await Relay.start(port);
    const watcher = await join(port);
    const wills: string[] = [];
    await watcher.subscribe("will/#", ({ topic }) => void wills.push(topic));
    const lost = await join(relay.port, { will: { topic: "will/lost" } });
    const left = await join(port, { will: { topic: "will/left" } });
    await left.close();
    lost.once("disconnect", () => void lost.close(true));
    relay.cut();
    await expect.poll(() => wills).toEqual(["will/lost"]);
  });
});
