import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { draw } from "../../sim/options";
import { columnsOf } from "../../sim/report/columns";
import { duration, moment, percent, short } from "../../sim/report/format";
import { html, json } from "../../sim/report/html";
import { renderReport } from "../../sim/report/report";
import { simulate } from "../../sim/simulation";
import { picture, pixels, shaded, Viewer } from "./report-browser";
import { hostile, syntheticTimeline, usual } from "./report-timeline";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Debian's package is `chromium`. */
function findChromium(): string | undefined {
  for (const directory of (process.env.PATH ?? "").split(delimiter)) {
    for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
      try {
        accessSync(join(directory, name), constants.X_OK);
        return join(directory, name);
      } catch {
        // elsewhere, then
      }
    }
  }
  return undefined;
}

const chromium = findChromium();
const required = Boolean(process.env.MIDGE_REQUIRE || process.env.CI);
if (chromium === undefined && !required) console.log("skipped: the report's pages need chromium on the PATH");

/** What becomes true soon, even where other tests keep every core busy. */
function eventually<T>(value: () => T, message?: string): ReturnType<typeof expect.poll<T>> {
  return expect.poll(value, { timeout: 20_000, message });
}

describe("columns", () => {
  test("pools are shares of their limits, the fullest first, with gaps where a sample has none", () => {
    const timeline = syntheticTimeline({ samples: 2 });
    timeline.samples[0].pools = [
      { name: "a", used: 5, capacity: 10 },
      { name: "b", used: 3, capacity: 4 },
    ];
    timeline.samples[1].pools = [{ name: "a", used: 6, capacity: 10 }];
    expect(columnsOf(timeline).pools).toEqual([
      { name: "b", capacity: 4, used: [3, null], share: [75, null], peak: 3, peakShare: 75 },
      { name: "a", capacity: 10, used: [5, 6], share: [50, 60], peak: 6, peakShare: 60 },
    ]);
  });

  test("a fault of no single client has a lane of its own, and equal faults in one place are one mark", () => {
    const timeline = { ...syntheticTimeline({ clients: 2, faults: 0 }) };
    const [one, other] = timeline.clients.map(({ name }) => name);
    timeline.faults = [
      { at: 10, kind: "reset", client: other },
      { at: 11, kind: "reset", client: other },
      { at: 11, kind: "stall", client: other },
      { at: 90_000, kind: "power cut", client: "" },
      { at: 90_000, kind: "reset", client: one },
    ];
    const { lanes, kinds, marks } = columnsOf(timeline);
    expect(lanes.map(({ name }) => name)).toEqual(["world", one, other]);
    expect(kinds[0]).toEqual({ name: "reset", count: 3 });
    expect(marks.map(({ lane, kind, count }) => [lane, kinds[kind].name, count])).toEqual([
      [2, "reset", 2],
      [2, "stall", 1],
      [0, "power cut", 1],
      [1, "reset", 1],
    ]);
  });

  test("of very many clients those with the fewest faults are left out", () => {
    const timeline = syntheticTimeline({ clients: 400, faults: 0, samples: 5 });
    const { name } = timeline.clients[399];
    timeline.faults = [{ at: 5, kind: "reset", client: name }];
    const { lanes, lanesLeftOut, marks } = columnsOf(timeline);
    expect(lanes.length + lanesLeftOut).toBe(400);
    expect(lanesLeftOut).toBeGreaterThan(0);
    expect(lanes[marks[0].lane].name).toBe(name);
  });
});

describe("text", () => {
  test("into HTML is escaped, markup is not", () => {
    expect(html`<b title="${'"'}">${"<i>&'"}${html`<i>${1}</i>`}</b>`.text).toBe(
      '<b title="&quot;">&lt;i&gt;&amp;&#39;<i>1</i></b>',
    );
  });

  test("in a script element cannot end it", () => {
    const { text } = json({ name: "</script><!--" });
    expect(text).not.toContain("<");
    expect(JSON.parse(text)).toEqual({ name: "</script><!--" });
  });

  test.each([
    [moment(0, 5000), "0 s"],
    [moment(850, 5000), "850 ms"],
    [moment(12_340, 50_000), "12.3 s"],
    [moment(12_340, 60_000), "0:12.3"],
    [moment(59_990, 60_000), "1:00"],
    [moment(3_723_000, 9_000_000), "1:02:03"],
    [duration(119_000), "119 s"],
    [duration(270_000), "4.5 min"],
    [duration(9_000_000), "2.5 h"],
    [short(999), "999"],
    [short(1234), "1.2k"],
    [short(12_345), "12k"],
    [short(1_234_567), "1.2M"],
    [percent(0.4), "0.4 %"],
    [percent(99.6), "100 %"],
  ])("%s", (text, expected) => expect(text).toBe(expected));
});

test("the page's script agrees with the types of a browser and of what it draws", () => {
  const program = ts.createProgram([join(root, "sim/report/page/main.js")], {
    allowJs: true,
    checkJs: true,
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: ["node"],
    typeRoots: [join(root, "node_modules/@types")],
    target: ts.ScriptTarget.ES2022,
    lib: ["lib.es2022.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts"],
    module: ts.ModuleKind.Preserve,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
  });
  const page = program.getSourceFiles().filter(({ fileName }) => fileName.includes("/sim/report/page/"));
  expect(page).toHaveLength(3);
  const wrong = page
    .flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)])
    .map(({ file, start, messageText }) => {
      const line = file!.getLineAndCharacterOfPosition(start!).line + 1;
      return `${file!.fileName}:${line} ${ts.flattenDiagnosticMessageText(messageText, " ")}`;
    });
  expect(wrong).toEqual([]);
});

describe("the title", () => {
  const parts = (text: string): string => text.replace(/<style>.*<\/style>|<script[^>]*>.*<\/script>/gs, "");
  const few = { samples: 40 };

  test("says what ran and how it ended", () => {
    const page = parts(renderReport(syntheticTimeline(few)));
    expect(page).toContain("<h1>Seed 7 · world home · limits tiny</h1>");
    expect(page).toContain("Passed</b> 14 clients; faults until 1:58, then healed; all was done at 3:00");
    expect(page).toContain("npm run sim -- --seed 7 --world home --limits tiny");
  });

  test.each([
    ["a failure among faults", { healedAt: 180_000 }, { failure: "<1>" }, "at 3:00, while faults were on: &lt;1&gt;"],
    ["a failure after them", {}, { failure: "lost" }, "Failed</b> at 3:00, after all had healed: lost"],
    ["no faults", { healedAt: 0 }, {}, "Passed</b> 14 clients; no faults; all was done at 3:00"],
    ["faults that never end", { healedAt: 200_000 }, {}, "Not healed</b> 14 clients; ended at 3:00"],
    ["how to repeat it", {}, { command: "npm run sim -- --options '<'" }, "--options &#39;&lt;&#39;</code>"],
  ])("says so: %s", (_what, shape, ending, expected) => {
    expect(parts(renderReport(syntheticTimeline({ ...few, ...shape }), ending))).toContain(expected);
  });
});

describe.skipIf(chromium === undefined && !required)("in a browser, the page", () => {
  let viewer: Viewer;

  beforeAll(async () => {
    if (chromium === undefined) throw new Error("no chromium on the PATH: apt-get install chromium");
    viewer = await Viewer.start(chromium);
  });

  afterAll(() => viewer?.stop());

  /** The colours that each panel of the usual timeline must show. */
  const drawn = {
    "#clients": ["in", "lane", "fault", "healed"],
    "#packets": ["in", "out", "healed"],
    "#pools": ["fullest", "other", "fault", "healed"],
    "#pressure": ["refused", "dropped", "held", "healed"],
    "#latency": ["p50", "p99", "healed"],
  };
  const report = renderReport(syntheticTimeline());

  test.each([
    { colorScheme: "light", width: 1280 },
    { colorScheme: "dark", width: 1280 },
    { colorScheme: "light", width: 420 },
    { colorScheme: "dark", width: 420 },
  ] as const)("shows every panel: $colorScheme, $width pixels wide", async (view) => {
    const { page, complaints, requests } = await viewer.open(report, view);
    for (const [panel, colours] of Object.entries(drawn)) {
      const counts = await pixels(page, panel, colours);
      for (const colour of colours) expect(counts[colour], `${colour} in ${panel}`).toBeGreaterThan(20);
    }
    expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
    const plots: string[] = await page.evaluate(`[...document.querySelectorAll(".u-over")].map((one) => {
      const { left, width } = one.getBoundingClientRect();
      return Math.round(left) + " " + Math.round(width);
    })`);
    expect(plots).toHaveLength(8);
    expect(new Set(plots).size, "time axes").toBe(1);
    const [red]: number[] = await page.evaluate(
      "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)",
    );
    if (view.colorScheme === "dark") expect(red).toBeLessThan(40);
    else expect(red).toBeGreaterThan(220);
    const image = await viewer.screenshot(page, `${view.colorScheme}-${view.width}`);
    expect(image.length).toBeGreaterThan(50_000);
    expect({ complaints, requests }).toEqual({ complaints: [], requests: [] });
    await page.context().close();
  });

  test("shows a run of the simulator", async () => {
    const { timeline, failure } = simulate(7, draw(7, "flaky"));
    const { page, complaints, requests } = await viewer.open(renderReport(timeline, { failure: failure?.message }), {
      colorScheme: "light",
      width: 1280,
    });
    for (const [panel, colour] of Object.entries({ "#clients": "lane", "#packets": "in", "#pools": "fullest" })) {
      expect((await pixels(page, panel, [colour]))[colour], panel).toBeGreaterThan(20);
    }
    expect(await page.locator(".lanes li").count()).toBeGreaterThanOrEqual(timeline.clients.length);
    expect((await viewer.screenshot(page, "simulated")).length).toBeGreaterThan(50_000);
    expect({ complaints, requests }).toEqual({ complaints: [], requests: [] });
    await page.context().close();
  });

  test("follows a switch from light to dark", async () => {
    const { page, complaints } = await viewer.open(report, { colorScheme: "light", width: 1280 });
    await page.emulateMedia({ colorScheme: "dark" });
    await eventually(async () => (await pixels(page, "#packets", ["out"])).out).toBeGreaterThan(100);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  test("shades the phase of faults and nothing after it", async () => {
    const { page } = await viewer.open(report, { colorScheme: "light", width: 1280 });
    const [before, after] = await shaded(page, ".lanes-plot", usual.healedAt / usual.milliseconds);
    expect(before).toBe(1);
    expect(after).toBeLessThan(0.9);
    await page.context().close();
  });

  test("shows no faults where there were none", async () => {
    const quiet = renderReport(syntheticTimeline({ faults: 0, healedAt: 0 }));
    const { page, complaints } = await viewer.open(quiet, { colorScheme: "light", width: 1280 });
    expect(await pixels(page, "#clients", ["fault", "healed"])).toEqual({ fault: 0, healed: 0 });
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  test.each([
    ["no sample", { samples: 0, clients: 0, faults: 0 }],
    ["one sample", { samples: 1, clients: 1 }],
    ["hundreds of clients", { clients: 300, faults: 5000, samples: 100 }],
  ])("stands %s", async (_what, shape) => {
    const { page, complaints } = await viewer.open(renderReport(syntheticTimeline(shape)), {
      colorScheme: "dark",
      width: 420,
    });
    expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  test("reads out the moment under the pointer, in all panels at once", async () => {
    const { page, complaints } = await viewer.open(report, { colorScheme: "light", width: 1280 });
    const readout = page.locator("#readout");
    expect(await readout.textContent()).toContain("Point at a chart");
    await page.locator("#packets .u-over").hover({ position: { x: 450, y: 40 } });
    await eventually(() => readout.textContent()).toMatch(/^1:\d\d(\.\d)? · faults on · \d+ clients connected/);
    for (const panel of Object.keys(drawn)) {
      expect(await page.locator(`${panel} .when`).textContent()).toMatch(/^at 1:/);
    }
    expect(await page.locator("#pools .legend b").first().textContent()).toMatch(/^\d+ · \d+ %$/);

    await page.locator(".lanes-plot .u-over").hover({ position: { x: 800, y: 30 } }); // the first client's lane
    await eventually(() => readout.textContent()).toContain(` · healed · `);
    expect(await readout.textContent()).toContain(hostile[0]);
    const before = await readout.textContent();
    await page.keyboard.press("ArrowRight");
    await eventually(() => readout.textContent()).not.toBe(before);

    await page.locator("h1").hover();
    await eventually(() => readout.textContent()).toContain("Point at a chart");
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  test("fits another width after it was opened", async () => {
    const { page, complaints } = await viewer.open(report, { colorScheme: "light", width: 1280 });
    await page.setViewportSize({ width: 420, height: 900 });
    const widths = `[...document.querySelectorAll(".u-over")].map((one) => Math.round(one.getBoundingClientRect().width))`;
    await eventually(async () => new Set(await page.evaluate<number[]>(widths)).size).toBe(1);
    await eventually(() => page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
    expect(await page.locator(".plot canvas").count()).toBe(8);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  test("zooms all panels together, and back", async () => {
    const { page } = await viewer.open(report, { colorScheme: "light", width: 1280 });
    const panels = ["#packets", "#latency", ".lanes-plot"];
    const whole = await Promise.all(panels.map((panel) => picture(page, panel)));
    const plot = page.locator("#packets .u-over");
    const { x, y } = (await plot.boundingBox())!;
    await page.mouse.move(x + 200, y + 50);
    await page.mouse.down();
    await page.mouse.move(x + 400, y + 50, { steps: 4 });
    await page.mouse.up();
    for (const [index, panel] of panels.entries()) {
      await eventually(() => picture(page, panel), panel).not.toBe(whole[index]);
    }
    await plot.dblclick();
    for (const [index, panel] of panels.entries()) {
      await eventually(async () => (await picture(page, panel)) === whole[index], panel).toBe(true);
    }
    await page.context().close();
  });

  test("brings out one kind of fault", async () => {
    const { page } = await viewer.open(report, { colorScheme: "light", width: 1280 });
    const all = await pixels(page, ".lanes-plot", ["fault"]);
    await page.locator(".chip").first().click();
    await eventually(async () => (await pixels(page, ".lanes-plot", ["fault"])).fault).toBeLessThan(all.fault * 0.9);
    expect((await pixels(page, ".lanes-plot", ["fault"])).fault).toBeGreaterThan(20);
    await page.locator(".chip").first().click();
    await eventually(() => pixels(page, ".lanes-plot", ["fault"])).toEqual(all);
    await page.context().close();
  });

  test("takes names for text", async () => {
    const { page } = await viewer.open(report, { colorScheme: "light", width: 1280 });
    const lanes = await page.locator(".lanes li").allTextContents();
    for (const name of hostile) expect(lanes.filter((lane) => lane.startsWith(name))).toHaveLength(1);
    expect(await page.locator("img, [onmouseover]").count()).toBe(0);
    expect(await page.locator("script").count()).toBe(2);
    expect(await page.evaluate("globalThis.broken")).toBeUndefined();
    await page.context().close();
  });

  test("runs no other script and loads nothing, whatever gets into it", async () => {
    const planted = report.replace(
      "</footer>",
      `</footer><script>globalThis.broken = 4</script><img src="http://127.0.0.1:9/" onerror="globalThis.broken = 5">`,
    );
    const { page, complaints } = await viewer.open(planted, { colorScheme: "light", width: 1280 });
    expect(complaints.length).toBeGreaterThan(0);
    expect(await page.evaluate("globalThis.broken")).toBeUndefined();
    await page.context().close();

    // The control: without its policy the same page does all that, and these tests notice.
    const naked = await viewer.open(planted.replace(/<meta http-equiv[^>]*>/, ""), {
      colorScheme: "light",
      width: 1280,
    });
    await eventually(() => naked.page.evaluate("globalThis.broken")).toBe(5);
    expect(naked.requests).toEqual(["http://127.0.0.1:9/"]);
    await naked.page.context().close();
  });
});
