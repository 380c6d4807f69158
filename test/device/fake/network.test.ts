// Wi-Fi, DNS-SD and SNTP, as read in the SDK's sources: modules/io/{wifi,dnssd}, modules/network/{wifi,net,sntp}.

import UDP from "embedded:io/socket/udp";
import DNSSD from "embedded:network/dnssd";
import WiFi from "embedded:network/interface/wifi";
import Net from "net";
import SNTP from "sntp";
import { describe, expect, test } from "vitest";
import OldWiFi from "wifi";
import { Abort, Device } from "../../support/moddable/device";
import { announcements, type Radio, radio, timeServer } from "../../support/moddable/network";

interface Scene {
  device: Device;
  air: Radio;
  wifi: WiFi;
  /** What onChanged was told, with the connection then. */
  told: string[];
}

function station(): Scene {
  const device = new Device();
  const air = radio();
  air.networks.set("home", "password");
  const told: string[] = [];
  const wifi = new WiFi({
    onChanged(property) {
      told.push(`${property} ${this.connection}`);
    },
  });
  return { device, air, wifi, told };
}

function joined(): Scene {
  const scene = station();
  scene.wifi.connect({ SSID: "home", password: "password" });
  scene.air.proceed();
  scene.device.settle();
  return scene;
}

describe("a station", () => {
  test("goes from 200 by 300 and 400 to 500, and says so from 400 on", () => {
    const { device, air, wifi, told } = station();
    expect([wifi.connection, wifi.address, wifi.SSID, wifi.RSSI]).toEqual([200, undefined, undefined, undefined]);
    wifi.connect({ SSID: "home", password: "password" });
    device.settle();
    expect([wifi.connection, told]).toEqual([300, []]);
    air.proceed();
    device.settle();
    expect(told).toEqual(["connection 400", "connection 500", "address 500"]);
    expect([wifi.address, wifi.SSID, wifi.RSSI]).toEqual(["192.168.1.50", "home", -60]);
  });

  test("stays at 400 without an IPv6 address, although it has one of IPv4", () => {
    const { device, air, wifi } = station();
    air.hasIPv6 = false;
    wifi.connect({ SSID: "home", password: "password" });
    air.proceed();
    device.settle();
    expect([wifi.connection, wifi.address]).toEqual([400, "192.168.1.50"]);
  });

  test("with a wrong password is back at 200, once, and does not try again", () => {
    const { device, air, wifi, told } = station();
    wifi.connect({ SSID: "home", password: "wrong" });
    air.proceed();
    device.run(3_600_000);
    expect(told).toEqual(["connection 200"]);
    wifi.connect({ SSID: "home", password: "password" });
    air.proceed();
    device.settle();
    expect(wifi.connection).toBe(500);
  });

  test("that loses its network is told, and does not try again", () => {
    const { device, air, wifi, told } = joined();
    told.length = 0;
    air.lose();
    device.run(3_600_000);
    expect([told, wifi.connection, wifi.address]).toEqual([["connection 200"], 200, undefined]);
  });

  test("can't connect while it is connecting, without a name, or to a channel that is none", () => {
    const { wifi } = station();
    expect(() => wifi.connect({} as never)).toThrow("SSID required");
    expect(() => wifi.connect({ SSID: "home", channel: 14 })).toThrow(new RangeError("invalid channel"));
    expect(() => wifi.connect({ SSID: "h".repeat(33) })).toThrow(RangeError);
    wifi.connect({ SSID: "home" });
    expect(() => wifi.connect({ SSID: "home" })).toThrow("already connecting");
  });

  test("that disconnects is not told", () => {
    const { device, wifi, told } = joined();
    told.length = 0;
    wifi.disconnect();
    device.settle();
    expect([told, wifi.connection]).toEqual([[], 200]);
  });

  test("closed in its callback hears no more; a second object begins with what is", () => {
    const { device, wifi, told } = joined();
    const other = new WiFi({});
    expect(other.connection).toBe(500);
    wifi.close();
    wifi.close();
    expect(() => wifi.connection).toThrow(TypeError);
    told.length = 0;
    radio().lose();
    device.settle();
    expect([told, other.connection]).toEqual([[], 200]);
  });
});

describe("an access point", () => {
  test("is the older module's; its password has 8 to 64 characters or is not there", () => {
    new Device();
    expect(() => OldWiFi.accessPoint({ ssid: "m", password: "" })).toThrow("too short");
    expect(() => OldWiFi.accessPoint({ ssid: "m", password: "1234567" })).toThrow("too short");
    expect(() => OldWiFi.accessPoint({ ssid: "m".repeat(33) })).toThrow("ssid too long");
    expect(() => OldWiFi.accessPoint({ ssid: "m", channel: 0 })).toThrow("invalid channel");
    OldWiFi.accessPoint({ ssid: "midge" });
    expect(radio().accessPoint).toEqual({ ssid: "midge", password: "", max: 4 });
    expect([OldWiFi.mode, Net.get("IP")]).toEqual([2, "192.168.4.1"]);
  });

  test("stays without the station, whatever `station` says, unless the mode was station before", () => {
    new Device();
    OldWiFi.accessPoint({ ssid: "midge", station: true });
    expect(OldWiFi.mode).toBe(2);
    expect(() => new WiFi({}).connect({ SSID: "home" })).toThrow("connect failed");
    new Device();
    OldWiFi.mode = 1;
    OldWiFi.accessPoint({ ssid: "midge", station: true });
    expect(OldWiFi.mode).toBe(3);
  });

  test("and station at once have no address unless one is named", () => {
    const device = new Device();
    OldWiFi.mode = 1;
    OldWiFi.accessPoint({ ssid: "midge", password: "12345678", station: true });
    const wifi = new WiFi({});
    radio().networks.set("home", "");
    wifi.connect({ SSID: "home" });
    radio().proceed();
    device.settle();
    expect(wifi.connection).toBe(500);
    expect([Net.get("IP"), Net.get("IP", "ap"), Net.get("IP", "station")]).toEqual([
      undefined,
      "192.168.4.1",
      "192.168.1.50",
    ]);
  });

  test("tells who comes and goes", () => {
    const device = new Device();
    OldWiFi.accessPoint({ ssid: "midge" });
    const told: string[] = [];
    const observer = new OldWiFi(undefined, (message) => told.push(message));
    radio().tellStation(true);
    radio().tellStation(false);
    device.settle();
    observer.close();
    radio().tellStation(true);
    device.settle();
    expect(told).toEqual(["station_connect", "station_disconnect"]);
  });

  test("started after the newer module stops the device: the interface exists already", () => {
    new Device();
    new WiFi({});
    expect(() => OldWiFi.accessPoint({ ssid: "midge" })).toThrow(Abort);
  });
});

describe("DNS-SD", () => {
  const open = (): DNSSD => new DNSSD({ socket: { io: UDP } });

  test("claims a host name after a second", () => {
    const { device } = joined();
    const told: number[] = [];
    open().claim({ host: "midge", onReady: () => told.push(device.now) });
    device.run(999);
    expect(told).toEqual([]);
    device.run(1);
    expect(told).toEqual([1000]);
    expect(announcements().claims).toEqual([{ host: "midge", isReady: true }]);
  });

  test("a name that another machine has is an error, and a name claimed twice throws", () => {
    const { device } = joined();
    announcements().taken.add("midge");
    const told: string[] = [];
    const dnssd = open();
    dnssd.claim({ host: "midge", onReady: () => told.push("ready"), onError: () => told.push("error") });
    expect(() => dnssd.claim({ host: "midge" })).toThrow("duplicate");
    device.run(5000);
    expect(told).toEqual(["error"]);
    expect(announcements().claims).toEqual([]);
    dnssd.claim({ host: "midge-2" }).close();
    device.run(5000);
    expect(announcements().claims).toEqual([]);
  });

  test("advertises a service, changes its text, and ends with close", () => {
    joined();
    const dnssd = open();
    const service = { serviceType: "_mqtt._tcp", host: "midge", name: "Midge", port: 1883 };
    const handle = dnssd.advertise(service);
    expect(announcements().services).toEqual([service]);
    handle.updateTXT(new Map([["v", "1"]]));
    expect(announcements().services[0].txt?.get("v")).toBe("1");
    handle.close();
    handle.close();
    dnssd.advertise(service);
    dnssd.close();
    expect(announcements().services).toEqual([]);
  });

  test("advertising without an address throws, as does a service type that is none", () => {
    const { device, wifi, air } = station();
    const service = { serviceType: "_mqtt._tcp", host: "midge", port: 1883 };
    expect(() => open().advertise(service)).toThrow(TypeError);
    wifi.connect({ SSID: "home", password: "password" });
    air.proceed();
    device.settle();
    expect(() => open().advertise({ ...service, serviceType: "mqtt" })).toThrow("invalid serviceType");
  });
});

describe("SNTP", () => {
  test("tells the time once and closes itself", () => {
    const { device } = joined();
    timeServer("pool", 1_800_000_000);
    const told: unknown[] = [];
    new SNTP({ host: "pool" }, (message, value) => told.push([message, value]));
    device.run(60_000);
    expect(told).toEqual([[SNTP.time, 1_800_000_000]]);
    expect(device.timers).toHaveLength(0);
  });

  test("asks again every 5 s, then fails; a host that the callback gives is asked next", () => {
    const { device } = joined();
    timeServer("second", 1_800_000_000);
    const told: unknown[] = [];
    new SNTP({ host: "first" }, (message) => {
      told.push([message, device.now]);
      return message === SNTP.error ? "second" : undefined;
    });
    device.run(60_000);
    expect(told).toEqual([
      [SNTP.retry, 5000],
      [SNTP.retry, 10_000],
      [SNTP.retry, 15_000],
      [SNTP.retry, 20_000],
      [SNTP.error, 25_000],
      [SNTP.time, 30_000],
    ]);
  });

  test("closed, it is silent", () => {
    const { device } = joined();
    const told: unknown[] = [];
    new SNTP({ host: "first" }, (message) => told.push(message)).close();
    device.run(60_000);
    expect(told).toEqual([]);
  });
});
