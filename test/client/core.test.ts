// The client's core against the broker's: what it does with a good connection, and with one that is cut after every byte.

import { describe, expect, test } from "vitest";
import { clientPresets } from "../../src/client/limits";
import type { ConnectOptions } from "../../src/client/options";
import { NotAccepted } from "../../src/client/ports";
import { presets } from "../../src/memory/limits";
import { startBroker } from "../support/broker";
import { type Peer, startClient, type WireOptions } from "../support/client-wire";
import type { TestClient } from "../support/harness";
import { connect, puback, pubcomp, publish, pubrec, pubrel, subscribe } from "../support/packets";

const levels = [4, 5] as const;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const keeping = (version: number): ConnectOptions => ({
  version,
  clientId: "c",
  cleanStart: false,
  ...(version === 5 && { sessionExpiry: 1000 }),
});

function start(options: ConnectOptions, wire: WireOptions = {}, limits = clientPresets.sensor): Peer {
  const peer = startClient(startBroker({ limits: presets.esp32 }), limits, wire);
  peer.client.start(options);
  peer.settle();
  return peer;
}

describe.each(levels)("version %i", (version) => {
  test.each([true, false])("publishes and receives at every QoS, readAhead %s", (readAhead) => {
    const { client, events, settle } = start({ version, clientId: "c" }, { readAhead });
    client.subscribe("t/+", 2);
    settle();
    for (const qos of [0, 1, 2]) client.publish("t/é", bytes(`m${qos}`), qos, false);
    settle();
    expect(events.messages).toEqual(["t/é m0 q0", "t/é m1 q1", "t/é m2 q2"]);
    expect(events.said.sort()).toEqual([
      "connected false",
      "published 1 0x0",
      "published 2 0x0",
      "published 3 0x0",
      "subscribed 1 0x2",
    ]);
    client.unsubscribe("t/+");
    settle();
    expect(events.said).toContain("unsubscribed 1 0x0");
    expect(client.subscriptions.pool.free).toBe(client.limits.subscriptions);
    expect([client.blocks.pool.free, client.tables.received.pool.free]).toEqual([
      client.blocks.pool.capacity,
      client.tables.received.pool.capacity,
    ]);
  });

  test("takes payloads larger than its memory piece by piece, and stops reading while the application does", () => {
    const peer = start({ version, clientId: "c" });
    const { client, events, settle } = peer;
    client.subscribe("big", 1);
    settle();
    const other = join(peer, 4, "o");
    const payload = "0123456789".repeat(390);
    events.most = 7;
    other.send(publish({ level: 4, topic: "big", qos: 1, id: 1, payload }));
    for (let i = 0; i < payload.length; i++) {
      settle();
      if (events.messages.length > 0) break;
      expect(client.isPaused).toBe(true);
      client.resume();
    }
    expect(events.messages).toEqual([`big ${payload} q1`]);
  });

  test("keeps what it accepted while there is no connection, and says when it can keep no more", () => {
    const peer = start(keeping(version));
    const { client, events, wire, advance } = peer;
    wire.isDown = true;
    cut(peer);
    expect(client.publish("t", undefined, 0, false)).toBe(NotAccepted.Offline);
    const { messages } = client.limits;
    for (let i = 0; i < messages; i++) expect(client.publish("t", bytes(`${i}`), 1, false)).toBeGreaterThan(0);
    expect(client.publish("t", bytes("x"), 1, false)).toBe(NotAccepted.Messages);
    expect(events.said.filter((line) => line.startsWith("published"))).toEqual([]);
    wire.isDown = false;
    advance(200_000);
    expect(events.said.filter((line) => line.startsWith("published"))).toHaveLength(messages);
    expect(client.blocks.pool.free).toBe(client.blocks.pool.capacity);
  });

  test("takes every text as bytes too: Topic Filters, Topic Names, user name, the will's topic", () => {
    const will = { topic: bytes("gone/é"), payload: bytes("!") };
    const { client, events, settle } = start({ version, clientId: "c", userName: bytes("é"), will });
    const row = client.subscribe(bytes("t/+"), 2);
    expect(client.subscribe("t/+", 2)).toBe(row);
    settle();
    client.publish(bytes("t/é"), bytes("m"), 1, false);
    settle();
    expect(events.messages).toEqual(["t/é m q1"]);
    expect(client.unsubscribe(bytes("t/+"))).toBe(row);
    expect(client.subscribe(bytes("t/#/x"), 0)).toBe(NotAccepted.Topic);
    expect(client.subscribe(new Uint8Array([0xc3]), 0)).toBe(NotAccepted.Topic);
    client.stop();
    const broken = new Uint8Array([0xc0, 0x80]);
    expect(() => client.start({ version, userName: broken })).toThrow('option "userName"');
    expect(() => client.start({ version, will: { topic: broken } })).toThrow('option "will.topic"');
  });

  test("asks for its subscriptions again when the server has forgotten the session", () => {
    const peer = start({ version, clientId: "c" });
    const { client, events, settle, advance } = peer;
    client.subscribe("a", 1);
    client.subscribe("b", 0);
    settle();
    cut(peer);
    advance(5000);
    expect(events.said.filter((line) => line.startsWith("subscribed"))).toHaveLength(4);
    client.publish("a", bytes("x"), 0, false);
    settle();
    expect(events.messages).toEqual(["a x q0"]);
  });

  test("begins with a Packet Identifier drawn at random, as a server may still have those of an earlier life", () => {
    for (const [firstDraw, id] of [
      [0, 1],
      [2 * 499, 500],
      [2 * 65534 + 1, 65535],
      [2 * 65535, 1],
    ]) {
      const { client } = start({ version, clientId: "c" }, { firstDraw });
      const row = client.publish("t", undefined, 1, false);
      client.step();
      expect(client.outbox.packetId(row as number)).toBe(id);
    }
  });

  test("asks for its subscriptions again when the server has begun another session and could not say so", () => {
    const peer = start(keeping(version));
    const { client, events, wire, settle, advance } = peer;
    client.subscribe("a", 1);
    settle();
    cut(peer);
    join(peer, version, "c").end(); // somebody else ends the session
    wire.cutNext = 1; // and of the CONNACK that says so one byte comes
    advance(20_000);
    expect(events.said.filter((line) => line.startsWith("connected"))).toEqual(["connected false", "connected true"]);
    client.publish("a", bytes("x"), 1, false);
    settle();
    expect(events.messages).toEqual(["a x q1"]);
  });

  test("notices a server that says nothing any more", () => {
    const { events, wire, advance } = start({ version, clientId: "c", keepAlive: 10 });
    advance(60_000);
    expect(events.said).toEqual(["connected false"]);
    wire.stream!.stalled = true;
    wire.isDown = true;
    advance(16_000);
    expect(events.said).toEqual(["connected false", "disconnected 0x102"]);
  });

  test("does not take a server for silent while the application takes a message byte by byte", () => {
    const peer = start({ version, clientId: "c", keepAlive: 2 });
    const { client, events, settle } = peer;
    client.subscribe("t", 0);
    settle();
    const payload = "0123456789".repeat(20);
    events.most = 1;
    join(peer, 4, "o").send(publish({ level: 4, topic: "t", payload }));
    for (let i = 0; i < payload.length; i++) {
      // The host asks it to work once, right after the application has said that it takes more.
      peer.harness.clock.milliseconds += 100;
      client.resume();
      client.step();
      peer.harness.settle();
    }
    events.most = Number.POSITIVE_INFINITY;
    client.resume();
    settle();
    expect(events.messages).toEqual([`t ${payload} q0`]);
    expect(events.said.filter((line) => line.startsWith("disconnected"))).toEqual([]);
  });

  // Each byte of CONNECT, PUBLISH and PUBREL, each byte of CONNACK, PUBACK, PUBREC and PUBCOMP.
  describe.each([1, 2])("QoS %i", (qos) => {
    test.each(["cutUp", "cutDown"] as const)(
      "a message that was accepted is not lost, %s after every byte",
      (cutAt) => {
        for (let at = 1; at <= 40; at++) {
          const peer = start(keeping(version), { [cutAt]: at });
          const other = join(peer, version, "o");
          other.send(subscribe(version, 1, [["t", qos]]));
          other.receive();
          const row = peer.client.publish("t", bytes("m"), qos, false);
          expect(row).toBeGreaterThan(0);
          const got = new Set<number>();
          let count = 0;
          for (let i = 0; i < 100; i++) {
            peer.advance(100);
            for (const packet of other.receive()) {
              const type = packet[0] >> 4;
              if (type === 3) {
                const id = (packet[5] << 8) | packet[6];
                if (qos === 1 || !got.has(id)) count++;
                got.add(id);
                other.send(qos === 1 ? puback(id) : pubrec(id));
              } else if (type === 6) {
                got.delete((packet[2] << 8) | packet[3]);
                other.send(pubcomp((packet[2] << 8) | packet[3]));
              }
            }
          }
          if (qos === 2) expect([at, count]).toEqual([at, 1]);
          else expect(count).toBeGreaterThanOrEqual(1);
          expect(peer.events.said.filter((line) => line === `published ${row} 0x0`)).toHaveLength(1);
          expect(peer.client.outbox.pool.free).toBe(peer.client.limits.messages);
          expect(peer.client.blocks.pool.free).toBe(peer.client.blocks.pool.capacity);
        }
      },
    );

    test.each(["cutUp", "cutDown"] as const)("a message on its way to us is not lost, %s after every byte", (cutAt) => {
      for (let at = 20; at <= 75; at++) {
        const peer = start(keeping(version), { [cutAt]: at });
        peer.client.subscribe("t", qos);
        peer.advance(5000);
        const other = join(peer, version, "o");
        other.send(publish({ level: version, topic: "t", qos, id: 1, payload: "m" }));
        if (qos === 2) other.send(pubrel(1));
        peer.advance(5000);
        if (qos === 2) expect([at, peer.events.messages.length]).toEqual([at, 1]);
        else expect(peer.events.messages.length).toBeGreaterThanOrEqual(1);
        expect(peer.client.inbox.pool.free).toBe(peer.client.inbox.pool.capacity);
        expect(peer.client.tables.received.pool.free).toBe(peer.client.tables.received.pool.capacity);
      }
    });
  });
});

test("Subscription Options of 5.0 are not sent to a server of 3.1.1 [MQTT-3.8.3-4]", () => {
  const { client, harness, wire, settle } = start({ version: 5, clientId: "c" });
  client.subscribe("a", 0x25);
  settle();
  client.stop();
  const sent: number[] = [];
  const write = harness.transport.connect.bind(harness.transport);
  harness.transport.connect = (...all) => {
    const stream = write(...all);
    const original = stream.write.bind(stream);
    stream.write = (bytes, at, count) => {
      sent.push(...Array.from(bytes).slice(at, at! + count!));
      return original(bytes, at, count);
    };
    return stream;
  };
  client.start({ version: 4, clientId: "c" });
  settle();
  expect(wire.dialed).toBe(2);
  const at = sent.indexOf(0x82);
  expect(at).toBeGreaterThan(0);
  expect(sent.slice(at + 4, at + 8)).toEqual([0, 1, 0x61, 1]);
});

test.each(["userName", "password", "will.topic", "will.payload"])(
  "%s beyond 65,535 bytes is an error of options",
  (option) => {
    const limits = { ...clientPresets.client, stageBytes: 300_000, outputBytes: 400_000 };
    const peer = startClient(startBroker({ limits: presets.esp32 }), limits);
    const long = new Uint8Array(65_536).fill(0x61);
    const options: ConnectOptions = {
      userName: option === "userName" ? long : "u",
      password: option === "password" ? long : "p",
      will: { topic: option === "will.topic" ? long : "t", payload: option === "will.payload" ? long : undefined },
    };
    expect(() => peer.client.start(options)).toThrow(`option "${option}"`);
    expect(peer.wire.dialed).toBe(0);
  },
);

/** A client of the same server that the test plays itself. */
function join(peer: Peer, level: 4 | 5, id: string): TestClient {
  const other = peer.harness.client();
  other.send(connect({ level, id }));
  other.receive();
  return other;
}

/** The stream breaks; another can be opened. */
function cut({ client, wire, settle }: Peer): void {
  wire.stream?.reset();
  wire.stream = undefined;
  client.closed();
  settle();
}
