// Every manifest of the repository, as mcconfig would read it; and that what is generated in them is current.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import {
  ACTIVE_CONNECTIONS,
  QUEUE_LENGTH,
  RESERVE_BYTES,
  SEND_BYTES,
  socketCount,
  WINDOW_BYTES,
} from "../../hosts/esp32/memory";
import { manifests, root } from "../../scripts/manifests";
import { type PresetName, plan, presets } from "../../src/index";
import { readManifest } from "../support/moddable/manifest";
import { filesOf, lines, moduleState, parse } from "../support/syntax";

interface Written {
  build: Record<string, string>;
  config: Record<string, unknown>;
  creation: { static: number; stack: number } & Record<
    "chunk" | "heap" | "keys",
    { initial: number; incremental: number }
  >;
  defines: { task: { queueLength: number } };
  platforms: Record<string, { include: string[] }>;
}

const read = (path: string): Written => JSON.parse(readFileSync(join(root, path), "utf8"));

/** Modules that the compiler leaves nothing of: types and const enums. Nobody imports them at run time. */
function isEmpty(path: string): boolean {
  return parse(path).statements.every(
    (statement) =>
      ts.isInterfaceDeclaration(statement) ||
      ts.isTypeAliasDeclaration(statement) ||
      (ts.isImportDeclaration(statement) && statement.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword) ||
      (ts.isEnumDeclaration(statement) && statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ConstKeyword)),
  );
}

/** Problems, without those of modules of which nothing is left. */
function problemsOf(path: string, platform: string, sources: readonly string[]): string[] {
  const { problems } = readManifest(path, { platform, sources, root });
  return problems.filter((line) => {
    const file = /^(.*\.ts): nothing that "/.exec(line)?.[1];
    return file === undefined || !isEmpty(file);
  });
}

describe("the gateway", () => {
  test.each(["esp32", "esp32/esp32s3", "esp32/esp32c3", "esp32/esp32c6", "esp32/nodemcu", "lin"])(
    "on %s has all of src and its own modules, preloaded",
    (platform) => {
      const problems = problemsOf("hosts/esp32/manifest.json", platform, ["src", "hosts/text"]);
      expect(problems.filter((line) => !/: nothing that /.test(line))).toEqual([]);
      // The client of ECMA-419's pattern is for applications: the gateway has no use for it.
      const unused = problems.map((line) => line.split(":")[0]);
      expect(unused.filter((path) => path.startsWith("src/"))).toEqual([]);
      const { modules, preloaded } = readManifest("hosts/esp32/manifest.json", { platform, root });
      expect([...modules.keys()].filter((name) => !preloaded.has(name))).toEqual([]);
    },
  );

  test.each([
    ["esp32", "esp32"],
    ["esp32/esp32c3", "esp32"],
    ["esp32/esp32s3", "gateway"],
    ["esp32/esp32c6", "gateway"],
    ["lin", "gateway"],
  ])("on %s has the limits %s", (platform, preset) => {
    const { platforms } = read("hosts/esp32/manifest.json");
    const part = platforms[platform] ?? platforms[platform.split("/")[0]];
    expect(part.include).toContain(`./limits/${preset}.json`);
  });

  test("imports nothing that the SDK's manifests do not bring", () => {
    const { external } = readManifest("hosts/esp32/manifest.json", { platform: "esp32", root });
    expect(external).toEqual([
      "embedded:io/socket/listener",
      "embedded:io/socket/tcp",
      "embedded:io/socket/udp",
      "embedded:network/dnssd",
      "embedded:network/interface/wifi",
      "embedded:storage/key-value",
      "instrumentation",
      "mc/config",
      "sntp",
      "time",
      "timer",
      "wifi",
    ]);
  });

  test("is built where its files are", () => {
    const { build } = read("hosts/esp32/manifest_chip.json");
    expect(existsSync(join(root, "hosts/esp32", build.SDKCONFIGPATH, "sdkconfig.defaults"))).toBe(true);
    expect(existsSync(join(root, "hosts/esp32", build.PARTITIONS_FILE))).toBe(true);
  });
});

describe.each(["sensor", "embed"])("the example %s", (name) => {
  const path = `hosts/esp32/examples/${name}/manifest.json`;

  test.each(["esp32", "esp32/esp32c6", "lin"])("on %s has all it needs", (platform) => {
    const { modules, preloaded, problems } = readManifest(path, { platform, root });
    expect(problems).toEqual([]);
    expect([...modules.keys()].filter((module) => !preloaded.has(module))).toEqual([]);
  });

  test("is short", () => {
    const text = readFileSync(join(root, `hosts/esp32/examples/${name}/main.ts`), "utf8");
    expect(text.trim().split("\n").length).toBeLessThanOrEqual(name === "sensor" ? 40 : 55);
  });
});

describe("what is generated", () => {
  test.each([...manifests()])("%s is current: npm run manifests", (path, expected) => {
    expect(read(path)).toEqual(expected);
  });

  test.each(["esp32", "gateway"] satisfies PresetName[])("the machine for %s holds its plan and the rest", (name) => {
    const { config, creation } = read(`hosts/esp32/limits/${name}.json`);
    expect(creation.chunk.initial).toBeGreaterThanOrEqual(plan(presets[name]).totalBytes + RESERVE_BYTES);
    expect(config.chunkBytes).toBe(creation.chunk.initial);
    expect([creation.static, creation.chunk.incremental, creation.heap.incremental]).toEqual([0, 0, 0]);
    expect(creation.keys.incremental).toBe(0);
  });

  test.each([
    ["esp32", /\| `esp32` \| 6 \| ([\d,]+) \|/g],
    ["gateway", /\| `gateway` \| 22 \| ([\d,]+) \|/g],
  ] satisfies [PresetName, RegExp][])("docs/device.md says what the machine for %s takes", (name, row) => {
    const { creation } = read(`hosts/esp32/limits/${name}.json`);
    const slots = creation.heap.initial + read("manifest.json").creation.stack;
    const text = readFileSync(join(root, "docs/device.md"), "utf8");
    const said = [...text.matchAll(row)].map(([, figure]) => Number(figure.replaceAll(",", "")));
    expect(said).toEqual([creation.chunk.initial + 16 * slots, creation.chunk.initial + 16 * slots]);
    expect(presets[name].connections - 2).toBe(name === "esp32" ? 6 : 22);
  });

  test("the stack and the queue are those that the SDK's defaults are too small for", () => {
    const { creation, defines } = read("manifest.json");
    expect(creation.stack).toBe(640);
    // Sockets, those being closed, listeners, events of the radio, one more.
    expect(defines.task.queueLength).toBeGreaterThanOrEqual(ACTIVE_CONNECTIONS + 8 + 4 + 8 + 1);
    expect(defines.task.queueLength).toBe(QUEUE_LENGTH);
  });
});

describe("sdkconfig", () => {
  const text = readFileSync(join(root, "hosts/esp32/sdkconfig/sdkconfig.defaults"), "utf8");
  const value = (name: string): string | undefined => new RegExp(`^CONFIG_${name}=(.*)$`, "m").exec(text)?.[1];

  test("has what the memory plan says of sockets", () => {
    expect(Number(value("LWIP_TCP_WND_DEFAULT"))).toBe(WINDOW_BYTES);
    expect(Number(value("LWIP_TCP_SND_BUF_DEFAULT"))).toBe(SEND_BYTES);
    expect(WINDOW_BYTES).toBe(2 * Number(value("LWIP_TCP_MSS")));
    expect(Number(value("LWIP_MAX_ACTIVE_TCP"))).toBe(ACTIVE_CONNECTIONS);
    expect(socketCount(presets.gateway.connections)).toBeLessThanOrEqual(ACTIVE_CONNECTIONS);
  });

  test("an output of the broker fits into a send buffer", () => {
    expect(presets.gateway.outputBytes).toBeLessThanOrEqual(SEND_BYTES);
  });

  test("starts again what does not answer any more", () => {
    expect([value("ESP_TASK_WDT_EN"), value("ESP_TASK_WDT_PANIC")]).toEqual(["y", "y"]);
  });

  test("the partitions lie one behind the other in 4 MB, the program at a multiple of 64 KB", () => {
    const rows = readFileSync(join(root, "hosts/esp32/sdkconfig/partitions.csv"), "utf8")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => line.split(",").map((cell) => cell.trim()));
    expect(rows.map(([name]) => name)).toEqual(["nvs", "phy_init", "factory", "midge"]);
    let end = 0x9000;
    for (const [, , , offset, size] of rows) {
      expect(Number(offset)).toBe(end);
      end += Number(size);
    }
    expect(end).toBe(4 * 1024 * 1024);
    expect(Number(rows[2][3]) % 0x10000).toBe(0);
    expect(Number(rows[3][4])).toBe(1024 * 1024);
  });
});

/** Maps and views that nobody writes to: read-only is what they shall be. */
const TABLES = /module state: (kinds|reasonCodeNames|causeNames|dropNames)\b/;

test("nothing that is preloaded has state in module scope, which would be read-only there", () => {
  const hosts = filesOf("hosts/ecma419", "hosts/text", "hosts/esp32").filter(
    (path) => !/\/(examples|typings)\//.test(path),
  );
  const found = lines(hosts.flatMap((path) => moduleState(parse(path))));
  expect(found.filter((line) => !TABLES.test(line))).toEqual([]);
});
