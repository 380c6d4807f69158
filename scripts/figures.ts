// Prints the tables of figures that README.md and docs/ show; with --write puts them there, between their markers.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { type ClientLimits, clientPresets } from "../src/client/limits";
import { planClient } from "../src/client/tables";
import { type Limits, type PresetName, plan, presets } from "../src/index";

const devices: readonly PresetName[] = ["esp32", "gateway", "psram", "node"];
const number = (value: number): string => value.toLocaleString("en-US");

/** What each preset holds, and its memory. */
export function presetTable(): string {
  const rows: [string, (limits: Limits) => number][] = [
    ["Network Connections (one is the spare)", (limits) => limits.connections],
    ["Sessions", (limits) => limits.sessions],
    ["Subscriptions", (limits) => limits.subscriptions],
    ["of one session", (limits) => limits.subscriptionsPerSession],
    ["Retained messages", (limits) => limits.retained],
    ["Messages on their way", (limits) => limits.messages],
    ["Deliveries waiting or unacknowledged", (limits) => limits.deliveries],
    ["of one session (`queuePerSession`)", (limits) => limits.queuePerSession],
    ["Bytes of topics, properties, payloads", (limits) => limits.payloadBytes],
    ["Largest stored PUBLISH (`messageBytes`)", (limits) => limits.messageBytes],
    ["Maximum Packet Size announced (`packetBytes`)", (limits) => limits.packetBytes],
    ["Receive Maximum announced", (limits) => limits.receiveMaximum],
    ["Longest Keep Alive, s (0: any)", (limits) => limits.keepAliveSeconds],
    ["Time for a CONNECT, ms", (limits) => limits.connectMilliseconds],
    ["Time for a packet, ms", (limits) => limits.packetMilliseconds],
    ["Longest hold of a publisher, ms", (limits) => limits.holdMilliseconds],
  ];
  const lines = [`| | ${devices.join(" | ")} |`, `|---|${devices.map(() => "---:|").join("")}`];
  for (const [name, value] of rows) {
    lines.push(`| ${name} | ${devices.map((device) => number(value(presets[device]))).join(" | ")} |`);
  }
  lines.push(`| When a queue is full | ${devices.map((device) => presets[device].sessionOverflow).join(" | ")} |`);
  lines.push(
    `| **Memory in all, bytes** | ${devices.map((d) => `**${number(plan(presets[d]).totalBytes)}**`).join(" | ")} |`,
  );
  return lines.join("\n");
}

/** What one more of each thing costs, from plans with and without it. */
export function costTable(): string {
  const rows: [string, keyof Limits, string][] = [
    ["Network Connection, with the block it may always carry a packet in", "connections", ""],
    ["Session, with its receipts", "sessions", ""],
    ["Subscription", "subscriptions", ""],
    ["Topic node (a level of a filter or retained name)", "topicNodes", ""],
    ["Topic label (a level's text once, without the text)", "topicLabels", ""],
    ["Retained message", "retained", ""],
    ["Message on its way", "messages", ""],
    ["Delivery to one receiver", "deliveries", ""],
  ];
  const lines = [`| one more … costs, bytes | ${devices.join(" | ")} |`, `|---|${devices.map(() => "---:|").join("")}`];
  for (const [name, field] of rows) {
    const costs = devices.map((device) => cost(presets[device], field).toFixed(0));
    lines.push(`| ${name} | ${costs.join(" | ")} |`);
  }
  lines.push(`| Its bytes: blocks of | ${devices.map((device) => presets[device].blockBytes).join(" | ")} |`);
  return lines.join("\n");
}

/** The mean over some more; hash tables grow in powers of two and are left out by the choice of the count. */
function cost(limits: Limits, field: keyof Limits): number {
  const more = 4;
  const grown = { ...limits, [field]: (limits[field] as number) + more };
  const rows = plan(grown).rows;
  const before = new Map(plan(limits).rows.map((row) => [row.name, row]));
  let bytes = 0;
  for (const row of rows) bytes += (row.count - (before.get(row.name)?.count ?? 0)) * row.bytesEach;
  return bytes / more;
}

/** What each preset of a client holds, and the plan of its memory. */
export function clientTable(): string {
  const clients = Object.keys(clientPresets) as (keyof typeof clientPresets)[];
  const rows: [string, (limits: ClientLimits) => number][] = [
    ["Messages accepted and not yet done with", (limits) => limits.messages],
    ["of them on their way to the server", (limits) => limits.inflight],
    ["Bytes of their topics, properties, payloads", (limits) => limits.payloadBytes],
    ["Receive Maximum announced", (limits) => limits.receiveMaximum],
    ["more of them, for servers that send more (`receiveShared`)", (limits) => limits.receiveShared],
    ["Topic Filters", (limits) => limits.subscriptions],
    ["Longest Topic Name or Topic Filter, bytes", (limits) => limits.topicBytes],
    ["Topic Name and properties received (`headBytes`)", (limits) => limits.headBytes],
    ["Longest CONNECT, longest other packet received (`stageBytes`)", (limits) => limits.stageBytes],
    ["Maximum Packet Size announced; payloads are not stored", (limits) => limits.packetBytes],
    ["Topic Aliases received", (limits) => limits.aliasesIn],
    ["Topic Aliases sent", (limits) => limits.aliasesOut],
    ["Time to connect, ms", (limits) => limits.connectMilliseconds],
    ["First wait before it connects again, ms", (limits) => limits.reconnectMilliseconds],
    ["Longest wait, ms", (limits) => limits.reconnectMostMilliseconds],
  ];
  const lines = [`| | ${clients.join(" | ")} |`, `|---|${clients.map(() => "---:|").join("")}`];
  for (const [name, value] of rows) {
    lines.push(`| ${name} | ${clients.map((client) => number(value(clientPresets[client]))).join(" | ")} |`);
  }
  const totals = clients.map((client) => `**${number(planClient(clientPresets[client]).totalBytes)}**`);
  lines.push(`| **Memory in all, bytes** | ${totals.join(" | ")} |`);
  return lines.join("\n");
}

export const figures: Readonly<Record<string, () => string>> = {
  presets: presetTable,
  costs: costTable,
  client: clientTable,
};

/** Documents whose marked tables are ours: `<!-- figures: NAME -->` to `<!-- end -->`. */
export const documents: readonly string[] = [
  "README.md",
  ...readdirSync("docs")
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

/** The text with every marked table made anew. Throws for a name that is no table's. */
export function withFigures(text: string): string {
  return text.replace(
    /(<!-- figures: (\S+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, begin: string, name: string, end: string) => {
      if (!Object.hasOwn(figures, name)) throw new Error(`no figures "${name}"`);
      return `${begin}${figures[name]()}\n${end}`;
    },
  );
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  if (process.argv.includes("--write")) {
    for (const path of documents) {
      const text = readFileSync(path, "utf8");
      const made = withFigures(text);
      if (made !== text) writeFileSync(path, made);
    }
  } else for (const table of Object.values(figures)) console.log(`${table()}\n`);
}
