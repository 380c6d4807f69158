// The message queue of the XS task, as read in the SDK's sources: xs/platforms/esp/xsHost.c and the main loop in
// build/devices/esp32/lib/main/main.c.

import Listener from "embedded:io/socket/listener";
import TCP from "embedded:io/socket/tcp";
import { describe, expect, test } from "vitest";
import { Device, type DeviceOptions, Hang, QueueOverrun } from "../../support/moddable/device";
import { connect, type Peer } from "../../support/moddable/peer";

interface Crowd {
  device: Device;
  sockets: TCP[];
  peers: Peer[];
  /** What a socket does when bytes come. */
  answer: { with: (socket: TCP) => void };
}

/** So many connections, accepted one by one. */
function crowd(count: number, options: Partial<DeviceOptions> = {}): Crowd {
  const device = new Device({ activeConnections: 64, ...options });
  const sockets: TCP[] = [];
  const answer = { with: (_: TCP) => {} };
  const listener = new Listener({
    port: 1883,
    onReadable() {
      sockets.push(
        new TCP({
          from: listener.read() as TCP,
          onReadable() {
            answer.with(this);
          },
          onError() {},
        }),
      );
    },
  });
  const peers = Array.from({ length: count }, () => {
    const peer = connect(1883);
    device.settle();
    return peer;
  });
  expect(sockets).toHaveLength(count);
  return { device, sockets, peers, answer };
}

const one = Uint8Array.of(1);

describe("ten entries", () => {
  test("hold ten messages; a socket has one in it, however often it writes", () => {
    const { device, sockets } = crowd(10);
    for (const socket of sockets) for (let i = 0; i < 5; i++) socket.write(one);
    expect(device.queued).toBe(10);
    device.settle();
    expect(device.queued).toBe(0);
  });

  test("an eleventh socket written in one turn hangs a release build", () => {
    const { device, sockets } = crowd(11);
    for (let i = 0; i < 10; i++) sockets[i].write(one);
    expect(() => sockets[10].write(one)).toThrow(Hang);
    expect(() => device.turn()).toThrow(Hang); // no catch of the program hides it
  });

  test("and costs a debug build 20 ms and the socket: its message is dropped, and none is ever posted again", () => {
    const { device, sockets } = crowd(11, { build: "debug" });
    const before = device.now;
    for (let i = 0; i < 10; i++) sockets[i].write(one);
    expect(() => sockets[10].write(one)).toThrow(QueueOverrun);
    expect(device.now - before).toBe(20);
    expect(() => device.turn()).toThrow(QueueOverrun);
  });

  test("taking over eleven accepted sockets in one turn does the same", () => {
    const device = new Device({ activeConnections: 64 });
    const listener = new Listener({ port: 1883 });
    for (let i = 0; i < 11; i++) connect(1883);
    device.settle();
    const bare = Array.from({ length: 11 }, () => listener.read() as TCP);
    for (let i = 0; i < 10; i++) new TCP({ from: bare[i], onWritable() {} });
    expect(() => new TCP({ from: bare[10], onWritable() {} })).toThrow(Hang);
  });

  test("a promise settled takes one too, whatever the number of its reactions", () => {
    const { device, sockets } = crowd(10);
    const ran: number[] = [];
    device.promiseJob(() => ran.push(1));
    device.promiseJob(() => ran.push(2));
    expect(device.queued).toBe(1);
    for (let i = 0; i < 9; i++) sockets[i].write(one);
    expect(() => sockets[9].write(one)).toThrow(Hang);
    expect(ran).toEqual([]);
  });
});

describe("lwIP's task", () => {
  test("waits for room, and nothing is lost when the XS task only reads", () => {
    const { device, peers, answer } = crowd(30);
    let heard = 0;
    answer.with = (socket) => {
      socket.read(new Uint8Array(1));
      heard++;
    };
    for (const peer of peers) peer.send(one);
    device.settle();
    expect(heard).toBe(30);
    expect(device.peakQueue).toBe(10);
  });

  test.each([
    ["write", (socket: TCP) => socket.write(one)],
    ["close", (socket: TCP) => socket.close()],
  ])("waits for the queue while the XS task waits for it in %s: both hang", (_, call) => {
    const { device, peers, answer } = crowd(12);
    answer.with = (socket) => {
      socket.read(new Uint8Array(1));
      call(socket);
    };
    for (const peer of peers) peer.send(one);
    expect(() => device.settle()).toThrow("wait for each other");
    expect(device.fault).toBeInstanceOf(Hang);
  });

  test("drops its message in a debug build when a callback takes 20 ms", () => {
    const { device, peers, answer } = crowd(12, { build: "debug" });
    answer.with = () => device.spend(20);
    for (const peer of peers) peer.send(one);
    expect(() => device.settle()).toThrow(QueueOverrun);
  });
});

test("defines.task.queueLength of 64 carries 30 sockets that answer at once", () => {
  const { device, peers, answer } = crowd(30, { queueLength: 64 });
  answer.with = (socket) => {
    socket.read(new Uint8Array(1));
    socket.write(one);
  };
  for (const peer of peers) peer.send(one);
  device.settle();
  expect(peers.map(({ received }) => received)).toEqual(Array(30).fill(1));
  expect(device.peakQueue).toBeLessThanOrEqual(31);
});

describe("the main loop", () => {
  test("delivers at most what waited when the turn began", () => {
    const { device, sockets, peers, answer } = crowd(2);
    const order: string[] = [];
    answer.with = (socket) => {
      order.push(`${device.turns} ${sockets.indexOf(socket)}`);
      socket.read(new Uint8Array(1));
      device.promiseJob(() => order.push(`${device.turns} promise`));
    };
    for (const peer of peers) peer.send(one);
    const first = device.turns + 1;
    device.settle();
    const promises = `${first + 1} promise`;
    expect(order).toEqual([`${first} 0`, `${first} 1`, promises, promises]);
  });

  test("delivers one message a turn while a timer is due", () => {
    const { device, peers, answer } = crowd(3);
    const turns: number[] = [];
    answer.with = (socket) => {
      socket.read(new Uint8Array(1));
      turns.push(device.turns);
    };
    for (const peer of peers) peer.send(one);
    const timer = device.addTimer(0, 0, () => device.addTimer(0, 0, () => device.addTimer(0, 0, () => {})));
    expect(timer.at).toBe(device.now);
    const first = device.turns + 1;
    device.settle();
    expect(turns[0]).toBe(first);
    expect(turns[1]).toBe(first + 1);
  });
});
