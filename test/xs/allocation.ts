// Counts what the core allocates on XS for many packets of one kind:
//
//   midge-xs allocation.js KIND READ-AHEAD PACKETS CONTROL-PACKETS
//
// It prints one line of JSON (without arguments, the names of all kinds): for the packets and for the control, slots, chunk bytes and collections; what the broker
// received and sent meanwhile.
// The control plants one object each time the transport sends something: it must not be overlooked.

import { presets } from "../../src/memory/limits";
import { host } from "./host";
import { kinds } from "./traffic";
import { World } from "./world";

const { slots, chunks, collections } = host;

/** Packets until every pool has had its first rows taken. */
const WARM_UP = 500;

interface Counts {
  packets: number;
  slots: number;
  chunks: number;
  collections: number;
  milliseconds: number;
}

function main(): void {
  const [name, readAhead, packets, controlPackets] = host.args;
  if (name === undefined) {
    host.print(JSON.stringify(Object.keys(kinds)));
    return;
  }
  const world = new World(presets.esp32, { readAhead: readAhead === "true", copy: host.copy });
  const subject = kinds[name](world);

  function measure(from: number, count: number): Counts {
    const to = from + count;
    host.collect();
    const slotsBefore = slots();
    const chunksBefore = chunks();
    const collectionsBefore = collections();
    const began = host.microseconds();
    for (let i = from; i < to; i++) subject.step(i);
    const ended = host.microseconds();
    const slotsAfter = slots();
    const chunksAfter = chunks();
    const collectionsAfter = collections();
    return {
      packets: count,
      slots: slotsAfter - slotsBefore,
      chunks: chunksAfter - chunksBefore,
      collections: collectionsAfter - collectionsBefore,
      milliseconds: Math.round((ended - began) / 1000),
    };
  }

  subject.prepare();
  measure(0, WARM_UP);
  const received = world.broker.counter("packetsReceived");
  const sent = world.sentPackets;
  const counted = measure(WARM_UP, Number(packets));
  const traffic = {
    received: world.broker.counter("packetsReceived") - received,
    sent: world.sentPackets - sent,
  };
  subject.check();
  world.plant = true;
  const control = measure(WARM_UP + Number(packets), Number(controlPackets));
  host.print(JSON.stringify({ counted, control, traffic }));
}

Object.assign(globalThis, { main });
