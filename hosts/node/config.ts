// Limits and configuration as people write them: names of presets, JSON files, `name=value`. Everything is checked
// before anything starts, and what is wrong is named: the file, the field, what it may be.

import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { checkLimits, type Limits, LimitsError, limitRanges, presets } from "../../src/memory/limits";
import type { Detail } from "./log";

/** What was written is not usable. The message is one line for whoever wrote it. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ConfigError";
  }
}

/** A configuration file; every field may be left out. */
export interface ConfigFile {
  /** Address or name to listen on. */
  host?: string;
  /** TCP port, 0 to 65,535. */
  port?: number;
  /** The name of a preset, the path of a limits file (relative to this file), or what stands in a limits file. */
  limits?: Limits;
  /** How much is printed. */
  log?: Detail;
  /** One JSON object a line instead of text. */
  json?: boolean;
}

type Json = Record<string, unknown>;

/** Limits that are no numbers. */
const texts: readonly string[] = ["sessionOverflow", "refuse311"];
const limitFields: readonly string[] = [...Object.keys(limitRanges), ...texts];
const presetNames: readonly string[] = Object.keys(presets);
const details: readonly string[] = ["quiet", "normal", "verbose"] satisfies Detail[];

/** Limits from the name of a preset, or the path of a limits file. */
export function readLimits(nameOrPath: string, directory = "."): Limits {
  if (isPreset(nameOrPath)) return { ...presets[nameOrPath] };
  const path = resolve(directory, nameOrPath);
  const what = `no preset (${presetNames.join(", ")}) and no file`;
  return limitsFrom(
    readJson(path, (reason) => `limits "${nameOrPath}": ${what}: ${reason}`),
    nameOrPath,
  );
}

/** Limits with `name=value` applied in their order, and checked. */
export function setLimits(limits: Limits, assignments: readonly string[]): Limits {
  const changed: Json = { ...limits };
  for (const assignment of assignments) {
    const at = assignment.indexOf("=");
    if (at < 1) throw new ConfigError(`--set ${assignment}: write name=value`);
    const name = assignment.slice(0, at).trim();
    const text = assignment.slice(at + 1).trim();
    if (!limitFields.includes(name)) throw new ConfigError(`--set ${assignment}: ${unknown(name, limitFields)}`);
    changed[name] = texts.includes(name) ? text : numberFrom(text, assignment);
  }
  return checked(changed, "");
}

/** A configuration file, checked. */
export function readConfig(path: string): ConfigFile {
  const json = readJson(path, (reason) => `${path}: ${reason}`);
  const wrong = (field: string, why: string): ConfigError => new ConfigError(`${path}: field "${field}": ${why}`);
  const config: ConfigFile = {};
  for (const [field, value] of Object.entries(json)) {
    switch (field) {
      case "host":
        if (typeof value !== "string" || value === "") throw wrong(field, "must be an address or a name");
        config.host = value;
        break;
      case "port":
        if (!isPort(value)) throw wrong(field, "must be a whole number from 0 to 65535");
        config.port = value;
        break;
      case "limits":
        if (typeof value === "string") config.limits = readLimits(value, dirname(path));
        else if (isObject(value)) config.limits = limitsFrom(value, `${path}: field "limits"`);
        else throw wrong(field, "must be the name of a preset, the path of a file, or an object");
        break;
      case "log":
        if (typeof value !== "string" || !details.includes(value)) {
          throw wrong(field, `must be one of ${details.join(", ")}`);
        }
        config.log = value as Detail;
        break;
      case "json":
        if (typeof value !== "boolean") throw wrong(field, "must be true or false");
        config.json = value;
        break;
      default:
        throw new ConfigError(`${path}: ${unknown(field, ["host", "port", "limits", "log", "json"])}`);
    }
  }
  return config;
}

/** A port from text. */
export function portFrom(text: string): number {
  const port = /^\d+$/.test(text) ? Number(text) : -1;
  if (!isPort(port)) throw new ConfigError(`port "${text}": must be a whole number from 0 to 65535`);
  return port;
}

function limitsFrom(json: Json, where: string): Limits {
  const { preset = "node", ...overrides } = json;
  if (typeof preset !== "string" || !isPreset(preset)) {
    throw new ConfigError(`${where}: field "preset": must be one of ${presetNames.join(", ")}`);
  }
  for (const field of Object.keys(overrides)) {
    if (!limitFields.includes(field)) throw new ConfigError(`${where}: ${unknown(field, ["preset", ...limitFields])}`);
  }
  return checked({ ...presets[preset], ...overrides }, `${where}: `);
}

function checked(json: Json, where: string): Limits {
  const limits = json as unknown as Limits;
  try {
    checkLimits(limits);
  } catch (error) {
    if (error instanceof LimitsError) throw new ConfigError(`${where}${error.message}`);
    throw error;
  }
  return limits;
}

function readJson(path: string, describe: (reason: string) => string): Json {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new ConfigError(describe(readFailure(error as NodeJS.ErrnoException)));
  }
  let json: unknown;
  try {
    json = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw new ConfigError(`${path}: not JSON: ${(error as Error).message.replace(/\s+/g, " ")}`);
  }
  if (!isObject(json)) throw new ConfigError(`${path}: must hold a JSON object`);
  return json;
}

function readFailure({ code, message }: NodeJS.ErrnoException): string {
  if (code === "ENOENT") return "no such file";
  if (code === "EACCES") return "not readable";
  if (code === "EISDIR") return "is a directory";
  return message;
}

function numberFrom(text: string, assignment: string): number {
  if (!/^\d+$/.test(text)) throw new ConfigError(`--set ${assignment}: must be a whole number`);
  return Number(text);
}

function isPreset(name: string): name is keyof typeof presets {
  return presetNames.includes(name);
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 65_535;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unknown(field: string, fields: readonly string[]): string {
  const [nearest] = fields
    .map((name) => ({ name, distance: editDistance(name.toLowerCase(), field.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const hint = nearest.distance <= Math.max(2, field.length / 3) ? ` (did you mean "${nearest.name}"?)` : "";
  return `unknown field "${field}"${hint}`;
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length];
}
