// The client: one Network Connection and one Session over the ports it is given, kept up for ever. The host tells it by
// `opened`, `ready` and `closed` what happened to the stream, which only sets marks; `step` does a bounded amount of work.
// All memory is taken in the constructor.

import type { Blocks } from "../memory/blocks";
import { type Layout, NONE } from "../memory/layout";
import type { Plan } from "../memory/plan";
import { AcknowledgementReader } from "../mqtt/acknowledgement";
import { ReasonCode, Version } from "../mqtt/constants";
import type { Decoder } from "../mqtt/decoder";
import { ResponseReader } from "../mqtt/responses";
import { writeText } from "../mqtt/text";
import { ILL_FORMED, topicFilterLevels, topicNameLevels } from "../mqtt/utf8";
import type { Transport } from "../ports";
import type { Inbox } from "../session/inbox";
import { MessageFlag, type Messages } from "../session/messages";
import { DeliveryFlag, type Outbox } from "../session/outbox";
import { Delivery } from "../session/qos";
import { SessionFlag, type Sessions } from "../session/sessions";
import { CoreTime } from "../session/time";
import type { ClientLimits } from "./limits";
import { Message } from "./message";
import { type ConnectOptions, ConnectWriter, checkOptions, OptionsError } from "./options";
import { ClientCause, type ClientEvents, type ClientPorts, NotAccepted } from "./ports";
import { receive } from "./receive";
import { Sender } from "./send";
import { Stage, type Subscriptions } from "./subscriptions";
import { layoutFor, ONE, planClient, Tables } from "./tables";

export const enum ClientState {
  /** `start` was not called, or `stop` was. */
  Stopped = 0,
  /** Until it is time to connect again. */
  Waiting = 1,
  /** The stream is being opened. */
  Dialing = 2,
  /** CONNECT is sent, the server owes CONNACK. */
  Connecting = 3,
  Connected = 4,
}

export class Client {
  state: ClientState = ClientState.Stopped;
  readonly limits: ClientLimits;
  readonly plan: Plan;
  readonly layout: Layout;
  readonly transport: Transport;
  readonly events: ClientEvents;
  readonly time: CoreTime;
  readonly tables: Tables;
  readonly decoder: Decoder;
  readonly sessions: Sessions;
  readonly messages: Messages;
  readonly outbox: Outbox;
  readonly inbox: Inbox;
  readonly blocks: Blocks;
  readonly subscriptions: Subscriptions;
  readonly acknowledgement: AcknowledgementReader;
  readonly response: ResponseReader;
  /** The message that is being received. */
  readonly message: Message;
  readonly sender: Sender;
  options: ConnectOptions = {};
  version: Version = Version.V5_0;
  /** Whether `accept` acknowledges messages, rather than their arrival. */
  acceptsByHand = false;
  /** The application takes no payload until `resume`. */
  isPaused = false;
  /** A message waits until its acknowledgement has room. */
  isWaiting = false;
  /** Seconds, as agreed with the server; 0: none. */
  keepAlive = 0;
  sentAt = 0;
  receivedAt = 0;
  pingSentAt = 0;
  isPingOwed = false;
  clientIdLength = 0;
  /** The CONNECT asked for a new session. */
  isClean = true;
  /** Messages that were longer than `topicBytes` or `headBytes`: the application does not get them. */
  refusedCount = 0;
  readonly #ports: ClientPorts;
  readonly #connect: ConnectWriter;
  #isReady = false;
  #isClosed = false;
  #isFirst = true;
  #isUnsure = false; // a CONNECT was not answered: the server may have begun another session for it
  #attempts = 0;
  #at = 0; // when the state began
  #wait = 0; // before the next attempt, ms

  /**
   * Takes all memory and attaches the transport.
   * @throws LimitsError when the limits can't be.
   */
  constructor(limits: ClientLimits, ports: ClientPorts, events: ClientEvents) {
    this.limits = limits;
    this.plan = planClient(limits);
    this.layout = layoutFor(limits);
    this.tables = new Tables(this.layout, limits);
    this.transport = ports.transport;
    this.events = events;
    this.#ports = ports;
    this.time = new CoreTime(ports.clock);
    const { tables, layout } = this;
    this.decoder = tables.decoder;
    this.sessions = tables.sessions;
    this.messages = tables.messages;
    this.outbox = tables.outbox;
    this.inbox = tables.inbox;
    this.blocks = tables.blocks;
    this.subscriptions = tables.subscriptions;
    this.acknowledgement = new AcknowledgementReader(layout.u8, this.decoder.properties, true);
    this.response = new ResponseReader(layout.u8, this.decoder.properties);
    this.message = new Message(this);
    this.sender = new Sender(this);
    this.#connect = new ConnectWriter(layout.u8, limits, tables.stage);
    this.sessions.add(tables.stage, 0);
    ports.transport.attach(
      layout.u8.buffer as ArrayBuffer,
      tables.input,
      limits.inputBytes,
      tables.output,
      limits.outputBytes,
    );
  }

  /** There is a stream, and CONNECT has been sent. */
  get isOnline(): boolean {
    return this.state === ClientState.Connecting || this.state === ClientState.Connected;
  }

  // From the application

  // allocates: start-up only
  /**
   * Connects, and connects again whenever the connection is lost, until `stop`.
   * @throws OptionsError when an option can't be; nothing has happened then.
   */
  start(options: ConnectOptions): void {
    if (this.state !== ClientState.Stopped) throw new OptionsError("start", "it is started");
    checkOptions(options);
    const { clientId, output } = this.tables;
    const end = writeText(this.layout.u8, clientId, clientId + this.limits.clientIdBytes, options.clientId ?? "");
    if (end < 0) throw new OptionsError("clientId", `is no text, or longer than ${this.limits.clientIdBytes} bytes`);
    this.clientIdLength = end - clientId;
    this.#connect.write(output, options, true, clientId, this.clientIdLength); // all of it can be written
    this.options = options;
    this.version = options.version ?? Version.V5_0;
    this.sessions.set(ONE, SessionFlag.V5, this.version === Version.V5_0);
    this.#isFirst = true;
    this.#attempts = 0;
    this.time.read();
    this.#dial();
  }

  /** Sends DISCONNECT with `reasonCode` (0, or 0x04 for the Will Message), and connects no more. What is queued stays. */
  stop(reasonCode: ReasonCode = ReasonCode.Success): void {
    if (this.state === ClientState.Stopped) return;
    if (this.state === ClientState.Connected) this.sender.disconnect(reasonCode);
    this.end(ClientCause.Stopped);
    this.state = ClientState.Stopped;
  }

  /**
   * Takes a message: whole, or not at all. Returns its number, by which `ClientEvents.published` tells its end, or why it
   * is not accepted. `properties` of 5.0 as they go on the wire, without their length and without Message Expiry Interval,
   * which is `expiry` (seconds, -1: none), and Topic Alias. A Topic Name given as bytes costs no allocation on XS.
   */
  publish(
    topic: string | Uint8Array,
    payload: Uint8Array | undefined,
    qos: number,
    retain: boolean,
    properties?: Uint8Array,
    expiry = -1,
  ): number | NotAccepted {
    const { blocks, limits, messages, outbox, tables, time } = this;
    const { u8 } = this.layout;
    const at = tables.stage;
    if (qos === 0 && this.state !== ClientState.Connected) return NotAccepted.Offline;
    if (this.state === ClientState.Connected && !this.#isSupported(qos, retain)) return NotAccepted.Unsupported;
    const topicLength = this.#topic(topic, at);
    const levels = topicLength > 0 ? topicNameLevels(u8, at, topicLength) : 0;
    if (levels <= 0 || levels > limits.topicLevels) return NotAccepted.Topic;
    if (outbox.pool.free === 0 || messages.pool.free === 0) return NotAccepted.Messages;
    const propertiesLength = properties === undefined ? 0 : properties.length;
    const total = topicLength + propertiesLength + (payload === undefined ? 0 : payload.length);
    if (blocks.blocksFor(total) > blocks.available) return NotAccepted.PayloadBytes;
    let last = blocks.append(NONE, 0, at, topicLength);
    const { first } = blocks;
    if (properties !== undefined) last = this.#append(last, topicLength, properties);
    if (payload !== undefined) this.#append(last, topicLength + propertiesLength, payload);
    const header = qos | (retain ? MessageFlag.Retain : 0);
    // The Topic Name is followed at once by the rest: not a message that the topic tree may name.
    const message = messages.add(first, total, topicLength, propertiesLength, header & ~MessageFlag.Retain);
    if (expiry >= 0) messages.setExpiry(message, time.secondsAfter(expiry), time.sixteenth);
    const row = outbox.add(ONE, message, qos, retain, 0);
    messages.release(message);
    this.#isReady = true;
    return row;
  }

  /** Subscribes with these Subscription Options [5.0 section 3.8.3.1] and Subscription Identifier (0: none); returns its number. */
  subscribe(filter: string, options: number, identifier = 0): number | NotAccepted {
    const { blocks, limits, response, subscriptions } = this;
    const length = this.#filter(filter);
    if (length <= 0) return NotAccepted.Topic;
    if (identifier !== 0) {
      if (this.version !== Version.V5_0) return NotAccepted.Unsupported;
      if (this.state === ClientState.Connected && response.subscriptionIdentifierAvailable === 0) {
        return NotAccepted.Unsupported;
      }
    }
    let row = this.#find(length);
    if (row === NONE) {
      if (subscriptions.pool.free === 0) return NotAccepted.Messages;
      if (blocks.blocksFor(length) > blocks.available || length > limits.topicBytes) return NotAccepted.PayloadBytes;
      row = subscriptions.add(this.tables.stage, length);
    }
    subscriptions.want(row, this.version === Version.V5_0 ? options : options & 3, identifier);
    this.#isReady = true;
    return row;
  }

  /** Returns the number of the subscription, of which `ClientEvents.unsubscribed` tells. */
  unsubscribe(filter: string): number | NotAccepted {
    const length = this.#filter(filter);
    const row = length <= 0 ? NONE : this.#find(length);
    if (row === NONE) return NotAccepted.Unknown;
    this.subscriptions.setStage(row, Stage.Unwanted);
    this.#isReady = true;
    return row;
  }

  /** With `acceptsByHand`: the message of this Packet Identifier is acknowledged. False when it is not waiting for that. */
  accept(packetId: number): boolean {
    this.#isReady = true;
    return this.inbox.accept(ONE, packetId);
  }

  /** The application takes payload again. */
  resume(): void {
    this.isPaused = false;
    this.#isReady = true;
  }

  // From the host

  /** The stream is open. */
  opened(): void {
    if (this.state !== ClientState.Dialing) return;
    this.time.read();
    this.#enter(ClientState.Connecting);
    this.decoder.load(ONE);
    this.decoder.version = this.version;
    this.isClean = (this.options.cleanStart ?? true) && (this.#isFirst || this.version !== Version.V5_0);
    const { clientId, output } = this.tables;
    const end = this.#connect.write(output, this.options, this.isClean, clientId, this.clientIdLength);
    this.keepAlive = this.options.keepAlive ?? 60;
    this.receivedAt = this.time.now;
    this.sender.send(end - output);
    this.#isReady = true;
  }

  /** Bytes wait, or the stream takes more again. */
  ready(): void {
    this.#isReady = true;
  }

  /** The stream is over, or could not be opened; what waits is still received. */
  closed(): void {
    this.#isClosed = true;
    this.#isReady = true;
  }

  /** Does a bounded amount of work. True when more waits. Call it at least every 100 ms, for the time limits. */
  step(): boolean {
    this.time.read();
    this.#checkTime();
    if (!this.#isReady) return false;
    this.#isReady = false;
    if (this.isOnline) {
      if (receive(this)) this.#isReady = true;
      else if (this.#isClosed && !this.isPaused) this.end(ClientCause.Lost);
      if (this.state === ClientState.Connected && this.sender.pump()) this.#isReady = true;
    } else if (this.#isClosed && this.state === ClientState.Dialing) {
      this.end(ClientCause.Lost);
    }
    // An acknowledgement that went out makes room for the next message.
    if (this.isWaiting && this.inbox.hasRoom(ONE, true, this.version === Version.V5_0)) this.#isReady = true;
    return this.#isReady;
  }

  // For the handlers

  /** CONNACK with Success has been read. */
  entered(): void {
    const { inbox, outbox, response, subscriptions, sessions, tables } = this;
    const { u8, u16, u32 } = this.layout;
    const { clientId } = tables;
    this.#enter(ClientState.Connected);
    this.#isFirst = false;
    if (response.assignedLength > 0) {
      u8.copyWithin(clientId, response.assignedAt, response.assignedAt + response.assignedLength);
      this.clientIdLength = response.assignedLength;
    }
    if (response.serverKeepAlive >= 0) this.keepAlive = response.serverKeepAlive; // [MQTT-3.1.2-21]
    u16[sessions.receiveMaximum + ONE] = response.receiveMaximum;
    u32[sessions.maximumPacketSize + ONE] = response.maximumPacketSize;
    tables.aliasesIn.clear(this.limits.aliasesIn);
    tables.aliasesOut.clear(response.topicAliasMaximum);
    if (!response.sessionPresent) {
      inbox.clear(ONE); // [MQTT-3.2.2-5]
      subscriptions.forget();
      if (!this.#begin(outbox)) return;
    } else if (this.#isUnsure) {
      subscriptions.forget(); // the session that is present may not be the one that had them
    }
    this.#isUnsure = false;
    this.events.connected(response.sessionPresent);
  }

  /** Ends the connection, or the attempt; a Reason Code of ours is sent before. It is tried again later. */
  fail(reason: ReasonCode): void {
    if (this.state === ClientState.Connected && this.version === Version.V5_0) this.sender.disconnect(reason);
    this.end(reason);
  }

  /** The connection, or the attempt, is over. */
  end(reason: number): void {
    const { decoder, inbox, outbox } = this;
    const { random } = this.#ports;
    const before = this.state;
    if (before === ClientState.Stopped || before === ClientState.Waiting) return;
    decoder.release(ONE);
    this.message.lose();
    this.sender.forget();
    outbox.disconnect(ONE);
    inbox.disconnect(ONE);
    this.subscriptions.disconnect();
    this.isPaused = false;
    this.isWaiting = false;
    this.isPingOwed = false;
    this.transport.close(ONE, 0);
    if (before === ClientState.Connected) this.#attempts = 0;
    if (before === ClientState.Connecting) this.#isUnsure = true;
    const { reconnectMilliseconds, reconnectMostMilliseconds } = this.limits;
    let wait = reconnectMilliseconds;
    for (let i = 0; i < this.#attempts && wait < reconnectMostMilliseconds; i++) wait *= 2;
    if (wait > reconnectMostMilliseconds) wait = reconnectMostMilliseconds;
    this.#attempts++;
    // Between half of it and all of it: those who lost the same server do not come back as one.
    this.#wait = (wait >>> 1) + ((random.next() >>> 1) % ((wait >>> 1) + 1));
    this.#enter(ClientState.Waiting);
    this.events.disconnected(reason);
  }

  #enter(state: ClientState): void {
    this.state = state;
    this.#at = this.time.now;
  }

  #dial(): void {
    this.#enter(ClientState.Dialing);
    this.#isClosed = false;
    this.#ports.dialer.dial(ONE);
  }

  #checkTime(): void {
    const { now } = this.time;
    const elapsed = (now - this.#at) | 0;
    switch (this.state) {
      case ClientState.Waiting:
        if (elapsed >= this.#wait) this.#dial();
        return;
      case ClientState.Dialing:
      case ClientState.Connecting:
        if (elapsed >= this.limits.connectMilliseconds) this.end(ClientCause.ConnectTimeout);
        return;
      case ClientState.Connected:
        if (this.keepAlive > 0) this.#checkKeepAlive(now);
    }
  }

  /** PINGREQ after three quarters of the Keep Alive without a word of ours or theirs; as long again for any answer. */
  #checkKeepAlive(now: number): void {
    const patience = this.keepAlive * 750;
    // What we do not read can't be missed.
    if (this.isPaused || this.isWaiting) this.receivedAt = now;
    const silence = (now - this.receivedAt) | 0;
    // The answer may be behind much else that comes: then the server is there.
    if (this.isPingOwed && silence >= patience && ((now - this.pingSentAt) | 0) >= patience) {
      this.end(ClientCause.Silent);
    } else if (((now - this.sentAt) | 0) >= patience || (silence >= patience && !this.isPingOwed)) {
      this.sender.ping();
    }
  }

  /** Writes a Topic Name to `at`; its length, or -1 when it is too long. */
  #topic(topic: string | Uint8Array, at: number): number {
    const { topicBytes } = this.limits;
    if (typeof topic === "string") return writeText(this.layout.u8, at, at + topicBytes, topic) - at;
    if (topic.length > topicBytes) return -1;
    this.layout.u8.set(topic, at);
    return topic.length;
  }

  #isSupported(qos: number, retain: boolean): boolean {
    const { maximumQoS, retainAvailable } = this.response;
    return qos <= maximumQoS && (!retain || retainAvailable === 1); // [MQTT-3.2.2-11], [MQTT-3.2.2-14]
  }

  // allocates: a view for each `stageBytes` of a large payload
  /** Appends what the application gives, by way of the stage. */
  #append(last: number, length: number, bytes: Uint8Array): number {
    const { stage } = this.tables;
    const { stageBytes } = this.limits;
    const { u8 } = this.layout;
    if (bytes.length <= stageBytes) {
      u8.set(bytes, stage);
      return this.blocks.append(last, length, stage, bytes.length);
    }
    for (let from = 0; from < bytes.length; from += stageBytes) {
      const count = Math.min(stageBytes, bytes.length - from);
      u8.set(bytes.subarray(from, from + count), stage);
      last = this.blocks.append(last, length + from, stage, count);
    }
    return last;
  }

  /** Writes a Topic Filter to the stage; its length, or -1 when it is none. */
  #filter(filter: string): number {
    const at = this.tables.stage;
    const { topicBytes, topicLevels } = this.limits;
    const { u8 } = this.layout;
    const length = writeText(u8, at, at + topicBytes, filter) - at;
    if (length <= 0) return -1;
    const levels = topicFilterLevels(u8, at, length);
    return levels === ILL_FORMED || levels <= 0 || levels > topicLevels ? -1 : length;
  }

  #find(length: number): number {
    const { stage, packetHead } = this.tables;
    return this.subscriptions.find(stage, length, packetHead);
  }

  /**
   * The server has forgotten the session: what was on its way begins anew, as if it had never been sent. False when the
   * application has stopped the client meanwhile.
   */
  #begin(outbox: Outbox): boolean {
    const { sessions } = this;
    const { u16 } = this.layout;
    let row = outbox.first(ONE);
    for (; row !== NONE; row = outbox.next(row)) {
      if (outbox.state(row) === Delivery.PubrelOwed) continue;
      outbox.setState(row, Delivery.Queued);
      outbox.setPacketId(row, 0);
      outbox.clearFlag(row, DeliveryFlag.Begun);
    }
    let previous = NONE;
    for (row = outbox.first(ONE); row !== NONE; ) {
      const next = outbox.next(row);
      if (outbox.state(row) !== Delivery.PubrelOwed) {
        previous = row;
      } else {
        outbox.remove(ONE, previous, row); // it had the message
        u16[sessions.inflight + ONE]--;
        u16[sessions.relOwed + ONE]--;
        this.events.published(row, ReasonCode.Success);
        if (this.state !== ClientState.Connected) return false;
      }
      row = next;
    }
    return true;
  }
}
