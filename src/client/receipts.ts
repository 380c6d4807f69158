// Whether what comes can be acknowledged: if not, it is not read until it can be.

import { ReasonCode, Version } from "../mqtt/constants";
import { type Client, Waits } from "./client";
import { ONE } from "./tables";

/**
 * Whether a message of QoS 1 or 2 can be acknowledged. If not, it waits while we owe something that makes room, or the
 * application has something to accept: a server counts anew on each connection. Else it has sent too many.
 */
export function hasReceipt(client: Client): boolean {
  const { inbox } = client;
  const has = hasRoom(client, true);
  client.waits = has ? Waits.Nothing : Waits.Receipt;
  if (has || inbox.firstOwed(ONE) !== 0 || inbox.hasOpen(ONE)) return has;
  if (!client.isDoubtful) {
    client.fail(ReasonCode.ReceiveMaximumExceeded);
    return false;
  }
  inbox.clear(ONE); // all of them may be of a session that is gone
  client.waits = Waits.Nothing;
  return true;
}

/**
 * Whether a PUBREC or PUBREL is read now. Each may need an answer, when its Packet Identifier is unknown: a server that
 * resumes sends PUBREL for all whose PUBCOMP it did not get, which may be more than the Receive Maximum.
 */
export function hasAnswer(client: Client): boolean {
  const waits = !hasRoom(client, false) && client.inbox.firstOwed(ONE) !== 0;
  client.waits = waits ? Waits.Answer : Waits.Nothing;
  return !waits;
}

/** Whether there is a receipt for a PUBLISH, or for the answer to something unknown. */
export function hasRoom(client: Client, forPublish: boolean): boolean {
  const isStrict = client.version === Version.V5_0 && client.limits.receiveShared === 0;
  return client.inbox.hasRoom(ONE, forPublish, isStrict);
}
