// PUBREC [section 3.5]: the receiver has a QoS 2 message; PUBREL is owed now [MQTT-4.3.3-4], or it refuses it for good.

import { ReasonCode } from "../mqtt/constants";
import { Delivery, Receipt } from "../session/qos";
import { acknowledge, answerUnknown } from "./acknowledgements";
import type { Broker } from "./broker";

export function handlePubrec(broker: Broker, connection: number): void {
  if (acknowledge(broker, connection) !== Delivery.Unexpected) return;
  // A refusal of something unknown needs no answer.
  if (broker.acknowledgement.reasonCode < ReasonCode.UnspecifiedError) {
    answerUnknown(broker, connection, Receipt.PubrelOwed);
  }
}
