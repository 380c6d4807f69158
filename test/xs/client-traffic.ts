// What the client's core does, by kinds, each varied in topics, lengths, properties and the pieces in which packets
// arrive, over MQTT 3.1.1 and 5.0: for programs that count what it allocates. As in traffic.ts a step is one packet of
// the kind and what belongs to it, and allocates nothing itself.

import { ClientState } from "../../src/client/client";
import type { ConnectOptions } from "../../src/client/options";
import { ClientCause, NotAccepted } from "../../src/client/ports";
import { type ClientWorld, DOWN, UP } from "./client-world";
import { PINGREQ, PUBACK, PUBLISH, SUBSCRIBE, UNSUBSCRIBE } from "./packet";
import { PINGRESP } from "./reader";
import { expect, fail, type Kind, Traffic } from "./traffic";

const RETAIN = 1;

function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

function property(identifier: number, ...texts: string[]): number[] {
  return [identifier, ...texts.flatMap((text) => [0, text.length, ...bytes(text)])];
}

/** Topic Names that the filter temperature/# matches. */
const TOPICS = [
  "temperature",
  "temperature/kitchen",
  "temperature/door/12",
  "temperature/a/1/x2",
  "temperature/set/-1",
];
const LENGTHS = [0, 1, 7, 31, 32, 33, 64, 100, 150, 200];
const FILTERS = ["temperature/#", "temperature/+/x2", "+/state/#", "light", "a/b/c/d/e/+", "door/+"];

abstract class ClientTraffic extends Traffic<ClientWorld> {
  protected readonly version: number;
  protected readonly topics = TOPICS.map(bytes);
  private readonly payloads = LENGTHS.map((length) => new Uint8Array(length).fill(0x70));
  private readonly properties = [
    undefined,
    Uint8Array.from([1, 1, ...property(3, "text/plain")]),
    Uint8Array.from([...property(8, "answers"), ...property(9, "1234")]),
    Uint8Array.from([...property(38, "name", "value"), ...property(38, "unit", "degree Celsius")]),
  ];
  protected readonly filters = FILTERS.map(bytes);
  protected published = 0;

  constructor(world: ClientWorld, version: number) {
    super(world);
    this.version = version;
  }

  /** The client takes a message of its application. */
  protected send(i: number, qos: number, topic = i): void {
    const { client } = this.world;
    const name = this.topics[topic % this.topics.length];
    const payload = this.payloads[(i * 7) % this.payloads.length];
    const properties = this.version === 5 ? this.properties[i & 3] : undefined;
    const row = client.publish(name, payload, qos, (i & 7) === 6, properties, (i & 4) !== 0 ? 600 : -1);
    if (row <= 0) fail("the message is taken");
    this.published++;
  }

  /** How bytes arrive in this step. */
  protected vary(i: number): void {
    const { world } = this;
    world.most = (i & 7) === 1 ? 40 : (i & 7) === 3 ? 7 : (i & 63) === 5 ? 1 : 0;
  }

  /** A client of the broker publishes to temperature/…; the client in hand gets it. */
  protected sendTo(publisher: number, i: number, qos: number, length: number): void {
    this.publish(i, qos, (i & 15) === 9 ? RETAIN : 0, length);
    this.world.send(publisher);
  }

  protected expectPublished(): void {
    const { publishedCount, unpublishedCount } = this.world.application;
    expect(publishedCount === this.published, `${this.published} messages sent, not ${publishedCount}`);
    expect(unpublishedCount === 0, "none refused");
  }
}

/** Messages of the application to the broker, one or two at a time, some of them sent in parts. */
class Publishing extends ClientTraffic {
  private readonly qos: number;
  private witness = 0;

  constructor(world: ClientWorld, version: number, qos: number) {
    super(world, version);
    this.qos = qos;
  }

  prepare(): void {
    const { world } = this;
    world.start(this.version);
    this.witness = world.join(5, 9);
    this.subscribe(this.witness, 5, 1, this.qos);
  }

  step(i: number): void {
    const { world } = this;
    world.clock.milliseconds += 3;
    this.vary(i);
    if ((i & 15) === 15) world.upRoom = world.draw(60);
    this.send(i, this.qos);
    if ((i & 3) === 2) this.send(i + 1, this.qos);
    world.settle();
    world.upRoom = 0x3fffffff;
    world.settle();
  }

  check(): void {
    const { witness, world, published } = this;
    const got = world.count(witness, PUBLISH);
    expect(got === published, `${published} messages at the witness, not ${got}`);
    this.expectPublished();
  }
}

/** Messages from the broker, for two overlapping subscriptions. */
class Receiving extends ClientTraffic {
  private readonly qos: number;
  private publisher = 0;

  constructor(world: ClientWorld, version: number, qos: number) {
    super(world, version);
    this.qos = qos;
  }

  prepare(): void {
    const { client } = this.world;
    this.world.start(this.version);
    const identifier = this.version === 5 ? 300 : 0;
    client.subscribe(this.filters[0], this.qos, identifier);
    client.subscribe(this.filters[1], this.qos);
    this.world.settle();
    this.publisher = this.world.join(5, 1);
  }

  step(i: number): void {
    const { world } = this;
    world.clock.milliseconds += 3;
    this.vary(i);
    this.sendTo(this.publisher, i, this.qos, world.draw((i & 31) === 0 ? 700 : 100));
    this.published++;
  }

  check(): void {
    const got = this.world.application.messages[this.qos];
    expect(got === this.published, `${this.published} messages, not ${got}`);
  }
}

/** Payloads larger than the client's memory for them, of which the application takes some bytes at a time. */
class Streaming extends ClientTraffic {
  private publisher = 0;

  prepare(): void {
    this.world.start(this.version);
    this.world.client.subscribe(this.filters[0], 2);
    this.world.settle();
    this.publisher = this.world.join(5, 1);
  }

  step(i: number): void {
    const { application, world } = this;
    world.clock.milliseconds += 3;
    this.vary(i & ~7);
    application.most = 10 + world.draw(800);
    this.sendTo(this.publisher, i, i % 3, (i & 15) === 0 ? 3800 : 300 + world.draw(500));
    world.resume();
    this.published++;
    if ((i & 3) === 1) {
      this.send(i, 1);
      world.settle();
      world.resume(); // it comes back to us
      this.published++;
    }
  }

  private get application(): ClientWorld["application"] {
    return this.world.application;
  }

  check(): void {
    const { messages, pieces, publishedCount } = this.application;
    const got = messages[0] + messages[1] + messages[2];
    expect(got === this.published - publishedCount, `${this.published - publishedCount} messages, not ${got}`);
    expect(pieces > 3 * got, "payloads came in pieces");
  }
}

/** The application says itself when a message is acknowledged: at once, or later, in order or not. */
class Accepting extends ClientTraffic {
  private publisher = 0;
  private open = 0;

  prepare(): void {
    const { client } = this.world;
    client.acceptsByHand = true;
    this.world.start(this.version);
    client.subscribe(this.filters[0], 2);
    this.world.settle();
    this.publisher = this.world.join(5, 1);
  }

  step(i: number): void {
    const { world } = this;
    world.clock.milliseconds += 3;
    this.vary(i);
    this.sendTo(this.publisher, i, 1 + (i & 1), world.draw(100));
    this.published++;
    this.open++;
    if (this.open > i % 3) this.acceptAll((i & 4) === 0);
  }

  private acceptAll(isBackwards: boolean): void {
    const { ids } = this.world.application;
    if (isBackwards) for (let n = 0; n < this.open; n++) this.accept(ids[n]);
    else for (let n = this.open - 1; n >= 0; n--) this.accept(ids[n]);
    this.open = 0;
    this.world.settle();
  }

  private accept(id: number): void {
    if (!this.world.client.accept(id)) fail("the message waits for it");
    if (this.world.client.accept(id)) fail("only once");
  }

  check(): void {
    this.acceptAll(false);
    const { messages } = this.world.application;
    const got = messages[1] + messages[2];
    expect(got === this.published, `${this.published} messages, not ${got}`);
    expect(this.world.wire.count(UP, PUBACK) > got / 3, "PUBACK");
  }
}

/** Topic Aliases that come and go, as many as either side takes. */
class Aliasing extends ClientTraffic {
  private received = 0;

  prepare(): void {
    const { world } = this;
    world.isScripted = true;
    world.scriptAliases = 3; // fewer than topics
    world.start(this.version);
  }

  step(i: number): void {
    const { packet, world } = this;
    const { aliasesIn } = world.clientLimits;
    world.clock.milliseconds += 3;
    this.vary(i);
    if ((i & 1) === 0 || aliasesIn === 0) {
      this.send(i, i % 3, (i >>> 2) % 5);
      return world.settle();
    }
    const alias = 1 + ((i >>> 4) % aliasesIn);
    const isNew = (i & 15) === 1;
    const qos = (i >>> 1) % 3;
    packet.begin();
    if (isNew) this.topic(0, 3, i % 1000);
    else packet.u16(0);
    if (qos > 0) packet.u16(this.nextId());
    packet.beginProperties();
    packet.u8(0x23);
    packet.u16(alias);
    packet.endProperties();
    packet.fill(0x61, world.draw(60));
    packet.finish(PUBLISH, qos << 1);
    this.received++;
    world.push(40);
  }

  check(): void {
    const { world } = this;
    const { messages } = world.application;
    this.expectPublished();
    const nameless = world.wire.namelessCount(UP);
    expect(nameless > this.published / 3, "aliases in place of names");
    expect(nameless < this.published, "names");
    const got = messages[0] + messages[1] + messages[2];
    expect(got === this.received, `${this.received} messages, not ${got}`);
    if (world.clientLimits.aliasesIn > 0) expect(world.wire.namelessCount(DOWN) > got / 2, "aliases received");
  }
}

/** SUBSCRIBE and UNSUBSCRIBE, given as bytes; some Topic Filters are subscribed to again with other options. */
class Filtering extends ClientTraffic {
  private asked = 0;
  private left = 0;

  prepare(): void {
    this.world.start(this.version);
  }

  step(i: number): void {
    const { filters, version, world } = this;
    const { client } = world;
    world.clock.milliseconds += 3;
    this.vary(i);
    const turn = i >>> 2;
    const filter = filters[turn % filters.length];
    if ((i & 3) === 3) {
      if (client.unsubscribe(filter) <= 0) fail("it is known");
      this.left++;
      world.settle();
      if (client.unsubscribe(filter) !== NotAccepted.Unknown) fail("it is gone");
      return;
    }
    const identifier = version === 5 && (i & 1) === 0 ? 1 + turn : 0;
    if (client.subscribe(filter, i % 3, identifier) <= 0) fail("it is taken");
    this.asked++;
    world.settle();
  }

  check(): void {
    const { application, wire } = this.world;
    expect(application.subscribedCount === this.asked && wire.count(UP, SUBSCRIBE) === this.asked, "a SUBACK each");
    expect(
      application.unsubscribedCount === this.left && wire.count(UP, UNSUBSCRIBE) === this.left,
      "an UNSUBACK each",
    );
  }
}

/** Nothing for so long that it asks whether the server is still there. */
class Waiting extends ClientTraffic {
  private asked = 0;

  prepare(): void {
    this.world.start(this.version, { keepAlive: 60 });
  }

  step(i: number): void {
    const { world } = this;
    world.clock.milliseconds += 45_000 + (i & 31);
    world.most = i & 1;
    world.settle();
    this.asked++;
  }

  check(): void {
    const { wire } = this.world;
    expect(wire.count(UP, PINGREQ) === this.asked, "PINGREQ");
    expect(wire.count(DOWN, PINGRESP) === this.asked, "PINGRESP");
  }
}

/** The stream breaks after any number of bytes; the session is resumed and what was on its way goes again. */
class Resuming extends ClientTraffic {
  private readonly options: ConnectOptions;
  private publisher = 0;
  private witness = 0;
  private sentTo = 0;

  constructor(world: ClientWorld, version: number, options: ConnectOptions = {}) {
    super(world, version);
    this.options = options;
  }

  prepare(): void {
    const { world } = this;
    world.start(this.version, this.options);
    world.client.subscribe(this.filters[3], 2);
    world.settle();
    this.publisher = world.join(5, 1);
    this.witness = world.join(5, 9);
    this.subscribe(this.witness, 5, 1, 2);
  }

  step(i: number): void {
    const { packet, world } = this;
    this.vary(i);
    world.cutAfter = world.draw(160);
    this.send(i, 2);
    if ((i & 1) === 0) this.send(i + 1, 2);
    packet.begin();
    packet.beginString();
    packet.word(4); // light
    packet.endString();
    packet.u16(this.nextId());
    packet.u8(0);
    packet.fill(0x62, 1 + world.draw(100));
    packet.finish(PUBLISH, 4);
    world.send(this.publisher);
    this.sentTo++;
    world.cutAfter = 0x3fffffff;
    if (i % 7 === 3) {
      world.cut();
      this.stayAway();
    }
    world.reconnect();
  }

  /** Attempts that fail. */
  private stayAway(): void {
    const { world } = this;
    world.isDown = true;
    for (let n = 0; n < 8; n++) {
      world.clock.milliseconds += 500;
      world.settle();
    }
    world.isDown = false;
  }

  check(): void {
    const { application } = this.world;
    this.expectPublished();
    const out = this.world.count(this.witness, PUBLISH);
    expect(out === this.published, `${this.published} messages at the witness, not ${out}`);
    expect(application.messages[2] === this.sentTo, `${this.sentTo} messages, not ${application.messages[2]}`);
    expect(application.connectedCount > this.sentTo / 4, "reconnections");
    expect(application.resumedCount === application.connectedCount - 1, "the session resumed each time");
  }
}

/** The server has forgotten the session each time: everything begins anew. */
class Forgotten extends ClientTraffic {
  prepare(): void {
    const { world } = this;
    world.isScripted = true;
    world.start(this.version);
    world.client.subscribe(this.filters[0], 2);
    world.client.subscribe(this.filters[1], 1);
    world.settle();
  }

  step(i: number): void {
    const { world } = this;
    this.vary(i);
    if (i % 3 === 0) world.isSilent = true;
    this.send(i, 1 + (i & 1));
    this.send(i + 1, 2);
    world.settle();
    world.isSilent = false;
    if (i % 3 !== 0) return;
    world.cut();
    world.reconnect();
  }

  check(): void {
    const { application } = this.world;
    this.expectPublished();
    expect(application.resumedCount === 0 && application.connectedCount > this.published / 8, "new sessions");
    expect(application.subscribedCount > application.connectedCount * 2 - 2, "subscribed again");
  }
}

/** What a limit refuses, on either side. */
class Refusing extends ClientTraffic {
  private publisher = 0;
  private expired = 0;
  private readonly wildcard = bytes("a/+");
  private readonly long: Uint8Array;
  private readonly large: Uint8Array;

  constructor(world: ClientWorld, version: number) {
    super(world, version);
    this.long = new Uint8Array(world.clientLimits.topicBytes + 1).fill(0x61);
    this.large = new Uint8Array(world.clientLimits.stageBytes).fill(0x62);
  }

  prepare(): void {
    const { world } = this;
    world.start(this.version);
    world.client.subscribe(this.filters[0], 2);
    world.settle();
    this.publisher = world.join(5, 1);
  }

  step(i: number): void {
    const { world } = this;
    world.clock.milliseconds += 3;
    this.vary(i);
    this.refuse();
    if ((i & 7) === 7) this.expire();
    else this.tooLong(i);
  }

  /** The client takes none of these. */
  private refuse(): void {
    const { client } = this.world;
    if (client.publish(this.wildcard, undefined, 1, false) !== NotAccepted.Topic) fail("a Topic Filter is no name");
    if (client.publish(this.long, undefined, 1, false) !== NotAccepted.Topic) fail("a long name");
    if (client.subscribe(this.long, 1) !== NotAccepted.Topic) fail("a long filter");
    if (client.unsubscribe(this.topics[1]) !== NotAccepted.Unknown) fail("no such filter");
    if (this.version === 4 && client.subscribe(this.filters[1], 1, 5) !== NotAccepted.Unsupported) fail("identifier");
  }

  /** Topic Name, or properties, longer than the client takes: PUBACK or PUBREC with 0x97 in 5.0. */
  private tooLong(i: number): void {
    const { packet, world } = this;
    const { headBytes, topicBytes } = world.clientLimits;
    const isTopic = (i & 1) === 0;
    const qos = i % 3;
    packet.begin();
    packet.beginString();
    packet.word(0);
    packet.slash();
    packet.fill(0x61, isTopic ? topicBytes : 3);
    packet.endString();
    if (qos > 0) packet.u16(this.nextId());
    if (isTopic) packet.u8(0);
    else {
      const value = headBytes + 10;
      packet.u8((value & 127) | 128);
      packet.u8(value >>> 7);
      packet.u8(38);
      packet.u16(1);
      packet.u8(0x61);
      packet.u16(value - 6);
      packet.fill(0x62, value - 6);
    }
    packet.fill(0x63, i & 63);
    packet.finish(PUBLISH, qos << 1);
    world.send(this.publisher);
  }

  /** What is queued without a connection, until there is no room, and is too old when there is one again. */
  private expire(): void {
    const { world } = this;
    const { client } = world;
    const { unpublishedCount } = world.application;
    world.cut();
    world.settle();
    if (client.publish(this.topics[0], undefined, 0, false) !== NotAccepted.Offline) fail("QoS 0 needs a connection");
    let taken = 0;
    while (client.publish(this.topics[taken & 3], this.large, 1, false, undefined, 0) > 0) taken++;
    if (taken <= 1) fail("some were taken");
    world.clock.milliseconds += 1000;
    world.reconnect();
    this.expired += taken;
    if (world.application.unpublishedCount !== unpublishedCount + taken) fail("all expired");
    if (world.application.unpublishedFor !== ClientCause.Expired) fail("for that reason");
  }

  check(): void {
    const { application, client } = this.world;
    expect(this.expired > 0 && application.unpublishedCount === this.expired, "messages expired");
    expect(client.refusedCount > this.expired / 4, "messages refused");
  }
}

/** What no server may send: the connection ends, and a new one is made. */
class Misled extends ClientTraffic {
  private static readonly PACKETS = [
    "20 03 00 00 00", // a second CONNACK
    "36 07 0001 61 0001 00 78", // QoS 3
    "30 05 0001 23 00 78", // a wildcard in a Topic Name
    "30 06 0002 c080 00 78", // an overlong U+0000
    "32 06 0001 61 0000 00", // Packet Identifier 0
    "30 07 0001 61 03 230900", // a Topic Alias that we do not take
    "30 ff ff ff ff 01", // five bytes of Remaining Length
    "82 06 0001 00 0001 61", // what only clients send
    "60 02 0001", // PUBREL with reserved flags
    "40 01 00", // PUBACK cut short
    "90 05 0001 00 00 00", // SUBACK of two codes
    "d0 01 00", // PINGRESP with a body
    "f0 00", // AUTH without a method
    "00 00", // no packet at all
  ];
  private readonly at: number[] = [];
  private bytes = new Uint8Array(0);
  private sent = 0;

  prepare(): void {
    const { packet, world } = this;
    this.bytes = new Uint8Array(256);
    let end = 0;
    for (const digits of Misled.PACKETS) {
      packet.hex(digits);
      this.at.push(end);
      for (let i = packet.at; i < packet.end; i++) this.bytes[end++] = packet.bytes[i];
    }
    this.at.push(end);
    world.isScripted = true;
    world.start(this.version);
  }

  step(i: number): void {
    const { packet, world } = this;
    const number = i % (this.at.length - 1);
    const before = world.application.disconnectedCount;
    packet.begin();
    packet.at = packet.end;
    for (let at = this.at[number]; at < this.at[number + 1]; at++) packet.u8(this.bytes[at]);
    world.push(i % 3 === 0 ? 1 : 100);
    this.sent++;
    if (world.application.disconnectedCount !== before + 1) fail(`packet ${number} ends the connection`);
    if (world.application.disconnectedFor < 0x80) fail("for a reason");
    world.reconnect();
  }

  check(): void {
    const { application, client } = this.world;
    expect(application.disconnectedCount === this.sent && client.state === ClientState.Connected, "back each time");
  }
}

const both = [
  [4, "3.1.1"],
  [5, "5.0"],
] as const;
const qualities = [0, 1, 2];

/** All that a CONNECT can say as text. */
const full: ConnectOptions = {
  userName: "a user",
  password: "a password",
  will: { topic: "house/é/gone", payload: bytes("!"), qos: 1 },
};

function all(): Record<string, (world: ClientWorld) => Kind> {
  const found: Record<string, (world: ClientWorld) => Kind> = {};
  for (const [version, name] of both) {
    for (const qos of qualities) {
      found[`${name}: publishes QoS ${qos}`] = (world) => new Publishing(world, version, qos);
      found[`${name}: receives QoS ${qos}`] = (world) => new Receiving(world, version, qos);
    }
    found[`${name}: payload in pieces, paused, resumed`] = (world) => new Streaming(world, version);
    found[`${name}: accepts by hand`] = (world) => new Accepting(world, version);
    found[`${name}: SUBSCRIBE, UNSUBSCRIBE`] = (world) => new Filtering(world, version);
    found[`${name}: PINGREQ`] = (world) => new Waiting(world, version);
    found[`${name}: cut, session resumed`] = (world) => new Resuming(world, version);
    found[`${name}: cut, with a will and a user`] = (world) => new Resuming(world, version, full);
    found[`${name}: cut, session forgotten`] = (world) => new Forgotten(world, version);
    found[`${name}: refused by limits`] = (world) => new Refusing(world, version);
  }
  found["5.0: Topic Aliases"] = (world) => new Aliasing(world, 5);
  found["5.0: malformed packets"] = (world) => new Misled(world, 5);
  return found;
}

/** All kinds, by name. */
export const clientKinds: Readonly<Record<string, (world: ClientWorld) => Kind>> = Object.freeze(all());
