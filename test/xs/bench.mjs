// node test/xs/bench.mjs [--write]: packets a second on XS 32-bit, XS 64-bit and this Node, and instructions a packet.
//
// Times are this machine's, and as noisy as it is. Instructions are callgrind's: repeatable to the last one with the
// same compiler, and comparable from one state of the sources to the next. They are kept in test/bench/xs.json, which
// --write brings up to date; without it, the table shows how they have changed since. Without valgrind, rates only.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { executable } from "./build.mjs";
import { bundle } from "./bundle.mjs";
import { nodeHost } from "./node-host.mjs";
import { builtWidths, start } from "./run.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const kept = join(here, "../bench/xs.json");
const PACKETS = 200;
/** Room for all cases, one after the other. */
const MACHINE = ["--chunks", "2000000", "--slots", "60000", "--stack", "1000", "--keys", "500"];

const script = await bundle(join(here, "bench.ts"));

/** { name: microseconds } */
async function timesOnXs(bits) {
  const { code, output, errors } = await start(bits, script, { options: MACHINE, args: ["time"] }).done;
  if (code !== 0) throw new Error(errors);
  return byName(output.trim().split("\n"));
}

async function timesOnNode() {
  const lines = [];
  globalThis.host = nodeHost(["time"], (line) => lines.push(line));
  await import(pathToFileURL(script).href);
  globalThis.main();
  return byName(lines);
}

function byName(lines) {
  return Object.fromEntries(
    lines.map((line) => [line.slice(line.indexOf(" ") + 1), Number(line.slice(0, line.indexOf(" ")))]),
  );
}

/** { name: instructions }: callgrind writes a file at each call of host.mark(), with what was executed since the last. */
async function instructions(bits) {
  const folder = mkdtempSync(join(tmpdir(), "midge-bench-"));
  const out = join(folder, "part");
  const child = spawn(
    "valgrind",
    [
      "--tool=callgrind",
      "--dump-before=host_mark",
      `--callgrind-out-file=${out}`,
      executable(bits),
      ...MACHINE,
      script,
      "count",
      `${PACKETS}`,
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let output = "";
  let errors = "";
  child.stdout.on("data", (data) => (output += data));
  child.stderr.on("data", (data) => (errors += data));
  const code = await new Promise((resolve) => child.on("close", resolve));
  if (code !== 0) throw new Error(errors);
  const totals = readdirSync(folder)
    .map((name) => /^part\.(\d+)$/.exec(name))
    .filter((match) => match !== null)
    .sort((a, b) => Number(a[1]) - Number(b[1]))
    .map((match) => Number(/^(?:totals|summary): (\d+)/m.exec(readFileSync(join(folder, match[0]), "utf8"))[1]));
  rmSync(folder, { recursive: true });
  // Part 1 ends at the first mark; then, by turns, a case, and what is between two cases.
  return Object.fromEntries(
    output
      .trim()
      .split("\n")
      .map((name, index) => [name, Math.round(totals[2 * index + 1] / PACKETS)]),
  );
}

const widths = builtWidths();
if (widths.length === 0) {
  console.log("xs: nothing is built");
  process.exit(1);
}
const columns = [];
const hasValgrind = !spawnSync("valgrind", ["--version"]).error;
const counted = {};
for (const bits of widths) {
  const microseconds = await timesOnXs(bits);
  if (hasValgrind) counted[bits] = await instructions(bits);
  columns.push({ engine: `XS ${bits}`, microseconds });
}
columns.push({ engine: `Node ${process.versions.node.split(".")[0]}`, microseconds: await timesOnNode() });

const names = Object.keys(columns[0].microseconds);
const before = existsSync(kept) ? JSON.parse(readFileSync(kept, "utf8")) : undefined;
const width = Math.max(...names.map((name) => name.length));

function change(bits, name) {
  const old = before?.instructions[bits]?.[name];
  const now = counted[bits][name];
  if (old === undefined || old === now) return "";
  return ` ${now > old ? "+" : ""}${(((now - old) / old) * 100).toFixed(1)}%`;
}

console.log(
  `${"packets a second".padEnd(width)}${columns.map(({ engine }) => engine.padStart(12)).join("")}` +
    Object.keys(counted)
      .map((bits) => `${bits}-bit instr.`.padStart(24))
      .join(""),
);
for (const name of names) {
  const rates = columns.map(({ microseconds }) => Math.round(1e6 / microseconds[name]).toLocaleString("en-US"));
  const counts = Object.keys(counted).map(
    (bits) => `${counted[bits][name].toLocaleString("en-US")}${change(bits, name)}`,
  );
  console.log(
    name.padEnd(width) + rates.map((rate) => rate.padStart(12)).join("") + counts.map((c) => c.padStart(24)).join(""),
  );
}

if (process.argv.includes("--write")) {
  if (!hasValgrind) throw new Error("no valgrind, no instructions");
  const compiler = spawnSync(process.env.CC ?? "cc", ["--version"])
    .stdout.toString()
    .split("\n")[0];
  writeFileSync(kept, `${JSON.stringify({ compiler, instructions: counted }, null, 2)}\n`);
}
