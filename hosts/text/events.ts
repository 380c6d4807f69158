// From the core's numbers to words, the same on every host: what happened, who it was, why.

import { Event, Limit, limitNames } from "../../src/events";
import { dropName, holdName, protocolName, reasonName } from "./names";

export interface EventFields {
  event: string;
  /** Client Identifier. */
  client?: string;
  /** Address of the peer, and its port where the host knows it. */
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

export const enum Level {
  Quiet,
  Normal,
  Verbose,
}

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

/** What people read for an event's name. */
export const eventWords: Readonly<Record<string, string>> = Object.freeze({
  opened: "opened",
  connected: "connected",
  connectRefused: "refused",
  disconnected: "disconnected",
  abandoned: "gone",
  sessionEnded: "session ended",
  publishRefused: "PUBLISH refused",
  subscribeRefused: "SUBSCRIBE refused",
  dropped: "dropped",
  publishDropped: "PUBLISH dropped",
  retainRefused: "not retained",
  willPublished: "will published",
  willDropped: "will dropped",
  held: "held",
  limitReached: "limit reached",
  streamRefused: "refused",
  acceptFailed: "accept failed",
});

export const WORD_COLUMNS = 18;

/** What an event of the core says. */
export function describeEvent(code: Event, name: string, a: number, b: number, reports?: Reports): EventFields {
  switch (code) {
    case Event.Connected:
      return { event: name, ...connectionOf(a, reports), sessionPresent: b === 1 };
    case Event.ConnectRefused:
    case Event.Disconnected:
    case Event.Abandoned:
      return { event: name, ...connectionOf(a, reports), ...reasonOf(b) };
    case Event.PublishRefused:
    case Event.SubscribeRefused:
    case Event.PublishDropped:
    case Event.RetainRefused:
    case Event.LimitReached:
      return { event: name, ...connectionOf(a, reports), ...limitOf(b) };
    case Event.Held:
      return { event: name, ...connectionOf(a, reports), reason: holdName(b) };
    case Event.SessionEnded:
      return { event: name, ...sessionOf(a, reports), reason: b === 1 ? "expired" : "clean" };
    case Event.Dropped:
      return { event: name, ...sessionOf(a, reports), reason: dropName(b) };
    case Event.WillPublished:
      return { event: name, ...sessionOf(a, reports) };
    case Event.WillDropped:
      return { event: name, ...sessionOf(a, reports), ...limitOf(b) };
    default:
      return { event: name, ...connectionOf(a, reports) };
  }
}

/** A stream for which every connection was in use. */
export function streamRefused(address?: string): EventFields {
  return { event: "streamRefused", ...(address === undefined ? {} : { address }), ...limitOf(Limit.connections) };
}

/** Who the event is about, the address, and why, each escaped by `printable`; two spaces apart. */
export function eventDetails(event: EventFields, printable: (text: string) => string): string[] {
  const { client, session, address, protocol, sessionPresent, reason, limit, count } = event;
  const who = client ?? (session === undefined ? undefined : "");
  const why: string[] = [];
  if (event.event === "connected" && protocol !== undefined) why.push(`MQTT ${protocol}`);
  if (sessionPresent) why.push("session resumed");
  // Reasons are our own words, except those of the operating system.
  if (reason !== undefined) why.push(/^[ -~]*$/.test(reason) ? reason : printable(reason));
  if (limit !== undefined) why.push(`limit ${limit}`);
  if (count !== undefined) why.push(`${grouped(count)} more`);
  return [who === undefined ? "" : printable(who), address ?? "", why.join(", ")];
}

/** 1234567 as 1,234,567. */
export function grouped(value: number): string {
  return `${value}`.replace(/\B(?=(\d{3})+$)/g, ",");
}

function connectionOf(connection: number, reports?: Reports): Partial<EventFields> {
  if (reports === undefined) return { connection };
  const client = reports.clientId(connection);
  const known = client === "" ? {} : { client, protocol: protocolName(reports.protocolVersion(connection)) };
  const address = reports.address(connection);
  return { ...known, ...(address === "" ? {} : { address }), connection };
}

function sessionOf(session: number, reports?: Reports): Partial<EventFields> {
  return { client: reports?.sessionClientId(session), session };
}

function reasonOf(code: number): Partial<EventFields> {
  return code < 0x100 ? { reason: reasonName(code), reasonCode: code } : { reason: reasonName(code) };
}

function limitOf(code: number): Partial<EventFields> {
  return { limit: limitNames[code] ?? `limit ${code}` };
}
