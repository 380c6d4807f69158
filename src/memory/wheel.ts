// Problem: a time limit for each connection and session, set and changed often, with no timer and no object for each.
// Form: a wheel of 64 slots of 128 ms; a row is in the list of the slot where it is due, or in the furthest slot when that
// is further ahead than the wheel is round, and is looked at again there. A deadline moved to later is noticed only when
// the old one comes, so a busy connection costs nothing.
// Cost: two indices and 5 bytes a row. Rejected: a heap, which needs a sift for every change.

import { type Layout, NONE } from "./layout";

const SLOTS = 64;
const TICK_SHIFT = 7;

export class Wheel {
  readonly #layout: Layout;
  readonly #next: number;
  readonly #previous: number;
  readonly #due: number;
  readonly #slot: number;
  readonly #heads: number;
  #tick = 0;

  /** Rows 1 to `count`. */
  constructor(layout: Layout, count: number) {
    this.#layout = layout;
    layout.table("timers", count);
    this.#due = layout.u32Column();
    this.#next = layout.indexColumn();
    this.#previous = layout.indexColumn();
    this.#slot = layout.u8Column();
    layout.table("timer slots", SLOTS);
    this.#heads = layout.indexColumn();
  }

  /** Calls for `row` at `due` (ms, int32) at the latest; a row that is set to a later time already is moved. */
  set(row: number, due: number): void {
    this.cancel(row);
    this.#layout.u32[this.#due + row] = due;
    this.#insert(row, due);
  }

  /** Like `set`, unless the row is due before. */
  setSooner(row: number, due: number): void {
    const { u8, u32 } = this.#layout;
    if (u8[this.#slot + row] === 0 || ((due - u32[this.#due + row]) | 0) < 0) this.set(row, due);
  }

  cancel(row: number): void {
    const { u8, index } = this.#layout;
    const slot = u8[this.#slot + row];
    if (slot === 0) return;
    u8[this.#slot + row] = 0;
    const next = index[this.#next + row];
    const previous = index[this.#previous + row];
    if (previous === NONE) index[this.#heads + slot] = next;
    else index[this.#next + previous] = next;
    if (next !== NONE) index[this.#previous + next] = previous;
  }

  /** The next row that is due at `now` (ms, int32), no longer set; NONE when none is. */
  expired(now: number): number {
    const { u32, index } = this.#layout;
    const tick = now >> TICK_SHIFT;
    if (tick - this.#tick > SLOTS || tick < this.#tick) this.#tick = tick - SLOTS; // once round is enough
    for (;;) {
      const slot = (this.#tick & (SLOTS - 1)) + 1;
      let row = index[this.#heads + slot];
      while (row !== NONE) {
        const next = index[this.#next + row];
        const due = u32[this.#due + row];
        if (((due - now) | 0) <= 0) {
          this.cancel(row);
          return row;
        }
        // It waits for a later round; one that belongs elsewhere by now goes there.
        if (this.#slotOf(due) !== slot) {
          this.cancel(row);
          this.#insert(row, due);
        }
        row = next;
      }
      if (this.#tick >= tick) return NONE;
      this.#tick++;
    }
  }

  /** For audits: the slot `row` is in, 1 to 64; 0 when it is not set. */
  slotOf(row: number): number {
    return this.#layout.u8[this.#slot + row];
  }

  /** For audits: when a row that is set is due, ms, int32. */
  dueOf(row: number): number {
    return this.#layout.u32[this.#due + row] | 0;
  }

  /** For audits: the first row of a slot, the row behind one, the row before one, or NONE. */
  firstInSlot(slot: number): number {
    return this.#layout.index[this.#heads + slot];
  }

  nextInSlot(row: number): number {
    return this.#layout.index[this.#next + row];
  }

  previousInSlot(row: number): number {
    return this.#layout.index[this.#previous + row];
  }

  #slotOf(due: number): number {
    // The tick after the one in which it is due, so that it never fires early.
    let ahead = (((due - (this.#tick << TICK_SHIFT)) | 0) >> TICK_SHIFT) + 1;
    if (ahead < 0) ahead = 0;
    if (ahead > SLOTS - 1) ahead = SLOTS - 1;
    return ((this.#tick + ahead) & (SLOTS - 1)) + 1;
  }

  #insert(row: number, due: number): void {
    const { u8, index } = this.#layout;
    const slot = this.#slotOf(due);
    const first = index[this.#heads + slot];
    u8[this.#slot + row] = slot;
    index[this.#next + row] = first;
    index[this.#previous + row] = NONE;
    if (first !== NONE) index[this.#previous + first] = row;
    index[this.#heads + slot] = row;
  }
}
