// Properties of MQTT 5.0 as an application has them, and as they go on the wire.

import { readU16, writeU16 } from "../../src/mqtt/bytes";
import { PacketType, Property } from "../../src/mqtt/constants";
import { PropertyReader } from "../../src/mqtt/properties";

/** Properties of a message [5.0 section 3.3.2.3]. */
export interface MessageProperties {
  /** Message Expiry Interval, seconds. */
  messageExpiry?: number;
  /** Payload Format Indicator: true for UTF-8 text. */
  isText?: boolean;
  contentType?: string;
  responseTopic?: string;
  correlationData?: Uint8Array;
  userProperties?: readonly (readonly [name: string, value: string])[];
  /** Of the subscriptions for which it came; only in what is received. */
  subscriptionIdentifiers?: readonly number[];
}

/** As they go on the wire, without their length and without Message Expiry Interval. */
export function encodeProperties(properties: MessageProperties): Uint8Array {
  const { isText, contentType, responseTopic, correlationData, userProperties } = properties;
  const parts: Buffer[] = [];
  if (isText === true) parts.push(Buffer.from([Property.PayloadFormatIndicator, 1]));
  if (contentType !== undefined) parts.push(Buffer.from([Property.ContentType]), sized(contentType, "contentType"));
  if (responseTopic !== undefined)
    parts.push(Buffer.from([Property.ResponseTopic]), sized(responseTopic, "responseTopic"));
  if (correlationData !== undefined) {
    parts.push(Buffer.from([Property.CorrelationData]), sized(correlationData, "correlationData"));
  }
  for (const [name, value] of userProperties ?? []) {
    parts.push(Buffer.from([Property.UserProperty]), sized(name, "userProperties"), sized(value, "userProperties"));
  }
  return Buffer.concat(parts);
}

function sized(value: string | Uint8Array, name: string): Buffer {
  const bytes = Buffer.from(value as string);
  if (bytes.length > 65535) throw new RangeError(`${name}: ${bytes.length} bytes, at most 65,535`);
  const length = Buffer.alloc(2);
  writeU16(length, 0, bytes.length);
  return Buffer.concat([length, bytes]);
}

/** Reads the properties in `[at, end)`, which are valid. */
export function decodeProperties(u8: Uint8Array, at: number, end: number, expiry: number): MessageProperties {
  const reader = new PropertyReader(u8);
  const found: MessageProperties & { userProperties?: [string, string][]; subscriptionIdentifiers?: number[] } = {};
  const text = (from: number, length: number): string => Buffer.from(u8.subarray(from, from + length)).toString("utf8");
  if (expiry >= 0) found.messageExpiry = expiry;
  while (at < end) {
    const next = reader.read(at, end, PacketType.PUBLISH);
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
      case Property.SubscriptionIdentifier:
        found.subscriptionIdentifiers = [...(found.subscriptionIdentifiers ?? []), reader.value];
        break;
      case Property.UserProperty: {
        const value = reader.at + reader.length;
        const pair: [string, string] = [text(reader.at, reader.length), text(value + 2, readU16(u8, value))];
        found.userProperties = [...(found.userProperties ?? []), pair];
      }
    }
    at = next;
  }
  return found;
}
