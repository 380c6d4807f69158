// Sessions: found through their hash table, with the lists that hang on each.

import { State } from "../../src/broker/connections";
import { NONE } from "../../src/memory/layout";
import { Delivery, Receipt } from "../../src/session/qos";
import { SessionFlag } from "../../src/session/sessions";
import type { Ledger } from "./ledger";

export function auditSessions(ledger: Ledger): void {
  const { inbox, limits, sessions } = ledger.broker;
  let shared = 0;
  ledger.buckets(ledger.sessions, sessions.bucketCount, (bucket) => sessions.firstInBucket(bucket));
  for (const row of ledger.sessions.owners.keys()) {
    const found = sessions.find(sessions.idAt(row), sessions.idLength(row));
    ledger.equal(found, row, `who is found by the Client Identifier of session ${row}`);
    presence(ledger, row);
    subscriptions(ledger, row);
    replay(ledger, row);
    outbox(ledger, row);
    shared += Math.max(0, receipts(ledger, row) - limits.receiveMaximum - 1);
    const will = ledger.index[sessions.will + row];
    if (will === NONE) continue;
    ledger.messages.own(will, `session ${row}`);
    ledger.messages.hold(will);
  }
  ledger.equal(inbox.sharedFree, limits.receiveShared - shared, "sharedFree");
  ledger.check(inbox.sharedFree >= 0, `sharedFree is ${inbox.sharedFree}`);
}

function presence(ledger: Ledger, row: number): void {
  const { broker, index, u8 } = ledger;
  const { connections, sessions } = broker;
  const connection = index[sessions.connection + row];
  const isOnline = connection !== NONE;
  if (isOnline) {
    const isConnected = u8[connections.state + connection] === State.Connected;
    ledger.check(isConnected, `connection ${connection} of session ${row} is not connected`);
    ledger.equal(index[connections.session + connection], row, `session of connection ${connection}`);
  } else {
    ledger.equal(index[sessions.sending + row], NONE, `what session ${row} sends, which is not connected`);
    ledger.check(!sessions.has(row, SessionFlag.Ends), `session ${row} should have ended with its connection`);
  }
  const waits = sessions.has(row, SessionFlag.WillWaits);
  ledger.check(
    !waits || (!isOnline && index[sessions.will + row] !== NONE),
    `session ${row} has no will that can wait`,
  );
}

function subscriptions(ledger: Ledger, row: number): void {
  const { index } = ledger;
  const { limits, sessions, subscriptions } = ledger.broker;
  const first = index[sessions.firstSubscription + row];
  const own = ledger.list(ledger.subscriptions, first, (it) => subscriptions.nextInSession(it), `session ${row}`);
  ledger.equal(index[sessions.subscriptionCount + row], own.length, `subscriptionCount of session ${row}`);
  ledger.equal(index[sessions.lastSubscription + row], own.at(-1) ?? NONE, `lastSubscription of session ${row}`);
  ledger.check(own.length <= limits.subscriptionsPerSession, `session ${row} has ${own.length} subscriptions`);
  const nodes = new Set(own.map((it) => subscriptions.node(it)));
  ledger.equal(nodes.size, own.length, `Topic Filters of session ${row}`);
  for (const it of own) {
    ledger.equal(subscriptions.session(it), row, `session of subscription ${it}`);
    ledger.nodes.hold(subscriptions.node(it));
  }
}

function replay(ledger: Ledger, row: number): void {
  const { index, u16 } = ledger;
  const { limits, sessions, subscriptions, topics } = ledger.broker;
  const subscription = index[sessions.replaySubscription + row];
  const node = index[sessions.replayNode + row];
  if (subscription !== NONE) {
    const isOwn = ledger.subscriptions.owners.has(subscription) && subscriptions.session(subscription) === row;
    const waits = isOwn && subscriptions.replay(subscription);
    ledger.check(waits, `session ${row} replays for subscription ${subscription}, which waits for nothing`);
  }
  if (node === NONE) return;
  ledger.check(subscription !== NONE, `session ${row} rests on a topic node, but replays nothing`);
  ledger.nodes.hold(node);
  let depth = 0;
  for (let it = node; it !== topics.root && it !== NONE && depth <= limits.topicLevels; it = topics.parent(it)) depth++;
  ledger.equal(u16[sessions.replayDepth + row], depth, `replayDepth of session ${row}`);
}

function outbox(ledger: Ledger, row: number): void {
  const { index, u16 } = ledger;
  const { limits, outbox, sessions } = ledger.broker;
  const own = ledger.list(ledger.deliveries, outbox.first(row), (it) => outbox.next(it), `session ${row}`);
  ledger.equal(index[sessions.outCount + row], own.length, `outCount of session ${row}`);
  ledger.equal(index[sessions.outLast + row], own.at(-1) ?? NONE, `outLast of session ${row}`);
  // A retained message may be put behind a full window.
  const most = Math.max(limits.queuePerSession, limits.inflightPerSession + 1);
  ledger.check(own.length <= most, `session ${row} has ${own.length} deliveries`);
  const outSent = index[sessions.outSent + row];
  const sent = outSent === NONE ? 0 : own.indexOf(outSent) + 1;
  ledger.check(outSent === NONE || sent > 0, `outSent of session ${row} is none of its deliveries`);
  const sending = index[sessions.sending + row];
  ledger.check(sending === NONE || sending === own[sent], `session ${row} sends what is not the first that waits`);
  ledger.equal(u16[sessions.inflight + row], inflight(ledger, own, sent), `inflight of session ${row}`);
  const owed = own.filter((it) => outbox.state(it) === Delivery.PubrelOwed).length;
  ledger.equal(u16[sessions.relOwed + row], owed, `relOwed of session ${row}`);
  const ids = own.map((it) => outbox.packetId(it)).filter((id) => id !== 0);
  ledger.equal(new Set(ids).size, ids.length, `different Packet Identifiers of session ${row}`);
  const waiting = own.findIndex((it) => outbox.state(it) === Delivery.Queued);
  const late = waiting < 0 ? undefined : own.slice(waiting).find((it) => outbox.state(it) !== Delivery.Queued);
  ledger.check(late === undefined, `delivery ${late} of session ${row} went before its turn`);
  for (const it of own) delivery(ledger, it);
}

/** Packets that count towards the Receive Maximum: those sent on this connection, and those whose PUBREC came before. */
function inflight(ledger: Ledger, own: readonly number[], sent: number): number {
  return sent + own.slice(sent).filter((it) => isBehindPubrec(ledger.broker.outbox.state(it))).length;
}

function isBehindPubrec(state: Delivery): boolean {
  return state === Delivery.PubrelOwed || state === Delivery.PubcompPending;
}

function delivery(ledger: Ledger, row: number): void {
  const { outbox } = ledger.broker;
  const state = outbox.state(row);
  const message = outbox.message(row);
  ledger.check(
    isBehindPubrec(state) === (message === NONE),
    `delivery ${row} in state ${state} has message ${message}`,
  );
  ledger.check(state < Delivery.Done, `delivery ${row} is done, but still there`);
  const isNumbered = outbox.qos(row) > 0 && outbox.packetId(row) !== 0;
  ledger.check(
    state === Delivery.Queued || isNumbered,
    `delivery ${row} is in flight without QoS or Packet Identifier`,
  );
  if (message !== NONE) ledger.messages.hold(message);
  const next = (it: number): number => outbox.nextIdentifier(it);
  ledger.list(ledger.identifiers, outbox.moreIdentifiers(row), next, `delivery ${row}`);
}

/** Returns how many there are. */
function receipts(ledger: Ledger, row: number): number {
  const { index } = ledger;
  const { inbox, sessions } = ledger.broker;
  const next = (it: number): number => inbox.next(it);
  const owed = ledger.list(ledger.receipts, inbox.firstOwed(row), next, `session ${row}`);
  const pending = ledger.list(ledger.receipts, index[sessions.pendingFirst + row], next, `session ${row}`);
  const count = owed.length + pending.length;
  ledger.equal(index[sessions.owedLast + row], owed.at(-1) ?? NONE, `owedLast of session ${row}`);
  ledger.equal(index[sessions.pendingLast + row], pending.at(-1) ?? NONE, `pendingLast of session ${row}`);
  ledger.equal(index[sessions.receiptCount + row], count, `receiptCount of session ${row}`);
  ledger.check(owed.length === 0 || sessions.isOnline(row), `session ${row} is owed something, but not connected`);
  for (const it of owed) {
    const isOwed = inbox.state(it) !== Receipt.PubrelPending && inbox.state(it) < Receipt.Done;
    ledger.check(isOwed, `receipt ${it} of session ${row} owes nothing`);
  }
  for (const it of pending) ledger.equal(inbox.state(it), Receipt.PubrelPending, `state of receipt ${it}`);
  const ids = pending.map((it) => inbox.packetId(it));
  ledger.equal(new Set(ids).size, ids.length, `different unfinished Packet Identifiers of session ${row}`);
  return count;
}
