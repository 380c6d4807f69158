// Midge's client on Node.js, against Midge and against Debian's Mosquitto. A proxy between them cuts connections.

import net from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import {
  type ConnectOptions,
  clientPresets,
  connect,
  type MqttClient,
  MqttError,
  NotAcceptedError,
  OptionsError,
  type ReceivedMessage,
} from "../../hosts/node/client/index";
import { presets } from "../../src/memory/limits";
import { Random } from "../support/random";
import { findCommand, startServer } from "./server";

const present = findCommand("mosquitto") !== undefined;
if (!present && process.env.MIDGE_REQUIRE) throw new Error("mosquitto is required and missing");
const kinds = present ? (["midge", "mosquitto"] as const) : (["midge"] as const);

const open: MqttClient[] = [];
const proxies: Cutter[] = [];

afterEach(async () => {
  for (const client of open.splice(0)) await client.close(true);
  for (const proxy of proxies.splice(0)) await proxy.stop();
});

async function join(port: number, options: ConnectOptions = {}): Promise<MqttClient> {
  const client = await connect(`mqtt://127.0.0.1:${port}`, options);
  open.push(client);
  return client;
}

/** Passes bytes on until it is told to cut. */
class Cutter {
  port = 0;
  connections = 0;
  /** Bytes after which the connections are cut, in either direction. */
  left = Number.POSITIVE_INFINITY;
  readonly #sockets = new Set<net.Socket>();
  readonly #server: net.Server;

  private constructor(to: number) {
    this.#server = net.createServer((near) => {
      this.connections++;
      const far = net.connect(to, "127.0.0.1");
      for (const [from, into] of [
        [near, far],
        [far, near],
      ]) {
        this.#sockets.add(from);
        from.on("error", () => {});
        from.on("close", () => {
          this.#sockets.delete(from);
          into.destroy();
        });
        from.on("data", (bytes: Buffer) => {
          into.write(bytes.subarray(0, this.left));
          this.left -= bytes.length;
          if (this.left <= 0) this.cut();
        });
      }
    });
  }

  static async start(to: number): Promise<Cutter> {
    const proxy = new Cutter(to);
    proxies.push(proxy);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    proxy.port = (proxy.#server.address() as net.AddressInfo).port;
    return proxy;
  }

  cut(): void {
    this.left = Number.POSITIVE_INFINITY;
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

describe.each(kinds)("%s", (kind) => {
  describe.each([4, 5])("version %i", (version) => {
    test("every QoS, retained messages, wildcards", async () => {
      const { port } = await startServer(presets.node, kind);
      const [publisher, subscriber] = [await join(port, { version }), await join(port, { version })];
      await publisher.publish("home/door", "open", { qos: 1, retain: true });
      const got: string[] = [];
      let sent: Promise<void> | undefined;
      subscriber.once("message", () => {
        sent = (async () => {
          for (const qos of [0, 1, 2]) await publisher.publish(`home/é/${qos}`, `m${qos}`, { qos });
        })();
      });
      const keep = ({ topic, payload, qos, retain }: ReceivedMessage): void => {
        got.push(`${topic} ${payload} q${qos} ${retain}`);
      };
      await subscriber.subscribe("home/#", keep, { qos: 2 });
      await expect.poll(() => got.length).toBe(4);
      await sent;
      expect(got).toEqual([
        "home/door open q1 true",
        "home/é/0 m0 q0 false",
        "home/é/1 m1 q1 false",
        "home/é/2 m2 q2 false",
      ]);
    });

    test("payloads of 100 KB", async () => {
      const { port } = await startServer(presets.node, kind);
      const client = await join(port, { version });
      const payload = Buffer.alloc(100_000, "midge");
      const got: Buffer[] = [];
      await client.subscribe("big", (message) => void got.push(message.payload));
      await client.publish("big", payload);
      await expect.poll(() => got.length).toBe(1);
      expect(got[0].equals(payload)).toBe(true);
    });

    // Not yet against Mosquitto, where now and then nothing more arrives: whose fault that is, is not known.
    if (kind === "midge")
      test("1,000 messages at QoS 2 are exactly once while connections are cut, by seed", async () => {
        const { port } = await startServer(presets.node, kind);
        const seed = Math.floor(Math.random() * 1e9);
        const random = new Random(seed);
        const proxy = await Cutter.start(port);
        const keeping = { version, cleanStart: false, ...(version === 5 && { sessionExpiry: 1000 }) };
        const limits = { ...clientPresets.client, reconnectMilliseconds: 10, reconnectMostMilliseconds: 20 };
        const receiver = await join(proxy.port, { ...keeping, clientId: "in", limits, retry: true });
        const sender = await join(proxy.port, { ...keeping, clientId: "out", limits, retry: true });
        const got: number[] = [];
        await receiver.subscribe("n", (message) => void got.push(Number(message.payload.toString())), { qos: 2 });
        const cuts = setInterval(() => {
          proxy.left = random.below(3000);
        }, 40);
        const sent: Promise<void>[] = [];
        for (let n = 0; n < 1000; n++) {
          sent.push(sender.publish("n", `${n}`, { qos: 2 }));
          if (n % 100 === 99) await Promise.all(sent);
        }
        await Promise.all(sent);
        clearInterval(cuts);
        proxy.left = Number.POSITIVE_INFINITY;
        for (let i = 0; i < 100 && got.length < 1000; i++) await new Promise((resolve) => setTimeout(resolve, 50));
        expect({ seed, got }).toEqual({ seed, got: Array.from({ length: 1000 }, (_, n) => n) });
        expect(proxy.connections).toBeGreaterThan(4);
      });

    test("a message whose handler is not done is not acknowledged", async () => {
      const { port } = await startServer(presets.node, kind);
      const proxy = await Cutter.start(port);
      const keeping = { version, clientId: "c", cleanStart: false, ...(version === 5 && { sessionExpiry: 1000 }) };
      const client = await join(proxy.port, { ...keeping, retry: true });
      const dups: boolean[] = [];
      let release = (): void => {};
      await client.subscribe(
        "t",
        ({ dup }) => {
          dups.push(dup);
          return new Promise<void>((resolve) => {
            release = resolve;
          });
        },
        { qos: 1 },
      );
      const other = await join(port, { version });
      await other.publish("t", "x", { qos: 1 });
      await expect.poll(() => dups).toEqual([false]);
      proxy.cut();
      await expect.poll(() => dups, { timeout: 10_000 }).toEqual([false, true]);
      release();
    });
  });

  test("properties of 5.0 both ways", async () => {
    const { port } = await startServer(presets.node, kind);
    const client = await join(port);
    const properties = {
      messageExpiry: 100,
      isText: true,
      contentType: "text/plain",
      responseTopic: "answers",
      correlationData: new Uint8Array([1, 2, 3]),
      userProperties: [
        ["a", "1"],
        ["a", "2"],
      ] as [string, string][],
    };
    const got: ReceivedMessage[] = [];
    await client.subscribe("p", (message) => void got.push(message));
    await client.publish("p", "", properties);
    await expect.poll(() => got.length).toBe(1);
    expect(got[0]).toMatchObject(properties);
  });

  test("messages() yields one after the other", async () => {
    const { port } = await startServer(presets.node, kind);
    const client = await join(port);
    const got: string[] = [];
    const loop = (async () => {
      for await (const { payload } of client.messages("t", { qos: 1 })) if (got.push(payload.toString()) === 3) return;
    })();
    for (const text of ["0", "1", "2"]) await client.publish("t", text, { qos: 1 });
    await loop;
    expect(got).toEqual(["0", "1", "2"]);
  });

  test("a loop over messages ends with close, also without a connection; leaving one unsubscribes", async () => {
    const { port } = await startServer(presets.node, kind);
    const proxy = await Cutter.start(port);
    const client = await join(proxy.port);
    await client.publish("a", "kept", { qos: 1, retain: true });
    for await (const { payload } of client.messages("a", { qos: 1 })) {
      expect(payload.toString()).toBe("kept");
      break;
    }
    await expect(client.unsubscribe("a")).rejects.toThrow("no such subscription");
    const got: string[] = [];
    const loop = (async () => {
      for await (const { topic } of client.messages("a")) got.push(topic);
    })();
    await expect.poll(() => got).toEqual(["a"]);
    const lost = new Promise((resolve) => client.once("disconnect", resolve));
    proxy.cut();
    await lost;
    await client.close(true);
    await loop;
  });

  test("a filter that is asked for twice at once is granted twice", async () => {
    const { port } = await startServer(presets.node, kind);
    const client = await join(port);
    expect(await Promise.all([client.subscribe("t"), client.subscribe("t", undefined, { qos: 1 })])).toEqual([1, 1]);
  });

  test("a will is sent when the client is lost, and not when it leaves", async () => {
    const { port } = await startServer(presets.node, kind);
    const proxy = await Cutter.start(port);
    const watcher = await join(port);
    const wills: string[] = [];
    await watcher.subscribe("will/#", ({ topic }) => void wills.push(topic));
    const lost = await join(proxy.port, { will: { topic: "will/lost" } });
    const left = await join(port, { will: { topic: "will/left" } });
    await left.close();
    lost.once("disconnect", () => void lost.close(true));
    proxy.cut();
    await expect.poll(() => wills).toEqual(["will/lost"]);
  });
});

describe("what can't be", () => {
  test("options", async () => {
    await expect(connect("http://x")).rejects.toThrow(OptionsError);
    await expect(connect("mqtt://127.0.0.1:1", { keepAlive: 70000 })).rejects.toThrow('option "keepAlive"');
    await expect(connect("mqtt://127.0.0.1:1", { version: 3 })).rejects.toThrow('option "version"');
  });

  test("no server: the first attempt fails", async () => {
    await expect(connect("mqtt://127.0.0.1:1")).rejects.toThrow(MqttError);
    const tls = { minVersion: "nonsense" as never };
    await expect(connect("mqtts://127.0.0.1:1", { tls })).rejects.toThrow(/no connection.*nonsense/);
  });

  test("a client that is closed while it waits for the server", async () => {
    const client = new AbortController();
    const waiting = connect("mqtt://127.0.0.1:1", { retry: true, signal: client.signal });
    setTimeout(() => client.abort(), 100);
    await expect(waiting).rejects.toThrow("aborted");
  });

  test("a topic that is none, QoS 0 without a connection", async () => {
    const { port } = await startServer();
    const client = await join(port);
    await expect(client.publish("a/#", "x")).rejects.toThrow(NotAcceptedError);
    await expect(client.unsubscribe("never")).rejects.toThrow(NotAcceptedError);
    const stopped = await join(port);
    await stopped.close();
    await expect(stopped.publish("a", "x")).rejects.toThrow("needs a connection");
  });
});
