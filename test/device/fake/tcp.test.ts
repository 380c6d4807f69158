// What the SDK's sockets on lwIP do, as read in its sources: modules/io/socket/lwip. The fakes must do the same.

import Listener from "embedded:io/socket/listener";
import TCP from "embedded:io/socket/tcp";
import { describe, expect, test } from "vitest";
import { Abort, Crash, Device, type DeviceOptions } from "../../support/moddable/device";
import { FAST_TIMER } from "../../support/moddable/lwip";
import { connect, type Peer, serve } from "../../support/moddable/peer";

/** Calls of one socket's callbacks, in order. */
type Told = ["readable" | "writable", number] | ["error"];

interface Scene {
  device: Device;
  listener: Listener;
  /** As `onReadable` of the listener told it. */
  counts: number[];
}

function listen(options: Partial<DeviceOptions> = {}): Scene {
  const device = new Device({ queueLength: 64, ...options });
  const counts: number[] = [];
  const listener = new Listener({ port: 1883, onReadable: (count) => counts.push(count) });
  return { device, listener, counts };
}

function wrap(from: TCP, told: Told[] = []): TCP {
  return new TCP({
    from,
    nodelay: true,
    onReadable: (bytes) => told.push(["readable", bytes]),
    onWritable: (bytes) => told.push(["writable", bytes]),
    onError: () => told.push(["error"]),
  });
}

/** A connection that was accepted and is at rest; `told` begins empty. */
function open(options: Partial<DeviceOptions> = {}): Scene & { peer: Peer; tcp: TCP; told: Told[] } {
  const scene = listen(options);
  const peer = connect(1883);
  scene.device.settle();
  const told: Told[] = [];
  const tcp = wrap(scene.listener.read() as TCP, told);
  scene.device.settle();
  expect(told).toEqual([["writable", scene.device.options.sendBytes]]);
  told.length = 0;
  return { ...scene, peer, tcp, told };
}

const bytes = (count: number): Uint8Array => Uint8Array.from({ length: count }, (_, index) => index & 0xff);

/** A socket, with the members that Midge does not use. */
interface Whole {
  format: string;
  read(count?: number | null): ArrayBuffer | number | undefined;
  write(value: number): number | undefined;
}
const whole = (tcp: TCP): Whole => tcp as unknown as Whole;

describe("construction", () => {
  test("checks format, then callbacks, then from, then address and port", () => {
    new Device();
    const make = (options: object) => () => new TCP(options as never);
    expect(make({ format: "string", onReadable: 1 })).toThrow(new RangeError("unimplemented"));
    expect(make({ format: "nonsense" })).toThrow(RangeError);
    expect(make({ onReadable: 1, address: "x" })).toThrow("not a function");
    expect(make({ onReadable: null, onWritable: undefined, address: "x" })).toThrow("invalid address");
    expect(make({ from: {} })).toThrow(TypeError);
    expect(make({ address: "mqtt.example", port: 1883 })).toThrow("invalid address");
    expect(make({ address: "10.0.0.1" })).toThrow("invalid");
    expect(make({ address: "10.0.0.1", port: 65_536 })).toThrow(new RangeError("invalid port"));
  });

  test("target may be any value, is a property, and is not there unless given", () => {
    const { device, tcp } = open();
    expect("target" in tcp && tcp.target !== undefined).toBe(false);
    const seen: unknown[] = [];
    const next = new TCP({
      from: tcp,
      target: 7,
      onWritable() {
        seen.push(this.target);
      },
    });
    expect(next.target).toBe(7);
    device.settle();
    expect(seen).toEqual([7]);
  });

  test("callbacks can't be changed later, and are called with the socket as this", () => {
    const { device, tcp } = open();
    const calls: unknown[] = [];
    const next = new TCP({
      from: tcp,
      onWritable() {
        calls.push(this);
      },
    });
    (next as unknown as Record<string, unknown>).onWritable = () => calls.push("changed");
    device.settle();
    expect(calls).toEqual([next]);
  });

  test("the option is spelled nodelay: without it a short piece waits for the acknowledgement of the last", () => {
    for (const [option, received] of [
      ["nodelay", 5],
      ["noDelay", 2],
    ] as const) {
      const { device, listener } = listen();
      const peer = connect(1883);
      device.settle();
      const tcp = new TCP({ from: listener.read() as TCP, [option]: true });
      peer.holdsAcknowledgements = true;
      tcp.write(bytes(2));
      device.settle();
      tcp.write(bytes(3));
      device.settle();
      expect(peer.received, option).toBe(received);
      peer.holdsAcknowledgements = false;
      device.settle();
      expect(peer.received, option).toBe(5);
    }
  });
});

describe("reading", () => {
  test("onReadable tells all that waits, once for what came together, and not again for bytes left unread", () => {
    const { device, peer, tcp, told } = open();
    peer.send(bytes(10));
    device.settle();
    expect(told).toEqual([["readable", 10]]);
    tcp.read(new Uint8Array(4));
    device.run(10_000);
    expect(told).toEqual([["readable", 10]]);
    peer.send(bytes(3));
    device.settle();
    expect(told[1]).toEqual(["readable", 9]);
  });

  test("read(view) fills the view, returns its length, and throws when the view is longer than what waits", () => {
    const { device, peer, tcp } = open();
    peer.send([1, 2, 3]);
    device.settle();
    expect(() => tcp.read(new Uint8Array(4))).toThrow("invalid");
    expect(() => tcp.read(new Uint8Array(0))).toThrow("invalid");
    const memory = new Uint8Array(8);
    expect(tcp.read(memory.subarray(2, 4))).toBe(2);
    expect([...memory]).toEqual([0, 0, 1, 2, 0, 0, 0, 0]);
    expect(tcp.read(new ArrayBuffer(1))).toBe(1);
    expect(tcp.read(new Uint8Array(100))).toBeUndefined(); // nothing waits: not even an error
  });

  test("read(count) and read() make a buffer, read() of all", () => {
    const { device, peer, tcp } = open();
    peer.send([1, 2, 3, 4]);
    device.settle();
    expect(() => whole(tcp).read(5)).toThrow("invalid");
    expect(() => whole(tcp).read(null)).toThrow("invalid");
    expect(new Uint8Array(whole(tcp).read(1) as ArrayBuffer)).toEqual(Uint8Array.of(1));
    expect(new Uint8Array(whole(tcp).read() as ArrayBuffer)).toEqual(Uint8Array.of(2, 3, 4));
    expect(whole(tcp).read()).toBeUndefined();
  });

  test("format number reads and writes single bytes; other formats are refused", () => {
    const { device, peer, tcp } = open();
    expect(whole(tcp).format).toBe("buffer");
    expect(() => (whole(tcp).format = "uint8")).toThrow(new RangeError("unimplemented"));
    expect(() => (whole(tcp).format = "nonsense")).toThrow(new RangeError("unknown"));
    whole(tcp).format = "number";
    peer.send([5, 6]);
    device.settle();
    expect([whole(tcp).read(), whole(tcp).read(), whole(tcp).read()]).toEqual([5, 6, undefined]);
    whole(tcp).write(0x107);
    device.settle();
    expect([...peer.take()]).toEqual([7]);
  });

  test("not reading closes the window at 8,192 bytes, and reading opens it by whole segments of 1,436", () => {
    const { device, peer, tcp } = open();
    peer.send(bytes(20_000));
    device.settle();
    expect(peer.unsent).toBe(20_000 - 8192);
    tcp.read(new Uint8Array(1435));
    device.settle();
    expect(peer.unsent).toBe(20_000 - 8192);
    tcp.read(new Uint8Array(1));
    device.settle();
    expect(peer.unsent).toBe(20_000 - 8192 - 1436);
  });
});

describe("writing", () => {
  test("copies before it returns, and leaves in the next message", () => {
    const { device, peer, tcp } = open();
    const view = bytes(4);
    expect(tcp.write(view)).toBe(8192 - 4);
    view.fill(0);
    device.network();
    expect(peer.received).toBe(0);
    device.turn();
    device.settle();
    expect([...peer.take()]).toEqual([0, 1, 2, 3]);
  });

  test("leaves earlier when something comes", () => {
    const { device, peer, tcp } = open();
    tcp.write(bytes(4));
    peer.send(bytes(1));
    device.network();
    expect(peer.received).toBe(4);
  });

  test("throws beyond the free send buffer and writes nothing then", () => {
    const { device, peer, tcp } = open();
    expect(() => tcp.write(bytes(8193))).toThrow("would block");
    expect(tcp.write(bytes(8192))).toBe(0);
    expect(() => tcp.write(bytes(1))).toThrow("would block");
    expect(tcp.write(bytes(0))).toBe(0);
    device.settle();
    expect(peer.received).toBe(8192);
  });

  test("takes views and buffers, and refuses what is neither", () => {
    const { device, peer, tcp } = open();
    tcp.write(Uint8Array.of(1).buffer);
    tcp.write(new DataView(Uint8Array.of(0, 2, 0).buffer, 1, 1));
    expect(() => tcp.write("text" as never)).toThrow(TypeError);
    device.settle();
    expect([...peer.take()]).toEqual([1, 2]);
  });

  test("onWritable tells the room after each acknowledgement", () => {
    const { device, tcp, told } = open();
    tcp.write(bytes(100));
    device.settle();
    expect(told).toEqual([["writable", 8192]]);
  });

  test("a peer that does not read fills its own buffer, then ours", () => {
    const { device, peer, tcp, told } = open();
    peer.pause();
    let written = 0;
    for (let i = 0; i < 1000; i++) {
      try {
        tcp.write(bytes(1000));
        written += 1000;
      } catch {
        device.settle();
      }
    }
    expect(written).toBeGreaterThan(65_536);
    expect(written).toBeLessThanOrEqual(65_536 + 8192);
    told.length = 0;
    device.run(60_000);
    expect(told).toEqual([]);
    peer.resume();
    device.settle();
    let received = 0;
    for (; peer.received > 0; device.settle()) received += peer.take().length;
    expect(told.at(-1)).toEqual(["writable", 8192]);
    expect(received).toBe(written);
  });

  test("a twenty-fourth piece of its own that is not acknowledged makes the connection fail, without an exception", () => {
    const { device, peer, tcp, told } = open();
    peer.holdsAcknowledgements = true;
    for (let i = 0; i < 23; i++) {
      expect(tcp.write(bytes(1))).toBe(8192 - 1 - i);
      device.settle();
    }
    expect(tcp.write(bytes(1))).toBeUndefined();
    device.settle();
    expect(told).toEqual([["error"]]);
    expect(peer.received).toBe(23);
  });

  test("pieces written in one turn share segments", () => {
    const { device, peer, tcp, told } = open();
    peer.holdsAcknowledgements = true;
    for (let i = 0; i < 4096; i++) tcp.write(bytes(2));
    device.settle();
    expect(told).toEqual([]);
    expect(peer.received).toBe(8192);
  });
});

describe("an end or an error", () => {
  test.each(["end", "reset"] as const)("%s is told once, at once when nothing is unread", (how) => {
    const { device, peer, told } = open();
    peer[how]();
    device.settle();
    device.run(10_000);
    expect(told).toEqual([["error"]]);
  });

  test.each(["end", "reset"] as const)("%s is held back until what was received has been read, for ever", (how) => {
    const { device, peer, tcp, told } = open();
    peer.send(bytes(5));
    device.settle();
    peer[how]();
    device.run(3_600_000);
    expect(told).toEqual([["readable", 5]]);
    tcp.read(new Uint8Array(4));
    device.settle();
    expect(told).toEqual([["readable", 5]]);
    tcp.read(new Uint8Array(1));
    expect(told).toEqual([["readable", 5]]); // not within read
    device.settle();
    expect(told).toEqual([["readable", 5], ["error"]]);
  });

  test("what was told: writing throws, reading gives the rest, closing works", () => {
    const { device, peer, tcp } = open();
    peer.send(bytes(2));
    peer.end();
    device.settle();
    expect(() => tcp.write(bytes(1))).toThrow("not ready");
    expect(tcp.read(new Uint8Array(2))).toBe(2);
    device.settle();
    expect(() => tcp.write(bytes(1))).toThrow("not ready");
    tcp.close();
    tcp.close();
  });

  test("between a reset and its message a write vanishes and returns undefined", () => {
    const { device, peer, tcp, told } = open();
    peer.reset();
    device.network();
    expect(tcp.write(bytes(1))).toBeUndefined();
    device.settle();
    expect(told).toEqual([["error"]]);
  });

  test("after an end what was written before still leaves; no onWritable follows", () => {
    const { device, peer, tcp, told } = open();
    tcp.write(bytes(3));
    device.turn();
    peer.end();
    device.settle();
    expect(peer.received).toBe(3);
    expect(told.at(-1)).toEqual(["error"]);
    expect(told.filter(([what]) => what === "writable").length).toBeLessThanOrEqual(1);
  });

  test("what is written between an end and its message leaves with close only", () => {
    const { device, peer, tcp, told } = open();
    peer.end();
    device.network();
    expect(tcp.write(bytes(3))).toBe(8192 - 3);
    device.run(10_000);
    expect([told, peer.received]).toEqual([[["error"]], 0]);
    tcp.close();
    device.settle();
    expect(peer.received).toBe(3);
  });

  test("without onError a reset is never told: only undefined from write", () => {
    const { device, peer, tcp } = open();
    const next = new TCP({ from: tcp });
    device.settle();
    peer.reset();
    device.settle();
    expect(next.write(bytes(1))).toBeUndefined();
  });

  test("after a reset the remote address crashes the device; after an end it does not", () => {
    const ended = open();
    ended.peer.end();
    ended.device.settle();
    expect(ended.tcp.remoteAddress).toBe("192.168.4.2");
    expect(ended.tcp.remotePort).toBe(ended.peer.port);
    const reset = open();
    reset.peer.reset();
    reset.device.settle();
    expect(() => reset.tcp.remoteAddress).toThrow(Crash);
    expect(() => reset.device.turn()).toThrow(Crash); // and it stays so
  });

  test("a reset after an end is a hazard: nobody tells, and close uses freed memory", () => {
    const { device, peer, tcp, told } = open();
    peer.end();
    device.settle();
    peer.reset();
    device.settle();
    expect(told).toEqual([["error"]]);
    tcp.close();
    device.settle();
    expect(device.hazards).toEqual(["a connection was closed that lwIP had freed already"]);
  });

  test("an exception out of a callback stops the machine", () => {
    const { device, peer, tcp } = open();
    new TCP({
      from: tcp,
      onReadable() {
        throw new Error("of the program");
      },
    });
    peer.send(bytes(1));
    expect(() => device.settle()).toThrow(Abort);
    expect(() => device.turn()).toThrow("of the program");
  });
});

describe("closing", () => {
  test("works twice; every other member throws afterwards", () => {
    const { tcp } = open();
    tcp.close();
    tcp.close();
    expect(() => tcp.read(new Uint8Array(1))).toThrow(TypeError);
    expect(() => tcp.write(bytes(1))).toThrow(TypeError);
    expect(() => tcp.remoteAddress).toThrow(TypeError);
    expect(() => whole(tcp).format).toThrow(TypeError);
  });

  test("sends what was written, then the end", () => {
    const { device, peer, tcp } = open();
    tcp.write(bytes(5000));
    tcp.close();
    device.settle();
    expect(peer.received).toBe(5000);
    expect(peer).toMatchObject({ deviceEnded: true, state: "closed" });
  });

  test("no callback follows, not even for what was under way", () => {
    const { device, peer, tcp, told } = open();
    peer.send(bytes(3));
    device.network();
    tcp.close();
    device.settle();
    expect(told).toEqual([]);
  });

  test("with bytes unread is a reset, and what the peer has not read yet is lost", () => {
    const { device, peer, tcp } = open();
    peer.pause();
    tcp.write(bytes(10));
    peer.send(bytes(1));
    device.settle();
    tcp.close();
    device.settle();
    expect(peer.state).toBe("reset");
    peer.resume();
    expect(peer.received).toBe(0);
  });

  test("bytes that come after it are answered with a reset", () => {
    const { device, peer, tcp } = open();
    peer.closesInReturn = false;
    peer.pause();
    tcp.write(bytes(10));
    tcp.close();
    device.settle();
    peer.send(bytes(1));
    device.settle();
    expect(peer.state).toBe("reset");
    peer.resume();
    expect(peer.received).toBe(0);
  });

  test("with a message under way it happens when that is delivered; a reset before is a hazard", () => {
    const { device, peer, tcp } = open();
    tcp.write(bytes(1));
    tcp.close();
    device.network();
    expect(peer.deviceEnded).toBe(false);
    peer.reset();
    device.settle();
    expect(device.hazards).toHaveLength(1);
  });
});

describe("from", () => {
  test("takes the connection over, tells what waits anew, and closes the other", () => {
    const { device, peer, tcp, told } = open();
    peer.send(bytes(6));
    device.settle();
    tcp.read(new Uint8Array(2));
    const next: Told[] = [];
    const other = wrap(tcp, next);
    expect(() => tcp.read(new Uint8Array(1))).toThrow(TypeError);
    device.settle();
    expect(next).toEqual([
      ["readable", 4],
      ["writable", 8192],
    ]);
    expect(told).toEqual([["readable", 6]]);
    expect(other.read(new Uint8Array(4))).toBe(4);
  });

  test("of a connection that was reset throws", () => {
    const { device, listener } = listen();
    const peer = connect(1883);
    device.settle();
    const bare = listener.read() as TCP;
    peer.reset();
    device.settle();
    expect(() => wrap(bare)).toThrow("invalid from");
  });

  test("in the turn of read it hears of an end; a turn later the end is lost, and writing throws", () => {
    const early = listen();
    const peer = connect(1883);
    early.device.settle();
    const told: Told[] = [];
    const bare = early.listener.read() as TCP;
    peer.end();
    early.device.network();
    wrap(bare, told);
    early.device.settle();
    expect(told.at(-1)).toEqual(["error"]);

    const late = listen();
    const other = connect(1883);
    late.device.settle();
    const missed: Told[] = [];
    const left = late.listener.read() as TCP;
    other.end();
    late.device.settle();
    const tcp = wrap(left, missed);
    late.device.run(60_000);
    expect(missed.filter(([what]) => what === "error")).toEqual([]);
    expect(() => tcp.write(bytes(1))).toThrow("not ready");
  });
});

describe("a listener", () => {
  test("tells how many wait in all; read takes them in their order, then gives undefined", () => {
    const { device, listener, counts } = listen();
    connect(1883, "192.168.4.2");
    connect(1883, "192.168.4.3");
    device.settle();
    expect(counts).toEqual([2]);
    connect(1883, "192.168.4.4");
    device.settle();
    expect(counts).toEqual([2, 3]);
    expect([listener.read(), listener.read(), listener.read()].map((tcp) => tcp?.remoteAddress)).toEqual([
      "192.168.4.2",
      "192.168.4.3",
      "192.168.4.4",
    ]);
    expect(listener.read()).toBeUndefined();
  });

  test("ignores address, and takes the port it was given or a free one", () => {
    const device = new Device();
    expect(new Listener({ port: 1883, address: "nonsense" } as never).port).toBe(1883);
    const free = new Listener({});
    expect(free.port).toBeGreaterThan(0);
    expect(() => new Listener({ port: 1883 })).toThrow("socket bind");
    expect(() => new Listener({ port: -1 })).toThrow(new RangeError("invalid port"));
    expect(() => new Listener({ format: "buffer" } as never)).toThrow(new RangeError("unimplemented"));
    expect(() => ((free as unknown as Whole).format = "buffer")).toThrow(RangeError);
    expect(device.doors).toHaveLength(2);
  });

  test("has at most four", () => {
    new Device();
    for (let i = 0; i < 4; i++) new Listener({});
    expect(() => new Listener({})).toThrow("no socket");
  });

  test("data sent before the read waits with lwIP, which offers it again within 250 ms", () => {
    const { device, listener } = listen();
    const peer = connect(1883);
    device.settle();
    peer.send(bytes(9));
    device.settle();
    const told: Told[] = [];
    wrap(listener.read() as TCP, told);
    device.run(FAST_TIMER - 1);
    expect(told).toEqual([["writable", 8192]]);
    device.run(1);
    expect(told).toEqual([
      ["writable", 8192],
      ["readable", 9],
    ]);
  });

  test("an end before the read, without data, is never told", () => {
    const { device, listener } = listen();
    const peer = connect(1883);
    device.settle();
    peer.end();
    device.settle();
    const told: Told[] = [];
    wrap(listener.read() as TCP, told);
    device.run(3_600_000);
    expect(told).toEqual([["writable", 8192]]);
    expect(device.hazards).toHaveLength(1);
  });

  test("an end before the read, behind data, is told after it", () => {
    const { device, listener } = listen();
    const peer = connect(1883);
    device.settle();
    peer.send(bytes(1));
    peer.end();
    device.settle();
    const told: Told[] = [];
    const tcp = wrap(listener.read() as TCP, told);
    device.run(FAST_TIMER);
    tcp.read(new Uint8Array(1));
    device.settle();
    expect(told).toEqual([["writable", 8192], ["readable", 1], ["error"]]);
  });

  test("a reset before the read is a hazard: nobody handles it, and the read uses freed memory", () => {
    const { device, listener, counts } = listen();
    const peer = connect(1883);
    device.settle();
    peer.reset();
    device.settle();
    expect(counts).toEqual([1]);
    const bare = listener.read() as TCP;
    expect(device.hazards).toEqual(["a connection was read that lwIP had freed already"]);
    expect(() => wrap(bare)).toThrow("invalid from");
  });

  test("closing it closes those that wait, refuses new ones, and works twice", () => {
    const { device, listener } = listen();
    const waiting = connect(1883);
    device.settle();
    listener.close();
    listener.close();
    const late = connect(1883);
    device.settle();
    expect(waiting.deviceEnded).toBe(true);
    expect(late.state).toBe("refused");
    expect(() => listener.read()).toThrow(TypeError);
  });
});

describe("eight connections", () => {
  test("are all that lwIP has: one more is announced without a connection, at each repetition of its request", () => {
    const { device, listener, counts } = listen();
    const peers = Array.from({ length: 9 }, () => connect(1883));
    device.settle();
    expect(counts).toEqual([9]);
    const sockets = Array.from({ length: 9 }, () => listener.read() as TCP);
    expect(peers.map(({ state }) => state)).toEqual([...Array(8).fill("open"), "connecting"]);
    expect(() => wrap(sockets[8])).toThrow("invalid from");
    sockets[8].close();
    device.run(1000);
    expect(counts).toEqual([9, 1]);
    listener.read()?.close();
    sockets[0].close();
    device.run(2000);
    expect(peers[8].state).toBe("open");
    expect(wrap(listener.read() as TCP).remoteAddress).toBe("192.168.4.2");
  });

  test("include those whose peer does not close, for 20 s", () => {
    const { device, listener } = listen({ activeConnections: 1 });
    const first = connect(1883);
    first.closesInReturn = false;
    device.settle();
    listener.read()?.close();
    device.settle();
    const second = connect(1883);
    device.run(19_000);
    expect(second.state).toBe("connecting");
    device.run(20_000);
    expect(second.state).toBe("open");
  });

  test("bound outgoing ones too", () => {
    new Device({ activeConnections: 1 });
    new TCP({ address: "10.0.0.1", port: 1883 });
    expect(() => new TCP({ address: "10.0.0.1", port: 1883 })).toThrow(new RangeError("no socket"));
  });
});

describe("connecting to another machine", () => {
  test("onWritable says that it is open; before, writing throws", () => {
    const device = new Device();
    const peers: Peer[] = [];
    serve("10.0.0.1", 1883, (peer) => peers.push(peer));
    const told: Told[] = [];
    const tcp = new TCP({
      address: "10.0.0.1",
      port: 1883,
      onWritable: (count) => told.push(["writable", count]),
      onError: () => told.push(["error"]),
    });
    expect(() => tcp.write(bytes(1))).toThrow("not ready");
    device.settle();
    expect(told).toEqual([["writable", 8192]]);
    tcp.write(bytes(2));
    device.settle();
    expect(peers[0].received).toBe(2);
  });

  test("a refusal is an error", () => {
    const device = new Device();
    const told: Told[] = [];
    new TCP({ address: "10.0.0.1", port: 1, onError: () => told.push(["error"]) });
    device.settle();
    expect(told).toEqual([["error"]]);
  });
});
