import WiFi from "embedded:network/interface/wifi";
import Timer from "timer";
import { describe, expect, test } from "vitest";
import { Station } from "../../../hosts/esp32/station";
import { Device } from "../../support/moddable/device";
import { type Radio, radio } from "../../support/moddable/network";

interface Scene {
  device: Device;
  air: Radio;
  station: Station;
  told: string[];
  /** Seconds, with the network going as far as it can. */
  pass(seconds: number): void;
}

function scene(random = 0.5): Scene {
  const device = new Device();
  const air = radio();
  const told: string[] = [];
  const station = new Station({
    WiFi,
    Timer,
    ssid: "home",
    password: "password",
    hostName: "midge",
    random: () => random,
    onConnected: (address) => told.push(`connected ${address} at ${device.now / 1000}`),
    onLost: () => told.push(`lost at ${device.now / 1000}`),
    onFailed: (attempts) => told.push(`failed ${attempts} at ${device.now / 1000}`),
  });
  const pass = (seconds: number): void => {
    for (let i = 0; i < seconds; i++) {
      device.run(1000);
      air.proceed();
      device.settle();
    }
  };
  return { device, air, station, told, pass };
}

describe("the station", () => {
  test("joins, says its name, and tells its address", () => {
    const { air, station, told, pass } = scene();
    air.networks.set("home", "password");
    pass(1);
    expect(told).toEqual(["connected 192.168.1.50 at 1"]);
    expect(air.hostname).toBe("midge");
    expect(station.RSSI).toBe(-60);
  });

  test("is content without an address of IPv6", () => {
    const { air, told, pass } = scene();
    air.networks.set("home", "password");
    air.hasIPv6 = false;
    pass(2);
    expect(told).toEqual(["connected 192.168.1.50 at 1"]);
  });

  test("tells a loss once, and joins again", () => {
    const { device, air, told, pass } = scene();
    air.networks.set("home", "password");
    pass(1);
    air.lose();
    device.settle();
    expect(told[1]).toBe("lost at 1");
    pass(10);
    expect(told).toHaveLength(3);
    expect(told[2]).toMatch(/^connected/);
  });

  test("never gives up, and waits longer each time, up to a minute", () => {
    const { told, air, pass } = scene(0);
    pass(1000);
    const times = told.map((line) => Number(line.split(" at ")[1]));
    const gaps = times.slice(1).map((time, index) => time - times[index]);
    expect(gaps.slice(0, 6)).toEqual([2, 4, 8, 16, 30, 30]);
    air.networks.set("home", "password");
    pass(60);
    expect(told.at(-1)).toMatch(/^connected/);
  });

  test("waits between half and all of it, by chance", () => {
    const { told, pass } = scene(0.999);
    pass(200);
    const times = told.map((line) => Number(line.split(" at ")[1]));
    expect(times.slice(1, 5).map((time, index) => time - times[index])).toEqual([4, 8, 16, 32]);
  });

  test("a network that never answers is an attempt of 20 seconds", () => {
    const { device, told } = scene(0);
    device.run(60_000);
    expect(told.slice(0, 2)).toEqual(["failed 1 at 21", "failed 2 at 43"]);
  });

  test("lets no exception out, whatever the SDK throws", () => {
    const { device, air, told } = scene(0);
    air.mode = 2; // connect throws
    device.run(30_000);
    expect(device.fault).toBeUndefined();
    expect(told.length).toBeGreaterThan(2);
  });
});
