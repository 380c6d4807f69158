// How the SDK's C code takes options and buffers.

export const FORMATS: readonly string[] = [
  "number",
  "buffer",
  "string",
  "socket/tcp",
  "uint8",
  "int8",
  "uint16",
  "int16",
  "uint32",
  "int32",
  "uint64",
  "int64",
  "buffer/disposable",
];

/** A format option: absent and falsy ones take the default, unknown ones are undefined. */
export function formatOf(options: { format?: string }, otherwise: string): string | undefined {
  if (!options.format) return otherwise;
  return FORMATS.includes(options.format) ? options.format : undefined;
}

/** A callback option: absent is null. */
export function callbackOf<T>(value: T | null | undefined): T | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== "function") throw new Error("not a function");
  return value;
}

export function portOf(value: unknown): number {
  if (value === undefined) throw new Error("invalid");
  const port = Math.trunc(Number(value)) | 0;
  if (port < 0 || port > 65_535) throw new RangeError("invalid port");
  return port;
}

/** The bytes of a buffer. A Uint8Array is taken as it is, so that nothing is allocated. */
export function readable(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  throw new TypeError("no buffer");
}

export const writable = readable;
