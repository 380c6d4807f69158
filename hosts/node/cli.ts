// The command `midge`. Exit codes: 0 done, or stopped by a signal after everybody was told; 1 the machine refused (port
// in use, no memory); 2 what was asked for can't be; 70 a defect of ours. One line on stderr says which.

import { isIPv6 } from "node:net";
import { Command, CommanderError, Option } from "commander";
import { plan } from "../../src/broker/plan";
import { type Limits, presets } from "../../src/memory/limits";
import { ConfigError, type ConfigFile, portFrom, readConfig, readLimits, setLimits } from "./config";
import { printable, safeJson } from "./escape";
import { listen } from "./listen";
import type { Detail, LogEvent } from "./log";
import { Output } from "./output";
import { colorsFor, eventText, planJson, planText } from "./print";
import { hostBuffers } from "./transport";

/** Put in by the build. */
declare const MIDGE_VERSION: string | undefined;

interface LimitFlags {
  limits?: string;
  set: string[];
  config?: string;
  json?: true;
}

interface BrokerFlags extends LimitFlags {
  port?: string;
  host?: string;
  quiet?: true;
  verbose?: true;
}

const output = new Output(process.stdout);

function limitsOf(flags: LimitFlags, config: ConfigFile): Limits {
  const limits = flags.limits === undefined ? (config.limits ?? { ...presets.node }) : readLimits(flags.limits);
  return setLimits(limits, flags.set);
}

function configOf(flags: LimitFlags): ConfigFile {
  return flags.config === undefined ? {} : readConfig(flags.config);
}

function showPlan(flags: LimitFlags): void {
  const limits = limitsOf(flags, configOf(flags));
  const buffers = hostBuffers(limits.connections, limits.inputBytes);
  if (flags.json) output.line(JSON.stringify(planJson(plan(limits), buffers), null, 2));
  else output.line(planText(plan(limits), buffers, colorsFor(process.stdout)));
}

async function runBroker(flags: BrokerFlags): Promise<void> {
  const config = configOf(flags);
  const limits = limitsOf(flags, config);
  const port = flags.port === undefined ? config.port : portFrom(flags.port);
  const host = flags.host ?? config.host;
  const detail: Detail = flags.quiet ? "quiet" : flags.verbose ? "verbose" : (config.log ?? "normal");
  const json = flags.json ?? config.json ?? false;
  const colors = colorsFor(process.stdout);
  const tell = (event: LogEvent): void => output.line(json ? safeJson(event) : eventText(event, colors));
  const say = (event: string, fields: object, text: string): void => {
    output.line(json ? safeJson({ time: new Date().toISOString(), event, ...fields }) : text);
  };

  if (detail !== "quiet") {
    const buffers = hostBuffers(limits.connections, limits.inputBytes);
    const planned = plan(limits);
    say("plan", planJson(planned, buffers), `${planText(planned, buffers, colors)}\n`);
    output.flush();
  }
  const listening = await listen({ limits, port, host, onEvent: tell, detail });
  const url = `mqtt://${isIPv6(listening.host) ? `[${listening.host}]` : listening.host}:${listening.port}`;
  const loopback = isLoopback(listening.host);
  say("listening", { url, host: listening.host, port: listening.port, loopback }, `listening ${colors.bold(url)}`);
  if (!json && detail !== "quiet") {
    output.line(
      loopback
        ? "Only programs on this machine can connect; --host 0.0.0.0 opens it to the network."
        : colors.yellow("Open to the network: whoever reaches this port can publish and subscribe to everything."),
    );
  }

  const signal = await new Promise<NodeJS.Signals>((resolve) => {
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, resolve);
  });
  say("stopping", { reason: signal }, `stopping (${signal})`);
  output.flush();
  // Who asks twice does not want to wait.
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => process.exit(0));
  await listening.close();
  const counters = listening.broker.counters();
  if (json) say("stopped", { counters }, "");
  else if (detail === "verbose") output.line(`stopped ${JSON.stringify(counters)}`);
}

function isLoopback(host: string): boolean {
  return host === "::1" || host.startsWith("127.") || host.startsWith("::ffff:127.");
}

/** One line, and the exit code. */
function failure(error: unknown): { line: string; code: number } {
  if (error instanceof ConfigError) return { line: error.message, code: 2 };
  if (error instanceof CommanderError) {
    const shown = error.code === "commander.helpDisplayed" || error.code === "commander.version";
    const line = error.message.replace(/^error: /, "").replace(/\s+/g, " ");
    return { line: shown || error.code === "commander.help" ? "" : line, code: shown ? 0 : 2 };
  }
  if (error instanceof RangeError && /allocat|array buffer|array length/i.test(error.message)) {
    return { line: "this machine can't give the memory of the plan (see: midge plan)", code: 1 };
  }
  const { code, syscall, address, port, hostname, message } = error as NodeJS.ErrnoException & Record<string, unknown>;
  if (syscall === undefined) return { line: `defect in midge: ${message}`, code: 70 };
  const where = `${address ?? hostname}${port === undefined ? "" : `:${port}`}`;
  const why: Record<string, string> = {
    EADDRINUSE: `port in use: ${where}`,
    EACCES: `not allowed to open the port: ${where}`,
    EADDRNOTAVAIL: `not an address of this machine: ${address}`,
    ENOTFOUND: `no such host: ${hostname}`,
    EAI_AGAIN: `no such host: ${hostname}`,
  };
  return { line: why[code ?? ""] ?? message, code: 1 };
}

function fail(error: unknown): void {
  const { line, code } = failure(error);
  output.flush();
  if (line !== "") process.stderr.write(`midge: ${escapeLine(line)}\n`);
  process.exitCode = code;
}

/** What people typed may come back; it stays on one line. */
function escapeLine(line: string): string {
  return /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(line) ? printable(line) : line;
}

function withLimits(command: Command): Command {
  return command
    .option("--limits <preset|file>", `limits: ${Object.keys(presets).join(", ")}, or a JSON file (default: node)`)
    .option("--set <name=value>", "change one limit; may be repeated", (value, all: string[]) => [...all, value], [])
    .option("--config <file>", "JSON file with host, port, limits, log, json; options win over it");
}

function quietly(command: Command): Command {
  return command.exitOverride().configureOutput({ writeErr: () => {} });
}

async function main(): Promise<void> {
  const program = quietly(new Command("midge"))
    .description("An MQTT broker whose memory is fixed before it starts.")
    .version(typeof MIDGE_VERSION === "string" ? MIDGE_VERSION : "0.0.0");

  withLimits(quietly(program.command("broker")))
    .description("start a broker for MQTT 3.1, 3.1.1 and 5.0")
    .option("--port <number>", "TCP port; 0 lets the system choose (default: 1883)")
    .option("--host <address>", "address to listen on (default: 127.0.0.1, this machine only)")
    .option("--json", "print one JSON object a line")
    .addOption(new Option("--quiet", "print only what was refused or dropped").conflicts("verbose"))
    .addOption(new Option("--verbose", "print everything"))
    .action((flags: BrokerFlags) => runBroker(flags));

  withLimits(quietly(program.command("plan")))
    .description("print how much memory limits take, without starting anything")
    .option("--json", "print JSON")
    .action((flags: LimitFlags) => showPlan(flags));

  if (process.argv.length <= 2) {
    program.outputHelp();
    process.exitCode = 2;
    return;
  }
  await program.parseAsync();
}

process.on("uncaughtException", (error) => {
  fail(error);
  process.exit();
});
main().catch(fail);
