// The QoS protocols: every state with every packet, against tables written out by hand from section 4.3 of MQTT 5.0 and
// 3.1.1; and what those tables can't show, through the broker.

import { ok, strictEqual } from "node:assert/strict"; // where `expect` would take most of the time
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NONE } from "../../src/memory/layout";
import { presets } from "../../src/memory/limits";
import { PacketType } from "../../src/mqtt/constants";
import {
  acknowledged,
  Delivery,
  disconnected,
  owedPacket,
  Receipt,
  receiptDisconnected,
  received,
  sent,
} from "../../src/session/qos";
import { startBroker } from "../support/broker";
import { CONNACK, connect, property, pubcomp, publish, pubrec, pubrel } from "../support/packets";
import { Random, runs, seeds } from "../support/random";

const PUBACK = PacketType.PUBACK;
const PUBREC = PacketType.PUBREC;
const PUBREL = PacketType.PUBREL;
const PUBCOMP = PacketType.PUBCOMP;

const deliveries = {
  Queued: Delivery.Queued,
  PubackPending: Delivery.PubackPending,
  PubrecPending: Delivery.PubrecPending,
  PubrelOwed: Delivery.PubrelOwed,
  PubcompPending: Delivery.PubcompPending,
  Done: Delivery.Done,
  Unexpected: Delivery.Unexpected,
} as const;
type DeliveryName = keyof typeof deliveries;
const deliveryNames = Object.keys(deliveries) as DeliveryName[];

const receipts = {
  PubackOwed: Receipt.PubackOwed,
  PubrecOwed: Receipt.PubrecOwed,
  PubrelPending: Receipt.PubrelPending,
  PubcompOwed: Receipt.PubcompOwed,
  PubrelOwed: Receipt.PubrelOwed,
  Done: Receipt.Done,
  PubackOpen: Receipt.PubackOpen,
  PubrecOpen: Receipt.PubrecOpen,
} as const;
type ReceiptName = keyof typeof receipts;
const receiptNames = Object.keys(receipts) as ReceiptName[];

const nameOf = (state: Delivery): string => deliveryNames[Object.values(deliveries).indexOf(state)];
const receiptNameOf = (state: Receipt): string => receiptNames[Object.values(receipts).indexOf(state)];

describe("the sender of a message", () => {
  // state: [PUBACK, PUBACK refused, PUBREC, PUBREC refused, PUBCOMP, PUBCOMP refused]; a dot is Unexpected.
  const table: Record<DeliveryName, readonly string[]> = {
    Queued: [".", ".", ".", ".", ".", "."],
    PubackPending: ["Done", "Done", ".", ".", ".", "."],
    PubrecPending: [".", ".", "PubrelOwed", "Done", ".", "."],
    PubrelOwed: [".", ".", "PubrelOwed", "PubrelOwed", ".", "."],
    PubcompPending: [".", ".", "PubrelOwed", "PubrelOwed", "Done", "Done"],
    Done: [".", ".", ".", ".", ".", "."],
    Unexpected: [".", ".", ".", ".", ".", "."],
  };
  const columns = [PUBACK, PUBREC, PUBCOMP].flatMap((packet) => [false, true].map((refused) => ({ packet, refused })));

  test.each(deliveryNames)("in %s goes where the table says", (state) => {
    const after = columns.map(({ packet, refused }) => nameOf(received(deliveries[state], packet, refused)));
    expect(after).toEqual(table[state].map((name) => (name === "." ? "Unexpected" : name)));
  });

  test("is never told anything by another packet", () => {
    for (let packet = 0; packet < 16; packet++) {
      if (packet === PUBACK || packet === PUBREC || packet === PUBCOMP) continue;
      for (const state of deliveryNames) {
        expect(() => received(deliveries[state], packet, false)).toThrow("broken invariant");
      }
    }
  });

  // state: what sending makes of it at QoS 0, 1, 2
  const sending: Record<DeliveryName, readonly [string, string, string]> = {
    Queued: ["Done", "PubackPending", "PubrecPending"],
    PubackPending: ["PubackPending", "PubackPending", "PubackPending"],
    PubrecPending: ["PubrecPending", "PubrecPending", "PubrecPending"],
    PubrelOwed: ["PubcompPending", "PubcompPending", "PubcompPending"],
    PubcompPending: ["PubcompPending", "PubcompPending", "PubcompPending"],
    Done: ["Unexpected", "Unexpected", "Unexpected"],
    Unexpected: ["Unexpected", "Unexpected", "Unexpected"],
  };

  test.each(deliveryNames)("in %s sends, and goes where the table says", (state) => {
    expect([0, 1, 2].map((qos) => nameOf(sent(deliveries[state], qos)))).toEqual(sending[state]);
  });

  test.each(deliveryNames)("in %s loses its connection: only PUBREL is owed again", (state) => {
    expect(nameOf(disconnected(deliveries[state]))).toBe(state === "PubcompPending" ? "PubrelOwed" : state);
  });

  test("comes to an end from every state, whatever is lost on the way", () => {
    for (const qos of [1, 2]) {
      for (const state of deliveryNames.slice(0, 5)) {
        if ((qos === 1) !== (state === "PubackPending") && state !== "Queued") continue;
        let now: Delivery = sent(disconnected(deliveries[state]), qos);
        if (now === Delivery.PubackPending) now = received(now, PUBACK, false);
        if (now === Delivery.PubrecPending) now = sent(received(now, PUBREC, false), qos);
        if (now === Delivery.PubcompPending) now = received(now, PUBCOMP, false);
        expect(nameOf(now)).toBe("Done");
      }
    }
  });
});

describe("the receiver of a message", () => {
  // state: [acknowledgement sent, refused sent, connection lost, lost while refused, what is owed]
  const table: Record<ReceiptName, readonly (string | number)[]> = {
    PubackOwed: ["Done", "Done", "Done", "Done", PUBACK],
    PubrecOwed: ["PubrelPending", "Done", "PubrelPending", "Done", PUBREC],
    PubrelPending: ["PubrelPending", "PubrelPending", "PubrelPending", "PubrelPending", 0],
    PubcompOwed: ["Done", "Done", "Done", "Done", PUBCOMP],
    PubrelOwed: ["Done", "Done", "Done", "Done", PUBREL],
    Done: ["Done", "Done", "Done", "Done", 0],
    // The application has it: QoS 1 begins again, QoS 2 must not be given to it twice.
    PubackOpen: ["PubackOpen", "PubackOpen", "Done", "Done", 0],
    PubrecOpen: ["PubrecOpen", "PubrecOpen", "PubrecOpen", "PubrecOpen", 0],
  };

  test.each(receiptNames)("in %s goes where the table says", (name) => {
    const state = receipts[name];
    const [done, refused, lost, lostRefused, owed] = table[name];
    expect(receiptNameOf(acknowledged(state, false))).toBe(done);
    expect(receiptNameOf(acknowledged(state, true))).toBe(refused);
    expect(receiptNameOf(receiptDisconnected(state, false))).toBe(lost);
    expect(receiptNameOf(receiptDisconnected(state, true))).toBe(lostRefused);
    if (owed === 0) expect(() => owedPacket(state)).toThrow("broken invariant");
    else expect(owedPacket(state)).toBe(owed);
  });
});

describe("through the broker", () => {
  const keeping = property.sessionExpiry(100);

  const { receiveMaximum, receiveShared } = presets.tiny;
  // Before 5.0 a session may have one more of its own, and all that are shared.
  const windows = [
    [4, receiveMaximum + 1 + receiveShared],
    [5, receiveMaximum],
  ] as const;

  test.each(windows)("version %i: all %i unfinished QoS 2 are sent again after a reconnection", (level, count) => {
    const harness = startBroker();
    const messages = Array.from({ length: count }, (_, i) => ({ level, topic: "t", payload: "x", qos: 2, id: i + 1 }));
    for (let time = 0; time < 2; time++) {
      const first = harness.client();
      first.send(connect({ level, id: "p", clean: false, properties: keeping }), ...messages.map((it) => publish(it)));
      expect(first.receive().map((it) => it[0] >> 4)).toEqual([CONNACK, ...messages.map(() => PUBREC)]);
      first.reset(); // the PUBRECs are lost

      const second = harness.client();
      second.send(connect({ level, id: "p", clean: false, properties: keeping }));
      second.receive();
      for (const it of messages) {
        second.send(publish({ ...it, dup: true }));
        second.expect(pubrec(it.id)); // [MQTT-4.3.3-10]: as before
      }
      for (const { id } of messages) {
        second.send(pubrel(id));
        second.expect(pubcomp(id));
      }
      second.reset();
    }
  });
});

describe("Packet Identifiers", () => {
  test("in flight are not given again, however long they stay", () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 3, max: 8 }), (seed, window) => {
        const random = new Random(seed);
        const { messages, outbox, sessions, tables } = startBroker().core;
        const session = sessions.add(tables.input, 0);
        const message = messages.add(NONE, 0, 0, 0, 1);
        const inFlight: number[] = [];
        const given = new Set<number>();
        for (let count = 0; count < 140_000; count++) {
          const row = outbox.add(session, message, 1, false, 0);
          const id = outbox.takePacketId(session);
          ok(id >= 1 && id <= 65_535 && !inFlight.includes(id), `${id} is in flight: ${inFlight}`);
          outbox.setPacketId(row, id);
          outbox.setState(row, Delivery.PubackPending);
          outbox.advance(session, row);
          given.add(id);
          inFlight.push(id);
          if (inFlight.length < window) continue;
          // Mostly the newest is acknowledged; the others stay for ages.
          const at = random.chance(20_000) ? random.below(window) : window - 1;
          const [acknowledged] = inFlight.splice(at, 1);
          strictEqual(outbox.acknowledge(session, acknowledged, PUBACK, false), Delivery.Done);
          if (random.chance(50_000)) outbox.disconnect(session); // they will be sent again
          if (outbox.firstUnsent(session) === NONE) continue;
          for (let next = outbox.firstUnsent(session); next !== NONE; next = outbox.firstUnsent(session)) {
            outbox.advance(session, next);
          }
        }
        expect(given.size).toBe(65_535); // all are used
        expect(outbox.pool.capacity - outbox.pool.free).toBe(window - 1);
      }),
      runs(2),
    );
  });
});
