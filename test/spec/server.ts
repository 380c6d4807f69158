// What a statement's test needs of a server, however it is reached: in memory with a virtual clock, or over TCP.

import net from "node:net";
import { presets } from "../../src/memory/limits";
import { type Core, Harness, type TestClient } from "../support/harness";
import type { MemoryTransport } from "../support/memory-transport";
import { type Bytes, Framer, toHex } from "../support/packets";

/** One stream to the server, the client's side. */
export interface Peer {
  send(...packets: Bytes[]): Promise<void>;
  /** The next packet; an error when none comes. */
  next(): Promise<Uint8Array>;
  /** The next packet, or nothing once the server has closed the stream; an error when neither comes. */
  nextOrClosed(): Promise<Uint8Array | undefined>;
  /** No more bytes from this side. */
  end(): Promise<void>;
  /** Breaks the stream. */
  reset(): Promise<void>;
  /** While true, nothing is read. */
  stall(value: boolean): Promise<void>;
}

export interface Server {
  open(): Promise<Peer>;
  /** Time passes. */
  advance(milliseconds: number): Promise<void>;
  /** The server's timers may be this late, ms. */
  readonly slack: number;
  /** Whether time is virtual, so that hours cost nothing and the clock can step back. */
  readonly virtual: boolean;
  /** Whether it says with a DISCONNECT why it closes, which the standard recommends and this project's broker does. */
  readonly explains: boolean;
  close(): Promise<void>;
}

/** A server on the in-memory transport. */
export class MemoryServer<C extends Core> implements Server {
  readonly slack = 300;
  readonly virtual = true;
  readonly explains = true;
  constructor(readonly harness: Harness<C>) {}

  async open(): Promise<Peer> {
    return new MemoryPeer(this.harness.client());
  }

  async advance(milliseconds: number): Promise<void> {
    if (milliseconds < 0) this.harness.clock.milliseconds += milliseconds;
    else this.harness.advance(milliseconds);
  }

  async close(): Promise<void> {}
}

class MemoryPeer implements Peer {
  constructor(private readonly client: TestClient) {}

  async send(...packets: Bytes[]): Promise<void> {
    this.client.send(...packets);
  }

  async next(): Promise<Uint8Array> {
    const packet = this.client.next();
    if (packet === undefined) throw new Error(this.client.closed ? "closed instead of a packet" : "no packet came");
    return packet;
  }

  async nextOrClosed(): Promise<Uint8Array | undefined> {
    const packet = this.client.next();
    if (packet === undefined && !this.client.closed) throw new Error("neither a packet nor a close came");
    return packet;
  }

  async end(): Promise<void> {
    this.client.end();
  }

  async reset(): Promise<void> {
    this.client.reset();
  }

  async stall(value: boolean): Promise<void> {
    this.client.stalled = value;
  }
}

/** How long an answer over TCP may take, ms. */
const PATIENCE = 2500;

/** A server that listens on TCP; it was started for one test and is stopped by whoever started it. */
export class TcpServer implements Server {
  readonly slack = 2500;
  readonly virtual = false;
  private readonly sockets: net.Socket[] = [];

  constructor(
    readonly port: number,
    readonly explains = true,
    readonly host = "127.0.0.1",
  ) {}

  async open(): Promise<Peer> {
    const socket = net.connect({ port: this.port, host: this.host, noDelay: true, allowHalfOpen: true });
    this.sockets.push(socket);
    const peer = new TcpPeer(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return peer;
  }

  advance(milliseconds: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, milliseconds));
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
  }
}

class TcpPeer implements Peer {
  private readonly framer = new Framer();
  private over = false;
  private wake: (() => void) | undefined;

  constructor(private readonly socket: net.Socket) {
    socket.on("data", (bytes) => {
      this.framer.push(bytes);
      this.wake?.();
    });
    const end = (): void => {
      this.over = true;
      this.wake?.();
    };
    socket.on("end", end);
    socket.on("error", end);
    socket.on("close", end);
  }

  async send(...packets: Bytes[]): Promise<void> {
    if (!this.over) this.socket.write(Uint8Array.from(packets.flat()));
  }

  async next(): Promise<Uint8Array> {
    const packet = await this.nextOrClosed();
    if (packet === undefined) throw new Error("closed instead of a packet");
    return packet;
  }

  async nextOrClosed(): Promise<Uint8Array | undefined> {
    const until = Date.now() + PATIENCE;
    for (;;) {
      const packet = this.framer.next();
      if (packet !== undefined) return packet;
      if (this.over) return undefined;
      const left = until - Date.now();
      if (left <= 0) throw new Error("neither a packet nor a close came");
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  async end(): Promise<void> {
    this.socket.end();
  }

  async reset(): Promise<void> {
    this.socket.resetAndDestroy();
    // Nothing tells when the server has noticed.
    await new Promise((resolve) => setTimeout(resolve, 100));
  }

  async stall(value: boolean): Promise<void> {
    if (value) this.socket.pause();
    else this.socket.resume();
  }
}

/** Stands in for a server: it closes every stream at once, or reads it and never answers. */
class Dummy implements Core {
  private readonly open = new Set<number>();
  private readonly work = new Set<number>();

  constructor(
    private readonly transport: MemoryTransport,
    private readonly closes: boolean,
  ) {
    transport.attach(new ArrayBuffer(512), 0, 256, 256, 256);
  }

  opened(connection: number): void {
    this.open.add(connection);
    this.work.add(connection);
  }

  ready(connection: number): void {
    this.work.add(connection);
  }

  closed(connection: number): void {
    this.transport.close(connection, 0);
    this.open.delete(connection);
  }

  step(): boolean {
    for (const connection of this.work) {
      this.work.delete(connection);
      if (!this.open.has(connection)) continue;
      if (this.closes) {
        this.transport.close(connection, 0);
        this.open.delete(connection);
      } else while (this.transport.receive(connection, 256) > 0);
    }
    return false;
  }
}

export type DummyKind = "only closes" | "only accepts";

export function dummyServer(kind: DummyKind): Server {
  return new MemoryServer(
    new Harness(
      { connections: presets.esp32.connections },
      (ports) => new Dummy(ports.transport as MemoryTransport, kind === "only closes"),
    ),
  );
}

export { toHex };
