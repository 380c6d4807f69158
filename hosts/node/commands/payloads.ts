// Where `midge pub` has its payloads from: an option, a file, all of stdin, or stdin line by line.

import { ConfigError } from "../config";
import { readFile } from "./values";

/** The longest payload: a packet has at most 268,435,455 bytes [5.0 section 1.5.5], the rest of it is less than 200 KB. */
export const MOST_PAYLOAD = 268_000_000;
/** The longest line, bytes. */
export const MOST_LINE = 1_048_576;

export interface SourceFlags {
  message?: string;
  file?: string;
  stdinLine?: true;
  stdinFile?: true;
  nullMessage?: true;
}

/** One payload, or "lines" of stdin. @throws ConfigError unless there is exactly one source. */
export async function payloadOf(flags: SourceFlags): Promise<Buffer | "lines"> {
  const { message, file, stdinLine, stdinFile, nullMessage } = flags;
  const given = [message, file, stdinLine, stdinFile, nullMessage].filter((flag) => flag !== undefined);
  if (given.length !== 1) {
    throw new ConfigError(
      "say once what is published: --message, --file, --stdin-line, --stdin-file or --null-message",
    );
  }
  if (stdinLine) return "lines";
  if (nullMessage) return Buffer.alloc(0);
  if (message !== undefined) return Buffer.from(message);
  const payload = file === undefined ? await readAll(process.stdin) : readFile(file, "--file");
  if (payload.length > MOST_PAYLOAD) throw tooLong(file === undefined ? "stdin" : `--file ${file}`);
  return payload;
}

async function readAll(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > MOST_PAYLOAD) throw tooLong("stdin");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLong(what: string): ConfigError {
  return new ConfigError(`${what}: longer than a packet of MQTT can be, ${MOST_PAYLOAD} bytes`);
}

/** Lines of a stream without their "\n", otherwise unchanged; the last one needs none. Reads no further than is asked for. */
export class Lines {
  /** Something was read of which nobody has been given everything. */
  isHolding = false;
  readonly #stream: AsyncIterable<Buffer>;

  constructor(stream: AsyncIterable<Buffer>) {
    this.#stream = stream;
  }

  /** @throws ConfigError for a line over `MOST_LINE`. */
  async *read(): AsyncGenerator<Buffer> {
    let begun: Buffer[] = [];
    let begunLength = 0;
    let number = 1;
    for await (const chunk of this.#stream) {
      this.isHolding = true;
      let from = 0;
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
        const end = chunk.subarray(from, at);
        if (begunLength + end.length > MOST_LINE) throw tooLongLine(number);
        yield begun.length === 0 ? end : Buffer.concat([...begun, end]);
        begun = [];
        begunLength = 0;
        from = at + 1;
        number++;
      }
      if (from < chunk.length) begun.push(chunk.subarray(from));
      begunLength += chunk.length - from;
      if (begunLength > MOST_LINE) throw tooLongLine(number);
      this.isHolding = begunLength > 0;
    }
    if (begunLength > 0) yield Buffer.concat(begun);
    this.isHolding = false;
  }
}

function tooLongLine(number: number): ConfigError {
  return new ConfigError(`line ${number} of stdin: longer than ${MOST_LINE} bytes`);
}
