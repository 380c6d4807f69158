// Problem: a socket of ECMA-419 reads and writes a whole view, the core wants any number of bytes, and a new view is 64
// bytes of garbage on XS.
// Form: one resizable ArrayBuffer with a view that tracks its length. `resize` allocates nothing; the view is as long as
// the bytes that move. Between it and the core's memory they are copied in one piece.
// Cost: as many bytes as move at once, and two views. Rejected: views of 1, 2, 4 … bytes, a write for each bit of the
// number: each write is a round trip to another task.

export class Bounce {
  /** As long as `length` says. */
  readonly view: Uint8Array;
  readonly #buffer: ArrayBuffer;

  constructor(maxByteLength: number) {
    this.#buffer = new ArrayBuffer(0, { maxByteLength });
    this.view = new Uint8Array(this.#buffer);
  }

  set length(count: number) {
    this.#buffer.resize(count);
  }
}
