// Problem: find the subscriptions that match a Topic Name, and the retained messages that match a Topic Filter, in time
// that depends on the levels and the matches, not on how many there are.
// Form: one tree for both. A node is a level below its parent; subscriptions hang on the node of their Topic Filter (`+`
// and `#` are labels like others), a retained message on that of its Topic Name. A child is found through one hash table
// keyed by (parent, label); siblings are linked, so that wildcards can walk retained names in place. A node lives while
// something refers to it: a child, a subscription, a retained message, a message or cursor that needs its name.
// Cost: 21 B a node at 16-bit indices. Rejected: a list of filters compared one by one (109 µs for 128 on XS).

import { Limit } from "../events";
import { broken } from "../memory/broken";
import { type Layout, NONE } from "../memory/layout";
import { Pool } from "../memory/pool";
import { sameBytes } from "../mqtt/bytes";
import { bucketCount, hashLevel, Labels, mixHash } from "./labels";

const SLASH = 0x2f;

/** A node's flags. */
const enum Has {
  Plus = 1,
  Hash = 2,
}

export interface TopicsLimits {
  topicNodes: number;
  topicLabels: number;
  labelBytes: number;
  topicBytes: number;
  topicLevels: number;
  subscriptions: number;
}

export class Topics {
  readonly pool: Pool;
  readonly labels: Labels;
  /** Levels of the topic that `split` read last. */
  levels = 0;
  /** Why `ensure` returned NONE. */
  shortage: Limit = Limit.topicNodes;
  /** Nodes that `match` found with subscriptions, and how many. */
  readonly matches: number;
  matchCount = 0;
  readonly root: number;
  readonly plus: number;
  readonly hash: number;
  readonly #layout: Layout;
  readonly #next: number; // in its bucket
  readonly #parent: number;
  readonly #label: number;
  readonly #firstChild: number;
  readonly #nextSibling: number;
  readonly #previousSibling: number;
  readonly #firstSubscription: number;
  readonly #retained: number;
  readonly #references: number;
  readonly #has: number;
  readonly #buckets: number;
  readonly #mask: number;
  readonly #levelLabel: number;
  readonly #levelHash: number;
  readonly #levelAt: number;
  readonly #levelLength: number;
  readonly #stackNode: number;
  readonly #stackLevel: number;
  readonly #scratch: number;
  readonly #seed: number;

  constructor(layout: Layout, limits: TopicsLimits, seed: number) {
    const count = limits.topicNodes + 1; // the root
    layout.table("topic nodes", count);
    this.pool = new Pool(layout, count);
    this.#layout = layout;
    this.#seed = seed | 0;
    this.#next = this.pool.next;
    this.#parent = layout.indexColumn();
    this.#label = layout.indexColumn();
    this.#firstChild = layout.indexColumn();
    this.#nextSibling = layout.indexColumn();
    this.#previousSibling = layout.indexColumn();
    this.#firstSubscription = layout.indexColumn();
    this.#retained = layout.indexColumn();
    this.#references = layout.indexColumn();
    this.#has = layout.u8Column();
    const buckets = bucketCount(count);
    this.#mask = buckets - 1;
    layout.table("topic node buckets", buckets);
    this.#buckets = layout.indexColumn();
    this.labels = new Labels(layout, limits.topicLabels + 2, limits.labelBytes + 32); // and + and #
    layout.table("topic levels, scratch", limits.topicLevels + 1);
    this.#levelHash = layout.u32Column();
    this.#levelAt = layout.u32Column();
    this.#stackLevel = layout.u16Column();
    this.#levelLength = layout.u16Column();
    this.#levelLabel = layout.indexColumn();
    this.#stackNode = layout.indexColumn();
    layout.table("matching nodes, scratch", limits.subscriptions);
    this.matches = layout.indexColumn();
    this.#scratch = layout.area("topic name, scratch", limits.topicBytes + 1);
    if (layout.u8.length === 0) {
      this.root = this.plus = this.hash = NONE; // planning only
      return;
    }
    this.root = this.pool.take();
    layout.index[this.#references + this.root] = 1;
    layout.u8[this.#scratch] = 0x2b;
    this.plus = this.labels.add(this.#scratch, 1, hashLevel(layout.u8, this.#scratch, 1, this.#seed));
    layout.u8[this.#scratch] = 0x23;
    this.hash = this.labels.add(this.#scratch, 1, hashLevel(layout.u8, this.#scratch, 1, this.#seed));
    this.labels.pool.lowestFree = this.labels.pool.free;
  }

  /** Splits the topic of `length` bytes at `at` and looks its levels up. At most `topicLevels` levels, as checked before. */
  split(at: number, length: number): void {
    const { u8, u16, u32, index } = this.#layout;
    const end = at + length;
    let level = 0;
    let from = at;
    let hash = this.#seed;
    const { imul } = Math;
    let byte = 0;
    for (let i = at; i <= end; i++) {
      byte = i < end ? u8[i] : SLASH;
      if (byte !== SLASH) {
        hash = imul(hash ^ byte, 0x01000193);
        continue;
      }
      hash = mixHash(hash);
      u32[this.#levelHash + level] = hash;
      u32[this.#levelAt + level] = from;
      u16[this.#levelLength + level] = i - from;
      index[this.#levelLabel + level] = this.labels.find(from, i - from, hash);
      level++;
      from = i + 1;
      hash = this.#seed;
    }
    this.levels = level;
  }

  /** The child of `parent` with `label`, or NONE. */
  child(parent: number, label: number): number {
    const { index } = this.#layout;
    let node = index[this.#buckets + 1 + this.#bucket(parent, label)];
    while (node !== NONE) {
      if (index[this.#label + node] === label && index[this.#parent + node] === parent) return node;
      node = index[this.#next + node];
    }
    return NONE;
  }

  /** The node of the topic that was split, or NONE. */
  find(): number {
    const { index } = this.#layout;
    let node = this.root;
    for (let level = 0; level < this.levels; level++) {
      const label = index[this.#levelLabel + level];
      if (label === NONE) return NONE;
      node = this.child(node, label);
      if (node === NONE) return NONE;
    }
    return node;
  }

  /** The node of the topic that was split, made if need be, with one reference more; NONE and `shortage` when there is no room. */
  ensure(): number {
    const { u16, u32, index } = this.#layout;
    if (!this.hasRoom()) return NONE;
    let node = this.root;
    for (let level = 0; level < this.levels; level++) {
      let label = index[this.#levelLabel + level];
      let child = label === NONE ? NONE : this.child(node, label);
      if (child === NONE) {
        if (label === NONE) {
          // An earlier level of this topic may just have made it.
          const at = u32[this.#levelAt + level];
          const length = u16[this.#levelLength + level];
          const hash = u32[this.#levelHash + level] | 0;
          label = this.labels.find(at, length, hash);
          if (label === NONE) label = this.labels.add(at, length, hash);
          else this.labels.refer(label);
          index[this.#levelLabel + level] = label;
        } else {
          this.labels.refer(label);
        }
        child = this.#add(node, label);
      }
      node = child;
    }
    index[this.#references + node]++;
    return node;
  }

  /** Whether the nodes and labels that the topic still lacks can be had; says in `shortage` which can't. */
  hasRoom(): boolean {
    const { u16, index } = this.#layout;
    let node = this.root;
    let nodes = 0;
    let labels = 0;
    let blocks = 0;
    for (let level = 0; level < this.levels; level++) {
      const label = index[this.#levelLabel + level];
      if (label === NONE && !this.#isRepeated(level)) {
        labels++;
        blocks += this.labels.text.blocksFor(u16[this.#levelLength + level]);
      }
      node = label === NONE || node === NONE ? NONE : this.child(node, label);
      if (node === NONE) nodes++;
    }
    if (nodes > this.pool.free) this.shortage = Limit.topicNodes;
    else if (labels > this.labels.pool.free) this.shortage = Limit.topicLabels;
    else if (blocks > this.labels.text.pool.free) this.shortage = Limit.labelBytes;
    else return true;
    return false;
  }

  /** Whether an earlier level of the topic that was split has the same text. */
  #isRepeated(level: number): boolean {
    const { u8, u16, u32 } = this.#layout;
    const length = u16[this.#levelLength + level];
    for (let earlier = 0; earlier < level; earlier++) {
      if (u32[this.#levelHash + earlier] !== u32[this.#levelHash + level]) continue;
      if (u16[this.#levelLength + earlier] !== length) continue;
      if (sameBytes(u8, u32[this.#levelAt + earlier], u32[this.#levelAt + level], length)) return true;
    }
    return false;
  }

  #add(parent: number, label: number): number {
    const { u8, index } = this.#layout;
    const node = this.pool.take();
    if (node === NONE) broken("nodes were admitted");
    const bucket = this.#buckets + 1 + this.#bucket(parent, label);
    index[this.#next + node] = index[bucket];
    index[bucket] = node;
    index[this.#parent + node] = parent;
    index[this.#label + node] = label;
    const sibling = index[this.#firstChild + parent];
    index[this.#nextSibling + node] = sibling;
    index[this.#previousSibling + node] = NONE;
    if (sibling !== NONE) index[this.#previousSibling + sibling] = node;
    index[this.#firstChild + parent] = node;
    index[this.#firstChild + node] = NONE;
    index[this.#firstSubscription + node] = NONE;
    index[this.#retained + node] = NONE;
    index[this.#references + node] = 0;
    u8[this.#has + node] = 0;
    index[this.#references + parent]++;
    if (label === this.plus) u8[this.#has + parent] |= Has.Plus;
    if (label === this.hash) u8[this.#has + parent] |= Has.Hash;
    return node;
  }

  refer(node: number): void {
    this.#layout.index[this.#references + node]++;
  }

  /** Gives one reference back; a node without any goes, and so may its parents. */
  release(node: number): void {
    const { u8, index } = this.#layout;
    while (--index[this.#references + node] === 0) {
      const parent = index[this.#parent + node];
      const label = index[this.#label + node];
      const next = index[this.#nextSibling + node];
      const previous = index[this.#previousSibling + node];
      if (previous === NONE) index[this.#firstChild + parent] = next;
      else index[this.#nextSibling + previous] = next;
      if (next !== NONE) index[this.#previousSibling + next] = previous;
      this.#leaveBucket(node, this.#buckets + 1 + this.#bucket(parent, label));
      if (label === this.plus) u8[this.#has + parent] &= ~Has.Plus;
      if (label === this.hash) u8[this.#has + parent] &= ~Has.Hash;
      this.labels.release(label, this.#scratch, this.#seed);
      this.pool.give(node);
      node = parent;
    }
  }

  #leaveBucket(node: number, bucket: number): void {
    const { index } = this.#layout;
    let previous = NONE;
    let row = index[bucket];
    while (row !== node) {
      if (row === NONE) broken("a node is in its bucket");
      previous = row;
      row = index[this.#next + row];
    }
    const next = index[this.#next + node];
    if (previous === NONE) index[bucket] = next;
    else index[this.#next + previous] = next;
  }

  #bucket(parent: number, label: number): number {
    const hash = Math.imul(Math.imul(parent, 0x9e3779b1) ^ label, 0x85ebca6b);
    return (hash ^ (hash >>> 15)) & this.#mask;
  }

  /**
   * Finds the nodes with subscriptions whose Topic Filter matches the Topic Name that was split: `matchCount` nodes from
   * `matches` on in the index view. `dollar`: the name begins with `$`, which no leading wildcard matches [MQTT-4.7.2-1].
   * At most one open branch a level waits on the stack, so the stack is as deep as the name.
   */
  match(dollar: boolean): void {
    const { u8, u16, index } = this.#layout;
    let stacked = 0;
    this.matchCount = 0;
    let node = this.root;
    let level = 0;
    for (;;) {
      while (node !== NONE) {
        const wild = level === 0 && dollar ? 0 : u8[this.#has + node];
        if ((wild & Has.Hash) !== 0) this.#collect(this.child(node, this.hash));
        if (level === this.levels) {
          this.#collect(node);
          break;
        }
        if ((wild & Has.Plus) !== 0) {
          index[this.#stackNode + 1 + stacked] = this.child(node, this.plus);
          u16[this.#stackLevel + 1 + stacked] = level + 1;
          stacked++;
        }
        const label = index[this.#levelLabel + level];
        node = label === NONE ? NONE : this.child(node, label);
        level++;
      }
      if (stacked === 0) return;
      stacked--;
      node = index[this.#stackNode + 1 + stacked];
      level = u16[this.#stackLevel + 1 + stacked];
    }
  }

  #collect(node: number): void {
    const { index } = this.#layout;
    if (index[this.#firstSubscription + node] !== NONE) index[this.matches + this.matchCount++] = node;
  }

  firstSubscription(node: number): number {
    return this.#layout.index[this.#firstSubscription + node];
  }

  setFirstSubscription(node: number, subscription: number): void {
    this.#layout.index[this.#firstSubscription + node] = subscription;
  }

  retained(node: number): number {
    return this.#layout.index[this.#retained + node];
  }

  setRetained(node: number, message: number): void {
    this.#layout.index[this.#retained + node] = message;
  }

  parent(node: number): number {
    return this.#layout.index[this.#parent + node];
  }

  label(node: number): number {
    return this.#layout.index[this.#label + node];
  }

  firstChild(node: number): number {
    return this.#layout.index[this.#firstChild + node];
  }

  nextSibling(node: number): number {
    return this.#layout.index[this.#nextSibling + node];
  }

  references(node: number): number {
    return this.#layout.index[this.#references + node];
  }

  /** For audits: the sibling before a node, or NONE. */
  previousSibling(node: number): number {
    return this.#layout.index[this.#previousSibling + node];
  }

  /** For audits: whether a node has a child `+` (1), a child `#` (2). */
  wildcards(node: number): number {
    return this.#layout.u8[this.#has + node];
  }

  /** For audits: the number of buckets, and the first node in one, from 0 on, or NONE. */
  get bucketCount(): number {
    return this.#mask + 1;
  }

  firstInBucket(bucket: number): number {
    return this.#layout.index[this.#buckets + 1 + bucket];
  }

  /** The name of a node, in bytes. */
  nameLength(node: number): number {
    const { index } = this.#layout;
    let length = -1;
    for (let row = node; row !== this.root; row = index[this.#parent + row]) {
      length += 1 + this.labels.lengthOf(index[this.#label + row]);
    }
    return length;
  }

  /** Writes the name of a node, `length` bytes, to `to`. */
  copyName(node: number, to: number, length: number): void {
    const { u8, index } = this.#layout;
    let end = to + length;
    for (let row = node; row !== this.root; row = index[this.#parent + row]) {
      const label = index[this.#label + row];
      end -= this.labels.lengthOf(label);
      this.labels.copy(label, end);
      if (end > to) u8[--end] = SLASH;
    }
  }
}
