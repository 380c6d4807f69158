// The host itself: its counters count, its machine is fixed, its TCP works and allocates nothing.

import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { engineFor } from "./engine";
import { start } from "./run.mjs";

const ROUND_TRIPS = 1000;

const { widths, script } = await engineFor("smoke.ts");

/** Sends messages and waits for each to come back. */
async function echo(port: number): Promise<void> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  await once(socket, "connect");
  for (let trip = 0; trip < ROUND_TRIPS; trip++) {
    const message = Buffer.alloc(64, trip & 0xff);
    socket.write(message);
    let received = Buffer.alloc(0);
    while (received.length < message.length) {
      const [data] = await once(socket, "data");
      received = Buffer.concat([received, data]);
    }
    expect(received.equals(message)).toBe(true);
  }
  socket.end();
}

describe.each(widths)("midge-xs, %s bits", (bits) => {
  test("counts each allocation with its size, and none for 1,000 round trips over TCP", async () => {
    const run = start(bits, script, { args: ["a", "b c"] });
    await echo(Number(await run.line("port ")));
    const { code, output, errors } = await run.done;
    expect(code, errors).toBe(0);
    const lines = output.trim().split("\n");
    expect(lines.slice(0, 5)).toEqual([
      `engine XS ${bits}-bit ${bits === "32" ? 16 : 32} a b c`,
      // slots, chunk bytes, collections
      "idle 0 0 0",
      "literal 2 0 0",
      "view 4 0 0",
      `chunk 3 ${bits === "32" ? 108 : 120} 0`, // 100 bytes and a header, rounded up to a pointer
    ]);
    expect(lines).toContain("echo 0 0 0");
    expect(Number(lines.at(-1)?.replace("reads ", ""))).toBeGreaterThanOrEqual(ROUND_TRIPS);
  });

  test.each([
    ["slots", 3, "memory full"],
    ["chunks", 3, "memory full"],
    ["keys", 4, "keys full"],
    ["stack", 5, "stack overflow"],
    ["throw", 1, "RangeError: planted"],
  ])("stops when it runs out of %s, and says so", async (what, expected, message) => {
    const { code, errors } = await start(bits, script, { args: ["fill", what] }).done;
    expect(errors).toContain(message);
    expect(code).toBe(expected);
  });
});
