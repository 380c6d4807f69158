// The firmware of a gateway: `mcconfig -d -m -p esp32` in this directory; docs/device.md says more.

import KeyValue from "embedded:storage/key-value";
import config from "mc/config";
import { Memory } from "./configuration";
import { Gateway } from "./gateway";
import { resetReason, restart } from "./native/device";
import { Restarter } from "./restart";

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
    // A configuration that can't be: to start again would not make it better.
    trace(`Midge does not start: ${error instanceof Error ? error.message : error}\n`);
  }
}
