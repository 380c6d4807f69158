// The whole broker on a device that is not there: what MQTT is about, over the SDK's sockets as they are on lwIP and on
// Linux, with the presets for devices. Each world ends with an audit: nothing is left in any pool.

import { afterEach, describe, expect, test } from "vitest";
import { Event } from "../../src/events";
import { presets } from "../../src/memory/limits";
import { audit } from "../support/audit";
import { connect, type Level, property, publish, readPublish, readSuback, SUBACK, subscribe } from "../support/packets";
import { Player } from "../support/player";
import { type Client, Scene } from "./scene";

const kinds = [
  ["lwip", "esp32", presets.esp32],
  ["lwip", "gateway", presets.gateway],
  ["lin", "esp32", presets.esp32],
  ["lin", "gateway", presets.gateway],
] as const;

const LEVELS = [3, 4, 5] as const;

/** Another payload for each number, of that length. */
function payloadOf(number: number, length: number): string {
  return `${number} `.padEnd(length, String.fromCharCode(97 + (number % 26)));
}

describe.each(kinds)("on %s, %s", (sockets, _name, preset) => {
  const limits = { ...preset, sessionExpirySeconds: 60 };
  let scene: Scene;

  function start(): void {
    scene = new Scene({ limits, device: { sockets } });
  }

  function player(
    id: string,
    options: { level?: Level; clean?: boolean; will?: object; keepAlive?: number } = {},
  ): Player<Client> {
    return new Player(scene, { level: 4, id, ...options } as never);
  }

  afterEach(() => {
    expect(scene.device.fault).toBeUndefined();
    expect(scene.device.hazards).toEqual([]);
    expect(audit(scene, { limits })).toEqual([]);
    scene.dropClients();
    scene.run(2000);
    expect(scene.transport.openCount).toBe(0);
    if (sockets === "lwip") expect(scene.socketCount).toBe(0);
    // At rest it works when the clock ticks, and not all the time.
    const { turns } = scene.device;
    scene.device.run(1000);
    expect(scene.device.turns - turns).toBeLessThan(300);
  });

  test.each(LEVELS)("level %i: messages of each QoS reach each QoS, with the lesser of both", (level) => {
    start();
    const readers = [0, 1, 2].map((qos) => player(`r${qos}`, { level }).subscribe([["a/+", qos]]));
    const writer = player("w", { level });
    for (let i = 0; i < 30; i++) {
      const length = [1, 20, 200, 1500, 3800][i % 5];
      writer.publish(`a/${i % 3}`, payloadOf(i, length), i % 3);
      for (const [most, reader] of readers.entries()) {
        expect(reader.take().map(({ topic, payload, qos }) => [topic, payload, qos])).toEqual([
          [`a/${i % 3}`, payloadOf(i, length), Math.min(most, i % 3)],
        ]);
      }
    }
    expect(writer.reasons).toEqual(Array(20).fill(0));
  });

  test("retained messages come to whom subscribes later, and go when they are cleared", () => {
    start();
    const writer = player("w", { level: 5 });
    for (let i = 0; i < 20; i++) writer.publish(`state/${i}`, payloadOf(i, 100), i % 3, true);
    for (let i = 0; i < 20; i += 2) writer.publish(`state/${i}`, "", 1, true);
    const reader = player("r").subscribe([["state/#", 2]]);
    const found = reader.take();
    expect(found.map(({ topic }) => topic).sort()).toEqual(
      [1, 3, 5, 7, 9, 11, 13, 15, 17, 19].map((i) => `state/${i}`).sort(),
    );
    expect(found.every(({ retain }) => retain)).toBe(true);
  });

  test("a will is published when its client breaks, not when it leaves; and when another takes its place", () => {
    start();
    const watcher = player("watcher").subscribe([["will/#", 1]]);
    const will = (name: string) => ({ will: { topic: `will/${name}`, payload: "gone", qos: 1 } });
    player("breaks", will("breaks")).stream.reset();
    scene.run(100);
    const leaver = player("leaves", will("leaves"));
    leaver.stream.send([0xe0, 0]);
    leaver.stream.end();
    const old = player("taken", will("taken"));
    const other = player("taken", will("second"));
    scene.run(1000);
    expect(old.stream.isOver).toBe(true);
    expect(watcher.take().map(({ topic }) => topic)).toEqual(["will/breaks", "will/taken"]);
    other.stream.send([0xe0, 0]);
    expect(watcher.take()).toEqual([]);
  });

  test("a session goes on where it was: what was on its way comes again with DUP, what came meanwhile follows", () => {
    start();
    const reader = player("r", { clean: false }).subscribe([["t", 2]]);
    const writer = player("w");
    // It gets these and acknowledges none.
    for (let i = 0; i < 3; i++)
      writer.stream.send(publish({ level: 4, topic: "t", payload: `${i}`, qos: 1, id: i + 1 }));
    expect(reader.stream.receive().map((bytes) => readPublish(4, bytes).dup)).toEqual([false, false, false]);
    reader.lose();
    scene.run(100);
    writer.play();
    for (let i = 3; i < 6; i++) writer.publish("t", `${i}`, 2);
    reader.comeBack();
    const got = reader.take().map(({ payload, dup, qos }) => `${payload}${dup ? " again" : ""} ${qos}`);
    expect(got).toEqual(["0 again 1", "1 again 1", "2 again 1", "3 2", "4 2", "5 2"]);
  });

  test("a SUBSCRIBE of 500 Topic Filters is answered with 500 codes, and what is granted works", () => {
    start();
    const reader = player("r", { level: 5 });
    const filters = Array.from({ length: 500 }, (_, i) => [`f${i % 25}/g${Math.floor(i / 25)}`, 1] as const);
    reader.stream.send(subscribe(5, 9, filters));
    scene.run(500);
    reader.play();
    const codes = readSuback(5, SUBACK, reader.others.at(-1) as Uint8Array).reasons;
    const granted = Math.min(limits.subscriptionsPerSession, limits.filtersPerSubscribe);
    expect(codes).toEqual(Array.from({ length: 500 }, (_, i) => (i < granted ? 1 : 0x97)));
    const writer = player("w");
    for (const i of [0, 1, granted - 1, granted, 499]) writer.publish(filters[i][0], `${i}`, 1);
    expect(reader.take().map(({ payload }) => payload)).toEqual(["0", "1", `${granted - 1}`]);
  });

  test("one that does not read beside as many others as there is room for: they get everything, it gets the last", () => {
    start();
    const count = limits.connections - 2;
    const stalled = player("stalled", { keepAlive: 0 }).subscribe([["t", 1]]);
    stalled.stream.stalled = true;
    const others = Array.from({ length: count }, (_, i) => player(`p${i}`, { level: LEVELS[i % 3] }));
    for (const other of others) other.subscribe([["t", 1]]);
    const rounds = 120;
    for (let i = 0; i < rounds; i++) {
      others[i % count].publish("t", payloadOf(i, 200), 1);
      for (let wait = 0; wait < 60 && scene.core.counter("publishReceived") <= i; wait++) scene.run(100);
      scene.settle();
      for (const other of others) {
        expect(other.take().map(({ payload }) => payload)).toEqual([payloadOf(i, 200)]);
      }
    }
    expect(scene.log.of(Event.Disconnected)).toEqual([]);
    stalled.stream.stalled = false;
    // It acknowledges as it reads; the number of messages on their way to it is bounded.
    for (let i = 0; i < 100; i++) {
      scene.run(20);
      stalled.play();
    }
    const got = stalled.take().map(({ payload }) => Number.parseInt(payload, 10));
    expect(got.at(-1)).toBe(rounds - 1);
    expect(got).toEqual([...got].sort((a, b) => a - b));
    if (sockets === "lwip") expect(scene.device.peakQueue).toBeLessThanOrEqual(scene.device.options.queueLength);
  });

  test("packets that come in pieces of any size, also of one byte, are what they were", () => {
    start();
    const reader = player("r", { level: 5 }).subscribe([["t", 2]]);
    for (const size of [1, 2, 3, 7, 100, 1000]) {
      const stream = scene.client();
      stream.peer.segmentBytes = size;
      stream.send(connect({ level: 5, id: `w${size}`, properties: property.receiveMaximum(5) }));
      stream.send(publish({ level: 5, topic: "t", payload: payloadOf(size, 700), qos: 2, id: 1 }));
      // lwIP keeps 512 pieces at a time and offers the next after 250 ms.
      for (let wait = 0; wait < 100 && reader.messages.length === 0; wait++) {
        scene.run(100);
        reader.play();
      }
      expect(reader.take().map(({ payload }) => payload)).toEqual([payloadOf(size, 700)]);
      stream.send([0xe0, 0]);
      stream.end();
      scene.run(100);
    }
  });
});
