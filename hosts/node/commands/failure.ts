// How a command ends when it does not end well: one line for whoever ran it, and a code for their script.

import { CommanderError } from "commander";
import { OptionsError } from "../../../src/client/options";
import { ConfigError } from "../config";
import { printable } from "../escape";

/** Ends the command with this exit code; a line that is empty is not printed. */
export class Exit extends Error {
  readonly code: number;
  constructor(code: number, line = "") {
    super(line);
    this.name = "Exit";
    this.code = code;
  }
}

export interface Failure {
  line: string;
  code: number;
}

/** One line, and the exit code. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Exit) return { line: error.message, code: error.code };
  if (error instanceof ConfigError || error instanceof OptionsError) return { line: error.message, code: 2 };
  if (error instanceof CommanderError) {
    const shown = error.code === "commander.helpDisplayed" || error.code === "commander.version";
    const line = error.message.replace(/^error: /, "").replace(/\s+/g, " ");
    return { line: shown || error.code === "commander.help" ? "" : line, code: shown ? 0 : 2 };
  }
  if (error instanceof RangeError && /allocat|array buffer|array length/i.test(error.message)) {
    return { line: "this machine can't give the memory of the plan (see: midge plan)", code: 1 };
  }
  const { code, syscall, address, port, hostname, message } = error as NodeJS.ErrnoException & Record<string, unknown>;
  if (syscall === undefined) return { line: `defect in midge: ${message}`, code: 70 };
  const where = `${address ?? hostname}${port === undefined ? "" : `:${port}`}`;
  const why: Record<string, string> = {
    EADDRINUSE: `port in use: ${where}`,
    EACCES: `not allowed to open the port: ${where}`,
    EADDRNOTAVAIL: `not an address of this machine: ${address}`,
    ENOTFOUND: `no such host: ${hostname}`,
    EAI_AGAIN: `no such host: ${hostname}`,
  };
  return { line: why[code ?? ""] ?? message, code: 1 };
}

/** What people typed may come back; it stays on one line. */
export function escapeLine(line: string): string {
  return /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(line) ? printable(line) : line;
}
