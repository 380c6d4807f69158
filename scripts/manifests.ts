// npm run manifests: writes into the manifests for Moddable what follows from the sources and from the presets:
//
//   preload   every module by its name, because a pattern finds JavaScript only
//   limits/   for a preset, the sizes of a machine that its broker and the gateway around it fit into
//
// A test compares the manifests with what this says.

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { RESERVE_BYTES } from "../hosts/esp32/memory";
import { type Limits, type PresetName, plan, presets } from "../src/index";

export const root = resolve(fileURLToPath(new URL("..", import.meta.url)));

/** The presets that fit a chip. */
const devicePresets: readonly PresetName[] = ["esp32", "gateway"];

/** Slots (16 bytes each on a device) of the program with what it makes and drops, and of one connection with its socket. */
const SLOTS = 3000;
const CONNECTION_SLOTS = 48;

interface Manifest {
  modules: Record<string, string>;
  preload: string[];
}

function parse(path: string): Manifest {
  return JSON.parse(readFileSync(join(root, path), "utf8"));
}

/** Names of the TypeScript modules that a manifest lists itself. */
function namesIn(path: string): string[] {
  const names: string[] = [];
  for (const [target, source] of Object.entries(parse(path).modules)) {
    if (target === "~") continue;
    const file = join(root, path, "..", source);
    if (!target.endsWith("*")) {
      names.push(target);
      continue;
    }
    for (const entry of readdirSync(join(file, "..")).sort()) {
      if (entry.endsWith(".ts") && !entry.endsWith(".d.ts")) names.push(target.replace("*", basename(entry, ".ts")));
    }
  }
  return names;
}

/** The gateway lists its directory, of which one module is everybody's and listed by the manifest that it includes. */
function isShared(name: string, path: string): boolean {
  return path !== "manifest.json" && name in parse("manifest.json").modules;
}

/** The machine for a preset: fixed, so that nothing can grow into what Wi-Fi and sockets need. */
export function creationFor(limits: Readonly<Limits>): object {
  return {
    static: 0,
    chunk: { initial: Math.ceil((plan(limits).totalBytes + RESERVE_BYTES) / 1024) * 1024, incremental: 0 },
    heap: { initial: SLOTS + CONNECTION_SLOTS * limits.connections, incremental: 0 },
    keys: { initial: 64, incremental: 0 },
  };
}

/** What the manifests must say, by path. */
export function manifests(): Map<string, object> {
  const all = new Map<string, object>();
  for (const path of ["manifest.json", "hosts/esp32/manifest.json"]) {
    all.set(path, { ...parse(path), preload: namesIn(path).filter((name) => !isShared(name, path)) });
  }
  for (const name of devicePresets) {
    const creation = creationFor(presets[name]);
    const { chunk } = creation as { chunk: { initial: number } };
    all.set(`hosts/esp32/limits/${name}.json`, { config: { limits: name, chunkBytes: chunk.initial }, creation });
  }
  return all;
}

function main(): void {
  const paths: string[] = [];
  for (const [path, manifest] of manifests()) {
    writeFileSync(join(root, path), `${JSON.stringify(manifest, null, 2)}\n`);
    paths.push(path);
  }
  execFileSync(join(root, "node_modules/.bin/biome"), ["format", "--write", ...paths], { cwd: root, stdio: "ignore" });
  for (const name of devicePresets) console.log(name, JSON.stringify(creationFor(presets[name])));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
