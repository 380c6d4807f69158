// The memory plan: the tables are laid out over no memory at all, and their sizes added up.

import { Layout, type PlanRow } from "../memory/layout";
import { checkLimits, type Limits, LimitsError } from "../memory/limits";
import { Tables } from "./tables";

export interface Plan {
  /** The one ArrayBuffer, bytes. */
  arenaBytes: number;
  /** The views over it, at 64 B each as on XS. */
  viewBytes: number;
  /** What the broker's memory takes in all, bytes. Buffers of the host come on top. */
  totalBytes: number;
  rows: PlanRow[];
}

/** Offsets are int32. */
const MOST_BYTES = 0x7fffffff;

/** Views of the core: bytes, 16 bits, 32 bits; and one of the transport over the input and output. */
const VIEWS = 4;
const VIEW_BYTES = 64;

// allocates: start-up only
/**
 * What a broker with these limits takes, computed without taking it. The rows add up to `arenaBytes`.
 * @throws LimitsError when the limits can't be.
 */
export function plan(limits: Limits): Plan {
  checkLimits(limits);
  const layout = layOut(limits, indexBytesFor(limits));
  if (layout.byteLength > MOST_BYTES) {
    throw new LimitsError(
      "payloadBytes",
      `and the others together take ${layout.byteLength} bytes, at most ${MOST_BYTES}`,
    );
  }
  const viewBytes = VIEWS * VIEW_BYTES;
  return { arenaBytes: layout.byteLength, viewBytes, totalBytes: layout.byteLength + viewBytes, rows: layout.rows };
}

// allocates: start-up only
/** Bytes of a row number: 2 where every table has fewer than 65,535 rows and every count of references fits, else 4. */
export function indexBytesFor(limits: Limits): number {
  // Everybody may refer to one topic node: subscriptions, its children, messages by its name, replays that rest on it.
  const messageCount = limits.messages + limits.retained + limits.sessions;
  let most = limits.subscriptions + limits.topicNodes + messageCount + limits.sessions + 2;
  for (const row of layOut(limits, 2).rows) most = Math.max(most, row.count);
  return most < 65535 ? 2 : 4;
}

// allocates: start-up only
function layOut(limits: Limits, indexBytes: number): Layout {
  const layout = new Layout(new ArrayBuffer(0), indexBytes);
  new Tables(layout, limits, 0, silent);
  layout.end();
  return layout;
}

const silent = Object.freeze({ event: nothing });

function nothing(): void {}
