// A timeline turned into what the page draws: one array per line, shares instead of counts, faults thinned to what a
// screen can show.

import type { Sample, Timeline } from "../timeline";

/** Lanes beyond this many are left out: the clients with the fewest faults. */
const LANES = 160;
/** One mark per lane, kind and this share of the run. */
const MARKS_ACROSS = 1500;

export interface Columns {
  milliseconds: number;
  /** Where faults ended; 0 when there was no such phase, `milliseconds` when they never ended. */
  healedAt: number;
  healed: boolean;
  at: number[];
  clients: number[];
  /** Per second. */
  packetsIn: number[];
  packetsOut: number[];
  p50: (number | null)[];
  p99: (number | null)[];
  /** Since the sample before. */
  refused: number[];
  dropped: number[];
  held: number[];
  /** The fullest first. */
  pools: PoolColumn[];
  lanes: Lane[];
  lanesLeftOut: number;
  /** The most frequent first. */
  kinds: { name: string; count: number }[];
  marks: { at: number; lane: number; kind: number; count: number }[];
}

export interface PoolColumn {
  name: string;
  capacity: number;
  used: (number | null)[];
  /** Percent of the capacity. */
  share: (number | null)[];
  peak: number;
  peakShare: number;
}

export interface Lane {
  name: string;
  about: string;
  connected: [from: number, to: number][];
}

export function columnsOf(timeline: Timeline): Columns {
  const { samples, milliseconds, healedAt } = timeline;
  const healed = healedAt < milliseconds;
  return {
    milliseconds,
    healedAt: healed ? healedAt : milliseconds,
    healed,
    at: samples.map(({ at }) => at),
    clients: samples.map(({ clients }) => clients),
    packetsIn: samples.map(({ packetsIn }) => rounded(packetsIn)),
    packetsOut: samples.map(({ packetsOut }) => rounded(packetsOut)),
    p50: samples.map(({ latency }) => latency?.p50 ?? null),
    p99: samples.map(({ latency }) => latency?.p99 ?? null),
    refused: samples.map(({ refused }) => refused),
    dropped: samples.map(({ dropped }) => dropped),
    held: samples.map(({ held }) => held),
    pools: pools(samples),
    ...lanes(timeline),
  };
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}

function pools(samples: readonly Sample[]): PoolColumn[] {
  const columns = new Map<string, PoolColumn>();
  samples.forEach((sample, index) => {
    for (const { name, used, capacity } of sample.pools) {
      let column = columns.get(name);
      if (column === undefined) {
        const empty = (): null[] => samples.map(() => null);
        column = { name, capacity, used: empty(), share: empty(), peak: 0, peakShare: 0 };
        columns.set(name, column);
      }
      const share = capacity > 0 ? Math.round((used * 10_000) / capacity) / 100 : 0;
      column.used[index] = used;
      column.share[index] = share;
      column.peak = Math.max(column.peak, used);
      column.peakShare = Math.max(column.peakShare, share);
    }
  });
  const full = ({ share }: PoolColumn): number => share.reduce<number>((sum, one) => sum + (one ?? 0), 0);
  return [...columns.values()].sort((one, other) => other.peakShare - one.peakShare || full(other) - full(one));
}

const versions: Record<number, string> = { 3: "3.1", 4: "3.1.1", 5: "5.0" };

function lanes({
  clients,
  faults,
  milliseconds,
}: Timeline): Pick<Columns, "lanes" | "lanesLeftOut" | "kinds" | "marks"> {
  const faultsOf = countBy(faults.map(({ client }) => client));
  const shown = new Set(
    [...clients].sort((one, other) => (faultsOf.get(other.name) ?? 0) - (faultsOf.get(one.name) ?? 0)).slice(0, LANES),
  );
  const known = new Set(clients.map(({ name }) => name));
  const all: Lane[] = clients
    .filter((client) => shown.has(client))
    .map(({ name, personality, version, connected }) => {
      return { name, about: `${personality} ${versions[version] ?? version}`, connected };
    });
  const nobodys = faults.some(({ client }) => !known.has(client)); // power, flash, clock: everybody's
  if (nobodys) all.unshift({ name: "world", about: "faults of no single client", connected: [] });

  const kinds = [...countBy(faults.map(({ kind }) => kind))]
    .map(([name, count]) => ({ name, count }))
    .sort((one, other) => other.count - one.count);
  const kindNumbers = new Map(kinds.map(({ name }, index) => [name, index]));
  const laneNumbers = new Map(all.map(({ name }, index) => [name, index]));

  const marks = new Map<string, Columns["marks"][number]>();
  for (const { at, kind, client } of faults) {
    const lane = known.has(client) ? laneNumbers.get(client) : 0;
    if (lane === undefined) continue; // left out
    const key = `${Math.floor((at * MARKS_ACROSS) / milliseconds)} ${lane} ${kindNumbers.get(kind)}`;
    const mark = marks.get(key);
    if (mark) mark.count++;
    else marks.set(key, { at, lane, kind: kindNumbers.get(kind)!, count: 1 });
  }
  return { lanes: all, lanesLeftOut: clients.length - shown.size, kinds, marks: [...marks.values()] };
}

function countBy(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}
