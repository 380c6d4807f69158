// A broker inside an application: others connect to it by TCP, the application itself publishes without a socket.

import Listener from "embedded:io/socket/listener";
import TCP from "embedded:io/socket/tcp";
import { Broker, LocalTransport, type Log, plan, presets, SocketTransport } from "midge/broker";
import { Client, type ClientEvents, clientPresets } from "midge/client";
import Time from "time";
import Timer from "timer";

const limits = presets.esp32;
const topic = Uint8Array.of(104, 111, 109, 101, 47, 116, 105, 99, 107, 115); // home/ticks
const log: Log = Object.freeze({ event: (code: number, a: number, b: number) => trace(`event ${code}: ${a} ${b}\n`) });
const nothing = (): void => {};
const events: ClientEvents = Object.freeze({
  connected: () => trace("the application is a client\n"),
  disconnected: nothing,
  published: nothing,
  subscribed: nothing,
  unsubscribed: nothing,
  message: () => trace("somebody published to home/\n"),
  payload: (_at: number, count: number) => count,
  messageEnd: nothing,
  messageLost: nothing,
});

export default function main(): void {
  trace(`${plan(limits).totalBytes} bytes, and never more\n`);
  const clock = { now: () => Time.ticks >>> 0, wall: () => 0 };
  const random = { next: () => (Math.random() * 0x100000000) >>> 0 };
  const sockets = new SocketTransport({
    TCP,
    Listener,
    Timer,
    Time,
    connections: limits.connections - 1,
    sockets: 10,
    queueLength: 64,
  });
  const transport = new LocalTransport(sockets, limits.connections);
  const broker = new Broker(limits, { transport, clock, log }, random.next());
  const end = transport.clientEnd;
  const client = new Client(clientPresets.sensor, { transport: end, dialer: end, clock, random }, events);
  sockets.start(broker, 1883);
  transport.start(broker, client, Timer, () => sockets.wake());
  client.start({ clientId: "application" });
  client.subscribe("home/#", 1);
  const payload = new Uint8Array(1);
  Timer.repeat(() => {
    payload[0] = 48 + ((Time.ticks >>> 10) % 10);
    client.publish(topic, payload, 1, true);
    transport.wake();
  }, 5000);
}
