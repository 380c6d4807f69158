// The client on 32-bit XS, with the limits `sensor`, in a machine of an ESP32's size that cannot grow: it echoes what
// MQTT.js sends through Midge on Node.js, or through Debian's Mosquitto. After each test the engine says what it allocated
// meanwhile: nothing, whatever happened to its connection.

import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import { presets } from "../../src/memory/limits";
import { connectJs, type JsClient } from "../interop/clients";
import { Cutter } from "../interop/cutter";
import { findCommand, startServer } from "../interop/server";
import { Random } from "../support/random";
import { engineFor } from "./engine";
import type { Allocated } from "./meter";
import { report } from "./report";
import { type Run, start } from "./run.mjs";

const { widths, script } = await engineFor("client.ts");
const present = findCommand("mosquitto") !== undefined;
if (!present && process.env.MIDGE_REQUIRE) throw new Error("mosquitto is required and missing");
const kinds = present ? (["midge", "mosquitto"] as const) : (["midge"] as const);
const NOTHING = { slots: 0, chunks: 0, collections: 0 };
const has32 = widths.includes("32");

interface Report extends Allocated {
  connectedCount: number;
  publishedCount: number;
  receivedCount: number;
}

let running: Run | undefined;
/** What the report of the running client must say. */
let expected: Partial<Report> = NOTHING;

/** Starts the client on XS, of a server on that port, and waits until it listens. */
async function startEcho(port: number, version: number, ...args: string[]): Promise<void> {
  expected = NOTHING;
  running = start("32", script, { args: [`${port}`, `${version}`, "60000", "echo", ...args] });
  await running.line("subscribed");
}

// Before the servers go, which stop after it.
afterEach(async () => {
  if (running === undefined) return;
  const run = running;
  running = undefined;
  if (run.ended) throw new Error(`the engine ended: ${run.errors}`);
  expect(await report<Report>(run)).toMatchObject(expected);
});

/** Of 8, 40 or 200 bytes. */
function payload(n: number): string {
  return `${n}`.padEnd([8, 40, 200][n % 3], ".");
}

async function listen(client: JsClient): Promise<void> {
  await client.client.subscribeAsync("out/#", { qos: 2 });
}

describe.runIf(has32).each(kinds)("the client on XS, a server: %s", (kind) => {
  describe.each([4, 5] as const)("version %i", (version) => {
    test.each([0, 1, 2] as const)("QoS %i: messages come and go whole, once and in order", async (qos) => {
      const { port } = await startServer(presets.node, kind);
      await startEcho(port, version);
      const peer = await connectJs(port, version);
      await listen(peer);
      const sent = Array.from({ length: 90 }, (_, n) => payload(n));
      // No more at once than a server keeps for a client of QoS 0.
      for (let n = 0; n < sent.length; n += 6) {
        for (const text of sent.slice(n, n + 6)) await peer.client.publishAsync("in/a", text, { qos });
        await peer.received(n + 6);
      }
      expect(peer.payloads()).toEqual(sent);
      expect(peer.messages.every((message) => message.qos === qos && message.topic === `out/${qos}`)).toBe(true);
    });

    test("payloads larger than its memory", async () => {
      const { port } = await startServer(presets.node, kind);
      await startEcho(port, version);
      const peer = await connectJs(port, version);
      await listen(peer);
      const sizes = [1000, 4001, 40_000];
      for (const size of sizes) await peer.client.publishAsync("in/large", Buffer.alloc(size, "midge"), { qos: 1 });
      await peer.received(sizes.length);
      const sums = sizes.map((size) => Buffer.alloc(size, "midge").reduce((sum, byte) => sum + byte, 0));
      expect(peer.payloads()).toEqual(sums.map((sum) => `${sum}`.padStart(8, "0")));
    });

    test("messages at QoS 2 come back exactly once while its connection is cut, by seed", async () => {
      const { port } = await startServer(presets.node, kind);
      const proxy = await Cutter.start(port);
      const seed = Math.floor(Math.random() * 1e9);
      const random = new Random(seed);
      await startEcho(proxy.port, version);
      const peer = await connectJs(port, version);
      await listen(peer);
      const sent = Array.from({ length: 200 }, (_, n) => payload(n));
      const cuts = setInterval(() => {
        proxy.left = random.below(2500);
      }, 60);
      const stop = (): void => clearInterval(cuts);
      onTestFinished(stop);
      // No more on their way than the client announces, so that it can always read on.
      for (let n = 0; n < sent.length; n += 4) {
        for (const text of sent.slice(n, n + 4)) await peer.client.publishAsync("in/a", text, { qos: 2 });
        await peer
          .received(n + 4, 20_000)
          .catch((error) => Promise.reject(new Error(`${error.message}, seed ${seed}`)));
      }
      stop();
      expect({ seed, got: peer.payloads() }).toEqual({ seed, got: sent });
      expect(proxy.connections, "cuts").toBeGreaterThan(3);
    });
  });
});

describe.runIf(has32)("the client's report", () => {
  test("control: it shows one planted object", async () => {
    const { port } = await startServer(presets.node, "midge");
    await startEcho(port, 5, "plant");
    const peer = await connectJs(port, 5);
    await listen(peer);
    await peer.client.publishAsync("in/a", payload(0), { qos: 1 });
    await peer.received(1);
    expected = { ...NOTHING, slots: 1, receivedCount: 1 };
  });

  test("control: a machine with less room than the plan does not start", async () => {
    const { code, errors } = await start("32", script, { options: ["--chunks", "3000"], args: ["1", "5", "1", "self"] })
      .done;
    expect(errors).toContain("memory full");
    expect(code).toBe(3);
  });

  test("no server: it tries again and again, and ends when told to", async () => {
    const run = start("32", script, { args: ["1", "5", "300", "self"] });
    const { code, errors } = await run.done;
    expect(errors).toContain("not done in time");
    expect(code).toBe(1);
  });
});
