// Everything that the broker sends goes out here, at most once a connection and step, gathered in one output area: first
// what was begun, then what is owed, then PUBLISH.

import { Drop } from "../events";
import { NONE } from "../memory/layout";
import { PacketType, ReasonCode, ReturnCode, Version } from "../mqtt/constants";
import { ACK_BYTES, CONNACK_BYTES, writeConnack, writeConnack311, writeFiltersAck, writePing } from "../mqtt/encoder";
import { DeliveryFlag } from "../session/outbox";
import { Delivery } from "../session/qos";
import { Replay } from "../session/replay";
import { SessionWriter } from "../session/writer";
import type { Broker } from "./broker";
import { ConnackFlag, Owes, State } from "./connections";
import { Counter } from "./counters";
import { endFiltersAck } from "./filters";

/** Deliveries that are dropped instead of sent, in one turn at most: bounded work. */
const DROPS_AT_ONCE = 64;
/** Calls of the replay in one turn at most that find nothing. */
const MISSES_AT_ONCE = 16;

export class Sender {
  #drops = 0;
  /** More could be sent at once: the turn was cut short, not the room. */
  #more = false;
  readonly #broker: Broker;
  readonly #writer: SessionWriter;
  readonly #u8: Uint8Array;
  readonly #output: number;
  readonly #outputBytes: number;
  readonly #head: number;

  /** @param head offset of room for the longest head of a PUBLISH. */
  constructor(broker: Broker, output: number, outputBytes: number, head: number) {
    this.#broker = broker;
    this.#u8 = broker.layout.u8;
    const { layout, sessions, inbox, outbox, messages, connections } = broker;
    this.#writer = new SessionWriter(layout, sessions, inbox, outbox, messages, connections, head);
    this.#output = output;
    this.#outputBytes = outputBytes;
    this.#head = head;
  }

  /** Sends what `connection` can take now. */
  pump(connection: number): void {
    const { connections, senders } = this.#broker;
    if (connections.layout.u8[connections.state + connection] !== State.Connected) return;
    this.#begin(connection);
    const isDone = this.#fill(connection);
    const count = this.#writer.at - this.#output;
    if (count > 0) {
      this.#broker.send(connection, count);
      this.#broker.progressed(connection);
    }
    // What found no room at all waits until the transport says that it has more.
    if (this.#more || (!isDone && count > 0)) senders.push(connection);
  }

  /** Sends the CONNACK and the acknowledgements that are owed, before the connection is closed. */
  flushOwed(connection: number): void {
    const { connections } = this.#broker;
    const { u8, index } = connections.layout;
    if (this.isMidPacket(connection)) return;
    const session = index[connections.session + connection];
    this.#begin(connection);
    const owesConnack = (u8[connections.owes + connection] & Owes.Connack) !== 0;
    if (!owesConnack || this.#connack(connection, session)) this.#writer.acknowledgements(session);
    this.#broker.send(connection, this.#writer.at - this.#output);
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
    this.#writer.at = this.#output;
    this.#writer.end = this.#output + (writable < this.#outputBytes ? writable : this.#outputBytes);
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
    if (!this.#writer.acknowledgements(session)) return false;
    if (!this.#pings(connection)) return false;
    if ((u8[connections.owes + connection] & Owes.FiltersAck) !== 0 && !this.#filtersAck(connection)) return false;
    return this.#publishes(connection, session);
  }

  #connack(connection: number, session: number): boolean {
    const { connections, sessions, connackProperties } = this.#broker;
    const writer = this.#writer;
    const { u8, u16, u32 } = connections.layout;
    const flags = u8[connections.connack + connection];
    const version = u8[connections.version + connection];
    if (writer.end - writer.at < CONNACK_BYTES + sessions.idLength(session)) return false;
    const present = (flags & ConnackFlag.SessionPresent) !== 0;
    if (version === Version.V5_0) {
      const keepAlive = (flags & ConnackFlag.ServerKeepAlive) !== 0;
      const assigned = (flags & ConnackFlag.AssignedClientIdentifier) !== 0;
      connackProperties.sessionExpiryDiffers = (flags & ConnackFlag.SessionExpiry) !== 0;
      connackProperties.sessionExpiry = u32[sessions.expiry + session];
      connackProperties.serverKeepAlive = keepAlive ? u16[connections.keepAlive + connection] : -1;
      connackProperties.assignedAt = sessions.idAt(session);
      connackProperties.assignedLength = assigned ? sessions.idLength(session) : 0;
      writer.at = writeConnack(this.#u8, writer.at, present, ReasonCode.Success, connackProperties);
    } else {
      // MQTT 3.1 has no Session Present flag.
      writer.at = writeConnack311(this.#u8, writer.at, present && version !== Version.V3_1, ReturnCode.Accepted);
    }
    u8[connections.owes + connection] &= ~Owes.Connack;
    return true;
  }

  #pings(connection: number): boolean {
    const { connections } = this.#broker;
    const { u8 } = connections.layout;
    while (u8[connections.pings + connection] > 0) {
      if (this.#writer.end - this.#writer.at < ACK_BYTES) return false;
      this.#writer.at = writePing(this.#u8, this.#writer.at, PacketType.PINGRESP);
      u8[connections.pings + connection]--;
    }
    return true;
  }

  /** The SUBACK or UNSUBACK, from where it was left. Its codes are a chain; those beyond it are all the same. */
  #filtersAck(connection: number): boolean {
    const { connections, blocks, limits } = this.#broker;
    const writer = this.#writer;
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
      if (writer.end - writer.at < headLength) return false;
      this.#u8.copyWithin(writer.at, this.#head, this.#head + headLength);
      writer.at += headLength;
    } else {
      sentCodes = offset - headLength;
    }
    const stored = codes < limits.filtersPerSubscribe ? codes : limits.filtersPerSubscribe;
    while (sentCodes < codes && writer.at < writer.end) {
      const room = writer.end - writer.at;
      if (sentCodes < stored) {
        const piece = stored - sentCodes < room ? stored - sentCodes : room;
        blocks.copy(index[connections.codesFirst + connection], sentCodes, writer.at, piece);
        writer.at += piece;
        sentCodes += piece;
      } else {
        const piece = codes - sentCodes < room ? codes - sentCodes : room;
        const beyond =
          type !== PacketType.SUBACK
            ? ReasonCode.ImplementationSpecificError
            : version === Version.V5_0
              ? ReasonCode.QuotaExceeded
              : ReasonCode.UnspecifiedError;
        this.#u8.fill(beyond, writer.at, writer.at + piece);
        writer.at += piece;
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
    while (this.#writer.at < this.#writer.end) {
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
    const { outbox, messages, sessions, router, time } = this.#broker;
    const { u32, index } = sessions.layout;
    const message = outbox.message(row);
    if (!outbox.has(row, DeliveryFlag.Begun) && messages.isExpired(message, time.seconds, time.sixteenth)) {
      router.drop(session, Drop.Expired);
      outbox.removeFirstUnsent(session);
      this.#broker.moved = true;
      return false;
    }
    // Once sent, QoS 2 goes on even when the message has expired [MQTT-4.3.3-7]: it says 0 then.
    const left = messages.hasExpiry(message) ? messages.expires(message) - time.seconds : 0;
    const total = this.#writer.begin(connection, session, row, left > 0 ? left : 0);
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

  /** Sends the PUBLISH at hand from where it was left; true when it is complete. */
  #publish(connection: number, session: number): boolean {
    if (!this.#writer.publish(connection, session)) return false;
    this.#broker.moved = true;
    this.#broker.log.add(Counter.PublishSent, 1);
    return true;
  }
}
