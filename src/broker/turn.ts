// One connection's turn to be read: bytes are received and decoded until they are used up, the connection is held or
// ended, or the turn is over. Each packet type has its handler, in a file of its name.

import { Cause, Event, Hold, Limit } from "../events";
import { PacketType, ReasonCode } from "../mqtt/constants";
import { Decoded, Refusal } from "../mqtt/decoded";
import { admit } from "./admission";
import type { Broker } from "./broker";
import { handleConnect, handleLargeConnect } from "./connect";
import { State } from "./connections";
import { Counter } from "./counters";
import { handleDisconnect } from "./disconnect";
import { oweFiltersAck } from "./filters";
import { handlePingreq } from "./pingreq";
import { handlePuback } from "./puback";
import { handlePubcomp } from "./pubcomp";
import { handlePublish } from "./publish";
import { handlePubrec } from "./pubrec";
import { handlePubrel } from "./pubrel";
import { handleSubscribeFilter } from "./subscribe";
import { handleUnsubscribeFilter } from "./unsubscribe";

/** Rows that one turn may search, about: long lists must not make a long step. */
const MOST_WALKED = 20000;

export function takeTurn(broker: Broker, connection: number): void {
  const { connections, decoder, limits, readers, timers, transport } = broker;
  const { u8, u32 } = broker.layout;
  if (u8[connections.state + connection] === State.Free) return;
  decoder.load(connection);
  decoder.version = u8[connections.version + connection];
  let isNewPacket = !decoder.inPacket;
  let packets = limits.packetsPerTurn;
  let reads = limits.packetsPerTurn; // many may complete nothing
  const walked = broker.subscriptions.walked;
  let isOver = false;
  while (!isOver) {
    const found = decoder.next();
    if (found === Decoded.Nothing) {
      let most = limits.inputBytes;
      if (!transport.readAhead) {
        const { wanted } = decoder;
        if (wanted === 0) {
          starve(broker, connection);
          break;
        }
        if (wanted < most) most = wanted;
      }
      isOver = reads-- === 0;
      if (isOver || receive(broker, connection, most)) continue;
      broker.endHold(connection);
      if (u8[connections.isClosed + connection] !== 0 && u8[connections.holds + connection] === 0) {
        return broker.end(connection, Cause.Lost);
      }
      break;
    }
    if (!dispatch(broker, connection, found)) break;
    if (!decoder.inPacket) isNewPacket = true;
    // What has been received and can't be given back is used up.
    const isLong = ((broker.subscriptions.walked - walked) | 0) > MOST_WALKED;
    isOver = (--packets <= 0 || isLong) && (decoder.input.left === 0 || transport.readAhead);
  }
  if (u8[connections.state + connection] === State.Free) return;
  if (decoder.input.left > 0) transport.unreceive(connection, decoder.input.left);
  decoder.save();
  if (isOver) readers.push(connection);
  if (isNewPacket && decoder.inPacket && u8[connections.state + connection] === State.Connected) {
    u32[connections.beganAt + connection] = broker.now;
    timers.setSooner(connection, (broker.now + limits.packetMilliseconds) | 0);
  }
}

/** Moves waiting bytes to the input; false when there are none. */
function receive(broker: Broker, connection: number, most: number): boolean {
  const count = broker.transport.receive(connection, most);
  if (count === 0) return false;
  const { connections, decoder, tables } = broker;
  broker.layout.u32[connections.receivedAt + connection] = broker.now;
  broker.log.add(Counter.BytesReceived, count);
  decoder.feed(tables.input, count);
  return true;
}

/** Returns whether reading goes on: false when the connection is held or has ended. */
function dispatch(broker: Broker, connection: number, found: Decoded): boolean {
  const { decoder } = broker;
  switch (found) {
    case Decoded.Header:
      return admit(broker, connection);
    case Decoded.Publish: {
      const holds = handlePublish(broker, connection);
      if (holds !== 0) {
        broker.hold(connection, holds);
        return false;
      }
      broker.log.add(Counter.PublishReceived, 1);
      broker.endHold(connection);
      return broker.isAlive(connection);
    }
    case Decoded.Packet:
      broker.endHold(connection);
      handlePacket(broker, connection);
      return broker.isAlive(connection);
    case Decoded.Filter:
      broker.endHold(connection);
      if (decoder.type === PacketType.SUBSCRIBE) handleSubscribeFilter(broker, connection);
      else handleUnsubscribeFilter(broker, connection);
      return broker.isAlive(connection);
    case Decoded.FiltersEnd:
      oweFiltersAck(broker, connection); // [MQTT-3.8.4-1], [MQTT-3.10.4-4]
      return broker.isAlive(connection);
    case Decoded.Starved:
      starve(broker, connection);
      return false;
    default:
      if (decoder.error === ReasonCode.PacketTooLarge) {
        broker.log.event(Event.LimitReached, connection, Limit.stageBytes); // one property is too long
      }
      broker.end(connection, decoder.error); // [MQTT-4.13.1-1]
      return false;
  }
}

/** There are no blocks to carry an incomplete packet in: wait, and in the end give up. */
function starve(broker: Broker, connection: number): void {
  if (broker.mayHold(connection)) broker.hold(connection, Hold.Room);
  else {
    broker.log.event(Event.LimitReached, connection, Limit.payloadBytes);
    broker.end(connection, ReasonCode.QuotaExceeded);
  }
}

function handlePacket(broker: Broker, connection: number): void {
  const { acknowledgement, decoder } = broker;
  const { at, length, type } = decoder;
  if (type === PacketType.CONNECT) {
    if (decoder.refusal !== Refusal.None) handleLargeConnect(broker, connection, at, length);
    else handleConnect(broker, connection, at, length);
    decoder.version = broker.protocolVersion(connection);
    return;
  }
  if (type === PacketType.PINGREQ) {
    if (length !== 0) return broker.end(connection, ReasonCode.MalformedPacket);
    return handlePingreq(broker, connection);
  }
  const error = acknowledgement.read(at, length, type, decoder.version);
  if (error !== ReasonCode.Success) return broker.end(connection, error);
  switch (type) {
    case PacketType.PUBACK:
      return handlePuback(broker, connection);
    case PacketType.PUBREC:
      return handlePubrec(broker, connection);
    case PacketType.PUBREL:
      return handlePubrel(broker, connection);
    case PacketType.PUBCOMP:
      return handlePubcomp(broker, connection);
    default:
      return handleDisconnect(broker, connection);
  }
}
