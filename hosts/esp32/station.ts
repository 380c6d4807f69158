// Joins a Wi-Fi network, and joins it again whenever it is lost, for ever.
//
// The SDK tries once and tells of some changes; so one timer looks, once a second, and what the SDK tells only makes it
// look at once. Between attempts it waits, longer each time and never equally long: a house full of devices that lost the
// same router does not come back as one.

import type WiFiInterface from "embedded:network/interface/wifi";
import type TimerModule from "timer";

/** Connected to the access point; the address may be there although IPv6 is not. */
const CONNECTED = 400;
const LOOK_MILLISECONDS = 1000;
/** Longest time for one attempt, s. */
const ATTEMPT_SECONDS = 20;
/** First and longest wait between attempts, s. */
const WAIT_SECONDS = 2;
const MOST_WAIT_SECONDS = 60;

export interface StationOptions {
  WiFi: typeof WiFiInterface;
  Timer: typeof TimerModule;
  ssid: string;
  /** "": an open network. */
  password: string;
  hostName: string;
  /** From 0 to less than 1. */
  random: () => number;
  onConnected: (address: string) => void;
  onLost: () => void;
  /** An attempt came to nothing; so many did, one after the other. */
  onFailed: (attempts: number) => void;
}

const enum State {
  Waiting,
  Joining,
  Joined,
}

export class Station {
  /** Attempts that failed since the last that did not. */
  failedCount = 0;
  readonly #options: StationOptions;
  readonly #wifi: WiFiInterface;
  readonly #timer: ReturnType<typeof TimerModule.repeat>;
  #state: State = State.Waiting;
  #seconds = 0;

  constructor(options: StationOptions) {
    const { WiFi, Timer, hostName } = options;
    this.#options = options;
    this.#wifi = new WiFi({ onChanged: () => this.#look(false) });
    this.#wifi.configure({ hostname: hostName });
    this.#timer = Timer.repeat(() => this.#look(true), LOOK_MILLISECONDS);
  }

  /** Signal strength, dBm; undefined without a connection. */
  get RSSI(): number | undefined {
    return this.#state === State.Joined ? this.#wifi.RSSI : undefined;
  }

  close(): void {
    this.#options.Timer.clear(this.#timer);
    this.#wifi.close();
  }

  #look(isSecond: boolean): void {
    const { connection } = this.#wifi;
    if (isSecond && this.#seconds > 0) this.#seconds--;
    switch (this.#state) {
      case State.Waiting:
        if (isSecond && this.#seconds === 0) this.#join();
        return;
      case State.Joining: {
        const address = connection >= CONNECTED ? this.#wifi.address : undefined;
        if (address !== undefined) this.#joined(address);
        // Just after `connect` it may not have begun: only the time tells then.
        else if (this.#seconds === 0 || (!isSecond && connection < 300)) this.#failed();
        return;
      }
      case State.Joined:
        if (connection < CONNECTED) this.#lost();
    }
  }

  #join(): void {
    const { ssid, password } = this.#options;
    this.#state = State.Joining;
    this.#seconds = ATTEMPT_SECONDS;
    try {
      this.#wifi.connect(password === "" ? { SSID: ssid } : { SSID: ssid, password });
    } catch {
      this.#failed();
    }
  }

  #joined(address: string): void {
    this.#state = State.Joined;
    this.failedCount = 0;
    this.#options.onConnected(address);
  }

  #lost(): void {
    this.#wait();
    this.#options.onLost();
  }

  #failed(): void {
    this.failedCount++;
    this.#wait();
    // What it is still trying would make the next attempt throw.
    this.#wifi.disconnect();
    this.#options.onFailed(this.failedCount);
  }

  /** Between half of the wait and all of it. */
  #wait(): void {
    const most = Math.min(WAIT_SECONDS * 2 ** Math.min(this.failedCount, 10), MOST_WAIT_SECONDS);
    this.#state = State.Waiting;
    this.#seconds = Math.ceil(most / 2 + (most / 2) * this.#options.random());
  }
}
