// A client for the statements' tests: bytes out, bytes in, and the few exchanges every test needs.

import {
  type Acknowledgement,
  type Bytes,
  CONNACK,
  type Connack,
  type ConnectOptions,
  connect as connectPacket,
  DISCONNECT,
  type Level,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  type Publish,
  type PublishOptions,
  pingreq,
  property,
  puback,
  pubcomp,
  publish as publishPacket,
  pubrec,
  pubrel,
  type ReadProperty,
  readAcknowledgement,
  readConnack,
  readDisconnect,
  readPublish,
  readSuback,
  SUBACK,
  type Suback,
  type Subscription,
  subscribe as subscribePacket,
  toHex,
  UNSUBACK,
  unsubscribe as unsubscribePacket,
} from "../support/packets";
import type { Peer, Server } from "./server";

export const MALFORMED = [0x81, 0x82] as const;

export function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

export function equal(got: unknown, want: unknown, what: string): void {
  const a = JSON.stringify(got);
  const b = JSON.stringify(want);
  if (a !== b) throw new Error(`${what}: expected ${b}, got ${a}`);
}

/** The only property with this identifier, or none. */
export function one(list: readonly ReadProperty[], id: number): ReadProperty | undefined {
  const found = list.filter((it) => it.id === id);
  check(found.length < 2, `property ${id} is there ${found.length} times`);
  return found[0];
}

export function numberOf(list: readonly ReadProperty[], id: number): number | undefined {
  return one(list, id)?.number;
}

export function textOf(list: readonly ReadProperty[], id: number): string | undefined {
  const found = one(list, id);
  return found && new TextDecoder().decode(found.bytes);
}

/** Opened, nothing sent. */
export async function open(server: Server, level: Level): Promise<Client> {
  return new Client(await server.open(), level, server.explains);
}

export type Options = Partial<Omit<ConnectOptions, "level">>;

/** Sends a CONNECT and expects it to be accepted. */
export async function connect(server: Server, level: Level, options: Options = {}): Promise<Client> {
  const client = await open(server, level);
  await client.send(connectPacket({ level, ...options }));
  client.connack = readConnack(level, await client.next());
  equal(client.connack.reason, 0, "CONNACK");
  return client;
}

/** Options of a session that outlives its connection. */
export function persistent(level: Level, options: Options = {}): Options {
  const expiry = level === 5 ? property.sessionExpiry(3600) : [];
  return { clean: false, ...options, properties: [...expiry, ...(options.properties ?? [])] };
}

export class Client {
  connack: Connack = { flags: 0, present: false, reason: -1, properties: [] };
  private lastId = 100;
  /** Packets read past while one was looked for. */
  private readonly passed: Uint8Array[] = [];

  constructor(
    readonly peer: Peer,
    readonly level: Level,
    private readonly explains: boolean,
  ) {}

  send(...packets: Bytes[]): Promise<void> {
    return this.peer.send(...packets);
  }

  async next(): Promise<Uint8Array> {
    return this.passed.shift() ?? (await this.peer.next());
  }

  /** The next packet, or nothing once the stream is closed. */
  async nextOrClosed(): Promise<Uint8Array | undefined> {
    return this.passed.shift() ?? (await this.peer.nextOrClosed());
  }

  /** These packets come next, byte for byte. */
  async expect(...packets: Bytes[]): Promise<void> {
    for (const bytes of packets) equal(toHex(await this.next()), toHex(bytes), "packet");
  }

  /**
   * Nothing waits: the answer to a PINGREQ is the next packet, twice, since a PINGRESP may overtake what is being sent.
   * Whatever was sent before has been processed.
   */
  async quiet(): Promise<void> {
    for (let round = 0; round < 2; round++) {
      await this.send(pingreq());
      equal(toHex(await this.next()), "d0 00", "nothing but a PINGRESP");
    }
  }

  /** A PUBLISH comes next. */
  async published(): Promise<Publish> {
    return readPublish(this.level, await this.next());
  }

  /** An acknowledgement of this type and id comes next. A PUBACK or PUBREC may say that nobody listens. */
  async acknowledged(type: number, id: number, reasons: readonly number[] = [0, 0x10]): Promise<Acknowledgement> {
    const got = readAcknowledgement(this.level, type, await this.next());
    equal(got.id, id, "Packet Identifier");
    check(reasons.includes(got.reason), `Reason Code 0x${got.reason.toString(16)}`);
    return got;
  }

  newId(): number {
    return ++this.lastId;
  }

  /** Subscribes and is granted what it asks for. */
  async subscribe(filter: string, options = 0, props: Bytes = []): Promise<void> {
    const { reasons } = await this.subscribes([[filter, options]], props);
    equal(reasons, [options & 3], "SUBACK");
  }

  async subscribes(list: readonly Subscription[], props: Bytes = []): Promise<Suback> {
    const id = this.newId();
    await this.send(subscribePacket(this.level, id, list, props));
    const suback = readSuback(this.level, SUBACK, await this.next());
    equal(suback.id, id, "Packet Identifier of SUBACK");
    return suback;
  }

  async unsubscribe(...filters: string[]): Promise<Suback> {
    const id = this.newId();
    await this.send(unsubscribePacket(this.level, id, filters));
    const unsuback = readSuback(this.level, UNSUBACK, await this.next());
    equal(unsuback.id, id, "Packet Identifier of UNSUBACK");
    return unsuback;
  }

  /** Publishes and goes through all acknowledgements; at QoS 0 a PINGREQ shows that it was processed. */
  async publish(topic: string, payload: string, options: Partial<PublishOptions> = {}): Promise<void> {
    const qos = options.qos ?? 0;
    const id = options.id ?? (qos > 0 ? this.newId() : 0);
    await this.send(publishPacket({ level: this.level, topic, payload, ...options, id }));
    if (qos === 0) await this.quiet();
    if (qos === 1) await this.acknowledged(PUBACK, id);
    if (qos === 2) {
      await this.acknowledged(PUBREC, id);
      await this.send(pubrel(id));
      await this.acknowledged(PUBCOMP, id, [0]);
    }
  }

  /** Receives a PUBLISH and acknowledges it in full. */
  async take(): Promise<Publish> {
    const got = await this.published();
    await this.acknowledge(got);
    return got;
  }

  async acknowledge(got: Publish): Promise<void> {
    if (got.qos === 1) await this.send(puback(got.id));
    if (got.qos === 2) {
      await this.send(pubrec(got.id));
      await this.released(got.id);
      await this.send(pubcomp(got.id));
    }
  }

  /** The PUBREL of a message comes, perhaps behind further PUBLISH packets. */
  private async released(id: number): Promise<void> {
    const before = this.passed.splice(0);
    let bytes = await this.peer.next();
    while (bytes[0] >> 4 === PUBLISH) {
      before.push(bytes);
      bytes = await this.peer.next();
    }
    this.passed.push(...before);
    const { id: got, reason } = readAcknowledgement(this.level, PUBREL, bytes);
    equal([got, reason], [id, 0], "PUBREL");
  }

  /** Receives a PUBLISH with this topic and payload. */
  async gets(topic: string, payload: string, qos?: number): Promise<Publish> {
    const got = await this.take();
    equal([got.topic, got.payload], [topic, payload], "topic and payload");
    if (qos !== undefined) equal(got.qos, qos, "QoS");
    return got;
  }

  /** The server closes the stream and says nothing more, whatever it had sent. */
  async closed(): Promise<void> {
    const packet = await this.nextOrClosed();
    if (packet !== undefined) throw new Error(`closed expected, got ${toHex(packet)}`);
  }

  /** After a CONNACK: level 5 is told one of these Reason Codes, the others nothing; then the stream is closed. */
  async disconnected(...reasons: readonly number[]): Promise<void> {
    if (this.level === 5) {
      const packet = await this.nextOrClosed();
      if (packet === undefined && !this.explains) return;
      check(packet !== undefined, "closed without a DISCONNECT");
      const { reason } = readDisconnect(packet);
      check(reasons.includes(reason), `DISCONNECT with 0x${reason.toString(16)}`);
    }
    await this.closed();
  }

  /** In answer to a CONNECT that is wrong: level 5 may be told one of these, the others nothing; then closed. */
  async notConnected(...reasons: readonly number[]): Promise<void> {
    const packet = await this.nextOrClosed();
    if (packet === undefined) return;
    check(this.level === 5, `closed without a CONNACK expected, got ${toHex(packet)}`);
    const { reason, flags } = readConnack(5, packet);
    check(reasons.includes(reason) && flags === 0, `CONNACK ${toHex(packet)}`);
    await this.closed();
  }

  /** In answer to a CONNECT that is refused: a CONNACK with this code, without Session Present, then closed. */
  async refused(...reasons: readonly number[]): Promise<Connack> {
    const connack = readConnack(this.level, await this.next());
    check(reasons.includes(connack.reason) && connack.flags === 0, `CONNACK ${JSON.stringify(connack)}`);
    await this.closed();
    return connack;
  }

  /** Leaves with a DISCONNECT, or without. */
  async leave(bytes: Bytes = [0xe0, 0]): Promise<void> {
    await this.send(bytes);
    await this.closed();
  }

  /** Ends the stream without a DISCONNECT; the server has noticed when this returns. */
  async vanish(): Promise<void> {
    await this.peer.end();
    await this.closed();
  }

  /** All packets that come, until two PINGREQ in a row bring nothing but their answers. */
  async drain(): Promise<Uint8Array[]> {
    const packets: Uint8Array[] = [];
    for (let idle = 0; idle < 2; ) {
      const before = packets.length;
      await this.send(pingreq());
      for (let packet = await this.next(); packet[0] !== 0xd0; packet = await this.next()) packets.push(packet);
      idle = packets.length === before ? idle + 1 : 0;
    }
    return packets;
  }

  /** All PUBLISH packets that come, each acknowledged; nothing else comes. */
  async takeAll(): Promise<Publish[]> {
    const got: Publish[] = [];
    for (;;) {
      const packets = await this.drain();
      if (packets.length === 0) return got;
      for (const bytes of packets) {
        if (bytes[0] >> 4 === PUBREL) {
          await this.send(pubcomp(readAcknowledgement(this.level, PUBREL, bytes).id));
          continue;
        }
        check(bytes[0] >> 4 === PUBLISH, `PUBLISH expected, got ${toHex(bytes)}`);
        const it = readPublish(this.level, bytes);
        got.push(it);
        if (it.qos === 1) await this.send(puback(it.id));
        if (it.qos === 2) await this.send(pubrec(it.id));
      }
    }
  }
}

export { CONNACK, DISCONNECT };
