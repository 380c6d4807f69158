// Properties of MQTT 5.0 as an application has them, and as they go on the wire.

import { OptionsError } from "../../../src/client/options";
import { readU16, writeU16, writeU32 } from "../../../src/mqtt/bytes";
import { type PacketType, Property } from "../../../src/mqtt/constants";
import { PropertyReader } from "../../../src/mqtt/properties";

export type UserProperties = readonly (readonly [name: string, value: string])[];

/** Properties of a message [5.0 section 3.3.2.3]. Each text is at most 65,535 bytes of UTF-8. */
export interface MessageProperties {
  /** Message Expiry Interval, seconds, 0 to 4,294,967,295. */
  messageExpiry?: number;
  /** Payload Format Indicator: true for UTF-8 text. */
  isText?: boolean;
  contentType?: string;
  /** A Topic Name, without wildcards. */
  responseTopic?: string;
  correlationData?: Uint8Array;
  userProperties?: UserProperties;
  /** Of the subscriptions for which it came; only in what is received. */
  subscriptionIdentifiers?: readonly number[];
}

/** Properties of a Will Message [5.0 section 3.1.3.2]. */
export interface WillProperties extends Omit<MessageProperties, "subscriptionIdentifiers"> {
  /** Will Delay Interval, seconds, 0 to 4,294,967,295. Default 0. */
  delay?: number;
}

/** What a server says in its CONNACK [5.0 section 3.2.2.3]; before 5.0 the defaults. */
export interface ServerInfo {
  sessionPresent: boolean;
  /** Seconds; what is in use. */
  keepAlive: number;
  receiveMaximum: number;
  maximumQoS: number;
  retainAvailable: boolean;
  /** Bytes; undefined: no limit. */
  maximumPacketSize?: number;
  topicAliasMaximum: number;
  wildcardSubscriptionAvailable: boolean;
  subscriptionIdentifierAvailable: boolean;
  sharedSubscriptionAvailable: boolean;
  /** Session Expiry Interval in use, seconds, if it is not the one asked for. */
  sessionExpiry?: number;
  reasonString?: string;
  responseInformation?: string;
  serverReference?: string;
  userProperties?: UserProperties;
}

/** @throws OptionsError for a property that can't be; `where` is in front of its name. */
export function encodeProperties(properties: MessageProperties, where = ""): Uint8Array {
  const { isText, contentType, responseTopic, correlationData, userProperties } = properties;
  const parts: Buffer[] = [];
  const add = (id: Property, value: Buffer): void => void parts.push(Buffer.from([id]), value);
  if (isText === true) add(Property.PayloadFormatIndicator, Buffer.from([1]));
  if (contentType !== undefined) add(Property.ContentType, text(contentType, `${where}contentType`));
  if (responseTopic !== undefined) {
    const name = `${where}responseTopic`;
    if (responseTopic === "" || /[+#]/.test(responseTopic)) throw new OptionsError(name, "is no Topic Name");
    add(Property.ResponseTopic, text(responseTopic, name));
  }
  if (correlationData !== undefined) {
    add(Property.CorrelationData, sized(Buffer.from(correlationData), `${where}correlationData`));
  }
  for (const pair of userProperties ?? []) {
    const name = `${where}userProperties`;
    if (!Array.isArray(pair) || pair.length !== 2) throw new OptionsError(name, "must be pairs of name and value");
    add(Property.UserProperty, Buffer.concat([text(pair[0], name), text(pair[1], name)]));
  }
  return Buffer.concat(parts);
}

/** @throws OptionsError for a property that can't be. */
export function encodeWillProperties(will: WillProperties): Uint8Array {
  const { delay = 0, messageExpiry } = will;
  const parts: Uint8Array[] = [encodeProperties(will, "will.")];
  if (delay !== 0) parts.push(interval(Property.WillDelayInterval, delay, "will.delay"));
  if (messageExpiry !== undefined) {
    parts.push(interval(Property.MessageExpiryInterval, messageExpiry, "will.messageExpiry"));
  }
  return Buffer.concat(parts);
}

/** Whether anything is set that only MQTT 5.0 can say. */
export function hasProperties(properties: MessageProperties): boolean {
  const { messageExpiry, isText, contentType, responseTopic, correlationData, userProperties } = properties;
  return [messageExpiry, isText || undefined, contentType, responseTopic, correlationData, userProperties?.[0]].some(
    (value) => value !== undefined,
  );
}

/** @throws OptionsError unless it is a number of seconds that fits. */
export function checkInterval(seconds: number, name: string): void {
  if (!Number.isInteger(seconds) || seconds < 0 || seconds > 0xffffffff) {
    throw new OptionsError(name, "must be from 0 to 4,294,967,295 seconds");
  }
}

function interval(id: Property, seconds: number, name: string): Buffer {
  checkInterval(seconds, name);
  const bytes = Buffer.alloc(5);
  bytes[0] = id;
  writeU32(bytes, 1, seconds);
  return bytes;
}

function text(value: string, name: string): Buffer {
  // Half a surrogate pair, or U+0000, is no UTF-8 Encoded String [MQTT-1.5.4-1], [MQTT-1.5.4-2].
  if (typeof value !== "string" || /\p{Cs}|\0/u.test(value)) throw new OptionsError(name, "is no text");
  return sized(Buffer.from(value), name);
}

function sized(bytes: Buffer, name: string): Buffer {
  if (bytes.length > 65535) throw new OptionsError(name, `has ${bytes.length} bytes, at most 65,535`);
  const length = Buffer.alloc(2);
  writeU16(length, 0, bytes.length);
  return Buffer.concat([length, bytes]);
}

/** The values of the properties in `[at, end)`, which are valid; those that may come several times in lists. */
export function decodeProperties(u8: Uint8Array, at: number, end: number, type: PacketType): DecodedProperties {
  const reader = new PropertyReader(u8);
  const found: DecodedProperties = {};
  const identifiers: number[] = [];
  const pairs: (readonly [string, string])[] = [];
  const text = (from: number, length: number): string => Buffer.from(u8.subarray(from, from + length)).toString("utf8");
  while (at < end) {
    const next = reader.read(at, end, type);
    if (next === 0) throw new Error("properties of the core are valid");
    switch (reader.id) {
      case Property.PayloadFormatIndicator:
        found.isText = reader.value === 1;
        break;
      case Property.ContentType:
        found.contentType = text(reader.at, reader.length);
        break;
      case Property.ResponseTopic:
        found.responseTopic = text(reader.at, reader.length);
        break;
      case Property.CorrelationData:
        found.correlationData = Uint8Array.from(u8.subarray(reader.at, reader.at + reader.length));
        break;
      case Property.ResponseInformation:
        found.responseInformation = text(reader.at, reader.length);
        break;
      case Property.ServerReference:
        found.serverReference = text(reader.at, reader.length);
        break;
      case Property.SubscriptionIdentifier:
        identifiers.push(reader.value);
        found.subscriptionIdentifiers = identifiers;
        break;
      case Property.UserProperty: {
        const value = reader.at + reader.length;
        const pair = [text(reader.at, reader.length), text(value + 2, readU16(u8, value))] as const;
        pairs.push(pair);
        found.userProperties = pairs;
      }
    }
    at = next;
  }
  return found;
}

type DecodedProperties = MessageProperties & Pick<ServerInfo, "responseInformation" | "serverReference">;
