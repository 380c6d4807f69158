// Writes packets at an offset of memory and returns the offset behind them. The longest each can get is beside it; the
// caller sees to the room.

import { variableLength, writeU16, writeU32, writeVariable } from "./bytes";
import { PacketType, Property, PublishFlag, ReasonCode, Version } from "./constants";

/** What a server says of itself in a CONNACK of 5.0 [section 3.2.2.3]. */
export interface ConnackProperties {
  receiveMaximum: number;
  maximumPacketSize: number;
  /** Session Expiry Interval in use; sent when it is not what the client asked for. */
  sessionExpiry: number;
  sessionExpiryDiffers: boolean;
  /** Server Keep Alive, or -1. */
  serverKeepAlive: number;
  /** Assigned Client Identifier: where it is and its length, 0 for none. */
  assignedAt: number;
  assignedLength: number;
}

/** Bytes of the longest CONNACK without an Assigned Client Identifier, whose length comes on top. */
export const CONNACK_BYTES = 40;
/** Bytes of the longest acknowledgement, DISCONNECT, PINGRESP. */
export const ACK_BYTES = 5;

/** CONNACK of 3.1 and 3.1.1 [3.1.1 section 3.2]: 4 bytes. */
export function writeConnack311(u8: Uint8Array, at: number, sessionPresent: boolean, returnCode: number): number {
  u8[at] = PacketType.CONNACK << 4;
  u8[at + 1] = 2;
  u8[at + 2] = sessionPresent ? 1 : 0; // [MQTT-3.2.2-1]
  u8[at + 3] = returnCode;
  return at + 4;
}

/** CONNACK of 5.0 [section 3.2]. */
export function writeConnack(
  u8: Uint8Array,
  at: number,
  sessionPresent: boolean,
  reasonCode: ReasonCode,
  properties: ConnackProperties,
): number {
  u8[at] = PacketType.CONNACK << 4;
  // The lengths follow when they are known; with a Client Identifier of at most 255 bytes each may need a second byte.
  const length = connackPropertiesLength(reasonCode, properties);
  let end = writeVariable(u8, at + 1, 2 + variableLength(length) + length);
  u8[end] = sessionPresent ? 1 : 0;
  u8[end + 1] = reasonCode;
  end = writeVariable(u8, end + 2, length);
  if (reasonCode !== ReasonCode.Success) return end;
  u8[end++] = Property.ReceiveMaximum;
  end = writeU16(u8, end, properties.receiveMaximum);
  u8[end++] = Property.MaximumPacketSize;
  end = writeU32(u8, end, properties.maximumPacketSize);
  u8[end++] = Property.SharedSubscriptionAvailable;
  u8[end++] = 0;
  if (properties.sessionExpiryDiffers) {
    u8[end++] = Property.SessionExpiryInterval;
    end = writeU32(u8, end, properties.sessionExpiry);
  }
  if (properties.serverKeepAlive >= 0) {
    u8[end++] = Property.ServerKeepAlive;
    end = writeU16(u8, end, properties.serverKeepAlive);
  }
  if (properties.assignedLength > 0) {
    u8[end++] = Property.AssignedClientIdentifier;
    end = writeU16(u8, end, properties.assignedLength);
    u8.copyWithin(end, properties.assignedAt, properties.assignedAt + properties.assignedLength);
    end += properties.assignedLength;
  }
  return end;
}

/** Bytes of its properties. */
export function connackPropertiesLength(reasonCode: ReasonCode, properties: ConnackProperties): number {
  if (reasonCode !== ReasonCode.Success) return 0;
  let length = 3 + 5 + 2;
  if (properties.sessionExpiryDiffers) length += 5;
  if (properties.serverKeepAlive >= 0) length += 3;
  if (properties.assignedLength > 0) length += 3 + properties.assignedLength;
  return length;
}

/** PUBACK, PUBREC, PUBREL or PUBCOMP: 4 or 5 bytes. */
export function writeAcknowledgement(
  u8: Uint8Array,
  at: number,
  type: PacketType,
  packetId: number,
  reasonCode: ReasonCode,
): number {
  u8[at] = (type << 4) | (type === PacketType.PUBREL ? 2 : 0); // [MQTT-3.6.1-1]
  u8[at + 2] = packetId >>> 8;
  u8[at + 3] = packetId;
  if (reasonCode === ReasonCode.Success) {
    u8[at + 1] = 2;
    return at + 4;
  }
  u8[at + 1] = 3;
  u8[at + 4] = reasonCode;
  return at + 5;
}

/** PINGRESP, PINGREQ: 2 bytes. */
export function writePing(u8: Uint8Array, at: number, type: PacketType.PINGREQ | PacketType.PINGRESP): number {
  u8[at] = type << 4;
  u8[at + 1] = 0;
  return at + 2;
}

/** DISCONNECT [section 3.14]: 2 bytes before 5.0 (from a client), 2 or 3 bytes in 5.0. */
export function writeDisconnect(u8: Uint8Array, at: number, reasonCode: ReasonCode): number {
  u8[at] = PacketType.DISCONNECT << 4;
  if (reasonCode === ReasonCode.Success) {
    u8[at + 1] = 0;
    return at + 2;
  }
  u8[at + 1] = 1;
  u8[at + 2] = reasonCode;
  return at + 3;
}

/** The head of a SUBACK or UNSUBACK of `count` codes, up to its codes: at most 8 bytes. */
export function writeFiltersAck(
  u8: Uint8Array,
  at: number,
  type: PacketType.SUBACK | PacketType.UNSUBACK,
  packetId: number,
  count: number,
  version: Version,
): number {
  u8[at] = type << 4;
  const properties = version === Version.V5_0 ? 1 : 0;
  let end = writeVariable(u8, at + 1, 2 + properties + count);
  end = writeU16(u8, end, packetId);
  if (properties === 1) u8[end++] = 0;
  return end;
}

/** Bytes of a fixed header for `remaining` bytes. */
export function fixedHeaderLength(remaining: number): number {
  return 1 + variableLength(remaining);
}

/** The first byte of a PUBLISH. */
export function publishHeader(qos: number, retain: boolean, dup: boolean): number {
  return (
    (PacketType.PUBLISH << 4) | (qos << 1) | (retain ? PublishFlag.Retain : 0) | (dup && qos > 0 ? PublishFlag.Dup : 0)
  );
}
