// Properties [5.0 section 2.2.2]: which packet may carry which, once or repeatedly, and of which type. One table, one
// reader. The reader works on one property in one piece; the decoder sees to that.

import { readU16, readU32, readVariable } from "./bytes";
import { PacketType, Property, ReasonCode } from "./constants";
import { isUtf8, topicNameLevels } from "./utf8";

/** The type of a property's value [5.0 table 2-4]. */
const enum Type {
  None = 0,
  Byte = 1,
  TwoByteInteger = 2,
  FourByteInteger = 3,
  VariableByteInteger = 4,
  Utf8String = 5,
  BinaryData = 6,
  StringPair = 7,
}

/** Packet types as bits; the Will Properties of CONNECT count as type 0. */
export const WILL = 0;

const enum In {
  Will = 1 << 8,
  Connect = 1 << (8 + PacketType.CONNECT),
  Connack = 1 << (8 + PacketType.CONNACK),
  Publish = 1 << (8 + PacketType.PUBLISH),
  Acks = (1 << (8 + PacketType.PUBACK)) |
    (1 << (8 + PacketType.PUBREC)) |
    (1 << (8 + PacketType.PUBREL)) |
    (1 << (8 + PacketType.PUBCOMP)) |
    (1 << (8 + PacketType.SUBACK)) |
    (1 << (8 + PacketType.UNSUBACK)),
  Subscribe = 1 << (8 + PacketType.SUBSCRIBE),
  Unsubscribe = 1 << (8 + PacketType.UNSUBSCRIBE),
  Disconnect = 1 << (8 + PacketType.DISCONNECT),
  Auth = 1 << (8 + PacketType.AUTH),
}

// By identifier, 0 to 0x2A: the type of the value, the packets that may carry it, and from bit 24 on a number of its own
// by which repetition is noticed [5.0 table 2-4].
const rules: readonly number[] = Object.freeze([
  0,
  Type.Byte | In.Publish | In.Will | (0 << 24), // 0x01 Payload Format Indicator
  Type.FourByteInteger | In.Publish | In.Will | (1 << 24), // 0x02 Message Expiry Interval
  Type.Utf8String | In.Publish | In.Will | (2 << 24), // 0x03 Content Type
  0,
  0,
  0,
  0,
  Type.Utf8String | In.Publish | In.Will | (3 << 24), // 0x08 Response Topic
  Type.BinaryData | In.Publish | In.Will | (4 << 24), // 0x09 Correlation Data
  0,
  Type.VariableByteInteger | In.Publish | In.Subscribe | (5 << 24), // 0x0B Subscription Identifier
  0,
  0,
  0,
  0,
  0,
  Type.FourByteInteger | In.Connect | In.Connack | In.Disconnect | (6 << 24), // 0x11 Session Expiry Interval
  Type.Utf8String | In.Connack | (7 << 24), // 0x12 Assigned Client Identifier
  Type.TwoByteInteger | In.Connack | (8 << 24), // 0x13 Server Keep Alive
  0,
  Type.Utf8String | In.Connect | In.Connack | In.Auth | (9 << 24), // 0x15 Authentication Method
  Type.BinaryData | In.Connect | In.Connack | In.Auth | (10 << 24), // 0x16 Authentication Data
  Type.Byte | In.Connect | (11 << 24), // 0x17 Request Problem Information
  Type.FourByteInteger | In.Will | (12 << 24), // 0x18 Will Delay Interval
  Type.Byte | In.Connect | (13 << 24), // 0x19 Request Response Information
  Type.Utf8String | In.Connack | (14 << 24), // 0x1A Response Information
  0,
  Type.Utf8String | In.Connack | In.Disconnect | (15 << 24), // 0x1C Server Reference
  0,
  0,
  Type.Utf8String | In.Connack | In.Acks | In.Disconnect | In.Auth | (16 << 24), // 0x1F Reason String
  0,
  Type.TwoByteInteger | In.Connect | In.Connack | (17 << 24), // 0x21 Receive Maximum
  Type.TwoByteInteger | In.Connect | In.Connack | (18 << 24), // 0x22 Topic Alias Maximum
  Type.TwoByteInteger | In.Publish | (19 << 24), // 0x23 Topic Alias
  Type.Byte | In.Connack | (20 << 24), // 0x24 Maximum QoS
  Type.Byte | In.Connack | (21 << 24), // 0x25 Retain Available
  Type.StringPair | // 0x26 User Property
    In.Connect |
    In.Connack |
    In.Publish |
    In.Will |
    In.Acks |
    In.Subscribe |
    In.Unsubscribe |
    In.Disconnect |
    In.Auth |
    (22 << 24),
  Type.FourByteInteger | In.Connect | In.Connack | (23 << 24), // 0x27 Maximum Packet Size
  Type.Byte | In.Connack | (24 << 24), // 0x28 Wildcard Subscription Available
  Type.Byte | In.Connack | (25 << 24), // 0x29 Subscription Identifier Available
  Type.Byte | In.Connack | (26 << 24), // 0x2A Shared Subscription Available
]);

export class PropertyReader {
  /** The property read last. */
  id = 0;
  /** Its value, for integers. */
  value = 0;
  /** Where its bytes are, for strings and binary data; of a pair, the first. */
  at = 0;
  length = 0;
  /** The properties seen in this packet, as bits. The owner sets 0 when a packet begins. */
  seen = 0;
  /** What was wrong, when `read` returned 0. */
  error: ReasonCode = ReasonCode.Success;
  readonly #u8: Uint8Array;

  constructor(u8: Uint8Array) {
    this.#u8 = u8;
  }

  /** How many bytes the property at `at` needs, as far as `available` bytes tell; it is whole when they are enough. */
  need(at: number, available: number): number {
    if (available < 1) return 1;
    const u8 = this.#u8;
    const id = u8[at];
    switch (id < rules.length ? rules[id] & 0xff : Type.None) {
      case Type.None:
        return 1;
      case Type.Byte:
        return 2;
      case Type.TwoByteInteger:
        return 3;
      case Type.FourByteInteger:
        return 5;
      case Type.VariableByteInteger: {
        const integer = readVariable(u8, at + 1, at + available);
        return integer === 0 ? available + 1 : integer < 0 ? available : 1 + (integer & 7);
      }
      case Type.StringPair: {
        if (available < 3) return 3;
        const first = 3 + readU16(u8, at + 1);
        return available < first + 2 ? first + 2 : first + 2 + readU16(u8, at + first);
      }
      default:
        return available < 3 ? 3 : 3 + readU16(u8, at + 1);
    }
  }

  /**
   * Reads the property in `[at, end)` as one of packet type `packet` (or `WILL`). Returns the offset behind it, or 0
   * with `error` set: Malformed Packet for an identifier that is unknown or not this packet's and for values cut short or
   * ill formed, Protocol Error for repetition and values out of range.
   */
  read(at: number, end: number, packet: number): number {
    const u8 = this.#u8;
    this.error = ReasonCode.MalformedPacket;
    const id = u8[at];
    const rule = id < rules.length ? rules[id] : 0;
    if ((rule & (1 << (8 + packet))) === 0) return 0;
    const size = this.need(at, end - at);
    if (size > end - at) return 0;
    this.id = id;
    const value = at + 1;
    switch (rule & 0xff) {
      case Type.Byte:
        this.value = u8[value];
        break;
      case Type.TwoByteInteger:
        this.value = readU16(u8, value);
        break;
      case Type.FourByteInteger:
        this.value = readU32(u8, value);
        break;
      case Type.VariableByteInteger: {
        const integer = readVariable(u8, value, end);
        if (integer <= 0) return 0;
        this.value = integer >> 3;
        break;
      }
      case Type.StringPair: {
        this.at = at + 3;
        this.length = readU16(u8, value);
        const second = this.at + this.length;
        if (!isUtf8(u8, second + 2, readU16(u8, second))) return 0; // [MQTT-1.5.7-1]
        break;
      }
      default:
        this.at = at + 3;
        this.length = readU16(u8, value);
    }
    const type = rule & 0xff;
    if ((type === Type.Utf8String || type === Type.StringPair) && !isUtf8(u8, this.at, this.length)) return 0;
    return this.#isProper(rule >>> 24, packet) ? at + size : 0;
  }

  #isProper(number: number, packet: number): boolean {
    this.error = ReasonCode.ProtocolError;
    const bit = 1 << number;
    // User Properties repeat, and so do the Subscription Identifiers that a server sends [section 3.3.2.3.8].
    const mayRepeat =
      this.id === Property.UserProperty ||
      (this.id === Property.SubscriptionIdentifier && packet === PacketType.PUBLISH);
    if ((this.seen & bit) !== 0 && !mayRepeat) return false;
    this.seen |= bit;
    switch (this.id) {
      case Property.PayloadFormatIndicator:
      case Property.RequestProblemInformation:
      case Property.RequestResponseInformation:
      case Property.MaximumQoS:
      case Property.RetainAvailable:
      case Property.WildcardSubscriptionAvailable:
      case Property.SubscriptionIdentifierAvailable:
      case Property.SharedSubscriptionAvailable:
        return this.value <= 1;
      case Property.ReceiveMaximum:
      case Property.MaximumPacketSize:
      case Property.SubscriptionIdentifier:
        return this.value !== 0;
      case Property.TopicAlias:
        this.error = ReasonCode.TopicAliasInvalid;
        return this.value !== 0; // [MQTT-3.3.2-8]
      case Property.ResponseTopic:
        return topicNameLevels(this.#u8, this.at, this.length) > 0; // [MQTT-3.3.2-14]
      default:
        return true;
    }
  }
}
