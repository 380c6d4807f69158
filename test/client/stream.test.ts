// Payloads that the application gives piece by piece and nobody keeps, and what becomes of messages with their connection.

import { describe, expect, test } from "vitest";
import { clientPresets } from "../../src/client/limits";
import { ClientCause, NotAccepted } from "../../src/client/ports";
import { presets } from "../../src/memory/limits";
import { startBroker } from "../support/broker";
import { type Peer, startClient } from "../support/client-wire";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const lost = `0x${ClientCause.Lost.toString(16)}`;

function start(version: number, cleanStart = true): Peer {
  const peer = startClient(startBroker({ limits: presets.gateway }), clientPresets.sensor);
  peer.client.start({ version, clientId: "c", cleanStart, ...(version === 5 && { sessionExpiry: 1000 }) });
  peer.settle();
  return peer;
}

/** Writes `payload` in pieces of at most `most` bytes, each when it is asked for. */
function writeAll({ client, events, settle }: Peer, payload: string, most: number): void {
  let at = 0;
  events.writable = (count) => {
    const piece = payload.slice(at, at + Math.min(count, most));
    at += piece.length;
    expect(client.write(bytes(piece))).toBe(true);
  };
  for (let i = 0; i < 10_000 && at < payload.length; i++) {
    client.ready();
    settle();
  }
  expect(at).toBe(payload.length);
}

function cut({ client, wire, settle }: Peer): void {
  wire.stream?.reset();
  wire.stream = undefined;
  client.closed();
  settle();
}

describe.each([4, 5])("version %i", (version) => {
  test.each([0, 1, 2])("a payload larger than all memory is streamed at QoS %i, in the order of its message", (qos) => {
    const peer = start(version);
    const { client, events, settle } = peer;
    const payload = "0123456789".repeat(700);
    client.subscribe("t", 2);
    settle();
    client.publish("t", bytes("before"), qos, false);
    const row = client.publishStream("t", undefined, payload.length, qos, false);
    client.publish("t", bytes("after"), qos, false);
    expect(client.publishStream("t", undefined, 1, qos, false)).toBe(NotAccepted.Messages);
    settle();
    expect(events.messages).toEqual([`t before q${qos}`]);
    writeAll(peer, payload, 100);
    settle();
    expect(events.messages).toEqual([`t before q${qos}`, `t ${payload} q${qos}`, `t after q${qos}`]);
    expect(events.said).toContain(`published ${row} 0x0`);
    expect(client.outbox.pool.free).toBe(client.limits.messages);
    expect(client.blocks.pool.capacity - client.blocks.pool.free).toBe(1); // the Topic Filter
  });

  test("an empty payload can be streamed too; more than is writable is not taken", () => {
    const { client, events, settle } = start(version);
    client.subscribe("t", 1);
    settle();
    client.publishStream("t", undefined, 0, 1, false);
    client.step();
    expect(client.layout.u16[client.sessions.inflight + 1]).toBe(1);
    settle();
    expect(events.messages).toEqual(["t  q1"]);
    client.publishStream("t", undefined, 5, 1, false);
    settle();
    expect(client.writable).toBe(5);
    expect(client.write(bytes("123456"))).toBe(false);
    expect(client.write(bytes("123"))).toBe(true);
    expect(client.writable).toBe(2);
    expect(client.write(bytes("45"))).toBe(true);
    expect(client.write(bytes("6"))).toBe(false);
    settle();
    expect(events.messages).toEqual(["t  q1", "t 12345 q1"]);
  });

  test("the beginning of a payload is given with its message", () => {
    const peer = start(version);
    const { client, events, settle } = peer;
    client.subscribe("t", 1);
    settle();
    expect(client.publishStream("t", bytes("12345"), 4, 1, false)).toBe(NotAccepted.PayloadBytes);
    client.publishStream("t", bytes("12345"), 5, 1, false);
    settle();
    client.publishStream("t", bytes("12345"), 8, 1, false);
    settle();
    writeAll(peer, "678", 2);
    settle();
    expect(events.messages).toEqual(["t 12345 q1", "t 12345678 q1"]);
  });

  test("a payload that is complete before its turn comes is kept like any other", () => {
    const peer = start(version, false);
    const { client, events, advance } = peer;
    client.subscribe("t", 1);
    advance(100);
    client.publishStream("t", bytes("12"), 300, 1, false);
    expect(client.writable).toBe(298);
    expect(client.write(bytes("3".repeat(98)))).toBe(true);
    expect(client.write(bytes("4".repeat(200)))).toBe(true);
    expect(client.writable).toBe(0);
    cut(peer);
    advance(10_000);
    expect(events.messages).toEqual([`t 12${"3".repeat(98)}${"4".repeat(200)} q1`]);
    expect(client.blocks.pool.capacity - client.blocks.pool.free).toBe(1); // the Topic Filter
  });

  test.each([0, 1, 2])("what was streamed at QoS %i is lost with its connection, and that is told", (qos) => {
    const peer = start(version, false);
    const { client, events, settle, advance } = peer;
    const row = client.publishStream("t", undefined, 10, qos, false);
    expect(client.write(bytes("12"))).toBe(true);
    settle();
    expect(client.write(bytes("345"))).toBe(true);
    cut(peer);
    expect(events.said).toContain(`published ${row} ${lost}`);
    expect(client.outbox.pool.free).toBe(client.limits.messages);
    expect(client.publishStream("t", undefined, 10, qos, false)).toBe(NotAccepted.Offline);
    advance(10_000);
    expect(client.publish("t", bytes("x"), qos, false)).toBeGreaterThan(0);
    advance(100);
    expect(events.said.filter((line) => line.startsWith("published"))).toHaveLength(2);
  });

  test("a QoS 0 message that was not sent is lost with its connection, and that is told; it can't be published anew then", () => {
    const peer = start(version);
    const { client, events, wire } = peer;
    wire.stream!.stalled = true;
    const again: number[] = [];
    const published = events.published.bind(events);
    events.published = (row, reason) => {
      published(row, reason);
      again.push(client.publish("t", undefined, 0, false));
    };
    const row = client.publish("t", bytes("x"), 0, false);
    cut(peer);
    expect(events.said).toEqual(["connected false", `published ${row} ${lost}`, "disconnected 0x100"]);
    expect(again).toEqual([NotAccepted.Offline]);
  });
});

test("no more is streamed than a packet can hold, its Topic Name included", () => {
  const { client } = start(5);
  const topic = "t".repeat(70);
  expect(client.publishStream(topic, undefined, 268435455 - 64, 1, false)).toBe(NotAccepted.PayloadBytes);
  expect(client.publishStream(topic, undefined, 268435455 - 64 - 70, 1, false)).toBeGreaterThan(0);
});

test("a streamed message of which the server has only the acknowledgement to give ends as any other", () => {
  const peer = start(5, false);
  const { client, events, wire, settle, advance } = peer;
  const row = client.publishStream("t", undefined, 3, 2, false);
  settle();
  client.write(bytes("abc"));
  client.step();
  peer.harness.settle();
  // PUBREC is on its way to us, and is the last that comes.
  wire.poll();
  client.step();
  cut(peer);
  advance(10_000);
  const ends = events.said.filter((line) => line.startsWith(`published ${row} `));
  expect(ends).toHaveLength(1);
  expect(client.outbox.pool.free).toBe(client.limits.messages);
});
