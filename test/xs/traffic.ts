// What clients do, by kinds, each varied in topics, lengths, properties, versions and the pieces in which packets arrive:
// for programs that count what the core allocates. A kind's `step` sends one packet of the kind (and what belongs to it),
// lets everybody come to rest, and allocates nothing itself.

import { DISCONNECT, PINGREQ, PUBACK, PUBLISH, SUBSCRIBE, UNSUBSCRIBE } from "./packet";
import { CONNACK, PINGRESP, SUBACK, UNSUBACK } from "./reader";
import type { World } from "./world";

export interface Kind {
  /** Before the counting. */
  prepare(): void;
  /** The packet of number `i`. */
  step(i: number): void;
  /** After the counting: throws unless the clients got what they had to get. */
  check(): void;
}

export function fail(what: string): never {
  throw new Error(`expected: ${what}`);
}

/** For the end: in a step even the text, a literal, would be a new string each time. */
export function expect(holds: boolean, what: string): void {
  if (!holds) fail(what);
}

const VERSIONS = Object.freeze([5, 4, 3]);
const RETAIN = 1;
const CLEAN = 2;
const WILL = 4;

/** Clients and packets that several kinds use. */
export abstract class Traffic<W extends World = World> implements Kind {
  protected readonly world: W;
  protected packetId = 0;

  constructor(world: W) {
    this.world = world;
  }

  abstract prepare(): void;
  abstract step(i: number): void;
  abstract check(): void;

  /** A Topic Name of one to four levels: word, word, number, word. */
  protected topic(first: number, levels: number, number: number): void {
    const { packet } = this.world;
    packet.beginString();
    packet.word(first);
    if (levels > 1) {
      packet.slash();
      packet.word(number);
    }
    if (levels > 2) {
      packet.slash();
      packet.digits(number);
    }
    if (levels > 3) {
      packet.slash();
      packet.word(number + 3);
    }
    packet.endString();
  }

  protected nextId(): number {
    this.packetId = this.packetId === 65535 ? 1 : this.packetId + 1;
    return this.packetId;
  }

  /** Properties of a PUBLISH: none, or some of those that are passed on. */
  protected publishProperties(choice: number): void {
    const { packet } = this.world;
    packet.beginProperties();
    if ((choice & 1) !== 0) {
      packet.u8(0x02); // Message Expiry Interval
      packet.u32(600);
    }
    if ((choice & 2) !== 0) {
      packet.u8(0x26); // User Property
      packet.beginString();
      packet.word(choice);
      packet.endString();
      packet.beginString();
      packet.fill(0x76, choice & 31);
      packet.endString();
    }
    if ((choice & 4) !== 0) {
      packet.u8(0x08); // Response Topic
      packet.beginString();
      packet.word(4);
      packet.endString();
      packet.u8(0x09); // Correlation Data
      packet.u16(4);
      packet.u32(choice);
    }
    packet.endProperties();
  }

  /** PUBLISH of a client of 5.0 with a topic of ours, ready to be sent. */
  protected publish(i: number, qos: number, retain: number, length: number): void {
    const { packet, world } = this;
    packet.begin();
    this.topic(0, 1 + (i & 3), i % 1000);
    if (qos > 0) packet.u16(this.nextId());
    this.publishProperties(world.draw(64));
    packet.fill(0x61 + (i & 15), length);
    packet.finish(PUBLISH, (qos << 1) | retain);
  }

  protected get packet(): W["packet"] {
    return this.world.packet;
  }

  /** Whole, or in pieces, of a few bytes or one. */
  protected sendVaried(connection: number, i: number): void {
    const { world } = this;
    switch (i & 7) {
      case 1:
        return world.sendPieces(connection, 40);
      case 3:
        return world.sendPieces(connection, 7);
      case 5:
        return (i & 63) === 5 ? world.sendPieces(connection, 1) : world.send(connection);
      default:
        return world.send(connection);
    }
  }

  /** SUBSCRIBE to the topics of `publish`, in one of four forms; with a Subscription Identifier in 5.0. */
  protected subscribe(connection: number, version: number, form: number, qos: number): void {
    const { packet, world } = this;
    packet.begin();
    packet.u16(1 + form);
    if (version === 5) {
      packet.beginProperties();
      packet.u8(0x0b);
      packet.u8(1 + form);
      packet.endProperties();
    }
    packet.beginString();
    packet.word(0);
    if (form !== 0) {
      packet.slash();
      packet.u8(form === 2 ? 0x2b : 0x23); // + or #
      if (form === 2) {
        packet.slash();
        packet.u8(0x23);
      }
    }
    packet.endString();
    packet.u8(qos);
    packet.finish(SUBSCRIBE, 2);
    world.send(connection);
  }
}

/** PUBLISH that goes to six clients of all versions, some with overlapping subscriptions, some that read slowly. */
class FanOut extends Traffic {
  private readonly qos: number;
  private publisher = 0;
  private readonly receivers: number[] = [];
  private published = 0;

  constructor(world: World, qos: number) {
    super(world);
    this.qos = qos;
  }

  prepare(): void {
    const { world } = this;
    this.publisher = world.join(5, 0);
    for (let n = 1; n <= 6; n++) {
      const version = VERSIONS[n % 3];
      const receiver = world.join(version, n);
      this.subscribe(receiver, version, 1, this.qos);
      if (n > 3) this.subscribe(receiver, version, 2, this.qos);
      this.receivers.push(receiver);
    }
  }

  step(i: number): void {
    const { world } = this;
    world.clock.milliseconds += 3;
    if ((i & 15) === 15) this.slow(i);
    this.publish(i, this.qos, 0, world.draw((i & 31) === 0 ? 700 : 100));
    this.published++;
    this.sendVaried(this.publisher, i);
    if ((i & 15) === 15) this.release();
  }

  /** Two receivers take a few bytes only, so that a PUBLISH is left half sent. */
  private slow(i: number): void {
    this.world.grant(this.receivers[i % 3], 1 + this.world.draw(30));
    this.world.grant(this.receivers[3 + (i % 3)], this.world.draw(2));
  }

  private release(): void {
    for (let n = 0; n < this.receivers.length; n++) this.world.grant(this.receivers[n], -1);
    this.world.settle();
  }

  check(): void {
    for (let n = 0; n < this.receivers.length; n++) {
      const got = this.world.count(this.receivers[n], PUBLISH);
      expect(got === this.published, `${this.published} messages at receiver ${n}, not ${got}`);
    }
  }
}

/** SUBSCRIBE and UNSUBSCRIBE of one to four Topic Filters, by turns. */
class Subscribing extends Traffic {
  private clients: number[] = [];
  private subscribed = 0;

  prepare(): void {
    for (let n = 0; n < 3; n++) this.clients.push(this.world.join(VERSIONS[n], n));
  }

  step(i: number): void {
    const { packet, world } = this;
    const turn = i >>> 1;
    const version = VERSIONS[turn % 3];
    const isSubscribe = (i & 1) === 0;
    if (isSubscribe) this.subscribed++;
    packet.begin();
    packet.u16(this.nextId());
    if (version === 5) {
      packet.beginProperties();
      if (isSubscribe && (turn & 1) !== 0) {
        packet.u8(0x0b);
        packet.u8(1 + (turn & 63));
      }
      packet.endProperties();
    }
    for (let n = 0; n <= turn % 4; n++) this.filter(turn + n * 7, isSubscribe ? turn % 3 : -1);
    packet.finish(isSubscribe ? SUBSCRIBE : UNSUBSCRIBE, 2);
    this.sendVaried(this.clients[turn % 3], i);
    world.clock.milliseconds += 2;
  }

  /** A Topic Filter of two to four levels; `qos` below 0: without options. */
  private filter(number: number, qos: number): void {
    const { packet } = this;
    packet.beginString();
    packet.word(number);
    packet.slash();
    if (number % 5 === 0) packet.u8(0x2b);
    else packet.digits(number);
    if (number % 3 === 0) {
      packet.slash();
      packet.word(number + 1);
    }
    if (number % 7 === 0) {
      packet.slash();
      packet.u8(0x23);
    }
    packet.endString();
    if (qos >= 0) packet.u8(qos);
  }

  check(): void {
    let acknowledged = 0;
    for (let n = 0; n < this.clients.length; n++) {
      acknowledged += this.world.count(this.clients[n], SUBACK);
      expect(this.world.count(this.clients[n], UNSUBACK) > 0, "UNSUBACK");
      expect(this.world.code(this.clients[n], UNSUBACK) === 0, "no reason against it");
    }
    expect(acknowledged === this.subscribed, `${this.subscribed} SUBACK, not ${acknowledged}`);
  }
}

/** Retained messages: set, set again, replayed to a new subscription, cleared. */
class Retaining extends Traffic {
  private publisher = 0;
  private reader = 0;
  private replayed = 0;

  prepare(): void {
    this.publisher = this.world.join(5, 0);
    this.reader = this.world.join(5, 1);
  }

  step(i: number): void {
    const { packet, world } = this;
    world.clock.milliseconds += 2;
    const turn = i >>> 2;
    if ((i & 3) === 2) {
      this.subscribe(this.reader, 5, turn & 3, turn % 3);
      this.replayed++;
      return;
    }
    packet.begin();
    const isClear = (i & 3) === 3;
    const number = isClear ? turn + 4 : turn; // what was set 20 turns ago
    this.topic(0, 1 + (number % 4), number % 24);
    packet.u16(this.nextId());
    this.publishProperties(world.draw(64));
    if (!isClear) packet.fill(0x72, 1 + world.draw(200));
    packet.finish(PUBLISH, 2 | RETAIN);
    this.sendVaried(this.publisher, i);
    if (isClear) this.unsubscribe(turn & 3);
  }

  private unsubscribe(form: number): void {
    const { packet } = this;
    packet.begin();
    packet.u16(this.nextId());
    packet.u8(0);
    packet.beginString();
    packet.word(0);
    if (form !== 0) {
      packet.slash();
      packet.u8(form === 2 ? 0x2b : 0x23);
    }
    if (form === 2) {
      packet.slash();
      packet.u8(0x23);
    }
    packet.endString();
    packet.finish(UNSUBSCRIBE, 2);
    this.world.send(this.reader);
  }

  check(): void {
    expect(this.world.count(this.reader, PUBLISH) > this.replayed / 3, "replayed messages");
  }
}

class Pinging extends Traffic {
  private client = 0;
  private sent = 0;

  prepare(): void {
    this.client = this.world.join(4, 0);
  }

  step(i: number): void {
    this.world.clock.milliseconds += 2;
    this.packet.begin();
    this.packet.finish(PINGREQ, 0);
    this.world.sendPieces(this.client, (i & 3) === 3 ? 1 : 8);
    this.sent++;
  }

  check(): void {
    expect(this.world.count(this.client, PINGRESP) === this.sent, "a PINGRESP each");
  }
}

/** CONNECT and DISCONNECT: all versions, sessions begun, resumed, taken over and ended, wills, streams that break. */
class Connecting extends Traffic {
  private witness = 0;
  private connected = 0;
  private accepted = 0;
  private current = 0;

  prepare(): void {
    this.witness = this.world.join(5, 100);
    this.subscribe(this.witness, 5, 1, 1);
  }

  step(i: number): void {
    const { packet, world } = this;
    const turn = i >>> 1;
    const version = VERSIONS[turn % 3];
    world.clock.milliseconds += 5;
    if ((i & 1) === 0) {
      const connection = world.open();
      const clean = turn % 5 < 2 ? CLEAN : 0;
      world.connect(connection, version, turn % 4, clean | (turn % 7 < 3 ? WILL : 0), turn % 5 === 3 ? 60 : 0);
      this.connected++;
      if (world.code(connection, CONNACK) === 0) this.accepted += world.count(connection, CONNACK);
      this.current = connection;
      if (turn % 11 === 5) world.lose(connection);
      return;
    }
    if (!world.isOpen(this.current)) return;
    if (turn % 9 === 4) return; // it is taken over, or another takes its place
    packet.begin();
    if (version === 5 && turn % 2 === 0) packet.u8(4); // with its will
    packet.finish(DISCONNECT, 0);
    world.sendPieces(this.current, turn % 3 === 0 ? 1 : 8);
  }

  check(): void {
    expect(this.accepted === this.connected, `${this.connected} accepted, not ${this.accepted}`);
    expect(this.world.count(this.witness, PUBLISH) === 0, "no will on another topic");
  }
}

/** Packets that no client may send, each on a connection of its own: it is closed. */
class Malformed extends Traffic {
  private readonly packets: string[] = [
    "36 07 0001 61 0001 00 78", // QoS 3
    "3a 03 0001 61", // DUP at QoS 0
    "30 05 0001 23 00 78", // a wildcard in a Topic Name
    "30 06 0002 c080 00 78", // an overlong U+0000
    "30 04 0009 61 00", // a topic longer than the packet
    "32 06 0001 61 0000 00", // Packet Identifier 0
    "30 06 0001 61 05 0100 78", // properties longer than the packet
    "30 08 0001 61 04 0101 0101", // a property twice
    "30 06 0001 61 02 1700", // a property that PUBLISH cannot have
    "30 07 0001 61 03 230001", // Topic Alias, of which none are offered
    "30 ff ff ff ff 01", // five bytes of Remaining Length
    "80 06 0001 00 0001 61 00", // SUBSCRIBE with reserved flags
    "82 03 0001 00", // SUBSCRIBE without a Topic Filter
    "82 07 0001 00 0001 61 03", // QoS 3
    "82 08 0001 00 0002 612b 00", // + beside other characters
    "82 09 0001 00 0003 23 2f 61 00", // # that is not the last
    "a2 03 0001 00", // UNSUBSCRIBE without a Topic Filter
    "a2 07 0001 00 0001 2b 2b", // a byte too many
    "60 02 0001", // PUBREL with reserved flags
    "40 01 00", // PUBACK cut short
    "40 03 0001 55", // a Reason Code that it cannot have
    "c0 01 00", // PINGREQ with a body
    "10 00", // a second CONNECT
    "20 02 00 00", // what only servers send
    "f0 00", // AUTH without a method
    "00 00", // no packet at all
    "e0 01 55", // DISCONNECT with a Reason Code that it cannot have
  ];
  private readonly at: number[] = [];
  private readonly ends: number[] = [];
  private bytes = new Uint8Array(0);
  private closed = 0;
  private sent = 0;

  prepare(): void {
    const { packet } = this;
    this.bytes = new Uint8Array(512);
    let end = 0;
    for (const digits of this.packets) {
      packet.hex(digits);
      this.at.push(end);
      for (let i = packet.at; i < packet.end; i++) this.bytes[end++] = packet.bytes[i];
      this.ends.push(end);
    }
  }

  step(i: number): void {
    const { packet, world } = this;
    const number = i % this.at.length;
    world.clock.milliseconds += 2;
    const connection = world.join(5, i % 7);
    packet.begin();
    packet.at = packet.end;
    for (let at = this.at[number]; at < this.ends[number]; at++) packet.u8(this.bytes[at]);
    world.sendPieces(connection, i % 3 === 0 ? 1 : 100);
    this.sent++;
    if (!world.isOpen(connection)) this.closed++;
    else fail(`packet ${number} closes the connection`);
  }

  check(): void {
    expect(this.closed === this.sent, "each connection closed");
  }
}

/** Messages for a session that is away, dropped when its queue is full; it resumes now and then and breaks again. */
class Offline extends Traffic {
  private publisher = 0;
  private sleeper = 0;
  private resumed = 0;
  private got = 0;

  prepare(): void {
    this.publisher = this.world.join(5, 0);
    this.sleeper = this.world.join(5, 1, false);
    this.subscribe(this.sleeper, 5, 1, 2);
    this.world.lose(this.sleeper);
  }

  step(i: number): void {
    const { world } = this;
    world.clock.milliseconds += 2;
    this.publish(i, 1 + (i & 1), 0, world.draw(60));
    this.sendVaried(this.publisher, i);
    if (i % 40 !== 39) return;
    const connection = world.open();
    if (i % 80 === 79) world.setAnswers(connection, false); // what is sent is sent again next time
    world.connect(connection, 5, 1, 0, 3600);
    this.resumed++;
    this.got += world.count(connection, PUBLISH);
    world.lose(connection);
  }

  check(): void {
    expect(this.got > this.resumed * 8, "queued messages");
  }
}

/** PUBLISH up to the largest that is stored, to a client that takes some bytes at a time. */
class Large extends Traffic {
  private publisher = 0;
  private reader = 0;
  private published = 0;

  prepare(): void {
    this.publisher = this.world.join(5, 0);
    this.reader = this.world.join(5, 1);
    this.subscribe(this.reader, 5, 1, 1);
  }

  step(i: number): void {
    const { world } = this;
    world.clock.milliseconds += 2;
    world.grant(this.reader, world.draw(1500));
    this.publish(i, i & 1, 0, (i & 7) === 0 ? 3800 : 500 + world.draw(700));
    this.published++;
    world.sendPieces(this.publisher, 2000);
    while (world.count(this.reader, PUBLISH) < this.published) {
      world.grant(this.reader, 400 + world.draw(2000));
      world.settle();
    }
  }

  check(): void {
    expect(this.world.count(this.reader, PUBLISH) === this.published, "every message");
  }
}

/** What our limits refuse: too large, too deep, too long, too many. The connection stays. */
class Refused extends Traffic {
  private publisher = 0;

  prepare(): void {
    this.publisher = this.world.join(5, 0);
    this.subscribe(this.publisher, 5, 1, 1);
  }

  step(i: number): void {
    const { packet, world } = this;
    world.clock.milliseconds += 2;
    if ((i & 15) === 15) return this.tooManyFilters(i);
    packet.begin();
    packet.beginString();
    switch (i % 3) {
      case 0: // more than messageBytes
        packet.word(0);
        break;
      case 1: // more than topicLevels
        for (let n = 0; n < 14; n++) packet.slash();
        break;
      default: // more than topicBytes
        packet.fill(0x61, 257 + (i & 31));
    }
    packet.endString();
    packet.u16(this.nextId());
    packet.u8(0);
    packet.fill(0x78, i % 3 === 0 ? world.limits.messageBytes + (i & 63) : i & 63);
    packet.finish(PUBLISH, 2);
    world.sendPieces(this.publisher, (i & 4) !== 0 ? 900 : 0x3fffffff);
    if (world.code(this.publisher, PUBACK) < 0x80) fail("PUBACK with a reason");
  }

  /** By turns more filters than `subscriptionsPerSession`, and UNSUBSCRIBE of them all. */
  private tooManyFilters(i: number): void {
    const { packet, world } = this;
    const isSubscribe = (i & 16) === 0;
    packet.begin();
    packet.u16(this.nextId());
    packet.u8(0);
    for (let n = 0; n < world.limits.subscriptionsPerSession + 4; n++) {
      packet.beginString();
      packet.word(3);
      packet.slash();
      packet.digits(n);
      packet.endString();
      if (isSubscribe) packet.u8(1);
    }
    packet.finish(isSubscribe ? SUBSCRIBE : UNSUBSCRIBE, 2);
    world.send(this.publisher);
  }

  check(): void {
    const { subscribeRefused } = this.world.broker.counters();
    expect(this.world.isOpen(this.publisher), "still connected");
    expect(subscribeRefused > 0, "Topic Filters refused");
  }
}

/** All kinds, by name. */
export const kinds: Readonly<Record<string, (world: World) => Kind>> = Object.freeze({
  "PUBLISH QoS 0 to 6": (world: World) => new FanOut(world, 0),
  "PUBLISH QoS 1 to 6": (world: World) => new FanOut(world, 1),
  "PUBLISH QoS 2 to 6": (world: World) => new FanOut(world, 2),
  "large PUBLISH": (world: World) => new Large(world),
  "SUBSCRIBE, UNSUBSCRIBE": (world: World) => new Subscribing(world),
  "retained: set, replay, clear": (world: World) => new Retaining(world),
  PINGREQ: (world: World) => new Pinging(world),
  "CONNECT, DISCONNECT": (world: World) => new Connecting(world),
  "queued offline, resumed": (world: World) => new Offline(world),
  "refused by limits": (world: World) => new Refused(world),
  "malformed packets": (world: World) => new Malformed(world),
});
