// What the engine allocates between two moments.

import { host } from "./host";

export interface Allocated {
  slots: number;
  /** Bytes. */
  chunks: number;
  collections: number;
}

/** Is made before what it measures, and takes nothing meanwhile. */
export class Meter {
  private slots = 0;
  private chunks = 0;
  private collections = 0;

  /** From here on: all garbage of before is gone. */
  start(): void {
    host.collect();
    this.slots = host.slots();
    this.chunks = host.chunks();
    this.collections = host.collections();
  }

  /** What was allocated since the start. All is read before the answer is made. */
  stop(): Allocated {
    const slots = host.slots() - this.slots;
    const chunks = host.chunks() - this.chunks;
    const collections = host.collections() - this.collections;
    return { slots, chunks, collections };
  }
}
