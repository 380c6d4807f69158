// Names of the broker's events and of what they say, for traces, summaries and tests.

import { ClientCause } from "../src/client/ports";
import { Cause, Drop, Event, Hold, limitNames } from "../src/events";

/** By number. */
export const eventNames: readonly string[] = [
  "",
  "Opened",
  "Connected",
  "ConnectRefused",
  "Disconnected",
  "Abandoned",
  "SessionEnded",
  "PublishRefused",
  "SubscribeRefused",
  "Dropped",
  "PublishDropped",
  "RetainRefused",
  "WillPublished",
  "WillDropped",
  "Held",
  "LimitReached",
];

export const causeNames: ReadonlyMap<number, string> = new Map([
  [Cause.Lost, "lost"],
  [Cause.ConnectTimeout, "CONNECT too slow"],
  [Cause.PacketTimeout, "packet too slow"],
  [Cause.Evicted, "evicted"],
]);

/** Why a connection of a client of ours ended, or a message of its application. */
export const clientCauseNames: ReadonlyMap<number, string> = new Map([
  [ClientCause.Lost, "lost"],
  [ClientCause.ConnectTimeout, "connect timeout"],
  [ClientCause.Silent, "silent"],
  [ClientCause.Stopped, "stopped"],
  [ClientCause.Expired, "expired"],
]);

export function causeName(reason: number): string {
  return clientCauseNames.get(reason) ?? `0x${reason.toString(16).padStart(2, "0")}`;
}

/** Why a client of ours does not accept something, by the negative of its number. */
export const notAcceptedNames: readonly string[] = [
  "",
  "Messages",
  "PayloadBytes",
  "Topic",
  "Offline",
  "Unsupported",
  "Unknown",
];

export const dropNames: ReadonlyMap<number, string> = new Map([
  [Drop.QueueFull, "queue full"],
  [Drop.TooLarge, "too large"],
  [Drop.Expired, "expired"],
  [Drop.Superseded, "superseded"],
]);

export const holdNames: ReadonlyMap<number, string> = new Map([
  [Hold.Window, "window"],
  [Hold.Room, "room"],
  [Hold.Receiver, "receiver"],
  [Hold.Subscribe, "subscribe"],
]);

/** An event with the limit, cause, drop or hold that it is about: "PublishRefused messages". */
export function eventText(code: Event, b: number): string {
  const name = eventNames[code];
  switch (code) {
    case Event.ConnectRefused:
    case Event.Disconnected:
    case Event.Abandoned:
      return `${name} ${causeNames.get(b) ?? `0x${b.toString(16).padStart(2, "0")}`}`;
    case Event.PublishRefused:
    case Event.SubscribeRefused:
    case Event.PublishDropped:
    case Event.RetainRefused:
    case Event.WillDropped:
    case Event.LimitReached:
      return `${name} ${limitNames[b]}`;
    case Event.Dropped:
      return `${name} ${dropNames.get(b)}`;
    case Event.Held:
      return `${name} ${holdNames.get(b)}`;
    case Event.SessionEnded:
      return b === 1 ? `${name} expired` : name;
    default:
      return name;
  }
}
