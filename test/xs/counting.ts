// Counts what is allocated while one kind of packet is sent again and again: slots, chunk bytes, collections. The same
// for each control, a short run in which one thing is planted in the middle of the core's work.

import { host } from "./host";
import { type Allocated, Meter } from "./meter";
import type { Kind } from "./traffic";

/** Until every pool has had its first rows taken. */
const WARM_UP_STEPS = 100;
const CONTROL_STEPS = 16;

/** What a kind runs in. */
export interface Counted {
  /** Packets so far that the core received and sent. */
  readonly packets: number;
  /** Is called once, the next time that the core is at work, and forgotten. */
  plant: (() => void) | undefined;
}

/** What a control plants: nothing but what its name says. */
const kept: object[] = [{}];
const growing: number[] = [];
const plants = {
  slots(): void {
    kept[0] = {};
  },
  chunks(): void {
    growing.push(0);
  },
  collections(): void {
    host.collect();
  },
};

interface Counts extends Allocated {
  /** Packets of the kind. */
  steps: number;
  /** Packets that the core received and sent. */
  packets: number;
}

/** Runs until `steps` packets of the kind were sent, and the core had `packets`; prints one line of JSON. */
export function count(subject: Kind, world: Counted, steps: number, packets: number): void {
  let next = 0;
  const meter = new Meter();

  function measure(leastSteps: number, leastPackets: number): Counts {
    const from = next;
    const packetsBefore = world.packets;
    const endPackets = packetsBefore + leastPackets;
    meter.start();
    while (next - from < leastSteps || world.packets < endPackets) {
      subject.step(next++);
    }
    const allocated = meter.stop(); // before the answer, which is an object too
    return { ...allocated, steps: next - from, packets: world.packets - packetsBefore };
  }

  function control(plant: () => void): Counts {
    world.plant = plant;
    const counts = measure(CONTROL_STEPS, 0);
    if (world.plant !== undefined) throw new Error("nothing was sent, so nothing was planted");
    return counts;
  }

  subject.prepare();
  measure(WARM_UP_STEPS, 0);
  const counted = measure(steps, packets);
  subject.check();
  const controls = {
    slots: control(plants.slots),
    chunks: control(plants.chunks),
    collections: control(plants.collections),
  };
  host.print(JSON.stringify({ counted, controls }));
}
