// What happens to sockets on a device, and what the transport makes of it: storms, resets at every moment, peers that do
// nothing, a network that goes away.

import TCP from "embedded:io/socket/tcp";
import { afterEach, describe, expect, test } from "vitest";
import { SocketTransport, type TransportOptions } from "../../hosts/ecma419/transport";
import type { Broker } from "../../src/broker/broker";
import { Cause, Event } from "../../src/events";
import { presets } from "../../src/memory/limits";
import { ReasonCode } from "../../src/mqtt/constants";
import { audit } from "../support/audit";
import { connect, disconnect, publish, readConnack, readPublish, subscribe } from "../support/packets";
import { Player } from "../support/player";
import { type Client, Scene, type SceneOptions } from "./scene";

const LEVEL = 4;
const limits = { ...presets.esp32, sessionExpirySeconds: 60 };

let scene: Scene;

function start(options: Partial<SceneOptions> = {}): void {
  scene = new Scene({ limits, ...options });
}

/** All is as in a device that has just started. */
function expectClean(of: SceneOptions["limits"] = limits): void {
  scene.dropClients();
  scene.run(2000);
  expect(audit(scene, { limits: of })).toEqual([]);
  scene.dropClients();
  scene.run(2000);
  expect([scene.transport.openCount, scene.socketCount, scene.core.connectionCount]).toEqual([0, 0, 0]);
}

function client(id: string, options: { clean?: boolean; keepAlive?: number } = {}): Client {
  const made = scene.client();
  made.send(connect({ level: LEVEL, id, ...options }));
  expect(made.receive().map((bytes) => readConnack(LEVEL, bytes).reason)).toEqual([0]);
  return made;
}

afterEach(() => {
  // Whatever a peer does, no call of the SDK's stops the device.
  expect(scene.device.fault).toBeUndefined();
});

describe("storms", () => {
  test("of 100 connections at once those without a place are closed at once and counted; then all is free again", () => {
    start({ device: { activeConnections: 100, queueLength: 64 } });
    const before = scene.transport.refusedCount;
    const crowd = Array.from({ length: 100 }, () => scene.knock());
    scene.settle();
    expect(scene.core.connectionCount).toBeLessThanOrEqual(limits.connections);
    expect(scene.transport.mostOpen).toBeLessThanOrEqual(limits.connections + 8);
    const refused = scene.transport.refusedCount - before;
    expect(refused).toBeGreaterThanOrEqual(100 - limits.connections - 8);
    expect(crowd.filter((one) => one.isOver).length).toBeGreaterThanOrEqual(refused);
    // Those who never say anything have no place for ever.
    scene.run(limits.connectMilliseconds + 1000);
    expect(crowd.every((one) => one.isOver)).toBe(true);
    client("after");
    expectClean();
  });

  test("a client gets in while others connect and say nothing", () => {
    start({ device: { activeConnections: 40 } });
    for (let i = 0; i < 20; i++) {
      for (let k = 0; k < 6; k++) scene.knock();
      scene.run(300);
    }
    let isIn = false;
    for (let i = 0; i < 50 && !isIn; i++) {
      const one = scene.knock();
      scene.settle();
      if (!one.isOver) one.send(connect({ level: LEVEL, id: "patient" }));
      scene.run(300);
      isIn = one.receive().length > 0;
    }
    expect(isIn).toBe(true);
    expectClean();
  });

  test("connection requests for which lwIP has no connection cost nothing, and get one when there is", () => {
    start({ device: { activeConnections: 3 } });
    const first = ["a", "b", "c"].map((id) => client(id));
    const late = ["d", "e", "f"].map(() => scene.knock());
    scene.run(1500);
    expect(late.map(({ peer }) => peer.state)).toEqual(Array(3).fill("connecting"));
    expect([scene.transport.openCount, scene.transport.refusedCount, scene.socketCount]).toEqual([3, 0, 3]);
    for (const one of first) one.send(disconnect());
    for (const one of first) one.end();
    scene.run(40_000);
    expect(scene.core.counter("opened")).toBe(6);
    expectClean();
  });

  test("a thousand connections that come and go leave nothing behind, and make no more sockets than there were connections", () => {
    let made = 0;
    const Counting = new Proxy(TCP, {
      construct(target, [options]) {
        made++;
        return new target(options);
      },
    });
    start({ transport: { TCP: Counting as unknown as TransportOptions["TCP"] } });
    for (let i = 0; i < 1000; i++) {
      const one = client(`c${i % 5}`);
      if (i % 3 === 0) one.send(disconnect());
      if (i % 3 === 1) one.reset();
      else one.end();
      scene.run(20);
      scene.forget(one);
    }
    expect(scene.core.counter("connected")).toBe(1000);
    expect(made).toBe(1000);
    expect(scene.transport.refusedCount).toBe(0);
    expect(scene.transport.mostOpen).toBeLessThanOrEqual(limits.connections + 8);
    expectClean();
  });
});

/** What a client does, one thing after the other. */
const MOMENTS: readonly ((one: Client) => void)[] = [
  (one) => one.put(connect({ level: LEVEL, id: "x", will: { topic: "will", payload: "gone" } }).slice(0, 9)),
  (one) => one.put(connect({ level: LEVEL, id: "x", will: { topic: "will", payload: "gone" } }).slice(9)),
  (one) => one.put(subscribe(LEVEL, 1, [["t/#", 2]])),
  (one) => one.put(publish({ level: LEVEL, topic: "t/a", payload: "1".repeat(2000), qos: 2, id: 7 }).slice(0, 1200)),
  (one) =>
    one.put(
      publish({ level: LEVEL, topic: "t/a", payload: "1".repeat(2000), qos: 2, id: 7 }).slice(1200),
      publish({ level: LEVEL, topic: "t/b", payload: "2", qos: 1, id: 8 }),
    ),
  (one) => one.put([0x62, 2, 0, 7]), // PUBREL
  (one) => one.put(disconnect()),
];

describe("a connection breaks", () => {
  const endings = [
    ["is reset", (one: Client) => one.peer.reset()],
    ["ends", (one: Client) => one.peer.ended || one.peer.end()],
    ["stops reading, then is reset", (one: Client) => one.peer.pause()],
  ] as const;

  test.each(endings)("%s: at every turn of the main loop, nothing is left and nothing stops", (_name, ending) => {
    let wills = 0;
    for (let moment = 0; moment < MOMENTS.length; moment++) {
      for (let turns = 0; turns < 12; turns++) {
        start({ device: { activeConnections: 12 } });
        const watcher = client("watcher");
        watcher.send(subscribe(LEVEL, 1, [["will", 0]]));
        watcher.receive();
        const one = scene.knock();
        for (let i = 0; i < moment; i++) {
          MOMENTS[i](one);
          scene.settle();
          scene.run(260);
        }
        MOMENTS[moment](one);
        for (let i = 0; i < turns; i++) scene.device.turn();
        ending(one);
        scene.run(500);
        one.peer.reset();
        scene.run(limits.connectMilliseconds + 1000);
        wills += watcher.receive().length;
        expect(scene.core.connectionCount).toBe(1);
        expect(scene.transport.openCount).toBe(1);
        watcher.send(disconnect());
        expectClean();
      }
    }
    expect(wills).toBeGreaterThan(0);
  });

  test("before it was accepted: no number is lost", () => {
    start();
    for (let i = 0; i < 50; i++) {
      const one = scene.knock();
      scene.device.network();
      one.peer.reset();
      scene.settle();
      scene.forget(one);
    }
    client("after");
    expectClean();
  });

  test("while it is being closed: the next that gets its place hears nothing of it", () => {
    start();
    for (let turns = 0; turns < 20; turns++) {
      const one = client("x");
      one.put(disconnect());
      for (let i = 0; i < turns; i++) scene.device.turn();
      one.peer.reset();
      const next = client("y");
      next.send(subscribe(LEVEL, 1, [["t", 0]]), publish({ level: LEVEL, topic: "t", payload: "ok" }));
      expect(next.receive()).toHaveLength(2);
      next.reset();
      scene.run(1000);
    }
    expectClean();
  });
});

describe("a peer that does nothing", () => {
  test("never sends its CONNECT: closed after connectMilliseconds", () => {
    start();
    const one = scene.client();
    scene.run(limits.connectMilliseconds - 200);
    expect(one.isOver).toBe(false);
    scene.run(400 + limits.discardMilliseconds);
    expect(one.isOver).toBe(true);
    expect(scene.log.of(Event.Abandoned).map(({ b }) => b)).toEqual([Cause.ConnectTimeout]);
    expectClean();
  });

  test("is gone without a word: closed after one and a half times its Keep Alive", () => {
    start();
    const one = client("x", { keepAlive: 10 });
    one.peer.holdsAcknowledgements = true;
    scene.run(14_800);
    expect(scene.core.connectionCount).toBe(1);
    scene.run(400);
    expect(scene.core.connectionCount).toBe(0);
    expect(scene.log.of(Event.Disconnected).map(({ b }) => b)).toEqual([ReasonCode.KeepAliveTimeout]);
    scene.run(limits.discardMilliseconds + 200);
    expect(scene.transport.openCount).toBe(0);
    expectClean();
  });

  test("never reads: others get everything meanwhile", () => {
    start();
    const deaf = client("deaf");
    deaf.send(subscribe(LEVEL, 1, [["t", 0]]));
    deaf.receive();
    deaf.stalled = true;
    const reader = client("reader");
    reader.send(subscribe(LEVEL, 1, [["t", 0]]));
    reader.receive();
    const writer = client("writer");
    for (let i = 0; i < 300; i++) {
      writer.send(publish({ level: LEVEL, topic: "t", payload: `${i} ${"x".repeat(350)}` }));
      // While the deaf one's queue fills the writer is held, until the deaf one has been so for stallMilliseconds.
      for (let wait = 0; wait < 100 && scene.core.counter("publishReceived") <= i; wait++) scene.run(100);
      expect(reader.receive().map((bytes) => readPublish(LEVEL, bytes).payload.split(" ")[0])).toEqual([`${i}`]);
    }
    expect(scene.core.counter("dropped")).toBeGreaterThan(0);
    expectClean();
  });

  test("is paused because there is no room, and breaks: it goes when its packet was refused, after stallMilliseconds and holdMilliseconds at most", () => {
    const few = {
      ...limits,
      messages: 2,
      queuePerSession: 2,
      inflightPerSession: 1,
      sessionOverflow: "drop-newest" as const,
    };
    start({ limits: few });
    const deaf = client("deaf");
    deaf.send(subscribe(LEVEL, 1, [["t", 1]]));
    deaf.receive();
    const writer = client("writer");
    const one = (id: number) => publish({ level: LEVEL, topic: "t", payload: "x", qos: 1, id });
    writer.send(one(1), one(2), one(3));
    expect(scene.log.of(Event.Held)).not.toEqual([]);
    writer.peer.reset();
    scene.settle();
    // Its last packet waits to be read, and the SDK tells of no error before that.
    expect(scene.core.connectionCount).toBe(2);
    scene.run(few.holdMilliseconds - 200);
    const before = scene.core.connectionCount;
    scene.run(few.stallMilliseconds + 400);
    expect([before, scene.core.connectionCount]).toEqual([2, 1]);
    expectClean(few);
  });
});

describe("the network", () => {
  test("is lost and found: everybody comes back to a session that goes on", () => {
    start({ limits: { ...presets.gateway, sessionExpirySeconds: 60 }, device: { activeConnections: 32 } });
    const players = Array.from({ length: 23 }, (_, index) => {
      const player = new Player<Client>(scene, { level: LEVEL, id: `p${index}`, clean: false });
      return player.subscribe([["t/#", 1]]);
    });
    for (let round = 0; round < 3; round++) {
      for (const { stream } of players) {
        stream.peer.reset();
        scene.forget(stream);
      }
      scene.settle();
      expect(scene.core.connectionCount).toBe(0);
      expect(scene.transport.openCount).toBe(0);
      players[round].comeBack();
      players[round].publish(`t/${round}`, "while you were away", 1);
      for (const player of players) if (player !== players[round]) player.comeBack();
      for (const player of players) expect(player.take().map(({ topic }) => topic)).toEqual([`t/${round}`]);
    }
    expect(scene.log.of(Event.Connected).filter(({ b }) => b === 1)).toHaveLength(3 * 23);
    expectClean({ ...presets.gateway, sessionExpirySeconds: 60 });
  });

  test("stop ends everything and tells the broker; start goes on with the same broker", () => {
    start();
    for (let round = 0; round < 5; round++) {
      const stayer = client("stayer", { clean: false });
      const closing = client("closing");
      closing.put(disconnect());
      scene.transport.stop();
      scene.settle();
      expect([scene.transport.openCount, scene.socketCount, scene.core.connectionCount]).toEqual([0, 0, 0]);
      expect(stayer.isOver).toBe(true);
      const early = scene.client();
      expect(early.peer.state).toBe("refused");
      scene.transport.start(scene.core, 1883);
    }
    const again = scene.client();
    again.send(connect({ level: LEVEL, id: "stayer", clean: false }));
    expect(again.receive().map((bytes) => readConnack(LEVEL, bytes).present)).toEqual([true]);
    expectClean();
  });
});

test("callbacks of a socket that was closed are nobody's", () => {
  start();
  const told: string[] = [];
  const sockets: Socket[] = [];
  class Socket {
    readonly target: unknown;
    constructor(readonly options: Record<"onReadable" | "onWritable" | "onError", (...given: unknown[]) => void>) {
      this.target = (options as { target?: unknown }).target;
      sockets.push(this);
    }
    close(): void {}
  }
  let announce: ((count: number) => void) | undefined;
  class Listener {
    constructor(options: { onReadable?: (count: number) => void }) {
      announce = options.onReadable;
    }
    read(): object {
      return { close() {} };
    }
    close(): void {}
  }
  const Timer = { repeat: () => 1, schedule: () => {}, clear: () => {} };
  const modules = { TCP: Socket, Listener, Timer, Time: { ticks: 0 } } as unknown as TransportOptions;
  const transport = new SocketTransport({ ...modules, connections: 1, sockets: 1 });
  const broker = {
    opened: (n: number) => told.push(`opened ${n}`),
    ready: (n: number) => told.push(`ready ${n}`),
    closed: (n: number) => told.push(`closed ${n}`),
    step: () => false,
  };
  transport.start(broker as unknown as Broker, 1883);
  announce?.(1);
  transport.close(1, 0);
  announce?.(1);
  expect(told.splice(0)).toEqual(["opened 1", "opened 1"]);
  sockets[0].options.onReadable.call(sockets[0], 5);
  sockets[0].options.onWritable.call(sockets[0], 5);
  sockets[0].options.onError.call(sockets[0]);
  expect(told).toEqual([]);
  sockets[0].options.onReadable.call(sockets[1], 5);
  expect(told).toEqual(["ready 1"]);
});
