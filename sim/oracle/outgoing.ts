// What the broker sends, packet by packet, against what it owes.

import type { Packet, PublishPacket } from "../packets";
import { encode, travelling } from "../packets";
import {
  type Connection,
  type Expected,
  FlightState,
  type Message,
  type Model,
  type Replay,
  type Session,
  Violation,
} from "./model";
import { skipTo } from "./routing";

/** How far the broker's seconds may be from ours, ms. */
const SLACK = 1200;

/** A whole packet was sent to a client. Returns the message when it was a PUBLISH. */
export function sent(model: Model, connection: Connection, packet: Packet, size: number): Message | undefined {
  const { session } = connection;
  if (packet.cmd === "connack") {
    connack(model, connection, packet);
    return undefined;
  }
  if (packet.cmd === "disconnect") {
    if (connection.stream.version !== 5) throw new Violation("DISCONNECT to a client before 5.0");
    if (!connection.isConnected || connection.connack) throw new Violation("DISCONNECT before CONNACK");
    connection.toldWhy = packet.reasonCode ?? 0;
    return undefined;
  }
  if (!connection.isConnected || connection.connack !== undefined || session === undefined) {
    throw new Violation(`${packet.cmd} before CONNACK`);
  }
  if (session.maximumPacketSize > 0 && size > session.maximumPacketSize) {
    throw new Violation(`${packet.cmd} of ${size} bytes, Maximum Packet Size is ${session.maximumPacketSize}`);
  }
  switch (packet.cmd) {
    case "publish":
      return publish(connection, session, packet as PublishPacket);
    case "puback":
    case "pubrec":
    case "pubcomp":
    case "pubrel":
      acknowledgement(connection, session, packet);
      return undefined;
    case "suback":
    case "unsuback":
      filtersAck(connection, packet);
      return undefined;
    case "pingresp":
      if (connection.pings-- <= 0) throw new Violation("PINGRESP nobody asked for");
      return undefined;
    default:
      throw new Violation(`${packet.cmd} is nothing that a server sends`);
  }
}

function connack(model: Model, connection: Connection, packet: Extract<Packet, { cmd: "connack" }>): void {
  const code = packet.reasonCode ?? packet.returnCode ?? 0;
  if (connection.isRefused) {
    if (code === 0) throw new Violation("CONNACK Success for a CONNECT that was refused");
    if (connection.stream.version === 5 && code !== connection.refusedFor) throw new Violation(`CONNACK ${hex(code)}`);
    if (packet.sessionPresent) throw new Violation("Session Present with a refusal [MQTT-3.2.2-6]");
    return;
  }
  const owed = connection.connack;
  if (owed === undefined) throw new Violation("CONNACK nobody asked for");
  if (code !== 0) throw new Violation(`CONNACK ${code} for a CONNECT that was accepted`);
  const present = owed.present && connection.stream.version !== 3;
  if (packet.sessionPresent !== present)
    throw new Violation(`Session Present ${packet.sessionPresent}, not ${present}`);
  connection.connack = undefined;
  if (connection.stream.version !== 5) return;
  const { properties } = packet;
  const { limits } = model;
  if ((properties?.receiveMaximum ?? 65535) !== limits.receiveMaximum) throw new Violation("CONNACK: Receive Maximum");
  if (properties?.maximumPacketSize !== limits.packetBytes) throw new Violation("CONNACK: Maximum Packet Size");
  const wanted = connection.connect!;
  const assigned = properties?.assignedClientIdentifier;
  if ((assigned !== undefined) !== (wanted.clientId === "")) throw new Violation("CONNACK: Assigned Client Identifier");
  if (assigned !== undefined && assigned !== connection.session!.id)
    throw new Violation("CONNACK: assigned another one");
  const keepAlive = properties?.serverKeepAlive ?? wanted.keepalive ?? 0;
  if (keepAlive !== connection.keepAlive) throw new Violation(`CONNACK: Server Keep Alive ${keepAlive}`);
  const expiry = properties?.sessionExpiryInterval ?? wanted.properties?.sessionExpiryInterval ?? 0;
  if (expiry !== connection.session!.expiry) throw new Violation(`CONNACK: Session Expiry Interval ${expiry}`);
}

function acknowledgement(
  connection: Connection,
  session: Session,
  packet: Extract<Packet, { cmd: "puback" | "pubrec" | "pubcomp" | "pubrel" }>,
): void {
  const packetId = packet.messageId!;
  const code = packet.reasonCode ?? 0;
  const { cmd } = packet;
  // PUBACK and PUBREC go out in the order of the PUBLISH packets [MQTT-4.6.0-2], [MQTT-4.6.0-3].
  const at = connection.owed.findIndex((owed) => owed.cmd === cmd && (cmd !== "pubcomp" || owed.packetId === packetId));
  const owed = connection.owed[at];
  if (owed !== undefined && owed.packetId === packetId) {
    if (connection.stream.version === 5 && !owed.codes.includes(code)) {
      throw new Violation(`${cmd} ${packetId} with ${hex(code)}, not ${owed.codes.map(hex).join(" or ")}`);
    }
    connection.owed.splice(at, 1);
    return;
  }
  if (cmd === "pubrel") {
    const flight = session.flights.find((other) => other.packetId === packetId);
    if (flight?.state === FlightState.PubrelOwed) {
      if (code !== 0) throw new Violation(`pubrel ${packetId} with ${hex(code)}, but it is known`);
      flight.state = FlightState.Pubcomp;
      return;
    }
  }
  throw new Violation(`${cmd} ${packetId} is not owed${owed ? `; ${owed.packetId} comes first` : ""}`);
}

function filtersAck(connection: Connection, packet: Extract<Packet, { cmd: "suback" | "unsuback" }>): void {
  const owed = connection.filterAcks.shift();
  if (owed === undefined || owed.cmd !== packet.cmd || owed.packetId !== packet.messageId || !owed.isComplete) {
    throw new Violation(`${packet.cmd} ${packet.messageId} is not owed`);
  }
  if (packet.cmd === "unsuback" && connection.stream.version !== 5) return;
  const codes = (packet.granted ?? []) as number[];
  if (codes.length !== owed.codes.length || codes.some((code, i) => code !== owed.codes[i])) {
    throw new Violation(`${packet.cmd} ${packet.messageId}: codes ${codes}, not ${owed.codes}`);
  }
}

function hex(code: number): string {
  return `0x${code.toString(16).padStart(2, "0")}`;
}

// PUBLISH

function publish(connection: Connection, session: Session, packet: PublishPacket): Message {
  const again = session.flights.find(({ isOnThis, state }) => !isOnThis && state <= FlightState.Pubrec);
  if (again !== undefined) {
    if (again.packetId !== packet.messageId || !packet.dup) {
      throw new Violation(`PUBLISH ${describe(packet)}, before ${again.packetId} was sent again with DUP`);
    }
    checkContent(connection, packet, again.expected.message, true);
    checkOptions(packet, again.expected);
    const { identifiers } = again.expected;
    if (session.version === 5 && !sameNumbers(identifiersOf(packet), identifiers)) {
      throw new Violation(`PUBLISH ${describe(packet)}: Subscription Identifiers ${identifiers} before`);
    }
    again.isOnThis = true;
    checkWindow(session);
    return again.expected.message;
  }
  if (packet.dup && !session.hasBegun) throw new Violation(`PUBLISH ${describe(packet)} has DUP the first time`);
  const found = take(connection, session, packet);
  checkContent(connection, packet, found.message, session.hasBegun);
  if (packet.dup) session.hasBegun = false;
  if (packet.qos === 0) return found.message;
  const packetId = packet.messageId ?? 0;
  if (packetId === 0) throw new Violation("PUBLISH without a Packet Identifier");
  if (session.flights.some((flight) => flight.packetId === packetId)) {
    throw new Violation(`PUBLISH ${describe(packet)}: the Packet Identifier is in use [MQTT-2.2.1-4]`);
  }
  const state = packet.qos === 1 ? FlightState.Puback : FlightState.Pubrec;
  const { qos, retain } = packet;
  const expected = { message: found.message, qos, retain, identifiers: identifiersOf(packet) };
  session.flights.push({ expected, packetId, state, isOnThis: true });
  checkWindow(session);
  return found.message;
}

function checkWindow(session: Session): void {
  const count = session.flights.filter(({ isOnThis }) => isOnThis).length;
  if (count > session.receiveMaximum) {
    throw new Violation(`${count} unfinished PUBLISH, Receive Maximum is ${session.receiveMaximum} [MQTT-3.3.4-9]`);
  }
}

function describe(packet: PublishPacket): string {
  const id = packet.messageId === undefined ? "" : ` ${packet.messageId}`;
  const retain = packet.retain ? " retained" : "";
  const text = packet.payload.subarray(0, 12).toString("latin1");
  return `QoS ${packet.qos}${id}${retain} on ${JSON.stringify(packet.topic)}, "${text}"`;
}

function identifiersOf(packet: PublishPacket): number[] {
  const identifiers = packet.properties?.subscriptionIdentifier ?? [];
  return (Array.isArray(identifiers) ? [...identifiers] : [identifiers]).sort((a, b) => a - b);
}

function checkOptions(packet: PublishPacket, expected: { qos: number; retain: boolean }): void {
  if (packet.qos !== expected.qos) throw new Violation(`PUBLISH ${describe(packet)}: QoS is ${expected.qos}`);
  if (packet.retain !== expected.retain)
    throw new Violation(`PUBLISH ${describe(packet)}: RETAIN is ${expected.retain}`);
}

/** Finds what was expected and takes it off. */
function take(connection: Connection, session: Session, packet: PublishPacket): { message: Message } {
  const identifiers = session.version === 5 ? identifiersOf(packet) : undefined;
  // The same may have been said twice: then it is the one whose Message Expiry Interval fits, if it can be.
  const fitting = findLive(session, packet, identifiers, (message) => expiryError(connection, packet, message) === "");
  const live = findLive(session, packet, identifiers, () => true);
  const replay = findReplay(session, packet, identifiers);
  if (live < 0 && replay < 0) {
    throw new Violation(`PUBLISH ${describe(packet)} to ${session.id} was not to be sent${hint(session, packet)}`);
  }
  // Where it may be either, it went live: retained messages follow when nothing else waits.
  const lost = session.expected[0];
  if (!skipTo(session, fitting) && !skipTo(session, live)) {
    if (replay >= 0) return takeReplay(session, replay);
    throw new Violation(
      `PUBLISH ${describe(packet)} to ${session.id} comes before "${name(lost.message)}", which was neither sent nor dropped`,
    );
  }
  const [expected, ...later] = session.expected;
  if (expected.isOptional) {
    // The same was said again, and one of them dropped: it may as well have been the other.
    const isV5 = identifiers !== undefined;
    const same = later.find(({ isOptional, message }) => !isOptional && isOf(message, packet, isV5));
    if (same !== undefined) same.isOptional = true;
  }
  if (!takeCopy(expected, identifiers)) session.expected.shift();
  session.lastLive.set(packet.topic, expected.message);
  return expected;
}

function name(message: Message): string {
  return message.payload.subarray(0, 12).toString("latin1");
}

/** What is nearest to a PUBLISH that nobody expects, for the message. */
function hint(session: Session, packet: PublishPacket): string {
  const near = session.expected.find(({ message }) => message.payload.equals(packet.payload));
  if (near === undefined) return "";
  return `: expected with QoS ${near.qos}, RETAIN ${near.retain}, identifiers ${near.identifiers}`;
}

function isOf(message: Message, packet: PublishPacket, isV5: boolean): boolean {
  if (message.topic !== packet.topic || !message.payload.equals(packet.payload)) return false;
  // Many have no payload; these are told apart by their properties.
  return packet.payload.length > 0 || !isV5 || message.travelling === travelling(packet.properties);
}

/** Where among the expected messages it is first, as a whole or as one copy of several; -1 for nowhere. */
function findLive(
  session: Session,
  packet: PublishPacket,
  identifiers: number[] | undefined,
  fits: (message: Message) => boolean,
): number {
  const { expected } = session;
  const whole = expected.findIndex((other) => isWhole(other, packet, identifiers) && fits(other.message));
  const copy = expected.findIndex((other) => isCopy(other, packet, identifiers) && fits(other.message));
  return whole < 0 || copy < 0 ? Math.max(whole, copy) : Math.min(whole, copy);
}

function isWhole(expected: Expected, packet: PublishPacket, identifiers: number[] | undefined): boolean {
  if (expected.isSplit || packet.qos !== expected.qos || packet.retain !== expected.retain) return false;
  if (identifiers !== undefined && !sameNumbers(identifiers, expected.identifiers)) return false;
  return isOf(expected.message, packet, identifiers !== undefined);
}

/** One copy for each Subscription Identifier. */
function isCopy(expected: Expected, packet: PublishPacket, identifiers: number[] | undefined): boolean {
  if (!expected.canSplit || !isOf(expected.message, packet, identifiers !== undefined)) return false;
  if (!expected.copies.some(({ qos }) => qos === packet.qos)) return false;
  if (identifiers === undefined) return true;
  if (identifiers.length > 1) return false;
  return identifiers.length === 0 ? expected.hasPlain : expected.identifiers.includes(identifiers[0]);
}

/** Takes one copy off; true when more are to come. */
function takeCopy(expected: Expected, identifiers: number[] | undefined): boolean {
  if (!expected.isSplit && (identifiers === undefined || sameNumbers(identifiers, expected.identifiers))) {
    // With one identifier only, it may as well have been one copy, and one without an identifier is to come.
    if (!expected.canSplit || !expected.hasPlain || expected.identifiers.length !== 1) return false;
    expected.identifiers = [];
    expected.isSplit = true;
    expected.isOptional = true;
    return true;
  }
  expected.isSplit = true;
  if (identifiers === undefined || identifiers.length === 0) expected.hasPlain = false;
  else expected.identifiers.splice(expected.identifiers.indexOf(identifiers[0]), 1);
  return expected.identifiers.length > 0;
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}

function findReplay(session: Session, packet: PublishPacket, identifiers: number[] | undefined): number {
  if (!packet.retain) return -1;
  const isIt = ({ message, qos, identifier }: Replay): boolean =>
    packet.qos === qos &&
    isOf(message, packet, identifiers !== undefined) &&
    (identifiers === undefined || sameNumbers(identifiers, identifier === 0 ? [] : [identifier]));
  const found = session.replays.filter(isIt);
  // The same may have been retained twice: rather what may still be sent, rather what has to be.
  const isFresh = (replay: Replay): boolean => !isOutdated(session, replay);
  const best = found.find((replay) => replay.isRequired && isFresh(replay)) ?? found.find(isFresh) ?? found[0];
  return best === undefined ? -1 : session.replays.indexOf(best);
}

/** The message that took its place was sent already. */
function isOutdated(session: Session, { message, replacedBy }: Replay): boolean {
  const live = session.lastLive.get(message.topic);
  return replacedBy !== 0 && live !== undefined && live.sequence >= replacedBy;
}

function takeReplay(session: Session, at: number): Replay {
  const replay = session.replays[at];
  if (isOutdated(session, replay)) {
    throw new Violation(`retained "${name(replay.message)}" is sent after the message that took its place`);
  }
  session.replays.splice(at, 1);
  return replay;
}

function checkContent(connection: Connection, packet: PublishPacket, message: Message, isAgain: boolean): void {
  if (packet.topic !== message.topic) throw new Violation(`PUBLISH ${describe(packet)}: topic is ${message.topic}`);
  if (!packet.payload.equals(message.payload)) throw new Violation(`PUBLISH ${describe(packet)}: payload differs`);
  if (connection.stream.version !== 5) return;
  const properties = travelling(packet.properties);
  if (properties !== message.travelling) {
    throw new Violation(`PUBLISH ${describe(packet)}: properties ${properties}, not ${message.travelling}`);
  }
  if (packet.properties?.topicAlias !== undefined) throw new Violation("Topic Alias that the client did not allow");
  const right = message.expiry * 1000 - (connection.frameBeganAt - message.acceptedAt);
  if (message.expiry >= 0 && right < -SLACK && !isAgain)
    throw new Violation(`PUBLISH ${describe(packet)} expired ${-right} ms ago`);
  const error = expiryError(connection, packet, message);
  if (error !== "") throw new Violation(`PUBLISH ${describe(packet)}: ${error}`);
}

/** What is wrong with the Message Expiry Interval of `packet` if it carries `message`. */
function expiryError(connection: Connection, packet: PublishPacket, message: Message): string {
  if (connection.stream.version !== 5) return "";
  const left = packet.properties?.messageExpiryInterval;
  if ((left !== undefined) !== message.expiry >= 0) return `expiry ${left}`;
  if (left === undefined) return "";
  const right = Math.max(0, message.expiry * 1000 - (connection.frameBeganAt - message.acceptedAt));
  return Math.abs(left * 1000 - right) > SLACK ? `Message Expiry Interval ${left}, not ${right / 1000}` : "";
}

/** The connection ends: what was half sent must be the beginning of something that was to be sent. */
export function checkBegun({ reader, stream }: Connection, session: Session): void {
  const begun = reader.partialPublish(stream.version);
  if (begun === undefined) return;
  const { topic, payload } = begun;
  const isIt = ({ message }: { message: Message }): boolean =>
    message.topic === topic && message.payload.subarray(0, payload.length).equals(payload);
  const { expected, flights, replays } = session;
  if (expected.some(isIt) || replays.some(isIt) || flights.some((flight) => isIt(flight.expected))) return;
  throw new Violation(`half a PUBLISH on "${topic}" to ${session.id} was not to be sent`);
}

/** Bytes of the PUBLISH that carries `message` to a client of 5.0. */
export function sizeOf(message: Message, qos: number, identifiers: readonly number[]): number {
  const { payloadFormatIndicator, responseTopic, correlationData, userProperties, contentType } =
    message.properties ?? {};
  const properties: Record<string, unknown> = {
    payloadFormatIndicator,
    responseTopic,
    correlationData,
    userProperties,
    contentType,
    messageExpiryInterval: message.expiry >= 0 ? 1 : undefined,
    subscriptionIdentifier: identifiers.length > 0 ? identifiers : undefined,
  };
  for (const key of Object.keys(properties)) if (properties[key] === undefined) delete properties[key];
  const { topic, payload } = message;
  const packet = { cmd: "publish", topic, payload, qos, retain: false, dup: false, messageId: 1, properties };
  return encode(packet as Packet, 5).length;
}
