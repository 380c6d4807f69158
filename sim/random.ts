// Random numbers from a seed, whole numbers only: the same on every machine, for ever. Not for secrets.

export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    this.#a = seed | 0;
    this.#b = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b);
    this.#c = Math.imul(seed ^ 0x243f6a88, 0xc2b2ae35);
    for (let i = 0; i < 12; i++) this.next();
  }

  /** A uint32 (sfc32). */
  next(): number {
    const result = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + result;
    return result >>> 0;
  }

  /** From 0 to `count - 1`. */
  below(count: number): number {
    return count <= 1 ? 0 : Math.floor((this.next() / 4294967296) * count);
  }

  /** From `least` to `most`, both included. */
  range(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** True `parts` times in `of`. */
  chance(parts: number, of: number): boolean {
    return parts > 0 && this.below(of) < parts;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }

  /** Mostly small, seldom large: a power of two at most, then anything up to it. */
  skewed(most: number): number {
    return this.below(1 + this.below(1 + this.below(most + 1)));
  }

  /** A generator of its own, so that what one part draws does not shift what another gets. */
  fork(): Random {
    return new Random(this.next());
  }
}
