// `midge/limits`: what a broker may hold, and what that takes.

export { type Plan, plan } from "midge/src/broker/plan";
export {
  checkLimits,
  type Limits,
  LimitsError,
  limitRanges,
  type Overflow,
  type PresetName,
  presets,
  type Refuse311,
} from "midge/src/memory/limits";
