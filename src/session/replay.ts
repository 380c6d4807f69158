// Problem: a new subscription may match thousands of retained messages, for a client that reads slowly; none may be
// dropped and nothing may be copied aside.
// Form: one position per session: the subscription whose turn it is, and a node of the topic tree. `next` walks on from
// there, in preorder, into the branches that the Topic Filter allows, and puts one retained message in the outbox. The
// node is referenced, so it stays while the position rests on it; the position survives reconnections. A message retained
// after the subscription was made is passed over, because it went live.
// Cost: 8 B a session. Rejected: queueing all matches at once, which needs a delivery each.

import { type Layout, NONE } from "../memory/layout";
import type { Messages } from "./messages";
import type { Outbox } from "./outbox";
import { SessionFlag, type Sessions } from "./sessions";
import type { Subscriptions } from "./subscriptions";
import type { Topics } from "./topics";

const DOLLAR = 0x24;
/** Nodes looked at in one call: bounded work. */
const NODES_AT_ONCE = 64;

export const enum Replay {
  /** A retained message was put in the outbox. */
  Found = 1,
  /** There is nothing (more) to replay. */
  Done = 2,
  /** Call again: more nodes to look at, or no delivery was free. */
  Again = 3,
}

export class Replayer {
  readonly #layout: Layout;
  readonly #sessions: Sessions;
  readonly #subscriptions: Subscriptions;
  readonly #topics: Topics;
  readonly #messages: Messages;
  readonly #outbox: Outbox;
  readonly #filter: number;
  #depth = 0; // levels of the filter, without a closing #
  #isOpen = false; // it closes with #
  #hasWildcard = false;
  #seconds = 0;
  #sixteenth = 0;

  constructor(
    layout: Layout,
    topicLevels: number,
    sessions: Sessions,
    subscriptions: Subscriptions,
    topics: Topics,
    messages: Messages,
    outbox: Outbox,
  ) {
    layout.table("filter levels, scratch", topicLevels + 1);
    this.#filter = layout.indexColumn();
    this.#layout = layout;
    this.#sessions = sessions;
    this.#subscriptions = subscriptions;
    this.#topics = topics;
    this.#messages = messages;
    this.#outbox = outbox;
  }

  /** Retained messages of epochs before `epoch` are to be sent to a subscription, from the beginning. */
  begin(session: number, subscription: number, epoch: number): void {
    this.reset(session, subscription);
    this.#subscriptions.beginReplay(subscription, epoch);
    this.#sessions.set(session, SessionFlag.Replays, true);
  }

  /** Forgets the position if it is in `subscription` (or in any, for NONE): it is gone, or begins again. */
  reset(session: number, subscription: number): void {
    const { index } = this.#layout;
    const current = index[this.#sessions.replaySubscription + session];
    if (current === NONE || (subscription !== NONE && current !== subscription)) return;
    const node = index[this.#sessions.replayNode + session];
    index[this.#sessions.replaySubscription + session] = NONE;
    index[this.#sessions.replayNode + session] = NONE;
    if (node !== NONE) this.#topics.release(node);
  }

  /** Puts the next retained message of `session` in its outbox. `seconds`, `sixteenth`: now. */
  next(session: number, seconds: number, sixteenth: number): Replay {
    const { index } = this.#layout;
    const sessions = this.#sessions;
    this.#seconds = seconds;
    this.#sixteenth = sixteenth;
    if (this.#outbox.pool.free === 0) return Replay.Again;
    let subscription = index[sessions.replaySubscription + session];
    if (subscription === NONE) {
      subscription = this.#firstWaiting(session);
      if (subscription === NONE) return Replay.Done;
      index[sessions.replaySubscription + session] = subscription;
    }
    this.#readFilter(this.#subscriptions.node(subscription));
    if (!this.#hasWildcard) {
      const found = this.#offer(session, subscription, this.#subscriptions.node(subscription));
      this.#end(session, subscription);
      return found ? Replay.Found : Replay.Again;
    }
    return this.#walk(session, subscription);
  }

  #walk(session: number, subscription: number): Replay {
    const { u16, index } = this.#layout;
    const sessions = this.#sessions;
    const topics = this.#topics;
    const rested = index[sessions.replayNode + session];
    let node = rested === NONE ? topics.root : rested;
    let depth = rested === NONE ? 0 : u16[sessions.replayDepth + session];
    let found = false;
    for (let visited = 0; visited < NODES_AT_ONCE && !found; visited++) {
      let next = this.#firstChild(node, depth);
      if (next !== NONE) depth++;
      // Climb until there is a sibling to go on with.
      while (next === NONE && node !== topics.root) {
        next = this.#nextSibling(node, depth);
        if (next !== NONE) break;
        node = topics.parent(node);
        depth--;
      }
      if (next === NONE) {
        this.#end(session, subscription);
        if (rested !== NONE) topics.release(rested);
        return Replay.Again; // the next subscription
      }
      node = next;
      if (depth === this.#depth || (this.#isOpen && depth > this.#depth)) {
        found = this.#offer(session, subscription, node);
      }
    }
    topics.refer(node);
    if (rested !== NONE) topics.release(rested);
    index[sessions.replayNode + session] = node;
    u16[sessions.replayDepth + session] = depth;
    return found ? Replay.Found : Replay.Again;
  }

  /** The first child of a node `depth` levels down into which the filter leads, or NONE. */
  #firstChild(node: number, depth: number): number {
    const topics = this.#topics;
    if (depth < this.#depth) {
      const label = this.#layout.index[this.#filter + depth];
      if (label !== topics.plus) return topics.child(node, label);
    } else if (!this.#isOpen) return NONE;
    return this.#firstName(topics.firstChild(node), depth);
  }

  /** The next sibling of a node `depth` levels down that the filter allows too, or NONE. */
  #nextSibling(node: number, depth: number): number {
    const topics = this.#topics;
    if (depth <= this.#depth && this.#layout.index[this.#filter + depth - 1] !== topics.plus) return NONE;
    return this.#firstName(topics.nextSibling(node), depth - 1);
  }

  /** From `node` on among its siblings, the first that can be in a Topic Name, and that a wildcard matches. */
  #firstName(node: number, depth: number): number {
    const topics = this.#topics;
    while (node !== NONE) {
      const label = topics.label(node);
      const isWildcard = label === topics.plus || label === topics.hash;
      if (!isWildcard && !(depth === 0 && this.#beginsWithDollar(label))) return node; // [MQTT-4.7.2-1]
      node = topics.nextSibling(node);
    }
    return NONE;
  }

  #beginsWithDollar(label: number): boolean {
    return this.#topics.labels.firstByte(label) === DOLLAR;
  }

  /** Puts the retained message of a node in the outbox, if there is one and it is due. */
  #offer(session: number, subscription: number, node: number): boolean {
    const messages = this.#messages;
    const subscriptions = this.#subscriptions;
    const message = this.#topics.retained(node);
    if (message === NONE || messages.isExpired(message, this.#seconds, this.#sixteenth)) return false;
    if (((messages.epoch(message) - subscriptions.epoch(subscription)) | 0) >= 0) return false; // it went live
    const granted = subscriptions.qos(subscription);
    const qos = messages.qos(message);
    this.#outbox.add(session, message, qos < granted ? qos : granted, true, subscriptions.identifier(subscription));
    return true;
  }

  #firstWaiting(session: number): number {
    const sessions = this.#sessions;
    if (!sessions.has(session, SessionFlag.Replays)) return NONE;
    const row = this.#nextWaiting(this.#layout.index[sessions.firstSubscription + session]);
    if (row === NONE) sessions.set(session, SessionFlag.Replays, false);
    return row;
  }

  #nextWaiting(row: number): number {
    while (row !== NONE && !this.#subscriptions.replay(row)) row = this.#subscriptions.nextInSession(row);
    return row;
  }

  #end(session: number, subscription: number): void {
    const { index } = this.#layout;
    this.#subscriptions.endReplay(subscription);
    // Those before it may wait again, and are looked for when none is left behind it.
    const next = this.#nextWaiting(this.#subscriptions.nextInSession(subscription));
    index[this.#sessions.replaySubscription + session] = next;
    index[this.#sessions.replayNode + session] = NONE;
  }

  /** Reads the levels of the filter that ends at `node`. */
  #readFilter(node: number): void {
    const { index } = this.#layout;
    const topics = this.#topics;
    let depth = 0;
    for (let row = node; row !== topics.root; row = topics.parent(row)) depth++;
    this.#isOpen = topics.label(node) === topics.hash;
    this.#hasWildcard = this.#isOpen;
    this.#depth = this.#isOpen ? depth - 1 : depth;
    for (let row = node; row !== topics.root; row = topics.parent(row)) {
      const label = topics.label(row);
      if (label === topics.plus) this.#hasWildcard = true;
      index[this.#filter + --depth] = label;
    }
  }
}
