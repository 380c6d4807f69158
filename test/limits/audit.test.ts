// The audit's controls: a broker in the middle of everything passes; with one thing wrong it does not.

import { describe, expect, test } from "vitest";
import { audit, findings } from "../../sim/audit";
import type { Broker } from "../../src/broker/broker";
import { State } from "../../src/broker/connections";
import { presets } from "../../src/index";
import { NONE } from "../../src/memory/layout";
import { Delivery, Receipt } from "../../src/session/qos";
import { SessionFlag } from "../../src/session/sessions";
import { connect, property, publish, pubrec, subscribe } from "../support/packets";
import type { Guest } from "./guest";
import { Scene } from "./scene";

const limits = {
  connections: 14,
  sessions: 16,
  subscriptions: 30,
  subscriptionIdentifiers: 10,
  topicNodes: 60,
  topicLabels: 40,
  labelBytes: 1024,
  retained: 10,
  messages: 30,
  deliveries: 24,
  payloadBytes: 4096,
  queuePerSession: 12,
};

/** Somebody in every state that leaves something in the memory. */
interface Busy {
  scene: Scene;
  broker: Broker;
  /** Has deliveries in every state, and one that waits, with further Subscription Identifiers. */
  receiver: Guest;
  /** Has unfinished QoS 2, and acknowledgements owed. */
  sender: Guest;
  /** Replays retained messages, stalled. */
  replayer: Guest;
  /** In the middle of a PUBLISH, of a SUBSCRIBE; with a SUBACK half sent. */
  uploader: Guest;
  subscriber: Guest;
  owed: Guest;
  /** Held with a PUBLISH for which there is no delivery. */
  held: Guest;
  /** Its stream is open, its CONNECT half here. */
  silent: Guest;
}

function busy(): Busy {
  const scene = new Scene({ limits, transport: { downBytes: 64 } });
  const { broker } = scene;
  const publisher = scene.join(5, "publisher");
  for (const topic of ["r/1", "r/2", "r/x/y", "s"]) {
    publisher.tells(topic, { qos: 1, retain: true, payload: "kept".repeat(10) });
  }
  const away = scene.join(5, "away", {
    clean: false,
    properties: property.sessionExpiry(100),
    will: { topic: "w", payload: "gone", properties: property.willDelay(50) },
  });
  away.subscribe("q/#", 1);
  away.vanishes();
  const receiver = scene.joinForLong(5, "receiver");
  for (const [i, filter] of ["t/a", "t/+", "t/#"].entries()) receiver.subscribe(filter, 2, [0x0b, i + 1]);
  publisher.tells("t/a", { qos: 2, payload: "1" });
  receiver.send(pubrec(receiver.published()[0].id));
  receiver.next("PUBREL");
  publisher.tells("t/a", { qos: 2, payload: "2" });
  publisher.tells("t/a", { qos: 1, payload: "3" });
  publisher.tells("t/a", { qos: 1, payload: "4" });
  receiver.published();
  const replayer = scene.join(5, "replayer");
  replayer.client.stalled = true;
  replayer.subscribeLater([["r/#", 0]]);
  const sender = scene.join(4, "sender");
  for (let id = 1; id <= 3; id++) sender.publish("nobody", { qos: 2, id });
  sender.received();
  sender.client.stalled = true;
  for (let id = 20; id < 45; id++) sender.publish("nobody", { qos: 1, id });
  const uploader = scene.join(5, "uploader");
  uploader.send(publish({ level: 5, topic: "up", qos: 1, payload: "x".repeat(150) }).slice(0, 90));
  const subscriber = scene.join(5, "subscriber");
  const long = subscribe(5, 4, [
    ["sub/1", 0],
    ["sub/2", 0],
    ["sub/3/which/is/long", 0],
  ]);
  subscriber.send(long.slice(0, long.length - 4));
  const owed = scene.join(5, "owed");
  owed.client.stalled = true;
  owed.subscribeLater(Array.from({ length: 90 }, () => ["o", 0] as const));
  const silent = scene.open(5, "silent");
  silent.send(connect({ level: 5, id: "silent" }).slice(0, 7));
  for (const topic of ["f", "g"]) {
    scene.absent(5, `filler ${topic}`, topic);
    for (let i = 0; i < limits.queuePerSession && broker.outbox.pool.free > 0; i++) publisher.tells(topic, { qos: 1 });
  }
  const held = scene.join(5, "held");
  held.publish("q/1", { qos: 1 });
  return { scene, broker, receiver, sender, replayer, uploader, subscriber, owed, held, silent };
}

const { receiveMaximum } = presets.tiny;

test("a broker in the middle of everything passes, and everything is there", () => {
  const it = busy();
  const { broker } = it;
  const { connections: c, decoder, inbox, layout, outbox, sessions } = broker;
  const { index, u8 } = layout;
  audit(broker);
  const receiver = broker.sessionOf(it.receiver.connection);
  const states: number[] = [];
  for (let row = outbox.first(receiver); row !== NONE; row = outbox.next(row)) states.push(outbox.state(row));
  expect(states).toEqual([Delivery.PubcompPending, Delivery.PubrecPending, Delivery.PubackPending, Delivery.Queued]);
  expect(outbox.moreIdentifiers(outbox.first(receiver))).not.toBe(NONE);
  const sender = broker.sessionOf(it.sender.connection);
  expect(inbox.firstOwed(sender)).not.toBe(NONE);
  expect(index[sessions.pendingFirst + sender]).not.toBe(NONE);
  expect(index[sessions.receiptCount + sender]).toBe(receiveMaximum + 1 + broker.limits.receiveShared);
  const replayer = broker.sessionOf(it.replayer.connection);
  expect(index[sessions.replayNode + replayer]).not.toBe(NONE);
  expect(index[sessions.sending + replayer]).not.toBe(NONE);
  expect(decoder.body.promisedTo(it.uploader.connection)).toBeGreaterThan(0);
  expect(decoder.input.lengthOf(it.subscriber.connection)).toBeGreaterThan(0);
  expect(index[c.codesFirst + it.owed.connection]).not.toBe(NONE);
  expect(index[c.incoming + it.held.connection]).not.toBe(NONE);
  expect(u8[c.state + it.silent.connection]).toBe(State.Open);
  it.scene.finish();
});

/** Changes what `read` returns, wherever in the memory that is, to `value`. */
function poke(broker: Broker, read: () => number, value: number): void {
  const { u8, u16, u32, index } = broker.layout;
  const before = read();
  if (before === value) throw new Error(`it is ${value} already`);
  for (const view of new Set([u32, index, u16, u8])) {
    for (let at = 0; at < view.length; at++) {
      const old = view[at];
      view[at] = value;
      if (read() === value) return;
      view[at] = old;
    }
  }
  throw new Error("found nowhere");
}

type Corruption = (it: Busy) => void;

/** What is done to a busy broker, and what the audit says then. */
const corruptions: Readonly<Record<string, readonly [RegExp, Corruption]>> = {
  // Pools
  "a row is taken by nobody": [/receipt \d+ is taken/, ({ broker }) => broker.inbox.pool.take()],
  "a row with an owner is given back": [
    /message \d+ is free/,
    ({ broker }) => broker.messages.pool.give(broker.topics.retained(retainedNode(broker))),
  ],
  "a pool miscounts its free rows": [/rows are free, the pool says/, ({ broker }) => broker.sessions.pool.free--],
  "the free list runs in a circle": [
    /free list comes to row \d+, again/,
    ({ broker }) => {
      const { pool } = broker.blocks;
      for (const row of [pool.take(), pool.take()]) pool.give(row);
      pool.index[pool.next + pool.firstFree()] = pool.firstFree();
    },
  ],
  "the free list comes to a fresh row": [
    /which is fresh/,
    ({ broker }) => {
      const { pool } = broker.topics;
      const row = pool.take();
      pool.give(row);
      pool.index[pool.next + row] = pool.fresh();
    },
  ],
  "lowestFree is more than what is free": [
    /lowestFree/,
    ({ broker }) => {
      broker.blocks.pool.lowestFree = broker.blocks.pool.free + 1;
    },
  ],
  "a text block is taken by nobody": [/text block \d+ is taken/, ({ broker }) => broker.topics.labels.text.pool.take()],
  "a further identifier is taken by nobody": [
    /identifier \d+ is taken/,
    ({ broker }) => broker.outbox.identifiers.take(),
  ],
  // References
  "a message counts one reference too many": [
    /references of message/,
    ({ broker }) => broker.messages.refer(broker.topics.retained(retainedNode(broker))),
  ],
  "a topic node counts one reference too many": [
    /references of topic node/,
    ({ broker }) => broker.topics.refer(retainedNode(broker)),
  ],
  "a label counts one reference too many": [
    /references of label/,
    ({ broker }) => broker.topics.labels.refer(broker.topics.label(retainedNode(broker))),
  ],
  "the root counts one reference too few": [
    /references of topic node/,
    ({ broker }) => poke(broker, () => broker.topics.references(broker.topics.root), 3),
  ],
  "a delivery has another's message": [
    /references of message/,
    ({ broker, receiver }) => {
      const { outbox, topics } = broker;
      const row = lastOf(broker, broker.sessionOf(receiver.connection));
      poke(broker, () => outbox.message(row), topics.retained(retainedNode(broker)));
    },
  ],
  "a will is forgotten": [
    /message \d+ is taken|messages that are kept/,
    ({ broker }) => {
      broker.layout.index[broker.sessions.will + sessionNamed(broker, "away")] = NONE;
    },
  ],
  "an incoming PUBLISH is forgotten": [
    /message \d+ is taken/,
    ({ broker, held }) => {
      broker.layout.index[broker.connections.incoming + held.connection] = NONE;
    },
  ],
  "a message has another length": [
    /blocks of message/,
    ({ broker }) => {
      const message = broker.topics.retained(retainedNode(broker));
      poke(broker, () => broker.messages.bodyLength(message), 500);
    },
  ],
  "kept messages are miscounted": [/messages that are kept/, ({ broker }) => broker.messages.kept++],
  // Promises
  "a promise too many": [/blocks promised/, ({ broker }) => broker.blocks.promised++],
  "a PUBLISH has another promise": [
    /blocks promised/,
    ({ broker, uploader }) => poke(broker, () => broker.decoder.body.promisedTo(uploader.connection), 9),
  ],
  "a SUBSCRIBE has another promise": [
    /blocks promised/,
    ({ broker, subscriber }) => broker.layout.index[broker.connections.codesPromise + subscriber.connection]++,
  ],
  "more blocks are promised than free": [
    /more are promised than free/,
    ({ broker }) => {
      broker.blocks.promised += 1000;
    },
  ],
  // Connections and what they hold
  "the carried bytes are more than their blocks": [
    /blocks of what connection/,
    ({ broker, subscriber }) => poke(broker, () => broker.decoder.input.lengthOf(subscriber.connection), 100),
  ],
  "the PUBLISH that comes in is longer than its blocks": [
    /blocks of the PUBLISH/,
    ({ broker, uploader }) => poke(broker, () => broker.decoder.body.lengthOf(uploader.connection), 200),
  ],
  "the codes are fewer than their blocks": [
    /blocks of the codes/,
    ({ broker, owed }) => {
      broker.layout.u32[broker.connections.ackCount + owed.connection] = 0;
    },
  ],
  "openCount is wrong": [/openCount/, ({ broker }) => broker.connections.openCount++],
  "connectedCount is wrong": [/connectedCount/, ({ broker }) => broker.connections.connectedCount--],
  "a free connection's row is not empty": [
    /its row is not empty/,
    ({ broker }) => {
      broker.layout.index[broker.connections.heldBy + freeConnection(broker)] = 1;
    },
  ],
  "two connections have one session": [
    /connection of session/,
    ({ broker, owed, held }) => {
      broker.layout.index[broker.connections.session + owed.connection] = broker.sessionOf(held.connection);
    },
  ],
  "a held connection is in no queue": [
    /stands in no queue/,
    ({ broker, owed }) => {
      broker.layout.u8[broker.connections.holds + owed.connection] = 1;
    },
  ],
  "a queue miscounts": [/length of senders/, ({ broker }) => broker.senders.length++],
  "a queue has a row that does not know it": [
    /starved: connection \d+ does not stand in it/,
    ({ broker }) => {
      const free = freeConnection(broker);
      poke(broker, () => Number(broker.starved.has(free)), 1);
    },
  ],
  // Sessions
  "a session is not found by its Client Identifier": [
    /who is found by the Client Identifier/,
    ({ broker, held }) => broker.layout.u8[broker.sessions.idAt(broker.sessionOf(held.connection))]++,
  ],
  "a session says it ends with the connection it has not": [
    /should have ended/,
    ({ broker }) => broker.sessions.set(sessionNamed(broker, "away"), SessionFlag.Ends, true),
  ],
  "a will waits for a client that is there": [
    /no will that can wait/,
    ({ broker, held }) => broker.sessions.set(broker.sessionOf(held.connection), SessionFlag.WillWaits, true),
  ],
  "subscriptionCount is wrong": [/subscriptionCount/, column("subscriptionCount", 1)],
  "lastSubscription is wrong": [/lastSubscription/, column("lastSubscription", NONE)],
  "outCount is wrong": [/outCount/, column("outCount", 3)],
  "outLast is wrong": [/outLast/, column("outLast", NONE)],
  "outSent is none of its deliveries": [/outSent/, column("outSent", 99)],
  "inflight is wrong": [
    /inflight/,
    ({ broker, receiver }) => broker.layout.u16[broker.sessions.inflight + broker.sessionOf(receiver.connection)]--,
  ],
  "relOwed is wrong": [
    /relOwed/,
    ({ broker, receiver }) => broker.layout.u16[broker.sessions.relOwed + broker.sessionOf(receiver.connection)]++,
  ],
  "what is sent is not the first that waits": [
    /sends what is not/,
    ({ broker, receiver }) => {
      const session = broker.sessionOf(receiver.connection);
      broker.layout.index[broker.sessions.sending + session] = broker.outbox.first(session);
    },
  ],
  "a Packet Identifier is used twice": [
    /different Packet Identifiers/,
    ({ broker, receiver }) => {
      const first = broker.outbox.first(broker.sessionOf(receiver.connection));
      broker.outbox.setPacketId(broker.outbox.next(first), broker.outbox.packetId(first));
    },
  ],
  "a delivery that is over is still there": [/is done, but still there/, firstDelivery(Delivery.Done)],
  "a delivery that waits is before one that was sent": [/before its turn/, firstDelivery(Delivery.Queued)],
  "a delivery behind PUBREC has its message": [
    /has message/,
    ({ broker, receiver }) => {
      const { outbox } = broker;
      const first = outbox.first(broker.sessionOf(receiver.connection));
      outbox.setState(outbox.next(first), Delivery.PubcompPending);
    },
  ],
  "a delivery's further identifiers are another's": [
    /identifier \d+ belongs to/,
    ({ broker, receiver }) => {
      const { outbox } = broker;
      const session = broker.sessionOf(receiver.connection);
      poke(
        broker,
        () => outbox.moreIdentifiers(lastOf(broker, session)),
        outbox.moreIdentifiers(outbox.first(session)),
      );
    },
  ],
  "receiptCount is wrong": [/receiptCount|sharedFree/, column("receiptCount", 1)],
  "sharedFree is wrong": [/sharedFree/, ({ broker }) => broker.inbox.sharedFree--],
  "owedLast is wrong": [/owedLast/, ofSender("owedLast", NONE)],
  "pendingLast is wrong": [/pendingLast/, ofSender("pendingLast", NONE)],
  "a receipt owes nothing": [
    /owes nothing/,
    ({ broker, sender }) => {
      const row = broker.inbox.firstOwed(broker.sessionOf(sender.connection));
      poke(broker, () => broker.inbox.state(row), Receipt.PubrelPending);
    },
  ],
  "an unfinished receipt owes something": [
    /state of receipt/,
    ({ broker, sender }) => {
      const { inbox, layout, sessions } = broker;
      const row = layout.index[sessions.pendingFirst + broker.sessionOf(sender.connection)];
      poke(broker, () => inbox.state(row), Receipt.PubcompOwed);
    },
  ],
  "a list of receipts is cut": [
    /receipt \d+ is taken|owedLast/,
    ({ broker, sender }) => {
      const row = broker.inbox.firstOwed(broker.sessionOf(sender.connection));
      poke(broker, () => broker.inbox.next(row), NONE);
    },
  ],
  "a replay rests on a node and replays nothing": [
    /replays nothing/,
    ({ broker, replayer }) => {
      broker.layout.index[broker.sessions.replaySubscription + broker.sessionOf(replayer.connection)] = NONE;
    },
  ],
  "a replay has another depth": [
    /replayDepth/,
    ({ broker, replayer }) => broker.layout.u16[broker.sessions.replayDepth + broker.sessionOf(replayer.connection)]++,
  ],
  "a replay is of a subscription that waits for nothing": [
    /waits for nothing/,
    ({ broker, replayer }) => {
      const session = broker.sessionOf(replayer.connection);
      broker.subscriptions.endReplay(broker.layout.index[broker.sessions.replaySubscription + session]);
    },
  ],
  // The tree
  "retainedCount is wrong": [/retainedCount/, ({ broker }) => broker.router.retainedCount++],
  "a retained message is off its topic": [
    /retainedCount|messages that are kept/,
    ({ broker }) => broker.topics.setRetained(retainedNode(broker), NONE),
  ],
  "a retained message is on another topic": [
    /topic node of retained message/,
    ({ broker }) => {
      const { topics } = broker;
      const other = topics.parent(retainedNode(broker));
      topics.setRetained(other, topics.retained(retainedNode(broker)));
      topics.setRetained(retainedNode(broker), NONE);
    },
  ],
  "a subscription is off its node": [
    /lists subscriptions/,
    ({ broker, held }) => {
      const node = broker.subscriptions.node(anySubscription(broker));
      expect(held.isClosed).toBe(false);
      broker.topics.setFirstSubscription(node, NONE);
    },
  ],
  "a subscription is of another session": [
    /session of subscription/,
    ({ broker, held }) => {
      const row = anySubscription(broker);
      poke(broker, () => broker.subscriptions.session(row), broker.sessionOf(held.connection));
    },
  ],
  "the list at a node is linked one way": [
    /previous at its node/,
    ({ broker }) => {
      const row = anySubscription(broker);
      poke(broker, () => broker.subscriptions.previousAtNode(row), row);
    },
  ],
  "siblings are linked one way": [
    /previous sibling/,
    ({ broker }) => {
      const node = broker.topics.nextSibling(broker.topics.firstChild(broker.topics.root));
      poke(broker, () => broker.topics.previousSibling(node), NONE);
    },
  ],
  "a node has another parent": [
    /parent of topic node/,
    ({ broker }) => {
      const node = retainedNode(broker);
      poke(broker, () => broker.topics.parent(node), node);
    },
  ],
  "a node does not know its wildcard": [
    /wildcards below/,
    ({ broker, replayer }) => {
      const { layout, sessions, subscriptions, topics } = broker;
      const row = layout.index[sessions.firstSubscription + broker.sessionOf(replayer.connection)];
      const parent = topics.parent(subscriptions.node(row));
      poke(broker, () => topics.wildcards(parent), 0);
    },
  ],
  "a node is in no bucket": [
    /found by the name/,
    ({ broker }) => {
      const { topics } = broker;
      for (let bucket = 0; bucket < topics.bucketCount; bucket++) {
        if (topics.firstInBucket(bucket) === NONE) continue;
        return poke(broker, () => topics.firstInBucket(bucket), NONE);
      }
    },
  ],
  "a label's text is another": [
    /found by the name/,
    ({ broker }) => {
      const { labels } = broker.topics;
      const text = labels.textOf(broker.topics.label(retainedNode(broker)));
      broker.layout.u8[labels.text.addressOf(text)]++;
    },
  ],
  "a label is in no bucket": [
    /label \d+ is taken|found by the name/,
    ({ broker }) => {
      const { labels } = broker.topics;
      for (let bucket = 0; bucket < labels.bucketCount; bucket++) {
        if (labels.firstInBucket(bucket) === NONE) continue;
        return poke(broker, () => labels.firstInBucket(bucket), NONE);
      }
    },
  ],
  // Timers
  "a connection's timer is not set": [/no timer is set/, ({ broker, held }) => broker.timers.cancel(held.connection)],
  "a connection's timer comes too late": [
    /comes too late/,
    ({ broker, uploader }) => broker.timers.set(uploader.connection, broker.now + 60_000),
  ],
  "a silent stream's timer is not set": [/no timer/, ({ broker, silent }) => broker.timers.cancel(silent.connection)],
  "a free connection's timer is set": [
    /free, but its timer is set/,
    ({ broker }) => broker.timers.set(freeConnection(broker), broker.now + 500),
  ],
  "a session's timer is not set": [
    /no timer is set/,
    ({ broker }) => broker.timers.cancel(broker.sessionTimer(sessionNamed(broker, "away"))),
  ],
  "a session's timer comes after its will": [
    /its will: the timer comes too late/,
    ({ broker }) => broker.timers.set(broker.sessionTimer(sessionNamed(broker, "away")), broker.now + 90_000),
  ],
  "a connected session's timer is set": [
    /free or connected, but its timer is set/,
    ({ broker, held }) => broker.timers.set(broker.sessionTimer(broker.sessionOf(held.connection)), broker.now + 500),
  ],
  "a timer is late": [/is late/, ({ broker, held }) => broker.timers.set(held.connection, broker.now - 2000)],
  "a timer says another slot": [
    /slot of timer/,
    ({ broker, held }) => {
      const { timers } = broker;
      poke(broker, () => timers.slotOf(held.connection), (timers.slotOf(held.connection) % 64) + 1);
    },
  ],
  "a timer says it is set and is not": [
    /is in no slot/,
    ({ broker }) => {
      const free = freeConnection(broker);
      poke(broker, () => broker.timers.slotOf(free), 9);
    },
  ],
};

function column(
  name: "subscriptionCount" | "lastSubscription" | "outCount" | "outLast" | "outSent" | "receiptCount",
  value: number,
): Corruption {
  return ({ broker, receiver }) => {
    broker.layout.index[broker.sessions[name] + broker.sessionOf(receiver.connection)] = value;
  };
}

function ofSender(name: "owedLast" | "pendingLast", value: number): Corruption {
  return ({ broker, sender }) => {
    broker.layout.index[broker.sessions[name] + broker.sessionOf(sender.connection)] = value;
  };
}

function firstDelivery(state: Delivery): Corruption {
  return ({ broker, receiver }) =>
    broker.outbox.setState(broker.outbox.first(broker.sessionOf(receiver.connection)), state);
}

function retainedNode(broker: Broker): number {
  const { topics } = broker;
  const node = topics.child(topics.root, topics.label(firstLevel(broker, "s")));
  expect(topics.retained(node)).not.toBe(NONE);
  return node;
}

/** The node of a topic of one level. */
function firstLevel(broker: Broker, name: string): number {
  const { layout, tables, topics } = broker;
  for (const [i, byte] of [...name].entries()) layout.u8[tables.stage + i] = byte.charCodeAt(0);
  topics.split(tables.stage, name.length);
  return topics.find();
}

function lastOf(broker: Broker, session: number): number {
  return broker.layout.index[broker.sessions.outLast + session];
}

function anySubscription(broker: Broker): number {
  return broker.layout.index[broker.sessions.firstSubscription + sessionNamed(broker, "away")];
}

function sessionNamed(broker: Broker, name: string): number {
  for (let row = 1; row <= broker.limits.sessions; row++) if (broker.sessionClientId(row) === name) return row;
  throw new Error(`no session of ${name}`);
}

function freeConnection(broker: Broker): number {
  for (let row = 1; row <= broker.limits.connections; row++) {
    if (broker.layout.u8[broker.connections.state + row] === State.Free) return row;
  }
  throw new Error("no connection is free");
}

describe("the audit finds it when", () => {
  for (const [name, [message, corrupt]] of Object.entries(corruptions)) {
    test(name, () => {
      const it = busy();
      expect(findings(it.broker)).toEqual([]);
      corrupt(it);
      expect(() => audit(it.broker)).toThrow(message);
    });
  }
});
