// The audit of a broker's memory, between two steps: every row has exactly one owner or is free, every count is what a
// walk over its holders finds, every list is as its counters say. Nothing here trusts a counter: rows are found from
// their owners (connections, sessions, the topic tree), and what is left over must be the free list.
// It walks with bounds, so that a broken list is a finding too. It writes to the stage, which is scratch between steps.

import type { Broker } from "../src/broker/broker";
import type { Client } from "../src/client/client";
import { clientFindings } from "./audit/client";
import { auditConnections } from "./audit/connections";
import { Ledger } from "./audit/ledger";
import { auditMessages } from "./audit/messages";
import { auditSessions } from "./audit/sessions";
import { auditTimers } from "./audit/timers";
import { auditTopics } from "./audit/topics";

const MOST_FINDINGS = 20;

/** Throws when anything in the memory of a broker, or of clients, contradicts anything else; the message lists what. */
export function audit(broker: Broker, clients: readonly Client[] = []): void {
  const found = [...findings(broker), ...clients.flatMap(clientFindings)];
  if (found.length === 0) return;
  const more = found.length > MOST_FINDINGS ? [`and ${found.length - MOST_FINDINGS} more`] : [];
  throw new Error(["audit:", ...found.slice(0, MOST_FINDINGS), ...more].join("\n  "));
}

/** Everything that is wrong, as text. */
export function findings(broker: Broker): string[] {
  const ledger = new Ledger(broker);
  // Owners before what they own: each part claims the rows that it leads to.
  auditConnections(ledger);
  auditSessions(ledger);
  auditTopics(ledger);
  auditMessages(ledger);
  ledger.checkPools();
  auditTimers(ledger);
  return ledger.found;
}
