// `midge plan`: what limits cost, without starting anything.

import type { Command } from "commander";
import { plan } from "../../../src/broker/plan";
import type { Output } from "../output";
import { colorsFor, planJson, planText } from "../print";
import { hostBuffers } from "../transport";
import { configOf, type LimitFlags, limitsOf, withLimits } from "./limit-flags";

export function planCommand(command: Command, output: Output): void {
  withLimits(command)
    .description("print how much memory limits take, without starting anything")
    .option("--json", "print JSON")
    .action((flags: LimitFlags) => showPlan(flags, output));
}

function showPlan(flags: LimitFlags, output: Output): void {
  const limits = limitsOf(flags, configOf(flags));
  const buffers = hostBuffers(limits.connections, limits.inputBytes);
  if (flags.json) output.line(JSON.stringify(planJson(plan(limits), buffers), null, 2));
  else output.line(planText(plan(limits), buffers, colorsFor(process.stdout)));
}
