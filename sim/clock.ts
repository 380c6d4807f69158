// Virtual time. The world's own time only grows; the clock that the broker reads starts anywhere (often shortly before
// uint32 wraps) and steps back when told. What the broker may make of it is computed here a second time, independently.

import type { Clock } from "../src/ports";

export class VirtualClock implements Clock {
  /** Milliseconds since the world began. */
  milliseconds = 0;
  /** Milliseconds that have passed for the broker: a step back makes time stand still for one reading. */
  elapsed = 0;
  #offset: number;
  #last: number;

  /** @param start what the broker reads at the beginning, uint32. */
  constructor(start: number) {
    this.#offset = start;
    this.#last = start | 0;
  }

  now(): number {
    return (this.#offset + this.milliseconds) >>> 0;
  }

  wall(): number {
    return 0;
  }

  advance(milliseconds: number): void {
    this.milliseconds += milliseconds;
    const now = this.now() | 0;
    const passed = (now - this.#last) | 0;
    this.#last = now;
    if (passed > 0) this.elapsed += passed;
  }

  /** The next reading is earlier than the last one. */
  stepBack(milliseconds: number): void {
    this.#offset -= milliseconds;
  }
}
