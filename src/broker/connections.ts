// Network Connections. The number of a connection is chosen by the transport; its row is all zero while nobody has it.
// Columns are public: the handlers are its owners. Each is a base index into the view it is listed under.

import type { Layout } from "../memory/layout";

export const enum State {
  Free = 0,
  /** The stream is open, no CONNECT has been accepted. */
  Open = 1,
  /** The CONNECT was accepted. */
  Connected = 2,
}

/** What a connection is owed besides acknowledgements, which the session keeps. */
export const enum Owes {
  Connack = 1,
  /** SUBACK or UNSUBACK, complete. */
  FiltersAck = 2,
}

/** What the CONNACK that is owed says. */
export const enum ConnackFlag {
  SessionPresent = 1,
  AssignedClientIdentifier = 2,
  SessionExpiry = 4,
  ServerKeepAlive = 8,
}

export class Connections {
  readonly layout: Layout;
  /** Streams open, and those of them whose CONNECT was accepted. */
  openCount = 0;
  connectedCount = 0;
  // u8
  readonly state: number;
  readonly version: number;
  readonly holds: number;
  /** The peer has ended the stream; what it sent before still counts. */
  readonly isClosed: number;
  readonly owes: number;
  readonly connack: number;
  readonly pings: number;
  readonly listener: number;
  /** PacketType of the SUBACK or UNSUBACK in the making or owed; 0 for none. */
  readonly ackType: number;
  /** The `Limit` for which the PUBLISH at hand is read but not stored. */
  readonly refusedBy: number;
  /** The PUBLISH half sent has DUP. */
  readonly sendDup: number;
  // u16
  readonly keepAlive: number;
  readonly ackId: number;
  // u32
  readonly receivedAt: number;
  /** When the stream opened, or the packet at hand began. */
  readonly beganAt: number;
  readonly heldAt: number;
  readonly sendOffset: number;
  readonly sendExpiry: number;
  readonly ackCount: number;
  readonly ackOffset: number;
  // index
  readonly session: number;
  /** The PUBLISH that is complete and not yet admitted. */
  readonly incoming: number;
  readonly heldBy: number;
  readonly codesFirst: number;
  readonly codesLast: number;
  readonly codesPromise: number;
  /** The last subscription of the session before the SUBSCRIBE at hand. */
  readonly undoAfter: number;
  readonly #u8Columns: number;
  readonly #u32Columns: number;
  readonly #indexColumns: number;

  constructor(layout: Layout, count: number) {
    this.layout = layout;
    layout.table("connections", count);
    this.receivedAt = layout.u32Column();
    this.beganAt = layout.u32Column();
    this.heldAt = layout.u32Column();
    this.sendOffset = layout.u32Column();
    this.sendExpiry = layout.u32Column();
    this.ackCount = layout.u32Column();
    this.ackOffset = layout.u32Column();
    this.session = layout.indexColumn();
    this.incoming = layout.indexColumn();
    this.heldBy = layout.indexColumn();
    this.codesFirst = layout.indexColumn();
    this.codesLast = layout.indexColumn();
    this.codesPromise = layout.indexColumn();
    this.undoAfter = layout.indexColumn();
    this.keepAlive = layout.u16Column();
    this.ackId = layout.u16Column();
    this.state = layout.u8Column();
    this.version = layout.u8Column();
    this.holds = layout.u8Column();
    this.isClosed = layout.u8Column();
    this.owes = layout.u8Column();
    this.connack = layout.u8Column();
    this.pings = layout.u8Column();
    this.listener = layout.u8Column();
    this.ackType = layout.u8Column();
    this.refusedBy = layout.u8Column();
    this.sendDup = layout.u8Column();
    this.#u8Columns = this.version - this.state;
    this.#u32Columns = this.beganAt - this.receivedAt;
    this.#indexColumns = this.incoming - this.session;
  }

  /** Makes the row all zero. */
  clear(connection: number): void {
    const { u8, u16, u32, index } = this.layout;
    for (let at = this.state; at <= this.sendDup; at += this.#u8Columns) u8[at + connection] = 0;
    for (let at = this.receivedAt; at <= this.ackOffset; at += this.#u32Columns) u32[at + connection] = 0;
    for (let at = this.session; at <= this.undoAfter; at += this.#indexColumns) index[at + connection] = 0;
    u16[this.keepAlive + connection] = 0;
    u16[this.ackId + connection] = 0;
  }
}
