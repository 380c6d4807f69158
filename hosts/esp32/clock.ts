// The core's clock, and the time of day from SNTP.

import type SNTPModule from "sntp";
import type TimeModule from "time";
import type { Clock } from "../../src/ports";

/** 2025-01-01: a wall clock before that was never set. */
const EARLIEST = 1735689600;
const DAY_SECONDS = 86400;
const RETRY_SECONDS = 300;

export class DeviceClock implements Clock {
  readonly #Time: typeof TimeModule;

  constructor(Time: typeof TimeModule) {
    this.#Time = Time;
  }

  /** Milliseconds since the start. */
  now(): number {
    return this.#Time.ticks >>> 0;
  }

  /** Seconds since 1970, or 0 while nobody has said the time. */
  wall(): number {
    const seconds = Math.floor(Date.now() / 1000);
    return seconds < EARLIEST ? 0 : seconds;
  }
}

export interface TimeOfDayOptions {
  SNTP: typeof SNTPModule;
  Time: typeof TimeModule;
  /** A time server; "": none is asked. */
  host: string;
  onTime: (seconds: number) => void;
}

/** Asks a time server, once a day, and every five minutes until it has answered. */
export class TimeOfDay {
  readonly #options: TimeOfDayOptions;
  #request: SNTPModule | undefined;
  /** Seconds to the next question; below 0 without a network. */
  #wait = -1;

  constructor(options: TimeOfDayOptions) {
    this.#options = options;
  }

  /** There is a network (again). */
  start(): void {
    this.stop();
    this.#wait = 0;
  }

  /** There is none. */
  stop(): void {
    this.#wait = -1;
    this.#request?.close();
    this.#request = undefined;
  }

  /** Once a second. */
  tick(): void {
    if (this.#wait < 0 || this.#wait-- > 0) return;
    this.#wait = RETRY_SECONDS;
    if (this.#request === undefined && this.#options.host !== "") this.#ask();
  }

  #ask(): void {
    const { SNTP, Time, host, onTime } = this.#options;
    try {
      this.#request = new SNTP({ host }, (message, value) => {
        if (message === SNTP.retry) return;
        this.#request = undefined;
        if (message !== SNTP.time || typeof value !== "number") return;
        Time.set(value);
        this.#wait = DAY_SECONDS;
        onTime(value);
      });
    } catch {
      // no socket for it: asked again later
    }
  }
}
