// A simulation run as one HTML page that needs nothing else: no network, no other file.
//
// uPlot draws it: 50 KB, no dependencies, canvases that stay fast with hundreds of clients, cursors and zoom shared by
// all panels; Observable Plot would need five times as much for a picture that does not answer to the pointer.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import type { Timeline } from "../timeline";
import { type Columns, columnsOf } from "./columns";
import { duration, full, moment, percent, plural, short } from "./format";
import { html, json, Markup } from "./html";

/** What the timeline does not know. */
export interface Ending {
  /** What the oracle or the audit found wrong; without, the run passed. */
  failure?: string;
  /** What to type for the same run again. */
  command?: string;
}

/** The page of a run. */
export function renderReport(timeline: Timeline, { failure = "", command = commandOf(timeline) }: Ending = {}): string {
  const columns = columnsOf(timeline);
  const { script, style } = bundle();
  const title = titleOf(timeline);
  // The hashes keep anything but these two from running, whatever a name contains.
  const policy = `default-src 'none'; script-src '${hash(script)}'; style-src '${hash(style)}'`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${new Markup(style)}</style>
</head>
<body>
<header>
<h1>${title}</h1>
${outcome(timeline, columns, failure)}
${figures(timeline, columns)}
</header>
<p id="readout"></p>
<noscript><p class="none">The charts need JavaScript; the tables below do not.</p></noscript>
<main>
${panels(columns)}
</main>
<section class="tables">
${tables(timeline, columns)}
</section>
<footer>Repeat it: <code>${command}</code></footer>
<script type="application/json" id="columns">${json(columns)}</script>
<!-- The script below contains uPlot.
${licence()}
-->
<script>${new Markup(script)}</script>
</body>
</html>
`.text;
}

function titleOf({ seed, world, limits }: Timeline): string {
  return `Seed ${seed} · world ${world} · limits ${limits}`;
}

function commandOf({ seed, world, limits }: Timeline): string {
  return `npm run sim -- --seed ${seed} --world ${world} --limits ${limits}`;
}

function outcome({ milliseconds, healedAt, clients }: Timeline, { healed }: Columns, failure: string): Markup {
  const who = plural(clients.length, "client");
  const end = moment(milliseconds, milliseconds);
  if (failure !== "") {
    const phase = healed ? "after all had healed" : "while faults were on";
    return html`<p class="outcome failed"><b>✗ Failed</b> at ${end}, ${phase}: ${failure}</p>`;
  }
  if (!healed)
    return html`<p class="outcome open"><b>! Not healed</b> ${who}; ended at ${end} with faults still on</p>`;
  const faults = healedAt === 0 ? "no faults" : `faults until ${moment(healedAt, milliseconds)}, then healed`;
  return html`<p class="outcome passed"><b>✓ Passed</b> ${who}; ${faults}; all was done at ${end}</p>`;
}

function figures({ totals, faults, clients }: Timeline, columns: Columns): Markup {
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const [fullest] = columns.pools;
  const worst = columns.p99.reduce<number | null>(
    (most, one) => (one === null ? most : Math.max(most ?? 0, one)),
    null,
  );
  const all: [name: string, value: string, more: string][] = [
    [
      "Clients at once",
      short(columns.clients.reduce((most, one) => Math.max(most, one), 0)),
      `at most, of ${full(clients.length)}`,
    ],
    ["Packets in", short(totals.packetsIn ?? 0), `${short(totals.packetsOut ?? 0)} out`],
    ["Fullest pool", fullest ? percent(fullest.peakShare) : "–", fullest?.name ?? ""],
    ["Refused", short(sum(columns.refused)), `${short(sum(columns.dropped))} dropped`],
    ["Worst p99 latency", worst === null ? "–" : duration(worst), ""],
    ["Faults", short(faults.length), columns.kinds[0] ? `mostly ${columns.kinds[0].name}` : ""],
  ];
  const tiles = all.map(
    ([name, value, more]) => html`<div><dt>${name}</dt><dd>${value} <small>${more}</small></dd></div>`,
  );
  return html`<dl class="figures">${tiles}</dl>`;
}

function panels({ at, lanes, lanesLeftOut, kinds }: Columns): Markup {
  if (at.length === 0) return html`<p class="none">No samples: the run ended before the first.</p>`;
  const leftOut =
    lanesLeftOut > 0
      ? html`<p class="none">Not shown: ${plural(lanesLeftOut, "client")} with fewer faults.</p>`
      : html``;
  const chips = kinds.map(
    ({ name, count }, kind) =>
      html`<button type="button" class="chip" aria-pressed="false" data-kind="${kind}">${name} <span>${short(count)}</span></button>`,
  );
  const marks = chips.length > 0 ? html`<div class="chips"><span class="mark"></span>faults: ${chips}</div>` : html``;
  return html`<section class="panel" id="clients"><h2>Clients connected</h2><div class="legend"></div><div class="plot"></div>
${marks}<ol class="lanes" aria-label="${plural(lanes.length, "lane")}"></ol><div class="plot lanes-plot"></div>${leftOut}</section>
<section class="panel" id="packets"><h2>Packets per second</h2><div class="legend"></div><div class="plot"></div></section>
<section class="panel" id="pools"><h2>Pools, percent of limit</h2><div class="legend"></div><div class="plot"></div></section>
<section class="panel multiples" id="pressure"><h2>Refused, dropped, held</h2><div class="legend"></div><div class="plot"></div></section>
<section class="panel" id="latency"><h2>Latency</h2><div class="legend"></div><div class="plot"></div></section>`;
}

function tables({ totals, options }: Timeline, { pools, kinds }: Columns): Markup {
  const rows = pools.map(
    ({ name, peak, capacity, peakShare }) =>
      html`<tr><th scope="row">${name}</th><td>${full(peak)} of ${full(capacity)}</td><td>${percent(peakShare)}</td></tr>`,
  );
  return html`${facts("Totals", Object.entries(totals))}
<section class="card"><h2>Pools at their fullest</h2>${rows.length > 0 ? html`<table><tbody>${rows}</tbody></table>` : none}</section>
${facts(
  "Faults by kind",
  kinds.map(({ name, count }) => [name, count]),
)}
${facts("Options", Object.entries(options))}`;
}

const none = html`<p class="none">none</p>`;

function facts(title: string, entries: readonly (readonly [string, number | string | boolean])[]): Markup {
  const items = entries.map(([name, value]) => {
    const text = typeof value === "number" ? full(value) : String(value);
    return html`<div class="${value ? "" : "off"}"><dt>${name}</dt><dd>${text}</dd></div>`;
  });
  return html`<section class="card"><h2>${title}</h2>${items.length > 0 ? html`<dl class="facts">${items}</dl>` : none}</section>`;
}

/** The page's own script and style with uPlot's, minified. */
function bundle(): { script: string; style: string } {
  const path = (name: string): string => fileURLToPath(new URL(`page/${name}`, import.meta.url));
  const { outputFiles } = buildSync({
    entryPoints: { page: path("main.js"), style: path("style.css") },
    bundle: true,
    minify: true,
    charset: "utf8",
    format: "iife",
    target: "es2022",
    legalComments: "none", // uPlot's is in the page in full
    outdir: "/", // names only: nothing is written
    write: false,
  });
  const textOf = (extension: string): string => outputFiles.find(({ path }) => path.endsWith(extension))!.text.trim();
  return { script: textOf(".js"), style: textOf(".css") };
}

function licence(): string {
  return readFileSync(createRequire(import.meta.url).resolve("uplot/LICENSE"), "utf8").trim();
}

function hash(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}
