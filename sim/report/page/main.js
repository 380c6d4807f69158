// The page's own script: makes the charts, and keeps the read-out and the legends on the moment under the cursor.

import uPlot from "uplot";
import { duration, full, moment, percent, plural, short } from "../format";
import { colour, forgetColours, timeChart } from "./chart";
import { Lanes } from "./lanes";

/** @import { Columns } from "../columns" */

/** @type {Columns} */
const columns = JSON.parse(find("#columns").textContent ?? "");
const readout = find("#readout");
const NARROW = window.innerWidth < 700;

/** @type {uPlot[]} */
const charts = [];
/**
 * Each makes a legend show its values at an index, or for the whole run at -1.
 * @type {((index: number) => void)[]}
 */
const legends = [];

/** @param {string} selector */
function find(selector, within = /** @type {ParentNode} */ (document)) {
  const element = within.querySelector(selector);
  if (element === null) throw new Error(`no ${selector}`);
  return element;
}

/**
 * @typedef {object} Entry
 * @property {string} name
 * @property {string} colour
 * @property {(number | null)[]} values
 * @property {(value: number, index: number) => string} format
 * @property {string} rest for the whole run
 */

/**
 * @param {string} panel
 * @param {string} rest what the values are while nothing is pointed at
 * @param {Entry[]} entries
 */
function legend(panel, rest, entries) {
  const target = find(`${panel} .legend`);
  const when = document.createElement("p");
  when.className = "when";
  const values = entries.map(({ name, colour: property }) => {
    const row = document.createElement("p");
    const swatch = document.createElement("i");
    swatch.style.background = `var(--${property})`;
    const value = document.createElement("b");
    const label = document.createElement("span");
    label.textContent = name;
    row.append(swatch, label, value);
    target.append(row);
    return value;
  });
  target.prepend(when);
  legends.push((index) => {
    when.textContent = index < 0 ? rest : `at ${moment(columns.at[index], columns.milliseconds)}`;
    entries.forEach((entry, number) => {
      const value = index < 0 ? null : entry.values[index];
      values[number].textContent = index < 0 ? entry.rest : value === null ? "–" : entry.format(value, index);
    });
  });
}

/** @param {readonly (number | null)[]} values */
function most(values) {
  return values.reduce((/** @type {number} */ highest, value) => Math.max(highest, value ?? 0), 0);
}

/** @param {readonly number[]} values */
function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

/**
 * @param {string} panel
 * @param {Parameters<typeof timeChart>[2]} options
 * @param {string} about
 */
function add(panel, options, about) {
  const chart = timeChart(find(`${panel} .plot`), columns, options);
  const { canvas } = chart.ctx;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", about);
  charts.push(chart);
  return chart;
}

function clients() {
  const { clients: values } = columns;
  const format = (/** @type {number} */ value) => full(value);
  const line = { values, colour: "in", filled: true, stepped: true };
  add(
    "#clients",
    { height: 84, lines: [line], format: short, whole: true, labelled: true, timeless: true },
    "Clients connected over time",
  );
  legend("#clients", "at most", [{ name: "connected", colour: "in", values, format, rest: full(most(values)) }]);
  return new Lanes(find("#clients .lanes-plot"), find("#clients .lanes"), columns);
}

function packets() {
  const { packetsIn, packetsOut } = columns;
  const lines = [
    { values: packetsOut, colour: "out", filled: true },
    { values: packetsIn, colour: "in" },
  ];
  add("#packets", { height: 170, lines, format: short }, "Packets per second, to and from the broker, over time");
  legend("#packets", "at most", [
    { name: "in", colour: "in", values: packetsIn, format: short, rest: short(most(packetsIn)) },
    { name: "out", colour: "out", values: packetsOut, format: short, rest: short(most(packetsOut)) },
  ]);
}

function pools() {
  const lines = columns.pools.map(({ share: values }, index) =>
    index === 0 ? { values, colour: "fullest", width: 2.5 } : { values, colour: "other", width: 1.25 },
  );
  const range = /** @type {[number, number]} */ ([0, 105]);
  const height = Math.max(190, columns.pools.length * 20 + 50);
  const about = "Share of its limit that each pool has in use, over time";
  add(
    "#pools",
    { height: NARROW ? 190 : height, lines: lines.reverse(), format: percent, range, paint: markLimit },
    about,
  );
  legend(
    "#pools",
    "at most",
    columns.pools.map(({ name, share, used, peakShare }, index) => ({
      name,
      colour: index === 0 ? "fullest" : "other",
      values: share,
      format: (value, at) => `${full(used[at] ?? 0)} · ${percent(value)}`,
      rest: percent(peakShare),
    })),
  );
}

/**
 * A line where a pool is full.
 * @param {uPlot} chart
 */
function markLimit({ ctx, bbox, valToPos }) {
  const y = Math.round(valToPos(100, "y", true));
  ctx.save();
  ctx.strokeStyle = colour("fault");
  ctx.lineWidth = uPlot.pxRatio;
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.restore();
}

/** Three charts, each with a scale of its own: one refusal must not vanish beside a thousand connections held. */
function pressure() {
  const all = /** @type {const} */ (["refused", "dropped", "held"]);
  for (const name of all) {
    const last = name === "held";
    const line = { values: columns[name], colour: name, filled: true, stepped: true };
    const what = `How often something was ${name} since the sample before, over time`;
    add("#pressure", { height: last ? 86 : 62, lines: [line], format: short, whole: true, timeless: !last }, what);
  }
  legend(
    "#pressure",
    "in all",
    all.map((name) => ({
      name,
      colour: name,
      values: columns[name],
      format: full,
      rest: full(sum(columns[name])),
    })),
  );
}

function latency() {
  const { p50, p99 } = columns;
  const known = [...p50, ...p99].filter((value) => value !== null);
  const least = known.reduce((lowest, value) => Math.min(lowest, value), Number.POSITIVE_INFINITY);
  const logarithmic = most(known) > 50 * Math.max(least, 1);
  const format = (/** @type {number} */ value) => (logarithmic && value === 1 ? "≤ 1 ms" : duration(value));
  /** @param {(number | null)[]} values */
  const drawn = (values) =>
    logarithmic ? values.map((value) => (value === null ? null : Math.max(value, 1))) : values;
  const lines = [
    { values: drawn(p99), colour: "p99", width: 2, dotted: true },
    { values: drawn(p50), colour: "p50", width: 1.25, dotted: true },
  ];
  add("#latency", { height: 170, lines, format, logarithmic, whole: !logarithmic }, "Latency over time, p50 and p99");
  const rest = (/** @type {(number | null)[]} */ values) => (known.length > 0 ? duration(most(values)) : "–");
  legend("#latency", logarithmic ? "at most (logarithmic)" : "at most", [
    { name: "p99", colour: "p99", values: p99, format: duration, rest: rest(p99) },
    { name: "p50", colour: "p50", values: p50, format: duration, rest: rest(p50) },
  ]);
}

/**
 * @param {Lanes} lanes
 * @param {number} index
 */
function read(lanes, index) {
  for (const update of legends) update(index);
  lanes.highlight();
  if (index < 0) {
    readout.textContent = "Point at a chart to read it, drag to zoom, double-click to see all; ← and → step.";
    return;
  }
  const at = columns.at[index];
  const { hovered } = lanes;
  const phase = columns.healedAt === 0 ? "" : at <= columns.healedAt ? "faults on" : "healed";
  const parts = [moment(at, columns.milliseconds), phase, `${plural(columns.clients[index], "client")} connected`];
  const lane = columns.lanes[hovered];
  if (lane) {
    const connected = lane.connected.some(([from, to]) => from <= at && at <= to);
    parts.push(`${lane.name} (${lane.about}) ${connected ? "connected" : "not connected"}`);
  }
  parts.push(faultsAt(at, lanes));
  readout.textContent = parts.filter((part) => part !== "").join(" · ");
}

/**
 * @param {number} at
 * @param {Lanes} lanes
 */
function faultsAt(at, lanes) {
  const reach = lanes.reach();
  const near = columns.marks
    .filter((mark) => Math.abs(mark.at - at) <= reach && (lanes.hovered < 0 || mark.lane === lanes.hovered))
    .sort((one, other) => Math.abs(one.at - at) - Math.abs(other.at - at));
  const texts = near
    .slice(0, 3)
    .map(
      ({ kind, lane, count }) =>
        `${columns.kinds[kind].name}${count > 1 ? ` ×${count}` : ""} at ${columns.lanes[lane].name}`,
    );
  if (near.length > 3) texts.push(`${near.length - 3} more`);
  return texts.length > 0 ? `faults: ${texts.join(", ")}` : "";
}

function start() {
  const lanes = clients();
  packets();
  pools();
  pressure();
  latency();
  read(lanes, -1);

  // The cursors follow each other, so any one of them knows.
  const leader = charts[0];
  let scheduled = false;
  const update = () => {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => {
      scheduled = false;
      read(lanes, leader.cursor.idx ?? -1);
    });
  };
  document.addEventListener("mousemove", update);
  document.addEventListener("mouseout", update);
  document.addEventListener("keydown", ({ key }) => {
    const step = key === "ArrowRight" ? 1 : key === "ArrowLeft" ? -1 : 0;
    if (step === 0) return;
    const index = Math.min(Math.max((leader.cursor.idx ?? -1) + step, 0), columns.at.length - 1);
    for (const chart of [...charts, lanes.chart]) {
      chart.setCursor({ left: chart.valToPos(columns.at[index], "x"), top: 0 });
    }
    update();
  });

  const redraw = () => {
    forgetColours();
    for (const chart of [...charts, lanes.chart]) chart.redraw(false);
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

  const chips = [...document.querySelectorAll(".chip")];
  chips.forEach((chip, kind) => {
    chip.addEventListener("click", () => {
      lanes.kind = lanes.kind === kind ? -1 : kind;
      for (const one of chips) one.setAttribute("aria-pressed", String(lanes.kind !== -1 && one === chip));
      lanes.chart.redraw(false);
    });
  });
}

if (columns.at.length > 0) start();
