// Request and response of MQTT 5.0, and loops over messages.

import { describe, expect, test } from "vitest";
import { type MqttClient, MqttError, OptionsError, type ReceivedMessage } from "../../../hosts/node/client/index";
import { presets } from "../../../src/memory/limits";
import {
  PUBACK,
  PUBLISH,
  packet,
  puback,
  publish,
  readAcknowledgement,
  readPublish,
  SUBSCRIBE,
} from "../../support/packets";
import { until } from "../clients";
import { startServer } from "../server";
import { Relay } from "./relay";
import { connack, ScriptedServer } from "./scripted";
import { join, kinds, quick, versions } from "./setup";

/** A client that answers requests at `topic` with their payload in capitals, until it is told to hold them back. */
async function answering(port: number, topic: string): Promise<{ client: MqttClient; requests: ReceivedMessage[] }> {
  const client = await join(port);
  const requests: ReceivedMessage[] = [];
  await client.subscribe(
    topic,
    async (request) => {
      requests.push(request);
      const text = request.payload.toString();
      if (text !== "no answer") await client.respond(request, text.toUpperCase(), { qos: 1 });
    },
    { qos: 1 },
  );
  return { client, requests };
}

describe.each(kinds)("requests, %s", (kind) => {
  test("are answered, each by its own response, whatever the order", async () => {
    const { port } = await startServer(presets.node, kind);
    const { requests } = await answering(port, "capitals");
    const client = await join(port);
    const texts = Array.from({ length: 20 }, (_, n) => `request ${n}`);
    const responses = await Promise.all(texts.map((text) => client.request("capitals", text, { qos: 1 })));
    expect(responses.map(({ payload }) => payload.toString())).toEqual(texts.map((text) => text.toUpperCase()));
    const topics = new Set(requests.map(({ responseTopic }) => responseTopic));
    expect(topics.size).toBe(1);
    expect(
      new Set(requests.map(({ correlationData }) => Buffer.from(correlationData ?? []).toString("hex"))).size,
    ).toBe(20);
  });

  test("may choose Response Topic, Correlation Data and properties", async () => {
    const { port } = await startServer(presets.node, kind);
    const { requests } = await answering(port, "capitals");
    const client = await join(port);
    const options = {
      qos: 2,
      responseTopic: "mine/answers",
      correlationData: Buffer.from("42"),
      contentType: "text/plain",
    };
    const response = await client.request("capitals", "x", options);
    expect([response.topic, response.payload.toString()]).toEqual(["mine/answers", "X"]);
    expect(requests[0]).toMatchObject({ responseTopic: "mine/answers", contentType: "text/plain" });
    expect(Buffer.from(requests[0].correlationData ?? []).toString()).toBe("42");
  });

  test("are not answered by other Correlation Data, or none", async () => {
    const { port } = await startServer(presets.node, kind);
    const stranger = await join(port);
    const client = await join(port);
    await stranger.subscribe("capitals", async ({ responseTopic = "", correlationData }) => {
      await stranger.publish(responseTopic, "no data");
      await stranger.publish(responseTopic, "other data", { correlationData: Buffer.from("other") });
      await stranger.publish(responseTopic, "right", { correlationData });
      await stranger.publish(responseTopic, "again", { correlationData });
    });
    expect((await client.request("capitals", "x")).payload.toString()).toBe("right");
    expect((await client.request("capitals", "x")).payload.toString()).toBe("right");
  });

  test("end after their time, or by their signal; later ones are answered", async () => {
    const { port } = await startServer(presets.node, kind);
    await answering(port, "capitals");
    const client = await join(port);
    const late = client.request("capitals", "no answer", { timeout: 50 });
    await expect(late).rejects.toThrow("no response: no answer in time");
    await expect(late).rejects.toThrow(MqttError);
    const abort = new AbortController();
    const aborted = client.request("capitals", "no answer", { signal: abort.signal });
    abort.abort(new Error("enough"));
    await expect(aborted).rejects.toThrow("enough");
    await expect(client.request("capitals", "x", { signal: abort.signal })).rejects.toThrow("enough");
    expect((await client.request("capitals", "still here")).payload.toString()).toBe("STILL HERE");
  });

  test("are answered over a connection that was lost in between", async () => {
    const { port } = await startServer(presets.node, kind);
    const relay = await Relay.start(port);
    const { requests } = await answering(port, "capitals");
    const client = await join(relay.port, { limits: quick }); // its session ends with its connection
    expect((await client.request("capitals", "one", { qos: 1 })).payload.toString()).toBe("ONE");
    relay.cut();
    await until(() => !client.connected, "the cut is known");
    expect((await client.request("capitals", "two", { qos: 1 })).payload.toString()).toBe("TWO");
    expect(requests).toHaveLength(2);
  });
});

test("requests and responses that can't be", async () => {
  const { port } = await startServer();
  const old = await join(port, { version: 4 });
  await expect(old.request("t", "x")).rejects.toThrow(OptionsError);
  const client = await join(port);
  for (const timeout of [0, -1, 1.5, 2 ** 31, Number.NaN]) {
    await expect(client.request("t", "x", { timeout })).rejects.toThrow('option "timeout"');
  }
  await expect(client.request("t", "x", { responseTopic: "a/#" })).rejects.toThrow('option "responseTopic"');
  const same = { correlationData: Buffer.from("1"), timeout: 2000 };
  const first = client.request("t", "x", same);
  first.catch(() => {});
  await expect(client.request("t", "x", same)).rejects.toThrow('option "correlationData"');
  const message = { topic: "t", payload: Buffer.alloc(0), qos: 0, retain: false, dup: false };
  await expect(client.respond(message)).rejects.toThrow('option "request"');
});

describe.each(kinds)("messages(), %s", (kind) => {
  describe.each(versions)("version %i", (version) => {
    const limits = { ...quick, receiveMaximum: 8 };

    /** A client with a slow loop, and another that floods it. */
    async function flood(count: number, body: (client: MqttClient, n: number) => Promise<void>): Promise<number> {
      const { port } = await startServer(presets.node, kind);
      const client = await join(port, { version, limits });
      const other = await join(port, { version });
      let came = 0;
      let done = 0;
      let mostUnsettled = 0;
      const dropped: string[] = [];
      client.on("dropped", ({ payload }) => dropped.push(payload.toString()));
      client.on("message", () => {
        came++;
        mostUnsettled = Math.max(mostUnsettled, came - done);
      });
      const loop = (async () => {
        for await (const { payload } of client.messages("t")) {
          expect(payload.toString()).toBe(`${done}`);
          await body(client, done);
          if (++done === count) return;
        }
      })();
      await client.publish("ready", "", { qos: 1 }); // SUBSCRIBE was before it
      for (let n = 0; n < count; n++) void other.publish("t", `${n}`);
      await loop;
      expect(dropped).toEqual([]);
      return mostUnsettled;
    }

    test("the server is not read while too many wait, and nothing is lost", async () => {
      const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
      expect(await flood(1000, pause)).toBeLessThanOrEqual(limits.receiveMaximum);
    });

    test("a body that publishes at QoS 1 is not in its own way", async () => {
      const publish = (client: MqttClient, n: number): Promise<void> => client.publish("elsewhere", `${n}`, { qos: 1 });
      expect(await flood(100, publish)).toBeLessThanOrEqual(16 * limits.receiveMaximum);
    });
  });
});

describe.each(versions)("messages(), version %i", (version) => {
  /** Acknowledges subscriptions, and publishes nothing else of itself. */
  const quiet = (): Promise<ScriptedServer> =>
    ScriptedServer.start((connection) => {
      connection.onPacket = (bytes) => {
        const type = bytes[0] >> 4;
        if (type === 1) connection.send(connack(version));
        else if (type === SUBSCRIBE || type === 10) {
          const isBare = type === 10 && version === 4;
          connection.send(packet(type + 1, 0, [bytes[2], bytes[3]], version === 5 ? [0] : [], isBare ? [] : [0]));
        }
      };
    });

  test("what nobody can wait for is dropped, and that is told", async () => {
    const server = await quiet();
    const limits = { ...quick, receiveMaximum: 4 };
    const client = await join(server.port, { version, limits });
    const dropped: string[] = [];
    client.on("dropped", ({ payload }) => dropped.push(payload.toString()));
    const got: string[] = [];
    const loop = (async () => {
      for await (const { payload } of client.messages("t")) {
        if (got.push(payload.toString()) === 1) await client.publish("u", "", { qos: 1 }); // no PUBACK yet
        if (got.length === 64) return;
      }
    })();
    await until(() => server.last.of(SUBSCRIBE).length === 1, "SUBSCRIBE came");
    server.last.send(publish({ level: version, topic: "t", payload: "0" }));
    await until(() => server.last.of(PUBLISH).length === 1, "the loop publishes");
    const rest = Array.from({ length: 16 * 4 + 5 }, (_, n) => `${n + 1}`);
    for (const payload of rest) server.last.send(publish({ level: version, topic: "t", payload }));
    await until(() => dropped.length === 6, "what is too much is dropped");
    expect(dropped).toEqual(rest.slice(-6));
    server.last.send(puback(readPublish(version, server.last.of(PUBLISH)[0]).id));
    await loop;
    expect(got).toEqual(["0", ...rest.slice(0, 63)]);
  });

  test("QoS 1 is acknowledged when the body is done with it; what a left loop did not ask for, too", async () => {
    const server = await quiet();
    const client = await join(server.port, { version, limits: quick });
    const acknowledged = (): number[] =>
      server.last.of(PUBACK).map((bytes) => readAcknowledgement(version, PUBACK, bytes).id);
    const got: string[] = [];
    const goOn: (() => void)[] = [];
    const loop = (async () => {
      for await (const { payload } of client.messages("t", { qos: 1 })) {
        got.push(payload.toString());
        await new Promise<void>((resolve) => goOn.push(resolve));
        if (got.length === 2) return;
      }
    })();
    await until(() => server.last.of(SUBSCRIBE).length === 1, "SUBSCRIBE came");
    for (const id of [1, 2, 3]) {
      server.last.send(publish({ level: version, topic: "t", qos: 1, id, payload: `${id}` }));
    }
    await until(() => goOn.length === 1, "the first is in the loop");
    await client.publish("u", "", { qos: 0 }); // what was owed would have gone out with it
    expect(acknowledged()).toEqual([]);
    goOn[0]();
    await until(() => goOn.length === 2, "the second is in the loop");
    await until(() => acknowledged().length > 0, "one is acknowledged");
    expect(acknowledged()).toEqual([1]);
    goOn[1]();
    await loop;
    await until(() => acknowledged().length === 3, "all are acknowledged");
    expect([acknowledged(), got]).toEqual([
      [1, 2, 3],
      ["1", "2"],
    ]);
  });

  test("a signal ends the loop with its reason, before it and in it", async () => {
    const server = await quiet();
    const client = await join(server.port, { version, limits: quick });
    await expect(client.messages("t", { signal: AbortSignal.abort(new Error("never")) }).next()).rejects.toThrow(
      "never",
    );
    const abort = new AbortController();
    const loop = (async () => {
      for await (const _ of client.messages("t", { signal: abort.signal })) throw new Error("there is nothing");
    })();
    loop.catch(() => {});
    await until(() => server.last.of(SUBSCRIBE).length === 1, "SUBSCRIBE came");
    abort.abort(new Error("enough"));
    await expect(loop).rejects.toThrow("enough");
    await until(() => server.last.of(10).length === 1, "UNSUBSCRIBE came");
  });
});
