// What a packet costs the client: cases for bench.ts. As there packets are made before, and who sends them does not look at
// what it gets.

import { Client, ClientState } from "../../src/client/client";
import { clientPresets } from "../../src/client/limits";
import type { ClientEvents } from "../../src/client/ports";
import { OnePacketTransport } from "./one-packet-transport";
import { Packet, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL } from "./packet";
import { CONNACK } from "./reader";

/** What callgrind counts. */
export interface Case {
  name: string;
  /** Prepares it; returns what handles so many packets. */
  make(): (count: number) => void;
}

const PAYLOAD = 32;
const clock = { now: () => 1, wall: () => 0 };

/** Three words. */
export function topic(packet: Packet, first: number, second: number, third: number): void {
  packet.beginString();
  packet.word(first);
  packet.slash();
  packet.word(second);
  packet.slash();
  packet.word(third);
  packet.endString();
}

/** Takes every payload. */
class Application implements ClientEvents {
  publishedCount = 0;
  messageCount = 0;
  connected(): void {}
  disconnected(): void {}
  published(): void {
    this.publishedCount++;
  }
  subscribed(): void {}
  unsubscribed(): void {}
  message(): void {}
  payload(_at: number, count: number): number {
    return count;
  }
  messageEnd(): void {
    this.messageCount++;
  }
  messageLost(): void {}
}

/** A client of 5.0, and what its server sends. */
class Scene {
  private readonly transport = new OnePacketTransport(false);
  private readonly application = new Application();
  private readonly client: Client;
  private readonly packet = new Packet(200);
  private readonly answer = new Packet(8);
  private readonly name: Uint8Array;
  private readonly payload = new Uint8Array(PAYLOAD).fill(0x61);
  private readonly qos: number;
  private id = 0;

  constructor(qos: number) {
    this.qos = qos;
    const { packet, transport } = this;
    const ports = { transport, dialer: { dial: () => {} }, clock, random: { next: () => 1 } };
    this.client = new Client(clientPresets.sensor, ports, this.application);
    this.client.start({ clientId: "c", keepAlive: 0 });
    this.client.opened();
    packet.begin();
    packet.u8(0);
    packet.u8(0);
    packet.u8(0);
    packet.finish(CONNACK, 0);
    this.send(packet);
    if (this.client.state !== ClientState.Connected) throw new Error("not connected");
    packet.begin();
    topic(packet, 0, 1, 2);
    // Without the length in front of it, and before the Packet Identifier.
    this.name = packet.bytes.slice(packet.end - packet.bytes[6], packet.end);
    if (qos > 0) packet.u16(1);
    packet.u8(0);
    packet.fill(0x61, PAYLOAD);
    packet.finish(PUBLISH, qos << 1);
  }

  private send(packet: Packet): void {
    this.transport.offer(1, packet);
    this.client.ready();
    this.work();
  }

  private work(): void {
    while (this.client.step()) {
      // until nothing waits
    }
  }

  private acknowledge(type: number): void {
    this.answer.acknowledgement(type, this.id);
    this.send(this.answer);
  }

  private nextId(): void {
    this.id = this.id === 65535 ? 1 : this.id + 1;
  }

  publish(count: number): void {
    const { application, client, name, payload, qos } = this;
    const before = application.publishedCount;
    for (let i = 0; i < count; i++) {
      client.publish(name, payload, qos, false);
      this.work();
      if (qos === 0) continue;
      this.nextId();
      this.acknowledge(qos === 1 ? PUBACK : PUBREC);
      if (qos === 2) this.acknowledge(PUBCOMP);
    }
    if (application.publishedCount !== before + count) throw new Error("not published");
  }

  receive(count: number): void {
    const { application, packet, qos } = this;
    const before = application.messageCount;
    for (let i = 0; i < count; i++) {
      if (qos > 0) {
        this.nextId();
        packet.bytes[packet.end - PAYLOAD - 3] = this.id >>> 8;
        packet.bytes[packet.end - PAYLOAD - 2] = this.id;
      }
      this.send(packet);
      if (qos === 2) this.acknowledge(PUBREL);
    }
    if (application.messageCount !== before + count) throw new Error("not received");
  }
}

const qualities = [0, 1, 2] as const;
const names = ["QoS 0", "QoS 1 round trip", "QoS 2 round trip"];

export const clientCases: readonly Case[] = [
  ...qualities.map((qos) => ({ name: `client: publish ${names[qos]}`, make: () => publisher(new Scene(qos)) })),
  ...qualities.map((qos) => ({ name: `client: receive ${names[qos]}`, make: () => receiver(new Scene(qos)) })),
];

function publisher(scene: Scene): (count: number) => void {
  return (count) => scene.publish(count);
}

function receiver(scene: Scene): (count: number) => void {
  return (count) => scene.receive(count);
}
