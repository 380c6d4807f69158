// A Transport over the host's TCP natives, as on the device: exact reads, one write per connection and step, and nothing
// allocated, not even for a connection. (On Moddable each connection costs what its TCP object takes.)
//
// A connection that the core closes lingers: what still arrives is read and discarded until the client closes too or the
// time is over, so that no reset overtakes what was sent last. The number is free at once.

import type { Broker } from "../../src/index";
import type { Transport } from "../../src/ports";
import { host } from "./host";

const CLOSED = -1;

export class TcpTransport implements Transport {
  readonly readAhead = false;
  private readonly connections: number;
  // By connection
  private readonly descriptors: Int32Array;
  /** Bit 1: the end was reported; bit 2: `writable` answered less than the output. */
  private readonly marks: Uint8Array;
  // Lingering descriptors, until when, in no order
  private readonly lingering: Int32Array;
  private readonly lingerUntil: Int32Array;
  private lingerCount = 0;
  private memory = new ArrayBuffer(0);
  private input = 0;
  private output = 0;
  private outputLength = 0;
  private readonly scratch = new ArrayBuffer(256);
  accepted = 0;

  constructor(connections: number) {
    this.connections = connections;
    this.descriptors = new Int32Array(connections + 1).fill(CLOSED);
    this.marks = new Uint8Array(connections + 1);
    this.lingering = new Int32Array(connections);
    this.lingerUntil = new Int32Array(connections);
  }

  /** Looks at every socket once and tells the broker. */
  poll(broker: Broker, listener: number): void {
    this.accept(broker, listener);
    for (let connection = 1; connection <= this.connections; connection++) {
      const descriptor = this.descriptors[connection];
      if (descriptor === CLOSED) continue;
      const waiting = host.tcpReadable(descriptor);
      if (waiting > 0) broker.ready(connection);
      else if (waiting < 0) this.tellClosed(broker, connection);
      if ((this.marks[connection] & 2) !== 0 && host.tcpWritable(descriptor) >= this.outputLength) {
        this.marks[connection] &= ~2;
        broker.ready(connection);
      }
    }
    this.linger();
  }

  private accept(broker: Broker, listener: number): void {
    for (let connection = 1; connection <= this.connections; connection++) {
      if (this.descriptors[connection] !== CLOSED) continue;
      const descriptor = host.tcpAccept(listener);
      if (descriptor < 0) return; // nobody waits; who finds no number waits in the kernel
      this.descriptors[connection] = descriptor;
      this.marks[connection] = 0;
      this.accepted++;
      broker.opened(connection, 0);
    }
  }

  private tellClosed(broker: Broker, connection: number): void {
    if ((this.marks[connection] & 1) !== 0) return;
    this.marks[connection] |= 1;
    broker.closed(connection);
  }

  private linger(): void {
    for (let row = 0; row < this.lingerCount; ) {
      const isOver = host.tcpRead(this.lingering[row], this.scratch, 0, 256) < 0;
      if (isOver || host.now() - this.lingerUntil[row] >= 0) this.forget(row);
      else row++;
    }
  }

  private forget(row: number): void {
    host.tcpClose(this.lingering[row]);
    this.lingerCount--;
    this.lingering[row] = this.lingering[this.lingerCount];
    this.lingerUntil[row] = this.lingerUntil[this.lingerCount];
  }

  attach(memory: ArrayBuffer, input: number, _inputLength: number, output: number, outputLength: number): void {
    this.memory = memory;
    this.input = input;
    this.output = output;
    this.outputLength = outputLength;
  }

  receive(connection: number, max: number): number {
    const count = host.tcpRead(this.descriptors[connection], this.memory, this.input, max);
    return count < 0 ? 0 : count; // the next poll sees the end
  }

  unreceive(): void {
    throw new Error("unreceive without readAhead");
  }

  writable(connection: number): number {
    const room = host.tcpWritable(this.descriptors[connection]);
    if (room < 0) return this.outputLength; // broken: it vanishes
    if (room < this.outputLength) this.marks[connection] |= 2;
    return room;
  }

  send(connection: number, count: number): void {
    host.tcpWrite(this.descriptors[connection], this.memory, this.output, count);
  }

  close(connection: number, discardMilliseconds: number): void {
    if (this.lingerCount === this.lingering.length) this.forget(0);
    host.tcpEnd(this.descriptors[connection]);
    this.lingering[this.lingerCount] = this.descriptors[connection];
    this.lingerUntil[this.lingerCount] = host.now() + discardMilliseconds;
    this.lingerCount++;
    this.descriptors[connection] = CLOSED;
  }
}
