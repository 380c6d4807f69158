// From a URL to a client that is connected.

import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { clientPresets } from "../../../src/client/limits";
import { OptionsError } from "../../../src/client/options";
import { MqttClient } from "./client";
import { type ConnectOptions, coreOptions } from "./options";

/**
 * Connects to `mqtt://host[:1883]` or `mqtts://host[:8883]` and stays connected until `close`, however often the
 * connection is lost. User name and password may be in the URL.
 *
 * A session that goes on may have messages waiting, which come at once: whoever wants them listens to `message`, or
 * subscribes with handlers, in the turn in which this resolves. What nobody handles is acknowledged all the same.
 *
 * @throws OptionsError for an option that can't be, which it names; LimitsError for impossible limits; MqttError when the
 * first attempt fails, unless `retry`; the signal's reason when it aborts.
 *
 * @example
 * import { connect } from "midge-mqtt/client";
 * const client = await connect("mqtt://127.0.0.1");
 * await client.subscribe("home/#", ({ topic, payload }) => console.log(topic, payload.toString()));
 * await client.publish("home/lamp", "on", { qos: 1 });
 * await client.close();
 */
export async function connect(url: string, options: ConnectOptions = {}): Promise<MqttClient> {
  const { limits = clientPresets.client, retry = false, signal } = options;
  const { host, port, isTls, userName, password } = parseUrl(url);
  if (!isTls && options.tls !== undefined) throw new OptionsError("tls", "needs a url that begins with mqtts://");
  const core = coreOptions({ userName, password, ...options });
  signal?.throwIfAborted();
  const open = (): Socket => {
    if (!isTls) return connectTcp({ host, port });
    return connectTls({ ...(isIP(host) === 0 && { servername: host }), ...options.tls, host, port });
  };
  const client = new MqttClient(limits, open, options);
  const abort = (): void => void client.close(true);
  signal?.addEventListener("abort", abort, { once: true });
  client.once("close", () => signal?.removeEventListener("abort", abort));
  try {
    await client.start(core, retry);
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
  return client;
}

interface Address {
  host: string;
  port: number;
  isTls: boolean;
  userName: string | undefined;
  password: string | undefined;
}

function parseUrl(text: string): Address {
  if (!URL.canParse(text)) throw new OptionsError("url", "is none");
  const url = new URL(text);
  const isTls = url.protocol === "mqtts:";
  if (!isTls && url.protocol !== "mqtt:") throw new OptionsError("url", "must begin with mqtt:// or mqtts://");
  if (url.hostname === "") throw new OptionsError("url", "names no host");
  if (url.pathname.length > 1 || url.search !== "" || url.hash !== "") {
    throw new OptionsError("url", "must end with the host or its port");
  }
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? (isTls ? 8883 : 1883) : Number(url.port),
    isTls,
    userName: url.username === "" ? undefined : decoded(url.username),
    password: url.password === "" ? undefined : decoded(url.password),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new OptionsError("url", "has a user name or password with a stray %");
  }
}
