// The whole broker over the transport and the fakes of the device's sockets, on XS in a machine that can't grow:
//
//   midge-xs broker.js PRESET SOCKETS ROUNDS [plant]
//
// Four clients subscribe, with QoS 0, 1, 2 and 2; a fifth publishes with each QoS, also retained, in pieces too, and pings.
// Prints the packets that came and what was allocated for them: slots, chunk bytes, collections.

import Listener from "embedded:io/socket/listener";
import TCP from "embedded:io/socket/tcp";
import Time from "time";
import Timer from "timer";
import { SocketTransport } from "../../hosts/ecma419/transport";
import { Broker } from "../../src/broker/broker";
import { type PresetName, presets } from "../../src/memory/limits";
import { Device } from "../support/moddable/device";
import { connect, type Peer } from "../support/moddable/peer";
import { host } from "../xs/host";
import { Meter } from "../xs/meter";
import { CONNECT, Packet, PINGREQ, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, SUBSCRIBE } from "../xs/packet";

const CONNACK = 2;
const SUBACK = 9;
const PINGRESP = 13;
const PEER_BYTES = 4096;
const INBOX_BYTES = 2048;
/** Time for the sockets of the port for Linux to ask the kernel. */
const POLL = 20;
/** Rounds without movement until all is at rest there. */
const QUIET = 4;

const [presetName, sockets, roundsText, plantText] = host.args;
const isLin = sockets === "lin";
const rounds = Number(roundsText);
const plants = plantText === "plant";
const limits = { ...presets[presetName as PresetName] };
const device = new Device({
  sockets: isLin ? "lin" : "lwip",
  queueLength: 64,
  activeConnections: limits.connections + 8,
});
const transport = new SocketTransport({
  ...{ TCP, Listener, Timer, Time, connections: limits.connections, sockets: limits.connections + 8 },
  ...(isLin ? {} : { queueLength: 64 }),
});
const clock = { now: () => Time.ticks >>> 0, wall: () => 0 };
const broker = new Broker(limits, { transport, clock, log: { event() {} } }, 1);
const packet = new Packet(1024);
const answer = new Packet(8);
const planted: object[] = [{}];

/** A client that acknowledges what it gets, and counts it. */
class Client {
  readonly peer: Peer = connect(1883, "192.168.4.2", PEER_BYTES);
  readonly counts = new Int32Array(16);
  readonly #inbox = new Uint8Array(INBOX_BYTES);
  #length = 0;

  /** Sends `packet`. */
  send(): void {
    this.peer.send(packet.bytes, packet.at, packet.length);
  }

  #acknowledge(type: number, at: number): void {
    answer.acknowledgement(type, (this.#inbox[at] << 8) | this.#inbox[at + 1]);
    this.peer.send(answer.bytes, answer.at, answer.length);
  }

  /** Whether anything came. */
  pump(): boolean {
    const inbox = this.#inbox;
    const count = this.peer.takeInto(inbox, this.#length);
    this.#length += count;
    let at = 0;
    while (this.#length - at >= 2) {
      const isLong = inbox[at + 1] >= 128;
      const body = at + (isLong ? 3 : 2);
      const length = isLong ? (inbox[at + 1] & 127) | (inbox[at + 2] << 7) : inbox[at + 1];
      if (this.#length < body + length) break;
      this.#take(inbox[at], body);
      at = body + length;
    }
    inbox.copyWithin(0, at, this.#length);
    this.#length -= at;
    return count > 0;
  }

  #take(header: number, body: number): void {
    const type = header >>> 4;
    this.counts[type]++;
    const qos = (header >>> 1) & 3;
    if (type === PUBLISH && qos > 0) {
      const topic = (this.#inbox[body] << 8) | this.#inbox[body + 1];
      this.#acknowledge(qos === 1 ? PUBACK : PUBREC, body + 2 + topic);
    } else if (type === PUBREC) this.#acknowledge(PUBREL, body);
    else if (type === PUBREL) this.#acknowledge(PUBCOMP, body);
  }
}

const clients: Client[] = [];

function settle(): void {
  for (let quiet = 0; quiet < (isLin ? QUIET : 1); quiet++) {
    if (isLin) device.run(POLL);
    else device.settle();
    for (let i = 0; i < clients.length; i++) if (clients[i].pump()) quiet = -1;
  }
}

function text(value: string): void {
  packet.beginString();
  for (let i = 0; i < value.length; i++) packet.u8(value.charCodeAt(i));
  packet.endString();
}

function open(id: string, qos: number): Client {
  const client = new Client();
  clients.push(client);
  settle();
  packet.begin();
  text("MQTT");
  packet.u8(4);
  packet.u8(2);
  packet.u16(0);
  text(id);
  packet.finish(CONNECT, 0);
  client.send();
  settle();
  if (qos >= 0) {
    packet.begin();
    packet.u16(1);
    text("a/#");
    packet.u8(qos);
    packet.finish(SUBSCRIBE, 2);
    client.send();
    settle();
  }
  if (client.counts[CONNACK] !== 1 || client.counts[SUBACK] !== (qos < 0 ? 0 : 1)) throw new Error("not connected");
  return client;
}

let packetId = 0;

function round(writer: Client, i: number): void {
  const qos = i % 3;
  packet.begin();
  packet.beginString();
  packet.u8(0x61);
  packet.slash();
  packet.digits(i % 7);
  packet.endString();
  if (qos > 0) {
    packetId = (packetId % 65535) + 1;
    packet.u16(packetId);
  }
  packet.fill(0x78, i % 5 === 0 ? 700 : i % 40);
  packet.finish(PUBLISH, (qos << 1) | (i % 4 === 0 ? 1 : 0));
  if (i % 6 === 5) {
    // In two pieces, each of which arrives alone.
    const half = packet.length >>> 1;
    writer.peer.send(packet.bytes, packet.at, half);
    settle();
    writer.peer.send(packet.bytes, packet.at + half, packet.length - half);
  } else writer.send();
  settle();
  if (i % 8 === 0) {
    packet.begin();
    packet.finish(PINGREQ, 0);
    writer.send();
    settle();
  }
  if (plants) planted[0] = { i };
}

function main(): void {
  transport.start(broker, 1883);
  for (let i = 0; i < 4; i++) open("r".repeat(i + 1), i < 3 ? i : 2);
  const writer = open("w", -1);
  let next = 0;
  while (next < 100) round(writer, next++);
  const end = next + rounds;
  const meter = new Meter();
  meter.start();
  while (next < end) round(writer, next++);
  const { slots, chunks, collections } = meter.stop();
  const got = clients.map(({ counts }) => counts[PUBLISH]);
  host.print(`rounds ${next} got ${got.join(" ")} answered ${writer.counts[PUBACK]} ${writer.counts[PUBCOMP]}`);
  host.print(`pings ${writer.counts[PINGRESP]} sent ${broker.counter("publishSent")}`);
  host.print(`allocated ${slots} ${chunks} ${collections}`);
}

(globalThis as unknown as { main: () => void }).main = main;
