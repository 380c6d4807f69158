// Finds a broker in the local network by what it announces, in the form that a client takes as its `dns`:
// `new MQTTClient({ host: "midge.local", dns: { io: ServiceResolver, DNSSD, UDP, Timer }, … })`.

import type UDPModule from "embedded:io/socket/udp";
import type DNSSDModule from "embedded:network/dnssd";
import type TimerModule from "timer";

export interface ServiceResolverOptions {
  DNSSD: typeof DNSSDModule;
  UDP: typeof UDPModule;
  Timer: typeof TimerModule;
  /** Default "_mqtt._tcp". */
  serviceType?: string;
  /** How long to look, ms. Default 5000. */
  milliseconds?: number;
}

export interface ResolveRequest {
  /** "midge.local"; or the service type itself, for any that answers. */
  host: string;
  onResolved: (host: string, address: string) => void;
  onError: (error?: unknown) => void;
}

export class ServiceResolver {
  readonly #options: ServiceResolverOptions;

  // A client gives its `dns` option as it is; `io` is this class.
  constructor(options: Record<string, unknown>) {
    this.#options = options as unknown as ServiceResolverOptions;
  }

  /** Asks once. One of the callbacks is called, later. @throws what the SDK throws without a network */
  resolve({ host, onResolved, onError }: ResolveRequest): void {
    const { DNSSD, UDP, Timer, serviceType = "_mqtt._tcp", milliseconds = 5000 } = this.#options;
    const wanted = host.toLowerCase();
    const dnssd = new DNSSD({ socket: { io: UDP } });
    let isOver = false;
    const end = (): boolean => {
      if (isOver) return false;
      isOver = true;
      // Not within the SDK's own callback.
      Timer.set(() => dnssd.close());
      return true;
    };
    const found = (service: { host?: string; address?: string }): void => {
      const isIt = wanted === serviceType || service.host?.toLowerCase() === wanted;
      if (!isIt || service.address === undefined || !end()) return;
      Timer.clear(timer);
      onResolved(host, service.address);
    };
    const timer = Timer.set(() => {
      if (end()) onError(new Error("not found"));
    }, milliseconds);
    dnssd.discover({ serviceType, onFound: found, onUpdate: found });
  }
}
