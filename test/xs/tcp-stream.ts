// The one stream of a client over the host's TCP natives, as on the device, and nothing allocated for it. What the client
// has closed lingers, so that no reset overtakes what was sent last: the server is read until it closes too, for a second.

import { type Client, ClientState } from "../../src/client/client";
import type { Dialer } from "../../src/client/ports";
import type { Transport } from "../../src/ports";
import { host } from "./host";

const CLOSED = -1;
const LINGER_MILLISECONDS = 1000;

export class TcpStream implements Transport, Dialer {
  readonly readAhead = false;
  private readonly port: number;
  private descriptor = CLOSED;
  /** The end was told. */
  private isOver = false;
  /** `writable` answered less than the output. */
  private isWanting = false;
  private lingering = CLOSED;
  private lingerUntil = 0;
  private memory = new ArrayBuffer(0);
  private input = 0;
  private output = 0;
  private outputLength = 0;
  private readonly scratch = new ArrayBuffer(64);

  /** To a port of the loopback. */
  constructor(port: number) {
    this.port = port;
  }

  /** Looks at the socket and tells the client. */
  poll(client: Client): void {
    this.linger();
    const { descriptor } = this;
    if (descriptor === CLOSED) {
      if (client.state === ClientState.Dialing) client.closed(); // it failed at once
      return;
    }
    const room = host.tcpWritable(descriptor);
    if (client.state === ClientState.Dialing) {
      if (room > 0) client.opened();
      else if (room < 0) this.tellClosed(client);
      return;
    }
    const waiting = host.tcpReadable(descriptor);
    if (waiting > 0) client.ready();
    else if (waiting < 0 || room < 0) this.tellClosed(client);
    if (this.isWanting && room >= this.outputLength) {
      this.isWanting = false;
      client.ready();
    }
  }

  private tellClosed(client: Client): void {
    if (this.isOver) return;
    this.isOver = true;
    client.closed();
  }

  private linger(): void {
    if (this.lingering === CLOSED) return;
    const isOver = host.tcpRead(this.lingering, this.scratch, 0, 64) < 0;
    if (!isOver && host.now() - this.lingerUntil < 0) return;
    host.tcpClose(this.lingering);
    this.lingering = CLOSED;
  }

  dial(): void {
    this.isOver = false;
    this.isWanting = false;
    this.descriptor = host.tcpConnect(this.port);
  }

  attach(memory: ArrayBuffer, input: number, _inputLength: number, output: number, outputLength: number): void {
    this.memory = memory;
    this.input = input;
    this.output = output;
    this.outputLength = outputLength;
  }

  receive(_connection: number, max: number): number {
    const count = host.tcpRead(this.descriptor, this.memory, this.input, max);
    return count < 0 ? 0 : count; // the next poll sees the end
  }

  unreceive(): void {
    throw new Error("a client keeps what it does not use yet in its input");
  }

  writable(): number {
    const room = host.tcpWritable(this.descriptor);
    if (room < 0) return this.outputLength; // broken: it vanishes
    if (room < this.outputLength) this.isWanting = true;
    return room;
  }

  send(_connection: number, count: number): void {
    host.tcpWrite(this.descriptor, this.memory, this.output, count);
  }

  close(): void {
    if (this.descriptor === CLOSED) return;
    if (this.lingering !== CLOSED) host.tcpClose(this.lingering);
    host.tcpEnd(this.descriptor);
    this.lingering = this.descriptor;
    this.lingerUntil = host.now() + LINGER_MILLISECONDS;
    this.descriptor = CLOSED;
  }
}
