// What the command prints: the plan as a table, events as lines for people or for programs.

import pc from "picocolors";
import type { Plan } from "../../src/broker/plan";
import { printable } from "./escape";
import type { LogEvent } from "./log";
import type { HostBuffers } from "./transport";

type Colors = ReturnType<typeof pc.createColors>;

/** Colours for a terminal that shows them; none for files and pipes, or when NO_COLOR is set. */
export function colorsFor(stream: { isTTY?: boolean }): Colors {
  return pc.createColors(stream.isTTY === true && pc.isColorSupported);
}

/** What an event is called, and how serious it is. */
const words: Readonly<Record<string, readonly [word: string, color: "green" | "yellow" | "red" | "cyan" | "gray"]>> = {
  opened: ["opened", "gray"],
  connected: ["connected", "green"],
  connectRefused: ["refused", "red"],
  disconnected: ["disconnected", "cyan"],
  abandoned: ["gone", "gray"],
  sessionEnded: ["session ended", "gray"],
  publishRefused: ["PUBLISH refused", "red"],
  subscribeRefused: ["SUBSCRIBE refused", "red"],
  dropped: ["dropped", "yellow"],
  publishDropped: ["PUBLISH dropped", "yellow"],
  retainRefused: ["not retained", "yellow"],
  willPublished: ["will published", "cyan"],
  willDropped: ["will dropped", "yellow"],
  held: ["held", "gray"],
  limitReached: ["limit reached", "yellow"],
  streamRefused: ["refused", "red"],
  acceptFailed: ["accept failed", "red"],
};

const WORD_COLUMNS = 18;

/** One line: local time, what, who, where, why. */
export function eventText(event: LogEvent, colors: Colors): string {
  const [word, color] = words[event.event] ?? [event.event, "gray"];
  const who = event.client ?? (event.session === undefined ? undefined : "");
  const parts = [
    colors.dim(localTime(new Date(event.time))),
    colors[color](word.padEnd(WORD_COLUMNS)),
    who === undefined ? undefined : colors.bold(printable(who)),
    event.address,
    details(event),
  ];
  return parts.filter((part) => part !== undefined && part !== "").join("  ");
}

function details({ protocol, event, sessionPresent, reason, limit, count }: LogEvent): string {
  const parts: string[] = [];
  if (event === "connected" && protocol !== undefined) parts.push(`MQTT ${protocol}`);
  if (sessionPresent) parts.push("session resumed");
  if (reason !== undefined) parts.push(printableReason(reason));
  if (limit !== undefined) parts.push(`limit ${limit}`);
  if (count !== undefined) parts.push(`${grouped(count)} more`);
  return parts.join(", ");
}

/** Reasons are our own words, except those of the operating system. */
function printableReason(reason: string): string {
  return /^[ -~]*$/.test(reason) ? reason : printable(reason);
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

function grouped(value: number): string {
  return value.toLocaleString("en-US");
}
