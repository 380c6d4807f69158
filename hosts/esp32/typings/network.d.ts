// Network services of the Moddable SDK 8.2.3 that hosts/esp32 uses; see moddable.d.ts.

declare module "embedded:network/interface/wifi" {
  export default class WiFi {
    constructor(options: {
      /** "connection" when `connection` may have changed, "address" when an address came. */
      onChanged?(this: WiFi, property: "connection" | "address"): void;
    });
    /** Throws while it is connecting. It tries once: a lost connection stays lost until the next call. */
    connect(options: { SSID: string; password?: string; channel?: number }): void;
    /** Tells nobody. */
    disconnect(): void;
    configure(options: { hostname?: string }): void;
    /** Forgets the callback; the radio stays as it is. */
    close(): void;
    /** 200 not connected, 300 connecting, 400 connected, 500 it has its addresses. */
    readonly connection: number;
    readonly address: string | undefined;
    /** Small letters and colons. */
    readonly MAC: string | undefined;
    readonly SSID: string | undefined;
    /** dBm. */
    readonly RSSI: number | undefined;
  }
}

declare module "wifi" {
  /** The older module: the only one with an access point. Started after the newer one it stops the device. */
  class WiFi {
    constructor(options: undefined, onNotify: (message: string, reason?: number) => void);
    close(): void;
    /** A password has 8 to 64 characters; without the property the network is open. Throws when it can't. */
    static accessPoint(options: {
      ssid: string;
      password?: string;
      channel?: number;
      hidden?: boolean;
      /** Stations at once; 4 unless told. */
      max?: number;
      /** Beacons, in ms. */
      interval?: number;
      /** Stays a station too, if the mode was station before. */
      station?: boolean;
    }): void;
    /** 0 none, 1 station, 2 access point, 3 both, -5 off. */
    static mode: number;
  }

  export { WiFi as default };
}

declare module "embedded:io/socket/udp" {
  /** Only ever handed on, to DNS-SD. */
  export default class UDP {
    constructor(options: Readonly<Record<string, unknown>>);
    close(): void;
  }
}

declare module "embedded:network/dnssd" {
  import type UDP from "embedded:io/socket/udp";

  export default class DNSSD {
    constructor(options: { socket: { io: typeof UDP } });
    /** Gives the name `<host>.local` to this device, about a second later. Throws when it is claimed already. */
    claim(options: { host: string; onReady?(): void; onError?(): void }): { close(): void };
    /** Throws without an address of its own, and for a service type that is not like "_mqtt._tcp". */
    advertise(options: { serviceType: string; host: string; name?: string; port: number; txt?: Map<string, string> }): {
      close(): void;
      updateTXT(txt: Map<string, string>): void;
    };
    /** Asks who offers the service, now and from time to time, and tells of each that answers. Errors are swallowed. */
    discover(options: { serviceType: string; onFound?(service: Service): void; onUpdate?(service: Service): void }): {
      close(): void;
    };
    close(): void;
  }

  export interface Service {
    name: string;
    /** With ".local". */
    host: string;
    address: string;
    port: number;
    txt?: Map<string, string | undefined>;
  }
}

declare module "sntp" {
  /** Asks once; closes itself with the answer, or after five attempts, 5 s apart. */
  class SNTP {
    /** `value` is seconds since 1970 with `SNTP.time`, a text with `SNTP.error`. A host returned then is asked next. */
    constructor(options: { host: string }, callback: (message: number, value?: number | string) => unknown);
    close(): void;
    static readonly time: 1;
    static readonly retry: 2;
    static readonly error: -1;
  }

  export { SNTP as default };
}

declare module "net" {
  const Net: {
    /** Undefined without an address, and, without an interface named, while it is station and access point at once. */
    get(what: "IP" | "MAC", of?: "station" | "ap"): string | undefined;
    get(what: "RSSI"): number | undefined;
  };

  export { Net as default };
}
