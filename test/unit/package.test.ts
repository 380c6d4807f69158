// What users get: built and packed in a temporary directory, so that neither an old dist/ nor a build at the same time
// has a say.

import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { root } from "../support/syntax";

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

function run(command: string, args: readonly string[], cwd: string): string {
  return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}

describe("the package", () => {
  let scratch = "";
  let unpacked = "";
  let packed: string[] = [];

  beforeAll(() => {
    scratch = mkdtempSync(join(tmpdir(), "midge-package-"));
    unpacked = join(scratch, "node_modules", manifest.name);
    mkdirSync(unpacked, { recursive: true });
    for (const name of ["package.json", "README.md", "LICENSE", ".gitignore"]) {
      copyFileSync(join(root, name), join(unpacked, name));
    }
    run(process.execPath, ["scripts/build.mjs", join(unpacked, "dist")], root);
    writeFileSync(join(unpacked, "dist", "..", "planted.ts"), ""); // must not be packed
    const [{ files }] = JSON.parse(run("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], unpacked));
    packed = files.map(({ path }: { path: string }) => path).sort();
  });

  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  test("holds the bundles, their types and nothing else", () => {
    const types = packed.filter((path) => path.startsWith("dist/types/"));
    const isChunk = (path: string): boolean => /^dist\/chunk-\w+\.mjs$/.test(path);
    expect(packed.some(isChunk)).toBe(true); // what several entries need is there once
    expect(packed.filter((path) => !types.includes(path) && !isChunk(path))).toEqual([
      "LICENSE",
      "README.md",
      "dist/client.mjs",
      "dist/index.mjs",
      "dist/midge.licenses.txt",
      "dist/midge.mjs",
      "dist/node.mjs",
      "package.json",
    ]);
    const sources = types.map((path) => path.replace(/^dist\/types\//, "").replace(/\.d\.ts$/, ".ts"));
    expect(
      sources.filter((path) => !/^(src|hosts\/(node|text))\//.test(path) || !existsSync(join(root, path))),
    ).toEqual([]);
  });

  test("holds every file that package.json names", () => {
    const named = [
      ...Object.values(manifest.bin),
      ...Object.values(manifest.exports).flatMap((one) => Object.values(Object(one))),
    ];
    const paths = named
      .filter((one) => /^(\.\/)?dist\//.test(String(one)))
      .map((one) => String(one).replace(/^\.\//, ""));
    expect(paths.length).toBeGreaterThanOrEqual(5);
    expect(paths.filter((path) => !packed.includes(path))).toEqual([]);
  });

  test("needs no other package", () => {
    expect(Object.keys(manifest)).not.toContain("dependencies");
    const bundles = packed.filter((path) => path.endsWith(".mjs"));
    const imported = bundles.flatMap((path) =>
      ts.preProcessFile(readFileSync(join(unpacked, path), "utf8")).importedFiles.map(({ fileName }) => fileName),
    );
    expect(imported.filter((name) => !/^(node:|\.\/)/.test(name))).toEqual([]);
  });

  test("can be imported", () => {
    const program = `
      const core = await import("${manifest.name}");
      const node = await import("${manifest.name}/node");
      const client = await import("${manifest.name}/client");
      console.log(typeof core.Broker, typeof core.Client, typeof node.listen, typeof client.connect);
      console.log(client.OptionsError === core.OptionsError);`;
    expect(run(process.execPath, ["--input-type=module", "-e", program], scratch)).toBe(
      "function function function function\ntrue\n",
    );
  });

  test("has a command that knows its version", () => {
    expect(run(process.execPath, [join(unpacked, manifest.bin.midge), "--version"], scratch)).toContain(
      manifest.version,
    );
  });

  test.each([
    ["Node's resolution", ts.ModuleKind.NodeNext, ts.ModuleResolutionKind.NodeNext],
    ["a bundler's resolution", ts.ModuleKind.Preserve, ts.ModuleResolutionKind.Bundler],
  ])("has types that compile under %s", (_name, module, moduleResolution) => {
    const path = join(scratch, "user.mts");
    writeFileSync(
      path,
      `export * as core from "${manifest.name}";\nexport * as node from "${manifest.name}/node";\nexport * as client from "${manifest.name}/client";\n`,
    );
    const program = ts.createProgram([path], {
      module,
      moduleResolution,
      target: ts.ScriptTarget.ES2022,
      lib: ["lib.es2022.d.ts"],
      strict: true,
      noEmit: true,
      typeRoots: [join(root, "node_modules/@types")],
      types: ["node"],
    });
    const wrong = ts.getPreEmitDiagnostics(program);
    expect(
      wrong.map(({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`),
    ).toEqual([]);
  });

  test("has types without what only this project can read", () => {
    const wrong = packed.filter((path) => {
      return (
        path.endsWith(".d.ts") && /const enum|from "\.[^"]*(?<!\.js)"/.test(readFileSync(join(unpacked, path), "utf8"))
      );
    });
    expect(wrong).toEqual([]);
  });
});

describe("the lockfile", () => {
  test.each(["package-lock.json", "test/xs/package-lock.json"])("%s names no host", (path) => {
    const withoutFunding = (_key: string, value: unknown): unknown => (_key === "funding" ? undefined : value);
    const lock = JSON.stringify(JSON.parse(readFileSync(join(root, path), "utf8")), withoutFunding);
    expect(lock).toContain('"integrity"');
    expect(lock).not.toContain("://");
    expect(lock).not.toContain('"resolved"');
  });

  test("pins what package.json pins", () => {
    const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
    expect(lock.version).toBe(manifest.version);
    for (const [name, version] of Object.entries(manifest.devDependencies)) {
      expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
      expect(lock.packages[`node_modules/${name}`].version, name).toBe(version);
    }
  });
});

describe("npm scripts", () => {
  /** Names of scripts that a text tells somebody to run. */
  function scriptsIn(text: string): string[] {
    const commands = text.matchAll(
      /\bnpm(?: -{1,2}[\w-]+)* (?:run(?:-script)?(?: -{1,2}[\w-]+)* ([\w:.-]*\w)|(test|start|stop|restart)\b)/g,
    );
    return [...commands].map(([, named, short]) => named ?? short);
  }

  test("are found in a text", () => {
    const text =
      "`npm ci`, `npm test`, `npm start`\nnpm run -s midge -- plan; npm run test:all. npm run check\nnpm -s run build";
    expect(scriptsIn(text)).toEqual(["test", "start", "midge", "test:all", "check", "build"]);
  });

  const docs = existsSync(join(root, "docs"))
    ? readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"))
    : [];

  test.each(["README.md", ".ci/run", ...docs.map((name) => `docs/${name}`)])("named in %s exist", (path) => {
    const missing = scriptsIn(readFileSync(join(root, path), "utf8")).filter(
      (name) => !Object.hasOwn(manifest.scripts, name),
    );
    expect(missing).toEqual([]);
  });

  test("name files that exist", () => {
    const commands = Object.values(manifest.scripts).join(" ");
    const paths = commands.match(/\b(?:scripts|test|hosts|sim)\/[\w./-]+/g) ?? [];
    expect(paths.length).toBeGreaterThan(0);
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});
