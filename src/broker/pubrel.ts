// PUBREL [section 3.6]: the sender of a QoS 2 message gives its Packet Identifier free; PUBCOMP is owed [MQTT-4.3.3-11].

import { Receipt } from "../session/qos";
import { answerUnknown } from "./acknowledgements";
import type { Broker } from "./broker";

export function handlePubrel(broker: Broker, connection: number): void {
  const { acknowledgement, inbox } = broker;
  if (inbox.release(broker.sessionOf(connection), acknowledgement.packetId)) broker.senders.push(connection);
  else answerUnknown(broker, connection, Receipt.PubcompOwed);
}
