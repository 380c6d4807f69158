// The gateway: what it consists of, in the order in which it begins.

import Listener from "embedded:io/socket/listener";
import TCP from "embedded:io/socket/tcp";
import UDP from "embedded:io/socket/udp";
import DNSSD from "embedded:network/dnssd";
import WiFi from "embedded:network/interface/wifi";
import Instrumentation from "instrumentation";
import SNTP from "sntp";
import Time from "time";
import Timer from "timer";
import OldWiFi from "wifi";
import { Broker, Client, type ClientEvents, plan, planClient } from "../../src/index";
import { LocalTransport } from "../ecma419/local";
import { SocketTransport } from "../ecma419/transport";
import { Level } from "../text/events";
import { ACCESS_POINT_ADDRESS, openAccessPoint } from "./access-point";
import { Announcement } from "./announce";
import { DeviceClock, TimeOfDay } from "./clock";
import { type Configuration, configurationFrom, type Memory } from "./configuration";
import { Instruments } from "./instruments";
import { DeviceLog } from "./log";
import { type Heap, memoryProblem, memoryWarning, planLines, QUEUE_LENGTH } from "./memory";
import { freeHeap, largestBlock, leastHeap, serial, stayAwake } from "./native/device";
import type { Restarter } from "./restart";
import { SetupPage } from "./setup-page";
import { Station } from "./station";
import { STATUS_CLIENT, Status, statusLimits } from "./status";

const SECOND = 1000;
const LINES_PER_SECOND = 20;
/** Sockets that are over and not closed yet, besides those in use. */
const CLOSING_SOCKETS = 4;
const SETUP_PORT = 80;
/** Attempts with settings that never worked, before the access point is opened for other ones. */
const MOST_ATTEMPTS = 5;
/** How long the access point stays open for settings that may be right after all, s. */
const SETUP_SECONDS = 600;

/** The status client is told nothing that it would act upon. */
const indifferent: ClientEvents = Object.freeze({
  connected: nothing,
  disconnected: nothing,
  published: nothing,
  subscribed: nothing,
  unsubscribed: nothing,
  message: nothing,
  payload: all,
  messageEnd: nothing,
  messageLost: nothing,
});

function nothing(): void {}

function all(_at: number, count: number): number {
  return count;
}

/** Builds with fixed memory, in which the limits do not fit, do not start. */
export class MemoryError extends Error {}

export class Gateway {
  readonly broker: Broker;
  readonly log: DeviceLog;
  readonly configuration: Configuration;
  readonly sockets: SocketTransport;
  readonly #memory: Memory;
  readonly #restarter: Restarter;
  readonly #transport: LocalTransport;
  readonly #client: Client;
  readonly #announcement: Announcement;
  readonly #timeOfDay: TimeOfDay;
  readonly #status: Status | undefined;
  readonly #instruments: Instruments;
  #station: Station | undefined;
  #isListening = false;
  #secondsToRestart = 0;
  /** The settings work: a network that can't be joined now is away. */
  #isProven: boolean;

  /**
   * Takes all memory.
   * @throws ConfigurationError, LimitsError, MemoryError
   */
  constructor(config: Readonly<Record<string, unknown>>, memory: Memory, restarter: Restarter) {
    const configuration = configurationFrom(config, memory);
    const { limits, settings, port } = configuration;
    const clock = new DeviceClock(Time);
    this.configuration = configuration;
    this.#isProven = settings.isProven;
    this.#memory = memory;
    this.#restarter = restarter;
    this.log = new DeviceLog({
      write: (line) => trace(`${line}\n`),
      clock,
      level: configuration.isVerbose ? Level.Verbose : Level.Normal,
      linesPerSecond: LINES_PER_SECOND,
    });
    this.#tellMemory();

    const { log } = this;
    const connections = limits.connections - 1; // the last is the local client's
    const sockets = new SocketTransport({
      TCP,
      Listener,
      Timer,
      Time,
      connections,
      sockets: connections + CLOSING_SOCKETS,
      queueLength: QUEUE_LENGTH,
      onRefused: () => log.streamRefused(),
    });
    this.sockets = sockets;
    this.#transport = new LocalTransport(sockets, limits.connections);
    const random = { next: () => (Math.random() * 0x100000000) >>> 0 };
    const broker = new Broker(limits, { transport: this.#transport, clock, log }, random.next());
    this.broker = broker;
    log.reports = {
      clientId: (connection) => broker.clientId(connection),
      sessionClientId: (session) => broker.sessionClientId(session),
      protocolVersion: (connection) => broker.protocolVersion(connection),
      address: (connection) => (connection > connections ? "" : (sockets.address(connection) ?? "")),
    };
    const end = this.#transport.clientEnd;
    this.#client = new Client(statusLimits, { transport: end, dialer: end, clock, random }, indifferent);
    this.#status = configuration.hasStatus
      ? new Status({ broker, client: this.#client, restartReason: restarter.reason, heap: freeHeap, leastHeap })
      : undefined;
    this.#announcement = new Announcement({
      DNSSD,
      UDP,
      hostName: settings.hostName,
      port,
      txt: new Map([["limits", configuration.preset]]),
      onNamed: (name) => log.say("named", `mqtt://${name}.local:${port}`),
    });
    this.#timeOfDay = new TimeOfDay({
      SNTP,
      Time,
      host: configuration.timeServer,
      onTime: () => log.say("time", "set"),
    });
    this.#instruments = new Instruments({
      Instrumentation,
      broker,
      say: (text) => log.say("memory", text),
    });
  }

  /** Opens the access point or joins the network; from then on everything happens by itself. */
  start(): void {
    const { settings } = this.configuration;
    const isAsked = this.#memory.takeSetup();
    this.log.say("started", `after: ${this.#restarter.reason}`);
    Timer.repeat(() => this.#tick(), SECOND);
    if (settings.ssid === "" || isAsked) this.#setUp(isAsked && settings.ssid !== "");
    else this.#join();
  }

  #tick(): void {
    this.log.tick();
    this.#announcement.tick();
    this.#timeOfDay.tick();
    this.#instruments.tick();
    if (this.#isListening && this.#status !== undefined) {
      this.#status.tick();
      this.#transport.wake();
    }
    if (this.#secondsToRestart > 0 && --this.#secondsToRestart === 0) {
      this.#restarter.restart("the access point was open long enough: trying the network again");
    }
  }

  #tellMemory(): void {
    const { limits, preset, chunkBytes, hasStatus } = this.configuration;
    const heap: Heap = { free: freeHeap(), largestBlock: largestBlock() };
    const broker = plan(limits);
    const problem = memoryProblem(broker, preset, chunkBytes, heap);
    for (const line of planLines(broker, hasStatus ? planClient(statusLimits) : undefined, limits.connections, heap)) {
      trace(`${line}\n`);
    }
    if (problem !== "") throw new MemoryError(problem);
    const warning = memoryWarning(limits.connections, heap);
    if (warning !== "") trace(`${warning}\n`);
  }

  // The network

  #join(): void {
    const { settings } = this.configuration;
    const { log } = this;
    log.say("joining", `the network "${settings.ssid.replace(/[^ -~]/g, "?")}"`);
    this.#station = new Station({
      WiFi,
      Timer,
      ssid: settings.ssid,
      password: settings.password,
      hostName: settings.hostName,
      random: Math.random,
      onConnected: (address) => {
        stayAwake();
        this.#isProven = true;
        this.#memory.prove();
        log.say("joined", `${address}, ${this.#station?.RSSI ?? 0} dBm`);
        this.#online(address);
      },
      onLost: () => {
        log.say("lost", "the network; joining again");
        this.#offline();
      },
      onFailed: (attempts) => this.#failed(attempts),
    });
  }

  #failed(attempts: number): void {
    this.log.say("not joined", `attempt ${attempts}`);
    if (this.#isProven || attempts < MOST_ATTEMPTS) return;
    this.#memory.askForSetup();
    this.#restarter.restart("the network could not be joined: opening the access point");
  }

  /** @param isTemporary there are settings, which may be right after all */
  #setUp(isTemporary: boolean): void {
    const { settings, setupPassword } = this.configuration;
    // 27, a hyphen and the four digits of the serial: 32, which is what a network's name can have.
    const ssid = `${settings.hostName.slice(0, 27)}-${serial()}`;
    openAccessPoint({
      WiFi: OldWiFi,
      ssid,
      password: setupPassword,
      onStation: (joins) => this.log.say("station", joins ? "joined the access point" : "left the access point"),
    });
    if (isTemporary) this.#secondsToRestart = SETUP_SECONDS;
    new SetupPage({
      TCP,
      Listener,
      Timer,
      port: SETUP_PORT,
      settings,
      onSaved: (saved) => {
        this.#memory.save(saved);
        this.#restarter.restart("the network was set");
      },
    });
    this.log.say("access point", `"${ssid}", then http://${ACCESS_POINT_ADDRESS}`);
    this.#online(ACCESS_POINT_ADDRESS);
  }

  #online(address: string): void {
    const { port } = this.configuration;
    if (!this.#isListening) {
      this.sockets.start(this.broker, port);
      this.#transport.start(this.broker, this.#client, Timer, () => this.sockets.wake());
      if (this.#status !== undefined) this.#client.start({ clientId: STATUS_CLIENT, keepAlive: 300 });
      this.#isListening = true;
    }
    this.log.say("listening", `mqtt://${address}:${port}`);
    this.#announcement.start();
    this.#timeOfDay.start();
  }

  #offline(): void {
    this.#announcement.stop();
    this.#timeOfDay.stop();
  }
}
