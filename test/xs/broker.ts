// The broker on a port of the loopback, in the machine that midge-xs was told to be:
//
//   midge-xs broker.js PRESET MILLISECONDS [plant]
//
// prints "port N", and "control N": whoever connects there ends it. It ends by itself after so many milliseconds. At the
// end it prints what was allocated since it was started and collected, as one line of JSON. `plant` plants one object,
// which that line must show.

import { Broker, type PresetName, presets } from "../../src/index";
import { host } from "./host";
import { Meter } from "./meter";
import { TcpTransport } from "./tcp-transport";

const clock = { now: host.now, wall: () => 0 };
const log = { event: () => {} };
const planted: object[] = [{}];
const meter = new Meter();

let broker: Broker;
let transport: TcpTransport;
let listener = -1;
let control = -1;
let endsAt = 0;
let isReady = false;
let mayPlant = false;

function main(): void {
  const [preset, milliseconds, plant] = host.args;
  const limits = presets[preset as PresetName];
  transport = new TcpTransport(limits.connections);
  broker = new Broker({ ...limits }, { transport, clock, log }, 12345);
  listener = host.tcpListen(0);
  control = host.tcpListen(0);
  endsAt = host.now() + Number(milliseconds);
  mayPlant = plant === "plant";
  host.print(`control ${host.tcpPort(control)}`);
  host.print(`port ${host.tcpPort(listener)}`);
}

function poll(): boolean {
  if (!isReady) {
    isReady = true;
    meter.start();
  }
  transport.poll(broker, listener);
  let more = true;
  for (let steps = 0; more && steps < 100; steps++) more = broker.step();
  if (mayPlant && transport.accepted > 0) {
    mayPlant = false;
    planted[0] = {};
  }
  if (host.tcpAccept(control) >= 0 || host.now() - endsAt >= 0) {
    report();
    return false;
  }
  if (!more) host.wait(5);
  return true;
}

function report(): void {
  const allocated = meter.stop();
  const counters = broker.counters();
  host.print(`report ${JSON.stringify({ ...allocated, accepted: transport.accepted, counters })}`);
}

Object.assign(globalThis, { main, poll });
