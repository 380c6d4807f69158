// Runs the statement suite against a core with one of the defects in mutations.ts, named by MIDGE_MUTATION: those that
// survive it are seen by the simulator alone. `npx vitest run --config sim/survivors.config.ts`

import { resolve } from "node:path";
import { defineConfig } from "vitest/config";
import { mutations } from "./mutations";
import { apply } from "./patches";

const wanted = mutations.find(({ name }) => name === process.env.MIDGE_MUTATION);
if (wanted === undefined) throw new Error("MIDGE_MUTATION names no mutation");
const path = resolve("src", wanted.file);

// biome-ignore lint/style/noDefaultExport: Vitest wants it
export default defineConfig({
  plugins: [
    {
      name: "mutation",
      enforce: "pre",
      transform: (code: string, id: string) => (id === path ? apply(code, [wanted]) : undefined),
    },
  ],
  test: { include: ["test/spec/**/*.test.ts"], testTimeout: 20_000, bail: 1 },
});
