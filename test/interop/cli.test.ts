// The command line: what it prints, what it refuses, how it ends.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { kinds } from "../../hosts/text/events";
import { plan, presets } from "../../src/index";
import { connectJs, RawClient, sleep, until } from "./clients";
import { Midge } from "./command";

/** Every field of the JSON log. */
const eventFields = [
  ...["time", "event", "client", "address", "connection", "session", "protocol", "sessionPresent", "reason"],
  ...["reasonCode", "limit", "count", "url", "host", "port", "loopback", "counters"],
  ...["arenaBytes", "viewBytes", "totalBytes", "rows"],
];

const directory = mkdtempSync(join(tmpdir(), "midge-cli-"));
afterAll(() => rmSync(directory, { recursive: true }));

function file(name: string, content: unknown): string {
  const path = join(directory, name);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

/** Runs to the end. */
async function run(...args: string[]): Promise<Midge> {
  const midge = new Midge(args);
  await midge.exited;
  return midge;
}

describe("midge plan", () => {
  test.each(Object.keys(presets))("%s: the numbers add up and are those of the library", async (name) => {
    const midge = await run("plan", "--limits", name, "--json");
    expect(midge.errors).toBe("");
    expect(midge.code).toBe(0);
    const printed = JSON.parse(midge.output);
    const { arenaBytes, viewBytes, totalBytes, rows, host } = printed;
    const sum = (list: { bytes: number }[]): number => list.reduce((total, { bytes }) => total + bytes, 0);
    expect(sum(rows)).toBe(arenaBytes);
    expect(arenaBytes + viewBytes).toBe(totalBytes);
    expect({ arenaBytes, viewBytes, totalBytes, rows }).toEqual(plan(presets[name as keyof typeof presets]));
    for (const row of host) expect(row.count * row.bytesEach).toBe(row.bytes);
    const text = (await run("plan", "--limits", name)).output;
    expect(text).toContain(totalBytes.toLocaleString("en-US"));
    expect(text).not.toContain("\u001b");
  });

  test("node is the default; --set and a limits file change it", async () => {
    const total = async (...args: string[]): Promise<number> => {
      const midge = await run("plan", "--json", ...args);
      expect(midge.errors).toBe("");
      return JSON.parse(midge.output).totalBytes;
    };
    expect(await total()).toBe(plan(presets.node).totalBytes);
    const twelve = { ...presets.esp32, connections: 12, sessions: 16 };
    expect(await total("--limits", "esp32", "--set", "connections=12", "--set", "sessions=16")).toBe(
      plan(twelve).totalBytes,
    );
    const limits = file("limits.json", { preset: "esp32", connections: 12, sessions: 16 });
    expect(await total("--limits", limits)).toBe(plan(twelve).totalBytes);
    expect(await total("--limits", limits, "--set", "connections=14")).toBe(
      plan({ ...twelve, connections: 14 }).totalBytes,
    );
    const config = file("config-with-file.json", { limits: "limits.json" });
    expect(await total("--config", config)).toBe(plan(twelve).totalBytes);
    const inline = file("config-inline.json", { limits: { preset: "esp32", connections: 12, sessions: 16 } });
    expect(await total("--config", inline)).toBe(plan(twelve).totalBytes);
    expect(await total("--config", config, "--limits", "tiny")).toBe(plan(presets.tiny).totalBytes);
  });
});

describe("what can't be: one line on stderr, exit code 2, nothing started", () => {
  const notJson = file("not.json", "{ connections: 3 }");
  const list = file("list.json", []);
  const unknownLimit = file("unknown-limit.json", { preset: "esp32", conections: 12 });
  const unknownPreset = file("unknown-preset.json", { preset: "esp23" });
  const wrongType = file("wrong-type.json", { connections: "12" });
  const outOfRange = file("out-of-range.json", { clientIdBytes: 4 });
  const unknownField = file("unknown-field.json", { prot: 1883 });
  const badPort = file("bad-port.json", { port: 70_000 });
  const badLog = file("bad-log.json", { log: "loud" });
  const badJson = file("bad-json.json", { json: "yes" });
  const badHost = file("bad-host.json", { host: 1 });
  const badLimits = file("bad-limits.json", { limits: 12 });
  const badInline = file("bad-inline.json", { limits: { preset: "tiny", retained: -1 } });

  test.each([
    ["an unknown command", ["brokr"], /unknown command 'brokr'.*broker/],
    ["an unknown option", ["broker", "--prot", "1"], /unknown option '--prot'.*--port/],
    ["an option without its value", ["broker", "--port"], /--port/],
    ["a word too many", ["broker", "now"], /too many arguments/],
    ["quiet and verbose", ["broker", "--quiet", "--verbose"], /cannot be used with/],
    ["a port that is none", ["broker", "--port", "http"], /port "http": must be a whole number from 0 to 65535/],
    ["a port out of range", ["broker", "--port", "65536"], /port "65536"/],
    ["an unknown preset", ["plan", "--limits", "esp23"], /limits "esp23": no preset \(tiny, .*no such file/],
    ["an assignment without a value", ["plan", "--set", "connections"], /--set connections: write name=value/],
    ["an unknown limit", ["plan", "--set", "conections=3"], /unknown .*"conections" \(did you mean "connections"\?\)/],
    ["a limit that is no number", ["plan", "--set", "retained=many"], /--set retained=many: must be a whole number/],
    ["a limit out of range", ["plan", "--set", "clientIdBytes=4"], /"clientIdBytes": must be from 23 to 255/],
    ["limits at odds", ["plan", "--set", "sessions=5"], /"sessions": must be at least connections/],
    ["an unknown policy", ["plan", "--set", "sessionOverflow=panic"], /"sessionOverflow": must be one of drop-newest/],
    ["a missing configuration file", ["broker", "--config", "missing.json"], /missing\.json: no such file/],
    ["a directory", ["broker", "--config", directory], /is a directory/],
    ["a file that is no JSON", ["plan", "--limits", notJson], /not\.json: not JSON/],
    ["a file that holds a list", ["plan", "--limits", list], /must hold a JSON object/],
    ["an unknown limit in a file", ["plan", "--limits", unknownLimit], /unknown-limit\.json: .*"conections" \(did/],
    ["an unknown preset in a file", ["plan", "--limits", unknownPreset], /unknown-preset\.json: field "preset"/],
    ["a limit of the wrong type in a file", ["plan", "--limits", wrongType], /wrong-type\.json: .*"connections"/],
    ["a limit out of range in a file", ["plan", "--limits", outOfRange], /out-of-range\.json: .*"clientIdBytes"/],
    ["an unknown field", ["broker", "--config", unknownField], /unknown-field\.json: .*"prot" \(did you mean "port"/],
    ["a port out of range in a file", ["broker", "--config", badPort], /bad-port\.json: field "port"/],
    ["an unknown detail", ["broker", "--config", badLog], /bad-log\.json: field "log": must be one of quiet/],
    ["json that is no truth value", ["broker", "--config", badJson], /bad-json\.json: field "json"/],
    ["a host that is no name", ["broker", "--config", badHost], /bad-host\.json: field "host"/],
    ["limits that are none", ["broker", "--config", badLimits], /bad-limits\.json: field "limits"/],
    ["an impossible limit inside", ["broker", "--config", badInline], /bad-inline\.json: field "limits": .*"retained"/],
  ] as const)("%s", async (_, args, message) => {
    const midge = await run(...args);
    expect(midge.code).toBe(2);
    expect(midge.output).toBe("");
    expect(midge.errors).toMatch(/^midge: [^\n]+\n$/);
    expect(midge.errors).toMatch(message);
  });

  test("what was typed comes back escaped", async () => {
    const midge = await run("plan", "--set", "\u001b[31mred\n\u202e=1");
    expect(midge.code).toBe(2);
    expect(midge.errors).toMatch(/^midge: [ -~]+\n$/);
  });

  test("nothing at all shows the help", async () => {
    const midge = await run();
    expect(midge.code).toBe(2);
    expect(midge.output).toMatch(/Usage: midge .*broker.*plan.*pub.*sub/s);
  });
});

test("the documentation names every option, event and field", async () => {
  const text = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8");
  const helps = await Promise.all(["broker", "plan", "pub", "sub"].map((name) => run(name, "--help")));
  const help = helps.map(({ output }) => output).join("");
  const options = [...help.matchAll(/(?<![\w-])(--[a-z-]+|-[a-zA-Z](?=,))/g)].map(([option]) => option);
  expect(options.length).toBeGreaterThan(60);
  const events = [...[...kinds.values()].map(({ name }) => name), "streamRefused", "acceptFailed", "plan", "listening"];
  const wanted = [...options.filter((option) => option !== "--help"), ...events, "stopping", "stopped", ...eventFields];
  expect(wanted.filter((name) => !text.includes(`\`${name}`))).toEqual([]);
});

test("--help and --version exit with 0", async () => {
  const help = await run("broker", "--help");
  expect(help.code).toBe(0);
  for (const option of ["--port", "--host", "--limits", "--set", "--config", "--quiet", "--verbose", "--json"]) {
    expect(help.output).toContain(option);
  }
  const version = await run("--version");
  expect(version.code).toBe(0);
  expect(version.output).toBe("1.2.3\n");
});

describe("what the machine refuses: one line on stderr, exit code 1", () => {
  test("a port in use", async () => {
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as net.AddressInfo;
    const midge = await run("broker", "--port", `${port}`, "--quiet");
    server.close();
    expect(midge.code).toBe(1);
    expect(midge.output).toBe("");
    expect(midge.errors).toBe(`midge: port in use: 127.0.0.1:${port}\n`);
  });

  test("an address of another machine", async () => {
    const midge = await run("broker", "--port", "0", "--host", "192.0.2.1", "--quiet");
    expect(midge.code).toBe(1);
    expect(midge.errors).toBe("midge: not an address of this machine: 192.0.2.1\n");
  });
});

describe("midge broker", () => {
  test.each(["SIGTERM", "SIGINT"] as const)("%s: DISCONNECT 0x8B to 5.0 clients, exit code 0", async (signal) => {
    const midge = new Midge(["broker", "--port", "0", "--limits", "tiny"]);
    const port = await midge.listening();
    const five = new RawClient(port, 5);
    await five.connect("five");
    const four = new RawClient(port, 4);
    await four.connect("four");
    midge.child.kill(signal);
    expect(await five.next("disconnect")).toMatchObject({ reasonCode: 0x8b });
    await until(() => five.ended && four.ended, "both were let go");
    expect(await midge.exited).toBe(0);
    expect(midge.errors).toBe("");
  });

  test("a client that never reads does not keep it from ending", async () => {
    const midge = new Midge(["broker", "--port", "0", "--limits", "tiny"]);
    const port = await midge.listening();
    const client = new RawClient(port, 5);
    await client.connect("deaf");
    client.socket.pause();
    const started = Date.now();
    midge.child.kill("SIGTERM");
    expect(await midge.exited).toBe(0);
    expect(Date.now() - started).toBeLessThan(5000);
  });

  test("prints the plan, then where it listens and that it is this machine only, then what happens", async () => {
    const midge = new Midge(["broker", "--port", "0", "--limits", "tiny"]);
    const port = await midge.listening();
    const client = await connectJs(port, 5, { clientId: "lamp-1" });
    await client.client.endAsync();
    await midge.printed(/disconnected/);
    const { output } = midge;
    expect(output).not.toContain("\u001b");
    const places = [/^total .*\d$/m, /^listening mqtt:\/\/127\.0\.0\.1:\d+$/m, /this machine/, /connected +lamp-1/];
    const found = places.map((pattern) => output.search(pattern));
    expect(found.every((at) => at >= 0)).toBe(true);
    expect([...found].sort((a, b) => a - b)).toEqual(found);
    expect(output).toMatch(/connected +lamp-1 +127\.0\.0\.1:\d+ +MQTT 5\.0$/m);
    expect(output).toMatch(/disconnected +lamp-1 +127\.0\.0\.1:\d+ +Normal disconnection$/m);
  });

  test("warns when it is open to the network", async () => {
    const midge = new Midge(["broker", "--port", "0", "--host", "0.0.0.0", "--limits", "tiny"]);
    await midge.printed(/listening mqtt:\/\/0\.0\.0\.0:\d+\n.*Open to the network/);
  });

  test("--quiet says only where it listens and what was refused", async () => {
    const midge = new Midge(["broker", "--port", "0", "--limits", "tiny", "--quiet"]);
    const port = await midge.listening();
    const client = await connectJs(port, 4, { clientId: "plain" });
    await client.client.endAsync();
    const long = new RawClient(port, 5);
    await long.connect("x".repeat(presets.tiny.clientIdBytes + 1));
    await midge.printed(/refused/);
    expect(midge.lines.length).toBeGreaterThanOrEqual(2);
    expect(midge.lines[0]).toMatch(/^listening mqtt:/);
    expect(midge.output).not.toMatch(/ connected|total/);
    expect(midge.output).toContain("Client Identifier not valid");
  });

  test("--json prints one object a line, documented fields only", async () => {
    const midge = new Midge(["broker", "--port", "0", "--limits", "tiny", "--json", "--verbose"]);
    const port = await midge.listening();
    const client = await connectJs(port, 5, { clientId: "sensor", properties: { sessionExpiryInterval: 60 } });
    client.cut();
    await midge.printed(/"disconnected"/);
    const again = await connectJs(port, 4, { clientId: "sensor", clean: false });
    await again.client.subscribeAsync("a/b/c", { qos: 0 });
    await again.client.subscribeAsync("1/2/3/4/5/6/7/8/9", { qos: 0 }).catch(() => {});
    await midge.printed(/"subscribeRefused"/);
    await again.client.endAsync();
    midge.child.kill("SIGTERM");
    expect(await midge.exited).toBe(0);
    for (const event of midge.events) {
      expect(new Date(event.time as string).toISOString()).toBe(event.time);
      expect(Object.keys(event).filter((field) => !eventFields.includes(field))).toEqual([]);
    }
    const of = (name: string) => midge.events.filter(({ event }) => event === name);
    expect(of("plan")[0]).toMatchObject({ totalBytes: plan(presets.tiny).totalBytes });
    expect(of("listening")[0]).toMatchObject({ url: `mqtt://127.0.0.1:${port}`, port, loopback: true });
    expect(of("connected")[0]).toMatchObject({ client: "sensor", protocol: "5.0", sessionPresent: false });
    expect(of("connected")[0].address).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(of("disconnected")[0]).toMatchObject({ client: "sensor", reason: "connection lost" });
    expect(of("connected")[1]).toMatchObject({ client: "sensor", protocol: "3.1.1", sessionPresent: true });
    expect(of("subscribeRefused")[0]).toMatchObject({ client: "sensor", limit: "topicLevels" });
    expect(of("stopping")[0]).toMatchObject({ reason: "SIGTERM" });
    expect(of("stopped")[0].counters).toMatchObject({ connected: 2, subscribeRefused: 1 });
  });

  test("a Client Identifier with anything in it stays on its line, in text and in JSON", async () => {
    const nasty = 'a\u007f"b\\\u0085\u202e\u2028 é';
    for (const flags of [[], ["--json"]]) {
      const midge = new Midge(["broker", "--port", "0", "--limits", "tiny", ...flags]);
      const port = await midge.listening();
      const client = new RawClient(port, 4);
      await client.connect(nasty);
      await midge.printed(/[^-]connected/);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
      expect(midge.output).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/);
      if (flags.length === 0) expect(midge.output).toContain('"a\\u007f\\"b\\\\\\u0085\\u202e\\u2028 é"');
      else expect(midge.events.find(({ event }) => event === "connected")?.client).toBe(nasty);
      midge.child.kill("SIGTERM");
      expect(await midge.exited).toBe(0);
    }
  });

  test("what comes by the thousand is counted, not printed", async () => {
    const midge = new Midge(["broker", "--port", "0", "--limits", "tiny", "--json"]);
    const port = await midge.listening();
    const client = new RawClient(port, 5);
    await client.connect("busy");
    const levels = "1/2/3/4/5/6/7/8/9";
    for (let i = 0; i < 300; i++) {
      client.send({ cmd: "publish", topic: levels, payload: "", qos: 0, dup: false, retain: false });
      if (i % 50 === 0) await sleep(5);
    }
    const dropped = () => midge.events.filter(({ event }) => event === "publishDropped");
    const total = () => dropped().reduce((sum, { count }) => sum + ((count as number | undefined) ?? 1), 0);
    await until(() => total() >= 300, `300 were counted (${total()} were)`);
    expect(total()).toBe(300);
    expect(dropped().length).toBeLessThanOrEqual(4);
  });

  test("a stream beyond the connections is closed, and shown", async () => {
    const midge = new Midge(["broker", "--port", "0", "--limits", "tiny", "--json"]);
    const port = await midge.listening();
    const clients: RawClient[] = [];
    // Three seats and the spare, then one more.
    for (let i = 0; i < 3; i++) {
      const client = new RawClient(port, 4);
      await client.connect(`c${i}`);
      clients.push(client);
    }
    for (let i = 0; i < 30; i++) clients.push(new RawClient(port, 4));
    await until(() => clients.filter(({ ended }) => ended).length >= 28, "the streams were closed");
    for (const client of clients.slice(0, 3)) expect(client.ended).toBe(false);
    await midge.printed(/"(streamRefused|abandoned)"/);
  });

  test("the configuration file is used, and options win over it", async () => {
    const config = file("broker.json", { host: "127.0.0.1", port: 1, limits: "tiny", log: "quiet", json: true });
    const midge = new Midge(["broker", "--config", config, "--port", "0", "--verbose"]);
    await midge.listening();
    expect(midge.events[0]).toMatchObject({ event: "plan", totalBytes: plan(presets.tiny).totalBytes });
    const quiet = new Midge(["broker", "--config", file("quiet.json", { port: 0, limits: "tiny", log: "quiet" })]);
    await quiet.listening();
    await sleep(50);
    expect(quiet.lines.length).toBe(1);
  });
});
