// What the broker has taken from a client, packet by packet and Topic Filter by Topic Filter, and what it owes for it.

import type { Packet, PublishPacket, SubscribePacket, UnsubscribePacket } from "../packets";
import type { Piece } from "../stream";
import { type Connection, FlightState, type Model, type Owed, type Session, Violation } from "./model";
import { againReplays, forgetReplays, replaysFor } from "./routing";

/** Whether the broker answers a QoS 2 PUBLISH with PUBREC only: its Packet Identifier is not finished. */
export function isRepeated(connection: Connection, packet: PublishPacket): boolean {
  if (packet.qos !== 2) return false;
  const packetId = packet.messageId!;
  const isOwed = connection.owed.some((owed) => owed.cmd === "pubrec" && owed.packetId === packetId);
  return isOwed || connection.session!.incoming.has(packetId);
}

/**
 * The broker is through with a piece. False when it is a PUBLISH that still waits. `isRefused`: a Topic Filter was
 * refused, for which `code` is the Reason Code of 5.0.
 */
export function taken(model: Model, connection: Connection, piece: Piece, isRefused = false, code = 0): boolean {
  const { packet } = piece;
  if (piece.isMalformed) {
    connection.sawMalformed = true;
    return true;
  }
  if (packet.cmd === "connect") return true; // the events tell
  const { session } = connection;
  if (session === undefined || connection.endedFor >= 0) return true;
  switch (packet.cmd) {
    case "publish":
      return publish(model, connection, session, packet as PublishPacket);
    case "subscribe":
      if (piece.filter >= 0) subscribe(model, connection, session, packet, piece.filter, isRefused, code);
      else complete(connection, packet.cmd);
      return true;
    case "unsubscribe":
      if (piece.filter >= 0) unsubscribe(model, connection, session, packet, piece.filter);
      else complete(connection, packet.cmd);
      return true;
    case "puback":
    case "pubrec":
    case "pubcomp":
      acknowledgement(connection, session, packet);
      return true;
    case "pubrel":
      pubrel(connection, session, packet.messageId!);
      return true;
    case "pingreq":
      if (connection.pings < 255) connection.pings++;
      return true;
    case "disconnect":
      connection.disconnect = packet;
      return true;
    default:
      return true;
  }
}

const NONE_MATCH = 0x10;

function publish(model: Model, connection: Connection, session: Session, packet: PublishPacket): boolean {
  const { publish: outcome } = connection;
  const packetId = packet.messageId ?? 0;
  const cmd = packet.qos === 1 ? "puback" : "pubrec";
  if (outcome === "waits") {
    if (!isRepeated(connection, packet)) return false;
    const isOwed = connection.owed.some((owed) => owed.cmd === "pubrec" && owed.packetId === packetId);
    if (!isOwed) connection.owed.push({ cmd, packetId, codes: [0] });
    return true;
  }
  connection.publish = "waits";
  connection.arrivedAt = -1;
  if (packet.qos === 0) return true;
  const v5 = connection.stream.version === 5;
  const isRefused = outcome === "refused" && v5;
  if (outcome === "refused" && !v5 && model.limits.refuse311 === "close") return true; // and it is closed
  let codes: readonly number[] = [0];
  if (isRefused) codes = [0x90, 0x97];
  else if (outcome === "cleared" || connection.publishReceivers === 0) codes = [NONE_MATCH];
  else if (connection.publishDrops > 0) codes = [0, NONE_MATCH];
  connection.owed.push({ cmd, packetId, codes });
  if (packet.qos === 2 && !isRefused) session.incoming.add(packetId);
  return true;
}

function pubrel(connection: Connection, session: Session, packetId: number): void {
  const owed = connection.owed.find((other) => other.cmd === "pubrec" && other.packetId === packetId);
  if (owed !== undefined && owed.codes[0] < 0x80) {
    owed.cmd = "pubcomp"; // the PUBREC that was not sent yet is needless now
    owed.codes = [0, ...owed.codes];
    session.incoming.delete(packetId);
    return;
  }
  const codes = session.incoming.delete(packetId) ? [0] : [0x92];
  connection.owed.push({ cmd: "pubcomp", packetId, codes });
}

function acknowledgement(
  connection: Connection,
  session: Session,
  packet: Extract<Packet, { cmd: "puback" | "pubrec" | "pubcomp" }>,
): void {
  const packetId = packet.messageId!;
  const isRefusal = (packet.reasonCode ?? 0) >= 0x80;
  const at = session.flights.findIndex((flight) => flight.packetId === packetId);
  const flight = session.flights[at];
  // What was not sent (again) on this connection can't be acknowledged on it.
  const isSent = flight !== undefined && (flight.isOnThis || flight.state >= FlightState.PubrelOwed);
  const state = isSent ? flight.state : 0;
  if (packet.cmd === "puback") {
    if (state === FlightState.Puback) session.flights.splice(at, 1);
  } else if (packet.cmd === "pubcomp") {
    if (state === FlightState.Pubcomp) session.flights.splice(at, 1);
  } else if (state === FlightState.Pubrec) {
    if (isRefusal) session.flights.splice(at, 1);
    else flight.state = FlightState.PubrelOwed;
  } else if (state === FlightState.PubrelOwed || state === FlightState.Pubcomp) {
    flight.state = FlightState.PubrelOwed; // said again, PUBREL again
  } else if (!isRefusal) {
    const owed: Owed = { cmd: "pubrel", packetId, codes: [0x92] };
    connection.owed.push(owed);
  }
}

// SUBSCRIBE, UNSUBSCRIBE

function codesOf(connection: Connection, cmd: "suback" | "unsuback", packetId: number): number[] {
  const last = connection.filterAcks[connection.filterAcks.length - 1];
  if (last !== undefined && !last.isComplete) return last.codes;
  const codes: number[] = [];
  connection.filterAcks.push({ cmd, packetId, codes, isComplete: false });
  connection.added = [];
  return codes;
}

function complete(connection: Connection, cmd: string): void {
  const last = connection.filterAcks[connection.filterAcks.length - 1];
  if (last === undefined || last.isComplete) throw new Violation(`${cmd} without Topic Filters was taken`);
  last.isComplete = true;
}

function subscribe(
  model: Model,
  connection: Connection,
  session: Session,
  packet: SubscribePacket,
  at: number,
  isRefused: boolean,
  code: number,
): void {
  const codes = codesOf(connection, "suback", packet.messageId!);
  const { topic: filter, qos, nl, rap, rh } = packet.subscriptions[at];
  const v5 = connection.stream.version === 5;
  const old = session.subscriptions.get(filter);
  const isBeyond = at >= model.limits.filtersPerSubscribe;
  if (v5 && filter.startsWith("$share/")) {
    codes.push(isBeyond ? 0x97 : 0x9e);
    return;
  }
  if (isRefused) {
    if (old !== undefined && !isBeyond && code !== 0x8f)
      throw new Violation(`subscription "${filter}" was refused instead of replaced`);
    codes.push(!v5 ? 0x80 : isBeyond ? 0x97 : code);
    return;
  }
  if (isBeyond) throw new Violation("more filters than filtersPerSubscribe");
  codes.push(qos);
  const subscription = {
    filter,
    levels: filter.split("/"),
    qos,
    noLocal: v5 && nl === true,
    retainAsPublished: v5 && rap === true,
    identifier: v5 ? (packet.properties?.subscriptionIdentifier ?? 0) : 0,
  };
  session.subscriptions.set(filter, subscription);
  if (old === undefined) connection.added.push(filter);
  const handling = v5 ? (rh ?? 0) : 0;
  const replays = handling === 0 || (handling === 1 && old === undefined);
  if (old !== undefined) againReplays(session, subscription, replays);
  if (replays) replaysFor(model, session, subscription);
}

function unsubscribe(
  model: Model,
  connection: Connection,
  session: Session,
  packet: UnsubscribePacket,
  at: number,
): void {
  const codes = codesOf(connection, "unsuback", packet.messageId!);
  if (at >= model.limits.filtersPerSubscribe) {
    codes.push(0x83);
    return;
  }
  const filter = packet.unsubscriptions[at];
  codes.push(session.subscriptions.delete(filter) ? 0 : 0x11);
  forgetReplays(session, filter);
}

/** The connection ends while a SUBSCRIBE is in the making: its new subscriptions go. */
export function undo(connection: Connection): void {
  const { session, added, filterAcks } = connection;
  const last = filterAcks[filterAcks.length - 1];
  if (last === undefined || last.isComplete) return;
  for (const filter of added) {
    session?.subscriptions.delete(filter);
    if (session !== undefined) forgetReplays(session, filter);
  }
  connection.added = [];
}
