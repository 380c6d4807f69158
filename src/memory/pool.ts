// Problem: rows are taken and given back millions of times, in constant time, and a shortage must be seen before it hurts.
// Form: a free list through the column `next`, which the owner of a taken row may use for its own list, and a mark below
// which rows were never used, so that a fresh pool of a million rows costs nothing to set up.
// Cost: one index a row.

import { broken } from "./broken";
import { type Layout, NONE } from "./layout";

export class Pool {
  readonly index: Uint16Array | Uint32Array;
  /** The link of a free row; the owner of a taken row links its own list through it. */
  readonly next: number;
  readonly capacity: number;
  /** Rows not taken. */
  free: number;
  /** The lowest `free` ever was: how near the device came to its limit. */
  lowestFree: number;
  #firstFree = NONE;
  #fresh = 1;

  /** Call directly after `layout.table(name, capacity)`. */
  constructor(layout: Layout, capacity: number) {
    this.index = layout.index;
    this.next = layout.indexColumn();
    this.capacity = capacity;
    this.free = capacity;
    this.lowestFree = capacity;
  }

  /** A row, its link NONE; or NONE when all are taken. Other columns hold what they held. */
  take(): number {
    let row = this.#firstFree;
    if (row !== NONE) {
      this.#firstFree = this.index[this.next + row];
    } else {
      if (this.#fresh > this.capacity) return NONE;
      row = this.#fresh++;
    }
    this.index[this.next + row] = NONE;
    if (--this.free < this.lowestFree) this.lowestFree = this.free;
    return row;
  }

  give(row: number): void {
    if (row === NONE || this.free >= this.capacity) broken("a row is given back once");
    this.index[this.next + row] = this.#firstFree;
    this.#firstFree = row;
    this.free++;
  }

  /** For audits: the rows that are free, in no order, as a predicate's set is the caller's business. */
  firstFree(): number {
    return this.#firstFree;
  }

  /** For audits: rows from here on were never taken. */
  fresh(): number {
    return this.#fresh;
  }
}
