// npm run sim: runs seeds and says what happened. Exit code 1 when one failed.

import { writeFileSync } from "node:fs";
import { Command, InvalidArgumentError } from "commander";
import { audit } from "./audit";
import { draw, type Options, type World, worlds } from "./options";
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
  set: Record<string, string>;
  shrink?: boolean;
  trace: boolean;
  timeline?: string;
  auditEvery?: number;
}

const program = new Command("sim")
  .description("A network of devices, its faults and its clock, made from a seed, around the real broker.")
  .option("--seed <number>", "the first seed", whole, 1)
  .option("--seeds <count>", "how many; without it one, with its trace", whole)
  .option("--world <name>", `${worlds.join(", ")}; without it all in turn`, world)
  .option("--limits <preset>", "limits of another preset")
  .option("--set <name=value>", "one option, instead of what the seed draws; repeatable", set, {})
  .option("--shrink", "look for a smaller case of a failure")
  .option("--no-trace", "do not print the trace of a single run")
  .option("--timeline <file>", "write the timeline of the last run as JSON")
  .option("--audit-every <ticks>", "ticks between two audits", whole);

program.parse();
process.exitCode = main(program.opts<Flags>());

function whole(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new InvalidArgumentError("must be a whole number");
  return Number(text);
}

function world(text: string): World {
  if (!(worlds as readonly string[]).includes(text))
    throw new InvalidArgumentError(`must be one of ${worlds.join(", ")}`);
  return text as World;
}

function set(text: string, before: Record<string, string>): Record<string, string> {
  const [, name, value] = /^([a-zA-Z0-9]+)=(.*)$/.exec(text) ?? [];
  if (name === undefined) throw new InvalidArgumentError("must be name=value");
  return { ...before, [name]: value };
}

function optionsFor(seed: number, name: World, flags: Flags): Options {
  const options = draw(seed, name) as Options & Record<string, unknown>;
  if (flags.limits !== undefined) options.limits = flags.limits;
  for (const [key, text] of Object.entries(flags.set)) {
    const before = options[key];
    if (before === undefined) throw new Error(`no option is named "${key}"`);
    (options as Record<string, unknown>)[key] =
      typeof before === "number" ? Number(text) : typeof before === "boolean" ? text === "true" : text;
  }
  return options;
}

function main(flags: Flags): number {
  const count = flags.seeds ?? 1;
  const names = flags.world === undefined ? worlds : [flags.world];
  const prints = count === 1 && flags.seeds === undefined && flags.trace && flags.world !== undefined;
  const auditEvery = flags.auditEvery ?? (count <= SHORT ? 1 : 20);
  const summary = new Summary(count * names.length, process.stderr);
  let failed = 0;
  let last: Result | undefined;
  for (let seed = flags.seed; seed < flags.seed + count; seed++) {
    for (const name of names) {
      const options = optionsFor(seed, name, flags);
      last = simulate(seed, options, {
        traceLines: TRACE_LINES,
        print: prints ? (line) => console.log(line) : undefined,
        audit,
        auditEvery,
      });
      summary.add(last);
      if (last.failure === undefined) continue;
      failed++;
      summary.clear();
      report(last, flags, auditEvery);
    }
  }
  summary.clear();
  console.log(summary.text());
  if (flags.timeline !== undefined && last !== undefined) writeFileSync(flags.timeline, JSON.stringify(last.timeline));
  return failed === 0 ? 0 : 1;
}

function report(result: Result, flags: Flags, auditEvery: number): void {
  const { seed, options, failure } = result;
  if (failure === undefined) return;
  const own = [`--seed ${seed} --world ${options.world}`];
  if (flags.limits !== undefined) own.push(`--limits ${flags.limits}`);
  for (const [name, value] of Object.entries(flags.set)) own.push(`--set ${name}=${value}`);
  own.push(`--audit-every ${auditEvery}`);
  console.log(`\nFAILED seed ${seed}, world ${options.world}: ${failure.kind}: ${failure.message}`);
  console.log(`options: ${JSON.stringify(options)}`);
  console.log(failure.trace.join("\n"));
  console.log(failure.stack.split("\n").slice(1, 8).join("\n"));
  console.log(`again: npm run sim -- ${own.join(" ")}\n`);
  if (!flags.shrink) return;
  const smaller = shrink(result, { audit, auditEvery }, (line) => console.log(line));
  const changes = (Object.keys(options) as (keyof Options)[])
    .filter((key) => smaller.options[key] !== options[key])
    .map((key) => `--set ${key}=${smaller.options[key]}`);
  console.log(`smaller: ${smaller.failure?.message}`);
  console.log(`again: npm run sim -- ${[...own, ...changes].join(" ")}\n`);
}
