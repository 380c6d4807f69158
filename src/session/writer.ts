// What a session sends, whichever role it belongs to: the acknowledgements it owes, PUBREL, and PUBLISH. A PUBLISH may be
// larger than the output: its cursor is (delivery, offset), and once a first byte has left, the packet is completed
// whatever happens to its message.

import { type Layout, NONE } from "../memory/layout";
import { variableLength, writeU16, writeU32, writeVariable } from "../mqtt/bytes";
import { PacketType, Property } from "../mqtt/constants";
import { ACK_BYTES, fixedHeaderLength, publishHeader, writeAcknowledgement } from "../mqtt/encoder";
import type { Inbox } from "./inbox";
import type { Messages } from "./messages";
import { DeliveryFlag, type Outbox } from "./outbox";
import { Delivery, owedPacket, sent } from "./qos";
import { SessionFlag, type Sessions } from "./sessions";

/** Columns of a connection that hold what its PUBLISH said when it began. */
export interface SendColumns {
  /** u32: bytes sent of it. */
  readonly sendOffset: number;
  /** u32: its Message Expiry Interval. */
  readonly sendExpiry: number;
  /** u8: whether it has DUP. */
  readonly sendDup: number;
}

export class SessionWriter {
  /** Where in the output the next byte goes, and where its room ends. */
  at = 0;
  end = 0;
  /** Topic Alias of the PUBLISH at hand, 0 for none; whether it stands for the Topic Name. Only a client uses them. */
  alias = 0;
  omitsTopic = false;
  /** Bytes of payload of the PUBLISH at hand that are not kept: the caller sends them when `publish` is complete. */
  streamed = 0;
  // The PUBLISH at hand.
  #headLength = 0;
  #bodyFrom = 0;
  #bodyLength = 0;
  #remaining = 0;
  #ownLength = 0;
  #total = 0;
  /** The delivery whose measures these are, or NONE. */
  #measured = NONE;
  readonly #u8: Uint8Array;
  readonly #outbox: Outbox;
  readonly #messages: Messages;
  readonly #layout: Layout;
  readonly #columns: SendColumns;
  readonly #head: number;
  readonly #sessions: Sessions;
  readonly #inbox: Inbox;

  /** @param head offset of room for the longest head of a PUBLISH. */
  constructor(
    layout: Layout,
    sessions: Sessions,
    inbox: Inbox,
    outbox: Outbox,
    messages: Messages,
    columns: SendColumns,
    head: number,
  ) {
    this.#u8 = layout.u8;
    this.#layout = layout;
    this.#sessions = sessions;
    this.#inbox = inbox;
    this.#outbox = outbox;
    this.#messages = messages;
    this.#columns = columns;
    this.#head = head;
  }

  /** PUBACK, PUBREC, PUBCOMP in the order in which they became due, then PUBREL. False when the room ran out. */
  acknowledgements(session: number): boolean {
    const inbox = this.#inbox;
    const outbox = this.#outbox;
    const sessions = this.#sessions;
    const { u16 } = sessions.layout;
    const v5 = sessions.has(session, SessionFlag.V5);
    for (let row = inbox.firstOwed(session); row !== NONE; row = inbox.firstOwed(session)) {
      if (this.end - this.at < ACK_BYTES) return false;
      const code = v5 ? inbox.reasonCode(row) : 0;
      this.at = writeAcknowledgement(this.#u8, this.at, owedPacket(inbox.state(row)), inbox.packetId(row), code);
      inbox.sentFirst(session);
    }
    let row = u16[sessions.relOwed + session] > 0 ? outbox.first(session) : NONE;
    for (row = outbox.pubrelOwed(row); row !== NONE; row = outbox.pubrelOwed(row)) {
      if (this.end - this.at < ACK_BYTES) return false;
      this.at = writeAcknowledgement(this.#u8, this.at, PacketType.PUBREL, outbox.packetId(row), 0);
      outbox.setState(row, sent(Delivery.PubrelOwed, 2));
      u16[sessions.relOwed + session]--;
    }
    return true;
  }

  /**
   * Fixes what the PUBLISH of `row` will say; `expiry` is its Message Expiry Interval, if it has one. Returns its bytes in
   * all, without what is `streamed`.
   */
  begin(connection: number, session: number, row: number, expiry: number): number {
    const { u8, u32 } = this.#layout;
    u32[this.#columns.sendExpiry + connection] = expiry; // [MQTT-3.3.2-6]
    u32[this.#columns.sendOffset + connection] = 0;
    u8[this.#columns.sendDup + connection] = this.#outbox.has(row, DeliveryFlag.Begun) ? 1 : 0; // [MQTT-3.3.1-1]
    const total = this.#measure(session, row, this.#outbox.message(row));
    this.#measured = row;
    return total;
  }

  /** Sends the PUBLISH at hand from where it was left; true when it is complete. */
  publish(connection: number, session: number): boolean {
    const messages = this.#messages;
    const { u32, index } = this.#layout;
    const row = index[this.#sessions.sending + session];
    const message = this.#outbox.message(row);
    const total = this.#measured === row ? this.#total : this.#measure(session, row, message);
    this.#measured = NONE;
    let offset = u32[this.#columns.sendOffset + connection];
    const room = this.end - this.at;
    if (room <= 0) return false;
    if (offset === 0 && total <= room) {
      this.#writeHead(connection, session, row, message, this.at);
      this.at += this.#headLength;
    } else if (offset < this.#headLength) {
      this.#writeHead(connection, session, row, message, this.#head);
      const left = this.#headLength - offset;
      const piece = left < room ? left : room;
      this.#u8.copyWithin(this.at, this.#head + offset, this.#head + offset + piece);
      this.at += piece;
      offset += piece;
    }
    const bodySent = offset > this.#headLength ? offset - this.#headLength : 0;
    const bodyLeft = offset !== 0 && offset < this.#headLength ? 0 : this.#bodyLength - bodySent;
    const bodyRoom = this.end - this.at;
    const piece = bodyLeft < bodyRoom ? bodyLeft : bodyRoom;
    if (piece > 0) {
      messages.copyBody(message, this.#bodyFrom + bodySent, this.at, piece);
      this.at += piece;
    }
    if (offset === 0) offset = this.#headLength;
    offset += piece;
    if (offset < total) {
      u32[this.#columns.sendOffset + connection] = offset;
      return false;
    }
    if (this.streamed === 0) this.finish(session, row);
    return true;
  }

  /** All of the PUBLISH of `row` has been sent. */
  finish(session: number, row: number): void {
    this.#layout.index[this.#sessions.sending + session] = NONE;
    this.#outbox.published(session, row);
  }

  /** Bytes of the whole PUBLISH; sets the lengths of its head and of the part of the body that goes out. */
  #measure(session: number, row: number, message: number): number {
    const outbox = this.#outbox;
    const messages = this.#messages;
    const v5 = this.#sessions.has(session, SessionFlag.V5);
    const propertiesLength = messages.propertiesLength(message);
    this.#bodyFrom = v5 ? 0 : propertiesLength;
    this.#bodyLength = messages.bodyLength(message) - this.#bodyFrom;
    let variable = 2 + this.#topicLength(message) + (outbox.qos(row) > 0 ? 2 : 0);
    if (v5) {
      const own = this.#ownPropertiesLength(row, message);
      this.#ownLength = own + propertiesLength;
      variable += variableLength(own + propertiesLength) + own;
    }
    const remaining = variable + this.#bodyLength + this.streamed;
    this.#remaining = remaining;
    this.#headLength = fixedHeaderLength(remaining) + variable;
    this.#total = this.#headLength + this.#bodyLength;
    return this.#total;
  }

  /** Bytes of the properties that are not the publisher's: Message Expiry Interval and Subscription Identifiers. */
  #ownPropertiesLength(row: number, message: number): number {
    const outbox = this.#outbox;
    let length = (this.#messages.hasExpiry(message) ? 5 : 0) + (this.alias !== 0 ? 3 : 0);
    const identifier = outbox.identifier(row);
    if (identifier === 0) return length;
    length += 1 + variableLength(identifier);
    for (let more = outbox.moreIdentifiers(row); more !== NONE; more = outbox.nextIdentifier(more)) {
      length += 1 + variableLength(outbox.identifierOf(more));
    }
    return length;
  }

  #topicLength(message: number): number {
    return this.omitsTopic ? 0 : this.#messages.topicLength(message);
  }

  #writeHead(connection: number, session: number, row: number, message: number, to: number): void {
    const u8 = this.#u8;
    const outbox = this.#outbox;
    const messages = this.#messages;
    const qos = outbox.qos(row);
    const dup = u8[this.#columns.sendDup + connection] !== 0;
    const topicLength = this.#topicLength(message);
    u8[to] = publishHeader(qos, outbox.has(row, DeliveryFlag.Retain), dup);
    let at = writeVariable(u8, to + 1, this.#remaining);
    at = writeU16(u8, at, topicLength);
    if (topicLength > 0) messages.copyTopic(message, at);
    at += topicLength;
    if (qos > 0) at = writeU16(u8, at, outbox.packetId(row));
    if (!this.#sessions.has(session, SessionFlag.V5)) return;
    at = writeVariable(u8, at, this.#ownLength);
    if (messages.hasExpiry(message)) {
      u8[at] = Property.MessageExpiryInterval;
      at = writeU32(u8, at + 1, this.#layout.u32[this.#columns.sendExpiry + connection]);
    }
    if (this.alias !== 0) {
      u8[at] = Property.TopicAlias;
      at = writeU16(u8, at + 1, this.alias);
    }
    const identifier = outbox.identifier(row);
    if (identifier === 0) return;
    u8[at] = Property.SubscriptionIdentifier;
    at = writeVariable(u8, at + 1, identifier);
    for (let more = outbox.moreIdentifiers(row); more !== NONE; more = outbox.nextIdentifier(more)) {
      u8[at] = Property.SubscriptionIdentifier;
      at = writeVariable(u8, at + 1, outbox.identifierOf(more));
    }
  }
}
