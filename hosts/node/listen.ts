// The broker on TCP: puts the core, its transport, clock and log together.

import { randomBytes } from "node:crypto";
import net from "node:net";
import { Broker } from "../../src/index";
import { type Limits, presets } from "../../src/memory/limits";
import { NodeClock } from "./clock";
import { peerAddress } from "./connection";
import { type Detail, EventLog, type LogEvent } from "./log";
import { NodeTransport } from "./transport";

export interface ListenOptions {
  /**
   * Every bound of the broker; its memory follows from them and is taken at once. Copy a preset with a spread and
   * change what you need. Default `presets.node`.
   */
  limits?: Readonly<Limits>;
  /** TCP port, 0 to 65,535; 0 lets the system choose one. Default 1883 [MQTT 5.0 section 4.2]. */
  port?: number;
  /** Address or name to listen on. Default "127.0.0.1": only programs on this machine can connect. */
  host?: string;
  /**
   * Called for what happens: connected, disconnected and why, refused and by which limit. What repeats within a second
   * comes once, and once more with a `count`. Must not throw. Without it nothing is put into words.
   */
  onEvent?: (event: LogEvent) => void;
  /** What `onEvent` hears: "quiet" what was refused or dropped, "normal" connections as well, "verbose" everything. Default "normal". */
  detail?: Detail;
}

export interface Listening {
  /** The port it listens on. */
  readonly port: number;
  /** The address it listens on. */
  readonly host: string;
  /** The core: `plan`, `counters()`, `pools()`. */
  readonly broker: Broker;
  /**
   * Accepts no more, sends DISCONNECT 0x8B (Server shutting down) to MQTT 5.0 clients, closes every connection and
   * resolves when all are gone; peers that do not read are cut off after `discardMilliseconds`.
   */
  close(): Promise<void>;
}

/** How long `close` waits for peers beyond twice `discardMilliseconds`, ms. */
const CLOSE_MILLISECONDS = 1000;

/**
 * Starts a broker for MQTT 3.1, 3.1.1 and 5.0 over TCP.
 *
 * @throws LimitsError when the limits are impossible; its `field` names the limit
 * @throws RangeError when the machine can't give the memory
 * @throws the error of node:net when the port can't be opened; its `code` is EADDRINUSE, EACCES, EADDRNOTAVAIL, ENOTFOUND …
 *
 * @example
 * import { presets } from "midge-mqtt";
 * import { listen } from "midge-mqtt/node";
 * const { port, close } = await listen({ limits: { ...presets.gateway, connections: 50, sessions: 60 } });
 */
export async function listen(options: ListenOptions = {}): Promise<Listening> {
  const { limits = presets.node, port = 1883, host = "127.0.0.1", onEvent, detail = "normal" } = options;
  const transport = new NodeTransport(limits.connections);
  const log = new EventLog(onEvent, detail);
  const seed = randomBytes(4).readUInt32LE();
  const broker = new Broker(limits, { transport, clock: new NodeClock(), log }, seed);
  log.reports = {
    clientId: (connection) => broker.clientId(connection),
    sessionClientId: (session) => broker.sessionClientId(session),
    protocolVersion: (connection) => broker.protocolVersion(connection),
    address: (connection) => transport.address(connection),
  };

  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      resolve();
    });
  });
  transport.start(broker);
  server.on("connection", (socket) => {
    if (transport.accept(socket, 0) > 0) return;
    log.streamRefused(peerAddress(socket));
    socket.on("error", () => {});
    socket.destroy();
  });
  server.on("error", (error) => log.acceptFailed(error.message));

  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve));
    broker.stop();
    transport.wake();
    const deadline = performance.now() + 2 * limits.discardMilliseconds + CLOSE_MILLISECONDS;
    while (broker.connectionCount + transport.openCount + transport.closingCount > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    transport.stop();
    log.flush();
    await closed;
  };

  const address = server.address() as net.AddressInfo;
  return {
    port: address.port,
    host: address.address,
    broker,
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}
