// UTF-8 Encoded Strings against the platform's decoder, exhaustively where that is possible; Topic Names and Topic
// Filters against the rules written plainly.

import { ok, strictEqual } from "node:assert/strict"; // where `expect` would take most of the time
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ILL_FORMED, isShared, isUtf8, topicFilterLevels, topicNameLevels } from "../../src/mqtt/utf8";
import { isLong, runs } from "../support/random";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** The text that the bytes stand for; undefined when they are no UTF-8 or hold U+0000 [MQTT-1.5.4-1], [MQTT-1.5.4-2]. */
function textOf(bytes: Uint8Array): string | undefined {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    return undefined;
  }
  return text.includes("\0") ? undefined : text;
}

function nameLevels(text: string): number {
  return text === "" || /[+#]/.test(text) ? 0 : text.split("/").length;
}

function filterLevels(text: string): number {
  const levels = text.split("/");
  const isRight = levels.every(
    (level, i) => level === "+" || (level === "#" && i === levels.length - 1) || !/[+#]/.test(level),
  );
  return text === "" || !isRight ? 0 : levels.length;
}

const memory = new Uint8Array(200).fill(0x80); // what lies around a string must not matter
const AT = 3;

function compare(...bytes: number[]): void {
  memory.set(bytes, AT);
  const text = textOf(Uint8Array.from(bytes));
  if (isUtf8(memory, AT, bytes.length) !== (text !== undefined)) ok(false, `isUtf8 of ${bytes}`);
  strictEqual(topicNameLevels(memory, AT, bytes.length), text === undefined ? ILL_FORMED : nameLevels(text));
  strictEqual(topicFilterLevels(memory, AT, bytes.length), text === undefined ? ILL_FORMED : filterLevels(text));
  memory.fill(0x80, AT, AT + bytes.length);
}

describe("UTF-8", () => {
  // Around every boundary of RFC 3629's table.
  const seconds = [0, 0x24, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xe0, 0xf0, 0xff];
  const tails = [0, 0x41, 0x7f, 0x80, 0xbf, 0xc0, 0xff];
  const every = Array.from({ length: 256 }, (_, byte) => byte);

  test("of 0 and 1 bytes", () => {
    compare();
    for (const byte of every) compare(byte);
  });

  test("of 2 bytes", () => {
    for (const first of every) for (const second of every) compare(first, second);
  });

  test("of 3 bytes, at all boundaries", () => {
    const some = isLong ? every : seconds;
    for (const first of every) for (const second of some) for (const third of tails) compare(first, second, third);
  });

  test("of 4 bytes, at all boundaries", () => {
    for (const first of [0, 0x41, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf8, 0xff]) {
      for (const second of seconds) {
        for (const third of tails) for (const fourth of tails) compare(first, second, third, fourth);
      }
    }
  });

  test("of every code point", () => {
    const step = isLong ? 1 : 7;
    for (let code = 1; code < 0x110000; code += code < 0x3000 || code > 0xd000 ? 1 : step) {
      if (code > 0x10000 && code < 0x10ff00) code += 64 * step;
      const isSurrogate = code >= 0xd800 && code < 0xe000;
      const bytes = [0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)];
      const encoded = isSurrogate ? bytes : encoder.encode(String.fromCodePoint(code));
      memory.set(encoded, AT);
      strictEqual(isUtf8(memory, AT, encoded.length), !isSurrogate);
    }
  });

  test("of any length", () => {
    const pieces = fc.constantFrom("a", "/", "+", "#", "é", "€", "😀", "\ufeff", "\uffff", "\0");
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 20 }), fc.nat(), fc.nat({ max: 300 }), (texts, at, byte) => {
        const bytes = encoder.encode(texts.join(""));
        if (byte < 256 && bytes.length > 0) bytes[at % bytes.length] = byte;
        compare(...bytes);
      }),
      runs(3000),
    );
  });

  test("that is cut short is ill formed, whatever follows in memory", () => {
    for (const text of ["é", "€", "😀"]) {
      const bytes = encoder.encode(text);
      memory.set(bytes, AT);
      for (let length = 1; length < bytes.length; length++) {
        expect(isUtf8(memory, AT, length)).toBe(false);
        expect(topicNameLevels(memory, AT, length)).toBe(ILL_FORMED);
        expect(topicFilterLevels(memory, AT, length)).toBe(ILL_FORMED);
      }
    }
  });
});

describe("topics", () => {
  test("of up to 6 characters of / + # a", () => {
    let texts = [""];
    for (let length = 0; length <= 6; length++) {
      for (const text of texts) compare(...encoder.encode(text));
      texts = texts.flatMap((text) => ["/", "+", "#", "a"].map((next) => text + next));
    }
  });

  test("that begin with $share/ are Shared Subscriptions", () => {
    for (const text of ["$share/a/b", "$share/", "$share//"]) expect(shared(text)).toBe(true);
    for (const text of ["$share", "$Share/a/b", "a/$share/", "share/a", "", "$shar/a/b"])
      expect(shared(text)).toBe(false);
  });

  function shared(text: string): boolean {
    memory.set(encoder.encode(`${text}/////////`), AT);
    return isShared(memory, AT, text.length);
  }
});
