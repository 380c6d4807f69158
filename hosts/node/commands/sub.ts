// `midge sub`: prints messages. A message is acknowledged when stdout has taken it. Exit codes beside those of every
// command: 27 when --timeout passed, as of mosquitto_sub. A signal ends it with 0: without --count nothing else can, so it
// is how this command is done. So is a reader that has enough (`| head`).

import type { Command } from "commander";
import type { MqttClient, ReceivedMessage } from "../client/index";
import { filterMatches } from "../client/topic-filter";
import { ConfigError } from "../config";
import { printable } from "../escape";
import { ByteOutput } from "./byte-output";
import { type ClientFlags, type Target, targetOf, withClient, withServer } from "./client-flags";
import { Exit } from "./failure";
import { type Format, type FormatFlags, formatOf } from "./format";
import { closeLink, commandLimits, debugTo, Interrupt, openLink, reasonOf, run } from "./link";
import { checkTopicFilter } from "./topics";
import { collect, milliseconds, whole } from "./values";

interface SubFlags extends ClientFlags, FormatFlags {
  topic?: readonly string[];
  filterOut?: readonly string[];
  unsubscribe?: readonly string[];
  count?: string;
  timeout?: string;
  subscribeOnly?: true;
  /** False with -R. */
  retain: boolean;
  retainedOnly?: true;
  removeRetained?: true;
}

const TIMED_OUT = 27;
/** How long the last of it may take when a reader does not read, ms. */
const LEAVING = 2000;

export function subCommand(command: Command): void {
  command.description("subscribe, and print what comes").usage("-t TOPIC [-t TOPIC…] [options]");
  withServer(command)
    .optionsGroup("Subscriptions:")
    .option("-t, --topic <filter>", "Topic Filter; may be repeated, and one may be in --url", collect)
    .option("-q, --qos <level>", "the most that is wanted, 0 to 2 (default: 0)")
    .option("-T, --filter-out <filter>", "print nothing of these topics; may be repeated", collect)
    .option("-U, --unsubscribe <filter>", "end a subscription of a kept session; may be repeated", collect)
    .option("-R, --no-retain", "leave out what was retained before we subscribed")
    .option("--retained-only", "only that; end with the first message that was not")
    .option("--remove-retained", "and remove it from the server; not what -T leaves out")
    .optionsGroup("Until:")
    .option("-C, --count <messages>", "end after so many")
    .option("-W, --timeout <seconds>", "end after this time, with exit code 27")
    .option("-E, --subscribe-only", "end when the server has answered the subscriptions")
    .optionsGroup("Output:")
    .option("-v, --verbose", "topic, a space, payload")
    .option("-F, --format <format>", "%t topic, %p payload, %q QoS, %r retain, %l length, …")
    .option("--json", "one JSON object a line")
    .option("-N, --no-newline", "no newline after each");
  withClient(command).action((flags: SubFlags) => run(flags.quiet, () => runSub(flags)));
}

async function runSub(flags: SubFlags): Promise<void> {
  const target = targetOf(flags);
  const filters = filtersOf(flags, target.topic);
  check(flags);
  const interrupt = new Interrupt();
  const printer = new Printer(flags, formatOf(flags, process.stdout.isTTY), interrupt);
  const timer = timeoutOf(flags, interrupt);
  interrupt.onSignals(() => new Exit(0));
  const debug = debugTo(flags.debug);
  let client: MqttClient | undefined;
  try {
    client = await openLink(target, interrupt, commandLimits, debug, (message) => printer.take(message));
    printer.start(client);
    const subscriptions = subscribe(client, flags, filters, target, printer, debug);
    await Promise.race([subscriptions, interrupt.happened]);
    if (!flags.subscribeOnly) await interrupt.happened;
  } finally {
    clearTimeout(timer);
    printer.isEnded = true;
    if (client !== undefined) await closeLink(client);
    setTimeout(() => process.exit(), LEAVING).unref();
  }
}

/** Messages that are asked for, until the last of them. */
class Printer {
  /** Nothing more is printed, or acknowledged. */
  isEnded = false;
  /** An UNSUBSCRIBE is on its way, and before it a SUBSCRIBE whose retained messages nobody asked for. */
  isLeaving = false;
  readonly #flags: SubFlags;
  readonly #format: Format;
  readonly #interrupt: Interrupt;
  readonly #output: ByteOutput;
  readonly #client: Promise<MqttClient>;
  /** Messages of a kept session may come before anybody has the client. */
  start: (client: MqttClient) => void = () => {};
  #left: number;

  constructor(flags: SubFlags, format: Format, interrupt: Interrupt) {
    this.#flags = flags;
    this.#format = format;
    this.#interrupt = interrupt;
    this.#client = new Promise((resolve) => {
      this.start = resolve;
    });
    this.#left = flags.count === undefined ? Number.POSITIVE_INFINITY : whole(flags.count, "--count", 1, 1e15);
    this.#output = new ByteOutput(process.stdout, ({ code, message }) => {
      this.isEnded = true;
      interrupt.end(code === "EPIPE" ? new Exit(0) : new Exit(1, `can't write to stdout: ${message}`));
    });
  }

  /** Resolves when the message may be acknowledged. */
  take(message: ReceivedMessage): Promise<void> | void {
    const { filterOut = [], retain: wantsRetained, retainedOnly, removeRetained } = this.#flags;
    if (this.isEnded) return never;
    if (filterOut.some((filter) => filterMatches(filter, message.topic))) return;
    if (message.retain && (!wantsRetained || this.isLeaving)) return;
    if (!message.retain && retainedOnly) {
      this.#end();
      return never;
    }
    this.isEnded = --this.#left === 0;
    const isLast = this.isEnded;
    const written = this.#output.write(this.#format(message, new Date()));
    const done = removeRetained && message.retain ? Promise.all([written, this.#remove(message)]) : written;
    return done.then(() => {
      // Acknowledged first, or a kept session would send it again.
      if (isLast) setImmediate(() => this.#end());
    });
  }

  #end(): void {
    this.isEnded = true;
    this.#interrupt.end(new Exit(0));
  }

  async #remove({ topic }: ReceivedMessage): Promise<void> {
    try {
      await (await this.#client).publish(topic, "", { qos: 1, retain: true });
    } catch (error) {
      const line = `what ${printable(topic)} retains can't be removed: ${reasonOf(error as Error)}`;
      if (!this.isEnded) this.#interrupt.end(new Exit(1, line));
    }
  }
}

const never = new Promise<void>(() => {});

async function subscribe(
  client: MqttClient,
  flags: SubFlags,
  filters: readonly string[],
  target: Target,
  printer: Printer,
  debug: (line: string) => void,
): Promise<void> {
  const { qos, options } = target;
  const handling = (retainHandling: number) => (options.version === 5 ? { retainHandling } : {});
  const refused = (filter: string) => (error: Error) => {
    throw new Exit(1, `the subscription ${printable(filter)} was refused: ${reasonOf(error)}`);
  };
  // The client knows only its own subscriptions: one of an earlier process is taken over, then ended. 5.0 can say that
  // nobody wants what is retained.
  const leave = async (filter: string): Promise<void> => {
    await client.subscribe(filter, undefined, handling(2)).catch(refused(filter));
    await client.unsubscribe(filter);
    debug(`unsubscribed from ${printable(filter)}`);
  };
  printer.isLeaving = flags.unsubscribe !== undefined;
  await Promise.all((flags.unsubscribe ?? []).map(leave));
  printer.isLeaving = false;
  const enter = async (filter: string): Promise<void> => {
    const granted = await client
      .subscribe(filter, undefined, { qos, ...handling(flags.retain ? 0 : 2) })
      .catch(refused(filter));
    debug(`subscribed to ${printable(filter)} at QoS ${granted}`);
  };
  await Promise.all(filters.map(enter));
}

function filtersOf(flags: SubFlags, inUrl: string | undefined): readonly string[] {
  const { topic = [], unsubscribe = [], filterOut = [] } = flags;
  const filters = [...new Set([...topic, ...(inUrl === undefined ? [] : [inUrl])])];
  for (const filter of filters) checkTopicFilter(filter, "--topic");
  for (const filter of unsubscribe) checkTopicFilter(filter, "--unsubscribe");
  for (const filter of filterOut) checkTopicFilter(filter, "--filter-out");
  if (filters.length === 0 && unsubscribe.length === 0)
    throw new ConfigError("say what to subscribe to: --topic, or a topic in --url");
  if (filters.some((filter) => unsubscribe.includes(filter)))
    throw new ConfigError("a filter is in --topic and in --unsubscribe");
  if (filters.length > commandLimits.subscriptions)
    throw new ConfigError(`at most ${commandLimits.subscriptions} filters`);
  return filters;
}

/** Options that contradict each other. */
function check({ verbose, format, json, retain, retainedOnly, removeRetained, count, subscribeOnly }: SubFlags): void {
  if ([verbose, format, json].filter((flag) => flag !== undefined).length > 1) {
    throw new ConfigError("one of --verbose, --format, --json");
  }
  if (!retain && (retainedOnly || removeRetained)) {
    throw new ConfigError(`--no-retain can't be used with --${retainedOnly ? "retained-only" : "remove-retained"}`);
  }
  if (count !== undefined && subscribeOnly) throw new ConfigError("--count can't be used with --subscribe-only");
}

function timeoutOf({ timeout }: SubFlags, interrupt: Interrupt): NodeJS.Timeout | undefined {
  if (timeout === undefined) return;
  const after = milliseconds(timeout, "--timeout", 1);
  return setTimeout(() => interrupt.end(new Exit(TIMED_OUT, `timed out after ${timeout} s`)), after);
}
