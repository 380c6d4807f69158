// Counts what the broker's core allocates on XS for many packets of one kind:
//
//   midge-xs allocation.js KIND READ-AHEAD STEPS PACKETS
//
// Runs until clients have sent so many packets of the kind, and the broker has received and sent so many of all kinds.
// Prints one line of JSON: slots, chunk bytes and collections for them, and the same for each control. Without arguments
// it prints the names of all kinds.

import { presets } from "../../src/memory/limits";
import { count } from "./counting";
import { host } from "./host";
import { kinds } from "./traffic";
import { World } from "./world";

function main(): void {
  const [name, readAhead, steps, packets] = host.args;
  if (name === undefined) {
    host.print(JSON.stringify(Object.keys(kinds)));
    return;
  }
  const world = new World(presets.esp32, { readAhead: readAhead === "true", copy: host.copy });
  count(kinds[name](world), world, Number(steps), Number(packets));
}

Object.assign(globalThis, { main });
