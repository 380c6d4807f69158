// The figures in the README are those that the code gives.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { withFigures } from "../../scripts/figures";

test("the README shows the figures of `npm run figures`", () => {
  const text = readFileSync("README.md", "utf8");
  expect(text).toContain("**Memory in all, bytes**");
  expect(withFigures(text)).toBe(text);
});
