// The broker in a harness, for every test that needs one.

import { Broker } from "../../src/index";
import { type Limits, presets } from "../../src/memory/limits";
import { Harness } from "./harness";

export interface BrokerOptions {
  /** Default `presets.tiny`. */
  limits?: Readonly<Limits>;
  readAhead?: boolean;
  upBytes?: number;
  downBytes?: number;
  seed?: number;
  startMilliseconds?: number;
}

export function startBroker(options: BrokerOptions = {}): Harness<Broker> {
  const limits = { ...(options.limits ?? presets.tiny) };
  return new Harness(
    {
      connections: limits.connections,
      readAhead: options.readAhead,
      upBytes: options.upBytes,
      downBytes: options.downBytes,
      startMilliseconds: options.startMilliseconds,
    },
    (ports) => new Broker(limits, ports, options.seed ?? 1),
  );
}
