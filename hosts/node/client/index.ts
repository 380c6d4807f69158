// The client for Node.js: `connect`.

export { type ClientLimits, clientPresets } from "../../../src/client/limits";
export { OptionsError } from "../../../src/client/options";
export { planClient } from "../../../src/client/tables";
export { LimitsError } from "../../../src/memory/limits";
export type { Plan } from "../../../src/memory/plan";
export { ReasonCode } from "../../../src/mqtt/constants";
export type { MqttClient } from "./client";
export { connect } from "./connect";
export { MqttError, NotAcceptedError } from "./errors";
export type { Handler, ReceivedMessage } from "./handlers";
export type { ConnectOptions, PublishOptions, SubscribeOptions, WillOptions } from "./options";
export type { MessageProperties, ServerInfo, UserProperties, WillProperties } from "./properties";
export type { RequestOptions } from "./requests";
