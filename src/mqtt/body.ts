// The PUBLISH that is being received: its topic, properties and payload go straight to a chain of blocks, in sending
// order. That chain is the message; nothing is copied again when it is complete. The blocks were promised when its fixed
// header was admitted.

import type { Blocks } from "../memory/blocks";
import { type Layout, NONE } from "../memory/layout";

export class Body {
  first = NONE;
  /** Bytes in the chain. */
  length = 0;
  #last = NONE;
  #promise = 0;
  readonly #blocks: Blocks;
  readonly #layout: Layout;
  readonly #firsts: number;
  readonly #lasts: number;
  readonly #lengths: number;
  readonly #promises: number;

  /** Adds its columns to the table that is being laid out. */
  constructor(layout: Layout, blocks: Blocks) {
    this.#lengths = layout.u32Column();
    this.#firsts = layout.indexColumn();
    this.#lasts = layout.indexColumn();
    this.#promises = layout.indexColumn();
    this.#layout = layout;
    this.#blocks = blocks;
  }

  /** A connection comes to hand; `isBegun` says whether its row holds anything. */
  load(connection: number, isBegun: boolean): void {
    const { u32, index } = this.#layout;
    this.length = isBegun ? u32[this.#lengths + connection] : 0;
    this.first = isBegun ? index[this.#firsts + connection] : NONE;
    this.#last = isBegun ? index[this.#lasts + connection] : NONE;
    this.#promise = isBegun ? index[this.#promises + connection] : 0;
  }

  save(connection: number): void {
    const { u32, index } = this.#layout;
    u32[this.#lengths + connection] = this.length;
    index[this.#firsts + connection] = this.first;
    index[this.#lasts + connection] = this.#last;
    index[this.#promises + connection] = this.#promise;
  }

  /** Gives back what the row of a connection that is not at hand holds. */
  release(connection: number): void {
    const { index } = this.#layout;
    this.#blocks.release(index[this.#firsts + connection]);
    this.#blocks.promised -= index[this.#promises + connection];
    index[this.#firsts + connection] = NONE;
    index[this.#promises + connection] = 0;
  }

  /** For audits: the chain in the row of a connection, when a PUBLISH has begun, its bytes, and the blocks promised to it. */
  firstOf(connection: number): number {
    return this.#layout.index[this.#firsts + connection];
  }

  lengthOf(connection: number): number {
    return this.#layout.u32[this.#lengths + connection];
  }

  promisedTo(connection: number): number {
    return this.#layout.index[this.#promises + connection];
  }

  /** Begins a chain for which `promise` blocks were found available. */
  begin(promise: number): void {
    this.first = NONE;
    this.#last = NONE;
    this.length = 0;
    this.#promise = promise;
    this.#blocks.promised += promise;
  }

  append(from: number, count: number): void {
    if (count === 0) return;
    const blocks = this.#blocks;
    const { free } = blocks.pool;
    this.#last = blocks.append(this.#last, this.length, from, count);
    if (this.first === NONE) this.first = blocks.first;
    this.length += count;
    const taken = free - blocks.pool.free;
    this.#promise -= taken;
    blocks.promised -= taken;
  }

  /** What follows begins a block of its own. */
  endBlock(): void {
    this.length = this.#blocks.blocksFor(this.length) * this.#blocks.blockBytes;
  }

  /** It is complete: what was promised beyond is given back. */
  end(): void {
    this.#blocks.promised -= this.#promise;
    this.#promise = 0;
  }

  /** The chain has a new owner. */
  handOver(): void {
    this.first = NONE;
    this.length = 0;
  }

  /** Gives chain and promise back. */
  drop(): void {
    this.#blocks.release(this.first);
    this.handOver();
    this.end();
  }
}
