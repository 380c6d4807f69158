// Problem: a topic tree repeats the same level names under many parents ("config", "state", "temperature").
// Form: each different level is stored once, counted by its users, found through a hash table, its text in blocks of 16
// bytes. Comparing two levels is then comparing two numbers; the bytes are compared once, when a name comes in, so that a
// crafted collision never misdelivers.
// Cost: 8 B a label at 16-bit indices, plus its text. Rejected: text in every node (24 KB for 1,500 nodes).

import { Blocks } from "../memory/blocks";
import { broken } from "../memory/broken";
import { type Layout, NONE } from "../memory/layout";
import { Pool } from "../memory/pool";
import { sameBytes } from "../mqtt/bytes";

export const LABEL_BLOCK_BYTES = 16;

export class Labels {
  readonly pool: Pool;
  readonly text: Blocks;
  readonly #layout: Layout;
  readonly #next: number; // in its bucket
  readonly #references: number;
  readonly #text: number;
  readonly #length: number;
  readonly #hash: number;
  readonly #buckets: number;
  readonly #mask: number;

  constructor(layout: Layout, count: number, textBytes: number) {
    layout.table("topic labels", count);
    this.pool = new Pool(layout, count);
    this.#layout = layout;
    this.#next = this.pool.next;
    this.#references = layout.indexColumn();
    this.#text = layout.indexColumn();
    this.#length = layout.u16Column();
    this.#hash = layout.u16Column();
    const buckets = bucketCount(count);
    this.#mask = buckets - 1;
    layout.table("topic label buckets", buckets);
    this.#buckets = layout.indexColumn();
    this.text = new Blocks(layout, "topic label text", Math.ceil(textBytes / LABEL_BLOCK_BYTES), LABEL_BLOCK_BYTES);
  }

  /** The label of `length` bytes at `at`, whose hash is `hash`, or NONE. */
  find(at: number, length: number, hash: number): number {
    const { u8, u16, index } = this.#layout;
    let label = index[this.#buckets + 1 + (hash & this.#mask)];
    while (label !== NONE) {
      if (u16[this.#hash + label] === ((hash >>> 16) & 0xffff) && u16[this.#length + label] === length) {
        if (this.#isText(u8, index[this.#text + label], at, length)) return label;
      }
      label = index[this.#next + label];
    }
    return NONE;
  }

  /** A new label with one reference; room was found before. */
  add(at: number, length: number, hash: number): number {
    const { u16, index } = this.#layout;
    const label = this.pool.take();
    if (label === NONE) broken("labels were admitted");
    const bucket = this.#buckets + 1 + (hash & this.#mask);
    index[this.#next + label] = index[bucket];
    index[bucket] = label;
    index[this.#references + label] = 1;
    u16[this.#length + label] = length;
    u16[this.#hash + label] = hash >>> 16;
    this.text.append(NONE, 0, at, length);
    index[this.#text + label] = length === 0 ? NONE : this.text.first;
    return label;
  }

  refer(label: number): void {
    this.#layout.index[this.#references + label]++;
  }

  /** Gives one reference back; the last one frees the label. `hash` is computed again from its text. */
  release(label: number, stage: number, seed: number): void {
    const { u8, u16, index } = this.#layout;
    if (--index[this.#references + label] > 0) return;
    const length = u16[this.#length + label];
    this.text.copy(index[this.#text + label], 0, stage, length);
    const bucket = this.#buckets + 1 + (hashLevel(u8, stage, length, seed) & this.#mask);
    let previous = NONE;
    let row = index[bucket];
    while (row !== label) {
      if (row === NONE) broken("a label is in its bucket");
      previous = row;
      row = index[this.#next + row];
    }
    const next = index[this.#next + label];
    if (previous === NONE) index[bucket] = next;
    else index[this.#next + previous] = next;
    this.text.release(index[this.#text + label]);
    this.pool.give(label);
  }

  lengthOf(label: number): number {
    return this.#layout.u16[this.#length + label];
  }

  /** The first byte of a label's text, 0 when it is empty. */
  firstByte(label: number): number {
    const { u8, u16, index } = this.#layout;
    return u16[this.#length + label] === 0 ? 0 : u8[this.text.addressOf(index[this.#text + label])];
  }

  /** For audits: the first block of a label's text, NONE when it is empty. */
  textOf(label: number): number {
    return this.#layout.index[this.#text + label];
  }

  /** For audits: the number of buckets, and the first label in one, from 0 on, or NONE. */
  get bucketCount(): number {
    return this.#mask + 1;
  }

  firstInBucket(bucket: number): number {
    return this.#layout.index[this.#buckets + 1 + bucket];
  }

  references(label: number): number {
    return this.#layout.index[this.#references + label];
  }

  /** Copies the text of a label. */
  copy(label: number, to: number): void {
    const { u16, index } = this.#layout;
    this.text.copy(index[this.#text + label], 0, to, u16[this.#length + label]);
  }

  #isText(u8: Uint8Array, block: number, at: number, length: number): boolean {
    while (length > 0) {
      const piece = length < LABEL_BLOCK_BYTES ? length : LABEL_BLOCK_BYTES;
      if (!sameBytes(u8, this.text.addressOf(block), at, piece)) return false;
      at += piece;
      length -= piece;
      block = this.text.nextOf(block);
    }
    return true;
  }
}

/** The hash of one topic level; a new seed each start makes collisions hard to craft. */
export function hashLevel(u8: Uint8Array, at: number, length: number, seed: number): number {
  let hash = seed;
  for (let i = at; i < at + length; i++) hash = Math.imul(hash ^ u8[i], 0x01000193);
  return mixHash(hash);
}

/** The last step of `hashLevel`, for those who hash while they look for the end of a level: 30 bits, never boxed. */
export function mixHash(hash: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (mixed ^ (mixed >>> 13)) & 0x3fffffff;
}

/** A power of two for about one row a bucket. */
export function bucketCount(rows: number): number {
  let count = 8;
  while (count < rows) count *= 2;
  return count;
}
