// Buffers lent while bytes are on their way and given back afterwards, so that a connection with nothing to send
// costs no buffer and a busy one allocates none. Four sizes; a few of each are kept for the next borrower, and the
// rest go to the garbage collector, so an idle broker holds `KEPT_BYTES` at most.

const SIZES = [1024, 4096, 16384, 65536] as const;
const KEPT = [256, 64, 32, 16] as const;

/** The largest buffer that is kept for reuse. */
export const LARGEST = SIZES[3];

/** Most bytes the pool keeps while nobody needs them. */
export const KEPT_BYTES = SIZES.reduce((sum, size, index) => sum + size * KEPT[index], 0);

export class BufferPool {
  readonly #free: Buffer[][] = SIZES.map(() => []);
  #lentBytes = 0;

  /** Bytes of all buffers that are lent now. */
  get lentBytes(): number {
    return this.#lentBytes;
  }

  /** A buffer of at least `size` bytes; its content is left over from the last borrower. */
  lend(size: number): Buffer {
    const index = sizeIndex(size);
    const length = index < SIZES.length ? SIZES[index] : size;
    this.#lentBytes += length;
    return this.#free[index]?.pop() ?? Buffer.allocUnsafeSlow(length);
  }

  giveBack(buffer: Buffer): void {
    this.#lentBytes -= buffer.length;
    const index = SIZES.indexOf(buffer.length as (typeof SIZES)[number]);
    if (index >= 0 && this.#free[index].length < KEPT[index]) this.#free[index].push(buffer);
  }
}

function sizeIndex(size: number): number {
  if (size <= SIZES[0]) return 0;
  if (size <= SIZES[1]) return 1;
  if (size <= SIZES[2]) return 2;
  return size <= SIZES[3] ? 3 : SIZES.length;
}
