// The firmware as a whole, on what the SDK does: from power on to a message, and what happens when things go wrong.

import KeyValue from "embedded:storage/key-value";
import config from "mc/config";
import { beforeEach, describe, expect, test, vi } from "vitest";
import main from "../../../hosts/esp32/main";
import { memoryWarning } from "../../../hosts/esp32/memory";
import { presets } from "../../../src/memory/limits";
import { Device, type DeviceOptions } from "../../support/moddable/device";
import { announcements, OldWiFi, type Radio, radio, timeServer } from "../../support/moddable/network";
import { connect, type Peer } from "../../support/moddable/peer";
import { type Nvs, nvs, restoreNvs } from "../../support/moddable/storage";
import { wallClock } from "../../support/moddable/timer";
import { type Chip, makeChip } from "./chip";

let device: Device;
let air: Radio;
let chip: Chip;

const built: Record<string, unknown> = { limits: "esp32", sntp: "time.test", chunkBytes: 76800 };

/** A device begins; `kept` is what the one before had in NVS. */
function boot(changes: Record<string, unknown> = {}, kept?: Nvs, options: Partial<DeviceOptions> = {}): void {
  device = new Device({ queueLength: 64, activeConnections: 24, sendBytes: 2872, windowBytes: 2872, ...options });
  if (kept !== undefined) restoreNvs(kept);
  air = radio();
  air.networks.set("home", "password");
  const { resetReason } = chip;
  chip = makeChip();
  chip.resetReason = resetReason;
  timeServer("time.test", 1_790_000_000);
  vi.spyOn(Date, "now").mockImplementation(() => wallClock());
  for (const name of Object.keys(config)) delete (config as Record<string, unknown>)[name];
  Object.assign(config, built, changes);
  main();
}

beforeEach(() => {
  chip = makeChip();
});

const home = { network: "home", networkPassword: "password" };

/** Seconds, with the network going as far as it can. */
function pass(seconds: number): void {
  for (let i = 0; i < seconds && chip.restarts === 0; i++) {
    device.run(1000);
    air.proceed();
    device.settle();
  }
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const words = (): string[] =>
  chip.lines.filter((line) => /^\+?\d\d:/.test(line)).map((line) => line.split("  ")[1].trim());
const linesWith = (word: string): string[] => chip.lines.filter((line) => line.includes(`  ${word}`));

/** A client that subscribes to `filter` and has its CONNACK and SUBACK. */
function client(id: string, filter = ""): Peer {
  const peer = connect(1883);
  device.settle();
  const text = bytes(id);
  const connectPacket = [0x10, 12 + text.length, 0, 4, 77, 81, 84, 84, 4, 2, 0, 60, 0, text.length, ...text];
  const topic = bytes(filter);
  const subscribe = filter === "" ? [] : [0x82, 5 + topic.length, 0, 1, 0, topic.length, ...topic, 0];
  peer.send([...connectPacket, ...subscribe]);
  device.run(200);
  const answer = peer.take();
  expect([...answer.subarray(0, 4)]).toEqual([0x20, 2, 0, 0]);
  rest = new TextDecoder("latin1").decode(answer.subarray(4));
  return peer;
}

/** What came with the answers to the last client. */
let rest = "";

const text = (peer: Peer): string => new TextDecoder("latin1").decode(peer.take());

describe("a gateway with its network built in", () => {
  test("says what its memory is for, joins, listens, and has a name", () => {
    boot(home);
    pass(4);
    expect(chip.lines[0]).toMatch(/^memory, fixed before start/);
    expect(chip.lines.find((line) => line.startsWith("the broker, in all"))).toMatch(/40,2\d\d$/);
    expect(chip.lines.find((line) => line.startsWith("sockets at worst"))).toMatch(/ 7 +5,744 +40,208$/);
    expect(words().sort()).toEqual(["connected", "joined", "joining", "listening", "named", "started", "time"]);
    expect(linesWith("listening")[0]).toContain("mqtt://192.168.1.50:1883");
    expect(linesWith("named")[0]).toContain("mqtt://midge.local:1883");
    expect(chip.isAwake).toBe(true);
    expect(announcements().services.map(({ serviceType, host, port }) => [serviceType, host, port])).toEqual([
      ["_mqtt._tcp", "midge", 1883],
    ]);
  });

  test("carries a message from one client to another", () => {
    boot(home);
    pass(3);
    const lamp = client("lamp", "home/#");
    const door = client("door");
    door.send([0x30, 9, 0, 6, ...bytes("home/a"), 33]);
    device.run(200);
    expect([...lamp.take()]).toEqual([0x30, 9, 0, 6, ...bytes("home/a"), 33]);
    expect(linesWith("connected").at(-1)).toMatch(/connected +door {2}192\.168\.4\.2 {2}MQTT 3\.1\.1$/);
  });

  test("tells the time from a time server, and has it in its lines", () => {
    boot(home);
    pass(3);
    expect(linesWith("joined")[0]).toMatch(/^\+00:00:01\.000 {2}/);
    expect(linesWith("time")).toEqual(["14:13:22.000  time                set"]);
  });

  test("publishes what it knows of itself, each minute, retained", () => {
    boot(home);
    pass(65);
    const peer = client("watcher", "$SYS/#");
    const first = rest + text(peer);
    for (const topic of ["uptime", "restart", "clients/connected", "messages/received", "messages/sent", "pools"]) {
      expect(first).toContain(`$SYS/broker/${topic}`);
    }
    expect(first).toContain("power on");
    expect(first).toContain("heap 200000 200000");
    expect(first).toContain("sessions 1");
    pass(60);
    expect(text(peer)).toContain("$SYS/broker/uptime");
  });

  test("says nothing of itself when it shall not, and has the connection for others", () => {
    boot({ ...home, status: false });
    pass(65);
    expect(linesWith("connected")).toEqual([]);
    client("watcher", "$SYS/#");
    expect(rest).not.toContain("$SYS");
  });

  test("loses the network: it takes its announcement back, joins again, and its clients come back", () => {
    boot(home);
    pass(4);
    client("lamp");
    air.lose();
    device.settle();
    expect(announcements().services).toEqual([]);
    expect(announcements().claims).toEqual([]);
    pass(10);
    expect(words().filter((word) => word === "lost")).toHaveLength(1);
    expect(words().filter((word) => word === "joined")).toHaveLength(2);
    expect(announcements().services).toHaveLength(1);
    client("lamp");
    expect(device.fault).toBeUndefined();
    expect(chip.restarts).toBe(0);
  });

  test("whose name another device has takes the next one", () => {
    boot(home);
    announcements().taken.add("midge");
    pass(10);
    expect(linesWith("named")).toHaveLength(1);
    expect(linesWith("named")[0]).toContain("mqtt://midge-2.local:1883");
    expect(announcements().claims.map(({ host }) => host)).toEqual(["midge-2"]);
  });

  test("stays for a day, with a network that comes and goes", () => {
    boot(home);
    for (let hour = 0; hour < 24; hour++) {
      pass(30);
      device.run(3_500_000);
      air.lose();
      device.settle();
    }
    expect(device.fault).toBeUndefined();
    expect(chip.restarts).toBe(0);
    pass(90);
    client("lamp");
  });

  test("never opens an access point, however long the network is away", () => {
    boot({ ...home, networkPassword: "another-password" });
    pass(3000);
    expect(chip.restarts).toBe(0);
    expect(linesWith("not joined").length).toBeGreaterThan(20);
  });
});

describe("a gateway that nobody has told a network", () => {
  test("opens an access point, with a form, and serves MQTT there", () => {
    boot();
    pass(3);
    expect(air.accessPoint).toEqual({ ssid: "midge-ab01", password: "", max: 8 });
    expect(linesWith("access point")[0]).toContain("http://192.168.4.1");
    client("phone");
    expect(device.fault).toBeUndefined();
  });

  test("keeps its serial at the end of the longest name", () => {
    boot({ hostName: "x".repeat(32) });
    expect(air.accessPoint?.ssid).toBe(`${"x".repeat(27)}-ab01`);
  });

  test("restarts when the access point can't be opened now, not at once", () => {
    const opens = vi.spyOn(OldWiFi, "accessPoint").mockImplementation(() => {
      throw new Error("no memory");
    });
    boot();
    opens.mockRestore();
    pass(5);
    expect(chip.lines.at(-1)).toContain("Midge does not start: no memory");
    expect(chip.restarts).toBe(0);
    pass(10);
    expect(chip.restarts).toBe(1);
    chip.resetReason = 3;
    boot({}, nvs(device));
    expect(linesWith("started")[0]).toContain("no memory");
    expect(air.accessPoint?.ssid).toBe("midge-ab01");
  });

  test("whose access point has a password", () => {
    boot({ setupPassword: "only for me" });
    expect(air.accessPoint?.password).toBe("only for me");
  });

  test("is told one, restarts, and joins it", () => {
    boot();
    pass(2);
    const peer = connect(80);
    device.settle();
    const body = "ssid=home&password=password&host=gate";
    peer.send(bytes(`POST / HTTP/1.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`));
    pass(5);
    expect(text(peer)).toContain("Saved");
    expect(chip.restarts).toBe(1);
    chip.resetReason = 3;
    boot({}, nvs(device));
    pass(4);
    expect(linesWith("started")[0]).toContain("the network was set");
    expect(linesWith("named")[0]).toContain("gate.local");
    // From now on it knows that the settings are right.
    air.networks.clear();
    air.lose();
    pass(2000);
    expect(chip.restarts).toBe(0);
  });

  test("and is told a wrong one, opens its access point again, and after ten minutes tries once more", () => {
    boot();
    const wrong = KeyValue.open({ path: "midge", format: "string" });
    wrong.write("ssid", "home");
    wrong.write("password", "wrong-password");
    chip.resetReason = 3;
    boot({}, nvs(device));
    pass(600);
    expect(chip.restarts).toBe(1);
    boot({}, nvs(device));
    pass(2);
    expect(air.accessPoint?.ssid).toBe("midge-ab01");
    expect(linesWith("started")[0]).toContain("could not be joined");
    pass(610);
    expect(chip.restarts).toBe(1);
    boot({}, nvs(device));
    expect(words()).toContain("joining");
    expect(air.accessPoint).toBe(null);
  });
});

describe("what can't be", () => {
  test.each([
    [{ limits: "huge" }, 'no preset is named "huge"'],
    [{ changes: { connections: 1 } }, 'limit "connections"'],
    [{ changes: { connexions: 5 } }, 'limit "connexions": is no limit'],
    [{ port: "mqtt" }, "config.port must be a whole number from 1 to 65535"],
    [{ hostName: "my gateway" }, "letters, digits and hyphens"],
    [{ hostName: "\u00fc".repeat(30), network: "" }, "letters, digits and hyphens"],
    [{ network: "x".repeat(40) }, "longer than 32 bytes"],
    [{ networkPassword: "short" }, "8 to 63 characters"],
    [{ setupPassword: "short" }, "config.setupPassword has 8 to 63 characters"],
    [{ limits: "gateway" }, "this build's machine has 76,800 (creation.chunk.initial). Choose a smaller preset"],
    [{ chunkBytes: 0, limits: "gateway" }, "the largest piece of the heap has 100,000"],
  ])("%j is one line, and nothing starts", (changes, problem) => {
    boot({ ...home, ...changes });
    pass(5);
    const last = chip.lines.at(-1) ?? "";
    expect(last).toMatch(/^Midge does not start: /);
    expect(last).toContain(problem);
    expect(last).not.toContain("short\n");
    expect(device.doors).toEqual([]);
    expect(device.timers).toEqual([]);
    expect(chip.restarts).toBe(0);
  });

  test("what comes from mcconfig's command line is text", () => {
    boot({ ...home, port: "8883", status: "false", changes: { connections: 6 } });
    pass(3);
    expect(linesWith("listening")[0]).toContain(":8883");
  });

  test("a heap that may be too small for all sockets at once is told, and it starts", () => {
    expect(memoryWarning(presets.gateway.connections, { free: 200_000, largestBlock: 0 })).toBe("");
    expect(memoryWarning(presets.gateway.connections, { free: 0, largestBlock: 0 })).toBe("");
    expect(memoryWarning(presets.gateway.connections, { free: 60_000, largestBlock: 0 })).toContain(
      "if all 23 connections were full at once, sockets would take 132,112 bytes of 60,000 free",
    );
  });
});

describe("when XS can't go on", () => {
  const abort = (...all: unknown[]): void =>
    (globalThis as unknown as { abort(...all: unknown[]): void }).abort(...all);

  test("it restarts, and says why after it", () => {
    boot(home);
    pass(3);
    abort("unhandled exception", new RangeError("x"));
    expect(chip.restarts).toBe(1);
    chip.resetReason = 3;
    boot(home, nvs(device));
    expect(linesWith("started")[0]).toContain("after: unhandled exception: RangeError: x");
    chip.restarts = 0;
    boot(home, nvs(device));
    expect(linesWith("started")[0]).toContain("after: restarted by the program");
  });

  test("it restarts too when there is no memory to say why", () => {
    boot(home);
    (globalThis as unknown as { trace: () => void }).trace = () => {
      abort("memory full");
      throw new Error("memory full");
    };
    abort("memory full");
    expect(chip.restarts).toBeGreaterThan(0);
  });

  test("a loss of power has its own reason, whatever was written down before", () => {
    boot(home);
    abort("memory full");
    chip.resetReason = 1;
    boot(home, nvs(device));
    expect(linesWith("started")[0]).toContain("after: power on");
  });
});

describe("a crowd", () => {
  test("more clients than connections: those that have one are left alone, the log is bounded", () => {
    boot(home);
    pass(3);
    const lamp = client("lamp", "a");
    for (let i = 0; i < 60; i++) {
      const peer = connect(1883);
      device.run(20);
      if (!peer.deviceEnded && peer.state === "open")
        peer.send([0x10, 13, 0, 4, 77, 81, 84, 84, 4, 2, 0, 60, 0, 1, 48 + (i % 60)]);
      device.run(20);
    }
    pass(3);
    expect(chip.lines.length).toBeLessThan(200);
    lamp.send([0x30, 4, 0, 1, 97, 33]);
    device.run(200);
    expect([...lamp.take()]).toEqual([0x30, 4, 0, 1, 97, 33]);
    expect(device.fault).toBeUndefined();
  });
});

test("in builds that count, a line a minute says what the engine uses", () => {
  boot(home);
  device.counters.set("XS Chunk Heap Used", 61_234);
  pass(62);
  const lines = linesWith("memory");
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain("61,234 chunk bytes, 0 collections");
  expect(lines[0]).toContain("least free: sessions 11/12");
  boot(home, undefined, { instrumented: false });
  pass(62);
  expect(linesWith("memory")).toEqual([]);
});
