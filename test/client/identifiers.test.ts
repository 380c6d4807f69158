// Packet Identifiers of the server that mean something else than they did: beside an acknowledgement of the same number, or
// in a session that may not be the one that the client knows.

import { describe, expect, test } from "vitest";
import { type ClientLimits, clientPresets } from "../../src/client/limits";
import { type Peer, startClient } from "../support/client-wire";
import {
  CONNECT,
  DISCONNECT,
  type Level,
  PUBACK,
  PUBREC,
  PUBREL,
  packet,
  properties,
  publish,
  pubrec,
  pubrel,
  readAcknowledgement,
} from "../support/packets";
import { type ScriptedCore, startScripted } from "../support/scripted-core";

const levels = [4, 5] as const;

interface Scene {
  peer: Peer;
  server: ScriptedCore;
}

/** A client at a server that answers each CONNECT as `answers` says: with Session Present, or, for undefined, not at all. */
function start(level: Level, answers: (0 | 1 | undefined)[], limits: ClientLimits = clientPresets.sensor): Scene {
  const harness = startScripted();
  const server = harness.core;
  const peer = startClient(harness, limits);
  server.onPacket = (bytes) => {
    if (bytes[0] >> 4 !== CONNECT) return;
    const present = answers.shift() ?? 1;
    server.send(packet(2, 0, [present, 0], level === 5 ? properties() : []));
  };
  peer.client.start({ version: level, clientId: "c", cleanStart: false, ...(level === 5 && { sessionExpiry: 1000 }) });
  peer.settle();
  return { peer, server };
}

function lose({ client, wire, settle }: Peer): void {
  wire.stream?.reset();
  wire.stream = undefined;
  client.closed();
  settle();
}

describe.each(levels)("version %i", (level) => {
  test("a message is accepted though another acknowledgement with its number is owed", () => {
    const { peer, server } = start(level, [0]);
    peer.client.acceptsByHand = true;
    server.send(pubrec(7), ...[7, 8, 9].map((id) => publish({ level, topic: "t", qos: 1, id, payload: `${id}` })));
    peer.settle();
    expect(peer.events.messages).toHaveLength(3);
    for (const id of [7, 8, 9]) expect(peer.client.accept(id)).toBe(true);
    peer.settle();
    expect(server.of(PUBREL).map((bytes) => readAcknowledgement(level, PUBREL, bytes).id)).toEqual([7]);
    expect(server.of(PUBACK).map((bytes) => readAcknowledgement(level, PUBACK, bytes).id)).toEqual([7, 8, 9]);
  });

  describe("after a CONNECT without an answer, a session that is present may be another", () => {
    /** The server has forgotten the session and said so in a CONNACK that did not come. */
    function inDoubt(limits?: ClientLimits): Scene {
      const scene = start(level, [0], limits);
      const { peer, server } = scene;
      server.send(publish({ level, topic: "t", qos: 2, id: 1, payload: "old" }));
      peer.settle();
      expect(server.of(PUBREC)).toHaveLength(1);
      peer.wire.cutNext = 1; // of the next CONNACK one byte comes
      lose(peer);
      peer.advance(10_000);
      expect(peer.events.said.filter((line) => line.startsWith("connected"))).toEqual([
        "connected false",
        "connected true",
      ]);
      return scene;
    }

    test("a new message with a known Packet Identifier is given to the application", () => {
      const { peer, server } = inDoubt();
      server.send(publish({ level, topic: "t", qos: 2, id: 1, payload: "new" }));
      peer.settle();
      expect(peer.events.messages).toEqual(["t old q2", "t new q2"]);
      server.send(pubrel(1));
      peer.settle();
      expect(peer.client.inbox.pool.free).toBe(peer.client.inbox.pool.capacity);
    });

    test("one that is sent again is the old one, and is given once", () => {
      const { peer, server } = inDoubt();
      server.send(publish({ level, topic: "t", qos: 2, id: 1, payload: "old", dup: true }));
      peer.settle();
      expect(peer.events.messages).toEqual(["t old q2"]);
      expect(server.of(PUBREC)).toHaveLength(2);
    });

    test("what the old session left does not use up the Receive Maximum for ever", () => {
      const { peer, server } = inDoubt({ ...clientPresets.sensor, receiveMaximum: 1, receiveShared: 0 });
      for (const id of [2, 3, 4]) {
        server.send(publish({ level, topic: "t", qos: 2, id, payload: `${id}` }));
        peer.settle();
        server.send(pubrel(id));
        peer.settle();
      }
      expect(peer.events.messages).toEqual(["t old q2", "t 2 q2", "t 3 q2", "t 4 q2"]);
      expect(server.of(DISCONNECT)).toEqual([]);
    });
  });
});
