// Every statement's test against the client's core.
//
// The limits are those of `clientPresets.sensor`, unless a rule says otherwise. Each test has clients of its own: once on a
// roomy transport, and once on one like a device's, which holds little each way, so that packets come and go in pieces.
// Afterwards the client stops, and what it received in pieces must have left nothing behind.

import { describe, expect, test } from "vitest";
import { Client } from "../../src/client/client";
import { clientRules } from "./all-client";
import { title } from "./rules";
import { type MakeClient, play } from "./scene";

const transports = {
  "roomy transport": { readAhead: true },
  "tight transport": { readAhead: false, upBytes: 330, downBytes: 7 },
};

/** Blocks that nothing accounts for. */
function lost({ blocks, messages, subscriptions, tables }: Client): string[] {
  const list: string[] = [];
  if (tables.received.pool.free !== tables.received.pool.capacity) list.push("blocks received");
  const isEmpty = messages.pool.free === messages.pool.capacity;
  if (isEmpty && subscriptions.pool.free === subscriptions.pool.capacity && blocks.pool.free !== blocks.pool.capacity) {
    list.push("blocks");
  }
  return list;
}

for (const [name, transport] of Object.entries(transports)) {
  describe(name, () => {
    for (const section of new Set(clientRules.map((it) => it.section))) {
      describe(section, () => {
        for (const it of clientRules.filter((rule) => rule.section === section)) {
          for (const level of it.levels) {
            test(title(it, level), () => {
              const clients: Client[] = [];
              const make: MakeClient = (limits, ports, events) => {
                const client = new Client(limits, ports, events);
                events.client = client;
                clients.push(client);
                return client;
              };
              it.run(play(make, transport), level);
              for (const client of clients) client.stop();
              expect(clients.flatMap(lost), "pools when the clients have stopped").toEqual([]);
            });
          }
        }
      });
    }
  });
}
