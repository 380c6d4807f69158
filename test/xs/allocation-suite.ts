// For each kind of packet and each width of the engine: no slot, no byte of a chunk, no collection. And each kind's
// controls: what is asserted of the many packets does not hold once one single thing was planted.

import { afterAll, describe, expect, test } from "vitest";
import { engineFor } from "./engine";
import { start } from "./run.mjs";

interface Counts {
  slots: number;
  chunks: number;
  collections: number;
  steps: number;
  packets: number;
}

interface Result {
  counted: Counts;
  controls: { slots: Counts; chunks: Counts; collections: Counts };
}

const NOTHING = { slots: 0, chunks: 0, collections: 0 };

/**
 * The stack has room for what is below the core in these programs, and on no device.
 * Chunks and slots are those of an ESP32, for all that there is together.
 */
const MACHINE = ["--stack", "640"];

export interface Program {
  /** The program that counts: it is called with a kind, `readAhead`, `steps`, `packets` and `args`. */
  entry: string;
  kinds: readonly string[];
  args?: readonly string[];
}

export interface Extent {
  /** Packets of the kind. */
  steps: number;
  /** Packets of all kinds that the core receives and sends, at least. */
  packets: number;
  /** Transports: one whose bytes can't be given back, as on a device, or one that reads ahead. */
  readAhead: boolean;
}

export async function allocationSuite(program: Program, { steps, packets, readAhead }: Extent): Promise<void> {
  const { kinds, args: further = [] } = program;
  const { widths, script } = await engineFor(program.entry);
  const name = [...further, ...(readAhead ? ["reading ahead"] : [])].map((word) => `, ${word}`).join("");
  const lines: string[] = [];
  afterAll(() => {
    if (lines.length > 0) console.log(lines.sort().join("\n"));
  });

  describe.each(widths)(`XS, %s bits${name}`, (bits) => {
    describe.concurrent.each(kinds)("%s", (kind) => {
      let running: Promise<Result> | undefined;

      async function measure(): Promise<Result> {
        const args = [kind, String(readAhead), String(steps), String(packets), ...further];
        const { code, output, errors } = await start(bits, script, { options: MACHINE, args }).done;
        if (code !== 0) throw new Error(errors);
        return JSON.parse(output);
      }

      // Once, for the test and its controls.
      function result(): Promise<Result> {
        running ??= measure();
        return running;
      }

      test("allocates nothing", async () => {
        const { counted } = await result();
        lines.push(
          `XS ${bits}${name}, ${kind}: ${counted.steps} of the kind, ${counted.packets} packets in all: ` +
            `slots +${counted.slots}, chunk bytes +${counted.chunks}, collections +${counted.collections}`,
        );
        expect(counted.steps).toBeGreaterThanOrEqual(steps);
        expect(counted.packets).toBeGreaterThanOrEqual(packets);
        expect(counted).toMatchObject(NOTHING);
      });

      test("control: one object is one slot", async () => {
        const { controls } = await result();
        expect(controls.slots).toMatchObject({ ...NOTHING, slots: 1 });
        expect(controls.slots).not.toMatchObject(NOTHING);
      });

      test("control: one element more of an array is bytes of a chunk", async () => {
        const { controls } = await result();
        expect(controls.chunks).toMatchObject({ ...NOTHING, chunks: expect.any(Number) });
        expect(controls.chunks.chunks).toBeGreaterThan(0);
      });

      test("control: one collection", async () => {
        const { controls } = await result();
        expect(controls.collections).toMatchObject({ ...NOTHING, collections: 1 });
      });
    });
  });
}
