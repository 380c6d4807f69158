// How Network Connections and sessions end, and what becomes of Will Messages [5.0 section 3.1.2.5].

import { Cause, Event } from "../events";
import { NONE } from "../memory/layout";
import { ReasonCode, Version } from "../mqtt/constants";
import { ACK_BYTES, CONNACK_BYTES, writeConnack, writeConnack311, writeDisconnect } from "../mqtt/encoder";
import { DeliveryFlag } from "../session/outbox";
import { SessionFlag } from "../session/sessions";
import type { Broker } from "./broker";
import { Owes, State } from "./connections";
import { dropCodes, undoSubscribe } from "./filters";
import { armSession } from "./time";

/** Ends a connection for a reason of ours: what is owed goes out, then DISCONNECT where the version has it. */
export function end(broker: Broker, connection: number, reason: ReasonCode | Cause): void {
  const { connections, sender, tables, transport } = broker;
  const { u8 } = broker.layout;
  const state: State = u8[connections.state + connection];
  if (state === State.Free) return;
  if (state === State.Open) {
    broker.log.event(Event.Abandoned, connection, reason);
    return close(broker, connection, NONE);
  }
  if (reason === Cause.Lost) return leave(broker, connection, reason);
  sender.flushOwed(connection);
  const owesConnack = (u8[connections.owes + connection] & Owes.Connack) !== 0;
  const v5 = u8[connections.version + connection] === Version.V5_0;
  // Never within another packet, nor before the CONNACK [MQTT-3.14.0-1].
  if (v5 && !owesConnack && !sender.isMidPacket(connection) && transport.writable(connection) >= ACK_BYTES) {
    const code = reason < 0x100 ? (reason as ReasonCode) : ReasonCode.ImplementationSpecificError;
    const output = tables.output;
    broker.send(connection, writeDisconnect(broker.layout.u8, output, code) - output);
  }
  leave(broker, connection, reason);
}

/** The client sent DISCONNECT. What it is owed still goes out. */
export function left(broker: Broker, connection: number, reason: ReasonCode): void {
  broker.sender.flushOwed(connection);
  leave(broker, connection, reason);
}

/** The connection goes; its session stays or ends. */
function leave(broker: Broker, connection: number, reason: ReasonCode | Cause): void {
  broker.log.event(Event.Disconnected, connection, reason);
  close(broker, connection, broker.sessionOf(connection));
}

/** CONNACK with a Reason Code that refuses, then close. `returnCode`: what versions before 5.0 are told, 0 for nothing. */
export function refuseConnection(broker: Broker, connection: number, reason: ReasonCode, returnCode: number): void {
  const { connackProperties, connections, tables, transport } = broker;
  const { u8 } = broker.layout;
  broker.log.event(Event.ConnectRefused, connection, reason);
  const output = tables.output;
  const most = broker.connect.maximumPacketSize;
  if (transport.writable(connection) >= CONNACK_BYTES && (most === 0 || most >= ACK_BYTES)) {
    if (u8[connections.version + connection] === Version.V5_0) {
      broker.send(connection, writeConnack(u8, output, false, reason, connackProperties) - output); // [MQTT-3.2.2-6]
    } else if (returnCode !== 0) {
      broker.send(connection, writeConnack311(u8, output, false, returnCode) - output);
    }
  }
  close(broker, connection, NONE);
}

/** Takes everything off a connection and gives its number back to the transport. */
function close(broker: Broker, connection: number, session: number): void {
  const { connections, decoder, limits, timers, transport } = broker;
  const { u8 } = broker.layout;
  timers.cancel(connection);
  decoder.release(connection);
  undoSubscribe(broker, connection);
  dropCodes(broker, connection);
  dropIncoming(broker, connection);
  connections.openCount--;
  if (u8[connections.state + connection] === State.Connected) connections.connectedCount--;
  connections.clear(connection);
  transport.close(connection, limits.discardMilliseconds);
  broker.moved = true;
  if (session !== NONE) leaveSession(broker, session);
}

/** Forgets a PUBLISH that was complete and not yet admitted. */
export function dropIncoming(broker: Broker, connection: number): void {
  const { connections, messages } = broker;
  const { index } = broker.layout;
  const message = index[connections.incoming + connection];
  if (message === NONE) return;
  index[connections.incoming + connection] = NONE;
  messages.release(message);
}

/** The session's client is gone. */
function leaveSession(broker: Broker, session: number): void {
  const { inbox, outbox, sessions, time } = broker;
  const { u16, u32, index } = broker.layout;
  const sending = index[sessions.sending + session];
  if (sending !== NONE) outbox.setFlag(sending, DeliveryFlag.Begun);
  index[sessions.sending + session] = NONE;
  index[sessions.connection + session] = NONE;
  outbox.disconnect(session);
  inbox.disconnect(session);
  u16[sessions.awayMilliseconds + session] = time.milliseconds;
  if (sessions.has(session, SessionFlag.Ends)) return endSession(broker, session, false);
  const delay = u32[sessions.willDelay + session];
  if (index[sessions.will + session] !== NONE) {
    if (delay === 0) publishWill(broker, session);
    else {
      sessions.set(session, SessionFlag.WillWaits, true);
      u32[sessions.willAt + session] = time.secondsAfter(delay);
    }
  }
  u32[sessions.endsAt + session] = time.secondsAfter(u32[sessions.expiry + session]);
  armSession(broker, session);
}

/** Ends a session that is not connected; its Will Message goes now, if it still waits [MQTT-3.1.2-8]. */
export function endSession(broker: Broker, session: number, isExpired: boolean): void {
  const { inbox, outbox, replayer, sessions, subscriptions, timers } = broker;
  const { index } = broker.layout;
  broker.log.event(Event.SessionEnded, session, isExpired ? 1 : 0);
  replayer.reset(session, NONE);
  let row = index[sessions.firstSubscription + session];
  index[sessions.firstSubscription + session] = NONE;
  while (row !== NONE) {
    const next = subscriptions.nextInSession(row);
    subscriptions.remove(row);
    row = next;
  }
  outbox.clear(session);
  inbox.clear(session);
  if (index[sessions.will + session] !== NONE) publishWill(broker, session);
  timers.cancel(broker.sessionTimer(session));
  sessions.remove(session);
  broker.moved = true;
}

/** The Will Message is not wanted any more [MQTT-3.1.2-10]. */
export function dropWill(broker: Broker, session: number): void {
  const { messages, sessions } = broker;
  const { index } = broker.layout;
  const will = index[sessions.will + session];
  if (will === NONE) return;
  index[sessions.will + session] = NONE;
  sessions.set(session, SessionFlag.WillWaits, false);
  messages.kept--;
  messages.release(will);
  broker.moved = true;
}

/** Publishes the Will Message of a session, once. What has no room is left out, counted and logged. */
export function publishWill(broker: Broker, session: number): void {
  const { messages, router, sessions, time } = broker;
  const { index } = broker.layout;
  const will = index[sessions.will + session];
  index[sessions.will + session] = NONE;
  messages.kept--;
  if (!broker.isStopping) {
    if (messages.hasExpiry(will)) messages.setExpiry(will, time.secondsAfter(messages.expires(will)), time.sixteenth);
    let limit = router.route(will, 0, session, false);
    if (limit !== 0) router.route(will, 0, session, true);
    else limit = router.retainShortage;
    if (limit !== 0) broker.log.event(Event.WillDropped, session, limit);
    else broker.log.event(Event.WillPublished, session, 0);
  }
  messages.release(will);
  broker.moved = true;
}
