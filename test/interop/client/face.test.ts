// What an application sees of its server and of its own handlers: who it is, what is granted, who took its place, how it ends.

import { pbkdf2Sync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { type MqttClient, MqttError, NotAcceptedError, type ReceivedMessage } from "../../../hosts/node/client/index";
import { presets } from "../../../src/memory/limits";
import { PUBACK, PUBLISH, puback, publish, readPublish } from "../../support/packets";
import { until } from "../clients";
import { Mosquitto, startServer } from "../server";
import { Relay } from "./relay";
import { afterConnect, connack, ScriptedServer } from "./scripted";
import { hasMosquitto, join, keeping, kinds, quick, versions } from "./setup";

/** Payloads of what comes for a filter. */
async function collect(client: MqttClient, filter: string, options = {}): Promise<string[]> {
  const got: string[] = [];
  await client.subscribe(filter, ({ payload }) => void got.push(payload.toString()), options);
  return got;
}

/** All that the server had to send before has come. */
async function flushed(client: MqttClient): Promise<void> {
  const got = await collect(client, "flush", { qos: 1 });
  await client.publish("flush", "", { qos: 1 });
  await until(() => got.length > 0, "the last came");
  await client.unsubscribe("flush");
}

describe.each(kinds)("%s", (kind) => {
  describe.each(versions)("version %i", (version) => {
    test("what the server says of itself", async () => {
      const { port } = await startServer(presets.node, kind);
      const client = await join(port, { version, keepAlive: 17, clientId: "me" });
      expect(client.server).toMatchObject({
        sessionPresent: false,
        keepAlive: 17,
        maximumQoS: 2,
        retainAvailable: true,
        wildcardSubscriptionAvailable: true,
      });
      const receiveMaximum = kind === "midge" ? presets.node.receiveMaximum : 20;
      expect(client.server?.receiveMaximum).toBe(version === 5 ? receiveMaximum : 65535);
      expect([client.connected, client.clientId, client.unpublished]).toEqual([true, "me", 0]);
    });

    test("another client with the same Client Identifier takes its place", async () => {
      const { port } = await startServer(presets.node, kind);
      const first = await join(port, { ...keeping(version, "same") });
      const errors: MqttError[] = [];
      first.on("disconnect", (error) => {
        errors.push(error);
        void first.close(true);
      });
      const second = await join(port, { ...keeping(version, "same") });
      await until(() => errors.length > 0, "the first is told");
      // Mosquitto 2.0 does not say why when the session goes on.
      expect(errors[0].reasonCode).toBe(version === 5 && kind === "midge" ? 0x8e : 0);
      expect(second.server?.sessionPresent).toBe(true);
      await flushed(second);
      expect([first.connected, second.connected]).toEqual([false, true]);
    });

    test("close() waits for what is published; close(true) does not", async () => {
      const { port } = await startServer(presets.node, kind);
      const observer = await join(port, { version });
      const got = await collect(observer, "t", { qos: 1 });
      const client = await join(port, { version });
      const published = Array.from({ length: 300 }, (_, n) => client.publish("t", `${n}`, { qos: n % 3 }));
      await client.close();
      const results = await Promise.allSettled(published);
      expect(results.filter(({ status }) => status === "rejected")).toEqual([]);
      await until(() => got.length === 300, "all came");
      const hasty = await join(port, { version });
      const lost = hasty.publish("t", "x", { qos: 2 });
      await hasty.close(true);
      await expect(lost).rejects.toThrow("not done: the client was closed");
    });

    test("a session that is left is there again, with what came meanwhile", async () => {
      const { port } = await startServer(presets.node, kind);
      const first = await join(port, keeping(version, "kept"));
      await first.subscribe("t", undefined, { qos: 1 });
      await first.close();
      const other = await join(port, { version });
      await other.publish("t", "meanwhile", { qos: 1 });
      // Who listens as soon as `connect` has resolved misses nothing.
      const got: string[] = [];
      const second = await join(port, keeping(version, "kept"));
      second.on("message", ({ payload }) => got.push(payload.toString()));
      await until(() => got.length > 0, "it came");
      expect([second.server?.sessionPresent, got]).toEqual([true, ["meanwhile"]]);
    });

    test("what a handler throws is told, and the message is acknowledged all the same", async () => {
      const { port } = await startServer(presets.node, kind);
      const relay = await Relay.start(port);
      const client = await join(relay.port, keeping(version, "c"));
      const errors: unknown[] = [];
      const got: string[] = [];
      client.on("handlerError", (error) => errors.push(error));
      const say = ({ payload }: ReceivedMessage): void => {
        got.push(payload.toString());
        if (got.length === 1) throw new Error("thrown");
        if (got.length === 2) return Promise.reject(new Error("rejected")) as never;
      };
      await client.subscribe("t", say, { qos: 2 });
      for (const qos of [1, 2, 1]) await client.publish("t", `${qos}`, { qos });
      await until(() => got.length === 3 && errors.length === 2, "all came");
      expect(errors.map((error) => (error as Error).message)).toEqual(["thrown", "rejected"]);
      await flushed(client);
      relay.cut();
      await until(() => !client.connected, "the cut is known");
      await until(() => client.connected, "it is back");
      await flushed(client);
      expect(got).toEqual(["1", "2", "1"]); // none is sent again
    });

    test("messages go to every handler whose filter matches, and to one that took another's place", async () => {
      const { port } = await startServer(presets.node, kind);
      const client = await join(port, { version });
      const got: string[] = [];
      const say = (name: string) => (): void => void got.push(name);
      await client.subscribe("a/+", say("plus"));
      await client.subscribe("a/#", say("old"));
      await client.subscribe("a/#", say("hash"));
      await client.publish("a", "", { qos: 1 });
      await flushed(client);
      expect(got).toEqual(["hash"]);
    });
  });

  test("a will with properties, after its delay", async () => {
    const { port } = await startServer(presets.node, kind);
    const relay = await Relay.start(port);
    const watcher = await join(port);
    const got: ReceivedMessage[] = [];
    await watcher.subscribe("will", (message) => void got.push(message), { qos: 2 });
    const properties = {
      isText: true,
      contentType: "text/plain",
      responseTopic: "answers",
      correlationData: new Uint8Array([7]),
      userProperties: [["a", "1"]] as [string, string][],
    };
    const will = { topic: "will", payload: "gone", qos: 2, delay: 1, messageExpiry: 100, ...properties };
    const client = await join(relay.port, { will, clientId: "c", sessionExpiry: 60 });
    const began = Date.now();
    client.once("disconnect", () => void client.close(true));
    relay.cut();
    await until(() => got.length > 0, "the will came");
    expect(Date.now() - began).toBeGreaterThanOrEqual(900); // the server's clock need not be ours
    expect(got[0]).toMatchObject({ topic: "will", qos: 2, retain: false, ...properties });
    expect(got[0].payload.toString()).toBe("gone");
    expect(got[0].messageExpiry).toBeGreaterThan(90);
  });

  test("retained messages: Retain Handling, Retain As Published, No Local", async () => {
    const { port } = await startServer(presets.node, kind);
    const other = await join(port);
    await other.publish("t", "retained", { qos: 1, retain: true });
    const client = await join(port);
    const got: string[] = [];
    const say = ({ payload, retain }: ReceivedMessage): void => void got.push(`${payload} ${retain}`);
    const subscribe = async (options: object): Promise<string[]> => {
      await client.subscribe("t", say, { qos: 1, ...options });
      await flushed(client);
      return got.splice(0);
    };
    expect(await subscribe({ retainHandling: 2 })).toEqual([]);
    expect(await subscribe({ retainHandling: 1 })).toEqual([]); // it is not new
    expect(await subscribe({ retainHandling: 0 })).toEqual(["retained true"]);
    await client.unsubscribe("t");
    expect(await subscribe({ retainHandling: 1 })).toEqual(["retained true"]);
    await other.publish("t", "live", { qos: 1, retain: true });
    await flushed(client);
    expect(got.splice(0)).toEqual(["live false"]);
    await client.unsubscribe("t"); // Mosquitto 2.0 keeps the options of a subscription that is made again
    expect(await subscribe({ retainHandling: 2, retainAsPublished: true, noLocal: true })).toEqual([]);
    await other.publish("t", "as published", { qos: 1, retain: true });
    await client.publish("t", "one's own", { qos: 1 });
    await until(() => got.length > 0, "it came");
    await flushed(client);
    expect(got).toEqual(["as published true"]);
  });
});

describe.each(versions)("what is granted and refused, version %i", (version) => {
  test("Midge refuses subscriptions beyond its limits, and goes on with the others", async () => {
    const limits = presets.tiny;
    const { port } = await startServer(limits, "midge");
    const client = await join(port, { version });
    const most = limits.subscriptionsPerSession;
    for (let n = 0; n < most; n++) expect(await client.subscribe(`s/${n}`, undefined, { qos: 1 })).toBe(1);
    const refused = await client.subscribe("s/more", undefined, { qos: 1 }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(MqttError);
    expect((refused as MqttError).reasonCode).toBe(version === 5 ? 0x97 : 0x80);
    await expect(client.unsubscribe("s/more")).rejects.toThrow(NotAcceptedError);
    await client.unsubscribe("s/0");
    expect(await client.subscribe("s/more")).toBe(0);
  });

  test("the client's own limit of subscriptions", async () => {
    const { port } = await startServer();
    const client = await join(port, { version, limits: { ...quick, subscriptions: 2 } });
    await client.subscribe("a");
    await client.subscribe("b");
    const refused = await client.subscribe("c").catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(NotAcceptedError);
    await client.subscribe("a", undefined, { qos: 1 }); // one that is known is no more
  });

  describe.skipIf(!hasMosquitto)("Mosquitto", () => {
    test("grants less than was asked for", async () => {
      const { port } = await Mosquitto.start({ config: () => ["max_qos 1"] });
      const client = await join(port, { version });
      expect(await client.subscribe("t", undefined, { qos: 2 })).toBe(1);
      if (version === 5) {
        expect(client.server?.maximumQoS).toBe(1);
        await expect(client.publish("t", "x", { qos: 2 })).rejects.toThrow(NotAcceptedError);
      }
      await client.publish("t", "x", { qos: 1 });
    });

    test("refuses what its access list does not allow", async () => {
      const { port } = await Mosquitto.start({
        files: { acl: "topic readwrite open/#\ntopic deny closed/#\n" },
        config: (path) => [`acl_file ${path("acl")}`],
      });
      const client = await join(port, { version });
      await client.publish("open/t", "x", { qos: 1 });
      for (const qos of [1, 2]) {
        const refused = client.publish("closed/t", "x", { qos });
        if (version === 5) await expect(refused).rejects.toMatchObject({ reasonCode: 0x87 });
        else await refused; // 3.1.1 has no way to say so
      }
      expect(client.unpublished).toBe(0);
    });

    test("user name and password", async () => {
      const salt = Buffer.from("twelve bytes");
      const hash = pbkdf2Sync("right", salt, 101, 64, "sha512").toString("base64");
      const { port } = await Mosquitto.start({
        files: { passwords: `user:$7$101$${salt.toString("base64")}$${hash}\n` },
        config: (path) => ["allow_anonymous false", `password_file ${path("passwords")}`],
      });
      const client = await join(`mqtt://user:right@127.0.0.1:${port}`, { version });
      await client.publish("t", "x", { qos: 1 });
      await join(port, { version, userName: "user", password: Buffer.from("right") });
      for (const wrong of [{ userName: "user", password: "wrong" }, { userName: "nobody", password: "right" }, {}]) {
        const error = await join(port, { version, ...wrong }).catch((error: unknown) => error);
        expect(error).toBeInstanceOf(MqttError);
        expect((error as MqttError).message).toBe("no connection: Not authorized (0x87)");
      }
    });
  });
});

describe.each(versions)("version %i", (version) => {
  test("messages of QoS 1 whose handler throws are acknowledged in their order", async () => {
    const server = await ScriptedServer.start(afterConnect(connack(version)));
    const client = await join(server.port, { version });
    client.on("message", () => {});
    for (const id of [3, 1, 2]) server.last.send(publish({ level: version, topic: "t", qos: 1, id }));
    await until(() => server.last.of(PUBACK).length === 3, "all are acknowledged");
    expect(server.last.of(PUBACK).map((bytes) => bytes[3])).toEqual([3, 1, 2]);
  });

  test("close() does not wait for a server that is gone, or goes while it waits", async () => {
    const server = await ScriptedServer.start((connection, count) => {
      if (count === 1) afterConnect(connack(version))(connection, count);
      else connection.socket.destroy();
    });
    const client = await join(server.port, { version, limits: quick });
    const published = client.publish("t", "x", { qos: 1 });
    published.catch(() => {});
    await until(() => server.last.of(PUBLISH).length === 1, "PUBLISH came");
    const closing = client.close();
    server.last.socket.destroy();
    await closing;
    await expect(published).rejects.toThrow("not done: the client was closed");
    const gone = await join(await ScriptedServer.start(afterConnect(connack(version))).then(({ port }) => port), {
      version,
    });
    await gone.close();
    await gone.close();
  });

  test("close() and close(true) at once end together; afterwards nothing is taken", async () => {
    const server = await ScriptedServer.start(afterConnect(connack(version)));
    const client = await join(server.port, { version });
    const published = client.publish("t", "x", { qos: 1 });
    const subscribed = client.subscribe("t");
    const failed = Promise.allSettled([published, subscribed]);
    await Promise.all([client.close(), client.close(), client.close(true)]);
    for (const result of await failed) {
      expect(result).toMatchObject({ reason: expect.objectContaining({ message: "not done: the client was closed" }) });
    }
    await client.close();
    const closed = "not done: the client was closed";
    await expect(client.publish("t", "x", { qos: 1 })).rejects.toThrow(closed);
    await expect(client.subscribe("u")).rejects.toThrow(closed);
    await expect(client.messages("u").next()).rejects.toThrow(closed);
    await expect(client.publish("t", "x")).rejects.toThrow("needs a connection");
  });

  test("close() waits for the acknowledgement", async () => {
    const server = await ScriptedServer.start(afterConnect(connack(version)));
    const client = await join(server.port, { version });
    let isPublished = false;
    const published = client.publish("t", "x", { qos: 1 }).then(() => {
      isPublished = true;
    });
    let isClosed = false;
    const closing = client.close().then(() => {
      isClosed = true;
    });
    await until(() => server.last.of(PUBLISH).length === 1, "PUBLISH came");
    expect([isPublished, isClosed]).toEqual([false, false]);
    server.last.send(puback(readPublish(version, server.last.of(PUBLISH)[0]).id));
    await closing;
    await published;
    await until(() => server.last.of(14).length === 1, "DISCONNECT came");
  });
});
