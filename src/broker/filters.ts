// What SUBSCRIBE and UNSUBSCRIBE have in common: the codes of their answer, in a chain of blocks promised before the first
// Topic Filter, and the list of a session's subscriptions.

import { NONE } from "../memory/layout";
import { PacketType, ReasonCode } from "../mqtt/constants";
import { fixedHeaderLength } from "../mqtt/encoder";
import type { Broker } from "./broker";
import { Owes } from "./connections";

/** The fewest bytes of a Topic Filter in SUBSCRIBE: length, one character, options. */
const FILTER_BYTES = 4;

/** Blocks for the codes that the packet at hand may need. */
export function codeBlocksFor(broker: Broker): number {
  const { blocks, decoder, limits } = broker;
  const least = decoder.type === PacketType.SUBSCRIBE ? FILTER_BYTES : FILTER_BYTES - 1;
  const most = Math.floor(decoder.remaining / least);
  return blocks.blocksFor(most < limits.filtersPerSubscribe ? most : limits.filtersPerSubscribe);
}

/** A SUBSCRIBE or UNSUBSCRIBE begins; the blocks were found available. */
export function beginFilters(broker: Broker, connection: number, promise: number): void {
  const { blocks, connections, decoder, sessions } = broker;
  const { u8, u32, index } = broker.layout;
  u8[connections.ackType + connection] =
    decoder.type === PacketType.SUBSCRIBE ? PacketType.SUBACK : PacketType.UNSUBACK;
  u32[connections.ackCount + connection] = 0;
  u32[connections.ackOffset + connection] = 0;
  index[connections.codesPromise + connection] = promise;
  blocks.promised += promise;
  index[connections.undoAfter + connection] = index[sessions.lastSubscription + broker.sessionOf(connection)];
}

/** The code for one Topic Filter; beyond `filtersPerSubscribe` only their number is kept. */
export function addCode(broker: Broker, connection: number, code: number): void {
  const { blocks, connections, limits, tables } = broker;
  const { u8, u32, index } = broker.layout;
  if (u8[connections.ackType + connection] === 0) return; // the connection ended with this filter
  const count = u32[connections.ackCount + connection]++;
  if (count >= limits.filtersPerSubscribe) return;
  u8[tables.head] = code;
  const { free } = blocks.pool;
  const last = blocks.append(index[connections.codesLast + connection], count, tables.head, 1);
  if (count === 0) index[connections.codesFirst + connection] = blocks.first;
  index[connections.codesLast + connection] = last;
  index[connections.codesPromise + connection] -= free - blocks.pool.free;
  blocks.promised -= free - blocks.pool.free;
}

/** The packet is complete: SUBACK or UNSUBACK is owed. */
export function oweFiltersAck(broker: Broker, connection: number): void {
  const { blocks, connections, decoder, senders, sessions } = broker;
  const { u8, u16, u32, index } = broker.layout;
  const most = u32[sessions.maximumPacketSize + broker.sessionOf(connection)];
  if (most !== 0) {
    const remaining = 3 + u32[connections.ackCount + connection];
    // Of 5.0, or there would be no maximum.
    if (fixedHeaderLength(remaining) + remaining > most) return broker.end(connection, ReasonCode.PacketTooLarge); // [MQTT-3.1.2-24]
  }
  u16[connections.ackId + connection] = decoder.packetId;
  u8[connections.owes + connection] |= Owes.FiltersAck;
  blocks.promised -= index[connections.codesPromise + connection];
  index[connections.codesPromise + connection] = 0;
  senders.push(connection);
}

/** SUBACK or UNSUBACK was sent. */
export function endFiltersAck(broker: Broker, connection: number): void {
  const { connections } = broker;
  const { u8, u32 } = broker.layout;
  dropCodes(broker, connection);
  u8[connections.owes + connection] &= ~Owes.FiltersAck;
  u8[connections.ackType + connection] = 0;
  u32[connections.ackOffset + connection] = 0;
  broker.moved = true;
}

/** Gives the blocks of the codes back. */
export function dropCodes(broker: Broker, connection: number): void {
  const { blocks, connections } = broker;
  const { index } = broker.layout;
  blocks.release(index[connections.codesFirst + connection]);
  blocks.promised -= index[connections.codesPromise + connection];
  index[connections.codesFirst + connection] = NONE;
  index[connections.codesLast + connection] = NONE;
  index[connections.codesPromise + connection] = 0;
}

/** A SUBSCRIBE that was not completed takes its new subscriptions back. */
export function undoSubscribe(broker: Broker, connection: number): void {
  const { connections, replayer, sessions, subscriptions } = broker;
  const { u8, index } = broker.layout;
  const isOwed = (u8[connections.owes + connection] & Owes.FiltersAck) !== 0;
  if (u8[connections.ackType + connection] !== PacketType.SUBACK || isOwed) return;
  const session = broker.sessionOf(connection);
  const last = index[connections.undoAfter + connection];
  let row = last === NONE ? index[sessions.firstSubscription + session] : subscriptions.nextInSession(last);
  // They are the end of the session's list.
  if (last === NONE) index[sessions.firstSubscription + session] = NONE;
  else subscriptions.setNextInSession(last, NONE);
  index[sessions.lastSubscription + session] = last;
  while (row !== NONE) {
    const next = subscriptions.nextInSession(row);
    replayer.reset(session, row);
    subscriptions.remove(row);
    index[sessions.subscriptionCount + session]--;
    row = next;
  }
}

/** A new subscription at the end of its session's list. */
export function appendSubscription(broker: Broker, session: number, row: number): void {
  const { sessions, subscriptions } = broker;
  const { index } = broker.layout;
  const last = index[sessions.lastSubscription + session];
  subscriptions.setNextInSession(row, NONE);
  if (last === NONE) index[sessions.firstSubscription + session] = row;
  else subscriptions.setNextInSession(last, row);
  index[sessions.lastSubscription + session] = row;
  index[sessions.subscriptionCount + session]++;
}

/** Takes a subscription off its session and frees it. */
export function removeSubscription(broker: Broker, session: number, row: number): void {
  const { replayer, sessions, subscriptions } = broker;
  const { index } = broker.layout;
  replayer.reset(session, row);
  let previous = NONE;
  let other = index[sessions.firstSubscription + session];
  while (other !== row) {
    previous = other;
    other = subscriptions.nextInSession(other);
    subscriptions.walked++;
  }
  const next = subscriptions.nextInSession(row);
  if (previous === NONE) index[sessions.firstSubscription + session] = next;
  else subscriptions.setNextInSession(previous, next);
  if (next === NONE) index[sessions.lastSubscription + session] = previous;
  index[sessions.subscriptionCount + session]--;
  subscriptions.remove(row);
}
