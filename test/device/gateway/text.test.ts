import { expect, test } from "vitest";
import { bytesOf, textOf } from "../../../hosts/ecma419/text";

test("text becomes the UTF-8 of TextEncoder, and text again", () => {
  const encoder = new TextEncoder();
  for (let code = 0; code < 0x110000; code += code < 0x1000 ? 1 : 251) {
    if (code >= 0xd800 && code < 0xe000) continue;
    const text = `a${String.fromCodePoint(code)}z`;
    const bytes = bytesOf(text);
    if (Buffer.compare(bytes, encoder.encode(text)) !== 0) throw new Error(`U+${code.toString(16)}: ${bytes}`);
    expect(textOf(bytes, 0, bytes.length)).toBe(text);
  }
});
