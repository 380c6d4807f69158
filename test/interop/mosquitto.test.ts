// Debian's mosquitto-clients against the broker, in every version of the protocol.

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { afterEach, describe, expect, test } from "vitest";
import { sleep, until } from "./clients";
import { findCommand, standIn, startServer } from "./server";

const present = findCommand("mosquitto_sub") !== undefined && findCommand("mosquitto_pub") !== undefined;
if (!present && process.env.MIDGE_REQUIRE) throw new Error("mosquitto-clients are required and missing");

const protocols = [
  { name: "3.1", flag: "mqttv31" },
  { name: "3.1.1", flag: "mqttv311" },
  { name: "5.0", flag: "mqttv5" },
];

const running: ChildProcessWithoutNullStreams[] = [];

afterEach(() => {
  for (const child of running.splice(0)) child.kill("SIGKILL");
});

/** mosquitto_pub or mosquitto_sub with what it printed. */
class Command {
  readonly child: ChildProcessWithoutNullStreams;
  output = "";
  errors = "";
  code: number | null | undefined;

  constructor(name: "mosquitto_pub" | "mosquitto_sub", port: number, args: readonly string[], input?: string) {
    // By the line, or what it prints would wait in its buffer.
    this.child = spawn("stdbuf", ["-oL", name, "-h", "127.0.0.1", "-p", `${port}`, ...args]);
    running.push(this.child);
    this.child.stdout.on("data", (bytes) => {
      this.output += bytes;
    });
    this.child.stderr.on("data", (bytes) => {
      this.errors += bytes;
    });
    this.child.on("close", (code) => {
      this.code = code;
    });
    this.child.stdin.on("error", () => {});
    this.child.stdin.end(input ?? "");
  }

  async done(): Promise<string> {
    await until(() => this.code !== undefined, `${this.child.spawnargs.join(" ")} ended`, 15_000);
    if (this.code !== 0) throw new Error(`${this.child.spawnargs.join(" ")}: ${this.code}: ${this.errors}`);
    return this.output;
  }

  get lines(): string[] {
    return this.output.split("\n").filter((line) => line !== "");
  }
}

describe.skipIf(!present).each(protocols)("mosquitto-clients with MQTT $name", ({ name, flag }) => {
  const pub = (port: number, args: string[], input?: string): Promise<string> =>
    new Command("mosquitto_pub", port, ["-V", flag, ...args], input).done();

  /** A subscriber that is subscribed when this resolves. */
  const sub = async (port: number, args: string[]): Promise<Command> => {
    const command = new Command("mosquitto_sub", port, ["-V", flag, "-d", "-F", "> %t %q %r %p", ...args]);
    await until(() => command.output.includes("received SUBACK") || command.output.includes("Subscribed"), "SUBACK");
    return command;
  };
  const messages = (command: Command): string[] =>
    command.lines.filter((line) => line.startsWith("> ")).map((line) => line.slice(2));

  test.each([0, 1, 2])("QoS %i: many lines arrive in order", async (qos) => {
    const { port } = await startServer();
    const subscriber = await sub(port, ["-t", "lines", "-q", `${qos}`]);
    // Mosquitto 2.0 stops after some hundred messages when both ends are its own, MQTT 5.0 and QoS 2.
    const lines = Array.from({ length: standIn ? 100 : 1000 }, (_, i) => `line ${i}`);
    await pub(port, ["-t", "lines", "-q", `${qos}`, "-l"], `${lines.join("\n")}\n`);
    await until(() => messages(subscriber).length >= lines.length, "all lines came");
    expect(messages(subscriber)).toEqual(lines.map((line) => `lines ${qos} 0 ${line}`));
  });

  test("retained messages, wildcards, and clearing one", async () => {
    const { port } = await startServer();
    await pub(port, ["-t", "house/kitchen/temp", "-m", "21", "-r", "-q", "1"]);
    await pub(port, ["-t", "house/bath/temp", "-m", "23", "-r", "-q", "2"]);
    await pub(port, ["-t", "house/bath/light", "-m", "on", "-r"]);
    await pub(port, ["-t", "house/bath/light", "-n", "-r"]);
    const subscriber = await sub(port, ["-t", "house/+/temp", "-t", "house/bath/light", "-q", "2"]);
    await until(() => messages(subscriber).length >= 2, "both came");
    await sleep(50);
    expect(messages(subscriber).sort()).toEqual(["house/bath/temp 2 1 23", "house/kitchen/temp 1 1 21"]);
  });

  test("a subscriber that is killed has its will published", async () => {
    const { port } = await startServer();
    const watcher = await sub(port, ["-t", "will", "-q", "1"]);
    const mortal = await sub(port, ["-t", "x", "--will-topic", "will", "--will-payload", "gone", "--will-qos", "1"]);
    mortal.child.kill("SIGKILL");
    await until(() => messages(watcher).length >= 1, "the will came");
    expect(messages(watcher)).toEqual(["will 1 0 gone"]);
  });

  test("a persistent session over a killed client", async () => {
    const { port } = await startServer();
    const session = ["-i", `kept-${flag}`, "-c", "-t", "kept/#", "-q", "1", ...(name === "5.0" ? ["-x", "600"] : [])];
    const first = await sub(port, session);
    first.child.kill("SIGKILL");
    await sleep(50);
    const lines = Array.from({ length: 50 }, (_, i) => `${i}`);
    await pub(port, ["-t", "kept/a", "-q", "1", "-l"], `${lines.join("\n")}\n`);
    const second = new Command("mosquitto_sub", port, ["-V", flag, "-F", "%p", "-C", "50", ...session]);
    expect((await second.done()).trim().split("\n")).toEqual(lines);
  });

  test("a payload of 100 KB", async () => {
    const { port } = await startServer();
    const payload = "0123456789".repeat(10_000);
    const subscriber = new Command("mosquitto_sub", port, ["-V", flag, "-t", "big", "-q", "2", "-C", "1"]);
    await pub(port, ["-t", "big", "-q", "2", "-r", "-s"], payload);
    expect((await subscriber.done()).trim()).toBe(payload);
  });
});

describe.skipIf(!present)("mosquitto-clients, what is new in MQTT 5.0", () => {
  test("properties pass through", async () => {
    const { port } = await startServer();
    const format = "%t|%p|%C|%R|%D|%F|%P";
    const subscriber = new Command("mosquitto_sub", port, [
      "-V",
      "mqttv5",
      "-t",
      "p",
      "-q",
      "1",
      "-C",
      "1",
      "-F",
      format,
    ]);
    const property = (name: string, ...value: string[]): string[] => ["-D", "PUBLISH", name, ...value];
    const publisher = new Command("mosquitto_pub", port, [
      ...["-V", "mqttv5", "-t", "p", "-m", "x", "-q", "1", "-r"],
      ...property("content-type", "text/plain"),
      ...property("response-topic", "answer"),
      ...property("correlation-data", "abc"),
      ...property("payload-format-indicator", "1"),
      ...property("user-property", "k", "v"),
    ]);
    await publisher.done();
    expect((await subscriber.done()).trim()).toBe("p|x|text/plain|answer|abc|1|k:v");
  });

  test("the will waits for its delay", async () => {
    const { port } = await startServer();
    const watcher = new Command("mosquitto_sub", port, ["-V", "mqttv5", "-t", "late", "-C", "1", "-F", "%p"]);
    const mortal = new Command("mosquitto_sub", port, [
      ...["-V", "mqttv5", "-d", "-t", "x", "-x", "60", "--will-topic", "late", "--will-payload", "gone"],
      ...["-D", "WILL", "will-delay-interval", "1"],
    ]);
    await until(() => mortal.output.includes("SUBACK") || mortal.output.includes("Subscribed"), "SUBACK");
    mortal.child.kill("SIGKILL");
    await sleep(500);
    expect(watcher.code).toBeUndefined();
    expect((await watcher.done()).trim()).toBe("gone");
  });
});
