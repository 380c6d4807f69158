// The figures in the README are those that the code gives.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { colorsFor, planText } from "../../hosts/node/print";
import { hostBuffers } from "../../hosts/node/transport";
import { withFigures } from "../../scripts/figures";
import { plan } from "../../src/broker/plan";
import { presets } from "../../src/memory/limits";

test("the README shows the figures of `npm run figures`", () => {
  const text = readFileSync("README.md", "utf8");
  expect(text).toContain("**Memory in all, bytes**");
  expect(withFigures(text)).toBe(text);
});

test("the README shows the plan as the command prints it", () => {
  const text = readFileSync("README.md", "utf8");
  const shown = text.slice(text.indexOf("deliveries       "), text.indexOf("\n\nlistening"));
  const { esp32 } = presets;
  const buffers = hostBuffers(esp32.connections, esp32.inputBytes);
  const printed = planText(plan(esp32), buffers, colorsFor({ isTTY: false }));
  expect(shown).toContain("\ntotal ");
  expect(printed).toContain(shown);
});
