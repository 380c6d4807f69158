// CONNACK [section 3.2]: the server accepts the connection, and says whether it has our session; or why it does not.

import { ReasonCode, Version } from "../mqtt/constants";
import type { Client } from "./client";

export function handleConnack(client: Client, at: number, length: number): void {
  const { response, version } = client;
  const error = response.readConnack(at, length, version);
  if (error !== ReasonCode.Success) return client.fail(error);
  client.reasonAt = response.reasonAt;
  client.reasonLength = response.reasonLength;
  const { reasonCode } = response;
  if (reasonCode !== 0) return client.end(version === Version.V5_0 ? reasonCode : fromReturnCode(reasonCode));
  if (response.sessionPresent && client.isClean) return client.fail(ReasonCode.ProtocolError); // [MQTT-3.2.2-4]
  if (response.assignedLength > client.limits.clientIdBytes) return client.fail(ReasonCode.QuotaExceeded);
  client.entered();
}

/** The Reason Code of 5.0 that says what a return code of 3.1.1 says. */
function fromReturnCode(code: number): ReasonCode {
  switch (code) {
    case 1:
      return ReasonCode.UnsupportedProtocolVersion;
    case 2:
      return ReasonCode.ClientIdentifierNotValid;
    case 3:
      return ReasonCode.ServerUnavailable;
    case 4:
      return ReasonCode.BadUserNameOrPassword;
    case 5:
      return ReasonCode.NotAuthorized;
    default:
      return ReasonCode.UnspecifiedError;
  }
}
