// npm run sim:mutations [-- TEXT]: plants each defect of mutations.ts (whose name has TEXT in it) in a copy of the core,
// runs seeds until oracle or audit object, and prints how many it took, and whether the statement suite of test/spec
// would have seen it, which has no client in it. Exit code 1 when one was not caught within its number of seeds.

import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Mutation, mutations } from "./mutations";
import { clientMutations } from "./mutations-client";
import { bundle } from "./patches";

export interface Caught {
  /** The seed that caught it, 0 for none within the number. */
  seed: number;
  /** Who saw it. */
  kind: string;
  message: string;
}

const ROOT = process.cwd();
const require = createRequire(import.meta.url);

/** Bundles a module around the core with a defect and loads it. */
async function load<T>(entry: string, mutation: Mutation): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), "mutation-"));
  try {
    const outfile = join(directory, "mutant.cjs");
    await bundle(ROOT, entry, outfile, [mutation]);
    return require(outfile) as T;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Runs the seeds of one mutation. A crash of the core does not count: the next seed is tried. */
export async function tryMutation(mutation: Mutation): Promise<Caught> {
  const { hunt } = await load<typeof import("./mutant")>("sim/mutant.ts", mutation);
  return hunt(mutation.world, mutation.seeds);
}

/** Which of the statements' tests fails first; "" when all pass. */
export async function failingStatement(mutation: Mutation): Promise<string> {
  const { firstFailure } = await load<{ firstFailure(): Promise<string> }>("test/sim/statements.ts", mutation);
  return firstFailure();
}

async function main(): Promise<void> {
  const text = process.argv.slice(2).join(" ");
  const wanted = [...mutations, ...clientMutations].filter(({ name }) => name.includes(text));
  let caught = 0;
  let most = 0;
  let survivors = 0;
  const line = (...[name, world, seeds, by, spec]: readonly string[]): void =>
    console.log(`${name.padEnd(76)} ${world.padEnd(6)} ${seeds.padStart(5)}  ${by.padEnd(6)}  ${spec}`);
  line("mutation", "world", "seeds", "by", "test/spec");
  for (const mutation of wanted) {
    const { seed, kind } = await tryMutation(mutation);
    const isOfClient = mutation.file.startsWith("client/");
    const statement = isOfClient ? "" : await failingStatement(mutation);
    if (seed > 0) caught++;
    if (seed > 0 && statement === "" && !isOfClient) survivors++;
    most = Math.max(most, seed);
    const spec = isOfClient ? "" : statement === "" ? "passes" : `fails: ${statement.slice(0, 60)}`;
    line(mutation.name, mutation.world, seed > 0 ? `${seed}` : `>${mutation.seeds}`, kind || "nobody", spec);
  }
  console.log(
    `${caught} of ${wanted.length} caught, within ${most} seeds; ${survivors} of the broker's pass test/spec`,
  );
  if (caught < wanted.length) process.exitCode = 1;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
