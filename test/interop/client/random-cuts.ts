// Many messages from one client to another while the connections of both are cut after random numbers of bytes.

import { expect } from "vitest";
import { presets } from "../../../src/memory/limits";
import { Framer, type Level, PUBLISH, PUBREL, readAcknowledgement, readPublish } from "../../support/packets";
import { Random } from "../../support/random";
import { until } from "../clients";
import { startServer } from "../server";
import { byteGate, type Gate, Relay } from "./relay";
import { join, keeping } from "./setup";

export interface RandomCuts {
  kind: "midge" | "mosquitto";
  version: Level;
  qos: number;
  messages: number;
  /** Bytes that a connection may pass, at most. */
  mostBytes: number;
  /** How long nothing may arrive, ms. */
  patience: number;
}

/** The seed of MIDGE_SEED, or a new one. */
export function newSeed(): number {
  return Number(process.env.MIDGE_SEED ?? Math.floor(Math.random() * 1e9));
}

/** Returns how many connections were cut. */
export async function publishThroughCuts(run: RandomCuts, seed: number): Promise<number> {
  const { kind, version, qos, messages, patience } = run;
  const { port } = await startServer(presets.node, kind);
  const relays: Relay[] = [];
  const repeats = new Repeats(version);
  let isHealed = false;
  for (const n of [0, 1]) {
    const random = new Random(seed * 2 + n);
    const openGate = (): Gate => (isHealed ? pass : cutter(random, run.mostBytes));
    relays.push(await Relay.start(port, n === 0 ? () => repeats.watch(openGate()) : openGate));
  }
  const receiver = await join(relays[0].port, keeping(version, "in"));
  const sender = await join(relays[1].port, keeping(version, "out"));
  const got: number[] = [];
  await receiver.subscribe("n", ({ payload }) => void got.push(Number(payload.toString())), { qos });
  const say = (what: string): string => `seed ${seed}: ${what}, ${got.length} of ${messages} came`;
  let published = 0;
  for (let n = 0; n < messages; n++) {
    const sent = sender.publish("n", `${n}`, { qos });
    sent.then(
      () => published++,
      () => {},
    );
    if (n % 500 === 499 || n === messages - 1)
      await progress(
        () => published === n + 1,
        () => published,
        say,
        patience,
      );
  }
  isHealed = true;
  const cuts = relays[0].cuts + relays[1].cuts;
  const firsts = new Set<number>();
  let seen = 0;
  const isComplete = (): boolean => {
    while (seen < got.length) firsts.add(got[seen++]);
    return firsts.size === messages;
  };
  await progress(isComplete, () => got.length, say, patience);
  await sender.publish("n", `${messages}`, { qos });
  await until(() => got.at(-1) === messages, say("the last"), patience);
  const all = Array.from({ length: messages + 1 }, (_, n) => n);
  const at = new Map<number, number>();
  for (const [i, n] of got.entries()) if (!at.has(n)) at.set(n, i);
  const isFirst = (n: number, i: number): boolean => at.get(n) === i;
  if (kind === "midge") expect({ seed, repeats: [...repeats.found] }).toEqual({ seed, repeats: [] });
  expect({ seed, got: got.filter(qos === 1 ? isFirst : (n, i) => isFirst(n, i) || !repeats.found.has(n)) }).toEqual({
    seed,
    got: all,
  });
  return cuts;
}

/**
 * Finds the messages of QoS 2 that a server sends again after its PUBREL for them, which it must not [MQTT-4.3.3-6]: the
 * receiver has to take them for new ones [MQTT-4.3.3-12]. Mosquitto 2.0 does so when the
 * connection is lost twice before it has sent all PUBREL again.
 */
class Repeats {
  readonly found = new Set<number>();
  readonly #version: Level;
  /** What was published last, by Packet Identifier, and whether its PUBREL has passed. */
  readonly #sent = new Map<number, { payload: string; isReleased: boolean }>();

  constructor(version: Level) {
    this.#version = version;
  }

  watch(gate: Gate): Gate {
    const framer = new Framer();
    return (bytes, direction) => {
      const verdict = gate(bytes, direction);
      if (direction === "up") return verdict;
      framer.push(verdict.passed);
      for (let packet = framer.next(); packet !== undefined; packet = framer.next()) this.#take(packet);
      return verdict;
    };
  }

  #take(packet: Uint8Array): void {
    const type = packet[0] >> 4;
    if (type === PUBREL) {
      const sent = this.#sent.get(readAcknowledgement(this.#version, PUBREL, packet).id);
      if (sent !== undefined) sent.isReleased = true;
    } else if (type === PUBLISH) {
      const { id, payload, qos } = readPublish(this.#version, packet);
      if (qos !== 2) return;
      const before = this.#sent.get(id);
      if (before?.payload === payload && before.isReleased) this.found.add(Number(payload));
      this.#sent.set(id, { payload, isReleased: false });
    }
  }
}

/** Waits until it holds, as long as the count grows. */
async function progress(
  holds: () => boolean,
  count: () => number,
  say: (what: string) => string,
  patience: number,
): Promise<void> {
  while (!holds()) {
    const before = count();
    await until(() => holds() || count() > before, say("there is no progress"), patience);
  }
}

/** One in four ends within the first packets. */
function cutter(random: Random, most: number): Gate {
  return byteGate(random.below(random.chance(4) ? 200 : most));
}

const pass: Gate = (passed) => ({ passed, isCut: false });
