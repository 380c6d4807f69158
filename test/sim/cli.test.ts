import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "midge-sim-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

function sim(...args: string[]): { status: number | null; out: string; err: string } {
  const command = ["--import", "tsx", "sim/cli.ts", ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: "utf8", timeout: 60_000 });
  return { status, out: stdout, err: stderr };
}

/** A host that calls `step` every five seconds only, which it must not: the oracle misses what time should have brought. */
const late = ["--world", "tiny", "--set", "tick=5000"];

test("one seed prints its trace in columns, and a summary", () => {
  const { status, out, err } = sim("--seed", "3", "--set", "seconds=2", "--set", "clients=2");
  expect({ status, err }).toEqual({ status: 0, err: "" });
  const lines = out.split("\n");
  expect(lines[0]).toMatch(/^ +tick +conn +dir +packet +id +blocks +messages +deliveries$/);
  expect(lines[1]).toMatch(/^ +\d+ +\d+ +\* +Opened +\d+ +\d+ +\d+$/);
  expect(out).toMatch(/^1 run in .* virtual hours, [\d,]+ packets, 0 failed$/m);
  expect(out).toMatch(/^events: \d+ of 15: /m);
});

test("several seeds take the worlds in turn and print no trace", () => {
  const { status, out } = sim("--seed", "1", "--seeds", "3", "--set", "seconds=2");
  expect(status).toBe(0);
  expect(out).toMatch(/^3 runs in /);
  expect(out).not.toContain("tick");
});

test("the summary tells of the clients that are ours", () => {
  const { status, out } = sim("--seed", "1", "--world", "peers", "--no-trace", "--set", "seconds=5");
  expect(status).toBe(0);
  expect(out).toMatch(/^own clients: .*accepted QoS 1 \d+, .*connected \d+, .*not accepted: \w+ \d+, /m);
});

test("a failure prints seed, options, trace and the command to repeat it, which does the same; exit code 1", () => {
  const { status, out, err } = sim("--seed", "2", "--seeds", "1", ...late);
  expect({ status, err }).toEqual({ status: 1, err: "" });
  const failed = /^FAILED seed 2, world tiny: oracle: .+$/m.exec(out)?.[0];
  expect(failed).toBeDefined();
  expect(out).toMatch(/^options: \{"world":"tiny",.*"tick":5000,/m);
  expect(out).toMatch(/^ +tick +conn +dir +packet/m);
  const again = /^again: npm run sim -- (.*)$/m.exec(out)?.[1] ?? "";
  expect(again).toBe("--seed 2 --world tiny --set tick=5000");
  expect(sim(...again.split(" ")).out).toContain(failed);
});

test("--shrink finds a smaller case, and its command does the same", () => {
  const { status, out } = sim("--seed", "2", "--no-trace", "--shrink", ...late);
  expect(status).toBe(1);
  const smaller = /^smaller: (.*)$/m.exec(out)?.[1] ?? "?";
  const commands = [...out.matchAll(/^again: npm run sim -- (.*)$/gm)].map(([, command]) => command);
  expect(commands).toHaveLength(2);
  expect(commands[1]).toMatch(/--set seconds=\d+ /);
  expect(sim(...commands[1].split(" ")).out).toContain(`oracle: ${smaller}`);
});

test("--report writes a page about the run", () => {
  const path = join(directory, "run.html");
  const { status, out } = sim("--seed", "2", "--no-trace", "--report", path, ...late);
  expect(status).toBe(1);
  expect(out).toContain(`report: ${path}`);
  const page = readFileSync(path, "utf8");
  expect(page).toContain("Seed 2 · world tiny · limits tiny");
  expect(page).toContain("✗ Failed");
  expect(page).toContain("npm run sim -- --seed 2 --world tiny --set tick=5000");
});

test("the README shows how the trace of a seed begins", () => {
  const text = readFileSync("README.md", "utf8");
  const [, seed, lines] = /`npm run sim -- --seed (\d+)` begins:\n\n```\n(.*?)\n```/s.exec(text) ?? [];
  expect(lines.split("\n").length).toBeGreaterThanOrEqual(5);
  expect(sim("--seed", seed).out.startsWith(lines)).toBe(true);
});

describe("what can't be", () => {
  test.each([
    [["--world", "moon"], "must be one of home, flood, flaky, tiny"],
    [["--limits", "big"], 'no limits are named "big"; there are tiny, esp32, gateway, psram, node'],
    [["--set", "clock=1"], 'no option is named "clock"'],
    [["--set", "tick=fast"], 'tick must be a whole number, not "fast"'],
    [["--seed", "0", "--no-trace", "--set", "seconds=1", "--report", "/no/such/out.html"], "ENOENT"],
  ])("is said in one line with exit code 2: %j", (args, why) => {
    const { status, err } = sim(...args);
    expect(status).toBe(2);
    expect(err).toMatch(/^sim: .+\n$/);
    expect(err).toContain(why);
  });
});
