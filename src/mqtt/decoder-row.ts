// Where a connection's packet was left, while the connection is not at hand: the columns of the decoder's registers.

import type { Layout } from "../memory/layout";
import { PacketType } from "./constants";
import { Step } from "./decoded";
import type { Decoder } from "./decoder";

export class DecoderRow {
  readonly #layout: Layout;
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
  /** The first byte of the packet. */
  readonly headers: number;
  /** 0 between packets. Else bit 0; bit 1: has an expiry; bits 2 to 4: why it is not stored; 5 to 7: length of the header. */
  readonly marks: number;

  /** Adds its columns to the table that is being laid out. */
  constructor(layout: Layout) {
    this.#layout = layout;
    this.remainings = layout.u32Column();
    this.seens = layout.u32Column();
    this.lefts = layout.u32Column();
    this.counts = layout.u32Column();
    this.integers = layout.u32Column();
    this.packetIds = layout.u16Column();
    this.topicLengths = layout.u16Column();
    this.headers = layout.u8Column();
    this.marks = layout.u8Column();
  }

  /** Sets the registers from a row, of which `marks` is known. */
  load(to: Decoder, connection: number, marks: number): void {
    const { u8, u16, u32 } = this.#layout;
    const header = u8[this.headers + connection];
    to.type = header >>> 4;
    to.flags = header & 15;
    to.remaining = u32[this.remainings + connection];
    to.properties.seen = u32[this.seens + connection];
    to.packetId = u16[this.packetIds + connection];
    to.left = u32[this.lefts + connection];
    to.count = to.propertiesLength = u32[this.counts + connection];
    to.subscriptionIdentifier = to.expiry = u32[this.integers + connection];
    to.topicLength = u16[this.topicLengths + connection];
    to.hasExpiry = (marks & 2) !== 0;
    to.refusal = (marks >>> 2) & 7;
    to.headerLength = marks >>> 5;
  }

  /** Writes the registers to a row: a packet has begun. */
  save(from: Decoder, connection: number): void {
    const { u8, u16, u32 } = this.#layout;
    const isPublish = from.type === PacketType.PUBLISH;
    const headerLength = from.step === Step.FixedHeader ? 0 : from.headerLength;
    u8[this.marks + connection] = 1 | (from.hasExpiry ? 2 : 0) | (from.refusal << 2) | (headerLength << 5);
    u8[this.headers + connection] = (from.type << 4) | from.flags;
    u32[this.remainings + connection] = from.remaining;
    u32[this.seens + connection] = from.properties.seen;
    u16[this.packetIds + connection] = from.packetId;
    u32[this.lefts + connection] = from.left;
    u32[this.counts + connection] = isPublish ? from.propertiesLength : from.count;
    u32[this.integers + connection] = isPublish ? from.expiry : from.subscriptionIdentifier;
    u16[this.topicLengths + connection] = from.topicLength;
  }
}
