// What the SDK has no module for, or one that takes more: calls into ESP-IDF, in device.c.

/** Does not return. */
export function restart(this: unknown): void {
  native("midge_restart").call(this);
}

/** What esp_reset_reason tells. */
export function resetReason(this: unknown): number {
  return native("midge_reset_reason").call(this) as number;
}

/** Bytes of the heap that are free. */
export function freeHeap(this: unknown): number {
  return native("midge_free_heap").call(this) as number;
}

/** The largest piece of it, bytes. */
export function largestBlock(this: unknown): number {
  return native("midge_largest_block").call(this) as number;
}

/** The least that was ever free, bytes. */
export function leastHeap(this: unknown): number {
  return native("midge_least_heap").call(this) as number;
}

/** The radio listens all the time: without it, what is sent to the device waits for a beacon, up to 300 ms. */
export function stayAwake(this: unknown): void {
  native("midge_stay_awake").call(this);
}

function serialNumber(this: unknown): number {
  return native("midge_serial").call(this) as number;
}

/** The last two bytes of the device's own address, as four hexadecimal digits: what tells two devices apart. */
export function serial(): string {
  return serialNumber().toString(16).padStart(4, "0");
}
