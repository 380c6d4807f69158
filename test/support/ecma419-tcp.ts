// The TCP class pattern of ECMA-419 over Node's sockets, as strict as the standard is: for code that is written for a
// device and talks to a real server in a test. And timers and a resolver in Moddable's form.

import net from "node:net";
import type { DnsConstructor, TcpCallbacks, TcpConstructor, TimeModule, TimerModule } from "../../hosts/ecma419/io";

/** Bytes that can be written before the peer reads. */
const SEND_BUFFER = 5744;

export interface NodeTcpOptions extends TcpCallbacks {
  address: string;
  port: number;
  format?: string;
}

const open = new Set<NodeTcp>();

export class NodeTcp {
  readonly #options: NodeTcpOptions;
  readonly #socket: net.Socket;
  #held = Buffer.alloc(0);
  #isOver = false;
  #isClosed = false;

  constructor(options: NodeTcpOptions) {
    if (options.format !== "buffer") throw new RangeError("format");
    this.#options = options;
    this.#socket = net.connect(options.port, options.address);
    open.add(this);
    this.#socket.on("connect", () => this.#writableNow());
    this.#socket.on("drain", () => this.#writableNow());
    this.#socket.on("data", (bytes) => {
      if (this.#isClosed) return;
      this.#held = Buffer.concat([this.#held, bytes]);
      if (this.#held.length > SEND_BUFFER) this.#socket.pause();
      options.onReadable?.(this.#held.length);
    });
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => {
      this.#isOver = true;
      this.#end();
    });
  }

  #writableNow(): void {
    if (!this.#isClosed) this.#options.onWritable?.(this.#room);
  }

  get #room(): number {
    return Math.max(0, SEND_BUFFER - this.#socket.writableLength);
  }

  /** An error is told when everything was read. */
  #end(): void {
    if (!this.#isOver || this.#isClosed || this.#held.length > 0) return;
    this.close();
    this.#options.onError?.();
  }

  read(view: Uint8Array): number {
    if (view.length > this.#held.length) throw new Error("read beyond what has come");
    view.set(this.#held.subarray(0, view.length));
    this.#held = this.#held.subarray(view.length);
    if (this.#held.length <= SEND_BUFFER) this.#socket.resume();
    if (this.#held.length === 0) setImmediate(() => this.#end());
    return view.length;
  }

  write(view: Uint8Array): number {
    if (view.length > this.#room) throw new Error("would block");
    if (!this.#socket.write(Buffer.from(view))) return this.#room;
    setImmediate(() => this.#writableNow());
    return this.#room;
  }

  close(): void {
    this.#isClosed = true;
    open.delete(this);
    this.#socket.destroy();
  }

  /** How many are open. */
  static get count(): number {
    return open.size;
  }

  /** The network between breaks. */
  static cut(): void {
    for (const tcp of open) tcp.#socket.destroy();
  }
}

export const TCP = NodeTcp as unknown as TcpConstructor;

/** Knows `localhost`. */
export class Resolver {
  resolve({ host, onResolved, onError }: Parameters<InstanceType<DnsConstructor>["resolve"]>[0]): void {
    setImmediate(() => (host === "localhost" ? onResolved(host, "127.0.0.1") : onError(new Error("unknown"))));
  }
}

interface RealTimer {
  handle: NodeJS.Timeout;
  callback: () => void;
}

export const Timer: TimerModule = {
  repeat(callback, milliseconds) {
    return { handle: setInterval(callback, milliseconds), callback };
  },
  schedule(timer, first, interval) {
    const real = timer as RealTimer;
    clearTimeout(real.handle);
    real.handle = setTimeout(() => {
      real.handle = setInterval(real.callback, interval);
      real.callback();
    }, first);
  },
  clear(timer) {
    clearTimeout((timer as RealTimer | undefined)?.handle);
  },
};

export const Time: TimeModule = {
  get ticks() {
    return Math.floor(performance.now());
  },
};
