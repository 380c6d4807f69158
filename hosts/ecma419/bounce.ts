// Problem: a socket of ECMA-419 reads and writes a whole view, the core wants any number of bytes, and a new view is 64
// bytes of garbage on XS.
// Form: one resizable ArrayBuffer with a view that tracks its length. It is shortened for one call and made whole again at
// once: XS gives away what a resizable buffer does not use when it collects, and growing later would be an allocation.
// Between it and the core's memory bytes are copied in one piece.
// Cost: as many bytes as move at once, and a view. Rejected: views of 1, 2, 4 … bytes, a read or write for each bit of the
// number: each write is a round trip to another task, and even a read costs more. DESIGN.md has the figures.

export class Bounce {
  /** As long as the buffer, or as `shorten` said. */
  readonly view: Uint8Array;
  readonly #buffer: ArrayBuffer;
  readonly #length: number;

  constructor(length: number) {
    this.#length = length;
    this.#buffer = new ArrayBuffer(length, { maxByteLength: length });
    this.view = new Uint8Array(this.#buffer);
  }

  /** Until `restore`, which has to follow before anything allocates. */
  shorten(length: number): void {
    this.#buffer.resize(length);
  }

  restore(): void {
    this.#buffer.resize(this.#length);
  }
}
