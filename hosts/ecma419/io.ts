// What is used of ECMA-419's I/O classes and of Moddable's timers: interfaces only, so that the code over them compiles and
// runs anywhere. Streams of bytes; lengths in bytes.

export interface TcpCallbacks {
  /** So many bytes wait. Not repeated for bytes that are left unread. */
  onReadable?: (count: number) => void;
  /** So many bytes can be written. */
  onWritable?: (count: number) => void;
  /** The stream is over, or never was. Nothing is called afterwards. */
  onError?: (error?: unknown) => void;
}

export interface TcpSocket {
  /** Fills the view. @throws when it is longer than what waits. */
  read(view: Uint8Array): unknown;
  /** Takes all of the view, and returns how many bytes can be written now; undefined after an error. @throws beyond that. */
  write(view: Uint8Array): number | undefined;
  close(): void;
  /** What the constructor was given. */
  readonly target?: unknown;
  /** Not after an error, also one that was not told yet. */
  readonly remoteAddress?: string | undefined;
}

/** `embedded:io/socket/tcp`, or what has its form: TLS, a test's. */
export type TcpConstructor = new (options: TcpCallbacks & Record<string, unknown>) => TcpSocket;

export interface ListenerSocket {
  /** A connection that waits, to be given to a socket's constructor as `from`. Not when none does: Moddable's leaks then. */
  read(): TcpSocket | undefined;
  close(): void;
}

/** `embedded:io/socket/listener`. */
export type ListenerConstructor = new (options: {
  port: number;
  /** So many connections wait. */
  onReadable?: (count: number) => void;
}) => ListenerSocket;

export interface DnsResolver {
  resolve(request: {
    host: string;
    onResolved: (host: string, address: string) => void;
    onError: (error?: unknown) => void;
  }): void;
}

/** A resolver in the form of ECMA-419's, such as the one over UDP. */
export type DnsConstructor = new (options: Record<string, unknown>) => DnsResolver;

/** What is used of Moddable's module `timer`. */
export interface TimerModule {
  repeat(callback: () => void, milliseconds: number): unknown;
  /** A timer that repeats is called after `first` ms, and then every `interval` ms. */
  schedule(timer: unknown, first: number, interval: number): void;
  clear(timer: unknown): void;
}

/** What is used of Moddable's module `time`. */
export interface TimeModule {
  /** Milliseconds from any start. */
  readonly ticks: number;
}
