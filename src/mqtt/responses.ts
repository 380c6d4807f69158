// Packets that only a server sends, read from one piece of memory: CONNACK [section 3.2], SUBACK and UNSUBACK [sections 3.9,
// 3.11]. PINGRESP has no body; PUBLISH and acknowledgements are the same both ways.

import { readU16, readVariable } from "./bytes";
import { PacketType, Property, ReasonCode, Version } from "./constants";
import type { PropertyReader } from "./properties";

export class ResponseReader {
  sessionPresent = false;
  /** Reason Code of 5.0, return code before it. */
  reasonCode = 0;
  // Properties of a CONNACK, with what their absence means.
  /** -1: as the client asked. */
  sessionExpiry = -1;
  receiveMaximum = 65535;
  maximumQoS = 2;
  retainAvailable = 1;
  /** 0: no limit. */
  maximumPacketSize = 0;
  topicAliasMaximum = 0;
  wildcardSubscriptionAvailable = 1;
  subscriptionIdentifierAvailable = 1;
  sharedSubscriptionAvailable = 1;
  /** Seconds; -1: as the client asked. */
  serverKeepAlive = -1;
  assignedAt = 0;
  assignedLength = 0;
  /** All properties of the CONNACK: where they are, and their length in bytes. */
  propertiesAt = 0;
  propertiesLength = 0;
  // CONNACK, SUBACK, UNSUBACK
  /** Where the Reason String is, and its length; 0 for none. */
  reasonAt = 0;
  reasonLength = 0;
  // SUBACK, UNSUBACK
  packetId = 0;
  /** Where the codes are, one byte each, and how many. */
  codesAt = 0;
  codeCount = 0;
  readonly #u8: Uint8Array;
  readonly #properties: PropertyReader;

  constructor(u8: Uint8Array, properties: PropertyReader) {
    this.#u8 = u8;
    this.#properties = properties;
  }

  /** Reads the body of a CONNACK. Returns Success, Malformed Packet or Protocol Error. */
  readConnack(at: number, length: number, version: Version): ReasonCode {
    const u8 = this.#u8;
    this.#clear();
    if (length < 2 || u8[at] > 1) return ReasonCode.MalformedPacket; // [MQTT-3.2.2-1]
    this.sessionPresent = u8[at] === 1;
    this.reasonCode = u8[at + 1];
    if (this.sessionPresent && this.reasonCode !== 0) return ReasonCode.ProtocolError; // [MQTT-3.2.2-6]
    if (version !== Version.V5_0) return length === 2 ? ReasonCode.Success : ReasonCode.MalformedPacket;
    const end = at + length;
    at = this.#propertiesAt(at + 2, end);
    if (at < 0 || at + this.#size !== end) return ReasonCode.MalformedPacket;
    this.propertiesAt = at;
    this.propertiesLength = this.#size;
    while (at < end) {
      at = this.#properties.read(at, end, PacketType.CONNACK);
      if (at === 0) return this.#properties.error;
      this.#take();
    }
    return ReasonCode.Success;
  }

  /** Reads the body of a SUBACK or UNSUBACK. Returns Success, Malformed Packet or Protocol Error. */
  readFiltersAck(at: number, length: number, type: PacketType, version: Version): ReasonCode {
    const end = at + length;
    if (length < 2) return ReasonCode.MalformedPacket;
    this.packetId = readU16(this.#u8, at);
    at += 2;
    this.reasonLength = 0;
    if (version === Version.V5_0) {
      at = this.#propertiesAt(at, end);
      if (at < 0) return ReasonCode.MalformedPacket;
      for (const last = at + this.#size; at < last; ) {
        at = this.#properties.read(at, last, type);
        if (at === 0) return this.#properties.error;
        this.#take();
      }
    }
    this.codesAt = at;
    this.codeCount = end - at;
    const hasCodes = type === PacketType.SUBACK || version === Version.V5_0;
    return hasCodes === this.codeCount > 0 ? ReasonCode.Success : ReasonCode.MalformedPacket;
  }

  #size = 0;

  /** Where the properties begin whose length is at `at`; -1 when they do not fit before `end`. */
  #propertiesAt(at: number, end: number): number {
    const integer = readVariable(this.#u8, at, end);
    this.#size = integer >> 3;
    const first = at + (integer & 7);
    this.#properties.seen = 0;
    return integer <= 0 || first + this.#size > end ? -1 : first;
  }

  #clear(): void {
    this.sessionExpiry = -1;
    this.receiveMaximum = 65535;
    this.maximumQoS = 2;
    this.retainAvailable = 1;
    this.maximumPacketSize = 0;
    this.topicAliasMaximum = 0;
    this.wildcardSubscriptionAvailable = 1;
    this.subscriptionIdentifierAvailable = 1;
    this.sharedSubscriptionAvailable = 1;
    this.serverKeepAlive = -1;
    this.assignedLength = 0;
    this.propertiesLength = 0;
    this.reasonLength = 0;
  }

  #take(): void {
    const { id, value, at, length } = this.#properties;
    switch (id) {
      case Property.SessionExpiryInterval:
        this.sessionExpiry = value;
        break;
      case Property.ReceiveMaximum:
        this.receiveMaximum = value;
        break;
      case Property.MaximumQoS:
        this.maximumQoS = value;
        break;
      case Property.RetainAvailable:
        this.retainAvailable = value;
        break;
      case Property.MaximumPacketSize:
        this.maximumPacketSize = value;
        break;
      case Property.AssignedClientIdentifier:
        this.assignedAt = at;
        this.assignedLength = length;
        break;
      case Property.TopicAliasMaximum:
        this.topicAliasMaximum = value;
        break;
      case Property.WildcardSubscriptionAvailable:
        this.wildcardSubscriptionAvailable = value;
        break;
      case Property.SubscriptionIdentifierAvailable:
        this.subscriptionIdentifierAvailable = value;
        break;
      case Property.SharedSubscriptionAvailable:
        this.sharedSubscriptionAvailable = value;
        break;
      case Property.ServerKeepAlive:
        this.serverKeepAlive = value;
        break;
      case Property.ReasonString:
        this.reasonAt = at;
        this.reasonLength = length;
        break;
    }
  }
}
