import type Declared from "embedded:io/socket/listener";
import { device } from "../device";
import { Listener as Lwip } from "../tcp";
import { Listener as Lin } from "../tcp-lin";

const ports: Readonly<Record<"lwip" | "lin", typeof Declared>> = { lwip: Lwip, lin: Lin };

/** `new` makes one of the port that the device has. */
function Listener(...options: []): object {
  return Reflect.construct(ports[device().options.sockets], options);
}

export default Listener as unknown as typeof Declared;
