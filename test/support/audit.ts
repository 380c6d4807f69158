// The audit at the end of a test: when everybody has left, every session has expired and nothing is retained, every
// pool has as much free as a broker that has just started.

import type { Broker } from "../../src/index";
import { presets } from "../../src/memory/limits";
import { type BrokerOptions, startBroker } from "./broker";
import { type Bytes, connect, disconnect, PUBLISH, publish, readPublish, subscribe } from "./packets";

/** What has a broker and clients: a `Harness`, or another. */
export interface Audited {
  readonly core: Broker;
  readonly clock: { milliseconds: number };
  client(): AuditClient;
  forget(client: AuditClient): void;
  dropClients(): void;
  settle(): void;
}

export interface AuditClient {
  send(...packets: Bytes[]): void;
  receive(): Uint8Array[];
}

/** What is free in a new broker, by its limits. */
const whole = new Map<unknown, Record<string, number>>();

function free(harness: Audited): Record<string, number> {
  return Object.fromEntries(harness.core.pools().map((pool) => [pool.name, pool.free]));
}

/** Names of pools that are not whole, with what is missing. Everybody is thrown out first, and what is retained cleared. */
export function audit(harness: Audited, options: BrokerOptions = {}): string[] {
  const limits = options.limits ?? presets.tiny;
  if (!whole.has(limits)) whole.set(limits, free(startBroker({ limits })));
  const expected = whole.get(limits) as Record<string, number>;
  harness.dropClients();
  // Far enough for sessions and wills, in a few leaps: what expires is found late, not never.
  const seconds = Math.min(limits.sessionExpirySeconds, 1_000_000);
  for (let leap = 0; leap < 8; leap++) pass(harness, seconds / 6);
  clearRetained(harness);
  // What is retained and has expired is looked for a little every second, so all of it takes a while to find.
  for (let second = 0; second < 100 && missing(harness, expected).length > 0; second++) pass(harness, 1);
  return missing(harness, expected);
}

function pass(harness: Audited, seconds: number): void {
  harness.clock.milliseconds += Math.ceil(seconds * 1000);
  harness.settle();
}

function missing(harness: Audited, expected: Record<string, number>): string[] {
  const left = free(harness);
  const names = Object.keys(expected).filter((name) => left[name] !== expected[name]);
  return names.map((name) => `${name}: ${left[name]} free, ${expected[name]} in a new broker`);
}

/** An empty retained message for each there is, also below the $ topics of tests. */
function clearRetained(harness: Audited): void {
  for (const filter of ["#", "$x/#", "$a/#"]) {
    const client = harness.client();
    client.send(connect({ level: 4, id: "audit" }), subscribe(4, 1, [[filter, 0]]));
    for (const bytes of client.receive()) {
      if (bytes[0] >> 4 !== PUBLISH) continue;
      client.send(publish({ level: 4, topic: readPublish(4, bytes).topic, retain: true }));
    }
    client.send(disconnect());
    harness.forget(client);
  }
  harness.settle();
}
