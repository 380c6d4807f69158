// For tests: builds the engine, or says in one line why there is none. Where MIDGE_REQUIRE or CI is set, that is a failure.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, test } from "vitest";
import { bundle } from "./bundle.mjs";
import { builtWidths } from "./run.mjs";

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

export interface Engine {
  widths: ("32" | "64")[];
  /** The path of the bundled script. */
  script: string;
}

/**
 * The widths that can be run, and the script made of `entry`. When some can't, a test of that name fails or is skipped.
 */
export async function engineFor(entry: string): Promise<Engine> {
  const { stdout, stderr } = spawnSync(process.execPath, [path("build.mjs")], { encoding: "utf8" });
  const widths = builtWidths();
  const missing = ["32", "64"].filter((bits) => !widths.some((width) => width === bits));
  if (missing.length > 0) {
    const why = (stdout + stderr).trim();
    const isRequired = Boolean(process.env.MIDGE_REQUIRE || process.env.CI);
    describe(`XS, ${missing.join(" and ")} bits`, () => {
      test.skipIf(!isRequired)("can be built", () => {
        throw new Error(why);
      });
    });
    if (!isRequired) console.log(`skipped: ${why}`);
  }
  return { widths, script: await bundle(path(entry)) };
}
