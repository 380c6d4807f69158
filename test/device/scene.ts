// A broker on a device that is not there: the whole of it over the transport and the fakes of the SDK's sockets, with
// clients at the other ends. Time is the device's and moves only when a test says so.

import Listener from "embedded:io/socket/listener";
import TCP from "embedded:io/socket/tcp";
import Time from "time";
import Timer from "timer";
import { SocketTransport, type TransportOptions } from "../../hosts/ecma419/transport";
import { Broker } from "../../src/broker/broker";
import type { Limits } from "../../src/memory/limits";
import { RecordingLog } from "../support/harness";
import { Device, type DeviceOptions } from "../support/moddable/device";
import { connect, type Peer } from "../support/moddable/peer";
import { type Bytes, Framer } from "../support/packets";

export const PORT = 1883;
/** Rounds without movement until a device whose sockets ask the kernel every 20 ms is at rest. */
const QUIET_ROUNDS = 4;
const POLL = 20;

export interface SceneOptions {
  limits: Readonly<Limits>;
  device?: Partial<DeviceOptions>;
  transport?: Partial<TransportOptions>;
}

export class Scene {
  readonly device: Device;
  readonly transport: SocketTransport;
  readonly core: Broker;
  readonly log = new RecordingLog();
  readonly clients: Client[] = [];
  readonly clock: { milliseconds: number };
  #isSettling = false;

  constructor({ limits, device, transport }: SceneOptions) {
    const { connections } = limits;
    const made = new Device({ queueLength: 64, activeConnections: connections + 8, ...device });
    this.device = made;
    this.transport = new SocketTransport({
      ...{ TCP, Listener, Timer, Time, connections, sockets: connections + 8 },
      ...(made.options.sockets === "lwip" ? { queueLength: made.options.queueLength } : {}),
      ...transport,
    });
    const clock = { now: () => Time.ticks >>> 0, wall: () => 0 };
    this.core = new Broker({ ...limits }, { transport: this.transport, clock, log: this.log }, 1);
    this.transport.start(this.core, PORT);
    const scene = this;
    this.clock = {
      get milliseconds() {
        return made.now;
      },
      set milliseconds(value: number) {
        scene.run(value - made.now);
      },
    };
  }

  /** A stream that was asked for; whether it is accepted shows when the scene has settled. */
  knock(): Client {
    const client = new Client(this, connect(PORT));
    this.clients.push(client);
    return client;
  }

  /** A client that has opened its stream and sent nothing. */
  client(): Client {
    const client = this.knock();
    this.settle();
    return client;
  }

  forget(client: object): void {
    const at = this.clients.indexOf(client as Client);
    if (at >= 0) this.clients.splice(at, 1);
  }

  dropClients(): void {
    for (const client of this.clients.splice(0)) client.peer.reset();
    this.settle();
  }

  /** Until nothing moves any more: on lwIP without time passing. */
  settle(): void {
    if (this.#isSettling) return;
    this.#isSettling = true;
    const isLin = this.device.options.sockets === "lin";
    for (let quiet = 0; quiet < (isLin ? QUIET_ROUNDS : 1); ) {
      if (isLin) this.device.run(POLL);
      else this.device.settle();
      quiet = this.#pump() ? 0 : quiet + 1;
    }
    this.#isSettling = false;
  }

  #pump(): boolean {
    let moved = false;
    for (const client of this.clients) if (client.pump()) moved = true;
    return moved;
  }

  /** Time passes, and the clients go on meanwhile. */
  run(milliseconds: number): void {
    const until = this.device.now + milliseconds;
    while (this.device.now < until) {
      this.device.run(Math.min(100, until - this.device.now));
      if (this.#pump()) this.settle();
    }
  }

  /** Sockets that the SDK has for connections. */
  get socketCount(): number {
    return (this.device.counters.get("Network Sockets") ?? 0) - this.device.doors.length;
  }
}

export class Client {
  readonly #framer = new Framer();
  readonly #unsent: number[] = [];

  constructor(
    private readonly scene: Scene,
    readonly peer: Peer,
  ) {}

  /** Sends, and lets all come to rest. */
  send(...packets: Bytes[]): void {
    this.put(...packets);
    this.scene.settle();
  }

  /** Sends with what moves next. */
  put(...packets: Bytes[]): void {
    for (const bytes of packets) for (const byte of bytes) this.#unsent.push(byte);
    this.pump();
  }

  get unsentBytes(): number {
    return this.#unsent.length + this.peer.unsent;
  }

  /** Every whole packet that came and was not asked for yet. */
  receive(): Uint8Array[] {
    const packets: Uint8Array[] = [];
    this.pump();
    for (let packet = this.#framer.next(); packet !== undefined; packet = this.#framer.next()) packets.push(packet);
    return packets;
  }

  get isOver(): boolean {
    return this.peer.deviceEnded || this.peer.state === "reset";
  }

  set stalled(value: boolean) {
    if (value) this.peer.pause();
    else this.peer.resume();
    this.scene.settle();
  }

  reset(): void {
    this.#unsent.length = 0;
    this.peer.reset();
    this.scene.settle();
  }

  end(): void {
    this.peer.end();
    this.scene.settle();
  }

  pump(): boolean {
    const { peer } = this;
    let moved = false;
    const count = peer.ended || peer.state === "reset" ? 0 : Math.min(this.#unsent.length, peer.outbox.room);
    if (count > 0) {
      peer.send(this.#unsent.splice(0, count));
      moved = true;
    }
    if (!peer.paused && peer.received > 0) {
      this.#framer.push(peer.take());
      moved = true;
    }
    return moved;
  }
}
