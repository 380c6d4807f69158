// Problem: the small things of a packet (a fixed header, a property, a Topic Filter) are wanted in one piece, and arrive in
// any.
// Form: what lies in the input in one piece is used there. Otherwise its pieces are carried in a chain of blocks until it
// is whole, and then copied to the stage, which all connections share.
// Cost: one block promised to each connection, so that an acknowledgement can always be read; more when they are free.

import type { Blocks } from "../memory/blocks";
import { type Layout, NONE } from "../memory/layout";
import { readVariable } from "./bytes";

export class Input {
  /** The input that is not used yet. */
  position = 0;
  end = 0;
  /** Where the piece that was gathered lies; until the next `gather`. */
  at = 0;
  /** Bytes carried for the connection at hand. */
  carried = 0;
  /** How many bytes more complete what was asked for. */
  needed = 2;
  isPassing = false;
  #first = NONE;
  #last = NONE;
  readonly #blocks: Blocks;
  readonly #layout: Layout;
  readonly #stage: number;
  readonly #firsts: number;
  readonly #lasts: number;
  readonly #lengths: number;

  /** Adds its columns to the table that is being laid out. @param stage offset of room for the longest piece. */
  constructor(layout: Layout, blocks: Blocks, connectionCount: number, stage: number) {
    this.#lengths = layout.u32Column();
    this.#firsts = layout.indexColumn();
    this.#lasts = layout.indexColumn();
    this.#layout = layout;
    this.#blocks = blocks;
    this.#stage = stage;
    blocks.promised += connectionCount; // one to carry in, each
  }

  /** A connection comes to hand, with no input yet; `isCarrying` says whether its row holds anything. */
  load(connection: number, isCarrying: boolean): void {
    const { u32, index } = this.#layout;
    this.position = 0;
    this.end = 0;
    this.needed = 2;
    this.carried = isCarrying ? u32[this.#lengths + connection] : 0;
    this.#first = isCarrying ? index[this.#firsts + connection] : NONE;
    this.#last = isCarrying ? index[this.#lasts + connection] : NONE;
  }

  save(connection: number): void {
    const { u32, index } = this.#layout;
    u32[this.#lengths + connection] = this.carried;
    index[this.#firsts + connection] = this.#first;
    index[this.#lasts + connection] = this.#last;
  }

  /** Gives back what the row of a connection that is not at hand holds. */
  release(connection: number): void {
    const { u32, index } = this.#layout;
    if (u32[this.#lengths + connection] === 0) return;
    this.#blocks.release(index[this.#firsts + connection]);
    this.#blocks.promised++;
    u32[this.#lengths + connection] = 0;
  }

  /** For audits: the first block that the row of a connection carries, when it carries anything, and the bytes in it. */
  firstOf(connection: number): number {
    return this.#layout.index[this.#firsts + connection];
  }

  lengthOf(connection: number): number {
    return this.#layout.u32[this.#lengths + connection];
  }

  /** Makes `count` bytes from here on lie in one piece at `at`; false when they have not all come yet. */
  gather(count: number): boolean {
    if (this.carried === 0 && this.end - this.position >= count) {
      this.at = this.position;
      return true;
    }
    return this.#carry(count);
  }

  /**
   * Gathers a Variable Byte Integer `before` bytes into the piece: its value times 8 plus its length, 0 when it has not
   * all come yet, -1 when it is malformed or takes the piece beyond `most` bytes.
   */
  gatherVariable(before: number, most: number): number {
    for (let length = before + 1; length <= most; length++) {
      if (!this.gather(length)) return 0;
      const integer = readVariable(this.#layout.u8, this.at + before, this.at + length);
      if (integer !== 0) return integer;
    }
    return -1;
  }

  /** `needed` bytes more are wanted as they come, in no piece. */
  pass(needed: number): void {
    this.needed = needed;
    this.isPassing = true;
  }

  /** Bytes of the input that are not used yet. */
  get left(): number {
    return this.end - this.position;
  }

  /** How many bytes to ask for where none can be given back: at most what can be used, 0 when there is no room to carry. */
  get wanted(): number {
    const { needed } = this;
    if (this.isPassing || (this.carried === 0 && needed <= this.#blocks.blockBytes)) return needed;
    const { room } = this;
    return needed < room ? needed : room;
  }

  /** The piece of `count` bytes that was gathered is used. */
  consume(count: number): void {
    if (this.carried === 0) this.position += count;
    else this.drop();
  }

  /** Gives back what is carried. */
  drop(): void {
    if (this.#first === NONE) return;
    this.#blocks.release(this.#first);
    this.#blocks.promised++;
    this.#first = NONE;
    this.#last = NONE;
    this.carried = 0;
  }

  get blockBytes(): number {
    return this.#blocks.blockBytes;
  }

  /** How many more bytes can be carried. */
  get room(): number {
    const size = this.#blocks.blockBytes;
    const inLast = this.carried === 0 ? size : -this.carried & (size - 1);
    const { available } = this.#blocks;
    return inLast + (available > 0 ? available * size : 0);
  }

  #carry(count: number): boolean {
    const missing = count - this.carried;
    if (missing > 0) {
      const { room } = this;
      let piece = this.end - this.position;
      if (piece > missing) piece = missing;
      if (piece > room) piece = room;
      if (piece > 0) this.#append(piece);
      if (this.carried < count) {
        this.needed = count - this.carried;
        this.isPassing = false;
        return false;
      }
    }
    this.#blocks.copy(this.#first, 0, this.#stage, count);
    this.at = this.#stage;
    return true;
  }

  #append(count: number): void {
    const blocks = this.#blocks;
    this.#last = blocks.append(this.#last, this.carried, this.position, count);
    if (this.#first === NONE) {
      this.#first = blocks.first;
      blocks.promised--; // the block that was promised to this connection
    }
    this.carried += count;
    this.position += count;
  }
}
