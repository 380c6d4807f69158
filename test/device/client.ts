// The client in ECMA-419's class pattern on a device, against a broker on another machine; for vitest and for XS.

import TCP from "embedded:io/socket/tcp";
import { describe, expect, test } from "vitest";
import type { TcpConstructor } from "../../hosts/ecma419/io";
import type { ControlMessage, Options, ReadableOptions } from "../../hosts/ecma419/mqtt-client";
import MQTTClient from "../../hosts/esp32/mqtt-client";
import { clientPresets } from "../../src/client/limits";
import { presets } from "../../src/memory/limits";
import { startBroker } from "../support/broker";
import type { MemoryStream } from "../support/memory-transport";
import { Device, type DeviceOptions } from "../support/moddable/device";
import { type Peer, serve } from "../support/moddable/peer";

const HOST = "192.168.4.9";
const PORT = 1883;
const STEP = 20;

interface Link {
  peer: Peer;
  stream: MemoryStream;
}

/** A device with a client, and a broker elsewhere. */
class Scene {
  readonly device: Device;
  readonly server = startBroker({ limits: presets.psram });
  readonly links: Link[] = [];

  constructor(options: Partial<DeviceOptions>) {
    this.device = new Device({ queueLength: 64, ...options });
    serve(HOST, PORT, (peer) => this.links.push({ peer, stream: this.server.transport.connect() }));
  }

  /** Lets both work for a while. */
  run(milliseconds: number): void {
    for (let left = milliseconds; left > 0; left -= STEP) {
      this.device.run(STEP);
      this.server.clock.milliseconds += STEP;
      for (const link of this.links) this.#carry(link);
      this.server.settle();
      for (const link of this.links) this.#carry(link);
    }
  }

  #carry({ peer, stream }: Link): void {
    const up = peer.take();
    if (up.length > 0 && !stream.broken && !stream.ended) stream.write(up);
    if (peer.state === "reset" && !stream.broken) stream.reset();
    else if (peer.deviceEnded && !stream.ended) stream.end();
    const down = stream.read();
    if (down.length > 0 && peer.state === "open" && !peer.ended) peer.send(down);
    if (stream.serverClosed && !peer.ended) peer.end();
  }

  until(holds: () => boolean, what: string): void {
    for (let i = 0; !holds(); i++) {
      if (i === 3000) throw new Error(`waited in vain until ${what}`);
      this.run(STEP);
    }
  }
}

/** An application that writes down what it is told. */
class Application {
  readonly said: string[] = [];
  readonly messages: { topic: string; text: string; byteLength: number; pieces: number }[] = [];
  readonly client: MQTTClient;
  errors = 0;
  writable = 0;

  constructor(
    private readonly scene: Scene,
    options: Partial<Options> = {},
  ) {
    const self = this;
    this.client = new MQTTClient({
      host: HOST,
      port: PORT,
      socket: { io: TCP as unknown as TcpConstructor },
      id: "app",
      onControl(message: ControlMessage) {
        self.said.push(message.id === undefined ? `${message.operation}` : `${message.operation} ${message.id}`);
      },
      onReadable(this: MQTTClient, count: number, more: ReadableOptions) {
        self.take(count === 0 ? new ArrayBuffer(0) : (this.read(count) as ArrayBuffer), more);
      },
      onWritable(count: number) {
        self.writable = count;
      },
      onError() {
        self.errors++;
      },
      ...options,
    } as Options);
  }

  take(bytes: ArrayBuffer, { topic, byteLength }: ReadableOptions): void {
    if (topic !== undefined) {
      this.messages.push({ topic, text: "", byteLength: byteLength as number, pieces: 0 });
    }
    const message = this.messages[this.messages.length - 1];
    message.text += String.fromCharCode(...new Uint8Array(bytes));
    message.pieces++;
  }

  heard(what: string): void {
    this.scene.until(() => this.said.includes(what), `"${what}" among ${this.said}`);
  }

  subscribe(...items: { topic: string; QoS?: number }[]): void {
    this.client.write(null, { operation: MQTTClient.SUBSCRIBE, items, id: 500 });
    this.heard("9 500");
  }
}

function bytes(text: string): ArrayBuffer {
  return Uint8Array.from(Array.from(text, (character) => character.charCodeAt(0))).buffer;
}

export function clientOnDevice(sockets: "lwip" | "lin"): void {
  describe(`the client in ECMA-419's class pattern on ${sockets}`, () => {
    function connected(options: Partial<Options> = {}): { scene: Scene; app: Application } {
      const scene = new Scene({ sockets });
      const app = new Application(scene, options);
      app.heard("2");
      return { scene, app };
    }

    test("publishes whole and in pieces, with each QoS, and gets it", () => {
      const { scene, app } = connected();
      app.subscribe({ topic: "a/+", QoS: 2 });
      for (let qos = 0; qos < 3; qos++) {
        app.client.write(bytes(`whole ${qos}`), { topic: `a/${qos}`, QoS: qos, id: 10 + qos });
        app.client.write(bytes("in "), { topic: `a/${qos}`, QoS: qos, id: 20 + qos, byteLength: 9 });
        app.client.write(bytes("pieces"));
        scene.until(() => app.messages.length === 2 * qos + 2, `messages of QoS ${qos}`);
      }
      for (const end of ["4 11", "4 21", "7 12", "7 22"]) app.heard(end);
      expect(app.messages.map(({ topic, text }) => `${topic} ${text}`)).toEqual([
        ...["a/0 whole 0", "a/0 in pieces", "a/1 whole 1", "a/1 in pieces", "a/2 whole 2", "a/2 in pieces"],
      ]);
      expect(app.errors).toBe(0);
      app.client.close();
    });

    test("what is subscribed to already can be asked for again, although no more filters fit", () => {
      const { scene, app } = connected();
      const items = Array.from({ length: clientPresets.sensor.subscriptions }, (_, i) => ({ topic: `t/${i}` }));
      app.subscribe(...items);
      app.said.length = 0;
      app.subscribe(...items);
      expect(() => app.subscribe({ topic: "t/new" })).toThrow("overflow");
      scene.run(1000);
      expect(app.errors).toBe(0);
      app.client.close();
    });

    test("a Topic Filter that can't be asked for is not told as granted", () => {
      const answers: (number[] | undefined)[] = [];
      const scene = new Scene({ sockets });
      let isConnected = false;
      const app = new Application(scene, {
        version: 5,
        onControl({ operation, payload }: ControlMessage) {
          isConnected = true;
          if (operation === MQTTClient.SUBACK) answers.push(payload);
        },
      });
      scene.until(() => isConnected, "CONNACK");
      app.client.write(null, { operation: MQTTClient.SUBSCRIBE, items: [{ topic: "a" }, { topic: "$share/g" }] });
      scene.until(() => answers.length > 0, "SUBACK");
      expect(answers).toEqual([[0, 0x80]]);
      app.client.close();
    });

    test("a message with a number that can't be is not taken", () => {
      const { scene, app } = connected();
      app.subscribe({ topic: "a" });
      expect(() => app.client.write("x", { topic: "a", QoS: 1, id: 65_536 })).toThrow(RangeError);
      scene.run(1000);
      expect(app.messages).toEqual([]);
      app.client.close();
    });

    test("a payload many times its memory goes out as there is room, and comes in pieces", () => {
      const { scene, app } = connected();
      app.subscribe({ topic: "big", QoS: 1 });
      const length = 20_000;
      let sent = 3;
      app.writable = app.client.write(bytes("xxx"), { topic: "big", byteLength: length, QoS: 1, id: 9 });
      while (sent < length) {
        scene.until(() => app.writable > 0, "there was room");
        const piece = Math.min(app.writable, length - sent);
        sent += piece;
        app.writable = app.client.write(new Uint8Array(piece).fill(120));
      }
      app.heard("4 9");
      scene.until(() => app.messages[0]?.text.length === length, "all had come");
      expect(app.messages[0].byteLength).toBe(length);
      expect(app.messages[0].text).toBe("x".repeat(length));
      expect(app.messages[0].pieces).toBeGreaterThan(10);
      expect(length).toBeGreaterThan(clientPresets.sensor.payloadBytes * 10);
      app.client.close();
    });

    test("what the application does not read stays; it reads into a buffer, a few bytes at a time", () => {
      let told = 0;
      const { scene, app } = connected({ onReadable: (count) => void (told += count) });
      app.subscribe({ topic: "t" });
      const text = "0123456789".repeat(30);
      app.client.write(bytes(text), { topic: "t" });
      app.client.write(bytes("next"), { topic: "t" });
      const buffer = new Uint8Array(7);
      let got = "";
      for (let i = 0; i < 1000 && got.length < text.length + 4; i++) {
        const count = app.client.read(buffer) as number | undefined;
        if (count === undefined) scene.run(STEP);
        else got += String.fromCharCode(...buffer.subarray(0, count));
      }
      expect(got).toBe(`${text}next`);
      expect(told).toBe(got.length);
      app.client.close();
    });

    test("an empty payload is a message, and what follows it comes", () => {
      const { scene, app } = connected();
      app.subscribe({ topic: "t", QoS: 1 });
      app.client.write(null, { topic: "t", QoS: 1 });
      app.client.write(bytes("x"), { topic: "t" });
      scene.until(() => app.messages.length === 2, "both had come");
      expect(app.messages.map(({ text }) => text)).toEqual(["", "x"]);
      app.client.close();
    });

    test("a connection that breaks is told once, at whatever moment, and nothing afterwards", () => {
      for (let turns = 0; turns < 30; turns++) {
        const scene = new Scene({ sockets });
        const app = new Application(scene);
        for (let i = 0; i < turns; i++) scene.run(STEP);
        const said = app.said.length;
        const links = scene.links.length;
        for (const { peer } of scene.links) peer.reset();
        scene.run(12_000);
        expect(app.errors).toBe(links);
        if (links > 0) expect(app.said.length).toBe(said);
        app.client.close();
        scene.run(100);
        expect(app.errors).toBe(links);
        expect(scene.device.counters.get("Network Sockets") ?? 0).toBe(0);
        expect(scene.device.timers.length).toBe(0);
      }
    });

    test("nobody there: one error, no socket and no timer left", () => {
      const scene = new Scene({ sockets });
      const app = new Application(scene, { host: "192.168.4.250" });
      scene.run(30_000);
      expect(app.errors).toBe(1);
      expect(scene.device.counters.get("Network Sockets") ?? 0).toBe(0);
      expect(scene.device.timers.length).toBe(0);
    });

    test("with reconnect it goes on by itself, and what was written meanwhile arrives", () => {
      const { scene, app } = connected({ reconnect: true, clean: false });
      app.subscribe({ topic: "t", QoS: 2 });
      for (let round = 0; round < 5; round++) {
        scene.links[round].peer.reset();
        scene.until(() => app.said.filter((what) => what === "14").length === round + 1, "the loss was told");
        app.client.write(bytes(`kept ${round}`), { topic: "t", QoS: 2, id: 100 + round });
        app.heard(`7 ${100 + round}`);
        scene.until(() => app.messages.length === round + 1, "it had come back");
      }
      expect(app.messages.map(({ text }) => text)).toEqual(["kept 0", "kept 1", "kept 2", "kept 3", "kept 4"]);
      expect(app.errors).toBe(0);
      app.client.close();
    });

    test("close sends no DISCONNECT, and nothing is called afterwards; the will is published", () => {
      const { scene, app } = connected({ id: "closer", will: { topic: "will", message: "gone" } });
      const watcher = new Application(scene, { id: "watcher" });
      watcher.heard("2");
      watcher.subscribe({ topic: "will" });
      const said = app.said.length;
      app.client.close();
      scene.until(() => watcher.messages.length === 1, "the will was published");
      expect([app.said.length, app.errors]).toEqual([said, 0]);
      watcher.client.close();
    });
  });
}
