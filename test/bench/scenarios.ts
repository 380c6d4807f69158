// What is measured: who publishes what to whom, and how much may be on its way. Everything is MQTT 3.1.1.

export interface TrafficScenario {
  kind: "traffic";
  name: string;
  /** Who gets what: everything to one, one to everybody, or each publisher to its own subscriber. */
  pattern: "fan-in" | "fan-out" | "pairs";
  publishers: number;
  subscribers: number;
  qos: 0 | 1 | 2;
  payloadBytes: number;
  /** Messages of one publisher not delivered yet (QoS 0) or not acknowledged yet. */
  window: number;
  /** Most packets in one write of a publisher; 1 makes a system call and a segment of each. */
  packetsPerWrite: number;
}

export interface LatencyScenario {
  kind: "latency";
  name: string;
  qos: 0 | 1;
  payloadBytes: number;
  messagesPerSecond: number;
}

export interface ConnectsScenario {
  kind: "connects";
  name: string;
  /** Connections being opened at a time. */
  concurrency: number;
  /** No more than this in one run: each leaves an ephemeral port in TIME_WAIT. */
  most: number;
}

export type Scenario = TrafficScenario | LatencyScenario | ConnectsScenario;

const SMALL = 32;
const LARGE = 1024;

const fanIn = { kind: "traffic", pattern: "fan-in", publishers: 10, subscribers: 1 } as const;
const fanOut = { kind: "traffic", pattern: "fan-out", publishers: 1, subscribers: 10 } as const;
const pairs = { kind: "traffic", pattern: "pairs", publishers: 5, subscribers: 5 } as const;
const small = { payloadBytes: SMALL, packetsPerWrite: 100 } as const;
const large = { payloadBytes: LARGE, packetsPerWrite: 50 } as const;

export const scenarios: readonly Scenario[] = [
  { name: "fan-in 10→1 QoS 0", ...fanIn, ...small, qos: 0, window: 4000 },
  { name: "fan-in 10→1 QoS 1", ...fanIn, ...small, qos: 1, window: 100 },
  { name: "fan-in 10→1 QoS 2", ...fanIn, ...small, qos: 2, window: 100 },
  { name: "fan-out 1→10 QoS 0", ...fanOut, ...small, qos: 0, window: 4000 },
  { name: "fan-out 1→10 QoS 1", ...fanOut, ...small, qos: 1, window: 100 },
  { name: "five pairs QoS 1", ...pairs, ...small, qos: 1, window: 100 },
  { name: "1 KB fan-in QoS 0", ...fanIn, ...large, qos: 0, window: 1000 },
  { name: "1 KB fan-in QoS 1", ...fanIn, ...large, qos: 1, window: 100 },
  { name: "one packet per write QoS 0", ...fanIn, ...small, qos: 0, window: 1000, packetsPerWrite: 1 },
  { name: "one packet per write QoS 1", ...fanIn, ...small, qos: 1, window: 100, packetsPerWrite: 1 },
  { name: "100 devices, one in flight QoS 1", ...fanIn, ...small, publishers: 100, qos: 1, window: 1 },
  { name: "latency at 1,000/s QoS 0", kind: "latency", qos: 0, payloadBytes: SMALL, messagesPerSecond: 1000 },
  { name: "latency at 1,000/s QoS 1", kind: "latency", qos: 1, payloadBytes: SMALL, messagesPerSecond: 1000 },
  { name: "connects flat out", kind: "connects", concurrency: 50, most: 3000 },
];

/** What one run of a scenario gave. */
export interface Run {
  /** Deliveries, or connections made. */
  count: number;
  seconds: number;
  /** Not delivered when everything had come to rest. */
  lost: number;
  /** Milliseconds from publisher to subscriber, or from opening to CONNACK; not for traffic. */
  latency?: { p50: number; p99: number };
  /** Seconds of CPU time of the load generator. */
  loadCpuSeconds: number;
}

/** What the load generator is told. */
export interface Order {
  scenario: Scenario;
  port: number;
  warmupSeconds: number;
  seconds: number;
}
