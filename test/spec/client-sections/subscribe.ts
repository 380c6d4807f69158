// SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK [3.8 to 3.11], and Topic Filters [4.7, 4.8.2].

import { packet, property, publish, string, u16 } from "../../support/packets";
import { suback, unsuback } from "../../support/server-packets";
import { check, equal } from "../client";
import { clientRule, section } from "../rules";
import { lasting } from "../scene";

section("SUBSCRIBE and UNSUBSCRIBE");

clientRule(
  "SUBSCRIBE and UNSUBSCRIBE have one Topic Filter, their flags, and a Packet Identifier",
  {
    "3.1.1": "2.3.1-1 2.2.2-1 3.8.1-1 3.8.3-1 3.8.3-3 3.10.1-1 3.10.3-1 3.10.3-2",
    "5.0": "2.2.1-3 2.1.3-1 2.2.2-1 3.8.1-1 3.8.3-1 3.8.3-2 3.10.1-1 3.10.3-1 3.10.3-2",
  },
  (play, level) => {
    const scene = play(level);
    const line = scene.connect();
    const none = level === 5 ? [0] : [];
    for (const [i, filter] of ["a", "é€😀", "\ufeff", "a/+/#", "$SYS/#"].entries()) {
      const options = i % 3;
      const row = scene.subscribe(filter, options);
      const bytes = line.next();
      const id = (bytes[2] << 8) | bytes[3];
      check(id > 0, "Packet Identifier 0");
      equal([...bytes], packet(8, 2, u16(id), none, string(filter), [options]), "SUBSCRIBE");
      line.send(suback(level, id, [options]));
      scene.told(`subscribed ${row} 0x${options}`);
      scene.unsubscribe(filter);
      const other = line.next();
      const otherId = (other[2] << 8) | other[3];
      check(otherId > 0, "Packet Identifier 0");
      equal([...other], packet(10, 2, u16(otherId), none, string(filter)), "UNSUBSCRIBE");
      line.send(unsuback(level, otherId));
      scene.told(`unsubscribed ${row} 0x0`);
    }
    line.alive();
  },
);

clientRule("Subscription Options and Subscription Identifier are sent", { "5.0": "1.5.5-1" }, (play, level) => {
  const scene = play(level);
  const line = scene.connect();
  for (const identifier of [1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455]) {
    for (const options of [0x2e, 0x1d, 0x00]) {
      scene.subscribe("f", options, identifier);
      const bytes = line.next();
      const id = (bytes[2] << 8) | bytes[3];
      const list = property.subscriptionIdentifier(identifier);
      equal([...bytes], packet(8, 2, u16(id), [list.length], list, string("f"), [options]), "SUBSCRIBE");
      line.send(suback(level, id, [options & 3]));
    }
  }
});

clientRule(
  "what can't be a Topic Filter is not accepted",
  {
    "3.1.1": "4.7.1-1 4.7.1-2 4.7.1-3 4.7.3-1 4.7.3-2 3.8.3-1 3.10.3-1",
    "5.0": "4.7.0-1 4.7.1-1 4.7.1-2 4.7.3-1 4.7.3-2 3.8.3-1 3.10.3-1",
  },
  (play, level) => {
    const scene = play(level);
    const line = scene.connect();
    const wrong = [
      "",
      "a#",
      "#/a",
      "a/#/b",
      "a/b#",
      "a+",
      "+a",
      "a/+b/c",
      "a/b+",
      "##",
      "++",
      "a\0",
      "\ud800",
      "\udc00a",
    ];
    for (const filter of [...wrong, "a".repeat(81), "/".repeat(8)]) {
      equal(scene.client.subscribe(filter, 0), -3, `subscribe to "${filter}"`);
      check(scene.client.unsubscribe(filter) < 0, `unsubscribe from "${filter}"`);
    }
    scene.settle();
    line.nothing();
    for (const filter of ["#", "+", "+/+", "a/#", "+/#", "/+", "a/+/b", "/", "a".repeat(80)]) {
      scene.subscribe(filter, 0);
      line.send(suback(level, line.subscribed(filter, 0).id, [0]));
      scene.unsubscribe(filter);
      line.send(unsuback(level, line.unsubscribed(filter).id));
    }
    line.alive();
  },
);

clientRule("Subscription Options that can't be are not accepted", { levels: [4, 5] }, (play, level) => {
  const scene = play(level);
  const line = scene.connect();
  for (const options of [3, 0x30, 0x40, 0x80, 0x103, -1]) {
    check(scene.client.subscribe("f", options) < 0, `Subscription Options ${options}`);
  }
  if (level === 5) {
    for (const identifier of [-1, 268_435_456]) check(scene.client.subscribe("f", 0, identifier) < 0, `${identifier}`);
  }
  scene.settle();
  line.nothing();
  scene.subscribe("f", 2);
  line.subscribed("f", 2);
});

clientRule("No Local is not for Shared Subscriptions", { "5.0": "3.8.3-4" }, (play, level) => {
  const scene = play(level);
  const line = scene.connect();
  check(scene.client.subscribe("$share/g/t", 0x05) < 0, "accepted");
  scene.settle();
  line.nothing();
  scene.subscribe("$share/g/t", 0x01);
  line.subscribed("$share/g/t", 0x01);
  scene.subscribe("$shared/g/t", 0x05);
  line.subscribed("$shared/g/t", 0x05);
});

clientRule(
  "a shared Topic Filter has a ShareName without wildcards, and a Topic Filter behind it",
  { "5.0": "4.8.2-1 4.8.2-2" },
  (play, level) => {
    const scene = play(level);
    const line = scene.connect();
    for (const filter of ["$share/", "$share//t", "$share/g", "$share/g/", "$share/+/t", "$share/#", "$share/g+/t"]) {
      check(scene.client.subscribe(filter, 0) < 0, `accepted: ${filter}`);
    }
    scene.settle();
    line.nothing();
    for (const filter of ["$share/g/t", "$share/g/#", "$share/g//", "$share/é/+/a", "$share"]) {
      scene.subscribe(filter, 0);
      line.send(suback(level, line.subscribed(filter, 0).id, [0]));
      scene.unsubscribe(filter);
      line.send(unsuback(level, line.unsubscribed(filter).id));
    }
  },
);

clientRule("SUBACK says what is granted, or why not", { levels: [4, 5] }, (play, level) => {
  const scene = play(level);
  const line = scene.connect();
  for (const code of level === 5 ? [0, 1, 2, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2] : [0, 1, 2, 0x80]) {
    const row = scene.subscribe("f", 2);
    const list = [...property.reasonString("so"), ...property.user("a", "b")];
    line.send(suback(level, line.subscribed("f", 2).id, [code], list));
    scene.told(`subscribed ${row} 0x${code.toString(16)}`);
    if (code >= 0x80) {
      equal(scene.client.unsubscribe("f"), -6, "unsubscribe");
      continue;
    }
    scene.unsubscribe("f");
    line.send(unsuback(level, line.unsubscribed("f").id, [0x11], list));
    scene.told(`unsubscribed ${row} 0x${level === 5 ? "11" : "0"}`);
  }
  line.alive();
});

clientRule(
  "SUBACK or UNSUBACK with several codes or none, or with one that is not its own, closes",
  { "3.1.1": "4.8.0-1", "5.0": "4.13.1-1" },
  (play, level) => {
    const codes = [[], [0, 0], [3], [0x7f], level === 5 ? [0x92] : [0x81]];
    for (const list of codes) {
      const scene = play(level);
      const line = scene.connect();
      line.alive();
      scene.subscribe("f", 2);
      line.send(suback(level, line.subscribed("f", 2).id, list));
      line.ends(0x81, 0x82);
    }
    for (const list of level === 5 ? [[], [0, 0], [1], [0x90]] : []) {
      const scene = play(level);
      const line = scene.connect();
      scene.subscribe("f", 2);
      line.send(suback(level, line.subscribed("f", 2).id, [2]));
      scene.unsubscribe("f");
      line.send(unsuback(level, line.unsubscribed("f").id, list));
      line.ends(0x81, 0x82);
    }
  },
);

clientRule("an answer to nothing, or to something else, changes nothing", { levels: [4, 5] }, (play, level) => {
  const scene = play(level);
  const line = scene.connect();
  line.send(suback(level, 77, [0]), unsuback(level, 78));
  const row = scene.subscribe("f", 1);
  const { id } = line.subscribed("f", 1);
  line.send(unsuback(level, id));
  scene.notTold("unsubscribed");
  line.send(suback(level, id, [1]));
  scene.told(`subscribed ${row} 0x1`);
  line.alive();
});

clientRule(
  "what was asked and not answered is asked again on the next connection",
  { levels: [4, 5] },
  (play, level) => {
    const scene = play(level);
    const line = scene.connect(lasting(level));
    const left = scene.subscribe("left", 0);
    line.send(suback(level, line.subscribed("left", 0).id, [0]));
    const row = scene.subscribe("f", 1);
    line.subscribed("f", 1);
    scene.unsubscribe("left");
    line.unsubscribed("left");
    const second = scene.resume(line);
    const ids = [second.unsubscribed("left").id, second.subscribed("f", 1).id];
    second.nothing();
    second.send(unsuback(level, ids[0]), suback(level, ids[1], [1]));
    scene.told(`unsubscribed ${left} 0x0`, `subscribed ${row} 0x1`);
    // A session that is there needs no more.
    scene.resume(second).alive();
  },
);

clientRule("messages come while SUBACK is owed", { levels: [4, 5] }, (play, level) => {
  const scene = play(level);
  const line = scene.connect();
  const row = scene.subscribe("f", 1);
  const { id } = line.subscribed("f", 1);
  line.send(publish({ level, topic: "f", payload: "x" }), suback(level, id, [1]));
  scene.got("f x q0");
  scene.told(`subscribed ${row} 0x1`);
});
