// The firmware of a gateway: `mcconfig -d -m -p esp32` in this directory; docs/device.md says more.

import KeyValue from "embedded:storage/key-value";
import config from "mc/config";
import Timer from "timer";
import { LimitsError } from "../../src/memory/limits";
import { ConfigurationError, Memory } from "./configuration";
import { Gateway, MemoryError } from "./gateway";
import { resetReason, restart } from "./native/device";
import { Restarter } from "./restart";

/** Before trying again what may work later, ms: each restart is a write to flash. */
const RETRY = 10_000;

export default function main(): void {
  const memory = new Memory(KeyValue);
  const restarter = new Restarter({
    memory,
    restart,
    resetReason: resetReason(),
    say: (text) => trace(`restarting: ${text}\n`),
  });
  // XS looks it up when it can't go on (`defines.xs.abortHook`).
  (globalThis as { abort?: unknown }).abort = restarter.hook;
  try {
    new Gateway(config, memory, restarter).start();
  } catch (error) {
    trace(`Midge does not start: ${error instanceof Error ? error.message : error}\n`);
    // A configuration that can't be is not better after a restart; Wi-Fi or a socket that could not be had may be.
    const isFinal = error instanceof ConfigurationError || error instanceof LimitsError || error instanceof MemoryError;
    if (!isFinal) Timer.set(() => restarter.restart(`it could not start: ${error}`), RETRY);
  }
}
