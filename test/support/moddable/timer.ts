// `timer`, `time` and `instrumentation`.

import type DeclaredInstrumentation from "instrumentation";
import type DeclaredTime from "time";
import type DeclaredTimer from "timer";
import { type Device, device, type TimerEntry } from "./device";

/** The objects that scripts hold; null when the timer is gone. */
const entries = new WeakMap<ScriptTimer, TimerEntry | null>();

/** Whose callback runs. */
let firing: TimerEntry | undefined;
/** Not a literal where it is compared: on XS that would be a string each time. */
const LINUX = "lin";

class ScriptTimer {
  private constructor() {}

  static set(callback: (timer: ScriptTimer) => void, delay = 0, repeat = 0): ScriptTimer {
    const owner = device();
    const timer = new ScriptTimer();
    const entry = owner.addTimer(integer(delay), integer(repeat), (fired) => {
      if (!(callback instanceof Function)) throw new TypeError("no function");
      firing = fired;
      callback(timer);
      firing = undefined;
      // One that does not repeat is gone, even if the callback has set it anew without a repetition.
      if (fired.repeat === 0 && !fired.removed) entries.set(timer, null);
    });
    entries.set(timer, entry);
    return timer;
  }

  static repeat(callback: (timer: ScriptTimer) => void, interval: number): ScriptTimer {
    return ScriptTimer.set(callback, interval, interval);
  }

  static schedule(timer: ScriptTimer, delay?: number, repeat = 0): void {
    const entry = entries.get(timer);
    if (entry === undefined || entry === null) throw new TypeError("no timer");
    if (delay === undefined) {
      entry.scheduled = false;
      entry.fires = false;
      entry.repeat = -1;
      return;
    }
    if (entry === firing && device().options.sockets === LINUX) {
      device().hazards.push("a timer was scheduled in its own callback: on Linux it fires without end from now on");
    }
    entry.at = device().now + integer(delay);
    entry.repeat = integer(repeat);
    entry.scheduled = true;
  }

  static clear(timer?: ScriptTimer | null): void {
    const entry = timer ? entries.get(timer) : undefined;
    if (!entry) return;
    entries.set(timer as ScriptTimer, null);
    entry.scheduled = false;
    entry.fires = false;
    device().removeTimer(entry);
  }

  /** The whole XS task sleeps. */
  static delay(milliseconds: number): void {
    device().spend(integer(milliseconds));
  }
}

/** Checked member by member: a timer's own type has none. */
const members: Pick<typeof DeclaredTimer, "set" | "repeat" | "schedule" | "clear"> = ScriptTimer;

export const Timer = members as typeof DeclaredTimer;

function integer(value: number): number {
  return Math.trunc(value) | 0;
}

/** Seconds since 1970 at the start; a device that nobody told the time begins in 1970. */
const offsets = new WeakMap<Device, number>();

export const Time: typeof DeclaredTime = {
  get ticks(): number {
    return device().now | 0;
  },
  set(seconds: number): void {
    offsets.set(device(), (seconds >>> 0) * 1000 - device().now);
  },
};

/** What `Date.now()` says on the device, in ms; tests of a host put it in the place of the machine's. */
export function wallClock(): number {
  return device().now + (offsets.get(device()) ?? 0);
}

/** For ESP32 with two cores; the names are the SDK's, their numbers depend on the build. */
const NAMES: readonly string[] = [
  "",
  "Pixels Drawn",
  "Frames Drawn",
  "Network Bytes Read",
  "Network Bytes Written",
  "Network Sockets",
  "Timers",
  "Files",
  "Poco Display List Used",
  "Piu Command List Used",
  "SPI Flash Erases",
  "Turns",
  "System Free Memory",
  "CPU 0",
  "CPU 1",
  "XS Slot Heap Used",
  "XS Chunk Heap Used",
  "XS Keys Used",
  "XS Garbage Collection Count",
  "XS Modules Loaded",
  "XS Stack Used",
  "XS Promises Settled",
];

/** As in builds with -d or -i. What only the engine knows is 0 unless a test sets the device's counter of that name. */
export const Instrumentation: typeof DeclaredInstrumentation = {
  map(name: string): number | undefined {
    const index = NAMES.indexOf(name);
    return isInstrumented() && index >= 0 ? index : undefined;
  },
  get(index: number | undefined): number | undefined {
    const owner = device();
    const name = NAMES[index ?? 0];
    if (name === undefined || !isInstrumented()) return undefined;
    if (name === "Timers") return owner.timers.length;
    if (name === "Turns") return owner.turns;
    return owner.counters.get(name) ?? 0;
  },
};

/** A release build without -i has none of it. */
function isInstrumented(): boolean {
  return device().options.build === "debug" || device().options.instrumented;
}
