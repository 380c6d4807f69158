// What PUBACK, PUBREC, PUBREL and PUBCOMP have in common: a Packet Identifier, a Reason Code, a session.

import { ReasonCode, Version } from "../mqtt/constants";
import { Delivery, type Receipt } from "../session/qos";
import type { Broker } from "./broker";

/** Tells the outbox what a receiver said of a delivery; the deliveries behind it may go on. */
export function acknowledge(broker: Broker, connection: number): Delivery {
  const { acknowledgement, decoder, outbox } = broker;
  const refused = acknowledgement.reasonCode >= ReasonCode.UnspecifiedError;
  const state = outbox.acknowledge(broker.sessionOf(connection), acknowledgement.packetId, decoder.type, refused);
  if (state !== Delivery.Unexpected) {
    broker.moved = true;
    broker.progressed(connection);
    broker.senders.push(connection);
  }
  return state;
}

/** Answers an acknowledgement whose Packet Identifier is unknown; a client that floods us with them is disconnected. */
export function answerUnknown(broker: Broker, connection: number, owed: Receipt): void {
  const { acknowledgement, inbox } = broker;
  const session = broker.sessionOf(connection);
  const isV5 = broker.protocolVersion(connection) === Version.V5_0;
  if (!inbox.hasRoom(session, false, isV5)) return broker.end(connection, ReasonCode.ReceiveMaximumExceeded);
  inbox.add(session, acknowledgement.packetId, owed, ReasonCode.PacketIdentifierNotFound);
  broker.senders.push(connection);
}
