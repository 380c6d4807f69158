// What hosts/esp32 uses of the Moddable SDK 8.2.3, and no more: read in its sources, in our words, so that types can be
// checked without the SDK. The fakes of test/support/moddable are checked against these declarations. The SDK's own ones
// say that `read(buffer)` and `write` of a socket return nothing; they return counts, and a broker needs them.

/** Writes to the debug console. */
declare function trace(...text: readonly (string | number | boolean)[]): void;

declare module "embedded:io/socket/tcp" {
  export interface TCPOptions {
    /** An IPv4 address; names are not resolved. */
    address?: string;
    port?: number;
    /** Takes the connection over from this socket and closes it: the way to give callbacks to an accepted one. */
    from?: TCP;
    /** Switches Nagle's algorithm off. The standard spells it `noDelay`; the SDK does not. */
    nodelay?: boolean;
    format?: "buffer" | "number";
    /** Any value; the callbacks find it in `this.target`. */
    target?: unknown;
    /** So many bytes wait in all. Not told again for bytes left unread. */
    onReadable?(this: TCP, bytes: number): void;
    /** So many bytes can be written. The first call says that the connection is open. */
    onWritable?(this: TCP, bytes: number): void;
    /** Ended, reset or refused. Held back until all that was received has been read. */
    onError?(this: TCP): void;
  }

  export default class TCP {
    constructor(options: TCPOptions);
    target?: unknown;
    /** Fills the whole buffer and returns its length; undefined when nothing waits; throws when less than that waits. */
    read(buffer: ArrayBufferView | ArrayBuffer): number | undefined;
    /** Copies all of it and returns the room that is left; undefined after an error; throws when there is less room. */
    write(buffer: ArrayBufferView | ArrayBuffer): number | undefined;
    /** Once or more often. Bytes left unread make it a reset, which destroys what the peer has not read yet. */
    close(): void;
    /** Not after an error: the SDK follows a null pointer. */
    readonly remoteAddress: string | undefined;
    readonly remotePort: number | undefined;
  }
}

declare module "embedded:io/socket/listener" {
  import type TCP from "embedded:io/socket/tcp";

  export interface ListenerOptions {
    /** 0 or absent: any free one. The SDK ignores an `address`: it listens on all interfaces. */
    port?: number;
    target?: unknown;
    /** So many connections wait in all. */
    onReadable?(this: Listener, count: number): void;
  }

  export default class Listener {
    constructor(options: ListenerOptions);
    target?: unknown;
    /** A socket without callbacks, for `from`; undefined when none waits. */
    read(): TCP | undefined;
    close(): void;
    readonly port: number;
  }
}

declare module "timer" {
  class Timer {
    private constructor();
    /** Milliseconds. Without `repeat` it fires once and is gone. */
    static set(callback: (timer: Timer) => void, delay?: number, repeat?: number): Timer;
    static repeat(callback: (timer: Timer) => void, interval: number): Timer;
    /** Sets it anew without an allocation; without a delay it sleeps. Throws for one that fired once or was cleared. */
    static schedule(timer: Timer, delay?: number, repeat?: number): void;
    static clear(timer: Timer | undefined | null): void;
  }

  export { Timer as default };
}

declare module "time" {
  const Time: {
    /** Milliseconds since the start as a signed number of 32 bits: `>>> 0` before comparing. */
    readonly ticks: number;
    /** Sets the wall clock, in seconds since 1970. */
    set(seconds: number): void;
  };

  export { Time as default };
}

declare module "instrumentation" {
  /** Undefined in builds without instrumentation. */
  const Instrumentation: {
    map(name: string): number | undefined;
    get(index: number | undefined): number | undefined;
  };

  export { Instrumentation as default };
}

declare module "mc/config" {
  /** The `config` of the manifest and of the command line. */
  const config: Readonly<Record<string, unknown>>;

  export { config as default };
}

/** A function of C, by its name there: the compiler of XS links it. */
declare function native(name: string): (this: unknown, ...parameters: unknown[]) => unknown;
