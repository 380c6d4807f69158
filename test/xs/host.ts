// What host.c gives to a program: the methods of the global object `host`. None of them allocates.

export interface Host {
  /** 'XS 32-bit' or 'XS 64-bit'. */
  readonly engine: string;
  /** Bytes of a slot: 16 on 32-bit XS, 32 on 64-bit. */
  readonly slotBytes: number;
  /** What followed the bundle on the command line. */
  readonly args: readonly string[];

  print(text: string): void;

  /** Whole milliseconds since the start. */
  now(): number;
  /** Microseconds since the start, with a fraction. */
  microseconds(): number;

  /** Slots in use. Between two collections it only rises, so a difference is exactly what was allocated. */
  slots(): number;
  /** Bytes of chunks in use; likewise. */
  chunks(): number;
  /** Collections so far, in 16 bits. */
  collections(): number;
  /** Collects now. */
  collect(): void;
  /** The most slots of stack that main() ever used. */
  peakStack(): number;
  /** Slots of stack in use now. */
  stack(): number;
  /** Does nothing: callgrind counts the instructions between two calls. */
  mark(): void;

  /** Moves `length` bytes from one ArrayBuffer to another, as a device's socket does. */
  copy(from: ArrayBuffer, fromOffset: number, to: ArrayBuffer, toOffset: number, length: number): void;

  /** Listens on 127.0.0.1; port 0 takes a free one. Returns a descriptor. */
  tcpListen(port: number): number;
  tcpPort(listener: number): number;
  /** A descriptor, or -1 when nobody waits. */
  tcpAccept(listener: number): number;
  /** Begins to connect to a port of 127.0.0.1. A descriptor, or -1 when that fails at once. */
  tcpConnect(port: number): number;
  /** Bytes waiting; -1 at the end or on error. */
  tcpReadable(descriptor: number): number;
  /** Bytes read, 0 when none wait, -1 at the end or on error. */
  tcpRead(descriptor: number, buffer: ArrayBuffer, offset: number, length: number): number;
  /** Bytes that tcpWrite takes now, 0 while it is not yet connected; -1 on error. At most --send-buffer, less what the peer has not acknowledged. */
  tcpWritable(descriptor: number): number;
  /** Bytes taken, -1 on error. */
  tcpWrite(descriptor: number, buffer: ArrayBuffer, offset: number, length: number): number;
  /** Nothing more will be sent; what the peer sends can still be read. */
  tcpEnd(descriptor: number): void;
  tcpClose(descriptor: number): void;
  /** Sleeps until something can be read or accepted, at most so long. */
  wait(milliseconds: number): void;
}

export const host = (globalThis as unknown as { host: Host }).host;
