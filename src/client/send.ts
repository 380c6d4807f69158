// Everything that the client sends, gathered in one output area: what was begun, acknowledgements, PINGREQ, SUBSCRIBE and
// UNSUBSCRIBE, then PUBLISH up to the window.

import { NONE } from "../memory/layout";
import { variableLength, writeVariable } from "../mqtt/bytes";
import { PacketType, Property, ReasonCode, Version } from "../mqtt/constants";
import { ACK_BYTES, fixedHeaderLength, writeDisconnect, writePing } from "../mqtt/encoder";
import { writeFilterRequest } from "../mqtt/requests";
import { DeliveryFlag } from "../session/outbox";
import { Delivery } from "../session/qos";
import { SessionWriter } from "../session/writer";
import { acceptPayload } from "./accept";
import { refusalOf } from "./allowed";
import type { Client } from "./client";
import { ClientCause } from "./ports";
import { Stage } from "./subscriptions";
import { ONE } from "./tables";

/** Messages that end without being sent, in one turn at most: bounded work. */
const DROPS_AT_ONCE = 64;

export class Sender {
  readonly #client: Client;
  readonly #writer: SessionWriter;
  #isPingWanted = false;
  /** A new alias that the PUBLISH being begun makes known; 0: none. */
  #newAlias = 0;
  /** The delivery whose payload the application sends, or NONE; the bytes it still owes; whether its head is sent. */
  #streamed = NONE;
  #left = 0;
  #isHeadSent = false;

  constructor(client: Client) {
    this.#client = client;
    const { layout, sessions, inbox, outbox, messages, tables } = client;
    this.#writer = new SessionWriter(layout, sessions, inbox, outbox, messages, tables, tables.packetHead);
  }

  /** Sends the first `count` bytes of the output. */
  send(count: number): void {
    const client = this.#client;
    client.transport.send(ONE, count);
    client.sentAt = client.time.now;
    // Nobody can answer a PINGREQ that is behind a large PUBLISH.
    if (this.#isPingWanted) client.pingSentAt = client.sentAt;
  }

  /** PINGREQ goes out in this step; the server owes PINGRESP. */
  ping(): void {
    const client = this.#client;
    if (this.#isPingWanted) return; // it has to wait for room
    this.#isPingWanted = true;
    if (!client.isPingOwed) client.pingSentAt = client.time.now;
    client.isPingOwed = true;
    client.ready();
  }

  /** DISCONNECT, after what is gathered, unless another packet is half sent. */
  disconnect(reasonCode: ReasonCode): void {
    const { layout, sessions, tables, transport, version } = this.#client;
    this.flush();
    if (layout.index[sessions.sending + ONE] !== NONE || transport.writable(ONE) < ACK_BYTES) return;
    const code = version === Version.V5_0 ? reasonCode : ReasonCode.Success;
    this.send(writeDisconnect(layout.u8, tables.output, code) - tables.output);
  }

  /** The connection is gone. */
  forget(): void {
    const { layout, outbox, sessions } = this.#client;
    const sending = layout.index[sessions.sending + ONE];
    if (sending !== NONE) outbox.setFlag(sending, DeliveryFlag.Begun);
    layout.index[sessions.sending + ONE] = NONE;
    this.#isPingWanted = false;
    this.#writer.at = 0;
    this.#writer.alias = 0;
    this.#writer.omitsTopic = false;
    this.#endStream();
  }

  /** Whether a payload is being streamed, or waits for its turn. */
  get isStreaming(): boolean {
    return this.#streamed !== NONE;
  }

  /** The last `length` bytes of the payload of `row` come from the application by `write`. */
  stream(row: number, length: number): void {
    this.#streamed = row;
    this.#left = length;
  }

  /** How many bytes of the streamed payload can be taken now: sent, or kept while its turn has not come. */
  get writable(): number {
    const row = this.#streamed;
    const { blocks, layout, limits, sessions, transport } = this.#client;
    if (row === NONE) return 0;
    let room = 0;
    if (this.#isHeadSent) {
      const writable = transport.writable(ONE);
      room = writable < limits.outputBytes ? writable : limits.outputBytes;
    } else if (layout.index[sessions.sending + ONE] !== row) {
      room = blocks.available * blocks.blockBytes;
    }
    return room < this.#left ? room : this.#left;
  }

  /** Takes payload, at most what is `writable`. */
  write(bytes: Uint8Array): void {
    const { events, layout, outbox, tables } = this.#client;
    const row = this.#streamed;
    this.#left -= bytes.length;
    if (this.#isHeadSent) {
      layout.u8.set(bytes, tables.output);
      this.send(bytes.length);
      if (this.#left > 0) return;
      const qos = outbox.qos(row);
      this.#writer.finish(ONE, row);
      this.#endStream();
      if (qos === 0) events.published(row, ReasonCode.Success);
    } else {
      acceptPayload(this.#client, row, bytes);
      if (this.#left > 0) return;
      outbox.clearFlag(row, DeliveryFlag.Streamed); // all of it is kept
      this.#endStream();
    }
    this.#client.ready();
  }

  #endStream(): void {
    this.#streamed = NONE;
    this.#left = 0;
    this.#isHeadSent = false;
    this.#writer.streamed = 0;
  }

  /** Sends what the stream takes now. True when more could be sent at once. */
  pump(): boolean {
    const { limits, tables, transport } = this.#client;
    const writer = this.#writer;
    const writable = transport.writable(ONE);
    writer.at = tables.output;
    writer.end = tables.output + (writable < limits.outputBytes ? writable : limits.outputBytes);
    const isDone = this.#fill();
    return this.flush() && !isDone;
  }

  /** Sends what is gathered; the application may have stopped the client meanwhile. False when there is nothing. */
  flush(): boolean {
    const writer = this.#writer;
    const count = writer.at - this.#client.tables.output;
    writer.at = 0;
    if (count <= 0) return false;
    this.send(count);
    return true;
  }

  /** False when the room, or the turn, ran out. */
  #fill(): boolean {
    const { layout, sessions } = this.#client;
    const writer = this.#writer;
    if (this.#isHeadSent) return true; // nothing goes into the middle of a PUBLISH
    if (layout.index[sessions.sending + ONE] !== NONE && !this.#publish()) return false;
    if (!writer.acknowledgements(ONE)) return false;
    if (this.#isPingWanted) {
      if (writer.end - writer.at < ACK_BYTES) return false;
      writer.at = writePing(layout.u8, writer.at, PacketType.PINGREQ);
      this.#isPingWanted = false;
      this.#client.pingSentAt = this.#client.time.now;
    }
    return this.#filters() && this.#publishes();
  }

  #filters(): boolean {
    const { events, layout, subscriptions, tables, version } = this.#client;
    const { u8 } = layout;
    const writer = this.#writer;
    if (subscriptions.waiting === 0) return true;
    let row = subscriptions.next(0, Stage.Wanted, Stage.Unwanted);
    for (; row !== NONE; row = subscriptions.next(row, Stage.Wanted, Stage.Unwanted)) {
      const length = subscriptions.length(row);
      if (writer.end - writer.at < length + 24) return false;
      const isWanted = subscriptions.stage(row) === Stage.Wanted;
      const identifier = isWanted ? subscriptions.identifier(row) : 0;
      const properties = tables.packetHead;
      if (identifier !== 0) {
        u8[properties] = Property.SubscriptionIdentifier;
        writeVariable(u8, properties + 1, identifier);
      }
      subscriptions.copy(row, tables.stage);
      const propertiesLength = identifier === 0 ? 0 : 1 + variableLength(identifier);
      const refusal = this.#refusalOf(length, isWanted, identifier, propertiesLength);
      if (refusal !== 0) {
        subscriptions.remove(row);
        if (isWanted) events.subscribed(row, refusal);
        else events.unsubscribed(row, refusal);
        if (!this.#client.isOnline) return false;
        continue;
      }
      const packetId = this.#packetId();
      const options = isWanted ? subscriptions.options(row) & (version === Version.V5_0 ? 0xff : 3) : -1;
      writer.at = writeFilterRequest(
        u8,
        writer.at,
        version,
        packetId,
        tables.stage,
        length,
        options,
        properties,
        propertiesLength,
      );
      subscriptions.sent(row, packetId);
    }
    return true;
  }

  /** Why the server can't be asked for, or to forget, the Topic Filter in the stage; 0 when it can. */
  #refusalOf(length: number, isWanted: boolean, identifier: number, propertiesLength: number): ReasonCode {
    const { layout, response, sessions, tables } = this.#client;
    const most = layout.u32[sessions.maximumPacketSize + ONE];
    if (most !== 0) {
      const remaining = 2 + 1 + propertiesLength + 2 + length + (isWanted ? 1 : 0); // only in 5.0 there is a limit
      if (fixedHeaderLength(remaining) + remaining > most) return ReasonCode.PacketTooLarge; // [MQTT-3.2.2-15]
    }
    return isWanted ? refusalOf(response, layout.u8, tables.stage, length, identifier) : ReasonCode.Success;
  }

  /** One that neither a message in flight nor a SUBSCRIBE or UNSUBSCRIBE has [MQTT-2.2.1-3]. */
  #packetId(): number {
    const { outbox, subscriptions } = this.#client;
    let id = outbox.takePacketId(ONE);
    while (subscriptions.byPacketId(id) !== NONE) id = outbox.takePacketId(ONE);
    return id;
  }

  #publishes(): boolean {
    const { limits, outbox, sessions } = this.#client;
    const writer = this.#writer;
    let drops = 0;
    while (writer.at < writer.end) {
      const row = outbox.firstUnsent(ONE);
      if (row === NONE) return true;
      const state = outbox.state(row);
      if (state === Delivery.PubrelOwed || state === Delivery.PubcompPending) {
        outbox.advance(ONE, row); // its PUBREL is among the acknowledgements
        continue;
      }
      if (outbox.qos(row) > 0 && sessions.isWindowFull(ONE, limits.inflight)) return true;
      const reason = this.#start(row);
      if (reason !== 0) {
        outbox.removeFirstUnsent(ONE);
        if (row === this.#streamed) this.#endStream();
        this.#client.events.published(row, reason);
        if (++drops >= DROPS_AT_ONCE || !this.#client.isOnline) return false;
        continue;
      }
      if (!this.#publish()) return false;
    }
    return false;
  }

  /** Fixes what the PUBLISH will say. Returns 0, or why it can't be sent. */
  #start(row: number): number {
    const { layout, messages, outbox, response, sessions, tables, time } = this.#client;
    const message = outbox.message(row);
    const isBegun = outbox.has(row, DeliveryFlag.Begun);
    if (!isBegun && messages.isExpired(message, time.seconds, time.sixteenth)) return ClientCause.Expired;
    if (outbox.qos(row) > response.maximumQoS) return ReasonCode.QoSNotSupported; // [MQTT-3.2.2-11]
    if (outbox.has(row, DeliveryFlag.Retain) && response.retainAvailable === 0) return ReasonCode.RetainNotSupported;
    const left = messages.hasExpiry(message) ? messages.expires(message) - time.seconds : 0;
    this.#alias(message);
    this.#writer.streamed = row === this.#streamed ? this.#left : 0;
    const total = this.#writer.begin(ONE, ONE, row, left > 0 ? left : 0) + this.#writer.streamed;
    const most = layout.u32[sessions.maximumPacketSize + ONE];
    if (most !== 0 && total > most) return ReasonCode.PacketTooLarge; // [MQTT-3.2.2-15]
    if (this.#newAlias !== 0) tables.aliasesOut.set(this.#newAlias, tables.stage, messages.topicLength(message));
    if (outbox.qos(row) > 0 && outbox.packetId(row) === 0) outbox.setPacketId(row, this.#packetId());
    layout.index[sessions.sending + ONE] = row;
    return 0;
  }

  /** The Topic Alias to send it with, if the server takes any. */
  #alias(message: number): void {
    const { messages, tables } = this.#client;
    const { aliasesOut, stage } = tables;
    const writer = this.#writer;
    this.#newAlias = 0;
    if (aliasesOut.most === 0) return;
    messages.copyTopic(message, stage);
    const alias = aliasesOut.find(stage, messages.topicLength(message));
    writer.omitsTopic = alias !== 0;
    if (alias === 0) this.#newAlias = aliasesOut.next();
    writer.alias = alias === 0 ? this.#newAlias : alias;
  }

  /** Sends the PUBLISH at hand from where it was left; true when it is complete. */
  #publish(): boolean {
    const { events, layout, outbox, sessions } = this.#client;
    const row = layout.index[sessions.sending + ONE];
    const qos = outbox.qos(row);
    if (!this.#writer.publish(ONE, ONE)) return false;
    if (row === this.#streamed) {
      if (this.#left > 0) {
        this.#isHeadSent = true;
        return false;
      }
      this.#endStream();
    }
    if (qos === 0) events.published(row, ReasonCode.Success);
    return this.#client.isOnline;
  }
}
