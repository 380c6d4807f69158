// Instead of native/device.ts on Linux, where there is no chip.

export function restart(): void {
  trace("a device would restart here\n");
}

export function resetReason(): number {
  return 0;
}

export function freeHeap(): number {
  return 0;
}

export function largestBlock(): number {
  return 0;
}

export function leastHeap(): number {
  return 0;
}

export function stayAwake(): void {}

export function serial(): string {
  return "0000";
}
