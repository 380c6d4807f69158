// A timeline that no simulator made: everything a page has to show, and names that try to break it.

import type { Sample, Timeline } from "../../sim/timeline";

/** Names that would do something if they were not escaped. */
export const hostile = [
  "</script><script>globalThis.broken = 1</script>",
  "<img src=http://127.0.0.1:9/x onerror='globalThis.broken = 2'>",
  '" onmouseover="globalThis.broken = 3" x="',
];

const personalities = ["clean", "resuming", "slow reader", "never-acker", "taker-over", "sleepy device", "flooder"];
const kinds = ["reset", "stall", "half-open", "malformed", "taken over", hostile[2]];
const poolSizes: Record<string, number> = {
  sessions: 16,
  subscriptions: 64,
  topicNodes: 128,
  labelBytes: 2048,
  messages: 96,
  deliveries: 256,
  receipts: 64,
  payloadBytes: 32_768,
  retained: 32,
};

export interface Shape {
  seed: number;
  clients: number;
  samples: number;
  milliseconds: number;
  healedAt: number;
  faults: number;
}

export const usual: Shape = {
  seed: 7,
  clients: 14,
  samples: 600,
  milliseconds: 180_000,
  healedAt: 118_000,
  faults: 160,
};

export function syntheticTimeline(shape: Partial<Shape> = {}): Timeline {
  const { seed, clients: count, samples, milliseconds, healedAt, faults } = { ...usual, ...shape };
  const draw = numbers(seed);
  const clients = Array.from({ length: count }, (_, index) => ({
    name: hostile[index] ?? `${["kitchen", "hall", "cellar", "garden"][index % 4]}-${index}`,
    personality: personalities[index % personalities.length],
    version: 3 + (index % 3),
    connected: connections(draw, milliseconds, healedAt),
  }));
  const marks = Array.from({ length: faults }, () => ({
    at: Math.floor(draw() * Math.min(healedAt, milliseconds)),
    kind: kinds[Math.floor(draw() ** 2 * kinds.length)],
    client: draw() < 0.04 || count === 0 ? "" : clients[Math.floor(draw() * count)].name,
  })).sort((one, other) => one.at - other.at);

  const level = Object.fromEntries(Object.keys(poolSizes).map((name) => [name, draw() * 0.4]));
  const all = Array.from({ length: samples }, (_, index): Sample => {
    const at = Math.round(((index + 1) * milliseconds) / samples);
    const connected = clients.filter((one) => one.connected.some(([from, to]) => from <= at && at <= to)).length;
    const bad = at < healedAt;
    const wave = connected * (14 + 6 * Math.sin(at / 9000) + (bad ? 8 * draw() : 2 * draw()));
    for (const name of Object.keys(level)) {
      const target = bad ? (name === "deliveries" ? 0.97 : 0.45) : 0.12;
      level[name] = Math.min(Math.max(level[name] + (target - level[name]) * 0.03 + (draw() - 0.5) * 0.05, 0), 1);
    }
    const tight = level.deliveries > 0.9;
    const p50 = Math.round(3 + draw() * 5 + (bad ? draw() * 30 : 0));
    return {
      at,
      clients: connected,
      packetsIn: wave,
      packetsOut: wave * 2.6,
      latency: draw() < 0.03 ? null : { p50, p99: Math.round(p50 * (bad ? 4 + draw() ** 6 * 400 : 3)) },
      pools: Object.entries(poolSizes).map(([name, capacity]) => {
        return { name, capacity, used: Math.round(level[name] * capacity) };
      }),
      refused: tight && draw() < 0.3 ? Math.floor(draw() * 9) : 0,
      dropped: tight && draw() < 0.1 ? 1 : 0,
      held: tight ? Math.floor(draw() * 6) : 0,
    };
  });
  return {
    seed,
    world: "home",
    limits: "tiny",
    options: { resetRate: 0.02, stallRate: 0.01, splitBytes: 7, clockStepsBack: true, [hostile[0]]: hostile[1] },
    milliseconds,
    healedAt,
    samples: all,
    faults: marks,
    clients,
    totals: {
      packetsIn: 34_567,
      packetsOut: 89_012,
      accepted: 23_456,
      delivered: 78_901,
      expired: 12,
      wills: 7,
      takeovers: 31,
    },
  };
}

function connections(draw: () => number, milliseconds: number, healedAt: number): [number, number][] {
  const spans: [number, number][] = [];
  let at = Math.floor(draw() * 6000);
  while (at < Math.min(healedAt, milliseconds)) {
    const to = Math.min(at + 2000 + Math.floor(draw() ** 2 * 60_000), milliseconds);
    spans.push([at, to]);
    at = to + 300 + Math.floor(draw() * 9000);
  }
  if (at < milliseconds) spans.push([at, milliseconds]);
  return spans;
}

/** Numbers from 0 to 1 (xorshift). */
function numbers(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b1) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
