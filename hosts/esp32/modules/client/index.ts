// `midge/client`: a client in the class pattern of ECMA-419, and the core below it.

export type { ControlMessage, Options, ReadableOptions, WriteOptions } from "midge/hosts/ecma419/mqtt-client";
export { default as MQTTClient } from "midge/hosts/esp32/mqtt-client";
export { ServiceResolver } from "midge/hosts/esp32/resolver";
export { Client, ClientState } from "midge/src/client/client";
export { type ClientLimits, clientPresets } from "midge/src/client/limits";
export type { ConnectOptions, Will } from "midge/src/client/options";
export { ClientCause, type ClientEvents, type ClientPorts, NotAccepted } from "midge/src/client/ports";
export { planClient } from "midge/src/client/tables";
