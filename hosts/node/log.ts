// From the core's numbers to events with names. What can come by the thousand is counted: the first of its kind is
// told at once, the rest of that second as one event with a `count`.

import { Event, Limit, limitNames } from "../../src/events";
import type { Log } from "../../src/ports";
import { dropName, holdName, protocolName, reasonName } from "./names";

/** How much is told: what was refused or dropped; connections as well; everything. */
export type Detail = "quiet" | "normal" | "verbose";

export interface LogEvent {
  /** ISO 8601 in UTC, with milliseconds. */
  time: string;
  event: string;
  /** Client Identifier. */
  client?: string;
  /** Address and port of the peer. */
  address?: string;
  /** Number of the connection. */
  connection?: number;
  /** Number of the session. */
  session?: number;
  /** Protocol version: "3.1", "3.1.1" or "5.0". */
  protocol?: string;
  /** CONNECT found a session. */
  sessionPresent?: boolean;
  /** Why, in words. */
  reason?: string;
  /** The Reason Code of MQTT 5.0, where one says it. */
  reasonCode?: number;
  /** The name of the limit in `Limits`. */
  limit?: string;
  /** How many of these, when it was more than one. */
  count?: number;
}

/** What is asked about numbers in an event; the broker and the transport know. */
export interface Reports {
  clientId(connection: number): string;
  sessionClientId(session: number): string;
  protocolVersion(connection: number): number;
  address(connection: number): string;
}

const SUMMARY_MILLISECONDS = 1000;

export const enum Level {
  Quiet,
  Normal,
  Verbose,
}

const levels: Readonly<Record<Detail, Level>> = { quiet: Level.Quiet, normal: Level.Normal, verbose: Level.Verbose };

export interface Kind {
  name: string;
  level: Level;
  /** One busy client can cause it by the thousand. */
  counted?: true;
}

export const kinds: ReadonlyMap<Event, Kind> = new Map<Event, Kind>([
  [Event.Opened, { name: "opened", level: Level.Verbose }],
  [Event.Connected, { name: "connected", level: Level.Normal }],
  [Event.ConnectRefused, { name: "connectRefused", level: Level.Quiet }],
  [Event.Disconnected, { name: "disconnected", level: Level.Normal }],
  [Event.Abandoned, { name: "abandoned", level: Level.Normal }],
  [Event.SessionEnded, { name: "sessionEnded", level: Level.Verbose }],
  [Event.PublishRefused, { name: "publishRefused", level: Level.Quiet, counted: true }],
  [Event.SubscribeRefused, { name: "subscribeRefused", level: Level.Quiet, counted: true }],
  [Event.Dropped, { name: "dropped", level: Level.Quiet, counted: true }],
  [Event.PublishDropped, { name: "publishDropped", level: Level.Quiet, counted: true }],
  [Event.RetainRefused, { name: "retainRefused", level: Level.Quiet, counted: true }],
  [Event.WillPublished, { name: "willPublished", level: Level.Normal }],
  [Event.WillDropped, { name: "willDropped", level: Level.Quiet }],
  [Event.Held, { name: "held", level: Level.Verbose, counted: true }],
  [Event.LimitReached, { name: "limitReached", level: Level.Quiet, counted: true }],
]);

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
    this.#tellCounted("streamRefused", () => named("streamRefused", { address, ...limit(Limit.connections) }));
  }

  /** The system could not accept a stream. */
  acceptFailed(reason: string): void {
    this.#tellCounted("acceptFailed", () => named("acceptFailed", { reason }));
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
    switch (code) {
      case Event.Connected:
        return named(name, { ...this.#connection(a), sessionPresent: b === 1 });
      case Event.ConnectRefused:
      case Event.Disconnected:
      case Event.Abandoned:
        return named(name, { ...this.#connection(a), ...reason(b) });
      case Event.PublishRefused:
      case Event.SubscribeRefused:
      case Event.PublishDropped:
      case Event.RetainRefused:
      case Event.LimitReached:
        return named(name, { ...this.#connection(a), ...limit(b) });
      case Event.Held:
        return named(name, { ...this.#connection(a), reason: holdName(b) });
      case Event.SessionEnded:
        return named(name, { ...this.#session(a), reason: b === 1 ? "expired" : "clean" });
      case Event.Dropped:
        return named(name, { ...this.#session(a), reason: dropName(b) });
      case Event.WillPublished:
        return named(name, this.#session(a));
      case Event.WillDropped:
        return named(name, { ...this.#session(a), ...limit(b) });
      default:
        return named(name, this.#connection(a));
    }
  }

  #connection(connection: number): Partial<LogEvent> {
    const { reports } = this;
    if (reports === undefined) return { connection };
    const client = reports.clientId(connection);
    const known = client === "" ? {} : { client, protocol: protocolName(reports.protocolVersion(connection)) };
    const address = reports.address(connection);
    return { ...known, ...(address === "" ? {} : { address }), connection };
  }

  #session(session: number): Partial<LogEvent> {
    return { client: this.reports?.sessionClientId(session), session };
  }
}

function named(name: string, fields: Partial<LogEvent>): LogEvent {
  return { time: new Date().toISOString(), event: name, ...fields };
}

function reason(code: number): Partial<LogEvent> {
  return code < 0x100 ? { reason: reasonName(code), reasonCode: code } : { reason: reasonName(code) };
}

function limit(code: number): Partial<LogEvent> {
  return { limit: limitNames[code] ?? `limit ${code}` };
}
