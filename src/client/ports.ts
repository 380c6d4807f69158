// What a client needs of the machine it runs on, and what it tells the application. Interfaces and codes only.

import type { Clock, Transport } from "../ports";

/** Opens the one stream of a client. */
export interface Dialer {
  /**
   * Opens a stream to the server as `connection`. The host answers with `Client.opened` or `Client.closed`, later; after a
   * `Transport.close` with neither.
   */
  dial(connection: number): void;
}

export interface Random {
  /** Any 32 bits. */
  next(): number;
}

export interface ClientPorts {
  transport: Transport;
  dialer: Dialer;
  clock: Clock;
  random: Random;
}

/** Why a connection ended or never was, where no Reason Code says it. */
export const enum ClientCause {
  /** The stream could not be opened, or broke, or the server closed it. Of a message: it was not kept, and its connection is gone. */
  Lost = 0x100,
  /** The stream did not open, or no CONNACK came, within `connectMilliseconds`. */
  ConnectTimeout = 0x101,
  /** Nothing came within one and a half times the Keep Alive. */
  Silent = 0x102,
  /** The application stopped it. */
  Stopped = 0x103,
  /** A message's Message Expiry Interval passed before it could be sent. */
  Expired = 0x104,
}

/** Why the client does not take what the application gives it. */
export const enum NotAccepted {
  /** All `messages`, or all `subscriptions`, are in use. */
  Messages = -1,
  /** `payloadBytes` are in use. */
  PayloadBytes = -2,
  /** A Topic Name or Topic Filter that is not valid, too long, or of too many levels. */
  Topic = -3,
  /** QoS 0 while there is no connection. */
  Offline = -4,
  /** The server does not offer it: QoS, retained messages, wildcards, Shared Subscriptions, a Subscription Identifier. */
  Unsupported = -5,
  /** No such subscription. */
  Unknown = -6,
  /**
   * What MQTT does not allow: QoS 3, Subscription Options or a Subscription Identifier that can't be, properties that are not
   * those of a PUBLISH, or are longer than `stageBytes`.
   */
  Invalid = -7,
}

/**
 * What the client tells the application, called from `step`, `write`, `stop` and `abandon`. Numbers of rows are those that
 * `publish` and `subscribe` returned; after the call that ends one, the number may be used again.
 */
export interface ClientEvents {
  /** CONNACK with Success; `Client.response` is what it said, its properties until the application calls the client. */
  connected(sessionPresent: boolean): void;
  /** There is no connection any more, or an attempt failed: Reason Code, return code of 3.1.1 as such, or `ClientCause`. */
  disconnected(reason: number): void;
  /**
   * QoS 0: sent. QoS 1, 2: the server has it. Or it did not get it: Reason Code of 0x80 or more, `ClientCause.Expired`, or
   * `ClientCause.Lost` for what is not kept.
   */
  published(message: number, reasonCode: number): void;
  /** The Topic Filter is granted (QoS 0 to 2), or refused: then its row is gone. */
  subscribed(subscription: number, reasonCode: number): void;
  unsubscribed(subscription: number, reasonCode: number): void;
  /** A message begins: `Client.message` tells about it. */
  message(): void;
  /** Payload has come: `count` bytes at `at` of the client's memory. Returns how many were taken; 0 to be asked after `resume`. */
  payload(at: number, count: number): number;
  /** The message is complete. */
  messageEnd(): void;
  /** The connection was lost in the middle of it: forget it. */
  messageLost(): void;
  /** `Client.write` takes payload of the message that `publishStream` took: `count` bytes. Needed only for that. */
  writable?(count: number): void;
  /** PINGRESP. */
  pinged?(): void;
}
