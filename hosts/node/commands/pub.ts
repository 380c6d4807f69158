// `midge pub`: publishes messages and ends when the server has them all. Exit codes beside those of every command: 130 for
// SIGINT, 143 for SIGTERM, 129 for SIGHUP, when something that was taken is not delivered. A connection that is lost is
// made again, and what is not acknowledged is sent again.

import type { Command } from "commander";
import { clientPresets } from "../../../src/client/limits";
import type { MqttClient, PublishOptions } from "../client/index";
import { ConfigError } from "../config";
import { type ClientFlags, targetOf, withClient, withServer } from "./client-flags";
import { Exit } from "./failure";
import { closeLink, commandLimits, debugTo, Interrupt, openLink, run } from "./link";
import { Lines, MOST_LINE, payloadOf, type SourceFlags } from "./payloads";
import { headBytes, Publisher, WAY_BYTES } from "./publisher";
import { checkTopicName } from "./topics";
import { collect, milliseconds, whole } from "./values";

interface PubFlags extends ClientFlags, SourceFlags {
  topic?: string;
  retain?: true;
  repeat?: string;
  repeatDelay?: string;
  contentType?: string;
  responseTopic?: string;
  correlationData?: string;
  messageExpiry?: string;
  userProperty?: readonly string[];
}

/** How long what is on its way may take to be acknowledged after a signal, ms. */
const GRACE = 1000;

export function pubCommand(command: Command): void {
  command.description("publish messages").usage("-t TOPIC (-m TEXT | -f FILE | -l | -s | -n) [options]");
  withServer(command)
    .optionsGroup("Message:")
    .option("-t, --topic <topic>", "Topic Name, unless it is in --url")
    .option("-m, --message <text>", "payload: this text")
    .option("-f, --file <file>", "payload: a file")
    .option("-l, --stdin-line", "a message for each line of stdin")
    .option("-s, --stdin-file", "payload: all of stdin")
    .option("-n, --null-message", "payload: empty; with --retain, removes what is retained")
    .option("-q, --qos <level>", "Quality of Service, 0 to 2 (default: 0)")
    .option("-r, --retain", "the server keeps it for those who subscribe later")
    .option("--repeat <count>", "publish it so many times")
    .option("--repeat-delay <seconds>", "wait before each repetition (default: 0)")
    .optionsGroup("Properties (MQTT 5.0):")
    .option("--content-type <text>", "what the payload is")
    .option("--response-topic <topic>", "where an answer is awaited")
    .option("--correlation-data <text>", "by which an answer is recognised")
    .option("--message-expiry <seconds>", "how long it may be delivered")
    .option("--user-property <name=value>", "a property of your own; may be repeated", collect);
  withClient(command).action((flags: PubFlags) => run(flags.quiet, () => runPub(flags)));
}

async function runPub(flags: PubFlags): Promise<void> {
  const target = targetOf(flags);
  const topic = topicOf(flags, target.topic);
  const options: PublishOptions = {
    qos: target.qos,
    retain: flags.retain ?? false,
    ...propertiesOf(flags, target.options.version),
  };
  const [count, delay] = repetitionOf(flags);
  const interrupt = new Interrupt();
  interrupt.onSignals((code) => new Exit(code));
  try {
    const payload = await Promise.race([payloadOf(flags), interrupt.happened]);
    const longest = headBytes(topic, options) + (payload === "lines" ? MOST_LINE : payload.length);
    const client = await openLink(target, interrupt, limitsFor(longest), debugTo(flags.debug));
    const publisher = new Publisher(client, topic, options);
    const work = payload === "lines" ? lineByLine(publisher) : again(publisher, payload, count, delay);
    await finish(work, client, publisher, interrupt);
  } finally {
    if (flags.stdinLine || flags.stdinFile) process.stdin.destroy(); // one that does not end would keep the process
  }
}

interface Work {
  done: Promise<void>;
  /** Whether something was taken that the publisher was not given. */
  isHolding(): boolean;
}

async function finish(work: Work, client: MqttClient, publisher: Publisher, interrupt: Interrupt): Promise<void> {
  try {
    await Promise.race([work.done.finally(() => publisher.settled()), interrupt.happened]);
  } catch (error) {
    const { exit } = interrupt;
    if (error !== exit || exit?.code === 1) throw error;
    if (client.connected) await Promise.race([publisher.settled(), new Promise((done) => setTimeout(done, GRACE))]);
    if (work.isHolding() || publisher.waiting > 0) throw error;
  } finally {
    await closeLink(client);
  }
  const { refused, given, firstReason } = publisher;
  if (refused === 0) return;
  const what = given === 1 ? "the message was refused" : `${refused} of ${given} messages were refused, the first`;
  throw new Exit(1, `${what}: ${firstReason}`);
}

function lineByLine(publisher: Publisher): Work {
  const lines = new Lines(process.stdin);
  const read = async (): Promise<void> => {
    for await (const line of lines.read()) await publisher.publish(line);
  };
  return { done: read(), isHolding: () => lines.isHolding };
}

function again(publisher: Publisher, payload: Buffer, count: number, delay: number): Work {
  const repeat = async (): Promise<void> => {
    for (let i = 0; i < count; i++) {
      if (i > 0 && delay > 0) await new Promise((done) => setTimeout(done, delay));
      await publisher.publish(payload);
    }
  };
  return { done: repeat(), isHolding: () => publisher.given < count };
}

function topicOf(flags: PubFlags, inUrl: string | undefined): string {
  if (flags.topic !== undefined && inUrl !== undefined) throw new ConfigError("the topic is in --url and in --topic");
  const topic = flags.topic ?? inUrl;
  if (topic === undefined) throw new ConfigError("say where: --topic, or a topic in --url");
  checkTopicName(topic, "--topic");
  return topic;
}

function repetitionOf({ repeat, repeatDelay, stdinLine }: PubFlags): [count: number, delay: number] {
  if (repeat === undefined && repeatDelay !== undefined) throw new ConfigError("--repeat-delay needs --repeat");
  if (repeat === undefined) return [1, 0];
  if (stdinLine) throw new ConfigError("--repeat can't be used with --stdin-line");
  return [
    whole(repeat, "--repeat", 1, Number.MAX_SAFE_INTEGER),
    repeatDelay === undefined ? 0 : milliseconds(repeatDelay, "--repeat-delay", 0),
  ];
}

function propertiesOf(flags: PubFlags, version: number): PublishOptions {
  const { contentType, responseTopic, correlationData, messageExpiry, userProperty } = flags;
  const found: PublishOptions = {};
  if (contentType !== undefined) found.contentType = contentType;
  if (responseTopic !== undefined) {
    checkTopicName(responseTopic, "--response-topic");
    found.responseTopic = responseTopic;
  }
  if (correlationData !== undefined) found.correlationData = Buffer.from(correlationData);
  if (messageExpiry !== undefined) found.messageExpiry = whole(messageExpiry, "--message-expiry", 0, 0xffffffff);
  if (userProperty !== undefined) found.userProperties = userProperty.map(pairOf);
  if (Object.keys(found).length > 0 && version !== 5) throw new ConfigError("properties exist from MQTT 5.0 on");
  return found;
}

function pairOf(text: string): [name: string, value: string] {
  const at = text.indexOf("=");
  if (at < 1) throw new ConfigError(`--user-property ${text}: write name=value`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** Memory for what is on its way, or for one message that is longer. */
function limitsFor(longest: number): typeof commandLimits {
  const blocks = Math.ceil(Math.max(WAY_BYTES, longest) / commandLimits.blockBytes) + clientPresets.client.messages;
  return { ...commandLimits, payloadBytes: blocks * commandLimits.blockBytes };
}
