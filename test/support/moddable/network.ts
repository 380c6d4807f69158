// The radio and what is built on it: `embedded:network/interface/wifi`, the older `wifi`, `net`, `embedded:network/dnssd`,
// `sntp`. The test plays the access point, the stations and the servers.

import type DeclaredDNSSD from "embedded:network/dnssd";
import type DeclaredWiFi from "embedded:network/interface/wifi";
import type DeclaredNet from "net";
import type DeclaredSNTP from "sntp";
import type DeclaredOldWiFi from "wifi";
import { Abort, type Device, device, type Message } from "./device";
import { Timer } from "./timer";

const IP4 = 1;
const BOTH = 3;

type Event = "connected" | "disconnected" | "address";

/** What the radio is, and what the test does to it. */
export class Radio {
  /** Networks in reach: name to password, "" for an open one. */
  readonly networks = new Map<string, string>();
  /** The address that a network gives. */
  stationAddress = "192.168.1.50";
  hostname = "";
  /** Where no IPv6 address comes the connection stays at 400: the SDK waits for both. */
  hasIPv6 = true;
  readonly accessPointAddress = "192.168.4.1";
  rssi = -60;
  /** 0 none, 1 station, 2 access point, 3 both, -5 not started. */
  mode = -5;
  joined = "";
  addresses = 0;
  connecting = "";
  /** Which of the two modules made the station's interface: it can be made once. */
  startedBy: "new" | "old" | "" = "";
  accessPoint: { ssid: string; password: string; max: number } | null = null;
  readonly stations: WiFi[] = [];
  readonly observers: OldWiFi[] = [];

  constructor(readonly owner: Device) {}

  /** What was asked for happens: the network is joined, and gives addresses, or refuses. */
  proceed(): void {
    const ssid = this.connecting;
    if (ssid === "") return;
    const [name, password] = ssid.split("\0");
    this.connecting = "";
    if (this.networks.get(name) !== password) return this.#tell("disconnected");
    this.joined = name;
    this.#tell("connected");
    this.addresses = this.hasIPv6 ? BOTH : IP4;
    if (this.addresses === BOTH) this.#tell("address");
  }

  /** The connection to the network is lost. */
  lose(): void {
    this.joined = "";
    this.addresses = 0;
    this.connecting = "";
    this.#tell("disconnected");
  }

  /** Somebody joins or leaves the access point. */
  tellStation(joins: boolean): void {
    for (const observer of this.observers) {
      this.owner.postFromEvents(new OldEvent(observer, joins ? "station_connect" : "station_disconnect"));
    }
  }

  #tell(event: Event): void {
    for (const station of this.stations) this.owner.postFromEvents(new WiFiEvent(station, event));
    for (const observer of this.observers) {
      const message = { connected: "connect", disconnected: "disconnect", address: "gotIP" }[event];
      this.owner.postFromEvents(new OldEvent(observer, message));
    }
  }
}

const radios = new WeakMap<Device, Radio>();

export function radio(of = device()): Radio {
  let found = radios.get(of);
  if (found === undefined) radios.set(of, (found = new Radio(of)));
  return found;
}

class WiFiEvent implements Message {
  constructor(
    private readonly station: WiFi,
    private readonly event: Event,
  ) {}
  deliver(): void {
    this.station.happened(this.event);
  }
}

class OldEvent implements Message {
  constructor(
    private readonly observer: OldWiFi,
    private readonly message: string,
  ) {}
  deliver(): void {
    this.observer.happened(this.message);
  }
}

type WiFiOptions = ConstructorParameters<typeof DeclaredWiFi>[0];

/** One object's idea of the connection: it is what the events told it. */
export class WiFi implements DeclaredWiFi {
  readonly #radio: Radio;
  readonly #onChanged: WiFiOptions["onChanged"];
  #connecting = false;
  #connected = false;
  #addresses = 0;
  #closed = false;

  constructor(options: WiFiOptions) {
    const { onChanged } = options;
    if (onChanged !== undefined && onChanged !== null && typeof onChanged !== "function") {
      throw new Error("not a function");
    }
    this.#onChanged = onChanged;
    this.#radio = radio();
    if (this.#radio.mode === -5) {
      this.#radio.mode = 1;
      this.#radio.startedBy = "new";
    }
    this.#connected = this.#radio.joined !== "";
    this.#addresses = this.#radio.addresses;
    this.#radio.stations.unshift(this);
  }

  connect(options: { SSID: string; password?: string; channel?: number }): void {
    this.#check();
    if (this.#connecting) throw new Error("already connecting");
    if (!("SSID" in options)) throw new Error("SSID required");
    if (options.SSID.length > 32 || (options.password?.length ?? 0) > 64) throw new RangeError("too long");
    if ("channel" in options && !((options.channel as number) >= 1 && (options.channel as number) <= 13)) {
      throw new RangeError("invalid channel");
    }
    if (this.#radio.mode !== 1 && this.#radio.mode !== 3) throw new Error("connect failed");
    this.#connecting = true;
    this.#radio.connecting = `${options.SSID}\0${options.password ?? ""}`;
  }

  disconnect(): void {
    this.#check();
    this.#connecting = this.#connected = false;
    this.#addresses = 0;
    this.#radio.lose();
  }

  configure(options: { hostname?: string }): void {
    this.#check();
    if ("static" in options) throw new Error("a static address is not part of this fake");
    if (options.hostname !== undefined) this.#radio.hostname = options.hostname;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#radio.stations.splice(this.#radio.stations.indexOf(this), 1);
  }

  get connection(): number {
    this.#check();
    if (this.#connected) return this.#addresses === BOTH ? 500 : 400;
    return this.#connecting ? 300 : 200;
  }

  get address(): string | undefined {
    this.#check();
    return this.#radio.addresses & IP4 ? this.#radio.stationAddress : undefined;
  }

  get MAC(): string {
    this.#check();
    return "a4:d1:8c:00:00:01";
  }

  get SSID(): string | undefined {
    this.#check();
    return this.#radio.joined || undefined;
  }

  get RSSI(): number | undefined {
    this.#check();
    return this.#radio.joined ? this.#radio.rssi : undefined;
  }

  happened(event: Event): void {
    if (this.#closed) return;
    const before = `${this.#connecting} ${this.#connected} ${this.#addresses}`;
    const hadAddress = (this.#addresses & IP4) !== 0;
    if (event !== "address") this.#connecting = false;
    this.#connected = event !== "disconnected";
    this.#addresses = event === "address" ? BOTH : 0;
    const isChanged = before !== `${this.#connecting} ${this.#connected} ${this.#addresses}`;
    if (isChanged) this.#onChanged?.call(this, "connection");
    if (!hadAddress && this.#addresses & IP4 && !this.#closed) this.#onChanged?.call(this, "address");
  }

  #check(): void {
    if (this.#closed) throw new TypeError("invalid");
  }
}

type AccessPoint = Parameters<(typeof DeclaredOldWiFi)["accessPoint"]>[0];

export class OldWiFi implements DeclaredOldWiFi {
  #onNotify: ((message: string, reason?: number) => void) | null;

  constructor(options: undefined, onNotify: (message: string, reason?: number) => void) {
    if (options !== undefined) throw new Error("connecting by the older module is not part of this fake");
    this.#onNotify = onNotify;
    radio().observers.unshift(this);
  }

  close(): void {
    this.#onNotify = null;
    const { observers } = radio();
    const index = observers.indexOf(this);
    if (index !== -1) observers.splice(index, 1);
  }

  happened(message: string): void {
    if (message === "disconnect") this.#onNotify?.(message, 0);
    else this.#onNotify?.(message);
  }

  static accessPoint(options: AccessPoint): void {
    start(2);
    const { ssid, password, channel = 1, max = 4, station = false } = options;
    if (ssid.length > 32) throw new Error("ssid too long - 32 bytes max");
    if (password !== undefined) {
      if (password.length > 64) throw new Error("password too long - 64 bytes max");
      if (password.length < 8) throw new Error("password too short - 8 bytes min");
    }
    if (channel < 1 || channel > 13) throw new Error("invalid channel");
    const air = radio();
    if (air.mode !== 2 && air.mode !== 3) air.mode = station ? 3 : 2;
    if (air.mode === 2) air.joined = "";
    air.accessPoint = { ssid, password: password ?? "", max };
  }

  static get mode(): number {
    return radio().mode;
  }

  static set mode(value: number) {
    if (![-5, 0, 1, 2, 3].includes(value)) throw new Error("invalid mode");
    const air = radio();
    if (value !== -5) start(value);
    else air.startedBy = "";
    air.mode = value;
    if ((value & 1) === 0 || value === -5) air.lose();
    if (value < 2) air.accessPoint = null;
  }
}

/** The older module makes the station's interface without asking whether it exists. */
function start(mode: number): void {
  const air = radio();
  if (air.startedBy === "old") return;
  if (air.startedBy === "new") air.owner.fail(new Abort("the older wifi module was started after the newer one"));
  air.startedBy = "old";
  air.mode = mode;
}

export const Net = {
  get(what: string, of?: string): string | number | undefined {
    const air = radio();
    if (what === "RSSI") return air.joined ? air.rssi : undefined;
    const isBoth = air.mode === 3;
    const wants = of ?? (isBoth ? undefined : air.mode === 2 ? "ap" : air.mode === 1 ? "station" : undefined);
    if (wants === "ap" && air.mode >= 2) return what === "IP" ? air.accessPointAddress : "A4:D1:8C:00:00:02";
    if (wants !== "station" || (air.mode !== 1 && !isBoth)) return undefined;
    if (what === "MAC") return "A4:D1:8C:00:00:01";
    return air.addresses & IP4 ? air.stationAddress : undefined;
  },
} as typeof DeclaredNet;

// ---- DNS-SD

type ClaimOptions = Parameters<DeclaredDNSSD["claim"]>[0];
type AdvertiseOptions = Parameters<DeclaredDNSSD["advertise"]>[0];

/** What is announced on the network, for the test to see. All objects share it. */
export class Announcements {
  /** Names that another machine has. */
  readonly taken = new Set<string>();
  readonly claims: { host: string; isReady: boolean }[] = [];
  readonly services: AdvertiseOptions[] = [];
  /** What other machines offer. */
  readonly others: { serviceType: string; name: string; host: string; address: string; port: number }[] = [];
}

const announced = new WeakMap<Device, Announcements>();

export function announcements(of = device()): Announcements {
  let found = announced.get(of);
  if (found === undefined) announced.set(of, (found = new Announcements()));
  return found;
}

/** The first of four questions, 250 ms apart. */
const PROBE_MILLISECONDS = 250;
/** Until others answer. */
const ANSWER_MILLISECONDS = 20;

export class DNSSD implements DeclaredDNSSD {
  readonly #open: { close(): void }[] = [];

  constructor(options: ConstructorParameters<typeof DeclaredDNSSD>[0]) {
    if (typeof options.socket.io !== "function") throw new TypeError("no constructor");
  }

  claim(options: ClaimOptions): { close(): void } {
    const { claims, taken } = announcements();
    if (claims.some(({ host }) => host === options.host)) throw new Error("duplicate");
    const claim = { host: options.host, isReady: false };
    claims.push(claim);
    let probe = 0;
    const leave = (): void => {
      Timer.clear(timer);
      const index = claims.indexOf(claim);
      if (index !== -1) claims.splice(index, 1);
    };
    let timer = Timer.set(() => {
      timer = Timer.repeat(() => {
        if (taken.has(options.host)) {
          options.onError?.();
          leave();
        } else if (++probe === 4) {
          Timer.clear(timer);
          claim.isReady = true;
          options.onReady?.();
        }
      }, PROBE_MILLISECONDS);
    });
    return this.#keep({ close: leave });
  }

  advertise(options: AdvertiseOptions): { close(): void; updateTXT(txt: Map<string, string>): void } {
    if (options.serviceType.lastIndexOf("._") < 0) throw new Error("invalid serviceType");
    if (Net.get("IP") === undefined) throw new TypeError("undefined has no split");
    const { services } = announcements();
    const service = { ...options };
    services.push(service);
    return this.#keep({
      close(): void {
        const index = services.indexOf(service);
        if (index !== -1) services.splice(index, 1);
      },
      updateTXT(txt: Map<string, string>): void {
        service.txt = txt;
      },
    });
  }

  discover(options: Parameters<DeclaredDNSSD["discover"]>[0]): { close(): void } {
    const timer = Timer.set(() => {
      for (const service of announcements().others) {
        if (service.serviceType === options.serviceType) options.onFound?.(service);
      }
    }, ANSWER_MILLISECONDS);
    return this.#keep({ close: () => Timer.clear(timer) });
  }

  close(): void {
    for (const each of this.#open.splice(0)) each.close();
  }

  #keep<T extends { close(): void }>(handle: T): T {
    this.#open.push(handle);
    return handle;
  }
}

// ---- SNTP

const RETRY_MILLISECONDS = 5000;
const ATTEMPTS = 5;

/** Time servers that answer: host to seconds since 1970 at the device's start. */
const timeServers = new WeakMap<Device, Map<string, number>>();

export function timeServer(host: string, seconds: number): void {
  const map = timeServers.get(device()) ?? new Map<string, number>();
  map.set(host, seconds);
  timeServers.set(device(), map);
}

export class SNTP implements DeclaredSNTP {
  static readonly time = 1;
  static readonly retry = 2;
  static readonly error = -1;
  #host: string;
  #left = ATTEMPTS;
  #timer: ReturnType<typeof Timer.set> | undefined;

  constructor(
    options: { host: string },
    private readonly callback: (message: number, value?: number | string) => unknown,
  ) {
    this.#host = options.host;
    this.#timer = Timer.set(() => this.#next(), 0, RETRY_MILLISECONDS);
  }

  close(): void {
    Timer.clear(this.#timer);
    this.#timer = undefined;
  }

  #next(): void {
    const seconds = timeServers.get(device())?.get(this.#host);
    if (radio().addresses !== 0 && seconds !== undefined) {
      this.close();
      this.callback(SNTP.time, seconds + Math.trunc(device().now / 1000));
    } else if (this.#left === ATTEMPTS) this.#left--;
    else if (this.#left-- > 0) this.callback(SNTP.retry);
    else this.#fail();
  }

  #fail(): void {
    const host = this.callback(SNTP.error, "no response from SNTP server");
    if (typeof host !== "string") return this.close();
    this.#host = host;
    this.#left = ATTEMPTS;
  }
}
