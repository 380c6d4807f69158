// Topic Aliases of one direction [5.0 section 3.3.2.3.4]: numbers that stand for Topic Names while the connection lasts.

import type { Layout } from "../memory/layout";
import { sameBytes } from "../mqtt/bytes";

export class Aliases {
  /** The most that may be used now. */
  most = 0;
  readonly #layout: Layout;
  readonly #length: number;
  readonly #text: number;
  readonly #isLost: number;
  readonly #topicBytes: number;
  readonly #count: number;
  #last = 0;

  constructor(layout: Layout, name: string, count: number, topicBytes: number) {
    layout.table(name, count);
    this.#layout = layout;
    this.#length = layout.u16Column();
    this.#isLost = layout.u8Column();
    this.#text = layout.bytesColumn(topicBytes);
    this.#topicBytes = topicBytes;
    this.#count = count;
  }

  /** A new connection: nothing stands for anything, and at most `most` may be used. */
  clear(most: number): void {
    this.most = most < this.#count ? most : this.#count;
    this.#last = 0;
    for (let alias = 1; alias <= this.#count; alias++) {
      this.#layout.u16[this.#length + alias] = 0;
      this.#layout.u8[this.#isLost + alias] = 0;
    }
  }

  /** It stands for a Topic Name that was not kept; -1: any may. */
  lose(alias: number): void {
    const first = alias < 0 ? 1 : alias;
    const last = alias < 0 ? this.#count : alias;
    for (let lost = first; lost <= last; lost++) this.#layout.u8[this.#isLost + lost] = 1;
  }

  isLost(alias: number): boolean {
    return this.#layout.u8[this.#isLost + alias] !== 0;
  }

  /** The alias of the Topic Name, or 0. */
  find(at: number, length: number): number {
    const { u8 } = this.#layout;
    for (let alias = 1; alias <= this.most; alias++) {
      if (this.lengthOf(alias) === length && sameBytes(u8, this.textOf(alias), at, length)) return alias;
    }
    return 0;
  }

  /** The number to use for another Topic Name: each in its turn. Call only when `most` is not 0. */
  next(): number {
    this.#last = this.#last >= this.most ? 1 : this.#last + 1;
    return this.#last;
  }

  set(alias: number, at: number, length: number): void {
    const { u8, u16 } = this.#layout;
    u16[this.#length + alias] = length;
    u8[this.#isLost + alias] = 0;
    const to = this.textOf(alias);
    u8.copyWithin(to, at, at + length);
  }

  /** 0 when it stands for nothing. */
  lengthOf(alias: number): number {
    return this.#layout.u16[this.#length + alias];
  }

  textOf(alias: number): number {
    return this.#text + alias * this.#topicBytes;
  }
}
