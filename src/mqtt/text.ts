// Text of the application on its way into memory.

// allocates: on XS, 32 B a character; where that matters, text is given as bytes
/**
 * Writes `text` as UTF-8 at `at`. Returns the offset behind it; -1 when it does not fit before `end`, holds U+0000, or is
 * no text (half a surrogate pair) [MQTT-1.5.4-1].
 */
export function writeText(u8: Uint8Array, at: number, end: number, text: string): number {
  const { length } = text;
  for (let i = 0; i < length; i++) {
    let code = text.charCodeAt(i);
    if (code === 0) return -1;
    if (code < 0x80) {
      if (at >= end) return -1;
      u8[at++] = code;
      continue;
    }
    if (code >= 0xd800 && code < 0xe000) {
      const low = i + 1 < length ? text.charCodeAt(i + 1) : 0;
      if (code >= 0xdc00 || low < 0xdc00 || low >= 0xe000) return -1;
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
      i++;
    }
    const more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    if (at + more >= end) return -1;
    u8[at++] = (more === 1 ? 0xc0 : more === 2 ? 0xe0 : 0xf0) | (code >> (6 * more));
    for (let shift = 6 * (more - 1); shift >= 0; shift -= 6) u8[at++] = 0x80 | ((code >> shift) & 0x3f);
  }
  return at;
}
