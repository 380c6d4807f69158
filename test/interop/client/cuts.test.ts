// The connection is lost at every packet of every exchange: before it, in the middle of it, behind it. A relay that knows
// packets cuts; the session is resumed; nothing may be lost, and QoS 2 comes exactly once.

import { describe, expect, test } from "vitest";
import type { MqttClient } from "../../../hosts/node/client/index";
import { presets } from "../../../src/memory/limits";
import {
  CONNACK,
  CONNECT,
  PINGREQ,
  PINGRESP,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  SUBACK,
  SUBSCRIBE,
  UNSUBACK,
  UNSUBSCRIBE,
} from "../../support/packets";
import { until } from "../clients";
import { startServer } from "../server";
import { type CutPoint, type Direction, packetGates, Relay } from "./relay";
import { inParallel, join, keeping, kinds, versions } from "./setup";

const WHENS = ["before", "inside", "after"] as const;
const MESSAGES = 3;
/** Cut points tried at the same time. */
const AT_ONCE = 9;
const PATIENCE = 30_000;

/** The packets of an exchange in their order; `there` is the direction of PUBLISH. */
function handshake(qos: number, there: Direction): [Direction, number][] {
  const back = there === "up" ? "down" : "up";
  if (qos === 1) {
    return [
      [there, PUBLISH],
      [back, PUBACK],
    ];
  }
  return [
    [there, PUBLISH],
    [back, PUBREC],
    [there, PUBREL],
    [back, PUBCOMP],
  ];
}

function points(packets: readonly [Direction, number][], most: number): CutPoint[] {
  return packets.flatMap(([direction, type]) =>
    WHENS.flatMap((when) => Array.from({ length: most }, (_, n) => ({ direction, type, nth: n + 1, when }))),
  );
}

function nameOf({ direction, type, nth, when }: CutPoint): string {
  return `${direction}-${type}-${nth}-${when}`;
}

/** It came to the cut, and the client is back. */
async function recovered(relay: Relay, client: MqttClient, what: string): Promise<void> {
  await until(() => relay.cuts === 1 && relay.connections >= 2 && client.connected, `${what} was cut`, PATIENCE);
}

/** What was got for the first time, in order; nothing came twice at QoS 2. */
function firsts(got: readonly string[], qos: number): string[] {
  return qos === 2 ? [...got] : [...new Set(got)];
}

let tried = 0;

describe.each(kinds)("%s", (kind) => {
  describe.each(versions)("version %i", (version) => {
    test.each([1, 2])("what we publish at QoS %i arrives, whatever packet is the last", async (qos) => {
      const { port } = await startServer(presets.node, kind);
      const observer = await join(port, { version });
      const got = new Map<string, string[]>();
      const keep = (topic: string, payload: Buffer): void => {
        got.set(topic, [...(got.get(topic) ?? []), payload.toString()]);
      };
      await observer.subscribe("t/#", ({ topic, payload }) => keep(topic, payload), { qos: 2 });
      await inParallel(points(handshake(qos, "up"), MESSAGES), AT_ONCE, async (point) => {
        const name = nameOf(point);
        const relay = await Relay.start(port, packetGates(point));
        const client = await join(relay.port, keeping(version, name));
        let settled = 0;
        const publish = (payload: string): Promise<void> =>
          client.publish(`t/${name}`, payload, { qos }).then(() => void settled++);
        const payloads = Array.from({ length: MESSAGES }, (_, n) => `${n}`);
        await Promise.all(payloads.map(publish));
        await recovered(relay, client, name);
        await publish("last");
        await until(() => got.get(`t/${name}`)?.at(-1) === "last", `all of ${name} came`, PATIENCE);
        expect([name, ...firsts(got.get(`t/${name}`) ?? [], qos)]).toEqual([name, ...payloads, "last"]);
        expect([settled, client.unpublished]).toEqual([MESSAGES + 1, 0]);
        await client.close();
        tried++;
      });
    });

    test.each([1, 2])("what is sent to us at QoS %i arrives, whatever packet is the last", async (qos) => {
      const { port } = await startServer(presets.node, kind);
      const sender = await join(port, { version });
      await inParallel(points(handshake(qos, "down"), MESSAGES), AT_ONCE, async (point) => {
        const name = nameOf(point);
        const relay = await Relay.start(port, packetGates(point));
        const client = await join(relay.port, keeping(version, name));
        const got: string[] = [];
        await client.subscribe(`t/${name}`, ({ payload }) => void got.push(payload.toString()), { qos });
        const payloads = Array.from({ length: MESSAGES }, (_, n) => `${n}`);
        await Promise.all(payloads.map((payload) => sender.publish(`t/${name}`, payload, { qos })));
        await recovered(relay, client, name);
        await sender.publish(`t/${name}`, "last", { qos });
        await until(() => got.at(-1) === "last", `all of ${name} came`, PATIENCE);
        expect([name, ...firsts(got, qos)]).toEqual([name, ...payloads, "last"]);
        await client.close();
        tried++;
      });
    });

    test.each([true, false])("CONNECT and CONNACK, with cleanStart %s", async (cleanStart) => {
      const { port } = await startServer(presets.node, kind);
      const packets: [Direction, number][] = [
        ["up", CONNECT],
        ["down", CONNACK],
      ];
      await inParallel(points(packets, 1), AT_ONCE, async (point) => {
        const name = nameOf(point);
        const relay = await Relay.start(port, packetGates(point));
        const client = await join(relay.port, { ...keeping(version, name), cleanStart });
        await recovered(relay, client, name);
        await expectWorking(client, name);
        tried++;
      });
    });

    test("SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK", async () => {
      const { port } = await startServer(presets.node, kind);
      const packets: [Direction, number][] = [
        ["up", SUBSCRIBE],
        ["down", SUBACK],
        ["up", UNSUBSCRIBE],
        ["down", UNSUBACK],
      ];
      await inParallel(points(packets, 1), AT_ONCE, async (point) => {
        const name = nameOf(point);
        const relay = await Relay.start(port, packetGates(point));
        const client = await join(relay.port, keeping(version, name));
        const got: string[] = [];
        client.on("message", ({ topic, payload }) => got.push(`${topic} ${payload}`));
        expect(await client.subscribe(name, undefined, { qos: 1 })).toBe(1);
        await client.publish(name, "subscribed", { qos: 1 });
        await until(() => got.length === 1, `the message of ${name} came`, PATIENCE);
        await client.unsubscribe(name);
        await recovered(relay, client, name);
        await client.publish(name, "unsubscribed", { qos: 1 });
        await expectWorking(client, `${name}/more`);
        expect(got).toEqual([`${name} subscribed`, `${name}/more works`]);
        tried++;
      });
    });

    test("PINGREQ and PINGRESP", async () => {
      const { port } = await startServer(presets.node, kind);
      const packets: [Direction, number][] = [
        ["up", PINGREQ],
        ["down", PINGRESP],
      ];
      await inParallel(points(packets, 1), AT_ONCE, async (point) => {
        const name = nameOf(point);
        const relay = await Relay.start(port, packetGates(point));
        const client = await join(relay.port, { ...keeping(version, name), keepAlive: 1 });
        await recovered(relay, client, name);
        await expectWorking(client, name);
        tried++;
      });
    });
  });
});

// Of each broker and version 12 packets of handshakes, three times each, and 10 others once, each in three ways.
test("every cut point was tried", () => {
  expect(tried).toBe(kinds.length * versions.length * (12 * MESSAGES + 10) * WHENS.length);
  console.log(`${tried} cut points`);
});

/** What it subscribes to and publishes comes back. */
async function expectWorking(client: MqttClient, topic: string): Promise<void> {
  const got: string[] = [];
  await client.subscribe(topic, ({ payload }) => void got.push(payload.toString()), { qos: 1 });
  await client.publish(topic, "works", { qos: 1 });
  await until(() => got.length > 0, `${topic} works`, PATIENCE);
  expect(new Set(got)).toEqual(new Set(["works"]));
}
