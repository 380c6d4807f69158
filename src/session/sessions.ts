// Sessions [5.0 section 4.1]: what is kept of a client between and during its Network Connections. Found by Client
// Identifier through a hash table; the lists that hang on a session belong to outbox.ts, inbox.ts and subscriptions.ts.
// Columns are public where several of those share them; each is a base index into the view it is named after.

import { broken } from "../memory/broken";
import { type Layout, NONE } from "../memory/layout";
import { Pool } from "../memory/pool";
import { hashBytes, sameBytes } from "../mqtt/bytes";
import { bucketCount } from "./labels";

export interface SessionsLimits {
  sessions: number;
  clientIdBytes: number;
}

/** What is true of a session, as bits. */
export const enum SessionFlag {
  /** It ends with its connection: Clean Session before 5.0, Session Expiry Interval 0 in 5.0. */
  Ends = 1,
  /** Its client spoke MQTT 5.0 last. */
  V5 = 2,
  /** Its client held a publisher for the full time: it holds nobody until its queue is short again. */
  Slow = 4,
  /** A Will Message waits for its Will Delay Interval. */
  WillWaits = 8,
  /** Its queue went over half full and has not been short since: its pace is measured. */
  Long = 16,
  /** Retained messages wait for one of its subscriptions, perhaps. */
  Replays = 32,
}

export class Sessions {
  readonly pool: Pool;
  readonly layout: Layout;
  // index
  readonly connection: number;
  readonly firstSubscription: number;
  readonly lastSubscription: number;
  readonly outFirst: number;
  readonly outLast: number;
  /** The last delivery that was sent on this connection; those after it wait. */
  readonly outSent: number;
  readonly outCount: number;
  readonly owedFirst: number;
  readonly owedLast: number;
  readonly pendingFirst: number;
  readonly pendingLast: number;
  readonly receiptCount: number;
  readonly subscriptionCount: number;
  readonly will: number;
  /** Retained replay: the subscription it is at, and the topic node (referenced) where it goes on. */
  readonly replaySubscription: number;
  readonly replayNode: number;
  /** The delivery whose PUBLISH is half sent: nothing drops it. */
  readonly sending: number;
  readonly paceCount: number;
  /** The delivery that the message now being routed got, with `stamp`. */
  readonly routed: number;
  // u32
  readonly stamp: number;
  readonly expiry: number;
  readonly endsAt: number;
  readonly willDelay: number;
  readonly willAt: number;
  readonly dropped: number;
  readonly maximumPacketSize: number;
  readonly progressAt: number;
  /** When its pace began to be measured, and the messages it got since. */
  readonly paceAt: number;
  // u16
  readonly nextId: number;
  /** Packet Identifiers from `nextId` on that are known to be free. */
  readonly freeIds: number;
  readonly inflight: number;
  readonly receiveMaximum: number;
  readonly relOwed: number;
  readonly replayDepth: number;
  /** Milliseconds into the second in which the client left. */
  readonly awayMilliseconds: number;
  // u8
  readonly flags: number;
  readonly #idLength: number;
  readonly #id: number;
  readonly #idBytes: number;
  readonly #buckets: number;
  readonly #mask: number;
  readonly #seed: number;

  constructor(layout: Layout, limits: SessionsLimits, seed: number) {
    layout.table("sessions", limits.sessions);
    this.pool = new Pool(layout, limits.sessions);
    this.layout = layout;
    this.#seed = seed | 0;
    this.stamp = layout.u32Column();
    this.expiry = layout.u32Column();
    this.endsAt = layout.u32Column();
    this.willDelay = layout.u32Column();
    this.willAt = layout.u32Column();
    this.dropped = layout.u32Column();
    this.maximumPacketSize = layout.u32Column();
    this.progressAt = layout.u32Column();
    this.paceAt = layout.u32Column();
    this.connection = layout.indexColumn();
    this.firstSubscription = layout.indexColumn();
    this.lastSubscription = layout.indexColumn();
    this.outFirst = layout.indexColumn();
    this.outLast = layout.indexColumn();
    this.outSent = layout.indexColumn();
    this.outCount = layout.indexColumn();
    this.owedFirst = layout.indexColumn();
    this.owedLast = layout.indexColumn();
    this.pendingFirst = layout.indexColumn();
    this.pendingLast = layout.indexColumn();
    this.receiptCount = layout.indexColumn();
    this.subscriptionCount = layout.indexColumn();
    this.will = layout.indexColumn();
    this.replaySubscription = layout.indexColumn();
    this.replayNode = layout.indexColumn();
    this.sending = layout.indexColumn();
    this.paceCount = layout.indexColumn();
    this.routed = layout.indexColumn();
    this.nextId = layout.u16Column();
    this.freeIds = layout.u16Column();
    this.inflight = layout.u16Column();
    this.receiveMaximum = layout.u16Column();
    this.relOwed = layout.u16Column();
    this.replayDepth = layout.u16Column();
    this.awayMilliseconds = layout.u16Column();
    this.flags = layout.u8Column();
    this.#idLength = layout.u8Column();
    this.#idBytes = limits.clientIdBytes;
    this.#id = layout.bytesColumn(limits.clientIdBytes);
    const buckets = bucketCount(limits.sessions);
    this.#mask = buckets - 1;
    layout.table("session buckets", buckets);
    this.#buckets = layout.indexColumn();
  }

  /** The session of the Client Identifier of `length` bytes at `at`, or NONE. */
  find(at: number, length: number): number {
    const { u8, index } = this.layout;
    let row = index[this.#bucketOf(at, length)];
    while (row !== NONE) {
      if (u8[this.#idLength + row] === length && sameBytes(u8, this.#id + row * this.#idBytes, at, length)) return row;
      row = index[this.pool.next + row];
    }
    return NONE;
  }

  /** A new session, all empty; NONE when all rows are taken. `length` is at most `clientIdBytes`. */
  add(at: number, length: number): number {
    const { u8, u16, u32, index } = this.layout;
    const row = this.pool.take();
    if (row === NONE) return NONE;
    for (let column = this.stamp; column <= this.paceAt; column += this.expiry - this.stamp) u32[column + row] = 0;
    for (let column = this.connection; column <= this.routed; column += this.firstSubscription - this.connection) {
      index[column + row] = NONE;
    }
    u16[this.nextId + row] = 1;
    u16[this.freeIds + row] = 0;
    u16[this.inflight + row] = 0;
    u16[this.receiveMaximum + row] = 0;
    u16[this.relOwed + row] = 0;
    u16[this.replayDepth + row] = 0;
    u8[this.flags + row] = 0;
    u8[this.#idLength + row] = length;
    u8.copyWithin(this.#id + row * this.#idBytes, at, at + length);
    const bucket = this.#bucketOf(at, length);
    index[this.pool.next + row] = index[bucket];
    index[bucket] = row;
    return row;
  }

  /** Frees a session from which everything has been taken. */
  remove(session: number): void {
    const { u8, index } = this.layout;
    const bucket = this.#bucketOf(this.#id + session * this.#idBytes, u8[this.#idLength + session]);
    let previous = NONE;
    let row = index[bucket];
    while (row !== session) {
      if (row === NONE) broken("a session is in its bucket");
      previous = row;
      row = index[this.pool.next + row];
    }
    const next = index[this.pool.next + session];
    if (previous === NONE) index[bucket] = next;
    else index[this.pool.next + previous] = next;
    this.pool.give(session);
  }

  /** Where the Client Identifier is, and how long. */
  idAt(session: number): number {
    return this.#id + session * this.#idBytes;
  }

  idLength(session: number): number {
    return this.layout.u8[this.#idLength + session];
  }

  has(session: number, flag: SessionFlag): boolean {
    return (this.layout.u8[this.flags + session] & flag) !== 0;
  }

  set(session: number, flag: SessionFlag, on: boolean): void {
    const { u8 } = this.layout;
    u8[this.flags + session] = on ? u8[this.flags + session] | flag : u8[this.flags + session] & ~flag;
  }

  connectionOf(session: number): number {
    return this.layout.index[this.connection + session];
  }

  isOnline(session: number): boolean {
    return this.layout.index[this.connection + session] !== NONE;
  }

  /** For audits: the number of buckets, and the first row in one, from 0 on, or NONE. */
  get bucketCount(): number {
    return this.#mask + 1;
  }

  firstInBucket(bucket: number): number {
    return this.layout.index[this.#buckets + 1 + bucket];
  }

  /** Whether all that may be in flight is: Receive Maximum [MQTT-3.3.4-9], and our own limit. */
  isWindowFull(session: number, own: number): boolean {
    const { u16 } = this.layout;
    const maximum = u16[this.receiveMaximum + session];
    return u16[this.inflight + session] >= (maximum < own ? maximum : own);
  }

  #bucketOf(at: number, length: number): number {
    return this.#buckets + 1 + (hashBytes(this.layout.u8, at, length, this.#seed) & this.#mask);
  }
}
