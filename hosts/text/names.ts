// Texts for the numbers that the core logs.

import { Cause, Drop, Hold } from "../../src/events";

/** Names of the Reason Codes as MQTT 5.0 section 2.4 gives them, those whose meaning depends on the packet left out. */
const reasonCodeNames: ReadonlyMap<number, string> = new Map([
  [0x00, "Normal disconnection"],
  [0x04, "Disconnect with Will Message"],
  [0x80, "Unspecified error"],
  [0x81, "Malformed Packet"],
  [0x82, "Protocol Error"],
  [0x83, "Implementation specific error"],
  [0x84, "Unsupported Protocol Version"],
  [0x85, "Client Identifier not valid"],
  [0x86, "Bad User Name or Password"],
  [0x87, "Not authorized"],
  [0x88, "Server unavailable"],
  [0x89, "Server busy"],
  [0x8a, "Banned"],
  [0x8b, "Server shutting down"],
  [0x8c, "Bad authentication method"],
  [0x8d, "Keep Alive timeout"],
  [0x8e, "Session taken over"],
  [0x8f, "Topic Filter invalid"],
  [0x90, "Topic Name invalid"],
  [0x91, "Packet Identifier in use"],
  [0x92, "Packet Identifier not found"],
  [0x93, "Receive Maximum exceeded"],
  [0x94, "Topic Alias invalid"],
  [0x95, "Packet too large"],
  [0x96, "Message rate too high"],
  [0x97, "Quota exceeded"],
  [0x98, "Administrative action"],
  [0x99, "Payload format invalid"],
  [0x9a, "Retain not supported"],
  [0x9b, "QoS not supported"],
  [0x9c, "Use another server"],
  [0x9d, "Server moved"],
  [0x9e, "Shared Subscriptions not supported"],
  [0x9f, "Connection rate exceeded"],
  [0xa0, "Maximum connect time"],
  [0xa1, "Subscription Identifiers not supported"],
  [0xa2, "Wildcard Subscriptions not supported"],
]);

const causeNames: ReadonlyMap<number, string> = new Map([
  [Cause.Lost, "connection lost"],
  [Cause.ConnectTimeout, "no CONNECT in time"],
  [Cause.PacketTimeout, "packet not complete in time"],
  [Cause.Evicted, "its place was needed before its CONNECT came"],
]);

const dropNames: ReadonlyMap<number, string> = new Map([
  [Drop.QueueFull, "queue full"],
  [Drop.TooLarge, "larger than the client's Maximum Packet Size"],
  [Drop.Expired, "expired"],
  [Drop.Superseded, "replaced by a later message on its topic"],
]);

const holdNames: readonly (readonly [bit: number, name: string])[] = Object.freeze([
  Object.freeze<[number, string]>([Hold.Window, "acknowledgements wait"]),
  Object.freeze<[number, string]>([Hold.Room, "no room for messages"]),
  Object.freeze<[number, string]>([Hold.Receiver, "a receiver is behind"]),
  Object.freeze<[number, string]>([Hold.Subscribe, "a SUBSCRIBE is in progress"]),
]);

/** The name of a Reason Code of MQTT 5.0 or of a `Cause`. */
export function reasonName(code: number): string {
  return reasonCodeNames.get(code) ?? causeNames.get(code) ?? `reason 0x${code.toString(16).padStart(2, "0")}`;
}

/** Why a session did not get a message. */
export function dropName(code: number): string {
  return dropNames.get(code) ?? `reason ${code}`;
}

/** Why a connection is not read. */
export function holdName(bits: number): string {
  const names = holdNames.filter(([bit]) => (bits & bit) !== 0).map(([, name]) => name);
  return names.length > 0 ? names.join(", ") : `reason ${bits}`;
}

/** How people write a protocol version; "" when the client has not said it. */
export function protocolName(version: number): string {
  return { 3: "3.1", 4: "3.1.1", 5: "5.0" }[version] ?? "";
}
