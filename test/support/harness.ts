// A server on the in-memory transport with a clock that only tests move: the same calls give the same bytes, always.

import type { Clock, Log, Transport } from "../../src/ports";
import { type Listener, type MemoryStream, MemoryTransport, type MemoryTransportOptions } from "./memory-transport";
import { type Bytes, Framer, toHex } from "./packets";

/** What is tested: the broker, or something that stands in for it. */
export interface Core extends Listener {
  /** Does a bounded amount of work; true when more waits. */
  step(): boolean;
}

export class VirtualClock implements Clock {
  constructor(
    public milliseconds = 0,
    public startSeconds = 1_800_000_000,
  ) {}

  now(): number {
    return this.milliseconds >>> 0;
  }

  wall(): number {
    return this.startSeconds === 0 ? 0 : this.startSeconds + Math.floor(this.milliseconds / 1000);
  }
}

export interface LoggedEvent {
  code: number;
  a: number;
  b: number;
}

export class RecordingLog implements Log {
  readonly events: LoggedEvent[] = [];

  event(code: number, a: number, b: number): void {
    this.events.push({ code, a, b });
  }

  /** Events of one kind. */
  of(code: number): LoggedEvent[] {
    return this.events.filter((event) => event.code === code);
  }
}

/** Far more steps than any test needs: a core that never comes to rest is a defect, not a slow one. */
const MOST_STEPS = 1_000_000;

export interface HarnessOptions extends MemoryTransportOptions {
  /** Where the clock starts, milliseconds; near 2 ** 32 it wraps. */
  startMilliseconds?: number;
}

export class Harness<C extends Core> {
  readonly transport: MemoryTransport;
  readonly clock: VirtualClock;
  readonly log = new RecordingLog();
  readonly core: C;
  private readonly clients: TestClient[] = [];

  constructor(options: HarnessOptions, make: (ports: { transport: Transport; clock: Clock; log: Log }) => C) {
    this.transport = new MemoryTransport(options);
    this.clock = new VirtualClock(options.startMilliseconds);
    this.core = make({ transport: this.transport, clock: this.clock, log: this.log });
    this.transport.listen(this.core);
  }

  /** A client that has opened its stream and sent nothing. */
  client(): TestClient {
    const client = new TestClient(this, this.transport.connect());
    this.clients.push(client);
    this.settle();
    return client;
  }

  /** Lets the core work until nothing waits, while the clients send and read. The clock stands still. */
  settle(): void {
    for (let steps = 0; steps < MOST_STEPS; steps++) {
      let active = this.transport.poll();
      if (this.core.step()) active = true;
      for (const client of this.clients) if (client.pump()) active = true;
      if (!active) return;
    }
    throw new Error(`no rest after ${MOST_STEPS} steps`);
  }

  /** Time passes in small pieces, the core working after each. */
  advance(milliseconds: number): void {
    const piece = Math.max(50, Math.ceil(milliseconds / 2000));
    for (let left = milliseconds; left > 0; left -= piece) {
      this.clock.milliseconds += Math.min(piece, left);
      this.settle();
    }
  }

  /** Every client's stream breaks; the core has noticed when this returns. */
  dropClients(): void {
    for (const client of this.clients.splice(0)) client.stream.reset();
    this.settle();
  }

  /** Removes what is over from the list of clients that are pumped. */
  forget(client: TestClient): void {
    const at = this.clients.indexOf(client);
    if (at >= 0) this.clients.splice(at, 1);
  }
}

export class TestClient {
  private readonly framer = new Framer();
  private readonly unsent: number[] = [];
  private ending = false;

  constructor(
    private readonly harness: { settle(): void },
    readonly stream: MemoryStream,
  ) {}

  /** Sends, and lets the core work until nothing waits. What the server does not take yet follows when it does. */
  send(...packets: Bytes[]): void {
    for (const bytes of packets) for (const byte of bytes) this.unsent.push(byte);
    this.harness.settle();
  }

  /** Bytes the server has not taken. */
  get unsentBytes(): number {
    return this.unsent.length;
  }

  /** Every whole packet that came and was not asked for yet. */
  receive(): Uint8Array[] {
    const packets: Uint8Array[] = [];
    for (let packet = this.framer.next(); packet !== undefined; packet = this.framer.next()) packets.push(packet);
    return packets;
  }

  /** The next whole packet, if one came. */
  next(): Uint8Array | undefined {
    return this.framer.next();
  }

  /** Exactly these packets came, in this order, and nothing else. */
  expect(...packets: Bytes[]): void {
    const got = this.receive().map(toHex);
    const want = packets.map(toHex);
    if (got.length !== want.length || got.some((bytes, i) => bytes !== want[i]) || this.framer.partial > 0) {
      throw new Error(`expected\n  ${want.join("\n  ") || "nothing"}\ngot\n  ${got.join("\n  ") || "nothing"}`);
    }
  }

  /** Whether the server closed the stream and all it had sent was read. */
  get closed(): boolean {
    return this.stream.serverClosed && this.stream.down.length === 0;
  }

  /** While true, nothing is read. */
  get stalled(): boolean {
    return this.stream.stalled;
  }

  set stalled(value: boolean) {
    this.stream.stalled = value;
    this.harness.settle();
  }

  /** No more bytes will come, once what was sent is taken. */
  end(): void {
    this.ending = true;
    this.harness.settle();
  }

  /** The stream breaks without a word. */
  reset(): void {
    this.unsent.length = 0;
    this.stream.reset();
    this.harness.settle();
  }

  /** Moves bytes both ways; true when any moved. */
  pump(): boolean {
    let moved = false;
    if (this.unsent.length > 0 && !this.stream.broken && !this.stream.ended) {
      const count = this.stream.write(this.unsent);
      if (count > 0) {
        this.unsent.splice(0, count);
        moved = true;
      }
    }
    if (this.ending && this.unsent.length === 0 && !this.stream.ended) {
      this.stream.end();
      moved = true;
    }
    const bytes = this.stream.read();
    if (bytes.length > 0) {
      this.framer.push(bytes);
      moved = true;
    }
    return moved;
  }
}
