// The sockets of the port for Linux, as read in the SDK's sources: modules/io/socket/lin. Only where they differ.

import Listener from "embedded:io/socket/listener";
import TCP from "embedded:io/socket/tcp";
import { expect, test } from "vitest";
import { Crash, Device } from "../../support/moddable/device";
import { connect, type Peer } from "../../support/moddable/peer";

interface Scene {
  device: Device;
  peer: Peer;
  tcp: TCP;
  told: string[];
}

function open(): Scene {
  const device = new Device({ sockets: "lin" });
  const told: string[] = [];
  let tcp: TCP | undefined;
  const listener = new Listener({
    port: 1883,
    onReadable(count) {
      told.push(`listener ${count}`);
      tcp = new TCP({
        from: listener.read() as TCP,
        onReadable: (bytes) => told.push(`readable ${bytes}`),
        onWritable: (bytes) => told.push(`writable ${bytes}`),
        onError: () => told.push("error"),
      });
      expect(() => tcp?.write(Uint8Array.of(1))).toThrow("would block");
    },
  });
  const peer = connect(1883);
  device.run(19);
  expect(told).toEqual([]);
  device.run(1);
  expect(told).toEqual(["listener 1"]);
  return { device, peer, tcp: tcp as TCP, told };
}

test("a connection is announced within 20 ms and can't be written in that turn, only after onWritable", () => {
  const { device, tcp, told } = open();
  device.run(20);
  expect(told).toEqual(["listener 1", "writable 1536"]);
  expect(tcp.write(new Uint8Array(1000))).toBe(536);
  expect(() => tcp.write(new Uint8Array(537))).toThrow("would block");
  device.run(20);
  expect(told.at(-1)).toBe("writable 1536");
});

test("at most 1,536 bytes are received at a time, every 20 ms, as room is made", () => {
  const { device, peer, tcp, told } = open();
  device.run(20);
  told.length = 0;
  peer.send(new Uint8Array(5000));
  device.run(20);
  expect(told).toEqual(["readable 1536"]);
  tcp.read(new Uint8Array(1000));
  device.run(20);
  expect(told).toEqual(["readable 1536", "readable 1536"]);
});

test("onWritable comes before onReadable", () => {
  const { device, peer, told } = open();
  peer.send(new Uint8Array(3));
  device.run(20);
  expect(told).toEqual(["listener 1", "writable 1536", "readable 3"]);
});

test("an end is told when everything was read before it was noticed", () => {
  const { device, peer, tcp, told } = open();
  peer.send(new Uint8Array(3));
  peer.end();
  device.run(20);
  tcp.read(new Uint8Array(3));
  device.run(20);
  expect(told.at(-1)).toBe("error");
});

test("an end noticed while bytes are unread is never told", () => {
  const { device, peer, tcp, told } = open();
  peer.send(new Uint8Array(3));
  peer.end();
  device.run(40);
  tcp.read(new Uint8Array(3));
  device.run(60_000);
  expect(told).not.toContain("error");
});

test("writing to a connection that was reset ends the process", () => {
  const { device, peer, tcp } = open();
  device.run(20);
  peer.reset();
  device.run(1);
  expect(() => tcp.write(Uint8Array.of(1))).toThrow(Crash);
});

test("closing twice is harmless; bytes unread make it a reset", () => {
  const { device, peer, tcp } = open();
  peer.send(new Uint8Array(3));
  device.network();
  tcp.close();
  tcp.close();
  device.run(20);
  expect(peer.state).toBe("reset");
  expect(() => tcp.write(Uint8Array.of(1))).toThrow(TypeError);
});

test("the address can be asked at any time", () => {
  const { device, peer, tcp } = open();
  peer.reset();
  device.run(20);
  expect(tcp.remoteAddress).toBe("192.168.4.2");
});
