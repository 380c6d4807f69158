// A server in the harness that says what a test wants, whether or not a broker should.

import type { Transport } from "../../src/ports";
import { type Core, Harness } from "./harness";
import type { MemoryTransportOptions } from "./memory-transport";
import { type Bytes, Framer } from "./packets";

const AREA = 4096;

/** Serves one connection at a time. */
export class ScriptedCore implements Core {
  /** Whole packets that came, of all connections. */
  readonly packets: Uint8Array[] = [];
  /** Connections so far. */
  connections = 0;
  /** The client ended the connection. */
  isClosed = false;
  /** Called for every whole packet. */
  onPacket: ((packet: Uint8Array) => void) | undefined;
  readonly #transport: Transport;
  readonly #memory = new Uint8Array(2 * AREA + 16);
  readonly #output = AREA + 16;
  #framer = new Framer();
  #unsent: number[] = [];
  #connection = 0;
  #isReady = false;

  constructor(transport: Transport) {
    this.#transport = transport;
    transport.attach(this.#memory.buffer, 0, AREA, this.#output, AREA);
  }

  opened(connection: number): void {
    this.#connection = connection;
    this.#framer = new Framer();
    this.#unsent = [];
    this.connections++;
    this.isClosed = false;
    this.#isReady = true;
  }

  ready(): void {
    this.#isReady = true;
  }

  closed(connection: number): void {
    this.isClosed = true;
    this.#transport.close(connection, 0);
    this.#connection = 0;
  }

  send(...packets: Bytes[]): void {
    for (const bytes of packets) this.#unsent.push(...bytes);
    this.#isReady = true;
  }

  /** The packets of a type. */
  of(type: number): Uint8Array[] {
    return this.packets.filter((packet) => packet[0] >> 4 === type);
  }

  step(): boolean {
    if (!this.#isReady || this.#connection === 0) return false;
    this.#isReady = false;
    const count = this.#transport.receive(this.#connection, AREA);
    if (count > 0) {
      this.#isReady = true;
      this.#framer.push(this.#memory.subarray(0, count));
      for (let packet = this.#framer.next(); packet !== undefined; packet = this.#framer.next()) {
        this.packets.push(packet);
        this.onPacket?.(packet);
      }
    }
    const fits = Math.min(this.#transport.writable(this.#connection), this.#unsent.length, AREA);
    if (fits > 0) {
      this.#memory.set(this.#unsent.splice(0, fits), this.#output);
      this.#transport.send(this.#connection, fits);
      this.#isReady = true;
    }
    return this.#isReady;
  }
}

export function startScripted(options: Partial<MemoryTransportOptions> = {}): Harness<ScriptedCore> {
  return new Harness({ connections: 2, ...options }, ({ transport }) => new ScriptedCore(transport));
}
