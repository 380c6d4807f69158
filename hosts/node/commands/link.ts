// The connection of `midge pub` and `midge sub`: how it begins, what is said about it, and what ends the command.

import { type ClientLimits, clientPresets } from "../../../src/client/limits";
import { ReasonCode } from "../../../src/mqtt/constants";
import { reasonName } from "../../text/names";
import { connect, type Handler, type MqttClient, MqttError } from "../client/index";
import { printable } from "../escape";
import type { Target } from "./client-flags";
import { Exit, failureOf } from "./failure";
import { tlsWords } from "./tls";

/** Only the server's limits shall count. */
export const commandLimits: Readonly<ClientLimits> = Object.freeze({
  ...clientPresets.client,
  subscriptions: 4096,
  topicBytes: 65_535,
  topicLevels: 1024,
  headBytes: 262_144,
  clientIdBytes: 255,
  stageBytes: 327_680,
  outputBytes: 393_216,
});

/** After these the server would say the same again, or two clients would take the session from each other for ever. */
const final: ReadonlySet<number> = new Set([
  ReasonCode.UnsupportedProtocolVersion,
  ReasonCode.ClientIdentifierNotValid,
  ReasonCode.BadUserNameOrPassword,
  ReasonCode.NotAuthorized,
  ReasonCode.Banned,
  ReasonCode.SessionTakenOver,
  ReasonCode.UseAnotherServer,
  ReasonCode.ServerMoved,
]);

const signals = [
  ["SIGHUP", 129],
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const;

/** What ends a command before its work is done; the first one counts. */
export class Interrupt {
  readonly #reject: (exit: Exit) => void;
  exit: Exit | undefined;
  /** Rejects with `exit`. */
  readonly happened: Promise<never>;

  constructor() {
    let rejectWith: (exit: Exit) => void = () => {};
    this.happened = new Promise((_, reject) => {
      rejectWith = reject;
    });
    this.#reject = rejectWith;
    this.happened.catch(() => {});
  }

  end(exit: Exit): void {
    if (this.exit !== undefined) return;
    this.exit = exit;
    this.#reject(exit);
  }

  /** Signals end it with what `exitOf` makes of 128 and the signal's number. Who asks twice does not want to wait. */
  onSignals(exitOf: (code: number) => Exit): void {
    for (const [name, code] of signals) {
      process.on(name, () => {
        if (this.exit !== undefined) process.exit(code);
        this.end(exitOf(code));
      });
    }
  }
}

/**
 * Connects. Until then nothing is tried twice; afterwards the client connects again by itself, and what it can't mend
 * ends the command.
 * @throws Exit, OptionsError
 */
export async function openLink(
  target: Target,
  interrupt: Interrupt,
  limits: ClientLimits,
  debug: (line: string) => void,
  onMessage?: Handler,
): Promise<MqttClient> {
  const { url, options, name } = target;
  // What the interrupt ends is the attempt; a connection is closed in the command's own way.
  const attempt = new AbortController();
  let client: MqttClient | undefined;
  interrupt.happened.catch(() => client ?? attempt.abort());
  try {
    if (interrupt.exit !== undefined) throw interrupt.exit;
    client = await connect(url, { ...options, limits, signal: attempt.signal, onMessage });
  } catch (error) {
    if (interrupt.exit !== undefined) throw interrupt.exit;
    if (error instanceof MqttError) throw new Exit(1, `can't connect to ${name}: ${whyNot(error, target)}`);
    throw error;
  }
  debug(`connected to ${name} as ${printable(client.clientId)}`);
  client.on("connect", ({ sessionPresent }) =>
    debug(`connected again${sessionPresent ? ", the session is still there" : ""}`),
  );
  client.on("disconnect", (error) => {
    debug(`no connection: ${whyNot(error, target)}`);
    if (final.has(error.reasonCode)) {
      interrupt.end(new Exit(1, `the connection to ${name} is over: ${reasonOf(error)}`));
    }
  });
  return client;
}

/** Ends it with DISCONNECT; nobody is told that it is over. */
export function closeLink(client: MqttClient): Promise<void> {
  client.removeAllListeners();
  return client.close(true);
}

/** A Reason Code by name and number; what nobody gave one for, in words. */
export function reasonOf(error: Error): string {
  if (error instanceof MqttError && error.reasonCode !== 0) {
    const { reasonCode, reasonString } = error;
    const said = reasonString === undefined ? "" : `: ${printable(reasonString)}`;
    return `${reasonName(reasonCode)} (0x${reasonCode.toString(16).toUpperCase()})${said}`;
  }
  return error.message.replace(/^(no connection|not done): /, "");
}

function whyNot(error: MqttError, { options, host }: Target): string {
  if (error.cause instanceof Error) return networkWords(error.cause, host);
  const isOld = options.version === 5 && unknownToOld.has(error.reasonCode);
  return reasonOf(error) + (isOld ? "; a server before MQTT 5.0 wants -V mqttv311" : "");
}

/** What servers before 5.0 answer, or what their answer is taken for. */
const unknownToOld: ReadonlySet<number> = new Set([
  ReasonCode.UnsupportedProtocolVersion,
  ReasonCode.MalformedPacket,
  ReasonCode.ProtocolError,
]);

function networkWords(error: NodeJS.ErrnoException, host: string): string {
  const words: Readonly<Record<string, string>> = {
    ECONNREFUSED: "nobody listens there",
    ECONNRESET: "the connection was broken",
    EPIPE: "the connection was broken",
    ENOTFOUND: `no such host: ${host}`,
    EAI_AGAIN: `no such host: ${host}`,
    EHOSTUNREACH: "the host can't be reached",
    ENETUNREACH: "the network can't be reached",
    ETIMEDOUT: "no answer in time",
  };
  return tlsWords(error) ?? words[error.code ?? ""] ?? error.message.replace(/\s+/g, " ");
}

/** Lines about the connection, on stderr. */
export function debugTo(isWanted: boolean | undefined): (line: string) => void {
  return (line) => {
    if (isWanted) process.stderr.write(`${line}\n`);
  };
}

/** Runs a command's work. With `--quiet` what the network refused is told by the exit code alone. */
export async function run(isQuiet: boolean | undefined, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const { line, code } = failureOf(error);
    throw isQuiet && code !== 2 && code !== 70 ? new Exit(code) : code === 70 ? error : new Exit(code, line);
  }
}
