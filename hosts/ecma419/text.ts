// Text and bytes as applications for XS have them. XS 17 has TextDecoder only where an application includes it.

export type Data = string | ArrayBuffer | ArrayBufferView;

/** A view of the bytes; text as UTF-8. */
export function bytesOf(data: Data): Uint8Array {
  if (typeof data === "string") return utf8(data);
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function utf8(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
    else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
  }
  return Uint8Array.from(bytes);
}

/** The text of well-formed UTF-8. */
export function textOf(u8: Uint8Array, at: number, length: number): string {
  let text = "";
  for (const end = at + length; at < end; ) {
    const byte = u8[at++];
    if (byte < 0x80) {
      text += String.fromCharCode(byte);
      continue;
    }
    const more = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    let code = byte & (0x3f >> more);
    for (let i = 0; i < more; i++) code = (code << 6) | (u8[at++] & 63);
    text += String.fromCodePoint(code);
  }
  return text;
}
