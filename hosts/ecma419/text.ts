// Text and bytes as applications for XS have them. XS 17 has TextDecoder only where an application includes it.

export type Data = string | ArrayBuffer | ArrayBufferView;

/** A view of the bytes; text as UTF-8. */
export function bytesOf(data: Data): Uint8Array {
  if (typeof data === "string") return utf8(data);
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** In two passes: a list of numbers takes 16 bytes for each on XS, and twice that while it grows. */
function utf8(text: string): Uint8Array {
  let length = 0;
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    length += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    let more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    bytes[at++] = more === 0 ? code : (0xff00 >> (more + 1)) | (code >> (6 * more));
    while (more-- > 0) bytes[at++] = 0x80 | ((code >> (6 * more)) & 63);
  }
  return bytes;
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
