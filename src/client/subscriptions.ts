// The Topic Filters that the application wants, and how far the server knows of them. They outlive connections: when the
// server has no session any more, all are asked for again.

import type { Blocks } from "../memory/blocks";
import { type Layout, NONE } from "../memory/layout";
import { Pool } from "../memory/pool";

export const enum Stage {
  Free = 0,
  /** SUBSCRIBE is to be sent. */
  Wanted = 1,
  /** SUBSCRIBE is sent, the server owes SUBACK. */
  Asked = 2,
  Granted = 3,
  /** UNSUBSCRIBE is to be sent. */
  Unwanted = 4,
  /** UNSUBSCRIBE is sent, the server owes UNSUBACK. */
  Leaving = 5,
}

export class Subscriptions {
  readonly pool: Pool;
  /** Rows that are Wanted or Unwanted: there is something to send. */
  waiting = 0;
  readonly #blocks: Blocks;
  readonly #layout: Layout;
  readonly #identifier: number;
  readonly #first: number;
  readonly #length: number;
  readonly #packetId: number;
  readonly #stage: number;
  readonly #options: number;

  constructor(layout: Layout, count: number, blocks: Blocks) {
    layout.table("subscriptions", count);
    this.pool = new Pool(layout, count);
    this.#layout = layout;
    this.#blocks = blocks;
    this.#identifier = layout.u32Column();
    this.#first = layout.indexColumn();
    this.#length = layout.u16Column();
    this.#packetId = layout.u16Column();
    this.#stage = layout.u8Column();
    this.#options = layout.u8Column();
  }

  /** A new Topic Filter, of `length` bytes at `at`; row and blocks were found free before. */
  add(at: number, length: number): number {
    const { u8, u16, index } = this.#layout;
    const row = this.pool.take();
    this.#blocks.append(NONE, 0, at, length);
    index[this.#first + row] = this.#blocks.first;
    u16[this.#length + row] = length;
    u8[this.#stage + row] = Stage.Free;
    return row;
  }

  /** It is wanted, with these Subscription Options and Subscription Identifier (0: none). */
  want(row: number, options: number, identifier: number): void {
    const { u8, u32 } = this.#layout;
    u8[this.#options + row] = options;
    u32[this.#identifier + row] = identifier;
    this.setStage(row, Stage.Wanted);
  }

  remove(row: number): void {
    this.setStage(row, Stage.Free);
    this.#blocks.release(this.#layout.index[this.#first + row]);
    this.pool.give(row);
  }

  /** The row of a Topic Filter that lies in one piece, or NONE; `scratch` has room for the longest. */
  find(at: number, length: number, scratch: number): number {
    const { u8, u16 } = this.#layout;
    for (let row = 1; row <= this.pool.capacity; row++) {
      if (u8[this.#stage + row] === Stage.Free || u16[this.#length + row] !== length) continue;
      this.copy(row, scratch);
      let i = 0;
      while (i < length && u8[at + i] === u8[scratch + i]) i++;
      if (i === length) return row;
    }
    return NONE;
  }

  /** The next row after `row` at one of two stages, or NONE. */
  next(row: number, stage: Stage, other: Stage): number {
    const { u8 } = this.#layout;
    for (row++; row <= this.pool.capacity; row++) {
      if (u8[this.#stage + row] === stage || u8[this.#stage + row] === other) return row;
    }
    return NONE;
  }

  /** The row whose acknowledgement has `packetId`, or NONE. */
  byPacketId(packetId: number): number {
    const { u8, u16 } = this.#layout;
    for (let row = 1; row <= this.pool.capacity; row++) {
      const stage = u8[this.#stage + row];
      if ((stage === Stage.Asked || stage === Stage.Leaving) && u16[this.#packetId + row] === packetId) return row;
    }
    return NONE;
  }

  /** The connection is gone: what was asked and not answered is asked again. */
  disconnect(): void {
    for (let row = 1; row <= this.pool.capacity; row++) {
      const stage = this.stage(row);
      if (stage === Stage.Asked) this.setStage(row, Stage.Wanted);
      else if (stage === Stage.Leaving) this.setStage(row, Stage.Unwanted);
    }
  }

  /** The server has forgotten everything: what is granted is wanted again. */
  forget(): void {
    for (let row = 1; row <= this.pool.capacity; row++) {
      if (this.stage(row) === Stage.Granted) this.setStage(row, Stage.Wanted);
    }
  }

  copy(row: number, to: number): void {
    const { u16, index } = this.#layout;
    this.#blocks.copy(index[this.#first + row], 0, to, u16[this.#length + row]);
  }

  length(row: number): number {
    return this.#layout.u16[this.#length + row];
  }

  stage(row: number): Stage {
    return this.#layout.u8[this.#stage + row];
  }

  setStage(row: number, stage: Stage): void {
    const { u8 } = this.#layout;
    const before = u8[this.#stage + row];
    if (before === Stage.Wanted || before === Stage.Unwanted) this.waiting--;
    if (stage === Stage.Wanted || stage === Stage.Unwanted) this.waiting++;
    u8[this.#stage + row] = stage;
  }

  sent(row: number, packetId: number): void {
    this.#layout.u16[this.#packetId + row] = packetId;
    this.setStage(row, this.stage(row) === Stage.Wanted ? Stage.Asked : Stage.Leaving);
  }

  /** For audits: the first block of a Topic Filter. */
  firstOf(row: number): number {
    return this.#layout.index[this.#first + row];
  }

  options(row: number): number {
    return this.#layout.u8[this.#options + row];
  }

  identifier(row: number): number {
    return this.#layout.u32[this.#identifier + row];
  }
}
