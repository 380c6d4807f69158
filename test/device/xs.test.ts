// The fakes on XS: they run there, and carry bytes without an allocation, so that what is counted is a host's own.

import { describe, expect, test } from "vitest";
import { engineFor } from "../xs/engine";
import { start } from "../xs/run.mjs";

const { widths, script } = await engineFor("../device/sockets.xs.ts");
const { script: log } = await engineFor("../device/log.xs.ts");
const { script: local } = await engineFor("../device/local.xs.ts");

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
