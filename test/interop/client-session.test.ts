// A client that goes on with a kept session: nothing that comes with the CONNACK is lost, and nothing that is done comes
// again.

import { afterEach, expect, test } from "vitest";
import { type ConnectOptions, connect, type MqttClient } from "../../hosts/node/client/index";
import { startServer } from "./server";

const open: MqttClient[] = [];
afterEach(async () => {
  for (const client of open.splice(0)) await client.close(true);
});

async function join(port: number, options: ConnectOptions = {}): Promise<MqttClient> {
  const client = await connect(`mqtt://127.0.0.1:${port}`, options);
  open.push(client);
  return client;
}

test.each([4, 5])("version %i", async (version) => {
  const { port } = await startServer();
  const kept = { version, clientId: "kept", cleanStart: false, ...(version === 5 && { sessionExpiry: 1000 }) };
  const first = await join(port, kept);
  await first.subscribe("t", undefined, { qos: 1 });
  await first.close();
  const publisher = await join(port);
  for (const text of ["1", "2", "3"]) await publisher.publish("t", text, { qos: 1 });

  // They come in one read with the CONNACK, before `connect` has resolved.
  const got: string[] = [];
  let release = (): void => {};
  const onMessage = ({ payload }: { payload: Buffer }): Promise<void> => {
    got.push(payload.toString());
    if (got.length < 3) return Promise.resolve();
    return new Promise((resolve) => {
      release = resolve;
    });
  };
  const second = await join(port, { ...kept, onMessage });
  await expect.poll(() => got).toEqual(["1", "2", "3"]);
  release();
  // Long enough to hear of it, too short for a turn of the event loop in which it would be acknowledged anyhow.
  for (let i = 0; i < 20; i++) await new Promise<void>(queueMicrotask);
  await second.close();

  await publisher.publish("t", "4", { qos: 1 });
  const after: string[] = [];
  await join(port, { ...kept, onMessage: ({ payload }) => void after.push(payload.toString()) });
  await expect.poll(() => after).toEqual(["4"]);
});
