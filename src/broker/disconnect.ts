// DISCONNECT from a client [section 3.14]: its Will Message goes unless the Reason Code asks for it, and in 5.0 it may
// change the Session Expiry Interval, but not from 0.

import { ReasonCode } from "../mqtt/constants";
import { SessionFlag } from "../session/sessions";
import type { Broker } from "./broker";
import { dropWill, left } from "./ending";

export function handleDisconnect(broker: Broker, connection: number): void {
  const { acknowledgement, limits, sessions } = broker;
  const session = broker.sessionOf(connection);
  if (acknowledgement.hasSessionExpiry) {
    const wanted = acknowledgement.sessionExpiry;
    // It is a Protocol Error to make a session last that was to end with its connection [section 3.14.2.2.2].
    if (sessions.has(session, SessionFlag.Ends) && wanted !== 0) {
      return broker.end(connection, ReasonCode.ProtocolError);
    }
    const expiry = wanted < limits.sessionExpirySeconds ? wanted : limits.sessionExpirySeconds;
    sessions.layout.u32[sessions.expiry + session] = expiry;
    sessions.set(session, SessionFlag.Ends, expiry === 0);
  }
  if (acknowledgement.reasonCode === ReasonCode.Success) dropWill(broker, session); // [MQTT-3.14.4-3]
  left(broker, connection, acknowledgement.reasonCode);
}
