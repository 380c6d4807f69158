// Reports about a broker, for hosts and tests. They may allocate: they are made on request, never by a packet.

import type { Pool } from "../memory/pool";
import type { Broker } from "./broker";

export interface PoolReport {
  /** The limit that sizes it. */
  name: string;
  capacity: number;
  free: number;
  /** The least that was ever free. */
  lowestFree: number;
}

// allocates: a report
export function poolReports(broker: Broker): PoolReport[] {
  const { blocks, inbox, limits, messages, outbox, router, sessions, subscriptions, topics } = broker;
  return [
    report("sessions", sessions.pool),
    report("subscriptions", subscriptions.pool),
    report("topicNodes", topics.pool),
    report("topicLabels", topics.labels.pool),
    report("labelBytes", topics.labels.text.pool),
    report("messages", messages.pool),
    report("deliveries", outbox.pool),
    report("subscriptionIdentifiers", outbox.identifiers),
    report("receipts", inbox.pool),
    report("payloadBytes", blocks.pool),
    {
      name: "retained",
      capacity: limits.retained,
      free: limits.retained - router.retainedCount,
      lowestFree: router.lowestRetainedFree,
    },
  ];
}

// allocates: a report
function report(name: string, pool: Pool): PoolReport {
  return { name, capacity: pool.capacity, free: pool.free, lowestFree: pool.lowestFree };
}

// allocates: a report
/** The Client Identifier of a session, "" for none. It comes from the network: escape it. */
export function sessionClientId(broker: Broker, session: number): string {
  if (session === 0) return "";
  const { sessions } = broker;
  return utf8(broker.layout.u8, sessions.idAt(session), sessions.idLength(session));
}

// allocates: a report
/** Well-formed UTF-8 as a string; XS has no TextDecoder. */
function utf8(u8: Uint8Array, at: number, length: number): string {
  let text = "";
  const end = at + length;
  while (at < end) {
    const first = u8[at++];
    let code = first;
    if (first >= 0xf0) code = ((first & 7) << 18) | ((u8[at++] & 63) << 12) | ((u8[at++] & 63) << 6) | (u8[at++] & 63);
    else if (first >= 0xe0) code = ((first & 15) << 12) | ((u8[at++] & 63) << 6) | (u8[at++] & 63);
    else if (first >= 0xc0) code = ((first & 31) << 6) | (u8[at++] & 63);
    text += String.fromCodePoint(code);
  }
  return text;
}
