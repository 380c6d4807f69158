// node test/xs/micro.mjs [group]: runs micro.ts on XS 32-bit, XS 64-bit and this Node, one after the other, and prints a table of
// nanoseconds, and of the bytes that the first of them allocates.
// The figures are also left in test/xs/build/micro.json.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { bundle } from "./bundle.mjs";
import { nodeHost } from "./node-host.mjs";
import { builtWidths, start } from "./run.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const script = await bundle(join(here, "micro.ts"));
const columns = [];

for (const bits of builtWidths()) {
  const { code, output, errors } = await start(bits, script, {
    options: ["--chunks", "1000000", "--slots", "20000", "--keys", "500"],
  }).done;
  if (code !== 0) throw new Error(errors);
  columns.push({
    engine: `XS ${bits}`,
    results: output
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
  });
}

const results = [];
globalThis.host = nodeHost([], (line) => results.push(JSON.parse(line)));
await import(pathToFileURL(script).href);
globalThis.main();
columns.push({ engine: `Node ${process.versions.node.split(".")[0]}`, results });

const table = results.map(({ group, name }, index) => ({
  group,
  name,
  bytes: columns[0].results[index].bytes ?? 0,
  ns: Object.fromEntries(columns.map(({ engine, results }) => [engine, Number(results[index].ns.toFixed(2))])),
}));
writeFileSync(join(here, "build", "micro.json"), `${JSON.stringify(table, null, 2)}\n`);

const wanted = process.argv[2];
const width = Math.max(...table.map(({ name }) => name.length));
const heads = [...columns.map(({ engine }) => engine), "bytes"];
console.log(`${"nanoseconds".padEnd(width)}${heads.map((head) => head.padStart(10)).join("")}`);
let group;
for (const row of table) {
  if (wanted && row.group !== wanted) continue;
  if (row.group !== group) console.log(`-- ${(group = row.group)}`);
  console.log(
    `${row.name.padEnd(width)}${columns.map(({ engine }) => row.ns[engine].toFixed(1).padStart(10)).join("")}${String(row.bytes).padStart(10)}`,
  );
}
