// A broker and a client in one machine, on XS: what a message costs on its way from one to the other and back.

import Listener from "embedded:io/socket/listener";
import TCP from "embedded:io/socket/tcp";
import Time from "time";
import Timer from "timer";
import { LocalTransport } from "../../hosts/ecma419/local";
import { SocketTransport } from "../../hosts/ecma419/transport";
import { Broker } from "../../src/broker/broker";
import { Client } from "../../src/client/client";
import { clientPresets } from "../../src/client/limits";
import type { ClientEvents } from "../../src/client/ports";
import { presets } from "../../src/memory/limits";
import { Device } from "../support/moddable/device";
import { host } from "../xs/host";
import { Meter } from "../xs/meter";

const MESSAGES = 1000;
/** The first messages. */
const WARM_UP = 30;
const limits = presets.esp32;
const device = new Device({ queueLength: 64, activeConnections: 24 });
const sockets = new SocketTransport({ TCP, Listener, Timer, Time, connections: limits.connections - 1, sockets: 12 });
const transport = new LocalTransport(sockets, limits.connections);
const clock = { now: () => Time.ticks >>> 0, wall: () => 0 };
const broker = new Broker(limits, { transport, clock, log: { event() {} } }, 1);
const planted: object[] = [{}];
let received = 0;
let published = 0;

const events: ClientEvents = {
  connected() {},
  disconnected() {},
  published() {
    published++;
  },
  subscribed() {},
  unsubscribed() {},
  message() {},
  payload(_at, count) {
    return count;
  },
  messageEnd() {
    received++;
  },
  messageLost() {},
};

const end = transport.clientEnd;
const ports = { transport: end, dialer: end, clock, random: { next: () => 0 } };
const client = new Client(clientPresets.sensor, ports, events);

function main(): void {
  const topic = Uint8Array.from([97, 47, 98]);
  const payload = Uint8Array.from({ length: 100 }, (_, index) => index);
  const plants = host.args[0] === "plant";
  sockets.start(broker, 1883);
  transport.start(broker, client, Timer, () => sockets.wake());
  client.start({ clientId: "local" });
  device.run(500);
  client.subscribe(topic, 2);
  device.run(500);
  const trip = (qos: number): void => {
    if (client.publish(topic, payload, qos, false) <= 0) throw new Error("not accepted");
    device.run(200);
  };
  for (let i = 0; i < WARM_UP; i++) trip(i % 3);
  const meter = new Meter();
  meter.start();
  for (let i = 0; i < MESSAGES; i++) {
    trip(i % 3);
    if (plants) planted[0] = { i };
  }
  const { slots, chunks, collections } = meter.stop();
  host.print(`published ${published} received ${received}`);
  host.print(`allocated ${slots} ${chunks} ${collections}`);
}

(globalThis as unknown as { main: () => void }).main = main;
