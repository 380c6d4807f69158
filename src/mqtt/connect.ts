// CONNECT [section 3.1], read from one piece of memory.

import { readU16, readVariable } from "./bytes";
import { ConnectFlag, PacketType, Property, ReasonCode, Version } from "./constants";
import type { PropertyReader } from "./properties";
import { WILL } from "./properties";
import { isUtf8, topicNameLevels } from "./utf8";

const MQTT = Object.freeze([0, 4, 0x4d, 0x51, 0x54, 0x54]);
const MQISDP = Object.freeze([0, 6, 0x4d, 0x51, 0x49, 0x73, 0x64, 0x70]);

export class ConnectReader {
  /** 3, 4 or 5; 0 when the protocol name is unknown. */
  version = 0;
  flags = 0;
  keepAlive = 0;
  clientIdAt = 0;
  clientIdLength = 0;
  willTopicAt = 0;
  willTopicLength = 0;
  willTopicLevels = 0;
  willPropertiesAt = 0;
  willPropertiesEnd = 0;
  willPayloadAt = 0;
  willPayloadLength = 0;
  willDelay = 0;
  userNameAt = 0;
  userNameLength = 0;
  passwordAt = 0;
  passwordLength = 0;
  sessionExpiry = 0;
  receiveMaximum = 65535;
  /** 0: no limit. */
  maximumPacketSize = 0;
  topicAliasMaximum = 0;
  requestProblemInformation = 1;
  hasAuthenticationMethod = false;
  readonly #u8: Uint8Array;
  readonly #properties: PropertyReader;
  #at = 0;
  #end = 0;
  #error: ReasonCode = ReasonCode.Success;

  constructor(u8: Uint8Array, properties: PropertyReader) {
    this.#u8 = u8;
    this.#properties = properties;
  }

  /**
   * Reads the body of a CONNECT. Returns Success, Unsupported Protocol Version, Malformed Packet, Protocol Error or
   * Client Identifier not valid; the fields up to the error hold.
   */
  read(at: number, length: number): ReasonCode {
    this.#at = at;
    this.#end = at + length;
    this.#error = ReasonCode.Success;
    // What the properties of 5.0 mean when they are absent.
    this.sessionExpiry = 0;
    this.receiveMaximum = 65535;
    this.maximumPacketSize = 0;
    this.topicAliasMaximum = 0;
    this.requestProblemInformation = 1;
    this.hasAuthenticationMethod = false;
    this.willDelay = 0;
    if (!this.#protocol()) return this.#error;
    if (this.version === Version.V5_0 && !this.#connectProperties()) return this.#error;
    if (!this.#string()) return this.#error;
    this.clientIdAt = this.#fieldAt;
    this.clientIdLength = this.#fieldLength;
    if ((this.flags & ConnectFlag.Will) !== 0 && !this.#will()) return this.#error;
    // MQTT 3.1 lets a client announce a User Name and Password and leave them out.
    if (this.version === Version.V3_1 && this.#at === this.#end) return ReasonCode.Success;
    if ((this.flags & ConnectFlag.UserName) !== 0) {
      if (!this.#string()) return this.#error; // [MQTT-3.1.3-12]
      this.userNameAt = this.#fieldAt;
      this.userNameLength = this.#fieldLength;
    }
    if ((this.flags & ConnectFlag.Password) !== 0) {
      if (!this.#binary()) return this.#error;
      this.passwordAt = this.#fieldAt;
      this.passwordLength = this.#fieldLength;
    }
    return this.#at === this.#end ? ReasonCode.Success : ReasonCode.MalformedPacket; // [MQTT-3.1.4-1]
  }

  #fieldAt = 0;
  #fieldLength = 0;

  #protocol(): boolean {
    const u8 = this.#u8;
    this.version = 0;
    let level = 0;
    if (this.#startsWith(MQTT)) level = Version.V3_1_1;
    else if (this.#startsWith(MQISDP)) level = Version.V3_1;
    else return this.#fail(ReasonCode.UnsupportedProtocolVersion); // [MQTT-3.1.2-1]
    if (this.#end - this.#at < 4) return this.#fail(ReasonCode.MalformedPacket);
    const version = u8[this.#at];
    const known = level === Version.V3_1 ? version === level : version === Version.V3_1_1 || version === Version.V5_0;
    // An unknown version is answered in the form of the nearest that is known.
    this.version = known ? version : version > Version.V5_0 ? Version.V5_0 : Version.V3_1_1;
    if (!known) return this.#fail(ReasonCode.UnsupportedProtocolVersion); // [MQTT-3.1.2-2]
    this.flags = u8[this.#at + 1];
    this.keepAlive = readU16(u8, this.#at + 2);
    this.#at += 4;
    return this.#flagsAreValid() || this.#fail(ReasonCode.MalformedPacket);
  }

  #startsWith(name: readonly number[]): boolean {
    if (this.#end - this.#at < name.length) return false;
    for (let i = 0; i < name.length; i++) if (this.#u8[this.#at + i] !== name[i]) return false;
    this.#at += name.length;
    return true;
  }

  #flagsAreValid(): boolean {
    const flags = this.flags;
    if ((flags & ConnectFlag.Reserved) !== 0) return false; // [MQTT-3.1.2-3]
    if ((flags & ConnectFlag.Will) === 0) {
      if ((flags & (ConnectFlag.WillQoS | ConnectFlag.WillRetain)) !== 0) return false; // [MQTT-3.1.2-11], [MQTT-3.1.2-13]
    } else if ((flags & ConnectFlag.WillQoS) === ConnectFlag.WillQoS) return false; // [MQTT-3.1.2-12]
    // Before 5.0 a password needs a user name [3.1.1 MQTT-3.1.2-22].
    return (
      this.version === Version.V5_0 || (flags & (ConnectFlag.Password | ConnectFlag.UserName)) !== ConnectFlag.Password
    );
  }

  #connectProperties(): boolean {
    let hasAuthenticationData = false;
    const end = this.#propertiesEnd();
    if (end < 0) return false;
    const properties = this.#properties;
    while (this.#at < end) {
      if (!this.#property(end, PacketType.CONNECT)) return false;
      switch (properties.id) {
        case Property.SessionExpiryInterval:
          this.sessionExpiry = properties.value;
          break;
        case Property.ReceiveMaximum:
          this.receiveMaximum = properties.value;
          break;
        case Property.MaximumPacketSize:
          this.maximumPacketSize = properties.value;
          break;
        case Property.TopicAliasMaximum:
          this.topicAliasMaximum = properties.value;
          break;
        case Property.RequestProblemInformation:
          this.requestProblemInformation = properties.value;
          break;
        case Property.AuthenticationMethod:
          this.hasAuthenticationMethod = true;
          break;
        case Property.AuthenticationData:
          hasAuthenticationData = true;
          break;
      }
    }
    // Authentication Data needs a method [5.0 section 3.1.2.11.10].
    return !hasAuthenticationData || this.hasAuthenticationMethod || this.#fail(ReasonCode.ProtocolError);
  }

  #will(): boolean {
    this.willPropertiesAt = 0;
    this.willPropertiesEnd = 0;
    if (this.version === Version.V5_0) {
      const end = this.#propertiesEnd();
      if (end < 0) return false;
      this.willPropertiesAt = this.#at;
      this.willPropertiesEnd = end;
      while (this.#at < end) {
        if (!this.#property(end, WILL)) return false;
        if (this.#properties.id === Property.WillDelayInterval) this.willDelay = this.#properties.value;
      }
    }
    if (!this.#string()) return false; // [MQTT-3.1.3-11]
    this.willTopicAt = this.#fieldAt;
    this.willTopicLength = this.#fieldLength;
    this.willTopicLevels = topicNameLevels(this.#u8, this.#fieldAt, this.#fieldLength);
    if (this.willTopicLevels <= 0) return this.#fail(ReasonCode.TopicNameInvalid);
    if (!this.#binary()) return false;
    this.willPayloadAt = this.#fieldAt;
    this.willPayloadLength = this.#fieldLength;
    return true;
  }

  /** The end of the properties that begin here, or -1. */
  #propertiesEnd(): number {
    const integer = readVariable(this.#u8, this.#at, this.#end);
    const end = this.#at + (integer & 7) + (integer >> 3);
    if (integer <= 0 || end > this.#end) {
      this.#error = ReasonCode.MalformedPacket;
      return -1;
    }
    this.#at += integer & 7;
    this.#properties.seen = 0;
    return end;
  }

  #property(end: number, packet: number): boolean {
    const next = this.#properties.read(this.#at, end, packet);
    if (next === 0) return this.#fail(this.#properties.error);
    this.#at = next;
    return true;
  }

  #string(): boolean {
    if (!this.#binary()) return false;
    return isUtf8(this.#u8, this.#fieldAt, this.#fieldLength) || this.#fail(ReasonCode.MalformedPacket);
  }

  #binary(): boolean {
    const at = this.#at;
    if (this.#end - at < 2) return this.#fail(ReasonCode.MalformedPacket);
    const length = readU16(this.#u8, at);
    if (this.#end - at - 2 < length) return this.#fail(ReasonCode.MalformedPacket);
    this.#fieldAt = at + 2;
    this.#fieldLength = length;
    this.#at = at + 2 + length;
    return true;
  }

  #fail(error: ReasonCode): boolean {
    this.#error = error;
    return false;
  }
}
