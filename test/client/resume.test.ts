// A server that resumes a session and begins with all that was ever on its way, however much the client said it takes: first
// PUBREL after PUBREL of Packet Identifiers that the client no longer knows, then more PUBLISH than the Receive Maximum.
// Mosquitto 2.0 does so.

import { describe, expect, test } from "vitest";
import { clientPresets } from "../../src/client/limits";
import { type Peer, startClient } from "../support/client-wire";
import type { Harness } from "../support/harness";
import {
  CONNECT,
  DISCONNECT,
  type Level,
  PUBACK,
  PUBCOMP,
  PUBREC,
  PUBREL,
  packet,
  properties,
  publish,
  pubrec,
  pubrel,
  readAcknowledgement,
  readDisconnect,
} from "../support/packets";
import { type ScriptedCore, startScripted } from "../support/scripted-core";

const limits = clientPresets.sensor;
const released = ids(1, 60);
/** What the session may have on its way: of its own, one for an answer, and what is shared. */
const most = limits.receiveMaximum + 1 + limits.receiveShared;

function ids(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

interface Resumed {
  peer: Peer;
  server: ScriptedCore;
  version: Level;
}

interface Streams {
  /** Bytes from the client to the server that fit into the stream. */
  upBytes?: number;
  readAhead?: boolean;
  acceptsByHand?: boolean;
}

/** A client at a server that has a session of its, and says `greeting` behind its CONNACK. */
function resume(version: Level, greeting: readonly number[][], streams: Streams = {}): Resumed {
  const { upBytes, readAhead, acceptsByHand = false } = streams;
  const harness: Harness<ScriptedCore> = startScripted({ upBytes });
  const server = harness.core;
  server.onPacket = (bytes) => {
    if (bytes[0] >> 4 !== CONNECT) return;
    server.send(packet(2, 0, [1, 0], version === 5 ? properties() : []), ...greeting);
  };
  const peer = startClient(harness, limits, { readAhead });
  peer.client.acceptsByHand = acceptsByHand;
  peer.client.start({ version, clientId: "c", cleanStart: false, ...(version === 5 && { sessionExpiry: 1000 }) });
  peer.settle();
  return { peer, server, version };
}

function messages(version: Level, qos: number, list: readonly number[]): number[][] {
  return list.map((id) => publish({ level: version, topic: "t", qos, id, dup: true, payload: `${id}` }));
}

function answers({ server, version }: Resumed, type: number): { id: number; reason: number }[] {
  return server.of(type).map((bytes) => {
    const { id, reason } = readAcknowledgement(version, type, bytes);
    return { id, reason };
  });
}

function texts(list: readonly number[], qos: number): string[] {
  return list.map((id) => `t ${id} q${qos}`);
}

describe.each([4, 5] as const)("version %i", (version) => {
  const notFound = version === 5 ? 0x92 : 0;
  const shapes: readonly [name: string, streams: Streams][] = [
    ["a wide stream", {}],
    ["a stream that takes 100 bytes", { upBytes: 100 }],
    ["a stream that is not read ahead", { upBytes: 100, readAhead: false }],
  ];

  describe.each(shapes)("%s", (_, streams) => {
    test("QoS 2: every PUBREL is answered, every message is given once, in order", () => {
      const unfinished = ids(1001, most);
      const greeting = [...released.map((id) => pubrel(id)), ...messages(version, 2, unfinished)];
      const resumed = resume(version, greeting, streams);
      const { peer, server } = resumed;
      expect(peer.events.messages).toEqual(texts(unfinished, 2));
      expect(answers(resumed, PUBCOMP)).toEqual(released.map((id) => ({ id, reason: notFound })));
      expect(answers(resumed, PUBREC)).toEqual(unfinished.map((id) => ({ id, reason: 0 })));
      server.send(...messages(version, 2, unfinished), ...unfinished.map((id) => pubrel(id)));
      server.send(publish({ level: version, topic: "t", qos: 2, id: 9, payload: "9" }), pubrel(9));
      peer.settle();
      expect(peer.events.messages).toEqual(texts([...unfinished, 9], 2));
      expect(peer.events.said).toEqual(["connected true"]);
      expect(peer.client.inbox.pool.free).toBe(peer.client.inbox.pool.capacity);
      expect(peer.client.inbox.sharedFree).toBe(limits.receiveShared);
    });

    test("QoS 1: every PUBREL and every message is answered", () => {
      const unfinished = ids(1001, 100);
      const greeting = [...released.map((id) => pubrel(id)), ...messages(version, 1, unfinished)];
      const resumed = resume(version, greeting, streams);
      expect(resumed.peer.events.messages).toEqual(texts(unfinished, 1));
      expect(answers(resumed, PUBCOMP)).toEqual(released.map((id) => ({ id, reason: notFound })));
      expect(answers(resumed, PUBACK)).toEqual(unfinished.map((id) => ({ id, reason: 0 })));
      expect(resumed.peer.events.said).toEqual(["connected true"]);
      expect(resumed.peer.client.inbox.pool.free).toBe(resumed.peer.client.inbox.pool.capacity);
    });

    test("PUBREC of messages that we no longer know are answered by PUBREL", () => {
      const greeting = [...released.map((id) => pubrec(id)), ...released.map((id) => pubrel(id))];
      const resumed = resume(version, greeting, streams);
      expect(answers(resumed, PUBREL)).toEqual(released.map((id) => ({ id, reason: notFound })));
      expect(answers(resumed, PUBCOMP)).toEqual(released.map((id) => ({ id, reason: notFound })));
      expect(resumed.peer.events.said).toEqual(["connected true"]);
    });
  });

  test.each([1, 2])("QoS %i: an application that accepts one by one gets all, and nothing ends", (qos) => {
    const unfinished = ids(1001, qos === 1 ? 100 : most);
    const greeting = [...released.map((id) => pubrel(id)), ...messages(version, qos, unfinished)];
    const resumed = resume(version, greeting, { acceptsByHand: true, upBytes: 100 });
    const { peer, server } = resumed;
    expect(peer.events.messages).toEqual(texts(unfinished.slice(0, most), qos)); // what is more is not read yet
    for (const id of unfinished) {
      expect(peer.client.accept(id)).toBe(true);
      peer.settle();
      if (qos === 2) server.send(pubrel(id));
      peer.settle();
    }
    expect(peer.events.messages).toEqual(texts(unfinished, qos));
    expect(answers(resumed, qos === 1 ? PUBACK : PUBREC)).toEqual(unfinished.map((id) => ({ id, reason: 0 })));
    expect(answers(resumed, PUBCOMP)).toHaveLength(released.length + (qos === 2 ? unfinished.length : 0));
    expect(peer.events.said).toEqual(["connected true"]);
    expect(peer.client.inbox.pool.free).toBe(peer.client.inbox.pool.capacity);
  });

  test("more unfinished QoS 2 than there is memory for ends the connection, and what came is not given again", () => {
    const unfinished = ids(1001, most + 1);
    const resumed = resume(version, messages(version, 2, unfinished));
    const { peer, server } = resumed;
    expect(peer.events.messages).toEqual(texts(unfinished.slice(0, most), 2));
    expect(peer.events.said).toEqual(["connected true", "disconnected 0x93"]);
    expect(server.of(DISCONNECT).map((bytes) => readDisconnect(bytes).reason)).toEqual(version === 5 ? [0x93] : []);
    // A server that goes on with PUBREL of what it knows to have come gets rid of it all.
    server.onPacket = (bytes) => {
      const type = bytes[0] >> 4;
      if (type === CONNECT) {
        server.send(packet(2, 0, [1, 0], version === 5 ? properties() : []));
        server.send(...unfinished.slice(0, most).map((id) => pubrel(id)));
        server.send(...messages(version, 2, unfinished.slice(most)));
      }
    };
    peer.advance(2000);
    expect(peer.events.messages).toEqual(texts(unfinished, 2));
    expect(peer.events.said.at(-1)).toBe("connected true");
  });
});

test("with receiveShared 0 a server of 5.0 is held to the Receive Maximum", () => {
  const harness = startScripted();
  const server = harness.core;
  const unfinished = ids(1, limits.receiveMaximum + 1);
  server.onPacket = (bytes) => {
    if (bytes[0] >> 4 === CONNECT) server.send(packet(2, 0, [1, 0], properties()), ...messages(5, 2, unfinished));
  };
  const peer = startClient(harness, { ...limits, receiveShared: 0 });
  peer.client.start({ version: 5, clientId: "c", cleanStart: false, sessionExpiry: 1000 });
  peer.settle();
  expect(peer.events.messages).toEqual(texts(unfinished.slice(0, -1), 2));
  expect(server.of(DISCONNECT).map((bytes) => readDisconnect(bytes).reason)).toEqual([0x93]);
});
