// The memory plan: the tables are laid out over no memory at all, and their sizes added up.

import { Layout, type PlanRow } from "./layout";
import { LimitsError } from "./limits";

export interface Plan {
  /** The one ArrayBuffer, bytes. */
  arenaBytes: number;
  /** The views over it, at 64 B each as on XS. */
  viewBytes: number;
  /** What the memory takes in all, bytes. Buffers of the host come on top. */
  totalBytes: number;
  rows: PlanRow[];
}

/** Offsets are int32. */
const MOST_BYTES = 0x7fffffff;

/** Views of the core: bytes, 16 bits, 32 bits; and one of the transport over the input and output. */
const VIEWS = 4;
const VIEW_BYTES = 64;

// allocates: start-up only
/** The plan of what `tables` lays out. @throws LimitsError when it is more than can be addressed. */
export function planOf(tables: (layout: Layout) => void, indexBytes: number): Plan {
  const layout = new Layout(new ArrayBuffer(0), indexBytes);
  tables(layout);
  layout.end();
  if (layout.byteLength > MOST_BYTES) {
    throw new LimitsError(
      "payloadBytes",
      `and the others together take ${layout.byteLength} bytes, at most ${MOST_BYTES}`,
    );
  }
  const viewBytes = VIEWS * VIEW_BYTES;
  return { arenaBytes: layout.byteLength, viewBytes, totalBytes: layout.byteLength + viewBytes, rows: layout.rows };
}
