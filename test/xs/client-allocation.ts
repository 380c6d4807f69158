// Counts what the client's core allocates on XS for many packets of one kind:
//
//   midge-xs client-allocation.js KIND READ-AHEAD STEPS PACKETS LIMITS
//
// Runs until there were so many packets of the kind, and the client has sent and got so many of all kinds. LIMITS are
// `sensor`, or `small`: `client` cut down to what a device has. Prints what allocation.ts prints.

import { type ClientLimits, clientPresets } from "../../src/client/limits";
import { clientKinds } from "./client-traffic";
import { ClientWorld } from "./client-world";
import { count } from "./counting";
import { host } from "./host";

const small: ClientLimits = {
  ...clientPresets.client,
  messages: 32,
  payloadBytes: 3072,
  blockBytes: 64,
  receiveMaximum: 16,
  receiveShared: 32,
  subscriptions: 16,
  topicBytes: 128,
  topicLevels: 16,
  headBytes: 512,
  clientIdBytes: 64,
  stageBytes: 512,
  inputBytes: 256,
  outputBytes: 1024,
  aliasesIn: 4,
  aliasesOut: 8,
  packetsPerStep: 32,
};

function main(): void {
  const [name, readAhead, steps, packets, limits] = host.args;
  if (name === undefined) {
    host.print(JSON.stringify(Object.keys(clientKinds)));
    return;
  }
  const options = { readAhead: readAhead === "true", copy: host.copy };
  const world = new ClientWorld(limits === "small" ? small : clientPresets.sensor, options);
  count(clientKinds[name](world), world, Number(steps), Number(packets));
}

Object.assign(globalThis, { main });
