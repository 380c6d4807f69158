// node test/xs/memory.mjs [--no-search]: what the presets that fit a device take of it, in 32-bit slots, and the smallest
// fixed machines, by bisection. Not for CI: the search runs hundreds of machines.

import { fileURLToPath } from "node:url";
import { bundle } from "./bundle.mjs";
import { builtWidths, start } from "./run.mjs";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const presets = ["esp32", "gateway", "psram"];
const LARGE = ["--chunks", "8000000", "--slots", "60000", "--stack", "2000", "--keys", "500"];

const number = (value) => value.toLocaleString("en-US");

const [bits] = builtWidths();
if (bits === undefined) {
  console.log("xs: nothing is built: npm run xs:install && npm run build:xs");
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
  console.log(
    `  the broker keeps ${number(slots)} slots (${number(slots * slotBytes)} bytes) and ${number(chunks)} bytes of chunks: ${number(total)} bytes`,
  );
  const grown = loads.filter((load) => load.slots !== 0 || load.chunks !== 0 || load.collections !== 0);
  console.log(
    `  under ${loads.length} kinds of load it takes ${grown.length === 0 ? "nothing more" : JSON.stringify(grown)}`,
  );
  const deepest = loads.reduce((a, b) => (b.stack > a.stack ? b : a));
  console.log(`  the core's stack: at most ${deepest.stack} slots (${number(deepest.stack * slotBytes)} bytes)`);
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

async function runs(script, argumentLists, options) {
  for (const args of argumentLists) {
    const { code } = await start(bits, script, { options, args }).done;
    if (code !== 0) return false;
  }
  return true;
}

/** Chunks first, with slots in plenty; then slots, then stack. */
async function smallest(script, argumentLists, most) {
  const machine = { chunks: most.chunks, slots: most.slots, stack: most.stack };
  const steps = { chunks: 64, slots: 4, stack: 4 };
  for (const field of ["chunks", "slots", "stack"]) {
    machine[field] = await least(0, most[field], steps[field], (value) => {
      const tried = { ...machine, [field]: value };
      return runs(
        script,
        argumentLists,
        Object.entries(tried).flatMap(([name, n]) => [`--${name}`, `${n}`]),
      );
    });
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

const memory = await bundle(path("memory.ts"));
for (const preset of presets) printMemory(preset, await measure(memory, preset));

if (!process.argv.includes("--no-search")) {
  console.log("\nsmallest fixed machines");
  const broker = await bundle(path("broker.ts"));
  for (const preset of presets) {
    const found = await smallest(broker, [[preset, "30"]], { chunks: 4000000, slots: 20000, stack: 1000 });
    printSmallest(`the ${preset} broker on TCP, started`, found);
  }
  const allocation = await bundle(path("allocation.ts"));
  const kinds = JSON.parse((await start(bits, allocation).done).output);
  const found = await smallest(
    allocation,
    kinds.map((kind) => [kind, "false", "300", "20"]),
    { chunks: 78848, slots: 4928, stack: 1000 },
  );
  printSmallest("the allocation program (esp32, with its clients), all kinds", found);
}
