// A proxy between a client and a server, which holds and cuts their connections.

import net from "node:net";
import { afterEach } from "vitest";

const proxies: Cutter[] = [];

afterEach(async () => {
  for (const proxy of proxies.splice(0)) await proxy.stop();
});

/** Passes bytes on until it is told to cut, or to hold. */
export class Cutter {
  port = 0;
  connections = 0;
  /** Bytes after which the connections are cut, in either direction. */
  left = Number.POSITIVE_INFINITY;
  /** Bytes that went to the server. */
  passed = 0;
  #isHeld = false;
  readonly #sockets = new Set<net.Socket>();
  readonly #server: net.Server;

  private constructor(to: number) {
    this.#server = net.createServer((near) => {
      this.connections++;
      const far = net.connect(to, "127.0.0.1");
      for (const [from, into] of [
        [near, far],
        [far, near],
      ]) {
        this.#sockets.add(from);
        from.on("error", () => {});
        from.on("close", () => {
          this.#sockets.delete(from);
          into.destroy();
        });
        from.on("data", (bytes: Buffer) => {
          if (from === near) this.passed += bytes.length;
          into.write(bytes.subarray(0, this.left));
          this.left -= bytes.length;
          if (this.left <= 0) this.cut();
        });
        if (this.#isHeld) from.pause();
      }
    });
  }

  static async start(to: number): Promise<Cutter> {
    const proxy = new Cutter(to);
    proxies.push(proxy);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    proxy.port = (proxy.#server.address() as net.AddressInfo).port;
    return proxy;
  }

  hold(): void {
    this.#isHeld = true;
    for (const socket of this.#sockets) socket.pause();
  }

  release(): void {
    this.#isHeld = false;
    for (const socket of this.#sockets) socket.resume();
  }

  cut(): void {
    this.left = Number.POSITIVE_INFINITY;
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
