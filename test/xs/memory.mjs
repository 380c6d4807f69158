// node test/xs/memory.mjs [--no-search] [--only PRESET]: what the presets that fit a device take of it, in 32-bit slots, and
// the smallest fixed machines, by bisection: of brokers, and of `sensor`, a client. Not for CI: the search runs hundreds of
// machines, and the interop suite ten times.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { bundle } from "./bundle.mjs";
import { builtWidths, start } from "./run.mjs";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const only = process.argv.includes("--only") ? process.argv[process.argv.indexOf("--only") + 1] : undefined;
const all = ["esp32", "gateway", "psram", "sensor"].filter((preset) => only === undefined || preset === only);
const presets = all.filter((preset) => preset !== "sensor");
const LARGE = ["--chunks", "8000000", "--slots", "60000", "--stack", "2000", "--keys", "500"];

const number = (value) => value.toLocaleString("en-US");

const [bits] = builtWidths();
if (bits === undefined) {
  console.log("xs: nothing is built");
  process.exit(1);
}
if (bits !== "32") console.log("no 32-bit engine here: slots and chunk bytes are larger than a device's");

async function measure(script, preset) {
  const { code, output, errors } = await start(bits, script, { options: LARGE, args: [preset] }).done;
  if (code !== 0) throw new Error(errors);
  return JSON.parse(output);
}

function printMemory(preset, { slotBytes, arenaBytes, viewBytes, slots, chunks, loads, pools }) {
  const total = slots * slotBytes + chunks;
  console.log(`\n${preset}`);
  console.log(`  plan: arena ${number(arenaBytes)} bytes, views over it ${viewBytes}`);
  const what = preset === "sensor" ? "client" : "broker";
  console.log(
    `  the ${what} keeps ${number(slots)} slots (${number(slots * slotBytes)} bytes) and ${number(chunks)} bytes of chunks: ${number(total)} bytes`,
  );
  const grown = loads.filter((load) => load.slots !== 0 || load.chunks !== 0 || load.collections !== 0);
  console.log(
    `  under ${loads.length} kinds of load it takes ${grown.length === 0 ? "nothing more" : JSON.stringify(grown)}`,
  );
  // A client's load has a broker below it, whose stack is deeper.
  if (what === "broker") {
    const deepest = loads.reduce((a, b) => (b.stack > a.stack ? b : a));
    console.log(`  the core's stack: at most ${deepest.stack} slots (${number(deepest.stack * slotBytes)} bytes)`);
  }
  const used = Object.entries(pools).map(
    ([name, [capacity, free]]) => `${name} ${number(capacity - free)}/${number(capacity)}`,
  );
  console.log(`  most used under that load: ${used.join(", ")}`);
}

/** The least from `low` (too little) to `high` (enough) with which `passes`. */
async function least(low, high, step, passes) {
  if (!(await passes(high))) throw new Error(`${high} is not enough`);
  while (high - low > step) {
    const middle = low + Math.ceil((high - low) / 2 / step) * step;
    if (await passes(middle)) high = middle;
    else low = middle;
  }
  return high;
}

function optionsOf(machine) {
  return Object.entries(machine).flatMap(([name, value]) => [`--${name}`, `${value}`]);
}

async function runs(script, argumentLists, machine) {
  for (const args of argumentLists) {
    const { code } = await start(bits, script, { options: optionsOf(machine), args }).done;
    if (code !== 0) return false;
  }
  return true;
}

/** Whether every test of interop.test.ts passes. */
function interopPasses(machine) {
  const vitest = path("../../node_modules/vitest/vitest.mjs");
  const child = spawn(process.execPath, [vitest, "run", "--bail", "1", "--project", "xs", "test/xs/interop.test.ts"], {
    cwd: path("../.."),
    env: { ...process.env, MIDGE_REQUIRE: "1", MIDGE_XS_MACHINE: optionsOf(machine).join(" ") },
    stdio: "ignore",
  });
  return new Promise((resolve) => child.on("close", (code) => resolve(code === 0)));
}

/** Lowers one field after the other, the rest being `most` or what was found. */
async function smallest(most, steps, passes) {
  const machine = { ...most };
  for (const [field, step] of Object.entries(steps)) {
    machine[field] = await least(0, most[field], step, (value) => passes({ ...machine, [field]: value }));
  }
  return machine;
}

function printSmallest(what, { chunks, slots, stack }) {
  const slotBytes = bits === "32" ? 16 : 32;
  const total = chunks + (slots + stack) * slotBytes;
  console.log(
    `${what}: ${number(chunks)} bytes of chunks, ${number(slots)} slots, ${number(stack)} slots of stack: ${number(total)} bytes`,
  );
}

/** A client on TCP, which sends itself messages of every QoS in both versions; its server is a broker of ours beside it. */
async function searchClient(broker) {
  const server = start(bits, broker, { args: ["esp32", "3600000"] });
  try {
    const client = await bundle(path("client.ts"));
    const port = await server.line("port ");
    const argumentLists = ["4", "5"].map((version) => [port, version, "5000", "self"]);
    const most = { chunks: 20_000, slots: 1_000, stack: 512 };
    const found = await smallest(most, { chunks: 16, slots: 2, stack: 2 }, (machine) =>
      runs(client, argumentLists, machine),
    );
    printSmallest("the sensor client on TCP connects, publishes and receives at every QoS", found);
  } finally {
    server.child.kill("SIGKILL");
  }
}

async function searchBoth() {
  const allocation = await bundle(path("allocation.ts"));
  const kinds = JSON.parse((await start(bits, allocation).done).output);
  const found = await smallest(
    { chunks: 78_848, slots: 4_928, stack: 1_000 },
    { chunks: 64, slots: 4, stack: 4 },
    (machine) =>
      runs(
        allocation,
        kinds.map((kind) => [kind, "false", "300", "0"]),
        machine,
      ),
  );
  printSmallest("broker and clients in one machine (esp32), all kinds of packets", found);
}

const memory = await bundle(path("memory.ts"));
for (const preset of all) printMemory(preset, await measure(memory, preset));

if (!process.argv.includes("--no-search")) {
  console.log("\nsmallest fixed machines");
  const broker = await bundle(path("broker.ts"));
  // Chunks and slots are taken at the start and never again; the stack depends on what the clients do.
  for (const preset of presets) {
    const most = { chunks: 4_000_000, slots: 20_000, stack: 512 };
    const started = await smallest(most, { chunks: 64, slots: 4 }, (machine) =>
      runs(broker, [[preset, "30"]], machine),
    );
    printSmallest(`the ${preset} broker on TCP starts`, started);
    if (preset === "esp32" && bits === "32") {
      printSmallest("and passes the interop suite", await smallest(started, { stack: 4 }, interopPasses));
    }
  }
  if (all.includes("sensor")) await searchClient(broker);
  if (all.includes("esp32")) await searchBoth();
}
