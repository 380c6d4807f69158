// Where a connection's packet was left, while the connection is not at hand: the columns of the decoder's registers.

import type { Layout } from "../memory/layout";

export class DecoderRow {
  // u32
  readonly remainings: number;
  /** Properties seen, as bits. */
  readonly seens: number;
  readonly lefts: number;
  /** PUBLISH: bytes of properties; SUBSCRIBE, UNSUBSCRIBE: Topic Filters so far. */
  readonly counts: number;
  /** PUBLISH: Message Expiry Interval; SUBSCRIBE: Subscription Identifier. */
  readonly integers: number;
  // u16
  readonly packetIds: number;
  readonly topicLengths: number;
  // u8
  readonly steps: number;
  /** The first byte of the packet. */
  readonly headers: number;
  /** 0 between packets. Else bit 0; bit 1: has an expiry; bits 2 to 4: why it is not stored; 5 to 7: length of the header. */
  readonly marks: number;

  /** Adds its columns to the table that is being laid out. */
  constructor(layout: Layout) {
    this.remainings = layout.u32Column();
    this.seens = layout.u32Column();
    this.lefts = layout.u32Column();
    this.counts = layout.u32Column();
    this.integers = layout.u32Column();
    this.packetIds = layout.u16Column();
    this.topicLengths = layout.u16Column();
    this.steps = layout.u8Column();
    this.headers = layout.u8Column();
    this.marks = layout.u8Column();
  }
}
