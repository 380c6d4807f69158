// The MQTT Client class pattern of ECMA-419 over the client's core: byte counts, `read` and `write`, callbacks. An
// application written for Moddable's `embedded:network/mqtt/client` runs with it; docs/client.md says what differs. The
// core allocates nothing per packet; this form of a message does, an object and a string each.

import { Client, ClientState } from "../../src/client/client";
import { type ClientLimits, clientPresets } from "../../src/client/limits";
import type { ConnectOptions } from "../../src/client/options";
import { ClientCause, type ClientEvents, NotAccepted } from "../../src/client/ports";
import { Version } from "../../src/mqtt/constants";
import { ClientStream } from "./client-stream";
import { Filters } from "./filters";
import type { DnsConstructor, TcpCallbacks, TcpConstructor, TimeModule, TimerModule } from "./io";
import { Pacer } from "./pacer";
import { bytesOf, type Data, textOf } from "./text";

/** How often the core looks at the clock, ms. */
const TICK = 100;
/** Steps in one go: what is left waits for the timer, so that others have their turn. */
const MOST_STEPS = 32;
/** What a PUBLISH takes beside its topic and payload, at most, as `onWritable` and `write` count. */
const OVERHEAD = 8;

/** What `onReadable` is told with the first bytes of a message; with later ones only `more`. */
export interface ReadableOptions {
  /** Whether more bytes of this message follow. */
  more: boolean;
  topic?: string;
  QoS?: number;
  /** Bytes of payload in all. */
  byteLength?: number;
  retain?: boolean;
  duplicate?: boolean;
}

export interface ControlMessage {
  /** `MQTTClient.CONNACK` … */
  operation: number;
  /** As given to `write`, or chosen. */
  id?: number;
  /** SUBACK: a code for each Topic Filter. */
  payload?: number[];
  /** CONNACK: 0. */
  returnCode?: number;
  sessionPresent?: boolean;
  /** Reason Code of MQTT 5.0, if it is not 0: what was published is refused; why the connection ended. */
  reasonCode?: number;
}

export interface Options {
  host: string;
  /** Default 1883. */
  port?: number;
  /** The socket's class, and what else its constructor is to get. */
  socket: { io: TcpConstructor } & Record<string, unknown>;
  /** The resolver's class; not needed for a `host` that is an IPv4 address. */
  dns?: { io: DnsConstructor } & Record<string, unknown>;
  id?: string;
  user?: string;
  password?: Data;
  /** Milliseconds, rounded up to seconds; 0, the default: none. Both spellings. */
  keepAlive?: number;
  keepalive?: number;
  /** Default true. */
  clean?: boolean;
  will?: { topic: string; message?: Data; QoS?: number; retain?: boolean | number };
  target?: unknown;
  onReadable?: (count: number, options: ReadableOptions) => void;
  onWritable?: (count: number) => void;
  /** With two parameters: the operation and the message, as in ECMA-419. With one: the message, as in Moddable's SDK. */
  onControl?: ((message: ControlMessage) => void) | ((operation: number, message: ControlMessage) => void);
  /** Once; the client is closed then. With `reconnect` only when it can't go on. */
  onError?: (error?: unknown) => void;
  // Beyond the pattern
  /** 4: MQTT 3.1.1, the default; 5: MQTT 5.0. */
  version?: number;
  /** Session Expiry Interval of 5.0, seconds. */
  sessionExpiry?: number;
  /** Stay: connect again whenever the connection is lost. CONNACK tells of each time. Default false. */
  reconnect?: boolean;
  /** Default `clientPresets.sensor`. */
  limits?: ClientLimits;
}

export interface WriteOptions {
  /** Default PUBLISH. PUBACK, PUBREC, PUBREL and PUBCOMP are sent without being asked for, and ignored here. */
  operation?: number;
  /** A number of the application's, 1 to 65,535, by which `onControl` tells of the end. The Packet Identifier is the core's. */
  id?: number;
  topic?: string;
  QoS?: number;
  retain?: boolean;
  /** Ignored: DUP is the core's. */
  duplicate?: boolean;
  /** Bytes of payload in all; the rest follows by `write` without options. Default: `data` is all. */
  byteLength?: number;
  /** SUBSCRIBE, UNSUBSCRIBE. */
  items?: readonly { topic: string; QoS?: number }[];
}

export interface Modules {
  Timer: TimerModule;
  Time: TimeModule;
}

export class MQTTClient {
  static readonly CONNECT = 1;
  static readonly CONNACK = 2;
  static readonly PUBLISH = 3;
  static readonly PUBACK = 4;
  static readonly PUBREC = 5;
  static readonly PUBREL = 6;
  static readonly PUBCOMP = 7;
  static readonly SUBSCRIBE = 8;
  static readonly SUBACK = 9;
  static readonly UNSUBSCRIBE = 10;
  static readonly UNSUBACK = 11;
  static readonly PINGREQ = 12;
  static readonly PINGRESP = 13;
  static readonly DISCONNECT = 14;

  readonly target: unknown;
  readonly #options: Options;
  readonly #core: Client;
  readonly #stream: ClientStream;
  readonly #filters: Filters;
  readonly #pacer: Pacer;
  #isRunning = false;
  #isClosed = false;
  /** By row of the outbox: the application's number, and the QoS. */
  readonly #ids: Uint16Array;
  readonly #qos: Uint8Array;
  #lastId = 0;
  // The message that is being received
  #isFirst = false;
  #left = 0;
  /** Bytes that wait to be read, where they are, and those that were read of what the core has shown. */
  #waiting = 0;
  #waitingAt = 0;
  #taken = 0;

  /**
   * Begins to connect.
   * @throws RangeError, TypeError, OptionsError or LimitsError for options that can't be; later errors go to `onError`.
   */
  constructor(options: Options, modules: Modules) {
    const { limits = clientPresets.sensor, socket, target } = options;
    if (typeof options.host !== "string" || options.host === "") throw new RangeError("host required");
    if (typeof socket?.io !== "function") throw new TypeError("socket.io required");
    if (options.dns === undefined && !isAddress(options.host)) throw new TypeError("dns required");
    this.target = target;
    this.#options = { ...options };
    this.#pacer = new Pacer(modules.Timer, TICK, () => this.#run());
    this.#stream = new ClientStream(
      (callbacks, failed) => this.#open(callbacks, failed),
      () => this.#run(),
    );
    const ports = {
      transport: this.#stream,
      dialer: this.#stream,
      clock: { now: () => modules.Time.ticks >>> 0, wall: () => 0 },
      random: { next: () => Math.floor(Math.random() * 0x100000000) },
    };
    this.#core = new Client(limits, ports, this.#events());
    this.#filters = new Filters(this.#core, (message) => this.#control(message));
    this.#ids = new Uint16Array(limits.messages + 1);
    this.#qos = new Uint8Array(limits.messages + 1);
    this.#stream.serve(this.#core);
    this.#core.start(coreOptions(options));
    this.#pacer.start();
  }

  get format(): string {
    return "buffer";
  }

  set format(value: string) {
    if (value !== "buffer") throw new RangeError("format");
  }

  /** Closes at once, without DISCONNECT: the server publishes the will. Nothing is called afterwards. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#pacer.stop();
    this.#core.abandon();
  }

  /**
   * The next bytes of the message at hand: as many as `count` says, or fit into the buffer, or wait, whichever is least.
   * Returns an ArrayBuffer; with a buffer, the number of bytes put into it; undefined when none wait.
   */
  read(count?: number | ArrayBuffer | ArrayBufferView): ArrayBuffer | number | undefined {
    const target = typeof count === "object" ? bytesOf(count) : undefined;
    const wanted = target?.length ?? (typeof count === "number" ? count : this.#waiting);
    const length = Math.min(wanted, this.#waiting);
    if (!(length > 0)) return undefined;
    const { buffer } = this.#core.layout.u8;
    const at = this.#waitingAt;
    this.#waitingAt += length;
    this.#waiting -= length;
    this.#taken += length;
    if (this.#waiting === 0 && this.#core.isPaused) {
      this.#core.resume();
      this.#soon();
    }
    if (target === undefined) return (buffer as ArrayBuffer).slice(at, at + length);
    target.set(new Uint8Array(buffer, at, length));
    return length;
  }

  /**
   * Sends a message, a piece of one, or a control packet. A message given whole is kept until the server has it, over
   * reconnections too; one given in pieces is not. Returns how many bytes of payload can be written now.
   * @throws Error when it can't be taken; nothing has happened then.
   */
  write(data: Data | null | undefined, options?: WriteOptions): number {
    if (this.#isClosed) throw new Error("closed");
    const bytes = data === null || data === undefined ? new Uint8Array(0) : bytesOf(data);
    if (options === undefined) {
      if (!this.#core.write(bytes)) throw new Error("overflow");
    } else {
      this.#send(options, bytes);
    }
    this.#soon();
    return this.#writable();
  }

  #send(options: WriteOptions, bytes: Uint8Array): void {
    const { operation = MQTTClient.PUBLISH, items } = options;
    switch (operation) {
      case MQTTClient.PUBLISH:
        return this.#publish(options, bytes);
      case MQTTClient.SUBSCRIBE:
      case MQTTClient.UNSUBSCRIBE:
        if (items === undefined || items.length === 0) throw new Error("items required");
        return this.#filters.write(operation === MQTTClient.SUBSCRIBE, items, this.#id(options.id));
      case MQTTClient.PUBACK:
      case MQTTClient.PUBREC:
      case MQTTClient.PUBREL:
      case MQTTClient.PUBCOMP:
        return;
      case MQTTClient.PINGREQ:
        return this.#core.ping();
      case MQTTClient.DISCONNECT:
        return this.#core.stop();
      default:
        throw new Error("unknown operation");
    }
  }

  #publish(options: WriteOptions, bytes: Uint8Array): void {
    const { topic, QoS = 0, retain = false, byteLength = bytes.length } = options;
    if (typeof topic !== "string") throw new TypeError("topic required");
    if (byteLength < bytes.length) throw new RangeError("byteLength");
    const id = this.#id(options.id);
    const row =
      byteLength === bytes.length
        ? this.#core.publish(topic, bytes, QoS, !!retain)
        : this.#core.publishStream(topic, bytes, byteLength, QoS, !!retain);
    if (row < 0) throw new Error(notAccepted(row));
    this.#ids[row] = id;
    this.#qos[row] = QoS;
  }

  #id(id: number | undefined): number {
    if (id !== undefined) {
      if (!(id > 0 && id < 65536)) throw new RangeError("id");
      return id;
    }
    this.#lastId = (this.#lastId % 65535) + 1;
    return this.#lastId;
  }

  /** How many bytes of payload `write` takes now. */
  #writable(): number {
    const { blocks, messages, outbox, sender, state, writable } = this.#core;
    if (state !== ClientState.Connected) return 0;
    if (sender.isStreaming) return writable;
    if (outbox.pool.free === 0 || messages.pool.free === 0 || blocks.available <= 0) return 0;
    return Math.max(0, blocks.available * blocks.blockBytes - OVERHEAD);
  }

  #open(callbacks: TcpCallbacks, failed: () => void): void {
    const { dns, host, port = 1883, socket } = this.#options;
    const serial = this.#stream.serial;
    const connect = (address: string): void => {
      if (this.#isClosed || serial !== this.#stream.serial) return;
      try {
        this.#stream.use(new socket.io({ format: "buffer", ...socket, address, host, port, ...callbacks }));
      } catch {
        failed();
      }
    };
    if (dns === undefined) return connect(host);
    try {
      const resolver = new dns.io(dns);
      resolver.resolve({ host, onResolved: (_host, address) => connect(address), onError: failed });
    } catch {
      failed();
    }
  }

  /** The core works now, unless it is at work. */
  #run(): void {
    if (this.#isRunning || this.#isClosed || !this.#pacer.isRunning) return;
    this.#isRunning = true;
    let steps = 0;
    while (!this.#isClosed && this.#core.step() && ++steps < MOST_STEPS);
    this.#isRunning = false;
    if (steps === MOST_STEPS) this.#soon();
  }

  /** The core works after what runs now. */
  #soon(): void {
    if (!this.#isRunning) this.#pacer.soon();
  }

  #control(message: ControlMessage): void {
    const onControl = this.#options.onControl as ((...all: unknown[]) => void) | undefined;
    if (onControl === undefined || this.#isClosed) return;
    if (onControl.length >= 2) onControl.call(this, message.operation, message);
    else onControl.call(this, message);
  }

  #tellWritable(): void {
    const count = this.#writable();
    if (count > 0 && !this.#isClosed) this.#options.onWritable?.call(this, count);
  }

  #fail(reason: number): void {
    const { onError } = this.#options;
    this.close();
    onError?.call(this, new Error(causeOf(reason)));
  }

  #events(): ClientEvents {
    return {
      connected: (sessionPresent) => {
        this.#control({ operation: MQTTClient.CONNACK, returnCode: 0, sessionPresent });
        this.#tellWritable();
      },
      disconnected: (reason) => this.#disconnected(reason),
      published: (row, reason) => this.#published(row, reason),
      subscribed: (row, code) => this.#filters.answered(row, code),
      unsubscribed: (row, code) => this.#filters.answered(row, code),
      pinged: () => this.#control({ operation: MQTTClient.PINGRESP }),
      writable: () => this.#tellWritable(),
      message: () => {
        this.#isFirst = true;
        this.#left = this.#core.message.payloadLength;
      },
      payload: (at, count) => this.#payload(at, count),
      messageEnd: () => {
        if (this.#isFirst) this.#readable(0); // an empty payload
        this.#isFirst = false;
      },
      messageLost: () => {
        this.#waiting = 0;
        this.#taken = 0;
        this.#isFirst = false;
      },
    };
  }

  /** Shows what has come; returns what of it the application has read, then or since it was shown last. */
  #payload(at: number, count: number): number {
    if (this.#taken === 0) {
      this.#waiting = count;
      this.#waitingAt = at;
      this.#left -= count;
      this.#readable(count);
    }
    if (this.#waiting > 0) return 0; // all of it, once all of it is read
    this.#taken = 0;
    return this.#isClosed ? 0 : count;
  }

  #readable(count: number): void {
    const { layout, message } = this.#core;
    const options: ReadableOptions = { more: this.#left > 0 };
    if (this.#isFirst) {
      options.topic = textOf(layout.u8, message.topicAt, message.topicLength);
      options.QoS = message.qos;
      options.byteLength = message.payloadLength;
      options.retain = message.retain;
      options.duplicate = message.dup;
    }
    this.#isFirst = false;
    this.#options.onReadable?.call(this, count, options);
  }

  #published(row: number, reason: number): void {
    const qos = this.#qos[row];
    if (qos > 0) {
      const message: ControlMessage = {
        operation: qos === 1 ? MQTTClient.PUBACK : MQTTClient.PUBCOMP,
        id: this.#ids[row],
      };
      if (reason !== 0) message.reasonCode = reason < 0x100 ? reason : 0x80;
      this.#control(message);
    }
    this.#tellWritable();
  }

  #disconnected(reason: number): void {
    if (this.#isClosed || reason === ClientCause.Stopped) return;
    if (this.#options.reconnect !== true) return this.#fail(reason);
    this.#control({ operation: MQTTClient.DISCONNECT, reasonCode: reason < 0x100 ? reason : 0x80 });
  }
}

function isAddress(host: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(host);
}

function coreOptions(options: Options): ConnectOptions {
  const { will, keepAlive = options.keepalive ?? 0, clean = true, version = Version.V3_1_1 } = options;
  const found: ConnectOptions = {
    version,
    clientId: options.id ?? "",
    keepAlive: Math.ceil(keepAlive / 1000),
    cleanStart: clean,
  };
  if (options.sessionExpiry !== undefined) found.sessionExpiry = options.sessionExpiry;
  if (options.user !== undefined) found.userName = options.user;
  if (options.password !== undefined) found.password = bytesOf(options.password);
  if (will !== undefined) {
    const payload = will.message === undefined ? new Uint8Array(0) : bytesOf(will.message);
    found.will = { topic: will.topic, payload, qos: will.QoS ?? 0, retain: !!will.retain };
  }
  return found;
}

function notAccepted(reason: number): string {
  switch (reason) {
    case NotAccepted.Topic:
      return "invalid topic";
    case NotAccepted.Offline:
      return "not connected";
    case NotAccepted.Unsupported:
      return "unsupported by the server";
    case NotAccepted.Unknown:
      return "no such subscription";
    case NotAccepted.Invalid:
      return "not allowed by MQTT";
    default:
      return "overflow";
  }
}

function causeOf(reason: number): string {
  switch (reason) {
    case ClientCause.ConnectTimeout:
      return "no answer in time";
    case ClientCause.Silent:
      return "the server is silent";
    case ClientCause.Lost:
      return "connection lost";
    default:
      return `reason 0x${reason.toString(16)}`;
  }
}
