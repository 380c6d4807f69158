// Builds what users get, into dist/ or the directory named on the command line:
//
//   index.mjs, node.mjs, client.mjs   the core, the host for Node.js, the client for it; what several need is once in a chunk
//   midge.mjs                         the command line in one file, its packages included: `npx midge-mqtt` has nothing else to fetch
//   midge.licenses.txt                the licences of those packages
//   types/                            declarations
//
// Anything wrong, even a warning, is a failure.

import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import ts from "typescript";

const root = fileURLToPath(new URL("..", import.meta.url));
const out = resolve(process.argv[2] ?? join(root, "dist"));
const entryPoints = { index: "src/index.ts", node: "hosts/node/index.ts", client: "hosts/node/client/index.ts" };
const LICENCES = "midge.licenses.txt";
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

const common = {
  absWorkingDir: root,
  outdir: out,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  charset: "utf8",
  define: { MIDGE_VERSION: JSON.stringify(version) },
  metafile: true,
  logLevel: "warning",
};

/** The packages that went into a bundle, by directory. */
function packagesOf({ metafile }) {
  const found = Object.keys(metafile.inputs).map((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0]);
  return [...new Set(found.filter((path) => path !== undefined))].sort();
}

async function bundle() {
  const library = await build({
    ...common,
    entryPoints,
    splitting: true,
    chunkNames: "[name]-[hash]",
  });
  if (packagesOf(library).length > 0) throw new Error(`the library must not contain ${packagesOf(library)}`);

  const command = await build({
    ...common,
    entryPoints: { midge: "hosts/node/cli.ts" },
    banner: {
      // Bundled CommonJS asks for Node's own modules by `require`.
      js: `#!/usr/bin/env node
import { createRequire as midgeCreateRequire } from "node:module";
const require = midgeCreateRequire(import.meta.url);`,
    },
  });
  const licences = packagesOf(command).map((path) => {
    const { name, version } = JSON.parse(readFileSync(join(root, path, "package.json"), "utf8"));
    return `${name} ${version}\n\n${readFileSync(join(root, path, "LICENSE"), "utf8")}`;
  });
  if (licences.length > 0) writeFileSync(join(out, LICENCES), licences.join("\n"));

  const warnings = [...library.warnings, ...command.warnings];
  if (warnings.length > 0) throw new Error(`${warnings.length} warnings`);
}

/**
 * Declarations of everything the library entries reach. Two things are rewritten for whoever compiles against them:
 * relative imports get the extension that Node's own resolution wants, and a `const enum` becomes an `enum`, because the
 * bundles export it as an object and `isolatedModules` forbids the use of a foreign `const enum`.
 */
function declare() {
  const config = ts.getParsedCommandLineOfConfigFile(join(root, "tsconfig.json"), undefined, {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: (diagnostic) => {
      throw new Error(ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n"));
    },
  });
  const program = ts.createProgram(
    Object.values(entryPoints).map((path) => join(root, path)),
    {
      ...config.options,
      noEmit: false,
      declaration: true,
      emitDeclarationOnly: true,
      rootDir: root,
      outDir: join(out, "types"),
    },
  );
  const { diagnostics } = program.emit(undefined, (path, text, ...rest) => {
    const declarations = text
      .replace(/((?:from|import\()\s*")(\.{1,2}\/[^"]+)"/g, '$1$2.js"')
      .replace(/\bconst enum\b/g, "enum");
    ts.sys.writeFile(path, declarations, ...rest);
  });
  const wrong = [...config.errors, ...ts.getPreEmitDiagnostics(program), ...diagnostics];
  if (wrong.length > 0) {
    const host = { getCurrentDirectory: () => root, getCanonicalFileName: (name) => name, getNewLine: () => "\n" };
    throw new Error(`declarations:\n${ts.formatDiagnostics(wrong, host)}`);
  }
}

function clear() {
  const isChunk = (name) => /^chunk-\w+\.mjs$/.test(name);
  const chunks = existsSync(out) ? readdirSync(out).filter(isChunk) : [];
  const entries = Object.keys(entryPoints).map((name) => `${name}.mjs`);
  for (const name of [...entries, ...chunks, "midge.mjs", LICENCES, "types"]) {
    rmSync(join(out, name), { recursive: true, force: true });
  }
}

clear();
try {
  await bundle();
  declare();
} catch (error) {
  clear(); // half a build must not look like one
  console.error(`build: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
}
