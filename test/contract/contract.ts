// What every Transport must do, as one suite for all of them. A rig brings the transport, the far ends of its streams
// and a way to let time pass; the suite plays the core, without MQTT.

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Transport } from "../../src/ports";

/** The far end of one stream. */
export interface Peer {
  /** Sends; what the stream does not take now follows as it does. */
  write(bytes: Uint8Array): void;
  /** Bytes written that the stream has not taken. */
  readonly unwritten: number;
  /** All that came since the last call. */
  read(): Uint8Array;
  /** While true, nothing is read and the window closes. */
  stall(stalled: boolean): void;
  /** No more bytes will be written. */
  end(): void;
  /** Breaks the stream without a word. */
  reset(): void;
  /** The transport ended the stream properly, and all before the end was read. */
  readonly sawEnd: boolean;
  /** The stream broke. */
  readonly sawError: boolean;
}

/** What a transport tells; `step` is called as often as the transport's host sees fit. */
export interface Told {
  opened(connection: number, listener: number): void;
  ready(connection: number): void;
  closed(connection: number): void;
  step(): boolean;
}

export interface Rig {
  readonly transport: Transport;
  connect(): Promise<Peer>;
  /** Lets everything move a little. */
  pass(): Promise<void>;
  /** Lets time pass until nothing can be expected to move any more. */
  rest(): Promise<void>;
  dispose(): Promise<void>;
}

export interface RigOptions {
  connections: number;
  core: Told;
}

const INPUT = 256;
const INPUT_BYTES = 512;
const OUTPUT = 1024;
const OUTPUT_BYTES = 1024;
const MEMORY_BYTES = 2048;

/** More than any transport keeps for one stream, whatever the kernel adds. */
const KERNEL_FLOOD_BYTES = 24 * 1024 * 1024;

/** Passes without progress before a rest. */
const PATIENCE = 20;

/** Plays the core: notes what it is told. */
class Notes implements Told {
  readonly openedNumbers: number[] = [];
  readonly listeners: number[] = [];
  readonly closedNumbers: number[] = [];
  readonly readyNumbers: number[] = [];

  opened(connection: number, listener: number): void {
    this.openedNumbers.push(connection);
    this.listeners.push(listener);
  }

  ready(connection: number): void {
    this.readyNumbers.push(connection);
  }

  closed(connection: number): void {
    this.closedNumbers.push(connection);
  }

  step(): boolean {
    return false;
  }

  /** Forgets earlier calls of `ready`. */
  forget(): void {
    this.readyNumbers.length = 0;
  }
}

/** Bytes that show where they stand in a stream. */
function pattern(length: number, start = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (start + i) % 251;
  return bytes;
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

export interface ContractOptions {
  name: string;
  readAhead: boolean;
  /** False: after the peer's end nothing can be sent, and calls for the stream are harmless. Default true. */
  halfOpen?: boolean;
  /** False: the end of a stream is not told when it was there before all was received. Default true. */
  tellsLateEnd?: boolean;
  /** More than the transport, and what is below it, keeps for one stream. Default: for a kernel's buffers. */
  floodBytes?: number;
  makeRig: (options: RigOptions) => Promise<Rig>;
}

export function transportContract(options: ContractOptions): void {
  const { name, readAhead, halfOpen = true, tellsLateEnd = true, floodBytes = KERNEL_FLOOD_BYTES, makeRig } = options;
  describe(`the contract of Transport: ${name}`, () => {
    let notes: Notes;
    let rig: Rig;
    let transport: Transport;
    let memory: Uint8Array;

    async function start(connections = 4): Promise<void> {
      notes = new Notes();
      rig = await makeRig({ connections, core: notes });
      transport = rig.transport;
      const arena = new ArrayBuffer(MEMORY_BYTES);
      memory = new Uint8Array(arena);
      transport.attach(arena, INPUT, INPUT_BYTES, OUTPUT, OUTPUT_BYTES);
    }

    beforeEach(() => start());
    afterEach(() => rig.dispose());

    async function until(holds: () => boolean, what: string): Promise<void> {
      const deadline = Date.now() + 8000;
      while (!holds()) {
        if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
        await rig.pass();
      }
    }

    /** A stream and its number. */
    async function open(): Promise<{ peer: Peer; connection: number }> {
      const before = notes.openedNumbers.length;
      const peer = await rig.connect();
      await until(() => notes.openedNumbers.length > before, "a stream was opened");
      return { peer, connection: notes.openedNumbers[before] };
    }

    /** What `receive` moved, copied out of the input. */
    function receive(connection: number, max = INPUT_BYTES): Uint8Array {
      const count = transport.receive(connection, max);
      return memory.slice(INPUT, INPUT + count);
    }

    /** Receives until `length` bytes came. */
    async function receiveAll(connection: number, length: number, max = INPUT_BYTES): Promise<Uint8Array> {
      const parts: Uint8Array[] = [];
      let total = 0;
      await until(() => {
        while (total < length) {
          const part = receive(connection, Math.min(max, length - total));
          if (part.length === 0) return false;
          parts.push(part);
          total += part.length;
        }
        return true;
      }, `${length} bytes were received`);
      return join(parts);
    }

    /** Sends in pieces, each when there is room for it. */
    async function sendAll(connection: number, bytes: Uint8Array): Promise<void> {
      let at = 0;
      await until(() => {
        while (at < bytes.length) {
          const count = Math.min(transport.writable(connection), OUTPUT_BYTES, bytes.length - at);
          if (count === 0) return false;
          memory.set(bytes.subarray(at, at + count), OUTPUT);
          transport.send(connection, count);
          at += count;
        }
        return true;
      }, `${bytes.length} bytes were sent`);
    }

    /** Sends until nothing more is taken, however long one waits; returns how many bytes that were. */
    async function sendUntilStuck(connection: number): Promise<number> {
      let total = 0;
      // Full means full after a rest: the kernel may still take what the transport holds.
      for (let vain = 0; vain <= PATIENCE; ) {
        const room = Math.min(transport.writable(connection), OUTPUT_BYTES);
        if (room === 0) {
          vain += 1;
          if (vain < PATIENCE) await rig.pass();
          else await rig.rest();
          continue;
        }
        vain = 0;
        memory.set(pattern(room, total), OUTPUT);
        transport.send(connection, room);
        total += room;
        if (total > floodBytes) throw new Error("a peer that does not read was never noticed");
      }
      return total;
    }

    async function readAll(peer: Peer, length: number): Promise<Uint8Array> {
      const parts: Uint8Array[] = [];
      let total = 0;
      await until(() => {
        const part = peer.read();
        parts.push(part);
        total += part.length;
        return total >= length;
      }, `the peer had read ${length} bytes`);
      return join(parts);
    }

    test("streams get different numbers from 1 to the number of connections, and the number of their listener", async () => {
      for (let i = 0; i < 4; i++) await open();
      expect([...notes.openedNumbers].sort()).toEqual([1, 2, 3, 4]);
      expect(notes.listeners).toEqual([0, 0, 0, 0]);
    });

    test("no stream beyond the number of connections gets a number", async () => {
      for (let i = 0; i < 4; i++) await open();
      await rig.connect();
      await rig.rest();
      expect(notes.openedNumbers.length).toBe(4);
    });

    test("ready is told when bytes wait; receive moves them to the input and no others", async () => {
      const { peer, connection } = await open();
      notes.forget();
      peer.write(pattern(10));
      await until(() => notes.readyNumbers.includes(connection), "ready was told");
      memory.fill(0xee);
      expect(await receiveAll(connection, 10)).toEqual(pattern(10));
      expect(memory.slice(0, INPUT)).toEqual(new Uint8Array(INPUT).fill(0xee));
      expect(memory.slice(INPUT + 10)).toEqual(new Uint8Array(MEMORY_BYTES - INPUT - 10).fill(0xee));
    });

    test("receive moves at most max bytes, in order, and 0 when none wait", async () => {
      const { peer, connection } = await open();
      expect(transport.receive(connection, INPUT_BYTES)).toBe(0);
      peer.write(pattern(100));
      const first = await receiveAll(connection, 1, 1);
      const second = await receiveAll(connection, 41, 7);
      const rest = await receiveAll(connection, 58);
      expect(join([first, second, rest])).toEqual(pattern(100));
      expect(transport.receive(connection, INPUT_BYTES)).toBe(0);
    });

    test("receive never moves more than the input holds", async () => {
      const { peer, connection } = await open();
      peer.write(pattern(5000));
      expect(await receiveAll(connection, 5000)).toEqual(pattern(5000));
    });

    test("a core that does not receive stops the sender, and loses nothing", async () => {
      const { peer, connection } = await open();
      const flood = pattern(floodBytes);
      peer.write(flood);
      await rig.rest();
      const stuck = peer.unwritten;
      expect(stuck).toBeGreaterThan(0);
      await rig.rest();
      expect(peer.unwritten).toBe(stuck);
      const received = await receiveAll(connection, floodBytes);
      expect(Buffer.compare(received, flood)).toBe(0);
      expect(peer.unwritten).toBe(0);
    });

    test("send takes the first bytes of the output and has copied them when it returns", async () => {
      const { peer, connection } = await open();
      await until(() => transport.writable(connection) >= 60, "60 bytes were writable");
      memory.set(pattern(100), OUTPUT);
      transport.send(connection, 60);
      memory.fill(0xee);
      expect(await readAll(peer, 60)).toEqual(pattern(60));
      await rig.rest();
      expect(peer.read().length).toBe(0);
    });

    test("what is sent in many pieces of any size arrives whole and in order", async () => {
      const { peer, connection } = await open();
      const parts: Uint8Array[] = [];
      for (let i = 0; i < 600; i++) {
        const part = pattern(1 + ((i * 37) % OUTPUT_BYTES), i);
        parts.push(part);
        await sendAll(connection, part);
      }
      const whole = join(parts);
      expect(Buffer.compare(await readAll(peer, whole.length), whole)).toBe(0);
    });

    test("writable falls to 0 when the peer does not read; ready is told when it has read, and nothing was lost", async () => {
      const { peer, connection } = await open();
      peer.stall(true);
      const total = await sendUntilStuck(connection);
      await rig.rest();
      notes.forget();
      await rig.rest();
      expect(transport.writable(connection)).toBe(0);
      expect(notes.readyNumbers).toEqual([]);
      peer.stall(false);
      const read = readAll(peer, total);
      await until(() => notes.readyNumbers.includes(connection), "ready was told");
      expect(transport.writable(connection)).toBeGreaterThan(0);
      expect(Buffer.compare(await read, pattern(total))).toBe(0);
    });

    test("a stream that is stuck both ways leaves the others alone", async () => {
      const stuck = await open();
      const lively = await open();
      stuck.peer.stall(true);
      stuck.peer.write(pattern(floodBytes));
      await sendUntilStuck(stuck.connection);
      for (let i = 0; i < 50; i++) {
        lively.peer.write(pattern(50, i));
        expect(await receiveAll(lively.connection, 50)).toEqual(pattern(50, i));
        await sendAll(lively.connection, pattern(50, i + 1));
        expect(await readAll(lively.peer, 50)).toEqual(pattern(50, i + 1));
      }
    });

    test("close flushes everything sent before, then ends the stream", async () => {
      const { peer, connection } = await open();
      peer.stall(true);
      const total = await sendUntilStuck(connection);
      transport.close(connection, 2000);
      await rig.pass();
      peer.stall(false);
      expect(Buffer.compare(await readAll(peer, total), pattern(total))).toBe(0);
      await until(() => peer.sawEnd, "the peer saw the end");
      expect(peer.sawError).toBe(false);
    });

    test("close does not let what the peer still sends destroy the last bytes sent to it", async () => {
      const { peer, connection } = await open();
      // Unread bytes at the moment of closing make a kernel answer with a reset.
      const bytes = pattern(Math.min(300_000, floodBytes / 4));
      peer.write(bytes);
      await until(() => transport.receive(connection, 1) === 1, "something arrived");
      await sendAll(connection, pattern(40));
      transport.close(connection, 2000);
      peer.write(bytes);
      await rig.rest();
      expect(await readAll(peer, 40)).toEqual(pattern(40));
      await until(() => peer.sawEnd, "the peer saw the end");
      expect(peer.sawError).toBe(false);
    });

    test("close of a stream whose peer reads nothing frees the number when the time for discarding is over", async () => {
      await rig.dispose();
      await start(1);
      const { peer, connection } = await open();
      peer.stall(true);
      await sendUntilStuck(connection);
      transport.close(connection, 50);
      await until(() => {
        if (notes.openedNumbers.length === 1) void rig.connect();
        return notes.openedNumbers.length === 2;
      }, "the number was used again");
      expect(notes.openedNumbers).toEqual([1, 1]);
    });

    test("after close, what the peer still sends is taken and forgotten", async () => {
      const { peer, connection } = await open();
      peer.write(pattern(floodBytes));
      await until(() => transport.receive(connection, 1) === 1, "something arrived");
      transport.close(connection, 5000);
      await until(() => peer.unwritten === 0, "all was taken");
      await until(() => peer.sawEnd, "the peer saw the end");
      expect(peer.sawError).toBe(false);
    });

    test("close with nothing sent ends the stream", async () => {
      const { peer, connection } = await open();
      transport.close(connection, 100);
      await until(() => peer.sawEnd, "the peer saw the end");
      expect(peer.sawError).toBe(false);
    });

    test("closed is told once, after everything that waited was received", async () => {
      const { peer, connection } = await open();
      notes.forget();
      peer.write(pattern(100));
      peer.end();
      await until(() => notes.readyNumbers.includes(connection), "ready was told");
      await rig.rest();
      expect(notes.closedNumbers).toEqual([]);
      expect(await receiveAll(connection, 99)).toEqual(pattern(99));
      await rig.rest();
      expect(notes.closedNumbers).toEqual([]);
      expect(await receiveAll(connection, 1)).toEqual(pattern(1, 99));
      if (tellsLateEnd) await until(() => notes.closedNumbers.length > 0, "closed was told");
      await rig.rest();
      expect(notes.closedNumbers).toEqual(tellsLateEnd ? [connection] : []);
      expect(transport.receive(connection, INPUT_BYTES)).toBe(0);
      transport.close(connection, 100);
      await until(() => peer.sawEnd, "the peer saw the end");
    });

    test("closed is told once when the peer ends while nothing waits", async () => {
      const { peer, connection } = await open();
      peer.write(pattern(100));
      expect(await receiveAll(connection, 100)).toEqual(pattern(100));
      peer.end();
      await until(() => notes.closedNumbers.length > 0, "closed was told");
      await rig.rest();
      expect(notes.closedNumbers).toEqual([connection]);
    });

    if (!halfOpen) {
      test("a peer that ended its half gets nothing more, and sending is harmless", async () => {
        const { peer, connection } = await open();
        peer.write(pattern(5));
        await receiveAll(connection, 5);
        peer.end();
        await until(() => notes.closedNumbers.length > 0, "closed was told");
        for (let i = 0; i < 100; i++) await sendAll(connection, pattern(500));
        await rig.rest();
        expect(peer.read().length).toBe(0);
        expect(notes.closedNumbers).toEqual([connection]);
        transport.close(connection, 100);
        await until(() => peer.sawEnd, "the peer saw the end");
        expect(peer.read().length).toBe(0);
      });
    } else {
      test("a peer that ended its half still gets what is sent to it", async () => {
        const { peer, connection } = await open();
        peer.write(pattern(5));
        peer.end();
        await receiveAll(connection, 5);
        await until(() => notes.closedNumbers.length > 0, "closed was told");
        await sendAll(connection, pattern(500));
        expect(await readAll(peer, 500)).toEqual(pattern(500));
        await sendAll(connection, pattern(500));
        await rig.rest();
        expect(notes.closedNumbers).toEqual([connection]);
        transport.close(connection, 100);
        expect(await readAll(peer, 500)).toEqual(pattern(500));
        await until(() => peer.sawEnd, "the peer saw the end");
      });
    }

    test("a reset is told as closed once; until close, calls for the stream are harmless", async () => {
      const { peer, connection } = await open();
      await sendAll(connection, pattern(10));
      peer.reset();
      await until(() => {
        transport.receive(connection, INPUT_BYTES);
        return notes.closedNumbers.length > 0;
      }, "closed was told");
      for (let i = 0; i < 1000; i++) {
        const room = Math.min(transport.writable(connection), OUTPUT_BYTES);
        if (room > 0) transport.send(connection, room);
      }
      expect(transport.receive(connection, INPUT_BYTES)).toBe(0);
      await rig.rest();
      expect(notes.closedNumbers).toEqual([connection]);
      transport.close(connection, 100);
      await rig.rest();
      expect(notes.closedNumbers).toEqual([connection]);
    });

    test("after a reset, what had arrived before can be received", async () => {
      const { peer, connection } = await open();
      notes.forget();
      peer.write(pattern(100));
      await until(() => notes.readyNumbers.includes(connection), "ready was told");
      peer.reset();
      await rig.rest();
      expect(notes.closedNumbers).toEqual([]);
      expect(await receiveAll(connection, 100)).toEqual(pattern(100));
      if (tellsLateEnd) await until(() => notes.closedNumbers.length > 0, "closed was told");
      await rig.rest();
      expect(notes.closedNumbers).toEqual(tellsLateEnd ? [connection] : []);
      expect(transport.receive(connection, INPUT_BYTES)).toBe(0);
      transport.close(connection, 100);
    });

    test("after close, no callback names the number", async () => {
      const { peer, connection } = await open();
      notes.forget();
      peer.write(pattern(100));
      await until(() => notes.readyNumbers.includes(connection), "ready was told");
      await sendAll(connection, pattern(10));
      transport.close(connection, 200);
      notes.forget();
      peer.write(pattern(100_000));
      await rig.rest();
      peer.end();
      await rig.rest();
      expect(notes.readyNumbers).toEqual([]);
      expect(notes.closedNumbers).toEqual([]);
    });

    test("a number is used again, and nothing of the stream before is left in it", async () => {
      await rig.dispose();
      await start(1);
      for (let round = 0; round < 20; round++) {
        const { peer, connection } = await open();
        expect(connection).toBe(1);
        peer.write(pattern(30, round));
        peer.write(pattern(30, 100));
        expect(await receiveAll(connection, 30)).toEqual(pattern(30, round));
        await sendAll(connection, pattern(30, round + 7));
        transport.close(connection, 500);
        expect(await readAll(peer, 30)).toEqual(pattern(30, round + 7));
        await until(() => peer.sawEnd, "the peer saw the end");
        peer.end();
      }
      await rig.rest();
      expect(notes.closedNumbers).toEqual([]);
      expect(notes.openedNumbers.length).toBe(20);
    });

    test("streams that open, break and end in any order get every number again", async () => {
      for (let round = 0; round < 10; round++) {
        const streams = [await open(), await open(), await open(), await open()];
        expect(streams.map(({ connection }) => connection).sort()).toEqual([1, 2, 3, 4]);
        streams[0].peer.reset();
        streams[1].peer.end();
        streams[2].peer.write(pattern(1000));
        const before = notes.closedNumbers.length;
        await until(() => notes.closedNumbers.length === before + 2, "closed was told twice");
        for (const { connection } of streams) transport.close(connection, 100);
        for (const { peer } of streams.slice(1)) await until(() => peer.sawEnd, "the peer saw the end");
        for (const { peer } of streams.slice(2)) peer.end();
        await rig.rest();
      }
    });

    test("readAhead says whether bytes can be given back", () => {
      expect(transport.readAhead).toBe(readAhead);
    });

    if (readAhead) {
      test("unreceive gives back the last bytes of the last receive", async () => {
        const { peer, connection } = await open();
        peer.write(pattern(100));
        const first = await receiveAll(connection, 60, 60);
        transport.unreceive(connection, 20);
        const second = await receiveAll(connection, 60);
        expect(first).toEqual(pattern(60));
        expect(second).toEqual(pattern(60, 40));
      });

      test("bytes given back come before bytes that arrive later, and ready is told for those", async () => {
        const { peer, connection } = await open();
        peer.write(pattern(10));
        await receiveAll(connection, 10);
        transport.unreceive(connection, 3);
        await rig.rest();
        notes.forget();
        peer.write(pattern(5, 10));
        await until(() => notes.readyNumbers.includes(connection), "ready was told");
        expect(await receiveAll(connection, 8)).toEqual(pattern(8, 7));
      });

      test("a core that gives part of every receive back still gets the whole stream", async () => {
        const { peer, connection } = await open();
        const sent = pattern(200_000);
        peer.write(sent);
        const parts: Uint8Array[] = [];
        let total = 0;
        await until(() => {
          for (;;) {
            const part = receive(connection);
            // A packet of 300 bytes at a time, and of the last bytes what is left.
            const taken = total + part.length === sent.length ? part.length : part.length - (part.length % 300);
            transport.unreceive(connection, part.length - taken);
            parts.push(part.slice(0, taken));
            total += taken;
            if (taken === 0) return total === sent.length;
          }
        }, "all was received");
        expect(join(parts)).toEqual(sent);
      });

      test("closed waits for bytes that were given back", async () => {
        const { peer, connection } = await open();
        peer.write(pattern(100));
        peer.end();
        await receiveAll(connection, 100);
        transport.unreceive(connection, 1);
        await rig.rest();
        expect(notes.closedNumbers).toEqual([]);
        expect(await receiveAll(connection, 1)).toEqual(pattern(1, 99));
        await until(() => notes.closedNumbers.length > 0, "closed was told");
        expect(notes.closedNumbers).toEqual([connection]);
      });
    }
  });
}
