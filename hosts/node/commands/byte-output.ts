// Bytes to a stream, gathered and written once per turn of the event loop; whoever gives them learns when they are taken.

import type { Writable } from "node:stream";

export class ByteOutput {
  #parts: Buffer[] = [];
  #waiting: (() => void)[] = [];
  readonly #stream: Writable;

  /** @param onBroken is called when nobody reads any more (EPIPE), or it can't be written. */
  constructor(stream: Writable, onBroken: (error: NodeJS.ErrnoException) => void) {
    this.#stream = stream;
    stream.on("error", onBroken);
  }

  /** Resolves when the stream has taken them, and never when it is broken. */
  write(bytes: Buffer): Promise<void> {
    if (this.#parts.length === 0) setImmediate(() => this.#flush());
    this.#parts.push(bytes);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #flush(): void {
    const waiting = this.#waiting;
    const bytes = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#waiting = [];
    this.#stream.write(bytes, (error) => {
      if (error) return;
      for (const resolve of waiting) resolve();
    });
  }
}
