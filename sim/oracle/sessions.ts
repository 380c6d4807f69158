// How Network Connections and sessions begin and end, who may be refused, and when: CONNECT, takeover, DISCONNECT, Keep
// Alive, Will Messages, Session Expiry.

import { Cause, Limit } from "../../src/events";
import type { ConnectPacket } from "../packets";
import { undo } from "./incoming";
import { type Connection, type Model, Session, Violation, willOf } from "./model";
import { checkBegun } from "./outgoing";

/** How late the broker may be with what time brings, ms. */
export const LATE = 1500;
/** How early: its seconds are whole. */
const EARLY = 10;

const FOREVER = 0xffffffff;

/** CONNECT was accepted. */
export function connected(model: Model, connection: Connection, id: string, row: number, present: boolean): void {
  const packet = connection.connect;
  if (packet === undefined) throw new Violation("accepted without a CONNECT");
  const v5 = packet.protocolVersion === 5;
  if (packet.clientId !== "" && packet.clientId !== id)
    throw new Violation(`"${packet.clientId}" connected as "${id}"`);
  let session = model.sessions.get(id);
  if (session?.connection !== undefined) throw new Violation(`${id} is connected twice [MQTT-3.1.4-3]`);
  if (session !== undefined && packet.clean) throw new Violation(`${id}: Clean Start kept the session [MQTT-3.1.2-4]`);
  if (present !== (session !== undefined)) throw new Violation(`${id}: session present is ${present}`);
  if (session === undefined) {
    session = new Session(id);
    model.sessions.set(id, session);
  }
  const { limits } = model;
  session.row = row;
  session.connection = connection;
  session.version = packet.protocolVersion ?? 4;
  session.will = willOf(packet);
  session.leftAt = -1;
  const wanted = v5 ? (packet.properties?.sessionExpiryInterval ?? 0) : packet.clean ? 0 : limits.sessionExpirySeconds;
  session.expiry = Math.min(wanted, limits.sessionExpirySeconds);
  session.receiveMaximum = v5 ? (packet.properties?.receiveMaximum ?? 65535) : 65535;
  session.maximumPacketSize = v5 ? (packet.properties?.maximumPacketSize ?? 0) : 0;
  connection.session = session;
  connection.isConnected = true;
  connection.connack = { present };
  const keepAlive = packet.keepalive ?? 0;
  const most = limits.keepAliveSeconds;
  connection.keepAlive = v5 && most > 0 && (keepAlive === 0 || keepAlive > most) ? most : keepAlive;
}

/** CONNECT was refused: there must be a reason. */
export function refused(model: Model, connection: Connection, reason: number, limit: number): void {
  connection.isRefused = true;
  connection.refusedFor = reason;
  if (connection.sawMalformed) return;
  const packet = connection.connect;
  if (packet === undefined) throw new Violation("refused before its CONNECT was read");
  const { limits } = model;
  const isKnown = model.sessions.has(packet.clientId);
  const online = [...model.connections.values()].filter(({ isConnected }) => isConnected).length;
  switch (limit) {
    case Limit.connections:
      if (online < limits.connections - 1) throw new Violation(`refused with ${online} clients connected`);
      if (model.sessions.get(packet.clientId)?.isOnline) throw new Violation("refused instead of taking over");
      return;
    case Limit.sessions:
      if (isKnown || model.sessions.size < limits.sessions) {
        throw new Violation(`refused with ${model.sessions.size} sessions`);
      }
      return;
    case Limit.clientIdBytes:
      if (Buffer.byteLength(packet.clientId) <= limits.clientIdBytes) throw new Violation("Client Identifier refused");
      return;
    case Limit.stageBytes:
      if (connection.stream.pieces[0].size <= limits.stageBytes) throw new Violation("CONNECT refused as too large");
      return;
    case 0: {
      const mayAssign = packet.protocolVersion === 5 || (packet.protocolVersion === 4 && packet.clean);
      if (packet.clientId !== "" || mayAssign) throw new Violation(`refused with ${reason} for no limit`);
      return;
    }
    default:
      if (packet.will === undefined) throw new Violation(`refused for limit ${limit} without a will`);
  }
}

/** A connection that had been accepted ends: for a reason that holds? */
export function disconnected(model: Model, connection: Connection, reason: number): void {
  const { session, stream, disconnect } = connection;
  if (session === undefined) throw new Violation("ended without having begun");
  connection.endedFor = reason;
  const { toldWhy } = connection;
  if (toldWhy >= 0 && toldWhy !== (reason < 0x100 ? reason : 0x83)) {
    throw new Violation(`DISCONNECT to ${session.id} says ${toldWhy}, it ended for ${reason}`);
  }
  if (disconnect !== undefined && (disconnect.reasonCode ?? 0) === reason) {
    const expiry = disconnect.properties?.sessionExpiryInterval;
    if (expiry !== undefined) session.expiry = Math.min(expiry, model.limits.sessionExpirySeconds);
    if (reason === 0) session.will = undefined; // [MQTT-3.1.2-10]
  } else {
    checkReason(model, connection, reason);
  }
  undo(connection);
  session.connection = undefined;
  session.leftAt = model.now;
  if (session.will !== undefined) {
    const { delay } = session.will;
    session.will.dueAt = model.now + Math.min(delay, session.expiry === FOREVER ? delay : session.expiry * 1000);
  }
  checkBegun(connection, session);
  // QoS 0 is forgotten, and what is not finished goes again.
  const isPublish = connection.reader.partial > 0 && connection.reader.partialHeader >> 4 === 3;
  if (isPublish && (connection.reader.partialHeader & 6) !== 0) session.hasBegun = true;
  session.expected = session.expected.filter(({ qos }) => qos > 0);
  for (const expected of session.expected) {
    const { copies, identifiers } = expected;
    if (identifiers.length > 0 && copies.length > 1 && copies.some(({ qos }) => qos === 0)) expected.isOptional = true;
  }
  session.lostReplays += session.replays.some(({ qos }) => qos === 0) ? 1 : 0;
  for (const flight of session.flights) {
    flight.isOnThis = false;
    if (flight.state === 4) flight.state = 3;
  }
  if (stream.connection === 0) throw new Violation("ended after it was closed");
}

function checkReason(model: Model, connection: Connection, reason: number): void {
  const { stream, session } = connection;
  const { limits } = model;
  const idle = model.now - connection.lastReceivedAt;
  const fail = (why: string): never => {
    throw new Violation(`${session?.id} was disconnected with 0x${reason.toString(16)}: ${why}`);
  };
  switch (reason) {
    case Cause.Lost:
      if (!stream.isTold) fail("its stream is whole");
      return;
    case Cause.PacketTimeout:
      if (connection.beganAt < 0) fail("no packet has begun");
      if (model.now - connection.beganAt < limits.packetMilliseconds - EARLY) fail("the packet had more time");
      return;
    case 0x8d:
      if (connection.keepAlive === 0) fail("its Keep Alive is 0");
      if (idle < connection.keepAlive * 1500 - EARLY) fail(`${idle} ms after its last packet`);
      if (stream.up.waitsSince < stream.up.movedAt - 500 && connection.heldAt < 0) fail("what it sent was not read");
      return;
    case 0x8e:
      if (!isTakenOver(model, connection)) fail("nobody took over");
      return;
    case 0x8b:
      return;
    case 0x93: {
      // That is decided when the PUBLISH begins; it may have had time since.
      const count = unfinished(model, connection);
      const wasFull = connection.fullAt >= Math.max(0, connection.beganAt);
      if (count < limits.receiveMaximum && !wasFull) fail(`${count} unfinished`);
      return;
    }
    case 0x95:
      if (stream.pieces.length === 0 || stream.pieces[0].size <= limits.packetBytes)
        fail("the packet was not too large");
      return;
    case 0x97:
      return;
    default:
      if (!connection.sawMalformed && !stream.pieces[0]?.isMalformed) fail("it did nothing wrong");
  }
}

/** PUBLISH of a client that are not finished, and other acknowledgements owed to it. */
export function unfinished(model: Model, connection: Connection): number {
  const count = connection.session?.incoming.size ?? 0;
  return count + connection.owed.length + connection.answersAt(model.now);
}

function isTakenOver(model: Model, connection: Connection): boolean {
  for (const other of model.connections.values()) {
    if (other !== connection && wanted(other)?.clientId === connection.session!.id) return true;
  }
  return false;
}

/** A stream ended before its CONNECT was accepted or refused. */
export function abandoned(model: Model, connection: Connection, reason: number, limit: number): void {
  if (connection.isConnected) throw new Violation("abandoned after its CONNECT was accepted");
  connection.endedFor = reason;
  switch (reason) {
    case Cause.Lost:
      if (!connection.stream.isTold) throw new Violation("its stream is whole");
      return;
    case Cause.ConnectTimeout:
      if (model.now - connection.openedAt < model.limits.connectMilliseconds - EARLY) {
        throw new Violation("closed before the time for its CONNECT was over");
      }
      return;
    case Cause.Evicted:
      if (model.connections.size < model.limits.connections) throw new Violation("evicted with a connection free");
      return;
    case 0x97:
      // In pieces, and there were no blocks to put them together.
      if (limit !== Limit.payloadBytes) throw new Violation("CONNECT was not answered for want of room");
      return;
    default:
      if (!connection.sawMalformed && !connection.stream.pieces[0]?.isMalformed) {
        throw new Violation(`CONNECT was not answered: 0x${reason.toString(16)}`);
      }
  }
}

/** A session ended. */
export function ended(model: Model, session: Session, isExpired: boolean): void {
  model.sessions.delete(session.id);
  if (session.isOnline) throw new Violation(`the session of ${session.id} ended while it was connected`);
  const away = model.now - session.leftAt;
  if (isExpired) {
    if (session.expiry === FOREVER) throw new Violation(`the session of ${session.id} expired, which never does`);
    if (away < session.expiry * 1000 - EARLY)
      throw new Violation(`the session of ${session.id} expired ${away} ms after`);
  } else if (session.expiry !== 0 && !isStartedClean(model, session)) {
    throw new Violation(`the session of ${session.id} ended for no reason`);
  }
  if (session.will !== undefined) session.will.dueAt = Math.min(session.will.dueAt, model.now);
}

function isStartedClean(model: Model, session: Session): boolean {
  for (const connection of model.connections.values()) {
    const packet = wanted(connection);
    if (packet?.clean && packet.clientId === session.id) return true;
  }
  return false;
}

/** The CONNECT of a connection that is not accepted yet. */
function wanted({ isConnected, connect, stream }: Connection): ConnectPacket | undefined {
  if (isConnected) return undefined;
  const next = stream.pieces[0]?.packet;
  return connect ?? (next?.cmd === "connect" ? next : undefined);
}

/** A Will Message is published (or dropped for want of room): once, and when it is due. */
export function willGoes(model: Model, session: Session): void {
  const { will } = session;
  if (will === undefined) throw new Violation(`the will of ${session.id} goes, and there is none`);
  if (session.isOnline) throw new Violation(`the will of ${session.id} goes while it is connected`);
  if (model.now < will.dueAt - EARLY)
    throw new Violation(`the will of ${session.id} goes ${will.dueAt - model.now} ms early`);
  session.will = undefined;
}

/** What time should have brought by now. */
export function checkTime(model: Model): void {
  const { limits, now } = model;
  for (const connection of model.connections.values()) {
    const name = `connection ${connection.number}`;
    if (!connection.isConnected) {
      if (now - connection.openedAt > limits.connectMilliseconds + LATE)
        throw new Violation(`${name} sends no CONNECT`);
      continue;
    }
    const idle = now - connection.lastReceivedAt;
    const allowed = connection.keepAlive * 1500 + (connection.heldAt >= 0 ? limits.holdMilliseconds : 0);
    if (connection.keepAlive > 0 && idle > allowed + LATE) throw new Violation(`${name} is silent for ${idle} ms`);
    const { beganAt } = connection;
    if (
      beganAt >= 0 &&
      connection.heldAt < 0 &&
      now - beganAt > limits.packetMilliseconds + limits.holdMilliseconds + 2 * LATE
    ) {
      throw new Violation(`${name} takes ${now - beganAt} ms for a packet`);
    }
    if (connection.sawMalformed) throw new Violation(`${name} sent no packet and was not closed [MQTT-4.13.1-1]`);
  }
  for (const session of model.sessions.values()) {
    if (session.isOnline) continue;
    const away = now - session.leftAt;
    if (session.expiry !== FOREVER && away > session.expiry * 1000 + LATE) {
      throw new Violation(`the session of ${session.id} should have ended`);
    }
    if (session.will !== undefined && now > session.will.dueAt + LATE) {
      throw new Violation(`the will of ${session.id} should have gone [MQTT-3.1.2-8]`);
    }
  }
}

/** The CONNECT that the broker works on. */
export function reads(connection: Connection, packet: ConnectPacket): void {
  connection.connect = packet;
}
