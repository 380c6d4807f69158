// A look at the core behind a client on Node.js: its memory is one ArrayBuffer, and what was lent out of it comes back.

import { expect, vi } from "vitest";
import { ClientStream } from "../../../hosts/node/client/stream";
import type { Client } from "../../../src/client/client";

export interface CoreMemory {
  readonly core: Client;
  /** Nothing is lent but the Topic Filters, and it is the memory of the beginning, as long as the plan says. */
  expectWhole(): void;
}

/** Watches the core of the next client that is made; call it before `connect`. */
export function watchNextCore(): { memory(): CoreMemory } {
  const serve = vi.spyOn(ClientStream.prototype, "serve");
  let found: CoreMemory | undefined;
  return {
    memory: () => {
      found ??= memoryOf(serve.mock.calls[0][0]);
      serve.mockRestore();
      return found;
    },
  };
}

function memoryOf(core: Client): CoreMemory {
  const { buffer } = core.layout.u8;
  return {
    core,
    expectWhole: () => {
      const { blocks, inbox, layout, messages, outbox, plan, subscriptions, tables } = core;
      expect(layout.u8.buffer).toBe(buffer);
      expect(buffer.byteLength).toBe(plan.arenaBytes);
      const pools = [outbox.pool, messages.pool, inbox.pool, tables.received.pool];
      expect(pools.map((pool) => pool.free)).toEqual(pools.map((pool) => pool.capacity));
      if (subscriptions.pool.free === subscriptions.pool.capacity) {
        expect(blocks.pool.free).toBe(blocks.pool.capacity);
      }
    },
  };
}
