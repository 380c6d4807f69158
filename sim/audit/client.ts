// The memory of a client of ours, between two steps: every message, delivery, receipt and block has exactly one owner or
// is free, and every count is what a walk over its holders finds.

import type { Client } from "../../src/client/client";
import { Stage } from "../../src/client/subscriptions";
import { NONE } from "../../src/memory/layout";
import { Delivery, Receipt } from "../../src/session/qos";
import { Rows } from "./ledger";

/** The row of its one session. */
const ONE = 1;

class ClientLedger {
  readonly found: string[] = [];
  readonly blocks: Rows;
  readonly deliveries: Rows;
  readonly messages: Rows;
  readonly receipts: Rows;
  readonly subscriptions: Rows;

  constructor(readonly client: Client) {
    const { blocks, inbox, messages, outbox, subscriptions } = client;
    const say = (what: string): void => {
      this.found.push(`client: ${what}`);
    };
    this.blocks = new Rows("block", blocks.pool, say);
    this.deliveries = new Rows("delivery", outbox.pool, say);
    this.messages = new Rows("message", messages.pool, say);
    this.receipts = new Rows("receipt", inbox.pool, say);
    this.subscriptions = new Rows("subscription", subscriptions.pool, say);
  }

  equal(got: number, want: number, what: string): void {
    if (got !== want) this.found.push(`client: ${what}: ${got} instead of ${want}`);
  }

  list(rows: Rows, first: number, next: (row: number) => number, owner: string): number[] {
    const all: number[] = [];
    for (let row = first; row !== NONE && rows.own(row, owner); row = next(row)) all.push(row);
    return all;
  }

  chain(first: number, bytes: number, owner: string): void {
    const { blocks } = this.client;
    const chain = this.list(this.blocks, first, (row) => blocks.nextOf(row), owner);
    this.equal(chain.length, blocks.blocksFor(bytes), `blocks of ${owner}`);
  }
}

/** Everything that is wrong, as text. */
export function clientFindings(client: Client): string[] {
  const ledger = new ClientLedger(client);
  outbox(ledger);
  inbox(ledger);
  subscriptions(ledger);
  ledger.equal(client.blocks.promised, 0, "blocks promised");
  const { blocks, deliveries, messages, receipts } = ledger;
  for (const rows of [blocks, deliveries, messages, receipts, ledger.subscriptions]) rows.check();
  return ledger.found;
}

function outbox(ledger: ClientLedger): void {
  const { layout, messages, outbox, sessions } = ledger.client;
  const { index, u16 } = layout;
  const own = ledger.list(ledger.deliveries, outbox.first(ONE), (row) => outbox.next(row), "the outbox");
  ledger.equal(index[sessions.outCount + ONE], own.length, "outCount");
  ledger.equal(index[sessions.outLast + ONE], own.at(-1) ?? NONE, "outLast");
  const sent = own.indexOf(index[sessions.outSent + ONE]) + 1;
  const isBehindPubrec = (row: number): boolean =>
    outbox.state(row) === Delivery.PubrelOwed || outbox.state(row) === Delivery.PubcompPending;
  ledger.equal(u16[sessions.inflight + ONE], sent + own.slice(sent).filter(isBehindPubrec).length, "inflight");
  const owed = own.filter((row) => outbox.state(row) === Delivery.PubrelOwed);
  ledger.equal(u16[sessions.relOwed + ONE], owed.length, "relOwed");
  const ids = own.map((row) => outbox.packetId(row)).filter((id) => id !== 0);
  ledger.equal(new Set(ids).size, ids.length, "different Packet Identifiers");
  for (const row of own) if (outbox.message(row) !== NONE) ledger.messages.hold(outbox.message(row));
  for (const row of ledger.messages.held()) {
    ledger.messages.own(row, "a delivery");
    ledger.equal(messages.references(row), ledger.messages.holdersOf(row), `references of message ${row}`);
    ledger.chain(messages.first(row), messages.topicLength(row) + messages.bodyLength(row), `message ${row}`);
  }
}

function inbox(ledger: ClientLedger): void {
  const { inbox, layout, limits, sessions } = ledger.client;
  const { index } = layout;
  const all = (first: number): number[] =>
    ledger.list(ledger.receipts, index[first + ONE], (row) => inbox.next(row), "the inbox");
  const owed = all(sessions.owedFirst);
  const pending = all(sessions.pendingFirst);
  const count = owed.length + pending.length;
  ledger.equal(index[sessions.receiptCount + ONE], count, "receiptCount");
  ledger.equal(inbox.sharedFree, limits.receiveShared - Math.max(0, count - limits.receiveMaximum - 1), "sharedFree");
  const states = pending.map((row) => inbox.state(row));
  const waiting = states.filter((state) => state === Receipt.PubrelPending || state === Receipt.PubrecOpen);
  ledger.equal(waiting.length, states.length, "receipts that wait");
}

function subscriptions(ledger: ClientLedger): void {
  const { subscriptions } = ledger.client;
  let waiting = 0;
  for (let row = 1; row <= subscriptions.pool.capacity; row++) {
    const stage = subscriptions.stage(row);
    if (stage === Stage.Free) continue;
    if (stage === Stage.Wanted || stage === Stage.Unwanted) waiting++;
    ledger.subscriptions.own(row, "a Topic Filter");
    ledger.chain(subscriptions.firstOf(row), subscriptions.length(row), `subscription ${row}`);
  }
  ledger.equal(subscriptions.waiting, waiting, "subscriptions that wait");
}
