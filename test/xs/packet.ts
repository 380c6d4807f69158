// Packets written into one buffer, without allocating: what clients in the machine send. Nothing here comes from `src`.

export const CONNECT = 1;
export const PUBLISH = 3;
export const PUBACK = 4;
export const PUBREC = 5;
export const PUBREL = 6;
export const PUBCOMP = 7;
export const SUBSCRIBE = 8;
export const UNSUBSCRIBE = 10;
export const PINGREQ = 12;
export const DISCONNECT = 14;

/** The longest fixed header. */
const HEAD = 5;
const SLASH = 0x2f;
const WORDS = "temperature/humidity/state/config/light/door/kitchen/a/battery/voltage/set/x2";

export class Packet {
  /** Where the packet lies in `buffer`, once it is ended. */
  at = 0;
  end = HEAD;
  readonly bytes: Uint8Array;
  readonly buffer: ArrayBuffer;
  // The words of topics lie behind the packet, so that copyWithin can move them.
  private readonly wordAt: Uint32Array;
  private readonly wordLength: Uint8Array;
  private stringAt = 0;
  private propertiesAt = 0;

  /** For packets of at most `size` bytes. */
  constructor(size: number) {
    this.buffer = new ArrayBuffer(HEAD + size + WORDS.length);
    this.bytes = new Uint8Array(this.buffer);
    const words = WORDS.split("/");
    this.wordAt = new Uint32Array(words.length);
    this.wordLength = new Uint8Array(words.length);
    let at = HEAD + size;
    for (let n = 0; n < words.length; n++) {
      this.wordAt[n] = at;
      this.wordLength[n] = words[n].length;
      for (let i = 0; i < words[n].length; i++) this.bytes[at++] = words[n].charCodeAt(i);
    }
  }

  get length(): number {
    return this.end - this.at;
  }

  begin(): void {
    this.end = HEAD;
  }

  u8(value: number): void {
    this.bytes[this.end++] = value;
  }

  u16(value: number): void {
    this.bytes[this.end++] = value >>> 8;
    this.bytes[this.end++] = value;
  }

  u32(value: number): void {
    this.u16(value >>> 16);
    this.u16(value);
  }

  /** The same byte `count` times. */
  fill(value: number, count: number): void {
    this.bytes.fill(value, this.end, this.end + count);
    this.end += count;
  }

  /** Begins a string, whose length `endString` writes. */
  beginString(): void {
    this.stringAt = this.end;
    this.end += 2;
  }

  endString(): void {
    const length = this.end - this.stringAt - 2;
    this.bytes[this.stringAt] = length >>> 8;
    this.bytes[this.stringAt + 1] = length;
  }

  slash(): void {
    this.bytes[this.end++] = SLASH;
  }

  /** One of a dozen words. */
  word(number: number): void {
    const word = (number >>> 0) % this.wordAt.length;
    const from = this.wordAt[word];
    const length = this.wordLength[word];
    this.bytes.copyWithin(this.end, from, from + length);
    this.end += length;
  }

  /** A number in decimal digits. */
  digits(number: number): void {
    let scale = 1;
    while (scale * 10 <= number) scale *= 10;
    for (; scale >= 1; scale = (scale / 10) | 0) this.bytes[this.end++] = 0x30 + (((number / scale) | 0) % 10);
  }

  /** Begins properties of less than 128 bytes. */
  beginProperties(): void {
    this.propertiesAt = this.end++;
  }

  endProperties(): void {
    this.bytes[this.propertiesAt] = this.end - this.propertiesAt - 1;
  }

  /** Puts type, flags and length in front. */
  finish(type: number, flags: number): void {
    const { bytes } = this;
    const length = this.end - HEAD;
    let at = HEAD;
    if (length < 128) bytes[--at] = length;
    else if (length < 16384) {
      bytes[--at] = length >>> 7;
      bytes[--at] = (length & 127) | 128;
    } else {
      bytes[--at] = length >>> 14;
      bytes[--at] = ((length >>> 7) & 127) | 128;
      bytes[--at] = (length & 127) | 128;
    }
    bytes[--at] = (type << 4) | flags;
    this.at = at;
  }

  acknowledgement(type: number, id: number): void {
    this.begin();
    this.u16(id);
    this.finish(type, type === PUBREL ? 2 : 0);
  }

  /** The bytes that hex digits say; blanks are for the reader. Allocates: before the counting only. */
  hex(digits: string): void {
    this.at = this.end = HEAD;
    const packed = digits.split(" ").join("");
    for (let i = 0; i < packed.length; i += 2) this.u8(Number.parseInt(packed.slice(i, i + 2), 16));
  }
}
