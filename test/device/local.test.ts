// A client in the broker's own machine: what it publishes and receives goes through a broker as any client's does, and
// sockets of others are left alone.

import Listener from "embedded:io/socket/listener";
import TCP from "embedded:io/socket/tcp";
import Time from "time";
import Timer from "timer";
import { describe, expect, test } from "vitest";
import { LocalTransport } from "../../hosts/ecma419/local";
import { SocketTransport } from "../../hosts/ecma419/transport";
import { Broker } from "../../src/broker/broker";
import { Client, ClientState } from "../../src/client/client";
import { type ClientLimits, clientPresets } from "../../src/client/limits";
import { presets } from "../../src/memory/limits";
import { Recorder } from "../support/client-wire";
import { Device } from "../support/moddable/device";
import { connect } from "../support/moddable/peer";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function scene(limits = presets.tiny, clientLimits: ClientLimits = clientPresets.sensor) {
  const device = new Device({ queueLength: 64, activeConnections: 24 });
  const connections = limits.connections - 1;
  const sockets = new SocketTransport({ TCP, Listener, Timer, Time, connections, sockets: connections + 4 });
  const transport = new LocalTransport(sockets, limits.connections);
  const clock = { now: () => Time.ticks >>> 0, wall: () => 0 };
  const broker = new Broker(limits, { transport, clock, log: { event: () => {} } }, 1);
  const events = new Recorder();
  const end = transport.clientEnd;
  const random = { next: () => 0 };
  const client = new Client(clientLimits, { transport: end, dialer: end, clock, random }, events);
  events.client = client;
  sockets.start(broker, 1883);
  transport.start(broker, client, Timer, () => sockets.wake());
  return { device, sockets, transport, broker, client, events };
}

function joined(limits = presets.tiny, clientLimits: ClientLimits = clientPresets.sensor) {
  const all = scene(limits, clientLimits);
  all.client.start({ clientId: "local", keepAlive: 60 });
  all.device.run(300);
  expect(all.client.state).toBe(ClientState.Connected);
  return all;
}

const CONNECT = [0x10, 13, 0, 4, 77, 81, 84, 84, 4, 2, 0, 60, 0, 1, 120];

describe("the local client", () => {
  test("connects as a client does", () => {
    const { broker } = joined();
    expect(broker.clientId(presets.tiny.connections)).toBe("local");
    expect(broker.counter("connected")).toBe(1);
  });

  test.each([0, 1, 2])("receives what it publishes at QoS %i, and is told that it was done", (qos) => {
    const { device, client, events } = joined();
    client.subscribe("a/#", 2);
    device.run(300);
    const row = client.publish("a/b", bytes("hello"), qos, false);
    device.run(300);
    expect(events.messages).toEqual([`a/b hello q${qos}`]);
    expect(events.said).toContain(`published ${row} 0x0`);
  });

  test("does not wait for the clock: what it publishes is there in the same millisecond", () => {
    const { device, transport, client, events } = joined();
    client.subscribe("a", 1);
    device.run(300);
    client.publish("a", bytes("x"), 1, false);
    client.ready();
    transport.wake();
    device.settle();
    expect(events.messages).toEqual(["a x q1"]);
  });

  test("messages larger than what may be on its way arrive whole", () => {
    const limits = { ...presets.esp32, connections: 4 };
    const { device, client, events } = joined(limits, { ...clientPresets.sensor, payloadBytes: 8192 });
    client.subscribe("a", 1);
    device.run(300);
    const payload = "0123456789".repeat(300);
    client.publish("a", bytes(payload), 1, false);
    device.run(2000);
    expect(events.messages).toEqual([`a ${payload} q1`]);
  });

  test("many messages one after the other arrive in their order", () => {
    const { device, client, events } = joined(presets.esp32);
    client.subscribe("a", 1);
    device.run(300);
    for (let i = 0; i < 200; i++) {
      expect(client.publish("a", bytes(`${i}`), 1, false)).toBeGreaterThan(0);
      device.run(200);
    }
    expect(events.messages).toEqual(Array.from({ length: 200 }, (_, i) => `a ${i} q1`));
  });

  test("takes one connection; the others are there for sockets", () => {
    const { device, broker } = joined();
    const codes: number[] = [];
    for (let i = 0; i < presets.tiny.connections - 1; i++) {
      const peer = connect(1883);
      device.settle();
      peer.send([...CONNECT.slice(0, -1), 97 + i]);
      device.run(200);
      codes.push(peer.take()[3]);
    }
    // All but the spare, which reads a CONNECT to say no.
    expect(codes).toEqual([0, 0, 3]);
    expect(broker.clientId(presets.tiny.connections)).toBe("local");
  });

  test("hears clients on sockets, and they hear it", () => {
    const { device, client, events } = joined();
    client.subscribe("up", 0);
    device.run(200);
    const peer = connect(1883);
    device.settle();
    peer.send([...CONNECT, 0x82, 9, 0, 1, 0, 4, 100, 111, 119, 110, 0, 0x30, 5, 0, 2, 117, 112, 33]);
    device.run(300);
    expect(events.messages).toEqual(["up ! q0"]);
    peer.take();
    client.publish("down", bytes("?"), 0, false);
    device.run(300);
    expect([...peer.take()]).toEqual([0x30, 7, 0, 4, 100, 111, 119, 110, 63]);
  });

  test("says goodbye when it is stopped, and its number is free", () => {
    const { device, broker, client } = joined();
    client.stop();
    device.run(200);
    expect(broker.counter("disconnected")).toBe(1);
    expect(broker.connectionCount).toBe(0);
    client.start({ clientId: "again" });
    device.run(300);
    expect(broker.clientId(presets.tiny.connections)).toBe("again");
  });

  test("comes back when the broker ends the connection", () => {
    const { device, broker, client, events } = joined();
    const other = connect(1883);
    device.settle();
    // The same Client Identifier takes over.
    other.send([0x10, 17, 0, 4, 77, 81, 84, 84, 4, 2, 0, 60, 0, 5, 108, 111, 99, 97, 108]);
    device.run(100);
    expect(events.said).toContain("disconnected 0x8e");
    other.reset();
    device.run(5000);
    expect(client.state).toBe(ClientState.Connected);
    expect(broker.clientId(presets.tiny.connections)).toBe("local");
  });

  test("is let go when it says nothing, as any client is", () => {
    const { device, transport, broker } = joined({ ...presets.tiny, keepAliveSeconds: 2 });
    transport.stop(); // nobody runs the client
    device.run(4000);
    expect(broker.counter("disconnected")).toBe(1);
    expect(broker.connectionCount).toBe(0);
  });

  test("stays for days without a message", () => {
    const { device, broker, events } = joined({ ...presets.tiny, keepAliveSeconds: 10 });
    device.run(600_000);
    expect(events.said.filter((line) => line.startsWith("disconnected"))).toEqual([]);
    expect(broker.counter("disconnected")).toBe(0);
  });
});
