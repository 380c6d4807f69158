// Timers, clocks and counters, as read in the SDK's sources: modules/base/{timer,time,instrumentation}.

import Instrumentation from "instrumentation";
import Time from "time";
import Timer from "timer";
import { describe, expect, test } from "vitest";
import { Abort, Device } from "../../support/moddable/device";
import { wallClock } from "../../support/moddable/timer";

/** Collects the times at which something was called. */
function times(device: Device): number[] & { now: () => void } {
  const list = [] as number[] as number[] & { now: () => void };
  list.now = () => list.push(device.now);
  return list;
}

describe("a timer", () => {
  test("fires once after a delay, or at once in the next turn", () => {
    const device = new Device();
    const calls = times(device);
    Timer.set(calls.now, 100);
    Timer.set(calls.now);
    expect(calls).toHaveLength(0);
    device.run(1000);
    expect([...calls]).toEqual([0, 100]);
  });

  test("repeats without drifting, first after its delay, and catches up what it missed", () => {
    const device = new Device();
    const calls = times(device);
    Timer.set(calls.now, 30, 100);
    device.run(250);
    expect([...calls]).toEqual([30, 130, 230]);
    device.spend(250);
    device.run(0);
    expect([...calls]).toEqual([30, 130, 230, 500, 500]);
    const repeated = times(device);
    Timer.repeat(repeated.now, 50);
    device.run(120);
    expect([...repeated]).toEqual([550, 600]);
  });

  test("is called with itself", () => {
    const device = new Device();
    const got: unknown[] = [];
    const timer = Timer.set((given) => got.push(given));
    device.settle();
    expect(got).toEqual([timer]);
  });

  test("added by a callback waits for the next turn", () => {
    const device = new Device();
    const turns: number[] = [];
    Timer.set(() => Timer.set(() => turns.push(device.turns)));
    device.settle();
    expect(turns).toEqual([2]);
  });

  test("is set anew by schedule, asleep or awake, again and again", () => {
    const device = new Device();
    const calls = times(device);
    const timer = Timer.set(calls.now, 100, 1000);
    Timer.schedule(timer, 50, 1000);
    device.run(60);
    Timer.schedule(timer);
    device.run(10_000);
    expect([...calls]).toEqual([50]);
    Timer.schedule(timer, 5, 1000);
    device.run(10);
    expect([...calls]).toEqual([50, 10_065]);
  });

  test("that fired once is gone: schedule throws, also when its callback set it anew without a repetition", () => {
    const device = new Device();
    const calls = times(device);
    const once = Timer.set(calls.now, 10);
    const again = Timer.set((timer) => {
      calls.now();
      Timer.schedule(timer, 10);
    }, 10);
    device.run(1000);
    expect([...calls]).toEqual([10, 10]);
    expect(() => Timer.schedule(once, 10)).toThrow(TypeError);
    expect(() => Timer.schedule(again, 10)).toThrow(TypeError);
  });

  test("that fires once lives on when its callback sets it anew with a repetition, or puts it to sleep", () => {
    const device = new Device();
    const calls = times(device);
    Timer.set((timer) => {
      calls.now();
      Timer.schedule(timer, 10, 10);
    }, 5);
    const asleep = Timer.set((timer) => {
      calls.now();
      Timer.schedule(timer);
    }, 6);
    device.run(20);
    expect([...calls]).toEqual([5, 6, 15]);
    Timer.schedule(asleep, 1, 1);
    device.run(1);
    expect(calls.at(-1)).toBe(21);
  });

  test("is cleared once or twice, in its callback too; clearing nothing is harmless", () => {
    const device = new Device();
    const calls = times(device);
    const timer = Timer.repeat((self) => {
      calls.now();
      Timer.clear(self);
    }, 10);
    const never = Timer.set(calls.now, 10);
    Timer.clear(never);
    device.run(100);
    Timer.clear(timer);
    Timer.clear(undefined);
    Timer.clear(null);
    expect([...calls]).toEqual([10]);
    expect(device.timers).toHaveLength(0);
    expect(() => Timer.schedule(timer, 1)).toThrow(TypeError);
  });

  test("takes no entry of the message queue", () => {
    const device = new Device();
    for (let i = 0; i < 100; i++) Timer.set(() => {});
    device.settle();
    expect(device.peakQueue).toBe(0);
  });

  test("whose callback throws stops the machine", () => {
    const device = new Device();
    Timer.set(() => {
      throw new Error("of the program");
    });
    expect(() => device.settle()).toThrow(Abort);
  });
});

describe("Time", () => {
  test("ticks are milliseconds since the start, as a signed number of 32 bits", () => {
    const device = new Device({ now: 2 ** 31 - 1 });
    expect(Time.ticks).toBe(2 ** 31 - 1);
    device.run(1);
    expect(Time.ticks).toBe(-(2 ** 31));
    expect(Time.ticks >>> 0).toBe(2 ** 31);
  });

  test("set changes the wall clock and not the ticks", () => {
    const device = new Device();
    device.run(1500);
    expect(wallClock()).toBe(1500);
    Time.set(1_800_000_000);
    device.run(500);
    expect(wallClock()).toBe(1_800_000_000_500);
    expect(Time.ticks).toBe(2000);
  });
});

describe("Instrumentation", () => {
  test("maps names to numbers and tells their counters", () => {
    const device = new Device();
    device.counters.set("XS Slot Heap Used", 1234);
    Timer.set(() => {}, 1000);
    device.turn();
    const get = (name: string): number | undefined => Instrumentation.get(Instrumentation.map(name));
    expect([get("XS Slot Heap Used"), get("Timers"), get("Turns"), get("Network Sockets")]).toEqual([1234, 1, 1, 0]);
    expect(Instrumentation.map("nonsense")).toBeUndefined();
  });

  test("is undefined in a release build without -i", () => {
    new Device({ instrumented: false });
    expect(Instrumentation.map("Turns")).toBeUndefined();
    expect(Instrumentation.get(1)).toBeUndefined();
  });
});

test("on Linux a timer that is scheduled in its own callback fires without end: a hazard", () => {
  for (const sockets of ["lwip", "lin"] as const) {
    const device = new Device({ sockets });
    const timer: unknown = Timer.repeat(() => Timer.schedule(timer as never, 5, 100), 10);
    device.run(10);
    expect(device.hazards.length).toBe(sockets === "lin" ? 1 : 0);
    Timer.clear(timer as never);
  }
});
