// Every packet type against mqtt-packet, a codec that has nothing in common with this one: what it writes is read here
// with the same values, whole and in any pieces; what is written here it reads with the same values.

import { deepStrictEqual } from "node:assert/strict"; // where `expect` would take most of the time
import fc from "fast-check";
import { generate, type Packet } from "mqtt-packet";
import { beforeEach, describe, expect, test } from "vitest";
import { PacketType, ReasonCode, Version } from "../../src/mqtt/constants";
import {
  ACK_BYTES,
  CONNACK_BYTES,
  fixedHeaderLength,
  publishHeader,
  writeAcknowledgement,
  writeConnack,
  writeConnack311,
  writeDisconnect,
  writeFiltersAck,
  writePing,
} from "../../src/mqtt/encoder";
import { type ConnectFields, writeAuth, writeConnect, writeFilterRequest } from "../../src/mqtt/requests";
import { Codec, type Plain, plain, plainPacket } from "../support/codec";
import { bytesOf, type Fixture, fixtures, fixtureTitle, parsePacket } from "../support/fixtures";
import { ascii, type Level, packet, properties, property, string } from "../support/packets";
import { isLong, runs } from "../support/random";

let codec = new Codec();
beforeEach(() => {
  codec = new Codec();
});

/** What this codec is to read of the bytes, according to mqtt-packet. */
function expected(level: Level, bytes: Uint8Array): Plain {
  const { cmd, retain, qos, dup, topic, payload, ...rest } = plainPacket(parsePacket(level, bytes));
  const found = rest.properties as Plain | undefined;
  switch (cmd) {
    case "publish":
      return { cmd, topic, qos, dup, retain, payload, ...rest };
    case "connect": {
      const { bridgeMode: _, ...fields } = rest;
      if (level !== 5) return { cmd, ...fields };
      if (fields.will) fields.will = { properties: {}, ...(fields.will as Plain) };
      return {
        cmd,
        ...fields,
        properties: {
          sessionExpiryInterval: found?.sessionExpiryInterval ?? 0,
          receiveMaximum: found?.receiveMaximum ?? 65_535,
          maximumPacketSize: found?.maximumPacketSize ?? 0,
          topicAliasMaximum: found?.topicAliasMaximum ?? 0,
          requestProblemInformation: found?.requestProblemInformation ?? true,
          hasAuthenticationMethod: found?.authenticationMethod !== undefined,
        },
      };
    }
    case "subscribe":
    case "unsubscribe":
      return only({ cmd, ...rest }, "subscriptionIdentifier");
    case "pingreq":
      return { cmd };
    default: {
      const fields = only({ cmd, ...rest }, "sessionExpiryInterval");
      return level === 5 ? { reasonCode: 0, ...fields } : fields;
    }
  }
}

/** Without the properties that nobody asks for. */
function only(fields: Plain, name: string): Plain {
  const { properties: all, ...rest } = fields;
  const value = (all as Plain | undefined)?.[name];
  return value === undefined ? rest : { ...rest, properties: { [name]: value } };
}

describe("what mqtt-packet writes", () => {
  describe.each(fixtures.map((fixture) => [fixtureTitle(fixture), fixture] as const))("%s", (_, fixture) => {
    const { level } = fixture;
    const bytes = bytesOf(fixture);

    test("it reads back itself", () => {
      const { payload, ...wanted } = plain(fixture.packet) as Plain;
      const read = plainPacket(parsePacket(level, bytes));
      expect(read).toMatchObject(wanted);
      if (typeof payload === "string" && !Buffer.isBuffer((fixture.packet as { payload: unknown }).payload)) {
        expect(read.payload).toBe(Buffer.from(payload).toString("hex"));
      } else if (payload !== undefined) expect(read.payload).toBe(payload);
    });

    test("is read with the same values", () => {
      expect(codec.read(level, bytes)).toEqual(expected(level, bytes));
    });

    test("is read with the same values in two pieces, and in three when it is short", () => {
      const whole = codec.read(level, bytes);
      const step = bytes.length < 2000 ? 1 : isLong ? 89 : 997;
      for (let first = 1; first < bytes.length; first += step) {
        deepStrictEqual(codec.read(level, bytes, [first, bytes.length]), whole, `split at ${first}`);
        if (bytes.length > 64) continue;
        for (let second = first + 1; second < bytes.length; second++) {
          deepStrictEqual(
            codec.read(level, bytes, [first, second, bytes.length]),
            whole,
            `split at ${first}, ${second}`,
          );
        }
      }
    });

    test("is read with the same values in pieces of any size", () => {
      const whole = codec.read(level, bytes);
      for (const size of [1, 2, 3, 5, 7, 31, 32, 33, 64, 1000]) {
        if (bytes.length / size > 3000 && !isLong) continue;
        const ends: number[] = [];
        for (let end = size; end < bytes.length; end += size) ends.push(end);
        deepStrictEqual(codec.read(level, bytes, [...ends, bytes.length]), whole, `pieces of ${size}`);
      }
    });
  });

  const text = (maxLength: number) => fc.string({ unit: "grapheme", minLength: 1, maxLength });
  const blob = fc.uint8Array({ maxLength: 40 }).map((it) => Buffer.from(it));
  const optional = <T>(it: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(it, { nil: undefined });
  const uint32 = fc.integer({ min: 0, max: 0xffffffff });
  const userProperties = fc.dictionary(
    text(9).filter((key) => key !== "__proto__"),
    fc.oneof(text(9), fc.array(text(5), { minLength: 2, maxLength: 3 })),
    { minKeys: 1, maxKeys: 4, noNullPrototype: true }, // of none, mqtt-packet writes a wrong length
  );

  /** Without the fields that are undefined. */
  const defined = <T extends object>(it: T): T =>
    Object.fromEntries(Object.entries(it).filter(([, v]) => v !== undefined)) as T;

  const publishProperties = fc
    .record({
      payloadFormatIndicator: optional(fc.boolean()),
      messageExpiryInterval: optional(uint32),
      contentType: optional(text(20)),
      responseTopic: optional(text(20).map((it) => it.replaceAll(/[+#]/g, "-"))),
      correlationData: optional(blob),
      userProperties: optional(userProperties),
    })
    .map(defined);

  const anyPublish = fc
    .record({
      level: fc.constantFrom<Level>(4, 5),
      topic: text(40).map((it) => it.replaceAll(/[+#]/g, "-")),
      payload: fc.uint8Array({ maxLength: 200 }).map((it) => Buffer.from(it)),
      qos: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
      dup: fc.boolean(),
      retain: fc.boolean(),
      messageId: fc.integer({ min: 1, max: 65_535 }),
      properties: publishProperties,
    })
    .map(({ level, properties: list, ...rest }): Fixture => {
      const fields = { cmd: "publish", ...rest, dup: rest.dup && rest.qos > 0 } as const;
      return {
        title: "any PUBLISH",
        level,
        packet: (level === 5 ? { ...fields, properties: list } : fields) as Packet,
      };
    });

  const anyConnect = fc
    .record({
      level: fc.constantFrom<Level>(3, 4, 5),
      clientId: text(20),
      clean: fc.boolean(),
      keepalive: fc.integer({ min: 0, max: 65_535 }),
      username: optional(text(12)),
      password: optional(blob),
      will: optional(
        fc.record({
          topic: text(20).map((it) => it.replaceAll(/[+#]/g, "-")),
          payload: blob,
          qos: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
          retain: fc.boolean(),
          properties: fc
            .tuple(publishProperties, fc.record({ willDelayInterval: optional(uint32) }))
            .map(([a, b]) => defined({ ...a, ...b })),
        }),
      ),
      properties: fc
        .record({
          sessionExpiryInterval: optional(uint32),
          receiveMaximum: optional(fc.integer({ min: 1, max: 65_535 })),
          maximumPacketSize: optional(fc.integer({ min: 1, max: 0xffffffff })),
          topicAliasMaximum: optional(fc.integer({ min: 0, max: 65_535 })),
          requestProblemInformation: optional(fc.boolean()),
          requestResponseInformation: optional(fc.boolean()),
          userProperties: optional(userProperties),
          authenticationMethod: optional(text(9)),
        })
        .map(defined),
    })
    .map(({ level, ...rest }): Fixture => {
      const { username, will, properties: list, ...fields } = defined(rest);
      const it: Plain = {
        cmd: "connect",
        protocolId: level === 3 ? "MQIsdp" : "MQTT",
        protocolVersion: level,
        ...fields,
      };
      if (level === 5) it.properties = list;
      if (username !== undefined) it.username = username;
      else delete it.password; // mqtt-packet writes none without User Name
      if (will !== undefined) {
        const { properties: willProperties, ...plainWill } = will;
        it.will = level === 5 ? { ...plainWill, properties: willProperties } : plainWill;
      }
      return { title: "any CONNECT", level, packet: it as unknown as Packet };
    });

  test("of any PUBLISH and CONNECT is read with the same values, in any pieces", () => {
    const cuts = fc.array(fc.nat(), { maxLength: 6 });
    fc.assert(
      fc.property(fc.oneof(anyPublish, anyConnect), cuts, (fixture, at) => {
        const bytes = bytesOf(fixture);
        const ends = at.map((it) => 1 + (it % bytes.length)).sort((a, b) => a - b);
        deepStrictEqual(
          codec.read(fixture.level, bytes, [...new Set([...ends, bytes.length])]),
          expected(fixture.level, bytes),
        );
      }),
      runs(2000),
    );
  });
});

/** What `write` writes at an offset, from memory in which everything around it stays as it was. */
function written(write: (u8: Uint8Array, at: number) => number): Uint8Array {
  const u8 = new Uint8Array(700).fill(0xee);
  const at = 300;
  const before = u8.slice(0, at);
  const end = write(u8, at);
  expect(u8.slice(0, at)).toEqual(before);
  expect([...u8.subarray(end)].every((byte) => byte === 0xee)).toBe(true);
  return u8.slice(at, end);
}

describe("what is written here", () => {
  describe("CONNACK", () => {
    const least = {
      receiveMaximum: 1,
      maximumPacketSize: 128,
      sessionExpiry: 0,
      sessionExpiryDiffers: false,
      serverKeepAlive: -1,
      assignedAt: 0,
      assignedLength: 0,
    };

    test.each([false, true])("of 5.0, Session Present %s", (sessionPresent) => {
      for (const sessionExpiryDiffers of [false, true]) {
        for (const serverKeepAlive of [-1, 0, 65_535]) {
          for (const assignedLength of [0, 1, 23, 100, 116, 128, 255]) {
            const id = "i".repeat(assignedLength);
            const given = { ...least, receiveMaximum: 65_535, maximumPacketSize: 268_435_455, assignedLength };
            const bytes = written((u8, at) => {
              u8.set(ascii(id), 20);
              const length = writeConnack(u8, at, sessionPresent, ReasonCode.Success, {
                ...given,
                assignedAt: 20,
                sessionExpiryDiffers,
                sessionExpiry: 0xfffffffe,
                serverKeepAlive,
              });
              u8.fill(0xee, 20, 20 + assignedLength);
              return length;
            });
            expect(bytes.length).toBeLessThanOrEqual(CONNACK_BYTES + assignedLength);
            const wanted: Plain = {
              receiveMaximum: 65_535,
              maximumPacketSize: 268_435_455,
              sharedSubscriptionAvailable: false,
            };
            if (sessionExpiryDiffers) wanted.sessionExpiryInterval = 0xfffffffe;
            if (serverKeepAlive >= 0) wanted.serverKeepAlive = serverKeepAlive;
            if (assignedLength > 0) wanted.assignedClientIdentifier = id;
            const read = plainPacket(parsePacket(5, bytes));
            expect(read).toMatchObject({ cmd: "connack", sessionPresent, reasonCode: 0 });
            expect(read.properties).toEqual(wanted);
          }
        }
      }
    });

    test("of 5.0 that refuses", () => {
      for (const reasonCode of [0x80, 0x81, 0x84, 0x85, 0x87, 0x89, 0x8c, 0x95, 0x97]) {
        const bytes = written((u8, at) => writeConnack(u8, at, false, reasonCode, { ...least, assignedLength: 9 }));
        expect(plainPacket(parsePacket(5, bytes))).toMatchObject({ cmd: "connack", sessionPresent: false, reasonCode });
        expect([...bytes]).toEqual(packet(2, 0, [0, reasonCode], properties()));
      }
    });

    test("of 3.1 and 3.1.1", () => {
      for (const sessionPresent of [false, true]) {
        for (let returnCode = 0; returnCode <= 5; returnCode++) {
          const bytes = written((u8, at) => writeConnack311(u8, at, sessionPresent, returnCode));
          expect(plainPacket(parsePacket(4, bytes))).toMatchObject({ cmd: "connack", sessionPresent, returnCode });
        }
      }
    });
  });

  const types = { PUBACK: [0, 0x10, 0x97], PUBREC: [0, 0x10, 0x97], PUBREL: [0, 0x92], PUBCOMP: [0, 0x92] } as const;

  test.each(Object.keys(types) as (keyof typeof types)[])("%s", (name) => {
    const type = {
      PUBACK: PacketType.PUBACK,
      PUBREC: PacketType.PUBREC,
      PUBREL: PacketType.PUBREL,
      PUBCOMP: PacketType.PUBCOMP,
    }[name];
    for (const messageId of [1, 255, 256, 65_535]) {
      for (const reasonCode of types[name]) {
        const bytes = written((u8, at) => writeAcknowledgement(u8, at, type, messageId, reasonCode));
        const read = plainPacket(parsePacket(5, bytes));
        expect(read).toMatchObject({ cmd: name.toLowerCase(), messageId, reasonCode });
        expect(bytes.length).toBeLessThanOrEqual(ACK_BYTES);
        if (reasonCode === 0) expect(parsePacket(4, bytes)).toMatchObject({ cmd: name.toLowerCase(), messageId });
      }
    }
  });

  test("PINGREQ and PINGRESP", () => {
    for (const [type, cmd] of [
      [PacketType.PINGREQ, "pingreq"],
      [PacketType.PINGRESP, "pingresp"],
    ] as const) {
      expect(
        parsePacket(
          4,
          written((u8, at) => writePing(u8, at, type)),
        ),
      ).toMatchObject({ cmd });
    }
  });

  test("DISCONNECT", () => {
    for (const reasonCode of [0, 0x04, 0x81, 0x82, 0x8b, 0x8e, 0x93, 0x95, 0x97]) {
      const bytes = written((u8, at) => writeDisconnect(u8, at, reasonCode));
      expect(bytes.length).toBeLessThanOrEqual(ACK_BYTES);
      expect(plainPacket(parsePacket(5, bytes))).toMatchObject({
        cmd: "disconnect",
        ...(reasonCode && { reasonCode }),
      });
    }
    expect(
      parsePacket(
        4,
        written((u8, at) => writeDisconnect(u8, at, 0)),
      ),
    ).toMatchObject({ cmd: "disconnect" });
  });

  test.each([4, 5] as const)("SUBACK and UNSUBACK at level %i", (level) => {
    for (const count of [1, 2, 120, 125, 126, 127, 128, 300]) {
      const granted = Array.from({ length: count }, (_, i) => [0, 1, 2, 0x80][i % 4]);
      const write = (type: PacketType.SUBACK | PacketType.UNSUBACK, codes: number[]): Uint8Array =>
        written((u8, at) => {
          const end = writeFiltersAck(u8, at, type, 513, codes.length, level as Version);
          expect(end - at).toBeLessThanOrEqual(8);
          u8.set(codes, end);
          return end + codes.length;
        });
      const suback = write(PacketType.SUBACK, granted);
      expect(plainPacket(parsePacket(level, suback))).toMatchObject({ cmd: "suback", messageId: 513, granted });
      const unsuback = write(PacketType.UNSUBACK, level === 5 ? granted.map((it) => it && 0x11) : []);
      expect(plainPacket(parsePacket(level, unsuback))).toMatchObject({ cmd: "unsuback", messageId: 513 });
    }
  });

  test("the fixed header of PUBLISH", () => {
    for (const qos of [0, 1, 2]) {
      for (const retain of [false, true]) {
        for (const dup of [false, true]) {
          const first = publishHeader(qos, retain, dup);
          expect(first >> 4).toBe(PacketType.PUBLISH);
          const body = [...string("t"), ...(qos > 0 ? [0, 1] : [])];
          const read = parsePacket(4, Uint8Array.from([first, body.length, ...body]));
          expect(read).toMatchObject({ cmd: "publish", qos, retain, dup: dup && qos > 0 });
        }
      }
    }
    for (const [remaining, length] of [
      [0, 2],
      [127, 2],
      [128, 3],
      [16_383, 3],
      [16_384, 4],
      [2_097_151, 4],
      [2_097_152, 5],
    ]) {
      expect(fixedHeaderLength(remaining)).toBe(length);
    }
  });

  describe("for a server to read", () => {
    /** Texts and bytes in memory, one behind the other. */
    class Memory {
      at = codec.input;

      put(bytes: readonly number[]): { at: number; length: number } {
        const { at } = this;
        codec.layout.u8.set(bytes, at);
        this.at += bytes.length;
        return { at, length: bytes.length };
      }
    }

    test.each([3, 4, 5] as const)("CONNECT at level %i", (level) => {
      const { layout, output } = codec;
      const bits = [0x02, 0x04, 0x0c, 0x14, 0x24, 0x80, 0xc0, 0xf6]; // clean, will and its QoS and retain, user, password
      for (const flags of [0, ...bits, 0xc2, 0xee]) {
        const memory = new Memory();
        const id = memory.put(ascii("client"));
        const topic = memory.put(ascii("will/topic"));
        const payload = memory.put([0, 255, 1]);
        const user = memory.put(ascii("üser"));
        const password = memory.put([1, 0]);
        const list = memory.put(property.sessionExpiry(7));
        const willList = memory.put([...property.willDelay(3), ...property.user("a", "b")]);
        const fields: ConnectFields = {
          version: level as Version,
          flags,
          keepAlive: 300,
          propertiesAt: list.at,
          propertiesLength: list.length,
          clientIdAt: id.at,
          clientIdLength: id.length,
          willPropertiesAt: willList.at,
          willPropertiesLength: willList.length,
          willTopicAt: topic.at,
          willTopicLength: topic.length,
          willPayloadAt: payload.at,
          willPayloadLength: payload.length,
          userNameAt: user.at,
          userNameLength: user.length,
          passwordAt: password.at,
          passwordLength: password.length,
        };
        const end = writeConnect(layout.u8, output, fields);
        const bytes = layout.u8.slice(output, end);
        const read = plainPacket(parsePacket(level, bytes));
        const wanted: Plain = {
          cmd: "connect",
          protocolId: level === 3 ? "MQIsdp" : "MQTT",
          protocolVersion: level,
          clean: (flags & 2) !== 0,
          keepalive: 300,
          clientId: "client",
        };
        if (level === 5) wanted.properties = { sessionExpiryInterval: 7 };
        if ((flags & 4) !== 0) {
          const will: Plain = {
            topic: "will/topic",
            payload: "00ff01",
            qos: (flags >> 3) & 3,
            retain: (flags & 32) !== 0,
          };
          if (level === 5) will.properties = { willDelayInterval: 3, userProperties: { a: "b" } };
          wanted.will = will;
        }
        if ((flags & 0x80) !== 0) wanted.username = "üser";
        if ((flags & 0x40) !== 0) wanted.password = "0100";
        expect(read).toMatchObject(wanted);
        expect(codec.read(level, bytes)).toEqual(expected(level, bytes));
      }
    });

    test.each([4, 5] as const)("SUBSCRIBE and UNSUBSCRIBE at level %i", (level) => {
      const { layout, output } = codec;
      for (const length of [1, 100, 120, 128, 290]) {
        const topic = "f".repeat(length);
        for (const options of level === 5 ? [0, 1, 0x2e, -1] : [0, 2, -1]) {
          const memory = new Memory();
          const filter = memory.put(ascii(topic));
          const list = memory.put(options >= 0 ? property.subscriptionIdentifier(300) : property.user("a", "b"));
          const v = level as Version;
          const end = writeFilterRequest(
            layout.u8,
            output,
            v,
            513,
            filter.at,
            filter.length,
            options,
            list.at,
            list.length,
          );
          const bytes = layout.u8.slice(output, end);
          expect(codec.read(level, bytes)).toEqual(expected(level, bytes));
          const read = plainPacket(parsePacket(level, bytes));
          if (options < 0) expect(read).toMatchObject({ cmd: "unsubscribe", messageId: 513, unsubscriptions: [topic] });
          else
            expect(read).toMatchObject({
              cmd: "subscribe",
              messageId: 513,
              subscriptions: [{ topic, qos: options & 3 }],
            });
        }
      }
    });

    test("AUTH", () => {
      const { layout, output } = codec;
      const list = new Memory().put([...property.authenticationMethod("m"), ...property.authenticationData([1, 255])]);
      const end = writeAuth(layout.u8, output, ReasonCode.ContinueAuthentication, list.at, list.length);
      const read = plainPacket(parsePacket(5, layout.u8.slice(output, end)));
      expect(read).toMatchObject({
        cmd: "auth",
        reasonCode: 0x18,
        properties: { authenticationMethod: "m", authenticationData: "01ff" },
      });
    });
  });
});

describe("what a server sends, as mqtt-packet writes it", () => {
  /** Puts the body in memory and says where. */
  function put(packetToPut: Packet, level: Level): [number, number] {
    const bytes = generate(packetToPut, { protocolVersion: level });
    const head = fixedHeaderLength(bytes.length - 2);
    codec.layout.u8.set(bytes, codec.input);
    return [codec.input + head, bytes.length - head];
  }

  test("CONNACK of 5.0 with every property", () => {
    const { response } = codec;
    const list = {
      sessionExpiryInterval: 0xffffffff,
      receiveMaximum: 2,
      maximumQoS: 1,
      retainAvailable: false,
      maximumPacketSize: 1000,
      assignedClientIdentifier: "assigned",
      topicAliasMaximum: 3,
      reasonString: "why",
      userProperties: { a: "b" },
      wildcardSubscriptionAvailable: false,
      subscriptionIdentifiersAvailable: false,
      sharedSubscriptionAvailable: false,
      serverKeepAlive: 4,
      responseInformation: "r",
      serverReference: "s",
      authenticationMethod: "m",
      authenticationData: Buffer.from([1]),
    };
    const [at, length] = put({ cmd: "connack", sessionPresent: true, reasonCode: 0, properties: list }, 5);
    expect(response.readConnack(at, length, Version.V5_0)).toBe(ReasonCode.Success);
    expect(response).toMatchObject({
      sessionPresent: true,
      reasonCode: 0,
      sessionExpiry: 0xffffffff,
      receiveMaximum: 2,
      maximumQoS: 1,
      retainAvailable: 0,
      maximumPacketSize: 1000,
      topicAliasMaximum: 3,
      wildcardSubscriptionAvailable: 0,
      subscriptionIdentifierAvailable: 0,
      sharedSubscriptionAvailable: 0,
      serverKeepAlive: 4,
    });
    expect(codec.text(response.assignedAt, response.assignedLength)).toBe("assigned");
  });

  test("CONNACK without properties means the defaults", () => {
    const { response } = codec;
    for (const level of [4, 5] as const) {
      const code = level === 5 ? { reasonCode: 0x87 } : { returnCode: 5 };
      const [at, length] = put({ cmd: "connack", sessionPresent: false, ...code }, level);
      expect(response.readConnack(at, length, level as Version)).toBe(ReasonCode.Success);
      expect(response).toMatchObject({
        sessionPresent: false,
        reasonCode: level === 5 ? 0x87 : 5,
        sessionExpiry: -1,
        receiveMaximum: 65_535,
        maximumQoS: 2,
        retainAvailable: 1,
        maximumPacketSize: 0,
        topicAliasMaximum: 0,
        serverKeepAlive: -1,
        assignedLength: 0,
      });
    }
  });

  test.each([4, 5] as const)("SUBACK and UNSUBACK at level %i", (level) => {
    const { layout, response } = codec;
    const list = level === 5 ? { properties: { reasonString: "why", userProperties: { a: "b" } } } : {};
    for (const [cmd, type] of [
      ["suback", PacketType.SUBACK],
      ["unsuback", PacketType.UNSUBACK],
    ] as const) {
      const granted = cmd === "suback" ? [0, 1, 0x80] : level === 5 ? [0, 0x11] : [];
      const [at, length] = put({ cmd, messageId: 513, granted, ...list }, level);
      expect(response.readFiltersAck(at, length, type, level as Version)).toBe(ReasonCode.Success);
      expect(response.packetId).toBe(513);
      expect([...layout.u8.subarray(response.codesAt, response.codesAt + response.codeCount)]).toEqual(granted);
    }
  });
});
