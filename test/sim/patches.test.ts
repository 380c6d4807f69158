import { expect, test } from "vitest";
import { mutations } from "../../sim/mutations";
import { clientMutations } from "../../sim/mutations-client";
import { apply, patching } from "../../sim/patches";

test.each([...mutations, ...clientMutations])("matches exactly once: $name", (mutation) => {
  expect(() => patching(process.cwd(), [mutation])).not.toThrow();
});

test("a patch that does not match exactly once is refused", () => {
  const patch = { file: "a.ts", find: "x", replace: "y" };
  expect(apply("axb", [patch])).toBe("ayb");
  expect(() => apply("ab", [patch])).toThrow("0 matches");
  expect(() => apply("xx", [patch])).toThrow("2 matches");
});
