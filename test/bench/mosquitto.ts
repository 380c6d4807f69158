// `npm run bench`: Midge beside Mosquitto and, where it is installed, Aedes, on the loopback. Only ratios within one run
// mean anything: the brokers take turns, and what is shown are medians.

import { fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError } from "commander";
import { build } from "esbuild";
import { aedes, Broker, type Kind, midge, mosquitto, type Usage } from "./brokers";
import { type Order, type Run, type Scenario, scenarios } from "./scenarios";
import { choose, figure, median, spread, table } from "./statistics";

interface Options {
  seconds: number;
  warmup: number;
  rounds: number;
  only: string[];
  brokers: string[];
  bundle: string[];
  json?: true;
}

/** One run, and what it took of the broker. */
interface Sample extends Run {
  cpuSeconds: number;
  waitSeconds: number;
  rssBytes: number;
}

interface Result {
  broker: string;
  /** Deliveries or connections per second. */
  perSecond: number;
  spread: number;
  /** To the base: of rates, or of latencies the other way round; more is better. */
  ratio: number;
  /** CPU seconds of the broker per million deliveries or connections; microseconds each. */
  cpu: number;
  /** Of the base's CPU time to this broker's: what `ratio` would be on a machine of its own; more is better. */
  cpuRatio: number;
  /** Part of the time in which the broker was ready to run and others had the CPU. */
  waited: number;
  rssMegabytes: number;
  lost: number;
  /** Milliseconds. */
  p50?: number;
  p99?: number;
  /** Part of one core that the load generator took. */
  load: number;
}

class LoadGenerator {
  readonly #child;

  constructor(bundle: string) {
    this.#child = fork(bundle, { stdio: "inherit" });
  }

  /** Brokers it ends when this process is gone. */
  watch(pids: number[]): void {
    this.#child.send({ brokers: pids });
  }

  run(order: Order, broker: Broker): Promise<Sample> {
    return new Promise((resolve, reject) => {
      let before: Usage | undefined;
      let after: Usage | undefined;
      const done = (act: () => void): void => {
        this.#child.removeAllListeners();
        act();
      };
      this.#child.on("message", (message: "begin" | "end" | { run: Run } | { error: string }) => {
        if (message === "begin") before = broker.usage();
        else if (message === "end") after = broker.usage();
        else if ("error" in message) done(() => reject(new Error(message.error)));
        else {
          const { run } = message;
          done(() => (before && after ? resolve(sampleOf(run, before, after)) : reject(new Error("nothing measured"))));
        }
      });
      this.#child.on("exit", () => done(() => reject(new Error("the load generator ended"))));
      this.#child.send({ order });
    });
  }

  stop(): void {
    this.#child.removeAllListeners();
    this.#child.kill("SIGKILL");
  }
}

function sampleOf(run: Run, before: Usage, after: Usage): Sample {
  return {
    ...run,
    cpuSeconds: after.cpuSeconds - before.cpuSeconds,
    waitSeconds: after.waitSeconds - before.waitSeconds,
    rssBytes: after.rssBytes,
  };
}

function summary(broker: string, samples: readonly Sample[], base: readonly Sample[]): Result {
  const rate = (run: Sample): number => run.count / run.seconds;
  const rates = samples.map(rate);
  const cpu = (runs: readonly Sample[]): number => median(runs.map(({ cpuSeconds, count }) => cpuSeconds / count));
  const p50 = (runs: readonly Sample[]): number => median(runs.map(({ latency }) => latency?.p50 ?? Number.NaN));
  const isPaced = Math.abs(median(rates) / median(base.map(rate)) - 1) < 0.02 && samples[0].latency !== undefined;
  return {
    broker,
    perSecond: median(rates),
    spread: spread(isPaced ? samples.map(({ latency }) => latency?.p50 ?? Number.NaN) : rates),
    ratio: isPaced ? p50(base) / p50(samples) : median(rates) / median(base.map(rate)),
    cpu: cpu(samples) * 1e6,
    cpuRatio: cpu(base) / cpu(samples),
    waited: median(samples.map(({ waitSeconds, seconds }) => waitSeconds / seconds)),
    rssMegabytes: median(samples.map(({ rssBytes }) => rssBytes)) / 1e6,
    lost: samples.reduce((sum, { lost }) => sum + lost, 0),
    ...(samples[0].latency === undefined
      ? {}
      : { p50: p50(samples), p99: median(samples.map(({ latency }) => latency?.p99 ?? Number.NaN)) }),
    load: median(samples.map(({ loadCpuSeconds, seconds }) => loadCpuSeconds / seconds)),
  };
}

async function compare(scenario: Scenario, kinds: readonly Kind[], options: Options, load: string): Promise<Result[]> {
  const { seconds, warmup, rounds } = options;
  const samples = new Map<Kind, Sample[]>(kinds.map((kind) => [kind, []]));
  const brokers = new Map<Kind, Broker>();
  const generator = new LoadGenerator(load);
  try {
    for (const kind of kinds) brokers.set(kind, await Broker.start(kind));
    generator.watch(Broker.pids());
    for (let round = 0; round <= rounds; round++) {
      for (const [kind, broker] of brokers) {
        const first = round === 0; // only to warm up
        const order = {
          scenario,
          port: broker.port,
          warmupSeconds: warmup,
          seconds: first ? Math.min(1, seconds) : seconds,
        };
        const sample = await generator.run(order, broker).catch((error: Error) => {
          throw new Error(`${scenario.name}, ${kind.name}: ${error.message}`);
        });
        if (!first) samples.get(kind)?.push(sample);
      }
    }
  } finally {
    generator.stop();
    for (const broker of brokers.values()) await broker.stop();
  }
  const base = samples.get(kinds.find(({ name }) => name === "mosquitto") ?? kinds[0]) ?? [];
  return kinds.map((kind) => summary(kind.name, samples.get(kind) ?? [], base));
}

const HEAD = [
  "scenario",
  "broker",
  "per s",
  "±%",
  "ratio",
  "p50 ms",
  "p99 ms",
  "CPU s/M",
  "CPU ratio",
  "RSS MB",
  "lost",
  "load %",
  "wait %",
];

function rows(scenario: Scenario, results: readonly Result[]): string[][] {
  return results.map((result, i) => [
    i === 0 ? scenario.name : "",
    result.broker,
    figure(result.perSecond),
    (result.spread * 100).toFixed(0),
    result.ratio.toFixed(2),
    result.p50 === undefined ? "" : result.p50.toFixed(3),
    result.p99 === undefined ? "" : result.p99.toFixed(3),
    figure(result.cpu),
    result.cpuRatio.toFixed(2),
    result.rssMegabytes.toFixed(0),
    String(result.lost),
    (result.load * 100).toFixed(0),
    (result.waited * 100).toFixed(0),
  ]);
}

async function kindsFrom(options: Options, directory: string): Promise<Kind[]> {
  const kinds: Kind[] = [];
  if (options.bundle.length === 0) kinds.push(midge("midge", undefined, directory));
  for (const bundle of options.bundle) {
    const at = bundle.indexOf("=");
    kinds.push(midge(bundle.slice(0, at), bundle.slice(at + 1), directory));
  }
  for (const kind of [mosquitto(directory), await aedes(directory)]) if (kind !== undefined) kinds.push(kind);
  if (options.brokers.length === 0) return kinds;
  return kinds.filter(({ name }) => options.brokers.includes(name));
}

async function main(options: Options): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "midge-bench-"));
  try {
    const load = join(directory, "load.mjs");
    const entry = fileURLToPath(new URL("load.ts", import.meta.url));
    await build({
      entryPoints: [entry],
      outfile: load,
      bundle: true,
      format: "esm",
      platform: "node",
      target: "node20",
    });
    const kinds = await kindsFrom(options, directory);
    const names = choose(
      scenarios.map(({ name }) => name),
      options.only,
    );
    const chosen = scenarios.filter(({ name }) => names.includes(name));
    const all: { scenario: string; results: Result[] }[] = [];
    const shown: string[][] = [HEAD];
    for (const scenario of chosen) {
      const results = await compare(scenario, kinds, options, load);
      all.push({ scenario: scenario.name, results });
      shown.push(...rows(scenario, results));
      if (process.stderr.isTTY)
        process.stderr.write(`${scenario.name}: ${results.map(({ ratio }) => ratio.toFixed(2)).join(" / ")}\n`);
    }
    const versions = Object.fromEntries(kinds.map(({ name, version }) => [name, version]));
    const { seconds, rounds } = options;
    if (options.json) {
      console.log(
        JSON.stringify({ node: process.version, cpus: cpus().length, versions, seconds, rounds, all }, null, 2),
      );
      return;
    }
    console.log(table(shown));
    console.log(
      `\nNode.js ${process.version}, ${cpus().length} CPUs; ${kinds.map(({ name, version }) => `${name} ${version}`).join(", ")}.`,
      `\nMedians of ${rounds} runs of ${seconds} s, the brokers taking turns; ± is half the distance between lowest and highest.`,
      "\nRatio: to mosquitto, of the rate or, where that is given, of the p50 latency the other way round: more is better.",
      "\nCPU s/M: the broker's CPU seconds per million deliveries, its ratio the other way round. load: CPU of the load generator,",
      "\nwhich bounds what can be seen. wait: the broker could have run and something else did; much of it, and only the CPU ratio counts.",
    );
  } finally {
    Broker.killAll();
    rmSync(directory, { recursive: true, force: true });
  }
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError("a number above 0");
  return value;
}

function list(value: string, all: string[]): string[] {
  return [...all, value];
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    Broker.killAll();
    process.exit(1);
  });
}

new Command("bench")
  .description("Midge beside Mosquitto and Aedes on the loopback.")
  .option("--seconds <number>", "length of one run", positive, 2)
  .option("--warmup <number>", "seconds before each run", positive, 0.5)
  .option("--rounds <number>", "runs of each broker and scenario", positive, 3)
  .option("--only <text>", "scenarios whose name contains this; may be repeated", list, [])
  .option("--brokers <name>", "only this broker; may be repeated", list, [])
  .option("--bundle <name=path>", "a built midge.mjs instead of this tree; may be repeated", list, [])
  .option("--json", "print JSON")
  .action(main)
  .parseAsync()
  .catch((error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
