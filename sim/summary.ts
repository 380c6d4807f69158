// What many runs came to: a live line while they run, and a summary at the end.

import type { WriteStream } from "node:tty";
import type { Result } from "./simulation";

export class Summary {
  runs = 0;
  failures = 0;
  milliseconds = 0;
  packets = 0;
  readonly faults: Record<string, number> = {};
  readonly events: Record<string, number> = {};
  readonly #total: number;
  readonly #stream: WriteStream;
  readonly #startedAt = Date.now();
  #shownAt = 0;

  constructor(total: number, stream: WriteStream) {
    this.#total = total;
    this.#stream = stream;
  }

  add(result: Result): void {
    this.runs++;
    if (result.failure !== undefined) this.failures++;
    this.milliseconds += result.milliseconds;
    this.packets += result.packetsIn + result.packetsOut;
    count(this.faults, result.faults);
    count(this.events, result.events);
    if (!this.#stream.isTTY || Date.now() - this.#shownAt < 200) return;
    this.#shownAt = Date.now();
    this.#stream.write(`\r\x1b[K${this.runs} of ${this.#total} runs, ${this.#figures()}, ${this.failures} failed`);
  }

  /** Takes the live line away. */
  clear(): void {
    if (this.#stream.isTTY) this.#stream.write("\r\x1b[K");
  }

  #figures(): string {
    const hours = (this.milliseconds / 3_600_000).toFixed(2);
    return `${hours} virtual hours, ${this.packets} packets`;
  }

  text(): string {
    const seconds = (Date.now() - this.#startedAt) / 1000;
    return [
      `${this.runs} runs in ${seconds.toFixed(1)} s: ${this.#figures()}, ${this.failures} failed`,
      `faults: ${list(this.faults)}`,
      `events: ${list(this.events)}`,
    ].join("\n");
  }
}

function count(all: Record<string, number>, more: Readonly<Record<string, number>>): void {
  for (const [name, times] of Object.entries(more)) all[name] = (all[name] ?? 0) + times;
}

function list(counts: Readonly<Record<string, number>>): string {
  const names = Object.keys(counts).sort();
  return names.length === 0 ? "none" : names.map((name) => `${name} ${counts[name]}`).join(", ");
}
