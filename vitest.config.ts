import { defineConfig } from "vitest/config";
import { modules } from "./test/support/moddable/modules.mjs";

// Long tests are files named *.long.test.ts: they run only with MIDGE_LONG=1 (`npm run test:all`), so that a short run
// has nothing to skip. A test may also read MIDGE_LONG to do more of the same (more seeds, more packets).
const long = process.env.MIDGE_LONG === "1";

// The directories of tests, with the seconds one test may take; a long run gives ten times as much.
const suites = { unit: 20, spec: 20, limits: 20, contract: 20, client: 20, device: 20, sim: 60, interop: 60, xs: 120 };

export default defineConfig({
  test: {
    maxWorkers: 2,
    allowOnly: false,
    reporters: process.env.CI
      ? ["default", ["json", { outputFile: long ? "reports/test-all.json" : "reports/test.json" }]]
      : ["default"],
    projects: Object.entries(suites).map(([name, seconds]) => ({
      // The host for devices imports modules of the Moddable SDK: there they are fakes.
      resolve: { alias: name === "device" ? modules : {} },
      test: {
        name,
        environment: "node",
        include: [`test/${name}/**/*.test.ts`],
        exclude: ["**/node_modules/**", ...(long ? [] : ["**/*.long.test.ts"])],
        testTimeout: seconds * 1000 * (long ? 10 : 1),
        hookTimeout: 60_000,
      },
    })),
  },
});
