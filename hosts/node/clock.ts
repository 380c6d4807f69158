import type { Clock } from "../../src/ports";

/** Milliseconds of the monotonic clock, seconds of the wall clock. */
export class NodeClock implements Clock {
  now(): number {
    return performance.now() >>> 0;
  }

  wall(): number {
    return Math.floor(Date.now() / 1000) >>> 0;
  }
}
