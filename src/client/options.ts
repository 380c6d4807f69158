// What a client says of itself in its CONNECT.

import { writeU16, writeU32 } from "../mqtt/bytes";
import { ConnectFlag, PacketType, Property, Version } from "../mqtt/constants";
import { type PropertyReader, WILL } from "../mqtt/properties";
import { type ConnectFields, writeConnect } from "../mqtt/requests";
import { writeText } from "../mqtt/text";
import { isUtf8, topicNameLevels } from "../mqtt/utf8";
import { areProperties } from "./allowed";
import type { ClientLimits } from "./limits";

/** The Will Message [5.0 section 3.1.2.5]. */
export interface Will {
  topic: string | Uint8Array;
  payload?: Uint8Array;
  /** 0, 1 or 2. */
  qos?: number;
  retain?: boolean;
  /** Will Properties of 5.0 as they go on the wire, without their length. */
  properties?: Uint8Array;
}

export interface ConnectOptions {
  /** 4: MQTT 3.1.1; 5: MQTT 5.0. Default 5. */
  version?: number;
  /** Default "": the server assigns one (with 3.1.1 only for a Clean Session). */
  clientId?: string;
  userName?: string | Uint8Array;
  password?: string | Uint8Array;
  /** Seconds, 0 to 65,535; 0: none. Default 60. */
  keepAlive?: number;
  /** Clean Start; later connections resume what the first began. With 3.1.1 Clean Session, each time. Default true. */
  cleanStart?: boolean;
  /** Session Expiry Interval of 5.0, seconds, to 4,294,967,295 (for ever). Default 0: the session ends with its connection. */
  sessionExpiry?: number;
  will?: Will;
  /** Further properties of 5.0 as they go on the wire, without their length. */
  properties?: Uint8Array;
}

/** An option that can't be: `option` names it, the message says why. Thrown before anything is sent. */
export class OptionsError extends Error {
  readonly option: string;
  constructor(option: string, why: string) {
    super(`option "${option}": ${why}`);
    this.name = "OptionsError";
    this.option = option;
  }
}

// allocates: start-up only
/** @throws OptionsError for the first option that can't be. */
export function checkOptions(options: ConnectOptions): void {
  const version = options.version ?? Version.V5_0;
  const need = (holds: boolean, option: string, why: string): void => {
    if (!holds) throw new OptionsError(option, why);
  };
  const isInteger = (value: number, most: number): boolean => Number.isInteger(value) && value >= 0 && value <= most;
  need(version === Version.V3_1_1 || version === Version.V5_0, "version", "must be 4 (MQTT 3.1.1) or 5");
  need(isInteger(options.keepAlive ?? 0, 65535), "keepAlive", "must be from 0 to 65,535 seconds");
  need(isInteger(options.sessionExpiry ?? 0, 0xffffffff), "sessionExpiry", "must be from 0 to 4,294,967,295 seconds");
  const isClean = options.cleanStart ?? true;
  need(version !== Version.V3_1_1 || isClean || !!options.clientId, "clientId", "is needed to resume a session");
  if (version !== Version.V5_0) {
    need(options.password === undefined || options.userName !== undefined, "userName", "is needed with a password");
    need(!options.properties?.length, "properties", "exist from MQTT 5.0 on");
    need(!options.will?.properties?.length, "will.properties", "exist from MQTT 5.0 on");
    need(!options.sessionExpiry, "sessionExpiry", "exists from MQTT 5.0 on");
  }
  need(isInteger(options.will?.qos ?? 0, 2), "will.qos", "must be 0, 1 or 2");
}

/** Of a text, or of Binary Data [5.0 sections 1.5.4, 1.5.6]. */
const MOST_BYTES = 65535;
const TOO_LONG = "is longer than 65,535 bytes, or than stageBytes have room for";
const TOO_LONG_OR_NONE = "is no text, is longer than 65,535 bytes, or than stageBytes have room for";
// Names of options: CONNECT is written again on each connection, and a literal there would be a new string each time.
const USER_NAME = "userName";
const PASSWORD = "password";
const PROPERTIES = "properties";
const WILL_TOPIC = "will.topic";
const WILL_PAYLOAD = "will.payload";
const WILL_PROPERTIES = "will.properties";

/** Writes CONNECT packets; what goes into them is put together in the stage. */
export class ConnectWriter {
  readonly #u8: Uint8Array;
  readonly #limits: ClientLimits;
  readonly #stage: number;
  readonly #end: number;
  readonly #reader: PropertyReader;
  #at = 0;
  readonly #fields: ConnectFields = {
    version: Version.V5_0,
    flags: 0,
    keepAlive: 0,
    propertiesAt: 0,
    propertiesLength: 0,
    clientIdAt: 0,
    clientIdLength: 0,
    willPropertiesAt: 0,
    willPropertiesLength: 0,
    willTopicAt: 0,
    willTopicLength: 0,
    willPayloadAt: 0,
    willPayloadLength: 0,
    userNameAt: 0,
    userNameLength: 0,
    passwordAt: 0,
    passwordLength: 0,
  };

  constructor(u8: Uint8Array, limits: ClientLimits, stage: number, reader: PropertyReader) {
    this.#reader = reader;
    this.#u8 = u8;
    this.#limits = limits;
    this.#stage = stage;
    this.#end = stage + limits.stageBytes;
  }

  // allocates: start-up only
  /**
   * The same options, their texts as bytes: those are written again at each connection, where text would cost XS 32 bytes
   * a character. Of options that `write` has taken.
   */
  keep(options: ConnectOptions): ConnectOptions {
    const { userName, password, will } = options;
    const kept = { ...options, userName: this.#encode(userName), password: this.#encode(password) };
    if (will !== undefined) kept.will = { ...will, topic: this.#encode(will.topic) as Uint8Array };
    return kept;
  }

  // allocates: start-up only
  #encode(text: string | Uint8Array | undefined): Uint8Array | undefined {
    if (typeof text !== "string") return text;
    return this.#u8.slice(this.#stage, writeText(this.#u8, this.#stage, this.#end, text));
  }

  /**
   * Writes the CONNECT to `to`, where there is room for `stageBytes` and 48 bytes, and returns the offset behind it. The
   * Client Identifier lies at `clientIdAt`.
   * @throws OptionsError when it does not fit into `stageBytes`, a text is none, or properties can't be.
   */
  write(to: number, options: ConnectOptions, isClean: boolean, clientIdAt: number, clientIdLength: number): number {
    const fields = this.#fields;
    const version: Version = options.version ?? Version.V5_0;
    this.#at = this.#stage;
    fields.version = version;
    fields.flags = isClean ? ConnectFlag.CleanStart : 0;
    fields.keepAlive = options.keepAlive ?? 60;
    fields.clientIdAt = clientIdAt;
    fields.clientIdLength = clientIdLength;
    fields.propertiesAt = this.#at;
    if (version === Version.V5_0) this.#properties(options);
    fields.propertiesLength = this.#at - fields.propertiesAt;
    if (options.will !== undefined) this.#will(options.will);
    if (options.userName !== undefined) {
      fields.flags |= ConnectFlag.UserName;
      fields.userNameAt = this.#at;
      fields.userNameLength = this.#text(options.userName, USER_NAME);
    }
    const { password } = options;
    if (password !== undefined) {
      fields.flags |= ConnectFlag.Password;
      fields.passwordAt = this.#at;
      // Binary Data [5.0 section 3.1.3.6]: bytes need not be text.
      fields.passwordLength =
        password instanceof Uint8Array ? this.#bytes(password, PASSWORD) : this.#text(password, PASSWORD);
    }
    return writeConnect(this.#u8, to, fields);
  }

  #properties(options: ConnectOptions): void {
    const u8 = this.#u8;
    const { receiveMaximum, packetBytes, aliasesIn } = this.#limits;
    const first = this.#at;
    let at = first;
    u8[at] = Property.ReceiveMaximum;
    at = writeU16(u8, at + 1, receiveMaximum);
    u8[at] = Property.MaximumPacketSize;
    at = writeU32(u8, at + 1, packetBytes);
    if (aliasesIn > 0) {
      u8[at] = Property.TopicAliasMaximum;
      at = writeU16(u8, at + 1, aliasesIn);
    }
    const sessionExpiry = options.sessionExpiry ?? 0;
    if (sessionExpiry > 0) {
      u8[at] = Property.SessionExpiryInterval;
      at = writeU32(u8, at + 1, sessionExpiry);
    }
    this.#at = at;
    if (options.properties === undefined) return;
    this.#bytes(options.properties, PROPERTIES, this.#limits.stageBytes);
    // Together with our own, none of which may come twice.
    if (!areProperties(this.#reader, first, this.#at, PacketType.CONNECT))
      fail(PROPERTIES, "can't be those of a CONNECT");
  }

  #will(will: Will): void {
    const fields = this.#fields;
    const qos = will.qos ?? 0;
    fields.flags |= ConnectFlag.Will | (qos << 3) | (will.retain === true ? ConnectFlag.WillRetain : 0);
    fields.willPropertiesAt = this.#at;
    fields.willPropertiesLength =
      will.properties === undefined ? 0 : this.#bytes(will.properties, WILL_PROPERTIES, this.#limits.stageBytes);
    if (!areProperties(this.#reader, fields.willPropertiesAt, this.#at, WILL)) {
      fail(WILL_PROPERTIES, "can't be those of a will");
    }
    fields.willTopicAt = this.#at;
    fields.willTopicLength = this.#text(will.topic, WILL_TOPIC);
    if (topicNameLevels(this.#u8, fields.willTopicAt, fields.willTopicLength) <= 0)
      fail(WILL_TOPIC, "is no Topic Name");
    fields.willPayloadAt = this.#at;
    fields.willPayloadLength = will.payload === undefined ? 0 : this.#bytes(will.payload, WILL_PAYLOAD);
  }

  #text(text: string | Uint8Array, option: string): number {
    if (text instanceof Uint8Array) {
      const length = this.#bytes(text, option);
      if (!isUtf8(this.#u8, this.#at - length, length)) fail(option, "is no text");
      return length;
    }
    const at = writeText(this.#u8, this.#at, this.#end, text);
    if (at < 0 || at - this.#at > MOST_BYTES) fail(option, TOO_LONG_OR_NONE);
    const length = at - this.#at;
    this.#at = at;
    return length;
  }

  #bytes(bytes: Uint8Array, option: string, most = MOST_BYTES): number {
    const { length } = bytes;
    if (length > most || this.#at + length > this.#end) fail(option, TOO_LONG);
    this.#u8.set(bytes, this.#at);
    this.#at += length;
    return length;
  }
}

// allocates: an error
function fail(option: string, why: string): never {
  throw new OptionsError(option, why);
}
