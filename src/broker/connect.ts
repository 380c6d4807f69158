// CONNECT [5.0 section 3.1, 3.1.1 section 3.1]: everything is checked and found room for before anything is changed, so
// that a refused CONNECT leaves the session of its Client Identifier as it was.

import { Event, Limit } from "../events";
import { NONE } from "../memory/layout";
import { variableLength } from "../mqtt/bytes";
import { ConnectFlag, Property, ReasonCode, ReturnCode, Version } from "../mqtt/constants";
import { connackPropertiesLength, fixedHeaderLength } from "../mqtt/encoder";
import { WILL } from "../mqtt/properties";
import { MessageFlag } from "../session/messages";
import { SessionFlag } from "../session/sessions";
import type { Broker } from "./broker";
import { ConnackFlag, Owes, State } from "./connections";
import { dropWill, endSession, refuseConnection } from "./ending";
import { armConnection } from "./time";

/** A whole CONNECT of `length` bytes at `at`. */
export function handleConnect(broker: Broker, connection: number, at: number, length: number): void {
  const { connect, limits } = broker;
  const error = connect.read(at, length);
  setVersion(broker, connection);
  if (error !== ReasonCode.Success) return refuseMalformed(broker, connection, error);
  if (connect.hasAuthenticationMethod) {
    return refuse(broker, connection, ReasonCode.BadAuthenticationMethod, 0); // [MQTT-4.12.0-1]
  }
  if (connect.maximumPacketSize !== 0 && connect.maximumPacketSize < connackLength(broker)) {
    return refuse(broker, connection, ReasonCode.PacketTooLarge, Limit.packetBytes); // [MQTT-3.1.2-24]
  }
  if (connect.clientIdLength > limits.clientIdBytes) {
    return refuse(broker, connection, ReasonCode.ClientIdentifierNotValid, Limit.clientIdBytes);
  }
  if (connect.clientIdLength === 0 && !mayAssign(broker)) {
    return refuse(broker, connection, ReasonCode.ClientIdentifierNotValid, 0); // [MQTT-3.1.3-8]
  }
  const session =
    connect.clientIdLength === 0 ? NONE : broker.sessions.find(connect.clientIdAt, connect.clientIdLength);
  if (session === NONE || !broker.sessions.isOnline(session)) {
    // One connection stays free, to read the CONNECT of somebody who takes over.
    if (broker.connections.connectedCount >= limits.connections - 1) {
      return refuse(broker, connection, ReasonCode.ServerBusy, Limit.connections);
    }
  }
  if (session === NONE && broker.sessions.pool.free === 0) {
    return refuse(broker, connection, ReasonCode.QuotaExceeded, Limit.sessions);
  }
  let will = NONE;
  if ((connect.flags & ConnectFlag.Will) !== 0) {
    const shortage = checkWill(broker);
    if (shortage !== 0) return refuse(broker, connection, willReason(shortage), shortage);
    will = storeWill(broker);
  }
  accept(broker, connection, session, will);
}

/** Bytes of the CONNACK that accepts the CONNECT that was read. */
function connackLength(broker: Broker): number {
  const { connackProperties, connect, limits } = broker;
  connackProperties.sessionExpiryDiffers = connect.sessionExpiry > limits.sessionExpirySeconds;
  const keepAlive = keepAliveFor(connect.keepAlive, limits.keepAliveSeconds, true);
  connackProperties.serverKeepAlive = keepAlive === connect.keepAlive ? -1 : keepAlive;
  connackProperties.assignedLength = connect.clientIdLength === 0 ? PREFIX.length + DIGITS : 0;
  const length = connackPropertiesLength(ReasonCode.Success, connackProperties);
  const remaining = 2 + variableLength(length) + length;
  return fixedHeaderLength(remaining) + remaining;
}

/** A CONNECT too large to be read: only its first bytes are here. */
export function handleLargeConnect(broker: Broker, connection: number, at: number, length: number): void {
  broker.connect.read(at, length);
  setVersion(broker, connection);
  if (broker.connect.version === 0) return broker.end(connection, ReasonCode.UnsupportedProtocolVersion);
  refuse(broker, connection, ReasonCode.PacketTooLarge, Limit.stageBytes);
}

function setVersion(broker: Broker, connection: number): void {
  broker.layout.u8[broker.connections.version + connection] = broker.connect.version;
}

/** Whether a CONNECT without a Client Identifier gets one assigned: 5.0, and 3.1.1 with Clean Session [MQTT-3.1.3-7]. */
function mayAssign(broker: Broker): boolean {
  const { version, flags } = broker.connect;
  return version === Version.V5_0 || (version === Version.V3_1_1 && (flags & ConnectFlag.CleanStart) !== 0);
}

function refuseMalformed(broker: Broker, connection: number, error: ReasonCode): void {
  const { version } = broker.connect;
  if (error === ReasonCode.UnsupportedProtocolVersion && version !== 0) {
    return refuse(broker, connection, error, 0); // [MQTT-3.1.2-2]
  }
  // Before 5.0 a malformed CONNECT gets no CONNACK [3.1.1 MQTT-3.1.4-1].
  if (version !== Version.V5_0) return broker.end(connection, error);
  refuse(broker, connection, error, 0);
}

/** CONNACK with a Reason Code, then close. `limit`: the limit that was reached, or 0. */
function refuse(broker: Broker, connection: number, reason: ReasonCode, limit: Limit | 0): void {
  if (limit !== 0) broker.log.event(Event.LimitReached, connection, limit);
  refuseConnection(broker, connection, reason, returnCodeOf(reason));
}

/** The return code of 3.1.1 for a Reason Code; 0 where none fits and the connection is just closed [MQTT-3.2.2-6]. */
function returnCodeOf(reasonCode: ReasonCode): number {
  switch (reasonCode) {
    case ReasonCode.UnsupportedProtocolVersion:
      return ReturnCode.UnacceptableProtocolVersion;
    case ReasonCode.ClientIdentifierNotValid:
    case ReasonCode.PacketTooLarge:
      return ReturnCode.IdentifierRejected;
    case ReasonCode.ServerBusy:
    case ReasonCode.QuotaExceeded:
    case ReasonCode.ServerUnavailable:
      return ReturnCode.ServerUnavailable;
    case ReasonCode.BadUserNameOrPassword:
      return ReturnCode.BadUserNameOrPassword;
    case ReasonCode.NotAuthorized:
      return ReturnCode.NotAuthorized;
    default:
      return 0;
  }
}

function willReason(limit: Limit): ReasonCode {
  switch (limit) {
    case Limit.topicBytes:
    case Limit.topicLevels:
      return ReasonCode.TopicNameInvalid;
    case Limit.messageBytes:
      return ReasonCode.PacketTooLarge;
    default:
      return ReasonCode.QuotaExceeded;
  }
}

/** The limit that keeps the Will Message from being stored, or 0. */
function checkWill(broker: Broker): Limit | 0 {
  const { connect, limits, blocks, messages } = broker;
  if (connect.willTopicLength > limits.topicBytes) return Limit.topicBytes;
  if (connect.willTopicLevels > limits.topicLevels) return Limit.topicLevels;
  const length =
    connect.willTopicLength + connect.willPropertiesEnd - connect.willPropertiesAt + connect.willPayloadLength;
  if (length > limits.messageBytes) return Limit.messageBytes;
  if (messages.pool.free === 0) return Limit.messages;
  return blocks.available < blocks.blocksFor(length) + 1 ? Limit.payloadBytes : 0;
}

/** Stores the Will Message as a PUBLISH is stored; room was found before. */
function storeWill(broker: Broker): number {
  const { connect, blocks, messages, decoder } = broker;
  const retain = (connect.flags & ConnectFlag.WillRetain) !== 0;
  let length = connect.willTopicLength;
  let last = blocks.append(NONE, 0, connect.willTopicAt, length);
  let first = blocks.first;
  if (retain) length = blocks.blocksFor(length) * blocks.blockBytes;
  let propertiesLength = 0;
  let expiry = -1;
  const properties = decoder.properties;
  properties.seen = 0;
  for (let at = connect.willPropertiesAt; at < connect.willPropertiesEnd; ) {
    const next = properties.read(at, connect.willPropertiesEnd, WILL);
    if (properties.id === Property.MessageExpiryInterval) expiry = properties.value;
    else if (properties.id !== Property.WillDelayInterval) {
      last = blocks.append(last, length, at, next - at);
      length += next - at;
      propertiesLength += next - at;
    }
    at = next;
  }
  blocks.append(last, length, connect.willPayloadAt, connect.willPayloadLength);
  length += connect.willPayloadLength;
  if (first === NONE) first = blocks.first;
  const header = ((connect.flags & ConnectFlag.WillQoS) >>> 3) | (retain ? MessageFlag.Retain : 0);
  const message = messages.add(first, length, connect.willTopicLength, propertiesLength, header);
  // It begins to expire when it is published; until then the interval itself is kept there.
  if (expiry >= 0) messages.setExpiry(message, expiry, 0);
  messages.kept++;
  return message;
}

function accept(broker: Broker, connection: number, existing: number, will: number): void {
  const { connect, connections, sessions, limits } = broker;
  const { u8, u16, u32, index } = sessions.layout;
  const v5 = connect.version === Version.V5_0;
  const clean = (connect.flags & ConnectFlag.CleanStart) !== 0;
  let session = existing;
  if (session !== NONE) {
    const other = index[sessions.connection + session];
    if (other !== NONE) {
      broker.end(other, ReasonCode.SessionTakenOver); // [MQTT-3.1.4-3]
      session = broker.sessions.find(connect.clientIdAt, connect.clientIdLength); // it may have ended with it
    }
  }
  if (session !== NONE && clean) {
    endSession(broker, session, false); // [MQTT-3.1.2-4]
    session = NONE;
  }
  const present = session !== NONE;
  let connack = present ? ConnackFlag.SessionPresent : 0;
  if (session === NONE) {
    if (connect.clientIdLength === 0) {
      assignClientId(broker);
      connack |= ConnackFlag.AssignedClientIdentifier;
    }
    session = sessions.add(connect.clientIdAt, connect.clientIdLength);
  } else {
    dropWill(broker, session); // [MQTT-3.1.3-9]
  }
  index[sessions.connection + session] = connection;
  index[sessions.will + session] = will;
  u32[sessions.willDelay + session] = v5 ? connect.willDelay : 0;
  u32[sessions.maximumPacketSize + session] = v5 ? connect.maximumPacketSize : 0;
  u32[sessions.progressAt + session] = broker.now;
  u16[sessions.receiveMaximum + session] = v5 ? connect.receiveMaximum : 65535;
  sessions.set(session, SessionFlag.V5, v5);
  sessions.set(session, SessionFlag.Slow, false);
  sessions.set(session, SessionFlag.Long, false);
  const wanted = v5 ? connect.sessionExpiry : clean ? 0 : limits.sessionExpirySeconds;
  const expiry = wanted < limits.sessionExpirySeconds ? wanted : limits.sessionExpirySeconds;
  if (expiry !== wanted) connack |= ConnackFlag.SessionExpiry;
  u32[sessions.expiry + session] = expiry;
  sessions.set(session, SessionFlag.Ends, expiry === 0);
  const keepAlive = keepAliveFor(connect.keepAlive, limits.keepAliveSeconds, v5);
  if (keepAlive !== connect.keepAlive) connack |= ConnackFlag.ServerKeepAlive;
  u16[connections.keepAlive + connection] = keepAlive;
  index[connections.session + connection] = session;
  u8[connections.state + connection] = State.Connected;
  u8[connections.connack + connection] = connack;
  u8[connections.owes + connection] = Owes.Connack;
  connections.connectedCount++;
  broker.timers.cancel(broker.sessionTimer(session));
  armConnection(broker, connection);
  broker.senders.push(connection);
  broker.log.event(Event.Connected, connection, present ? 1 : 0);
}

/** The Keep Alive in use: clients of 5.0 can be told a shorter one. */
function keepAliveFor(wanted: number, longest: number, v5: boolean): number {
  if (!v5 || longest === 0) return wanted;
  return wanted === 0 || wanted > longest ? longest : wanted;
}

const PREFIX = Object.freeze([0x6d, 0x69, 0x64, 0x67, 0x65, 0x2d]); // "midge-"
const DIGITS = 8;

/** Makes a Client Identifier that no session has [MQTT-3.2.2-16]. */
function assignClientId(broker: Broker): void {
  const { connect, sessions, tables, time } = broker;
  const { u8 } = broker.layout;
  const at = tables.head;
  for (let i = 0; i < PREFIX.length; i++) u8[at + i] = PREFIX[i];
  do {
    let number = time.nextNumber();
    for (let i = 0; i < DIGITS; i++) {
      const digit = number & 15;
      u8[at + PREFIX.length + i] = digit < 10 ? 0x30 + digit : 0x57 + digit;
      number >>>= 4;
    }
  } while (sessions.find(at, PREFIX.length + DIGITS) !== NONE);
  connect.clientIdAt = at;
  connect.clientIdLength = PREFIX.length + DIGITS;
}
