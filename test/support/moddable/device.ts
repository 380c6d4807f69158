// The XS task of a device and what runs beside it, for tests of hosts/esp32 where no device is: virtual time, the main
// loop, the message queue, and lwIP as far as it can be seen from JavaScript.
//
// Problem: on the device most of what goes wrong goes wrong between two tasks: a queue of ten messages that both fill,
// a connection that dies under a call. Form: one turn of the main loop at a time, driven by the test; the network moves
// between the messages, as a task of higher priority does; what would stop the device is a Fault, thrown there and again
// at every later turn, so that no `catch` hides it. What the device can't avoid and nobody would notice is a hazard.
// Moving bytes allocates nothing, so that programs on XS can count what a host allocates.

import type { Door, Peer } from "./peer";

/** What stops a device. It is thrown where it happens and by every turn afterwards. */
export class Fault extends Error {
  override name = "Fault";
}

/** A release build: the XS task waits for itself, or for a task that waits for it, and never goes on. */
export class Hang extends Fault {
  override name = "Hang";
}

/** A debug build: after 20 ms a message is dropped, and the socket it was for is never heard of again. */
export class QueueOverrun extends Fault {
  override name = "QueueOverrun";
}

/** An exception left a callback: XS aborts the machine. */
export class Abort extends Fault {
  override name = "Abort";
}

/** A null or freed pointer was followed. */
export class Crash extends Fault {
  override name = "Crash";
}

export interface DeviceOptions {
  /** The port of the sockets: lwIP on ESP32, or the one for Linux. */
  sockets: "lwip" | "lin";
  build: "debug" | "release";
  /** A release build with `-i`. */
  instrumented: boolean;
  /** Messages in the queue of the XS task: `defines.task.queueLength`. */
  queueLength: number;
  /** CONFIG_LWIP_MAX_ACTIVE_TCP: connections, those being closed included. */
  activeConnections: number;
  /** CONFIG_LWIP_MAX_LISTENING_TCP. */
  listeners: number;
  /** Bytes written and not acknowledged; bytes received and not read; bytes of a segment. */
  sendBytes: number;
  windowBytes: number;
  segmentBytes: number;
  /** Milliseconds since the start; `Time.ticks` is this as a signed number of 32 bits. */
  now: number;
}

/** The SDK's own settings for `-p esp32`, except that it sets `queueLength` nowhere and 10 is its default. */
export const ESP32: Readonly<DeviceOptions> = {
  sockets: "lwip",
  build: "release",
  instrumented: true,
  queueLength: 10,
  activeConnections: 8,
  listeners: 4,
  sendBytes: 8192,
  windowBytes: 8192,
  segmentBytes: 1436,
  now: 0,
};

/** Something that waits in the queue of the XS task. */
export interface Message {
  deliver(): void;
}

/** Something that another task does: a connection, a peer, the radio. */
export interface Party {
  /** Goes as far as it can; whether anything moved. */
  poll(): boolean;
  /** When it wants to be polled although nothing else happens, or Infinity. */
  readonly wakesAt: number;
}

/** One entry of the list of timers, of scripts and of the Linux port's sockets alike. */
export class TimerEntry {
  fires = false;
  scheduled = true;
  removed = false;

  constructor(
    public at: number,
    public repeat: number,
    readonly call: (entry: TimerEntry) => void,
  ) {}
}

/** Milliseconds that a debug build waits for room in the queue. */
const QUEUE_WAIT = 20;
/** An hour: what the main loop waits for without timers. */
const LONGEST_WAIT = 3_600_000;
const ENDLESS = 100_000;

export class Device {
  readonly options: Readonly<DeviceOptions>;
  now: number;
  turns = 0;
  /** What must not happen and can't be noticed: freed memory used, a lost event. */
  readonly hazards: string[] = [];
  fault: Fault | undefined;
  /** `SPI Flash Erases` and the like, by name; `Timers` and `Turns` are counted elsewhere. */
  readonly counters = new Map<string, number>();
  /** The most messages that ever waited. */
  peakQueue = 0;
  readonly parties: Party[] = [];
  /** Where it listens, and who listens elsewhere. */
  readonly doors: Door[] = [];
  readonly servers = new Map<string, (peer: Peer) => void>();
  readonly timers: TimerEntry[] = [];
  readonly #queue: (Message | undefined)[];
  #first = 0;
  #waiting = 0;
  #blocked: Message | undefined;
  readonly #events: Message[] = [];
  #jobs: (() => void)[] = [];
  #inTask = false;
  readonly #promiseMessage: Message = { deliver: () => this.#runJobs() };

  constructor(options: Partial<DeviceOptions> = {}) {
    this.options = { ...ESP32, ...options };
    this.now = this.options.now;
    this.#queue = new Array(this.options.queueLength).fill(undefined);
    current = this;
  }

  // ---- for the fakes

  /** Stops the device. */
  fail(fault: Fault): never {
    this.fault ??= fault;
    throw this.fault;
  }

  count(name: string, by: number): void {
    this.counters.set(name, (this.counters.get(name) ?? 0) + by);
  }

  /** A message from the XS task to itself. */
  post(message: Message): void {
    if (this.#waiting === this.options.queueLength) {
      if (this.options.build === "release") this.fail(new Hang("the XS task waits for room in its own queue"));
      this.now += QUEUE_WAIT;
      this.fail(new QueueOverrun("a message of the XS task to itself was dropped"));
    }
    this.#put(message);
  }

  /** A message from lwIP's task; that one waits while the queue is full. Only when `isBlocked` is false. */
  postFromOutside(message: Message): void {
    if (this.#waiting < this.options.queueLength) this.#put(message);
    else this.#blocked = message;
  }

  /** The same from the task that tells events of the radio: it waits on its own. */
  postFromEvents(message: Message): void {
    if (this.#waiting < this.options.queueLength) this.#put(message);
    else this.#events.push(message);
  }

  /** The network waits for room in the queue. */
  get isBlocked(): boolean {
    return this.#blocked !== undefined;
  }

  /** The XS task asks lwIP's task and waits for the answer. */
  askNetwork(): void {
    if (this.#blocked === undefined) return;
    if (this.options.build === "release") this.fail(new Hang("the XS task and lwIP's wait for each other"));
    this.now += QUEUE_WAIT;
    this.fail(new QueueOverrun("a message of lwIP's task was dropped"));
  }

  // ---- for the test

  /** A promise was settled: its reactions take one message, whatever their number. */
  promiseJob(job: () => void): void {
    this.#jobs.push(job);
    if (this.#jobs.length === 1) this.post(this.#promiseMessage);
  }

  /** Time passes inside a callback. */
  spend(milliseconds: number): void {
    this.now += milliseconds;
    if (this.#blocked !== undefined && this.options.build === "debug" && milliseconds >= QUEUE_WAIT) {
      this.fail(new QueueOverrun("a message of lwIP's task was dropped"));
    }
  }

  /** Messages that wait. */
  get queued(): number {
    return this.#waiting;
  }

  /** The network goes as far as it can without the XS task. Whether anything moved. */
  network(): boolean {
    let moved = false;
    for (let again = true; again && this.#blocked === undefined; ) {
      again = false;
      for (let i = 0; i < this.parties.length && this.#blocked === undefined; ) {
        const party = this.parties[i];
        if (party.poll()) again = moved = true;
        if (this.parties[i] === party) i++; // it may have left
      }
    }
    return moved;
  }

  /** One turn of the main loop. Whether anything happened. */
  turn(): boolean {
    if (this.fault !== undefined) throw this.fault;
    if (this.#inTask) throw new Error("a turn within a turn");
    this.#inTask = true;
    try {
      let moved = this.network();
      this.turns++;
      moved = this.#runTimers() || moved;
      return this.#serve(this.#untilTimer()) || moved;
    } finally {
      this.#inTask = false;
    }
  }

  /** Turns until nothing more happens at this time. */
  settle(): void {
    for (let i = 0; this.turn(); i++) {
      if (i === ENDLESS) throw new Error("the device does not come to rest");
    }
  }

  /** Lets so much time pass. */
  run(milliseconds: number): void {
    const until = this.now + milliseconds;
    this.settle();
    while (this.now < until) {
      this.now = Math.min(until, Math.max(this.now, this.#nextEvent()));
      this.settle();
    }
  }

  // ---- timers

  addTimer(delay: number, repeat: number, call: (entry: TimerEntry) => void): TimerEntry {
    const entry = new TimerEntry(this.now + delay, repeat, call);
    this.timers.push(entry);
    return entry;
  }

  removeTimer(entry: TimerEntry): void {
    entry.removed = true;
    const index = this.timers.indexOf(entry);
    if (index !== -1) this.timers.splice(index, 1);
  }

  #runTimers(): boolean {
    const { timers } = this;
    let any = false;
    // Who fires is settled first: a timer that a callback adds waits for the next turn.
    for (let i = 0; i < timers.length; i++) {
      if (timers[i].scheduled && timers[i].at <= this.now) timers[i].fires = any = true;
    }
    for (let i = 0; any && i < timers.length; ) {
      const entry = timers[i];
      if (!entry.fires) {
        i++;
        continue;
      }
      entry.fires = false;
      entry.at += entry.repeat; // from when it should have fired, so it does not drift, and catches up
      this.call(entry.call, entry);
      if (entry.repeat === 0) this.removeTimer(entry);
      i = 0;
    }
    return any;
  }

  #untilTimer(): number {
    let wait = LONGEST_WAIT;
    for (let i = 0; i < this.timers.length; i++) {
      const entry = this.timers[i];
      if (entry.scheduled && entry.at - this.now < wait) wait = entry.at - this.now;
    }
    return wait < 0 ? 0 : wait;
  }

  #nextEvent(): number {
    let next = this.now + this.#untilTimer();
    for (let i = 0; i < this.parties.length; i++) {
      if (this.parties[i].wakesAt < next) next = this.parties[i].wakesAt;
    }
    return next;
  }

  // ---- messages

  /** At most the messages that waited when it began; only one when a timer is due. */
  #serve(maxWait: number): boolean {
    const began = this.now;
    let count = this.#waiting === 0 ? 1 : this.#waiting;
    let any = false;
    do {
      if (this.#waiting === 0) break;
      const message = this.#queue[this.#first];
      this.#queue[this.#first] = undefined;
      if (++this.#first === this.options.queueLength) this.#first = 0;
      this.#waiting--;
      if (this.#blocked !== undefined) {
        const blocked = this.#blocked;
        this.#blocked = undefined;
        this.#put(blocked);
        this.network();
      }
      while (this.#events.length > 0 && this.#waiting < this.options.queueLength) {
        this.#put(this.#events.shift() as Message);
      }
      any = true;
      if (message !== undefined) this.call(deliver, message);
    } while (--count > 0 && this.now - began < maxWait);
    return any;
  }

  #put(message: Message): void {
    let last = this.#first + this.#waiting;
    if (last >= this.options.queueLength) last -= this.options.queueLength;
    this.#queue[last] = message;
    if (++this.#waiting > this.peakQueue) this.peakQueue = this.#waiting;
  }

  #runJobs(): void {
    const jobs = this.#jobs;
    this.#jobs = [];
    for (const job of jobs) job();
  }

  /** Calls into JavaScript from C: an exception that comes back stops the device. */
  call<T>(callback: (argument: T) => void, argument: T): void {
    try {
      callback(argument);
    } catch (error) {
      if (error instanceof Fault) throw error;
      this.fail(
        new Abort(`an exception left a callback: ${error instanceof Error ? error.message : error}`, { cause: error }),
      );
    }
    // A Fault that a `catch` of the program swallowed
    if (this.fault !== undefined) throw this.fault;
  }
}

function deliver(message: Message): void {
  message.deliver();
}

let current: Device | undefined;

/** The device that was made last: the modules of the SDK are global, so there is one at a time. */
export function device(): Device {
  if (current === undefined) throw new Error("make a Device first");
  return current;
}
