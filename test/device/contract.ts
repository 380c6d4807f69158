// The transport over Listener and TCP keeps the contract of every transport, on what the SDK's sockets do.

import Listener from "embedded:io/socket/listener";
import TCP from "embedded:io/socket/tcp";
import Time from "time";
import Timer from "timer";
import { SocketTransport } from "../../hosts/ecma419/transport";
import type { Broker } from "../../src/broker/broker";
import { type Peer, type Rig, type RigOptions, transportContract } from "../contract/contract";
import { Device } from "../support/moddable/device";
import { connect, type Peer as DevicePeer } from "../support/moddable/peer";

/** A client on a desktop; what its own TCP does not take waits here. */
class FarEnd implements Peer {
  readonly #peer: DevicePeer;
  #waiting = new Uint8Array(0);
  #came: Uint8Array[] = [];
  #ends = false;

  constructor(peer: DevicePeer) {
    this.#peer = peer;
  }

  write(bytes: Uint8Array): void {
    this.#waiting = new Uint8Array(Buffer.concat([this.#waiting, bytes]));
    this.push();
  }

  /** Its own TCP reads and writes. */
  push(): void {
    this.#came.push(this.#peer.take());
    const count = Math.min(this.#waiting.length, this.#peer.outbox.room);
    if (count > 0) this.#peer.send(this.#waiting, 0, count);
    this.#waiting = this.#waiting.subarray(count);
    if (this.#ends && this.#waiting.length === 0 && !this.#peer.ended) this.#peer.end();
  }

  get unwritten(): number {
    return this.#waiting.length + this.#peer.unsent;
  }

  read(): Uint8Array {
    this.#came.push(this.#peer.take());
    return new Uint8Array(Buffer.concat(this.#came.splice(0)));
  }

  stall(stalled: boolean): void {
    if (stalled) this.#peer.pause();
    else this.#peer.resume();
  }

  end(): void {
    this.#ends = true;
    this.push();
  }

  reset(): void {
    this.#peer.reset();
  }

  get sawEnd(): boolean {
    return this.#peer.deviceEnded;
  }

  get sawError(): boolean {
    return this.#peer.state === "reset";
  }
}

type Sockets = "lwip" | "lin";

const QUEUE_LENGTH = 64;
/** The buffers of the fakes' ends are 65,536 bytes at most, twice each way. */
const FLOOD_BYTES = 200_000;

async function makeRig({ connections, core }: RigOptions, sockets: Sockets): Promise<Rig> {
  const device = new Device({ sockets, queueLength: QUEUE_LENGTH, activeConnections: 24 });
  const modules = { TCP, Listener, Timer, Time };
  const queue = sockets === "lwip" ? { queueLength: QUEUE_LENGTH } : {};
  const transport = new SocketTransport({ ...modules, connections, sockets: connections + 8, ...queue });
  const peers: FarEnd[] = [];
  const pass = async (): Promise<void> => {
    for (const peer of peers) peer.push();
    device.run(20);
    transport.wake();
  };
  return {
    transport,
    connect: async () => {
      // The suite attaches the memory before the first connection.
      if (peers.length === 0) transport.start(core as Broker, 1883);
      const peer = connect(1883);
      device.settle();
      const end = new FarEnd(peer);
      peers.push(end);
      return end;
    },
    pass,
    rest: async () => {
      for (let i = 0; i < 50; i++) await pass();
    },
    dispose: async () => transport.stop(),
  };
}

/** Both ports of the SDK's sockets. On neither can anything be written after the peer's end: the SDK takes it for an error. */
export function deviceContract(): void {
  transportContract({
    name: "TCP and Listener on lwIP",
    readAhead: false,
    halfOpen: false,
    floodBytes: FLOOD_BYTES,
    makeRig: (options) => makeRig(options, "lwip"),
  });

  // On Linux the SDK forgets an end that it notices while bytes are unread.
  transportContract({
    name: "TCP and Listener on Linux",
    readAhead: false,
    halfOpen: false,
    tellsLateEnd: false,
    floodBytes: FLOOD_BYTES,
    makeRig: (options) => makeRig(options, "lin"),
  });
}
