// Text on its way into memory, against the platform's own encoder.

import fc from "fast-check";
import { expect, test } from "vitest";
import { writeText } from "../../src/mqtt/text";
import { runs } from "../support/random";

const ROOM = 64;

function written(text: string, room = ROOM): Uint8Array | undefined {
  const u8 = new Uint8Array(ROOM + 4).fill(0xaa);
  const end = writeText(u8, 2, 2 + room, text);
  expect([...u8.subarray(0, 2), ...u8.subarray(2 + room)].every((byte) => byte === 0xaa)).toBe(true);
  return end < 0 ? undefined : u8.slice(2, end);
}

test("is UTF-8, or nothing when it does not fit, is no text or holds U+0000", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 30 }), fc.nat(ROOM), (text, room) => {
      const bytes = new TextEncoder().encode(text);
      const isText = Buffer.from(text).toString() === text && !text.includes("\0") && bytes.length <= room;
      expect(written(text, room)).toEqual(isText ? bytes : undefined);
    }),
    runs(2000),
  );
});

test("each length of a sequence, at its least and its most, fits exactly", () => {
  for (const text of [
    "\u0001",
    "\u007f",
    "\u0080",
    "\u07ff",
    "\u0800",
    "\ud7ff",
    "\ue000",
    "\uffff",
    "\u{10000}",
    "\u{10ffff}",
  ]) {
    const bytes = new TextEncoder().encode(text);
    expect(written(text, bytes.length)).toEqual(bytes);
    expect(written(text, bytes.length - 1)).toBeUndefined();
  }
});

test.each(["a\ud800", "\ud800a", "\udc00", "\udc00\ud800", "\0"])("%j is no text", (text) => {
  expect(written(text)).toBeUndefined();
});
