// The figures in the documents are those that the code gives.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { colorsFor, planText } from "../../hosts/node/print";
import { hostBuffers } from "../../hosts/node/transport";
import { clientTable, documents, figures, withFigures } from "../../scripts/figures";
import { plan } from "../../src/broker/plan";
import { clientPresets } from "../../src/client/limits";
import { planClient } from "../../src/client/tables";
import { presets } from "../../src/memory/limits";

test("the README shows the figures of `npm run figures`", () => {
  const text = readFileSync("README.md", "utf8");
  for (const name of ["presets", "costs"]) expect(text).toContain(`<!-- figures: ${name} -->`);
  expect(text).toContain("**Memory in all, bytes**");
});

test.each(documents)("what %s shows between markers is what the code gives", (path) => {
  const text = readFileSync(path, "utf8");
  expect(withFigures(text)).toBe(text);
});

test("control: another figure, and a name that is no table's, are noticed", () => {
  for (const name of Object.keys(figures)) {
    const marked = `<!-- figures: ${name} -->\nold\n<!-- end -->`;
    expect(withFigures(marked)).not.toBe(marked);
  }
  expect(() => withFigures("<!-- figures: none -->\n<!-- end -->")).toThrow('no figures "none"');
});

test("the table of clients tells the plan of each preset", () => {
  const table = clientTable();
  for (const [name, limits] of Object.entries(clientPresets)) {
    expect(table.split("\n")[0]).toContain(` ${name} `);
    expect(table).toContain(`**${planClient(limits).totalBytes.toLocaleString("en-US")}**`);
  }
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
