// The options of an application, checked and as the core takes them.

import type { ConnectionOptions as TlsOptions } from "node:tls";
import type { ClientLimits } from "../../../src/client/limits";
import { type ConnectOptions as CoreOptions, OptionsError } from "../../../src/client/options";
import { Version } from "../../../src/mqtt/constants";
import type { MqttError } from "./errors";
import type { Handler } from "./handlers";
import {
  checkInterval,
  encodeProperties,
  encodeWillProperties,
  hasProperties,
  type MessageProperties,
  type UserProperties,
  type WillProperties,
} from "./properties";

/** The Will Message [5.0 section 3.1.2.5]: the server publishes it when the client is lost. */
export interface WillOptions extends WillProperties {
  topic: string;
  payload?: string | Uint8Array;
  /** 0, 1 or 2. Default 0. */
  qos?: number;
  retain?: boolean;
}

export interface ConnectOptions extends Omit<CoreOptions, "will" | "properties"> {
  will?: WillOptions;
  /** User Properties of the CONNECT. */
  userProperties?: UserProperties;
  /** Every bound of the client; its memory follows from them. Default `clientPresets.client`. */
  limits?: ClientLimits;
  /** For mqtts: as of node:tls (`ca`, `cert`, `key`, `rejectUnauthorized` …). */
  tls?: TlsOptions;
  /** Keep trying when the first attempt fails. Default false: `connect` rejects then. */
  retry?: boolean;
  /** Gets every message, those of other handlers too, and from the first on: a resumed session begins with its CONNACK. */
  onMessage?: Handler;
  /** Hears why the connection is lost or an attempt failed, from the first attempt on, as the event "disconnect" does. */
  onDisconnect?: (error: MqttError) => void;
  /** Closes the client, and ends a `connect` that is under way. */
  signal?: AbortSignal;
}

export interface PublishOptions extends Omit<MessageProperties, "subscriptionIdentifiers"> {
  /** 0, 1 or 2. Default 0. */
  qos?: number;
  retain?: boolean;
}

export interface SubscribeOptions {
  /** The most that is granted: 0, 1 or 2. Default 0. */
  qos?: number;
  /** Not what this client publishes itself (5.0). Default false. */
  noLocal?: boolean;
  /** RETAIN as the publisher set it (5.0). Default false. */
  retainAsPublished?: boolean;
  /** 0: retained messages now; 1: only if the subscription is new; 2: never (5.0). Default 0. */
  retainHandling?: number;
}

/** @throws OptionsError for an option that can't be. */
export function coreOptions(options: ConnectOptions): CoreOptions {
  checkNames(options, connectNames, "");
  const { will, userProperties, version, clientId, userName, password, keepAlive, cleanStart, sessionExpiry } = options;
  const found: CoreOptions = { version, clientId, userName, password, keepAlive, cleanStart, sessionExpiry };
  const isV5 = (version ?? Version.V5_0) === Version.V5_0;
  if (userProperties?.length) found.properties = encodeProperties({ userProperties });
  if (will !== undefined) {
    checkNames(will, willNames, "will.");
    const { topic, payload, qos, retain } = will;
    if (!isV5 && (hasProperties(will) || will.delay)) throw new OptionsError("will", "has properties, of MQTT 5.0");
    found.will = { topic, payload: bytesOf(payload ?? "", "will.payload"), qos, retain };
    if (isV5) found.will.properties = encodeWillProperties(will);
  }
  return found;
}

/** What `publish` is given, as the core takes it. @throws OptionsError */
export function publishOptions(options: PublishOptions, version: Version): { properties: Uint8Array; expiry: number } {
  checkNames(options, publishNames, "");
  checkQos(options.qos ?? 0);
  if (version !== Version.V5_0 && hasProperties(options))
    throw new OptionsError("properties", "exist from MQTT 5.0 on");
  const { messageExpiry } = options;
  if (messageExpiry !== undefined) checkInterval(messageExpiry, "messageExpiry");
  return { properties: encodeProperties(options), expiry: messageExpiry ?? -1 };
}

/** Subscription Options as a byte [5.0 section 3.8.3.1]. @throws OptionsError */
export function subscriptionOptions(options: SubscribeOptions, version: Version): number {
  checkNames(options, subscribeNames, "");
  const { qos = 0, noLocal = false, retainAsPublished = false, retainHandling = 0 } = options;
  checkQos(qos);
  if (![0, 1, 2].includes(retainHandling)) throw new OptionsError("retainHandling", "must be 0, 1 or 2");
  if (version !== Version.V5_0) {
    const isNew = noLocal
      ? "noLocal"
      : retainAsPublished
        ? "retainAsPublished"
        : retainHandling
          ? "retainHandling"
          : "";
    if (isNew !== "") throw new OptionsError(isNew, "exists from MQTT 5.0 on");
  }
  return qos | (noLocal ? 4 : 0) | (retainAsPublished ? 8 : 0) | (retainHandling << 4);
}

export function bytesOf(payload: string | Uint8Array, option = "payload"): Uint8Array {
  if (typeof payload === "string") return Buffer.from(payload);
  if (!(payload instanceof Uint8Array)) throw new OptionsError(option, "must be a string or a Uint8Array");
  return payload;
}

const messageNames = ["messageExpiry", "isText", "contentType", "responseTopic", "correlationData", "userProperties"];
const publishNames: readonly string[] = ["qos", "retain", ...messageNames];
const willNames: readonly string[] = ["topic", "payload", "delay", ...publishNames];
const subscribeNames: readonly string[] = ["qos", "noLocal", "retainAsPublished", "retainHandling"];
const connectNames: readonly string[] = [
  ...["version", "clientId", "userName", "password", "keepAlive", "cleanStart", "sessionExpiry", "will"],
  ...["userProperties", "limits", "tls", "retry", "onMessage", "onDisconnect", "signal"],
];

/** A name that nothing reads is a mistake that nobody would see. */
function checkNames(options: object, names: readonly string[], where: string): void {
  for (const name of Object.keys(options)) {
    if (names.includes(name)) continue;
    const near = names.find((known) => known.toLowerCase() === name.toLowerCase());
    throw new OptionsError(`${where}${name}`, near === undefined ? "is not known" : `is not known; there is "${near}"`);
  }
}

function checkQos(qos: number): void {
  if (![0, 1, 2].includes(qos)) throw new OptionsError("qos", "must be 0, 1 or 2");
}
