// The fakes on XS: they run there, and carry bytes without an allocation, so that what is counted is a host's own.

import { describe, expect, test } from "vitest";
import { engineFor } from "../xs/engine";
import { start } from "../xs/run.mjs";

const { widths, script } = await engineFor("../device/sockets.xs.ts");
const broker = await engineFor("../device/broker.xs.ts");
const contract = await engineFor("../device/contract.xs.ts");
const client = await engineFor("../device/client.xs.ts");

/** The peers' buffers are there too, so the machine is larger than a device's. */
const options = ["--chunks", "1000000"];

describe.each(widths)("the fakes on XS, %s bits", (bits) => {
  test("carry 1,000 round trips and allocate nothing", async () => {
    const { code, output, errors } = await start(bits, script, { options }).done;
    expect(code, errors).toBe(0);
    expect(output.trim().split("\n")).toEqual(["echoes 1001 ticks true", "allocated 0 0 0"]);
  });

  test("are seen when they do: one object planted in each", async () => {
    const { code, output, errors } = await start(bits, script, { options, args: ["plant"] }).done;
    expect(code, errors).toBe(0);
    expect(output).toContain("allocated 2000 0 0");
  });
});

// The peers' buffers and those of the fakes' network are in this machine too: it is larger than a device's, and as fixed.
const brokerOptions = { esp32: ["--chunks", "1200000"], gateway: ["--chunks", "1400000"] };
const ROUNDS = 600;

describe.each(widths.filter((bits) => bits === "32"))("the broker on the fakes, on XS, %s bits", (bits) => {
  describe.each(["esp32", "gateway"] as const)("%s", (preset) => {
    describe.each(["lwip", "lin"])("%s", (sockets) => {
      const run = (...more: string[]) =>
        start(bits, broker.script, {
          options: [...brokerOptions[preset], "--stack", "640"],
          args: [preset, sockets, String(ROUNDS), ...more],
        }).done;

      test("carries packets of each kind and allocates nothing", async () => {
        const { code, output, errors } = await run();
        expect(code, errors).toBe(0);
        const all = 100 + ROUNDS;
        const third = Math.floor(all / 3);
        expect(output.trim().split("\n")).toEqual([
          `rounds ${all} got ${all} ${all} ${all} ${all} 0 answered ${third} ${third}`,
          `pings ${Math.ceil(all / 8)} sent ${4 * all}`,
          "allocated 0 0 0",
        ]);
      });

      test("is seen when it does: one object planted in each round", async () => {
        const { code, output, errors } = await run("plant");
        expect(code, errors).toBe(0);
        expect(output).toContain(`allocated ${2 * ROUNDS} 0 0`);
      });
    });
  });
});

// Suites of vitest, run by test/xs/suite.ts: as many tests as vitest counts.
const suites = {
  "the transport's contract": { engine: contract, tests: 48 },
  "the client's tests": { engine: client, tests: 22 },
};

describe.each(widths)("on XS, %s bits", (bits) => {
  test.each(Object.entries(suites))("%s pass on the fakes of lwIP and of Linux", async (_name, { engine, tests }) => {
    const machine = ["--chunks", "16000000", "--slots", "100000", "--keys", "500", "--stack", "2000"];
    const { code, output, errors } = await start(bits, engine.script, { options: machine }).done;
    expect(code, errors).toBe(0);
    expect(output.trim()).toBe(`passed ${tests}, failed 0`);
  });
});
