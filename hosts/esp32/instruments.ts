// What the engine uses, once a minute, in builds that count it (`mcconfig -d` and `-i`).

import type InstrumentationModule from "instrumentation";
import type { Broker } from "../../src/broker/broker";
import { grouped } from "../text/events";
import { lowestFree } from "./status";

const MINUTE = 60;
const COUNTERS: readonly (readonly [name: string, word: string])[] = Object.freeze([
  Object.freeze<[string, string]>(["XS Slot Heap Used", "slot bytes"]),
  Object.freeze<[string, string]>(["XS Chunk Heap Used", "chunk bytes"]),
  Object.freeze<[string, string]>(["XS Garbage Collection Count", "collections"]),
  Object.freeze<[string, string]>(["XS Stack Used", "stack bytes"]),
  Object.freeze<[string, string]>(["Network Sockets", "sockets"]),
  Object.freeze<[string, string]>(["System Free Memory", "heap bytes free"]),
]);

export interface InstrumentsOptions {
  Instrumentation: typeof InstrumentationModule;
  broker: Broker;
  say: (text: string) => void;
}

export class Instruments {
  readonly #options: InstrumentsOptions;
  readonly #counters: readonly (readonly [index: number, word: string])[];
  #seconds = 0;

  constructor(options: InstrumentsOptions) {
    this.#options = options;
    this.#counters = countersOf(options.Instrumentation);
  }

  /** Whether this build counts. */
  get isCounting(): boolean {
    return this.#counters.length > 0;
  }

  /** Once a second. */
  tick(): void {
    if (!this.isCounting || ++this.#seconds % MINUTE !== 0) return;
    const { Instrumentation, broker, say } = this.#options;
    const counted = this.#counters.map(([index, word]) => `${grouped(Instrumentation.get(index) ?? 0)} ${word}`);
    say(`${counted.join(", ")}; least free: ${lowestFree(broker).join(", ")}`);
  }
}

function countersOf(Instrumentation: typeof InstrumentationModule): (readonly [number, string])[] {
  // A build without instrumentation has the module, and what it counts is undefined.
  if (Instrumentation.get(Instrumentation.map("Timers")) === undefined) return [];
  const found: (readonly [number, string])[] = [];
  for (const [name, word] of COUNTERS) {
    const index = Instrumentation.map(name);
    if (index !== undefined) found.push([index, word]);
  }
  return found;
}
