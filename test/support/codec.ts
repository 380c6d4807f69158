// The codec of src/mqtt on memory of its own, and what it reads in the shape in which the package mqtt-packet gives
// packets, so that the two can be compared.

import type { Packet } from "mqtt-packet";
import { Blocks } from "../../src/memory/blocks";
import { Layout } from "../../src/memory/layout";
import { AcknowledgementReader } from "../../src/mqtt/acknowledgement";
import { ConnectReader } from "../../src/mqtt/connect";
import { ConnectFlag, PacketType, Property, ReasonCode, Version } from "../../src/mqtt/constants";
import { Decoded } from "../../src/mqtt/decoded";
import { Decoder } from "../../src/mqtt/decoder";
import { type PropertyReader, WILL } from "../../src/mqtt/properties";
import { ResponseReader } from "../../src/mqtt/responses";
import type { Level } from "./packets";

/** A packet as plain values; byte strings are hex. */
export type Plain = Record<string, unknown>;

// Names of mqtt-packet, and how it gives the value: a number, a boolean, a text, bytes.
const propertyNames: Readonly<Record<number, readonly [string, "number" | "boolean" | "text" | "bytes" | "pair"]>> = {
  [Property.PayloadFormatIndicator]: ["payloadFormatIndicator", "boolean"],
  [Property.MessageExpiryInterval]: ["messageExpiryInterval", "number"],
  [Property.ContentType]: ["contentType", "text"],
  [Property.ResponseTopic]: ["responseTopic", "text"],
  [Property.CorrelationData]: ["correlationData", "bytes"],
  [Property.SubscriptionIdentifier]: ["subscriptionIdentifier", "number"],
  [Property.SessionExpiryInterval]: ["sessionExpiryInterval", "number"],
  [Property.AuthenticationMethod]: ["authenticationMethod", "text"],
  [Property.AuthenticationData]: ["authenticationData", "bytes"],
  [Property.RequestProblemInformation]: ["requestProblemInformation", "boolean"],
  [Property.WillDelayInterval]: ["willDelayInterval", "number"],
  [Property.RequestResponseInformation]: ["requestResponseInformation", "boolean"],
  [Property.ReasonString]: ["reasonString", "text"],
  [Property.ReceiveMaximum]: ["receiveMaximum", "number"],
  [Property.TopicAliasMaximum]: ["topicAliasMaximum", "number"],
  [Property.UserProperty]: ["userProperties", "pair"],
  [Property.MaximumPacketSize]: ["maximumPacketSize", "number"],
};

/** Bytes as hex, objects without prototypes and `undefined`: what can be compared. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, it]) => it !== undefined);
  return Object.fromEntries(entries.map(([name, it]) => [name, plain(it)]));
}

/** What mqtt-packet parsed, without what is not on the wire; payloads as hex. */
export function plainPacket(packet: Packet): Plain {
  const { length: _, ...rest } = packet;
  return plain(rest) as Plain;
}

const limits = { connections: 2, topicBytes: 300, topicLevels: 40, stageBytes: 2048 };
const INPUT = 70_000;

export class Codec {
  readonly layout: Layout;
  readonly input: number;
  readonly output: number;
  readonly stage: number;
  readonly blocks: Blocks;
  readonly decoder: Decoder;
  readonly properties: PropertyReader;
  readonly connect: ConnectReader;
  readonly acknowledgement: AcknowledgementReader;
  readonly response: ResponseReader;

  constructor() {
    this.layout = new Layout(new ArrayBuffer(500_000), 4);
    this.input = this.layout.area("input", INPUT);
    this.output = this.layout.area("output", INPUT);
    this.stage = this.layout.area("stage", limits.stageBytes);
    this.blocks = new Blocks(this.layout, "blocks", 4000, 32);
    this.decoder = new Decoder(this.layout, this.blocks, limits, this.stage);
    this.layout.end();
    if (this.layout.byteLength > this.layout.u8.length) throw new Error("more memory");
    this.properties = this.decoder.properties;
    this.connect = new ConnectReader(this.layout.u8, this.properties);
    this.acknowledgement = new AcknowledgementReader(this.layout.u8, this.properties);
    this.response = new ResponseReader(this.layout.u8, this.properties);
  }

  /**
   * Reads one packet that arrives in pieces: the next piece ends at each of `ends`. Between two pieces the decoder serves
   * another connection.
   */
  read(level: Level, bytes: Uint8Array, ends: readonly number[] = [bytes.length]): Plain {
    const { decoder } = this;
    const { free } = this.blocks.pool;
    const { promised } = this.blocks;
    const filters: Plain[] = [];
    let from = 0;
    decoder.load(1);
    decoder.version = level;
    for (const end of ends) {
      if (from > 0) {
        decoder.save();
        this.#disturb();
        decoder.load(1);
        decoder.version = level;
      }
      this.layout.u8.fill(0xee, this.input, this.input + 300);
      this.layout.u8.set(bytes.subarray(from, end), this.input);
      decoder.feed(this.input, end - from);
      from = end;
      const packet = this.#next(level, filters);
      if (packet === undefined) continue;
      if (decoder.input.left > 0) throw new Error(`${decoder.input.left} bytes too many`);
      decoder.save();
      decoder.release(1);
      if (this.blocks.pool.free !== free || this.blocks.promised !== promised) throw new Error("blocks are missing");
      return packet;
    }
    throw new Error("the packet has not come to its end");
  }

  /** Feeds all input to the decoder; returns the packet when it is complete. */
  #next(level: Level, filters: Plain[]): Plain | undefined {
    const { decoder } = this;
    for (;;) {
      switch (decoder.next()) {
        case Decoded.Nothing:
          return undefined;
        case Decoded.Header:
          decoder.begin(false, this.blocks.blocksFor(decoder.remaining) + 1);
          break;
        case Decoded.Packet:
          return this.#whole(level);
        case Decoded.Publish: {
          const packet = this.#publish(level);
          decoder.finish();
          return packet;
        }
        case Decoded.Filter:
          filters.push(this.#filter(level));
          break;
        case Decoded.FiltersEnd:
          return this.#filters(level, filters);
        case Decoded.Starved:
          throw new Error("no blocks");
        default:
          decoder.release(1);
          return { error: decoder.error };
      }
    }
  }

  /** Something else on another connection. */
  #disturb(): void {
    const { decoder, layout } = this;
    const other = [0x3b, 12, 0, 3, 0x78, 0x79, 0x7a, 9, 9, 5, 0x02, 0, 0, 0, 7];
    decoder.load(2);
    decoder.version = 5;
    layout.u8.set(other, this.input);
    decoder.feed(this.input, other.length);
    if (decoder.next() !== Decoded.Header) throw new Error("a PUBLISH was expected");
    decoder.begin(false, 2);
    decoder.next();
    decoder.release(2);
    decoder.save();
  }

  text(at: number, length: number): string {
    return Buffer.from(this.layout.u8.slice(at, at + length)).toString("utf8");
  }

  hex(at: number, length: number): string {
    return Buffer.from(this.layout.u8.slice(at, at + length)).toString("hex");
  }

  /** The properties in `[at, end)` of a packet. */
  propertiesIn(at: number, end: number, packet: number): Plain {
    const found: Plain = {};
    const { properties, layout } = this;
    properties.seen = 0;
    while (at < end) {
      const next = properties.read(at, end, packet);
      if (next === 0) throw new Error(`property at ${at}: ${properties.error}`);
      const [name, type] = propertyNames[properties.id];
      if (type === "number") found[name] = properties.value;
      else if (type === "boolean") found[name] = properties.value === 1;
      else if (type === "text") found[name] = this.text(properties.at, properties.length);
      else if (type === "bytes") found[name] = this.hex(properties.at, properties.length);
      else {
        const second = properties.at + properties.length;
        const length = layout.u8[second] * 256 + layout.u8[second + 1];
        const pairs = (found[name] ??= {}) as Record<string, unknown>;
        const key = this.text(properties.at, properties.length);
        const value = this.text(second + 2, length);
        if (Object.hasOwn(pairs, key)) pairs[key] = [pairs[key], value].flat();
        else pairs[key] = value;
      }
      at = next;
    }
    return found;
  }

  #header(): Plain {
    const { flags } = this.decoder;
    return { qos: (flags >> 1) & 3, dup: (flags & 8) !== 0, retain: (flags & 1) !== 0 };
  }

  #publish(level: Level): Plain {
    const { decoder, blocks, output, layout } = this;
    const { body, topicLength, propertiesLength } = decoder;
    const bodyAt = (decoder.flags & 1) !== 0 ? blocks.blocksFor(topicLength) * blocks.blockBytes : topicLength;
    blocks.copy(body.first, 0, output, topicLength);
    const topic = this.text(output, topicLength);
    if (decoder.topicAt !== 0) {
      if (this.text(decoder.topicAt, topicLength) !== topic) throw new Error("two topics");
      if (topic.split("/").length !== decoder.levels) throw new Error("levels");
    }
    const length = body.length - bodyAt;
    layout.u8.fill(0xee, output, output + length + 1);
    blocks.copy(body.first, bodyAt, output, length);
    const packet: Plain = { cmd: "publish", topic, ...this.#header() };
    packet.payload = this.hex(output + propertiesLength, length - propertiesLength);
    if (packet.qos !== 0) packet.messageId = decoder.packetId;
    if (level === 5) {
      const found = this.propertiesIn(output, output + propertiesLength, PacketType.PUBLISH);
      if ("messageExpiryInterval" in found) throw new Error("the server sets Message Expiry Interval itself");
      if (decoder.hasExpiry) found.messageExpiryInterval = decoder.expiry;
      if (Object.keys(found).length > 0) packet.properties = found;
    }
    return packet;
  }

  #filter(level: Level): Plain {
    const { decoder } = this;
    const { at, length, options } = decoder;
    const topic = this.text(at, length);
    if (topic.split("/").length !== decoder.levels) throw new Error("levels");
    if (decoder.type === PacketType.UNSUBSCRIBE) return { topic };
    const filter: Plain = { topic, qos: options & 3 };
    if (level !== 5) return filter;
    return { ...filter, nl: (options & 4) !== 0, rap: (options & 8) !== 0, rh: (options >> 4) & 3 };
  }

  #filters(level: Level, filters: Plain[]): Plain {
    const { decoder } = this;
    if (decoder.count !== filters.length) throw new Error("count");
    const isSubscribe = decoder.type === PacketType.SUBSCRIBE;
    const packet: Plain = { cmd: isSubscribe ? "subscribe" : "unsubscribe", messageId: decoder.packetId };
    if (isSubscribe) packet.subscriptions = filters;
    else packet.unsubscriptions = filters.map(({ topic }) => topic);
    if (level === 5 && isSubscribe && decoder.subscriptionIdentifier > 0) {
      packet.properties = { subscriptionIdentifier: decoder.subscriptionIdentifier };
    }
    return packet;
  }

  #whole(level: Level): Plain {
    const { decoder, acknowledgement } = this;
    const { at, length, type } = decoder;
    if (type === PacketType.CONNECT) return this.#connect(at, length);
    if (type === PacketType.PINGREQ) return { cmd: "pingreq" };
    const error = acknowledgement.read(at, length, type, level as Version);
    if (error !== ReasonCode.Success) return { error };
    const names: Record<number, string> = {
      [PacketType.PUBACK]: "puback",
      [PacketType.PUBREC]: "pubrec",
      [PacketType.PUBREL]: "pubrel",
      [PacketType.PUBCOMP]: "pubcomp",
      [PacketType.DISCONNECT]: "disconnect",
      [PacketType.AUTH]: "auth",
    };
    const packet: Plain = { cmd: names[type] };
    if (type < PacketType.DISCONNECT) packet.messageId = acknowledgement.packetId;
    if (level === 5) packet.reasonCode = acknowledgement.reasonCode;
    if (acknowledgement.hasSessionExpiry) {
      packet.properties = { sessionExpiryInterval: acknowledgement.sessionExpiry };
    }
    return packet;
  }

  #connect(at: number, length: number): Plain {
    const { connect } = this;
    const error = connect.read(at, length);
    if (error !== ReasonCode.Success) return { error };
    const { version, flags } = connect;
    const packet: Plain = {
      cmd: "connect",
      protocolId: version === Version.V3_1 ? "MQIsdp" : "MQTT",
      protocolVersion: version,
      clean: (flags & ConnectFlag.CleanStart) !== 0,
      keepalive: connect.keepAlive,
      clientId: this.text(connect.clientIdAt, connect.clientIdLength),
    };
    if (version === Version.V5_0) {
      packet.properties = {
        sessionExpiryInterval: connect.sessionExpiry,
        receiveMaximum: connect.receiveMaximum,
        maximumPacketSize: connect.maximumPacketSize,
        topicAliasMaximum: connect.topicAliasMaximum,
        requestProblemInformation: connect.requestProblemInformation === 1,
        hasAuthenticationMethod: connect.hasAuthenticationMethod,
      };
    }
    if ((flags & ConnectFlag.Will) !== 0) {
      const will: Plain = {
        topic: this.text(connect.willTopicAt, connect.willTopicLength),
        payload: this.hex(connect.willPayloadAt, connect.willPayloadLength),
        qos: (flags & ConnectFlag.WillQoS) >> 3,
        retain: (flags & ConnectFlag.WillRetain) !== 0,
      };
      if (version === Version.V5_0) {
        will.properties = this.propertiesIn(connect.willPropertiesAt, connect.willPropertiesEnd, WILL);
        if (connect.willDelay !== ((will.properties as Plain).willDelayInterval ?? 0)) throw new Error("Will Delay");
      }
      packet.will = will;
    }
    if ((flags & ConnectFlag.UserName) !== 0) packet.username = this.text(connect.userNameAt, connect.userNameLength);
    if ((flags & ConnectFlag.Password) !== 0) packet.password = this.hex(connect.passwordAt, connect.passwordLength);
    return packet;
  }
}
