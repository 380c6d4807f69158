// What can go wrong for an application: options that can't be (OptionsError, LimitsError of the core), what the client does
// not take, what the server did not do.

import { ClientCause, NotAccepted } from "../../../src/client/ports";
import { reasonName } from "../../text/names";

/** What the server, or the way to it, did not do. */
export class MqttError extends Error {
  /** Reason Code of MQTT 5.0 [section 2.4]; 0 when nobody said one. */
  readonly reasonCode: number;
  /** What the server said in words [5.0 section 3.2.2.3.9]; it comes from the network: escape it before you print it. */
  readonly reasonString: string | undefined;

  constructor(what: string, reason: number, reasonString?: string, cause?: Error) {
    const why = reason < 0x100 ? `${reasonName(reason)} (0x${reason.toString(16).padStart(2, "0")})` : causeOf(reason);
    super(`${what}: ${why}${cause === undefined ? "" : `: ${textOf(cause)}`}`, { cause });
    this.name = "MqttError";
    this.reasonCode = reason < 0x100 ? reason : 0;
    this.reasonString = reasonString;
  }
}

/** The client did not take it: nothing has happened. */
export class NotAcceptedError extends Error {
  /** The field of `ClientLimits` that is used up, if one is. */
  readonly limit: string | undefined;

  /** @internal */
  constructor(reason: NotAccepted, isMessage: boolean) {
    const all = isMessage ? notAccepted : { ...notAccepted, ...notSubscribed };
    const [limit, text] = all[reason] ?? [undefined, "not accepted"];
    super(text);
    this.name = "NotAcceptedError";
    this.limit = limit;
  }
}

const notAccepted: Readonly<Record<number, readonly [limit: string | undefined, text: string]>> = {
  [NotAccepted.Messages]: ["messages", "all messages are in use"],
  [NotAccepted.PayloadBytes]: ["payloadBytes", "payloadBytes are in use"],
  [NotAccepted.Topic]: [undefined, "no valid Topic Name or Topic Filter, or too long"],
  [NotAccepted.Offline]: [undefined, "QoS 0 needs a connection, and there is none"],
  [NotAccepted.Unsupported]: [undefined, "the server does not support it"],
  [NotAccepted.Unknown]: [undefined, "there is no such subscription"],
  [NotAccepted.Invalid]: [undefined, "MQTT does not allow it, or its properties are longer than stageBytes"],
};

/** Beside `ClientCause`: a later call about the same Topic Filter wants the contrary. */
export const OVERTAKEN = 0x1ff;

const notSubscribed: Readonly<Record<number, readonly [limit: string, text: string]>> = {
  [NotAccepted.Messages]: ["subscriptions", "all subscriptions are in use"],
};

function causeOf(reason: number): string {
  switch (reason) {
    case OVERTAKEN:
      return "a later call took its place";
    case ClientCause.Expired:
      return "Message Expiry Interval passed";
    case ClientCause.Silent:
      return "the server is silent";
    case ClientCause.Stopped:
      return "the client was closed";
    case ClientCause.ConnectTimeout:
      return "no answer in time";
    default:
      return "connection lost";
  }
}

/** What the system says, in one line. */
function textOf(cause: Error & { code?: string; reason?: string }): string {
  // An error of OpenSSL's has its own file and line in the message.
  if (cause.code?.startsWith("ERR_SSL_") && cause.reason !== undefined) return cause.reason;
  // A name with several addresses, each of which failed.
  if (cause instanceof AggregateError) return cause.errors.map((error: Error) => textOf(error)).join("; ");
  return cause.message;
}
