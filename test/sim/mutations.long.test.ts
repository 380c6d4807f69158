import { expect, test } from "vitest";
import { failingStatement, tryMutation } from "../../sim/mutate";
import { mutations } from "../../sim/mutations";
import { clientMutations } from "../../sim/mutations-client";

test("there are enough", () => {
  expect(mutations.length).toBeGreaterThanOrEqual(25);
  expect(clientMutations.length).toBeGreaterThanOrEqual(10);
});

// The unchanged core passes at all these seeds: worlds.long.test.ts.
test.each([...mutations, ...clientMutations])("$name", async (mutation) => {
  expect(await tryMutation(mutation)).toMatchObject({ kind: expect.stringMatching(/oracle|audit/) });
});

test("the statement suite does not see ten of them", async () => {
  const unseen: string[] = [];
  for (const mutation of mutations) if ((await failingStatement(mutation)) === "") unseen.push(mutation.name);
  expect(unseen.length).toBeGreaterThanOrEqual(10);
});

test("the statement suite passes without a mutation", async () => {
  expect(await failingStatement({ ...mutations[0], replace: mutations[0].find })).toBe("");
});
