// Reads a manifest of the Moddable SDK as its mcconfig does, and says what would be wrong on the device.
//
// Problem: nothing here builds for a device, and a manifest fails late: a module that is not listed is missed when it is
// imported, one that is not preloaded takes RAM, and a pattern that matches nothing is silent.
// Form: manifests are merged in mcconfig's order; `modules` gives specifier to file; imports are those that the compiler
// leaves in its output, resolved against the importing module's specifier as XS does. What includes from $(MODDABLE)
// bring is not known here: it is left alone, and specifiers that must come from there are listed.

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, extname, join, posix, relative, resolve } from "node:path";
import ts from "typescript";

export interface ManifestOptions {
  /** As given to mcconfig with -p; default "esp32". */
  platform?: string;
  /** Directories, each module of which must be listed, reached and preloaded; from the root. */
  sources?: readonly string[];
  /** Files are named from here; default: where the process runs. */
  root?: string;
}

export interface Resolution {
  /** Specifier to file. */
  modules: ReadonlyMap<string, string>;
  /** Specifiers in ROM. */
  preloaded: ReadonlySet<string>;
  /** Includes that were left alone. */
  sdk: readonly string[];
  /** Imported, and not listed: the SDK must have them. */
  external: readonly string[];
  /** One line each; empty when all is well. */
  problems: readonly string[];
}

type Sources = string | readonly (string | { readonly source: string })[];

interface Part {
  build?: Record<string, unknown>;
  include?: string | readonly (string | object)[];
  modules?: Record<string, Sources>;
  preload?: string | readonly string[];
  creation?: { main?: string };
}

interface Manifest extends Part {
  platforms?: Record<string, Part>;
}

/** One file of a module. */
interface Listed {
  specifier: string;
  file: string;
  isTypeScript: boolean;
}

export function readManifest(path: string, options: ManifestOptions = {}): Resolution {
  const reader = new Reader(options);
  reader.read(resolve(options.root ?? ".", path));
  return reader.result();
}

class Reader {
  readonly #platform: string;
  readonly #root: string;
  readonly #sources: readonly string[];
  readonly #problems: string[] = [];
  readonly #seen = new Set<string>();
  readonly #variables = new Map<string, string>();
  readonly #sdk: string[] = [];
  /** Targets with their patterns, absolute, in mcconfig's order. */
  readonly #patterns = new Map<string, string[]>();
  readonly #preload: string[] = [];
  readonly #listed: Listed[] = [];
  readonly #taken = new Map<string, string>();
  #main = "main";

  constructor({ platform = "esp32", sources = [], root = "." }: ManifestOptions) {
    this.#platform = platform;
    this.#root = resolve(root);
    this.#sources = sources;
  }

  /** Includes come first; each file counts once. */
  read(path: string): void {
    if (this.#seen.has(path)) return;
    this.#seen.add(path);
    if (!existsSync(path)) return this.#problem(`${this.#name(path)}: no such manifest`);
    const manifest = parse(path);
    if (typeof manifest === "string") return this.#problem(`${this.#name(path)}: ${manifest}`);
    const directory = dirname(path);
    const parts: Part[] = [manifest];
    const platform = matchPlatform(manifest.platforms ?? {}, this.#platform);
    if (platform !== undefined) parts.push(platform);
    for (const part of parts) this.#define(part.build ?? {}, directory);
    for (const include of parts.flatMap(({ include = [] }) => include)) this.#include(include, directory);
    for (const part of parts) this.#merge(part, directory);
  }

  result(): Resolution {
    this.#list();
    const modules = new Map(this.#listed.map(({ specifier, file }) => [specifier, file]));
    const preloaded = this.#preloaded();
    const { external, reached } = this.#follow(modules);
    this.#checkTests();
    this.#checkSources(modules, preloaded, reached);
    const named = new Map([...modules].map(([specifier, file]) => [specifier, this.#name(file)]));
    return { modules: named, preloaded, sdk: this.#sdk, external, problems: this.#problems };
  }

  #problem(line: string): void {
    this.#problems.push(line);
  }

  #name(path: string): string {
    return relative(this.#root, path);
  }

  // ---- merging

  #define(build: Record<string, unknown>, directory: string): void {
    for (const [name, value] of Object.entries(build)) {
      if (typeof value !== "string") continue;
      const known = this.#expand(value);
      if (known !== undefined) this.#variables.set(name, known.startsWith("./") ? join(directory, known) : known);
    }
  }

  /** Undefined when it depends on what only the SDK knows. */
  #expand(value: string): string | undefined {
    let isKnown = true;
    const expanded = value.replace(/\$\(([^)]+)\)/g, (_, name: string) => {
      const known = this.#variables.get(name);
      if (known === undefined) isKnown = false;
      return known ?? "";
    });
    return isKnown ? expanded : undefined;
  }

  #include(include: string | object, directory: string): void {
    if (typeof include !== "string") return this.#problem(`an include is fetched by git: ${JSON.stringify(include)}`);
    const path = this.#expand(include);
    if (path === undefined) this.#sdk.push(include);
    else this.read(resolve(directory, path));
  }

  #merge(part: Part, directory: string): void {
    for (const [target, sources] of Object.entries(part.modules ?? {})) {
      if (typeof sources !== "string" && !Array.isArray(sources)) {
        this.#problem(`modules "${target}": neither a text nor a list, so it is ignored`);
        continue;
      }
      for (const source of [sources].flat()) {
        const path = this.#expand(typeof source === "string" ? source : source.source);
        if (path === undefined) continue;
        if (!path.includes("/")) this.#problem(`modules "${target}": "${path}" needs a directory, as in "./${path}"`);
        const patterns = this.#patterns.get(target) ?? [];
        patterns.push(resolve(directory, path));
        this.#patterns.set(target, patterns);
      }
    }
    this.#preload.push(...[part.preload ?? []].flat());
    if (part.creation?.main !== undefined) this.#main = part.creation.main;
  }

  // ---- listing

  #list(): void {
    for (const pattern of this.#patterns.get("~") ?? []) this.#match("~", pattern, true);
    for (const [target, patterns] of this.#patterns) {
      if (target !== "~") for (const pattern of patterns) this.#match(target, pattern, false);
    }
  }

  /** One directory, not those below it. */
  #match(target: string, pattern: string, isExcluded: boolean): void {
    const directory = dirname(pattern);
    const wanted = basename(pattern);
    const label = `modules "${target}": "${this.#name(pattern)}"`;
    if (!existsSync(directory)) return this.#problem(`${label}: no such directory`);
    const star = wanted.lastIndexOf("*");
    let count = 0;
    for (const entry of readdirSync(directory).sort()) {
      if (entry.startsWith(".") || statSync(join(directory, entry)).isDirectory()) continue;
      const { name, extension } = split(entry);
      let tail: string;
      if (star >= 0) {
        if (!name.startsWith(wanted.slice(0, star))) continue;
        tail = name.slice(star);
      } else if (name === wanted || entry === wanted) tail = entry === wanted ? split(wanted).name : wanted;
      else continue;
      count++;
      const file = join(directory, entry);
      if (isExcluded) this.#taken.set(file, "~");
      else if (extension !== ".d.ts") this.#add(specifierOf(target, tail), file, extension);
    }
    if (count === 0) this.#problem(`${label}: matches no file`);
  }

  #add(specifier: string, file: string, extension: string): void {
    const isData = extension === ".json" && !basename(file).startsWith("manifest");
    if (!isData && ![".ts", ".js", ".mjs"].includes(extension)) return;
    const before = this.#taken.get(file);
    if (before === "~") return;
    if (before !== undefined) {
      if (before !== specifier) this.#problem(`${this.#name(file)}: is "${before}", so "${specifier}" does not exist`);
      return;
    }
    this.#taken.set(file, specifier);
    const other = this.#listed.find((listed) => listed.specifier === specifier);
    if (other !== undefined) {
      this.#problem(`"${specifier}": both ${this.#name(other.file)} and ${this.#name(file)}`);
      return;
    }
    this.#listed.push({ specifier, file, isTypeScript: extension === ".ts" });
  }

  /** A pattern finds JavaScript only: mcconfig does not look for TypeScript there. */
  #preloaded(): Set<string> {
    const preloaded = new Set<string>();
    for (const pattern of this.#preload) {
      const star = pattern.lastIndexOf("*");
      const matching = this.#listed.filter(({ specifier }) =>
        star >= 0 ? specifier.startsWith(pattern.slice(0, star)) : specifier === pattern,
      );
      if (matching.length === 0) this.#problem(`preload "${pattern}": names no module`);
      for (const { specifier, isTypeScript } of matching) {
        if (star >= 0 && isTypeScript) {
          this.#problem(`preload "${pattern}": a pattern does not find ${specifier}, which is TypeScript`);
        } else preloaded.add(specifier);
      }
    }
    return preloaded;
  }

  // ---- imports

  #follow(modules: ReadonlyMap<string, string>): { external: string[]; reached: Set<string> } {
    const imports = importsOf([...modules.values()]);
    const external = new Set<string>();
    for (const [importer, file] of modules) {
      for (const specifier of imports.get(file) ?? []) {
        const found = resolveImport(specifier, importer);
        if (found !== undefined && modules.has(found)) continue;
        if (!specifier.startsWith(".")) external.add(specifier);
        else if (found === undefined) this.#problem(`${importer}: import of "${specifier}" leads above the top`);
        else this.#problem(`${importer}: import of "${specifier}" is "${found}", which is not listed`);
      }
    }
    const reached = new Set<string>();
    const waiting = [...modules.keys()].filter((name) => name === this.#main || name.startsWith("setup/"));
    if (!modules.has(this.#main)) this.#problem(`no module is "${this.#main}"`);
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
      const file = modules.get(name);
      if (file === undefined || reached.has(name)) continue;
      reached.add(name);
      for (const specifier of imports.get(file) ?? []) waiting.push(resolveImport(specifier, name) ?? "");
    }
    return { external: [...external].sort(), reached };
  }

  // ---- what must not be forgotten

  #checkTests(): void {
    for (const { specifier, file } of this.#listed) {
      const name = this.#name(file);
      if (/\.test\.|(^|\/)test\//.test(name)) this.#problem(`"${specifier}": ${name} is a test`);
    }
  }

  #checkSources(modules: ReadonlyMap<string, string>, preloaded: Set<string>, reached: Set<string>): void {
    const specifiers = new Map([...modules].map(([specifier, file]) => [this.#name(file), specifier]));
    for (const directory of this.#sources) {
      const absolute = join(this.#root, directory);
      for (const entry of readdirSync(absolute, { recursive: true, encoding: "utf8" }).sort()) {
        const { extension } = split(entry);
        if (extension !== ".ts" && extension !== ".js" && extension !== ".mjs") continue;
        const name = posix.join(directory, entry);
        const specifier = specifiers.get(name);
        if (specifier === undefined) this.#problem(`${name}: is not listed`);
        else if (!reached.has(specifier)) this.#problem(`${name}: nothing that "${this.#main}" needs imports it`);
        else if (!preloaded.has(specifier)) this.#problem(`${name}: is not preloaded`);
      }
    }
  }
}

function parse(path: string): Manifest | string {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    return `no JSON: ${(error as Error).message}`;
  }
}

/** The entry for a platform such as "esp32/my_board": itself, a pattern, the platform without its board, "...". */
function matchPlatform(platforms: Record<string, Part>, platform: string): Part | undefined {
  for (let parts = platform.split("/"); parts.length > 0; parts = parts.slice(0, -1)) {
    const partial = parts.join("/");
    for (const [name, part] of Object.entries(platforms)) {
      if (name.endsWith("/*") && partial.startsWith(name.slice(0, -1))) return part;
      if (name.startsWith("*/") && partial.endsWith(name.slice(1))) return part;
      if (name === partial) return part;
    }
  }
  return platforms["..."];
}

function split(entry: string): { name: string; extension: string } {
  if (entry.endsWith(".d.ts")) return { name: entry.slice(0, -5), extension: ".d.ts" };
  const extension = extname(entry);
  return { name: entry.slice(0, entry.length - extension.length), extension };
}

function specifierOf(target: string, tail: string): string {
  const star = target.lastIndexOf("*");
  return star >= 0 ? target.slice(0, star) + tail : target;
}

/** As XS does on a device: by the importing module's specifier, "./" and "../" in front only, no extension added. */
export function resolveImport(specifier: string, importer: string): string | undefined {
  let name = specifier.startsWith("moddable:") ? specifier.slice("moddable:".length) : specifier;
  let up = name.startsWith("./") ? 1 : 0;
  let at = up;
  if (name.startsWith("../")) {
    up = at = 2;
    while (name.startsWith("../", at + 1)) {
      up++;
      at += 3;
    }
  }
  name = name.replace(/\.m?js$/, "");
  if (up === 0) return name;
  let path = `/${importer}`;
  for (; up > 0; up--) {
    const slash = path.lastIndexOf("/");
    if (slash === -1) return undefined;
    path = path.slice(0, slash);
  }
  return (path + name.slice(at)).slice(1);
}

/** What each file imports when it has been compiled: types and const enums are gone. */
function importsOf(files: readonly string[]): Map<string, string[]> {
  const imports = new Map<string, string[]>();
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.Preserve,
    noCheck: true,
    noLib: true,
    types: [],
  };
  const program = ts.createProgram(
    files.filter((file) => file.endsWith(".ts")),
    options,
  );
  const wanted = new Set(files);
  program.emit(undefined, (_, text, __, ___, sources = []) => {
    for (const { fileName } of sources) if (wanted.has(fileName)) imports.set(fileName, namesIn(text));
  });
  for (const file of files) {
    if (/\.m?js$/.test(file)) imports.set(file, namesIn(readFileSync(file, "utf8")));
  }
  return imports;
}

function namesIn(text: string): string[] {
  return ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName);
}
