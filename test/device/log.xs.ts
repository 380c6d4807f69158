// The log of a device on XS: what is not told costs nothing.

import { DeviceLog } from "../../hosts/esp32/log";
import { Level } from "../../hosts/text/events";
import { Drop, Event, Hold } from "../../src/events";
import { host } from "../xs/host";
import { Meter } from "../xs/meter";

const EVENTS = 1000;
let lines = 0;
const write = (): void => {
  lines++;
};
const clock = { now: () => 0, wall: () => 0 };
const log = new DeviceLog({ write, clock, level: Level.Normal, linesPerSecond: 3 });

function main(): void {
  const plants = host.args[0] === "plant";
  for (let i = 0; i < 10; i++) log.event(Event.Connected, 1, 0); // the lines of this second are used up
  log.event(Event.Dropped, 1, Drop.QueueFull);
  const meter = new Meter();
  meter.start();
  for (let i = 0; i < EVENTS; i++) {
    log.event(Event.Held, 1, Hold.Room); // above its level
    log.event(Event.Dropped, 1, Drop.QueueFull); // counted
    log.event(Event.Connected, 1, 0); // left out
    if (plants && i < 20) log.tick();
  }
  const { slots, chunks, collections } = meter.stop();
  host.print(`lines ${lines > 3}`);
  host.print(`allocated ${slots} ${chunks} ${collections}`);
}

(globalThis as unknown as { main: () => void }).main = main;
