// Malformed packets in pieces: what they are answered with, and that it is the same wherever they are split.

import { describe, expect, test } from "vitest";
import { audit } from "../../sim/audit";
import { startBroker } from "../support/broker";
import {
  connect,
  disconnect,
  packet,
  properties,
  property,
  puback,
  publish,
  pubrel,
  string,
  subscribe,
  toHex,
  u16,
  unsubscribe,
} from "../support/packets";
import { type Case, check } from "./splits";

describe("malformed packets", () => {
  const illFormed = [0x61, 0xff];
  /** `reason`: what a client of 5.0 is told. */
  const cases: (Case & { reason?: number })[] = [
    { title: "flags", level: 4, bytes: [0x61, 2, 0, 1] },
    { title: "reserved type", level: 4, bytes: [0x00, 0] },
    { title: "Remaining Length of five bytes", level: 4, bytes: [0x30, 0xff, 0xff, 0xff, 0xff, 0x01] },
    { title: "overlong Remaining Length", level: 4, bytes: [0xc0, 0x80, 0x00] },
    { title: "QoS 3", level: 4, bytes: packet(3, 6, string("t"), u16(1)) },
    { title: "DUP at QoS 0", reason: 0x81, level: 5, bytes: packet(3, 8, string("t"), properties()) },
    { title: "PUBLISH without topic", level: 4, bytes: packet(3, 0, [0]) },
    { title: "topic beyond the packet", level: 4, bytes: packet(3, 0, [0, 9, 0x61]) },
    { title: "empty topic", reason: 0x82, level: 5, bytes: publish({ level: 5, topic: "" }) },
    { title: "wildcard in a topic", reason: 0x90, level: 5, bytes: publish({ level: 5, topic: "a/+", qos: 1 }) },
    {
      title: "topic no UTF-8",
      reason: 0x81,
      level: 5,
      bytes: publish({ level: 5, topic: illFormed, payload: "x".repeat(40) }),
    },
    { title: "Packet Identifier 0", reason: 0x82, level: 5, bytes: publish({ level: 5, topic: "t", qos: 1, id: 0 }) },
    { title: "no Packet Identifier", level: 4, bytes: packet(3, 2, string("t"), [0]) },
    { title: "properties beyond the packet", reason: 0x81, level: 5, bytes: packet(3, 0, string("t"), [9, 1, 1]) },
    {
      title: "overlong Property Length",
      reason: 0x81,
      level: 5,
      bytes: packet(3, 0, string("t"), [0x80, 0x00], [1, 2, 3]),
    },
    {
      title: "property cut short",
      reason: 0x81,
      level: 5,
      bytes: packet(3, 0, string("t"), [3, 0x02, 0, 0], [1, 2, 3, 4]),
    },
    {
      title: "property of another packet",
      reason: 0x81,
      level: 5,
      bytes: publish({ level: 5, topic: "t", properties: property.sessionExpiry(1) }),
    },
    {
      title: "property twice",
      reason: 0x82,
      level: 5,
      bytes: publish({ level: 5, topic: "t", properties: [1, 1, 1, 1] }),
    },
    {
      title: "Topic Alias",
      reason: 0x94,
      level: 5,
      bytes: publish({ level: 5, topic: "t", properties: property.topicAlias(1) }),
    },
    {
      title: "Subscription Identifier",
      reason: 0x82,
      level: 5,
      bytes: publish({ level: 5, topic: "t", properties: property.subscriptionIdentifier(1) }),
    },
    { title: "SUBSCRIBE of nothing", reason: 0x82, level: 5, bytes: packet(8, 2, u16(1), properties()) },
    { title: "SUBSCRIBE without identifier", level: 4, bytes: packet(8, 2, [0]) },
    {
      title: "SUBSCRIBE, QoS 3",
      reason: 0x82,
      level: 5,
      bytes: subscribe(5, 1, [
        ["a", 0],
        ["b", 3],
        ["c", 0],
      ]),
    },
    {
      title: "SUBSCRIBE, reserved bits",
      level: 4,
      bytes: subscribe(4, 1, [
        ["a", 0],
        ["b", 4],
      ]),
    },
    { title: "SUBSCRIBE, no options", level: 4, bytes: packet(8, 2, u16(1), string("a"), [0], string("b")) },
    {
      title: "SUBSCRIBE, wildcard amiss",
      reason: 0x8f,
      level: 5,
      bytes: subscribe(5, 1, [
        ["a", 0],
        ["b#", 0],
      ]),
    },
    {
      title: "SUBSCRIBE, no UTF-8",
      reason: 0x81,
      level: 5,
      bytes: subscribe(5, 1, [
        ["a", 0],
        [illFormed, 0],
      ]),
    },
    {
      title: "SUBSCRIBE, empty filter",
      level: 4,
      bytes: subscribe(4, 1, [
        ["a", 0],
        ["", 0],
      ]),
    },
    { title: "SUBSCRIBE, filter beyond the packet", level: 4, bytes: packet(8, 2, u16(1), [0, 9, 0x61, 0]) },
    {
      title: "shared, No Local",
      reason: 0x82,
      level: 5,
      bytes: subscribe(5, 1, [
        ["a", 0],
        ["$share/g/a", 4],
      ]),
    },
    { title: "UNSUBSCRIBE of nothing", level: 4, bytes: packet(10, 2, u16(1)) },
    { title: "UNSUBSCRIBE, wildcard amiss", reason: 0x8f, level: 5, bytes: unsubscribe(5, 1, ["a", "#/b"]) },
    { title: "PINGREQ with a body", level: 4, bytes: [0xc0, 3, 1, 2, 3] },
    { title: "PUBACK, Packet Identifier 0", level: 5, reason: 0x82, bytes: puback(0) },
    { title: "PUBREL, Packet Identifier 0", level: 4, bytes: pubrel(0) },
    { title: "PUBACK of one byte", level: 4, bytes: [0x40, 1, 0] },
    { title: "PUBACK with a Reason Code before 5.0", level: 4, bytes: puback(1, 0) },
    { title: "PUBACK, unknown Reason Code", reason: 0x82, level: 5, bytes: puback(1, 0x55) },
    { title: "PUBACK, properties beyond it", reason: 0x81, level: 5, bytes: [0x40, 5, 0, 1, 0, 5, 0x1f] },
    {
      title: "DISCONNECT with a Server Reference",
      reason: 0x82,
      level: 5,
      bytes: disconnect(0, property.serverReference("s")),
    },
    { title: "second CONNECT", reason: 0x82, level: 5, bytes: connect({ level: 5, id: "again" }) },
    { title: "what only servers send", reason: 0x82, level: 5, bytes: [0x20, 2, 0, 0] },
    { title: "no CONNECT first", level: 4, isConnect: true, bytes: publish({ level: 4, topic: "a/b", payload: "x" }) },
    {
      title: "CONNECT, unknown protocol",
      level: 4,
      isConnect: true,
      bytes: connect({ level: 4, protocolName: "MQXX" }),
    },
    {
      title: "CONNECT, unknown level",
      reason: 0x84,
      level: 4,
      isConnect: true,
      bytes: connect({ level: 4, protocolLevel: 6 }),
    },
    {
      title: "CONNECT, reserved flag",
      reason: 0x81,
      level: 5,
      isConnect: true,
      bytes: connect({ level: 5, invertFlags: 1 }),
    },
    {
      title: "CONNECT, property twice",
      reason: 0x82,
      level: 5,
      isConnect: true,
      bytes: connect({ level: 5, properties: [0x17, 0, 0x17, 0] }),
    },
    {
      title: "CONNECT, Authentication Data alone",
      level: 5,
      reason: 0x82,
      isConnect: true,
      bytes: connect({ level: 5, properties: property.authenticationData([1]) }),
    },
    { title: "CONNECT, tail", reason: 0x81, level: 5, isConnect: true, bytes: connect({ level: 5, tail: [0] }) },
    {
      title: "CONNECT, will topic",
      reason: 0x90,
      level: 5,
      isConnect: true,
      bytes: connect({ level: 5, will: { topic: "a/#" } }),
    },
  ];
  test.each(cases.map((it) => [`${it.title}, ${it.level}`, it] as const))("%s", (_, it) => {
    // Before 5.0 a server says nothing, it only closes.
    const told = it.isConnect ? [0x20, 3, 0, it.reason ?? 0, 0] : [0xe0, 1, it.reason ?? 0];
    check({ ...it, answer: it.reason === undefined ? [] : [told], ends: true });
  });

  test("a SUBSCRIBE that proves malformed midway takes its new subscriptions back, and no other", () => {
    const harness = startBroker();
    const first = harness.client();
    const hello = connect({ level: 4, id: "c", clean: false });
    first.send(hello, subscribe(4, 1, [["a", 1]]));
    first.send(
      subscribe(4, 2, [
        ["b", 1],
        ["a", 0],
        ["c/+", 2],
        ["d", 3],
      ]),
    );
    expect(first.closed).toBe(true);
    audit(harness.core);
    const second = harness.client();
    second.send(hello);
    second.receive();
    for (const topic of ["b", "c/d", "a"]) second.send(publish({ level: 4, topic, payload: "x" }));
    second.expect(publish({ level: 4, topic: "a", payload: "x" }));
  });
});

describe("what follows a CONNECT in the same piece", () => {
  test.each([
    ["DISCONNECT", disconnect()],
    ["a PUBLISH, then DISCONNECT", [...publish({ level: 5, topic: "t", qos: 1 }), ...disconnect()]],
    ["a malformed packet", [0xc1, 0]],
    ["a second CONNECT", connect({ level: 5 })],
  ] as const)("%s: the CONNACK is sent all the same", (_, bytes) => {
    const hello = connect({ level: 5, id: "c" });
    const packets = [[...hello, ...bytes], hello].map((piece, i) => {
      const client = startBroker().client();
      client.send(piece);
      if (i === 1) client.send(bytes);
      return client.receive().map(toHex);
    });
    expect(packets[0]).toEqual(packets[1]); // [MQTT-3.1.4-5]
  });
});
