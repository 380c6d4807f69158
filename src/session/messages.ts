// Application Messages. A message is stored once, whatever the number of its receivers: its row counts who refers to it
// (deliveries, a retained topic, a will, a packet half sent). Its bytes are a chain of blocks in sending order: topic,
// properties (without those the server sets itself), payload. A message whose name is in the topic tree, because it is
// retained, has no topic in the chain; its node keeps the name.
// Cost: 27 B at 16-bit indices, plus the blocks.

import type { Blocks } from "../memory/blocks";
import { broken } from "../memory/broken";
import { type Layout, NONE } from "../memory/layout";
import { Pool } from "../memory/pool";

/** Flags of a message. */
export const enum MessageFlag {
  QoS = 3,
  Retain = 4,
  HasExpiry = 8,
  /** The sixteenth of its second after which it expires. */
  Sixteenth = 0xf0,
}

/** Who keeps the names of retained messages: the topic tree. */
export interface Names {
  copyName(node: number, to: number, length: number): void;
  release(node: number): void;
}

export class Messages {
  readonly pool: Pool;
  readonly blocks: Blocks;
  /** Rows that are retained messages or wills: they have a share of their own. */
  kept = 0;
  readonly #most: number;
  readonly #topics: Names;
  readonly #layout: Layout;
  readonly #first: number;
  readonly #references: number;
  readonly #node: number;
  readonly #length: number;
  readonly #expires: number;
  readonly #epoch: number;
  readonly #propertiesLength: number;
  readonly #topicLength: number;
  readonly #flags: number;

  /** Rows for `count` messages on their way and `keepCount` that are kept. */
  constructor(layout: Layout, count: number, keepCount: number, blocks: Blocks, topics: Names) {
    layout.table("messages", count + keepCount);
    this.#most = keepCount;
    this.pool = new Pool(layout, count + keepCount);
    this.blocks = blocks;
    this.#topics = topics;
    this.#layout = layout;
    this.#length = layout.u32Column();
    this.#expires = layout.u32Column();
    this.#epoch = layout.u32Column();
    this.#propertiesLength = layout.u32Column();
    this.#first = layout.indexColumn();
    this.#references = layout.indexColumn();
    this.#node = layout.indexColumn();
    this.#topicLength = layout.u16Column();
    this.#flags = layout.u8Column();
  }

  /** Whether one more message may be on its way: what is kept does not count, and what may be kept is left free. */
  hasRoom(): boolean {
    return this.pool.free > this.#most - this.kept;
  }

  /**
   * A message with one reference over a chain: `length` bytes from `first`, its topic in front, then properties and
   * payload; those begin a block of their own when it is to be retained. NONE when all rows are taken.
   */
  add(first: number, length: number, topicLength: number, propertiesLength: number, header: number): number {
    const { u8, u16, u32, index } = this.#layout;
    const message = this.pool.take();
    if (message === NONE) return NONE;
    u32[this.#length + message] = length;
    u32[this.#propertiesLength + message] = propertiesLength;
    u16[this.#topicLength + message] = topicLength;
    index[this.#first + message] = first;
    index[this.#references + message] = 1;
    index[this.#node + message] = NONE;
    u8[this.#flags + message] = header;
    return message;
  }

  /** Sets when it was retained. */
  setEpoch(message: number, epoch: number): void {
    this.#layout.u32[this.#epoch + message] = epoch;
  }

  /** It expires `sixteenth` sixteenths into second `expires` of the core's clock. */
  setExpiry(message: number, expires: number, sixteenth: number): void {
    const { u8, u32 } = this.#layout;
    u8[this.#flags + message] = (u8[this.#flags + message] & 7) | MessageFlag.HasExpiry | (sixteenth << 4);
    u32[this.#expires + message] = expires;
  }

  /** Gives the topic's blocks back; the name is that of `node` from now on, whose reference the message takes over. */
  nameByNode(message: number, node: number): void {
    const { u32, index } = this.#layout;
    const bodyAt = this.#bodyAt(message);
    index[this.#node + message] = node;
    let block = index[this.#first + message];
    for (let left = bodyAt; left > 0; left -= this.blocks.blockBytes) {
      const next = this.blocks.nextOf(block);
      this.blocks.pool.give(block);
      block = next;
    }
    index[this.#first + message] = block;
    u32[this.#length + message] -= bodyAt;
  }

  refer(message: number): void {
    this.#layout.index[this.#references + message]++;
  }

  release(message: number): void {
    const { index } = this.#layout;
    if (message === NONE || index[this.#references + message] === 0)
      broken("a message is released by who refers to it");
    if (--index[this.#references + message] > 0) return;
    this.blocks.release(index[this.#first + message]);
    const node = index[this.#node + message];
    this.pool.give(message);
    if (node !== NONE) this.#topics.release(node);
  }

  references(message: number): number {
    return this.#layout.index[this.#references + message];
  }

  first(message: number): number {
    return this.#layout.index[this.#first + message];
  }

  node(message: number): number {
    return this.#layout.index[this.#node + message];
  }

  qos(message: number): number {
    return this.#layout.u8[this.#flags + message] & MessageFlag.QoS;
  }

  retain(message: number): boolean {
    return (this.#layout.u8[this.#flags + message] & MessageFlag.Retain) !== 0;
  }

  hasExpiry(message: number): boolean {
    return (this.#layout.u8[this.#flags + message] & MessageFlag.HasExpiry) !== 0;
  }

  /** The second of the core's clock after which the message has expired. */
  expires(message: number): number {
    return this.#layout.u32[this.#expires + message];
  }

  /** Whether its Message Expiry Interval has passed at the given second and sixteenth [MQTT-3.3.2-5]. */
  isExpired(message: number, seconds: number, sixteenth: number): boolean {
    const flags = this.#layout.u8[this.#flags + message];
    if ((flags & MessageFlag.HasExpiry) === 0) return false;
    const expires = this.expires(message);
    return seconds > expires || (seconds === expires && sixteenth > flags >>> 4);
  }

  /** When it was retained, in epochs of the router; compare as `(a - b) | 0`. */
  epoch(message: number): number {
    return this.#layout.u32[this.#epoch + message] | 0;
  }

  topicLength(message: number): number {
    return this.#layout.u16[this.#topicLength + message];
  }

  propertiesLength(message: number): number {
    return this.#layout.u32[this.#propertiesLength + message];
  }

  /** Bytes of properties and payload. */
  bodyLength(message: number): number {
    return this.#layout.u32[this.#length + message] - this.#bodyAt(message);
  }

  payloadLength(message: number): number {
    return this.bodyLength(message) - this.propertiesLength(message);
  }

  /** Its chain has got `count` bytes of payload more. */
  lengthen(message: number, count: number): void {
    this.#layout.u32[this.#length + message] += count;
  }

  /** Copies the Topic Name to `to`. */
  copyTopic(message: number, to: number): void {
    const length = this.topicLength(message);
    const node = this.node(message);
    if (node !== NONE) this.#topics.copyName(node, to, length);
    else this.blocks.copy(this.first(message), 0, to, length);
  }

  /** Copies `count` bytes of properties and payload from byte `offset` on: the only reader of a body. */
  copyBody(message: number, offset: number, to: number, count: number): void {
    this.blocks.copy(this.first(message), this.#bodyAt(message) + offset, to, count);
  }

  /** Where properties and payload begin in the chain. */
  #bodyAt(message: number): number {
    if (this.node(message) !== NONE) return 0;
    const length = this.topicLength(message);
    return this.retain(message) ? this.blocks.blocksFor(length) * this.blocks.blockBytes : length;
  }
}
