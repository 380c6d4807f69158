// The sending half of QoS. A session's outbox is one list of deliveries in the order of their messages: those up to
// `outSent` are in flight, those after it wait, whether the client is connected or not; there is no other offline queue.
// A delivery is a message, a receiver's QoS and flags, a Packet Identifier once it is sent, and Subscription Identifiers:
// the first in the row, further ones in rows of their own.
// Cost: 14 B a delivery at 16-bit indices.

import { broken } from "../memory/broken";
import { type Layout, NONE } from "../memory/layout";
import { Pool } from "../memory/pool";
import type { PacketType } from "../mqtt/constants";
import type { Messages } from "./messages";
import { Delivery, disconnected, received, sent } from "./qos";
import type { Sessions } from "./sessions";

export const enum DeliveryFlag {
  QoS = 3,
  Retain = 4,
  /** Its PUBLISH was begun before, on this connection or an earlier one. */
  Begun = 8,
  /** Only a client's: the payload is not kept, the application sends it after the head. */
  Streamed = 16,
}

export class Outbox {
  readonly pool: Pool;
  readonly identifiers: Pool;
  /** The delivery that `acknowledge` found. */
  found = NONE;
  readonly #layout: Layout;
  readonly #sessions: Sessions;
  readonly #messages: Messages;
  readonly #next: number;
  readonly #message: number;
  readonly #more: number;
  readonly #identifier: number;
  readonly #packetId: number;
  readonly #state: number;
  readonly #flags: number;
  readonly #moreIdentifier: number;

  constructor(layout: Layout, deliveries: number, identifiers: number, sessions: Sessions, messages: Messages) {
    layout.table("deliveries", deliveries);
    this.pool = new Pool(layout, deliveries);
    this.#layout = layout;
    this.#sessions = sessions;
    this.#messages = messages;
    this.#next = this.pool.next;
    this.#identifier = layout.u32Column();
    this.#message = layout.indexColumn();
    this.#more = layout.indexColumn();
    this.#packetId = layout.u16Column();
    this.#state = layout.u8Column();
    this.#flags = layout.u8Column();
    layout.table("further subscription identifiers", identifiers);
    this.identifiers = new Pool(layout, identifiers);
    this.#moreIdentifier = layout.u32Column();
  }

  /** Appends a delivery that refers to `message`; the row was found free before. */
  add(session: number, message: number, qos: number, retain: boolean, identifier: number): number {
    const { u8, u16, u32, index } = this.#layout;
    const sessions = this.#sessions;
    const row = this.pool.take();
    if (row === NONE) broken("deliveries were admitted");
    this.#messages.refer(message);
    index[this.#message + row] = message;
    index[this.#more + row] = NONE;
    u32[this.#identifier + row] = identifier;
    u16[this.#packetId + row] = 0;
    u8[this.#state + row] = Delivery.Queued;
    u8[this.#flags + row] = qos | (retain ? DeliveryFlag.Retain : 0);
    const last = index[sessions.outLast + session];
    if (last === NONE) index[sessions.outFirst + session] = row;
    else index[this.#next + last] = row;
    index[sessions.outLast + session] = row;
    index[sessions.outCount + session]++;
    return row;
  }

  /** A further Subscription Identifier of a delivery; the row was found free before. */
  addIdentifier(row: number, identifier: number): void {
    const { u32, index } = this.#layout;
    if (u32[this.#identifier + row] === 0) {
      u32[this.#identifier + row] = identifier;
      return;
    }
    const more = this.identifiers.take();
    if (more === NONE) broken("identifiers were admitted");
    u32[this.#moreIdentifier + more] = identifier;
    index[this.identifiers.next + more] = index[this.#more + row];
    index[this.#more + row] = more;
  }

  /** The first delivery that waits to be sent, or NONE. */
  firstUnsent(session: number): number {
    const { index } = this.#layout;
    const sent = index[this.#sessions.outSent + session];
    return sent === NONE ? index[this.#sessions.outFirst + session] : index[this.#next + sent];
  }

  /** Counts `row`, the first that waited, as sent. */
  advance(session: number, row: number): void {
    this.#layout.index[this.#sessions.outSent + session] = row;
  }

  /** The PUBLISH of `row`, the first that waited, is sent. */
  published(session: number, row: number): void {
    const { u8, u16, index } = this.#layout;
    const qos = this.qos(row);
    if (qos === 0) return this.removeFirstUnsent(session);
    u8[this.#state + row] = sent(u8[this.#state + row], qos);
    u8[this.#flags + row] |= DeliveryFlag.Begun;
    index[this.#sessions.outSent + session] = row;
    u16[this.#sessions.inflight + session]++;
  }

  /**
   * The client acknowledged Packet Identifier `packetId`. Returns what became of the delivery; Unexpected when there is
   * none in a state that fits.
   */
  acknowledge(session: number, packetId: number, packet: PacketType, refused: boolean): Delivery {
    const { u8, u16, index } = this.#layout;
    const lastSent = index[this.#sessions.outSent + session];
    let isSent = lastSent !== NONE;
    let previous = NONE;
    let row = index[this.#sessions.outFirst + session];
    // What is in flight comes first, so the search is bounded by the window.
    while (row !== NONE && u8[this.#state + row] !== Delivery.Queued) {
      if (u16[this.#packetId + row] === packetId) {
        // A PUBLISH not sent again yet on this connection can't be acknowledged on it.
        this.found = row;
        const waits = u8[this.#state + row] < Delivery.PubrelOwed && !isSent;
        return waits ? Delivery.Unexpected : this.#received(session, previous, row, packet, refused);
      }
      if (row === lastSent) isSent = false;
      previous = row;
      row = index[this.#next + row];
    }
    return Delivery.Unexpected;
  }

  #received(session: number, previous: number, row: number, packet: PacketType, refused: boolean): Delivery {
    const { u8, u16, index } = this.#layout;
    const sessions = this.#sessions;
    const before: Delivery = u8[this.#state + row];
    const after = received(before, packet, refused);
    if (after === Delivery.Done) {
      this.remove(session, previous, row);
      if (u16[sessions.inflight + session] > 0) u16[sessions.inflight + session]--;
    } else if (after === Delivery.PubrelOwed) {
      if (before !== Delivery.PubrelOwed) u16[sessions.relOwed + session]++;
      u8[this.#state + row] = after;
      // The client has the message; only the identifier is left.
      if (index[this.#message + row] !== NONE) {
        this.#messages.release(index[this.#message + row]);
        index[this.#message + row] = NONE;
      }
      if (before === Delivery.PubrecPending) this.#moveForward(session, previous, row);
    }
    return after;
  }

  /** PUBREL goes out in the order of PUBREC [MQTT-4.6.0-4]: `row`, in flight, moves behind those whose PUBREC came before. */
  #moveForward(session: number, previous: number, row: number): void {
    const { u8, index } = this.#layout;
    const sessions = this.#sessions;
    let before = NONE;
    let next = index[sessions.outFirst + session];
    while (next !== row && u8[this.#state + next] >= Delivery.PubrelOwed) {
      before = next;
      next = index[this.#next + next];
    }
    if (next === row) return;
    index[this.#next + previous] = index[this.#next + row];
    if (index[sessions.outLast + session] === row) index[sessions.outLast + session] = previous;
    if (index[sessions.outSent + session] === row) index[sessions.outSent + session] = previous;
    index[this.#next + row] = next;
    if (before === NONE) index[sessions.outFirst + session] = row;
    else index[this.#next + before] = row;
  }

  /** Takes `row`, which follows `previous`, off its session and frees it. */
  remove(session: number, previous: number, row: number): void {
    const { index } = this.#layout;
    const sessions = this.#sessions;
    const next = index[this.#next + row];
    if (previous === NONE) index[sessions.outFirst + session] = next;
    else index[this.#next + previous] = next;
    if (next === NONE) index[sessions.outLast + session] = previous;
    if (index[sessions.outSent + session] === row) index[sessions.outSent + session] = previous;
    index[sessions.outCount + session]--;
    this.#free(row);
  }

  /** Frees the first delivery that waits. */
  removeFirstUnsent(session: number): void {
    this.remove(session, this.#layout.index[this.#sessions.outSent + session], this.firstUnsent(session));
  }

  #free(row: number): void {
    const { index } = this.#layout;
    if (index[this.#message + row] !== NONE) this.#messages.release(index[this.#message + row]);
    let more = index[this.#more + row];
    while (more !== NONE) {
      const next = index[this.identifiers.next + more];
      this.identifiers.give(more);
      more = next;
    }
    this.pool.give(row);
  }

  /** Frees all deliveries of a session. */
  clear(session: number): void {
    const { u16, index } = this.#layout;
    const sessions = this.#sessions;
    let row = index[sessions.outFirst + session];
    while (row !== NONE) {
      const next = index[this.#next + row];
      this.#free(row);
      row = next;
    }
    index[sessions.outFirst + session] = NONE;
    index[sessions.outLast + session] = NONE;
    index[sessions.outSent + session] = NONE;
    index[sessions.outCount + session] = 0;
    u16[sessions.inflight + session] = 0;
    u16[sessions.relOwed + session] = 0;
  }

  /** The connection is gone: QoS 0 is forgotten, and what is in flight will be sent again, in order [MQTT-4.6.0-1]. */
  disconnect(session: number): void {
    const { u8, u16, index } = this.#layout;
    const sessions = this.#sessions;
    let inflight = 0;
    let owed = 0;
    let previous = NONE;
    let row = index[sessions.outFirst + session];
    while (row !== NONE) {
      const next = index[this.#next + row];
      const state = disconnected(u8[this.#state + row]);
      u8[this.#state + row] = state;
      if ((u8[this.#flags + row] & DeliveryFlag.QoS) === 0) {
        this.remove(session, previous, row);
      } else {
        previous = row;
        if (state === Delivery.PubrelOwed) {
          owed++;
          inflight++;
        }
      }
      row = next;
    }
    index[sessions.outSent + session] = NONE;
    u16[sessions.inflight + session] = inflight;
    u16[sessions.relOwed + session] = owed;
  }

  /** A Packet Identifier that no delivery in flight has [MQTT-2.2.1-4]. */
  takePacketId(session: number): number {
    const { u16 } = this.#layout;
    const sessions = this.#sessions;
    // How many identifiers from the next on are free is counted again when they are used up, so mostly this costs nothing.
    while (u16[sessions.freeIds + session] === 0) {
      u16[sessions.freeIds + session] = this.#freeIds(session, u16[sessions.nextId + session]);
      if (u16[sessions.freeIds + session] === 0) u16[sessions.nextId + session] = after(u16[sessions.nextId + session]);
    }
    const id = u16[sessions.nextId + session];
    u16[sessions.nextId + session] = after(id);
    u16[sessions.freeIds + session]--;
    return id;
  }

  /** How many identifiers from `id` on no delivery in flight has. */
  #freeIds(session: number, id: number): number {
    const { u8, u16, index } = this.#layout;
    let least = MOST_IDS;
    let row = index[this.#sessions.outFirst + session];
    while (row !== NONE && u8[this.#state + row] !== Delivery.Queued) {
      const used = u16[this.#packetId + row];
      const ahead = used >= id ? used - id : used - id + MOST_IDS;
      if (ahead < least) least = ahead;
      row = index[this.#next + row];
    }
    return least;
  }

  /** The first in-flight delivery from `row` on that owes PUBREL, or NONE. */
  pubrelOwed(row: number): number {
    const { u8, index } = this.#layout;
    while (row !== NONE && u8[this.#state + row] !== Delivery.PubrelOwed) {
      if (u8[this.#state + row] === Delivery.Queued) return NONE;
      row = index[this.#next + row];
    }
    return row;
  }

  first(session: number): number {
    return this.#layout.index[this.#sessions.outFirst + session];
  }

  next(row: number): number {
    return this.#layout.index[this.#next + row];
  }

  message(row: number): number {
    return this.#layout.index[this.#message + row];
  }

  state(row: number): Delivery {
    return this.#layout.u8[this.#state + row];
  }

  setState(row: number, state: Delivery): void {
    this.#layout.u8[this.#state + row] = state;
  }

  packetId(row: number): number {
    return this.#layout.u16[this.#packetId + row];
  }

  setPacketId(row: number, packetId: number): void {
    this.#layout.u16[this.#packetId + row] = packetId;
  }

  qos(row: number): number {
    return this.#layout.u8[this.#flags + row] & DeliveryFlag.QoS;
  }

  raiseQos(row: number, qos: number): void {
    const { u8 } = this.#layout;
    if (qos > this.qos(row)) u8[this.#flags + row] = (u8[this.#flags + row] & ~DeliveryFlag.QoS) | qos;
  }

  has(row: number, flag: DeliveryFlag): boolean {
    return (this.#layout.u8[this.#flags + row] & flag) !== 0;
  }

  clearFlag(row: number, flag: DeliveryFlag): void {
    this.#layout.u8[this.#flags + row] &= ~flag;
  }

  setFlag(row: number, flag: DeliveryFlag): void {
    this.#layout.u8[this.#flags + row] |= flag;
  }

  /** The first Subscription Identifier, 0 for none. */
  identifier(row: number): number {
    return this.#layout.u32[this.#identifier + row];
  }

  /** The first row of further Subscription Identifiers, or NONE; and the one after it, and what it says. */
  moreIdentifiers(row: number): number {
    return this.#layout.index[this.#more + row];
  }

  nextIdentifier(more: number): number {
    return this.#layout.index[this.identifiers.next + more];
  }

  identifierOf(more: number): number {
    return this.#layout.u32[this.#moreIdentifier + more];
  }
}

const MOST_IDS = 65535;

function after(id: number): number {
  return id === MOST_IDS ? 1 : id + 1;
}
