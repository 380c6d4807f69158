// Problem: work has to be done soon after something happened, and at every tick; without a timer made each time, which is
// garbage. A repeating timer can be scheduled anew, but not in its own callback: the SDK's for Linux runs for ever then.
// Form: two repeating timers; in the callback of one the other is scheduled.
// Cost: two timers, and two ticks for one.

import type { TimerModule } from "./io";

export class Pacer {
  readonly #timers: TimerModule;
  readonly #tick: number;
  readonly #run: () => void;
  #first: unknown;
  #second: unknown;
  /** Runs now. */
  #isFirst = false;
  #isSoon = false;

  /** @param tick milliseconds between two calls of `run` at most. */
  constructor(timers: TimerModule, tick: number, run: () => void) {
    this.#timers = timers;
    this.#tick = tick;
    this.#run = run;
  }

  get isRunning(): boolean {
    return this.#first !== undefined;
  }

  start(): void {
    this.#first = this.#timers.repeat(() => this.#fire(true), this.#tick);
    this.#second = this.#timers.repeat(() => this.#fire(false), this.#tick);
  }

  stop(): void {
    if (this.#first === undefined) return;
    this.#timers.clear(this.#first);
    this.#timers.clear(this.#second);
    this.#first = undefined;
    this.#second = undefined;
    this.#isSoon = false;
    this.#isFirst = false;
  }

  /** `run` is called when what runs now is over. */
  soon(): void {
    if (this.#isSoon || this.#first === undefined) return;
    this.#isSoon = true;
    this.#timers.schedule(this.#isFirst ? this.#second : this.#first, 0, this.#tick);
  }

  #fire(isFirst: boolean): void {
    this.#isSoon = false;
    this.#isFirst = isFirst;
    this.#run();
    this.#isFirst = false;
  }
}
