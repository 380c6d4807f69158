// A sensor: finds the gateway by its name, publishes a number every ten seconds, hears what others tell it.

import TCP from "embedded:io/socket/tcp";
import UDP from "embedded:io/socket/udp";
import DNSSD from "embedded:network/dnssd";
import { type ControlMessage, MQTTClient, ServiceResolver } from "midge/client";
import Timer from "timer";

const { CONNACK, DISCONNECT, SUBSCRIBE } = MQTTClient;
const state = "sensor-1/state";

export default function main(): void {
  let isConnected = false;
  const client = new MQTTClient({
    host: "midge.local",
    id: "sensor-1",
    keepAlive: 60_000,
    reconnect: true,
    will: { topic: state, message: "gone", retain: true },
    socket: { io: TCP },
    dns: { io: ServiceResolver, DNSSD, UDP, Timer },
    onControl({ operation }: ControlMessage) {
      isConnected = operation !== DISCONNECT;
      if (operation !== CONNACK) return;
      client.write(null, { operation: SUBSCRIBE, items: [{ topic: "sensor-1/set", QoS: 1 }] });
      // QoS 0: what is not sent before the connection ends is forgotten, and can't pile up.
      client.write("here", { topic: state, retain: true });
    },
    onReadable(_count, { topic }) {
      const payload = new Uint8Array(client.read() as ArrayBuffer);
      trace(`${topic ?? "more"}: ${String.fromCharCode(...payload)}\n`);
    },
  });
  const measure = (): unknown => isConnected && client.write(`${Date.now() % 100}`, { topic: "sensor-1/value" });
  Timer.repeat(measure, 10_000);
}
