// `embedded:io/socket/tcp` and `listener` of the port for Linux: each socket asks the kernel every 20 ms on a timer of its
// own, and keeps 1,536 bytes. No message queue; so much for what it shares with a device.

import type DeclaredListener from "embedded:io/socket/listener";
import type { ListenerOptions } from "embedded:io/socket/listener";
import type DeclaredTCP from "embedded:io/socket/tcp";
import type { TCPOptions } from "embedded:io/socket/tcp";
import { Ring } from "../memory-transport";
import { Crash, type Device, device, type Party, type TimerEntry } from "./device";
import { type Door, move, Peer } from "./peer";
import { callbackOf, FORMATS, formatOf, portOf, readable, writable } from "./values";

// Not literals where bytes move: on XS each evaluation of one is a string.
const NUMBER = "number";
const BUFFER = "buffer";
const BYTES_WRITTEN = "Network Bytes Written";

const READABLE = 1;
const WRITABLE = 2;
const ERROR = 4;

const BUFFER_BYTES = 1536;
const INTERVAL = 20;
/** What the kernel keeps for a socket, per direction. */
const KERNEL_BYTES = 65_536;

/** A file descriptor. */
class KernelSocket implements Party {
  readonly input = new Ring(KERNEL_BYTES);
  readonly #output = new Ring(KERNEL_BYTES);
  readonly wakesAt = Number.POSITIVE_INFINITY;
  connected: boolean;
  closed = false;
  #isGone = false;

  constructor(
    readonly owner: Device,
    readonly peer: Peer,
    connected: boolean,
  ) {
    this.connected = connected;
    owner.parties.push(this);
  }

  get isReadable(): boolean {
    return this.input.length > 0 || this.isAtEnd;
  }

  get isAtEnd(): boolean {
    return this.#isGone || (this.peer.ended && this.peer.outbox.length === 0 && this.input.length === 0);
  }

  get isWritable(): boolean {
    return this.#isGone || (this.connected && this.#output.room >= BUFFER_BYTES);
  }

  /** Nobody masks the signal that a write to a broken connection raises. */
  write(bytes: Uint8Array): boolean {
    if (this.#isGone) this.owner.fail(new Crash("SIGPIPE"));
    if (bytes.length > this.#output.room) return false;
    this.#output.put(bytes, 0, bytes.length);
    return true;
  }

  poll(): boolean {
    const { peer } = this;
    if (!this.connected) return this.#connect();
    if (peer.resets && !this.#isGone) {
      peer.wasReset();
      this.input.clear();
      this.#isGone = true;
      if (this.closed) this.#free();
      return true;
    }
    const incoming = this.closed ? 0 : Math.min(peer.outbox.length, this.input.room, peer.segmentBytes);
    if (incoming > 0) move(peer.outbox, this.input, incoming);
    const outgoing = Math.min(this.#output.length, peer.window);
    if (outgoing > 0) peer.accept(this.#output, outgoing);
    if (this.closed && this.#output.length === 0) {
      // What is unread, or comes later, is answered with a reset.
      if (this.input.length > 0 || peer.outbox.length > 0) peer.wasReset();
      else {
        peer.deviceEnded = true;
        peer.state = "closed";
      }
      this.#free();
      return true;
    }
    return incoming > 0 || outgoing > 0;
  }

  #connect(): boolean {
    const { owner, peer } = this;
    const accepted = owner.servers.get(`${peer.address}:${peer.port}`);
    this.connected = true;
    if (accepted === undefined) {
      peer.state = "refused";
      this.#isGone = true;
      return true;
    }
    peer.state = "open";
    accepted(peer);
    return true;
  }

  #free(): void {
    const { parties } = this.owner;
    const index = parties.indexOf(this);
    if (index !== -1) parties.splice(index, 1);
  }
}

class TcpRecord {
  socket: KernelSocket | null = null;
  task: TimerEntry | null = null;
  triggerable = 0;
  triggered = 0;
  done = false;
  error = false;
  connected = false;
  bytesWritable = 0;
  received = new Ring(BUFFER_BYTES);
  onReadable: TCPOptions["onReadable"] | null = null;
  onWritable: TCPOptions["onWritable"] | null = null;
  onError: TCPOptions["onError"] | null = null;

  constructor(
    readonly owner: Device,
    readonly object: TCP,
    public format: string,
  ) {}

  begin(): void {
    this.task = this.owner.addTimer(INTERVAL, INTERVAL, () => this.#poll());
  }

  trigger(what: number): void {
    if (what & ERROR) this.error = true;
    this.triggered |= what & this.triggerable;
  }

  close(): void {
    this.done = true;
    this.triggerable = 0;
    this.triggered = 0;
    if (this.task !== null) this.owner.removeTimer(this.task);
    if (this.socket !== null) this.socket.closed = true;
  }

  #poll(): void {
    const { socket, received } = this;
    // An error found while bytes were unread is never reported: nothing asks any more.
    if (socket === null || this.done || this.error) return;
    if ((!this.connected || this.bytesWritable !== BUFFER_BYTES) && socket.isWritable) {
      this.connected = true;
      if (this.bytesWritable !== BUFFER_BYTES) {
        this.bytesWritable = BUFFER_BYTES;
        this.trigger(WRITABLE);
      }
    }
    if (received.room > 0 && socket.isReadable) {
      const count = Math.min(received.room, socket.input.length);
      if (count > 0) {
        move(socket.input, received, count);
        this.trigger(READABLE);
      } else {
        this.error = true;
        if (received.length === 0) this.trigger(ERROR);
      }
    }
    if (this.triggered !== 0) this.#report();
  }

  #report(): void {
    const { triggered } = this;
    this.triggered = 0;
    if (triggered & WRITABLE && this.bytesWritable > 0 && !this.error) {
      this.onWritable?.call(this.object, this.bytesWritable);
    }
    if (triggered & READABLE && this.received.length > 0) this.onReadable?.call(this.object, this.received.length);
    if (triggered & ERROR) this.onError?.call(this.object);
  }
}

export class TCP implements DeclaredTCP {
  #record: TcpRecord | null = null;
  target?: unknown;

  constructor(...given: [options?: TCPOptions]) {
    const owner = device();
    if (given.length === 0) {
      this.#record = new TcpRecord(owner, this, "buffer");
      return;
    }
    const options = given[0] as TCPOptions;
    const format = formatOf(options, "buffer");
    if (format !== "number" && format !== "buffer") throw new RangeError("unimplemented");
    const record = new TcpRecord(owner, this, format);
    record.onReadable = callbackOf<TCPOptions["onReadable"]>(options.onReadable);
    record.onWritable = callbackOf<TCPOptions["onWritable"]>(options.onWritable);
    record.onError = callbackOf<TCPOptions["onError"]>(options.onError);
    record.triggerable =
      (record.onReadable ? READABLE : 0) | (record.onWritable ? WRITABLE : 0) | (record.onError ? ERROR : 0);
    record.trigger("from" in options ? TCP.#adopt(record, options) : TCP.#open(record, options, owner));
    if ("target" in options) this.target = options.target;
    record.begin();
    this.#record = record;
  }

  static #adopt(record: TcpRecord, options: TCPOptions): number {
    const from = TCP.record(options.from);
    record.socket = from.socket;
    record.bytesWritable = from.bytesWritable;
    record.received = from.received;
    record.error = from.error;
    from.socket = null;
    options.from?.close();
    return (
      (record.bytesWritable > 0 ? WRITABLE : 0) |
      (record.received.length > 0 ? READABLE : 0) |
      (record.error ? ERROR : 0)
    );
  }

  static #open(record: TcpRecord, options: TCPOptions, owner: Device): number {
    if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(String(options.address))) throw new Error("invalid address");
    record.socket = new KernelSocket(owner, new Peer(options.address as string, portOf(options.port)), false);
    return 0;
  }

  close(): void {
    const record = this.#record;
    this.#record = null;
    record?.close();
  }

  read(): ArrayBuffer | number | undefined;
  read(count: number): ArrayBuffer | number | undefined;
  read(buffer: ArrayBufferView | ArrayBuffer): number | undefined;
  read(into?: ArrayBuffer | ArrayBufferView | number): number | ArrayBuffer | undefined {
    const record = TCP.record(this);
    const { received } = record;
    if (received.length === 0) return undefined;
    const isBuffer = into instanceof ArrayBuffer || ArrayBuffer.isView(into);
    let count = into === undefined ? received.length : isBuffer ? into.byteLength : Math.trunc(Number(into)) || 0;
    if (record.format === NUMBER) count = 1;
    if (count <= 0 || count > received.length) throw new Error("invalid");
    const bytes = isBuffer && record.format === BUFFER ? writable(into) : new Uint8Array(count);
    received.take(bytes, 0, count);
    if (record.error && received.length === 0) record.trigger(ERROR);
    if (record.format === NUMBER) return bytes[0];
    return isBuffer ? count : (bytes.buffer as ArrayBuffer);
  }

  write(value: ArrayBuffer | ArrayBufferView | number): number | undefined {
    const record = TCP.record(this);
    const bytes = record.format === NUMBER ? Uint8Array.of(Number(value)) : readable(value);
    if (bytes.length > record.bytesWritable) throw new Error("would block");
    record.bytesWritable -= bytes.length;
    if (record.socket === null || !record.socket.write(bytes)) {
      record.trigger(ERROR);
      return undefined;
    }
    record.owner.count(BYTES_WRITTEN, bytes.length);
    return record.bytesWritable;
  }

  get remoteAddress(): string {
    return TCP.record(this).socket?.peer.address ?? "0.0.0.0";
  }

  get remotePort(): number {
    return TCP.record(this).socket?.peer.port ?? 0;
  }

  get format(): string {
    return TCP.record(this).format;
  }

  set format(value: string) {
    const record = TCP.record(this);
    if (!FORMATS.includes(value)) throw new RangeError("unknown");
    if (value !== "number" && value !== "buffer") throw new RangeError("unimplemented");
    record.format = value;
  }

  static record(object: unknown): TcpRecord {
    if (!(object instanceof TCP) || object.#record === null) throw new TypeError("invalid");
    return object.#record;
  }
}

class ListenerRecord implements Door {
  /** Accepted, and not read. */
  readonly pending: KernelSocket[] = [];
  /** Waiting in the kernel. */
  readonly #backlog: KernelSocket[] = [];
  readonly task: TimerEntry;

  constructor(
    readonly owner: Device,
    readonly object: Listener,
    readonly port: number,
    readonly onReadable: ListenerOptions["onReadable"] | null,
  ) {
    this.task = owner.addTimer(INTERVAL, INTERVAL, () => this.#poll());
  }

  knock(peer: Peer): boolean {
    this.#backlog.push(new KernelSocket(this.owner, peer, true));
    return true;
  }

  #poll(): void {
    if (this.#backlog.length === 0) return;
    this.pending.push(...this.#backlog.splice(0));
    this.onReadable?.call(this.object, this.pending.length);
  }
}

export class Listener implements DeclaredListener {
  #record: ListenerRecord | null = null;
  target?: unknown;

  constructor(options: ListenerOptions) {
    const owner = device();
    const port = "port" in options ? portOf(options.port) : 0;
    const onReadable = callbackOf<ListenerOptions["onReadable"]>(options.onReadable);
    if (formatOf(options as { format?: string }, "socket/tcp") !== "socket/tcp") throw new RangeError("unimplemented");
    if (port !== 0 && owner.doors.some((door) => door.port === port)) throw new Error("bind socket failed");
    let free = 32_768;
    while (owner.doors.some((door) => door.port === free)) free++;
    if ("target" in options) this.target = options.target;
    this.#record = new ListenerRecord(owner, this, port === 0 ? free : port, onReadable);
    owner.doors.push(this.#record);
  }

  close(): void {
    const record = this.#record;
    if (record === null) return;
    this.#record = null;
    record.owner.removeTimer(record.task);
    record.owner.doors.splice(record.owner.doors.indexOf(record), 1);
    for (const socket of record.pending) socket.closed = true;
  }

  read(): TCP | undefined {
    const socket = this.#valid().pending.shift();
    if (socket === undefined) return undefined;
    const tcp = new TCP();
    TCP.record(tcp).socket = socket;
    return tcp;
  }

  get port(): number {
    return this.#valid().port;
  }

  get format(): string {
    return "socket/tcp";
  }

  set format(value: string) {
    if (value !== "socket/tcp") throw new RangeError();
  }

  #valid(): ListenerRecord {
    if (this.#record === null) throw new TypeError("invalid");
    return this.#record;
  }
}
