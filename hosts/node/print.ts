// What the command prints: the plan as a table, events as lines for people or for programs.

import pc from "picocolors";
import type { Plan } from "../../src/broker/plan";
import { eventDetails, eventWords, grouped, WORD_COLUMNS } from "../text/events";
import { printable } from "./escape";
import type { LogEvent } from "./log";
import type { HostBuffers } from "./transport";

type Colors = ReturnType<typeof pc.createColors>;

/** Colours for a terminal that shows them; none for files and pipes, or when NO_COLOR is set. */
export function colorsFor(stream: { isTTY?: boolean }): Colors {
  return pc.createColors(stream.isTTY === true && pc.isColorSupported);
}

/** How serious an event is. */
const colorNames: Readonly<Record<string, "green" | "yellow" | "red" | "cyan" | "gray">> = {
  connected: "green",
  connectRefused: "red",
  disconnected: "cyan",
  publishRefused: "red",
  subscribeRefused: "red",
  dropped: "yellow",
  publishDropped: "yellow",
  retainRefused: "yellow",
  willPublished: "cyan",
  willDropped: "yellow",
  limitReached: "yellow",
  streamRefused: "red",
  acceptFailed: "red",
};

/** One line: local time, what, who, where, why. */
export function eventText(event: LogEvent, colors: Colors): string {
  const word = eventWords[event.event] ?? event.event;
  const [who, address, why] = eventDetails(event, printable);
  const parts = [
    colors.dim(localTime(new Date(event.time))),
    colors[colorNames[event.event] ?? "gray"](word.padEnd(WORD_COLUMNS)),
    who === "" ? "" : colors.bold(who),
    address,
    why,
  ];
  return parts.filter((part) => part !== "").join("  ");
}

function localTime(time: Date): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  const milliseconds = String(time.getMilliseconds()).padStart(3, "0");
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${milliseconds}`;
}

/** The plan as `midge plan --json` gives it. */
export function planJson(plan: Plan, host: readonly HostBuffers[]): object {
  const { arenaBytes, viewBytes, totalBytes, rows } = plan;
  return { arenaBytes, viewBytes, totalBytes, rows, host };
}

/** The plan as a table, and beside it what Node.js adds. */
export function planText(plan: Plan, host: readonly HostBuffers[], colors: Colors): string {
  const cells = (row: HostBuffers): string[] => [
    row.name,
    grouped(row.count),
    grouped(row.bytesEach),
    grouped(row.bytes),
  ];
  const core = plan.rows.map(cells);
  const sums = [
    ["arena", "", "", grouped(plan.arenaBytes)],
    ["views over it", "", "", grouped(plan.viewBytes)],
    ["total", "", "", grouped(plan.totalBytes)],
  ];
  const header = ["memory, fixed before start", "count", "bytes each", "bytes"];
  const buffers = host.map(cells);
  const all = [header, ...core, ...sums, ...buffers];
  const widths = header.map((_, column) => Math.max(...all.map((row) => row[column].length)));
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join("  ");
  const rule = colors.dim("-".repeat(line(header).length));
  return [
    colors.bold(line(header)),
    ...core.map(line),
    rule,
    ...sums.slice(0, 2).map(line),
    colors.bold(line(sums[2])),
    "",
    colors.dim("beside it, buffers of the Node.js host"),
    ...buffers.map(line),
  ].join("\n");
}
