// The core, for applications and hosts.

export { Broker, type Ports } from "./broker/broker";
export { type Plan, plan } from "./broker/plan";
export type { PoolReport } from "./broker/reports";
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
