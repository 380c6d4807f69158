// PINGREQ, PINGRESP [3.12, 3.13] and Keep Alive [3.1.2.10].

import { hex, property, publish, subscribe } from "../../support/packets";
import { connect, MALFORMED } from "../client";
import { rule, section } from "../rules";

section("PINGREQ and Keep Alive");

rule("PINGREQ is answered with PINGRESP", { "3.1.1": "3.12.4-1", "5.0": "3.12.4-1" }, async (server, level) => {
  const client = await connect(server, level);
  await client.send(hex("c0 00 c0 00"));
  await client.expect(hex("d0 00"), hex("d0 00"));
});

rule(
  "flags of PINGREQ other than 0000 close",
  { "3.1.1": "2.2.2-1 2.2.2-2", "5.0": "2.1.3-1", levels: [4, 5] },
  async (server, level) => {
    for (let flags = 1; flags < 16; flags++) {
      const client = await connect(server, level);
      await client.send([0xc0 | flags, 0]);
      await client.disconnected(...MALFORMED);
    }
  },
);

rule("a PINGREQ with a body closes", { levels: [4, 5] }, async (server, level) => {
  const client = await connect(server, level);
  await client.send(hex("c0 01 00"));
  await client.disconnected(...MALFORMED);
});

rule(
  "silence for one and a half times the Keep Alive closes, and not earlier",
  { "3.1.1": "3.1.2-24", "5.0": "3.1.2-22" },
  async (server, level) => {
    const watcher = await connect(server, level, { id: "watcher" });
    await watcher.subscribe("w");
    const client = await connect(server, level, { keepAlive: 2, will: { topic: "w", payload: "lost" } });
    await server.advance(3000 - 500);
    await watcher.quiet();
    await server.advance(500 + server.slack);
    await client.disconnected(0x8d);
    // The connection counts as broken, so the will is published.
    await watcher.gets("w", "lost");
  },
);

rule("any packet keeps a connection alive", { "3.1.1": "3.1.2-24", "5.0": "3.1.2-22" }, async (server, level) => {
  const client = await connect(server, level, { keepAlive: 1 });
  for (let i = 0; i < 4; i++) {
    await server.advance(1000);
    if (i % 2 === 0) await client.send(publish({ level, topic: "t", payload: "x" }));
    else await client.quiet();
  }
  await client.quiet();
});

rule(
  "what the server sends does not keep a connection alive",
  { "3.1.1": "3.1.2-24", "5.0": "3.1.2-22" },
  async (server, level) => {
    const client = await connect(server, level, { keepAlive: 1 });
    await client.send(subscribe(level, 1, [["t", 0]]));
    await client.next();
    const publisher = await connect(server, level, { id: "publisher" });
    for (let i = 0; i < 4; i++) {
      await server.advance((1000 + server.slack) / 2);
      await publisher.send(publish({ level, topic: "t", payload: "x" }));
    }
    for (;;) {
      const packet = await client.nextOrClosed();
      if (packet === undefined || packet[0] === 0xe0) return;
    }
  },
);

rule("a Keep Alive of 0 is none", { levels: [3, 4], virtual: true }, async (server, level) => {
  const client = await connect(server, level, { keepAlive: 0 });
  await server.advance(24 * 3600_000);
  await client.quiet();
});

rule("a clock that steps back disconnects nobody", { levels: [4, 5], virtual: true }, async (server, level) => {
  const client = await connect(server, level, { keepAlive: 10, properties: property.sessionExpiry(60) });
  await server.advance(5000);
  await client.quiet();
  await server.advance(-60_000);
  await client.quiet();
  for (let i = 0; i < 4; i++) {
    await server.advance(5000);
    await client.quiet();
  }
});
