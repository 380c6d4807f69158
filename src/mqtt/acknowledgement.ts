// Packets of a Packet Identifier, a Reason Code and properties: PUBACK, PUBREC, PUBREL, PUBCOMP [sections 3.4 to 3.7];
// and DISCONNECT and AUTH [sections 3.14, 3.15], which have no Packet Identifier.

import { readU16, readVariable } from "./bytes";
import { PacketType, Property, ReasonCode, Version } from "./constants";
import type { PropertyReader } from "./properties";

export class AcknowledgementReader {
  packetId = 0;
  reasonCode: ReasonCode = ReasonCode.Success;
  sessionExpiry = 0;
  hasSessionExpiry = false;
  /** Where its Reason String is, and its length; 0 for none. */
  reasonAt = 0;
  reasonLength = 0;
  readonly #u8: Uint8Array;
  readonly #properties: PropertyReader;
  readonly #fromServer: boolean;

  constructor(u8: Uint8Array, properties: PropertyReader, fromServer = false) {
    this.#fromServer = fromServer;
    this.#u8 = u8;
    this.#properties = properties;
  }

  /** Reads a body of `length` bytes at `at`. Returns Success, Malformed Packet or Protocol Error. */
  read(at: number, length: number, type: PacketType, version: Version): ReasonCode {
    const u8 = this.#u8;
    const end = at + length;
    this.reasonCode = ReasonCode.Success;
    this.hasSessionExpiry = false;
    this.reasonLength = 0;
    if (type !== PacketType.DISCONNECT && type !== PacketType.AUTH) {
      if (length < 2) return ReasonCode.MalformedPacket;
      this.packetId = readU16(u8, at);
      if (this.packetId === 0) return ReasonCode.ProtocolError;
      at += 2;
    }
    if (at === end) return ReasonCode.Success;
    if (version !== Version.V5_0) return ReasonCode.MalformedPacket;
    this.reasonCode = u8[at++];
    if (!isReasonCodeOf(this.reasonCode, type)) return ReasonCode.ProtocolError;
    if (at === end) return ReasonCode.Success;
    const integer = readVariable(u8, at, end);
    at += integer & 7;
    if (integer <= 0 || at + (integer >> 3) !== end) return ReasonCode.MalformedPacket;
    this.#properties.seen = 0;
    while (at < end) {
      at = this.#properties.read(at, end, type);
      if (at === 0) return this.#properties.error;
      if (!this.#take(type)) return ReasonCode.ProtocolError;
    }
    return ReasonCode.Success;
  }

  /** Notes the property that was read; false when the sender may not use it. */
  #take(type: PacketType): boolean {
    const { id, value, at, length } = this.#properties;
    if (id === Property.ReasonString) {
      this.reasonAt = at;
      this.reasonLength = length;
    }
    if (type !== PacketType.DISCONNECT) return true;
    if (id === Property.SessionExpiryInterval) {
      this.sessionExpiry = value;
      this.hasSessionExpiry = true;
      return !this.#fromServer; // [MQTT-3.14.2-2]
    }
    // Only a server refers a client to another one [section 3.14.2.2.5].
    return id !== Property.ServerReference || this.#fromServer;
  }
}

/** Whether a sender of `type` may use the Reason Code [5.0 table 2-6]. */
export function isReasonCodeOf(code: ReasonCode, type: PacketType): boolean {
  switch (type) {
    case PacketType.PUBACK:
    case PacketType.PUBREC:
      return (
        code === ReasonCode.Success ||
        code === ReasonCode.NoMatchingSubscribers ||
        code === ReasonCode.UnspecifiedError ||
        code === ReasonCode.ImplementationSpecificError ||
        code === ReasonCode.NotAuthorized ||
        code === ReasonCode.TopicNameInvalid ||
        code === ReasonCode.PacketIdentifierInUse ||
        code === ReasonCode.QuotaExceeded ||
        code === ReasonCode.PayloadFormatInvalid
      );
    case PacketType.PUBREL:
    case PacketType.PUBCOMP:
      return code === ReasonCode.Success || code === ReasonCode.PacketIdentifierNotFound;
    case PacketType.SUBACK:
      return code <= ReasonCode.GrantedQoS2 || isFilterError(code) || isNotOffered(code);
    case PacketType.UNSUBACK:
      return code === ReasonCode.Success || code === ReasonCode.NoSubscriptionExisted || isFilterError(code);
    case PacketType.AUTH:
      return (
        code === ReasonCode.Success || code === ReasonCode.ContinueAuthentication || code === ReasonCode.ReAuthenticate
      );
    case PacketType.DISCONNECT:
      return code === ReasonCode.Success || code === ReasonCode.DisconnectWithWill || isDisconnectError(code);
    default:
      return true;
  }
}

function isDisconnectError(code: ReasonCode): boolean {
  return (
    code >= ReasonCode.UnspecifiedError &&
    code <= ReasonCode.WildcardSubscriptionsNotSupported &&
    code !== ReasonCode.UnsupportedProtocolVersion &&
    code !== ReasonCode.ClientIdentifierNotValid &&
    code !== ReasonCode.BadUserNameOrPassword &&
    code !== ReasonCode.ServerUnavailable &&
    code !== ReasonCode.Banned &&
    code !== ReasonCode.PacketIdentifierInUse &&
    code !== ReasonCode.PacketIdentifierNotFound
  );
}

function isFilterError(code: ReasonCode): boolean {
  return (
    code === ReasonCode.UnspecifiedError ||
    code === ReasonCode.ImplementationSpecificError ||
    code === ReasonCode.NotAuthorized ||
    code === ReasonCode.TopicFilterInvalid ||
    code === ReasonCode.PacketIdentifierInUse
  );
}

function isNotOffered(code: ReasonCode): boolean {
  return (
    code === ReasonCode.QuotaExceeded ||
    code === ReasonCode.SharedSubscriptionsNotSupported ||
    code === ReasonCode.SubscriptionIdentifiersNotSupported ||
    code === ReasonCode.WildcardSubscriptionsNotSupported
  );
}
