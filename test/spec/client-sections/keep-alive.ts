// Keep Alive, PINGREQ, PINGRESP [3.1.2.10, 3.12, 3.13].

import { hex, property, publish, toHex } from "../../support/packets";
import { pingresp } from "../../support/server-packets";
import { check, equal } from "../client";
import { clientRule, section } from "../rules";
import type { Line, Scene } from "../scene";

section("Keep Alive");

/**
 * Lets time pass, answering each PINGREQ; nothing else may come. Returns how many came; none may be later than `most`
 * milliseconds after what came before it.
 */
function pings(scene: Scene, line: Line, milliseconds: number, most: number, each: () => void = () => {}): number {
  let count = 0;
  let since = 0;
  for (let left = milliseconds; left > 0; left -= 250) {
    scene.advance(250);
    since += 250;
    each();
    for (let packet = line.framer.next(); packet !== undefined; packet = line.framer.next()) {
      equal(toHex(packet), "c0 00", "PINGREQ");
      count++;
      since = 0;
      line.send(pingresp());
    }
    check(line.isOpen, "the client has closed the stream");
    check(since <= most, `nothing was sent for ${since} ms`);
  }
  return count;
}

const ids = { "3.1.1": "3.1.2-23", "5.0": "3.1.2-20" };

clientRule("PINGREQ is sent when there is nothing else", ids, (play, level) => {
  const scene = play(level);
  const line = scene.connect({ keepAlive: 10 });
  equal(line.connect.keepAlive, 10, "Keep Alive");
  check(pings(scene, line, 200_000, 10_000) >= 20, "PINGREQ");
  line.alive();
});

clientRule("PINGREQ is sent although the server sends", ids, (play, level) => {
  const scene = play(level);
  const line = scene.connect({ keepAlive: 10 });
  const each = (): void => line.send(publish({ level, topic: "t", payload: "x" }));
  check(pings(scene, line, 100_000, 10_000, each) >= 10, "PINGREQ");
  equal(scene.events.messages.length, 400, "messages");
});

clientRule("PINGREQ is sent while the application takes nothing", ids, (play, level) => {
  const scene = play(level);
  const line = scene.connect({ keepAlive: 10 });
  scene.events.most = 0;
  line.send(publish({ level, topic: "t", payload: "x", qos: 1 }));
  equal(scene.client.isPaused, true, "paused");
  check(pings(scene, line, 100_000, 10_000) >= 10, "PINGREQ");
  scene.events.most = 1;
  scene.client.resume();
  scene.settle();
  scene.got("t x q1");
  line.expect(hex("40 02 00 01"));
  line.alive();
});

clientRule("PINGREQ is sent while the application accepts nothing", ids, (play, level) => {
  const scene = play(level, { receiveMaximum: 1, receiveShared: 0 });
  scene.client.acceptsByHand = true;
  const line = scene.connect({ keepAlive: 10 });
  line.send(publish({ level, topic: "t", payload: "x", qos: 1 }));
  scene.got("t x q1");
  line.send(publish({ level, topic: "t", payload: "y", qos: 1, id: 2 }));
  check(pings(scene, line, 100_000, 10_000) >= 10, "PINGREQ");
  check(scene.client.accept(1), "accept");
  scene.settle();
  line.expect(hex("40 02 00 01"));
  line.nothing();
});

clientRule("Server Keep Alive holds instead of the client's", { "5.0": "3.1.2-21 3.2.2-21" }, (play, level) => {
  const scene = play(level);
  const line = scene.connect({ keepAlive: 600 }, { properties: property.serverKeepAlive(5) });
  check(pings(scene, line, 60_000, 5000) >= 12, "PINGREQ");
  line.drop();
  // It was that connection's.
  const second = scene.reconnect();
  equal(second.connect.keepAlive, 600, "Keep Alive");
  equal(pings(scene, second, 60_000, 60_000), 0, "PINGREQ");
  second.drop();
  const third = scene.reconnect({ properties: property.serverKeepAlive(0) });
  equal(pings(scene, third, 2_000_000, 2_000_000), 0, "PINGREQ");
  third.alive();
});

clientRule("Keep Alive 0 means none", { levels: [4, 5] }, (play, level) => {
  const scene = play(level);
  const line = scene.connect({ keepAlive: 0 });
  equal(line.connect.keepAlive, 0, "Keep Alive");
  equal(pings(scene, line, 500_000, 500_000), 0, "PINGREQ");
  line.alive();
});

clientRule("a server that is silent is left after one and a half Keep Alive", { levels: [4, 5] }, (play, level) => {
  const scene = play(level);
  const line = scene.connect({ keepAlive: 10 });
  scene.advance(7600);
  line.expect(hex("c0 00"));
  scene.advance(7300);
  line.nothing();
  scene.advance(500);
  line.closed();
  scene.told("disconnected 0x102");
  scene.reconnect().alive();
});

clientRule("a PINGRESP with a body closes, one that nobody asked for does not", { levels: [4, 5] }, (play, level) => {
  const line = play(level).connect();
  line.send(pingresp());
  line.alive();
  line.send(hex("d0 01 00"));
  line.ends(0x81);
});
