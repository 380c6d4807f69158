// `embedded:io/socket/tcp` and `embedded:io/socket/listener` on lwIP. A record is what the SDK keeps in C for an object: it
// outlives the object until the messages that name it were delivered.

import type DeclaredListener from "embedded:io/socket/listener";
import type { ListenerOptions } from "embedded:io/socket/listener";
import type DeclaredTCP from "embedded:io/socket/tcp";
import type { TCPOptions } from "embedded:io/socket/tcp";
import type { Ring } from "../memory-transport";
import { Crash, type Device, device, type Message } from "./device";
import { activeConnections, type Callbacks, Pcb, PcbState } from "./lwip";
import { type Door, Peer } from "./peer";
import { callbackOf, FORMATS, formatOf, portOf, readable, writable } from "./values";

// Not literals where bytes move: on XS each evaluation of one is a string.
const NUMBER = "number";
const SOCKETS = "Network Sockets";
const BYTES_READ = "Network Bytes Read";
const BYTES_WRITTEN = "Network Bytes Written";

const READABLE = 1;
const WRITABLE = 2;
const ERROR = 4;
const OUTPUT = 8;

/** Pieces of received data that one connection holds; beyond, there is no memory for the next. */
const PIECES = 512;

/** The pieces in which data came: the window opens by whole ones. */
class Pieces {
  readonly #lengths = new Uint16Array(PIECES);
  #first = 0;
  #count = 0;
  /** Of the first piece. */
  #taken = 0;
  bytes = 0;

  put(length: number): boolean {
    if (this.#count === PIECES) return false;
    this.#lengths[(this.#first + this.#count++) % PIECES] = length;
    this.bytes += length;
    return true;
  }

  /** Takes so many bytes and returns the length of the pieces that are used up. */
  take(count: number): number {
    this.bytes -= count;
    this.#taken += count;
    let whole = 0;
    while (this.#count > 0 && this.#taken >= this.#lengths[this.#first]) {
      const length = this.#lengths[this.#first];
      this.#taken -= length;
      whole += length;
      this.#first = (this.#first + 1) % PIECES;
      this.#count--;
    }
    return whole;
  }
}

class TcpRecord implements Message, Callbacks {
  pcb: Pcb | null = null;
  pieces = new Pieces();
  /** The bytes of the pieces; they outlive the connection. */
  input: Ring | null = null;
  triggerable = 0;
  triggered = 0;
  useCount = 1;
  error = false;
  ready = false;
  onReadable: TCPOptions["onReadable"] | null = null;
  onWritable: TCPOptions["onWritable"] | null = null;
  onError: TCPOptions["onError"] | null = null;

  constructor(
    readonly owner: Device,
    readonly object: TCP,
    public format: string,
  ) {
    owner.count(SOCKETS, 1);
  }

  trigger(what: number): void {
    const before = this.triggered;
    this.triggered |= what;
    if (before !== 0) return;
    this.useCount++;
    this.owner.post(this);
  }

  /** The same, from lwIP's task. */
  #triggerFromOutside(what: number): void {
    const before = this.triggered;
    this.triggered |= what;
    if (before !== 0) return;
    this.useCount++;
    this.owner.postFromOutside(this);
  }

  deliver(): void {
    let { triggered } = this;
    this.triggered = 0;
    if (triggered & ERROR) {
      triggered &= ~(OUTPUT | WRITABLE);
      this.error = true;
      this.ready = false;
    }
    if (triggered & OUTPUT) this.pcb?.output();
    if (triggered & this.triggerable & READABLE && this.pieces.bytes > 0) {
      this.onReadable?.call(this.object, this.pieces.bytes);
    }
    if (this.error && this.pieces.bytes > 0) {
      // An error is told when everything received was read.
    } else if (!this.error) {
      if (triggered & this.triggerable & WRITABLE && this.pcb !== null) {
        this.onWritable?.call(this.object, this.pcb.sendRoom);
      }
    } else if (this.triggerable & ERROR) {
      this.onError?.call(this.object);
    }
    this.release();
  }

  release(): void {
    if (--this.useCount > 0) return;
    this.pcb?.close();
    this.pcb = null;
    this.owner.count(SOCKETS, -1);
  }

  close(): void {
    this.ready = false;
    this.#removeCallbacks();
    this.triggerable = 0;
    this.triggered = 0;
    this.release();
  }

  #removeCallbacks(): void {
    if (this.pcb !== null) this.pcb.onReceive = this.pcb.onSent = this.pcb.onFail = null;
    this.triggerable &= ~WRITABLE;
  }

  // ---- what lwIP tells

  connected(error: boolean): void {
    this.ready = !error;
    this.#triggerFromOutside(error ? ERROR : WRITABLE);
  }

  received(_pcb: Pcb, count: number): boolean {
    if (!this.pieces.put(count)) return false;
    this.owner.count(BYTES_READ, count);
    if (this.triggerable & READABLE) this.#triggerFromOutside(READABLE);
    return true;
  }

  ended(): void {
    this.#removeCallbacks();
    this.#triggerFromOutside(ERROR);
  }

  sent(): void {
    this.#triggerFromOutside(WRITABLE);
  }

  failed(): void {
    this.#removeCallbacks();
    this.pcb = null;
    if (this.triggerable & ERROR) this.#triggerFromOutside(ERROR);
  }
}

/** Set by `Listener.read`: a socket without options is made by it alone. */
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
    const onReadable = callbackOf<TCPOptions["onReadable"]>(options.onReadable);
    const onWritable = callbackOf<TCPOptions["onWritable"]>(options.onWritable);
    const onError = callbackOf<TCPOptions["onError"]>(options.onError);
    const record = new TcpRecord(owner, this, format);
    record.onReadable = onReadable;
    record.onWritable = onWritable;
    record.onError = onError;
    const triggerable = (onReadable ? READABLE : 0) | (onWritable ? WRITABLE : 0) | (onError ? ERROR : 0);
    let triggered: number;
    try {
      triggered = "from" in options ? TCP.#adopt(record, triggerable, options) : TCP.#open(record, options, owner);
    } catch (error) {
      owner.count(SOCKETS, -1);
      throw error;
    }
    const pcb = record.pcb as Pcb;
    if ("nodelay" in options) pcb.nodelay = Boolean(options.nodelay);
    if ("target" in options) this.target = options.target;
    pcb.onReceive = pcb.onFail = record;
    if (onWritable) pcb.onSent = record;
    record.triggerable = triggerable;
    this.#record = record;
    if (triggered !== 0) record.trigger(triggered);
  }

  /** Takes over what `from` has; what waits is told again, to the new callbacks. An error told already is not. */
  static #adopt(record: TcpRecord, triggerable: number, options: TCPOptions): number {
    const from = recordOf(options.from);
    if (from.pcb === null) throw new Error("invalid from");
    record.pcb = from.pcb;
    record.input = from.input;
    record.pieces = from.pieces;
    record.ready = from.ready;
    let { triggered } = from;
    if (triggerable & WRITABLE && from.pcb.sendRoom > 0) triggered |= WRITABLE;
    if (triggerable & READABLE && from.pieces.bytes > 0) triggered |= READABLE;
    from.pcb = null;
    from.pieces = new Pieces();
    from.triggered = 0;
    options.from?.close();
    return triggered;
  }

  static #open(record: TcpRecord, options: TCPOptions, owner: Device): number {
    if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(String(options.address))) throw new Error("invalid address");
    const port = portOf(options.port);
    owner.askNetwork();
    if (activeConnections(owner) >= owner.options.activeConnections) throw new RangeError("no socket");
    const pcb = new Pcb(owner, new Peer(options.address as string, port), 0);
    pcb.state = PcbState.Connecting;
    record.pcb = pcb;
    record.input = pcb.input;
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
    const record = recordOf(this);
    const { pieces } = record;
    if (pieces.bytes === 0) return undefined;
    if (record.format === NUMBER) {
      const one = new Uint8Array(1);
      take(record, one);
      return one[0];
    }
    const isBuffer = into instanceof ArrayBuffer || ArrayBuffer.isView(into);
    const count = into === undefined ? pieces.bytes : isBuffer ? into.byteLength : Math.trunc(Number(into)) || 0;
    if (count <= 0 || count > pieces.bytes) throw new Error("invalid");
    if (isBuffer) {
      take(record, writable(into));
      return count;
    }
    const bytes = new Uint8Array(count);
    take(record, bytes);
    return bytes.buffer;
  }

  write(value: ArrayBuffer | ArrayBufferView | number): number | undefined {
    const record = recordOf(this);
    if (!record.ready) throw new Error("not ready");
    const { pcb } = record;
    if (record.error || pcb === null) return undefined;
    const bytes = record.format === NUMBER ? Uint8Array.of(Number(value)) : readable(value);
    if (bytes.length > pcb.sendRoom) throw new Error("would block");
    if (!pcb.write(bytes)) {
      record.trigger(ERROR);
      return undefined;
    }
    record.trigger(OUTPUT);
    record.owner.count(BYTES_WRITTEN, bytes.length);
    return pcb.sendRoom;
  }

  get remoteAddress(): string {
    return pcbOf(this).remoteAddress;
  }

  get remotePort(): number {
    return pcbOf(this).peer.port;
  }

  get format(): string {
    return recordOf(this).format;
  }

  set format(value: string) {
    const record = recordOf(this);
    if (!FORMATS.includes(value)) throw new RangeError("unknown");
    if (value !== "number" && value !== "buffer") throw new RangeError("unimplemented");
    record.format = value;
  }

  /** The record behind an object; a closed one and any other value are refused. */
  static record(object: unknown): TcpRecord {
    if (!(object instanceof TCP) || object.#record === null) throw new TypeError("invalid");
    return object.#record;
  }
}

function recordOf(object: unknown): TcpRecord {
  return TCP.record(object);
}

function pcbOf(object: TCP): Pcb {
  const { pcb, owner } = recordOf(object);
  if (pcb === null) return owner.fail(new Crash("the address of a connection that is gone"));
  return pcb;
}

function take(record: TcpRecord, target: Uint8Array): void {
  const { pcb, pieces } = record;
  record.input?.take(target, 0, target.length);
  const whole = pieces.take(target.length);
  pcb?.reopen(whole);
  if (pieces.bytes === 0 && record.error) record.trigger(ERROR);
}

// ---- Listener

/** A connection that lwIP accepted and no `read` has taken: nobody hears of its reset. */
class Pending implements Callbacks {
  constructor(readonly pcb: Pcb | null) {}
  connected(): void {}
  received(): boolean {
    return false;
  }
  ended(): void {
    this.pcb?.forgetEnd();
  }
  sent(): void {}
  failed(): void {}
}

class ListenerRecord implements Message, Door {
  pending: Pending[] = [];
  triggered = false;
  closed = false;

  constructor(
    readonly owner: Device,
    readonly object: Listener,
    readonly port: number,
    readonly onReadable: ListenerOptions["onReadable"] | null,
  ) {}

  /** A connection request: without a free connection a socket without one is announced all the same. */
  knock(peer: Peer): boolean {
    const { owner } = this;
    const isFree = activeConnections(owner) < owner.options.activeConnections;
    const pending = new Pending(isFree ? new Pcb(owner, peer, this.port) : null);
    if (pending.pcb !== null) pending.pcb.onReceive = pending;
    this.pending.push(pending);
    if (this.onReadable !== null && !this.triggered) {
      this.triggered = true;
      owner.postFromOutside(this);
    }
    return isFree;
  }

  deliver(): void {
    this.triggered = false;
    if (this.closed) {
      this.owner.hazards.push("a listener was closed while a connection was being announced");
      return;
    }
    if (this.pending.length > 0) this.onReadable?.call(this.object, this.pending.length);
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
    owner.askNetwork();
    if (owner.doors.length >= owner.options.listeners) throw new Error("no socket");
    if (port !== 0 && owner.doors.some((door) => door.port === port)) throw new Error("socket bind");
    const record = new ListenerRecord(owner, this, port === 0 ? freePort(owner) : port, onReadable);
    owner.doors.push(record);
    owner.count(SOCKETS, 1);
    if ("target" in options) this.target = options.target;
    this.#record = record;
  }

  close(): void {
    const record = this.#record;
    if (record === null) return;
    this.#record = null;
    record.closed = true;
    record.owner.askNetwork();
    record.owner.doors.splice(record.owner.doors.indexOf(record), 1);
    for (const { pcb } of record.pending) pcb?.close();
    record.owner.count(SOCKETS, -1);
  }

  read(): TCP | undefined {
    const record = this.#valid();
    const socket = new TCP();
    const pending = record.pending.shift();
    if (pending === undefined) return undefined;
    const tcp = TCP.record(socket);
    const { pcb } = pending;
    tcp.pcb = pcb;
    tcp.input = pcb?.input ?? null;
    if (pcb?.state === PcbState.Free) {
      record.owner.hazards.push("a connection was read that lwIP had freed already");
      tcp.pcb = null;
    } else if (pcb !== null) pcb.onReceive = pcb.onFail = tcp;
    tcp.ready = true;
    return socket;
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

function freePort(owner: Device): number {
  let port = 49_152;
  while (owner.doors.some((door) => door.port === port)) port++;
  return port;
}
