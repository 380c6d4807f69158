// Subscriptions: each is in two lists, that of its session and that of the topic node of its Topic Filter.
// Cost: 19 B at 16-bit indices. The list of a node is linked both ways, so that ten thousand clients can leave the same
// Topic Filter in linear time.

import { type Layout, NONE } from "../memory/layout";
import { Pool } from "../memory/pool";
import { SubscriptionOption } from "../mqtt/constants";
import type { Topics } from "./topics";

/** Beside the Subscription Options in the same byte. */
const REPLAY = 0x40;

export class Subscriptions {
  readonly pool: Pool;
  /** Rows that searches have walked over, so that who has a turn can be stopped; wraps. */
  walked = 0;
  readonly #layout: Layout;
  readonly #topics: Topics;
  readonly #nextInSession: number;
  readonly #session: number;
  readonly #node: number;
  readonly #nextAtNode: number;
  readonly #previousAtNode: number;
  readonly #identifier: number;
  readonly #epoch: number;
  readonly #options: number;

  constructor(layout: Layout, count: number, topics: Topics) {
    layout.table("subscriptions", count);
    this.pool = new Pool(layout, count);
    this.#layout = layout;
    this.#topics = topics;
    this.#nextInSession = this.pool.next;
    this.#identifier = layout.u32Column();
    this.#epoch = layout.u32Column();
    this.#session = layout.indexColumn();
    this.#node = layout.indexColumn();
    this.#nextAtNode = layout.indexColumn();
    this.#previousAtNode = layout.indexColumn();
    this.#options = layout.u8Column();
  }

  /** The subscription of `session` at `node`, or NONE. */
  find(session: number, node: number): number {
    const { index } = this.#layout;
    let row = this.#topics.firstSubscription(node);
    let walked = this.walked;
    while (row !== NONE && index[this.#session + row] !== session) {
      row = index[this.#nextAtNode + row];
      walked++;
    }
    this.walked = walked | 0;
    return row;
  }

  /** A new subscription at a node whose reference it takes over; NONE when all rows are taken. */
  add(session: number, node: number): number {
    const { u8, index } = this.#layout;
    const row = this.pool.take();
    if (row === NONE) return NONE;
    u8[this.#options + row] = 0;
    const first = this.#topics.firstSubscription(node);
    index[this.#session + row] = session;
    index[this.#node + row] = node;
    index[this.#nextAtNode + row] = first;
    index[this.#previousAtNode + row] = NONE;
    if (first !== NONE) index[this.#previousAtNode + first] = row;
    this.#topics.setFirstSubscription(node, row);
    return row;
  }

  /** Sets what a SUBSCRIBE says of it. */
  set(row: number, options: number, identifier: number): void {
    const { u8, u32 } = this.#layout;
    u8[this.#options + row] = (options & ~REPLAY) | (u8[this.#options + row] & REPLAY);
    u32[this.#identifier + row] = identifier;
  }

  /** Retained messages of epochs before `epoch` are to be sent to it. */
  beginReplay(row: number, epoch: number): void {
    this.#layout.u8[this.#options + row] |= REPLAY;
    this.#layout.u32[this.#epoch + row] = epoch;
  }

  /** No more retained messages wait for it. */
  endReplay(row: number): void {
    this.#layout.u8[this.#options + row] &= ~REPLAY;
  }

  /** Takes it off its node and frees it; the caller has taken it off its session. */
  remove(row: number): void {
    const { index } = this.#layout;
    const node = index[this.#node + row];
    const next = index[this.#nextAtNode + row];
    const previous = index[this.#previousAtNode + row];
    if (previous === NONE) this.#topics.setFirstSubscription(node, next);
    else index[this.#nextAtNode + previous] = next;
    if (next !== NONE) index[this.#previousAtNode + next] = previous;
    this.pool.give(row);
    this.#topics.release(node);
  }

  session(row: number): number {
    return this.#layout.index[this.#session + row];
  }

  node(row: number): number {
    return this.#layout.index[this.#node + row];
  }

  nextAtNode(row: number): number {
    return this.#layout.index[this.#nextAtNode + row];
  }

  /** For audits: the subscription before one at its node, or NONE. */
  previousAtNode(row: number): number {
    return this.#layout.index[this.#previousAtNode + row];
  }

  nextInSession(row: number): number {
    return this.#layout.index[this.#nextInSession + row];
  }

  setNextInSession(row: number, next: number): void {
    this.#layout.index[this.#nextInSession + row] = next;
  }

  /** The Subscription Identifier, 0 for none. */
  identifier(row: number): number {
    return this.#layout.u32[this.#identifier + row];
  }

  /** The epoch in which its replay began. */
  epoch(row: number): number {
    return this.#layout.u32[this.#epoch + row] | 0;
  }

  qos(row: number): number {
    return this.#layout.u8[this.#options + row] & SubscriptionOption.QoS;
  }

  noLocal(row: number): boolean {
    return (this.#layout.u8[this.#options + row] & SubscriptionOption.NoLocal) !== 0;
  }

  retainAsPublished(row: number): boolean {
    return (this.#layout.u8[this.#options + row] & SubscriptionOption.RetainAsPublished) !== 0;
  }

  /** Whether retained messages wait to be sent to it. */
  replay(row: number): boolean {
    return (this.#layout.u8[this.#options + row] & REPLAY) !== 0;
  }
}
