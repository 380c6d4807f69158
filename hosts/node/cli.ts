// The command `midge`. Exit codes: 0 done, or stopped by a signal after everybody was told; 1 the machine or the network
// refused; 2 what was asked for can't be; 70 a defect of ours. One line on stderr says which. What else a command of
// commands/ may end with, stands there.

import { Command } from "commander";
import { brokerCommand } from "./commands/broker";
import { escapeLine, failureOf } from "./commands/failure";
import { planCommand } from "./commands/plan";
import { pubCommand } from "./commands/pub";
import { subCommand } from "./commands/sub";
import { Output } from "./output";

/** Put in by the build. */
declare const MIDGE_VERSION: string | undefined;

/** The widest that help gets. */
const COLUMNS = 100;

const output = new Output(process.stdout);

function fail(error: unknown): void {
  const { line, code } = failureOf(error);
  output.flush();
  if (line !== "") process.stderr.write(`midge: ${escapeLine(line)}\n`);
  process.exitCode = code;
}

/** Errors are thrown and told by `fail`; `-h` is the host, so help is `--help`. */
function quietly(command: Command): Command {
  return command
    .exitOverride()
    .helpOption("--help", "print this")
    .configureOutput({
      writeErr: () => {},
      getOutHelpWidth: () => Math.min(process.stdout.columns ?? COLUMNS, COLUMNS),
    });
}

async function main(): Promise<void> {
  const program = quietly(new Command("midge"))
    .description("An MQTT broker whose memory is fixed before it starts, and a client for the command line.")
    .version(typeof MIDGE_VERSION === "string" ? MIDGE_VERSION : "0.0.0", "--version");

  brokerCommand(quietly(program.command("broker")), output);
  planCommand(quietly(program.command("plan")), output);
  pubCommand(quietly(program.command("pub")));
  subCommand(quietly(program.command("sub")));

  if (process.argv.length <= 2) {
    program.outputHelp();
    process.exitCode = 2;
    return;
  }
  await program.parseAsync();
}

process.stderr.on("error", () => {}); // nobody reads it: the exit code stays
process.on("uncaughtException", (error) => {
  fail(error);
  process.exit();
});
main().catch(fail);
