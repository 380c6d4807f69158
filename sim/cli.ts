// npm run sim: runs seeds and says what happened. Exit codes: 0 all passed; 1 a run failed; 2 what was asked for can't be,
// in one line on stderr.

import { writeFileSync } from "node:fs";
import { Command, CommanderError, InvalidArgumentError } from "commander";
import { audit } from "./audit";
import { draw, limitsOf, type Options, setOption, type World, worldOf, worlds } from "./options";
import { renderReport } from "./report/report";
import { shrink } from "./shrink";
import { type Result, simulate } from "./simulation";
import { Summary } from "./summary";

const TRACE_LINES = 60;
/** Runs that get the audit after every tick; in longer series it is sampled. */
const SHORT = 20;

interface Flags {
  seed: number;
  seeds?: number;
  world?: World;
  limits?: string;
  set: string[];
  shrink?: true;
  trace: boolean;
  report?: string;
  auditEvery?: number;
}

class UsageError extends Error {}

function whole(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("must be a whole number");
  return Number(text);
}

function positive(text: string): number {
  if (whole(text) === 0) throw new InvalidArgumentError("must be at least 1");
  return whole(text);
}

function world(text: string): World {
  const found = worlds.find((name) => name === text);
  if (found === undefined) throw new InvalidArgumentError(`must be one of ${worlds.join(", ")}`);
  return found;
}

function parse(): Flags {
  return new Command("sim")
    .description("A network of devices, its faults and its clock, made from a seed, around the real broker.")
    .option("--seed <number>", "the first seed", whole, 1)
    .option("--seeds <count>", "run this many seeds, without their traces", positive)
    .option("--world <name>", `${worlds.join(", ")}; without it all in turn`, world)
    .option("--limits <preset>", "the limits of another preset")
    .option(
      "--set <name=value>",
      "an option instead of what the seed draws; repeatable",
      (one, all: string[]) => [...all, one],
      [],
    )
    .option("--shrink", "look for a smaller case of a failure")
    .option("--report <file>", "write a page about the first run that failed, else the last one")
    .option("--no-trace", "do not print the trace of a single run")
    .option("--audit-every <ticks>", "ticks from one audit of the memory to the next", positive)
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .parse()
    .opts<Flags>();
}

function optionsFor(seed: number, flags: Flags): Options {
  const options = draw(seed, flags.world ?? worldOf(seed));
  if (flags.limits !== undefined) options.limits = flags.limits;
  try {
    for (const text of flags.set) setOption(options, text);
    limitsOf(options);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  return options;
}

function main(flags: Flags): number {
  const count = flags.seeds ?? 1;
  const auditEvery = flags.auditEvery ?? (count <= SHORT ? 1 : 20);
  const run = { traceLines: TRACE_LINES, audit, auditEvery };
  const print = flags.trace && flags.seeds === undefined ? (line: string) => console.log(line) : undefined;
  const summary = new Summary(count, process.stderr);
  let shown: Result | undefined;
  for (let seed = flags.seed; seed < flags.seed + count; seed++) {
    const result = simulate(seed, optionsFor(seed, flags), { ...run, print });
    summary.add(result);
    if (shown?.failure === undefined) shown = result;
    if (result.failure === undefined) continue;
    summary.clear();
    tell(result, print === undefined, commandOf(result.options, result, auditEvery));
    if (!flags.shrink) continue;
    const smaller = shrink(result, run, (line) => console.log(line));
    console.log(`smaller: ${smaller.failure?.message}`);
    console.log(`again: ${commandOf(smaller.options, smaller, auditEvery)}\n`);
  }
  summary.clear();
  console.log(summary.text());
  if (flags.report !== undefined && shown !== undefined) writeReport(flags.report, shown, auditEvery);
  return summary.failures === 0 ? 0 : 1;
}

/** What to type for the same run again. */
function commandOf(options: Options, { seed }: Result, auditEvery: number): string {
  const drawn = draw(seed, options.world);
  const parts = [`npm run sim -- --seed ${seed} --world ${options.world}`];
  for (const key of Object.keys(drawn) as (keyof Options)[]) {
    if (options[key] === drawn[key]) continue;
    parts.push(key === "limits" ? `--limits ${options.limits}` : `--set ${key}=${options[key]}`);
  }
  if (auditEvery > 1) parts.push(`--audit-every ${auditEvery}`);
  return parts.join(" ");
}

function tell({ seed, options, failure }: Result, withTrace: boolean, command: string): void {
  if (failure === undefined) return;
  console.log(`\nFAILED seed ${seed}, world ${options.world}: ${failure.kind}: ${failure.message}`);
  console.log(`options: ${JSON.stringify(options)}`);
  if (withTrace) console.log(failure.trace.join("\n"));
  if (failure.kind === "crash") console.log(failure.stack);
  console.log(`again: ${command}\n`);
}

function writeReport(path: string, result: Result, auditEvery: number): void {
  const command = commandOf(result.options, result, auditEvery);
  try {
    writeFileSync(path, renderReport(result.timeline, { failure: result.failure?.message, command }));
  } catch (error) {
    throw new UsageError(`can't write ${path}: ${(error as NodeJS.ErrnoException).code}`);
  }
  console.log(`report: ${path}`);
}

try {
  process.exitCode = main(parse());
} catch (error) {
  const isHelp = error instanceof CommanderError && error.exitCode === 0;
  if (!(error instanceof CommanderError || error instanceof UsageError)) throw error;
  if (!isHelp) console.error(`sim: ${error.message.replace(/^error: /, "")}`);
  process.exitCode = isHelp ? 0 : 2;
}
