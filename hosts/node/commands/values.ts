// Values of options as people type them. Whatever is wrong is a ConfigError that names the option.

import { readFileSync } from "node:fs";
import { ConfigError } from "../config";

/** For options that may be repeated. */
export function collect(value: string, all: readonly string[] = []): readonly string[] {
  return [...all, value];
}

/** A whole number in a range. */
export function whole(text: string, option: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : -1;
  if (value < least || value > most) {
    throw new ConfigError(`${option} "${text}": must be a whole number from ${least} to ${most}`);
  }
  return value;
}

/** Seconds, with a fraction or not, as milliseconds; at most what a timer takes, 24 days. */
export function milliseconds(text: string, option: string, least: number): number {
  const value = /^(\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) * 1000 : -1;
  if (value < least || value > 2_073_600_000) {
    throw new ConfigError(`${option} "${text}": must be seconds${least > 0 ? " above 0" : ""}, at most 24 days`);
  }
  return value;
}

/** The one that is given, if any. */
export function one(what: string, ...values: readonly (string | undefined)[]): string | undefined {
  const given = values.filter((value) => value !== undefined);
  if (given.length > 1) throw new ConfigError(`the ${what} is given more than once`);
  return given[0];
}

/** @throws ConfigError */
export function readFile(path: string, option: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why: Record<string, string> = { ENOENT: "no such file", EACCES: "not readable", EISDIR: "is a directory" };
    throw new ConfigError(`${option} ${path}: ${why[code ?? ""] ?? message}`);
  }
}
