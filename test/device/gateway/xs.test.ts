// Parts of the gateway on XS: what they allocate.

import { describe, expect, test } from "vitest";
import { engineFor } from "../../xs/engine";
import { start } from "../../xs/run.mjs";

const { widths, script: local } = await engineFor("../device/local.xs.ts");
const { script: log } = await engineFor("../device/log.xs.ts");

/** The fakes are there too, so the machine is larger than a device's. */
const options = ["--chunks", "1000000"];

describe.each(widths)("the local client on XS, %s bits", (bits) => {
  test("1,000 messages to the broker and back, of every QoS, allocate nothing", async () => {
    const { code, output, errors } = await start(bits, local, { options }).done;
    expect(code, errors).toBe(0);
    expect(output.trim().split("\n")).toEqual(["published 1030 received 1030", "allocated 0 0 0"]);
  });

  test("one object a message is seen", async () => {
    const { code, output, errors } = await start(bits, local, { options, args: ["plant"] }).done;
    expect(code, errors).toBe(0);
    expect(output).toContain("allocated 2000 0 0");
  });
});

describe.each(widths)("the log on XS, %s bits", (bits) => {
  test("3,000 events that are not told allocate nothing", async () => {
    const { code, output, errors } = await start(bits, log, { options }).done;
    expect(code, errors).toBe(0);
    expect(output.trim().split("\n")).toEqual(["lines false", "allocated 0 0 0"]);
  });

  test("those that are told are seen", async () => {
    const { code, output, errors } = await start(bits, log, { options, args: ["plant"] }).done;
    expect(code, errors).toBe(0);
    expect(output).toMatch(/^lines true\nallocated [1-9]/);
  });
});
