// The MQTT Client class pattern of ECMA-419 as a module for Moddable's SDK: what an application imports in the place of
// `embedded:network/mqtt/client`.

import Time from "time";
import Timer from "timer";
import { MQTTClient as Client, type Options } from "../ecma419/mqtt-client";

export default class MQTTClient extends Client {
  /** Begins to connect. @throws as the class it extends. */
  constructor(options: Options) {
    super(options, { Timer, Time });
  }
}
