// NOR flash: a program clears bits, an erase sets a whole block to 0xFF and wears it. The power may fail in the middle of
// either: then a part was programmed, the byte at the cut is torn, an erase leaves the block in any state between. Worn
// blocks lose bits. Everything is made from a seed.

import type { Storage } from "../src/index";
import type { Random } from "./random";

export interface FlashOptions {
  size: number;
  /** Bytes erased at once. */
  eraseSize: number;
  /** Programs are aligned to this. */
  programSize: number;
  /** Erases that a block survives; after them an erase may leave bits cleared. 0: for ever. */
  endurance?: number;
  /** Bits in a million bytes read that are wrong for good from then on. */
  flips?: number;
}

/** The power has failed: nothing works until `restart`. */
export class PowerCut extends Error {
  override name = "PowerCut";
}

export class Flash implements Storage {
  readonly size: number;
  readonly eraseSize: number;
  readonly programSize: number;
  /** What the chip holds. */
  readonly bytes: Uint8Array;
  /** Erases of each block. */
  readonly wear: Uint32Array;
  /** Calls of `program` and `erase`. */
  programs = 0;
  erases = 0;
  readonly #options: FlashOptions;
  readonly #random: Random;
  #memory = new Uint8Array(0);
  #cutIn = Number.POSITIVE_INFINITY;
  #isOff = false;

  constructor(options: FlashOptions, random: Random) {
    if (options.size % options.eraseSize !== 0 || options.eraseSize % options.programSize !== 0) {
      throw new Error("size must be whole erase blocks, and those whole program units");
    }
    this.size = options.size;
    this.eraseSize = options.eraseSize;
    this.programSize = options.programSize;
    this.bytes = new Uint8Array(options.size).fill(0xff);
    this.wear = new Uint32Array(options.size / options.eraseSize);
    this.#options = options;
    this.#random = random;
  }

  /** The memory that `read` and `program` copy to and from. */
  attach(memory: ArrayBuffer): void {
    this.#memory = new Uint8Array(memory);
  }

  /** The power fails in the `operations`-th program or erase from now on (0: the next one). */
  cutAfter(operations: number): void {
    this.#cutIn = operations;
  }

  /** The power is back. */
  restart(): void {
    this.#isOff = false;
    this.#cutIn = Number.POSITIVE_INFINITY;
  }

  get isOff(): boolean {
    return this.#isOff;
  }

  read(at: number, offset: number, length: number): boolean {
    this.#checkPower();
    if (!this.#isInside(at, length)) return false;
    const { flips = 0 } = this.#options;
    if (length > 0 && this.#random.chance(flips * length, 1_000_000)) this.#flip(at + this.#random.below(length));
    this.#memory.set(this.bytes.subarray(at, at + length), offset);
    return true;
  }

  program(at: number, offset: number, length: number): boolean {
    this.#checkPower();
    if (!this.#isInside(at, length) || at % this.programSize !== 0 || length % this.programSize !== 0) return false;
    this.programs++;
    const isCut = this.#cutIn-- <= 0;
    const whole = isCut ? this.#random.below(length + 1) : length;
    for (let i = 0; i < whole; i++) this.bytes[at + i] &= this.#memory[offset + i];
    if (!isCut) return true;
    // Some bits of the byte at the cut were cleared, some not yet.
    if (whole < length) this.bytes[at + whole] &= this.#memory[offset + whole] | this.#random.below(256);
    return this.#fail();
  }

  erase(at: number): boolean {
    this.#checkPower();
    if (at % this.eraseSize !== 0 || !this.#isInside(at, this.eraseSize)) return false;
    this.erases++;
    const block = at / this.eraseSize;
    this.wear[block]++;
    const isCut = this.#cutIn-- <= 0;
    if (isCut) {
      // Each bit has risen or not.
      for (let i = 0; i < this.eraseSize; i++) this.bytes[at + i] |= this.#random.below(256);
      return this.#fail();
    }
    this.bytes.fill(0xff, at, at + this.eraseSize);
    const { endurance = 0 } = this.#options;
    if (endurance > 0 && this.wear[block] > endurance) this.#flip(at + this.#random.below(this.eraseSize));
    return true;
  }

  /** A bit falls. */
  #flip(at: number): void {
    this.bytes[at] &= ~(1 << this.#random.below(8));
  }

  #isInside(at: number, length: number): boolean {
    return at >= 0 && length >= 0 && at + length <= this.size;
  }

  #checkPower(): void {
    if (this.#isOff) throw new PowerCut("the power is off");
  }

  #fail(): never {
    this.#isOff = true;
    throw new PowerCut("the power failed");
  }
}
