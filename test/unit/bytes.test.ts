// Integers of the wire: Variable Byte Integers at every boundary and in every form of up to two bytes, the others at
// their ends.

import { strictEqual } from "node:assert/strict"; // where `expect` would take most of the time
import { describe, expect, test } from "vitest";
import {
  hashBytes,
  readU16,
  readU32,
  readVariable,
  sameBytes,
  variableLength,
  writeU16,
  writeU32,
  writeVariable,
} from "../../src/mqtt/bytes";
import { MAX_VARIABLE_BYTE_INTEGER } from "../../src/mqtt/constants";

const INCOMPLETE = 0;
const MALFORMED = -1;

/** What `readVariable` says of the first `count` of these bytes, when more lie behind. */
function read(bytes: readonly number[], count = bytes.length): number {
  return readVariable(Uint8Array.from([0xee, ...bytes, 0x01, 0x01, 0x01]), 1, 1 + count);
}

/** Value and length, as `readVariable` returns them. */
const found = (value: number, length: number): number => value * 8 + length;

/** The standard's own way to read one [5.0 section 1.5.5], which must also be the shortest form. */
function expected(bytes: readonly number[]): number {
  let value = 0;
  for (let i = 0; i < bytes.length; i++) {
    if (i === 4) return MALFORMED;
    value += (bytes[i] % 128) * 128 ** i;
    if (bytes[i] < 128) return i > 0 && bytes[i] === 0 ? MALFORMED : found(value, i + 1);
  }
  return bytes.length === 4 ? MALFORMED : INCOMPLETE;
}

describe("a Variable Byte Integer", () => {
  const boundaries: readonly (readonly [number, number[]])[] = [
    [0, [0x00]],
    [1, [0x01]],
    [127, [0x7f]],
    [128, [0x80, 0x01]],
    [16_383, [0xff, 0x7f]],
    [16_384, [0x80, 0x80, 0x01]],
    [2_097_151, [0xff, 0xff, 0x7f]],
    [2_097_152, [0x80, 0x80, 0x80, 0x01]],
    [268_435_455, [0xff, 0xff, 0xff, 0x7f]],
  ];

  test.each(boundaries)("%i is written and read in its shortest form", (value, bytes) => {
    const u8 = new Uint8Array(8).fill(0xee);
    expect(writeVariable(u8, 1, value)).toBe(1 + bytes.length);
    expect([...u8]).toEqual([0xee, ...bytes, ...new Array(7 - bytes.length).fill(0xee)]);
    expect(variableLength(value)).toBe(bytes.length);
    expect(read(bytes)).toBe(found(value, bytes.length));
    for (let count = 0; count < bytes.length; count++) expect(read(bytes, count)).toBe(INCOMPLETE);
  });

  test("has the largest value that the standard allows", () => {
    expect(MAX_VARIABLE_BYTE_INTEGER).toBe(268_435_455);
  });

  test("in every form of one and two bytes, and around every boundary of three and four", () => {
    const some = [0, 1, 2, 0x7e, 0x7f, 0x80, 0x81, 0xfe, 0xff];
    for (let first = 0; first < 256; first++) {
      strictEqual(read([first]), expected([first]));
      for (let second = 0; second < 256; second++) {
        const two = [first, second];
        strictEqual(read(two), expected(two), `${two}`);
        for (const third of some) {
          strictEqual(read([...two, third]), expected([...two, third]), `${two},${third}`);
        }
      }
    }
    for (const first of some) {
      for (const second of some) {
        for (const third of some) {
          for (const fourth of some) {
            const four = [first, second, third, fourth];
            strictEqual(read(four), expected(four), `${four}`);
            strictEqual(read([...four, 0x01]), expected([...four, 0x01]), `${four},1`);
          }
        }
      }
    }
  });

  test("is malformed when longer than need be, or of five bytes", () => {
    const wrong = [
      [0x80, 0x00],
      [0xff, 0x00],
      [0x80, 0x80, 0x00],
      [0xff, 0xff, 0xff, 0x00],
      [0x80, 0x80, 0x80, 0x80],
    ];
    for (const bytes of wrong) expect(read(bytes), `${bytes}`).toBe(MALFORMED);
  });
});

describe("integers of two and four bytes", () => {
  test.each([0, 1, 255, 256, 0x7fff, 0x8000, 0xffff])("%i in two", (value) => {
    const u8 = new Uint8Array(4).fill(0xee);
    expect(writeU16(u8, 1, value)).toBe(3);
    expect([...u8]).toEqual([0xee, value >> 8, value & 255, 0xee]);
    expect(readU16(u8, 1)).toBe(value);
  });

  test.each([0, 1, 255, 65_536, 0x7fffffff, 0x80000000, 0xffffffff])("%i in four", (value) => {
    const u8 = new Uint8Array(6).fill(0xee);
    expect(writeU32(u8, 1, value)).toBe(5);
    expect([...u8]).toEqual([0xee, ...[24, 16, 8, 0].map((shift) => (value >>> shift) & 255), 0xee]);
    expect(readU32(u8, 1)).toBe(value);
  });
});

describe("byte strings", () => {
  test("are the same when every byte is", () => {
    const u8 = Uint8Array.from([1, 2, 3, 1, 2, 4]);
    expect(sameBytes(u8, 0, 3, 2)).toBe(true);
    expect(sameBytes(u8, 0, 3, 3)).toBe(false);
    expect(sameBytes(u8, 0, 3, 0)).toBe(true);
  });

  test("have hashes that depend on the bytes, their order, their number and the seed only", () => {
    const u8 = Uint8Array.from([9, 1, 2, 3, 9, 9, 1, 2, 3, 3, 2, 1]);
    const hash = hashBytes(u8, 1, 3, 5);
    expect(hashBytes(u8, 6, 3, 5)).toBe(hash);
    for (const other of [hashBytes(u8, 9, 3, 5), hashBytes(u8, 1, 2, 5), hashBytes(u8, 1, 3, 6)]) {
      expect(other).not.toBe(hash);
    }
  });
});
