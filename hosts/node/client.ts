// A client for applications on Node.js: the core of src/client with promises, and messages as objects. Memory of the core
// is fixed; what is made here lives as long as the application holds it.

import { EventEmitter } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions as TlsOptions } from "node:tls";
import { Client, ClientState } from "../../src/client/client";
import { type ClientLimits, clientPresets } from "../../src/client/limits";
import { type ConnectOptions, OptionsError } from "../../src/client/options";
import { ClientCause, type ClientEvents, NotAccepted } from "../../src/client/ports";
import { ReasonCode } from "../../src/mqtt/constants";
import { ClientStream } from "./client-stream";
import { NodeClock } from "./clock";
import { reasonName } from "./names";
import { decodeProperties, encodeProperties, type MessageProperties } from "./properties";
import { filterMatches } from "./topic-filter";

/** How often the core looks at the clock, ms. */
const TICK = 100;

export interface ClientOptions extends ConnectOptions {
  /** Default `clientPresets.client`. */
  limits?: ClientLimits;
  /** For mqtts: as of node:tls. */
  tls?: TlsOptions;
  /** Keep trying when the first attempt fails. Default false: `connect` rejects then. */
  retry?: boolean;
  signal?: AbortSignal;
}

export interface PublishOptions extends MessageProperties {
  /** 0, 1 or 2; default 0. */
  qos?: number;
  retain?: boolean;
}

export interface SubscribeOptions {
  /** The most that is granted: 0, 1 or 2; default 0. */
  qos?: number;
  noLocal?: boolean;
  retainAsPublished?: boolean;
  /** 0: retained messages now; 1: if the subscription is new; 2: never. Default 0. */
  retainHandling?: number;
}

export interface ReceivedMessage extends MessageProperties {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: number;
  readonly retain: boolean;
  /** Sent again: perhaps not for the first time here. Never so for the second time at QoS 2. */
  readonly dup: boolean;
}

/** A message is acknowledged to the server when all handlers it went to have returned, and what they returned is settled. */
export type Handler = (message: ReceivedMessage) => unknown;

/** What the server, or the way to it, did not do. `reasonCode`: of MQTT 5.0, or 0 when nobody said one. */
export class MqttError extends Error {
  readonly reasonCode: number;
  constructor(what: string, reason: number, cause?: Error) {
    super(`${what}: ${reason < 0x100 ? reasonName(reason) : causeOf(reason)}`, { cause });
    this.name = "MqttError";
    this.reasonCode = reason < 0x100 ? reason : 0;
  }
}

/** The client did not take it: nothing has happened. `limit` names the field of `ClientLimits`, if one is full. */
export class NotAcceptedError extends Error {
  readonly limit: string | undefined;
  constructor(reason: NotAccepted) {
    const [limit, text] = notAccepted[reason] ?? [undefined, "not accepted"];
    super(text);
    this.name = "NotAcceptedError";
    this.limit = limit;
  }
}

const notAccepted: Record<number, [string | undefined, string]> = {
  [NotAccepted.Messages]: ["messages", "all messages or subscriptions are in use"],
  [NotAccepted.PayloadBytes]: ["payloadBytes", "payloadBytes are in use"],
  [NotAccepted.Topic]: [undefined, "no valid Topic Name or Topic Filter, or too long"],
  [NotAccepted.Offline]: [undefined, "QoS 0 needs a connection, and there is none"],
  [NotAccepted.Unsupported]: [undefined, "the server does not support it"],
  [NotAccepted.Unknown]: [undefined, "there is no such subscription"],
  [NotAccepted.Invalid]: [undefined, "MQTT does not allow it, or its properties are longer than stageBytes"],
};

function causeOf(reason: number): string {
  if (reason === ClientCause.Expired) return "Message Expiry Interval passed";
  if (reason === ClientCause.Silent) return "the server is silent";
  if (reason === ClientCause.Stopped) return "the client was closed";
  if (reason === ClientCause.ConnectTimeout) return "no answer in time";
  return "connection lost";
}

interface Waiting<T> {
  resolve(value: T): void;
  reject(error: Error): void;
}

interface Events {
  connect: [sessionPresent: boolean];
  disconnect: [error: MqttError];
  message: [message: ReceivedMessage];
  /** A handler threw, or what it returned was rejected; the message is acknowledged all the same. */
  handlerError: [error: unknown];
}

/** Use `connect`. */
export class MqttClient extends EventEmitter<Events> {
  readonly #core: Client;
  readonly #stream: ClientStream;
  readonly #handlers = new Map<string, Handler>();
  readonly #published = new Map<number, Waiting<void>>();
  readonly #subscribed = new Map<number, Waiting<number>>();
  readonly #unsubscribed = new Map<number, Waiting<void>>();
  readonly #timer: NodeJS.Timeout;
  #connecting: Waiting<void> | undefined;
  #retry = false;
  #pieces: Buffer[] = [];
  #epoch = 0;
  #isScheduled = false;
  #isDrained: (() => void) | undefined;
  #isClosed = false;
  /** Loops over messages that wait. */
  readonly #onClose = new Set<() => void>();

  constructor(limits: ClientLimits, open: () => Socket) {
    super();
    this.#stream = new ClientStream(open, () => this.#schedule());
    const ports = {
      transport: this.#stream,
      dialer: this.#stream,
      clock: new NodeClock(),
      random: { next: () => Math.floor(Math.random() * 0x100000000) },
    };
    const events: ClientEvents = {
      connected: (sessionPresent) => this.#connected(sessionPresent),
      disconnected: (reason) => this.#disconnected(reason),
      published: (row, reason) => this.#publishedWith(row, reason),
      subscribed: (row, reason) => settle(this.#subscribed, row, reason, reason),
      unsubscribed: (row, reason) => settle(this.#unsubscribed, row, reason, undefined),
      message: () => {
        this.#pieces = [];
      },
      payload: (at, count) => {
        this.#pieces.push(Buffer.from(this.#core.layout.u8.subarray(at, at + count)));
        return count;
      },
      messageEnd: () => this.#message(),
      messageLost: () => {
        this.#pieces = [];
      },
    };
    this.#core = new Client(limits, ports, events);
    this.#core.acceptsByHand = true;
    this.#stream.serve(this.#core);
    this.#timer = setInterval(() => this.#step(), TICK);
  }

  /** Whether there is a connection. */
  get connected(): boolean {
    return this.#core.state === ClientState.Connected;
  }

  /** As the server knows it. */
  get clientId(): string {
    const { layout, tables, clientIdLength } = this.#core;
    return Buffer.from(layout.u8.subarray(tables.clientId, tables.clientId + clientIdLength)).toString();
  }

  /** @internal The first connection. */
  start(options: ConnectOptions, retry: boolean): Promise<void> {
    this.#retry = retry;
    return new Promise((resolve, reject) => {
      this.#connecting = { resolve, reject };
      try {
        this.#core.start(options);
      } catch (error) {
        clearInterval(this.#timer);
        reject(error as Error);
      }
    });
  }

  /**
   * Resolves when the server has the message (QoS 1, 2), or when it is sent (QoS 0). While there is no connection QoS 1 and
   * 2 wait.
   * @throws NotAcceptedError, MqttError with the server's Reason Code.
   */
  publish(topic: string, payload: string | Uint8Array = "", options: PublishOptions = {}): Promise<void> {
    const { qos = 0, retain = false, messageExpiry = -1 } = options;
    const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
    const row = this.#core.publish(topic, bytes, qos, retain, encodeProperties(options), messageExpiry);
    return this.#wait(this.#published, row);
  }

  /**
   * Resolves with the QoS that was granted. The filter is asked for again whenever the server has forgotten it.
   * @throws NotAcceptedError, MqttError with the server's Reason Code.
   */
  async subscribe(filter: string, handler?: Handler, options: SubscribeOptions = {}): Promise<number> {
    const { qos = 0, noLocal = false, retainAsPublished = false, retainHandling = 0 } = options;
    const bits = qos | (noLocal ? 4 : 0) | (retainAsPublished ? 8 : 0) | (retainHandling << 4);
    if (handler !== undefined) this.#handlers.set(filter, handler);
    try {
      return await this.#wait(this.#subscribed, this.#core.subscribe(filter, bits));
    } catch (error) {
      this.#handlers.delete(filter);
      throw error;
    }
  }

  /** @throws NotAcceptedError when there is no such subscription. */
  async unsubscribe(filter: string): Promise<void> {
    this.#handlers.delete(filter);
    await this.#wait(this.#unsubscribed, this.#core.unsubscribe(filter));
  }

  /**
   * Messages of a filter, one after the other, until `close`; the next is asked for when the loop's body is done with this
   * one. A loop that is left unsubscribes; what had come and was not asked for is acknowledged, and nobody gets it.
   */
  async *messages(filter: string, options: SubscribeOptions = {}): AsyncGenerator<ReceivedMessage, void> {
    const queue: { message: ReceivedMessage; done: () => void }[] = [];
    let wake = (): void => {};
    const onClose = (): void => wake();
    this.#onClose.add(onClose);
    const handler = (message: ReceivedMessage): Promise<void> =>
      new Promise((done) => {
        queue.push({ message, done });
        wake();
      });
    try {
      await this.subscribe(filter, handler, options);
      while (!this.#isClosed) {
        if (queue.length === 0) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        } else {
          yield queue[0].message;
          queue.shift()?.done();
        }
      }
    } finally {
      this.#onClose.delete(onClose);
      for (const { done } of queue) done();
      if (!this.#isClosed) await this.unsubscribe(filter).catch(() => {});
    }
  }

  /** Waits until everything published is done with, unless `force`; then DISCONNECT. */
  async close(force = false): Promise<void> {
    if (!force && this.connected && this.#published.size > 0) {
      await new Promise<void>((resolve) => {
        this.#isDrained = resolve;
      });
    }
    this.#isClosed = true;
    this.#core.stop();
    clearInterval(this.#timer);
    const error = new MqttError("not done", ClientCause.Stopped);
    this.#connecting?.reject(error);
    this.#connecting = undefined;
    for (const wake of this.#onClose) wake();
    for (const waiting of [this.#published, this.#subscribed, this.#unsubscribed]) {
      for (const { reject } of waiting.values()) reject(error);
      waiting.clear();
    }
  }

  #wait<T>(map: Map<number, Waiting<T>>, row: number): Promise<T> {
    if (row < 0) return Promise.reject(new NotAcceptedError(row));
    this.#schedule();
    const before = map.get(row); // asked for twice: both hear of it
    return new Promise((resolve, reject) => {
      map.set(row, {
        resolve: (value) => {
          before?.resolve(value);
          resolve(value);
        },
        reject: (error) => {
          before?.reject(error);
          reject(error);
        },
      });
    });
  }

  /** The core has something to do: once, after what runs now. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#step();
    });
  }

  #step(): void {
    if (this.#core.step()) this.#schedule();
  }

  #connected(sessionPresent: boolean): void {
    if (!sessionPresent) this.#epoch++;
    this.#connecting?.resolve();
    this.#connecting = undefined;
    this.emit("connect", sessionPresent);
  }

  #disconnected(reason: number): void {
    const error = new MqttError("no connection", reason, this.#stream.error);
    const connecting = this.#connecting;
    if (connecting !== undefined && !this.#retry) {
      this.#connecting = undefined;
      void this.close(true);
      connecting.reject(error);
    }
    this.emit("disconnect", error);
  }

  #publishedWith(row: number, reason: number): void {
    settle(this.#published, row, reason, undefined);
    if (this.#published.size === 0) this.#isDrained?.();
  }

  #message(): void {
    const { layout, message } = this.#core;
    const { propertiesAt, propertiesLength, packetId, qos, topicAt, topicLength } = message;
    const received: ReceivedMessage = {
      ...decodeProperties(layout.u8, propertiesAt, propertiesAt + propertiesLength, message.expiry),
      topic: Buffer.from(layout.u8.subarray(topicAt, topicAt + topicLength)).toString(),
      payload: Buffer.concat(this.#pieces),
      qos,
      retain: message.retain,
      dup: message.dup,
    };
    this.#pieces = [];
    this.emit("message", received);
    const handled: unknown[] = [];
    for (const [filter, handler] of this.#handlers) {
      if (filterMatches(filter, received.topic)) handled.push(this.#handle(handler, received));
    }
    const epoch = this.#epoch;
    void Promise.all(handled).then(() => {
      if (qos === 0 || epoch !== this.#epoch) return; // the server has forgotten it
      this.#core.accept(packetId);
      this.#schedule();
    });
  }

  async #handle(handler: Handler, message: ReceivedMessage): Promise<void> {
    try {
      await handler(message);
    } catch (error) {
      this.emit("handlerError", error);
    }
  }
}

function settle<T>(map: Map<number, Waiting<T>>, row: number, reason: number, value: T): void {
  const waiting = map.get(row);
  if (waiting === undefined) return;
  map.delete(row);
  if (reason < ReasonCode.UnspecifiedError) waiting.resolve(value);
  else waiting.reject(new MqttError("not done", reason));
}

/**
 * Connects to `mqtt://host[:port]` or `mqtts://host[:port]` and stays connected until `close`, however often the
 * connection is lost. A user name and password may be in the URL.
 * @throws OptionsError for an option that can't be; MqttError when the first attempt fails, unless `retry`.
 */
export async function connect(url: string, options: ClientOptions = {}): Promise<MqttClient> {
  const { limits = clientPresets.client, tls, retry = false, signal, ...rest } = options;
  if (!URL.canParse(url)) throw new OptionsError("url", "is none");
  const { protocol, hostname, port, username, password } = new URL(url);
  const isTls = protocol === "mqtts:";
  if (!isTls && protocol !== "mqtt:") throw new OptionsError("url", "must begin with mqtt:// or mqtts://");
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  const at = { host, port: port === "" ? (isTls ? 8883 : 1883) : Number(port) };
  const own = { ...rest };
  if (username !== "") own.userName ??= decodeURIComponent(username);
  if (password !== "") own.password ??= decodeURIComponent(password);
  signal?.throwIfAborted();
  const open = (): Socket => (isTls ? connectTls({ servername: host, ...tls, ...at }) : connectTcp(at));
  const client = new MqttClient(limits, open);
  const abort = (): void => void client.close(true);
  signal?.addEventListener("abort", abort, { once: true });
  await client.start(own, retry);
  return client;
}
