// The reader of manifests against made-up ones; what mcconfig does was read in tools/mcmanifest.js and tools/mcconfig.js,
// and what XS does with an import in xs/platforms/mc/xsHosts.c.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { type ManifestOptions, type Resolution, readManifest, resolveImport } from "../../support/moddable/manifest";

const made: string[] = [];

afterEach(() => {
  for (const directory of made.splice(0)) rmSync(directory, { recursive: true });
});

/** Reads `manifest.json` of files with these texts; objects are written as JSON. */
function read(files: Record<string, string | object>, options: ManifestOptions = {}): Resolution {
  const root = mkdtempSync(join(tmpdir(), "midge-manifest-"));
  made.push(root);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), typeof content === "string" ? content : JSON.stringify(content));
  }
  return readManifest("manifest.json", { root, ...options });
}

const modulesOf = (resolution: Resolution): Record<string, string> => Object.fromEntries(resolution.modules);

describe("modules", () => {
  test("a name without extension takes the file of that name, whatever its extension", () => {
    const all = read({
      "manifest.json": { modules: { main: "./main", a: "./a", b: "./b.js", c: "./c" } },
      "main.ts": "",
      "a.mjs": "",
      "b.js": "",
      "c.c": "",
      "c.js": "",
    });
    expect(modulesOf(all)).toEqual({ main: "main.ts", a: "a.mjs", b: "b.js", c: "c.js" });
    expect(all.problems).toEqual([]);
  });

  test("a star lists one directory, not those below it, and no declarations", () => {
    const all = read({
      "manifest.json": { modules: { main: "./main", "m/*": "./src/*", "m/deep/*": "./src/deep/p*" } },
      "main.ts": "",
      "src/a.ts": "",
      "src/types.d.ts": "",
      "src/manifest_x.json": {},
      "src/deep/pa.ts": "",
      "src/deep/b.ts": "",
      "src/deep/deeper/pc.ts": "",
    });
    expect(modulesOf(all)).toEqual({ main: "main.ts", "m/a": "src/a.ts", "m/deep/a": "src/deep/pa.ts" });
  });

  test("~ takes files out", () => {
    const all = read({
      "manifest.json": { modules: { main: "./main", "*": "./src/*", "~": ["./src/b", "./src/old*"] } },
      "main.ts": "",
      "src/a.ts": "",
      "src/b.ts": "",
      "src/older.ts": "",
    });
    expect(modulesOf(all)).toEqual({ main: "main.ts", a: "src/a.ts" });
  });

  test("what does not match, two files of one name and one file of two names are told", () => {
    const { problems } = read({
      "manifest.json": {
        modules: {
          main: "./main",
          x: "./x",
          "y/*": "./none/*",
          same: "./same",
          again: "./main",
          bare: "bare",
          odd: {},
        },
      },
      "main.ts": "",
      "same.ts": "",
      "same.js": "",
      "bare.ts": "",
    });
    expect(problems).toEqual([
      'modules "bare": "bare" needs a directory, as in "./bare"',
      'modules "odd": neither a text nor a list, so it is ignored',
      'modules "x": "x": matches no file',
      'modules "y/*": "none/*": no such directory',
      '"same": both same.js and same.ts',
      'main.ts: is "main", so "again" does not exist',
    ]);
  });

  test("a missing main is told; creation.main names another", () => {
    expect(read({ "manifest.json": { modules: {} } }).problems).toEqual(['no module is "main"']);
    const other = { creation: { main: "app" }, modules: { app: "./app" } };
    expect(read({ "manifest.json": other, "app.js": "" }).problems).toEqual([]);
  });

  test("tests among them are told", () => {
    const { problems } = read({
      "manifest.json": { modules: { main: "./main", "*": ["./src/*", "./test/*"] } },
      "main.ts": 'import "a";',
      "src/a.ts": "",
      "src/a.test.ts": "",
      "test/b.ts": "",
    });
    expect(problems).toEqual(['"a.test": src/a.test.ts is a test', '"b": test/b.ts is a test']);
  });
});

describe("manifests", () => {
  test("are included relative to themselves, once, before the one that includes them", () => {
    const all = read({
      "manifest.json": { include: ["./core/manifest.json", "./core/manifest.json"], modules: { main: "./main" } },
      "main.ts": "",
      "core/manifest.json": { include: "../manifest.json", modules: { "c/*": "./*" }, preload: "c/a" },
      "core/a.ts": "",
    });
    expect([...all.modules.keys()]).toEqual(["c/a", "main"]);
    expect([...all.preloaded]).toEqual(["c/a"]);
  });

  test("of the SDK are left alone; variables of build are known", () => {
    const all = read({
      "manifest.json": {
        build: { CORE: "./core", IO: "$(MODDABLE)/modules/io" },
        include: ["$(MODDABLE)/examples/manifest_base.json", "$(IO)/manifest.json", "$(CORE)/manifest.json"],
        modules: { main: "$(CORE)/main", x: "$(IO)/x" },
      },
      "core/manifest.json": {},
      "core/main.ts": "",
    });
    expect(all.sdk).toEqual(["$(MODDABLE)/examples/manifest_base.json", "$(IO)/manifest.json"]);
    expect(modulesOf(all)).toEqual({ main: "core/main.ts" });
    expect(all.problems).toEqual([]);
  });

  test.each([
    ["esp32", "any"],
    ["esp32/board", "board"],
    ["esp32/other", "boards"],
    ["lin", "rest"],
  ])("have parts for a platform: %s", (platform, expected) => {
    const all = read(
      {
        "manifest.json": {
          modules: { main: "./main" },
          platforms: {
            "esp32/board": { modules: { p: "./board" } },
            "esp32/*": { modules: { p: "./boards" } },
            esp32: { include: "./manifest_any.json" },
            "...": { modules: { p: "./rest" } },
          },
        },
        "manifest_any.json": { modules: { p: "./any" } },
        ...Object.fromEntries(["main", "any", "board", "boards", "rest"].map((name) => [`${name}.ts`, ""])),
      },
      { platform },
    );
    expect(all.modules.get("p")).toBe(`${expected}.ts`);
  });

  test("that are missing, broken or fetched are told", () => {
    const { problems } = read({
      "manifest.json": { include: ["./none.json", "./broken.json", { git: "x" }], modules: { main: "./main" } },
      "broken.json": "{",
      "main.ts": "",
    });
    expect(problems[0]).toBe("none.json: no such manifest");
    expect(problems[1]).toMatch(/^broken.json: no JSON: /);
    expect(problems[2]).toBe('an include is fetched by git: {"git":"x"}');
  });
});

describe("preload", () => {
  const files = { "main.ts": 'import "./j/a"; import "./t/b";', "j/a.js": "", "t/b.ts": "" };
  const modules = { main: "./main", "j/*": "./j/*", "t/*": "./t/*" };

  test("names modules, and by pattern JavaScript only", () => {
    const all = read({ ...files, "manifest.json": { modules, preload: ["main", "j/*", "t/*", "none", "none/*"] } });
    expect([...all.preloaded]).toEqual(["main", "j/a"]);
    expect(all.problems).toEqual([
      'preload "t/*": a pattern does not find t/b, which is TypeScript',
      'preload "none": names no module',
      'preload "none/*": names no module',
    ]);
  });

  test("is wanted for each file of the sources, and that it is listed and used", () => {
    const options = { sources: ["t"] };
    const preload = ["t/b"];
    expect(read({ ...files, "manifest.json": { modules, preload } }, options).problems).toEqual([]);
    expect(read({ ...files, "manifest.json": { modules } }, options).problems).toEqual(["t/b.ts: is not preloaded"]);
    const more = { ...files, "t/deep/c.ts": "", "t/d.ts": "", "t/types.d.ts": "" };
    expect(read({ ...more, "manifest.json": { modules, preload } }, options).problems).toEqual([
      't/d.ts: nothing that "main" needs imports it',
      "t/deep/c.ts: is not listed",
    ]);
  });
});

describe("an import", () => {
  test.each([
    ["./b", "main", "b"],
    ["./b", "m/a", "m/b"],
    ["../b", "m/n/a", "m/b"],
    ["../../x/b", "m/n/a", "x/b"],
    ["../b", "main", undefined],
    ["../../b", "m/a", undefined],
    ["./b.js", "m/a", "m/b"],
    ["./b.mjs", "m/a", "m/b"],
    ["./b.ts", "m/a", "m/b.ts"],
    ["./../b", "m/a", "m/../b"],
    ["timer", "m/a", "timer"],
    ["moddable:timer", "m/a", "timer"],
  ])("of %s by %s", (specifier, importer, expected) => {
    expect(resolveImport(specifier, importer)).toBe(expected);
  });

  test("follows the specifiers, not the folders", () => {
    const files = { "main.ts": 'import "./src/deep/a";', "src/deep/a.ts": 'import "../b";', "src/b.ts": "" };
    const good = { main: "./main", "src/*": "./src/*", "src/deep/*": "./src/deep/*" };
    expect(read({ ...files, "manifest.json": { modules: good } }).problems).toEqual([]);
    const flat = { main: "./main", "*": ["./src/*", "./src/deep/*"] };
    expect(read({ ...files, "manifest.json": { modules: flat } }).problems).toEqual([
      'main: import of "./src/deep/a" is "src/deep/a", which is not listed',
      'a: import of "../b" leads above the top',
    ]);
  });

  test("of a type or a const enum is gone when it has been compiled", () => {
    const { problems, external } = read({
      "manifest.json": { modules: { main: "./main" } },
      "main.ts": `
        import { Code } from "./codes";
        import type { A } from "./types";
        import TCP from "embedded:io/socket/tcp";
        import Timer from "timer";
        export const used: A = Code.One;
        export let tcp: TCP;
        Timer.clear(undefined);
      `,
      "codes.ts": "export const enum Code { One = 1 }",
      "types.ts": "export type A = number;",
    });
    expect(problems).toEqual([]);
    expect(external).toEqual(["timer"]);
  });

  test("by name that nobody lists must come from the SDK", () => {
    const { external } = read({
      "manifest.json": { modules: { main: "./main", mine: "./mine" } },
      "main.js": 'import Timer from "timer"; import "mine"; import("late");',
      "mine.mjs": 'import "embedded:io/socket/tcp";',
    });
    expect(external).toEqual(["embedded:io/socket/tcp", "late", "timer"]);
  });
});
