// A server on a free port of the loopback that does what a test says, right or wrong.

import net from "node:net";
import { afterEach } from "vitest";
import { type Bytes, CONNECT, Framer, type Level, packet, properties } from "../../support/packets";

const running: ScriptedServer[] = [];

afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
});

/** One connection, at the server's end. */
export class Connection {
  /** Whole packets that came. */
  readonly packets: Uint8Array[] = [];
  isOver = false;
  /** Called for every whole packet. */
  onPacket: ((packet: Uint8Array) => void) | undefined;
  readonly socket: net.Socket;

  constructor(socket: net.Socket) {
    const framer = new Framer();
    this.socket = socket;
    socket.on("error", () => {});
    socket.on("close", () => {
      this.isOver = true;
    });
    socket.on("data", (bytes) => {
      framer.push(bytes);
      for (let packet = framer.next(); packet !== undefined; packet = framer.next()) {
        this.packets.push(packet);
        this.onPacket?.(packet);
      }
    });
  }

  send(...packets: Bytes[]): void {
    if (!this.isOver) this.socket.write(Uint8Array.from(packets.flat()));
  }

  /** The packets of a type, whole. */
  of(type: number): Uint8Array[] {
    return this.packets.filter((packet) => packet[0] >> 4 === type);
  }
}

export type Script = (connection: Connection, count: number) => void;

export class ScriptedServer {
  port = 0;
  readonly connections: Connection[] = [];
  readonly #server: net.Server;

  private constructor(script: Script) {
    this.#server = net.createServer({ noDelay: true }, (socket) => {
      const connection = new Connection(socket);
      this.connections.push(connection);
      script(connection, this.connections.length);
    });
  }

  /** @param script is run for each connection, with how many there have been. */
  static async start(script: Script): Promise<ScriptedServer> {
    const server = new ScriptedServer(script);
    running.push(server);
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    server.port = (server.#server.address() as net.AddressInfo).port;
    return server;
  }

  /** The latest connection. */
  get last(): Connection {
    return this.connections[this.connections.length - 1];
  }

  async stop(): Promise<void> {
    for (const { socket } of this.connections) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export function connack(level: Level, code = 0, isPresent = false, list: Bytes = []): number[] {
  return packet(2, 0, [isPresent ? 1 : 0, code], level === 5 ? properties(list) : []);
}

/** Answers CONNECT with these packets. */
export function afterConnect(...answers: Bytes[]): Script {
  return (connection) => {
    connection.onPacket = (packet) => {
      if (packet[0] >> 4 === CONNECT) connection.send(...answers);
    };
  };
}
