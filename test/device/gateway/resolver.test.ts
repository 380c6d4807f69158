import TCP from "embedded:io/socket/tcp";
import UDP from "embedded:io/socket/udp";
import DNSSD from "embedded:network/dnssd";
import Timer from "timer";
import { beforeEach, describe, expect, test } from "vitest";
import MQTTClient from "../../../hosts/esp32/mqtt-client";
import { ServiceResolver } from "../../../hosts/esp32/resolver";
import { Device } from "../../support/moddable/device";
import { announcements } from "../../support/moddable/network";
import { type Peer, serve } from "../../support/moddable/peer";

let device: Device;

beforeEach(() => {
  device = new Device({ queueLength: 64 });
});

const gateway = { serviceType: "_mqtt._tcp", name: "midge", host: "Midge.local", address: "192.168.1.60", port: 1883 };
const printer = { serviceType: "_ipp._tcp", name: "p", host: "midge.local", address: "192.168.1.9", port: 631 };

function resolve(host: string, options: Record<string, unknown> = {}): string[] {
  const told: string[] = [];
  new ServiceResolver({ DNSSD, UDP, Timer, ...options }).resolve({
    host,
    onResolved: (name, address) => told.push(`${name} is ${address} at ${device.now}`),
    onError: (error) => told.push(`${(error as Error).message} at ${device.now}`),
  });
  return told;
}

describe("a broker is found", () => {
  test("by its name, in letters of any size, among others", () => {
    announcements().others.push(printer, { ...gateway, host: "other.local", address: "192.168.1.61" }, gateway);
    const told = resolve("midge.local");
    expect(told).toEqual([]);
    device.run(10_000);
    expect(told).toEqual(["midge.local is 192.168.1.60 at 20"]);
    expect(device.timers).toEqual([]);
  });

  test("by what it offers: the first that answers", () => {
    announcements().others.push(printer, gateway, { ...gateway, address: "192.168.1.61" });
    const told = resolve("_mqtt._tcp");
    device.run(10_000);
    expect(told).toEqual(["_mqtt._tcp is 192.168.1.60 at 20"]);
  });

  test("or not, which is told once", () => {
    announcements().others.push(printer);
    const told = resolve("midge.local", { milliseconds: 3000 });
    device.run(10_000);
    expect(told).toEqual(["not found at 3000"]);
    expect(device.timers).toEqual([]);
  });
});

test("a client connects to what it finds, and looks again until it does", () => {
  const peers: Peer[] = [];
  serve("192.168.1.60", 1883, (peer) => peers.push(peer));
  const client = new MQTTClient({
    host: "midge.local",
    id: "sensor",
    reconnect: true,
    socket: { io: TCP },
    dns: { io: ServiceResolver, DNSSD, UDP, Timer },
  });
  device.run(20_000);
  expect(peers).toEqual([]);
  announcements().others.push(gateway);
  device.run(20_000);
  expect(peers.length).toBeGreaterThan(0);
  expect([...peers[0].take()].slice(0, 9)).toEqual([0x10, 18, 0, 4, 77, 81, 84, 84, 4]);
  client.close();
  expect(device.fault).toBeUndefined();
});
