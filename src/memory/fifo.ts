// A queue of row numbers in which each stands at most once: whose turn it is.

import { type Layout, NONE } from "./layout";

export class Fifo {
  length = 0;
  readonly #index: Uint16Array | Uint32Array;
  readonly #u8: Uint8Array;
  readonly #next: number;
  readonly #queued: number;
  #first = NONE;
  #last = NONE;

  constructor(layout: Layout, name: string, count: number) {
    layout.table(name, count);
    this.#index = layout.index;
    this.#u8 = layout.u8;
    this.#next = layout.indexColumn();
    this.#queued = layout.u8Column();
  }

  /** Puts `row` at the end, unless it stands somewhere already. */
  push(row: number): void {
    if (this.#u8[this.#queued + row] !== 0) return;
    this.#u8[this.#queued + row] = 1;
    this.#index[this.#next + row] = NONE;
    if (this.#last === NONE) this.#first = row;
    else this.#index[this.#next + this.#last] = row;
    this.#last = row;
    this.length++;
  }

  /** The row that stood longest, or NONE. */
  shift(): number {
    const row = this.#first;
    if (row === NONE) return NONE;
    this.#first = this.#index[this.#next + row];
    if (this.#first === NONE) this.#last = NONE;
    this.#u8[this.#queued + row] = 0;
    this.length--;
    return row;
  }

  /** For audits: the row that stood longest, or NONE. */
  first(): number {
    return this.#first;
  }

  /** For audits: the row behind `row`, or NONE. */
  nextOf(row: number): number {
    return this.#index[this.#next + row];
  }

  /** For audits: whether `row` stands somewhere. */
  has(row: number): boolean {
    return this.#u8[this.#queued + row] !== 0;
  }
}
