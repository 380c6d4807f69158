// Installs XS's C sources from npm, unless they are there: no compiler runs, and nothing of them is executed.

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));

if (!existsSync(`${here}node_modules/@agoric/xsnap`)) {
  execFileSync("npm", ["ci", "--prefix", here, "--ignore-scripts", "--no-audit", "--no-fund"], { stdio: "inherit" });
}
