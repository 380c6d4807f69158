// The transport never fills the message queue of the XS task, and writes no more than lwIP has buffers for.

import Listener from "embedded:io/socket/listener";
import TCP from "embedded:io/socket/tcp";
import Time from "time";
import Timer from "timer";
import { describe, expect, test } from "vitest";
import { SocketTransport } from "../../hosts/ecma419/transport";
import { presets } from "../../src/memory/limits";
import { Device, Hang } from "../support/moddable/device";
import { connect as knockOn, type Peer } from "../support/moddable/peer";
import { connect, disconnect, publish, readPublish, subscribe } from "../support/packets";
import { type Client, Scene, type SceneOptions } from "./scene";

const LEVEL = 4;

/** All that find a place but one subscribe to what that one publishes; the spare connection stays free. */
function crowd(options: SceneOptions) {
  const scene = new Scene(options);
  const readers = Array.from({ length: options.limits.connections - 2 }, (_, index) => {
    const reader = scene.client();
    reader.send(connect({ level: LEVEL, id: `r${index}` }), subscribe(LEVEL, 1, [["t", 0]]));
    expect(reader.receive()).toHaveLength(2);
    return reader;
  });
  const writer = scene.client();
  writer.send(connect({ level: LEVEL, id: "w" }));
  expect(writer.receive().map((bytes) => bytes[3])).toEqual([0]);
  return { scene, readers, writer };
}

const message = (payload: string): number[] => publish({ level: LEVEL, topic: "t", payload });

describe("the queue of the XS task", () => {
  test.each([
    [64, 24, 32],
    [38, 24, 32],
    [10, 4, 4],
  ])(
    "of %i places: one message to everybody at once, of %i connections on %i sockets",
    (queueLength, connections, sockets) => {
      const { scene, readers, writer } = crowd({
        limits: { ...presets.gateway, connections, connectionsPerStep: connections },
        device: { queueLength, activeConnections: sockets },
        transport: { sockets },
      });
      for (let i = 0; i < 50; i++) {
        writer.send(message(`${i}`));
        for (const reader of readers) {
          expect(reader.receive().map((bytes) => readPublish(LEVEL, bytes).payload)).toEqual([`${i}`]);
        }
      }
      expect(scene.device.peakQueue).toBeGreaterThan(1);
      expect(scene.device.peakQueue).toBeLessThanOrEqual(queueLength);
      expect(scene.device.hazards).toEqual([]);
    },
  );

  test("control: of a queue it was not told of, a device with too many sockets stands still", () => {
    const { writer } = crowd({
      limits: { ...presets.gateway, connectionsPerStep: 24 },
      device: { queueLength: 10 },
      transport: { queueLength: undefined as never },
    });
    expect(() => {
      for (let i = 0; i < 50; i++) writer.send(message(`${i}`));
    }).toThrow(Hang);
  });

  test.each([
    [37, 32, 24],
    [9, 4, 4],
    [Number.NaN, 4, 4],
  ])("of %d places is too short for %i sockets", (queueLength, sockets, connections) => {
    new Device();
    const options = { TCP, Listener, Timer, Time, connections, sockets, queueLength };
    expect(() => new SocketTransport(options)).toThrow(
      new RangeError(`queueLength: at least ${sockets + 6} for ${sockets} sockets`),
    );
  });

  test("sockets that come and go count until their last message must be delivered", () => {
    const scene = new Scene({
      limits: { ...presets.esp32, connections: 4, discardMilliseconds: 0 },
      device: { queueLength: 10, activeConnections: 64 },
      transport: { sockets: 4 },
    });
    let served = 0;
    for (let round = 0; round < 500; round++) {
      const clients = Array.from({ length: 1 + (round % 6) }, () => scene.knock());
      for (const client of clients) client.put(connect({ level: LEVEL, id: `c${round}` }), disconnect());
      scene.run(300); // bytes that were there before the connection was accepted come with lwIP's next tick
      for (const client of clients) {
        served += client.receive().length;
        client.reset();
        scene.forget(client);
      }
      if (round % 50 === 0) scene.run(1000);
    }
    expect(served).toBeGreaterThan(300);
    expect(scene.device.peakQueue).toBeLessThanOrEqual(10);
    scene.run(20_000);
    expect(scene.transport.openCount).toBe(0);
    expect(scene.socketCount).toBe(0);
  });
});

test("a place is taken again only when the last message of who had it is sure to be delivered", () => {
  const sockets = 20;
  const queueLength = sockets + 6;
  const scene = new Scene({
    limits: { ...presets.gateway, connections: sockets, connectionsPerStep: sockets, discardMilliseconds: 0 },
    device: { queueLength, activeConnections: 200 },
    transport: { sockets },
  });
  let before: Client[] = [];
  for (let round = 0; round < 300; round++) {
    // While those of the last wave are answered and closed, the next arrives: a little earlier or later each time.
    for (const client of before) client.put(connect({ level: LEVEL, id: "" }), disconnect());
    for (let turn = 0; turn < round % 4; turn++) scene.device.turn();
    const wave = Array.from({ length: sockets }, () => scene.knock());
    for (let turn = 0; turn < 60; turn++) scene.device.turn();
    for (const client of before) {
      client.reset();
      scene.forget(client);
    }
    scene.settle();
    before = wave;
  }
  expect(scene.core.counter("connected")).toBeGreaterThan(1000);
  expect(scene.device.peakQueue).toBeGreaterThan(sockets / 2);
  expect(scene.device.peakQueue).toBeLessThanOrEqual(queueLength);
});

describe("lwIP's buffers", () => {
  const limits = { ...presets.esp32, queuePerSession: 96 };

  test.each([
    [1436, 8192, 1],
    [5744, 8192, 1],
    [1436, 8192, 130],
    [5744, 8192, 130],
    [1436, 5744, 1],
    [5744, 5744, 130],
  ])(
    "output of %i bytes, send buffer of %i: a peer slow to acknowledge 60 messages of %i bytes keeps its connection",
    (outputBytes, sendBytes, length) => {
      const { readers, writer, scene } = crowd({
        limits: { ...limits, outputBytes, connections: 3 },
        device: { sendBytes },
      });
      readers[0].peer.holdsAcknowledgements = true;
      for (let i = 0; i < 60; i++) writer.send(message(`${i}`.padEnd(length)));
      scene.run(1000);
      expect(readers[0].isOver).toBe(false);
      const before = readers[0].receive().length;
      expect(before).toBeGreaterThan(0);
      expect(before).toBeLessThan(60);
      readers[0].peer.holdsAcknowledgements = false;
      scene.run(100);
      expect(before + readers[0].receive().length).toBe(60);
    },
  );

  test("control: so many writes that are not acknowledged end a connection of the SDK's", () => {
    const device = new Device({ queueLength: 64 });
    let errors = 0;
    const sockets: TCP[] = [];
    const listener = new Listener({
      port: 1883,
      onReadable() {
        sockets.push(new TCP({ from: listener.read() as TCP, nodelay: true, onError: () => errors++ }));
      },
    });
    const scene = { peer: knock(device) };
    scene.peer.holdsAcknowledgements = true;
    for (let i = 0; i < 60 && errors === 0; i++) {
      sockets[0].write(new Uint8Array(10));
      device.settle();
    }
    expect(errors).toBe(1);
  });
});

function knock(device: Device): Peer {
  const peer = knockOn(1883);
  device.settle();
  return peer;
}
