// The client: one Network Connection and one Session over the ports it is given, kept up for ever. The host tells it by
// `opened`, `ready` and `closed` what happened to the stream, which only sets marks; `step` does a bounded amount of work.
// All memory is taken in the constructor.

import type { Blocks } from "../memory/blocks";
import { type Layout, NONE } from "../memory/layout";
import type { Plan } from "../memory/plan";
import { AcknowledgementReader } from "../mqtt/acknowledgement";
import { sameBytes } from "../mqtt/bytes";
import { ReasonCode, Version } from "../mqtt/constants";
import type { Decoder } from "../mqtt/decoder";
import { PropertyReader } from "../mqtt/properties";
import { ResponseReader } from "../mqtt/responses";
import { writeText } from "../mqtt/text";
import type { Transport } from "../ports";
import type { Inbox } from "../session/inbox";
import type { Messages } from "../session/messages";
import { DeliveryFlag, type Outbox } from "../session/outbox";
import { SessionFlag, type Sessions } from "../session/sessions";
import { CoreTime } from "../session/time";
import { acceptFilter, acceptMessage, findFilter, MOST_BYTES, writeFilter } from "./accept";
import type { ClientLimits } from "./limits";
import { Message } from "./message";
import { type ConnectOptions, ConnectWriter, checkOptions, OptionsError } from "./options";
import { beginAnew, loseMessages } from "./outgoing";
import { ClientCause, type ClientEvents, type ClientPorts, NotAccepted } from "./ports";
import { hasRoom } from "./receipts";
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

/** What reading waits for, until an acknowledgement has gone out. */
export const enum Waits {
  Nothing = 0,
  /** A receipt for a PUBLISH. */
  Receipt = 1,
  /** A receipt for the answer to an unknown Packet Identifier. */
  Answer = 2,
}

/**
 * A connection that lasts less than so many times `reconnectMilliseconds` counts as an attempt that failed: two clients with
 * one Client Identifier would take the session from each other as fast as they can, for ever.
 */
const BRIEF = 8;
/** Packet Identifiers are from 1 to this [5.0 section 2.2.1]. */
const MOST_IDS = 65535;

export class Client {
  state: ClientState = ClientState.Stopped;
  readonly limits: ClientLimits;
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
  /** Of what the application gives. */
  readonly properties: PropertyReader;
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
  waits: Waits = Waits.Nothing;
  /** Seconds, as agreed with the server; 0: none. */
  keepAlive = 0;
  sentAt = 0;
  receivedAt = 0;
  pingSentAt = 0;
  isPingOwed = false;
  clientIdLength = 0;
  /** The session of this connection may not be the one that we know. */
  isDoubtful = false;
  /** The CONNECT asked for a new session. */
  isClean = true;
  /** Messages that were longer than `topicBytes` or `headBytes`: the application does not get them. */
  refusedCount = 0;
  /** While the application is told of a packet: where its Reason String is, and its length; 0: it has none. */
  reasonAt = 0;
  reasonLength = 0;
  readonly #ports: ClientPorts;
  readonly #connect: ConnectWriter;
  #isReady = false;
  #isClosed = false;
  #isFirst = true;
  #isOther = false; // what is kept belongs to the session of another Client Identifier
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
    this.properties = new PropertyReader(layout.u8);
    this.#connect = new ConnectWriter(layout.u8, limits, tables.stage, this.properties);
    this.sessions.add(tables.stage, 0);
    // A session may be resumed of which the server still has Packet Identifiers of another life of ours: not from 1 on.
    layout.u16[this.sessions.nextId + ONE] = 1 + ((ports.random.next() >>> 1) % MOST_IDS);
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

  // allocates: a report
  /** What its memory is used for: computed again, not kept. */
  get plan(): Plan {
    return planClient(this.limits);
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
    const { u8 } = this.layout;
    const end = writeText(u8, output, output + this.limits.clientIdBytes, options.clientId ?? "");
    if (end < 0) throw new OptionsError("clientId", `is no text, or longer than ${this.limits.clientIdBytes} bytes`);
    const length = end - output;
    if (length !== this.clientIdLength || !sameBytes(u8, output, clientId, length)) this.#isOther = true;
    u8.copyWithin(clientId, output, end);
    this.clientIdLength = length;
    this.#connect.write(output, options, true, clientId, this.clientIdLength); // all of it can be written
    this.options = this.#connect.keep(options);
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
    this.abandon();
  }

  /** Closes without a DISCONNECT: the server takes it for lost, and publishes the Will Message. Connects no more. */
  abandon(): void {
    if (this.state === ClientState.Stopped) return;
    if (this.state === ClientState.Connected) this.sender.flush();
    this.end(ClientCause.Stopped);
    this.state = ClientState.Stopped;
  }

  /** Asks the server for a sign of life [section 3.12], besides what Keep Alive does. */
  ping(): void {
    if (this.state === ClientState.Connected && !this.isPingOwed) this.sender.ping();
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
    return acceptMessage(this, topic, payload, qos, retain, properties, expiry);
  }

  /**
   * Takes a message whose payload of `payloadLength` bytes begins with `payload`; the rest comes by `write`, once
   * `ClientEvents.writable` asks for it. It is not kept: when the connection is lost before the server has it, `published`
   * tells `ClientCause.Lost`. One at a time; nothing else is sent in the middle of it. Returns as `publish` does.
   */
  publishStream(
    topic: string | Uint8Array,
    payload: Uint8Array | undefined,
    payloadLength: number,
    qos: number,
    retain: boolean,
    properties?: Uint8Array,
    expiry = -1,
  ): number | NotAccepted {
    if (this.state !== ClientState.Connected) return NotAccepted.Offline;
    if (this.sender.isStreaming) return NotAccepted.Messages;
    const rest = payloadLength - (payload === undefined ? 0 : payload.length);
    if (!(rest >= 0 && rest < MOST_BYTES)) return NotAccepted.PayloadBytes;
    const row = acceptMessage(this, topic, payload, qos, retain, properties, expiry, rest);
    if (row < 0) return row;
    this.outbox.setFlag(row, DeliveryFlag.Streamed);
    this.sender.stream(row, rest);
    return row;
  }

  /** How many bytes `write` takes now. */
  get writable(): number {
    return this.state === ClientState.Connected ? this.sender.writable : 0;
  }

  /** Takes payload of the message that `publishStream` took: all of `bytes`, or, when that is more than `writable`, nothing. */
  write(bytes: Uint8Array): boolean {
    if (bytes.length === 0 || bytes.length > this.writable) return false;
    this.sender.write(bytes);
    return true;
  }

  /**
   * Subscribes with these Subscription Options [5.0 section 3.8.3.1] and Subscription Identifier (0: none). Returns the
   * number of the subscription, of which `ClientEvents.subscribed` tells, or why it is not accepted.
   */
  subscribe(filter: string | Uint8Array, options: number, identifier = 0): number | NotAccepted {
    return acceptFilter(this, filter, options, identifier);
  }

  /** Returns the number of the subscription, of which `ClientEvents.unsubscribed` tells. */
  unsubscribe(filter: string | Uint8Array): number | NotAccepted {
    const length = writeFilter(this, filter);
    const row = length <= 0 ? NONE : findFilter(this, length);
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

  /** The application takes nothing for now: nothing is read, acknowledgements and PINGRESP neither. */
  pause(): void {
    this.isPaused = true;
  }

  /** The application takes messages again. */
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
    if (this.#isReady) this.#work();
    // Last: an answer that is here is not missed, and what the application holds back is not either.
    this.#checkTime();
    return this.#isReady;
  }

  #work(): void {
    this.#isReady = false;
    if (this.isOnline) {
      if (receive(this)) this.#isReady = true;
      else if (this.#isClosed && !this.isPaused) this.end(ClientCause.Lost);
      if (this.state === ClientState.Connected && this.sender.pump()) this.#isReady = true;
      if (this.writable > 0) this.events.writable?.(this.writable);
    } else if (this.#isClosed && this.state === ClientState.Dialing) {
      this.end(ClientCause.Lost);
    }
    if (this.waits !== Waits.Nothing && this.#isWaitOver()) this.#isReady = true;
  }

  /** An acknowledgement that went out has made room for what is to be read next, or none is left that could. */
  #isWaitOver(): boolean {
    const { inbox } = this;
    const isHopeless = inbox.firstOwed(ONE) === NONE && !inbox.hasOpen(ONE);
    return isHopeless || hasRoom(this, this.waits === Waits.Receipt);
  }

  // For the handlers

  /** CONNACK with Success has been read. */
  entered(): void {
    const { inbox, response, subscriptions, sessions, tables } = this;
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
    if (!response.sessionPresent || this.#isOther) {
      inbox.clear(ONE); // [MQTT-3.2.2-5], [MQTT-3.1.3-2]
      subscriptions.forget();
      this.#isOther = false;
      if (!beginAnew(this)) return;
    } else if (this.#isUnsure) {
      subscriptions.forget(); // the session that is present may not be the one that had them
    }
    this.isDoubtful = response.sessionPresent && (this.isDoubtful || this.#isUnsure);
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
    const lasted = (this.time.now - this.#at) >>> 0;
    this.#enter(ClientState.Waiting);
    this.transport.close(ONE, 0);
    decoder.release(ONE);
    this.message.lose();
    this.sender.forget();
    loseMessages(this);
    outbox.disconnect(ONE);
    inbox.disconnect(ONE);
    this.subscriptions.disconnect();
    this.isPaused = false;
    this.waits = Waits.Nothing;
    this.isPingOwed = false;
    if (before === ClientState.Connected && lasted >= BRIEF * this.limits.reconnectMilliseconds) this.#attempts = 0;
    if (before === ClientState.Connecting) this.#isUnsure = true;
    const { reconnectMilliseconds, reconnectMostMilliseconds } = this.limits;
    let wait = reconnectMilliseconds;
    for (let i = 0; i < this.#attempts && wait < reconnectMostMilliseconds; i++) wait *= 2;
    if (wait > reconnectMostMilliseconds) wait = reconnectMostMilliseconds;
    this.#attempts++;
    // Between half of it and all of it: those who lost the same server do not come back as one.
    this.#wait = (wait >>> 1) + ((random.next() >>> 1) % ((wait >>> 1) + 1));
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
    // What we do not read can't be missed; the server still wants to hear of us [MQTT-3.1.2-20].
    if (this.isPaused || this.waits !== Waits.Nothing) this.receivedAt = now;
    const silence = (now - this.receivedAt) | 0;
    // The answer may be behind much else that comes: then the server is there.
    if (this.isPingOwed && silence >= patience && ((now - this.pingSentAt) | 0) >= patience) {
      this.end(ClientCause.Silent);
    } else if (((now - this.sentAt) | 0) >= patience || (silence >= patience && !this.isPingOwed)) {
      this.sender.ping();
    }
  }
}
