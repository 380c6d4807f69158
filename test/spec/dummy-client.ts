// Clients that do nothing right, to see that the statements' tests of a client can fail: one closes every stream at once,
// one sends a CONNECT and stays silent, one sends a CONNECT and closes at the first packet after CONNACK.

import { type Client, ClientState } from "../../src/client/client";
import type { ConnectOptions } from "../../src/client/options";
import { ClientCause, type ClientEvents, type ClientPorts } from "../../src/client/ports";
import { connect, Framer, type Level } from "../support/packets";
import { type Play, play, type TestedClient } from "./scene";

export const dummyClients = ["only closes", "only connects", "closes at the first packet"] as const;
export type DummyClientKind = (typeof dummyClients)[number];

const AREA = 4096;

class DummyClient implements TestedClient {
  state: Client["state"] = ClientState.Stopped;
  acceptsByHand = false;
  isPaused = false;
  private readonly memory = new Uint8Array(2 * AREA);
  private framer = new Framer();
  private options: ConnectOptions = {};
  private isConnected = false;

  constructor(
    private readonly kind: DummyClientKind,
    private readonly ports: ClientPorts,
    private readonly events: ClientEvents,
  ) {
    ports.transport.attach(this.memory.buffer, 0, AREA, AREA, AREA);
  }

  start(options: ConnectOptions): void {
    this.options = options;
    this.dial();
  }

  stop(): void {
    if (this.state !== ClientState.Stopped) this.end(ClientCause.Stopped);
    this.state = ClientState.Stopped;
  }

  // What the application gives is accepted, and forgotten.

  publish(): number {
    return 1;
  }

  subscribe(): number {
    return 1;
  }

  unsubscribe(): number {
    return 1;
  }

  accept(): boolean {
    return true;
  }

  resume(): void {}

  opened(): void {
    if (this.kind === "only closes") return this.end(ClientCause.Lost);
    this.state = ClientState.Connecting;
    this.framer = new Framer();
    const { version, clientId, cleanStart, keepAlive } = this.options;
    const bytes = connect({ level: version as Level, id: clientId, clean: cleanStart, keepAlive });
    this.memory.set(bytes, AREA);
    this.ports.transport.send(1, bytes.length);
  }

  ready(): void {}

  closed(): void {
    if (this.state !== ClientState.Stopped && this.state !== ClientState.Waiting) this.end(ClientCause.Lost);
  }

  step(): boolean {
    if (this.state === ClientState.Waiting) this.dial();
    if (this.state !== ClientState.Connecting) return false;
    const count = this.ports.transport.receive(1, AREA);
    this.framer.push(this.memory.slice(0, count));
    for (let packet = this.framer.next(); packet !== undefined; packet = this.framer.next()) {
      if (!this.isConnected) {
        this.isConnected = true;
        this.events.connected(packet[2] === 1);
      } else if (this.kind === "closes at the first packet") {
        this.end(ClientCause.Lost);
        return true;
      }
    }
    return count > 0;
  }

  private dial(): void {
    this.isConnected = false;
    this.state = ClientState.Dialing;
    this.ports.dialer.dial(1);
  }

  private end(cause: number): void {
    this.ports.transport.close(1, 0);
    // The first comes back never, the others at once.
    this.state = this.kind === "only closes" ? ClientState.Stopped : ClientState.Waiting;
    this.events.disconnected(cause);
  }
}

export function playDummy(kind: DummyClientKind): Play {
  return play((_, ports, events) => new DummyClient(kind, ports, events));
}
