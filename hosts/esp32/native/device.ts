// What the SDK has no module for, or one that takes more: calls into ESP-IDF, in device.c.

/** Does not return. */
export function restart(): void {
  native("midge_restart").call(undefined);
}

/** What esp_reset_reason tells. */
export function resetReason(): number {
  return native("midge_reset_reason").call(undefined) as number;
}

/** Bytes of the heap that are free. */
export function freeHeap(): number {
  return native("midge_free_heap").call(undefined) as number;
}

/** The largest piece of it, bytes. */
export function largestBlock(): number {
  return native("midge_largest_block").call(undefined) as number;
}

/** The least that was ever free, bytes. */
export function leastHeap(): number {
  return native("midge_least_heap").call(undefined) as number;
}

/** The radio listens all the time: without it, what is sent to the device waits for a beacon, up to 300 ms. */
export function stayAwake(): void {
  native("midge_stay_awake").call(undefined);
}

/** The last two bytes of the device's own address, as four hexadecimal digits: what tells two devices apart. */
export function serial(): string {
  return (native("midge_serial").call(undefined) as number).toString(16).padStart(4, "0");
}
