// The broker on 32-bit XS, with the limits `esp32`, in a machine of an ESP32's size that cannot grow, on a port of the
// loopback: MQTT.js, mosquitto-clients and packets on a bare socket talk to it. After each test the engine says what it
// allocated meanwhile: nothing, whatever the clients did.

import { type ChildProcess, spawn } from "node:child_process";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import { presets } from "../../src/memory/limits";
import { connectJs, JsClient, RawClient, sleep, until, versions } from "../interop/clients";
import { findCommand } from "../interop/server";
import { engineFor } from "./engine";
import type { Allocated } from "./meter";
import { report } from "./report";
import { type Run, start } from "./run.mjs";

const { widths, script } = await engineFor("broker.ts");
const limits = presets.esp32;
/** Options of midge-xs; `npm run memory:xs` looks for the least that is enough. */
const machine = process.env.MIDGE_XS_MACHINE?.split(" ") ?? [];
const NOTHING = { slots: 0, chunks: 0, collections: 0 };

interface Report extends Allocated {
  accepted: number;
  counters: Record<string, number>;
}

let running: Run | undefined;
/** What the report of the running broker must say. */
let expected = NOTHING;

/** Starts the broker; returns its port. */
async function startBroker(...args: string[]): Promise<number> {
  expected = NOTHING;
  running = start("32", script, { options: machine, args: ["esp32", "60000", ...args] });
  return Number(await running.line("port "));
}

// Before those of ../interop/clients cut the clients off: the broker goes first.
afterEach(async () => {
  if (running === undefined) return;
  const run = running;
  running = undefined;
  if (run.ended) throw new Error(`the engine ended: ${run.errors}`);
  expect(await report<Report>(run)).toMatchObject(expected);
});

const has32 = widths.includes("32");

describe.runIf(has32).each(versions)("MQTT $name on XS", ({ version }) => {
  const five = version === 5;
  /** The code of a CONNACK. */
  const code = (packet: object): unknown => Reflect.get(packet, five ? "reasonCode" : "returnCode");

  const tellsSessionPresent = version !== 3;

  test.each([0, 1, 2] as const)("QoS %i: messages arrive whole, once and in order", async (qos) => {
    const port = await startBroker();
    const subscriber = await connectJs(port, version);
    await subscriber.client.subscribeAsync("data/#", { qos });
    const publisher = await connectJs(port, version);
    const sent = Array.from({ length: 120 }, (_, i) => `${i} ${"x".repeat(i % 150)}`);
    // MQTT.js sends all at once, whatever Receive Maximum the server announced.
    for (let i = 0; i < sent.length; i += 8) {
      const some = sent.slice(i, i + 8);
      await Promise.all(some.map((payload) => publisher.client.publishAsync("data/a", payload, { qos })));
    }
    const messages = await subscriber.received(sent.length);
    expect(subscriber.payloads()).toEqual(sent);
    expect(messages.every((message) => message.qos === qos && message.topic === "data/a")).toBe(true);
  });

  test("the largest message that is stored arrives; a larger one is refused", async () => {
    const port = await startBroker();
    const client = await connectJs(port, version);
    await client.client.subscribeAsync("#", { qos: 1 });
    const payload = Buffer.alloc(limits.messageBytes - 20, "abc");
    await client.client.publishAsync("large", payload, { qos: 1 });
    const [message] = await client.received(1);
    expect(message.bytes.equals(payload)).toBe(true);
    const raw = new RawClient(port, version);
    await raw.connect("raw");
    raw.send({
      ...{ cmd: "publish", topic: "larger", qos: 1, messageId: 1, retain: false, dup: false },
      payload: Buffer.alloc(limits.messageBytes + 1),
    });
    expect((await raw.next("puback")).reasonCode ?? 0).toBe(five ? 0x97 : 0);
    expect(client.messages.length).toBe(1);
  });

  test("retained: replayed, replaced, cleared; with a full table refused", async () => {
    const port = await startBroker();
    const publisher = await connectJs(port, version);
    const retain = { qos: 1, retain: true } as const;
    await publisher.client.publishAsync("home/a", "old", retain);
    await publisher.client.publishAsync("home/a", "new", retain);
    await publisher.client.publishAsync("home/b", "gone", retain);
    await publisher.client.publishAsync("home/b", "", retain);
    const reader = await connectJs(port, version);
    await reader.client.subscribeAsync("home/+", { qos: 1 });
    const [message] = await reader.received(1);
    expect(message).toMatchObject({ topic: "home/a", payload: "new", retain: true });
    for (let n = 1; n < limits.retained; n++) await publisher.client.publishAsync(`r/${n}`, `${n}`, retain);
    const raw = new RawClient(port, version);
    await raw.connect("raw");
    raw.send({ cmd: "publish", topic: "r/x", payload: "x", qos: 1, messageId: 1, retain: true, dup: false });
    expect((await raw.next("puback")).reasonCode ?? 0).toBe(five ? 0x97 : 0);
    await reader.client.subscribeAsync("r/#", { qos: 1 });
    await reader.received(limits.retained);
    await sleep(30);
    // Once each; topics come in no certain order.
    const replayed = reader.messages.filter(({ topic }) => topic !== "home/a").map(({ payload }) => Number(payload));
    expect(replayed.sort((a, b) => a - b)).toEqual(Array.from({ length: limits.retained - 1 }, (_, n) => n + 1));
  });

  test("a will is published when its client is cut off, and not when it says goodbye", async () => {
    const port = await startBroker();
    const watcher = await connectJs(port, version);
    await watcher.client.subscribeAsync("will/#", { qos: 2 });
    const will = (topic: string) => ({ will: { topic, payload: Buffer.from("gone"), qos: 1 as const, retain: false } });
    const polite = await connectJs(port, version, will("will/polite"));
    await polite.client.endAsync();
    const mortal = await connectJs(port, version, will("will/mortal"));
    mortal.cut();
    const [message] = await watcher.received(1);
    expect(message).toMatchObject({ topic: "will/mortal", payload: "gone", qos: 1 });
  });

  test("a persistent session keeps its messages, and a second client takes it over", async () => {
    const port = await startBroker();
    const expiry = five ? { properties: { sessionExpiryInterval: 600 } } : {};
    const options = { clientId: "sleeper", clean: false, ...expiry };
    const first = await connectJs(port, version, options);
    await first.client.subscribeAsync("s/#", { qos: 2 });
    first.cut();
    const publisher = await connectJs(port, version);
    for (let n = 0; n < 20; n++) await publisher.client.publishAsync("s/a", `${n}`, { qos: n % 2 === 0 ? 1 : 2 });
    const second = new JsClient(port, version, options);
    await second.connected();
    expect(second.sessionPresent).toBe(tellsSessionPresent);
    await second.received(20);
    // In order for each QoS: MQTT.js hands on a QoS 2 message when it is released.
    for (const odd of [0, 1]) {
      const got = second.payloads().filter((payload) => Number(payload) % 2 === odd);
      expect(got).toEqual(Array.from({ length: 10 }, (_, n) => `${2 * n + odd}`));
    }
    const third = new RawClient(port, version);
    expect(await third.connect("sleeper", { clean: false })).toMatchObject({ sessionPresent: tellsSessionPresent });
    await until(() => !second.client.connected, "the old connection was closed");
  });

  test("with all connections taken a stranger is turned away, and a known client takes over", async () => {
    const port = await startBroker();
    const clients: RawClient[] = [];
    for (let n = 1; n < limits.connections; n++) {
      clients.push(new RawClient(port, version));
      expect(code(await clients[n - 1].connect(`c${n}`))).toBe(0);
    }
    const stranger = new RawClient(port, version);
    expect(code(await stranger.connect("stranger"))).toBe(five ? 0x89 : 3);
    await until(() => stranger.ended, "the stranger was turned away");
    const rebooted = new RawClient(port, version);
    expect(code(await rebooted.connect("c1"))).toBe(0);
    if (five) expect(await clients[0].next("disconnect")).toMatchObject({ reasonCode: 0x8e });
    await until(() => clients[0].ended, "the old connection was closed");
    rebooted.send({ cmd: "pingreq" });
    await rebooted.next("pingresp");
  });

  test("with all sessions taken a new one is refused, and a kept one resumes", async () => {
    const port = await startBroker();
    const kept = { clean: false, ...(five ? { properties: { sessionExpiryInterval: 600 } } : {}) };
    for (let n = 0; n < limits.sessions; n++) {
      const client = new RawClient(port, version);
      expect(code(await client.connect(`s${n}`, kept))).toBe(0);
      client.send({ cmd: "disconnect" });
      await until(() => client.ended, "it went");
    }
    const refused = new RawClient(port, version);
    expect(code(await refused.connect("one too many", kept))).toBe(five ? 0x97 : 3);
    const resumed = new RawClient(port, version);
    const connack = await resumed.connect("s3", kept);
    expect(code(connack)).toBe(0);
    expect(connack).toMatchObject({ sessionPresent: tellsSessionPresent });
  });

  test("a SUBSCRIBE of 500 Topic Filters: a code for each, as many granted as there is room for", async () => {
    const port = await startBroker();
    const hub = new RawClient(port, version);
    await hub.connect("hub");
    const topic = (n: number): string => `zigbee2mqtt/bedroom-bedroom-bedroom-bedroom/device-${n}/#`;
    const subscriptions = Array.from({ length: 500 }, (_, n) => ({ topic: topic(n), qos: 1 as const }));
    hub.send({ cmd: "subscribe", messageId: 1, subscriptions });
    const granted = (await hub.next("suback")).granted as number[];
    const room = limits.subscriptionsPerSession;
    expect(granted.slice(0, room)).toEqual(new Array(room).fill(1));
    expect(granted.slice(room)).toEqual(new Array(500 - room).fill(five ? 0x97 : 0x80));
    hub.send({ cmd: "unsubscribe", messageId: 2, unsubscriptions: subscriptions.map(({ topic }) => topic) });
    await hub.next("unsuback");
    hub.send({ cmd: "subscribe", messageId: 3, subscriptions: [{ topic: topic(499), qos: 1 }] });
    expect((await hub.next("suback")).granted).toEqual([1]);
  });

  test("malformed packets and garbage end their own connection only", async () => {
    const port = await startBroker();
    const bystander = await connectJs(port, version);
    await bystander.client.subscribeAsync("t", { qos: 1 });
    const malformed = [
      "3607000161000078", // QoS 3
      "3005000123000078", // a wildcard in a Topic Name
      "3006000180000078", // not UTF-8
      "30ffffffff01", // five bytes of Remaining Length
      "8006000100016100", // SUBSCRIBE with reserved flags
      "6002000100", // PUBREL with reserved flags
      "f000", // AUTH without a method
      "0000", // no packet at all
      "1000", // a second CONNECT
    ];
    for (const hex of malformed) {
      const culprit = new RawClient(port, version);
      await culprit.connect("culprit");
      culprit.socket.write(Buffer.from(hex, "hex"));
      await until(() => culprit.ended, `${hex} was answered with the end`);
    }
    const garbage = new RawClient(port, version);
    garbage.socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await until(() => garbage.ended, "the garbage was cut off");
    await bystander.client.publishAsync("t", "alive", { qos: 1 });
    await bystander.received(1);
    expect(bystander.payloads()).toEqual(["alive"]);
  });

  test("a client that does not read keeps nobody from anything", async () => {
    const port = await startBroker();
    const stalled = new RawClient(port, version);
    await stalled.connect("stalled");
    stalled.send({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "s/#", qos: 1 }] });
    await stalled.next("suback");
    stalled.socket.pause();
    const healthy = await connectJs(port, version);
    await healthy.client.subscribeAsync("s/#", { qos: 1 });
    const publisher = await connectJs(port, version);
    const sent = Array.from({ length: 300 }, (_, i) => `${i}`);
    for (const n of sent) await publisher.client.publishAsync("s/a", n.padEnd(150), { qos: 1 });
    await healthy.received(sent.length, 20_000);
    expect(healthy.payloads().map((payload) => payload.trim())).toEqual(sent);
  });
});

const hasMosquitto = findCommand("mosquitto_sub") !== undefined && findCommand("mosquitto_pub") !== undefined;
if (!hasMosquitto && process.env.MIDGE_REQUIRE) throw new Error("mosquitto-clients are required and missing");

/** mosquitto_pub or mosquitto_sub, with what it printed. */
class Command {
  readonly #child: ChildProcess;
  output = "";
  #code: number | null | undefined;

  constructor(name: string, port: number, args: readonly string[], input = "") {
    // By the line, or what it prints would wait in its buffer.
    this.#child = spawn("stdbuf", ["-oL", name, "-h", "127.0.0.1", "-p", `${port}`, ...args]);
    this.#child.stdout?.on("data", (bytes) => {
      this.output += bytes;
    });
    this.#child.on("close", (code) => {
      this.#code = code ?? -1;
    });
    this.#child.stdin?.on("error", () => {}).end(input);
    onTestFinished(() => this.kill());
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  async done(): Promise<string> {
    await until(() => this.#code !== undefined, `${this.#child.spawnargs.join(" ")} ended`, 15_000);
    expect(this.#code, this.#child.spawnargs.join(" ")).toBe(0);
    return this.output;
  }
}

describe.runIf(has32 && hasMosquitto).each([
  ["3.1", "mqttv31"],
  ["3.1.1", "mqttv311"],
  ["5.0", "mqttv5"],
])("mosquitto-clients with MQTT %s on XS", (_name, version) => {
  test.each([0, 1, 2])("QoS %i: many lines arrive in order", async (qos) => {
    const port = await startBroker();
    const lines = Array.from({ length: 100 }, (_, i) => `line ${i}`);
    const common = ["-V", version, "-t", "lines", "-q", `${qos}`];
    const subscriber = new Command("mosquitto_sub", port, [...common, "-d", "-F", "> %p", "-C", `${lines.length}`]);
    await until(() => /SUBACK|Subscribed/.test(subscriber.output), "it was subscribed");
    await new Command("mosquitto_pub", port, [...common, "-l"], `${lines.join("\n")}\n`).done();
    const printed = (await subscriber.done()).split("\n").filter((line) => line.startsWith("> "));
    expect(printed).toEqual(lines.map((line) => `> ${line}`));
  });

  test("retained messages and wildcards", async () => {
    const port = await startBroker();
    const pub = (...args: string[]) => new Command("mosquitto_pub", port, ["-V", version, "-r", ...args]).done();
    await pub("-t", "house/kitchen/temp", "-m", "21", "-q", "1");
    await pub("-t", "house/bath/temp", "-m", "23", "-q", "2");
    await pub("-t", "house/bath/light", "-m", "on");
    await pub("-t", "house/bath/light", "-n");
    const args = ["-V", version, "-t", "house/+/temp", "-t", "house/bath/light", "-q", "2", "-F", "%t %q %r %p"];
    const printed = await new Command("mosquitto_sub", port, [...args, "-C", "2"]).done();
    expect(printed.trim().split("\n").sort()).toEqual(["house/bath/temp 2 1 23", "house/kitchen/temp 1 1 21"]);
  });

  test("the will of a subscriber that is killed", async () => {
    const port = await startBroker();
    const watcher = await connectJs(port, 4);
    await watcher.client.subscribeAsync("will", { qos: 1 });
    const will = ["--will-topic", "will", "--will-payload", "gone", "--will-qos", "1"];
    const mortal = new Command("mosquitto_sub", port, ["-V", version, "-d", "-t", "x", ...will]);
    await until(() => /SUBACK|Subscribed/.test(mortal.output), "it was subscribed");
    mortal.kill();
    await watcher.received(1);
    expect(watcher.payloads()).toEqual(["gone"]);
  });
});

describe.runIf(has32)("the engine's report", () => {
  test("control: it shows one planted object", async () => {
    const port = await startBroker("plant");
    await connectJs(port, 5);
    expected = { ...NOTHING, slots: 1 };
  });

  test("control: a machine with less room than the plan does not start", async () => {
    const { code, errors } = await start("32", script, { options: ["--chunks", "38000"], args: ["esp32", "1"] }).done;
    expect(errors).toContain("memory full");
    expect(code).toBe(3);
  });

  test("counts connections that come and go: they cost nothing", async () => {
    const port = await startBroker();
    for (let n = 0; n < 50; n++) {
      const client = await connectJs(port, 5);
      await client.client.endAsync();
    }
    const run = running as Run;
    running = undefined;
    const { accepted, counters, ...allocated } = await report<Report>(run);
    expect(accepted).toBe(50);
    expect(counters.connected).toBe(50);
    expect(allocated).toEqual(NOTHING);
  });
});
