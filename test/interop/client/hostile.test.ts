// Servers that are broken or mean no good, before and after their CONNACK. The client says what it thinks of it, comes back
// no sooner than it should, and its memory stays what it was.

import { describe, expect, test } from "vitest";
import { type ConnectOptions, type MqttClient, MqttError } from "../../../hosts/node/client/index";
import {
  type Bytes,
  CONNACK,
  DISCONNECT,
  disconnect,
  type Level,
  PINGREQ,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  packet,
  pingreq,
  properties,
  property,
  puback,
  pubcomp,
  publish,
  pubrec,
  pubrel,
  readAcknowledgement,
  readDisconnect,
  readPublish,
  SUBSCRIBE,
  subscribe,
  u16,
} from "../../support/packets";
import { Random } from "../../support/random";
import { until } from "../clients";
import { type CoreMemory, watchNextCore } from "./memory";
import { afterConnect, type Connection, connack, type Script, ScriptedServer } from "./scripted";
import { join, keeping, quick, versions } from "./setup";

const limits = Object.freeze({ ...quick, connectMilliseconds: 400 });

/** The error of a first attempt at a server that does this. */
async function firstError(script: Script, options: ConnectOptions = {}): Promise<MqttError> {
  const server = await ScriptedServer.start(script);
  const watch = watchNextCore();
  const error = await join(server.port, { limits, ...options }).then(
    () => undefined,
    (error: unknown) => error,
  );
  watch.memory().expectWhole();
  expect(error).toBeInstanceOf(MqttError);
  expect(server.connections).toHaveLength(1);
  return error as MqttError;
}

interface Established {
  server: ScriptedServer;
  client: MqttClient;
  memory: CoreMemory;
  connection: Connection;
  errors: MqttError[];
}

/** A client that is connected to a server of ours. */
async function establish(version: Level, options: ConnectOptions = {}, list: Bytes = []): Promise<Established> {
  const server = await ScriptedServer.start(afterConnect(connack(version, 0, false, list)));
  const watch = watchNextCore();
  const client = await join(server.port, { version, limits, ...options });
  const errors: MqttError[] = [];
  client.on("disconnect", (error) => errors.push(error));
  return { server, client, memory: watch.memory(), connection: server.last, errors };
}

describe.each(versions)("before CONNACK, version %i", (version) => {
  const good = connack(version);
  const malformed: readonly [what: string, bytes: Bytes, code: number][] = [
    ["flags that are reserved", packet(CONNACK, 1, good.slice(2)), 0x81],
    ["acknowledge flags that are reserved", packet(CONNACK, 0, [2, 0], version === 5 ? [0] : []), 0x81],
    ["no code", packet(CONNACK, 0, [0]), 0x81],
    ["nothing in it", packet(CONNACK, 0), 0x81],
    ["a Remaining Length of five bytes", [0x20, 0xff, 0xff, 0xff, 0xff, 0x01], 0x81],
    ["bytes behind it", packet(CONNACK, 0, good.slice(2), [0]), 0x81],
    ["Session Present for a new session", connack(version, 0, true), 0x82],
    ["Session Present with a refusal", connack(version, version === 5 ? 0x87 : 5, true), 0x82],
    ["a length beyond all memory", [0x20, 0xff, 0xff, 0xff, 0x7f], 0x95],
    ["PUBLISH", publish({ level: version, topic: "t", qos: 1 }), 0x82],
    ["PUBACK", puback(1), 0x82],
    ["PINGRESP", [0xd0, 0], 0x82],
    ["CONNECT", packet(1, 0, [0]), 0x82],
    ["SUBSCRIBE", subscribe(version, 1, [["t", 0]]), 0x82],
    ["packet type 0", [0, 0], 0x81],
    ["words of another protocol", [...Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")], 0x81],
    ["an alert of TLS", [0x15, 3, 1, 0, 2, 2, 70], 0x81],
  ];
  test.each(malformed)("%s", async (_, bytes, code) => {
    const error = await firstError(afterConnect(bytes), { version });
    expect(error.message).toMatch(/^no connection: /);
    expect(`0x${error.reasonCode.toString(16)}`).toBe(`0x${code.toString(16)}`);
  });

  test("silence", async () => {
    expect((await firstError(() => {}, { version })).message).toBe("no connection: no answer in time");
  });

  test("half a CONNACK, then silence", async () => {
    const error = await firstError(afterConnect(good.slice(0, 3)), { version });
    expect(error.message).toBe("no connection: no answer in time");
  });

  test("a CONNACK that never ends", async () => {
    const flood: Script = (connection) => {
      connection.send([0x20, 0xff, 0xff, 0x03]);
      const more = (): void => {
        while (!connection.isOver && connection.socket.write(Buffer.alloc(65536))) {}
        if (!connection.isOver) connection.socket.once("drain", more);
      };
      more();
    };
    expect((await firstError(flood, { version })).reasonCode).toBeGreaterThanOrEqual(0x81);
  });

  test("the end, at once", async () => {
    const error = await firstError((connection) => connection.socket.destroy(), { version });
    expect(error.message).toMatch(/^no connection: connection lost/);
    expect(error.reasonCode).toBe(0);
  });

  test("garbage, by seed", async () => {
    const seed = Number(process.env.MIDGE_SEED ?? Math.floor(Math.random() * 1e9));
    const random = new Random(seed);
    for (let i = 0; i < 20; i++) {
      const bytes = Array.from({ length: 200 }, () => random.below(256));
      bytes[0] = random.pick([0x10, 0x21, 0x30, 0x32, 0x40, 0x62, 0x82, 0x90, 0xd0, 0xe0, 0xf0, 0xff]);
      const error = await firstError(
        (connection) => {
          connection.send(bytes);
          connection.socket.end();
        },
        { version },
      );
      expect({ seed, i, message: error.message }).toMatchObject({ message: expect.stringMatching(/^no connection/) });
    }
  });

  test("a refusal", async () => {
    const codes = version === 5 ? [0x80, 0x84, 0x85, 0x86, 0x87, 0x88, 0x97, 0x9c] : [1, 2, 3, 4, 5, 6];
    const mapped = version === 5 ? codes : [0x84, 0x85, 0x88, 0x86, 0x87, 0x80];
    for (const [i, code] of codes.entries()) {
      const list = [...property.reasonString("not today"), ...property.serverReference("other.example")];
      const error = await firstError(afterConnect(connack(version, code, false, list)), { version });
      expect([error.reasonCode, error.reasonString]).toEqual([mapped[i], version === 5 ? "not today" : undefined]);
    }
  });
});

describe("CONNACK of 5.0", () => {
  const long = "x".repeat(200);
  test.each([
    ["a property twice", [...property.receiveMaximum(1), ...property.receiveMaximum(1)], 0x82],
    ["a property of another packet", property.topicAlias(1), 0x81],
    ["an unknown property", [0x7e, 0], 0x81],
    ["Receive Maximum 0", property.receiveMaximum(0), 0x82],
    ["Maximum QoS 2", property.maximumQoS(2), 0x82],
    ["Maximum Packet Size 0", property.maximumPacketSize(0), 0x82],
    ["a text that is none", property.reasonString([0xff]), 0x81],
    ["a property that is longer than the properties", [0x1f, 0, 9, 0x61], 0x81],
    ["an Assigned Client Identifier that is too long", property.assignedClientIdentifier(long), 0x97],
  ])("%s", async (_, list, code) => {
    const error = await firstError(afterConnect(connack(5, 0, false, list)), {
      limits: { ...limits, clientIdBytes: 23 },
    });
    expect(`0x${error.reasonCode.toString(16)}`).toBe(`0x${code.toString(16)}`);
  });
});

describe.each(versions)("after CONNACK, version %i", (version) => {
  const message = (topic: string, list: Bytes = [], id = 1): number[] =>
    publish({ level: version, topic, qos: 1, id, properties: list });
  const bad: readonly [what: string, bytes: Bytes, code: number][] = [
    ["another CONNACK", connack(version), 0x82],
    ["CONNECT", packet(1, 0, [0]), 0x82],
    ["SUBSCRIBE", subscribe(version, 1, [["t", 0]]), 0x82],
    ["PINGREQ", pingreq(), 0x82],
    ["AUTH", packet(15, 0), 0x82],
    ["packet type 0", [0, 0], 0x81],
    ["PINGRESP with something in it", [0xd0, 1, 0], 0x81],
    ["PUBREL without its flags", packet(PUBREL, 0, [0, 1]), 0x81],
    ["PUBACK of Packet Identifier 0", puback(0), 0x82],
    ["SUBACK with two codes", packet(9, 0, [0, 1], version === 5 ? [0] : [], [0, 0]), 0x82],
    ["QoS 3", packet(3, 6, [0, 1, 0x74, 0, 1]), 0x81],
    ["DUP at QoS 0", packet(3, 8, [0, 1, 0x74], version === 5 ? [0] : []), 0x81],
    ["a wildcard in a Topic Name", message("a/#"), 0x90],
    ["U+0000 in a Topic Name", message("a\0"), 0x81],
    ["a topic longer than its packet", packet(3, 0, [0, 9, 0x74]), 0x81],
    ["Packet Identifier 0", message("t", [], 0), 0x82],
    ["no Topic Name", message(""), 0x82],
    ["a SUBACK longer than all memory", [0x90, 0xff, 0xff, 0xff, 0x7f], 0x95],
  ];
  test.each(bad)("%s", async (_, bytes, code) => {
    const { connection, server, client, errors, memory } = await establish(version);
    connection.send(bytes);
    await until(() => server.connections.length >= 2 && client.connected, "it is back");
    expect(`0x${errors[0].reasonCode.toString(16)}`).toBe(`0x${code.toString(16)}`);
    await until(() => connection.isOver, "the first is over");
    expect(connection.of(DISCONNECT).map((packet) => readDisconnect(packet).reason)).toEqual(
      version === 5 ? [code] : [],
    );
    memory.expectWhole();
  });

  test("half a packet, then silence: Keep Alive ends it", async () => {
    const { connection, server, client, errors, memory } = await establish(version, { keepAlive: 1 });
    const lost: unknown[] = [];
    client.on("message", (message) => lost.push(message));
    connection.send(message("t").slice(0, 5));
    await until(() => server.connections.length >= 2 && client.connected, "it is back");
    expect(errors[0].message).toBe("no connection: the server is silent");
    expect(connection.of(PINGREQ).length).toBeGreaterThan(0);
    expect(lost).toEqual([]);
    memory.expectWhole();
  });

  test("silence: what was published is sent again, with the same Packet Identifier", async () => {
    const server = await ScriptedServer.start((connection, count) => {
      afterConnect(connack(version, 0, count > 1))(connection, count);
    });
    const client = await join(server.port, { ...keeping(version, "c"), keepAlive: 1 });
    const errors: MqttError[] = [];
    client.on("disconnect", (error) => errors.push(error));
    const published = client.publish("t", "x", { qos: 1 });
    const publishes = (): Uint8Array[] => server.connections.flatMap((connection) => connection.of(PUBLISH));
    await until(() => publishes().length === 2, "it is sent again");
    expect(errors.map(({ message }) => message)).toEqual(["no connection: the server is silent"]);
    const [first, second] = publishes().map((bytes) => readPublish(version, bytes));
    expect([first.dup, second.dup, second.id, second.payload]).toEqual([false, true, first.id, "x"]);
    server.last.send(puback(first.id));
    await published;
  });

  test("thousands of acknowledgements of what was never sent", async () => {
    const { connection, server, client, errors, memory } = await establish(version);
    const count = 5000;
    const ids = Array.from({ length: count }, (_, i) => i + 1);
    for (const id of ids) connection.send(puback(id), pubcomp(id), packet(9, 0, u16(id), none(version), [0]));
    connection.onPacket = (packet) => {
      if (packet[0] >> 4 === PUBLISH) connection.send(puback(readPublish(version, packet).id));
    };
    await client.publish("t", "x", { qos: 1 });
    expect(server.connections).toHaveLength(1);
    expect(errors).toEqual([]);
    memory.expectWhole();
    // The Packet Identifiers of both are answered, by the thousand too.
    for (const id of ids) connection.send(pubrec(id), pubrel(id));
    await until(() => connection.of(PUBCOMP).length === count && connection.of(PUBREL).length === count, "all came");
    const reason = version === 5 ? 0x92 : 0;
    for (const type of [PUBREL, PUBCOMP]) {
      const answers = connection.of(type).map((packet) => readAcknowledgement(version, type, packet));
      expect(answers.map(({ id }) => id)).toEqual(ids);
      expect(new Set(answers.map((answer) => answer.reason))).toEqual(new Set([reason]));
    }
    expect(errors).toEqual([]);
    memory.expectWhole();
  });

  test("an acknowledgement that does not fit what was sent is passed over", async () => {
    const { connection, client, errors } = await establish(version);
    const published = client.publish("t", "x", { qos: 2 });
    await until(() => connection.of(PUBLISH).length === 1, "PUBLISH came");
    const { id } = readPublish(version, connection.of(PUBLISH)[0]);
    connection.send(puback(id), pubcomp(id));
    connection.send(pubrec(id));
    await until(() => connection.of(PUBREL).length === 1, "PUBREL came");
    expect(client.unpublished).toBe(1);
    connection.send(pubcomp(id));
    await published;
    expect(errors).toEqual([]);
  });

  test("QoS 2 that is sent again and again is given once", async () => {
    const { connection, client, memory } = await establish(version);
    const got: string[] = [];
    client.on("message", ({ payload }) => got.push(payload.toString()));
    for (let i = 0; i < 500; i++) connection.send(publish({ level: version, topic: "t", qos: 2, id: 7, payload: "x" }));
    connection.send(pubrel(7));
    await until(() => connection.of(PUBCOMP).length === 1, "PUBCOMP came");
    expect(got).toEqual(["x"]);
    memory.expectWhole();
  });

  test("a server that ends each connection at once is tried again after the back-off only", async () => {
    const server = await ScriptedServer.start((connection, count) => {
      if (count > 1) connection.socket.destroy();
      else afterConnect(connack(version))(connection, count);
    });
    const backOff = { ...limits, reconnectMilliseconds: 40, reconnectMostMilliseconds: 320 };
    const client = await join(server.port, { version, limits: backOff });
    const began = performance.now();
    server.last.socket.destroy();
    await until(() => server.connections.length === 8, "it was tried 7 times");
    // Half of 40, 80, 160, 320, 320, 320 and 320 at least.
    expect(performance.now() - began).toBeGreaterThanOrEqual(780 - 1);
    expect(client.connected).toBe(false);
  });
});

describe("after CONNACK, version 5", () => {
  test("a PUBLISH larger than the Maximum Packet Size that was announced", async () => {
    const small = { ...limits, packetBytes: 256 };
    const { connection, server, errors, client, memory } = await establish(5, { limits: small });
    const got: number[] = [];
    client.on("message", ({ payload }) => got.push(payload.length));
    const head = publish({ level: 5, topic: "t", qos: 0 }).length;
    connection.send(publish({ level: 5, topic: "t", payload: "x".repeat(256 - head - 1) })); // one byte more of length
    await until(() => got.length === 1, "what just fits came");
    connection.send(publish({ level: 5, topic: "t", payload: "x".repeat(256 - head) }));
    await until(() => server.connections.length >= 2 && client.connected, "it is back");
    expect(errors[0].reasonCode).toBe(0x95);
    expect(readDisconnect(connection.of(DISCONNECT)[0]).reason).toBe(0x95);
    expect(got).toEqual([256 - head - 1]);
    memory.expectWhole();
  });

  test("a SUBACK larger than stageBytes", async () => {
    const { connection, errors } = await establish(5);
    connection.send([0x90, 0x81, 0x80, 0x04]);
    await until(() => errors.length > 0, "it is noticed");
    expect(errors[0].reasonCode).toBe(0x95);
  });

  test("more than the Receive Maximum, where that is held to", async () => {
    const strict = { ...limits, receiveMaximum: 4, receiveShared: 0 };
    const { connection, server, errors, client } = await establish(5, { limits: strict });
    await until(() => connection.packets.length > 0, "CONNECT came");
    for (let id = 1; id <= 5; id++) connection.send(publish({ level: 5, topic: "t", qos: 2, id }));
    await until(() => server.connections.length >= 2 && client.connected, "it is back");
    expect(errors[0].reasonCode).toBe(0x93);
  });

  test("what has a longer topic or more properties than there is room for is refused with 0x97", async () => {
    const { connection, client, errors, memory } = await establish(5, { limits: { ...limits, topicBytes: 64 } });
    const got: string[] = [];
    client.on("message", ({ topic }) => got.push(topic));
    const long = "t".repeat(65);
    connection.send(publish({ level: 5, topic: long, qos: 1, id: 1 }));
    connection.send(publish({ level: 5, topic: long, qos: 2, id: 2 }));
    connection.send(publish({ level: 5, topic: long, qos: 0 }));
    const properties = property.user("name", "x".repeat(9000));
    connection.send(publish({ level: 5, topic: "t", qos: 1, id: 3, properties }));
    connection.send(publish({ level: 5, topic: "after", qos: 1, id: 4 }));
    await until(() => connection.of(PUBACK).length === 3, "all are answered");
    const answers = [PUBACK, PUBREC].flatMap((type) =>
      connection.of(type).map((packet) => readAcknowledgement(5, type, packet)),
    );
    expect(answers.map(({ id, reason }) => [id, reason])).toEqual([
      [1, 0x97],
      [3, 0x97],
      [4, 0],
      [2, 0x97],
    ]);
    expect(got).toEqual(["after"]);
    expect(errors).toEqual([]);
    memory.expectWhole();
  });

  test("DISCONNECT with a Reason String and a Server Reference", async () => {
    const { connection, server, errors, client } = await establish(5);
    const list = [...property.reasonString("gone east"), ...property.serverReference("east.example")];
    connection.send(disconnect(0x9d, list));
    await until(() => server.connections.length >= 2 && client.connected, "it is back");
    expect([errors[0].reasonCode, errors[0].reasonString]).toEqual([0x9d, "gone east"]);
    expect(errors[0].message).toBe("no connection: Server moved (0x9d)");
  });

  test("refusals with a Reason String: of PUBACK, PUBREC and SUBACK", async () => {
    const { connection, client } = await establish(5);
    const list = property.reasonString("because");
    connection.onPacket = (bytes) => {
      if (bytes[0] >> 4 === PUBLISH) {
        const { id, qos } = readPublish(5, bytes);
        connection.send(qos === 1 ? puback(id, 0x97, list) : pubrec(id, 0x87, list));
      } else if (bytes[0] >> 4 === SUBSCRIBE) {
        connection.send(packet(9, 0, [bytes[2], bytes[3]], properties(list), [0x8f]));
      }
    };
    const refused = (code: number): unknown => expect.objectContaining({ reasonCode: code, reasonString: "because" });
    await expect(client.publish("t", "", { qos: 1 })).rejects.toEqual(refused(0x97));
    await expect(client.publish("t", "", { qos: 2 })).rejects.toEqual(refused(0x87));
    await expect(client.subscribe("t")).rejects.toEqual(refused(0x8f));
    expect(client.unpublished).toBe(0);
  });

  test("Topic Aliases of the server, which end with the connection", async () => {
    const { connection, client, errors, server } = await establish(5);
    const got: string[] = [];
    client.on("message", ({ topic, payload }) => got.push(`${topic} ${payload}`));
    const aliased = (topic: string, alias: number, payload: string): number[] =>
      publish({ level: 5, topic, payload, properties: property.topicAlias(alias) });
    connection.send(aliased("one", 1, "a"), aliased("two", 16, "b"), aliased("", 1, "c"), aliased("", 16, "d"));
    connection.send(aliased("three", 1, "e"), aliased("", 1, "f"));
    await until(() => got.length === 6, "all came");
    expect(got).toEqual(["one a", "two b", "one c", "two d", "three e", "three f"]);
    for (const [bytes, code] of [
      [aliased("t", 17, ""), 0x94],
      [aliased("t", 0, ""), 0x94],
      [aliased("", 1, ""), 0x82], // known on the first connection only
    ] as const) {
      const before = errors.length;
      const count = server.connections.length;
      server.last.send(bytes);
      await until(() => server.connections.length > count && client.connected, "it is back");
      expect(errors.slice(before).map(({ reasonCode }) => reasonCode)).toEqual([code]);
    }
    expect(got).toHaveLength(6);
  });

  test("what the server said is in `server`", async () => {
    const { client } = await establish(5, { keepAlive: 60 }, [
      ...property.receiveMaximum(7),
      ...property.maximumQoS(1),
      ...property.retainAvailable(0),
      ...property.maximumPacketSize(1000),
      ...property.topicAliasMaximum(3),
      ...property.wildcardSubscriptionAvailable(0),
      ...property.subscriptionIdentifierAvailable(0),
      ...property.sharedSubscriptionAvailable(0),
      ...property.sessionExpiry(9),
      ...property.serverKeepAlive(30),
      ...property.assignedClientIdentifier("yours"),
      ...property.reasonString("welcome"),
      ...property.responseInformation("answers/"),
      ...property.serverReference("other.example"),
      ...property.user("a", "1"),
      ...property.user("a", "2"),
    ]);
    expect(client.server).toEqual({
      sessionPresent: false,
      keepAlive: 30,
      receiveMaximum: 7,
      maximumQoS: 1,
      retainAvailable: false,
      maximumPacketSize: 1000,
      topicAliasMaximum: 3,
      wildcardSubscriptionAvailable: false,
      subscriptionIdentifierAvailable: false,
      sharedSubscriptionAvailable: false,
      sessionExpiry: 9,
      reasonString: "welcome",
      responseInformation: "answers/",
      serverReference: "other.example",
      userProperties: [
        ["a", "1"],
        ["a", "2"],
      ],
    });
    expect(client.clientId).toBe("yours");
    await expect(client.publish("t", "", { qos: 2 })).rejects.toThrow("does not support");
    await expect(client.publish("t", "", { qos: 1, retain: true })).rejects.toThrow("does not support");
    await expect(client.publish("t", "x".repeat(1000), { qos: 1 })).rejects.toMatchObject({ reasonCode: 0x95 });
  });
});

/** Properties of a SUBACK without any. */
function none(version: Level): number[] {
  return version === 5 ? [0] : [];
}
