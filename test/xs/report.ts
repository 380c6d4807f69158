// The line of JSON with which a script on XS ends.

import { once } from "node:events";
import { connect } from "node:net";
import { expect } from "vitest";
import type { Run } from "./run.mjs";

/** Ends the script by a connection to its port "control", and returns what it reports. */
export async function report<Report>(run: Run): Promise<Report> {
  const socket = connect({ host: "127.0.0.1", port: Number(await run.line("control ")) });
  socket.on("error", () => {});
  await once(socket, "connect");
  const { code, errors } = await run.done;
  expect(code, errors).toBe(0);
  return JSON.parse(await run.line("report "));
}
