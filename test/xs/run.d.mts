import type { ChildProcess } from "node:child_process";

/** Bits of a pointer of the engine. */
export type Width = "32" | "64";

export interface Ended {
  code: number | string;
  output: string;
  errors: string;
}

export interface Run {
  child: ChildProcess;
  output: string;
  errors: string;
  ended: boolean;
  done: Promise<Ended>;
  line(prefix: string): Promise<string>;
}

export interface RunOptions {
  /** Of midge-xs. */
  options?: readonly string[];
  /** Of the script. */
  args?: readonly string[];
}

export function builtWidths(): Width[];
export function start(bits: Width, script: string, options?: RunOptions): Run;
