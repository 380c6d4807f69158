// PUBACK, PUBREC, PUBREL, PUBCOMP [sections 3.4 to 3.7].

import { PacketType, ReasonCode } from "../mqtt/constants";
import { Delivery, Receipt } from "../session/qos";
import type { Client } from "./client";
import { hasRoom } from "./receipts";
import { ONE } from "./tables";

/** PUBACK, PUBREC, PUBCOMP: how far a message of ours has come. */
export function handleAcknowledgement(client: Client, type: PacketType): void {
  const { acknowledgement, outbox } = client;
  const { packetId, reasonCode } = acknowledgement;
  const isRefused = reasonCode >= ReasonCode.UnspecifiedError;
  const state = outbox.acknowledge(ONE, packetId, type, isRefused);
  if (state === Delivery.Done) {
    // PUBCOMP can't refuse: it may only say that the server knows nothing of it any more.
    client.events.published(outbox.found, type === PacketType.PUBCOMP ? ReasonCode.Success : reasonCode);
  } else if (state === Delivery.Unexpected && type === PacketType.PUBREC && !isRefused) {
    answer(client, Receipt.PubrelOwed);
  }
}

/** The server gives a Packet Identifier free. */
export function handlePubrel(client: Client): void {
  if (!client.inbox.release(ONE, client.acknowledgement.packetId)) answer(client, Receipt.PubcompOwed);
}

/** The server names a Packet Identifier that we do not know. */
function answer(client: Client, owed: Receipt): void {
  if (!hasRoom(client, false)) return client.fail(ReasonCode.ReceiveMaximumExceeded);
  client.inbox.add(ONE, client.acknowledgement.packetId, owed, ReasonCode.PacketIdentifierNotFound);
}
