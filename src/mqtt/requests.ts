// Packets that only a client sends: CONNECT, SUBSCRIBE, UNSUBSCRIBE, and AUTH, which both send. Strings and properties are
// taken from memory; properties are given as they go on the wire, without their length. Each function returns the offset
// behind what it wrote; the caller sees to the room.

import { variableLength, writeU16, writeVariable } from "./bytes";
import { ConnectFlag, PacketType, type ReasonCode, Version } from "./constants";

/** The fields of a CONNECT [section 3.1]: offsets and lengths in bytes. Those that `flags` does not announce are not read. */
export interface ConnectFields {
  version: Version;
  flags: number;
  /** Seconds. */
  keepAlive: number;
  propertiesAt: number;
  propertiesLength: number;
  clientIdAt: number;
  clientIdLength: number;
  willPropertiesAt: number;
  willPropertiesLength: number;
  willTopicAt: number;
  willTopicLength: number;
  willPayloadAt: number;
  willPayloadLength: number;
  userNameAt: number;
  userNameLength: number;
  passwordAt: number;
  passwordLength: number;
}

export function writeConnect(u8: Uint8Array, at: number, fields: ConnectFields): number {
  const { version, flags } = fields;
  const isOld = version === Version.V3_1;
  u8[at] = PacketType.CONNECT << 4;
  let end = writeVariable(u8, at + 1, connectLength(fields));
  end = writeU16(u8, end, isOld ? 6 : 4);
  u8[end++] = 0x4d; // M
  u8[end++] = 0x51; // Q
  u8[end++] = isOld ? 0x49 : 0x54; // I or T
  u8[end++] = isOld ? 0x73 : 0x54; // s or T
  if (isOld) {
    u8[end++] = 0x64; // d
    u8[end++] = 0x70; // p
  }
  u8[end++] = version;
  u8[end++] = flags;
  end = writeU16(u8, end, fields.keepAlive);
  if (version === Version.V5_0) end = writeProperties(u8, end, fields.propertiesAt, fields.propertiesLength);
  end = writeBytes(u8, end, fields.clientIdAt, fields.clientIdLength);
  if ((flags & ConnectFlag.Will) !== 0) {
    if (version === Version.V5_0) end = writeProperties(u8, end, fields.willPropertiesAt, fields.willPropertiesLength);
    end = writeBytes(u8, end, fields.willTopicAt, fields.willTopicLength);
    end = writeBytes(u8, end, fields.willPayloadAt, fields.willPayloadLength);
  }
  if ((flags & ConnectFlag.UserName) !== 0) end = writeBytes(u8, end, fields.userNameAt, fields.userNameLength);
  if ((flags & ConnectFlag.Password) !== 0) end = writeBytes(u8, end, fields.passwordAt, fields.passwordLength);
  return end;
}

/** Remaining Length of a CONNECT. */
function connectLength(fields: ConnectFields): number {
  const { version, flags } = fields;
  const v5 = version === Version.V5_0;
  let length = (version === Version.V3_1 ? 12 : 10) + 2 + fields.clientIdLength;
  if (v5) length += sized(fields.propertiesLength);
  if ((flags & ConnectFlag.Will) !== 0) {
    if (v5) length += sized(fields.willPropertiesLength);
    length += 4 + fields.willTopicLength + fields.willPayloadLength;
  }
  if ((flags & ConnectFlag.UserName) !== 0) length += 2 + fields.userNameLength;
  if ((flags & ConnectFlag.Password) !== 0) length += 2 + fields.passwordLength;
  return length;
}

/** A SUBSCRIBE of one Topic Filter [section 3.8], or, with `options` -1, an UNSUBSCRIBE [section 3.10]. */
export function writeFilterRequest(
  u8: Uint8Array,
  at: number,
  version: Version,
  packetId: number,
  filterAt: number,
  filterLength: number,
  options: number,
  propertiesAt: number,
  propertiesLength: number,
): number {
  const isSubscribe = options >= 0;
  const v5 = version === Version.V5_0;
  u8[at] = ((isSubscribe ? PacketType.SUBSCRIBE : PacketType.UNSUBSCRIBE) << 4) | 2;
  const length = 4 + filterLength + (isSubscribe ? 1 : 0) + (v5 ? sized(propertiesLength) : 0);
  let end = writeVariable(u8, at + 1, length);
  end = writeU16(u8, end, packetId);
  if (v5) end = writeProperties(u8, end, propertiesAt, propertiesLength);
  end = writeBytes(u8, end, filterAt, filterLength);
  if (isSubscribe) u8[end++] = options;
  return end;
}

/** AUTH [section 3.15]. */
export function writeAuth(
  u8: Uint8Array,
  at: number,
  reasonCode: ReasonCode,
  propertiesAt: number,
  propertiesLength: number,
): number {
  u8[at] = PacketType.AUTH << 4;
  const end = writeVariable(u8, at + 1, 1 + sized(propertiesLength));
  u8[end] = reasonCode;
  return writeProperties(u8, end + 1, propertiesAt, propertiesLength);
}

function sized(propertiesLength: number): number {
  return variableLength(propertiesLength) + propertiesLength;
}

function writeProperties(u8: Uint8Array, at: number, from: number, length: number): number {
  const end = writeVariable(u8, at, length);
  u8.copyWithin(end, from, from + length);
  return end + length;
}

function writeBytes(u8: Uint8Array, at: number, from: number, length: number): number {
  const end = writeU16(u8, at, length);
  u8.copyWithin(end, from, from + length);
  return end + length;
}
