// The MQTT Client class pattern of ECMA-419 against Midge and against Mosquitto, as an application for a device uses it.

import { afterEach, describe, expect, test } from "vitest";
import { type ControlMessage, MQTTClient, type Options, type ReadableOptions } from "../../hosts/ecma419/mqtt-client";
import { OptionsError } from "../../src/client/options";
import { LimitsError, presets } from "../../src/memory/limits";
import { NodeTcp, Resolver, TCP, Time, Timer } from "../support/ecma419-tcp";
import { findCommand, startServer } from "./server";

const present = findCommand("mosquitto") !== undefined;
if (!present && process.env.MIDGE_REQUIRE) throw new Error("mosquitto is required and missing");
const kinds = present ? (["midge", "mosquitto"] as const) : (["midge"] as const);

const modules = { Timer, Time };
const clients: MQTTClient[] = [];

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

/** An application that writes down what it is told. */
class Application {
  readonly said: string[] = [];
  readonly messages: { options: ReadableOptions; text: string; pieces: number }[] = [];
  readonly client: MQTTClient;
  errors = 0;

  constructor(port: number, options: Partial<Options> = {}) {
    const self = this;
    this.client = new MQTTClient(
      {
        host: "localhost",
        port,
        dns: { io: Resolver },
        socket: { io: TCP },
        id: "app",
        onControl(message: ControlMessage) {
          self.said.push(`${message.operation}${message.id === undefined ? "" : ` ${message.id}`}`);
        },
        onReadable(this: MQTTClient, count: number, options: ReadableOptions) {
          const text = count === 0 ? "" : Buffer.from(this.read() as ArrayBuffer).toString();
          self.take(text, options);
        },
        onError() {
          self.errors++;
        },
        ...options,
      } as Options,
      modules,
    );
    clients.push(this.client);
  }

  take(text: string, options: ReadableOptions): void {
    if (options.topic !== undefined) this.messages.push({ options, text: "", pieces: 0 });
    const message = this.messages.at(-1)!;
    message.text += text;
    message.pieces++;
  }

  async connected(): Promise<this> {
    await this.heard("2");
    return this;
  }

  async heard(what: string): Promise<void> {
    await expect.poll(() => this.said, { timeout: 10_000 }).toContain(what);
  }

  subscribe(items: { topic: string; QoS?: number }[], id?: number): void {
    this.client.write(null, { operation: MQTTClient.SUBSCRIBE, items, id });
  }
}

const ascii = (text: string): ArrayBuffer => Uint8Array.from(Buffer.from(text)).buffer;

describe.each(kinds)("%s", (kind) => {
  test("subscribes, publishes in one and in several pieces, reads; ids are the application's", async () => {
    const { port } = await startServer(presets.node, kind);
    const app = await new Application(port).connected();
    app.subscribe([{ topic: "foo/bar/+", QoS: 2 }, { topic: "bar/foo" }], 77);
    await app.heard("9 77");
    app.client.write(ascii("SM"), { topic: "foo/bar/small", byteLength: 6, QoS: 2, id: 5 });
    app.client.write(ascii("ALL\n"));
    await app.heard("7 5");
    app.client.write(null, { operation: MQTTClient.PINGREQ });
    await app.heard("13");
    app.client.write(ascii("é"), { topic: "bar/foo", QoS: 1, id: 6, retain: true });
    await app.heard("4 6");
    await expect.poll(() => app.messages.length).toBe(2);
    expect(app.messages.map(({ options, text }) => [options.topic, options.QoS, options.byteLength, text])).toEqual([
      ["foo/bar/small", 2, 6, "SMALL\n"],
      ["bar/foo", 0, 2, "é"],
    ]);
    app.client.write(null, { operation: MQTTClient.UNSUBSCRIBE, items: [{ topic: "bar/foo" }], id: 78 });
    await app.heard("11 78");
    expect(app.errors).toBe(0);
  });

  test("a payload larger than all memory goes out by onWritable and comes in by read", async () => {
    const { port } = await startServer(presets.node, kind);
    const length = 50_000;
    let left = length;
    const app = new Application(port, {
      onWritable(this: MQTTClient, count: number) {
        if (app.said.length < 2 || left === 0) return;
        const piece = Math.min(count, left);
        left -= piece;
        this.write(ascii("x".repeat(piece)));
      },
    });
    await app.connected();
    app.subscribe([{ topic: "big", QoS: 1 }]);
    await app.heard("9 1");
    left -= 3;
    app.client.write(ascii("xxx"), { topic: "big", byteLength: length, QoS: 1, id: 9 });
    await app.heard("4 9");
    await expect.poll(() => app.messages[0]?.text.length, { timeout: 10_000 }).toBe(length);
    expect(app.messages[0].text).toBe("x".repeat(length));
    expect(app.messages[0].pieces).toBeGreaterThan(10);
  });

  test("an empty payload is a message, and what follows it comes", async () => {
    const { port } = await startServer(presets.node, kind);
    const app = await new Application(port).connected();
    app.subscribe([{ topic: "t", QoS: 1 }]);
    await app.heard("9 1");
    app.client.write(null, { topic: "t", QoS: 1 });
    app.client.write(ascii("x"), { topic: "t" });
    await expect.poll(() => app.messages.map(({ text }) => text)).toEqual(["", "x"]);
    expect(app.messages[0].options).toMatchObject({ byteLength: 0, more: false, topic: "t" });
  });

  test("what is not read stays: later, into a buffer, a few bytes at a time", async () => {
    const { port } = await startServer(presets.node, kind);
    const available: number[] = [];
    let got = "";
    const app = new Application(port, { onReadable: (count) => void available.push(count) });
    await app.connected();
    app.subscribe([{ topic: "t" }]);
    await app.heard("9 1");
    const text = "0123456789".repeat(30);
    app.client.write(ascii(text), { topic: "t" });
    app.client.write(ascii("next"), { topic: "t" });
    const buffer = new Uint8Array(7);
    for (let i = 0; i < 1000 && got.length < text.length + 4; i++) {
      const count = app.client.read(buffer) as number | undefined;
      if (count === undefined) await new Promise((resolve) => setTimeout(resolve, 1));
      else got += Buffer.from(buffer.subarray(0, count)).toString();
    }
    expect(got).toBe(`${text}next`);
    expect(available.reduce((sum, count) => sum + count, 0)).toBe(got.length);
  });

  test("close sends no DISCONNECT, so the will is published; DISCONNECT takes it back", async () => {
    const { port } = await startServer(presets.node, kind);
    const watcher = await new Application(port, { id: "watcher" }).connected();
    watcher.subscribe([{ topic: "will/#" }]);
    await watcher.heard("9 1");
    const leaver = await new Application(port, { id: "l", will: { topic: "will/l", message: "left" } }).connected();
    leaver.client.write(null, { operation: MQTTClient.DISCONNECT });
    const closer = await new Application(port, {
      id: "c",
      will: { topic: "will/c", message: ascii("gone") },
    }).connected();
    closer.client.close();
    await expect
      .poll(() => watcher.messages.map(({ options, text }) => `${options.topic} ${text}`))
      .toEqual(["will/c gone"]);
    expect([closer.errors, leaver.errors]).toEqual([0, 0]);
  });

  test("a connection that is lost is told once, and nothing afterwards", async () => {
    const { port } = await startServer(presets.node, kind);
    const app = await new Application(port).connected();
    NodeTcp.cut();
    await expect.poll(() => app.errors).toBe(1);
    expect(() => app.client.write(null, { topic: "t" })).toThrow("closed");
    expect(NodeTcp.count).toBe(0);
  });

  test.each([4, 5])(
    "with reconnect it goes on by itself, version %i: what was written meanwhile arrives",
    async (version) => {
      const { port } = await startServer(presets.node, kind);
      const expiry = version === 5 ? { sessionExpiry: 100 } : {};
      const app = await new Application(port, { reconnect: true, clean: false, version, ...expiry }).connected();
      app.subscribe([{ topic: "t", QoS: 2 }]);
      await app.heard("9 1");
      NodeTcp.cut();
      await app.heard("14");
      app.client.write(ascii("kept"), { topic: "t", QoS: 2, id: 8 });
      await app.heard("7 8");
      await expect.poll(() => app.messages.map(({ text }) => text)).toEqual(["kept"]);
      expect(app.said.filter((what) => what === "2")).toHaveLength(2);
      expect(app.errors).toBe(0);
    },
  );
});

test("onControl with two parameters gets the operation first, as in the standard", async () => {
  const { port } = await startServer(presets.node, "midge");
  const said: unknown[][] = [];
  new Application(port, {
    onControl: (operation: number, message: ControlMessage) => void said.push([operation, message]),
  });
  await expect
    .poll(() => said)
    .toEqual([[MQTTClient.CONNACK, { operation: MQTTClient.CONNACK, returnCode: 0, sessionPresent: false }]]);
});

describe("what can't be", () => {
  const good = { host: "127.0.0.1", socket: { io: TCP } };

  test.each([
    ["no host", { ...good, host: "" }, RangeError],
    ["no socket", { host: "127.0.0.1" }, TypeError],
    ["a name without a resolver", { ...good, host: "broker.local" }, TypeError],
    ["a Keep Alive too long", { ...good, keepAlive: 70_000_000 }, OptionsError],
    ["a will without a topic", { ...good, will: { topic: "" } }, OptionsError],
    ["impossible limits", { ...good, limits: { messages: 0 } }, LimitsError],
  ])("%s", (_name, options, error) => {
    expect(() => new MQTTClient(options as unknown as Options, modules)).toThrow(error);
    expect(NodeTcp.count).toBe(0);
  });

  test("no such host, nobody listens: onError", async () => {
    for (const options of [{ host: "nowhere" }, { port: 1 }]) {
      const app = new Application(1, options);
      await expect.poll(() => app.errors).toBe(1);
    }
  });

  test("writes that can't be taken throw, and nothing has happened", async () => {
    const { port } = await startServer(presets.node, "midge");
    const app = new Application(port);
    expect(() => app.client.write(null, { topic: "t" })).toThrow("not connected");
    await app.connected();
    const { client } = app;
    expect(() => client.write(ascii("x"))).toThrow("overflow");
    expect(() => client.write(ascii("xx"), { topic: "t", byteLength: 1 })).toThrow(RangeError);
    expect(() => client.write(null, { topic: "a/#" })).toThrow("invalid topic");
    expect(() => client.write(null, { topic: "t", id: 70_000 })).toThrow(RangeError);
    expect(() => client.write(new Uint8Array(5000), { topic: "t" })).toThrow("overflow");
    expect(() => client.write(null, { operation: 99 })).toThrow("unknown operation");
    expect(() => app.subscribe([])).toThrow("items required");
    const many = ["a", "b", "c", "d", "e"].map((topic) => ({ topic }));
    expect(() => app.subscribe(many)).toThrow("overflow");
    expect(() => app.subscribe([{ topic: "a" }, { topic: "#/b" }])).toThrow("invalid topic");
    app.subscribe(many.slice(1), 3);
    await app.heard("9 3");
  });
});
