// Counts what the core allocates on XS for many packets of one kind:
//
//   midge-xs allocation.js KIND READ-AHEAD STEPS PACKETS
//
// Runs until clients have sent so many packets of the kind, and the broker has received and sent so many of all kinds.
// Prints one line of JSON: slots, chunk bytes and collections for them, and the same for each control, a short run in
// which one thing is planted while the broker sends. Without arguments it prints the names of all kinds.

import { presets } from "../../src/memory/limits";
import { host } from "./host";
import { kinds } from "./traffic";
import { World } from "./world";

const { slots, chunks, collections } = host;

/** Until every pool has had its first rows taken. */
const WARM_UP_STEPS = 100;
const CONTROL_STEPS = 16;

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

interface Counts {
  slots: number;
  chunks: number;
  collections: number;
  /** Packets of the kind, by clients. */
  steps: number;
  /** Packets that the broker received and sent. */
  packets: number;
}

function main(): void {
  const [name, readAhead, steps, packets] = host.args;
  if (name === undefined) {
    host.print(JSON.stringify(Object.keys(kinds)));
    return;
  }
  const world = new World(presets.esp32, { readAhead: readAhead === "true", copy: host.copy });
  const { broker } = world;
  const subject = kinds[name](world);
  let next = 0;

  function measure(leastSteps: number, leastPackets: number): Counts {
    const from = next;
    const packetsBefore = broker.counter("packetsReceived") + world.sentPackets;
    const endPackets = packetsBefore + leastPackets;
    host.collect();
    const slotsBefore = slots();
    const chunksBefore = chunks();
    const collectionsBefore = collections();
    while (next - from < leastSteps || broker.counter("packetsReceived") + world.sentPackets < endPackets) {
      subject.step(next++);
    }
    const slotsAfter = slots();
    const chunksAfter = chunks();
    const collectionsAfter = collections();
    return {
      slots: slotsAfter - slotsBefore,
      chunks: chunksAfter - chunksBefore,
      collections: collectionsAfter - collectionsBefore,
      steps: next - from,
      packets: broker.counter("packetsReceived") + world.sentPackets - packetsBefore,
    };
  }

  function control(plant: () => void): Counts {
    world.plant = plant;
    const counts = measure(CONTROL_STEPS, 0);
    if (world.plant !== undefined) throw new Error("nothing was sent, so nothing was planted");
    return counts;
  }

  subject.prepare();
  measure(WARM_UP_STEPS, 0);
  const counted = measure(Number(steps), Number(packets));
  subject.check();
  const controls = {
    slots: control(plants.slots),
    chunks: control(plants.chunks),
    collections: control(plants.collections),
  };
  host.print(JSON.stringify({ counted, controls }));
}

Object.assign(globalThis, { main });
