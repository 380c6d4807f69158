// Receive Maximum, and the receipts that clients before MQTT 5.0 share.

import { describe, expect } from "vitest";
import { ReasonCode } from "../../src/index";
import {
  disconnect,
  type Level,
  PINGRESP,
  PUBACK,
  PUBCOMP,
  PUBREC,
  pingreq,
  puback,
  publish,
  pubrel,
  readAcknowledgement,
  readPublish,
  unsubscribe,
} from "../support/packets";
import type { Guest } from "./guest";
import { rule, type Scene } from "./scene";

/** How many QoS 2 PUBLISH one client may have unfinished. */
function windowOf(scene: Scene, level: Level): number {
  const { receiveMaximum, receiveShared } = scene.limits;
  return level === 5 ? receiveMaximum : receiveMaximum + 1 + receiveShared;
}

/** Sends QoS 2 PUBLISH with these identifiers and gets a PUBREC for each. */
function begin(guest: Guest, ids: readonly number[]): void {
  for (const id of ids) {
    guest.publish("t", { qos: 2, id, payload: `${id}` });
    const got = readAcknowledgement(guest.level, PUBREC, guest.next("PUBREC"));
    expect([got.id, got.reason & 0x80]).toEqual([id, 0]);
  }
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

/** Nobody reads what it is told: acknowledgements stay, as many as fit. */
const transport = { downBytes: 48 };

describe("QoS 1 beyond Receive Maximum", () => {
  rule("waits until acknowledgements are sent; nothing is lost", { transport }, (scene, { level }) => {
    const receiver = scene.join(level, "r");
    receiver.subscribe("t");
    const publisher = scene.join(level, "p");
    publisher.client.stalled = true;
    const count = 40;
    publisher.send(
      ...numbers(count).map((id) => publish({ level, topic: "t", qos: 1, id, payload: `${id}` })),
      pingreq(),
    );
    expect(scene.trouble()).toContain("held p window");
    const early = receiver.payloads();
    expect(early.length).toBeLessThan(count);
    scene.advance(scene.limits.holdMilliseconds * 3);
    scene.audit();
    publisher.silent();
    publisher.client.stalled = false;
    const late = receiver.payloads();
    expect([...early, ...late]).toEqual(numbers(count).map(String));
    const got = publisher.received();
    // PINGRESP goes out behind what is owed.
    expect(got.map((packet) => packet[0] >> 4)).toEqual([...numbers(count).map(() => PUBACK), PINGRESP]);
    expect(got.slice(0, count).map((packet) => readAcknowledgement(level, PUBACK, packet).id)).toEqual(numbers(count));
    scene.audit();
  });

  rule("does not wait for ever: its Keep Alive ends it", { transport }, (scene, { level }) => {
    const publisher = scene.joinForLong(level, "p", { keepAlive: 10 });
    publisher.client.stalled = true;
    publisher.send(...numbers(40).map((id) => publish({ level, topic: "t", qos: 1, id })));
    scene.advance(14_000);
    expect(publisher.connection).not.toBe(0);
    scene.audit();
    scene.advance(3000);
    expect(publisher.connection).toBe(0);
    expect(scene.trouble()).toContain("disconnected p 0x8d");
    scene.audit();
  });

  rule("is one too many while QoS 2 fills the window", {}, (scene, { level }) => {
    const publisher = scene.joinForLong(level, "p");
    begin(publisher, numbers(windowOf(scene, level)));
    publisher.publish("t", { qos: 1, id: 99 });
    publisher.disconnected(ReasonCode.ReceiveMaximumExceeded);
    scene.said("limitReached p receiveMaximum", "disconnected p 0x93");
    scene.audit();
  });
});

describe("QoS 2 beyond Receive Maximum", () => {
  rule("ends the connection, and nobody gets it; what was begun goes on", {}, (scene, { level }) => {
    const receiver = scene.join(level, "r");
    receiver.subscribe("t");
    const ids = numbers(windowOf(scene, level));
    const publisher = scene.joinForLong(level, "p");
    begin(publisher, ids);
    expect(receiver.payloads()).toEqual(ids.map(String));
    scene.audit();
    const more = ids.length + 1;
    publisher.publish("t", { qos: 2, id: more, payload: "more" });
    publisher.disconnected(ReasonCode.ReceiveMaximumExceeded);
    scene.said("limitReached p receiveMaximum", "disconnected p 0x93");
    scene.audit();
    expect(receiver.payloads()).toEqual([]);
    const back = scene.joinForLong(level, "p");
    back.releases(ids[0]);
    back.tells("t", { qos: 2, id: more, payload: "more" }, [0]);
    expect(receiver.payloads()).toEqual(["more"]);
    for (const id of ids.slice(1)) back.releases(id);
    scene.said();
  });

  rule("is not what was begun before and is sent again", {}, (scene, { level }) => {
    const receiver = scene.join(level, "r");
    receiver.subscribe("t");
    const ids = numbers(windowOf(scene, level));
    begin(scene.joinForLong(level, "p"), ids);
    scene.guests.at(-1)?.vanishes();
    expect(receiver.payloads()).toEqual(ids.map(String));
    const back = scene.joinForLong(level, "p");
    for (const id of ids) {
      back.publish("t", { qos: 2, id, dup: true, payload: `${id}` });
      expect(readAcknowledgement(level, PUBREC, back.next("PUBREC"))).toMatchObject({ id, reason: 0 });
      scene.audit();
    }
    for (const id of ids) back.releases(id);
    expect(receiver.payloads()).toEqual([]);
    scene.said();
  });

  rule("nor what is sent again on the same connection", {}, (scene, { level }) => {
    const receiver = scene.join(level, "r");
    receiver.subscribe("t");
    const publisher = scene.join(level, "p");
    const ids = numbers(windowOf(scene, level));
    begin(publisher, ids);
    for (let i = 0; i < 3; i++) begin(publisher, ids);
    scene.audit();
    expect(receiver.payloads()).toEqual(ids.map(String));
    for (const id of ids) publisher.send(pubrel(id));
    const got = publisher.received().map((packet) => readAcknowledgement(level, PUBCOMP, packet).id);
    expect(got).toEqual(ids);
    scene.said();
  });
});

describe("receipts that are shared before 5.0", () => {
  rule("are given to who comes first, and to others when they are free", { levels: [3, 4] }, (scene, { level }) => {
    const own = scene.limits.receiveMaximum + 1;
    const most = windowOf(scene, level);
    const first = scene.joinForLong(level, "first");
    begin(first, numbers(most));
    const second = scene.joinForLong(level, "second");
    begin(second, numbers(own));
    scene.audit();
    second.publish("t", { qos: 2, id: own + 1 });
    second.disconnected(ReasonCode.ReceiveMaximumExceeded);
    scene.said("limitReached second receiveMaximum", "disconnected second 0x93");
    scene.audit();
    // One of the first client's is free again.
    first.releases(1);
    const again = scene.joinForLong(level, "second");
    begin(again, [own + 1]);
    scene.audit();
    again.publish("t", { qos: 2, id: own + 2 });
    again.disconnected(ReasonCode.ReceiveMaximumExceeded);
    // They come back with their session.
    scene.trouble();
    scene.join(level, "first").leaves();
    scene.audit();
    const last = scene.joinForLong(level, "second");
    begin(last, [own + 2]);
    scene.audit();
  });

  rule("are not for 5.0, which knows its Receive Maximum", { levels: [5] }, (scene, { level }) => {
    const publisher = scene.join(level, "p");
    const told = publisher.connack?.properties.find(({ id }) => id === 0x21)?.number;
    expect(told).toBe(scene.limits.receiveMaximum);
    begin(publisher, numbers(scene.limits.receiveMaximum));
    expect(scene.broker.inbox.sharedFree).toBe(scene.limits.receiveShared);
  });

  rule("a session that comes back as 5.0 finishes what it had begun", { levels: [4] }, (scene, { level }) => {
    const ids = numbers(windowOf(scene, level));
    begin(scene.joinForLong(level, "p"), ids);
    scene.guests[0].vanishes();
    const back = scene.joinForLong(5, "p");
    scene.audit();
    for (const id of ids) back.releases(id);
    scene.audit();
    begin(back, numbers(scene.limits.receiveMaximum));
    scene.said();
  });
});

describe("acknowledgements that make no sense", () => {
  rule("are answered; who floods us with them unread is ended", { transport }, (scene, { level }) => {
    const guest = scene.join(level, "f");
    for (let id = 1; id <= 20; id++) {
      guest.send(pubrel(id));
      expect(readAcknowledgement(level, PUBCOMP, guest.next("PUBCOMP"))).toMatchObject({
        id,
        reason: level === 5 ? ReasonCode.PacketIdentifierNotFound : 0,
      });
    }
    guest.client.stalled = true;
    guest.send(...numbers(60).map((id) => pubrel(id)));
    scene.audit();
    expect(guest.connection).toBe(0);
    expect(scene.trouble()).toContain("disconnected f 0x93");
    scene.audit();
  });
});

describe("acknowledgements of 5.0 that make no sense", () => {
  rule("take none of the receipts that older clients share", { transport, levels: [5] }, (scene, { level }) => {
    const guest = scene.join(level, "f");
    guest.client.stalled = true;
    for (let id = 1; id <= 60 && guest.connection !== 0; id++) {
      guest.send(pubrel(id));
      expect(scene.broker.inbox.sharedFree).toBe(scene.limits.receiveShared);
    }
    expect(guest.connection).toBe(0);
    scene.trouble();
  });
});

describe("what is no PUBLISH is always read", () => {
  rule("while the window is full of QoS 2", {}, (scene, { level }) => {
    const publisher = scene.join(level, "p");
    publisher.subscribe("mine", 1);
    scene.join(level, "o").tells("mine", { qos: 1 }, [0]);
    const [got] = publisher.published();
    begin(publisher, numbers(windowOf(scene, level)));
    publisher.send(puback(got.id));
    publisher.quiet();
    publisher.unsubscribes(["mine"]);
    publisher.releases(2);
    publisher.leaves();
    scene.said();
  });

  rule("while nothing that is owed can be sent", { transport }, (scene, { level }) => {
    const guest = scene.joinForLong(level, "g");
    guest.subscribe("mine", 1);
    const other = scene.join(level, "o");
    for (let i = 0; i < 3; i++) other.tells("mine", { qos: 1, payload: `${i}` }, [0]);
    const ids = guest.published().map((it) => it.id);
    guest.client.stalled = true;
    // A SUBACK that does not fit, then everything that needs no answer of its own kind.
    const list = Array.from({ length: 60 }, () => ["x", 0] as const);
    guest.subscribeLater(list);
    for (const id of ids) guest.send(puback(id));
    for (let i = 0; i < 300; i++) guest.send(pingreq());
    scene.audit();
    const session = scene.broker.sessionOf(guest.connection);
    expect(scene.broker.layout.index[scene.broker.sessions.outCount + session]).toBe(0);
    guest.send(disconnect());
    expect(guest.connection).toBe(0);
    scene.trouble();
    scene.audit();
  });

  rule("while an UNSUBSCRIBE waits for the SUBACK before it", { transport }, (scene, { level }) => {
    const guest = scene.join(level, "g");
    guest.client.stalled = true;
    guest.subscribeLater(Array.from({ length: 60 }, (_, i) => [`${i % 3}`, 0] as const));
    guest.send(unsubscribe(level, 77, ["0"]), pingreq());
    scene.advance(scene.limits.holdMilliseconds * 2);
    guest.client.stalled = false;
    expect(
      guest
        .received()
        .map((packet) => packet[0] >> 4)
        .sort(),
    ).toEqual([11, 13, 9]);
    scene.trouble();
  });
});

describe("a client that gets what it sends", () => {
  // Its own acknowledgements are behind its own PUBLISH: waiting for them would be waiting for itself.
  rule("is not held for its own queue", { qos: [1, 2] }, (scene, { level, qos }) => {
    const guest = scene.join(level, "g");
    guest.subscribe("t", 1);
    const ids = numbers(3);
    const first = ids.map((id) => publish({ level, topic: "t", qos, id, payload: `${id}` }));
    guest.send(...first);
    const got: string[] = [];
    for (let round = 0; round < 50 && got.length < ids.length; round++) {
      for (const packet of guest.received()) {
        const type = packet[0] >> 4;
        if (type === PUBREC) guest.send(pubrel(readAcknowledgement(level, PUBREC, packet).id));
        if (type !== 3) continue;
        const it = readPublish(level, packet);
        got.push(it.payload);
        guest.answer(it);
      }
    }
    expect(got).toEqual(ids.map(String));
    scene.said();
  });

  rule("and writes before it reads loses nothing and waits for nothing", { qos: [1] }, (scene, { level }) => {
    const guest = scene.join(level, "g");
    guest.subscribe("t", 1);
    const ids = numbers(6);
    guest.client.stalled = true;
    guest.send(...ids.map((id) => publish({ level, topic: "t", qos: 1, id, payload: `${id}` })));
    guest.client.stalled = false;
    const got: string[] = [];
    for (let packets = guest.received(); packets.length > 0; packets = guest.received()) {
      for (const packet of packets) {
        if (packet[0] >> 4 !== 3) continue;
        const it = readPublish(level, packet);
        got.push(it.payload);
        guest.answer(it);
      }
    }
    expect(got).toEqual(ids.map(String));
  });
});
