// Bundles a TypeScript entry into the one script that midge-xs evaluates.
//
//   node test/xs/bundle.mjs entry.ts [out.js]     (test/xs/build/<entry>.js unless told)
//
// Modules of the Moddable SDK are those of test/support/moddable; suite.ts takes the place of vitest. The entry sets globalThis.main and, if it wants to be called again and again, globalThis.poll.

import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { moddable } from "../support/moddable/modules.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));

/** Returns the path of the script. */
export async function bundle(entry, outfile = join(here, "build", `${basename(entry, ".ts")}.js`)) {
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    format: "iife",
    target: "es2022",
    platform: "neutral",
    charset: "utf8",
    logLevel: "warning",
    plugins: [moddable],
    alias: { vitest: join(here, "suite.ts") },
  });
  return outfile;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [entry, outfile] = process.argv.slice(2);
  if (!entry) {
    console.error("usage: node test/xs/bundle.mjs entry.ts [out.js]");
    process.exit(2);
  }
  console.log(await bundle(entry, outfile));
}
