// What all charts have in common: one time axis, one cursor, the phase of faults shaded, "healed" marked.

import uPlot from "uplot";
import { moment } from "../format";

/** @import { Columns } from "../columns" */

/**
 * @typedef {object} Line
 * @property {(number | null)[]} values
 * @property {string} colour name of a custom property
 * @property {number} [width]
 * @property {boolean} [filled]
 * @property {boolean} [stepped]
 * @property {boolean} [dotted] a dot for every value while there are few
 */

/**
 * @typedef {object} Options
 * @property {number} height of the whole chart
 * @property {Line[]} lines
 * @property {(value: number) => string} [format] of the vertical axis; without, there is none
 * @property {[from: number, to: number]} [range] of the vertical axis
 * @property {boolean} [whole] the vertical axis counts things
 * @property {boolean} [logarithmic]
 * @property {boolean} [timeless] no labels on the time axis
 * @property {boolean} [labelled] says "faults" and "healed" in words
 * @property {(chart: uPlot) => void} [paint]
 */

const FONT = "11px system-ui, sans-serif";
const LABELS_HEIGHT = 26;
const STEPS = [1, 1e3, 1e6, 1e9].flatMap((size) => [1, 2, 5, 10, 20, 50, 100, 200, 500].map((step) => step * size));
const TIMES = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200].map((seconds) => seconds * 1000),
  ...[1, 2, 5, 10, 30, 100, 300, 1000].map((days) => days * 86_400_000),
];

/** @type {Map<string, string>} */
const colours = new Map();

/** @param {string} name */
export function colour(name) {
  let value = colours.get(name);
  if (value === undefined) {
    value = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    colours.set(name, value);
  }
  return value;
}

/** Light or dark was switched. */
export function forgetColours() {
  colours.clear();
}

/** Room left of every plot, so that all time axes agree. */
export function gutter() {
  return window.innerWidth < 700 ? 48 : 54;
}

/**
 * @param {Element} target
 * @param {Columns} columns
 * @param {Options} options
 */
export function timeChart(target, columns, options) {
  const { at, milliseconds } = columns;
  const { lines, format, timeless = false } = options;
  const grid = { stroke: () => colour("grid"), width: 1 };
  const axis = { stroke: () => colour("muted"), font: FONT, grid, ticks: { show: false } };
  const chart = new uPlot(
    {
      width: Math.max(target.clientWidth, 200),
      height: options.height,
      padding: [options.labelled ? 16 : 6, 14, timeless ? 4 : 0, 0],
      legend: { show: false },
      cursor: { y: false, sync: { key: "time" }, drag: { x: true, y: false, dist: 8 }, points: { size: 7 } },
      scales: {
        x: {
          time: false,
          range: (_chart, from, to) => (to - from >= at[at.length - 1] - at[0] ? [0, milliseconds] : [from, to]),
        },
        y: verticalScale(options),
      },
      axes: [
        {
          ...axis,
          size: timeless ? 0 : LABELS_HEIGHT,
          gap: 6,
          space: 76,
          incrs: TIMES,
          values: (_chart, values) => values.map((value) => (timeless ? "" : moment(value, milliseconds))),
        },
        {
          ...axis,
          size: () => gutter(),
          gap: 4,
          space: options.height < 100 ? 17 : 26,
          incrs: options.whole ? STEPS : undefined,
          splits: options.logarithmic ? (_chart, _axis, from, to) => decades(from, to) : undefined,
          grid: format ? grid : { show: false },
          values: (_chart, values) => values.map((value) => (value === null || !format ? "" : format(value))),
        },
      ],
      series: [{}, ...lines.map((line) => series(line))],
      hooks: {
        drawClear: [(self) => shade(self, columns)],
        draw: [
          (self) => {
            options.paint?.(self);
            markHealed(self, columns, options.labelled ?? false);
          },
        ],
      },
    },
    /** @type {uPlot.AlignedData} */ ([at, ...lines.map(({ values }) => values)]),
    /** @type {HTMLElement} */ (target),
  );
  const observer = new ResizeObserver(() => {
    const width = Math.max(target.clientWidth, 200);
    if (width !== chart.width) chart.setSize({ width, height: chart.height });
  });
  observer.observe(target);
  chart.hooks.destroy = [() => observer.disconnect()];
  return chart;
}

/**
 * @param {Options} options
 * @returns {uPlot.Scale}
 */
function verticalScale({ range, logarithmic }) {
  if (range) return { range };
  if (logarithmic)
    return { distr: 3, range: (_chart, _from, to) => [1, 10 ** Math.ceil(Math.log10(Math.max(to, 10)))] };
  return { range: (_chart, _from, to) => [0, to > 0 ? to * 1.08 : 1] };
}

/**
 * @param {number} from
 * @param {number} to
 */
function decades(from, to) {
  const count = Math.round(Math.log10(to / from)) + 1;
  return Array.from({ length: count }, (_, power) => from * 10 ** power);
}

/**
 * @param {Line} line
 * @returns {uPlot.Series}
 */
function series({ values, colour: name, width = 1.5, filled = false, stepped = false, dotted = false }) {
  /** @param {number} index */
  const alone = (index) => !isGap(values[index]) && isGap(values[index - 1]) && isGap(values[index + 1]);
  const all = dotted && values.length <= 200;
  return {
    stroke: () => colour(name),
    fill: filled ? () => `color-mix(in srgb, ${colour(name)} 16%, transparent)` : undefined,
    width,
    paths: stepped ? uPlot.paths.stepped?.({ align: -1 }) : undefined,
    points: {
      show: all || values.some((_value, index) => alone(index)),
      filter: () => values.flatMap((value, index) => ((all && !isGap(value)) || alone(index) ? [index] : [])),
      size: 4,
      fill: () => colour(name),
    },
  };
}

/** @param {number | null | undefined} value */
function isGap(value) {
  return value === null || value === undefined;
}

/**
 * @param {uPlot} chart
 * @param {Columns} columns
 */
function shade({ ctx, bbox, valToPos }, { healedAt }) {
  const from = Math.max(valToPos(0, "x", true), bbox.left);
  const to = Math.min(valToPos(healedAt, "x", true), bbox.left + bbox.width);
  if (to <= from) return;
  ctx.save(); // uPlot remembers what it set
  ctx.fillStyle = colour("phase");
  ctx.fillRect(from, bbox.top, to - from, bbox.height);
  ctx.restore();
}

/**
 * @param {uPlot} chart
 * @param {Columns} columns
 * @param {boolean} labelled
 */
function markHealed({ ctx, bbox, valToPos }, { healedAt, healed }, labelled) {
  const ratio = uPlot.pxRatio;
  const x = Math.round(valToPos(healedAt, "x", true));
  const inside = x > bbox.left && x <= bbox.left + bbox.width;
  ctx.save();
  ctx.font = `600 ${11 * ratio}px system-ui, sans-serif`;
  ctx.textBaseline = "bottom";
  if (labelled && healedAt > 0 && x > bbox.left) {
    ctx.fillStyle = colour("fault");
    ctx.textAlign = "left";
    ctx.fillText(healed ? "faults" : "faults until the end", bbox.left + 2 * ratio, bbox.top - 2 * ratio);
  }
  if (healed && healedAt > 0 && inside) {
    ctx.strokeStyle = colour("healed");
    ctx.lineWidth = 1.5 * ratio;
    ctx.setLineDash([4 * ratio, 3 * ratio]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    if (labelled) {
      ctx.fillStyle = colour("healed");
      ctx.textAlign = x > bbox.left + bbox.width - 50 * ratio ? "right" : "left";
      ctx.fillText("healed", x, bbox.top - 2 * ratio);
    }
  }
  ctx.restore();
}
