// For tests: builds the engine, or says in one line why there is none. Where MIDGE_REQUIRE is set, that is a failure.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, test } from "vitest";
import { bundle } from "./bundle.mjs";
import { builtWidths, type Width } from "./run.mjs";

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

export interface Engine {
  /** The widths that can be run, in bits. */
  widths: Width[];
  /** The path of the bundled script. */
  script: string;
}

/** Runs build.mjs, which may take a minute, without blocking. What is merely missing here is no error. */
function build(): Promise<{ widths: Width[]; text: string }> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [path("build.mjs")], (error, stdout, stderr) => {
      const text = (stdout + stderr).trim();
      if (error === null) resolve({ widths: builtWidths(), text });
      else if (error.code === 77) resolve({ widths: [], text });
      else reject(new Error(text));
    });
  });
}

/** The engine, and the script made of `entry`. For widths that can't be run there is a test that fails or is skipped. */
export async function engineFor(entry: string): Promise<Engine> {
  const { widths, text } = await build();
  const missing = ["32", "64"].filter((bits) => !widths.some((width) => width === bits));
  if (missing.length > 0) {
    const isRequired = Boolean(process.env.MIDGE_REQUIRE);
    if (!isRequired) console.log(`skipped: ${text}`);
    describe(`XS, ${missing.join(" and ")} bits`, () => {
      test.skipIf(!isRequired)("can be built", () => {
        throw new Error(text);
      });
    });
  }
  return { widths, script: await bundle(path(entry)) };
}
