// Packets of every type, valid or beyond a limit, in pieces.

import { describe, test } from "vitest";
import { type Limits, presets } from "../../src/memory/limits";
import { bytesOf, fixtures, fixtureTitle } from "../support/fixtures";
import type { TestClient } from "../support/harness";
import {
  type Bytes,
  connect,
  type Level,
  property,
  puback,
  pubcomp,
  publish,
  pubrec,
  pubrel,
  subscribe,
  unsubscribe,
} from "../support/packets";
import { type Case, check } from "./splits";

/** Large packets at limits that take them. */
const roomy: Limits = { ...presets.esp32, connections: 4, sessions: 4 };

describe("packets of every type", () => {
  const cases = fixtures.map((fixture): Case => {
    const bytes = [...bytesOf(fixture)];
    const isConnect = fixture.packet.cmd === "connect";
    const limits = bytes.length > 20_000 ? roomy : presets.tiny;
    return { title: fixtureTitle(fixture), level: fixture.level, bytes, isConnect, limits };
  });
  test.each(cases.map((it) => [it.title, it] as const))("%s", (_, it) => check(it));
});

describe("packets that matter to what went before", () => {
  const five = 5 as Level;
  /** Two messages of QoS 1 and two of QoS 2 are on their way to the client, with Packet Identifiers 1 to 3. */
  const inFlight = (client: TestClient, other: TestClient): void => {
    client.send(subscribe(five, 9, [["in/#", 2]]));
    for (const [i, qos] of [1, 2, 1, 2].entries()) {
      other.send(publish({ level: 4, topic: `in/${i}`, payload: "x", qos, id: 20 + i }));
    }
  };
  const received = (client: TestClient, other: TestClient): void => {
    inFlight(client, other);
    client.send(pubrec(2));
  };
  const cases: Case[] = [
    { title: "PUBACK", level: 5, before: inFlight, bytes: puback(1) },
    {
      title: "PUBACK with a Reason Code",
      level: 5,
      before: inFlight,
      bytes: puback(3, 0x80, property.reasonString("no")),
    },
    { title: "PUBACK for QoS 2", level: 5, before: inFlight, bytes: puback(2) },
    { title: "PUBREC", level: 5, before: inFlight, bytes: pubrec(2) },
    { title: "PUBREC that refuses", level: 5, before: inFlight, bytes: pubrec(2, 0x97) },
    { title: "PUBREC again", level: 5, before: received, bytes: pubrec(2) },
    { title: "PUBCOMP", level: 5, before: received, bytes: pubcomp(2) },
    {
      title: "PUBREL",
      level: 5,
      before: (client) => client.send(publish({ level: 5, topic: "t", payload: "x", qos: 2, id: 3 })),
      bytes: pubrel(3),
    },
    {
      title: "PUBLISH again",
      level: 5,
      before: (client) => client.send(publish({ level: 5, topic: "t", payload: "x", qos: 2, id: 3 })),
      bytes: publish({ level: 5, topic: "t", payload: "x", qos: 2, id: 3, dup: true }),
    },
    {
      title: "UNSUBSCRIBE",
      level: 5,
      before: (client) => client.send(subscribe(5, 1, [["a", 0]]), subscribe(5, 2, [["t/+", 0]])),
      bytes: unsubscribe(5, 3, ["t/+", "x", "a"]),
    },
    {
      title: "clearing a retained message",
      level: 5,
      before: (client) => client.send(publish({ level: 5, topic: "r/1", payload: "x", retain: true })),
      bytes: publish({ level: 5, topic: "r/1", retain: true, qos: 1 }),
    },
    {
      title: "several packets",
      level: 5,
      bytes: [
        ...publish({ level: 5, topic: "t", payload: "1", qos: 1, id: 1 }),
        ...publish({ level: 5, topic: "t", payload: "2", qos: 2, id: 2 }),
        ...publish({ level: 5, topic: "t", payload: "3" }),
        ...publish({ level: 5, topic: "t", payload: "4", qos: 1, id: 1 }),
      ],
    },
  ];
  test.each(cases.map((it) => [it.title, it] as const))("%s", (_, it) => check(it));
});

describe("packets beyond a limit", () => {
  const { topicBytes, topicLevels, stageBytes, messageBytes, packetBytes, filtersPerSubscribe } = presets.tiny;
  const many = (count: number): [string, number][] => Array.from({ length: count }, (_, i) => [`f${i}`, 0]);
  const levels = "l/".repeat(topicLevels);
  const cases: Case[] = ([4, 5] as const).flatMap((level): Case[] => [
    { title: "Topic Name", level, bytes: publish({ level, topic: "n".repeat(topicBytes + 1), payload: "x", qos: 1 }) },
    { title: "levels of a Topic Name", level, bytes: publish({ level, topic: levels, payload: "x", qos: 2 }) },
    { title: "message", level, bytes: publish({ level, topic: "t", payload: "p".repeat(messageBytes), qos: 1 }) },
    { title: "packet", level, bytes: publish({ level, topic: "t", payload: "p".repeat(packetBytes), qos: 1 }) },
    {
      title: "Topic Filter",
      level,
      bytes: subscribe(level, 1, [
        ["a", 1],
        ["f".repeat(topicBytes + 1), 1],
        ["x/#", 2],
      ]),
    },
    {
      title: "levels of a Topic Filter",
      level,
      bytes: subscribe(level, 1, [
        [`${levels}+`, 1],
        ["a", 0],
      ]),
    },
    { title: "Topic Filters", level, bytes: subscribe(level, 1, many(filtersPerSubscribe + 2)) },
    { title: "UNSUBSCRIBE", level, bytes: unsubscribe(level, 1, ["f".repeat(topicBytes + 1), "a"]) },
    {
      title: "UNSUBSCRIBE, many",
      level,
      bytes: unsubscribe(
        level,
        1,
        many(filtersPerSubscribe + 2).map(([it]) => it),
      ),
    },
    { title: "large SUBSCRIBE", level, bytes: subscribe(level, 1, many(180)) },
    { title: "CONNECT", level, isConnect: true, bytes: connect({ level, user: "u".repeat(stageBytes) }) },
    { title: "Client Identifier", level, isConnect: true, bytes: connect({ level, id: "i".repeat(24) }) },
    {
      title: "will",
      level,
      isConnect: true,
      bytes: connect({ level, will: { topic: "n".repeat(topicBytes + 1), payload: "x" } }),
    },
    ...(level === 5
      ? [
          {
            title: "property",
            level,
            bytes: publish({ level, topic: "t", qos: 1, properties: property.contentType("c".repeat(stageBytes)) }),
          },
          {
            title: "properties",
            level,
            bytes: publish({
              level,
              topic: "t",
              retain: true,
              qos: 1,
              properties: property.user("n", "v".repeat(180)),
            }),
          },
          {
            title: "properties, and levels of a Topic Name",
            level,
            bytes: publish({
              level,
              topic: "/".repeat(topicBytes),
              retain: true,
              qos: 1,
              properties: property.user("n", "v".repeat(180)),
            }),
          },
          {
            title: "property of SUBSCRIBE",
            level,
            bytes: subscribe(5, 1, [["a", 0]], property.user("n", "v".repeat(190))),
          },
          { title: "PUBACK", level, bytes: puback(1, 0x80, property.reasonString("r".repeat(stageBytes))) },
        ]
      : []),
  ]);

  const suback = (level: Level, ...codes: number[]): Bytes => {
    const all = codes.map((code) => (level === 5 || code < 0x80 ? code : 0x80));
    return level === 5 ? [0x90, 3 + all.length, 0, 1, 0, ...all] : [0x90, 2 + all.length, 0, 1, ...all];
  };
  const ended = (...answer: Bytes[]): Partial<Case> => ({ answer, ends: true });
  /** What each gets, at level 5 and before. */
  const answers: Record<string, readonly [Partial<Case>, Partial<Case>]> = {
    "Topic Name": [{ answer: [[0x40, 3, 0, 1, 0x90]] }, ended()],
    "levels of a Topic Name": [{ answer: [[0x50, 3, 0, 1, 0x90]] }, ended()],
    message: [{ answer: [[0x40, 3, 0, 1, 0x97]] }, ended()],
    packet: [ended([0xe0, 1, 0x95]), ended()],
    "Topic Filter": [{ answer: [suback(5, 1, 0x8f, 2)] }, { answer: [suback(4, 1, 0x8f, 2)] }],
    "levels of a Topic Filter": [{ answer: [suback(5, 0x8f, 0)] }, { answer: [suback(4, 0x8f, 0)] }],
    "Topic Filters": [
      { answer: [suback(5, 0, 0, 0, 0, 0, 0, 0x97, 0x97, 0x97, 0x97)] },
      { answer: [suback(4, 0, 0, 0, 0, 0, 0, 0x97, 0x97, 0x97, 0x97)] },
    ],
    UNSUBSCRIBE: [{ answer: [[0xb0, 5, 0, 1, 0, 0x11, 0x11]] }, { answer: [[0xb0, 2, 0, 1]] }],
    "UNSUBSCRIBE, many": [
      { answer: [[0xb0, 13, 0, 1, 0, ...new Array(8).fill(0x11), 0x83, 0x83]] },
      { answer: [[0xb0, 2, 0, 1]] },
    ],
    "large SUBSCRIBE": [ended([0xe0, 1, 0x95]), ended()],
    CONNECT: [ended([0x20, 3, 0, 0x95, 0]), ended([0x20, 2, 0, 2])],
    "Client Identifier": [ended([0x20, 3, 0, 0x85, 0]), ended([0x20, 2, 0, 2])],
    will: [ended([0x20, 3, 0, 0x90, 0]), ended()],
    property: [{ answer: [[0x40, 3, 0, 1, 0x97]] }, {}],
    properties: [{ answer: [[0x40, 3, 0, 1, 0x10]] }, {}], // it clears a retained message: that needs no room
    "property of SUBSCRIBE": [ended([0xe0, 1, 0x95]), {}],
    PUBACK: [ended([0xe0, 1, 0x95]), {}],
  };
  const answered = cases.map((it): Case => ({ ...it, ...answers[it.title]?.[it.level === 5 ? 0 : 1] }));
  test.each(answered.map((it) => [`${it.title}, ${it.level}`, it] as const))("%s", (_, it) => check(it));

  const large: Case[] = [
    {
      title: "SUBSCRIBE of 29 KB",
      level: 5,
      limits: roomy,
      bytes: subscribe(
        5,
        1,
        Array.from({ length: 480 }, (_, i): [string, number] => [
          `home/floor-${i % 7}/a rather long name of a room/${i}`,
          1,
        ]),
      ),
    },
    {
      title: "UNSUBSCRIBE of 20 KB",
      level: 4,
      limits: roomy,
      bytes: unsubscribe(
        4,
        1,
        Array.from({ length: 400 }, (_, i) => `home/floor-${i % 7}/a rather long name of a room/${i}`),
      ),
    },
    {
      title: "PUBLISH of 3,900 bytes, retained",
      level: 5,
      limits: roomy,
      bytes: publish({
        level: 5,
        topic: "a/b",
        retain: true,
        qos: 2,
        properties: [...property.user("k", "v".repeat(900)), ...property.messageExpiry(100)],
        payload: "p".repeat(2900),
      }),
    },
  ];
  test.each(large.map((it) => [it.title, it] as const))("%s", (_, it) => check(it));
});
