// What an application may ask for: what MQTT allows, and what the server offers by its CONNACK.

import { MAX_VARIABLE_BYTE_INTEGER, PacketType, Property, ReasonCode, SubscriptionOption } from "../mqtt/constants";
import type { PropertyReader } from "../mqtt/properties";
import type { ResponseReader } from "../mqtt/responses";
import { hasWildcard, isShared, isSharedFilter } from "../mqtt/utf8";
import { NotAccepted } from "./ports";

/** Whether a PUBLISH can have this QoS [MQTT-3.3.1-4]. */
export function isQoS(qos: number): boolean {
  return qos === 0 || qos === 1 || qos === 2;
}

/** Whether `[at, end)` holds properties that an application may give a PUBLISH: the others the client sets itself. */
export function arePublishProperties(reader: PropertyReader, at: number, end: number): boolean {
  reader.seen = 0;
  while (at < end) {
    at = reader.read(at, end, PacketType.PUBLISH);
    if (at === 0) return false;
    switch (reader.id) {
      case Property.MessageExpiryInterval:
      case Property.TopicAlias:
      case Property.SubscriptionIdentifier: // [MQTT-3.3.4-6]
        return false;
    }
  }
  return true;
}

/** Whether `[at, end)` holds properties of a packet of type `packet`, or of a will. */
export function areProperties(reader: PropertyReader, at: number, end: number, packet: number): boolean {
  reader.seen = 0;
  while (at < end) {
    at = reader.read(at, end, packet);
    if (at === 0) return false;
  }
  return true;
}

/** Why a Topic Filter can't be subscribed to so, whatever the server offers; 0 when it can. */
export function checkSubscription(
  u8: Uint8Array,
  at: number,
  length: number,
  options: number,
  identifier: number,
  isV5: boolean,
): NotAccepted | 0 {
  const known = 0xff & ~SubscriptionOption.Reserved;
  if ((options & known) !== options || (options & SubscriptionOption.QoS) === 3) return NotAccepted.Invalid;
  if ((options & SubscriptionOption.RetainHandling) === SubscriptionOption.RetainHandling) return NotAccepted.Invalid;
  if (!(identifier >= 0 && identifier <= MAX_VARIABLE_BYTE_INTEGER)) return NotAccepted.Invalid;
  if (!isV5 || !isShared(u8, at, length)) return 0;
  if (!isSharedFilter(u8, at, length)) return NotAccepted.Topic;
  return (options & SubscriptionOption.NoLocal) === 0 ? 0 : NotAccepted.Invalid; // [MQTT-3.8.3-4]
}

/** Why the server can't be asked for a Topic Filter [5.0 section 3.2.2.3]; 0 when it can. */
export function refusalOf(
  response: ResponseReader,
  u8: Uint8Array,
  at: number,
  length: number,
  identifier: number,
): ReasonCode {
  if (response.wildcardSubscriptionAvailable === 0 && hasWildcard(u8, at, length)) {
    return ReasonCode.WildcardSubscriptionsNotSupported;
  }
  if (response.subscriptionIdentifierAvailable === 0 && identifier !== 0) {
    return ReasonCode.SubscriptionIdentifiersNotSupported;
  }
  if (response.sharedSubscriptionAvailable === 0 && isShared(u8, at, length)) {
    return ReasonCode.SharedSubscriptionsNotSupported;
  }
  return ReasonCode.Success;
}
