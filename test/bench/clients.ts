// MQTT clients that cost as little as Node.js allows: packets are built once and written from one buffer, what comes is
// counted where it lies in one read buffer for all, acknowledgements of a read go out in one write.

import net from "node:net";
import * as packets from "../support/packets";

const LEVEL = 4;
const readBuffer = Buffer.allocUnsafeSlow(262_144);

export interface Message {
  topic: string;
  payloadBytes: number;
  qos: 0 | 1 | 2;
}

/** A stream that is cut into packets. */
abstract class Client {
  readonly socket: net.Socket;
  protected failed: (error: Error) => void = (error) => {
    throw error;
  };
  #begun: Buffer = Buffer.alloc(0);

  constructor(port: number) {
    const onread = { buffer: readBuffer, callback: (count: number) => this.#read(count) };
    this.socket = net.connect({ port, host: "127.0.0.1", noDelay: true, onread });
    this.socket.on("error", (error) => this.failed(error));
    this.socket.on("close", () => this.failed(new Error("the broker closed a connection")));
  }

  /** Sends CONNECT and resolves at CONNACK. */
  async open(id: string): Promise<void> {
    await this.request(packets.connect({ level: LEVEL, id, keepAlive: 0 }), packets.CONNACK);
  }

  protected request(packet: packets.Bytes, answer: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.failed = reject;
      this.answered = (type) => (type === answer ? resolve() : reject(new Error(`packet of type ${type}`)));
      this.socket.write(Buffer.from(packet));
    });
  }

  close(): void {
    this.failed = () => {};
    this.socket.destroy();
  }

  /** Something other than PUBLISH and its acknowledgements came. */
  protected answered: (type: number) => void = () => {};

  /** A whole packet of `length` bytes. */
  protected abstract packet(bytes: Buffer, at: number, length: number): void;

  /** All packets of one read were given to `packet`. */
  protected abstract rested(): void;

  #read(count: number): boolean {
    let bytes: Buffer = readBuffer;
    let end = count;
    if (this.#begun.length > 0) {
      bytes = Buffer.concat([this.#begun, readBuffer.subarray(0, count)]);
      end = bytes.length;
    }
    let at = 0;
    for (;;) {
      const length = packetLength(bytes, at, end);
      if (length === 0 || at + length > end) break;
      const type = bytes[at] >>> 4;
      if (type >= packets.PUBLISH && type <= packets.PUBCOMP) this.packet(bytes, at, length);
      else this.answered(type);
      at += length;
    }
    this.#begun = at === end ? EMPTY : Buffer.from(bytes.subarray(at, end));
    this.rested();
    return true;
  }
}

const EMPTY = Buffer.alloc(0);

/** Bytes of the packet at `at`, 0 when that is not known yet. */
function packetLength(bytes: Buffer, at: number, end: number): number {
  let value = 0;
  for (let size = 1; size <= 4; size++) {
    if (at + size >= end) return 0;
    const byte = bytes[at + size];
    value |= (byte & 127) << (7 * (size - 1));
    if (byte < 128) return 1 + size + value;
  }
  throw new Error("Remaining Length of five bytes");
}

export class Subscriber extends Client {
  count = 0;
  onDelivered: () => void = () => {};
  #acks: Buffer = EMPTY;
  #acksLength = 0;

  async subscribe(filter: string, qos: number): Promise<void> {
    await this.request(packets.subscribe(LEVEL, 1, [[filter, qos]]), packets.SUBACK);
  }

  /** From here on failures are for `fail`. */
  start(fail: (error: Error) => void): void {
    this.failed = fail;
  }

  protected packet(bytes: Buffer, at: number, length: number): void {
    const header = bytes[at];
    if (header >>> 4 === packets.PUBLISH) {
      this.count++;
      const qos = (header >>> 1) & 3;
      if (qos === 0) return;
      const topicAt = at + (length < 130 ? 2 : length < 16387 ? 3 : 4);
      const idAt = topicAt + 2 + ((bytes[topicAt] << 8) | bytes[topicAt + 1]);
      this.#acknowledge(qos === 1 ? packets.PUBACK : packets.PUBREC, bytes[idAt], bytes[idAt + 1]);
    } else {
      this.#acknowledge(packets.PUBCOMP, bytes[at + 2], bytes[at + 3]); // it was PUBREL
    }
  }

  #acknowledge(type: number, high: number, low: number): void {
    if (this.#acksLength === this.#acks.length) this.#more();
    const acks = this.#acks;
    const at = this.#acksLength;
    acks[at] = type << 4;
    acks[at + 1] = 2;
    acks[at + 2] = high;
    acks[at + 3] = low;
    this.#acksLength = at + 4;
  }

  #more(): void {
    this.#flush();
    this.#acks = Buffer.allocUnsafeSlow(16_384);
  }

  #flush(): void {
    if (this.#acksLength === 0) return;
    this.socket.write(this.#acks.subarray(0, this.#acksLength));
    this.#acks = this.#acks.subarray(this.#acksLength); // what was written belongs to the socket
    this.#acksLength = 0;
  }

  protected rested(): void {
    this.#flush();
    this.onDelivered();
  }
}

export class Publisher extends Client {
  published = 0;
  /** Messages whose acknowledgement is complete. */
  acknowledged = 0;
  /** The socket has enough to write. */
  isBlocked = false;
  /** More may be published. */
  onReady: () => void = () => {};
  readonly #packetLength: number;
  readonly #window: number;
  readonly #packetsPerWrite: number;
  /** Packets with Packet Identifiers from 1 on, one behind the other; written again and again. */
  readonly #ring: Buffer;
  readonly #ringCount: number;
  readonly #releases: number[] = [];
  #next = 0;

  constructor(port: number, message: Message, window: number, packetsPerWrite: number) {
    super(port);
    const { topic, qos } = message;
    this.#window = window;
    this.#packetsPerWrite = packetsPerWrite;
    this.#ringCount = qos === 0 ? packetsPerWrite : window;
    const payload = new Array<number>(message.payloadBytes).fill(0x2a);
    const ring: Uint8Array[] = [];
    for (let id = 1; id <= this.#ringCount; id++) {
      ring.push(Uint8Array.from(packets.publish({ level: LEVEL, topic, payload, qos, id })));
    }
    this.#ring = Buffer.concat(ring);
    this.#packetLength = ring[0].length;
    this.socket.on("drain", () => {
      this.isBlocked = false;
      this.onReady();
    });
  }

  start(fail: (error: Error) => void): void {
    this.failed = fail;
  }

  /** Publishes what the window of unacknowledged messages allows. */
  fill(): void {
    let room = this.#window - (this.published - this.acknowledged);
    while (room > 0 && !this.isBlocked) {
      const count = Math.min(room, this.#packetsPerWrite, this.#ringCount - this.#next);
      this.publish(count);
      room -= count;
    }
  }

  /** One write of `count` packets, which must not pass the end of the ring. */
  publish(count: number): void {
    const from = this.#next * this.#packetLength;
    this.isBlocked = !this.socket.write(this.#ring.subarray(from, from + count * this.#packetLength));
    this.#next = (this.#next + count) % this.#ringCount;
    this.published += count;
  }

  protected packet(bytes: Buffer, at: number): void {
    switch (bytes[at] >>> 4) {
      case packets.PUBREC:
        this.#releases.push(bytes[at + 2], bytes[at + 3]);
        return;
      case packets.PUBACK:
      case packets.PUBCOMP:
        this.acknowledged++;
        return;
      default:
        this.failed(new Error(`packet ${bytes[at]} for a publisher`));
    }
  }

  protected rested(): void {
    const count = this.#releases.length / 2;
    if (count > 0) {
      const pubrels = Buffer.allocUnsafe(4 * count);
      for (let i = 0; i < count; i++) {
        pubrels[4 * i] = (packets.PUBREL << 4) | 2;
        pubrels[4 * i + 1] = 2;
        pubrels[4 * i + 2] = this.#releases[2 * i];
        pubrels[4 * i + 3] = this.#releases[2 * i + 1];
      }
      this.#releases.length = 0;
      this.socket.write(pubrels);
    }
    this.onReady();
  }
}

/** CONNECT, CONNACK, DISCONNECT; resolves at the end of the stream with the milliseconds to CONNACK. */
export function connectOnce(port: number, connect: Buffer, disconnect: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    let taken = Number.NaN;
    const socket = net.connect({ port, host: "127.0.0.1", noDelay: true }, () => socket.write(connect));
    socket.on("data", (bytes) => {
      if (bytes[0] !== packets.CONNACK << 4 || bytes[3] !== 0) reject(new Error("no CONNACK of success"));
      taken = performance.now() - began;
      socket.end(disconnect);
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(taken));
  });
}
