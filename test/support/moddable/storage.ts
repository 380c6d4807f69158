// `embedded:storage/flash` and `embedded:storage/key-value`.

import type DeclaredFlash from "embedded:storage/flash";
import type { Partition as DeclaredPartition } from "embedded:storage/flash";
import type DeclaredKeyValue from "embedded:storage/key-value";
import type { Domain as DeclaredDomain, Value } from "embedded:storage/key-value";
import { Flash as Chip } from "../../../sim/flash";
import { Random } from "../../../sim/random";
import { type Device, device } from "./device";
import { formatOf, readable, writable } from "./values";

/** The shared engine copies between the chip and one memory; larger requests go in pieces. */
const MEMORY_BYTES = 4096;
/** Typical for a block of 4,096 bytes; nothing else runs meanwhile. */
const ERASE_MILLISECONDS = 45;

const chips = new WeakMap<Device, Map<string, Chip>>();

/** Gives the device a data partition; it outlives a restart, that is, may be put into the next Device. */
export function addPartition(label: string, size: number, chip = newChip(size)): Chip {
  const owner = device();
  const map = chips.get(owner) ?? new Map<string, Chip>();
  map.set(label, chip);
  chips.set(owner, map);
  return chip;
}

function newChip(size: number): Chip {
  return new Chip({ size, eraseSize: 4096, programSize: 1 }, new Random(1));
}

class Partition implements DeclaredPartition {
  #chip: Chip | null;
  readonly #memory = new Uint8Array(MEMORY_BYTES);

  constructor(
    chip: Chip,
    private readonly isReadOnly: boolean,
  ) {
    this.#chip = chip;
    chip.attach(this.#memory.buffer);
  }

  read(buffer: ArrayBufferView | ArrayBuffer, at: number): number;
  read(count: number, at: number): ArrayBuffer;
  read(into: ArrayBufferView | ArrayBuffer | number, at: number): number | ArrayBuffer {
    const chip = this.#valid();
    const bytes = typeof into === "number" ? new Uint8Array(into) : writable(into);
    chip.attach(this.#memory.buffer);
    for (let done = 0; done < bytes.length || done === 0; done += MEMORY_BYTES) {
      const count = Math.min(MEMORY_BYTES, bytes.length - done);
      if (!chip.read(at + done, 0, count)) throw new Error("read failed");
      bytes.set(this.#memory.subarray(0, count), done);
    }
    return typeof into === "number" ? (bytes.buffer as ArrayBuffer) : bytes.length;
  }

  write(buffer: ArrayBufferView | ArrayBuffer, at: number): void {
    const chip = this.#writable();
    const bytes = readable(buffer);
    if (at < 0 || at + bytes.length > chip.size) throw new Error("write failed");
    chip.attach(this.#memory.buffer);
    for (let done = 0; done < bytes.length; done += MEMORY_BYTES) {
      const count = Math.min(MEMORY_BYTES, bytes.length - done);
      this.#memory.set(bytes.subarray(done, done + count));
      chip.program(at + done, 0, count);
    }
  }

  eraseBlock(from: number, to = from + 1): void {
    const chip = this.#writable();
    if (from < 0 || to < from || to * chip.eraseSize > chip.size) throw new Error("erase failed");
    for (let block = from; block < to; block++) {
      chip.erase(block * chip.eraseSize);
      device().count("SPI Flash Erases", 1);
      device().spend(ERASE_MILLISECONDS);
    }
  }

  status(): { size: number; blockLength: number; blocks: number } {
    const { size, eraseSize } = this.#valid();
    return { size, blockLength: eraseSize, blocks: size / eraseSize };
  }

  close(): void {
    this.#chip = null;
  }

  #valid(): Chip {
    if (this.#chip === null) throw new TypeError("invalid");
    return this.#chip;
  }

  #writable(): Chip {
    const chip = this.#valid();
    if (this.isReadOnly) throw new Error("read-only");
    return chip;
  }
}

export const Flash: typeof DeclaredFlash = {
  open(options: { path: string; mode?: string; format?: string }): Partition {
    if (!("path" in options)) throw new Error("no path");
    const chip = chips.get(device())?.get(String(options.path));
    if (chip === undefined) throw new Error("can't find partition");
    const isReadOnly = isReadMode(options.mode);
    if (formatOf(options, "buffer") !== "buffer") throw new RangeError("unsupported");
    return new Partition(chip, isReadOnly);
  },
};

function isReadMode(mode: string | undefined): boolean {
  if (mode === undefined || mode === "r+") return false;
  if (mode === "r") return true;
  throw new Error("invalid mode");
}

// ---- key-value: NVS

/** What NVS keeps: namespaces of keys. */
export type Nvs = Map<string, Map<string, { format: string; value: Uint8Array | string | number }>>;

const nvsOf = new WeakMap<Device, Nvs>();
const NAME_CHARACTERS = 15;
/** Bytes of a text, its final zero included. */
const TEXT_BYTES = 4000;
const NUMBERS: Readonly<Record<string, number>> = { uint8: 0xff, uint16: 0xffff, uint32: 0xffffffff };

/** What the device keeps; give it to the next one for a restart. Commits are counted as `NVS commits`. */
export function nvs(of = device()): Nvs {
  let map = nvsOf.get(of);
  if (map === undefined) nvsOf.set(of, (map = new Map()));
  return map;
}

export function restoreNvs(kept: Nvs): void {
  nvsOf.set(device(), kept);
}

class Domain implements DeclaredDomain {
  #isOpen = true;

  constructor(
    private readonly entries: NonNullable<ReturnType<Nvs["get"]>>,
    private readonly format: string,
    private readonly isReadOnly: boolean,
  ) {}

  read(key: string): ArrayBuffer | string | number | undefined;
  read(key: string, buffer: ArrayBufferView | ArrayBuffer): number | undefined;
  read(key: string, into?: ArrayBufferView | ArrayBuffer): ArrayBuffer | string | number | undefined {
    this.#check(key);
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.format !== this.format) throw new TypeError("mismatch");
    const { value } = entry;
    if (!(value instanceof Uint8Array)) return value;
    if (into === undefined) return value.slice().buffer;
    const target = writable(into);
    if (target.length < value.length) throw new RangeError("buffer too small");
    target.set(value);
    return value.length;
  }

  write(key: string, value: Value): void {
    this.#check(key);
    if (this.isReadOnly) throw new Error("read-only");
    const before = this.entries.get(key);
    if (before !== undefined && before.format !== this.format) {
      throw new Error(`"${key}" was written as ${before.format}: NVS keeps the old one; delete it first`);
    }
    this.entries.set(key, { format: this.format, value: this.#kept(value) });
    device().count("NVS commits", 1);
  }

  delete(key: string): void {
    this.#check(key);
    if (this.isReadOnly) throw new Error("read-only");
    this.entries.delete(key);
    device().count("NVS commits", 1);
  }

  close(): void {
    this.#isOpen = false;
  }

  [Symbol.iterator](): Iterator<string> {
    return [...this.entries.keys()][Symbol.iterator]();
  }

  #kept(value: Value): Uint8Array | string | number {
    if (this.format === "buffer") return readable(value).slice();
    if (this.format === "string") {
      const text = String(value);
      if (utf8Length(text) + 1 > TEXT_BYTES) throw new Error("ESP_ERR_NVS_VALUE_TOO_LONG");
      return text;
    }
    return (Number(value) & NUMBERS[this.format]) >>> 0;
  }

  #check(key: string): void {
    if (!this.#isOpen) throw new TypeError("invalid");
    if (key.length === 0) throw new Error("ESP_ERR_NVS_INVALID_NAME");
    if (key.length > 63) throw new RangeError("too long");
    if (key.length > NAME_CHARACTERS) throw new Error("ESP_ERR_NVS_KEY_TOO_LONG");
  }
}

function utf8Length(text: string): number {
  let length = 0;
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    length += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return length;
}

export const KeyValue: typeof DeclaredKeyValue = {
  open(options: { path: string; mode?: string; format?: string }): Domain {
    if (!("path" in options)) throw new Error("no path");
    const path = String(options.path).replace(/\/$/, "");
    if (path === "") throw new Error("invalid");
    const isReadOnly = isReadMode(options.mode);
    const format = formatOf(options, "buffer");
    if (format === undefined) throw new RangeError("unsupported");
    if (format !== "buffer" && format !== "string" && !(format in NUMBERS)) {
      throw new Error(`the format ${format} is not part of this fake`);
    }
    if (path.length > NAME_CHARACTERS) throw new Error("ESP_ERR_NVS_KEY_TOO_LONG");
    const all = nvs();
    let entries = all.get(path);
    if (entries === undefined) {
      if (isReadOnly) throw new Error("ESP_ERR_NVS_NOT_FOUND");
      all.set(path, (entries = new Map()));
    }
    return new Domain(entries, format, isReadOnly);
  },
};
