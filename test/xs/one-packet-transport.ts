// A transport for benchmarks, which does what a device's does and nothing else.

import type { Transport } from "../../src/ports";
import { host } from "./host";
import type { Packet } from "./packet";

/** One packet at a time waits, for one connection; everything that is sent vanishes. */
export class OnePacketTransport implements Transport {
  private connection = 0;
  private at = 0;
  private end = 0;
  private buffer = new ArrayBuffer(0);
  private memory = new ArrayBuffer(0);
  private input = 0;
  readonly readAhead: boolean;
  sent = 0;

  constructor(readAhead: boolean) {
    this.readAhead = readAhead;
  }

  offer(connection: number, packet: Packet): void {
    this.connection = connection;
    this.buffer = packet.buffer;
    this.at = packet.at;
    this.end = packet.end;
  }

  attach(memory: ArrayBuffer, input: number): void {
    this.memory = memory;
    this.input = input;
  }

  receive(connection: number, max: number): number {
    if (connection !== this.connection) return 0;
    const waiting = this.end - this.at;
    const count = waiting < max ? waiting : max;
    if (count === 0) return 0;
    host.copy(this.buffer, this.at, this.memory, this.input, count);
    this.at += count;
    return count;
  }

  unreceive(_connection: number, count: number): void {
    this.at -= count;
  }

  writable(): number {
    return 8192;
  }

  send(_connection: number, count: number): void {
    this.sent += count;
  }

  close(): void {
    throw new Error("nothing here closes a connection");
  }
}
