// Runs a script on XS: for tests and benchmarks written in Node.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { executable } from "./build.mjs";

/** The widths that build.mjs could build here. Tests run on all of them, and fail when there is none. */
export function builtWidths() {
  return ["32", "64"].filter((bits) => existsSync(executable(bits)));
}

/**
 * Starts midge-xs. `output` collects stdout; `line(prefix)` resolves with the first line of stdout that begins so (without
 * the prefix), and rejects if the process ends first; `done` resolves with { code, output, errors }.
 */
export function start(bits, script, { options = [], args = [] } = {}) {
  const child = spawn(executable(bits), [...options, script, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const run = { child, output: "", errors: "", ended: false };
  const waiting = new Set();
  child.stdout.setEncoding("utf8").on("data", (text) => {
    run.output += text;
    for (const check of waiting) check();
  });
  child.stderr.setEncoding("utf8").on("data", (text) => (run.errors += text));
  run.done = new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      run.ended = true;
      for (const check of waiting) check();
      resolve({ code: code ?? signal, output: run.output, errors: run.errors });
    });
  });
  run.line = (prefix) =>
    new Promise((resolve, reject) => {
      function check() {
        const complete = run.output.slice(0, run.output.lastIndexOf("\n") + 1);
        const found = complete.split("\n").find((line) => line.startsWith(prefix));
        if (found === undefined && !run.ended) return;
        waiting.delete(check);
        if (found === undefined) reject(new Error(`midge-xs ended before it printed "${prefix}": ${run.errors}`));
        else resolve(found.slice(prefix.length));
      }
      waiting.add(check);
      check();
    });
  return run;
}
