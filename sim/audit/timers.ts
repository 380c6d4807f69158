// Timers: the wheel's lists, and that whoever waits for a time is woken then.

import { State } from "../../src/broker/connections";
import { NONE } from "../../src/memory/layout";
import { SessionFlag } from "../../src/session/sessions";
import type { Ledger } from "./ledger";

const SLOTS = 64;
/** A timer that is due fires within two ticks of the wheel; one more is tolerated. */
const MOST_LATE = 3 * 128;
/** A session's timer is set at most this far ahead, ms. */
const FURTHEST = 1_000_000_000;
const FOREVER = 0xffffffff;

export function auditTimers(ledger: Ledger): void {
  const { limits, now, timers } = ledger.broker;
  const rows = limits.connections + limits.sessions;
  const set = wheel(ledger, rows);
  for (let row = 1; row <= rows; row++) {
    ledger.check(timers.slotOf(row) === 0 || set.has(row), `timer ${row} is in no slot`);
    ledger.check(!set.has(row) || ((now - timers.dueOf(row)) | 0) <= MOST_LATE, `timer ${row} is late`);
  }
  for (let row = 1; row <= limits.connections; row++) connectionTimer(ledger, row);
  for (let row = 1; row <= limits.sessions; row++) sessionTimer(ledger, row);
}

/** The rows in the wheel. */
function wheel(ledger: Ledger, rows: number): Set<number> {
  const { timers } = ledger.broker;
  const set = new Set<number>();
  for (let slot = 1; slot <= SLOTS; slot++) {
    let previous = NONE;
    for (let row = timers.firstInSlot(slot); row !== NONE; row = timers.nextInSlot(row)) {
      const isNew = row <= rows && !set.has(row);
      ledger.check(isNew, `timer ${row} is ${row > rows ? "nobody's" : "in the wheel twice"}`);
      if (!isNew) break;
      ledger.equal(timers.slotOf(row), slot, `slot of timer ${row}`);
      ledger.equal(timers.previousInSlot(row), previous, `timer before timer ${row}`);
      set.add(row);
      previous = row;
    }
  }
  return set;
}

/** The timer that must wake somebody at `due` is set, and not to later. */
function wakes(ledger: Ledger, row: number, due: number, what: string): void {
  const { timers } = ledger.broker;
  if (timers.slotOf(row) === 0) ledger.say(`${what}: no timer is set`);
  else ledger.check(((timers.dueOf(row) - due) | 0) <= 0, `${what}: the timer comes too late`);
}

function connectionTimer(ledger: Ledger, row: number): void {
  const { broker, u8, u16, u32 } = ledger;
  const { connections: c, decoder, limits, timers } = broker;
  const state: State = u8[c.state + row];
  const what = `connection ${row}`;
  if (state === State.Free) return ledger.check(timers.slotOf(row) === 0, `${what} is free, but its timer is set`);
  if (state === State.Open) return wakes(ledger, row, u32[c.beganAt + row] + limits.connectMilliseconds, what);
  const isHeld = u8[c.holds + row] !== 0;
  const holdEnd = u32[c.heldAt + row] + limits.holdMilliseconds;
  const keepAlive = u16[c.keepAlive + row] * 1500;
  const from = isHeld ? holdEnd : u32[c.receivedAt + row];
  if (keepAlive > 0) wakes(ledger, row, from + keepAlive, `${what}, Keep Alive`);
  if (isHeld && broker.mayHold(row)) wakes(ledger, row, holdEnd, `${what}, held`);
  if (isHeld || !decoder.hasBegun(row)) return;
  wakes(ledger, row, u32[c.beganAt + row] + limits.packetMilliseconds, `${what}, time for a packet`);
}

function sessionTimer(ledger: Ledger, row: number): void {
  const { broker, u16, u32 } = ledger;
  const { sessions, time, timers } = broker;
  const timer = broker.sessionTimer(row);
  if (!ledger.sessions.owners.has(row) || sessions.isOnline(row)) {
    return ledger.check(timers.slotOf(timer) === 0, `session ${row} is free or connected, but its timer is set`);
  }
  const away = u16[sessions.awayMilliseconds + row] - time.milliseconds;
  const due = (second: number): number => broker.now + Math.min((second - time.seconds) * 1000, FURTHEST) + away;
  const what = `session ${row}`;
  if (u32[sessions.expiry + row] !== FOREVER) wakes(ledger, timer, due(u32[sessions.endsAt + row]), `${what}, its end`);
  if (sessions.has(row, SessionFlag.WillWaits))
    wakes(ledger, timer, due(u32[sessions.willAt + row]), `${what}, its will`);
}
