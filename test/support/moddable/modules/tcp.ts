import type Declared from "embedded:io/socket/tcp";
import { device } from "../device";
import { TCP as Lwip } from "../tcp";
import { TCP as Lin } from "../tcp-lin";

const ports: Readonly<Record<"lwip" | "lin", typeof Declared>> = { lwip: Lwip, lin: Lin };

/** `new` makes one of the port that the device has. */
function TCP(...options: []): object {
  return Reflect.construct(ports[device().options.sockets], options);
}

export default TCP as unknown as typeof Declared;
