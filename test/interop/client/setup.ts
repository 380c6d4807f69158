// What the tests of the client on Node.js share: which brokers there are, clients that end with their test, limits that
// come back quickly.

import { afterEach } from "vitest";
import { type ConnectOptions, clientPresets, connect, type MqttClient } from "../../../hosts/node/client/index";
import { findCommand } from "../server";

export const hasMosquitto = findCommand("mosquitto") !== undefined;
if (!hasMosquitto && process.env.MIDGE_REQUIRE) throw new Error("mosquitto is required and missing");

export const kinds: readonly ("midge" | "mosquitto")[] = hasMosquitto ? ["midge", "mosquitto"] : ["midge"];
export const versions = [4, 5] as const;

/** Of little memory, and soon back after a cut. */
export const quick = Object.freeze({
  ...clientPresets.client,
  payloadBytes: 262144,
  reconnectMilliseconds: 10,
  reconnectMostMilliseconds: 20,
});

const clients: MqttClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) await client.close(true);
});

/** A client of a port of the loopback, or of a URL, for one test. */
export async function join(to: number | string, options: ConnectOptions = {}): Promise<MqttClient> {
  return owned(await connect(typeof to === "number" ? `mqtt://127.0.0.1:${to}` : to, options));
}

/** It is closed after the test. */
export function owned(client: MqttClient): MqttClient {
  clients.push(client);
  return client;
}

/** Options of a client whose session outlives its connections. */
export function keeping(version: number, clientId: string): ConnectOptions {
  return {
    version,
    clientId,
    cleanStart: false,
    limits: quick,
    retry: true,
    ...(version === 5 && { sessionExpiry: 1000 }),
  };
}

/** Awaits `work` of every item, for so many at a time. */
export async function inParallel<T>(
  items: readonly T[],
  most: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = [...items];
  const worker = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: most }, worker));
}
