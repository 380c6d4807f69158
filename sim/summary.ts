// What many runs came to: a live line while they run, and a summary at the end.

import type { WriteStream } from "node:tty";
import { eventNames } from "./names";
import type { Result } from "./simulation";

export class Summary {
  runs = 0;
  failures = 0;
  milliseconds = 0;
  packets = 0;
  readonly faults: Record<string, number> = {};
  readonly events: Record<string, number> = {};
  /** Of the events those that say which limit was reached, why something was dropped or held. */
  readonly details: Record<string, number> = {};
  /** What happened to clients that are ours. */
  readonly peers: Record<string, number> = {};
  /** The largest share of each pool that was ever taken, percent. */
  readonly fullest: Record<string, number> = {};
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
    count(this.peers, result.peers);
    for (const { name, capacity, lowestFree } of result.pools) {
      const share = Math.round((100 * (capacity - lowestFree)) / capacity);
      this.fullest[name] = Math.max(this.fullest[name] ?? 0, share);
    }
    count(this.events, result.events);
    count(this.details, Object.fromEntries(Object.entries(result.details).filter(([text]) => text.includes(" "))));
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
    return `${hours} virtual hours, ${this.packets.toLocaleString("en-US")} packets`;
  }

  text(): string {
    const seconds = (Date.now() - this.#startedAt) / 1000;
    return [
      `${this.runs} ${this.runs === 1 ? "run" : "runs"} in ${seconds.toFixed(1)} s: ${this.#figures()}, ${this.failures} failed`,
      `faults: ${list(this.faults)}`,
      `events: ${Object.keys(this.events).length} of ${eventNames.length - 1}: ${list(this.events)}`,
      `refused, dropped, held: ${list(this.details)}`,
      ...(Object.keys(this.peers).length > 0 ? [`own clients: ${list(this.peers)}`] : []),
      `pools at their fullest, percent: ${list(this.fullest)}`,
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
