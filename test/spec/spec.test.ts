// Every statement's test against the broker.
//
// The limits are those of `presets.esp32`, the same for all of test/spec: what the standard says must not depend on
// tiny limits, whose exhaustion has its own tests. Each test has a broker of its own: once on a roomy transport that
// takes bytes back, and once on one like a device's, which does not and holds little each way. Afterwards everybody
// leaves, and every pool must be whole.

import { describe, expect, test } from "vitest";
import { presets } from "../../src/memory/limits";
import { audit } from "../support/audit";
import { startBroker } from "../support/broker";
import { rules } from "./all";
import { clientRules } from "./all-client";
import { oddities, unknownIds } from "./coverage";
import { title } from "./rules";
import { MemoryServer } from "./server";
import { statements } from "./statements";

const transports = {
  "roomy transport": { readAhead: true },
  "tight transport": { readAhead: false, upBytes: 700, downBytes: 1500 },
};

for (const [name, transport] of Object.entries(transports)) {
  describe(name, () => {
    for (const section of new Set(rules.map((it) => it.section))) {
      describe(section, () => {
        for (const it of rules.filter((rule) => rule.section === section)) {
          for (const level of it.levels) {
            test(title(it, level), async () => {
              const options = { limits: presets.esp32, ...transport };
              const harness = startBroker(options);
              await it.run(new MemoryServer(harness), level);
              expect(audit(harness, options), "pools when everybody has left").toEqual([]);
            });
          }
        }
      });
    }
  });
}

describe("the table of statements", () => {
  test("has each id once", () => {
    const keys = statements.map((it) => `${it.version} ${it.id}`);
    expect(keys.filter((key, at) => keys.indexOf(key) !== at)).toEqual([]);
  });

  test("has every id that a test names", () => {
    expect(unknownIds()).toEqual([]);
  });

  test("has for each side that is bound a test or the reason why none, never both", () => {
    expect(oddities()).toEqual([]);
  });

  test.each(Object.entries({ server: rules, client: clientRules }))(
    "no two tests of a %s have the same title",
    (_, all) => {
      const titles = all.flatMap((it) => it.levels.map((level) => `${it.section}: ${title(it, level)}`));
      expect(titles.filter((name, at) => titles.indexOf(name) !== at)).toEqual([]);
    },
  );
});
