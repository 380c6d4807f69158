// The load generator: a process of its own, told by messages what to do, so that the broker has a core to itself.

import * as packets from "../support/packets";
import { connectOnce, Publisher, Subscriber } from "./clients";
import type { ConnectsScenario, LatencyScenario, Order, Run, TrafficScenario } from "./scenarios";
import { ascending, quantile } from "./statistics";

/** Nothing is delivered any more after this long: the rest is lost. */
const REST_MILLISECONDS = 500;

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function loadCpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

class Failure {
  error: Error | undefined;
  readonly fail = (error: Error): void => {
    this.error ??= error;
  };

  check(): void {
    if (this.error !== undefined) throw this.error;
  }
}

interface Clients {
  publishers: Publisher[];
  subscribers: Subscriber[];
  failure: Failure;
}

function topic(pattern: TrafficScenario["pattern"], publisher: number): string {
  return `site/${pattern}/${String(publisher).padStart(3, "0")}/temperature`;
}

async function connectAll(scenario: TrafficScenario, port: number): Promise<Clients> {
  const { pattern, qos, payloadBytes, window, packetsPerWrite } = scenario;
  const failure = new Failure();
  const subscribers: Subscriber[] = [];
  for (let i = 0; i < scenario.subscribers; i++) {
    const subscriber = new Subscriber(port);
    await subscriber.open(`subscriber-${i}`);
    await subscriber.subscribe(
      pattern === "fan-in" ? `site/${pattern}/+/temperature` : topic(pattern, pattern === "pairs" ? i : 0),
      qos,
    );
    subscriber.start(failure.fail);
    subscribers.push(subscriber);
  }
  const publishers: Publisher[] = [];
  for (let i = 0; i < scenario.publishers; i++) {
    const publisher = new Publisher(port, { topic: topic(pattern, i), payloadBytes, qos }, window, packetsPerWrite);
    await publisher.open(`publisher-${i}`);
    publisher.start(failure.fail);
    publishers.push(publisher);
  }
  return { publishers, subscribers, failure };
}

function total(subscribers: readonly Subscriber[]): number {
  let sum = 0;
  for (const { count } of subscribers) sum += count;
  return sum;
}

/** Keeps every publisher's window full. */
function run(scenario: TrafficScenario, { publishers, subscribers }: Clients): void {
  if (scenario.qos > 0) {
    for (const publisher of publishers) {
      publisher.onReady = () => publisher.fill();
      publisher.fill();
    }
    return;
  }
  // QoS 0 is not acknowledged: what was published and not delivered is the window of all publishers together.
  const { window, packetsPerWrite } = scenario;
  let published = 0;
  let turn = 0;
  const fill = (): void => {
    const through = Math.floor(total(subscribers) / copies(scenario));
    let room = window * publishers.length - (published - through);
    for (let blocked = 0; room >= packetsPerWrite && blocked < publishers.length; ) {
      const publisher = publishers[turn];
      turn = (turn + 1) % publishers.length;
      if (publisher.isBlocked) {
        blocked++;
        continue;
      }
      blocked = 0;
      publisher.publish(packetsPerWrite);
      published += packetsPerWrite;
      room -= packetsPerWrite;
    }
  };
  for (const subscriber of subscribers) subscriber.onDelivered = fill;
  for (const publisher of publishers) publisher.onReady = fill;
  fill();
}

/** Deliveries of one message. */
function copies(scenario: TrafficScenario): number {
  return scenario.pattern === "fan-out" ? scenario.subscribers : 1;
}

async function traffic(scenario: TrafficScenario, order: Order): Promise<Run> {
  const clients = await connectAll(scenario, order.port);
  const { publishers, subscribers, failure } = clients;
  run(scenario, clients);
  await sleep(order.warmupSeconds * 1000);
  const cpuBefore = loadCpuSeconds();
  const before = total(subscribers);
  const began = performance.now();
  process.send?.("begin");
  await sleep(order.seconds * 1000);
  const seconds = (performance.now() - began) / 1000;
  const count = total(subscribers) - before;
  process.send?.("end");
  const cpu = loadCpuSeconds() - cpuBefore;
  for (const publisher of publishers) publisher.onReady = () => {};
  for (const subscriber of subscribers) subscriber.onDelivered = () => {};
  const published = publishers.reduce((sum, { published }) => sum + published, 0) * copies(scenario);
  for (let seen = -1; seen !== total(subscribers) && total(subscribers) !== published; ) {
    seen = total(subscribers);
    await sleep(REST_MILLISECONDS);
  }
  failure.check();
  const lost = published - total(subscribers);
  for (const client of [...publishers, ...subscribers]) client.close();
  return { count, seconds, lost, loadCpuSeconds: cpu };
}

async function latency(scenario: LatencyScenario, order: Order): Promise<Run> {
  const { qos, payloadBytes, messagesPerSecond } = scenario;
  const most = Math.ceil((order.warmupSeconds + order.seconds) * messagesPerSecond);
  const pair: TrafficScenario = {
    kind: "traffic",
    name: scenario.name,
    pattern: "pairs",
    publishers: 1,
    subscribers: 1,
    qos,
    payloadBytes,
    window: 1000,
    packetsPerWrite: 1,
  };
  const clients = await connectAll(pair, order.port);
  const [publisher] = clients.publishers;
  const [subscriber] = clients.subscribers;
  const sentAt = new Float64Array(most);
  const took = new Float64Array(most);
  let received = 0;
  subscriber.onDelivered = () => {
    const now = performance.now();
    for (; received < subscriber.count; received++) took[received] = now - sentAt[received];
  };
  const began = performance.now();
  const warm = Math.floor(order.warmupSeconds * messagesPerSecond);
  let cpuBefore = 0;
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const due = Math.min(most, Math.floor(((performance.now() - began) / 1000) * messagesPerSecond));
      while (publisher.published < due) {
        if (publisher.published === warm) {
          cpuBefore = loadCpuSeconds();
          process.send?.("begin");
        }
        sentAt[publisher.published] = performance.now();
        publisher.publish(1);
      }
      if (due < most) return;
      clearInterval(timer);
      resolve();
    }, 1);
  });
  process.send?.("end");
  const cpu = loadCpuSeconds() - cpuBefore;
  await sleep(REST_MILLISECONDS / 5);
  clients.failure.check();
  publisher.close();
  subscriber.close();
  const sorted = took.subarray(warm, received).sort();
  return {
    count: sorted.length,
    seconds: order.seconds,
    lost: most - received,
    latency: { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) },
    loadCpuSeconds: cpu,
  };
}

async function connects(scenario: ConnectsScenario, order: Order): Promise<Run> {
  const disconnect = Buffer.from(packets.disconnect());
  let number = 0;
  const some = async (most: number, seconds: number): Promise<number[]> => {
    const took: number[] = [];
    const until = performance.now() + seconds * 1000;
    const last = number + most;
    const loop = async (): Promise<void> => {
      while (number < last && performance.now() < until) {
        const connect = Buffer.from(packets.connect({ level: 4, id: `device-${number++}`, keepAlive: 60 }));
        took.push(await connectOnce(order.port, connect, disconnect));
      }
    };
    await Promise.all(Array.from({ length: scenario.concurrency }, loop));
    return took;
  };
  await some(scenario.most / 6, order.warmupSeconds);
  const cpuBefore = loadCpuSeconds();
  const began = performance.now();
  process.send?.("begin");
  const took = (await some(scenario.most, order.seconds)).sort(ascending);
  const seconds = (performance.now() - began) / 1000;
  process.send?.("end");
  return {
    count: took.length,
    seconds,
    lost: 0,
    latency: { p50: quantile(took, 0.5), p99: quantile(took, 0.99) },
    loadCpuSeconds: loadCpuSeconds() - cpuBefore,
  };
}

function measure(order: Order): Promise<Run> {
  switch (order.scenario.kind) {
    case "traffic":
      return traffic(order.scenario, order);
    case "latency":
      return latency(order.scenario, order);
    case "connects":
      return connects(order.scenario, order);
  }
}

/** Brokers to end with us when the command that started all of us is gone. */
let brokers: number[] = [];

process.on("disconnect", () => {
  for (const pid of brokers) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // it had ended
    }
  }
  process.exit();
});

process.on("message", (message: { order: Order } | { brokers: number[] }) => {
  if ("brokers" in message) {
    brokers = message.brokers;
    return;
  }
  measure(message.order).then(
    (run) => process.send?.({ run }),
    (error: Error) => process.send?.({ error: error.message }),
  );
});
