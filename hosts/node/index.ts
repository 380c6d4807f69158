// Midge on Node.js: `listen` starts a broker on TCP.

export { type Listening, type ListenOptions, listen } from "./listen";
export type { Detail, LogEvent } from "./log";
