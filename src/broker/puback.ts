// PUBACK [section 3.4]: the receiver has a QoS 1 message, or refuses it for good [MQTT-4.4.0-2].

import { acknowledge } from "./acknowledgements";
import type { Broker } from "./broker";

/** One that fits no delivery is ignored: nothing can be done about it. */
export function handlePuback(broker: Broker, connection: number): void {
  acknowledge(broker, connection);
}
