// A client for applications on Node.js: the core of src/client with promises, and messages as objects. Memory of the core
// is fixed; what is made here lives as long as the application holds it.

import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { Client, ClientState } from "../../../src/client/client";
import type { ClientLimits } from "../../../src/client/limits";
import { type ConnectOptions as CoreOptions, OptionsError } from "../../../src/client/options";
import { ClientCause, type ClientEvents } from "../../../src/client/ports";
import { PacketType, ReasonCode, Version } from "../../../src/mqtt/constants";
import { NodeClock } from "../clock";
import { MqttError, NotAcceptedError, OVERTAKEN } from "./errors";
import { type Handler, Handlers, type ReceivedMessage } from "./handlers";
import {
  bytesOf,
  type ConnectOptions,
  type PublishOptions,
  publishOptions,
  type SubscribeOptions,
  subscriptionOptions,
} from "./options";
import { decodeProperties, type ServerInfo } from "./properties";
import { type RequestOptions, Requests } from "./requests";
import { ClientStream } from "./stream";

/** How often the core looks at the clock, ms. */
const TICK = 100;
/** Payload that handlers may be behind, bytes; and messages, as many as the Receive Maximum. Then nothing is read. */
const MOST_BYTES = 1_048_576;
/** So many times as much may wait while the application waits for the server; beyond it QoS 0 is dropped. */
const MOST_BEHIND = 16;

interface Waiting<T> {
  resolve(value: T): void;
  reject(error: Error): void;
}

interface Events {
  connect: [server: ServerInfo];
  /** The connection is lost, or an attempt failed; it is tried again unless the client is closed. */
  disconnect: [error: MqttError];
  message: [message: ReceivedMessage];
  /** QoS 0 that came while the handlers were far behind: nobody gets it. */
  dropped: [message: ReceivedMessage];
  /** The server refuses a Topic Filter that it had granted, after it has forgotten the session. */
  subscriptionLost: [filter: string, error: MqttError];
  /** `close` was called. */
  close: [];
  /** A handler threw, or what it returned was rejected; the message is acknowledged all the same. */
  handlerError: [error: unknown];
}

/** Made by `connect`. */
export class MqttClient extends EventEmitter<Events> {
  readonly #core: Client;
  readonly #stream: ClientStream;
  readonly #handlers: Handlers;
  readonly #requests = new Requests(this);
  readonly #published = new Map<number, Waiting<void>>();
  readonly #subscribed = new Map<number, Waiting<number>>();
  readonly #unsubscribed = new Map<number, Waiting<void>>();
  /** Topic Filters by the core's number for them. */
  readonly #filters = new Map<number, string>();
  readonly #timer: NodeJS.Timeout;
  #server: ServerInfo | undefined;
  #connecting: Waiting<void> | undefined;
  #retry = false;
  #pieces: Buffer[] = [];
  #epoch = 0;
  #connection = 0;
  #isScheduled = false;
  /** Calls of `close` that wait for what is published. */
  #onDrained: (() => void)[] = [];
  #isClosed = false;
  /** Loops over messages that wait. */
  readonly #onClose = new Set<() => void>();

  /** @internal */
  constructor(limits: ClientLimits, open: () => Socket, options: Pick<ConnectOptions, "onMessage" | "onDisconnect">) {
    super();
    this.#handlers = new Handlers((error) => this.emit("handlerError", error), options.onMessage);
    if (options.onDisconnect !== undefined) this.on("disconnect", options.onDisconnect);
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
      subscribed: (row, reason) => {
        this.#subscribedWith(row, reason);
        this.#settle(this.#unsubscribed, row, OVERTAKEN, undefined);
      },
      unsubscribed: (row, reason) => {
        this.#settle(this.#unsubscribed, row, reason, undefined);
        this.#settle(this.#subscribed, row, OVERTAKEN, 0);
      },
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
    const { tables, clientIdLength } = this.#core;
    return this.#text(tables.clientId, clientIdLength);
  }

  /** What the server said when it accepted the latest connection; undefined before the first. */
  get server(): ServerInfo | undefined {
    return this.#server;
  }

  /** Messages accepted and not yet sent (QoS 0) or acknowledged (QoS 1, 2). */
  get unpublished(): number {
    return this.#published.size;
  }

  /** @internal @throws OptionsError before MQTT 5.0, which has no Response Topic. */
  checkVersion(): void {
    if (this.#core.version !== Version.V5_0) throw new OptionsError("responseTopic", "exists from MQTT 5.0 on");
  }

  /** @internal The first connection. */
  start(options: CoreOptions, retry: boolean): Promise<void> {
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
   * Resolves when the server has the message (QoS 1, 2), or when it is sent (QoS 0). While there is no connection QoS 1
   * and 2 wait.
   * @throws OptionsError; NotAcceptedError: nothing has happened; MqttError with the server's Reason Code.
   */
  async publish(topic: string, payload: string | Uint8Array = "", options: PublishOptions = {}): Promise<void> {
    const { qos = 0, retain = false } = options;
    const { properties, expiry } = publishOptions(options, this.#core.version);
    await this.#wait(this.#published, this.#core.publish(topic, bytesOf(payload), qos, retain, properties, expiry));
  }

  /**
   * Resolves with the QoS that was granted. The filter is asked for again whenever the server has forgotten it. A handler
   * takes the place of an earlier one of the same filter.
   * @throws OptionsError; NotAcceptedError: nothing has happened; MqttError with the server's Reason Code.
   */
  async subscribe(filter: string, handler?: Handler, options: SubscribeOptions = {}): Promise<number> {
    const bits = subscriptionOptions(options, this.#core.version);
    const own = handler ?? this.#handlers.get(filter);
    this.#handlers.set(filter, own);
    try {
      const row = this.#core.subscribe(filter, bits);
      if (row > 0) this.#filters.set(row, filter);
      const granted = await this.#wait(this.#subscribed, row);
      this.#handlers.keep(filter, own);
      return granted;
    } catch (error) {
      this.#handlers.revert(filter, own);
      throw error;
    }
  }

  /** @throws NotAcceptedError when there is no such subscription; MqttError with the server's Reason Code. */
  async unsubscribe(filter: string): Promise<void> {
    this.#handlers.set(filter, undefined);
    try {
      await this.#wait(this.#unsubscribed, this.#core.unsubscribe(filter));
      if (this.#handlers.get(filter) === undefined) this.#handlers.keep(filter, undefined);
    } catch (error) {
      // Refused: it is subscribed to as before.
      if (error instanceof MqttError && error.reasonCode !== 0) this.#handlers.revert(filter, undefined);
      throw error;
    }
  }

  /**
   * Messages of a filter, one after the other, until `close`; the next is asked for when the loop's body is done with this
   * one, and the server is not read, or sends no more, while too many wait. A loop that is left unsubscribes; what had come
   * and was not asked for is acknowledged, and nobody gets it.
   * @throws as `subscribe`; MqttError when the server refuses the filter later; the signal's reason when it aborts.
   */
  async *messages(
    filter: string,
    options: SubscribeOptions & { signal?: AbortSignal } = {},
  ): AsyncGenerator<ReceivedMessage, void> {
    const { signal, ...subscription } = options;
    signal?.throwIfAborted();
    const queue: { message: ReceivedMessage; done: () => void }[] = [];
    let wake = (): void => {};
    const onEnd = (): void => wake();
    let lost: MqttError | undefined;
    const onLost = (other: string, error: MqttError): void => {
      if (other !== filter) return;
      lost = error;
      wake();
    };
    this.on("subscriptionLost", onLost);
    this.#onClose.add(onEnd);
    signal?.addEventListener("abort", onEnd);
    const handler = (message: ReceivedMessage): Promise<void> =>
      new Promise((done) => {
        queue.push({ message, done });
        wake();
      });
    try {
      await this.subscribe(filter, handler, subscription);
      while (!this.#isClosed) {
        signal?.throwIfAborted();
        if (queue.length === 0 && lost !== undefined) throw lost;
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
      this.off("subscriptionLost", onLost);
      this.#onClose.delete(onEnd);
      signal?.removeEventListener("abort", onEnd);
      for (const { done } of queue) done();
      if (!this.#isClosed) this.unsubscribe(filter).catch(() => {}); // the loop does not wait for the server
    }
  }

  /**
   * Publishes a request, with a Response Topic and Correlation Data, and resolves with the response [5.0 section 4.10].
   * @throws as `publish`; MqttError when no response comes in time; OptionsError before MQTT 5.0.
   */
  request(topic: string, payload: string | Uint8Array = "", options: RequestOptions = {}): Promise<ReceivedMessage> {
    return this.#requests.request(topic, payload, options);
  }

  /**
   * Publishes the response to a request.
   * @throws as `publish`; OptionsError when the message has no Response Topic, so is no request.
   */
  async respond(
    request: ReceivedMessage,
    payload: string | Uint8Array = "",
    options: PublishOptions = {},
  ): Promise<void> {
    const { responseTopic, correlationData } = request;
    if (responseTopic === undefined) throw new OptionsError("request", "has no Response Topic");
    await this.publish(responseTopic, payload, { ...options, correlationData });
  }

  /**
   * Waits until everything published is done with, or the connection is gone, unless `force`; then DISCONNECT. What is not
   * done with then fails; afterwards nothing is taken.
   */
  async close(force = false): Promise<void> {
    if (!force && this.connected && this.#published.size > 0) {
      await new Promise<void>((resolve) => this.#onDrained.push(resolve));
    }
    this.#isClosed = true;
    if (this.connected) this.#core.step(); // what is accepted is acknowledged before DISCONNECT
    this.#core.stop();
    clearInterval(this.#timer);
    const error = new MqttError("not done", ClientCause.Stopped);
    this.#connecting?.reject(error);
    this.#connecting = undefined;
    for (const wake of this.#onClose) wake();
    this.#drained();
    this.#requests.end(error);
    for (const waiting of [this.#published, this.#subscribed, this.#unsubscribed]) {
      for (const { reject } of waiting.values()) reject(error);
      waiting.clear();
    }
    this.emit("close");
  }

  #wait<T>(map: Map<number, Waiting<T>>, row: number): Promise<T> {
    if (row < 0) return Promise.reject(new NotAcceptedError(row, map === (this.#published as unknown)));
    if (this.#isClosed) return Promise.reject(new MqttError("not done", ClientCause.Stopped));
    this.#schedule();
    const before = map.get(row); // asked for twice: both hear of it
    const waiting = new Promise<T>((resolve, reject) => {
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
    this.#regulate();
    return waiting;
  }

  /** A filter that was granted may be refused when it has to be asked for again: nobody waits for that. */
  #subscribedWith(row: number, reason: number): void {
    const filter = this.#filters.get(row);
    const isLost = reason >= ReasonCode.UnspecifiedError && !this.#subscribed.has(row) && filter !== undefined;
    this.#settle(this.#subscribed, row, reason, reason);
    if (!isLost) return;
    this.#handlers.set(filter, undefined);
    this.#handlers.keep(filter, undefined);
    this.emit("subscriptionLost", filter, new MqttError("not subscribed any more", reason, this.#reasonString()));
  }

  #settle<T>(map: Map<number, Waiting<T>>, row: number, reason: number, value: T): void {
    const waiting = map.get(row);
    if (waiting === undefined) return;
    map.delete(row);
    if (reason < ReasonCode.UnspecifiedError) waiting.resolve(value);
    else waiting.reject(new MqttError("not done", reason, this.#reasonString()));
    this.#regulate();
  }

  /**
   * Handlers that are behind stop the reading. Not so while the application waits for the server: what it waits for comes
   * behind the messages, and a handler may be what waits.
   */
  #regulate(): void {
    const isBehind = this.#isBehind(1);
    const calls = this.#published.size + this.#subscribed.size + this.#unsubscribed.size;
    const isAwaited = calls + this.#requests.waiting > 0;
    if (isBehind && !isAwaited) {
      this.#core.pause();
    } else if (this.#core.isPaused) {
      this.#core.resume();
      this.#schedule();
    }
  }

  #isBehind(times: number): boolean {
    const { unsettled, unsettledBytes } = this.#handlers;
    return unsettled >= times * this.#core.limits.receiveMaximum || unsettledBytes >= times * MOST_BYTES;
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

  #text(at: number, length: number): string {
    return Buffer.from(this.#core.layout.u8.subarray(at, at + length)).toString();
  }

  #reasonString(): string | undefined {
    const { reasonAt, reasonLength } = this.#core;
    return reasonLength === 0 ? undefined : this.#text(reasonAt, reasonLength);
  }

  #connected(sessionPresent: boolean): void {
    this.#connection++;
    if (!sessionPresent) this.#epoch++;
    this.#server = this.#serverInfo(sessionPresent);
    if (this.#connecting !== undefined) {
      // What waits in a session that goes on comes at once: not before those who await `connect` could listen.
      this.#core.pause();
      setImmediate(() => this.#regulate());
      this.#connecting.resolve();
      this.#connecting = undefined;
    }
    this.emit("connect", this.#server);
  }

  #serverInfo(sessionPresent: boolean): ServerInfo {
    const { keepAlive, layout, response } = this.#core;
    const { maximumPacketSize, propertiesAt, propertiesLength, sessionExpiry } = response;
    const reasonString = this.#reasonString();
    return {
      sessionPresent,
      keepAlive,
      receiveMaximum: response.receiveMaximum,
      maximumQoS: response.maximumQoS,
      retainAvailable: response.retainAvailable === 1,
      ...(maximumPacketSize > 0 && { maximumPacketSize }),
      topicAliasMaximum: response.topicAliasMaximum,
      wildcardSubscriptionAvailable: response.wildcardSubscriptionAvailable === 1,
      subscriptionIdentifierAvailable: response.subscriptionIdentifierAvailable === 1,
      sharedSubscriptionAvailable: response.sharedSubscriptionAvailable === 1,
      ...(sessionExpiry >= 0 && { sessionExpiry }),
      ...(reasonString !== undefined && { reasonString }),
      ...decodeProperties(layout.u8, propertiesAt, propertiesAt + propertiesLength, PacketType.CONNACK),
    };
  }

  #disconnected(reason: number): void {
    const error = new MqttError("no connection", reason, this.#reasonString(), this.#stream.error);
    const connecting = this.#connecting;
    if (connecting !== undefined && !this.#retry) {
      this.#connecting = undefined;
      void this.close(true);
      connecting.reject(error);
    }
    this.emit("disconnect", error);
    this.#drained();
  }

  /** Nothing published is left to wait for. */
  #drained(): void {
    for (const resolve of this.#onDrained.splice(0)) resolve();
  }

  #publishedWith(row: number, reason: number): void {
    this.#settle(this.#published, row, reason, undefined);
    if (this.#published.size === 0) this.#drained();
  }

  #message(): void {
    const { layout, message } = this.#core;
    const { expiry, packetId, propertiesAt, propertiesLength, qos } = message;
    const received: ReceivedMessage = {
      ...decodeProperties(layout.u8, propertiesAt, propertiesAt + propertiesLength, PacketType.PUBLISH),
      ...(expiry >= 0 && { messageExpiry: expiry }),
      topic: this.#text(message.topicAt, message.topicLength),
      payload: Buffer.concat(this.#pieces),
      qos,
      retain: message.retain,
      dup: message.dup,
    };
    this.#pieces = [];
    if (qos === 0 && this.#isBehind(MOST_BEHIND)) {
      this.emit("dropped", received);
      return;
    }
    this.emit("message", received);
    const epoch = this.#epoch;
    const connection = this.#connection;
    this.#handlers.dispatch(received, () => {
      // Else its Packet Identifier is another message's by now: of QoS 1 with its connection, of QoS 2 with its session.
      const isOurs = qos === 2 ? epoch === this.#epoch : connection === this.#connection;
      if (qos > 0 && isOurs) this.#core.accept(packetId);
      this.#regulate();
      this.#schedule();
    });
    this.#regulate();
  }
}
