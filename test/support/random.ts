// Random tests: fast-check chooses a seed each time and prints it with the smallest failing case. To repeat it, give
// MIDGE_SEED; a long run (MIDGE_LONG=1) does ten times as many.

import fc from "fast-check";

export const isLong = process.env.MIDGE_LONG === "1";

/** Parameters of `fc.assert` for `runs` cases in a short run. */
export function runs(count: number): fc.Parameters<unknown> {
  const seed = process.env.MIDGE_SEED;
  return { numRuns: isLong ? 10 * count : count, ...(seed === undefined ? {} : { seed: Number(seed) }) };
}

/** A small generator for loops that draw too often for fast-check; seed it from there, so that the seed is printed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** A whole number from 0 to `count - 1`. */
  below(count: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296) * count);
  }

  /** True once in `of` times. */
  chance(of: number): boolean {
    return this.below(of) === 0;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }
}

/** The seed of a `Random`. */
export const seeds = fc.integer();
