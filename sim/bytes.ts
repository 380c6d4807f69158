// A queue of bytes: put at the end, taken at the front, the last taken given back.

export class ByteQueue {
  #bytes = new Uint8Array(256);
  #start = 0;
  #end = 0;

  get length(): number {
    return this.#end - this.#start;
  }

  push(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** Takes up to `count` bytes to `target` at `at`, and returns how many. They stay where they are until the next push. */
  takeInto(target: Uint8Array, at: number, count: number): number {
    const taken = Math.min(count, this.length);
    target.set(this.#bytes.subarray(this.#start, this.#start + taken), at);
    this.#start += taken;
    return taken;
  }

  take(count: number): Uint8Array {
    const taken = this.#bytes.slice(this.#start, this.#start + Math.min(count, this.length));
    this.#start += taken.length;
    return taken;
  }

  /** The last `count` bytes taken wait again; nothing was pushed since. */
  untake(count: number): void {
    this.#start -= count;
  }

  drop(count: number): void {
    this.#start += Math.min(count, this.length);
  }

  /** Keeps only the first `count` bytes. */
  truncate(count: number): void {
    if (count < this.length) this.#end = this.#start + count;
  }

  #reserve(count: number): void {
    if (this.#end + count <= this.#bytes.length) return;
    const { length } = this;
    const target = length + count > this.#bytes.length / 2 ? new Uint8Array(2 * (length + count)) : this.#bytes;
    target.set(this.#bytes.subarray(this.#start, this.#end));
    this.#bytes = target;
    this.#start = 0;
    this.#end = length;
  }
}
