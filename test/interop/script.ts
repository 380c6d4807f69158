// What a test puts in a server's place.

import net from "node:net";
import mqttPacket, { type IConnackPacket, type Packet } from "mqtt-packet";
import { afterEach } from "vitest";
import { type AnyPacket, encode, until, type Version } from "./clients";

const open: { stop(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of open.splice(0)) await one.stop();
});

async function listenOn(server: net.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as net.AddressInfo).port;
}

/** A server that does what a test says, and nothing else: it keeps packets and answers CONNECT with what it was given. */
export class Script {
  port = 0;
  readonly packets: AnyPacket[] = [];
  readonly #answer: Packet | undefined;
  readonly #sockets = new Set<net.Socket>();
  readonly #server: net.Server;
  #version: Version = 5;

  private constructor(answer: Packet | undefined) {
    this.#answer = answer;
    this.#server = net.createServer((socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => this.#sockets.delete(socket));
      const parser = mqttPacket.parser();
      parser.on("packet", (packet) => {
        this.packets.push(packet as AnyPacket);
        if (packet.cmd !== "connect") return;
        this.#version = (packet.protocolVersion as Version) ?? 5;
        if (this.#answer !== undefined) this.send(this.#answer);
      });
      socket.on("data", (bytes) => parser.parse(bytes));
    });
  }

  /** With no answer it says nothing. */
  static async start(answer?: Packet): Promise<Script> {
    const script = new Script(answer);
    open.push(script);
    script.port = await listenOn(script.#server);
    return script;
  }

  send(packet: Packet): void {
    for (const socket of this.#sockets) socket.write(encode(packet, this.#version));
  }

  async next(cmd: string): Promise<AnyPacket> {
    const find = (): number => this.packets.findIndex((packet) => packet.cmd === cmd);
    await until(() => find() >= 0, `${cmd} came`);
    return this.packets.splice(find(), 1)[0];
  }

  count(cmd: string): number {
    return this.packets.filter((packet) => packet.cmd === cmd).length;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** CONNACK, with Success unless it is told otherwise. */
export function connack(fields: Partial<IConnackPacket> = {}): Packet {
  return { cmd: "connack", sessionPresent: false, reasonCode: 0, returnCode: 0, ...fields } as IConnackPacket;
}
