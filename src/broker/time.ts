// What happens when time is over: CONNECT deadline, Keep Alive [MQTT-3.1.2-22], packets that take too long, holds, Will
// Delay Interval, Session Expiry Interval [MQTT-4.1.0-2], Message Expiry of retained messages.

import { Cause } from "../events";
import { NONE } from "../memory/layout";
import { ReasonCode } from "../mqtt/constants";
import type { Clock } from "../ports";
import { SessionFlag } from "../session/sessions";
import { CoreTime, FOREVER } from "../session/time";
import type { Broker } from "./broker";
import { State } from "./connections";
import { endSession, publishWill } from "./ending";

/** Timers that are looked at in one step at most. */
const TIMERS_AT_ONCE = 64;
/** Longest wait set at once, seconds; longer ones are set again. */
const LONGEST = 1000000;

export class Time extends CoreTime {
  #number: number;
  #sweepAt = 0;
  #sweepRow = 0;

  /** @param seed where the numbers of assigned Client Identifiers begin. */
  constructor(clock: Clock, seed: number) {
    super(clock);
    this.#number = seed | 0;
  }

  /** A number that comes back only after all others have: one step of a full-period generator. */
  nextNumber(): number {
    this.#number = (Math.imul(this.#number, 1664525) + 1013904223) | 0;
    return this.#number;
  }

  /** Does what is due. */
  check(broker: Broker): void {
    const { timers, limits } = broker;
    for (let left = TIMERS_AT_ONCE; left > 0; left--) {
      const row = timers.expired(this.now);
      if (row === NONE) break;
      if (row <= limits.connections) connectionDue(broker, row);
      else sessionDue(broker, row - limits.connections);
    }
    if (this.#sweepAt !== this.seconds) {
      this.#sweepAt = this.seconds;
      this.#sweep(broker);
    }
  }

  /** Looks at a part of all messages each second: each is looked at about once a minute. */
  #sweep(broker: Broker): void {
    const { messages, router } = broker;
    const { capacity } = messages.pool;
    for (let left = 1 + (capacity >>> 6); left > 0; left--) {
      this.#sweepRow = this.#sweepRow >= capacity ? 1 : this.#sweepRow + 1;
      if (messages.references(this.#sweepRow) === 0) continue;
      if (router.tend(this.#sweepRow)) broker.moved = true;
    }
  }
}

/** Sets a connection's timer to the first of its deadlines. */
export function armConnection(broker: Broker, connection: number): void {
  const { connections, decoder, limits, timers } = broker;
  const { u8, u16, u32 } = broker.layout;
  const beganAt = u32[connections.beganAt + connection];
  if (u8[connections.state + connection] === State.Open) {
    timers.set(connection, (beganAt + limits.connectMilliseconds) | 0);
    return;
  }
  timers.cancel(connection);
  if (u16[connections.keepAlive + connection] > 0) timers.set(connection, keepAliveDue(broker, connection));
  if (u8[connections.holds + connection] !== 0) {
    if (broker.mayHold(connection)) {
      timers.setSooner(connection, (u32[connections.heldAt + connection] + limits.holdMilliseconds) | 0);
    }
  } else if (decoder.hasBegun(connection)) {
    timers.setSooner(connection, (beganAt + limits.packetMilliseconds) | 0);
  }
}

/** When one and a half times the Keep Alive is over [MQTT-3.1.2-22]; what we did not read is not held against a client. */
function keepAliveDue(broker: Broker, connection: number): number {
  const { connections, limits } = broker;
  const { u8, u16, u32 } = broker.layout;
  const allowed = u16[connections.keepAlive + connection] * 1500;
  const receivedAt = u32[connections.receivedAt + connection];
  if (u8[connections.holds + connection] === 0) return (receivedAt + allowed) | 0;
  return (u32[connections.heldAt + connection] + limits.holdMilliseconds + allowed) | 0;
}

function connectionDue(broker: Broker, connection: number): void {
  const { connections, decoder, limits, readers } = broker;
  const { u8, u16, u32 } = broker.layout;
  const { now } = broker.time;
  const beganAt = u32[connections.beganAt + connection];
  if (u8[connections.state + connection] === State.Free) return;
  if (u8[connections.state + connection] === State.Open) {
    if (((now - beganAt) | 0) >= limits.connectMilliseconds) return broker.end(connection, Cause.ConnectTimeout);
  } else if (u16[connections.keepAlive + connection] > 0 && ((now - keepAliveDue(broker, connection)) | 0) >= 0) {
    return broker.end(connection, ReasonCode.KeepAliveTimeout);
  } else if (u8[connections.holds + connection] !== 0) {
    readers.push(connection); // it is admitted or refused now
  } else if (decoder.hasBegun(connection) && ((now - beganAt) | 0) >= limits.packetMilliseconds) {
    return broker.end(connection, Cause.PacketTimeout);
  }
  armConnection(broker, connection);
}

/** Sets a session's timer to the first of: its end, its will. It is not connected. */
export function armSession(broker: Broker, session: number): void {
  const { sessions, time, timers } = broker;
  const { u16, u32 } = broker.layout;
  let wait = LONGEST;
  if (u32[sessions.expiry + session] !== FOREVER) wait = Math.min(wait, u32[sessions.endsAt + session] - time.seconds);
  if (sessions.has(session, SessionFlag.WillWaits)) {
    wait = Math.min(wait, u32[sessions.willAt + session] - time.seconds);
  }
  const due = time.now + wait * 1000 + u16[sessions.awayMilliseconds + session] - time.milliseconds;
  timers.set(broker.sessionTimer(session), due | 0);
}

function sessionDue(broker: Broker, session: number): void {
  const { sessions } = broker;
  const { u32 } = broker.layout;
  if (sessions.isOnline(session)) return;
  if (u32[sessions.expiry + session] !== FOREVER && isPast(broker, session, u32[sessions.endsAt + session])) {
    return endSession(broker, session, true); // [MQTT-4.1.0-2]
  }
  if (sessions.has(session, SessionFlag.WillWaits) && isPast(broker, session, u32[sessions.willAt + session])) {
    sessions.set(session, SessionFlag.WillWaits, false);
    publishWill(broker, session);
  }
  armSession(broker, session);
}

/** Whether second `at`, plus the milliseconds at which the client left, is past. */
function isPast(broker: Broker, session: number, at: number): boolean {
  const { sessions, time } = broker;
  if (time.seconds !== at) return time.seconds > at;
  return time.milliseconds >= broker.layout.u16[sessions.awayMilliseconds + session];
}
