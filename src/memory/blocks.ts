// Problem: byte strings of any length must live in memory of fixed size without fragmenting it.
// Form: blocks of 2^n bytes in one area, linked by the pool's `next` column into chains. A chain is its first block and
// its byte length; who appends also keeps the last block. Blocks can be promised before they are taken, so that what was
// admitted never runs out midway.
// Cost: one index and the block. Rejected: a heap with compaction, whose moves would be unbounded work.

import { broken } from "./broken";
import { type Layout, NONE } from "./layout";
import { Pool } from "./pool";

export class Blocks {
  readonly pool: Pool;
  readonly blockBytes: number;
  /** The first block of the last chain that `append` began. */
  first = NONE;
  /** Blocks promised to somebody and not taken yet. */
  promised = 0;
  readonly #u8: Uint8Array;
  readonly #index: Uint16Array | Uint32Array;
  readonly #next: number;
  readonly #data: number;
  readonly #shift: number;

  constructor(layout: Layout, name: string, count: number, blockBytes: number) {
    layout.table(name, count);
    this.pool = new Pool(layout, count);
    this.#next = this.pool.next;
    this.#data = layout.bytesColumn(blockBytes);
    this.#u8 = layout.u8;
    this.#index = layout.index;
    this.blockBytes = blockBytes;
    this.#shift = 31 - Math.clz32(blockBytes);
  }

  /** Blocks that nobody has and nobody was promised. */
  get available(): number {
    return this.pool.free - this.promised;
  }

  /** How many blocks `byteLength` bytes take. */
  blocksFor(byteLength: number): number {
    return (byteLength + this.blockBytes - 1) >>> this.#shift;
  }

  /**
   * Appends `count` bytes from `from` to a chain of `length` bytes that ends in block `last` (NONE and 0 for a new
   * chain: then `first` holds its first block). Returns the new last block. The blocks must have been promised or
   * found available before.
   */
  append(last: number, length: number, from: number, count: number): number {
    const mask = this.blockBytes - 1;
    let used = length & mask;
    if (last === NONE || (used === 0 && length !== 0)) used = this.blockBytes;
    let block = last;
    while (count > 0) {
      if (used === this.blockBytes) {
        const taken = this.pool.take();
        if (taken === NONE) broken("blocks were admitted before they are taken");
        if (block === NONE) this.first = taken;
        else this.#index[this.#next + block] = taken;
        block = taken;
        used = 0;
      }
      const room = this.blockBytes - used;
      const piece = count < room ? count : room;
      const to = this.#data + (block << this.#shift) + used;
      this.#u8.copyWithin(to, from, from + piece);
      from += piece;
      count -= piece;
      used += piece;
    }
    return block;
  }

  /** Copies `count` bytes from byte `offset` of the chain on to `to`. */
  copy(first: number, offset: number, to: number, count: number): void {
    const mask = this.blockBytes - 1;
    let block = first;
    for (let skip = offset >>> this.#shift; skip > 0; skip--) block = this.#index[this.#next + block];
    let used = offset & mask;
    if (used + count <= this.blockBytes && block !== NONE) {
      const from = this.#data + (block << this.#shift) + used;
      this.#u8.copyWithin(to, from, from + count);
      return;
    }
    while (count > 0) {
      if (block === NONE) broken("a chain is as long as its owner says");
      const room = this.blockBytes - used;
      const piece = count < room ? count : room;
      const from = this.#data + (block << this.#shift) + used;
      this.#u8.copyWithin(to, from, from + piece);
      to += piece;
      count -= piece;
      used = 0;
      block = this.#index[this.#next + block];
    }
  }

  /** The byte offset in memory of a chain's first block, for chains of a single block. */
  addressOf(first: number): number {
    return this.#data + (first << this.#shift);
  }

  /** The block after `block`, or NONE. */
  nextOf(block: number): number {
    return this.#index[this.#next + block];
  }

  /** Gives a whole chain back. */
  release(first: number): void {
    let block = first;
    while (block !== NONE) {
      const next = this.#index[this.#next + block];
      this.pool.give(block);
      block = next;
    }
  }
}
