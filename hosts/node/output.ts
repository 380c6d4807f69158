// Lines to a stream, gathered and written once per turn of the event loop: a thousand events are one write.

import type { Writable } from "node:stream";

export class Output {
  #lines: string[] = [];
  #planned: NodeJS.Immediate | undefined;
  #broken = false;
  readonly #stream: Writable;

  constructor(stream: Writable) {
    this.#stream = stream;
    // Whoever read it is gone (`midge broker | head`): the broker goes on without.
    stream.on("error", () => {
      this.#broken = true;
    });
  }

  line(text: string): void {
    if (this.#broken) return;
    this.#lines.push(text);
    this.#planned ??= setImmediate(() => this.flush());
  }

  flush(): void {
    clearImmediate(this.#planned);
    this.#planned = undefined;
    if (this.#lines.length === 0) return;
    const text = `${this.#lines.join("\n")}\n`;
    this.#lines = [];
    if (!this.#broken) this.#stream.write(text);
  }
}
