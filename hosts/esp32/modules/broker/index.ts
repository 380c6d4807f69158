// `midge/broker`: a broker in an application of one's own.

export { LocalTransport } from "midge/hosts/ecma419/local";
export { SocketTransport, type TransportOptions } from "midge/hosts/ecma419/transport";
export { Broker, type Ports } from "midge/src/broker/broker";
export { type Plan, plan } from "midge/src/broker/plan";
export type { PoolReport } from "midge/src/broker/reports";
export { Cause, Drop, Event, Hold, Limit } from "midge/src/events";
export { type Limits, presets } from "midge/src/memory/limits";
export type { Clock, Log, Transport } from "midge/src/ports";
