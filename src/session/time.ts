// The core's clock: the host's, added up, so that one that steps back stands still here.

import type { Clock } from "../ports";

/** The last second that can be counted. */
export const FOREVER = 0xffffffff;

export class CoreTime {
  /** Milliseconds, int32: grows with the host's clock, never steps back, wraps. */
  now = 0;
  /** Whole seconds since the start, and the milliseconds of the one that runs. */
  seconds = 0;
  milliseconds = 0;
  readonly #clock: Clock;
  #last: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#last = clock.now() | 0;
  }

  /** Reads the host's clock. When that steps back, no time has passed. */
  read(): void {
    const now = this.#clock.now() | 0;
    const elapsed = (now - this.#last) | 0;
    this.#last = now;
    if (elapsed <= 0) return;
    this.now = (this.now + elapsed) | 0;
    this.milliseconds += elapsed;
    while (this.milliseconds >= 1000) {
      const whole = Math.floor(this.milliseconds / 1000);
      this.seconds += whole;
      this.milliseconds -= whole * 1000;
    }
  }

  /** Sixteenths of the second that runs. */
  get sixteenth(): number {
    return Math.floor(this.milliseconds / 62.5);
  }

  /** The second that is `interval` seconds from now, at most the last that can be counted. */
  secondsAfter(interval: number): number {
    return Math.min(this.seconds + interval, FOREVER);
  }
}
