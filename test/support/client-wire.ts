// A client's core against the broker's, over the in-memory transport and one clock that only tests move. The stream can
// be cut after any number of bytes in either direction.

import { Client } from "../../src/client/client";
import type { ClientLimits } from "../../src/client/limits";
import type { ClientEvents, ClientPorts, Dialer } from "../../src/client/ports";
import type { Transport } from "../../src/ports";
import type { Core, Harness } from "./harness";
import type { MemoryStream } from "./memory-transport";
import { Random } from "./random";

export interface WireOptions {
  /** What the client's random source says first: it decides the first Packet Identifier. */
  firstDraw?: number;
  readAhead?: boolean;
  /** Bytes that may pass before the stream breaks, by direction; for the first connection only. */
  cutUp?: number;
  cutDown?: number;
}

/** What a stream needs of the client behind it. */
export type WireClient = Pick<Client, "state" | "opened" | "ready" | "closed" | "step">;

/** The client's end of its stream, as a host would be. */
export class Wire implements Transport, Dialer {
  readonly readAhead: boolean;
  stream: MemoryStream | undefined;
  /** Streams opened so far. */
  dialed = 0;
  client: WireClient | undefined;
  /** What the client did so far: bytes it sent or received, streams it opened or closed. */
  actions = 0;
  /** Bytes that come over the next stream before it breaks. */
  cutNext = Number.POSITIVE_INFINITY;
  /** While true, no stream can be opened. */
  isDown = false;
  private memory = new Uint8Array(0);
  private input = 0;
  private output = 0;
  private outputLength = 0;
  private up: number;
  private down: number;
  /** What `writable` answered last, when it was less than asked for. */
  private short = Number.POSITIVE_INFINITY;

  constructor(
    private readonly harness: Harness<Core>,
    options: WireOptions = {},
  ) {
    this.readAhead = options.readAhead ?? true;
    this.up = options.cutUp ?? Number.POSITIVE_INFINITY;
    this.down = options.cutDown ?? Number.POSITIVE_INFINITY;
  }

  attach(memory: ArrayBuffer, input: number, _inputLength: number, output: number, outputLength: number): void {
    this.memory = new Uint8Array(memory);
    this.input = input;
    this.output = output;
    this.outputLength = outputLength;
  }

  dial(): void {
    this.actions++;
    this.dialed++;
    if (this.isDown) return;
    this.stream = this.harness.transport.connect();
    if (this.dialed > 1) {
      this.up = Number.POSITIVE_INFINITY;
      this.down = this.cutNext;
      this.cutNext = Number.POSITIVE_INFINITY;
    }
  }

  receive(_connection: number, max: number): number {
    if (this.stream === undefined) return 0;
    const count = this.stream.readInto(this.memory, this.input, Math.min(max, this.down));
    this.down -= count;
    this.actions += count;
    return count;
  }

  unreceive(): void {
    throw new Error("a client has room of its own for what it does not use yet");
  }

  writable(): number {
    if (this.stream === undefined) return 0;
    const { room } = this.stream.up;
    this.short = room < this.outputLength ? room : Number.POSITIVE_INFINITY;
    return Math.min(this.outputLength, room);
  }

  send(_connection: number, count: number): void {
    if (this.stream === undefined) throw new Error("send without a stream");
    const fits = Math.min(count, this.up);
    const wrote = this.stream.write(this.memory, this.output, fits);
    if (wrote !== fits) throw new Error(`send: ${count} bytes, ${wrote} were writable`);
    this.up -= fits;
    this.actions += fits;
    this.short -= fits;
  }

  close(): void {
    this.actions++;
    if (this.stream !== undefined && !this.stream.ended) this.stream.end();
    this.stream = undefined;
  }

  /** Tells the client what happened; true when anything did. */
  poll(): boolean {
    const { client, stream } = this;
    if (client === undefined || stream === undefined) return false;
    if (stream.connection !== 0 && client.state === 2) {
      client.opened();
      return true;
    }
    if (this.up <= 0 || this.down <= 0) {
      stream.reset();
      this.stream = undefined;
      client.closed();
      return true;
    }
    if (stream.serverClosed && stream.down.length === 0) {
      this.stream = undefined;
      client.closed();
      return true;
    }
    if (stream.down.length > 0 && !stream.stalled) client.ready();
    if (stream.up.room > this.short) {
      this.short = Number.POSITIVE_INFINITY;
      client.ready();
      return true;
    }
    return false;
  }
}

/** Records what the client tells. */
export class Recorder implements ClientEvents {
  readonly said: string[] = [];
  readonly messages: string[] = [];
  /** How much payload it takes at once. */
  most = Number.POSITIVE_INFINITY;
  client: Client | undefined;
  writable: ((count: number) => void) | undefined;
  private payloadText = "";

  connected(sessionPresent: boolean): void {
    this.said.push(`connected ${sessionPresent}`);
  }
  disconnected(reason: number): void {
    this.said.push(`disconnected 0x${reason.toString(16)}`);
  }
  published(message: number, reasonCode: number): void {
    this.said.push(`published ${message} 0x${reasonCode.toString(16)}`);
  }
  subscribed(subscription: number, reasonCode: number): void {
    this.said.push(`subscribed ${subscription} 0x${reasonCode.toString(16)}`);
  }
  unsubscribed(subscription: number, reasonCode: number): void {
    this.said.push(`unsubscribed ${subscription} 0x${reasonCode.toString(16)}`);
  }
  message(): void {
    this.payloadText = "";
  }
  payload(at: number, count: number): number {
    const taken = Math.min(count, this.most);
    this.payloadText += Buffer.from(this.client!.layout.u8.buffer as ArrayBuffer, at, taken).toString("latin1");
    return taken;
  }
  messageEnd(): void {
    const { message, layout } = this.client!;
    const topic = Buffer.from(layout.u8.buffer as ArrayBuffer, message.topicAt, message.topicLength).toString();
    this.messages.push(`${topic} ${this.payloadText} q${message.qos}${message.retain ? " r" : ""}`);
  }
  messageLost(): void {
    this.said.push("message lost");
  }
}

export interface Peer<C = Client> {
  harness: Harness<Core>;
  client: C;
  wire: Wire;
  events: Recorder;
  /** Lets both work until nothing waits. */
  settle(): void;
  /** Time passes. */
  advance(milliseconds: number): void;
}

/** A client that talks to what the harness runs. */
export function startClient(harness: Harness<Core>, limits: ClientLimits, options: WireOptions = {}): Peer {
  const events = new Recorder();
  const peer = wireClient(harness, events, options, (ports) => new Client(limits, ports, events));
  events.client = peer.client;
  return peer;
}

/** What `make` returns, on a stream to what the harness runs. */
export function wireClient<C extends WireClient, E extends Recorder>(
  harness: Harness<Core>,
  events: E,
  options: WireOptions,
  make: (ports: ClientPorts) => C,
): Peer<C> & { events: E } {
  const wire = new Wire(harness, options);
  const random = new Random(1);
  let drawn = options.firstDraw ?? 0; // Packet Identifiers from 1 on
  const next = (): number => {
    const draw = drawn;
    drawn = random.below(2 ** 31);
    return draw;
  };
  const ports = { transport: wire, dialer: wire, clock: harness.clock, random: { next } };
  const client = make(ports);
  wire.client = client;
  const settle = (): void => {
    for (let i = 0; i < 100_000; i++) {
      const before = wire.actions;
      harness.settle();
      const told = wire.poll();
      if (!client.step() && !told && wire.actions === before) return;
    }
    throw new Error("the client does not come to rest");
  };
  const advance = (milliseconds: number): void => {
    for (let left = milliseconds; left > 0; left -= 50) {
      harness.clock.milliseconds += Math.min(50, left);
      settle();
    }
  };
  return { harness, client, wire, events, settle, advance };
}
