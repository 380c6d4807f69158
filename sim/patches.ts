// Applies named changes to the sources of the core while they are bundled, and runs the bundle: how mutations are tried.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { build, type Plugin } from "esbuild";

export interface Patch {
  /** Below `src`. */
  file: string;
  /** Must be there exactly once. */
  find: string;
  replace: string;
}

/** An esbuild plugin that makes the changes. Throws for one that does not match exactly once. */
export function patching(root: string, patches: readonly Patch[]): Plugin {
  const byPath = new Map<string, Patch[]>();
  for (const patch of patches) {
    const path = resolve(root, "src", patch.file);
    const all = byPath.get(path) ?? [];
    all.push(patch);
    byPath.set(path, all);
    apply(readFileSync(path, "utf8"), [patch]);
  }
  return {
    name: "patches",
    setup({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const wanted = byPath.get(path);
        return wanted && { contents: apply(readFileSync(path, "utf8"), wanted), loader: "ts" };
      });
    },
  };
}

export function apply(text: string, patches: readonly Patch[]): string {
  let result = text;
  for (const { file, find, replace } of patches) {
    const count = result.split(find).length - 1;
    if (count !== 1) throw new Error(`${file}: ${count} matches for ${JSON.stringify(find)}`);
    result = result.replace(find, () => replace);
  }
  return result;
}

/** Bundles `entry` with the changes to `outfile`, for Node.js. */
export async function bundle(root: string, entry: string, outfile: string, patches: readonly Patch[]): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: "node",
    format: "cjs",
    ignoreAnnotations: true, // "sideEffects" of the package is about what is published
    logLevel: "warning",
    plugins: [patching(root, patches)],
  });
}
