// lwIP's side of a connection: its protocol control block, as far as JavaScript can see what it does.
//
// What the SDK's sources do not show is lwIP's own behaviour, from its raw API: a callback that returns an error leaves
// the data with lwIP, which offers it again within 250 ms; an end of stream refused so is forgotten; closing with data
// unread, or data arriving after a close, is answered with a reset.

import { Ring } from "../memory-transport";
import { Crash, type Device, type Party } from "./device";
import { move, type Peer } from "./peer";

/** Milliseconds after which refused data is offered again (TCP_TMR_INTERVAL). */
export const FAST_TIMER = 250;
/** Milliseconds that a closed connection waits for its peer to close too (TCP_FIN_WAIT_TIMEOUT). */
const FIN_WAIT = 20_000;

/** The callbacks of the SDK's C code. */
export interface Callbacks {
  connected(error: boolean): void;
  /** False: not now (ERR_MEM). */
  received(pcb: Pcb, count: number): boolean;
  ended(): void;
  sent(): void;
  failed(): void;
}

// No strings here: on XS each evaluation of one would be an allocation, and programs count theirs.
export const enum PcbState {
  Connecting = 0,
  Open = 1,
  Closing = 2,
  Free = 3,
}

export class Pcb implements Party {
  state: PcbState = PcbState.Open;
  /** Who is called; each can be taken away on its own. */
  onReceive: Callbacks | null = null;
  onSent: Callbacks | null = null;
  onFail: Callbacks | null = null;
  nodelay = false;
  wakesAt = Number.POSITIVE_INFINITY;
  /** Received and not yet read, in the order of arrival: the callbacks take from here. */
  readonly input: Ring;
  /** Bytes of the window that were used. */
  #unread = 0;
  #refused = 0;
  #endTold = false;
  /** Written, not sent; sent, not acknowledged. */
  readonly #unsent: Ring;
  #unacknowledged = 0;
  /** Buffers of what was written and not acknowledged: lwIP counts them too (TCP_SND_QUEUELEN). */
  #segments = 0;
  #tail = 0;
  #mayOutput = false;
  readonly #sendQueueLength: number;

  constructor(
    readonly owner: Device,
    readonly peer: Peer,
    readonly localPort: number,
  ) {
    const { windowBytes, sendBytes, segmentBytes } = owner.options;
    this.input = new Ring(windowBytes);
    this.#unsent = new Ring(sendBytes);
    this.#sendQueueLength = Math.floor((4 * sendBytes + segmentBytes - 1) / segmentBytes);
    owner.parties.push(this);
  }

  // ---- what the SDK calls

  /** Bytes that a write takes: tcp_sndbuf. */
  get sendRoom(): number {
    return this.#unsent.room - this.#unacknowledged;
  }

  /** tcp_write with a copy. False: too many buffers. */
  write(bytes: Uint8Array): boolean {
    this.owner.askNetwork();
    const { segmentBytes } = this.owner.options;
    const beyondTail = bytes.length - (this.#tail > 0 ? segmentBytes - this.#tail : 0);
    const added = beyondTail > 0 ? Math.ceil(beyondTail / segmentBytes) : 0;
    if (this.#segments + added > this.#sendQueueLength) return false;
    this.#segments += added;
    this.#tail = beyondTail > 0 ? beyondTail % segmentBytes : this.#tail + bytes.length;
    this.#unsent.put(bytes, 0, bytes.length);
    return true;
  }

  /** tcp_output. */
  output(): void {
    this.owner.askNetwork();
    this.#mayOutput = true;
    this.#send();
  }

  /** tcp_recved: so many bytes of the window are free again. */
  reopen(count: number): void {
    this.#unread -= count;
  }

  /** tcp_close: what was written still goes out, unless something received was not read. */
  close(): void {
    this.owner.askNetwork();
    this.onReceive = this.onSent = this.onFail = null;
    if (this.state === PcbState.Free) {
      this.owner.hazards.push("a connection was closed that lwIP had freed already");
      return;
    }
    if (this.#unread > 0 || this.#refused > 0) return this.#abort();
    this.state = PcbState.Closing;
    this.#mayOutput = true;
    this.wakesAt = this.owner.now + FIN_WAIT;
  }

  get remoteAddress(): string {
    if (this.state === PcbState.Free) this.owner.fail(new Crash("the address of a connection that lwIP has freed"));
    return this.peer.address;
  }

  // ---- the network

  poll(): boolean {
    if (this.state === PcbState.Free) return false;
    if (this.peer.resets) {
      this.#wasReset();
      return true;
    }
    if (this.state === PcbState.Connecting) return this.#connect();
    if (this.state === PcbState.Closing) return this.#pollClosing();
    let moved = this.#offerRefused();
    while (!this.owner.isBlocked && this.#refused === 0 && this.#receive()) moved = true;
    if (this.#end()) moved = true;
    if (this.#send()) moved = true;
    return this.#acknowledge() || moved;
  }

  #connect(): boolean {
    const { peer, owner } = this;
    const accepted = owner.servers.get(`${peer.address}:${peer.port}`);
    if (accepted === undefined) {
      peer.state = "refused";
      this.#wasReset();
      return true;
    }
    this.state = PcbState.Open;
    peer.state = "open";
    accepted(peer);
    this.onReceive?.connected(false);
    return true;
  }

  /** One segment from the peer. */
  #receive(): boolean {
    const { peer, owner } = this;
    const room = owner.options.windowBytes - this.#unread;
    const count = Math.min(peer.outbox.length, room, owner.options.segmentBytes, peer.segmentBytes);
    if (count === 0) return false;
    move(peer.outbox, this.input, count);
    this.#unread += count;
    this.#mayOutput = true; // lwIP looks for something to send after each segment that came
    if (this.onReceive !== null && !this.onReceive.received(this, count)) {
      this.#refused = count;
      this.wakesAt = owner.now + FAST_TIMER;
    }
    return true;
  }

  #offerRefused(): boolean {
    if (this.#refused === 0 || this.owner.now < this.wakesAt || this.owner.isBlocked) return false;
    const count = this.#refused;
    if (this.onReceive !== null && !this.onReceive.received(this, count)) {
      this.wakesAt = this.owner.now + FAST_TIMER;
      return false;
    }
    this.#refused = 0;
    this.wakesAt = Number.POSITIVE_INFINITY;
    return true;
  }

  #end(): boolean {
    const { peer } = this;
    if (this.#endTold || !peer.ended || peer.outbox.length > 0 || this.owner.isBlocked) return false;
    if (this.#refused > 0) return false; // it follows the refused data
    this.#endTold = true;
    this.#mayOutput = true;
    if (this.onReceive === null) return true;
    this.onReceive.ended();
    return true;
  }

  /** The end came before anybody listened: lwIP does not tell it again. */
  forgetEnd(): void {
    this.owner.hazards.push("the end of a connection not yet accepted was forgotten");
  }

  #send(): boolean {
    if (!this.#mayOutput || this.state === PcbState.Free) return false;
    const { peer } = this;
    let moved = false;
    while (this.#unsent.length > 0) {
      const { segmentBytes } = this.owner.options;
      const isPartial = this.#unsent.length < segmentBytes;
      if (isPartial && !this.nodelay && this.#unacknowledged > 0 && this.sendRoom > 0) break; // Nagle
      const count = Math.min(this.#unsent.length, segmentBytes, peer.window);
      if (count === 0) break;
      peer.accept(this.#unsent, count);
      this.#unacknowledged += count;
      moved = true;
    }
    if (this.#unsent.length === 0) {
      this.#mayOutput = this.state === PcbState.Closing;
      this.#tail = 0;
    }
    return moved;
  }

  /** The peer has acknowledged what reached it. */
  #acknowledge(): boolean {
    if (this.#unacknowledged === 0 || this.peer.holdsAcknowledgements || this.owner.isBlocked) return false;
    this.#unacknowledged = 0;
    this.#segments = Math.ceil(this.#unsent.length / this.owner.options.segmentBytes);
    this.onSent?.sent();
    return true;
  }

  #pollClosing(): boolean {
    const { peer, owner } = this;
    if (peer.outbox.length > 0) {
      // Data for a connection that was closed
      this.#abort();
      return true;
    }
    let moved = this.#send();
    if (this.#acknowledge()) moved = true;
    if (this.#unsent.length > 0) return moved;
    if (!peer.deviceEnded) {
      peer.deviceEnded = moved = true;
      if (peer.closesInReturn) peer.ended = true;
    }
    if (!peer.ended && owner.now < this.wakesAt) return moved;
    peer.state = "closed";
    this.#free();
    return true;
  }

  #abort(): void {
    this.peer.wasReset();
    this.#free();
  }

  #wasReset(): void {
    this.peer.wasReset();
    this.#free();
    const { onFail } = this;
    this.onReceive = this.onSent = this.onFail = null;
    onFail?.failed();
  }

  #free(): void {
    this.state = PcbState.Free;
    const { parties } = this.owner;
    const index = parties.indexOf(this);
    if (index !== -1) parties.splice(index, 1);
  }
}

/** Connections that lwIP has, those being closed included. */
export function activeConnections(of: Device): number {
  return of.parties.filter((party) => party instanceof Pcb).length;
}
