// What the broker drops for one session while it sends: which message it was is not told.

import {
  type Expected,
  FlightState,
  isExpired,
  type Message,
  type Model,
  type Replay,
  type Session,
  Violation,
} from "./model";
import { sizeOf } from "./outgoing";

/** The broker counts sixteenths of a second. */
const LATENESS = 70;

export function droppedExpired({ now }: Model, session: Session): void {
  const hasExpired = ({ message }: { message: Message }): boolean => isExpired(message, now, -LATENESS);
  if (!excuse(session, hasExpired, hasExpired)) {
    throw new Violation(`dropped for ${session.id} as expired, and nothing is`);
  }
}

export function droppedTooLarge(session: Session): void {
  const most = session.maximumPacketSize;
  const isLarge = (message: Message, qos: number, identifiers: readonly number[]): boolean =>
    most > 0 && sizeOf(message, qos, identifiers) > most;
  const isAgain = remove(session.flights, ({ expected, isOnThis, state }) => {
    return !isOnThis && state <= FlightState.Pubrec && isLarge(expected.message, expected.qos, expected.identifiers);
  });
  if (isAgain) return;
  const goes = excuse(
    session,
    ({ message, qos, identifiers }) => isLarge(message, qos, identifiers),
    ({ message, qos, identifier }) => isLarge(message, qos, one(identifier)),
  );
  if (!goes) throw new Violation(`dropped for ${session.id} as too large, and nothing is`);
}

/** Which message was dropped is not told: all that may have been need not come. False when there is none. */
function excuse(session: Session, live: (other: Expected) => boolean, again: (other: Replay) => boolean): boolean {
  const expected = session.expected.filter(live);
  const replays = session.replays.filter(again);
  for (const other of expected) other.isOptional = true;
  for (const other of replays) other.isRequired = false;
  return expected.length + replays.length > 0;
}

function one(identifier: number): readonly number[] {
  return identifier === 0 ? [] : [identifier];
}

/** Takes the first that fits off the list; false when there is none. */
function remove<T>(list: T[], fits: (item: T) => boolean): boolean {
  const at = list.findIndex(fits);
  if (at >= 0) list.splice(at, 1);
  return at >= 0;
}
