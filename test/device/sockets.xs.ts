// A broker's path over the fakes of the device's sockets, on XS: bytes in, bytes out, and nothing allocated by the fakes,
// so that what a program over them allocates is its own.

import Listener from "embedded:io/socket/listener";
import TCP from "embedded:io/socket/tcp";
import Timer from "timer";
import { Device } from "../support/moddable/device";
import { connect } from "../support/moddable/peer";
import { host } from "../xs/host";
import { Meter } from "../xs/meter";

const ROUND_TRIPS = 1000;
const device = new Device();
const view = new Uint8Array(64);
const planted: object[] = [{}];
let echoes = 0;

/** A function of its own, so that no closure is made for a socket. */
function echo(this: TCP, bytes: number): void {
  if (bytes !== view.length) throw new Error("not all at once");
  this.read(view);
  this.write(view);
  echoes++;
}

const listener = new Listener({
  port: 1883,
  onReadable() {
    new TCP({ from: listener.read() as TCP, nodelay: true, onReadable: echo, onWritable() {}, onError() {} });
  },
});

function main(): void {
  let ticks = 0;
  Timer.repeat(() => {
    ticks++;
  }, 1);
  const peer = connect(1883);
  device.settle();
  const message = Uint8Array.from({ length: 64 }, (_, index) => index);
  const answer = new Uint8Array(64);
  const trip = (): void => {
    peer.send(message);
    device.run(1);
    if (peer.takeInto(answer) !== message.length) throw new Error("no answer");
  };
  trip();
  const plants = host.args[0] === "plant";
  const meter = new Meter();
  meter.start();
  for (let i = 0; i < ROUND_TRIPS; i++) {
    trip();
    if (plants) planted[0] = { echoes };
  }
  const { slots, chunks, collections } = meter.stop();
  host.print(`echoes ${echoes} ticks ${ticks >= ROUND_TRIPS}`);
  host.print(`allocated ${slots} ${chunks} ${collections}`);
}

(globalThis as unknown as { main: () => void }).main = main;
