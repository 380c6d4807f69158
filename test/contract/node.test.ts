// The transport of the Node.js host keeps the contract, on loopback: with one shared read buffer; with a chunk per read,
// where a runtime offers nothing else; and with no more than the least memory.

import net from "node:net";
import { expect, test } from "vitest";
import { shareReads } from "../../hosts/node/shared-reads";
import { NodeTransport, type TransportOptions } from "../../hosts/node/transport";
import { type Peer, type Rig, type RigOptions, transportContract } from "./contract";

class SocketPeer implements Peer {
  sawEnd = false;
  sawError = false;
  #came: Buffer[] = [];
  readonly #unwritten: Uint8Array[] = [];
  #ending = false;

  constructor(readonly socket: net.Socket) {
    socket.on("data", (chunk: Buffer) => this.#came.push(chunk));
    socket.on("end", () => {
      this.sawEnd = true;
    });
    socket.on("error", () => {
      this.sawError = true;
    });
  }

  /** In pieces, each when the one before was taken, so that `unwritten` is what the kernel did not take. */
  write(bytes: Uint8Array): void {
    const idle = this.#unwritten.length === 0;
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) this.#unwritten.push(bytes.subarray(at, at + PIECE_BYTES));
    if (idle) this.#writeNext();
  }

  get unwritten(): number {
    return this.#unwritten.reduce((sum, { length }) => sum + length, 0);
  }

  #writeNext(): void {
    if (this.socket.destroyed) return;
    if (this.#unwritten.length > 0) {
      this.socket.write(this.#unwritten[0], () => {
        this.#unwritten.shift();
        this.#writeNext();
      });
    } else if (this.#ending) this.socket.end();
  }

  read(): Uint8Array {
    const bytes = Uint8Array.from(Buffer.concat(this.#came));
    this.#came = [];
    return bytes;
  }

  stall(stalled: boolean): void {
    if (stalled) this.socket.pause();
    else this.socket.resume();
  }

  end(): void {
    this.#ending = true;
    if (this.#unwritten.length === 0) this.socket.end();
  }

  reset(): void {
    this.socket.resetAndDestroy();
  }
}

const PIECE_BYTES = 16_384;

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

interface NodeRig extends Rig {
  readonly transport: NodeTransport;
}

async function nodeRig({ connections, core }: RigOptions, options: TransportOptions): Promise<NodeRig> {
  const transport = new NodeTransport(connections, options);
  transport.start(core);
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
    if (transport.accept(socket, 0) === 0) socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  const peers: SocketPeer[] = [];
  return {
    transport,
    connect: () =>
      new Promise((resolve, reject) => {
        const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
        const peer = new SocketPeer(socket);
        peers.push(peer);
        socket.once("connect", () => resolve(peer));
        socket.once("error", reject);
      }),
    pass: () => new Promise((resolve) => setImmediate(resolve)),
    rest: async () => {
      const moved = (): number => peers.reduce((sum, { socket }) => sum + socket.bytesRead + socket.bytesWritten, 0);
      for (let before = -1; before !== moved(); ) {
        before = moved();
        await pause(30);
      }
    },
    dispose: async () => {
      for (const { socket } of peers) socket.destroy();
      transport.stop();
      await new Promise((resolve) => server.close(resolve));
      // Whatever happened, every buffer came home.
      await pause(5);
      expect(transport.lentBytes).toBe(0);
    },
  };
}

const variants: readonly { name: string; options: TransportOptions }[] = [
  { name: "node:net", options: { highWater: 65_536 } },
  { name: "node:net, a chunk per read", options: { sharedReads: false } },
  { name: "node:net, other connections having borrowed all", options: { lentBudget: 0 } },
];

for (const { name, options } of variants) {
  transportContract({ name, readAhead: true, makeRig: (rig) => nodeRig(rig, options) });
}

test("this Node.js lets accepted sockets share a read buffer", async () => {
  const server = net.createServer({ pauseOnConnect: true });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  const accepted = new Promise<net.Socket>((resolve) => server.once("connection", resolve));
  const client = net.connect(port, "127.0.0.1");
  const socket = await accepted;
  const buffer = new Uint8Array(100);
  const received = new Promise<number>((resolve) => {
    expect(
      shareReads(socket, buffer, (count) => {
        resolve(count);
        return true;
      }),
    ).toBe(true);
  });
  socket.resume();
  client.write("hello");
  expect(await received).toBe(5);
  expect(Buffer.from(buffer.subarray(0, 5)).toString()).toBe("hello");
  client.destroy();
  socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});
