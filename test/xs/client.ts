// A client with the limits `sensor` in the machine that midge-xs was told to be, of a server on a port of the loopback:
//
//   midge-xs client.js PORT VERSION MILLISECONDS echo [plant]
//   midge-xs client.js PORT VERSION MILLISECONDS self
//
// echo   prints "control N" (whoever connects there ends it), and "subscribed" when it is. A message to in/… comes back on
//        out/0, out/1 or out/2, by its QoS: its payload if that has 8, 40 or 200 bytes, else 8 digits, the sum of its bytes.
//        At the end it prints what was allocated since it was started and collected, as one line of JSON. `plant` plants
//        one object, which that line must show.
// self   subscribes to its own topic, sends itself messages of every QoS, and ends when they have all come.
//
// After so many milliseconds it ends by itself: that is a failure.

import { Client, ClientState } from "../../src/client/client";
import { type ClientLimits, clientPresets } from "../../src/client/limits";
import type { ClientEvents } from "../../src/client/ports";
import { host } from "./host";
import { Meter } from "./meter";
import { TcpStream } from "./tcp-stream";

const limits: ClientLimits = { ...clientPresets.sensor, reconnectMilliseconds: 20, reconnectMostMilliseconds: 100 };
const LARGEST = 200;
const planted: object[] = [{}];
const meter = new Meter();
const ROUNDS = 20;
/** A literal would be a new string where it is used. */
const SUBSCRIBED = "subscribed";

function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

/** Messages that wait for their echo: as many as the server may send before any is accepted. */
class Waiting {
  private readonly rows = limits.receiveMaximum + limits.receiveShared;
  private readonly buffer = new ArrayBuffer((this.rows + 1) * LARGEST);
  private readonly lengths = new Uint8Array(this.rows);
  private readonly levels = new Uint8Array(this.rows);
  private readonly ids = new Uint16Array(this.rows);
  private first = 0;
  count = 0;

  /** Where the payload of the next message goes. */
  at(): number {
    return ((this.first + this.count) % this.rows) * LARGEST;
  }

  put(from: ArrayBuffer, at: number, offset: number, count: number): void {
    if (this.count === this.rows) throw new Error("more messages than were announced");
    host.copy(from, at, this.buffer, this.at() + offset, count);
  }

  add(qos: number, id: number, length: number): void {
    const row = (this.first + this.count++) % this.rows;
    this.levels[row] = qos;
    this.ids[row] = id;
    this.lengths[row] = length;
  }

  take(): void {
    this.first = (this.first + 1) % this.rows;
    this.count--;
  }

  clear(): void {
    this.count = 0;
  }

  get qos(): number {
    return this.levels[this.first];
  }

  get id(): number {
    return this.ids[this.first];
  }

  get length(): number {
    return this.lengths[this.first];
  }

  copyTo(buffer: ArrayBuffer): void {
    host.copy(this.buffer, this.first * LARGEST, buffer, 0, this.length);
  }
}

class Application implements ClientEvents {
  client!: Client;
  readonly isEcho: boolean;
  connectedCount = 0;
  receivedCount = 0;
  publishedCount = 0;
  sentCount = 0;
  private memory = new ArrayBuffer(0);
  private view: Uint8Array = new Uint8Array(0);
  private readonly waiting = new Waiting();
  private readonly buffer = new ArrayBuffer(LARGEST);
  private readonly short = new Uint8Array(this.buffer, 0, 8);
  private readonly middle = new Uint8Array(this.buffer, 0, 40);
  private readonly long = new Uint8Array(this.buffer);
  private readonly sumBuffer = new ArrayBuffer(8);
  private readonly sumBytes = new Uint8Array(this.sumBuffer);
  private readonly topics: readonly Uint8Array[];
  private filled = 0;
  private sum = 0;

  constructor(isEcho: boolean) {
    this.isEcho = isEcho;
    this.topics = (isEcho ? ["out/0", "out/1", "out/2"] : ["self/0", "self/1", "self/2"]).map(bytes);
  }

  serve(client: Client): void {
    this.client = client;
    this.view = client.layout.u8;
    this.memory = this.view.buffer as ArrayBuffer;
    client.acceptsByHand = this.isEcho;
  }

  connected(): void {
    this.connectedCount++;
  }

  /** What was not accepted comes again. */
  disconnected(): void {
    this.waiting.clear();
  }

  published(_message: number, reasonCode: number): void {
    if (reasonCode >= 0x80) throw new Error("a message was refused");
    this.publishedCount++;
  }

  subscribed(_subscription: number, reasonCode: number): void {
    if (reasonCode !== 2) throw new Error("the Topic Filter was refused");
    host.print(SUBSCRIBED);
  }

  unsubscribed(): void {}

  message(): void {
    this.filled = 0;
    this.sum = 0;
  }

  /**
   * Payload is always taken: who waits with that for acknowledgements waits for ever, because they come behind it. What
   * has no room is not accepted, so that the server sends no more.
   */
  payload(at: number, count: number): number {
    const left = LARGEST - this.filled;
    if (left > 0) this.waiting.put(this.memory, at, this.filled, count < left ? count : left);
    for (let i = 0; i < count; i++) this.sum = (this.sum + this.view[at + i]) >>> 0;
    this.filled += count;
    return count;
  }

  messageEnd(): void {
    const { packetId, qos } = this.client.message;
    this.receivedCount++;
    if (!this.isEcho) return;
    if (this.filled !== 8 && this.filled !== 40 && this.filled !== LARGEST) {
      const { sumBytes } = this;
      for (let i = 7, rest = this.sum; i >= 0; i--, rest = (rest / 10) | 0) sumBytes[i] = 0x30 + (rest % 10);
      this.waiting.put(this.sumBuffer, 0, 0, 8);
      this.filled = 8;
    }
    this.waiting.add(qos, packetId, this.filled);
  }

  messageLost(): void {}

  /** Publishes as many of the messages that wait as the client takes; true when any. */
  echo(): boolean {
    const { client, waiting } = this;
    const before = this.sentCount;
    while (waiting.count > 0) {
      const { id, length, qos } = waiting;
      waiting.copyTo(this.buffer);
      const payload = length === 8 ? this.short : length === 40 ? this.middle : this.long;
      if (client.publish(this.topics[qos], payload, qos, false) < 0) break;
      if (qos > 0 && !client.accept(id)) throw new Error("it was accepted before");
      waiting.take();
      this.sentCount++;
    }
    return this.sentCount > before;
  }

  /** Sends itself a message. */
  sendOne(): void {
    const qos = this.sentCount % 3;
    const payload = this.sentCount % 2 === 0 ? this.long : this.short;
    if (this.client.publish(this.topics[qos], payload, qos, false) > 0) this.sentCount++;
  }
}

let stream: TcpStream;
let application: Application;
let client: Client;
let control = -1;
let endsAt = 0;
let isReady = false;
let mayPlant = false;
let random = 1;

function next(): number {
  random ^= random << 13;
  random ^= random >>> 17;
  random ^= random << 5;
  return random;
}

function main(): void {
  const [port, version, milliseconds, what, plant] = host.args;
  stream = new TcpStream(Number(port));
  application = new Application(what === "echo");
  const ports = { transport: stream, dialer: stream, clock: { now: host.now, wall: () => 0 }, random: { next } };
  client = new Client(limits, ports, application);
  application.serve(client);
  const isKept = what === "echo";
  const sessionExpiry = isKept && version === "5" ? 3600 : 0;
  client.start({ version: Number(version), clientId: what, cleanStart: !isKept, sessionExpiry });
  client.subscribe(bytes(what === "echo" ? "in/#" : "self/+"), 2);
  endsAt = host.now() + Number(milliseconds);
  mayPlant = plant === "plant";
  if (what !== "echo") return;
  control = host.tcpListen(0);
  host.print(`control ${host.tcpPort(control)}`);
}

function poll(): boolean {
  if (!isReady) {
    isReady = true;
    meter.start();
  }
  stream.poll(client);
  let more = true;
  for (let steps = 0; more && steps < 100; steps++) {
    more = client.step();
    if (application.echo()) more = true;
  }
  if (mayPlant && application.receivedCount > 0) {
    mayPlant = false;
    planted[0] = {};
  }
  if (host.now() - endsAt >= 0) throw new Error("not done in time");
  if (application.isEcho ? host.tcpAccept(control) >= 0 : isDone()) {
    report();
    return false;
  }
  if (!more) host.wait(5);
  return true;
}

function isDone(): boolean {
  if (
    client.state === ClientState.Connected &&
    client.subscriptions.waiting === 0 &&
    application.sentCount < 3 * ROUNDS
  )
    application.sendOne();
  return application.receivedCount >= 3 * ROUNDS && application.publishedCount >= 3 * ROUNDS;
}

function report(): void {
  const allocated = meter.stop();
  const { connectedCount, publishedCount, receivedCount } = application;
  host.print(`report ${JSON.stringify({ ...allocated, connectedCount, publishedCount, receivedCount })}`);
}

Object.assign(globalThis, { main, poll });
