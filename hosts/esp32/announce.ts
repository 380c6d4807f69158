// Tells the network a name, `midge.local`, and that there is a broker, `_mqtt._tcp`.

import type UDPModule from "embedded:io/socket/udp";
import type DNSSDModule from "embedded:network/dnssd";

export interface AnnouncementOptions {
  DNSSD: typeof DNSSDModule;
  UDP: typeof UDPModule;
  /** Without ".local". */
  hostName: string;
  port: number;
  txt: ReadonlyMap<string, string>;
  /** The name is ours. It may have got a number, when another device has the one that was wanted. */
  onNamed: (name: string) => void;
}

/** Names that are tried: midge, midge-2 … */
const MOST_NAMES = 9;
const RETRY_SECONDS = 30;
/** The last name in a network of many can't be had at once: it begins with the first again. */
const NEXT_SECONDS = 2;

export class Announcement {
  readonly #options: AnnouncementOptions;
  #dnssd: DNSSDModule | undefined;
  #number = 1;
  /** Seconds to the next attempt; 0: none is due. */
  #wait = 0;
  #isWanted = false;

  constructor(options: AnnouncementOptions) {
    this.#options = options;
  }

  /** There is a network. */
  start(): void {
    this.#close();
    this.#isWanted = true;
    this.#begin();
  }

  /** There is none: what the SDK would still send now throws. */
  stop(): void {
    this.#isWanted = false;
    this.#wait = 0;
    this.#close();
  }

  /** Once a second. */
  tick(): void {
    if (this.#wait > 0 && --this.#wait === 0 && this.#isWanted) this.#begin();
  }

  #begin(): void {
    const { DNSSD, UDP, hostName } = this.#options;
    const name = this.#number === 1 ? hostName : `${hostName}-${this.#number}`;
    this.#close();
    try {
      const dnssd = new DNSSD({ socket: { io: UDP } });
      this.#dnssd = dnssd;
      dnssd.claim({
        host: name,
        onReady: () => this.#named(dnssd, name),
        // The SDK is not done with the claim yet: the next one begins later.
        onError: () => this.#again(NEXT_SECONDS, (this.#number % MOST_NAMES) + 1),
      });
    } catch {
      this.#again(RETRY_SECONDS, this.#number);
    }
  }

  #named(dnssd: DNSSDModule, name: string): void {
    const { port, txt, onNamed } = this.#options;
    if (dnssd !== this.#dnssd) return;
    try {
      dnssd.advertise({ serviceType: "_mqtt._tcp", name, host: name, port, txt: new Map(txt) });
    } catch {
      return this.#again(RETRY_SECONDS, this.#number);
    }
    onNamed(name);
  }

  #again(seconds: number, number: number): void {
    this.#number = number;
    this.#wait = seconds;
  }

  #close(): void {
    const dnssd = this.#dnssd;
    this.#dnssd = undefined;
    try {
      dnssd?.close();
    } catch {
      // it says goodbye on a network that may be gone
    }
  }
}
