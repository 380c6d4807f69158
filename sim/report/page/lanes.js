// One lane per client: a bar while it is connected, a mark for every fault it met.

import uPlot from "uplot";
import { colour, gutter, timeChart } from "./chart";

/** @import { Columns } from "../columns" */

const TIME_LABELS = 26;
const TOP = 6;

/** Names stand left of the lanes; where that has no room, above each bar; where that has none either, nowhere. */
function shape(/** @type {number} */ count) {
  const narrow = window.innerWidth < 700;
  if (count > 60) return { height: 5, naming: "none" };
  if (narrow) return { height: 24, naming: "above" };
  return { height: count > 24 ? 14 : 19, naming: "beside" };
}

export class Lanes {
  /** @type {Columns} */ #columns;
  /** @type {Element} */ #target;
  /** @type {Element} */ #list;
  /** @type {ReturnType<typeof shape>} */ #shape;
  /** @type {uPlot} */ chart;
  /** The kind of fault that stands out; -1 for all alike. */
  kind = -1;
  /** The lane under the pointer; -1 for none. */
  hovered = -1;

  /**
   * @param {Element} target
   * @param {Element} list
   * @param {Columns} columns
   */
  constructor(target, list, columns) {
    this.#columns = columns;
    this.#target = target;
    this.#list = list;
    this.#shape = shape(columns.lanes.length);
    this.chart = this.#make();
    window.addEventListener("resize", () => {
      const wanted = shape(columns.lanes.length);
      if (wanted.height === this.#shape.height && wanted.naming === this.#shape.naming) return;
      this.#shape = wanted;
      this.chart.destroy();
      this.chart = this.#make();
    });
  }

  #make() {
    const { lanes } = this.#columns;
    const { height, naming } = this.#shape;
    const chart = timeChart(this.#target, this.#columns, {
      height: Math.max(lanes.length, 1) * height + TOP + TIME_LABELS,
      lines: [],
      range: [0, Math.max(lanes.length, 1)],
      paint: (self) => this.#paint(self),
    });
    const canvas = chart.ctx.canvas;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", "When each client was connected, and its faults");
    chart.over.addEventListener("mousemove", (event) => {
      this.hovered = Math.min(Math.floor(event.offsetY / height), lanes.length - 1);
    });
    chart.over.addEventListener("mouseleave", () => {
      this.hovered = -1;
    });
    const names = lanes.map(({ name, about }) => {
      const item = document.createElement("li");
      const more = document.createElement("small");
      more.textContent = about;
      item.append(name, " ", more);
      item.title = `${name}: ${about}`;
      return item;
    });
    const list = /** @type {HTMLElement} */ (this.#list);
    list.hidden = naming !== "beside";
    list.style.setProperty("--lane", `${height}px`);
    list.style.setProperty("--top", `${TOP}px`);
    list.replaceChildren(...names);
    return chart;
  }

  /** @param {uPlot} chart */
  #paint(chart) {
    const { ctx, bbox } = chart;
    const { lanes } = this.#columns;
    const { naming } = this.#shape;
    const ratio = uPlot.pxRatio;
    const height = bbox.height / Math.max(lanes.length, 1);
    const bar = naming === "above" ? 7 * ratio : Math.max(height * 0.58, 2 * ratio);
    /** @param {number} lane */
    const middle = (lane) => bbox.top + (lane + 1) * height - (naming === "above" ? bar / 2 + 2 * ratio : height / 2);
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    lanes.forEach(({ name, about, connected }, lane) => {
      const y = middle(lane);
      ctx.fillStyle = colour("grid");
      ctx.fillRect(bbox.left, Math.round(y), bbox.width, ratio);
      ctx.fillStyle = colour("lane");
      for (const [from, to] of connected) {
        const left = chart.valToPos(from, "x", true);
        ctx.fillRect(left, y - bar / 2, Math.max(chart.valToPos(to, "x", true) - left, ratio), bar);
      }
      if (naming === "above")
        this.#write(chart, `${name.length > 30 ? `${name.slice(0, 29)}…` : name}  ${about}`, y - bar / 2 - 2 * ratio);
    });
    this.#paintMarks(chart, middle, Math.max(bar + 2 * ratio, 3 * ratio));
    ctx.restore();
  }

  /**
   * @param {uPlot} chart
   * @param {string} text
   * @param {number} y
   */
  #write({ ctx, bbox }, text, y) {
    const ratio = uPlot.pxRatio;
    ctx.font = `${11 * ratio}px system-ui, sans-serif`;
    ctx.fillStyle = colour("text");
    ctx.textAlign = "left";
    ctx.textBaseline = "bottom";
    ctx.fillText(text, bbox.left + 2 * ratio, y, bbox.width - 4 * ratio);
  }

  /**
   * @param {uPlot} chart
   * @param {(lane: number) => number} middle
   * @param {number} height
   */
  #paintMarks(chart, middle, height) {
    const { ctx } = chart;
    const width = 2 * uPlot.pxRatio;
    for (const bright of [false, true]) {
      ctx.fillStyle = colour(bright ? "fault" : "dim");
      for (const { at, lane, kind } of this.#columns.marks) {
        if ((this.kind === -1 || this.kind === kind) !== bright) continue;
        ctx.fillRect(Math.round(chart.valToPos(at, "x", true) - width / 2), middle(lane) - height / 2, width, height);
      }
    }
  }

  /** Makes the name of the lane under the pointer stand out. */
  highlight() {
    [...this.#list.children].forEach((item, lane) => {
      item.classList.toggle("hovered", lane === this.hovered);
    });
  }

  /** Milliseconds that a few pixels are worth. */
  reach() {
    const { min = 0, max = 0 } = this.chart.scales.x;
    return ((max - min) * 5) / Math.max(this.#target.clientWidth - gutter(), 1);
  }
}
