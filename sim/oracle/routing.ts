// Who gets a message: computed from the model's own maps when the broker routes one, and compared with what it drops.

import {
  type Expected,
  isExpired,
  type Message,
  type Model,
  matches,
  type Replay,
  type Session,
  type Subscription,
  Violation,
} from "./model";

/** A message on its way through the broker's router. */
export interface Routing {
  message: Message;
  publisher: string;
  arrivedAt: number;
  isLenient: boolean;
  /** Drops that were logged meanwhile. */
  full: Map<Session, number>;
  superseded: Map<Session, number>;
}

/** The subscriptions of `session` that get the message. */
function receivers(session: Session, message: Message, publisher: string): Subscription[] {
  const found: Subscription[] = [];
  const name = message.topic.split("/");
  for (const subscription of session.subscriptions.values()) {
    if (subscription.noLocal && session.id === publisher) continue;
    if (!session.isOnline && (message.qos === 0 || subscription.qos === 0)) continue;
    if (matches(subscription.levels, name)) found.push(subscription);
  }
  return found;
}

function expectedOf(message: Message, found: readonly Subscription[]): Expected {
  const identifiers = found.map(({ identifier }) => identifier).filter((identifier) => identifier !== 0);
  const copies = found.map(({ qos, retainAsPublished }) => ({
    qos: Math.min(message.qos, qos),
    retain: message.retain && retainAsPublished,
  }));
  return {
    message,
    qos: Math.max(...copies.map(({ qos }) => qos)),
    retain: copies.some(({ retain }) => retain),
    identifiers: identifiers.sort((a, b) => a - b),
    copies,
    hasPlain: identifiers.length < found.length,
    canSplit: identifiers.length > 0 && found.length > 1,
    isSplit: false,
    isOptional: false,
  };
}

/**
 * The broker has routed a message. Returns the number of sessions that match, and of those for which it was dropped.
 * `isKept`: it found room to retain it.
 */
export function routed(model: Model, routing: Routing, isKept: boolean): { matched: number; dropped: number } {
  const { message, publisher, isLenient } = routing;
  const { sessionOverflow, queuePerSession } = model.limits;
  message.sequence = ++model.sequence;
  message.acceptedAt = routing.arrivedAt;
  let matched = 0;
  let dropped = 0;
  for (const session of model.sessions.values()) {
    const found = receivers(session, message, publisher);
    const full = routing.full.get(session) ?? 0;
    const superseded = routing.superseded.get(session) ?? 0;
    if (found.length === 0) {
      if (full + superseded > 0) throw new Violation(`dropped for ${session.id}, which has no matching subscription`);
      continue;
    }
    matched++;
    const queued = session.expected.reduce((sum, { copies }) => sum + copies.length, session.flights.length);
    if (full + superseded > 0 && !isLenient && queued + found.length < queuePerSession) {
      throw new Violation(`queue of ${session.id} is called full with ${queued} messages`);
    }
    const expected = expectedOf(message, found);
    if (sessionOverflow === "drop-newest" || sessionOverflow === "disconnect") {
      if (full > 0) dropped++;
      if (full > 0 && expected.identifiers.length < 2 && !(expected.identifiers.length > 0 && expected.hasPlain)) {
        continue;
      }
      expected.isOptional = full > 0;
    } else {
      session.droppedFull += full;
      const before = session.droppedSuperseded.get(message.topic) ?? 0;
      if (superseded > 0) session.droppedSuperseded.set(message.topic, before + superseded);
      if (full > 0) dropped++;
    }
    session.expected.push(expected);
  }
  for (const session of routing.full.keys()) {
    if (model.sessions.get(session.id) !== session) throw new Violation("dropped for a session that has ended");
  }
  if (message.retain) retain(model, message, isKept);
  return { matched, dropped };
}

function retain(model: Model, message: Message, isKept: boolean): void {
  if (message.payload.length === 0) {
    model.retained.delete(message.topic);
  } else if (isKept) {
    model.retained.set(message.topic, message);
  } else {
    const old = model.retained.get(message.topic);
    if (old !== undefined && !isExpired(old, model.now, -1000)) {
      throw new Violation(`no room to retain on ${message.topic}, where a message is retained`);
    }
    return;
  }
  replaced(model, message.topic, message.sequence);
}

/** What was retained on a topic is not any more. */
export function replaced(model: Model, topic: string, sequence: number): void {
  for (const session of model.sessions.values()) {
    for (const replay of session.replays) {
      if (replay.message.topic !== topic || replay.replacedBy !== 0) continue;
      replay.isRequired = false;
      replay.replacedBy = sequence;
    }
  }
}

/** A subscription is made or replaced: retained messages that it is to get. */
export function replaysFor(model: Model, session: Session, subscription: Subscription): Replay[] {
  const found: Replay[] = [];
  for (const message of model.retained.values()) {
    if (!matches(subscription.levels, message.topic.split("/"))) continue;
    if (isExpired(message, model.now, 500)) continue;
    found.push({
      filter: subscription.filter,
      message,
      qos: Math.min(message.qos, subscription.qos),
      identifier: subscription.identifier,
      isRequired: true,
      replacedBy: 0,
    });
  }
  session.replays.push(...found);
  return found;
}

/** A subscription is made again: its replay begins anew, or goes on with the new options. */
export function againReplays(session: Session, { filter, qos, identifier }: Subscription, isNew: boolean): void {
  const old = session.replays.filter((replay) => replay.filter === filter);
  forgetReplays(session, filter);
  if (isNew) return;
  for (const replay of old) {
    session.replays.push({ ...replay, qos: Math.min(replay.message.qos, qos), identifier, isRequired: false });
  }
}

/** The replay of a subscription has begun again, or it is gone: one may be on its way, none has to come. */
export function forgetReplays(session: Session, filter: string): void {
  for (const replay of session.replays) if (replay.filter === filter) replay.isRequired = false;
}

/** Takes the expected messages before `index` as dropped; false when it is none, or the drop log does not name as many. */
export function skipTo(session: Session, index: number): boolean {
  if (index < 0) return false;
  let full = session.droppedFull;
  const superseded = new Map(session.droppedSuperseded);
  for (let i = 0; i < index; i++) {
    const skipped = session.expected[i];
    const { topic } = skipped.message;
    const count = superseded.get(topic) ?? 0;
    if (skipped.isOptional) continue;
    if (count > 0) superseded.set(topic, count - 1);
    else if (full > 0) full--;
    else return false;
  }
  session.droppedFull = full;
  for (const [topic, count] of superseded) session.droppedSuperseded.set(topic, count);
  session.expected.splice(0, index);
  return true;
}
