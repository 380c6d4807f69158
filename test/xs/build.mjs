// Compiles XS and host.c to build/midge-xs-32 and build/midge-xs-64 (6 s each on two cores; nothing if no input changed).
//
//   node test/xs/build.mjs [32] [64]     both unless told
//
// Prints one line. Exit code 1: a compile error; 77: no C compiler, or no sources. Without 32-bit libraries only 64-bit is
// built, and the exit code is 0.

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const build = join(here, "build");
const xs = join(here, "node_modules/@agoric/xsnap/moddable/xs");
const compiler = process.env.CC ?? "cc";

const LEFT_OUT = ["xsSnapshot.c"]; // it wants mxSnapshot
const OPTIONS = [
  "-O2",
  "-fno-common",
  "-fno-strict-aliasing",
  "-Wno-multichar",
  "-DINCLUDE_XSPLATFORM",
  '-DXSPLATFORM="platform.h"',
  "-DmxParse=1", // there is no xsc: scripts are parsed here
  "-DmxRun=1",
  "-DmxSloppy=1",
  "-DmxInstrument=1", // garbageCollectionCount, stackPeak
  "-DmxBoundsCheck=1", // stack overflow is an abort
];

export function executable(bits) {
  return join(build, `midge-xs-${bits}`);
}

function finish(code, text) {
  console.log(`xs: ${text}`);
  process.exit(code);
}

function inputHash(sources) {
  const hash = createHash("sha256");
  hash.update(JSON.stringify([OPTIONS, sources, spawnSync(compiler, ["--version"]).stdout?.toString()]));
  for (const name of ["host.c", "platform.h", "build.mjs"]) hash.update(readFileSync(join(here, name)));
  hash.update(readFileSync(join(here, "node_modules/@agoric/xsnap/package.json")));
  return hash.digest("hex");
}

function canLink(bits) {
  const scratch = mkdtempSync(join(build, "probe-"));
  const result = spawnSync(compiler, [`-m${bits}`, "-x", "c", "-", "-lm", "-o", join(scratch, "probe")], {
    input: '#include <stdio.h>\n#include <math.h>\nint main(int c, char** v) { return printf("%f", sqrt(c)) < 0; }\n',
  });
  rmSync(scratch, { recursive: true });
  return result.status === 0;
}

function run(command, args) {
  return new Promise((resolve) => {
    let output = "";
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.on("data", (data) => (output += data));
    child.stderr.on("data", (data) => (output += data));
    child.on("error", (error) => resolve({ code: 1, output: String(error) }));
    child.on("close", (code) => resolve({ code, output }));
  });
}

async function compile(bits, sources) {
  const objects = mkdtempSync(join(build, `objects-${bits}-`));
  const includes = ["sources", "includes", "platforms"].map((folder) => `-I${join(xs, folder)}`);
  // The interpreter's loop takes longest: first.
  const queue = [...sources].sort((a, b) => Number(b.endsWith("xsRun.c")) - Number(a.endsWith("xsRun.c")));
  let failure;
  async function worker() {
    for (let source = queue.shift(); source && !failure; source = queue.shift()) {
      const object = join(objects, `${basename(source)}.o`);
      const { code, output } = await run(compiler, [
        `-m${bits}`,
        ...OPTIONS,
        `-I${here}`,
        ...includes,
        "-c",
        source,
        "-o",
        object,
      ]);
      if (code !== 0) failure ??= output;
    }
  }
  await Promise.all([worker(), worker()]);
  if (!failure) {
    const files = readdirSync(objects).map((name) => join(objects, name));
    const linked = `${executable(bits)}.new`;
    const { code, output } = await run(compiler, [`-m${bits}`, ...files, "-lm", "-lpthread", "-o", linked]);
    if (code === 0) renameSync(linked, executable(bits));
    else failure = output;
  }
  rmSync(objects, { recursive: true });
  if (failure) finish(1, `cannot compile for ${bits} bits\n${failure}`);
}

/** Two tests may want to build at once: the second waits for the first, and finds everything up to date. */
async function locked(work) {
  const lock = join(build, "lock");
  for (;;) {
    try {
      mkdirSync(lock);
      break;
    } catch {
      const age = Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
      if (age > 300_000)
        rmSync(lock, { recursive: true, force: true }); // whoever made it was killed
      else await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
  process.on("exit", () => rmSync(lock, { recursive: true, force: true }));
  await work();
}

async function main() {
  if (!existsSync(xs)) finish(77, "no XS sources: npm run xs:install");
  if (spawnSync(compiler, ["--version"]).error) finish(77, `no C compiler (${compiler})`);
  mkdirSync(build, { recursive: true });
  await locked(buildAll);
}

async function buildAll() {
  const folder = join(xs, "sources");
  const sources = readdirSync(folder)
    .filter((name) => name.endsWith(".c") && !LEFT_OUT.includes(name))
    .map((name) => join(folder, name))
    .concat(join(here, "host.c"));
  const hash = inputHash(sources.map((path) => relative(here, path)));
  const wanted = process.argv.length > 2 ? process.argv.slice(2) : ["64", "32"];
  const done = [];
  for (const bits of wanted) {
    const stamp = join(build, `midge-xs-${bits}.hash`);
    if (existsSync(executable(bits)) && existsSync(stamp) && readFileSync(stamp, "utf8") === hash) {
      done.push(`${bits}-bit is up to date`);
    } else if (!canLink(bits)) {
      rmSync(executable(bits), { force: true });
      done.push(`${bits}-bit skipped, no libraries (Debian: gcc-multilib)`);
    } else {
      const start = Date.now();
      await compile(bits, sources);
      writeFileSync(stamp, hash);
      done.push(`${bits}-bit built in ${((Date.now() - start) / 1000).toFixed(1)} s`);
    }
  }
  finish(0, done.join("; "));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
