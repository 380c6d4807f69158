// The receiving half of QoS: one receipt for each Packet Identifier of a client that is not finished. A session has two
// lists of them: what we owe an acknowledgement for, in the order in which it goes out, and QoS 2 identifiers for which
// the client owes PUBREL.
// Cost: 6 B a receipt at 16-bit indices. Every session may have `receiveMaximum`, plus one to answer an acknowledgement
// that makes no sense; clients before 5.0, which know no Receive Maximum, share `receiveShared` more.

import { broken } from "../memory/broken";
import { type Layout, NONE } from "../memory/layout";
import { Pool } from "../memory/pool";
import { accepted, acknowledged, Receipt, receiptDisconnected } from "./qos";
import type { Sessions } from "./sessions";

/** Shared receipts that one session may have: they are searched one by one. */
const SHARED_EACH = 1024;

export class Inbox {
  readonly pool: Pool;
  /** Receipts beyond what each session may have of its own. */
  sharedFree: number;
  readonly #layout: Layout;
  readonly #sessions: Sessions;
  readonly #own: number;
  readonly #next: number;
  readonly #packetId: number;
  readonly #state: number;
  readonly #reasonCode: number;

  constructor(layout: Layout, sessionCount: number, receiveMaximum: number, shared: number, sessions: Sessions) {
    const count = sessionCount * (receiveMaximum + 1) + shared;
    layout.table("receipts", count);
    this.pool = new Pool(layout, count);
    this.sharedFree = shared;
    this.#layout = layout;
    this.#sessions = sessions;
    this.#own = receiveMaximum + 1;
    this.#next = this.pool.next;
    this.#packetId = layout.u16Column();
    this.#state = layout.u8Column();
    this.#reasonCode = layout.u8Column();
  }

  /**
   * Whether the session may have one more receipt: for a PUBLISH, or else for the answer to an acknowledgement that makes
   * no sense. `v5`: the client knows its Receive Maximum.
   */
  hasRoom(session: number, forPublish: boolean, v5: boolean): boolean {
    const own = forPublish && v5 ? this.#own - 1 : this.#own;
    const count = this.#layout.index[this.#sessions.receiptCount + session];
    return count < own || (!v5 && this.sharedFree > 0 && count < own + SHARED_EACH);
  }

  /** Owes the client an acknowledgement. The caller has found that the session may have one more receipt. */
  add(session: number, packetId: number, state: Receipt, reasonCode: number): void {
    const { u8, u16, index } = this.#layout;
    const row = this.pool.take();
    if (row === NONE) broken("receipts were admitted");
    u16[this.#packetId + row] = packetId;
    u8[this.#state + row] = state;
    u8[this.#reasonCode + row] = reasonCode;
    const count = ++index[this.#sessions.receiptCount + session];
    if (count > this.#own) this.sharedFree--;
    this.#appendOwed(session, row);
  }

  /** Whether `packetId` is an unfinished Packet Identifier of QoS 2. */
  knows(session: number, packetId: number): boolean {
    return (
      this.#find(this.#sessions.pendingFirst, session, packetId) !== NONE ||
      this.#pubrecOwed(session, packetId) !== NONE
    );
  }

  /** PUBREC is owed again for an unfinished Packet Identifier. False when it is none [MQTT-4.3.3-10]. */
  repeat(session: number, packetId: number): boolean {
    return this.#owe(session, packetId, Receipt.PubrecOwed) || this.#pubrecOwed(session, packetId) !== NONE;
  }

  /** The application accepts the message of `packetId`. False when none waits for that. */
  accept(session: number, packetId: number): boolean {
    const { u8, u16, index } = this.#layout;
    let row = index[this.#sessions.owedFirst + session];
    // Other acknowledgements may be owed for the same identifier.
    while (row !== NONE && (u16[this.#packetId + row] !== packetId || u8[this.#state + row] < Receipt.PubackOpen))
      row = index[this.#next + row];
    if (row !== NONE) {
      u8[this.#state + row] = accepted(u8[this.#state + row]);
      return true;
    }
    // One of an earlier connection: PUBREC goes out when it has been sent again on this one.
    row = this.#find(this.#sessions.pendingFirst, session, packetId);
    if (row === NONE || u8[this.#state + row] !== Receipt.PubrecOpen) return false;
    u8[this.#state + row] = Receipt.PubrelPending;
    return true;
  }

  /** PUBREL came: PUBCOMP is owed. False when the Packet Identifier is unknown, or was refused. */
  release(session: number, packetId: number): boolean {
    if (this.#owe(session, packetId, Receipt.PubcompOwed)) return true;
    const { u8 } = this.#layout;
    const row = this.#pubrecOwed(session, packetId);
    if (row === NONE || u8[this.#state + row] !== Receipt.PubrecOwed || u8[this.#reasonCode + row] >= 0x80)
      return false;
    u8[this.#state + row] = Receipt.PubcompOwed;
    u8[this.#reasonCode + row] = 0;
    return true;
  }

  /** Forgets a Packet Identifier that waits for PUBREL. */
  forget(session: number, packetId: number): void {
    const { pendingFirst, pendingLast } = this.#sessions;
    if (this.#find(pendingFirst, session, packetId) !== NONE)
      this.#free(session, this.#unlinkFound(pendingFirst, pendingLast, session));
  }

  /** Owes `state` for a Packet Identifier that was waiting for PUBREL. False when none was. */
  #owe(session: number, packetId: number, state: Receipt): boolean {
    const sessions = this.#sessions;
    if (this.#find(sessions.pendingFirst, session, packetId) === NONE) return false;
    const row = this.#unlinkFound(sessions.pendingFirst, sessions.pendingLast, session);
    const { u8 } = this.#layout;
    const isOpen = u8[this.#state + row] === Receipt.PubrecOpen && state === Receipt.PubrecOwed;
    if (!isOpen) u8[this.#state + row] = state; // else the application still has to accept it
    u8[this.#reasonCode + row] = 0;
    this.#appendOwed(session, row);
    return true;
  }

  /** The receipt whose acknowledgement goes out next, or NONE; they go in order [MQTT-4.6.0-2], also when one is open. */
  firstOwed(session: number): number {
    const row = this.#layout.index[this.#sessions.owedFirst + session];
    return this.#layout.u8[this.#state + row] < Receipt.PubackOpen ? row : NONE;
  }

  /** Whether what is owed next waits for the application. */
  hasOpen(session: number): boolean {
    return this.#layout.u8[this.#state + this.#layout.index[this.#sessions.owedFirst + session]] >= Receipt.PubackOpen;
  }

  /** The acknowledgement of the first owed receipt was sent. */
  sentFirst(session: number): void {
    const { u8, index } = this.#layout;
    const sessions = this.#sessions;
    const row = index[sessions.owedFirst + session];
    const next = index[this.#next + row];
    index[sessions.owedFirst + session] = next;
    if (next === NONE) index[sessions.owedLast + session] = NONE;
    const state = acknowledged(u8[this.#state + row], u8[this.#reasonCode + row] >= 0x80);
    u8[this.#state + row] = state;
    if (state === Receipt.Done) this.#free(session, row);
    else this.#append(sessions.pendingFirst, sessions.pendingLast, session, row);
  }

  /** The connection is gone: unfinished QoS 2 stays, all else the client begins again. */
  disconnect(session: number): void {
    const { u8, index } = this.#layout;
    const sessions = this.#sessions;
    let row = index[sessions.owedFirst + session];
    index[sessions.owedFirst + session] = NONE;
    index[sessions.owedLast + session] = NONE;
    while (row !== NONE) {
      const next = index[this.#next + row];
      const state = receiptDisconnected(u8[this.#state + row], u8[this.#reasonCode + row] >= 0x80);
      u8[this.#state + row] = state;
      if (state === Receipt.Done) this.#free(session, row);
      else this.#append(sessions.pendingFirst, sessions.pendingLast, session, row);
      row = next;
    }
  }

  /** Frees all receipts of a session. */
  clear(session: number): void {
    this.#clearList(this.#sessions.owedFirst, session);
    this.#clearList(this.#sessions.pendingFirst, session);
    const { index } = this.#layout;
    index[this.#sessions.owedFirst + session] = NONE;
    index[this.#sessions.owedLast + session] = NONE;
    index[this.#sessions.pendingFirst + session] = NONE;
    index[this.#sessions.pendingLast + session] = NONE;
  }

  packetId(row: number): number {
    return this.#layout.u16[this.#packetId + row];
  }

  state(row: number): Receipt {
    return this.#layout.u8[this.#state + row];
  }

  reasonCode(row: number): number {
    return this.#layout.u8[this.#reasonCode + row];
  }

  next(row: number): number {
    return this.#layout.index[this.#next + row];
  }

  #previous = NONE;
  #found = NONE;

  /** The receipt that owes PUBREC for `packetId`: other acknowledgements may be owed for the same identifier. */
  #pubrecOwed(session: number, packetId: number): number {
    const { u8, u16, index } = this.#layout;
    let row = index[this.#sessions.owedFirst + session];
    for (; row !== NONE; row = index[this.#next + row]) {
      const state: Receipt = u8[this.#state + row];
      if (u16[this.#packetId + row] === packetId && (state === Receipt.PubrecOwed || state === Receipt.PubrecOpen))
        break;
    }
    return row;
  }

  #find(first: number, session: number, packetId: number): number {
    const { u16, index } = this.#layout;
    let previous = NONE;
    let row = index[first + session];
    while (row !== NONE && u16[this.#packetId + row] !== packetId) {
      previous = row;
      row = index[this.#next + row];
    }
    this.#previous = previous;
    this.#found = row;
    return row;
  }

  #unlinkFound(first: number, last: number, session: number): number {
    const { index } = this.#layout;
    const row = this.#found;
    const next = index[this.#next + row];
    if (this.#previous === NONE) index[first + session] = next;
    else index[this.#next + this.#previous] = next;
    if (next === NONE) index[last + session] = this.#previous;
    return row;
  }

  #append(first: number, last: number, session: number, row: number): void {
    const { index } = this.#layout;
    const before = index[last + session];
    index[this.#next + row] = NONE;
    if (before === NONE) index[first + session] = row;
    else index[this.#next + before] = row;
    index[last + session] = row;
  }

  /** Only PUBACK and PUBREC keep the order of their messages [MQTT-4.6.0-2]: PUBCOMP does not wait for the application. */
  #appendOwed(session: number, row: number): void {
    const { u8, index } = this.#layout;
    const { owedFirst, owedLast } = this.#sessions;
    const state: Receipt = u8[this.#state + row];
    if (this.hasOpen(session) && (state === Receipt.PubcompOwed || state === Receipt.PubrelOwed)) {
      index[this.#next + row] = index[owedFirst + session];
      index[owedFirst + session] = row;
    } else {
      this.#append(owedFirst, owedLast, session, row);
    }
  }

  #clearList(first: number, session: number): void {
    const { index } = this.#layout;
    let row = index[first + session];
    while (row !== NONE) {
      const next = index[this.#next + row];
      this.#free(session, row);
      row = next;
    }
  }

  #free(session: number, row: number): void {
    const count = this.#layout.index[this.#sessions.receiptCount + session]--;
    if (count > this.#own) this.sharedFree++;
    this.pool.give(row);
  }
}
