// The statement suite of test/spec as one function, to be bundled around a changed core: which mutations does it see?

import { presets } from "../../src/memory/limits";
import { rules } from "../spec/all";
import { title } from "../spec/rules";
import { MemoryServer } from "../spec/server";
import { audit } from "../support/audit";
import { startBroker } from "../support/broker";

const transports = [{ readAhead: true }, { readAhead: false, upBytes: 700, downBytes: 1500 }];

/** The title of the first test that fails; "" when all pass. */
export async function firstFailure(): Promise<string> {
  if (rules.length === 0) throw new Error("no statements");
  for (const transport of transports) {
    for (const it of rules) {
      for (const level of it.levels) {
        const options = { limits: presets.esp32, ...transport };
        try {
          const harness = startBroker(options);
          await it.run(new MemoryServer(harness), level);
          if (audit(harness, options).length > 0) return title(it, level);
        } catch {
          return title(it, level);
        }
      }
    }
  }
  return "";
}
