// The core, for applications and hosts.

export { Broker, type Ports } from "./broker/broker";
export { type Plan, plan } from "./broker/plan";
export type { PoolReport } from "./broker/reports";
export { Client, ClientState } from "./client/client";
export { type ClientLimits, checkClientLimits, clientPresets } from "./client/limits";
export { type ConnectOptions, OptionsError, type Will } from "./client/options";
export {
  ClientCause,
  type ClientEvents,
  type ClientPorts,
  type Dialer,
  NotAccepted,
  type Random,
} from "./client/ports";
export { planClient } from "./client/tables";
export { Cause, Drop, Event, Hold, Limit, limitNames } from "./events";
export type { PlanRow } from "./memory/layout";
export {
  checkLimits,
  type Limits,
  LimitsError,
  limitRanges,
  type Overflow,
  type PresetName,
  presets,
  type Refuse311,
} from "./memory/limits";
export { ReasonCode } from "./mqtt/constants";
export { type Clock, HEADROOM, type Log, type Storage, type Transport } from "./ports";
