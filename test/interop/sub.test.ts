// `midge sub`, against Midge and against Mosquitto.

import { spawn } from "node:child_process";
import { describe, expect, test } from "vitest";
import { presets } from "../../src/memory/limits";
import { connectJs, type JsClient, sleep, until } from "./clients";
import { Midge } from "./command";
import { Cutter } from "./cutter";
import { connack, Script } from "./script";
import { findCommand, startServer } from "./server";

const present = findCommand("mosquitto") !== undefined && findCommand("mosquitto_pub") !== undefined;
if (!present && process.env.MIDGE_REQUIRE) throw new Error("mosquitto is required and missing");
const kinds = present ? (["midge", "mosquitto"] as const) : (["midge"] as const);

/** Runs to the end. */
async function sub(args: readonly string[]): Promise<Midge> {
  const midge = new Midge(["sub", ...args]);
  await midge.exited;
  return midge;
}

/** One that is subscribed to `count` filters. */
async function subscribed(port: number, args: readonly string[], count = 1): Promise<Midge> {
  const midge = new Midge(["sub", "-p", `${port}`, "-d", ...args]);
  const granted = (): number => midge.errors.split("\nsubscribed to ").length - 1;
  await until(() => granted() >= count || midge.code !== undefined, "it subscribed");
  if (midge.code !== undefined) throw new Error(`it ended with ${midge.code}: ${midge.errors}`);
  return midge;
}

async function publish(client: JsClient, ...messages: [topic: string, payload: string | Buffer][]): Promise<void> {
  for (const [topic, payload] of messages) await client.client.publishAsync(topic, payload, { qos: 1 });
}

async function retain(port: number, ...messages: [topic: string, payload: string][]): Promise<JsClient> {
  const client = await connectJs(port, 5);
  for (const [topic, payload] of messages) await client.client.publishAsync(topic, payload, { qos: 1, retain: true });
  return client;
}

const bytes = Buffer.from([0, 255, 10, 13, 0x80, 65]);

describe.each(kinds)("%s", (kind) => {
  describe.each(["mqttv311", "mqttv5"])("%s", (version) => {
    test("payloads as they came, with a newline after each or without", async () => {
      const { port } = await startServer(presets.node, kind);
      const publisher = await connectJs(port, 5);
      const plain = await subscribed(port, ["-V", version, "-t", "a", "-C", "3"]);
      const bare = await subscribed(port, ["-V", version, "-t", "a", "-C", "3", "-N", "-q", "2"]);
      await publish(publisher, ["a", bytes], ["a", ""], ["a", "é"]);
      expect([await plain.exited, await bare.exited]).toEqual([0, 0]);
      const newline = Buffer.from("\n");
      expect(plain.bytes).toEqual(Buffer.concat([bytes, newline, newline, Buffer.from("é\n")]));
      expect(bare.bytes).toEqual(Buffer.concat([bytes, Buffer.from("é")]));
    });

    test("several filters that overlap, one of them in the URL; -T leaves out; -v and -F", async () => {
      const { port } = await startServer(presets.node, kind);
      const publisher = await connectJs(port, 5);
      const filters = ["-L", `mqtt://127.0.0.1:${port}/b/#`, "-t", "a/+", "-t", "a/+", "-T", "+/out/#"];
      const midge = new Midge(["sub", "-d", "-V", version, ...filters, "-v", "-C", "3"]);
      await until(() => midge.errors.split("subscribed to").length === 3, "it subscribed");
      const format = await subscribed(port, [
        "-V",
        version,
        "-t",
        "b/#",
        "-F",
        "%t|%p|%q|%r|%l|%x\\t%%",
        "-C",
        "1",
        "-q",
        "1",
      ]);
      await publish(
        publisher,
        ["c", "no"],
        ["a/out", "no"],
        ["b", "é"],
        ["b/out/x", "no"],
        ["a/1", ""],
        ["b/2", "two"],
      );
      expect([await midge.exited, await format.exited]).toEqual([0, 0]);
      expect(midge.output).toBe("b é\na/1 \nb/2 two\n");
      expect(format.output).toBe("b|é|1|0|2|c3a9\t%\n");
    });

    test.each(["1", "2"])("a kept session at QoS %s: -C takes one after the other, each once", async (qos) => {
      const { port } = await startServer(presets.node, kind);
      const kept = ["-p", `${port}`, "-V", version, "-i", "me", "-c", "-q", qos, "-t", "a/#"];
      expect([(await sub([...kept, "-E"])).code]).toEqual([0]);
      const publisher = await connectJs(port, 5);
      for (const text of ["1", "2", "3", "4"]) await publisher.client.publishAsync("a/b", text, { qos: 2 });
      const take = async (): Promise<string> => (await sub([...kept, "-C", "1", "-W", "20"])).output;
      expect([await take(), await take(), await take(), await take()]).toEqual(["1\n", "2\n", "3\n", "4\n"]);
      await publisher.client.publishAsync("a/b", "5", { qos: 2 });
      expect(await take()).toBe("5\n");
    });

    test("-U ends a subscription of a kept session, and nothing that is retained comes of it", async () => {
      const { port } = await startServer(presets.node, kind);
      const kept = ["-p", `${port}`, "-V", version, "-i", "me", "-c", "-q", "1"];
      const publisher = await retain(port, ["a/kept", "kept"]);
      expect((await sub([...kept, "-t", "a/#", "-t", "b", "-E"])).code).toBe(0);
      const leaving = await sub([...kept, "-U", "a/#", "-t", "b", "-R", "-E", "-v"]);
      expect([leaving.code, leaving.output, leaving.errors]).toEqual([0, "", ""]);
      await publish(publisher, ["a/1", "no"], ["b", "yes"]);
      expect((await sub([...kept, "-t", "b", "-C", "1", "-v", "-W", "10"])).output).toBe("b yes\n");
    });

    test("-R, --retained-only, --remove-retained", async () => {
      const { port } = await startServer(presets.node, kind);
      const publisher = await retain(port, ["a/1", "one"], ["a/2", "two"], ["b", "spared"]);
      const live = await subscribed(port, ["-V", version, "-t", "a/#", "-R", "-C", "1", "-v"]);
      const only = await subscribed(port, ["-V", version, "-t", "a/#", "--retained-only", "-v"]);
      await until(() => only.lines.length === 2, "what is retained came");
      await publish(publisher, ["a/3", "live"]);
      expect([await live.exited, live.output]).toEqual([0, "a/3 live\n"]);
      expect([await only.exited, only.lines.sort()]).toEqual([0, ["a/1 one", "a/2 two"]]);
      const remove = ["--remove-retained", "--retained-only", "-t", "#", "-T", "b", "-C", "2"];
      expect((await sub(["-p", `${port}`, "-V", version, ...remove])).lines.sort()).toEqual(["one", "two"]);
      const left = await connectJs(port, 5);
      await left.client.subscribeAsync("#", { qos: 1 });
      await publish(publisher, ["end", ""]);
      await left.received(2);
      expect(left.messages.map(({ topic }) => topic)).toEqual(["b", "end"]);
    });

    test("a connection that is lost comes back, and the subscriptions with it", async () => {
      const { port } = await startServer(presets.node, kind);
      const between = await Cutter.start(port);
      const publisher = await connectJs(port, 5);
      const midge = await subscribed(between.port, ["-V", version, "-t", "a", "-C", "2", "-q", "1"]);
      await publish(publisher, ["a", "before"]);
      await midge.printed(/before/);
      between.cut();
      await until(() => midge.errors.includes("connected again"), "it connected again");
      const again = setInterval(() => publisher.client.publish("a", "after", { qos: 1 }), 50);
      const code = await midge.exited;
      clearInterval(again);
      expect([code, midge.output]).toEqual([0, "before\nafter\n"]);
      expect(midge.errors).toMatch(/connected to .*\nsubscribed to a at QoS 1\nno connection: .*\nconnected again\n$/s);
    });
  });

  test("--json and %j", async () => {
    const { port } = await startServer(presets.node, kind);
    const publisher = await connectJs(port, 5);
    const json = await subscribed(port, ["-t", "a/#", "--json", "-C", "2", "-q", "1"]);
    const theirs = await subscribed(port, ["-t", "a/#", "-F", "%j", "-C", "1", "-q", "1"]);
    await publisher.client.publishAsync("a/é\u202e", '{"x": 1}', {
      qos: 1,
      properties: {
        contentType: "text/plain",
        correlationData: Buffer.from([255]),
        userProperties: { k: ["v", "w"] },
        payloadFormatIndicator: true,
      },
    });
    await publish(publisher, ["a/bytes", bytes]);
    expect([await json.exited, await theirs.exited]).toEqual([0, 0]);
    expect(json.output).toContain("a/é\\u202e");
    const [first, second] = json.events;
    expect(first).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      topic: "a/é\u202e",
      payload: '{"x": 1}',
      qos: 1,
      retain: false,
      dup: false,
      isText: true,
      contentType: "text/plain",
      correlationDataBase64: "/w==",
      userProperties: [
        ["k", "v"],
        ["k", "w"],
      ],
    });
    expect(second).toMatchObject({ topic: "a/bytes", payloadBase64: bytes.toString("base64") });
    expect(theirs.events[0]).toMatchObject({
      topic: "a/é\u202e",
      qos: 1,
      retain: 0,
      payloadlen: 8,
      payload: '{"x": 1}',
    });
  });
});

describe.skipIf(!present)("mosquitto_pub", () => {
  test.each(kinds)("is read by midge sub, by way of %s", async (kind) => {
    const { port } = await startServer(presets.node, kind);
    const midge = await subscribed(port, ["-t", "#", "-q", "2", "-F", "%t %q %r %p", "-C", "3"]);
    for (const args of [
      ["-t", "m/1", "-m", "one", "-q", "1"],
      ["-t", "m/2", "-m", "two", "-q", "2", "-r", "-V", "mqttv5"],
      ["-t", "m/3", "-n"],
    ]) {
      const child = spawn("mosquitto_pub", ["-p", `${port}`, ...args], { stdio: "ignore" });
      expect(await new Promise((resolve) => child.once("close", resolve))).toBe(0);
    }
    expect([await midge.exited, midge.lines]).toEqual([0, ["m/1 1 0 one", "m/2 2 0 two", "m/3 0 0 "]]);
  });
});

describe("how it ends", () => {
  test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("%s: DISCONNECT, and 0", async (signal) => {
    const script = await Script.start(connack());
    const midge = new Midge(["sub", "-p", `${script.port}`, "-t", "a"]);
    const { messageId } = await script.next("subscribe");
    script.send({ cmd: "suback", messageId, granted: [0] } as never);
    midge.child.kill(signal);
    expect([await midge.exited, midge.output, midge.errors]).toEqual([0, "", ""]);
    expect(await script.next("disconnect")).toMatchObject({ reasonCode: 0 });
  });

  test("-W: 27 and a line, also while it connects; --quiet without", async () => {
    const { port } = await startServer(presets.node, "midge");
    const midge = await sub(["-p", `${port}`, "-t", "a", "-W", "0.3", "-C", "1"]);
    expect([midge.code, midge.output, midge.errors]).toEqual([27, "", "midge: timed out after 0.3 s\n"]);
    const script = await Script.start();
    const silent = await sub(["-p", `${script.port}`, "-t", "a", "-W", "0.3", "--quiet"]);
    expect([silent.code, silent.output, silent.errors]).toEqual([27, "", ""]);
  });

  test("a reader that has enough: 0, quietly", async () => {
    const { port } = await startServer(presets.node, "midge");
    const publisher = await connectJs(port, 5);
    const midge = await subscribed(port, ["-t", "a"]);
    await publish(publisher, ["a", "one"]);
    await midge.printed(/one/);
    const before = midge.errors;
    midge.child.stdout.destroy();
    const more = setInterval(() => publisher.client.publish("a", "more"), 20);
    const code = await midge.exited;
    clearInterval(more);
    expect([code, midge.errors]).toEqual([0, before]);
  });

  test("1: nobody listens", async () => {
    const midge = await sub(["-p", "1", "-t", "a"]);
    expect([midge.code, midge.errors]).toEqual([1, "midge: can't connect to 127.0.0.1:1: nobody listens there\n"]);
  });

  test.each([
    ["mqttv5", "Topic Filter invalid (0x8F)"],
    ["mqttv311", "Unspecified error (0x80)"],
  ])("1: a subscription is refused, %s", async (version, words) => {
    const { port } = await startServer(presets.tiny, "midge");
    const deep = "1/2/3/4/5/6/7/8/9";
    const midge = await sub(["-p", `${port}`, "-V", version, "-t", "a", "-t", deep]);
    expect([midge.code, midge.errors]).toEqual([1, `midge: the subscription ${deep} was refused: ${words}\n`]);
  });

  test("1: another client takes the session over", async () => {
    const { port } = await startServer(presets.node, "midge");
    const midge = await subscribed(port, ["-t", "a", "-i", "same"]);
    await connectJs(port, 5, { clientId: "same" });
    expect(await midge.exited).toBe(1);
    expect(midge.errors).toContain(`midge: the connection to 127.0.0.1:${port} is over: Session taken over (0x8E)\n`);
  });
});

test("a message is acknowledged when stdout has taken it", async () => {
  const script = await Script.start(connack());
  const midge = new Midge(["sub", "-p", `${script.port}`, "-t", "a", "-q", "1"]);
  const { messageId } = await script.next("subscribe");
  midge.child.stdout.pause();
  script.send({ cmd: "suback", messageId, granted: [1] } as never);
  const payload = Buffer.alloc(65_536, "x");
  const count = 100;
  for (let id = 1; id <= count; id++) {
    script.send({ cmd: "publish", topic: "a", payload, qos: 1, dup: false, retain: false, messageId: id });
  }
  let before = -1;
  while (script.count("puback") !== before) {
    before = script.count("puback");
    await sleep(300);
  }
  expect(before).toBeLessThan(count / 2);
  midge.child.stdout.resume();
  await until(() => script.count("puback") === count, "all were acknowledged");
  const ids = script.packets.filter(({ cmd }) => cmd === "puback").map((packet) => packet.messageId);
  expect(ids).toEqual(Array.from({ length: count }, (_, i) => i + 1));
  await until(() => midge.bytes.length === count * (payload.length + 1), "all was printed");
});

test("a reader that does not read does not keep it from ending", async () => {
  const script = await Script.start(connack());
  const midge = new Midge(["sub", "-p", `${script.port}`, "-t", "a"]);
  const { messageId } = await script.next("subscribe");
  midge.child.stdout.pause();
  const payload = Buffer.alloc(4_000_000, "x");
  script.send({ cmd: "suback", messageId, granted: [0] } as never);
  script.send({ cmd: "publish", topic: "a", payload, qos: 0, dup: false, retain: false });
  script.send({ cmd: "publish", topic: "a", payload: "", qos: 1, dup: false, retain: false, messageId: 1 });
  await until(() => midge.child.stdout.readableLength > 0, "it prints");
  midge.child.kill("SIGTERM");
  await script.next("disconnect");
  const exited = new Promise((resolve) => midge.child.once("exit", resolve));
  expect(await exited).toBe(0);
  expect(script.count("puback")).toBe(0);
  midge.child.stdout.resume();
});

describe("what can't be: one line on stderr, exit code 2", () => {
  const t = ["-t", "a"];
  test.each([
    ["no filter", [], /say what to subscribe to: --topic/],
    ["an empty filter", ["-t", ""], /--topic is empty/],
    ["# in the middle", ["-t", "a/#/b"], /--topic "a\/#\/b": "#" must be the last level, alone/],
    ["# beside something", ["-t", "a#"], /"#" must be the last level, alone/],
    ["+ beside something", ["-t", "a+/b"], /"\+" must be a whole level/],
    ["a bad filter in the URL", ["-L", "mqtt://h/a#"], /--topic "a#"/],
    ["a bad filter to leave out", [...t, "-T", "#/a"], /--filter-out "#\/a"/],
    ["a bad filter to end", [...t, "-U", "a+"], /--unsubscribe "a\+"/],
    ["a filter to begin and to end", [...t, "-U", "a"], /in --topic and in --unsubscribe/],
    ["-v and --json", [...t, "-v", "--json"], /one of --verbose, --format, --json/],
    ["-F and -v", [...t, "-F", "%p", "-v"], /one of --verbose, --format, --json/],
    ["-R and --retained-only", [...t, "-R", "--retained-only"], /--no-retain can't be used with --retained-only/],
    ["-R and --remove-retained", [...t, "-R", "--remove-retained"], /with --remove-retained/],
    ["-C and -E", [...t, "-C", "1", "-E"], /--count can't be used with --subscribe-only/],
    ["no message", [...t, "-C", "0"], /--count "0": must be a whole number from 1/],
    ["no time", [...t, "-W", "0"], /--timeout "0": must be seconds above 0/],
    ["a time that is none", [...t, "-W", "soon"], /--timeout "soon"/],
    ["an unknown letter", [...t, "-F", "%m"], /--format: "%m" is none of t p x/],
    ["a width", [...t, "-F", "%5p"], /--format: "%5" is none of/],
    ["a letter missing", [...t, "-F", "100%"], /--format: "%" is none of/],
    ["an unknown escape", [...t, "-F", "\\q"], /--format: "\\q" is none of/],
    ["a session without a name", [...t, "-c"], /--disable-clean-session needs --id/],
    ["a QoS that is none", [...t, "-q", "x"], /--qos "x"/],
    ["insecure without TLS", [...t, "--insecure"], /--insecure needs TLS/],
    ["TLS in a URL without", ["-L", "mqtt://h/a", "--tls"], /mqtt:\/\/ is without TLS: write mqtts/],
    ["half an identity", [...t, "--tls", "--cert", "x"], /--cert and --key need each other/],
    ["an unknown option", [...t, "--retian-only"], /unknown option/],
  ] as const)("%s", async (_, args, message) => {
    const midge = await sub(args);
    expect([midge.code, midge.output]).toEqual([2, ""]);
    expect(midge.errors).toMatch(/^midge: [^\n]+\n$/);
    expect(midge.errors).toMatch(message);
  });
});
