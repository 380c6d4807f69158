// The in-memory transport of the other tests keeps the contract, with and without reading ahead.

import { MemoryTransport } from "../support/memory-transport";
import { type Peer, type Rig, type RigOptions, transportContract } from "./contract";

class MemoryPeer implements Peer {
  #unwritten: Uint8Array[] = [];
  #ending = false;
  #came: Uint8Array[] = [];

  constructor(readonly stream: ReturnType<MemoryTransport["connect"]>) {}

  write(bytes: Uint8Array): void {
    this.#unwritten.push(bytes);
  }

  get unwritten(): number {
    return this.#unwritten.reduce((sum, bytes) => sum + bytes.length, 0);
  }

  read(): Uint8Array {
    const bytes = Uint8Array.from(Buffer.concat(this.#came));
    this.#came = [];
    return bytes;
  }

  stall(stalled: boolean): void {
    this.stream.stalled = stalled;
  }

  end(): void {
    this.#ending = true;
  }

  reset(): void {
    this.#unwritten = [];
    this.stream.reset();
  }

  get sawEnd(): boolean {
    return this.stream.serverClosed && this.stream.down.length === 0;
  }

  get sawError(): boolean {
    return this.stream.broken;
  }

  /** Moves bytes both ways; true when any moved. */
  pump(): boolean {
    let moved = false;
    const first = this.#unwritten[0];
    if (first !== undefined && !this.stream.ended && !this.stream.broken) {
      const count = this.stream.write(first);
      if (count > 0) moved = true;
      if (count === first.length) this.#unwritten.shift();
      else this.#unwritten[0] = first.subarray(count);
    } else if (this.#ending && !this.stream.ended) {
      this.stream.end();
      moved = true;
    }
    const came = this.stream.read();
    if (came.length > 0) {
      this.#came.push(came);
      moved = true;
    }
    return moved;
  }
}

async function memoryRig({ connections, core }: RigOptions, readAhead: boolean): Promise<Rig> {
  const transport = new MemoryTransport({ connections, readAhead, upBytes: 8192, downBytes: 8192 });
  transport.listen(core);
  const peers: MemoryPeer[] = [];
  const move = (): boolean => {
    let moved = transport.poll();
    if (core.step()) moved = true;
    for (const peer of peers) if (peer.pump()) moved = true;
    return moved;
  };
  return {
    transport,
    connect: async () => {
      const peer = new MemoryPeer(transport.connect());
      peers.push(peer);
      return peer;
    },
    pass: async () => {
      move();
    },
    rest: async () => {
      while (move()) {}
    },
    dispose: async () => {},
  };
}

for (const readAhead of [true, false]) {
  transportContract({
    name: readAhead ? "in memory" : "in memory, without reading ahead",
    readAhead,
    makeRig: (options) => memoryRig(options, readAhead),
  });
}
