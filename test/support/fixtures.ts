// Packets of every type that a client sends, at every level, as the package mqtt-packet describes them: the same fixtures
// for the codec and for the broker that is given them in pieces.

import { generate, type Packet, type Parser, parser } from "mqtt-packet";
import type { Level } from "./packets";

export interface Fixture {
  title: string;
  level: Level;
  packet: Packet;
}

const long = "a long name of a level, and longer than a block";
const bytes = (...values: number[]): Buffer => Buffer.from(values);
const userProperties = { name: "value", twice: ["1", "2"], é: "€", "": "" };

/** The properties of a PUBLISH and of a Will Message that are carried to the receivers. */
const carried = {
  payloadFormatIndicator: true,
  messageExpiryInterval: 0xfedcba98,
  contentType: "text/plain; charset=utf-8",
  responseTopic: "answers/1",
  correlationData: bytes(0, 255, 1, 254),
  userProperties,
};

function connects(): Fixture[] {
  const levels: Level[] = [3, 4, 5];
  return levels.flatMap((level): Fixture[] => {
    const protocolId = level === 3 ? "MQIsdp" : "MQTT";
    const plain = { cmd: "connect", protocolId, protocolVersion: level, clean: true, keepalive: 60 } as const;
    const will = { topic: "will/é", payload: bytes(1, 2, 0, 255), qos: 2, retain: true } as const;
    const list: [string, Partial<Packet> & { clientId: string }][] = [
      ["short", { clientId: "c" }],
      ["persistent, no Keep Alive", { clientId: "client-1", clean: false, keepalive: 0 }],
      ["longest Keep Alive", { clientId: "c", keepalive: 65_535 }],
      ["User Name and Password", { clientId: "c", username: "üser", password: bytes(0, 1, 255) }],
      ["will", { clientId: "c", will }],
      ["everything", { clientId: "c", will: { ...will, qos: 1, retain: false }, username: "", password: bytes() }],
    ];
    const five: typeof list = [
      ["no Client Identifier", { clientId: "" }],
      [
        "all properties",
        {
          clientId: "c",
          properties: {
            sessionExpiryInterval: 4_294_967_295,
            receiveMaximum: 1,
            maximumPacketSize: 268_435_455,
            topicAliasMaximum: 65_535,
            requestResponseInformation: true,
            requestProblemInformation: false,
            userProperties,
          },
        },
      ],
      [
        "authentication",
        { clientId: "c", properties: { authenticationMethod: "m", authenticationData: bytes(1, 0, 255) } },
      ],
      ["will with properties", { clientId: "c", will: { ...will, properties: { ...carried, willDelayInterval: 7 } } }],
    ];
    return [...list, ...(level === 5 ? five : [])].map(([title, packet]) => ({
      title: `CONNECT, ${title}`,
      level,
      packet: { ...plain, ...packet } as Packet,
    }));
  });
}

function publishes(): Fixture[] {
  const list: Fixture[] = [];
  const add = (title: string, levels: Level[], packet: object): void => {
    const plain = { cmd: "publish", qos: 0, dup: false, retain: false };
    for (const level of levels)
      list.push({ title: `PUBLISH, ${title}`, level, packet: { ...plain, ...packet } as Packet });
  };
  add("short", [4, 5], { topic: "t", payload: "x" });
  add("no payload", [4, 5], { topic: "a/b", payload: "" });
  add("QoS 1", [3, 4, 5], { topic: "a/b", payload: "hello", qos: 1, messageId: 1 });
  add("QoS 2 again", [4, 5], { topic: "a/b", payload: "hello", qos: 2, dup: true, messageId: 65_535 });
  add("retained", [4, 5], { topic: `${long}/é/`, payload: bytes(0, 128, 255), retain: true, qos: 1, messageId: 256 });
  add("clearing", [4, 5], { topic: "a/b", payload: "", retain: true });
  add("odd names", [4], { topic: "//$/ /é€😀", payload: "x" });
  add("all properties", [5], { topic: "a/b", payload: "x", qos: 1, messageId: 9, properties: carried });
  add("properties, retained", [5], { topic: "a/b", payload: "x", retain: true, properties: carried });
  add("properties, no payload", [5], { topic: "a/b", payload: "", properties: { contentType: long } });
  for (const size of [120, 128, 16_380, 60_000]) {
    add(`${size} bytes`, [4, 5], { topic: "a/b", payload: Buffer.alloc(size, "0123456789"), qos: 1, messageId: 5 });
  }
  return list;
}

function acknowledgements(): Fixture[] {
  const list: Fixture[] = [];
  for (const cmd of ["puback", "pubrec", "pubrel", "pubcomp"] as const) {
    const codes = cmd === "puback" || cmd === "pubrec" ? [0, 0x10, 0x80, 0x97] : [0, 0x92];
    list.push({ title: cmd.toUpperCase(), level: 4, packet: { cmd, messageId: 258 } });
    for (const reasonCode of codes) {
      const packet = { cmd, messageId: 65_535, reasonCode } as Packet;
      const title = `${cmd.toUpperCase()} 0x${reasonCode.toString(16)}`;
      list.push({ title, level: 5, packet });
      const properties = { reasonString: "because", userProperties };
      list.push({ title: `${title} with properties`, level: 5, packet: { ...packet, properties } as Packet });
    }
  }
  return list;
}

function filters(): Fixture[] {
  const list: Fixture[] = [];
  const topics = ["a", "+/b/#", "#", "/", `${long}/+`, "é/€/😀", "a".repeat(200)];
  for (const level of [3, 4, 5] as const) {
    const options = level === 5 ? { nl: false, rap: false, rh: 0 } : {};
    const subscriptions = topics.map((topic, i) => ({ topic, qos: (i % 3) as 0 | 1 | 2, ...options }));
    const one = subscriptions.slice(0, 1);
    list.push({ title: "SUBSCRIBE, one", level, packet: { cmd: "subscribe", messageId: 1, subscriptions: one } });
    list.push({ title: "SUBSCRIBE, many", level, packet: { cmd: "subscribe", messageId: 2, subscriptions } });
    list.push({ title: "UNSUBSCRIBE", level, packet: { cmd: "unsubscribe", messageId: 3, unsubscriptions: ["a/+"] } });
    list.push({
      title: "UNSUBSCRIBE, many",
      level,
      packet: { cmd: "unsubscribe", messageId: 4, unsubscriptions: topics },
    });
  }
  const every = [0, 1, 2].flatMap((rh) => [false, true].flatMap((nl) => [false, true].map((rap) => ({ rh, nl, rap }))));
  const subscriptions = every.map((options, i) => ({ topic: `t/${i}`, qos: (i % 3) as 0 | 1 | 2, ...options }));
  const properties = { subscriptionIdentifier: 268_435_455, userProperties };
  list.push({
    title: "SUBSCRIBE, every option and property",
    level: 5,
    packet: { cmd: "subscribe", messageId: 65_535, subscriptions, properties },
  });
  list.push({
    title: "UNSUBSCRIBE, properties",
    level: 5,
    packet: { cmd: "unsubscribe", messageId: 65_535, unsubscriptions: ["a"], properties: { userProperties } },
  });
  return list;
}

function others(): Fixture[] {
  const list: Fixture[] = [
    { title: "PINGREQ", level: 4, packet: { cmd: "pingreq" } },
    { title: "DISCONNECT", level: 4, packet: { cmd: "disconnect" } },
    { title: "DISCONNECT", level: 5, packet: { cmd: "disconnect" } },
    { title: "DISCONNECT 0x4", level: 5, packet: { cmd: "disconnect", reasonCode: 4 } },
    {
      title: "DISCONNECT with properties",
      level: 5,
      packet: {
        cmd: "disconnect",
        reasonCode: 0,
        properties: { sessionExpiryInterval: 9, reasonString: "bye", userProperties },
      },
    },
    {
      title: "AUTH",
      level: 5,
      packet: {
        cmd: "auth",
        reasonCode: 0x18,
        properties: { authenticationMethod: "m", authenticationData: bytes(1) },
      },
    },
  ];
  return list;
}

/** Every packet type that a client sends, at every level that has it. */
export const fixtures: readonly Fixture[] = [
  ...connects(),
  ...publishes(),
  ...acknowledgements(),
  ...filters(),
  ...others(),
];

export function fixtureTitle({ title, level }: Fixture): string {
  return `${level === 5 ? "5.0" : level === 4 ? "3.1.1" : "3.1"} ${title}`;
}

/** The bytes, as mqtt-packet writes them. */
export function bytesOf({ packet, level }: Fixture): Uint8Array {
  return Uint8Array.from(generate(packet, { protocolVersion: level }));
}

/** The packet that mqtt-packet reads; exactly one, with nothing left. */
export function parsePacket(level: Level, bytes: Uint8Array): Packet {
  const reader: Parser = parser({ protocolVersion: level });
  const packets: Packet[] = [];
  reader.on("packet", (packet) => packets.push(packet));
  reader.on("error", (error) => {
    throw error;
  });
  const left = reader.parse(Buffer.from(bytes));
  if (packets.length !== 1 || left !== 0) throw new Error(`${packets.length} packets and ${left} bytes`);
  return packets[0];
}
