// Every test must be able to fail: all of them run against a server that only closes and one that only accepts, and
// against three clients of that sort. What passes there must be listed in `statements.ts` with its reason, exactly.

import { expect, test } from "vitest";
import { rules } from "./all";
import { clientRules } from "./all-client";
import { equal } from "./client";
import { dummyClients, playDummy } from "./dummy-client";
import { title } from "./rules";
import { type DummyKind, dummyServer } from "./server";
import { passesOnDummy, passesOnDummyClient } from "./statements";

for (const kind of ["only closes", "only accepts"] as const satisfies DummyKind[]) {
  test(`a server that ${kind} passes exactly what is listed`, async () => {
    const passed: string[] = [];
    for (const it of rules) {
      for (const level of it.levels) {
        const failed = await it.run(dummyServer(kind), level).then(
          () => false,
          () => true,
        );
        if (!failed) passed.push(`${it.section}: ${title(it, level)}`);
      }
    }
    expect(passed.sort()).toEqual(passesOnDummy[kind].map(([name]) => name).sort());
  });
}

/** Titles of a client's tests that pass although the client is such a one. */
function passed(kind: (typeof dummyClients)[number]): string[] {
  const list: string[] = [];
  for (const it of clientRules) {
    for (const level of it.levels) {
      try {
        it.run(playDummy(kind), level);
        list.push(`${it.section}: ${title(it, level)}`);
      } catch {
        // As it must.
      }
    }
  }
  return list.sort();
}

for (const kind of dummyClients) {
  test(`a client that ${kind} passes exactly what is listed`, () => {
    expect(passed(kind)).toEqual(passesOnDummyClient[kind].map(([name]) => name).sort());
  });
}

test("the dummy clients do what they are called", () => {
  const closes = playDummy("only closes")(5);
  closes.start();
  closes.opened().closed();
  for (const kind of ["only connects", "closes at the first packet"] as const) {
    const scene = playDummy(kind)(5);
    const line = scene.connect({ clientId: "me" });
    equal(line.connect.id, "me", "Client Identifier");
    scene.publish("t", "x", 1);
    scene.advance(100_000);
    line.nothing();
    line.send([0xd0, 0]);
    if (kind === "only connects") line.nothing();
    else line.closed();
  }
});

test("the dummies do what they are called", async () => {
  const closes = await dummyServer("only closes").open();
  expect(await closes.nextOrClosed()).toBeUndefined();
  const accepts = await dummyServer("only accepts").open();
  await accepts.send([0x10, 0]);
  await expect(accepts.nextOrClosed()).rejects.toThrow("neither a packet nor a close came");
  await accepts.end();
  expect(await accepts.nextOrClosed()).toBeUndefined();
});
