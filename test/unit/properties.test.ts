// All 27 properties × all packets, against table 2-4 of MQTT 5.0 written out by hand; values in and out of range; and
// what the reader says of a property that has not all come.

import { describe, expect, test } from "vitest";
import { PacketType, ReasonCode } from "../../src/mqtt/constants";
import { PropertyReader, WILL } from "../../src/mqtt/properties";
import { ascii, type Bytes, property, string, u16, u32, variable } from "../support/packets";

const MalformedPacket = ReasonCode.MalformedPacket;
const ProtocolError = ReasonCode.ProtocolError;
const TopicAliasInvalid = ReasonCode.TopicAliasInvalid;

// The columns of the table: Will, then CONNECT (1) to AUTH (15) without PINGREQ and PINGRESP, which have no properties.
const columns = "W 1 2 3 4 5 6 7 8 9 10 11 14 15".split(" ");
const packetOf = (column: string): number => (column === "W" ? WILL : Number(column));

const ACKS = "4 5 6 7 9 11";

// identifier, name, a value, the packets that may carry it
const table: readonly (readonly [number, string, Bytes, string])[] = [
  [0x01, "Payload Format Indicator", property.payloadFormat(1), "W 3"],
  [0x02, "Message Expiry Interval", property.messageExpiry(0xfedcba98), "W 3"],
  [0x03, "Content Type", property.contentType("text/é"), "W 3"],
  [0x08, "Response Topic", property.responseTopic("a/b"), "W 3"],
  [0x09, "Correlation Data", property.correlationData([0, 255, 128]), "W 3"],
  [0x0b, "Subscription Identifier", property.subscriptionIdentifier(268_435_455), "3 8"],
  [0x11, "Session Expiry Interval", property.sessionExpiry(0xffffffff), "1 2 14"],
  [0x12, "Assigned Client Identifier", property.assignedClientIdentifier("id"), "2"],
  [0x13, "Server Keep Alive", property.serverKeepAlive(65_535), "2"],
  [0x15, "Authentication Method", property.authenticationMethod("m"), "1 2 15"],
  [0x16, "Authentication Data", property.authenticationData([0xff]), "1 2 15"],
  [0x17, "Request Problem Information", property.requestProblemInformation(0), "1"],
  [0x18, "Will Delay Interval", property.willDelay(1), "W"],
  [0x19, "Request Response Information", property.requestResponseInformation(1), "1"],
  [0x1a, "Response Information", property.responseInformation("r"), "2"],
  [0x1c, "Server Reference", property.serverReference("s"), "2 14"],
  [0x1f, "Reason String", property.reasonString("why"), `2 ${ACKS} 14 15`],
  [0x21, "Receive Maximum", property.receiveMaximum(1), "1 2"],
  [0x22, "Topic Alias Maximum", property.topicAliasMaximum(0), "1 2"],
  [0x23, "Topic Alias", property.topicAlias(65_535), "3"],
  [0x24, "Maximum QoS", property.maximumQoS(1), "2"],
  [0x25, "Retain Available", property.retainAvailable(0), "2"],
  [0x26, "User Property", property.user("name", "value"), columns.join(" ")],
  [0x27, "Maximum Packet Size", property.maximumPacketSize(1), "1 2"],
  [0x28, "Wildcard Subscription Available", property.wildcardSubscriptionAvailable(0), "2"],
  [0x29, "Subscription Identifier Available", property.subscriptionIdentifierAvailable(1), "2"],
  [0x2a, "Shared Subscription Available", property.sharedSubscriptionAvailable(1), "2"],
];

const AT = 5;

class Rig {
  readonly memory = new Uint8Array(100).fill(0x01); // what lies behind a property must not matter
  readonly reader = new PropertyReader(this.memory);

  put(bytes: Bytes): this {
    this.memory.set(bytes, AT);
    return this;
  }

  /** Reads `bytes` as one property of a packet; returns 0 or the offset behind it. */
  read(bytes: Bytes, packet: number, end = AT + bytes.length): number {
    return this.put(bytes).reader.read(AT, end, packet);
  }

  error(bytes: Bytes, packet: number): ReasonCode | "none" {
    return this.read(bytes, packet) === 0 ? this.reader.error : "none";
  }
}

/** A packet that may carry the property. */
function home(id: number): number {
  return packetOf(table.find((row) => row[0] === id)![3].split(" ")[0]);
}

test("the table has all 27", () => {
  expect(table.length).toBe(27);
  expect(new Set(table.map(([id]) => id)).size).toBe(27);
});

/** The identifier as the standard writes it, for titles. */
const hex = (id: number): string => `0x${id.toString(16).padStart(2, "0").toUpperCase()}`;

describe.each(table.map((row) => [`${hex(row[0])} ${row[1]}`, ...row] as const))(
  "%s",
  (_title, id, _, bytes, packets) => {
    const allowed = packets.split(" ");

    test("is read in the packets that may carry it, and malformed in all others", () => {
      for (let packet = 0; packet <= 15; packet++) {
        const isAllowed = allowed.includes(packet === WILL ? "W" : String(packet));
        const rig = new Rig();
        expect(rig.read(bytes, packet), `packet ${packet}`).toBe(isAllowed ? AT + bytes.length : 0);
        if (isAllowed) expect(rig.reader.id).toBe(id);
        else expect(rig.reader.error).toBe(MalformedPacket);
      }
    });

    test("has its value", () => {
      const rig = new Rig();
      rig.read(bytes, home(id));
      const { reader, memory } = rig;
      const value = bytes.slice(1);
      if ([0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2a].includes(id)) expect([reader.value]).toEqual(value);
      else if ([0x13, 0x21, 0x22, 0x23].includes(id)) expect(u16(reader.value)).toEqual(value);
      else if ([0x02, 0x11, 0x18, 0x27].includes(id)) expect(u32(reader.value)).toEqual(value);
      else if (id === 0x0b) expect(variable(reader.value)).toEqual(value);
      else {
        const text = [...memory.subarray(reader.at, reader.at + reader.length)];
        expect(string(text)).toEqual(id === 0x26 ? string("name") : value);
      }
    });

    test("may not come twice, unless it is a User Property, or a Subscription Identifier in PUBLISH", () => {
      for (const column of allowed) {
        const rig = new Rig();
        rig.read(bytes, packetOf(column));
        const isRepeatable = id === 0x26 || (id === 0x0b && column === "3");
        expect(rig.error(bytes, packetOf(column))).toBe(isRepeatable ? "none" : ProtocolError);
        rig.reader.seen = 0; // the next packet
        expect(rig.error(bytes, packetOf(column))).toBe("none");
      }
    });

    test("and one of any other kind do not disturb each other", () => {
      for (const [other, , otherBytes, otherPackets] of table) {
        const column = allowed.find((it) => otherPackets.split(" ").includes(it));
        if (other === id || column === undefined) continue;
        const rig = new Rig();
        expect(rig.error(otherBytes, packetOf(column))).toBe("none");
        expect(rig.error(bytes, packetOf(column))).toBe("none");
      }
    });

    test("cut short is malformed, and the reader says how much it needs", () => {
      for (let count = 1; count < bytes.length; count++) {
        const rig = new Rig().put(bytes);
        expect(rig.reader.read(AT, AT + count, home(id))).toBe(0);
        expect(rig.reader.error).toBe(MalformedPacket);
        const need = rig.reader.need(AT, count);
        expect(need).toBeGreaterThan(count);
        expect(need).toBeLessThanOrEqual(bytes.length);
      }
      const { reader } = new Rig().put(bytes);
      expect(reader.need(AT, 0)).toBe(1);
      expect(reader.need(AT, bytes.length)).toBe(bytes.length);
      expect(reader.need(AT, bytes.length + 7)).toBe(bytes.length);
    });
  },
);

test("every other identifier is malformed in every packet", () => {
  const known = table.map(([id]) => id);
  for (let id = 0; id < 256; id++) {
    if (known.includes(id)) continue;
    for (let packet = 0; packet <= 15; packet++) {
      const rig = new Rig();
      expect(rig.error([id, 1, 1, 1, 1], packet)).toBe(MalformedPacket);
      expect(rig.reader.need(AT, 5)).toBeLessThanOrEqual(5);
    }
  }
});

describe("values", () => {
  const titled = (...ids: number[]): (readonly [string, number])[] => ids.map((id) => [hex(id), id]);

  test.each(titled(0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2a))("of %s are 0 or 1", (_, id) => {
    for (let value = 0; value < 256; value++) {
      expect(new Rig().error([id, value], home(id))).toBe(value <= 1 ? "none" : ProtocolError);
    }
  });

  test.each([
    ["Receive Maximum", property.receiveMaximum(0), ProtocolError],
    ["Maximum Packet Size", property.maximumPacketSize(0), ProtocolError],
    ["Subscription Identifier", property.subscriptionIdentifier(0), ProtocolError],
    ["Topic Alias", property.topicAlias(0), TopicAliasInvalid],
    ["Message Expiry Interval", property.messageExpiry(0), "none"],
    ["Session Expiry Interval", property.sessionExpiry(0), "none"],
    ["Will Delay Interval", property.willDelay(0), "none"],
    ["Server Keep Alive", property.serverKeepAlive(0), "none"],
    ["Topic Alias Maximum", property.topicAliasMaximum(0), "none"],
  ] as const)("of 0 are known for %s", (_, bytes, error) => {
    expect(new Rig().error(bytes, home(bytes[0]))).toBe(error);
  });

  test("of a Subscription Identifier are Variable Byte Integers in their shortest form", () => {
    expect(new Rig().error([0x0b, 0x80, 0x00], PacketType.SUBSCRIBE)).toBe(MalformedPacket);
    expect(new Rig().error([0x0b, 0x81, 0x00], PacketType.SUBSCRIBE)).toBe(MalformedPacket);
    expect(new Rig().error([0x0b, 0xff, 0xff, 0xff, 0xff, 0x01], PacketType.SUBSCRIBE)).toBe(MalformedPacket);
  });

  const texts = titled(0x03, 0x08, 0x12, 0x15, 0x1a, 0x1c, 0x1f);
  const illFormed: readonly Bytes[] = [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0x61, 0], [0xe2, 0x82]];

  test.each(texts)("of %s are UTF-8", (_, id) => {
    for (const bytes of illFormed) expect(new Rig().error([id, ...string(bytes)], home(id))).toBe(MalformedPacket);
  });

  test.each(texts)("of %s may be empty, except a Response Topic", (_, id) => {
    expect(new Rig().error([id, 0, 0], home(id))).toBe(id === 0x08 ? ProtocolError : "none");
  });

  test("of a User Property are two UTF-8 texts, either may be empty", () => {
    for (const bytes of illFormed) {
      expect(new Rig().error(property.user(bytes, "v"), WILL)).toBe(MalformedPacket);
      expect(new Rig().error(property.user("n", bytes), WILL)).toBe(MalformedPacket);
    }
    expect(new Rig().error(property.user("", ""), WILL)).toBe("none");
  });

  test.each(titled(0x09, 0x16))("of %s are any bytes", (_, id) => {
    for (const bytes of [...illFormed, []]) expect(new Rig().error([id, ...string(bytes)], home(id))).toBe("none");
  });

  test("of a Response Topic have no wildcards", () => {
    for (const topic of ["a/+", "#", "a#"]) {
      expect(new Rig().error(property.responseTopic(ascii(topic)), PacketType.PUBLISH)).toBe(ProtocolError);
    }
  });
});
