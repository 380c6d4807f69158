// The topic tree against a naive matcher: all small Topic Filters and Topic Names, then random ones that come and go.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict"; // where `expect` would take most of the time
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Broker } from "../../src/broker/broker";
import { Limit } from "../../src/events";
import { NONE } from "../../src/memory/layout";
import { type Limits, presets } from "../../src/memory/limits";
import { hashLevel } from "../../src/session/labels";
import { startBroker } from "../support/broker";
import { isLong, Random, runs, seeds } from "../support/random";
import { filterMatches, filtersOf, topicsOf } from "../support/topic-filter";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The tree of a broker, spoken to in texts. */
class Tree {
  readonly broker: Broker;
  /** The row of the subscription to each Topic Filter. */
  readonly rows = new Map<string, number>();

  constructor(changes: Partial<Limits> = {}, seed = 1) {
    const limits = {
      ...presets.esp32,
      subscriptions: 2000,
      topicNodes: 4000,
      topicLabels: 2000,
      labelBytes: 64_000,
      topicBytes: 256,
      stageBytes: 1024,
      ...changes,
    };
    this.broker = startBroker({ limits, seed }).core;
  }

  get topics(): Broker["topics"] {
    return this.broker.topics;
  }

  split(topic: string): number {
    const { layout, tables } = this.broker;
    const bytes = encoder.encode(topic);
    layout.u8.set(bytes, tables.input);
    this.topics.split(tables.input, bytes.length);
    return bytes.length;
  }

  /** The node of a topic, made if need be, with one reference more. */
  ensure(topic: string): number {
    this.split(topic);
    return this.topics.ensure();
  }

  find(topic: string): number {
    this.split(topic);
    return this.topics.find();
  }

  nameOf(node: number): string {
    const { layout, tables } = this.broker;
    const length = this.topics.nameLength(node);
    layout.u8.fill(0x3f, tables.input, tables.input + length + 1);
    this.topics.copyName(node, tables.input, length);
    strictEqual(layout.u8[tables.input + length], 0x3f);
    return decoder.decode(layout.u8.slice(tables.input, tables.input + length));
  }

  add(filter: string): void {
    const row = this.broker.subscriptions.add(1, this.ensure(filter));
    ok(row !== NONE);
    this.rows.set(filter, row);
  }

  remove(filter: string): void {
    this.broker.subscriptions.remove(this.rows.get(filter)!);
    this.rows.delete(filter);
  }

  /** The Topic Filters that match. */
  match(name: string): string[] {
    const { topics } = this;
    this.split(name);
    topics.match(name.startsWith("$"));
    const nodes = this.broker.layout.index.slice(topics.matches, topics.matches + topics.matchCount);
    return Array.from(nodes, (node) => this.nameOf(node));
  }

  /** Nothing is left but the root and the two wildcards. */
  expectEmpty(): void {
    const { pool, labels } = this.topics;
    strictEqual(pool.free, pool.capacity - 1);
    strictEqual(labels.pool.free, labels.pool.capacity - 2);
    strictEqual(labels.text.pool.free, labels.text.pool.capacity - 2);
  }
}

const names = ["a", "b", "", "$x"];

describe("matching", () => {
  /** Compares a name with all Topic Filters that are in the tree. */
  function compare(tree: Tree, name: string, filters: Iterable<string>): void {
    const expected: string[] = [];
    for (const filter of filters) if (filterMatches(filter, name)) expected.push(filter);
    strictEqual(tree.match(name).sort().join(" "), expected.sort().join(" "), name);
  }

  test("every name of up to 5 levels, with all filters of up to 4 levels at once", () => {
    const tree = new Tree();
    const filters = filtersOf(names, 4);
    expect(filters.length).toBe(779 + 156);
    for (const filter of filters) tree.add(filter);
    for (const name of topicsOf(names, isLong ? 6 : 5)) compare(tree, name, filters);
    for (const filter of filters) tree.remove(filter);
    tree.expectEmpty();
  });

  test("every name of up to 3 levels, with each filter of up to 3 levels alone", () => {
    const tree = new Tree();
    for (const filter of filtersOf(names, 3)) {
      tree.add(filter);
      for (const name of topicsOf(names, 3)) compare(tree, name, [filter]);
      tree.remove(filter);
      tree.expectEmpty();
    }
  });

  test("every name of up to 3 levels, with each two filters of up to 2 levels", () => {
    const tree = new Tree();
    const filters = filtersOf(names, isLong ? 3 : 2);
    const all = topicsOf(names, 3);
    for (const first of filters) {
      tree.add(first);
      for (const second of filters) {
        if (second <= first) continue;
        tree.add(second);
        for (const name of all) compare(tree, name, [first, second]);
        tree.remove(second);
      }
      tree.remove(first);
    }
    tree.expectEmpty();
  });

  const level = fc.constantFrom(
    "a",
    "b",
    "c",
    "",
    "$x",
    "$",
    "+",
    "é",
    "a level of more than 16 bytes",
    "x".repeat(16),
  );
  const filter = fc
    .tuple(fc.array(level, { minLength: 1, maxLength: 7 }), fc.boolean())
    .map(([levels, open]) => [...levels, ...(open ? ["#"] : [])].join("/"))
    .filter((topic) => topic !== "");

  test("random filters that come and go", () => {
    fc.assert(
      fc.property(fc.uniqueArray(filter, { minLength: 1, maxLength: 40 }), seeds, (filters, seed) => {
        const random = new Random(seed);
        const tree = new Tree({}, seed);
        const nodes = new Map<string, number>(); // further references, as those of retained messages
        for (let turn = 0; turn < 150; turn++) {
          const topic = random.pick(filters);
          const node = nodes.get(topic);
          if (random.chance(3)) {
            if (node === undefined) nodes.set(topic, tree.ensure(topic));
            else {
              strictEqual(tree.nameOf(node), topic);
              strictEqual(tree.find(topic), node);
              tree.topics.release(node);
              nodes.delete(topic);
            }
          } else if (tree.rows.has(topic)) tree.remove(topic);
          else tree.add(topic);
          const name = random.pick(filters).replace(/\+|#/g, () => random.pick(names)) || "/";
          compare(tree, name, tree.rows.keys());
        }
        for (const topic of [...tree.rows.keys()]) tree.remove(topic);
        for (const node of nodes.values()) tree.topics.release(node);
        tree.expectEmpty();
      }),
      runs(60),
    );
  });

  test("a node is found again, and its name read back", () => {
    const tree = new Tree();
    const text = fc.string({ unit: "binary", minLength: 1, maxLength: 40 }).filter((it) => !it.includes("\0"));
    const held: number[] = [];
    fc.assert(
      fc.property(text, (topic) => {
        fc.pre(encoder.encode(topic).length <= 256 && topic.split("/").length <= presets.esp32.topicLevels);
        fc.pre(decoder.decode(encoder.encode(topic)) === topic); // no surrogates
        const node = tree.ensure(topic);
        strictEqual(tree.nameOf(node), topic);
        strictEqual(tree.find(topic), node);
        if (held.length < 300) held.push(node);
        else tree.topics.release(node);
      }),
      runs(400),
    );
    for (const node of held) tree.topics.release(node);
    tree.expectEmpty();
  });
});

describe("room", () => {
  test("is found before anything is made, and says which limit is short", () => {
    const level = fc.constantFrom("a", "b", "c", "d", "e", "f", "g", "", "a long level of two", "y".repeat(33));
    const topic = fc.array(level, { minLength: 1, maxLength: 6 }).map((levels) => levels.join("/") || "/");
    const limits = fc.record({
      topicNodes: fc.integer({ min: 1, max: 14 }),
      topicLabels: fc.integer({ min: 1, max: 6 }),
      labelBytes: fc.integer({ min: 16, max: 128 }),
    });
    fc.assert(
      fc.property(limits, fc.array(topic, { maxLength: 12 }), (changes, topics) => {
        const tree = new Tree({ ...changes, subscriptionsPerSession: 1 });
        const { pool, labels } = tree.topics;
        const made = new Set<string>();
        const known = new Set<string>();
        const held: number[] = [];
        for (const name of topics) {
          const levels = name.split("/");
          const paths = levels.map((_, i) => levels.slice(0, i + 1).join("/") + (i === 0 ? "|" : ""));
          const newLevels = levels.filter((it) => !known.has(it));
          const blocks = newLevels.reduce((sum, it) => sum + Math.ceil(it.length / 16), 0);
          const before = [pool.free, labels.pool.free, labels.text.pool.free];
          const node = tree.ensure(name);
          if (node === NONE) {
            deepStrictEqual([pool.free, labels.pool.free, labels.text.pool.free], before);
            const short = new Map([
              [Limit.topicNodes, paths.filter((it) => !made.has(it)).length > pool.free],
              [Limit.topicLabels, newLevels.length > labels.pool.free],
              [Limit.labelBytes, blocks > labels.text.pool.free],
            ]);
            strictEqual(short.get(tree.topics.shortage), true);
          } else {
            for (const it of paths) made.add(it);
            for (const it of levels) known.add(it);
            held.push(node);
            strictEqual(tree.nameOf(node), name);
          }
          strictEqual(pool.free, pool.capacity - 1 - made.size);
          strictEqual(labels.pool.free, labels.pool.capacity - 2 - known.size);
        }
        for (const node of held) tree.topics.release(node);
        tree.expectEmpty();
      }),
      runs(300),
    );
  });

  test("a level that a topic has twice is one label", () => {
    const tree = new Tree({ topicLabels: 1, topicNodes: 4 });
    const node = tree.ensure("x/x/x");
    expect(node).not.toBe(NONE);
    expect(tree.nameOf(node)).toBe("x/x/x");
    tree.topics.release(node);
    tree.expectEmpty();
  });
});

describe("labels", () => {
  test("are stored once, whatever the number of nodes", () => {
    const tree = new Tree();
    const nodes = ["a/state", "b/state", "state/a", "state/state", "state"].map((topic) => tree.ensure(topic));
    const { pool } = tree.topics.labels;
    expect(pool.capacity - 2 - pool.free).toBe(3);
    for (const node of nodes) tree.topics.release(node);
    tree.expectEmpty();
  });

  /** The bytes of a level of seven letters: another for each number. */
  function level(number: number): Uint8Array {
    const bytes = new Uint8Array(7);
    let rest = Math.imul(number, 0x9e3779b1) >>> 0;
    for (let i = 0; i < 7; i++, rest = Math.floor(rest / 26)) bytes[i] = 0x61 + (rest % 26);
    return bytes;
  }

  /** Levels of the same length whose hashes are wholly the same. */
  function collisions(seed: number, count: number): [string, string][] {
    const numbers = new Map<number, number>();
    const found: [string, string][] = [];
    for (let number = 1; found.length < count; number++) {
      const hash = hashLevel(level(number), 0, 7, seed);
      const other = numbers.get(hash);
      if (other === undefined) numbers.set(hash, number);
      else found.push([decoder.decode(level(other)), decoder.decode(level(number))]);
    }
    return found;
  }

  test.each([1, 12_345, -7])("are told apart although all of their hash is the same (seed %i)", (seed) => {
    const tree = new Tree({}, seed);
    const pairs = collisions(seed, 3);
    const topics = pairs.flat().flatMap((text) => [text, `${text}/${text}`, `+/${text}`]);
    for (const topic of topics) tree.add(topic);
    expect(tree.topics.labels.pool.capacity - 2 - tree.topics.labels.pool.free).toBe(6);
    for (const topic of topics) {
      if (topic.startsWith("+")) continue;
      expect(tree.match(topic).sort()).toEqual(topics.filter((it) => filterMatches(it, topic)).sort());
    }
    for (const topic of topics) tree.remove(topic);
    tree.expectEmpty();
  });

  test("in one bucket go in any order", () => {
    const seed = 99;
    const u8 = new Uint8Array(16);
    const bucket: string[] = []; // 32 levels of one bucket of 8
    for (let number = 0; bucket.length < 32; number++) {
      const text = number.toString(36);
      for (let i = 0; i < text.length; i++) u8[i] = text.charCodeAt(i);
      if ((hashLevel(u8, 0, text.length, seed) & 7) === 3) bucket.push(text);
    }
    fc.assert(
      fc.property(fc.shuffledSubarray(bucket, { minLength: 2, maxLength: 6 }), seeds, (levels, order) => {
        const tree = new Tree({ topicLabels: 6, topicNodes: 7, subscriptionsPerSession: 1 }, seed);
        for (const text of levels) tree.add(text);
        const random = new Random(order);
        const left = [...levels];
        while (left.length > 0) {
          tree.remove(left.splice(random.below(left.length), 1)[0]);
          for (const text of levels) expect(tree.match(text)).toEqual(left.includes(text) ? [text] : []);
        }
        tree.expectEmpty();
      }),
      runs(100),
    );
  });
});
