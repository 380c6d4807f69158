// Instead of the SDK's `embedded:network/interface/wifi` on Linux, where the network is there already.

import Timer from "timer";

const DISCONNECTED = 200;
const CONNECTED = 500;

export default class WiFi {
  #onChanged: ((property: "connection" | "address") => void) | undefined;
  #connection = DISCONNECTED;

  constructor({ onChanged }: { onChanged?: (property: "connection" | "address") => void }) {
    this.#onChanged = onChanged;
  }

  connect(): void {
    Timer.set(() => {
      this.#connection = CONNECTED;
      this.#onChanged?.call(this, "connection");
    });
  }

  disconnect(): void {
    this.#connection = DISCONNECTED;
  }

  configure(): void {}

  close(): void {
    this.#onChanged = undefined;
  }

  get connection(): number {
    return this.#connection;
  }

  get address(): string | undefined {
    return this.#connection === CONNECTED ? "127.0.0.1" : undefined;
  }

  get RSSI(): number {
    return 0;
  }
}
