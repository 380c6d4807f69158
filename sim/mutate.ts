// npm run sim:mutations: plants each defect in a copy of the core, runs seeds until oracle or audit object, and prints how
// many it took. With --json one object a line. Exit code 1 when one was not caught within its number.

import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Mutation, mutations } from "./mutations";
import { bundle } from "./patches";

export interface Caught {
  name: string;
  /** The seed that caught it, 0 for none within the number. */
  seed: number;
  kind: string;
  message: string;
}

const ROOT = process.cwd();

/** Runs the seeds of one mutation. A crash of the core does not count: the next seed is tried. */
export async function tryMutation(mutation: Mutation): Promise<Caught> {
  // Inside the project, so that the bundle finds its packages.
  const directory = mkdtempSync(join(ROOT, "dist", "mutation-"));
  try {
    const outfile = join(directory, "mutant.mjs");
    await bundle(ROOT, "sim/mutant.ts", outfile, [mutation]);
    const { hunt } = (await import(pathToFileURL(outfile).href)) as typeof import("./mutant");
    return { name: mutation.name, ...hunt(mutation.world, mutation.seeds) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
  const asJson = process.argv.includes("--json");
  let missed = 0;
  for (const mutation of mutations) {
    if (wanted.length > 0 && !wanted.some((text) => mutation.name.includes(text))) continue;
    const caught = await tryMutation(mutation);
    if (caught.seed === 0) missed++;
    if (asJson) console.log(JSON.stringify(caught));
    else {
      const result = caught.seed === 0 ? `NOT within ${mutation.seeds}` : `seed ${caught.seed}, ${caught.kind}`;
      console.log(`${mutation.name.padEnd(66)} ${mutation.world.padEnd(6)} ${result}`);
      if (caught.seed !== 0) console.log(`    ${caught.message.split("\n").slice(0, 2).join(" ").slice(0, 140)}`);
    }
  }
  if (missed > 0) process.exitCode = 1;
}

if (process.argv[1]?.endsWith("mutate.mjs")) await main();
