// Everything that is sent goes out here, at most once a connection and step, gathered in one output area: first what was
// begun, then what is owed, then PUBLISH. A PUBLISH may be larger than the output: its cursor is (delivery, offset), and
// once a first byte has left, the packet is completed whatever happens to its message.

import { Drop } from "../events";
import { NONE } from "../memory/layout";
import { variableLength, writeU16, writeU32, writeVariable } from "../mqtt/bytes";
import { PacketType, Property, ReasonCode, ReturnCode, Version } from "../mqtt/constants";
import {
  ACK_BYTES,
  CONNACK_BYTES,
  fixedHeaderLength,
  publishHeader,
  writeAcknowledgement,
  writeConnack,
  writeConnack311,
  writeFiltersAck,
  writePing,
} from "../mqtt/encoder";
import { DeliveryFlag } from "../session/outbox";
import { Delivery, owedPacket, sent } from "../session/qos";
import { Replay } from "../session/replay";
import { SessionFlag } from "../session/sessions";
import type { Broker } from "./broker";
import { ConnackFlag, Owes, State } from "./connections";
import { Counter } from "./counters";
import { endFiltersAck } from "./filters";

/** Deliveries that are dropped instead of sent, in one turn at most: bounded work. */
const DROPS_AT_ONCE = 64;
/** Calls of the replay in one turn at most that find nothing. */
const MISSES_AT_ONCE = 16;

export class Sender {
  #at = 0;
  #end = 0;
  #drops = 0;
  /** More could be sent at once: the turn was cut short, not the room. */
  #more = false;
  // The PUBLISH at hand.
  #headLength = 0;
  #bodyFrom = 0;
  #bodyLength = 0;
  readonly #broker: Broker;
  readonly #u8: Uint8Array;
  readonly #output: number;
  readonly #outputBytes: number;
  readonly #head: number;

  /** @param head offset of room for the longest head of a PUBLISH. */
  constructor(broker: Broker, output: number, outputBytes: number, head: number) {
    this.#broker = broker;
    this.#u8 = broker.layout.u8;
    this.#output = output;
    this.#outputBytes = outputBytes;
    this.#head = head;
  }

  /** Sends what `connection` can take now. */
  pump(connection: number): void {
    const { connections, transport, senders } = this.#broker;
    if (connections.layout.u8[connections.state + connection] !== State.Connected) return;
    this.#begin(connection);
    const isDone = this.#fill(connection);
    const count = this.#at - this.#output;
    if (count > 0) {
      transport.send(connection, count);
      this.#broker.log.add(Counter.BytesSent, count);
      this.#broker.progressed(connection);
    }
    // What found no room at all waits until the transport says that it has more.
    if (this.#more || (!isDone && count > 0)) senders.push(connection);
  }

  /** Sends the CONNACK and the acknowledgements that are owed, before the connection is closed. */
  flushOwed(connection: number): void {
    const { connections, transport } = this.#broker;
    const { u8, index } = connections.layout;
    if (this.isMidPacket(connection)) return;
    const session = index[connections.session + connection];
    this.#begin(connection);
    const owesConnack = (u8[connections.owes + connection] & Owes.Connack) !== 0;
    if (!owesConnack || this.#connack(connection, session)) this.#acknowledgements(session);
    const count = this.#at - this.#output;
    if (count > 0) transport.send(connection, count);
  }

  /** Whether a packet is half sent, so that none can follow. */
  isMidPacket(connection: number): boolean {
    const { connections, sessions } = this.#broker;
    const { u32, index } = connections.layout;
    const session = index[connections.session + connection];
    return (
      u32[connections.ackOffset + connection] !== 0 || (session !== NONE && index[sessions.sending + session] !== NONE)
    );
  }

  #begin(connection: number): void {
    const writable = this.#broker.transport.writable(connection);
    this.#at = this.#output;
    this.#end = this.#output + (writable < this.#outputBytes ? writable : this.#outputBytes);
    this.#drops = 0;
    this.#more = false;
  }

  /** False when the room ran out. */
  #fill(connection: number): boolean {
    const { connections, sessions } = this.#broker;
    const { u8, u32, index } = connections.layout;
    const session = index[connections.session + connection];
    if ((u8[connections.owes + connection] & Owes.Connack) !== 0 && !this.#connack(connection, session)) return false;
    if (index[sessions.sending + session] !== NONE && !this.#publish(connection, session)) return false;
    if (u32[connections.ackOffset + connection] !== 0 && !this.#filtersAck(connection)) return false;
    if (!this.#acknowledgements(session)) return false;
    if (!this.#pings(connection)) return false;
    if ((u8[connections.owes + connection] & Owes.FiltersAck) !== 0 && !this.#filtersAck(connection)) return false;
    return this.#publishes(connection, session);
  }

  #connack(connection: number, session: number): boolean {
    const { connections, sessions, connackProperties } = this.#broker;
    const { u8, u16, u32 } = connections.layout;
    const flags = u8[connections.connack + connection];
    const version = u8[connections.version + connection];
    if (this.#end - this.#at < CONNACK_BYTES + sessions.idLength(session)) return false;
    const present = (flags & ConnackFlag.SessionPresent) !== 0;
    if (version === Version.V5_0) {
      const keepAlive = (flags & ConnackFlag.ServerKeepAlive) !== 0;
      const assigned = (flags & ConnackFlag.AssignedClientIdentifier) !== 0;
      connackProperties.sessionExpiryDiffers = (flags & ConnackFlag.SessionExpiry) !== 0;
      connackProperties.sessionExpiry = u32[sessions.expiry + session];
      connackProperties.serverKeepAlive = keepAlive ? u16[connections.keepAlive + connection] : -1;
      connackProperties.assignedAt = sessions.idAt(session);
      connackProperties.assignedLength = assigned ? sessions.idLength(session) : 0;
      this.#at = writeConnack(this.#u8, this.#at, present, ReasonCode.Success, connackProperties);
    } else {
      // MQTT 3.1 has no Session Present flag.
      this.#at = writeConnack311(this.#u8, this.#at, present && version !== Version.V3_1, ReturnCode.Accepted);
    }
    u8[connections.owes + connection] &= ~Owes.Connack;
    return true;
  }

  /** PUBACK, PUBREC, PUBCOMP in the order in which they became due, then PUBREL. */
  #acknowledgements(session: number): boolean {
    const { inbox, outbox, sessions } = this.#broker;
    const { u16 } = sessions.layout;
    const v5 = sessions.has(session, SessionFlag.V5);
    for (let row = inbox.firstOwed(session); row !== NONE; row = inbox.firstOwed(session)) {
      if (this.#end - this.#at < ACK_BYTES) return false;
      const code = v5 ? inbox.reasonCode(row) : 0;
      this.#at = writeAcknowledgement(this.#u8, this.#at, owedPacket(inbox.state(row)), inbox.packetId(row), code);
      inbox.sentFirst(session);
    }
    let row = u16[sessions.relOwed + session] > 0 ? outbox.first(session) : NONE;
    for (row = outbox.pubrelOwed(row); row !== NONE; row = outbox.pubrelOwed(row)) {
      if (this.#end - this.#at < ACK_BYTES) return false;
      this.#at = writeAcknowledgement(this.#u8, this.#at, PacketType.PUBREL, outbox.packetId(row), 0);
      outbox.setState(row, sent(Delivery.PubrelOwed, 2));
      u16[sessions.relOwed + session]--;
    }
    return true;
  }

  #pings(connection: number): boolean {
    const { connections } = this.#broker;
    const { u8 } = connections.layout;
    while (u8[connections.pings + connection] > 0) {
      if (this.#end - this.#at < ACK_BYTES) return false;
      this.#at = writePing(this.#u8, this.#at, PacketType.PINGRESP);
      u8[connections.pings + connection]--;
    }
    return true;
  }

  /** The SUBACK or UNSUBACK, from where it was left. Its codes are a chain; those beyond it are all the same. */
  #filtersAck(connection: number): boolean {
    const { connections, blocks, limits } = this.#broker;
    const { u8, u16, u32, index } = connections.layout;
    const type: PacketType = u8[connections.ackType + connection];
    const version = u8[connections.version + connection];
    const count = u32[connections.ackCount + connection];
    const codes = type === PacketType.SUBACK || version === Version.V5_0 ? count : 0;
    const offset = u32[connections.ackOffset + connection];
    let sentCodes = 0;
    const headLength =
      writeFiltersAck(
        this.#u8,
        this.#head,
        type === PacketType.SUBACK ? type : PacketType.UNSUBACK,
        u16[connections.ackId + connection],
        codes,
        version,
      ) - this.#head;
    if (offset < headLength) {
      if (this.#end - this.#at < headLength) return false;
      this.#u8.copyWithin(this.#at, this.#head, this.#head + headLength);
      this.#at += headLength;
    } else {
      sentCodes = offset - headLength;
    }
    const stored = codes < limits.filtersPerSubscribe ? codes : limits.filtersPerSubscribe;
    while (sentCodes < codes && this.#at < this.#end) {
      const room = this.#end - this.#at;
      if (sentCodes < stored) {
        const piece = stored - sentCodes < room ? stored - sentCodes : room;
        blocks.copy(index[connections.codesFirst + connection], sentCodes, this.#at, piece);
        this.#at += piece;
        sentCodes += piece;
      } else {
        const piece = codes - sentCodes < room ? codes - sentCodes : room;
        const beyond =
          type !== PacketType.SUBACK
            ? ReasonCode.ImplementationSpecificError
            : version === Version.V5_0
              ? ReasonCode.QuotaExceeded
              : ReasonCode.UnspecifiedError;
        this.#u8.fill(beyond, this.#at, this.#at + piece);
        this.#at += piece;
        sentCodes += piece;
      }
    }
    u32[connections.ackOffset + connection] = headLength + sentCodes;
    if (sentCodes < codes) return false;
    endFiltersAck(this.#broker, connection);
    return true;
  }

  #publishes(connection: number, session: number): boolean {
    const { connections, outbox, replayer, sessions, limits, starved, time } = this.#broker;
    let misses = 0;
    while (this.#at < this.#end) {
      const row = outbox.firstUnsent(session);
      if (row === NONE) {
        // Retained messages follow the SUBACK; that of a long SUBSCRIBE may still be in the making.
        if (connections.layout.u8[connections.ackType + connection] !== 0) return true;
        const replayed = replayer.next(session, time.seconds, time.sixteenth);
        if (replayed === Replay.Done) return true;
        if (replayed === Replay.Found) continue;
        if (outbox.pool.free === 0) {
          starved.push(connection);
          return true;
        }
        if (++misses < MISSES_AT_ONCE) continue;
        this.#more = true;
        return true;
      }
      const state = outbox.state(row);
      if (state === Delivery.PubrelOwed || state === Delivery.PubcompPending) {
        outbox.advance(session, row); // its PUBREL is among the acknowledgements
        continue;
      }
      if (outbox.qos(row) > 0 && sessions.isWindowFull(session, limits.inflightPerSession)) return true;
      if (!this.#start(connection, session, row)) {
        if (++this.#drops < DROPS_AT_ONCE) continue;
        this.#more = true;
        return true;
      }
      if (!this.#publish(connection, session)) return false;
    }
    return false;
  }

  /** Fixes what the PUBLISH will say. False when it was dropped instead. */
  #start(connection: number, session: number, row: number): boolean {
    const { connections, outbox, messages, sessions, router, time } = this.#broker;
    const { u8, u32, index } = sessions.layout;
    const message = outbox.message(row);
    const begun = outbox.has(row, DeliveryFlag.Begun);
    if (!begun && messages.isExpired(message, time.seconds, time.sixteenth)) {
      router.drop(session, Drop.Expired);
      outbox.removeFirstUnsent(session);
      this.#broker.moved = true;
      return false;
    }
    // Once sent, QoS 2 goes on even when the message has expired [MQTT-4.3.3-7]: it says 0 then.
    const left = messages.hasExpiry(message) ? messages.expires(message) - time.seconds : 0;
    u32[connections.sendExpiry + connection] = left > 0 ? left : 0; // [MQTT-3.3.2-6]
    u32[connections.sendOffset + connection] = 0;
    u8[connections.sendDup + connection] = begun ? 1 : 0; // [MQTT-3.3.1-1]
    const total = this.#measure(connection, row, message);
    const most = u32[sessions.maximumPacketSize + session];
    if (most !== 0 && total > most) {
      // As if it had been sent [MQTT-3.1.2-25].
      router.drop(session, Drop.TooLarge);
      outbox.removeFirstUnsent(session);
      this.#broker.moved = true;
      return false;
    }
    if (outbox.qos(row) > 0 && outbox.packetId(row) === 0) outbox.setPacketId(row, outbox.takePacketId(session));
    index[sessions.sending + session] = row;
    return true;
  }

  /** Bytes of the whole PUBLISH; sets the lengths of its head and of the part of the body that goes out. */
  #measure(connection: number, row: number, message: number): number {
    const { connections, outbox, messages } = this.#broker;
    const v5 = connections.layout.u8[connections.version + connection] === Version.V5_0;
    const propertiesLength = messages.propertiesLength(message);
    this.#bodyFrom = v5 ? 0 : propertiesLength;
    this.#bodyLength = messages.bodyLength(message) - this.#bodyFrom;
    let variable = 2 + messages.topicLength(message) + (outbox.qos(row) > 0 ? 2 : 0);
    if (v5) {
      const own = this.#ownPropertiesLength(row, message);
      variable += variableLength(own + propertiesLength) + own;
    }
    const remaining = variable + this.#bodyLength;
    this.#headLength = fixedHeaderLength(remaining) + variable;
    return this.#headLength + this.#bodyLength;
  }

  /** Bytes of the properties that are not the publisher's: Message Expiry Interval and Subscription Identifiers. */
  #ownPropertiesLength(row: number, message: number): number {
    const { outbox, messages } = this.#broker;
    let length = messages.hasExpiry(message) ? 5 : 0;
    const identifier = outbox.identifier(row);
    if (identifier === 0) return length;
    length += 1 + variableLength(identifier);
    for (let more = outbox.moreIdentifiers(row); more !== NONE; more = outbox.nextIdentifier(more)) {
      length += 1 + variableLength(outbox.identifierOf(more));
    }
    return length;
  }

  /** Sends the PUBLISH at hand from where it was left; true when it is complete. */
  #publish(connection: number, session: number): boolean {
    const { connections, outbox, messages, sessions } = this.#broker;
    const { u16, u32, index } = sessions.layout;
    const row = index[sessions.sending + session];
    const message = outbox.message(row);
    const total = this.#measure(connection, row, message);
    let offset = u32[connections.sendOffset + connection];
    const room = this.#end - this.#at;
    if (room <= 0) return false;
    if (offset === 0 && total <= room) {
      this.#writeHead(connection, row, message, this.#at);
      this.#at += this.#headLength;
    } else if (offset < this.#headLength) {
      this.#writeHead(connection, row, message, this.#head);
      const left = this.#headLength - offset;
      const piece = left < room ? left : room;
      this.#u8.copyWithin(this.#at, this.#head + offset, this.#head + offset + piece);
      this.#at += piece;
      offset += piece;
    }
    const bodySent = offset > this.#headLength ? offset - this.#headLength : 0;
    const bodyLeft = offset !== 0 && offset < this.#headLength ? 0 : this.#bodyLength - bodySent;
    const bodyRoom = this.#end - this.#at;
    const piece = bodyLeft < bodyRoom ? bodyLeft : bodyRoom;
    if (piece > 0) {
      messages.copyBody(message, this.#bodyFrom + bodySent, this.#at, piece);
      this.#at += piece;
    }
    if (offset === 0) offset = this.#headLength;
    offset += piece;
    if (offset < total) {
      u32[connections.sendOffset + connection] = offset;
      return false;
    }
    index[sessions.sending + session] = NONE;
    this.#broker.moved = true;
    this.#broker.log.add(Counter.PublishSent, 1);
    const qos = outbox.qos(row);
    if (qos === 0) {
      outbox.removeFirstUnsent(session);
      return true;
    }
    outbox.setState(row, sent(outbox.state(row), qos));
    outbox.setFlag(row, DeliveryFlag.Begun);
    outbox.advance(session, row);
    u16[sessions.inflight + session]++;
    return true;
  }

  #writeHead(connection: number, row: number, message: number, to: number): void {
    const { connections, outbox, messages } = this.#broker;
    const u8 = this.#u8;
    const { u32 } = connections.layout;
    const qos = outbox.qos(row);
    const dup = connections.layout.u8[connections.sendDup + connection] !== 0;
    const topicLength = messages.topicLength(message);
    const remaining = this.#remaining();
    u8[to] = publishHeader(qos, outbox.has(row, DeliveryFlag.Retain), dup);
    let at = writeVariable(u8, to + 1, remaining);
    at = writeU16(u8, at, topicLength);
    messages.copyTopic(message, at);
    at += topicLength;
    if (qos > 0) at = writeU16(u8, at, outbox.packetId(row));
    if (connections.layout.u8[connections.version + connection] !== Version.V5_0) return;
    at = writeVariable(u8, at, this.#ownPropertiesLength(row, message) + messages.propertiesLength(message));
    if (messages.hasExpiry(message)) {
      u8[at] = Property.MessageExpiryInterval;
      at = writeU32(u8, at + 1, u32[connections.sendExpiry + connection]);
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

  /** Remaining Length of the PUBLISH at hand, from its measures. */
  #remaining(): number {
    const total = this.#headLength + this.#bodyLength;
    // The fixed header is 2 to 5 bytes; the length that fits its own size is the one.
    for (let header = 2; header < 5; header++) {
      if (fixedHeaderLength(total - header) === header) return total - header;
    }
    return total - 5;
  }
}
