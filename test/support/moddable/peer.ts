// The other end of a TCP connection: what a client on a desktop would be.

import { Ring } from "../memory-transport";
import { type Device, device, type Party } from "./device";

/** Bytes that a peer's own TCP keeps, per direction. */
const PEER_BYTES = 65_536;
/** Not a literal where it is compared: on XS that would be a string each time. */
const CLOSED = "closed";

export type PeerState = "connecting" | "open" | "refused" | "timed out" | "reset" | "closed";

export class Peer {
  state: PeerState = "connecting";
  /** What the device has not taken yet: grows while its window is closed. */
  readonly outbox: Ring;
  /** What came and the application has not read; it reads at once unless paused. */
  readonly #arrived: Ring;
  readonly #read: Ring;
  /** The application wrote its last byte. */
  ended = false;
  /** The device closed in order: nothing follows what was received. */
  deviceEnded = false;
  /** It asked for a reset; the network has not carried it yet. */
  resets = false;
  paused = false;
  /** Its acknowledgements are on the way: what was sent is not free yet. */
  holdsAcknowledgements = false;
  /** Bytes of a segment at most: 1 splits everything. */
  segmentBytes = Number.POSITIVE_INFINITY;
  /** Closes its side when the device did. */
  closesInReturn = true;

  constructor(
    readonly address: string,
    readonly port: number,
    bytes = PEER_BYTES,
  ) {
    this.outbox = new Ring(bytes);
    this.#arrived = new Ring(bytes);
    this.#read = new Ring(bytes);
  }

  // ---- for the test

  /** Writes; the network carries it when the device's window allows. Allocates nothing. */
  send(bytes: Uint8Array | readonly number[], at = 0, count = bytes.length - at): void {
    if (this.ended) throw new Error("the peer has ended");
    if (count > this.outbox.room) throw new Error("the peer's buffer is full");
    this.outbox.put(bytes, at, count);
  }

  /** Bytes written that have not left, because the device does not read. */
  get unsent(): number {
    return this.outbox.length;
  }

  /** No more bytes follow; it still receives. */
  end(): void {
    this.ended = true;
  }

  /** The connection is gone, with all that was under way. */
  reset(): void {
    this.resets = true;
  }

  /** Stops reading, so that its window closes when its buffer is full. */
  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  /** Bytes that the application has read. */
  get received(): number {
    this.#readOn();
    return this.#read.length;
  }

  /** Takes what the application has read. */
  take(): Uint8Array {
    const bytes = new Uint8Array(this.received);
    this.#read.take(bytes, 0, bytes.length);
    return bytes;
  }

  /** The same into `target`, without an allocation. Returns how many. */
  takeInto(target: Uint8Array, at = 0): number {
    const count = Math.min(this.received, target.length - at);
    this.#read.take(target, at, count);
    return count;
  }

  // ---- for the device's end

  /** Bytes that it takes now. */
  get window(): number {
    this.#readOn();
    return this.#arrived.room;
  }

  accept(from: Ring, count: number): void {
    move(from, this.#arrived, count);
    this.#readOn();
  }

  /** A reset came: what its application has not read is lost. */
  wasReset(): void {
    if (this.state === CLOSED) return;
    this.state = "reset";
    this.#arrived.clear();
    this.outbox.clear();
  }

  #readOn(): void {
    if (this.paused) return;
    move(this.#arrived, this.#read, Math.min(this.#arrived.length, this.#read.room));
  }
}

const scratch = new Uint8Array(1);

export function move(from: Ring, to: Ring, count: number): void {
  for (let i = 0; i < count; i++) {
    from.take(scratch, 0, 1);
    to.put(scratch, 0, 1);
  }
}

/** Milliseconds to the first repetition of a SYN; each further one takes twice as long. */
const SYN_MILLISECONDS = 1000;
const SYN_ATTEMPTS = 6;

/** Where a device listens. */
export interface Door {
  readonly port: number;
  /** Whether there was a connection free for it. */
  knock(peer: Peer): boolean;
}

/** Carries a peer's connection requests until one succeeds. */
export class Caller implements Party {
  #attempts = 0;
  wakesAt: number;

  constructor(
    private readonly owner: Device,
    private readonly peer: Peer,
    private readonly doors: readonly Door[],
    private readonly port: number,
  ) {
    this.wakesAt = owner.now;
  }

  poll(): boolean {
    const { owner, peer } = this;
    if (owner.now < this.wakesAt) return false;
    const door = this.doors.find((door) => door.port === this.port);
    if (door === undefined) peer.state = "refused";
    else if (door.knock(peer)) peer.state = "open";
    else if (++this.#attempts > SYN_ATTEMPTS) peer.state = "timed out";
    else {
      this.wakesAt = owner.now + SYN_MILLISECONDS * 2 ** (this.#attempts - 1);
      return true;
    }
    owner.parties.splice(owner.parties.indexOf(this), 1);
    return true;
  }
}

let nextPort = 50_000;

/** A client connects to the device; what comes of it is in its `state` when the network has moved. */
export function connect(port: number, address = "192.168.4.2", bytes = PEER_BYTES): Peer {
  const owner = device();
  const peer = new Peer(address, nextPort++, bytes);
  owner.parties.push(new Caller(owner, peer, owner.doors, port));
  return peer;
}

/** Another machine listens: `accepted` gets each connection that the device opens to it. */
export function serve(address: string, port: number, accepted: (peer: Peer) => void): void {
  device().servers.set(`${address}:${port}`, accepted);
}
