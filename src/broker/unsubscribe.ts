// UNSUBSCRIBE [section 3.10]: what is in flight for a subscription is still delivered [MQTT-3.10.4-3].

import { NONE } from "../memory/layout";
import { ReasonCode, Version } from "../mqtt/constants";
import type { Broker } from "./broker";
import { addCode, removeSubscription } from "./filters";

/** One Topic Filter. */
export function handleUnsubscribeFilter(broker: Broker, connection: number): void {
  const { connections, decoder, limits, subscriptions, topics } = broker;
  const v5 = connections.layout.u8[connections.version + connection] === Version.V5_0;
  if (decoder.levels === 0) {
    return broker.end(connection, v5 ? ReasonCode.TopicFilterInvalid : ReasonCode.MalformedPacket);
  }
  // Nobody can have subscribed to a longer one.
  let code = ReasonCode.NoSubscriptionExisted;
  if (v5 && decoder.count > limits.filtersPerSubscribe) {
    code = ReasonCode.ImplementationSpecificError; // before 5.0 there is no code to say so, and none to keep
  } else if (decoder.levels <= limits.topicLevels) {
    topics.split(decoder.at, decoder.length);
    const node = topics.find();
    const session = broker.sessionOf(connection);
    const row = node === NONE ? NONE : subscriptions.find(session, node);
    if (row !== NONE) {
      removeSubscription(broker, session, row);
      code = ReasonCode.Success;
    }
  }
  addCode(broker, connection, code);
}
