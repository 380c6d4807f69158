// Who has which row of which pool, as the parts of the audit find it.

import type { Broker } from "../../src/broker/broker";
import type { Blocks } from "../../src/memory/blocks";
import { NONE } from "../../src/memory/layout";
import type { Pool } from "../../src/memory/pool";

/** The rows of one pool, who has them, and how many refer to them. */
export class Rows {
  readonly owners = new Map<number, string>();
  private readonly holders = new Map<number, number>();

  constructor(
    readonly name: string,
    readonly pool: Pool,
    private readonly say: (what: string) => void,
  ) {}

  /** A row has its one owner. False when it is no row, or has one already: do not walk on. */
  own(row: number, owner: string): boolean {
    if (row === NONE || row > this.pool.capacity) {
      this.say(`${this.name} ${row} is no row, but ${owner} has it`);
      return false;
    }
    const other = this.owners.get(row);
    if (other !== undefined) this.say(`${this.name} ${row} belongs to ${other} and to ${owner}`);
    else this.owners.set(row, owner);
    return other === undefined;
  }

  /** A row is referred to once more. */
  hold(row: number): void {
    this.holders.set(row, this.holdersOf(row) + 1);
  }

  holdersOf(row: number): number {
    return this.holders.get(row) ?? 0;
  }

  /** Rows that are referred to. */
  held(): number[] {
    return [...this.holders.keys()];
  }

  /** Free rows and owned rows are all rows, and no row is both. */
  check(): void {
    const { pool, name, say } = this;
    const free = new Set<number>();
    for (let row = pool.firstFree(); row !== NONE; row = pool.index[pool.next + row]) {
      if (free.has(row) || row >= pool.fresh()) {
        say(`${name}: the free list comes to row ${row}, ${free.has(row) ? "again" : "which is fresh"}`);
        return;
      }
      free.add(row);
    }
    for (let row = pool.fresh(); row <= pool.capacity; row++) free.add(row);
    if (free.size !== pool.free) say(`${name}: ${free.size} rows are free, the pool says ${pool.free}`);
    if (pool.lowestFree > pool.free || pool.lowestFree < 0) say(`${name}: lowestFree is ${pool.lowestFree}`);
    for (const [row, owner] of this.owners) if (free.has(row)) say(`${name} ${row} is free, but ${owner} has it`);
    for (let row = 1; row <= pool.capacity; row++) {
      if (!free.has(row) && !this.owners.has(row)) say(`${name} ${row} is taken, but nobody has it`);
    }
    for (const row of this.held()) if (!this.owners.has(row)) say(`${name} ${row} is referred to, but nobody has it`);
  }
}

export class Ledger {
  readonly found: string[] = [];
  readonly blocks: Rows;
  readonly texts: Rows;
  readonly sessions: Rows;
  readonly subscriptions: Rows;
  readonly deliveries: Rows;
  readonly identifiers: Rows;
  readonly receipts: Rows;
  readonly messages: Rows;
  readonly nodes: Rows;
  readonly labels: Rows;
  /** Blocks promised to connections. */
  promised = 0;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly index: Uint16Array | Uint32Array;

  constructor(readonly broker: Broker) {
    const { blocks, inbox, messages, outbox, sessions, subscriptions, topics, layout } = broker;
    const rows = (name: string, pool: Pool): Rows => new Rows(name, pool, this.say);
    this.blocks = rows("block", blocks.pool);
    this.texts = rows("text block", topics.labels.text.pool);
    this.sessions = rows("session", sessions.pool);
    this.subscriptions = rows("subscription", subscriptions.pool);
    this.deliveries = rows("delivery", outbox.pool);
    this.identifiers = rows("subscription identifier", outbox.identifiers);
    this.receipts = rows("receipt", inbox.pool);
    this.messages = rows("message", messages.pool);
    this.nodes = rows("topic node", topics.pool);
    this.labels = rows("label", topics.labels.pool);
    this.u8 = layout.u8;
    this.u16 = layout.u16;
    this.u32 = layout.u32;
    this.index = layout.index;
  }

  readonly say = (what: string): void => {
    this.found.push(what);
  };

  /** Says `what` unless `holds`. */
  check(holds: boolean, what: string): void {
    if (!holds) this.say(what);
  }

  equal(got: number, want: number, what: string): void {
    if (got !== want) this.say(`${what}: ${got} instead of ${want}`);
  }

  /** The rows of a list, each of which becomes `owner`'s. It ends where a row has an owner already. */
  list(rows: Rows, first: number, next: (row: number) => number, owner: string): number[] {
    const all: number[] = [];
    for (let row = first; row !== NONE && rows.own(row, owner); row = next(row)) all.push(row);
    return all;
  }

  /** A chain of blocks is as long as its bytes need. */
  chain(rows: Rows, blocks: Blocks, first: number, bytes: number, owner: string): void {
    const chain = this.list(rows, first, (row) => blocks.nextOf(row), owner);
    this.equal(chain.length, blocks.blocksFor(bytes), `blocks of ${owner}`);
  }

  /** All rows of a hash table, each in one bucket. */
  buckets(rows: Rows, count: number, first: (bucket: number) => number): void {
    const { pool } = rows;
    for (let bucket = 0; bucket < count; bucket++) {
      this.list(rows, first(bucket), (row) => pool.index[pool.next + row], `a bucket`);
    }
  }

  /** Every pool's free rows and owned rows are all its rows; promises are those of the connections. */
  checkPools(): void {
    const { blocks, limits, router, topics } = this.broker;
    this.equal(blocks.promised, this.promised, "blocks promised");
    this.check(blocks.available >= 0, `${-blocks.available} blocks more are promised than free`);
    this.equal(topics.labels.text.promised, 0, "text blocks promised");
    for (const rows of [this.blocks, this.texts, this.sessions, this.subscriptions, this.deliveries]) rows.check();
    for (const rows of [this.identifiers, this.receipts, this.messages, this.nodes, this.labels]) rows.check();
    const free = limits.retained - router.retainedCount;
    this.check(router.lowestRetainedFree <= free, `lowestRetainedFree is ${router.lowestRetainedFree} of ${free}`);
  }
}
