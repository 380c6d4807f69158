// The plan is what the broker takes: in bytes, before it starts, from nothing but the limits.

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Broker } from "../../src/broker/broker";
import { indexBytesFor, type Plan, plan } from "../../src/broker/plan";
import { checkLimits, type Limits, LimitsError, limitRanges, type PresetName, presets } from "../../src/memory/limits";
import { startBroker } from "../support/broker";
import { connect, publish, subscribe } from "../support/packets";
import { runs } from "../support/random";

const names = Object.keys(presets) as PresetName[];
const fields = Object.keys(limitRanges) as (keyof Limits & string)[];

const nowhere = {
  transport: {
    readAhead: true,
    attach(): void {},
    receive: () => 0,
    unreceive(): void {},
    writable: () => 0,
    send(): void {},
    close(): void {},
  },
  clock: { now: () => 0, wall: () => 0 },
  log: { event(): void {} },
};

function changed(changes: Partial<Record<keyof Limits, unknown>>): Limits {
  return { ...presets.tiny, ...changes } as Limits;
}

/** The field that a `LimitsError` names, "" when nothing is thrown. */
function refusedField(limits: Limits): string {
  try {
    checkLimits(limits);
    return "";
  } catch (error) {
    if (!(error instanceof LimitsError)) throw error;
    expect(error.message).toContain(`"${error.field}"`);
    return error.field;
  }
}

/** Limits that hold, of any size that a test can take. */
const anyLimits = fc
  .record({
    connections: fc.integer({ min: 2, max: 40 }),
    moreSessions: fc.integer({ min: 0, max: 40 }),
    subscriptions: fc.integer({ min: 6, max: 3000 }),
    subscriptionIdentifiers: fc.integer({ min: 0, max: 300 }),
    topicNodes: fc.integer({ min: 1, max: 5000 }),
    topicLabels: fc.integer({ min: 1, max: 3000 }),
    labelBytes: fc.integer({ min: 16, max: 9999 }),
    topicBytes: fc.integer({ min: 1, max: 128 }),
    topicLevels: fc.integer({ min: 1, max: 99 }),
    retained: fc.integer({ min: 0, max: 500 }),
    messages: fc.integer({ min: 1, max: 500 }),
    deliveries: fc.integer({ min: 6, max: 4000 }),
    payloadBytes: fc.integer({ min: 1024, max: 99_999 }),
    blockShift: fc.integer({ min: 5, max: 10 }),
    receiveMaximum: fc.integer({ min: 1, max: 70 }),
    receiveShared: fc.integer({ min: 0, max: 70 }),
    clientIdBytes: fc.integer({ min: 23, max: 64 }),
    stageBytes: fc.integer({ min: 192, max: 256 }),
    inputBytes: fc.integer({ min: 64, max: 999 }),
    outputBytes: fc.integer({ min: 128, max: 999 }),
  })
  .map(({ moreSessions, blockShift, ...rest }) =>
    changed({ ...rest, sessions: rest.connections + moreSessions, blockBytes: 2 ** blockShift }),
  );

describe("the plan", () => {
  test.each(names)("of %s: rows add up to arenaBytes, views come on top", (name) => {
    const { arenaBytes, viewBytes, totalBytes, rows } = plan(presets[name]);
    expect(rows.reduce((sum, row) => sum + row.bytes, 0)).toBe(arenaBytes);
    expect(viewBytes).toBe(4 * 64);
    expect(totalBytes).toBe(arenaBytes + viewBytes);
    expect(new Set(rows.map((row) => row.name)).size).toBe(rows.length);
    for (const row of rows) {
      // A table has its rows, the reserved row 0, and less than a word of alignment for each column.
      expect(row.bytes).toBeGreaterThanOrEqual(row.count * row.bytesEach);
      if (row.count > 1) expect(row.bytes).toBeLessThanOrEqual((row.count + 1) * row.bytesEach + 8);
    }
  });

  test("of any limits: rows add up to arenaBytes", () => {
    fc.assert(
      fc.property(anyLimits, (limits) => {
        const { arenaBytes, rows } = plan(limits);
        expect(rows.reduce((sum, row) => sum + row.bytes, 0)).toBe(arenaBytes);
        expect(arenaBytes % 4).toBe(0);
      }),
      runs(100),
    );
  });

  test("is pure: the same limits give the same plan, and stay as they were", () => {
    const limits = changed({});
    const first = plan(limits);
    expect(plan(limits)).toEqual(first);
    expect(plan({ ...limits })).toEqual(first);
    expect(limits).toEqual(presets.tiny);
  });

  test("takes no memory to make", () => {
    plan(presets.node);
    const before = process.memoryUsage().arrayBuffers;
    expect(plan(presets.node).arenaBytes).toBeGreaterThan(100_000_000);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000);
  });

  test("grows with every limit that costs memory, and with no other", () => {
    const bytes = plan(presets.tiny).arenaBytes;
    const free = fields.filter((field) => plan(changed({ [field]: more(field) })).arenaBytes === bytes);
    expect(free).toEqual([
      "subscriptionsPerSession",
      "filtersPerSubscribe",
      "queuePerSession",
      "inflightPerSession",
      "packetBytes",
      "messageBytes",
      "connectMilliseconds",
      "packetMilliseconds",
      "holdMilliseconds",
      "stallMilliseconds",
      "discardMilliseconds",
      "keepAliveSeconds",
      "sessionExpirySeconds",
      "connectionsPerStep",
      "packetsPerTurn",
    ]);
  });

  test("that would be too large to address is refused, not wrapped", () => {
    const huge = changed({ payloadBytes: 2_000_000_000, deliveries: 100_000_000 });
    let made: Plan;
    try {
      made = plan(huge);
    } catch (error) {
      expect(error).toBeInstanceOf(LimitsError);
      return;
    }
    expect(made.arenaBytes).toBeGreaterThan(2_000_000_000);
  });
});

/** A little more of a limit, the others as they are: enough to be seen, and still allowed. */
function more(field: keyof Limits): number {
  const value = presets.tiny[field] as number;
  if (field === "blockBytes") return 2 * value;
  if (field === "payloadBytes") return value + presets.tiny.blockBytes;
  if (field === "labelBytes") return value + 16;
  if (field === "topicNodes" || field === "topicLabels") return value + 8;
  return field.endsWith("Bytes") ? value + 4 : value + 1;
}

describe("presets", () => {
  test.each<[PresetName, number]>([
    ["esp32", 40_960],
    ["gateway", 131_072],
    ["psram", 2 * 1024 * 1024],
  ])("%s takes at most %i bytes", (name, most) => {
    expect(plan(presets[name]).totalBytes).toBeLessThanOrEqual(most);
  });

  test("have the sizes they are named for", () => {
    expect(presets.esp32).toMatchObject({ connections: 8, sessions: 12, subscriptions: 48, retained: 32 });
    expect(presets.esp32.payloadBytes).toBe(16_384);
    expect(presets.gateway).toMatchObject({ connections: 24, sessions: 32, subscriptions: 512, retained: 384 });
    expect(presets.gateway.subscriptionsPerSession).toBeGreaterThanOrEqual(450);
    expect(presets.gateway.payloadBytes).toBe(32_768);
    expect(presets.psram.connections).toBe(64);
    expect(presets.node.connections).toBeGreaterThanOrEqual(10_000);
    expect(presets.node.messageBytes).toBeGreaterThanOrEqual(1024 * 1024);
  });

  test.each(names)("%s holds, and can't be changed", (name) => {
    expect(refusedField({ ...presets[name] })).toBe("");
    expect(Object.isFrozen(presets[name])).toBe(true);
  });
});

describe("the broker", () => {
  afterEach(() => vi.unstubAllGlobals());

  /** Makes a broker while every buffer and view is noted that is made meanwhile. */
  function made(limits: Limits): { broker: Broker; buffers: number[]; views: number; own: number } {
    const buffers: number[] = [];
    let views = 0;
    let own = 0;
    for (const view of [Uint8Array, Uint16Array, Uint32Array, Int8Array, Int16Array, Int32Array, DataView]) {
      const noting = new Proxy(view as Uint8ArrayConstructor, {
        construct(target, args: [ArrayBuffer]) {
          if (!(args[0] instanceof ArrayBuffer)) own++;
          else if (args[0].byteLength > 0) views++;
          return new target(...args);
        },
      });
      vi.stubGlobal(view.name, noting);
    }
    const noting = new Proxy(ArrayBuffer, {
      construct(target, args: [number]) {
        if (args[0] > 0) buffers.push(args[0]);
        return new target(...args);
      },
    });
    vi.stubGlobal("ArrayBuffer", noting);
    const broker = new Broker(limits, nowhere);
    vi.unstubAllGlobals();
    return { broker, buffers, views, own };
  }

  test.each(["tiny", "esp32", "gateway", "psram"] as const)("of %s takes one buffer of exactly the plan", (name) => {
    const { broker, buffers, views, own } = made({ ...presets[name] });
    const { arenaBytes, viewBytes, rows } = plan(presets[name]);
    expect(buffers).toEqual([arenaBytes]);
    expect(own).toBe(0);
    expect(64 * (views + 1)).toBe(viewBytes); // the transport's is the one more
    expect(broker.layout.byteLength).toBe(arenaBytes);
    expect(broker.layout.rows).toEqual([]); // a plan has them, memory need not keep them
    expect(broker.plan.rows).toEqual(rows);
    for (const view of [broker.layout.u8, broker.layout.u16, broker.layout.u32]) {
      expect(view.buffer).toBe(broker.layout.u8.buffer);
      expect(view.byteLength).toBe(arenaBytes);
    }
  });

  test("of any limits takes exactly the plan", () => {
    fc.assert(
      fc.property(anyLimits, (limits) => {
        const broker = new Broker(limits, nowhere);
        expect(broker.layout.byteLength).toBe(plan(limits).arenaBytes);
        expect(broker.layout.u8.byteLength).toBe(plan(limits).arenaBytes);
        expect(broker.pools().filter((pool) => pool.free > pool.capacity)).toEqual([]);
      }),
      runs(50),
    );
  });

  test("is not made of limits that can't be", () => {
    expect(() => new Broker(changed({ connections: 1 }), nowhere)).toThrow(LimitsError);
    expect(() => plan(changed({ connections: 1 }))).toThrow(LimitsError);
  });
});

describe("checkLimits", () => {
  const wrong: readonly [string, (least: number, most: number) => unknown][] = [
    ["below its range", (least) => least - 1],
    ["above its range", (_, most) => most + 1],
    ["a fraction", (least) => least + 0.5],
    ["NaN", () => Number.NaN],
    ["infinite", () => Number.POSITIVE_INFINITY],
    ["a text", (least) => String(least)],
    ["null", () => null],
    ["missing", () => undefined],
  ];

  test.each(fields)("names %s when it is wrong", (field) => {
    const [least, most] = limitRanges[field];
    for (const [what, value] of wrong) {
      expect(refusedField(changed({ [field]: value(least, most) })), what).toBe(field);
    }
    const without: Partial<Limits> = { ...presets.tiny };
    delete without[field];
    expect(refusedField(without as Limits)).toBe(field);
  });

  test.each(fields)("takes both ends of the range of %s, as far as its relations allow", (field) => {
    for (const value of limitRanges[field]) {
      let why = "";
      try {
        checkLimits(changed({ [field]: value }));
      } catch (error) {
        why = (error as Error).message;
      }
      expect(why).not.toMatch(/must be from|whole number/);
    }
  });

  test("has a range for every number in Limits", () => {
    const numbers = Object.entries(presets.tiny).filter(([, value]) => typeof value === "number");
    expect([...fields].sort()).toEqual(numbers.map(([field]) => field).sort());
  });

  test("knows the choices, and no other field", () => {
    for (const sessionOverflow of ["drop-newest", "drop-oldest", "latest-per-topic", "disconnect"]) {
      expect(refusedField(changed({ sessionOverflow }))).toBe("");
    }
    for (const refuse311 of ["close", "acknowledge"]) expect(refusedField(changed({ refuse311 }))).toBe("");
    for (const value of ["", "drop", 1, undefined]) {
      expect(refusedField(changed({ sessionOverflow: value }))).toBe("sessionOverflow");
      expect(refusedField(changed({ refuse311: value }))).toBe("refuse311");
    }
    expect(refusedField({ ...presets.tiny, conections: 3 } as Limits)).toBe("conections");
  });

  // Each relation: what breaks it, what it says, and the nearest that holds.
  const relations: readonly (readonly [keyof Limits, Partial<Limits>, Partial<Limits>])[] = [
    ["sessions", { connections: 6, sessions: 4 }, { connections: 5, sessions: 4 }],
    [
      "subscriptionsPerSession",
      { subscriptions: 8, subscriptionsPerSession: 9 },
      { subscriptions: 8, subscriptionsPerSession: 8 },
    ],
    ["blockBytes", { blockBytes: 63 }, { blockBytes: 64 }],
    [
      "messageBytes",
      { payloadBytes: 1027, messageBytes: 257, packetBytes: 1024 },
      { payloadBytes: 1028, messageBytes: 257, packetBytes: 1024 },
    ],
    ["messageBytes", { messageBytes: 224, packetBytes: 223 }, { messageBytes: 224, packetBytes: 224 }],
    ["stageBytes", { topicBytes: 100, stageBytes: 163 }, { topicBytes: 100, stageBytes: 164 }],
    ["stageBytes", { payloadBytes: 1027, stageBytes: 257 }, { payloadBytes: 1028, stageBytes: 257 }],
    ["stageBytes", { packetBytes: 230, stageBytes: 231 }, { packetBytes: 231, stageBytes: 231 }],
    ["queuePerSession", { deliveries: 10, queuePerSession: 11 }, { deliveries: 10, queuePerSession: 10 }],
    [
      "inflightPerSession",
      { queuePerSession: 6, inflightPerSession: 7 },
      { queuePerSession: 6, inflightPerSession: 6 },
    ],
    ["outputBytes", { clientIdBytes: 65, outputBytes: 128 }, { clientIdBytes: 64, outputBytes: 128 }],
  ];

  test.each(relations)("names %s when a relation is broken: %o", (field, broken, held) => {
    expect(refusedField(changed(broken))).toBe(field);
    expect(refusedField(changed(held))).toBe("");
  });

  const source = readFileSync(new URL("../../src/memory/limits.ts", import.meta.url), "utf8");

  test("has no relation that is not tested here", () => {
    expect(source.match(/\bneed\(/g)?.length).toBe(relations.length);
  });

  test("knows the ranges that the comments of Limits name", () => {
    const documented: Record<string, unknown> = {};
    for (const [, comment, field] of source.matchAll(/\/\*\* (.*?) \*\/\n {2}(\w+): number;/g)) {
      const range = /([\d,]+) to ([\d,]+)/.exec(comment.replace(/^.*?: (?=\d)/, ""));
      if (range) documented[field] = [range[1], range[2]].map((number) => Number(number.replaceAll(",", "")));
    }
    const known = Object.keys(documented).map((field) => [field, limitRanges[field]]);
    expect(documented).toEqual(Object.fromEntries(known));
    expect(known.length).toBeGreaterThan(5);
  });
});

describe("the width of a row number", () => {
  const width = (changes: Partial<Limits>): number => indexBytesFor(changed(changes));

  test("is 2 bytes up to tables of 65,534 rows, then 4", () => {
    expect(width({})).toBe(2);
    expect(width({ subscriptions: 65_000 })).toBe(2);
    expect(width({ deliveries: 65_534 })).toBe(2);
    expect(width({ deliveries: 65_535 })).toBe(4);
    expect(width({ retained: 65_534 - 40 })).toBe(2); // with all else that may refer to one topic node
    expect(width({ retained: 65_535 - 40 })).toBe(4);
    expect(width({ payloadBytes: 32 * (65_534 - 4) })).toBe(2); // with one block a connection
    expect(width({ payloadBytes: 32 * (65_535 - 4) })).toBe(4);
  });

  test("doubles the columns of row numbers, and nothing else", () => {
    const [narrow, wide] = [65_534, 65_535].map((deliveries) => plan(changed({ deliveries })).rows);
    const bytesEach = (rows: typeof narrow, name: string): number => rows.find((row) => row.name === name)!.bytesEach;
    expect(bytesEach(wide, "deliveries") - bytesEach(narrow, "deliveries")).toBe(3 * 2);
    expect(bytesEach(wide, "blocks") - bytesEach(narrow, "blocks")).toBe(2);
    expect(bytesEach(wide, "counters")).toBe(bytesEach(narrow, "counters"));
  });

  test("leaves room to count everybody who may refer to one topic node", () => {
    // All subscriptions may be at one node, and all other nodes below it.
    expect(width({ subscriptions: 20_000, topicNodes: 20_000 })).toBe(2);
    expect(width({ subscriptions: 60_000, topicNodes: 20_000 })).toBe(4);
  });

  test.each([65_534, 65_535])("with %i deliveries the broker works", (deliveries) => {
    const harness = startBroker({ limits: changed({ deliveries, queuePerSession: deliveries }) });
    const client = harness.client();
    client.send(connect({ level: 4, id: "a" }), subscribe(4, 1, [["a/#", 1]]));
    client.receive();
    client.send(publish({ level: 4, topic: "a/b", payload: "x", qos: 1, id: 7 }));
    client.expect([0x40, 2, 0, 7], publish({ level: 4, topic: "a/b", payload: "x", qos: 1, id: 1 }));
    expect(harness.core.layout.indexBytes).toBe(deliveries < 65_535 ? 2 : 4);
  });
});
