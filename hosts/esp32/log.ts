// What happens, as lines on the trace output: the same words as `midge broker` prints.
//
// Problem: a line is several strings, the output is slow, and one client can cause events by the thousand.
// Form: an event that is not told costs nothing. One that repeats within a second is told once and then counted, in a table
// of few rows; and no more than so many lines come in a second, whatever happens. What was left out is counted and said.
// Cost: 128 bytes, and the strings of a line while it is written.

import { Event } from "../../src/events";
import type { Clock, Log } from "../../src/ports";
import {
  describeEvent,
  type EventFields,
  eventDetails,
  eventWords,
  grouped,
  kinds,
  type Level,
  type Reports,
  streamRefused,
  WORD_COLUMNS,
} from "../text/events";

export interface LogOptions {
  /** Gets lines without their end. */
  write: (line: string) => void;
  clock: Clock;
  level: Level;
  /** Lines in a second, at most. */
  linesPerSecond: number;
}

/** Different things that are counted within a second; those beyond are only told as left out. */
const ROWS = 8;
const COLUMNS = 4;

const enum Column {
  Code = 0,
  A = 1,
  B = 2,
  More = 3,
}

/** Not one of the core's: a stream that found every connection in use. */
const STREAM_REFUSED = 0xff;

export class DeviceLog implements Log {
  /** Who knows what the numbers in an event stand for. */
  reports: Reports | undefined;
  readonly #options: LogOptions;
  readonly #rows = new Int32Array(ROWS * COLUMNS);
  #count = 0;
  #left: number;
  #omitted = 0;

  constructor(options: LogOptions) {
    this.#options = options;
    this.#left = options.linesPerSecond;
  }

  /** From the core. */
  event(code: Event, a: number, b: number): void {
    const kind = kinds.get(code);
    if (kind === undefined) return;
    // Numbers change their owner: what was counted for the old one is told first.
    if (this.#count > 0 && (code === Event.Disconnected || code === Event.SessionEnded)) this.#flush();
    if (kind.level > this.#options.level) return;
    if (kind.counted === undefined) this.#tell(code, a, b, 0);
    else this.#tellCounted(code, a, b);
  }

  /** Every connection has its number in use: a stream was closed at once. */
  streamRefused(): void {
    this.#tellCounted(STREAM_REFUSED, 0, 0);
  }

  /** A line of the gateway's own. */
  say(word: string, text: string): void {
    if (this.#mayTell()) this.#write(word, text);
  }

  /** Once a second: what was counted is told, and lines may come again. */
  tick(): void {
    this.#left = this.#options.linesPerSecond;
    if (this.#count > 0) this.#flush();
    if (this.#omitted > 0) {
      this.#write("log", `${grouped(this.#omitted)} lines left out`);
      this.#omitted = 0;
    }
  }

  #tellCounted(code: number, a: number, b: number): void {
    const rows = this.#rows;
    for (let row = 0; row < this.#count * COLUMNS; row += COLUMNS) {
      if (rows[row + Column.Code] !== code || rows[row + Column.A] !== a || rows[row + Column.B] !== b) continue;
      rows[row + Column.More]++;
      return;
    }
    if (this.#count === ROWS) {
      this.#omitted++;
      return;
    }
    const row = this.#count++ * COLUMNS;
    rows[row + Column.Code] = code;
    rows[row + Column.A] = a;
    rows[row + Column.B] = b;
    rows[row + Column.More] = 0;
    this.#tell(code, a, b, 0);
  }

  #flush(): void {
    const rows = this.#rows;
    for (let row = 0; row < this.#count * COLUMNS; row += COLUMNS) {
      const more = rows[row + Column.More];
      if (more > 0) this.#tell(rows[row + Column.Code], rows[row + Column.A], rows[row + Column.B], more);
    }
    this.#count = 0;
  }

  #tell(code: number, a: number, b: number, count: number): void {
    if (!this.#mayTell()) return;
    const name = kinds.get(code)?.name ?? "";
    const event: EventFields =
      code === STREAM_REFUSED ? streamRefused() : describeEvent(code, name, a, b, this.reports);
    if (count > 0) event.count = count;
    const details = eventDetails(event, printable).filter((part) => part !== "");
    this.#write(eventWords[event.event] ?? event.event, details.join("  "));
  }

  #mayTell(): boolean {
    if (this.#left > 0) {
      this.#left--;
      return true;
    }
    this.#omitted++;
    return false;
  }

  #write(word: string, text: string): void {
    const { clock, write } = this.#options;
    write(`${timeOf(clock)}  ${word.padEnd(WORD_COLUMNS)}  ${text}`);
  }
}

/** Text from the network, for people: as it is when it is plain, otherwise in quotes with all but ASCII as escapes. */
export function printable(text: string): string {
  if (/^[\w.:/@+-]+$/.test(text)) return text;
  return `"${text.replace(/["\\]/g, "\\$&").replace(/[^ -~]/g, escaped)}"`;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** The time of day, UTC; while nobody knows it, what has passed since the start, with a plus. */
function timeOf(clock: Clock): string {
  const now = clock.now();
  const wall = clock.wall();
  const seconds = wall === 0 ? Math.floor(now / 1000) : wall;
  const sign = wall === 0 ? "+" : "";
  const milliseconds = `${now % 1000}`.padStart(3, "0");
  const two = (value: number): string => `${value}`.padStart(2, "0");
  const hours = wall === 0 ? Math.floor(seconds / 3600) : Math.floor(seconds / 3600) % 24;
  return `${sign}${two(hours)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}.${milliseconds}`;
}
