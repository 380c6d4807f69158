// Whatever is asked of the client ends: with what was wanted, or with an error that says why.

import { describe, expect, test } from "vitest";
import { connect, MqttError, NotAcceptedError, OptionsError } from "../../../hosts/node/client/index";
import {
  type Level,
  PUBACK,
  PUBLISH,
  packet,
  publish,
  readAcknowledgement,
  readPublish,
  SUBSCRIBE,
} from "../../support/packets";
import { until } from "../clients";
import { startServer } from "../server";
import { connack, ScriptedServer } from "./scripted";
import { hasMosquitto, join, keeping, quick, versions } from "./setup";

const UNSUBSCRIBE = 10;

/** Answers SUBSCRIBE and UNSUBSCRIBE with these codes, one after the other; the last again and again. */
function granting(version: Level, codes: number[], isPresent = false): Promise<ScriptedServer> {
  return ScriptedServer.start((connection, count) => {
    connection.onPacket = (bytes) => {
      const type = bytes[0] >> 4;
      if (type === 1) connection.send(connack(version, 0, count > 1 && isPresent));
      else if (type === SUBSCRIBE || type === UNSUBSCRIBE) {
        const code = codes.length > 1 ? codes.shift()! : codes[0];
        const isBare = type === UNSUBSCRIBE && version === 4;
        const none = version === 5 ? [0] : [];
        connection.send(packet(type + 1, 0, [bytes[2], bytes[3]], none, isBare ? [] : [code]));
      }
    };
  });
}

describe("subscriptions", () => {
  test("one that is given up before it is granted ends, and so does one that is wanted again before it is given up", async () => {
    const { port } = await startServer();
    const client = await join(port);
    const first = client.subscribe("a");
    const gone = client.unsubscribe("a");
    await expect(first).rejects.toThrow("a later call took its place");
    await gone;
    await client.subscribe("b");
    const leaving = client.unsubscribe("b");
    const again = client.subscribe("b", undefined, { qos: 1 });
    await expect(leaving).rejects.toThrow("a later call took its place");
    expect(await again).toBe(1);
  });

  test("the handler before stays when a new one is refused, of several too", async () => {
    const server = await granting(5, [0, 0x87, 0x87]);
    const client = await join(server.port, { limits: quick });
    const got: string[] = [];
    await client.subscribe("a", () => void got.push("first"));
    const again = [1, 2].map((n) => client.subscribe("a", () => void got.push(`again ${n}`)));
    for (const result of await Promise.allSettled(again)) expect(result.status).toBe("rejected");
    server.last.send(publish({ level: 5, topic: "a", payload: "x" }));
    await until(() => got.length === 1, "a handler was called");
    expect(got).toEqual(["first"]);
  });

  test("one that can't be given up is there as before, with its handler", async () => {
    const server = await granting(5, [0, 0x83, 0]);
    const client = await join(server.port, { limits: quick });
    const got: string[] = [];
    await client.subscribe("a", ({ payload }) => void got.push(payload.toString()));
    await expect(client.unsubscribe("a")).rejects.toMatchObject({ reasonCode: 0x83 });
    server.last.send(publish({ level: 5, topic: "a", payload: "x" }));
    await until(() => got.length === 1, "the handler was called");
    await client.unsubscribe("a");
    await expect(client.unsubscribe("a")).rejects.toThrow(NotAcceptedError);
  });

  test("one that the server refuses when it has forgotten the session is told, and ends its loop", async () => {
    const server = await granting(5, [0, 0, 0x87]);
    const client = await join(server.port, { limits: quick });
    const lost: string[] = [];
    client.on("subscriptionLost", (filter, error) => void lost.push(`${filter} ${error.reasonCode}`));
    await client.subscribe("a");
    const loop = (async () => {
      for await (const _ of client.messages("b"));
    })();
    await until(() => server.last.of(SUBSCRIBE).length === 2, "both are subscribed to");
    server.last.socket.destroy();
    await expect(loop).rejects.toMatchObject({ reasonCode: 0x87 });
    await until(() => lost.length === 2, "both are told");
    expect(lost.sort()).toEqual(["a 135", "b 135"]);
  });

  test("the limit of subscriptions has its name", async () => {
    const { port } = await startServer();
    const client = await join(port, { limits: { ...quick, subscriptions: 1 } });
    await client.subscribe("a");
    await expect(client.subscribe("b")).rejects.toMatchObject({ limit: "subscriptions" });
  });

  test("leaving a loop does not wait for the server", async () => {
    const server = await granting(5, [0]);
    const client = await join(server.port, {
      limits: { ...quick, reconnectMilliseconds: 60_000, reconnectMostMilliseconds: 60_000 },
    });
    const abort = new AbortController();
    const loop = (async () => {
      for await (const _ of client.messages("a", { signal: abort.signal }));
    })();
    await until(() => server.last.of(SUBSCRIBE).length === 1, "it is subscribed to");
    const gone = new Promise((resolve) => client.once("disconnect", resolve));
    server.last.socket.destroy();
    await gone;
    abort.abort(new Error("enough"));
    await expect(loop).rejects.toThrow("enough");
  });

  describe.skipIf(!hasMosquitto)("shared", () => {
    test("messages go to the handler, and to a loop", async () => {
      const { port } = await startServer(undefined, "mosquitto");
      const client = await join(port);
      const got: string[] = [];
      await client.subscribe("$share/g/jobs/#", ({ topic }) => void got.push(topic), { qos: 1 });
      const loop = (async () => {
        for await (const { topic } of client.messages("$share/g/more")) return topic;
      })();
      await client.publish("jobs/1", "x", { qos: 1 });
      await until(() => got.length === 1, "the handler was called");
      expect(got).toEqual(["jobs/1"]);
      await client.publish("more", "x", { qos: 1 });
      expect(await loop).toBe("more");
    });
  });
});

describe("requests", () => {
  test("a handler that is behind may ask, and gets its answer", async () => {
    const { port } = await startServer();
    const client = await join(port);
    const helper = await join(port);
    await helper.subscribe("ask", (request) => helper.respond(request, "answer", { qos: 1 }), { qos: 1 });
    const answers: string[] = [];
    await client.subscribe("work", async () => {
      const answer = await client.request("ask", "", { qos: 1 });
      answers.push(answer.payload.toString());
    });
    // So large that the handler of it alone is behind.
    await helper.publish("work", Buffer.alloc(1_050_000));
    await until(() => answers.length === 1, "it is answered");
    expect(answers).toEqual(["answer"]);
  });

  test("one that waits ends with close", async () => {
    const { port } = await startServer();
    const client = await join(port);
    const waiting = client.request("nobody", "", { timeout: 2 ** 31 - 1 });
    await until(() => client.unpublished === 0, "it is sent");
    await client.close();
    await expect(waiting).rejects.toThrow("the client was closed");
  });

  test("before 5.0 nothing is sent for one", async () => {
    const server = await granting(4, [0]);
    const client = await join(server.port, { version: 4 });
    await expect(client.request("a")).rejects.toThrow(OptionsError);
    await client.publish("b");
    await until(() => server.last.of(PUBLISH).length === 1, "PUBLISH came");
    expect(server.last.of(SUBSCRIBE)).toEqual([]);
  });
});

describe.each(versions)("version %i", (version) => {
  test("a handler of an earlier connection does not acknowledge what came with its number later", async () => {
    const server = await granting(version, [1], true);
    const client = await join(server.port, keeping(version, "c"));
    const release: (() => void)[] = [];
    await client.subscribe("t", () => new Promise<void>((resolve) => release.push(resolve)), { qos: 1 });
    const send = (payload: string): void =>
      server.last.send(publish({ level: version, topic: "t", qos: 1, id: 1, payload }));
    send("first");
    await until(() => release.length === 1, "the first is handled");
    const before = server.last;
    before.socket.destroy();
    await until(() => server.last !== before && client.connected, "it is back");
    send("second");
    await until(() => release.length === 2, "the second is handled");
    release[0]();
    await client.publish("u");
    await until(() => server.last.of(PUBLISH).length === 1, "what was owed has gone out");
    expect(server.last.of(PUBACK)).toEqual([]);
    release[1]();
    await until(() => server.last.of(PUBACK).length === 1, "PUBACK came");
    expect(readAcknowledgement(version, PUBACK, server.last.of(PUBACK)[0]).id).toBe(1);
    expect(readPublish(version, server.last.of(PUBLISH)[0]).topic).toBe("u");
  });
});

describe("connect", () => {
  test("options of TLS without TLS would send a password in clear: they are an error", async () => {
    await expect(connect("mqtt://127.0.0.1:1", { tls: {} })).rejects.toThrow('option "tls"');
  });

  test("a closed client is not kept by the signal of its connect", async () => {
    const { port } = await startServer();
    const { signal } = new AbortController();
    const listeners = new Set<unknown>();
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...all: Parameters<typeof add>) => {
      listeners.add(all[1]);
      add(...all);
    };
    signal.removeEventListener = (...all: Parameters<typeof remove>) => {
      listeners.delete(all[1]);
      remove(...all);
    };
    const client = await join(port, { signal });
    expect(listeners.size).toBe(1);
    await client.close();
    expect(listeners.size).toBe(0);
  });

  test("why attempts fail is heard from the first on", async () => {
    const heard: MqttError[] = [];
    const signal = AbortSignal.timeout(20_000);
    const waiting = connect("mqtt://127.0.0.1:1", {
      retry: true,
      limits: quick,
      signal,
      onDisconnect: (error) => void heard.push(error),
    });
    waiting.catch(() => {});
    await until(() => heard.length >= 2, "two attempts failed");
    expect(heard[0]).toBeInstanceOf(MqttError);
  });
});
