// UTF-8 Encoded Strings [5.0 section 1.5.4] and the rules of Topic Names and Topic Filters [5.0 section 4.7], in one
// pass over the bytes: well-formed as RFC 3629 says, without surrogates [MQTT-1.5.4-1] and U+0000 [MQTT-1.5.4-2]. Letters
// and digits, which are behind all that has a meaning, are passed over first: on XS each comparison counts.

/** The string is not well formed. */
export const ILL_FORMED = -1;

const SLASH = 0x2f;
const PLUS = 0x2b;
const HASH = 0x23;

/** Whether the bytes are a UTF-8 Encoded String. */
export function isUtf8(u8: Uint8Array, at: number, length: number): boolean {
  const end = at + length;
  while (at < end) {
    const byte = u8[at];
    if (byte < 0x80) {
      if (byte === 0) return false; // [MQTT-1.5.4-2]
      at++;
    } else {
      const size = sequenceLength(u8, at, end);
      if (size === 0) return false; // [MQTT-1.5.4-1]
      at += size;
    }
  }
  return true;
}

/** The length of the multi-byte sequence at `at`, or 0: overlong, surrogate, beyond U+10FFFF or cut short. */
function sequenceLength(u8: Uint8Array, at: number, end: number): number {
  const first = u8[at];
  const second = at + 1 < end ? u8[at + 1] : 0;
  if (first < 0xc2 || first > 0xf4 || (second & 0xc0) !== 0x80) return 0;
  if (first < 0xe0) return 2;
  if (at + 2 >= end || (u8[at + 2] & 0xc0) !== 0x80) return 0;
  if (first < 0xf0) {
    if (first === 0xe0 && second < 0xa0) return 0;
    if (first === 0xed && second > 0x9f) return 0;
    return 3;
  }
  if (at + 3 >= end || (u8[at + 3] & 0xc0) !== 0x80) return 0;
  if (first === 0xf0 && second < 0x90) return 0;
  if (first === 0xf4 && second > 0x8f) return 0;
  return 4;
}

/** The number of levels of a Topic Name, 0 when it is empty or has a wildcard, ILL_FORMED when it is no UTF-8. */
export function topicNameLevels(u8: Uint8Array, at: number, length: number): number {
  const end = at + length;
  let levels = 1;
  let wildcard = length === 0; // [MQTT-4.7.3-1]
  while (at < end) {
    const byte = u8[at];
    if (byte > SLASH && byte < 0x80) at++;
    else if (byte < 0x80) {
      if (byte === SLASH) levels++;
      else if (byte === PLUS || byte === HASH)
        wildcard = true; // [MQTT-3.3.2-2]
      else if (byte === 0) return ILL_FORMED;
      at++;
    } else {
      const size = sequenceLength(u8, at, end);
      if (size === 0) return ILL_FORMED;
      at += size;
    }
  }
  return wildcard ? 0 : levels;
}

/** The number of levels of a Topic Filter, 0 when it is none, ILL_FORMED when it is no UTF-8. */
export function topicFilterLevels(u8: Uint8Array, at: number, length: number): number {
  const end = at + length;
  const start = at;
  let levels = 1;
  let valid = length !== 0; // [MQTT-4.7.3-1]
  while (at < end) {
    const byte = u8[at];
    if (byte > SLASH && byte < 0x80) at++;
    else if (byte < 0x80) {
      if (byte === SLASH) levels++;
      else if (byte === PLUS || byte === HASH) {
        // A wildcard occupies its level [MQTT-4.7.1-2], and `#` is the last character [MQTT-4.7.1-1].
        if (at !== start && u8[at - 1] !== SLASH) valid = false;
        if (at + 1 !== end && (byte === HASH || u8[at + 1] !== SLASH)) valid = false;
      } else if (byte === 0) return ILL_FORMED;
      at++;
    } else {
      const size = sequenceLength(u8, at, end);
      if (size === 0) return ILL_FORMED;
      at += size;
    }
  }
  return valid ? levels : 0;
}

const SHARE = Object.freeze([0x24, 0x73, 0x68, 0x61, 0x72, 0x65, 0x2f]); // "$share/"

/** Whether a Topic Filter asks for a Shared Subscription [5.0 section 4.8.2]. */
export function isShared(u8: Uint8Array, at: number, length: number): boolean {
  if (length < 7) return false;
  for (let i = 0; i < 7; i++) if (u8[at + i] !== SHARE[i]) return false;
  return true;
}

/** Whether a Topic Filter that `isShared` has a ShareName, and a Topic Filter behind it [MQTT-4.8.2-1], [MQTT-4.8.2-2]. */
export function isSharedFilter(u8: Uint8Array, at: number, length: number): boolean {
  const end = at + length;
  const name = at + SHARE.length;
  let slash = name;
  for (; slash < end && u8[slash] !== SLASH; slash++) if (u8[slash] === PLUS || u8[slash] === HASH) return false;
  return slash > name && slash + 1 < end;
}

/** Whether a Topic Filter has a wildcard. */
export function hasWildcard(u8: Uint8Array, at: number, length: number): boolean {
  for (let i = at; i < at + length; i++) if (u8[i] === PLUS || u8[i] === HASH) return true;
  return false;
}
