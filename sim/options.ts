// What a seed decides about a run. Options are drawn as a swarm: many of the rates are zero, so that in some runs one
// fault alone meets what only many messages of another kind prepare.

import { type Limits, presets } from "../src/index";
import { Random } from "./random";

export const worlds = ["home", "flood", "flaky", "tiny", "peers"] as const;
export type World = (typeof worlds)[number];

/** The world of a seed when none is asked for: each gets a fifth. */
export function worldOf(seed: number): World {
  return seed % worlds.length === 0 ? "peers" : worlds[seed % (worlds.length - 1)];
}

/** Flat, so that it can be printed, given on the command line, and made smaller. */
export interface Options {
  world: World;
  /** Name of a preset. */
  limits: string;
  sessionOverflow: string;
  refuse311: string;
  /** Instead of the preset's; 0: the preset's. */
  topicLabels: number;
  labelBytes: number;
  /** Length of the first phase, with faults. */
  seconds: number;
  /** Milliseconds between two looks at the world. */
  tick: number;
  /** Steps of the broker in one tick; 0: until it rests. */
  stepsPerTick: number;
  clients: number;
  readAhead: boolean;
  tellsLate: boolean;
  resetLosesInput: boolean;
  idleReady: number;
  delayLeast: number;
  delayMost: number;
  split: number;
  windowUp: number;
  windowDown: number;
  /** What the broker's clock reads at the start. */
  clockStart: number;
  /** Steps back of the clock, in 10,000 ticks. */
  clockBack: number;
  /** Faults in 1,000 seconds of one client. */
  resets: number;
  ends: number;
  halfOpens: number;
  stalls: number;
  /** How often the Packet Identifiers of a session are moved on as if 65,000 messages had been sent, likewise. */
  aging: number;
  /** Milliseconds between two messages of a client, about. */
  publishEvery: number;
  /** Largest payload that is usual, bytes. */
  payload: number;
  /** Messages of 100 that are retained, that expire, that are larger than any limit. */
  retained: number;
  expiring: number;
  oversized: number;
  /** Clients of 100 with each personality. */
  neverAcks: number;
  acksLate: number;
  slowReaders: number;
  neverReads: number;
  duplicates: number;
  reusesIds: number;
  takesOver: number;
  malformed: number;
  wills: number;
  sleepers: number;
  floods: number;
  persistent: number;
  /** Clients of 100 that send more than the Receive Maximum. */
  overruns: number;
  /** Clients more, whose Client Identifier is too long. */
  longIds: number;
  /** Clients that are the project's own, and how many of 100 of them have the least memory, or much. */
  peers: number;
  tinyPeers: number;
  largePeers: number;
  /** Own clients of 100 whose application accepts messages itself, takes payload in pieces, acts while it is told something. */
  acceptsByHand: number;
  pauses: number;
  actsInside: number;
  /** Own clients of 100 to which the broker seems to be another server. */
  otherServers: number;
  /** Dials of 100 that fail. */
  dialFailures: number;
  /** How often the application stops its client and starts it again, in 1,000 seconds. */
  stops: number;
}

/** Draws the options of a world. */
export function draw(seed: number, world: World): Options {
  const random = new Random(seed);
  const rate = (most: number): number => (random.chance(1, 2) ? 0 : 1 + random.below(most));
  const options: Options = {
    world,
    limits: world === "tiny" ? "tiny" : world === "home" ? "gateway" : "esp32",
    sessionOverflow: random.pick(["drop-newest", "drop-oldest", "latest-per-topic", "disconnect"]),
    refuse311: random.pick(["close", "acknowledge"]),
    seconds: random.range(20, 90),
    tick: random.pick([5, 10, 20, 50]),
    stepsPerTick: random.pick([0, 0, 0, 1, 2, 5]),
    clients: random.range(3, 9),
    readAhead: random.chance(1, 2),
    tellsLate: random.chance(1, 2),
    resetLosesInput: random.chance(1, 2),
    idleReady: rate(20),
    delayLeast: random.skewed(20),
    delayMost: 20 + random.skewed(300),
    split: rate(100),
    windowUp: random.pick([64, 200, 1460, 5744, 65536]),
    windowDown: random.pick([128, 200, 1460, 5744, 65536]),
    clockStart: random.chance(1, 2) ? 0xffffffff - random.below(100_000) : random.next(),
    clockBack: rate(20),
    resets: rate(60),
    ends: rate(60),
    halfOpens: rate(20),
    stalls: rate(60),
    aging: rate(100),
    publishEvery: random.pick([50, 200, 500, 2000]),
    payload: random.pick([16, 60, 200]),
    retained: rate(60),
    expiring: rate(50),
    oversized: rate(5),
    neverAcks: rate(30),
    acksLate: rate(50),
    slowReaders: rate(40),
    neverReads: rate(20),
    duplicates: rate(40),
    reusesIds: rate(30),
    takesOver: rate(30),
    malformed: rate(30),
    wills: rate(80),
    sleepers: rate(40),
    floods: rate(20),
    persistent: random.pick([0, 30, 60, 100]),
    topicLabels: 0,
    labelBytes: 0,
    overruns: 0,
    longIds: 0,
    peers: 0,
    tinyPeers: 0,
    largePeers: 0,
    acceptsByHand: 0,
    pauses: 0,
    actsInside: 0,
    otherServers: 0,
    dialFailures: 0,
    stops: 0,
  };
  if (world === "flood") {
    options.floods = 50 + random.below(50);
    options.clients = random.range(5, 12);
    options.payload = random.pick([60, 200, 1000, 3500]);
    options.seconds = random.range(10, 30);
  } else if (world === "flaky") {
    options.resets = 20 + random.below(200);
    options.ends += random.below(100);
    options.split = 50 + random.below(51);
    options.delayMost = 50 + random.skewed(2000);
    options.persistent = random.pick([60, 100]);
    options.clients = random.range(4, 10);
  } else if (world === "home") {
    options.clients = 0;
    options.seconds = random.range(60, 180);
    options.sessionOverflow = presets.gateway.sessionOverflow;
    options.refuse311 = presets.gateway.refuse311;
    options.tick = 20;
    return options;
  }
  if (world === "tiny") {
    options.topicLabels = random.pick([0, 0, 5]);
    options.labelBytes = random.pick([0, 0, 64]);
  }
  options.overruns = random.chance(1, 2) ? 10 + random.below(50) : 0;
  options.longIds = random.chance(1, 4) ? 1 : 0;
  if (world === "peers") drawPeers(options, random);
  return options;
}

/** The project's own clients, and a few others. */
function drawPeers(options: Options, random: Random): void {
  const rate = (most: number): number => (random.chance(1, 2) ? 0 : 1 + random.below(most));
  options.limits = random.pick(["esp32", "esp32", "tiny"]);
  // Who is refused by closing, or disconnected for a full queue, sends the same again: that never rests.
  options.refuse311 = "acknowledge";
  if (options.sessionOverflow === "disconnect") options.sessionOverflow = "drop-oldest";
  options.clients = random.range(0, 2);
  options.takesOver = rate(30);
  options.resets = random.pick([0, 30, 60, 150]);
  options.split = random.pick([0, 50, 100]);
  options.persistent = random.pick([30, 60, 100]);
  options.peers = random.range(2, 4);
  options.seconds = random.range(15, 60);
  options.payload = random.pick([16, 60, 200]);
  options.tinyPeers = random.pick([0, 30, 60, 60]);
  options.largePeers = random.pick([0, 0, 30]);
  options.acceptsByHand = random.pick([0, 50, 100]);
  options.pauses = rate(80);
  options.actsInside = rate(80);
  options.otherServers = random.pick([0, 50, 80]);
  options.dialFailures = rate(60);
  options.stops = rate(60);
}

/** The same without a fault: nothing breaks, stalls or is late. */
export function calm(options: Options): Options {
  const none = { clockBack: 0, resets: 0, ends: 0, halfOpens: 0, stalls: 0, aging: 0, idleReady: 0, stepsPerTick: 0 };
  return { ...options, ...none, delayLeast: 2, delayMost: 20, windowUp: 5744, windowDown: 5744 };
}

export function limitsOf(options: Options): Limits {
  const preset = (presets as Readonly<Record<string, Readonly<Limits>>>)[options.limits];
  if (preset === undefined) {
    throw new Error(`no limits are named "${options.limits}"; there are ${Object.keys(presets).join(", ")}`);
  }
  return {
    ...preset,
    topicLabels: options.topicLabels || preset.topicLabels,
    labelBytes: options.labelBytes || preset.labelBytes,
    sessionOverflow: options.sessionOverflow as Limits["sessionOverflow"],
    refuse311: options.refuse311 as Limits["refuse311"],
  };
}

/** Sets one option from "name=value". Throws an `Error` that says what is wrong. */
export function setOption(options: Options, text: string): void {
  const [, name = "", value = ""] = /^(\w+)=(.*)$/.exec(text) ?? [];
  if (name === "") throw new Error(`"${text}" is not name=value`);
  if (name === "world" || !Object.hasOwn(options, name)) throw new Error(`no option is named "${name}"`);
  const all = options as unknown as Record<string, number | string | boolean>;
  if (typeof all[name] === "string") {
    all[name] = value;
    return;
  }
  const isNumber = typeof all[name] === "number";
  if (!(isNumber ? /^\d{1,10}$/ : /^(true|false)$/).test(value)) {
    throw new Error(`${name} must be ${isNumber ? "a whole number" : "true or false"}, not "${value}"`);
  }
  all[name] = isNumber ? Number(value) : value === "true";
}
