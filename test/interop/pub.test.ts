// `midge pub`, against Midge and against Mosquitto.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { presets } from "../../src/memory/limits";
import { connectJs, sleep, until } from "./clients";
import { Midge } from "./command";
import { Cutter } from "./cutter";
import { connack, Script } from "./script";
import { findCommand, startServer } from "./server";

const present = findCommand("mosquitto") !== undefined && findCommand("mosquitto_sub") !== undefined;
if (!present && process.env.MIDGE_REQUIRE) throw new Error("mosquitto is required and missing");
const kinds = present ? (["midge", "mosquitto"] as const) : (["midge"] as const);

const directory = mkdtempSync(join(tmpdir(), "midge-pub-"));
afterAll(() => rmSync(directory, { recursive: true }));

function file(name: string, content: string | Buffer): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

/** Runs to the end. */
async function pub(args: readonly string[], input: string | Buffer = "", env: NodeJS.ProcessEnv = {}): Promise<Midge> {
  const midge = new Midge(["pub", ...args], env, input);
  await midge.exited;
  return midge;
}

/** Runs to the end, and well. */
async function published(args: readonly string[], input: string | Buffer = ""): Promise<void> {
  const { code, errors, output } = await pub(args, input);
  expect({ code, errors, output }).toEqual({ code: 0, errors: "", output: "" });
}

const bytes = Buffer.from([0, 255, 10, 13, 0x80, 65]);

describe.each(kinds)("%s", (kind) => {
  describe.each(["mqttv311", "mqttv5"])("%s", (version) => {
    test.each([0, 1, 2])("QoS %i: text, file, stdin whole, stdin by lines, nothing", async (qos) => {
      const { port } = await startServer(presets.node, kind);
      const watcher = await connectJs(port, 5);
      await watcher.client.subscribeAsync("a/é", { qos: 2 });
      const to = ["-p", `${port}`, "-V", version, "-t", "a/é", "-q", `${qos}`];
      await published([...to, "-m", "text é"]);
      await published([...to, "-f", file("bytes", bytes)]);
      await published([...to, "-s"], bytes);
      await published([...to, "-l"], "one\r\n\ntwo\nthree");
      await published([...to, "-n"]);
      await watcher.received(8);
      const got = watcher.messages.map((message) => message.bytes);
      const lines = ["one\r", "", "two", "three"].map((line) => Buffer.from(line));
      expect(got).toEqual([Buffer.from("text é"), bytes, bytes, ...lines, Buffer.alloc(0)]);
      expect(watcher.messages.every((message) => message.qos === qos)).toBe(true);
    });

    test("-r is retained, -n -r removes it; --repeat; a topic in the URL as it is written", async () => {
      const { port } = await startServer(presets.node, kind);
      const url = `mqtt://127.0.0.1:${port}/a%20b?c`;
      await published(["-L", url, "-V", version, "-m", "kept", "-r", "-q", "1"]);
      const first = await connectJs(port, 5);
      await first.client.subscribeAsync("a%20b?c", { qos: 0 });
      expect((await first.received(1))[0]).toMatchObject({ payload: "kept", retain: true });
      await published(["-L", url, "-V", version, "-n", "-r", "-q", "1"]);
      await published(["-L", url, "-V", version, "-m", "x", "--repeat", "3", "--repeat-delay", "0.01"]);
      await first.received(5);
      expect(first.payloads()).toEqual(["kept", "", "x", "x", "x"]);
      const second = await connectJs(port, 5);
      await second.client.subscribeAsync("a%20b?c", { qos: 0 });
      await published(["-L", url, "-V", version, "-m", "last"]);
      await second.received(1);
      expect(second.payloads()).toEqual(["last"]);
    });
  });

  test("properties of 5.0", async () => {
    const { port } = await startServer(presets.node, kind);
    const watcher = await connectJs(port, 5);
    await watcher.client.subscribeAsync("p", { qos: 0 });
    const properties = ["--content-type", "text/plain", "--response-topic", "answers", "--correlation-data", "x=1"];
    const own = ["--user-property", "a=1=2", "--user-property", "a=é", "--message-expiry", "100"];
    await published(["-p", `${port}`, "-t", "p", "-m", "x", ...properties, ...own]);
    const [message] = await watcher.received(1);
    expect(message.properties).toMatchObject({
      contentType: "text/plain",
      responseTopic: "answers",
      correlationData: Buffer.from("x=1"),
      userProperties: { a: ["1=2", "é"] },
      messageExpiryInterval: 100,
    });
  });

  test("a message of 5 MB at QoS 1", async () => {
    const { port } = await startServer({ ...presets.node, messageBytes: 6_000_000, packetBytes: 7_000_000 }, kind);
    const watcher = await connectJs(port, 5);
    await watcher.client.subscribeAsync("big", { qos: 0 });
    const payload = Buffer.alloc(5_000_000, "midge");
    await published(["-p", `${port}`, "-t", "big", "-s", "-q", "1"], payload);
    expect((await watcher.received(1))[0].bytes.equals(payload)).toBe(true);
  });

  test("lines at QoS 2 while the connection is cut: each once, in order", async () => {
    const { port } = await startServer(presets.node, kind);
    const watcher = await connectJs(port, 5);
    await watcher.client.subscribeAsync("n", { qos: 2 });
    const between = await Cutter.start(port);
    const kept = ["-i", "cut", "-c", "-x", "1000"];
    const midge = new Midge(["pub", "-p", `${between.port}`, "-t", "n", "-q", "2", "-l", "-d", ...kept], {}, "open");
    const lines = Array.from({ length: 300 }, (_, i) => `${i}`);
    for (const [i, line] of lines.entries()) {
      midge.child.stdin.write(`${line}\n`);
      if (i % 100 === 50) {
        await watcher.received(i - 20);
        between.cut();
      }
    }
    midge.child.stdin.end();
    expect(await midge.exited).toBe(0);
    await watcher.received(lines.length);
    expect(watcher.payloads()).toEqual(lines);
    expect(between.connections).toBeGreaterThan(1);
    expect(midge.errors).toMatch(/connected to .*\nno connection: .*\nconnected again/s);
  });
});

describe.skipIf(!present)("mosquitto_sub", () => {
  test.each(kinds)("reads what midge pub publishes to %s", async (kind) => {
    const { port } = await startServer(presets.node, kind);
    const child = spawn("mosquitto_sub", ["-p", `${port}`, "-t", "#", "-q", "2", "-v", "-C", "3", "-d"]);
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
    });
    const ended = new Promise((resolve) => child.once("close", resolve));
    // Whether it is subscribed yet can't be seen: what is retained comes either way.
    await published(["-p", `${port}`, "-t", "m/1", "-m", "one", "-q", "1", "-r"]);
    await published(["-p", `${port}`, "-t", "m/2", "-m", "two", "-q", "2", "-r"]);
    await published(["-p", `${port}`, "-t", "m/3", "-m", "three", "-q", "0", "-r"]);
    expect(await ended).toBe(0);
    expect(
      output
        .split("\n")
        .filter((line) => line.startsWith("m/"))
        .sort(),
    ).toEqual(["m/1 one", "m/2 two", "m/3 three"]);
  });
});

describe("what is on its way is bounded", () => {
  test("of 100,000 lines at QoS 1 a held server lets less than 1 MB be read; all arrive when it goes on", async () => {
    const { port } = await startServer(presets.node, "midge");
    const between = await Cutter.start(port);
    const watcher = await connectJs(port, 5);
    let count = 0;
    let isInOrder = true;
    watcher.client.on("message", (_, payload) => {
      isInOrder &&= payload.toString().startsWith(`${count} `);
      count++;
    });
    await watcher.client.subscribeAsync("lines", { qos: 0 });
    const midge = new Midge(["pub", "-p", `${between.port}`, "-t", "lines", "-q", "1", "-l"], {}, "open");
    await until(() => between.connections === 1 && between.passed > 0, "it connected");
    between.hold();
    const input = Buffer.from(Array.from({ length: 100_000 }, (_, i) => `${i} ${"x".repeat(90)}\n`).join(""));
    midge.child.stdin.end(input);
    let before = -1;
    while (taken(midge) !== before) {
      before = taken(midge);
      await sleep(300);
    }
    expect(before).toBeGreaterThan(0);

    expect(before).toBeLessThan(1_000_000);
    expect(midge.code).toBeUndefined();
    between.release();
    expect(await midge.exited).toBe(0);
    await until(() => count === 100_000, `all came (${count} did)`, 20_000);
    expect(isInOrder).toBe(true);
  });
});

/** Bytes of stdin that the system took; Node.js itself counts a write until all of it is gone. */
function taken(midge: Midge): number {
  const { bytesWritten, _handle } = midge.child.stdin as unknown as {
    bytesWritten: number;
    _handle: { writeQueueSize: number };
  };
  return bytesWritten - _handle.writeQueueSize;
}

describe("exit codes", () => {
  test("1: nobody listens; --quiet says nothing", async () => {
    const { code, errors } = await pub(["-p", "1", "-t", "a", "-m", "x"]);
    expect({ code, errors }).toEqual({
      code: 1,
      errors: "midge: can't connect to 127.0.0.1:1: nobody listens there\n",
    });
    const quiet = await pub(["-p", "1", "-t", "a", "-m", "x", "--quiet"]);
    expect([quiet.code, quiet.errors, quiet.output]).toEqual([1, "", ""]);
  });

  test("1: no such host", async () => {
    const { code, errors } = await pub(["-h", "nowhere.invalid", "-t", "a", "-m", "x"]);
    expect({ code, errors }).toEqual({
      code: 1,
      errors: "midge: can't connect to nowhere.invalid:1883: no such host: nowhere.invalid\n",
    });
  });

  test.each([
    ["mqttv5", { reasonCode: 0x87 }, "Not authorized (0x87)"],
    ["mqttv5", { reasonCode: 0x9f }, "Connection rate exceeded (0x9F)"],
    ["mqttv5", { reasonCode: 0x84 }, "Unsupported Protocol Version (0x84); a server before MQTT 5.0 wants -V mqttv311"],
    ["mqttv311", { returnCode: 4 }, "Bad User Name or Password (0x86)"],
  ])("1: the server refuses the connection, %s %o", async (version, code, words) => {
    const script = await Script.start(connack(code));
    const midge = await pub(["-p", `${script.port}`, "-t", "a", "-m", "x", "-V", version]);
    expect([midge.code, midge.errors]).toEqual([1, `midge: can't connect to 127.0.0.1:${script.port}: ${words}\n`]);
    expect(script.count("connect")).toBe(1);
  });

  test("1: the server refuses the message; of lines the others are published", async () => {
    const { port } = await startServer(presets.tiny, "midge");
    const deep = "1/2/3/4/5/6/7/8/9";
    const one = await pub(["-p", `${port}`, "-t", deep, "-m", "x", "-q", "1"]);
    expect([one.code, one.errors]).toEqual([1, "midge: the message was refused: Topic Name invalid (0x90)\n"]);
    const large = "x".repeat(presets.tiny.messageBytes + 1);
    const watcher = await connectJs(port, 5);
    await watcher.client.subscribeAsync("a", { qos: 0 });
    const lines = await pub(["-p", `${port}`, "-t", "a", "-l", "-q", "1"], `1\n${large}\n3\n${large}\n5\n`);
    expect([lines.code, lines.errors]).toEqual([
      1,
      "midge: 2 of 5 messages were refused, the first: Quota exceeded (0x97)\n",
    ]);
    await watcher.received(3);
    expect(watcher.payloads()).toEqual(["1", "3", "5"]);
  });

  test("1: the session is taken over", async () => {
    const { port } = await startServer(presets.node, "midge");
    const midge = new Midge(["pub", "-p", `${port}`, "-t", "a", "-l", "-i", "same", "-d"], {}, "open");
    await until(() => midge.errors.includes("connected"), "it connected");
    await connectJs(port, 5, { clientId: "same" });
    expect(await midge.exited).toBe(1);
    expect(midge.errors).toContain(`midge: the connection to 127.0.0.1:${port} is over: Session taken over (0x8E)\n`);
  });

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("%s: %i when something is not delivered, 0 when all is", async (signal, code) => {
    const script = await Script.start(connack());
    const waiting = new Midge(["pub", "-p", `${script.port}`, "-t", "a", "-m", "x", "-q", "1"]);
    await script.next("publish");
    waiting.child.kill(signal);
    expect(await waiting.exited).toBe(code);
    expect(waiting.errors).toBe("");
    await script.next("disconnect");

    const { port } = await startServer(presets.node, "midge");
    const watcher = await connectJs(port, 5);
    await watcher.client.subscribeAsync("a", { qos: 0 });
    const idle = new Midge(["pub", "-p", `${port}`, "-t", "a", "-l", "-q", "1"], {}, "open");
    idle.child.stdin.write("one\ntwo\n");
    await watcher.received(2);
    idle.child.kill(signal);
    expect(await idle.exited).toBe(0);
    const half = new Midge(["pub", "-p", `${port}`, "-t", "a", "-l", "-q", "1"], {}, "open");
    half.child.stdin.write("three\nfou");
    await watcher.received(3);
    half.child.kill(signal);
    expect(await half.exited).toBe(code);
  });

  test("a signal while it connects, and while stdin is read", async () => {
    const script = await Script.start();
    const connecting = new Midge(["pub", "-p", `${script.port}`, "-t", "a", "-m", "x"]);
    await script.next("connect");
    connecting.child.kill("SIGTERM");
    expect([await connecting.exited, connecting.errors]).toEqual([143, ""]);
  });
});

describe("CONNECT", () => {
  const connectOf = async (args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
    const script = await Script.start(connack({ reasonCode: 0x87, returnCode: 5 }));
    const midge = await pub(["-p", `${script.port}`, "-t", "a", "-m", "x", "-d", ...args], "", env);
    expect(midge.code).toBe(1);
    return { packet: await script.next("connect"), midge };
  };
  const will = ["--will-topic", "w", "--will-payload", "gone", "--will-qos", "1", "--will-retain"];

  test.each([
    [[], { protocolVersion: 5, clientId: "", clean: true, keepalive: 60 }],
    [["-V", "mqttv311"], { protocolVersion: 4, clean: true }],
    [["-V", "4", "-k", "0"], { protocolVersion: 4, keepalive: 0 }],
    [["-V", "311", "-i", "me", "-c"], { protocolVersion: 4, clientId: "me", clean: false }],
    [["-V", "5", "-k", "65535"], { protocolVersion: 5, keepalive: 65_535 }],
    [["-i", "me", "-c"], { clientId: "me", clean: false, properties: { sessionExpiryInterval: 0xffffffff } }],
    [["-i", "me", "-c", "-x", "60"], { clean: false, properties: { sessionExpiryInterval: 60 } }],
    [["-i", "me", "-x", "-1"], { clean: true, properties: { sessionExpiryInterval: 0xffffffff } }],
    [will, { will: { topic: "w", payload: Buffer.from("gone"), qos: 1, retain: true } }],
    [["--will-topic", "w"], { will: { topic: "w", payload: Buffer.alloc(0), qos: 0, retain: false } }],
    [["-u", "é"], { username: "é" }],
  ])("%j", async (args, expected) => {
    expect((await connectOf(args)).packet).toMatchObject(expected);
  });

  test("-I: a prefix and the process id", async () => {
    const { packet, midge } = await connectOf(["-I", "lamp-"]);
    expect(packet.clientId).toBe(`lamp-${midge.child.pid}`);
  });

  const secret = "s3cr@t/é";
  test.each([
    ["-P", ["-u", "me", "-P", secret], {}],
    ["--pw-file", ["-u", "me", "--pw-file", file("password", `${secret}\n`)], {}],
    ["--pw-file without a newline", ["-u", "me", "--pw-file", file("password-2", secret)], {}],
    ["MIDGE_PASSWORD", ["-u", "me"], { MIDGE_PASSWORD: secret }],
    ["an option wins over MIDGE_PASSWORD", ["-u", "me", "-P", secret], { MIDGE_PASSWORD: "other" }],
  ])("the Password comes from %s, and is not shown", async (_, args, env) => {
    const { packet, midge } = await connectOf(args, env);
    expect(packet).toMatchObject({ username: "me", password: Buffer.from(secret) });
    expect(midge.output + midge.errors).not.toContain("s3cr");
  });

  test("MIDGE_PASSWORD without a User Name is meant for somebody else", async () => {
    const { packet } = await connectOf([], { MIDGE_PASSWORD: secret });
    expect(packet.password).toBeUndefined();
  });

  test("User Name and Password in the URL are decoded, and not shown", async () => {
    const script = await Script.start(connack({ reasonCode: 0x86 }));
    const url = `mqtt://m%40e:s3cr%40t%2F%C3%A9@127.0.0.1:${script.port}/a`;
    const midge = await pub(["-L", url, "-m", "x", "-d"]);
    expect(await script.next("connect")).toMatchObject({ username: "m@e", password: Buffer.from(secret) });
    expect(midge.errors).toBe(`midge: can't connect to 127.0.0.1:${script.port}: Bad User Name or Password (0x86)\n`);
  });
});

describe("what can't be: one line on stderr, exit code 2", () => {
  const x = ["-t", "a", "-m", "x"];
  const longLine = "x".repeat(1_048_577);

  test.each([
    ["no source", ["-t", "a"], /say once what is published: --message, --file/],
    ["two sources", [...x, "-n"], /say once what is published/],
    ["an empty message and another", ["-t", "a", "-m", "", "-s"], /say once what is published/],
    ["no topic", ["-m", "x"], /say where: --topic/],
    ["a topic twice", ["-L", "mqtt://h/b", ...x], /in --url and in --topic/],
    ["a wildcard", ["-t", "a/+", "-m", "x"], /--topic "a\/\+": a Topic Name has no/],
    ["an empty topic", ["-t", "", "-m", "x"], /--topic is empty/],
    ["a topic that is too long", ["-t", "x".repeat(65_536), "-m", "x"], /--topic has 65536 bytes/],
    ["a file that is missing", ["-t", "a", "-f", "missing"], /--file missing: no such file/],
    ["a directory", ["-t", "a", "-f", directory], /--file .*: is a directory/],
    ["repeated lines", ["-t", "a", "-l", "--repeat", "2"], /--repeat can't be used with --stdin-line/],
    ["a delay alone", [...x, "--repeat-delay", "2"], /--repeat-delay needs --repeat/],
    ["no repetition", [...x, "--repeat", "0"], /--repeat "0": must be a whole number from 1/],
    [
      "a delay that is none",
      [...x, "--repeat", "2", "--repeat-delay", "soon"],
      /--repeat-delay "soon": must be seconds/,
    ],
    ["a QoS that is none", [...x, "-q", "3"], /--qos "3": must be a whole number from 0 to 2/],
    ["a port that is none", [...x, "-p", "0"], /--port "0": must be a whole number from 1 to 65535/],
    ["a host that is none", [...x, "-h", "a b"], /--host "a b": must be a name or an address/],
    ["a keepalive", [...x, "-k", "65536"], /--keepalive "65536"/],
    ["a version that is unknown", [...x, "-V", "mqttv31"], /--protocol-version "mqttv31": must be mqttv5 or/],
    ["a session without a name", [...x, "-c"], /--disable-clean-session needs --id/],
    ["a session with a prefix", [...x, "-c", "-I", "a"], /--disable-clean-session needs --id/],
    ["two names", [...x, "-i", "a", "-I", "b"], /--id or --id-prefix/],
    ["a name that is too long", [...x, "-i", "x".repeat(256)], /"clientId": .* longer than 255 bytes/],
    ["an expiry of 3.1.1", [...x, "-V", "4", "-x", "1"], /--session-expiry-interval exists from MQTT 5.0/],
    ["an expiry that is none", [...x, "-x", "-2"], /--session-expiry-interval "-2"/],
    [
      "a Password twice",
      [...x, "-u", "a", "-P", "b", "--pw-file", "/dev/null"],
      /the Password is given more than once/,
    ],
    ["a User Name twice", ["-L", "mqtt://u@h/a", "-u", "v", "-m", "x"], /the User Name is given more than once/],
    ["a Password alone in 3.1.1", [...x, "-V", "4", "-P", "b"], /a Password without --username exists from/],
    ["a password file that is missing", [...x, "--pw-file", "missing"], /--pw-file missing: no such file/],
    ["a will without a topic", [...x, "--will-payload", "b"], /a Will Message needs --will-topic/],
    ["a will to a wildcard", [...x, "--will-topic", "#"], /--will-topic "#"/],
    ["a will's QoS", [...x, "--will-topic", "w", "--will-qos", "3"], /--will-qos "3"/],
    ["a property of 3.1.1", [...x, "-V", "4", "--content-type", "b"], /properties exist from MQTT 5.0 on/],
    ["a user property without a value", [...x, "--user-property", "b"], /--user-property b: write name=value/],
    ["an expiry of a message", [...x, "--message-expiry", "-1"], /--message-expiry "-1"/],
    ["a response topic", [...x, "--response-topic", "#"], /--response-topic "#"/],
    ["a URL that is none", ["-L", "http://h/a", "-m", "x"], /--url: write mqtt/],
    ["a URL with bad escapes", ["-L", "mqtt://%zz@h/a", "-m", "x"], /--url: write mqtt/],
    ["a URL and a host", ["-L", "mqtt://h/a", "-h", "g", "-m", "x"], /leave out --host and --port/],
    ["debug and quiet", [...x, "-d", "--quiet"], /cannot be used with/],
    ["a word too many", [...x, "y"], /too many arguments/],
    ["-h without a host", [...x, "-h"], /-h, --host <name>/],
  ] as const)("%s", async (_, args, message) => {
    const midge = await pub(args);
    expect([midge.code, midge.output]).toEqual([2, ""]);
    expect(midge.errors).toMatch(/^midge: [^\n]+\n$/);
    expect(midge.errors).toMatch(message);
  });

  test("a line that is too long; those before it are published", async () => {
    const { port } = await startServer(presets.node, "midge");
    const watcher = await connectJs(port, 5);
    await watcher.client.subscribeAsync("a", { qos: 0 });
    const midge = await pub(["-p", `${port}`, "-t", "a", "-l", "-q", "1"], `one\n${longLine}\nthree\n`);
    expect([midge.code, midge.errors]).toEqual([2, "midge: line 2 of stdin: longer than 1048576 bytes\n"]);
    await watcher.received(1);
    expect(watcher.payloads()).toEqual(["one"]);
  });

  test("a password in a URL that is none does not come back", async () => {
    const midge = await pub(["-L", "mqtt://me:s3cret@h:port/a", "-m", "x"]);
    expect(midge.code).toBe(2);
    expect(midge.errors).not.toContain("s3cret");
  });
});

test.each(["pub", "sub"])("midge %s --help fits 100 columns and says nothing on stderr", async (name) => {
  const help = new Midge([name, "--help"]);
  expect(await help.exited).toBe(0);
  expect(help.errors).toBe("");
  expect(help.lines.length).toBeGreaterThan(30);
  expect(help.lines.filter((line) => line.length > 100)).toEqual([]);
});
