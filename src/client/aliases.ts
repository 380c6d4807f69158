// Topic Aliases of one direction [5.0 section 3.3.2.3.4]: numbers that stand for Topic Names while the connection lasts.

import type { Layout } from "../memory/layout";
import { sameBytes } from "../mqtt/bytes";

export class Aliases {
  /** The most that may be used now. */
  most = 0;
  /** On this connection one stood for a Topic Name that we could not take: who uses it makes no error. */
  isAnyLost = false;
  readonly #layout: Layout;
  readonly #length: number;
  readonly #text: number;
  readonly #topicBytes: number;
  readonly #count: number;
  #last = 0;

  constructor(layout: Layout, name: string, count: number, topicBytes: number) {
    layout.table(name, count);
    this.#layout = layout;
    this.#length = layout.u16Column();
    this.#text = layout.bytesColumn(topicBytes);
    this.#topicBytes = topicBytes;
    this.#count = count;
  }

  /** A new connection: nothing stands for anything, and at most `most` may be used. */
  clear(most: number): void {
    this.most = most < this.#count ? most : this.#count;
    this.isAnyLost = false;
    this.#last = 0;
    for (let alias = 1; alias <= this.#count; alias++) this.#layout.u16[this.#length + alias] = 0;
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
    const to = this.textOf(alias);
    u8.copyWithin(to, at, at + length);
  }

  /** It stands for a Topic Name that we can't take; -1: we do not know which it is, so none stands for anything we know. */
  lose(alias: number): void {
    const { u16 } = this.#layout;
    this.isAnyLost = true;
    if (alias > 0) u16[this.#length + alias] = 0;
    else for (let each = 1; each <= this.#count; each++) u16[this.#length + each] = 0;
  }

  /** 0 when it stands for nothing. */
  lengthOf(alias: number): number {
    return this.#layout.u16[this.#length + alias];
  }

  textOf(alias: number): number {
    return this.#text + alias * this.#topicBytes;
  }
}
