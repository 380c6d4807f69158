// From the core's numbers to events with names. What can come by the thousand is counted: the first of its kind is
// told at once, the rest of that second as one event with a `count`.

import { Event } from "../../src/events";
import type { Log } from "../../src/ports";
import { describeEvent, type EventFields, kinds, Level, type Reports, streamRefused } from "../text/events";

/** How much is told: what was refused or dropped; connections as well; everything. */
export type Detail = "quiet" | "normal" | "verbose";

export interface LogEvent extends EventFields {
  /** ISO 8601 in UTC, with milliseconds. */
  time: string;
}

const SUMMARY_MILLISECONDS = 1000;

const levels: Readonly<Record<Detail, Level>> = { quiet: Level.Quiet, normal: Level.Normal, verbose: Level.Verbose };

export class EventLog implements Log {
  reports: Reports | undefined;
  readonly #tell: ((event: LogEvent) => void) | undefined;
  readonly #level: Level;
  /** What was told in this second, and how often it came again. */
  readonly #repeated = new Map<string, { event: LogEvent; more: number }>();
  #summary: NodeJS.Timeout | undefined;

  /** @param tell gets the events of `detail`; without it nothing is put into words */
  constructor(tell: ((event: LogEvent) => void) | undefined, detail: Detail) {
    this.#tell = tell;
    this.#level = levels[detail];
  }

  /** From the core. */
  event(code: Event, a: number, b: number): void {
    const kind = kinds.get(code);
    if (this.#tell === undefined || kind === undefined) return;
    // Numbers change their owner: what was counted for the old one is told first.
    if (code === Event.Disconnected || code === Event.SessionEnded) this.flush();
    if (kind.level > this.#level) return;
    if (kind.counted) this.#tellCounted(`${code} ${a} ${b}`, () => this.#describe(code, kind.name, a, b));
    else this.#tell(this.#describe(code, kind.name, a, b));
  }

  /** Every connection has its number in use: this stream was closed at once. */
  streamRefused(address: string): void {
    this.#tellCounted("streamRefused", () => timed(streamRefused(address)));
  }

  /** The system could not accept a stream. */
  acceptFailed(reason: string): void {
    this.#tellCounted("acceptFailed", () => timed({ event: "acceptFailed", reason }));
  }

  /** Tells what was counted and not told yet. */
  flush(): void {
    if (this.#repeated.size === 0) return;
    clearTimeout(this.#summary);
    this.#summary = undefined;
    for (const { event, more } of this.#repeated.values()) {
      if (more > 0) this.#tell?.({ ...event, time: new Date().toISOString(), count: more });
    }
    this.#repeated.clear();
  }

  #tellCounted(key: string, describe: () => LogEvent): void {
    if (this.#tell === undefined) return;
    const seen = this.#repeated.get(key);
    if (seen !== undefined) {
      seen.more += 1;
      return;
    }
    const event = describe();
    this.#repeated.set(key, { event, more: 0 });
    this.#summary ??= setTimeout(() => this.flush(), SUMMARY_MILLISECONDS).unref();
    this.#tell(event);
  }

  #describe(code: Event, name: string, a: number, b: number): LogEvent {
    return timed(describeEvent(code, name, a, b, this.reports));
  }
}

function timed(fields: EventFields): LogEvent {
  return { time: new Date().toISOString(), ...fields };
}
