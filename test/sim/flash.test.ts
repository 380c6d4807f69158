import { describe, expect, test } from "vitest";
import { Flash, PowerCut } from "../../sim/flash";
import { Random } from "../../sim/random";

const OPTIONS = { size: 4096, eraseSize: 1024, programSize: 4 };

function make(options = {}, seed = 1): { flash: Flash; memory: Uint8Array } {
  const memory = new Uint8Array(2048);
  const flash = new Flash({ ...OPTIONS, ...options }, new Random(seed));
  flash.attach(memory.buffer);
  return { flash, memory };
}

test("is erased when new, and reads what was programmed", () => {
  const { flash, memory } = make();
  memory.set([1, 2, 3, 4]);
  expect(flash.program(8, 0, 4)).toBe(true);
  expect(flash.read(6, 100, 8)).toBe(true);
  expect([...memory.subarray(100, 108)]).toEqual([0xff, 0xff, 1, 2, 3, 4, 0xff, 0xff]);
});

test("a program only clears bits; an erase sets them, block by block, and is counted", () => {
  const { flash, memory } = make();
  memory.set([0xf0, 0x0f, 0xff, 0x00]);
  flash.program(1024, 0, 4);
  memory.fill(0x3c, 0, 4);
  flash.program(1024, 0, 4);
  expect([...flash.bytes.subarray(1024, 1028)]).toEqual([0x30, 0x0c, 0x3c, 0x00]);
  flash.program(0, 0, 4);
  expect(flash.erase(1024)).toBe(true);
  expect(flash.bytes[1024]).toBe(0xff);
  expect(flash.bytes[0]).toBe(0x3c);
  expect([...flash.wear]).toEqual([0, 1, 0, 0]);
});

test("what is out of bounds or out of alignment is refused", () => {
  const { flash } = make();
  expect(flash.read(4090, 0, 8)).toBe(false);
  expect(flash.program(2, 0, 4)).toBe(false);
  expect(flash.program(0, 0, 3)).toBe(false);
  expect(flash.erase(512)).toBe(false);
  expect(() => make({ size: 1000 })).toThrow("whole erase blocks");
});

describe("a power cut", () => {
  test("in a program leaves a prefix, one torn byte, and what was there", () => {
    for (let seed = 1; seed <= 200; seed++) {
      const { flash, memory } = make({}, seed);
      memory.fill(0x00, 0, 64);
      flash.cutAfter(0);
      expect(() => flash.program(0, 0, 64)).toThrow(PowerCut);
      const whole = flash.bytes.findIndex((byte) => byte !== 0);
      const after = flash.bytes.subarray(whole === -1 ? 64 : whole + 1);
      expect(after.every((byte) => byte === 0xff)).toBe(true);
    }
  });

  test("in an erase leaves any state between; bits never fall", () => {
    const { flash, memory } = make();
    memory.fill(0x55, 0, 1024);
    flash.program(0, 0, 1024);
    flash.cutAfter(0);
    expect(() => flash.erase(0)).toThrow(PowerCut);
    expect(flash.bytes.subarray(0, 1024).every((byte) => (byte & 0x55) === 0x55)).toBe(true);
    expect(flash.bytes.subarray(0, 1024).some((byte) => byte === 0xff)).toBe(true);
  });

  test("comes in the operation that was named, and nothing works until the restart", () => {
    const { flash } = make();
    flash.cutAfter(1);
    expect(flash.erase(0)).toBe(true);
    expect(() => flash.erase(0)).toThrow(PowerCut);
    expect(() => flash.read(0, 0, 4)).toThrow("off");
    flash.restart();
    expect(flash.read(0, 0, 4)).toBe(true);
  });
});

test("a worn block loses bits, and reading flips some when asked to", () => {
  const { flash } = make({ endurance: 3 });
  for (let i = 0; i < 3; i++) flash.erase(0);
  expect(flash.bytes.subarray(0, 1024).every((byte) => byte === 0xff)).toBe(true);
  flash.erase(0);
  expect(flash.bytes.subarray(0, 1024).filter((byte) => byte !== 0xff).length).toBe(1);
  const flipping = make({ flips: 1000 });
  for (let i = 0; i < 100; i++) flipping.flash.read(0, 0, 1024);
  expect(flipping.flash.bytes.some((byte) => byte !== 0xff)).toBe(true);
});
