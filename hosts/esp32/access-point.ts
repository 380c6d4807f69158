// The device's own network, for a device that nobody has told a network yet, or that can't join the one it was told.
//
// The SDK's module with an access point stops the device when it is started after the one with the station. So a run of the
// program has either; to change, the device restarts.

import type WiFiModule from "wifi";

export interface AccessPointOptions {
  WiFi: typeof WiFiModule;
  /** At most 32 bytes. */
  ssid: string;
  /** 8 to 63 characters; "": open. */
  password: string;
  onStation: (joins: boolean) => void;
}

/** Stations at once: the chip's own limit is 10. */
const MOST_STATIONS = 8;

/** Where it is found by those who joined it: what ESP-IDF gives an access point. */
export const ACCESS_POINT_ADDRESS = "192.168.4.1";

/** Opens it. @throws when the radio can't. */
export function openAccessPoint({ WiFi, ssid, password, onStation }: AccessPointOptions): void {
  // With an empty password the SDK throws: an open network has none.
  WiFi.accessPoint({ ssid, max: MOST_STATIONS, ...(password === "" ? {} : { password }) });
  new WiFi(undefined, (message) => {
    if (message === "station_connect") onStation(true);
    if (message === "station_disconnect") onStation(false);
  });
}
