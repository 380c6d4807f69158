// Clients for the tests: MQTT.js as people use it, and packets on a bare socket where a client must misbehave.

import net from "node:net";
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import mqttPacket, { type IConnectPacket, type Packet } from "mqtt-packet";
import { afterEach } from "vitest";

/** A packet whose fields a test knows better than the types. */
// biome-ignore lint/suspicious/noExplicitAny: the union of all packets gives none of them
export type AnyPacket = Packet & Record<string, any>;

export type Version = 3 | 4 | 5;

export const versions: readonly { name: string; version: Version }[] = [
  { name: "3.1", version: 3 },
  { name: "3.1.1", version: 4 },
  { name: "5.0", version: 5 },
];

export interface Message {
  topic: string;
  payload: string;
  bytes: Buffer;
  qos: number;
  retain: boolean;
  dup: boolean;
  properties: Record<string, unknown>;
}

const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

let clientCount = 0;

/** MQTT.js, with what it received. */
export class JsClient {
  readonly messages: Message[] = [];
  readonly client: MqttClient;
  sessionPresent = false;
  assignedId = "";
  /** The most QoS 2 messages from the server that were begun and not finished at one time. */
  mostInFlight = 0;
  readonly #inFlight = new Set<number>();

  constructor(port: number, version: Version, options: IClientOptions = {}) {
    this.client = mqtt.connect({
      host: "127.0.0.1",
      port,
      protocol: "mqtt",
      protocolVersion: version,
      protocolId: version === 3 ? "MQIsdp" : "MQTT",
      clientId: `js-${++clientCount}`,
      reconnectPeriod: 0,
      connectTimeout: 5000,
      ...options,
    });
    this.client.on("connect", (packet) => {
      this.sessionPresent = packet.sessionPresent;
      this.assignedId = packet.properties?.assignedClientIdentifier ?? "";
    });
    this.client.on("packetreceive", (packet) => {
      if (packet.cmd !== "publish" || packet.qos !== 2) return;
      this.#inFlight.add(packet.messageId as number);
      this.mostInFlight = Math.max(this.mostInFlight, this.#inFlight.size);
    });
    this.client.on("packetsend", (packet) => {
      if (packet.cmd === "pubcomp") this.#inFlight.delete(packet.messageId as number);
    });
    this.client.on("error", () => {});
    this.client.on("message", (topic, bytes, packet) => {
      this.messages.push({
        topic,
        payload: bytes.length > 200 ? "" : bytes.toString(),
        bytes,
        qos: packet.qos,
        retain: packet.retain,
        dup: packet.dup,
        properties: (packet.properties ?? {}) as Record<string, unknown>,
      });
    });
    cleanups.push(() => this.client.end(true));
  }

  connected(): Promise<this> {
    if (this.client.connected) return Promise.resolve(this);
    return new Promise((resolve, reject) => {
      this.client.once("connect", () => resolve(this));
      this.client.once("error", reject);
      this.client.once("close", () => reject(new Error("closed before it was connected")));
    });
  }

  /** The connection is cut without a DISCONNECT; the client does not come back by itself unless asked to. */
  cut(): void {
    this.client.stream.destroy();
  }

  payloads(): string[] {
    return this.messages.map(({ payload }) => payload);
  }

  /** Waits until `count` messages came. */
  async received(count: number, milliseconds = 10_000): Promise<Message[]> {
    await until(
      () => this.messages.length >= count,
      `${count} messages came (${this.messages.length} did)`,
      milliseconds,
    );
    return this.messages;
  }
}

export function connectJs(port: number, version: Version, options: IClientOptions = {}): Promise<JsClient> {
  return new JsClient(port, version, options).connected();
}

/** A client of packets, which reads, writes and stalls as it is told. */
export class RawClient {
  readonly packets: Packet[] = [];
  readonly socket: net.Socket;
  readonly version: Version;
  ended = false;

  constructor(port: number, version: Version) {
    this.version = version;
    this.socket = net.connect({ port, host: "127.0.0.1", noDelay: true });
    const parser = mqttPacket.parser({ protocolVersion: version });
    parser.on("packet", (packet) => this.packets.push(packet));
    this.socket.on("data", (bytes) => parser.parse(bytes));
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.ended = true;
    });
    cleanups.push(() => this.socket.destroy());
  }

  send(...packets: Packet[]): void {
    this.socket.write(Buffer.concat(packets.map((packet) => encode(packet, this.version))));
  }

  /** Sends CONNECT and waits for the CONNACK. */
  async connect(clientId: string, options: Partial<IConnectPacket> = {}): Promise<Packet> {
    this.send(connectPacket(this.version, clientId, options));
    return this.next("connack");
  }

  /** The next packet of a kind; others before it stay. */
  async next(cmd: string, milliseconds = 10_000): Promise<AnyPacket> {
    const find = (): number => this.packets.findIndex((packet) => packet.cmd === cmd);
    await until(() => find() >= 0, `${cmd} came`, milliseconds);
    return this.packets.splice(find(), 1)[0];
  }

  count(cmd: string): number {
    return this.packets.filter((packet) => packet.cmd === cmd).length;
  }
}

export function encode(packet: Packet, version: Version): Buffer {
  return mqttPacket.generate(packet, { protocolVersion: version });
}

export function connectPacket(
  version: Version,
  clientId: string,
  options: Partial<IConnectPacket> = {},
): IConnectPacket {
  return {
    cmd: "connect",
    protocolId: version === 3 ? "MQIsdp" : "MQTT",
    protocolVersion: version,
    clientId,
    clean: true,
    keepalive: 60,
    ...options,
  } as IConnectPacket;
}

export async function until(holds: () => boolean, what: string, milliseconds = 10_000): Promise<void> {
  const deadline = Date.now() + milliseconds;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await sleep(2);
  }
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
