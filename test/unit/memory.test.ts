// The memory of src/memory, each structure against the plain thing that it stands for.

import { ok, strictEqual } from "node:assert/strict"; // where `expect` would take most of the time
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Blocks } from "../../src/memory/blocks";
import { Fifo } from "../../src/memory/fifo";
import { Layout, NONE } from "../../src/memory/layout";
import { Pool } from "../../src/memory/pool";
import { Wheel } from "../../src/memory/wheel";
import { isLong, Random, runs, seeds } from "../support/random";

/** Lays something out twice, as the broker does: over nothing, to learn its size, and over memory of that size. */
function lay<T>(indexBytes: number, build: (layout: Layout) => T): T {
  const planned = new Layout(new ArrayBuffer(0), indexBytes);
  build(planned);
  planned.end();
  return build(new Layout(new ArrayBuffer(planned.byteLength), indexBytes));
}

const widths = [2, 4];

describe("layout", () => {
  test("columns do not overlap, and are aligned", () => {
    const column = fc.constantFrom("index", "u8", "u16", "u32", "bytes");
    const table = fc.record({ count: fc.integer({ min: 1, max: 20 }), columns: fc.array(column, { maxLength: 8 }) });
    fc.assert(
      fc.property(fc.array(table, { maxLength: 6 }), fc.constantFrom(...widths), (tables, width) => {
        const layout = new Layout(new ArrayBuffer(0), width); // offsets are the same over any memory
        const used = new Set<number>();
        const use = (from: number, bytes: number): void => {
          for (let at = from; at < from + bytes; at++) {
            ok(!used.has(at));
            used.add(at);
          }
        };
        tables.forEach(({ count, columns }, number) => {
          layout.table(`table ${number}`, count);
          for (const kind of columns) {
            if (kind === "index") use(layout.indexColumn() * width, (count + 1) * width);
            else if (kind === "u8") use(layout.u8Column(), count + 1);
            else if (kind === "u16") use(layout.u16Column() * 2, (count + 1) * 2);
            else if (kind === "u32") use(layout.u32Column() * 4, (count + 1) * 4);
            else use(layout.bytesColumn(7), (count + 1) * 7);
          }
          const area = layout.area(`area ${number}`, count);
          expect(area % 4).toBe(0);
          use(area, count);
        });
        layout.end();
        expect(Math.max(-1, ...used)).toBeLessThan(layout.byteLength);
        expect(layout.byteLength % 4).toBe(0);
        expect(layout.rows.reduce((sum, row) => sum + row.bytes, 0)).toBe(layout.byteLength);
      }),
      runs(200),
    );
  });
});

describe.each(widths)("with row numbers of %i bytes", (width) => {
  describe("pool", () => {
    const poolOf = (capacity: number): Pool =>
      lay(width, (layout) => {
        layout.table("rows", capacity);
        return new Pool(layout, capacity);
      });

    test("gives each row once, and again when it was given back", () => {
      fc.assert(
        fc.property(seeds, fc.integer({ min: 1, max: 50 }), (seed, capacity) => {
          const random = new Random(seed);
          const pool = poolOf(capacity);
          const taken = new Set<number>();
          let lowest = capacity;
          for (let turn = 0; turn < 400; turn++) {
            if (random.below(400) > turn / 2) {
              const row = pool.take();
              strictEqual(row === NONE, taken.size === capacity);
              if (row !== NONE) {
                ok(row >= 1 && row <= capacity && !taken.has(row));
                strictEqual(pool.index[pool.next + row], NONE);
                pool.index[pool.next + row] = random.below(capacity); // the owner's own link
                taken.add(row);
              }
            } else if (taken.size > 0) {
              const row = random.pick([...taken]);
              taken.delete(row);
              pool.give(row);
            }
            lowest = Math.min(lowest, capacity - taken.size);
            strictEqual(pool.free, capacity - taken.size);
            strictEqual(pool.lowestFree, lowest);
          }
          for (const row of taken) pool.give(row);
          expect(pool.free).toBe(capacity);
          const again = new Set(Array.from({ length: capacity }, () => pool.take()));
          expect(again.size).toBe(capacity);
          expect(pool.take()).toBe(NONE);
        }),
        runs(50),
      );
    });

    test("says what is free, for audits", () => {
      const pool = poolOf(5);
      const rows = [pool.take(), pool.take(), pool.take()];
      pool.give(rows[0]);
      pool.give(rows[2]);
      const free: number[] = [];
      for (let row = pool.firstFree(); row !== NONE; row = pool.index[pool.next + row]) free.push(row);
      for (let row = pool.fresh(); row <= pool.capacity; row++) free.push(row);
      expect(free.sort()).toEqual([1, 3, 4, 5]);
    });

    test("takes back neither NONE nor more than it gave", () => {
      const pool = poolOf(2);
      expect(() => pool.give(1)).toThrow("broken invariant");
      pool.take();
      expect(() => pool.give(NONE)).toThrow("broken invariant");
      pool.give(1);
      expect(() => pool.give(1)).toThrow("broken invariant");
    });
  });

  describe("blocks", () => {
    interface Rig {
      blocks: Blocks;
      layout: Layout;
      area: number;
      size: number;
    }

    const rigOf = (count: number, blockBytes: number): Rig =>
      lay(width, (layout) => {
        const size = count * blockBytes;
        const area = layout.area("source and target", size + 8);
        return { blocks: new Blocks(layout, "blocks", count, blockBytes), layout, area, size };
      });

    /** Writes bytes where `append` finds them. */
    function source(rig: Rig, random: Random, count: number): number[] {
      const bytes = Array.from({ length: count }, () => random.below(256));
      rig.layout.u8.set(bytes, rig.area);
      return bytes;
    }

    function copied(rig: Rig, first: number, offset: number, count: number): number[] {
      const { u8 } = rig.layout;
      u8.fill(0xee, rig.area, rig.area + rig.size + 8);
      rig.blocks.copy(first, offset, rig.area + 4, count);
      const before = [...u8.subarray(rig.area, rig.area + 4)];
      const behind = [...u8.subarray(rig.area + 4 + count, rig.area + 8 + count)];
      expect([...before, ...behind]).toEqual(new Array(8).fill(0xee));
      return [...u8.subarray(rig.area + 4, rig.area + 4 + count)];
    }

    test("hold what was appended in any pieces, until released", () => {
      const sizes = fc.constantFrom(16, 32, 128);
      fc.assert(
        fc.property(seeds, fc.integer({ min: 1, max: 40 }), sizes, (seed, count, blockBytes) => {
          const random = new Random(seed);
          const rig = rigOf(count, blockBytes);
          const { blocks } = rig;
          const chains: { first: number; last: number; bytes: number[] }[] = [];
          const blocksOf = (bytes: number): number => Math.ceil(bytes / blockBytes);
          for (let turn = 0; turn < 200; turn++) {
            const used = chains.reduce((sum, chain) => sum + blocksOf(chain.bytes.length), 0);
            strictEqual(blocks.pool.free, count - used);
            switch (random.below(5)) {
              case 0: {
                if (used === count) break;
                const bytes = source(rig, random, 1 + random.below((count - used) * blockBytes));
                const last = blocks.append(NONE, 0, rig.area, bytes.length);
                chains.push({ first: blocks.first, last, bytes });
                break;
              }
              case 1:
              case 2: {
                if (chains.length === 0) break;
                const chain = random.pick(chains);
                const room = blocksOf(chain.bytes.length) * blockBytes - chain.bytes.length;
                const bytes = source(rig, random, random.below(room + (count - used) * blockBytes + 1));
                chain.last = blocks.append(chain.last, chain.bytes.length, rig.area, bytes.length);
                chain.bytes.push(...bytes);
                break;
              }
              case 3: {
                if (chains.length === 0) break;
                const { first, bytes } = random.pick(chains);
                const offset = random.below(bytes.length + 1);
                const length = random.below(bytes.length - offset + 1);
                if (offset === bytes.length) break;
                expect(copied(rig, first, offset, length)).toEqual(bytes.slice(offset, offset + length));
                break;
              }
              default:
                if (chains.length === 0 || random.chance(2)) break;
                blocks.release(chains.splice(random.below(chains.length), 1)[0].first);
            }
          }
          for (const { first, last, bytes } of chains) {
            expect(copied(rig, first, 0, bytes.length)).toEqual(bytes);
            let [block, length] = [first, 1];
            for (; blocks.nextOf(block) !== NONE; length++) block = blocks.nextOf(block);
            expect([block, length]).toEqual([last, blocksOf(bytes.length)]);
            blocks.release(first);
          }
          expect(blocks.pool.free).toBe(count);
        }),
        runs(60),
      );
    });

    test("count as many as the bytes take", () => {
      const { blocks } = rigOf(1, 32);
      for (let bytes = 0; bytes < 200; bytes++) expect(blocks.blocksFor(bytes)).toBe(Math.ceil(bytes / 32));
      expect(blocks.blocksFor(2_000_000_000)).toBe(62_500_000);
    });

    test("that were promised are not available", () => {
      const { blocks, area } = rigOf(4, 32);
      expect(blocks.available).toBe(4);
      blocks.promised += 3;
      expect(blocks.available).toBe(1);
      blocks.append(NONE, 0, area, 40);
      blocks.promised -= 2;
      expect(blocks.available).toBe(1);
    });

    test("that were not admitted are a mistake of ours, not of a peer", () => {
      const { blocks, area } = rigOf(2, 16);
      blocks.append(NONE, 0, area, 30);
      expect(() => blocks.append(NONE, 0, area, 1)).toThrow("broken invariant");
    });

    test("of one block are found by address", () => {
      const rig = rigOf(3, 16);
      rig.layout.u8.set([7, 8, 9], rig.area);
      rig.blocks.append(NONE, 0, rig.area, 3);
      const at = rig.blocks.addressOf(rig.blocks.first);
      expect([...rig.layout.u8.subarray(at, at + 3)]).toEqual([7, 8, 9]);
    });
  });

  describe("wheel", () => {
    const INT32 = 2 ** 32;
    const wheelOf = (count: number): Wheel => lay(width, (layout) => new Wheel(layout, count));

    /** The wheel, and a list of what is set, at a time that never wraps. */
    class Checked {
      readonly wheel: Wheel;
      readonly due = new Map<number, number>();

      constructor(
        readonly count: number,
        public now: number,
      ) {
        this.wheel = wheelOf(count);
        this.poll();
      }

      set(row: number, wait: number): void {
        this.due.set(row, this.now + wait);
        this.wheel.set(row, (this.now + wait) | 0);
      }

      setSooner(row: number, wait: number): void {
        this.due.set(row, Math.min(this.due.get(row) ?? Number.POSITIVE_INFINITY, this.now + wait));
        this.wheel.setSooner(row, (this.now + wait) | 0);
      }

      cancel(row: number): void {
        this.due.delete(row);
        this.wheel.cancel(row);
      }

      /** Takes what has expired: never early, each once, and nothing stays that was due 128 ms ago. */
      poll(): number[] {
        const rows: number[] = [];
        for (let row = this.wheel.expired(this.now | 0); row !== NONE; row = this.wheel.expired(this.now | 0)) {
          const due = this.due.get(row);
          ok(due !== undefined && due <= this.now, "early, or not set");
          this.due.delete(row);
          rows.push(row);
        }
        for (const due of this.due.values()) ok(due > this.now - 128, "late");
        return rows;
      }

      pass(milliseconds: number): number[] {
        this.now += milliseconds;
        return this.poll();
      }
    }

    // Times before, at and behind where an int32 wraps, and where an uint32 does.
    const starts = fc.constantFrom(0, 1, INT32 / 2 - 20_000, INT32 / 2 - 1, INT32 / 2, INT32 - 20_000, INT32 - 1);

    test("finds what is due, never early and at most 256 ms late when polled every 128 ms", () => {
      fc.assert(
        fc.property(seeds, starts, fc.integer({ min: 1, max: 12 }), (seed, start, count) => {
          const random = new Random(seed);
          const checked = new Checked(count, start);
          const waits = [0, 1, 100, 127, 128, 129, 1000, 8000, 8191, 8192, 8193, 20_000, 90_000];
          for (let turn = 0; turn < 600; turn++) {
            const row = 1 + random.below(count);
            const wait = random.below(random.pick(waits) + 1);
            const kind = random.below(8);
            if (kind < 2) checked.set(row, wait);
            else if (kind < 4) checked.setSooner(row, wait);
            else if (kind === 4) checked.cancel(row);
            else checked.pass(random.below(129));
          }
          while (checked.due.size > 0) checked.pass(1 + random.below(128));
          expect(checked.pass(100_000)).toEqual([]);
        }),
        runs(60),
      );
    });

    test("finds all that is due after any pause", () => {
      fc.assert(
        fc.property(seeds, starts, (seed, start) => {
          const random = new Random(seed);
          const checked = new Checked(20, start);
          const pauses = [1, 128, 1000, 8191, 8192, 8193, 8320, 60_000, 10_000_000, 1_000_000_000];
          for (let turn = 0; turn < 200; turn++) {
            const row = 1 + random.below(20);
            if (random.chance(3)) checked.pass(random.below(random.pick(pauses) + 1));
            else checked.set(row, random.below(random.pick(pauses) + 1));
          }
        }),
        runs(60),
      );
    });

    test("keeps what is set to the past, and finds it at once or at the next tick", () => {
      const checked = new Checked(3, INT32 / 2 - 64);
      checked.set(1, -5);
      checked.set(2, -1_000_000);
      expect([...checked.pass(0), ...checked.pass(128)].sort()).toEqual([1, 2]);
    });

    test("waits as long as the core ever does: 1,000,000 s", () => {
      const checked = new Checked(2, INT32 / 2 - 1_000_000);
      checked.set(1, 1_000_000_000);
      checked.set(2, 1_000_000_000);
      checked.cancel(2);
      while (checked.now < INT32 / 2 - 1_000_000 + 999_990_000) checked.pass(isLong ? 127 : 7_919);
      expect(checked.due.size).toBe(1);
      for (let polls = 0; checked.due.size > 0; polls++) {
        expect(polls).toBeLessThan(100);
        checked.pass(128);
      }
    });

    test("moves a row: the last word counts", () => {
      const checked = new Checked(1, 0);
      checked.set(1, 10_000);
      checked.set(1, 500);
      checked.set(1, 3000);
      checked.setSooner(1, 5000);
      expect(checked.pass(2999)).toEqual([]);
      expect(checked.pass(257)).toEqual([1]);
      checked.setSooner(1, 5000);
      checked.setSooner(1, 300);
      expect(checked.pass(300 + 128)).toEqual([1]);
    });
  });

  describe("fifo", () => {
    test("is a queue in which each row stands once", () => {
      fc.assert(
        fc.property(seeds, fc.integer({ min: 1, max: 20 }), (seed, count) => {
          const random = new Random(seed);
          const fifo = lay(width, (layout) => new Fifo(layout, "turns", count));
          const queue: number[] = [];
          for (let turn = 0; turn < 300; turn++) {
            if (random.chance(2)) {
              const row = 1 + random.below(count);
              fifo.push(row);
              if (!queue.includes(row)) queue.push(row);
            } else {
              strictEqual(fifo.shift(), queue.shift() ?? NONE);
            }
            strictEqual(fifo.length, queue.length);
            strictEqual(fifo.first(), queue[0] ?? NONE);
          }
          while (queue.length > 0) expect(fifo.shift()).toBe(queue.shift());
          expect(fifo.shift()).toBe(NONE);
        }),
        runs(60),
      );
    });
  });
});
