// The options of `midge broker` and `midge plan` that say which limits.

import type { Command } from "commander";
import { type Limits, presets } from "../../../src/memory/limits";
import { type ConfigFile, readConfig, readLimits, setLimits } from "../config";

export interface LimitFlags {
  limits?: string;
  set: string[];
  config?: string;
  json?: true;
}

export function withLimits(command: Command): Command {
  return command
    .option("--limits <preset|file>", `limits: ${Object.keys(presets).join(", ")}, or a JSON file (default: node)`)
    .option("--set <name=value>", "change one limit; may be repeated", (value, all: string[]) => [...all, value], [])
    .option("--config <file>", "JSON file with host, port, limits, log, json; options win over it");
}

export function limitsOf(flags: LimitFlags, config: ConfigFile): Limits {
  const limits = flags.limits === undefined ? (config.limits ?? { ...presets.node }) : readLimits(flags.limits);
  return setLimits(limits, flags.set);
}

export function configOf(flags: LimitFlags): ConfigFile {
  return flags.config === undefined ? {} : readConfig(flags.config);
}
