// Integers of the wire, most significant byte first [5.0 section 1.5].

export function readU16(u8: Uint8Array, at: number): number {
  return (u8[at] << 8) | u8[at + 1];
}

/** As an uint32. */
export function readU32(u8: Uint8Array, at: number): number {
  return ((u8[at] << 24) | (u8[at + 1] << 16) | (u8[at + 2] << 8) | u8[at + 3]) >>> 0;
}

/** Each `write` returns the offset behind what it wrote. */
export function writeU16(u8: Uint8Array, at: number, value: number): number {
  u8[at] = value >>> 8;
  u8[at + 1] = value;
  return at + 2;
}

export function writeU32(u8: Uint8Array, at: number, value: number): number {
  u8[at] = value >>> 24;
  u8[at + 1] = value >>> 16;
  u8[at + 2] = value >>> 8;
  u8[at + 3] = value;
  return at + 4;
}

export function writeVariable(u8: Uint8Array, at: number, value: number): number {
  while (value > 127) {
    u8[at++] = (value & 127) | 128;
    value >>>= 7;
  }
  u8[at] = value;
  return at + 1;
}

export function variableLength(value: number): number {
  return value < 128 ? 1 : value < 16384 ? 2 : value < 2097152 ? 3 : 4;
}

/**
 * The Variable Byte Integer in `[at, end)`: its value times 8 plus its length in bytes (1 to 4), 0 when it is not
 * complete, -1 when it is malformed: a fifth byte, or more bytes than necessary [MQTT-1.5.5-1].
 */
export function readVariable(u8: Uint8Array, at: number, end: number): number {
  let value = 0;
  for (let length = 1; length <= 4; length++) {
    if (at + length > end) return 0;
    const byte = u8[at + length - 1];
    value |= (byte & 127) << (7 * (length - 1));
    if (byte < 128) return byte === 0 && length > 1 ? -1 : (value << 3) | length;
  }
  return -1;
}

/** FNV-1a over bytes, for hash tables only. */
export function hashBytes(u8: Uint8Array, at: number, length: number, seed: number): number {
  let hash = seed;
  for (let i = at; i < at + length; i++) hash = Math.imul(hash ^ u8[i], 0x01000193);
  return hash ^ (hash >>> 15);
}

/** Whether `length` bytes at `a` and at `b` are the same. */
export function sameBytes(u8: Uint8Array, a: number, b: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (u8[a + i] !== u8[b + i]) return false;
  return true;
}
