// Every test must be able to fail: all of them run against a server that only closes and one that only accepts. What
// passes there must be listed in `statements.ts` with its reason, exactly.

import { expect, test } from "vitest";
import { rules } from "./all";
import { title } from "./rules";
import { type DummyKind, dummyServer } from "./server";
import { passesOnDummy } from "./statements";

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

test("the dummies do what they are called", async () => {
  const closes = await dummyServer("only closes").open();
  expect(await closes.nextOrClosed()).toBeUndefined();
  const accepts = await dummyServer("only accepts").open();
  await accepts.send([0x10, 0]);
  await expect(accepts.nextOrClosed()).rejects.toThrow("neither a packet nor a close came");
  await accepts.end();
  expect(await accepts.nextOrClosed()).toBeUndefined();
});
