import { describe, expect, test } from "vitest";
import { DeviceLog, printable } from "../../../hosts/esp32/log";
import { colorsFor, eventText } from "../../../hosts/node/print";
import { describeEvent, kinds, Level, type Reports } from "../../../hosts/text/events";
import { Cause, Drop, Event, Hold, Limit } from "../../../src/events";

const reports: Reports = {
  clientId: (connection) => (connection === 9 ? "" : `client-${connection}`),
  sessionClientId: (session) => `session-${session}`,
  protocolVersion: () => 5,
  address: (connection) => `192.168.1.${connection}`,
};

function logOf(level = Level.Verbose, linesPerSecond = 20) {
  const lines: string[] = [];
  const time = { now: 0, wall: 0 };
  const clock = { now: () => time.now, wall: () => time.wall };
  const log = new DeviceLog({ write: (line) => lines.push(line), clock, level, linesPerSecond });
  log.reports = reports;
  return { log, lines, time };
}

/** Every event, with a number that means something to it. */
const all: readonly (readonly [Event, number, number])[] = [
  [Event.Opened, 1, 0],
  [Event.Connected, 2, 1],
  [Event.ConnectRefused, 9, 0x87],
  [Event.Disconnected, 3, Cause.Lost],
  [Event.Abandoned, 9, Cause.ConnectTimeout],
  [Event.SessionEnded, 4, 1],
  [Event.PublishRefused, 5, Limit.payloadBytes],
  [Event.SubscribeRefused, 5, Limit.subscriptions],
  [Event.Dropped, 6, Drop.QueueFull],
  [Event.PublishDropped, 5, Limit.messages],
  [Event.RetainRefused, 5, Limit.retained],
  [Event.WillPublished, 6, 0],
  [Event.WillDropped, 6, Limit.deliveries],
  [Event.Held, 5, Hold.Room],
  [Event.LimitReached, 9, Limit.connections],
];

describe("the log of a device", () => {
  test("knows every event", () => {
    expect(all.map(([code]) => code)).toEqual([...kinds.keys()]);
  });

  test.each(all)("says of event %s what `midge broker` says", (code, a, b) => {
    const { log, lines } = logOf();
    log.event(code, a, b);
    const event = { time: "2026-01-01T00:00:00.000Z", ...describeEvent(code, kinds.get(code)!.name, a, b, reports) };
    const expected = eventText(event, colorsFor({})).split("  ").slice(1).join("  ");
    expect(lines.map((line) => line.split("  ").slice(1).join("  "))).toEqual([expected]);
  });

  test("has the time since the start, then the time of day", () => {
    const { log, lines, time } = logOf();
    time.now = 3_723_045;
    log.say("memory", "x");
    time.wall = 1_790_000_000;
    log.say("memory", "x");
    expect(lines).toEqual(["+01:02:03.045  memory              x", "14:13:20.045  memory              x"]);
  });

  test("counts what repeats within a second", () => {
    const { log, lines } = logOf();
    for (let i = 0; i < 1000; i++) log.event(Event.Dropped, 6, Drop.QueueFull);
    expect(lines).toHaveLength(1);
    log.tick();
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatch(/dropped .*session-6 {2}queue full, 999 more$/);
  });

  test("tells what was counted for a client before that is gone", () => {
    const { log, lines } = logOf();
    for (let i = 0; i < 3; i++) log.event(Event.Dropped, 6, Drop.QueueFull);
    log.event(Event.SessionEnded, 6, 1);
    expect(lines.map((line) => line.split("  ")[1].trim())).toEqual(["dropped", "dropped", "session ended"]);
  });

  test("writes no more lines in a second than it may, and says how many it left out", () => {
    const { log, lines } = logOf(Level.Verbose, 5);
    for (let i = 0; i < 100; i++) log.event(Event.Connected, i, 0);
    expect(lines).toHaveLength(5);
    log.tick();
    expect(lines[5]).toMatch(/log +95 lines left out$/);
    log.event(Event.Connected, 1, 0);
    expect(lines).toHaveLength(7);
  });

  test("counts few different things, and those beyond as left out", () => {
    const { log, lines } = logOf();
    for (let session = 1; session <= 10; session++) log.event(Event.Dropped, session, Drop.QueueFull);
    log.tick();
    expect(lines).toHaveLength(9);
    expect(lines[8]).toMatch(/2 lines left out$/);
  });

  test("tells nothing above its level", () => {
    const { log, lines } = logOf(Level.Quiet);
    log.event(Event.Connected, 1, 0);
    log.event(Event.Opened, 1, 0);
    log.event(Event.Dropped, 1, Drop.QueueFull);
    expect(lines).toHaveLength(1);
  });

  test("streams that found no connection free", () => {
    const { log, lines } = logOf();
    for (let i = 0; i < 4; i++) log.streamRefused();
    log.tick();
    expect(lines.map((line) => line.slice(15))).toEqual([
      "refused             limit connections",
      "refused             limit connections, 3 more",
    ]);
  });

  test("escapes what comes from the network", () => {
    expect(printable("lamp-1/a@b")).toBe("lamp-1/a@b");
    expect(printable('a\u001b[2J"\n\u202e\\')).toBe('"a\\u001b[2J\\"\\u000a\\u202e\\\\"');
    expect(printable("")).toBe('""');
  });
});
