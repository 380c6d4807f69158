// Flash partitions and NVS, as read in the SDK's sources: modules/io/{flash,storage}/esp32.

import Flash from "embedded:storage/flash";
import KeyValue from "embedded:storage/key-value";
import { describe, expect, test } from "vitest";
import { PowerCut } from "../../../sim/flash";
import { Device } from "../../support/moddable/device";
import { addPartition, nvs, restoreNvs } from "../../support/moddable/storage";

describe("a flash partition", () => {
  let device: Device;

  function open(size = 16_384): ReturnType<typeof Flash.open> {
    device = new Device();
    addPartition("midge", size);
    return Flash.open({ path: "midge" });
  }

  test("is opened by its label; another one and another mode throw", () => {
    const flash = open();
    expect(flash.status()).toEqual({ size: 16_384, blockLength: 4096, blocks: 4 });
    expect(() => Flash.open({ path: "other" })).toThrow("can't find partition");
    expect(() => Flash.open({} as never)).toThrow("no path");
    expect(() => Flash.open({ path: "midge", mode: "w" as never })).toThrow("invalid mode");
  });

  test("a write clears bits and sets none, at any place and length, across blocks", () => {
    const flash = open();
    flash.write(Uint8Array.of(0xf0, 0x0f, 0xff), 4095);
    flash.write(Uint8Array.of(0x3c, 0x3c), 4095);
    const bytes = new Uint8Array(5);
    expect(flash.read(bytes, 4094)).toBe(5);
    expect([...bytes]).toEqual([0xff, 0x30, 0x0c, 0xff, 0xff]);
    const large = new Uint8Array(10_000).fill(7);
    flash.write(large, 5000);
    const back = new Uint8Array(10_000);
    flash.read(back, 5000);
    expect(back).toEqual(large);
  });

  test("eraseBlock takes block numbers, the last not included, or one, and tens of ms each", () => {
    const flash = open();
    flash.write(new Uint8Array(16_384), 0);
    flash.eraseBlock(1);
    flash.eraseBlock(2, 4);
    expect(device.now).toBe(3 * 45);
    const bytes = new Uint8Array(16_384);
    flash.read(bytes, 0);
    expect([0, 4095, 4096, 16_383].map((at) => bytes[at])).toEqual([0, 0, 0xff, 0xff]);
  });

  test("out of bounds and closed throw; read-only refuses to change", () => {
    const flash = open();
    expect(() => flash.read(new Uint8Array(2), 16_383)).toThrow("read failed");
    expect(() => flash.write(new Uint8Array(2), 16_383)).toThrow("write failed");
    expect(() => flash.eraseBlock(4)).toThrow("erase failed");
    const reader = Flash.open({ path: "midge", mode: "r" });
    expect(() => reader.write(new Uint8Array(1), 0)).toThrow("read-only");
    expect(() => reader.eraseBlock(0)).toThrow("read-only");
    flash.close();
    flash.close();
    expect(() => flash.status()).toThrow(TypeError);
  });

  test("loses power as the simulator's chip does, and survives in the next device", () => {
    new Device();
    const chip = addPartition("midge", 8192);
    const flash = Flash.open({ path: "midge" });
    flash.write(Uint8Array.of(1), 0);
    chip.cutAfter(0);
    expect(() => flash.write(new Uint8Array(64), 16)).toThrow(PowerCut);
    chip.restart();
    new Device();
    addPartition("midge", 8192, chip);
    const bytes = new Uint8Array(1);
    Flash.open({ path: "midge" }).read(bytes, 0);
    expect(bytes[0]).toBe(1);
  });
});

describe("key-value", () => {
  test("keeps buffers unless another format is asked for, and copies them", () => {
    new Device();
    const domain = KeyValue.open({ path: "midge" });
    const bytes = Uint8Array.of(1, 2, 3);
    domain.write("key", bytes);
    bytes.fill(0);
    expect(new Uint8Array(domain.read("key") as ArrayBuffer)).toEqual(Uint8Array.of(1, 2, 3));
    const into = new Uint8Array(5);
    expect(domain.read("key", into)).toBe(3);
    expect([...into]).toEqual([1, 2, 3, 0, 0]);
    expect(() => domain.read("key", new Uint8Array(2))).toThrow(new RangeError("buffer too small"));
  });

  test("reads undefined for what is not there, and deletes it without a word", () => {
    new Device();
    const domain = KeyValue.open({ path: "midge", format: "string" });
    expect(domain.read("none")).toBeUndefined();
    domain.delete("none");
    domain.write("a", "text");
    expect([...{ [Symbol.iterator]: () => domain[Symbol.iterator]() }]).toEqual(["a"]);
    domain.delete("a");
    expect(domain.read("a")).toBeUndefined();
  });

  test("keys and domains have at most 15 characters", () => {
    new Device();
    const domain = KeyValue.open({ path: "d".repeat(15), format: "string" });
    domain.write("k".repeat(15), "x");
    expect(() => domain.write("k".repeat(16), "x")).toThrow("KEY_TOO_LONG");
    expect(() => domain.read("k".repeat(16))).toThrow("KEY_TOO_LONG");
    expect(() => domain.write("k".repeat(64), "x")).toThrow(RangeError);
    expect(() => KeyValue.open({ path: "d".repeat(16) })).toThrow("KEY_TOO_LONG");
  });

  test("a text has at most 3,999 bytes", () => {
    new Device();
    const domain = KeyValue.open({ path: "midge", format: "string" });
    domain.write("a", "ü".repeat(1999));
    expect(() => domain.write("a", "ü".repeat(2000))).toThrow("VALUE_TOO_LONG");
  });

  test("reading in another format throws; writing so needs a delete first", () => {
    new Device();
    const texts = KeyValue.open({ path: "midge", format: "string" });
    const numbers = KeyValue.open({ path: "midge", format: "uint8" });
    texts.write("a", "1");
    expect(() => numbers.read("a")).toThrow(new TypeError("mismatch"));
    expect(() => numbers.write("a", 1)).toThrow("delete it first");
    texts.delete("a");
    numbers.write("a", 257);
    expect(numbers.read("a")).toBe(1);
  });

  test("each write and delete is one commit; what was kept survives a restart", () => {
    const device = new Device();
    const domain = KeyValue.open({ path: "midge", format: "string" });
    domain.write("a", "1");
    domain.write("a", "2");
    domain.delete("b");
    expect(device.counters.get("NVS commits")).toBe(3);
    const kept = nvs();
    new Device();
    restoreNvs(kept);
    expect(KeyValue.open({ path: "midge", mode: "r", format: "string" }).read("a")).toBe("2");
  });

  test("opening to read throws for a domain that is not there, and can't write", () => {
    new Device();
    expect(() => KeyValue.open({ path: "midge", mode: "r" })).toThrow("NOT_FOUND");
    KeyValue.open({ path: "midge" });
    expect(() => KeyValue.open({ path: "midge", mode: "r" }).write("a", new Uint8Array(1))).toThrow("read-only");
    expect(() => KeyValue.open({ path: "" })).toThrow("invalid");
    expect(() => KeyValue.open({ path: "midge", format: "nonsense" as never })).toThrow(new RangeError("unsupported"));
  });

  test("closed, it throws", () => {
    new Device();
    const domain = KeyValue.open({ path: "midge" });
    domain.close();
    domain.close();
    expect(() => domain.read("a")).toThrow(TypeError);
  });
});
