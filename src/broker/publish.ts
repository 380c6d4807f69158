// PUBLISH [section 3.3]: read into its chain by the decoder, admitted here, acknowledged last. What can't be done is not
// done at all, and the Reason Code says why.

import { Event, Hold, Limit } from "../events";
import { NONE } from "../memory/layout";
import { CLOSE } from "../memory/limits";
import { PublishFlag, ReasonCode, Version } from "../mqtt/constants";
import { Refusal } from "../mqtt/decoded";
import { MessageFlag } from "../session/messages";
import { Receipt } from "../session/qos";
import { SessionFlag } from "../session/sessions";
import { hasReceipt } from "./admission";
import type { Broker } from "./broker";
import { dropIncoming } from "./ending";

/** A whole PUBLISH. Returns the `Hold` bits that keep it waiting, or 0 when it is done with. */
export function handlePublish(broker: Broker, connection: number): Hold | 0 {
  const { connections, decoder, inbox } = broker;
  const { index } = connections.layout;
  const session = index[connections.session + connection];
  const qos = (decoder.flags & PublishFlag.QoS) >>> 1;
  if (qos === 2 && index[connections.incoming + connection] === NONE && inbox.repeat(session, decoder.packetId)) {
    decoder.finish();
    broker.senders.push(connection); // PUBREC again [MQTT-4.3.3-10]
    return 0;
  }
  if (qos > 0 && !hasReceipt(broker, connection)) {
    // Others may have taken it since the fixed header came.
    if (inbox.firstOwed(session) !== NONE) return Hold.Window;
    refusePublish(broker, connection, session, qos, Limit.receiveMaximum);
    return 0;
  }
  const refusedBy = limitOf(broker, connection);
  const limit = refusedBy !== 0 ? refusedBy : route(broker, connection, session, false);
  if (limit === 0) {
    acknowledge(broker, connection, session, qos);
    return 0;
  }
  if (clears(broker, limit)) {
    dropIncoming(broker, connection);
    broker.moved = true;
    acknowledge(broker, connection, session, qos);
    return 0;
  }
  if (refusedBy === 0 && broker.mayHold(connection)) return Hold.Room;
  refusePublish(broker, connection, session, qos, limit);
  return 0;
}

/** Why the decoder did not store it, as a limit; 0 when it did. */
function limitOf(broker: Broker, connection: number): Limit | 0 {
  switch (broker.decoder.refusal) {
    case Refusal.None:
      return 0;
    case Refusal.TopicBytes:
      return Limit.topicBytes;
    case Refusal.TopicLevels:
      return Limit.topicLevels;
    case Refusal.StageBytes:
      return Limit.stageBytes;
    case Refusal.Caller:
      return broker.layout.u8[broker.connections.refusedBy + connection];
  }
}

/** Clears a retained message that nobody would hear of: that needs no room. */
function clears(broker: Broker, limit: Limit): boolean {
  const { blocks, decoder, router, tables } = broker;
  if ((decoder.flags & PublishFlag.Retain) === 0 || decoder.left !== 0) return false;
  if (limit !== Limit.payloadBytes && limit !== Limit.messages) return false;
  let at = decoder.topicAt;
  if (at === 0) {
    if (decoder.body.first === NONE) return false;
    at = tables.head;
    blocks.copy(decoder.body.first, 0, at, decoder.topicLength);
  }
  return router.clearUnseen(at, decoder.topicLength);
}

/** Makes the message of the chain, once, and routes it. */
function route(broker: Broker, connection: number, publisher: number, lenient: boolean): Limit | 0 {
  const { connections, decoder, messages, router, time } = broker;
  const { index } = connections.layout;
  let message = index[connections.incoming + connection];
  if (message === NONE) {
    const { body, topicLength, propertiesLength, flags } = decoder;
    const header = ((flags & PublishFlag.QoS) >>> 1) | ((flags & PublishFlag.Retain) !== 0 ? MessageFlag.Retain : 0);
    if (!messages.hasRoom()) return Limit.messages;
    message = messages.add(body.first, body.length, topicLength, propertiesLength, header);
    body.handOver();
    index[connections.incoming + connection] = message;
    if (decoder.hasExpiry) messages.setExpiry(message, time.secondsAfter(decoder.expiry), time.sixteenth);
  }
  const limit = router.route(message, decoder.topicAt, publisher, lenient);
  if (limit !== 0 && !lenient) return limit;
  index[connections.incoming + connection] = NONE;
  messages.release(message);
  index[connections.heldBy + connection] = router.heldBy;
  return 0;
}

function acknowledge(broker: Broker, connection: number, session: number, qos: number): void {
  const { decoder, inbox, sessions, router } = broker;
  const packetId = decoder.packetId;
  decoder.finish();
  if (router.retainShortage !== 0) broker.log.event(Event.RetainRefused, connection, router.retainShortage);
  if (qos === 0) return;
  const code =
    router.receivers === 0 && sessions.has(session, SessionFlag.V5)
      ? ReasonCode.NoMatchingSubscribers
      : ReasonCode.Success;
  inbox.add(session, packetId, qos === 1 ? Receipt.PubackOwed : Receipt.PubrecOwed, code);
  broker.senders.push(connection);
}

/** Nobody gets it, and the client is told so as far as its version can say it. */
function refusePublish(broker: Broker, connection: number, session: number, qos: number, limit: Limit): void {
  const { connections, decoder, inbox, limits } = broker;
  if (limit === Limit.receiveMaximum) {
    broker.log.event(Event.LimitReached, connection, limit);
    return broker.end(connection, ReasonCode.ReceiveMaximumExceeded); // [MQTT-3.3.4-7]
  }
  const packetId = decoder.packetId;
  const v5 = connections.layout.u8[connections.version + connection] === Version.V5_0;
  let event = qos === 0 ? Event.PublishDropped : Event.PublishRefused;
  if (!v5 && qos > 0 && limits.refuse311 !== CLOSE && isStored(broker, connection)) {
    route(broker, connection, session, true); // live, where possible
    if (isOfRetaining(limit)) event = Event.RetainRefused;
  }
  broker.log.event(event, connection, limit);
  dropIncoming(broker, connection);
  decoder.finish();
  if (qos === 0) return;
  if (!v5 && limits.refuse311 === CLOSE) return broker.end(connection, ReasonCode.QuotaExceeded); // [MQTT-3.3.5-2]
  const isTopic = limit === Limit.topicBytes || limit === Limit.topicLevels;
  const code = !v5 ? ReasonCode.Success : isTopic ? ReasonCode.TopicNameInvalid : ReasonCode.QuotaExceeded;
  inbox.add(session, packetId, qos === 1 ? Receipt.PubackOwed : Receipt.PubrecOwed, code);
  broker.senders.push(connection);
}

/** Whether the limit only keeps a message from being retained. */
function isOfRetaining(limit: Limit): boolean {
  return limit === Limit.retained || (limit >= Limit.topicNodes && limit <= Limit.labelBytes);
}

function isStored(broker: Broker, connection: number): boolean {
  const { connections, decoder } = broker;
  return decoder.body.first !== NONE || connections.layout.index[connections.incoming + connection] !== NONE;
}
