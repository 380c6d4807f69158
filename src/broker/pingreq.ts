// PINGREQ [section 3.12]: one PINGRESP each [MQTT-3.12.4-1].

import type { Broker } from "./broker";

const MOST = 255;

export function handlePingreq(broker: Broker, connection: number): void {
  const { connections } = broker;
  const { u8 } = connections.layout;
  // Who does not read its PINGRESP will not miss the 256th.
  if (u8[connections.pings + connection] < MOST) u8[connections.pings + connection]++;
  broker.senders.push(connection);
}
