// What an application gives that can't be: each option is named, and nothing has happened.

import { describe, expect, test } from "vitest";
import {
  type ConnectOptions,
  clientPresets,
  connect,
  LimitsError,
  MqttError,
  NotAcceptedError,
  OptionsError,
  type PublishOptions,
  type SubscribeOptions,
} from "../../../hosts/node/client/index";
import { CONNECT, PUBLISH, property, SUBSCRIBE, toHex } from "../../support/packets";
import { until } from "../clients";
import { startServer } from "../server";
import { Relay } from "./relay";
import { afterConnect, connack, ScriptedServer } from "./scripted";
import { join, owned, quick } from "./setup";

const long = "x".repeat(65536);
/** Half of a surrogate pair: no UTF-8 stands for it. */
const half = "\ud800";

describe("connect", () => {
  const wrong: readonly [
    what: string,
    url: string,
    options: ConnectOptions | Record<string, unknown>,
    option: string,
  ][] = [
    ["no URL", "127.0.0.1", {}, "url"],
    ["another protocol", "http://127.0.0.1", {}, "url"],
    ["a path", "mqtt://127.0.0.1/x", {}, "url"],
    ["a query", "mqtt://127.0.0.1?x=1", {}, "url"],
    ["no host", "mqtt://", {}, "url"],
    ["a stray %", "mqtt://a%:b@127.0.0.1", {}, "url"],
    ["version 3", "", { version: 3 }, "version"],
    ["version 6", "", { version: 6 }, "version"],
    ["keepAlive that is negative", "", { keepAlive: -1 }, "keepAlive"],
    ["keepAlive of 65,536", "", { keepAlive: 65536 }, "keepAlive"],
    ["keepAlive that is no whole number", "", { keepAlive: 1.5 }, "keepAlive"],
    ["sessionExpiry that is too large", "", { sessionExpiry: 2 ** 32 }, "sessionExpiry"],
    ["sessionExpiry with 3.1.1", "", { version: 4, sessionExpiry: 1 }, "sessionExpiry"],
    ["clientId that is too long", "", { clientId: "x".repeat(129) }, "clientId"],
    ["clientId that is no text", "", { clientId: half }, "clientId"],
    ["a session of 3.1.1 without clientId", "", { version: 4, cleanStart: false }, "clientId"],
    ["a password alone with 3.1.1", "", { version: 4, password: "x" }, "userName"],
    ["userName that is too long", "", { userName: long }, "userName"],
    ["userName with U+0000", "", { userName: "a\0" }, "userName"],
    ["password that is too long", "", { userName: "a", password: Buffer.alloc(65536) }, "password"],
    ["a will without a topic", "", { will: { topic: "" } }, "will.topic"],
    ["a will with a wildcard", "", { will: { topic: "a/#" } }, "will.topic"],
    ["a will of QoS 3", "", { will: { topic: "t", qos: 3 } }, "will.qos"],
    ["a will of 65,536 bytes", "", { will: { topic: "t", payload: long } }, "will.payload"],
    ["a will that is no payload", "", { will: { topic: "t", payload: 5 } }, "will.payload"],
    ["a name that is not known", "", { keepalive: 5 }, "keepalive"],
    ["a name of the will that is not known", "", { will: { topic: "t", willDelay: 5 } }, "will.willDelay"],
    ["will.delay that is negative", "", { will: { topic: "t", delay: -1 } }, "will.delay"],
    ["will.messageExpiry", "", { will: { topic: "t", messageExpiry: 0.5 } }, "will.messageExpiry"],
    ["will.contentType", "", { will: { topic: "t", contentType: half } }, "will.contentType"],
    ["will.responseTopic", "", { will: { topic: "t", responseTopic: "+" } }, "will.responseTopic"],
    ["will.userProperties", "", { will: { topic: "t", userProperties: [["a"]] } }, "will.userProperties"],
    ["properties of a will with 3.1.1", "", { version: 4, will: { topic: "t", contentType: "x" } }, "will"],
    ["the delay of a will with 3.1.1", "", { version: 4, will: { topic: "t", delay: 1 } }, "will"],
    ["userProperties that are no pairs", "", { userProperties: ["ab"] }, "userProperties"],
    ["userProperties with 3.1.1", "", { version: 4, userProperties: [["a", "b"]] }, "properties"],
  ];
  test.each(wrong)("%s", async (_, url, options, option) => {
    const server = await ScriptedServer.start(() => {});
    const attempt = connect(url === "" ? `mqtt://127.0.0.1:${server.port}` : url, options as ConnectOptions);
    const error = await attempt.then(
      (client) => owned(client),
      (error: unknown) => error,
    );
    expect(error).toBeInstanceOf(OptionsError);
    expect((error as OptionsError).option).toBe(option);
    expect((error as OptionsError).message).toMatch(new RegExp(`^option "${option}": \\S`));
    expect(server.connections).toHaveLength(0);
  });

  test("limits that can't be", async () => {
    const limits = { ...clientPresets.client, inflight: 2000 };
    await expect(connect("mqtt://127.0.0.1:1", { limits })).rejects.toThrow(LimitsError);
    await expect(connect("mqtt://127.0.0.1:1", { limits })).rejects.toThrow("inflight");
  });

  test("no server: the first attempt fails", async () => {
    await expect(connect("mqtt://127.0.0.1:1")).rejects.toThrow(/^no connection: connection lost: .*ECONNREFUSED/);
    await expect(connect("mqtt://127.0.0.1:1")).rejects.toThrow(MqttError);
  });

  test("a signal that has aborted, or does so before there is a server", async () => {
    const server = await ScriptedServer.start(() => {});
    const url = `mqtt://127.0.0.1:${server.port}`;
    await expect(connect(url, { signal: AbortSignal.abort(new Error("never")) })).rejects.toThrow("never");
    expect(server.connections).toHaveLength(0);
    for (const retry of [false, true]) {
      const abort = new AbortController();
      const before = server.connections.length;
      const waiting = connect(url, { retry, signal: abort.signal, limits: quick });
      waiting.catch(() => {});
      await until(() => server.connections.length > before, "it has begun");
      abort.abort(new Error("enough"));
      await expect(waiting).rejects.toThrow("enough");
      await until(() => server.last.isOver, "the connection is given up");
    }
  });

  test("a signal that aborts later closes the client", async () => {
    const server = await ScriptedServer.start(afterConnect(connack(5)));
    const abort = new AbortController();
    const client = await join(server.port, { signal: abort.signal });
    const published = client.publish("t", "x", { qos: 1 });
    abort.abort();
    await expect(published).rejects.toThrow("the client was closed");
    await until(() => server.last.isOver, "the connection is over");
    expect(client.connected).toBe(false);
  });

  test("User Properties are in the CONNECT; user name and password of the URL too", async () => {
    const server = await ScriptedServer.start(afterConnect(connack(5)));
    await join(`mqtt://us%C3%A9r:p%40ss@127.0.0.1:${server.port}`, {
      userProperties: [
        ["a", "1"],
        ["a", "é"],
      ],
    });
    const sent = toHex([...server.last.of(CONNECT)[0]]);
    expect(sent).toContain(toHex([...property.user("a", "1"), ...property.user("a", "é")]));
    expect(sent).toContain(toHex([0, 5, ...Buffer.from("usér"), 0, 4, ...Buffer.from("p@ss")]));
  });
});

describe("publish and subscribe", () => {
  const publishes: readonly [what: string, version: 4 | 5, options: PublishOptions | object, option: string][] = [
    ["QoS 3", 5, { qos: 3 }, "qos"],
    ["QoS that is no number", 5, { qos: "1" }, "qos"],
    ["messageExpiry that is negative", 5, { messageExpiry: -1 }, "messageExpiry"],
    ["messageExpiry that is too large", 5, { messageExpiry: 2 ** 32 }, "messageExpiry"],
    ["contentType with U+0000", 5, { contentType: "\0" }, "contentType"],
    ["contentType that is too long", 5, { contentType: long }, "contentType"],
    ["responseTopic that is empty", 5, { responseTopic: "" }, "responseTopic"],
    ["responseTopic with a wildcard", 5, { responseTopic: "a/+" }, "responseTopic"],
    ["correlationData that is too long", 5, { correlationData: Buffer.alloc(65536) }, "correlationData"],
    ["userProperties of one text", 5, { userProperties: [["a"]] }, "userProperties"],
    ["userProperties that are no text", 5, { userProperties: [["a", 1]] }, "userProperties"],
    ["messageExpiry with 3.1.1", 4, { messageExpiry: 1 }, "properties"],
    ["isText with 3.1.1", 4, { isText: true }, "properties"],
    ["userProperties with 3.1.1", 4, { userProperties: [["a", "b"]] }, "properties"],
  ];
  test.each(publishes)("publish: %s", async (_, version, options, option) => {
    const server = await ScriptedServer.start(afterConnect(connack(version)));
    const client = await join(server.port, { version });
    const error = await client.publish("t", "x", options).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(OptionsError);
    expect((error as OptionsError).option).toBe(option);
    expect(client.unpublished).toBe(0);
    await client.publish("t", "good");
    await until(() => server.last.of(PUBLISH).length > 0, "the good one came");
    expect(server.last.of(PUBLISH)).toHaveLength(1);
  });

  const subscriptions: readonly [what: string, options: SubscribeOptions, option: string][] = [
    ["QoS 3", { qos: 3 }, "qos"],
    ["retainHandling 3", { retainHandling: 3 }, "retainHandling"],
  ];
  test.each(subscriptions)("subscribe: %s", async (_, options, option) => {
    const server = await ScriptedServer.start(afterConnect(connack(5)));
    const client = await join(server.port);
    const error = await client.subscribe("t", undefined, options).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(OptionsError);
    expect((error as OptionsError).option).toBe(option);
    await client.publish("t");
    await until(() => server.last.of(PUBLISH).length > 0, "PUBLISH came");
    expect(server.last.of(SUBSCRIBE)).toHaveLength(0);
  });

  test("payloads that are none", async () => {
    const { port } = await startServer();
    const client = await join(port);
    for (const payload of [5, {}, null, [1]]) {
      await expect(client.publish("t", payload as never)).rejects.toThrow('option "payload"');
    }
  });

  test("topics that are none, QoS 0 without a connection", async () => {
    const { port } = await startServer();
    const relay = await Relay.start(port);
    const client = await join(relay.port);
    for (const topic of ["", "a/#", "+", "a\0", half, "x".repeat(1025), "/".repeat(64)]) {
      await expect(client.publish(topic, "x")).rejects.toThrow(NotAcceptedError);
    }
    for (const filter of ["", "a#", "#/a", "a+", "\0", "x".repeat(1025)]) {
      await expect(client.subscribe(filter)).rejects.toThrow(NotAcceptedError);
    }
    await expect(client.unsubscribe("never")).rejects.toThrow("no such subscription");
    await relay.stop();
    await until(() => !client.connected, "the loss is noticed");
    await expect(client.publish("a", "x")).rejects.toThrow("needs a connection");
  });
});
