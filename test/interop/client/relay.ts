// A way between a client and a server that ends when it is told: at a moment, after so many bytes, or at a certain packet.

import net from "node:net";
import { afterEach } from "vitest";
import { type Bytes, Framer } from "../../support/packets";

/** "up" is towards the server. */
export type Direction = "up" | "down";

/** What of the bytes passes, and whether the connection ends behind it. */
export interface Verdict {
  passed: Uint8Array;
  isCut: boolean;
}

/** Decides about the bytes of one connection. */
export type Gate = (bytes: Uint8Array, direction: Direction) => Verdict;

const running: Relay[] = [];

afterEach(async () => {
  for (const relay of running.splice(0)) await relay.stop();
});

export class Relay {
  port = 0;
  /** Connections so far. */
  connections = 0;
  /** Those of them that a gate ended. */
  cuts = 0;
  readonly #sockets = new Set<net.Socket>();
  readonly #server: net.Server;

  private constructor(to: number, openGate: () => Gate) {
    this.#server = net.createServer({ noDelay: true }, (near) => {
      this.connections++;
      const far = net.connect({ port: to, host: "127.0.0.1", noDelay: true });
      const gate = openGate();
      let isOver = false;
      const join = (from: net.Socket, into: net.Socket, direction: Direction): void => {
        this.#sockets.add(from);
        from.on("error", () => {});
        from.on("close", () => {
          this.#sockets.delete(from);
          if (!isOver) into.destroy();
        });
        from.on("data", (bytes: Buffer) => {
          if (isOver) return;
          const { passed, isCut } = gate(bytes, direction);
          if (!isCut) {
            into.write(passed);
            return;
          }
          isOver = true;
          this.cuts++;
          into.end(passed); // what passed arrives, then the end
          from.destroy();
        });
      };
      join(near, far, "up");
      join(far, near, "down");
    });
  }

  /** @param openGate makes the gate of each connection; without it everything passes. */
  static async start(to: number, openGate: () => Gate = () => open): Promise<Relay> {
    const relay = new Relay(to, openGate);
    running.push(relay);
    await new Promise<void>((resolve) => relay.#server.listen(0, "127.0.0.1", resolve));
    relay.port = (relay.#server.address() as net.AddressInfo).port;
    return relay;
  }

  /** Ends all connections now. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Ends all connections, and lets nobody in any more. */
  async stop(): Promise<void> {
    this.cut();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }

  /** After `stop`. */
  startAgain(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(this.port, "127.0.0.1", resolve));
  }
}

const open: Gate = (passed) => ({ passed, isCut: false });

/** Lets `most` bytes pass, of both directions together. */
export function byteGate(most: number): Gate {
  let left = most;
  return (bytes) => {
    const passed = bytes.subarray(0, left);
    left -= passed.length;
    return { passed, isCut: passed.length < bytes.length };
  };
}

export interface CutPoint {
  direction: Direction;
  /** Of the packet, as in its first byte. */
  type: number;
  /** The n-th packet of the type, from 1, over all connections. */
  nth: number;
  /** How much of the packet passes: nothing, a part, all. */
  when: "before" | "inside" | "after";
}

/** The gates of a relay that cuts once, at a certain packet. */
export function packetGates(point: CutPoint): () => Gate {
  let seen = 0;
  return () => {
    const framers = { up: new Framer(), down: new Framer() };
    return (bytes, direction) => {
      const framer = framers[direction];
      const passed: number[] = [];
      framer.push(bytes);
      for (let packet = framer.next(); packet !== undefined; packet = framer.next()) {
        if (direction === point.direction && packet[0] >> 4 === point.type && ++seen === point.nth) {
          passed.push(...part(packet, point.when));
          return { passed: Uint8Array.from(passed), isCut: true };
        }
        passed.push(...packet);
      }
      return { passed: Uint8Array.from(passed), isCut: false };
    };
  };
}

function part(packet: Uint8Array, when: CutPoint["when"]): Bytes {
  if (when === "before") return [];
  return [...(when === "after" ? packet : packet.subarray(0, packet.length >> 1))];
}
