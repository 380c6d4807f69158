// PUBCOMP [section 3.7]: a QoS 2 message is through. One that fits no delivery is ignored: it is the last word anyway.

import { acknowledge } from "./acknowledgements";
import type { Broker } from "./broker";

export function handlePubcomp(broker: Broker, connection: number): void {
  acknowledge(broker, connection);
}
