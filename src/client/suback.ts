// SUBACK and UNSUBACK [sections 3.9, 3.11]: each answers about one Topic Filter, as each of ours asks for one.

import { isReasonCodeOf } from "../mqtt/acknowledgement";
import { PacketType, ReasonCode, SUBACK_FAILURE_311, Version } from "../mqtt/constants";
import type { Client } from "./client";
import { Stage } from "./subscriptions";

export function handleFiltersAck(client: Client, at: number, length: number, type: PacketType): void {
  const { events, layout, response, subscriptions, version } = client;
  const error = response.readFiltersAck(at, length, type, version);
  if (error !== ReasonCode.Success) return client.fail(error);
  client.reasonAt = response.reasonAt;
  client.reasonLength = response.reasonLength;
  if (response.codeCount > 1) return client.fail(ReasonCode.ProtocolError); // each of ours has one Topic Filter
  const code = response.codeCount === 1 ? layout.u8[response.codesAt] : 0;
  const isKnown = version === Version.V5_0 ? isReasonCodeOf(code, type) : code <= 2 || code === SUBACK_FAILURE_311;
  if (!isKnown) return client.fail(ReasonCode.ProtocolError);
  const row = subscriptions.byPacketId(response.packetId);
  const isSubscribe = type === PacketType.SUBACK;
  // The application may have thought better of it.
  if (row === 0 || (subscriptions.stage(row) === Stage.Asked) !== isSubscribe) return;
  if (isSubscribe && code < ReasonCode.UnspecifiedError) {
    subscriptions.setStage(row, Stage.Granted);
    return events.subscribed(row, code);
  }
  // Who can't unsubscribe is subscribed as before.
  if (!isSubscribe && code >= ReasonCode.UnspecifiedError) subscriptions.setStage(row, Stage.Granted);
  else subscriptions.remove(row);
  if (isSubscribe) events.subscribed(row, code);
  else events.unsubscribed(row, code);
}
