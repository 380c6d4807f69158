// What the device is told: by the manifest and the command line of mcconfig (`mc/config`), and by the setup page, which
// keeps network and name in NVS. What is kept there goes before what was built in.
//
// The network is not `ssid` there: with that the SDK joins by itself, once, and waits for it before it begins the program.

import type KeyValueModule from "embedded:storage/key-value";
import { checkLimits, type Limits, LimitsError, presets } from "../../src/memory/limits";

export interface Settings {
  /** "": not configured. */
  ssid: string;
  password: string;
  /** The name in the network, without ".local". */
  hostName: string;
  /** A network by these settings was joined once. */
  isProven: boolean;
}

export interface Configuration {
  limits: Readonly<Limits>;
  /** The name of the preset that `limits` began as. */
  preset: string;
  port: number;
  settings: Settings;
  /** A password for the access point, 8 to 63 characters; "": it is open. */
  setupPassword: string;
  /** A time server; "": none. */
  timeServer: string;
  /** Publish `$SYS/broker/…`. */
  hasStatus: boolean;
  /** Tell everything. */
  isVerbose: boolean;
  /** Bytes of chunks that the machine has: `creation.chunk.initial`; 0: unknown. */
  chunkBytes: number;
}

/** A setting that can't be: one line for people. */
export class ConfigurationError extends Error {}

const DOMAIN = "midge";
// Keys of NVS: at most 15 characters.
const SSID = "ssid";
const PASSWORD = "password";
const HOST = "host";
const PROVEN = "proven";
const RESTART = "restart";
const SETUP = "setup";
const YES = "1";

export const SSID_BYTES = 32;
export const PASSWORD_BYTES = 63;
export const HOST_CHARACTERS = 32;

/** Bytes of a text as UTF-8. */
function byteLength(text: string): number {
  let length = 0;
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    length += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return length;
}

function isPassword(text: string): boolean {
  return text.length >= 8 && byteLength(text) <= PASSWORD_BYTES;
}

/** Why such settings can't be, in words for people; "" when they can. Never repeats a password. */
export function settingsProblem({ ssid, password, hostName }: Omit<Settings, "isProven">): string {
  if (ssid === "") return "The network's name is missing.";
  if (byteLength(ssid) > SSID_BYTES) return `The network's name is longer than ${SSID_BYTES} bytes.`;
  if (password !== "" && !isPassword(password)) {
    return `A password has 8 to ${PASSWORD_BYTES} characters; leave it empty for an open network.`;
  }
  if (!/^[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?$/.test(hostName)) {
    return `The device's name has 1 to ${HOST_CHARACTERS} letters, digits and hyphens, no hyphen first or last.`;
  }
  return "";
}

/** The device's memory for settings: NVS. Each write is a write to flash. */
export class Memory {
  readonly #domain: ReturnType<typeof KeyValueModule.open>;

  constructor(KeyValue: typeof KeyValueModule) {
    this.#domain = KeyValue.open({ path: DOMAIN, format: "string" });
  }

  /** What was saved, with these instead of what was not. */
  settings(otherwise: Settings): Settings {
    const ssid = this.#read(SSID);
    if (ssid === "") return { ...otherwise, hostName: this.#read(HOST) || otherwise.hostName };
    return {
      ssid,
      password: this.#read(PASSWORD),
      hostName: this.#read(HOST) || otherwise.hostName,
      isProven: this.#read(PROVEN) === YES,
    };
  }

  save({ ssid, password, hostName }: Omit<Settings, "isProven">): void {
    this.#domain.delete(PROVEN);
    this.#domain.write(PASSWORD, password);
    this.#domain.write(HOST, hostName);
    this.#domain.write(SSID, ssid); // last: with it the others count
  }

  /** The settings work: a network that can't be joined later is not a mistake in them. */
  prove(): void {
    if (this.#read(PROVEN) !== YES) this.#domain.write(PROVEN, YES);
  }

  /** The next start opens the access point. */
  askForSetup(): void {
    this.#domain.write(SETUP, YES);
  }

  /** Whether this start was asked to open it; once. */
  takeSetup(): boolean {
    const isAsked = this.#read(SETUP) === YES;
    if (isAsked) this.#domain.delete(SETUP);
    return isAsked;
  }

  /** Why the device restarts, for after it; texts beyond 120 characters are cut. */
  keepReason(reason: string): void {
    this.#domain.write(RESTART, reason.slice(0, 120));
  }

  /** The reason that was kept, once; "" when there is none. */
  takeReason(): string {
    const reason = this.#read(RESTART);
    if (reason !== "") this.#domain.delete(RESTART);
    return reason;
  }

  #read(key: string): string {
    const value = this.#domain.read(key);
    return typeof value === "string" ? value : "";
  }
}

/**
 * The configuration of this build and this device.
 * @throws ConfigurationError, LimitsError for what can't be
 */
export function configurationFrom(config: Readonly<Record<string, unknown>>, memory: Memory): Configuration {
  const built: Settings = {
    ssid: textOf(config, "network", ""),
    password: textOf(config, "networkPassword", ""),
    hostName: textOf(config, "hostName", "midge"),
    // Whoever builds the network in can build it in again.
    isProven: true,
  };
  const settings = memory.settings(built);
  // Its other settings count without a network too: the access point has the device's name.
  const problem = settingsProblem(settings.ssid === "" ? { ...settings, ssid: "-" } : settings);
  if (problem !== "") throw new ConfigurationError(problem);
  const setupPassword = textOf(config, "setupPassword", "");
  if (setupPassword !== "" && !isPassword(setupPassword)) {
    throw new ConfigurationError(`config.setupPassword has 8 to ${PASSWORD_BYTES} characters`);
  }
  const preset = textOf(config, "limits", "gateway");
  return {
    limits: limitsFrom(preset, config.changes),
    preset,
    port: numberOf(config, "port", 1883, 1, 65535),
    settings,
    setupPassword,
    timeServer: textOf(config, "sntp", ""),
    hasStatus: flagOf(config, "status", true),
    isVerbose: flagOf(config, "verbose", false),
    chunkBytes: numberOf(config, "chunkBytes", 0, 0, 0x7fffffff),
  };
}

/** A preset, with single limits changed. */
function limitsFrom(preset: string, changes: unknown): Readonly<Limits> {
  if (!Object.hasOwn(presets, preset)) {
    throw new ConfigurationError(`config.limits: no preset is named "${preset}"; ${Object.keys(presets).join(", ")}`);
  }
  const limits = { ...presets[preset as keyof typeof presets], ...(changes as Partial<Limits> | undefined) };
  checkLimits(limits);
  // One of them is the local client's; and each socket may have a message in the queue of the XS task.
  if (limits.connections < 3 || limits.connections > 50) throw new LimitsError("connections", "must be from 3 to 50");
  return limits;
}

// What comes from mcconfig's command line is text.

function textOf(config: Readonly<Record<string, unknown>>, name: string, otherwise: string): string {
  const value = config[name];
  if (value === undefined || value === null) return otherwise;
  if (typeof value === "string" || typeof value === "number") return `${value}`;
  throw new ConfigurationError(`config.${name} must be a text`);
}

function numberOf(config: object, name: string, otherwise: number, least: number, most: number): number {
  const value = (config as Readonly<Record<string, unknown>>)[name] ?? otherwise;
  const number = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof number !== "number" || !Number.isInteger(number) || number < least || number > most) {
    throw new ConfigurationError(`config.${name} must be a whole number from ${least} to ${most}`);
  }
  return number;
}

function flagOf(config: Readonly<Record<string, unknown>>, name: string, otherwise: boolean): boolean {
  const value = config[name] ?? otherwise;
  if (value === true || value === "true" || value === "1") return true;
  if (value === false || value === "false" || value === "0") return false;
  throw new ConfigurationError(`config.${name} must be true or false`);
}
