// SUBSCRIBE [section 3.8], Topic Filter by Topic Filter as it arrives. Room for the codes of the SUBACK was promised
// before the first filter. A packet that proves malformed midway takes its new subscriptions back.

import { Event, Limit } from "../events";
import { NONE } from "../memory/layout";
import { ReasonCode, SUBACK_FAILURE_311, SubscriptionOption, Version } from "../mqtt/constants";
import { isShared } from "../mqtt/utf8";
import type { Broker } from "./broker";
import { addCode, appendSubscription } from "./filters";

/** One Topic Filter with its options. */
export function handleSubscribeFilter(broker: Broker, connection: number): void {
  const { connections, decoder } = broker;
  const v5 = connections.layout.u8[connections.version + connection] === Version.V5_0;
  const error = checkOptions(decoder.options, v5);
  if (error === ReasonCode.Success && decoder.levels === 0) {
    // Not a Topic Filter at all [MQTT-4.7.1-1], [MQTT-4.7.1-2], [MQTT-4.7.3-1].
    return broker.end(connection, v5 ? ReasonCode.TopicFilterInvalid : ReasonCode.MalformedPacket);
  }
  if (error !== ReasonCode.Success) return broker.end(connection, error);
  const code = subscribe(broker, connection, v5);
  const isRefused = code >= ReasonCode.UnspecifiedError;
  addCode(broker, connection, isRefused && !v5 ? SUBACK_FAILURE_311 : code);
}

function checkOptions(options: number, v5: boolean): ReasonCode {
  if ((options & SubscriptionOption.QoS) === 3) return v5 ? ReasonCode.ProtocolError : ReasonCode.MalformedPacket;
  if (!v5) return (options & ~SubscriptionOption.QoS) === 0 ? ReasonCode.Success : ReasonCode.MalformedPacket;
  if ((options & SubscriptionOption.Reserved) !== 0) return ReasonCode.MalformedPacket; // [MQTT-3.8.3-5]
  return (options & SubscriptionOption.RetainHandling) === SubscriptionOption.RetainHandling
    ? ReasonCode.ProtocolError
    : ReasonCode.Success;
}

/** Makes or replaces the subscription; returns the code of the SUBACK. */
function subscribe(broker: Broker, connection: number, v5: boolean): ReasonCode {
  const { decoder, limits, replayer, router, subscriptions, topics } = broker;
  const session = broker.sessionOf(connection);
  if (v5 && isShared(broker.layout.u8, decoder.at, decoder.length)) {
    if ((decoder.options & SubscriptionOption.NoLocal) !== 0) {
      broker.end(connection, ReasonCode.ProtocolError); // [MQTT-3.8.3-4]
    }
    return ReasonCode.SharedSubscriptionsNotSupported;
  }
  if (decoder.levels > limits.topicLevels) {
    const limit = decoder.length === 0 ? Limit.topicBytes : Limit.topicLevels; // the text of one too long is not kept
    return shortage(broker, connection, limit, ReasonCode.TopicFilterInvalid);
  }
  if (decoder.count > limits.filtersPerSubscribe) {
    return shortage(broker, connection, Limit.filtersPerSubscribe, ReasonCode.QuotaExceeded);
  }
  topics.split(decoder.at, decoder.length);
  let node = topics.find();
  let row = node === NONE ? NONE : subscriptions.find(session, node);
  const isNew = row === NONE;
  if (isNew) {
    const limit = roomFor(broker, session);
    if (limit !== 0) return shortage(broker, connection, limit, ReasonCode.QuotaExceeded);
    node = topics.ensure();
    if (node === NONE) return shortage(broker, connection, topics.shortage, ReasonCode.QuotaExceeded);
    row = subscriptions.add(session, node);
    appendSubscription(broker, session, row);
  }
  subscriptions.set(row, decoder.options, decoder.subscriptionIdentifier);
  const handling = (decoder.options & SubscriptionOption.RetainHandling) >>> 4;
  if (handling === 0 || (handling === 1 && isNew)) {
    replayer.begin(session, row, router.nextEpoch()); // [MQTT-3.3.1-9], [MQTT-3.3.1-10]
    broker.senders.push(connection);
  } // else a replay under way goes on: nothing is lost by subscribing again [MQTT-3.8.4-4]
  return decoder.options & SubscriptionOption.QoS; // granted as asked [MQTT-3.8.4-7]
}

function roomFor(broker: Broker, session: number): Limit | 0 {
  const { limits, sessions, subscriptions } = broker;
  if (sessions.layout.index[sessions.subscriptionCount + session] >= limits.subscriptionsPerSession) {
    return Limit.subscriptionsPerSession;
  }
  return subscriptions.pool.free === 0 ? Limit.subscriptions : 0;
}

function shortage(broker: Broker, connection: number, limit: Limit, code: ReasonCode): ReasonCode {
  broker.log.event(Event.SubscribeRefused, connection, limit);
  return code;
}
