// node test/xs/smoke.mjs: proves that the host counts, fixes and talks TCP, on every width that is built.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { bundle } from "./bundle.mjs";
import { builtWidths, start } from "./run.mjs";

const ROUND_TRIPS = 1000;

async function echo(port) {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  await once(socket, "connect");
  const began = performance.now();
  for (let trip = 0; trip < ROUND_TRIPS; trip++) {
    const message = Buffer.alloc(64, trip & 0xff);
    socket.write(message);
    let received = Buffer.alloc(0);
    while (received.length < message.length) {
      const [data] = await once(socket, "data");
      received = Buffer.concat([received, data]);
    }
    assert.deepEqual(received, message);
  }
  const milliseconds = performance.now() - began;
  socket.end();
  return milliseconds;
}

async function smoke(bits, script) {
  const run = start(bits, script, { args: ["a", "b c"], options: ["--report"] });
  const milliseconds = await echo(Number(await run.line("port ")));
  const { code, output, errors } = await run.done;
  const lines = Object.fromEntries(
    output
      .trim()
      .split("\n")
      .map((line) => [line.split(" ")[0], line.slice(line.indexOf(" ") + 1)]),
  );
  assert.equal(code, 0, errors);
  assert.equal(lines.engine, `XS ${bits}-bit ${bits === "32" ? 16 : 32} a b c`);
  assert.equal(lines.idle, "0 0 0");
  assert.equal(lines.literal, "2 0 0");
  assert.equal(lines.view, "4 0 0");
  assert.equal(lines.chunk, bits === "32" ? "3 108 0" : "3 120 0"); // 100 bytes and a header, rounded up to a pointer
  assert.equal(lines.echo, "0 0 0");
  assert.ok(Number(lines.reads) >= ROUND_TRIPS);

  // A full machine stops, and says what is full.
  const full = {
    slots: [3, /memory full/],
    chunks: [3, /memory full/],
    keys: [4, /keys full/],
    stack: [5, /stack overflow/],
    throw: [1, /RangeError: planted/],
  };
  for (const [what, [expected, message]] of Object.entries(full)) {
    const { code, errors } = await start(bits, script, { args: ["fill", what] }).done;
    assert.equal(code, expected, `${what}: ${errors}`);
    assert.match(errors, message);
  }
  console.log(
    `xs ${bits}-bit: ${ROUND_TRIPS} round trips in ${milliseconds.toFixed(0)} ms, +0 slots, +0 bytes, +0 collections; ${errors.trim()}`,
  );
}

const widths = builtWidths();
if (widths.length === 0) {
  console.log("xs: nothing is built: node test/xs/build.mjs");
  process.exit(1);
}
const script = await bundle(fileURLToPath(new URL("smoke.ts", import.meta.url)));
for (const bits of widths) await smoke(bits, script);
