// One Application Message on its way from a publisher to its receivers and to the retained store. Two passes over the
// matching subscriptions: the first counts what is needed and decides, the second does it; so a message is delivered in
// full or not at all. Overlapping subscriptions of one session are seen by a stamp on the session, and become one
// delivery with the highest QoS and all Subscription Identifiers [MQTT-3.3.4-2].

import { Drop, Event, Limit } from "../events";
import type { Fifo } from "../memory/fifo";
import { type Layout, NONE } from "../memory/layout";
import { DISCONNECT, DROP_OLDEST, LATEST_PER_TOPIC, type Limits } from "../memory/limits";
import { sameBytes } from "../mqtt/bytes";
import type { Log } from "../ports";
import type { Messages } from "./messages";
import { DeliveryFlag, type Outbox } from "./outbox";
import { SessionFlag, type Sessions } from "./sessions";
import type { Subscriptions } from "./subscriptions";
import type { Topics } from "./topics";

const DOLLAR = 0x24;
/** Epochs after which a retained message ages no more. */
const OLD = 1 << 30;

export class Router {
  /** After `route`: sessions that got the message, or whose own queue had no room for it. */
  receivers = 0;
  /** After `route`: the limit for which the message was not retained, 0 when it was or need not be. */
  retainShortage: Limit | 0 = 0;
  /** After `route`: an online session whose queue is over half full and that is making progress, or NONE. */
  heldBy = NONE;
  retainedCount = 0;
  /** Grows with each subscription; a message retained in an earlier epoch is older than the subscription. */
  epoch = 0;
  lowestRetainedFree: number;
  /** Milliseconds, int32, seconds, and sixteenths of the second that runs, of the core's clock. */
  now = 0;
  seconds = 0;
  sixteenth = 0;
  readonly #layout: Layout;
  readonly #limits: Limits;
  readonly #sessions: Sessions;
  readonly #subscriptions: Subscriptions;
  readonly #topics: Topics;
  readonly #messages: Messages;
  readonly #outbox: Outbox;
  readonly #senders: Fifo;
  readonly #overflows: Fifo;
  readonly #log: Log;
  readonly #scratch: number;
  readonly #other: number;
  readonly #half: number;
  #stamp = 0;
  #topicAt = 0;
  #needed = 0;
  #extra = 0;

  /**
   * @param senders connections that have something to send
   * @param overflows connections to end because their session's queue is full, and `sessionOverflow` says so
   */
  constructor(
    layout: Layout,
    limits: Limits,
    sessions: Sessions,
    subscriptions: Subscriptions,
    topics: Topics,
    messages: Messages,
    outbox: Outbox,
    senders: Fifo,
    overflows: Fifo,
    log: Log,
  ) {
    this.#layout = layout;
    this.#limits = limits;
    this.#sessions = sessions;
    this.#subscriptions = subscriptions;
    this.#topics = topics;
    this.#messages = messages;
    this.#outbox = outbox;
    this.#senders = senders;
    this.#overflows = overflows;
    this.#log = log;
    this.#half = limits.queuePerSession >>> 1;
    this.lowestRetainedFree = limits.retained;
    this.#scratch = layout.area("topic names, scratch", 2 * limits.topicBytes);
    this.#other = this.#scratch + limits.topicBytes;
  }

  /**
   * Delivers `message` to all matching subscriptions and retains it if it says so. Returns 0, or the limit for which
   * nothing was done. `topicAt`: where its topic lies in one piece, or 0. `publisher`: its session, for No Local.
   * `lenient`: what can't be delivered or retained is left out instead.
   */
  route(message: number, topicAt: number, publisher: number, lenient: boolean): Limit | 0 {
    const messages = this.#messages;
    const qos = messages.qos(message);
    this.receivers = 0;
    this.retainShortage = 0;
    this.heldBy = NONE;
    this.#match(message, topicAt);
    this.#count(publisher, qos);
    if (this.#needed > this.#outbox.pool.free && !lenient) return Limit.deliveries;
    const keep = messages.retain(message) && messages.payloadLength(message) > 0;
    if (keep) {
      this.retainShortage = this.#retainRoom();
      if (this.retainShortage !== 0 && qos > 0 && !lenient) return this.retainShortage;
    }
    this.#deliver(message, publisher, qos);
    if (!messages.retain(message)) return 0;
    // What was dropped to make room may have taken nodes and labels with it.
    this.#topics.split(this.#topicAt, messages.topicLength(message));
    if (keep && this.retainShortage === 0) this.#retain(message);
    else if (!keep) this.#clear(); // [MQTT-3.3.1-6], [MQTT-3.3.1-10] of 3.1.1
    return 0;
  }

  /** Clears the retained message of the topic at `at`, when nobody would receive the message that asks for it. */
  clearUnseen(at: number, length: number): boolean {
    this.#topics.split(at, length);
    this.#topics.match(this.#layout.u8[at] === DOLLAR);
    if (this.#topics.matchCount > 0) return false;
    this.receivers = 0;
    this.retainShortage = 0;
    this.#clear();
    return true;
  }

  /** A new epoch, for a subscription that begins now. */
  nextEpoch(): number {
    this.epoch = (this.epoch + 1) | 0;
    return this.epoch;
  }

  /** Looks after a message if it is retained: takes it off its topic when it has expired. True when it did. */
  tend(message: number): boolean {
    const messages = this.#messages;
    const node = messages.node(message);
    if (node === NONE || this.#topics.retained(node) !== message) return false;
    // Epochs wrap: what is very old is kept just old enough to be older than any subscription.
    if (((this.epoch - messages.epoch(message)) | 0) > OLD) messages.setEpoch(message, (this.epoch - OLD) | 0);
    if (!messages.isExpired(message, this.seconds, this.sixteenth)) return false;
    this.#take(node);
    return true;
  }

  #match(message: number, topicAt: number): void {
    let at = topicAt;
    if (at === 0) {
      at = this.#scratch;
      this.#messages.copyTopic(message, at);
    }
    this.#topicAt = at;
    this.#topics.split(at, this.#messages.topicLength(message));
    this.#topics.match(this.#layout.u8[at] === DOLLAR); // [MQTT-4.7.2-1]
  }

  /** Whether the subscription gets the message at all. */
  #isReceiver(subscription: number, session: number, publisher: number, qos: number): boolean {
    if (session === publisher && this.#subscriptions.noLocal(subscription)) return false; // [MQTT-3.8.3-3]
    // QoS 0 is not kept for those who are away.
    return this.#sessions.isOnline(session) || (qos > 0 && this.#subscriptions.qos(subscription) > 0);
  }

  /** Counts the deliveries and further Subscription Identifiers that the message needs. */
  #count(publisher: number, qos: number): void {
    const { u32, index } = this.#layout;
    const sessions = this.#sessions;
    const subscriptions = this.#subscriptions;
    const topics = this.#topics;
    this.#stamp = (this.#stamp + 2) | 0;
    this.#needed = 0;
    this.#extra = 0;
    for (let i = 0; i < topics.matchCount; i++) {
      let row = topics.firstSubscription(index[topics.matches + i]);
      for (; row !== NONE; row = subscriptions.nextAtNode(row)) {
        const session = subscriptions.session(row);
        if (!this.#isReceiver(row, session, publisher, qos)) continue;
        if ((u32[sessions.stamp + session] | 0) !== this.#stamp) {
          u32[sessions.stamp + session] = this.#stamp;
          // A full queue loses one for each that it gets.
          if (index[sessions.outCount + session] < this.#limits.queuePerSession) this.#needed++;
        } else if (subscriptions.identifier(row) !== 0) {
          this.#extra++;
        }
      }
    }
    // Without rows for them, each overlapping subscription with an identifier gets its own copy.
    if (this.#extra > this.#outbox.identifiers.free) this.#needed += this.#extra;
    else this.#extra = 0;
  }

  #deliver(message: number, publisher: number, qos: number): void {
    const { u32, index } = this.#layout;
    const sessions = this.#sessions;
    const subscriptions = this.#subscriptions;
    const topics = this.#topics;
    const stamp = (this.#stamp + 1) | 0;
    for (let i = 0; i < topics.matchCount; i++) {
      let row = topics.firstSubscription(index[topics.matches + i]);
      for (; row !== NONE; row = subscriptions.nextAtNode(row)) {
        const session = subscriptions.session(row);
        if (!this.#isReceiver(row, session, publisher, qos)) continue;
        const granted = subscriptions.qos(row);
        const least = qos < granted ? qos : granted; // [MQTT-3.8.4-8]
        const identifier = subscriptions.identifier(row);
        const first = (u32[sessions.stamp + session] | 0) !== stamp;
        if (first || (identifier !== 0 && this.#extra > 0)) {
          u32[sessions.stamp + session] = stamp;
          index[sessions.routed + session] = this.#queue(session, message, least, row, identifier);
          continue;
        }
        const delivery = index[sessions.routed + session];
        if (delivery === NONE) continue; // dropped
        this.#outbox.raiseQos(delivery, least);
        if (identifier !== 0) this.#outbox.addIdentifier(delivery, identifier);
        if (subscriptions.retainAsPublished(row) && this.#messages.retain(message)) {
          this.#outbox.setFlag(delivery, DeliveryFlag.Retain);
        }
      }
    }
  }

  /** The message in the queue of one session; NONE when it was dropped. */
  #queue(session: number, message: number, qos: number, subscription: number, identifier: number): number {
    const { u32, index } = this.#layout;
    const sessions = this.#sessions;
    this.receivers++;
    if (index[sessions.outCount + session] >= this.#limits.queuePerSession && !this.#makeRoom(session, message)) {
      this.drop(session, Drop.QueueFull);
      return NONE;
    }
    if (this.#outbox.pool.free === 0) {
      this.drop(session, Drop.QueueFull); // only when lenient
      return NONE;
    }
    const retain = this.#subscriptions.retainAsPublished(subscription) && this.#messages.retain(message);
    const row = this.#outbox.add(session, message, qos, retain, identifier);
    const connection = index[sessions.connection + session];
    if (connection === NONE) return row;
    this.#senders.push(connection);
    if (index[sessions.outCount + session] > this.#half && this.#keepsPace(session)) {
      const idle = (this.now - u32[sessions.progressAt + session]) | 0;
      if (idle < this.#limits.stallMilliseconds) this.heldBy = session;
    }
    return row;
  }

  /**
   * Whether a session with a long queue may hold publishers: not when it took less than half a queue in the time that one
   * may be held. Then it is Slow, and its own queue's limit settles it: who takes little must not set the pace for all.
   */
  #keepsPace(session: number): boolean {
    const { u32, index } = this.#layout;
    const sessions = this.#sessions;
    if (sessions.has(session, SessionFlag.Slow)) return false;
    if (!sessions.has(session, SessionFlag.Long)) {
      sessions.set(session, SessionFlag.Long, true);
      u32[sessions.paceAt + session] = this.now;
      index[sessions.paceCount + session] = 0;
    }
    // While the queue is long, what comes in is what goes out.
    if (index[sessions.paceCount + session] < this.#half) index[sessions.paceCount + session]++;
    if (((this.now - u32[sessions.paceAt + session]) | 0) < this.#limits.holdMilliseconds) return true;
    sessions.set(session, SessionFlag.Slow, index[sessions.paceCount + session] < this.#half);
    u32[sessions.paceAt + session] = this.now;
    index[sessions.paceCount + session] = 0;
    return !sessions.has(session, SessionFlag.Slow);
  }

  /** The queue of a session is full: `sessionOverflow` says what gives way. */
  #makeRoom(session: number, message: number): boolean {
    switch (this.#limits.sessionOverflow) {
      case DROP_OLDEST:
        return this.#dropUnsent(session, NONE);
      case LATEST_PER_TOPIC:
        return this.#dropUnsent(session, message) || this.#dropUnsent(session, NONE);
      case DISCONNECT:
        if (this.#sessions.isOnline(session)) this.#overflows.push(this.#sessions.connectionOf(session));
        return false;
      default:
        return false;
    }
  }

  /** Drops the oldest delivery that waits, or the oldest on the topic of `like`. One half sent is passed over. */
  #dropUnsent(session: number, like: number): boolean {
    const { index } = this.#layout;
    const outbox = this.#outbox;
    let previous = index[this.#sessions.outSent + session];
    let row = outbox.firstUnsent(session);
    while (row !== NONE) {
      const waits = row !== index[this.#sessions.sending + session] && !outbox.has(row, DeliveryFlag.Begun);
      if (waits && (like === NONE || this.#isSameTopic(outbox.message(row), like))) {
        outbox.remove(session, previous, row);
        this.drop(session, like === NONE ? Drop.QueueFull : Drop.Superseded);
        return true;
      }
      previous = row;
      row = outbox.next(row);
      this.#subscriptions.walked++;
    }
    return false;
  }

  /** Whether `a` is on the topic of `b`, the message being routed. */
  #isSameTopic(a: number, b: number): boolean {
    const messages = this.#messages;
    if (a === NONE) return false;
    const length = messages.topicLength(a);
    if (length !== messages.topicLength(b)) return false;
    messages.copyTopic(a, this.#other);
    return sameBytes(this.#layout.u8, this.#topicAt, this.#other, length);
  }

  /** Counts and tells that one session did not get one message. */
  drop(session: number, cause: Drop): void {
    this.#layout.u32[this.#sessions.dropped + session]++;
    this.#log.event(Event.Dropped, session, cause);
  }

  /** The limit that keeps the message whose topic was split from being retained, or 0. */
  #retainRoom(): Limit | 0 {
    const node = this.#topics.find();
    if (node !== NONE && this.#topics.retained(node) !== NONE) return 0;
    if (this.retainedCount >= this.#limits.retained) return Limit.retained;
    return this.#topics.hasRoom() ? 0 : this.#topics.shortage;
  }

  #retain(message: number): void {
    const node = this.#topics.ensure();
    const old = this.#topics.retained(node);
    this.#messages.nameByNode(message, node);
    this.#messages.setEpoch(message, this.epoch);
    this.#messages.refer(message);
    this.#topics.setRetained(node, message);
    if (old !== NONE) {
      this.#messages.release(old);
      return;
    }
    this.retainedCount++;
    this.#messages.kept++;
    const free = this.#limits.retained - this.retainedCount;
    if (free < this.lowestRetainedFree) this.lowestRetainedFree = free;
  }

  #clear(): void {
    const node = this.#topics.find();
    if (node !== NONE && this.#topics.retained(node) !== NONE) this.#take(node);
  }

  #take(node: number): void {
    const old = this.#topics.retained(node);
    this.#topics.setRetained(node, NONE);
    this.retainedCount--;
    this.#messages.kept--;
    this.#messages.release(old);
  }
}
