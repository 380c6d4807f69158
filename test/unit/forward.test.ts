// What a publisher says reaches subscribers of every level as it was: topic, payload, QoS and properties, as mqtt-packet
// reads what the broker writes. In one piece and through a window smaller than the packet; live, kept for a client that
// is away, and retained.

import fc from "fast-check";
import type { Packet } from "mqtt-packet";
import { describe, expect, test } from "vitest";
import { type Limits, presets } from "../../src/memory/limits";
import { startBroker } from "../support/broker";
import { type Plain, plain, plainPacket } from "../support/codec";
import { bytesOf, type Fixture, fixtures, fixtureTitle, parsePacket } from "../support/fixtures";
import { type Level, type Publish, property } from "../support/packets";
import { Player } from "../support/player";
import { runs } from "../support/random";

const limits: Limits = { ...presets.psram, outputBytes: 256, inputBytes: 200 };
const RETAIN_AS_PUBLISHED = 0x08;
const levels: readonly Level[] = [3, 4, 5];

/** What mqtt-packet reads of a PUBLISH that a client of this level got. */
function read(level: Level, { bytes }: Publish): Plain {
  const { cmd, messageId, ...rest } = plainPacket(parsePacket(level, bytes));
  expect(cmd).toBe("publish");
  expect(messageId !== undefined).toBe(rest.qos !== 0);
  return rest;
}

/** What a client of this level is to get of the packet. */
function expected(level: Level, packet: Packet, retain: boolean, identifier: number): Plain {
  const { topic, payload, qos, properties } = packet as Packet & { cmd: "publish" };
  const found: Plain = { topic, payload: Buffer.from(payload).toString("hex"), qos, dup: false, retain };
  const list = { ...(plain(properties ?? {}) as Plain), ...(identifier > 0 && { subscriptionIdentifier: identifier }) };
  if (level === 5 && Object.keys(list).length > 0) found.properties = list;
  return found;
}

function check(fixture: Fixture, downBytes: number): void {
  const { packet, level } = fixture;
  const { topic, retain, payload } = packet as Packet & { cmd: "publish" };
  const harness = startBroker({ limits, downBytes });
  const publisher = new Player(harness, { level, id: "publisher" });
  const asPublished = property.sessionExpiry(1000);
  const subscribers = levels.map(
    (it) => new Player(harness, { level: it, id: `s${it}`, clean: false, properties: asPublished }),
  );
  const identifiers = [0, 0, 268_435_455];
  for (const [i, it] of subscribers.entries()) {
    const options = it.level === 5 ? 2 | RETAIN_AS_PUBLISHED : 2;
    it.subscribe([[topic, options]], identifiers[i] > 0 ? property.subscriptionIdentifier(identifiers[i]) : []);
  }
  const send = (): void => {
    publisher.stream.send([...bytesOf(fixture)]);
    publisher.play();
  };
  send();
  const live = subscribers.map((it) => it.take().map((one) => read(it.level, one)));
  expect(live).toEqual(
    subscribers.map((it, i) => [expected(it.level, packet, retain && it.level === 5, identifiers[i])]),
  );

  for (const it of subscribers) it.lose();
  harness.settle();
  send();
  const later = subscribers.map((it) =>
    it
      .comeBack()
      .take()
      .map((one) => read(it.level, one)),
  );
  const kept = (packet as { qos: number }).qos > 0;
  expect(later).toEqual(kept ? live : [[], [], []]);

  if (!retain || payload.length === 0) return;
  const replayed = levels.map((it) => {
    const one = new Player(harness, { level: it, id: `r${it}` }).subscribe([[topic, 2]]);
    return one.take().map((message) => read(it, message));
  });
  expect(replayed).toEqual(levels.map((it) => [expected(it, packet, true, 0)]));
}

const publishes = fixtures.filter(({ packet }) => packet.cmd === "publish");

describe.each([65_536, 400])("through a window of %i bytes", (downBytes) => {
  test.each(publishes.map((fixture) => [fixtureTitle(fixture), fixture] as const))("%s", (_, fixture) => {
    check(fixture, downBytes);
  });
});

test("lengths around every boundary of the output and of the Remaining Length", () => {
  const bytes = fc.integer({ min: 0, max: 700 });
  fc.assert(
    fc.property(bytes, bytes, fc.integer({ min: 1, max: 250 }), fc.boolean(), (payload, value, name, five) => {
      const properties = five ? { userProperties: { n: "v".repeat(value) } } : undefined;
      const packet = {
        cmd: "publish",
        topic: "t".repeat(name),
        payload: "p".repeat(payload),
        qos: 1,
        messageId: 1,
        dup: false,
        retain: false,
        properties,
      } as Packet;
      check({ title: "", level: five ? 5 : 4, packet }, 300);
    }),
    runs(150),
  );
  for (const payload of [115, 116, 117, 118, 119, 120, 121, 122, 123, 16_370, 16_371, 16_372, 16_373, 16_374, 16_375]) {
    const packet = { cmd: "publish", topic: "a/b", payload: "p".repeat(payload), qos: 0, dup: false, retain: false };
    check({ title: "", level: 4, packet: packet as Packet }, 1000);
  }
});
