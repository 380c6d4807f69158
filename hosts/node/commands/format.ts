// What `midge sub` prints of a message.
//
// To a file or a pipe everything goes as it came, byte for byte: scripts compare topics and decode payloads, and an escape
// would be a second encoding to undo. A topic with a line break in it makes two lines of one then; whoever does not trust
// those who publish reads --json. On a terminal, where control characters move the cursor and clear lines, --verbose and
// --format show them as escapes. A payload alone goes there as it came too: it is all that was asked for.

import { isUtf8 } from "node:buffer";
import type { ReceivedMessage } from "../client/index";
import { ConfigError } from "../config";
import { escapeUnsafe, safeJson } from "../escape";

export interface FormatFlags {
  verbose?: true;
  format?: string;
  json?: true;
  newline: boolean;
}

/** Bytes to print for a message that came at `time`. */
export type Format = (message: ReceivedMessage, time: Date) => Buffer;

type Piece = (message: ReceivedMessage, time: Date) => string | Buffer;

/** @throws ConfigError for a format that can't be. */
export function formatOf(flags: FormatFlags, isTerminal: boolean): Format {
  const pieces = piecesOf(flags);
  const isPlain = flags.format === undefined && !flags.verbose;
  const end = flags.newline ? "\n" : "";
  return (message, time) => {
    const parts = pieces.map((piece) => {
      const part = typeof piece === "string" ? piece : piece(message, time);
      return Buffer.from(isTerminal && !isPlain && piece !== part ? escapeUnsafe(part.toString()) : part);
    });
    return Buffer.concat([...parts, Buffer.from(end)]);
  };
}

function piecesOf({ format, json, verbose }: FormatFlags): readonly (string | Piece)[] {
  if (json) return [(message, time) => safeJson(jsonOf(message, time))];
  if (format !== undefined) return parse(format);
  return verbose ? [({ topic }) => topic, " ", ({ payload }) => payload] : [({ payload }) => payload];
}

/** Mosquitto's letters. What it has besides is not known here: %A (Topic Alias), %m (Packet Identifier), widths, @ for times. */
const letters: Readonly<Record<string, Piece>> = {
  t: ({ topic }) => topic,
  p: ({ payload }) => payload,
  x: ({ payload }) => payload.toString("hex"),
  X: ({ payload }) => payload.toString("hex").toUpperCase(),
  l: ({ payload }) => `${payload.length}`,
  q: ({ qos }) => `${qos}`,
  r: ({ retain }) => (retain ? "1" : "0"),
  I: (_, time) => time.toISOString(),
  U: (_, time) => (time.getTime() / 1000).toFixed(3),
  j: (message, time) => safeJson(mosquittoJson(message, time, false)),
  J: (message, time) => safeJson(mosquittoJson(message, time, true)),
  C: ({ contentType = "" }) => contentType,
  D: ({ correlationData }) => Buffer.from(correlationData ?? []),
  E: ({ messageExpiry }) => `${messageExpiry ?? ""}`,
  F: ({ isText }) => (isText === undefined ? "" : `${Number(isText)}`),
  P: ({ userProperties = [] }) => userProperties.map(([name, value]) => `${name}:${value}`).join(" "),
  R: ({ responseTopic = "" }) => responseTopic,
  S: ({ subscriptionIdentifiers = [] }) => subscriptionIdentifiers.join(" "),
};

const escapes: Readonly<Record<string, string>> = {
  "\\": "\\",
  "0": "\0",
  a: "\x07",
  e: "\x1b",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

function parse(format: string): (string | Piece)[] {
  const pieces: (string | Piece)[] = [];
  for (const [token, kind, letter] of format.matchAll(/([%\\])(.?)|[^%\\]+/gsu)) {
    if (kind === undefined) pieces.push(token);
    else if (kind === "\\") pieces.push(known(escapes, letter, token));
    else pieces.push(letter === "%" ? "%" : known(letters, letter, token));
  }
  return pieces;
}

function known<T>(table: Readonly<Record<string, T>>, letter: string, token: string): T {
  if (Object.hasOwn(table, letter)) return table[letter];
  throw new ConfigError(
    `--format: "${token}" is none of ${Object.keys(table).join(" ")}${table === escapes ? "" : " %"}`,
  );
}

/** Bytes under `name` when they are UTF-8, or in base64 under another. */
function bytesField(name: string, bytes: Uint8Array): Record<string, string> {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return isUtf8(text) ? { [name]: text.toString() } : { [`${name}Base64`]: text.toString("base64") };
}

/** A line of `--json`. */
export function jsonOf(message: ReceivedMessage, time: Date): object {
  const { topic, payload, qos, retain, dup, correlationData, ...properties } = message;
  return {
    time: time.toISOString(),
    topic,
    ...bytesField("payload", payload),
    qos,
    retain,
    dup,
    ...properties,
    ...(correlationData !== undefined && bytesField("correlationData", correlationData)),
  };
}

/** Fields and names as mosquitto_sub has them for %j and %J. A payload that is no UTF-8 is in base64 under another name. */
function mosquittoJson(message: ReceivedMessage, time: Date, isEmbedded: boolean): object {
  const { topic, payload, qos, retain, contentType, responseTopic, correlationData, userProperties } = message;
  const properties = {
    ...(userProperties !== undefined && { "user-properties": Object.fromEntries(userProperties) }),
    ...(contentType !== undefined && { "content-type": contentType }),
    ...(correlationData !== undefined && bytesField("correlation-data", correlationData)),
    ...(responseTopic !== undefined && { "response-topic": responseTopic }),
    ...(message.isText !== undefined && { "payload-format-indicator": Number(message.isText) }),
    ...(message.messageExpiry !== undefined && { "message-expiry-interval": message.messageExpiry }),
  };
  return {
    tst: time.toISOString(),
    topic,
    qos,
    retain: Number(retain),
    payloadlen: payload.length,
    ...(Object.keys(properties).length > 0 && { properties }),
    ...payloadJson(payload, isEmbedded),
  };
}

function payloadJson(payload: Buffer, isEmbedded: boolean): object {
  if (payload.length === 0) return { payload: null };
  if (!isEmbedded) return bytesField("payload", payload);
  try {
    return { payload: JSON.parse(payload.toString()) };
  } catch {
    return bytesField("payload", payload);
  }
}
