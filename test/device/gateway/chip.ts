// The calls into ESP-IDF of hosts/esp32/native, for tests; and what the gateway traces.

export interface Chip {
  restarts: number;
  resetReason: number;
  freeHeap: number;
  largestBlock: number;
  /** The radio does not sleep. */
  isAwake: boolean;
  /** Lines of the trace output. */
  readonly lines: string[];
}

export function makeChip(): Chip {
  const chip: Chip = {
    restarts: 0,
    resetReason: 1,
    freeHeap: 200_000,
    largestBlock: 100_000,
    isAwake: false,
    lines: [],
  };
  const calls: Readonly<Record<string, () => number | undefined>> = {
    midge_restart: () => void chip.restarts++,
    midge_reset_reason: () => chip.resetReason,
    midge_free_heap: () => chip.freeHeap,
    midge_largest_block: () => chip.largestBlock,
    midge_least_heap: () => chip.freeHeap,
    midge_stay_awake: () => void (chip.isAwake = true),
    midge_serial: () => 0xab01,
  };
  const all = globalThis as unknown as Record<string, unknown>;
  all.native = (name: string) => {
    const call = calls[name];
    if (call === undefined) throw new Error(`no such call: ${name}`);
    return call;
  };
  all.trace = (text: string) => void chip.lines.push(...text.split("\n").filter((line) => line !== ""));
  return chip;
}
