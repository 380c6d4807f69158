// One accepted stream: what was read and not yet received by the core, and what the core sent and the socket has not
// yet taken. Plain bookkeeping; `transport.ts` decides when to read, write and close.

import type { Socket } from "node:net";
import { type BufferPool, LARGEST } from "./buffers";

export const enum State {
  /** The core's: it may receive and send. */
  Open,
  /** The core called `close`; what it sent is being flushed and the number is still taken. */
  Flushing,
  /** Flushed and ended, the number is free; what the peer still sends is discarded. */
  Discarding,
  /** The socket is destroyed. */
  Gone,
}

const EMPTY = Buffer.alloc(0);

export class Connection {
  readonly number: number;
  readonly listener: number;
  readonly socket: Socket;
  state = State.Open;

  /** Reading is stopped because the core does not take what is held. */
  paused = false;
  /** The core received everything that was held in this turn: what it gave back waits for more. */
  drained = false;
  /** The peer ended or broke the stream: nothing more will arrive. */
  ended = false;
  /** The socket failed: what is sent goes nowhere. */
  broken = false;
  /** The core was told `closed`. */
  toldClosed = false;
  /** The core was told there is little room and waits for `ready`. */
  refusedRoom = false;
  /** Already in the list of connections to look after at the end of this turn. */
  touched = false;
  /** While closing: when to give up, by `performance.now()`, and the patience that progress renews. */
  deadline = 0;
  patience = 0;

  /** Bytes sent by the core that the socket has not taken. */
  unsent = 0;
  readonly onWritten: () => void;

  readonly #pool: BufferPool;
  #held: Buffer = EMPTY;
  #heldStart = 0;
  #heldEnd = 0;
  #heldIsLent = false;
  #filling: Buffer | undefined;
  #filled = 0;
  /** Buffers the socket has, oldest first, and how many bytes of each were written. */
  readonly #writing: Buffer[] = [];
  readonly #writingBytes: number[] = [];
  #address: string | undefined;

  constructor(
    number: number,
    listener: number,
    socket: Socket,
    pool: BufferPool,
    onWritten: (connection: Connection) => void,
  ) {
    this.number = number;
    this.listener = listener;
    this.socket = socket;
    this.#pool = pool;
    this.onWritten = () => {
      const buffer = this.#writing.shift();
      if (buffer === undefined) return;
      this.unsent -= this.#writingBytes.shift() as number;
      this.#pool.giveBack(buffer);
      onWritten(this);
    };
  }

  /** Address and port of the peer; remembered once asked, because a closed socket no longer knows. */
  get address(): string {
    this.#address ??= peerAddress(this.socket);
    return this.#address;
  }

  get heldBytes(): number {
    return this.#heldEnd - this.#heldStart;
  }

  /** Holds bytes that were just read: a copy of them when their buffer is shared. */
  hold(bytes: Buffer, count: number, shared: boolean): void {
    const held = this.heldBytes;
    if (held === 0 && !shared) {
      this.dropHeld();
      this.#held = bytes;
      this.#heldEnd = count;
      return;
    }
    if (!this.#heldIsLent || this.#heldEnd + count > this.#held.length) this.#moveHeld(held + count);
    copy(bytes, 0, this.#held, this.#heldEnd, count);
    this.#heldEnd += count;
  }

  /** Copies up to `max` held bytes to `target`. */
  take(target: Uint8Array, at: number, max: number): number {
    const held = this.heldBytes;
    const count = held < max ? held : max;
    if (count === 0) return 0;
    copy(this.#held, this.#heldStart, target, at, count);
    this.#heldStart += count;
    return count;
  }

  /** The last `count` bytes taken are held again. */
  untake(count: number): void {
    this.#heldStart -= count;
  }

  /** Forgets what is held. */
  dropHeld(): void {
    if (this.#heldIsLent) this.#pool.giveBack(this.#held);
    this.#held = EMPTY;
    this.#heldIsLent = false;
    this.#heldStart = 0;
    this.#heldEnd = 0;
  }

  /** Adds bytes to what will be written at the end of the turn; a full buffer goes to the socket at once. */
  fill(source: Uint8Array, from: number, count: number): void {
    if (this.#filling === undefined) {
      this.#filling = this.#pool.lend(count);
      this.#filled = 0;
    } else if (this.#filled + count > this.#filling.length) {
      if (this.#filled + count > LARGEST) {
        this.write();
        this.#filling = this.#pool.lend(count);
        this.#filled = 0;
      } else {
        const larger = this.#pool.lend(this.#filled + count);
        copy(this.#filling, 0, larger, 0, this.#filled);
        this.#pool.giveBack(this.#filling);
        this.#filling = larger;
      }
    }
    copy(source, from, this.#filling, this.#filled, count);
    this.#filled += count;
    this.unsent += count;
  }

  /** Hands what was filled to the socket, which gives the buffer back through `onWritten`. */
  write(): void {
    const buffer = this.#filling;
    if (buffer === undefined) return;
    this.#filling = undefined;
    this.#writing.push(buffer);
    this.#writingBytes.push(this.#filled);
    this.socket.write(this.#filled === buffer.length ? buffer : buffer.subarray(0, this.#filled), this.onWritten);
  }

  /** Forgets what was not handed to the socket yet. */
  dropUnwritten(): void {
    if (this.#filling === undefined) return;
    this.#pool.giveBack(this.#filling);
    this.#filling = undefined;
    this.unsent -= this.#filled;
  }

  #moveHeld(size: number): void {
    const count = this.heldBytes;
    const lent = this.#pool.lend(size);
    copy(this.#held, this.#heldStart, lent, 0, count);
    this.dropHeld();
    this.#held = lent;
    this.#heldIsLent = true;
    this.#heldEnd = count;
  }
}

/** Address and port of a socket's peer; "" when it is gone. */
export function peerAddress({ remoteAddress, remotePort, remoteFamily }: Socket): string {
  if (remoteAddress === undefined) return "";
  return remoteFamily === "IPv6" ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`;
}

/** Below this many bytes a loop beats the view that `set` needs. */
const LOOP_BYTES = 48;

function copy(source: Uint8Array, from: number, target: Uint8Array, at: number, count: number): void {
  if (count <= LOOP_BYTES) {
    for (let i = 0; i < count; i += 1) target[at + i] = source[from + i];
  } else {
    target.set(source.subarray(from, from + count), at);
  }
}
