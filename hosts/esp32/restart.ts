// Why the device starts, and starting it again: what stops the program is written down before.

import type { Memory } from "./configuration";

/** What esp_reset_reason tells, by number. */
const RESETS: readonly string[] = Object.freeze([
  "unknown",
  "power on",
  "reset pin",
  "restarted by the program",
  "panic",
  "interrupt watchdog",
  "task watchdog",
  "watchdog",
  "deep sleep",
  "brownout",
  "SDIO",
]);
const RESTARTED = 3;
const UNKNOWN = "reset";

export interface RestartOptions {
  memory: Memory;
  restart: () => void;
  /** What esp_reset_reason tells. */
  resetReason: number;
  say: (text: string) => void;
}

export class Restarter {
  /** Why this run began, for people. */
  readonly reason: string;
  readonly #options: RestartOptions;
  #isStopping = false;

  constructor(options: RestartOptions) {
    this.#options = options;
    const reset = RESETS[options.resetReason] ?? UNKNOWN;
    const kept = options.memory.takeReason();
    // What was written down tells of a restart by the program only: a later loss of power has another reason.
    this.reason = kept !== "" && options.resetReason === RESTARTED ? kept : reset;
  }

  /** Restarts the device. `reason` is told after it. */
  restart(reason: string): void {
    if (!this.#isStopping) {
      this.#isStopping = true;
      try {
        this.#options.say(reason);
        this.#options.memory.keepReason(reason);
      } catch {
        // there may be no memory left for it
      }
    }
    this.#options.restart();
  }

  /** XS calls this when it can't go on. Whatever happens here, the device restarts. */
  readonly hook = (message: unknown, exception: unknown): void => {
    // Being out of memory twice is being here within itself.
    if (this.#isStopping) return this.#options.restart();
    this.restart(exception === undefined ? `${message}` : `${message}: ${exception}`);
  };
}
