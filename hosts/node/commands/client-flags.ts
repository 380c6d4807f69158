// The options that `midge pub` and `midge sub` have in common, under the names that mosquitto_pub and mosquitto_sub made
// known, and what they come to: a server, a topic, and how to connect.

import { isIPv6 } from "node:net";
import { domainToASCII } from "node:url";
import { type Command, Option } from "commander";
import type { Will } from "../../../src/client/options";
import type { ConnectOptions } from "../client/index";
import { ConfigError } from "../config";
import { tlsOptions } from "./tls";
import { checkTopicName } from "./topics";
import { one, readFile, whole } from "./values";

export interface ClientFlags {
  host?: string;
  port?: string;
  url?: string;
  id?: string;
  idPrefix?: string;
  disableCleanSession?: true;
  sessionExpiryInterval?: string;
  keepalive?: string;
  username?: string;
  pw?: string;
  pwFile?: string;
  protocolVersion?: string;
  qos?: string;
  debug?: true;
  quiet?: true;
  willTopic?: string;
  willPayload?: string;
  willQos?: string;
  willRetain?: true;
  tls?: true;
  cafile?: string;
  cert?: string;
  key?: string;
  insecure?: true;
}

/** Where to connect to, and how. */
export interface Target {
  /** For `connect`: never with a user name or a password. */
  url: string;
  /** For people. */
  name: string;
  host: string;
  /** Of `--url`. */
  topic: string | undefined;
  qos: number;
  options: ConnectOptions & { version: number };
}

const versions: ReadonlyMap<string, number> = new Map([
  ...["mqttv5", "5", "5.0"].map((name) => [name, 5] as const),
  ...["mqttv311", "311", "3.1.1", "4"].map((name) => [name, 4] as const),
]);

export function withServer(command: Command): Command {
  return command
    .optionsGroup("Server:")
    .option("-h, --host <name>", "host to connect to (default: 127.0.0.1)")
    .option("-p, --port <number>", "its port (default: 1883, with TLS 8883)")
    .option("-L, --url <url>", "mqtt[s]://[user[:password]@]host[:port]/topic")
    .option("-V, --protocol-version <version>", "mqttv5 or 5, mqttv311 or 311 or 4 (default: mqttv5)")
    .option("-k, --keepalive <seconds>", "Keep Alive, 0 to 65535; 0: none (default: 60)");
}

export function withClient(command: Command): Command {
  return command
    .optionsGroup("Client:")
    .option("-i, --id <id>", "Client Identifier (default: the server gives one)")
    .option("-I, --id-prefix <text>", "Client Identifier: this and the process id")
    .option("-c, --disable-clean-session", "keep the session, or go on with it; needs -i")
    .option("-x, --session-expiry-interval <seconds>", "how long it is kept; -1: for ever (default with -c: -1)")
    .option("-u, --username <name>", "User Name")
    .option("-P, --pw <password>", "Password; others can see it in the list of processes")
    .option("--pw-file <file>", "Password from a file; or, with -u, from MIDGE_PASSWORD")
    .optionsGroup("Will:")
    .option("--will-topic <topic>", "published by the server here when we are lost")
    .option("--will-payload <text>", "its payload (default: empty)")
    .option("--will-qos <level>", "its QoS, 0 to 2 (default: 0)")
    .option("--will-retain", "it is retained")
    .optionsGroup("TLS:")
    .option("--tls", "TLS, with the authorities that Node.js trusts")
    .option("--cafile <file>", "TLS, with the authorities of this PEM file instead")
    .option("--cert <file>", "our certificate, PEM; needs --key")
    .option("--key <file>", "its key, PEM")
    .option("--insecure", "do not check that the certificate is for this host")
    .optionsGroup("What is told:")
    .addOption(new Option("-d, --debug", "connections and why they end, on stderr").conflicts("quiet"))
    .option("--quiet", "no line about what failed; the exit code says it");
}

/** @throws ConfigError */
export function targetOf(flags: ClientFlags): Target {
  const url = flags.url === undefined ? undefined : parseUrl(flags.url);
  if (url !== undefined && (flags.host !== undefined || flags.port !== undefined)) {
    throw new ConfigError("--url says host and port: leave out --host and --port");
  }
  const tls = tlsOf(flags, url?.isTls);
  const host = hostFrom(url?.host ?? flags.host ?? "127.0.0.1");
  const at = isIPv6(host) ? `[${host}]` : host;
  const port = portFrom(url?.port ?? flags.port ?? (tls === undefined ? "1883" : "8883"));
  const version = versions.get(flags.protocolVersion ?? "5");
  if (version === undefined) {
    throw new ConfigError(`--protocol-version "${flags.protocolVersion}": must be mqttv5 or mqttv311`);
  }
  return {
    url: `${tls === undefined ? "mqtt" : "mqtts"}://${at}:${port}`,
    name: `${at}:${port}`,
    host,
    topic: url?.topic,
    qos: whole(flags.qos ?? "0", "--qos", 0, 2),
    options: {
      version,
      keepAlive: whole(flags.keepalive ?? "60", "--keepalive", 0, 65_535),
      ...sessionOf(flags, version),
      ...credentialsOf(flags, url, version),
      ...(flags.willTopic === undefined ? noWill(flags) : { will: willOf(flags, flags.willTopic) }),
      ...(tls !== undefined && { tls: tlsOptions(tls, host) }),
    },
  };
}

interface Url {
  isTls: boolean;
  user: string | undefined;
  password: string | undefined;
  host: string;
  port: string | undefined;
  topic: string | undefined;
}

/**
 * User name and password are percent-decoded, or they could hold no "@"; the topic is all that follows, as it is written:
 * what would be query and fragment elsewhere, "?" and "#", is part of it.
 */
function parseUrl(text: string): Url {
  const match = /^(mqtts?):\/\/(?:([^@/:]*)(?::([^@/]*))?@)?(\[[^\]/]*\]|[^/:@[\]]*)(?::(\d+))?(?:\/(.*))?$/s.exec(
    text,
  );
  // Not a word of it comes back: a password may be inside.
  const wrong = new ConfigError("--url: write mqtt[s]://[user[:password]@]host[:port]/topic");
  if (match === null) throw wrong;
  const [, scheme, user, password, host, port, topic] = match;
  try {
    return {
      isTls: scheme === "mqtts",
      user: user && decodeURIComponent(user),
      password: password && decodeURIComponent(password),
      host: host.replace(/^\[(.*)\]$/, "$1"),
      port,
      topic: topic === "" ? undefined : topic,
    };
  } catch {
    throw wrong;
  }
}

function hostFrom(text: string): string {
  const host = isIPv6(text) ? text : domainToASCII(text);
  if (host === "" || !URL.canParse(`mqtt://${isIPv6(host) ? `[${host}]` : host}`)) {
    throw new ConfigError(`--host "${text}": must be a name or an address`);
  }
  return host;
}

function portFrom(text: string): number {
  return whole(text, "--port", 1, 65_535);
}

function sessionOf(flags: ClientFlags, version: number): ConnectOptions {
  const { id, idPrefix, sessionExpiryInterval, disableCleanSession: isKept = false } = flags;
  if (id !== undefined && idPrefix !== undefined) throw new ConfigError("--id or --id-prefix, not both");
  if (isKept && !id) throw new ConfigError("--disable-clean-session needs --id: a session is found by it");
  const found: ConnectOptions = { cleanStart: !isKept };
  if (id !== undefined) found.clientId = id;
  if (idPrefix !== undefined) found.clientId = `${idPrefix}${process.pid}`;
  if (sessionExpiryInterval !== undefined) {
    if (version !== 5) throw new ConfigError("--session-expiry-interval exists from MQTT 5.0 on");
    found.sessionExpiry = ["-1", "∞"].includes(sessionExpiryInterval)
      ? 0xffffffff
      : whole(sessionExpiryInterval, "--session-expiry-interval", 0, 0xffffffff);
  } else if (isKept && version === 5) {
    found.sessionExpiry = 0xffffffff;
  }
  return found;
}

function credentialsOf(flags: ClientFlags, url: Url | undefined, version: number): ConnectOptions {
  const userName = one("User Name", flags.username, url?.user);
  const fromFile = flags.pwFile === undefined ? undefined : readFile(flags.pwFile, "--pw-file");
  // The variable may be meant for another server: without a User Name it is left alone.
  const fallback = userName === undefined ? undefined : process.env.MIDGE_PASSWORD;
  const password = one("Password", flags.pw, url?.password, fromFile?.toString().replace(/\r?\n$/, "")) ?? fallback;
  if (password !== undefined && userName === undefined && version !== 5) {
    throw new ConfigError("a Password without --username exists from MQTT 5.0 on");
  }
  return { ...(userName !== undefined && { userName }), ...(password !== undefined && { password }) };
}

function willOf(flags: ClientFlags, topic: string): Will {
  checkTopicName(topic, "--will-topic");
  return {
    topic,
    payload: Buffer.from(flags.willPayload ?? ""),
    qos: whole(flags.willQos ?? "0", "--will-qos", 0, 2),
    retain: flags.willRetain ?? false,
  };
}

function noWill({ willPayload, willQos, willRetain }: ClientFlags): object {
  if (willPayload !== undefined || willQos !== undefined || willRetain !== undefined) {
    throw new ConfigError("a Will Message needs --will-topic");
  }
  return {};
}

/** The files of TLS, or undefined without it. */
function tlsOf(flags: ClientFlags, inUrl: boolean | undefined): ClientFlags | undefined {
  const { tls, cafile, cert, key, insecure } = flags;
  if ((cert === undefined) !== (key === undefined)) throw new ConfigError("--cert and --key need each other");
  const isWanted = inUrl || tls || cafile !== undefined || cert !== undefined;
  if (inUrl === false && isWanted) throw new ConfigError("mqtt:// is without TLS: write mqtts://");
  if (!isWanted && insecure) throw new ConfigError("--insecure needs TLS: --tls, --cafile or mqtts://");
  return isWanted ? flags : undefined;
}
