// A fixed header has come: is the packet allowed now, is there room for it, must it wait? What must wait is not read, so
// that the peer's own sending stops; what can't be admitted in `holdMilliseconds` is refused. PUBACK, PUBREC, PUBREL,
// PUBCOMP, PINGREQ and DISCONNECT are always read: waiting for the send window with them unread would be a deadlock.

import { Event, Hold, Limit } from "../events";
import { NONE } from "../memory/layout";
import { CLOSE } from "../memory/limits";
import { PacketType, PublishFlag, ReasonCode, Version } from "../mqtt/constants";
import { SessionFlag } from "../session/sessions";
import type { Broker } from "./broker";
import { State } from "./connections";
import { Counter } from "./counters";
import { beginFilters, codeBlocksFor } from "./filters";

/** Returns whether reading goes on: false when the connection is held or has ended. */
export function admit(broker: Broker, connection: number): boolean {
  const { connections, decoder, limits } = broker;
  const { u8 } = broker.layout;
  if (u8[connections.state + connection] === State.Open) return admitConnect(broker, connection);
  const isTooLarge = decoder.headerLength + decoder.remaining > limits.packetBytes;
  switch (decoder.type) {
    case PacketType.PUBLISH:
      return admitPublish(broker, connection, isTooLarge);
    case PacketType.SUBSCRIBE:
    case PacketType.UNSUBSCRIBE:
      return isTooLarge ? tooLarge(broker, connection, Limit.packetBytes) : admitFilters(broker, connection);
    case PacketType.PUBACK:
    case PacketType.PUBREC:
    case PacketType.PUBREL:
    case PacketType.PUBCOMP:
    case PacketType.PINGREQ:
    case PacketType.DISCONNECT:
      if (decoder.remaining > limits.stageBytes) return tooLarge(broker, connection, Limit.stageBytes);
      return begin(broker, connection, false, 0);
    default:
      // A second CONNECT [MQTT-3.1.0-2], AUTH without a method [MQTT-4.12.0-7], or what only servers send.
      return fail(broker, connection, ReasonCode.ProtocolError);
  }
}

function admitConnect(broker: Broker, connection: number): boolean {
  const { decoder, limits } = broker;
  if (decoder.type !== PacketType.CONNECT) return fail(broker, connection, ReasonCode.ProtocolError); // [MQTT-3.1.0-1]
  return begin(broker, connection, decoder.remaining > limits.stageBytes, 0);
}

function admitPublish(broker: Broker, connection: number, isTooLarge: boolean): boolean {
  const { blocks, decoder, limits } = broker;
  const qos = (decoder.flags & PublishFlag.QoS) >>> 1;
  if (qos > 0 && !hasReceipt(broker, connection)) return beyondWindow(broker, connection, qos);
  if (isTooLarge) return tooLargePublish(broker, connection);
  if (isHeldByReceiver(broker, connection)) return hold(broker, connection, Hold.Receiver);
  if (decoder.remaining > limits.messageBytes) return refuse(broker, connection, Limit.messageBytes);
  const isRetained = (decoder.flags & PublishFlag.Retain) !== 0;
  const promise = blocks.blocksFor(decoder.remaining) + (isRetained ? 1 : 0); // its body begins a block of its own
  if (blocks.available - broker.connectReserve < promise) {
    if (broker.mayHold(connection)) return hold(broker, connection, Hold.Room);
    return refuse(broker, connection, Limit.payloadBytes);
  }
  return begin(broker, connection, false, promise);
}

/** Whether a PUBLISH of QoS 1 or 2 can be acknowledged [section 4.9]. */
export function hasReceipt(broker: Broker, connection: number): boolean {
  return broker.inbox.hasRoom(broker.sessionOf(connection), true, isVersion5(broker, connection));
}

/**
 * A PUBLISH does not fit into the Receive Maximum: it waits while an acknowledgement that makes room is owed. QoS 2 may be
 * one that we have already, sent again: its identifier will tell.
 */
function beyondWindow(broker: Broker, connection: number, qos: number): boolean {
  if (broker.inbox.firstOwed(broker.sessionOf(connection)) !== NONE) return hold(broker, connection, Hold.Window);
  if (qos === 2) return refuse(broker, connection, Limit.receiveMaximum);
  broker.log.event(Event.LimitReached, connection, Limit.receiveMaximum);
  return fail(broker, connection, ReasonCode.ReceiveMaximumExceeded); // [MQTT-3.3.4-7]
}

function isVersion5(broker: Broker, connection: number): boolean {
  return broker.layout.u8[broker.connections.version + connection] === Version.V5_0;
}

/**
 * Whether the last message filled the queue of a receiver over half, and that one is still on its way to empty it. A
 * client whose own window is full is not held: its acknowledgements are behind the PUBLISH, and two clients that publish
 * to each other would wait for each other.
 */
function isHeldByReceiver(broker: Broker, connection: number): boolean {
  const { connections, limits, sessions } = broker;
  const { u32, index } = broker.layout;
  const receiver = index[connections.heldBy + connection];
  if (receiver === NONE) return false;
  if (sessions.isWindowFull(broker.sessionOf(connection), limits.inflightPerSession)) return false;
  const isFull = index[sessions.outCount + receiver] > limits.queuePerSession >>> 1;
  const idle = (broker.now - u32[sessions.progressAt + receiver]) | 0;
  const holds = isFull && sessions.isOnline(receiver) && idle < limits.stallMilliseconds;
  if (holds && !sessions.has(receiver, SessionFlag.Slow)) {
    if (broker.mayHold(connection)) return true;
    sessions.set(receiver, SessionFlag.Slow, true);
  }
  index[connections.heldBy + connection] = NONE;
  return false;
}

function tooLargePublish(broker: Broker, connection: number): boolean {
  if (isVersion5(broker, connection) || broker.limits.refuse311 === CLOSE) {
    return tooLarge(broker, connection, Limit.packetBytes);
  }
  return refuse(broker, connection, Limit.packetBytes);
}

function admitFilters(broker: Broker, connection: number): boolean {
  const { blocks, connections } = broker;
  if (broker.layout.u8[connections.ackType + connection] !== 0) return hold(broker, connection, Hold.Subscribe);
  const promise = codeBlocksFor(broker);
  if (blocks.available < promise) {
    if (broker.mayHold(connection)) return hold(broker, connection, Hold.Room);
    broker.log.event(Event.LimitReached, connection, Limit.payloadBytes);
    return fail(broker, connection, ReasonCode.QuotaExceeded);
  }
  beginFilters(broker, connection, promise);
  return begin(broker, connection, false, 0);
}

function tooLarge(broker: Broker, connection: number, limit: Limit): boolean {
  broker.log.event(Event.LimitReached, connection, limit);
  return fail(broker, connection, ReasonCode.PacketTooLarge);
}

function hold(broker: Broker, connection: number, holds: Hold): boolean {
  broker.hold(connection, holds);
  return false;
}

/** The PUBLISH is read to its end, for its Packet Identifier, but not stored. */
function refuse(broker: Broker, connection: number, limit: Limit): boolean {
  broker.layout.u8[broker.connections.refusedBy + connection] = limit;
  return begin(broker, connection, true, 0);
}

function begin(broker: Broker, connection: number, refused: boolean, promise: number): boolean {
  broker.endHold(connection);
  broker.log.add(Counter.PacketsReceived, 1);
  broker.decoder.begin(refused, promise);
  return true;
}

function fail(broker: Broker, connection: number, reason: ReasonCode): boolean {
  broker.end(connection, reason);
  return false;
}
