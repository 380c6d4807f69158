// A page in headless Chromium without a network, with everything it logs and asks for.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";

const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export interface View {
  colorScheme: "light" | "dark";
  width: number;
}

export interface Opened {
  page: Page;
  /** Errors and warnings of the console, and exceptions. */
  complaints: string[];
  /** What was asked for beside the page itself. */
  requests: string[];
}

export class Viewer {
  readonly #browser: Browser;
  readonly #directory = mkdtempSync(join(tmpdir(), "midge-report-"));
  #count = 0;

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async start(executablePath: string): Promise<Viewer> {
    return new Viewer(await chromium.launch({ executablePath, args: flags }));
  }

  async open(html: string, { colorScheme, width }: View): Promise<Opened> {
    const file = join(this.#directory, `${this.#count++}.html`);
    writeFileSync(file, html);
    const context = await this.#browser.newContext({
      offline: true,
      colorScheme,
      viewport: { width, height: 900 },
      deviceScaleFactor: 2, // so that a thin line has pixels of its full colour
    });
    const page = await context.newPage();
    const complaints: string[] = [];
    const requests: string[] = [];
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("request", (request) => requests.push(request.url()));
    const { href } = pathToFileURL(file);
    await page.goto(href);
    requests.splice(requests.indexOf(href), 1);
    return { page, complaints, requests };
  }

  /** A picture of the whole page, in `MIDGE_SCREENSHOTS` if that names a directory. */
  async screenshot(page: Page, name: string): Promise<Buffer> {
    const path = join(process.env.MIDGE_SCREENSHOTS ?? this.#directory, `${name}.png`);
    return await page.screenshot({ path, fullPage: true });
  }

  async stop(): Promise<void> {
    await this.#browser.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** A copy to read from, because Chromium complains when a canvas that is drawn on is read often. */
const copied = `const copied = (canvas) => {
  const { width, height } = canvas;
  const context = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d", { willReadFrequently: true });
  context.drawImage(canvas, 0, 0);
  return context;
};`;

/** Pixels in the canvases of a panel that have, or nearly have, the colour of each custom property. */
export function pixels(page: Page, panel: string, colours: readonly string[]): Promise<Record<string, number>> {
  return page.evaluate(`(() => {
    ${copied}
    const style = getComputedStyle(document.documentElement);
    const wanted = ${JSON.stringify(colours)}.map((name) => {
      const hex = style.getPropertyValue("--" + name).trim();
      return { name, red: parseInt(hex.slice(1, 3), 16), green: parseInt(hex.slice(3, 5), 16), blue: parseInt(hex.slice(5), 16), count: 0 };
    });
    for (const canvas of document.querySelectorAll(${JSON.stringify(`${panel} canvas`)})) {
      const { data } = copied(canvas).getImageData(0, 0, canvas.width, canvas.height);
      for (let at = 0; at < data.length; at += 4) {
        if (data[at + 3] < 200) continue;
        for (const one of wanted) {
          const distance = Math.abs(data[at] - one.red) + Math.abs(data[at + 1] - one.green) + Math.abs(data[at + 2] - one.blue);
          if (distance < 24) one.count++;
        }
      }
    }
    return Object.fromEntries(wanted.map(({ name, count }) => [name, count]));
  })()`);
}

/** Share of the pixels that are shaded, left and right of a moment given as share of the time axis. */
export function shaded(page: Page, panel: string, moment: number): Promise<[before: number, after: number]> {
  return page.evaluate(`(() => {
    ${copied}
    const canvas = document.querySelector(${JSON.stringify(`${panel} canvas`)});
    const over = document.querySelector(${JSON.stringify(`${panel} .u-over`)});
    const context = copied(canvas);
    const ratio = canvas.width / canvas.clientWidth;
    const left = Math.ceil(over.offsetLeft * ratio);
    const width = Math.floor(over.offsetWidth * ratio);
    const middle = Math.round(width * ${moment});
    const share = (from, to) => {
      const { data } = context.getImageData(from, over.offsetTop * ratio, to - from, over.offsetHeight * ratio);
      let count = 0;
      for (let at = 3; at < data.length; at += 4) if (data[at] > 0) count++;
      return count / (data.length / 4);
    };
    return [share(left, left + middle - 8), share(left + middle + 8, left + width)];
  })()`);
}

/** What a panel shows, to compare with what it shows later. */
export function picture(page: Page, panel: string): Promise<string> {
  return page.evaluate(`document.querySelector(${JSON.stringify(`${panel} canvas`)}).toDataURL()`);
}
