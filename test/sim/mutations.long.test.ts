import { expect, test } from "vitest";
import { tryMutation } from "../../sim/mutate";
import { mutations } from "../../sim/mutations";

test("there are enough", () => expect(mutations.length).toBeGreaterThanOrEqual(25));

// The unchanged core passes at all these seeds: worlds.long.test.ts.
test.each(mutations)("$name", async (mutation) => {
  expect(await tryMutation(mutation)).toMatchObject({ kind: expect.stringMatching(/oracle|audit/) });
});
