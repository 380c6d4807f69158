// Properties [2.2.2.2]: each of the 27 in each packet that a client sends, once, twice, and with values that are
// allowed or not.

import {
  type Bytes,
  connect as connectPacket,
  disconnect,
  type Level,
  PUBREC,
  PUBREL,
  packet,
  property,
  puback,
  pubcomp,
  publish,
  pubrec,
  pubrel,
  readAcknowledgement,
  readConnack,
  string,
  subscribe,
  u16,
  unsubscribe,
} from "../../support/packets";
import { type Client, connect, equal, MALFORMED, open, persistent } from "../client";
import { rule, section } from "../rules";
import type { Server } from "../server";

section("Properties");

type Place =
  | "CONNECT"
  | "Will"
  | "PUBLISH"
  | "PUBACK"
  | "PUBREC"
  | "PUBREL"
  | "PUBCOMP"
  | "SUBSCRIBE"
  | "UNSUBSCRIBE"
  | "DISCONNECT";

const ACKS: readonly Place[] = ["PUBACK", "PUBREC", "PUBREL", "PUBCOMP"];

/** All properties, an example of each, and where a client may put them. AUTH is refused whatever it carries. */
const PROPERTIES: readonly [name: string, example: Bytes, places: readonly Place[]][] = [
  ["Payload Format Indicator", property.payloadFormat(0), ["PUBLISH", "Will"]],
  ["Message Expiry Interval", property.messageExpiry(100), ["PUBLISH", "Will"]],
  ["Content Type", property.contentType("c"), ["PUBLISH", "Will"]],
  ["Response Topic", property.responseTopic("r"), ["PUBLISH", "Will"]],
  ["Correlation Data", property.correlationData("d"), ["PUBLISH", "Will"]],
  // In PUBLISH it comes from the server only.
  ["Subscription Identifier", property.subscriptionIdentifier(1), ["SUBSCRIBE"]],
  ["Session Expiry Interval", property.sessionExpiry(100), ["CONNECT", "DISCONNECT"]],
  ["Assigned Client Identifier", property.assignedClientIdentifier("a"), []],
  ["Server Keep Alive", property.serverKeepAlive(10), []],
  ["Authentication Method", property.authenticationMethod("m"), ["CONNECT"]],
  ["Authentication Data", property.authenticationData("d"), ["CONNECT"]],
  ["Request Problem Information", property.requestProblemInformation(1), ["CONNECT"]],
  ["Will Delay Interval", property.willDelay(1), ["Will"]],
  ["Request Response Information", property.requestResponseInformation(0), ["CONNECT"]],
  ["Response Information", property.responseInformation("i"), []],
  ["Server Reference", property.serverReference("s"), []],
  ["Reason String", property.reasonString("r"), [...ACKS, "DISCONNECT"]],
  ["Receive Maximum", property.receiveMaximum(10), ["CONNECT"]],
  ["Topic Alias Maximum", property.topicAliasMaximum(10), ["CONNECT"]],
  ["Topic Alias", property.topicAlias(1), ["PUBLISH"]],
  ["Maximum QoS", property.maximumQoS(1), []],
  ["Retain Available", property.retainAvailable(1), []],
  [
    "User Property",
    property.user("a", "b"),
    ["CONNECT", "Will", "PUBLISH", ...ACKS, "SUBSCRIBE", "UNSUBSCRIBE", "DISCONNECT"],
  ],
  ["Maximum Packet Size", property.maximumPacketSize(1000), ["CONNECT"]],
  ["Wildcard Subscription Available", property.wildcardSubscriptionAvailable(1), []],
  ["Subscription Identifier Available", property.subscriptionIdentifierAvailable(1), []],
  ["Shared Subscription Available", property.sharedSubscriptionAvailable(1), []],
];

/** Brings the connection to where the packet can be sent, sends it with these properties, and reads a good answer. */
const places: Record<Place, (server: Server, list: Bytes) => Promise<{ client: Client; good: () => Promise<void> }>> = {
  CONNECT: async (server, list) => {
    const client = await open(server, 5);
    await client.send(connectPacket({ level: 5, properties: list }));
    return { client, good: async () => equal(readConnack(5, await client.next()).reason, 0, "CONNACK") };
  },
  Will: async (server, list) => {
    const client = await open(server, 5);
    await client.send(connectPacket({ level: 5, will: { topic: "w", payload: "x", properties: list } }));
    return { client, good: async () => equal(readConnack(5, await client.next()).reason, 0, "CONNACK") };
  },
  PUBLISH: async (server, list) => {
    const client = await connect(server, 5);
    await client.send(publish({ level: 5, topic: "n", payload: "x", properties: list }));
    return { client, good: () => client.quiet() };
  },
  PUBACK: async (server, list) => {
    const client = await receives(server, 1);
    await client.send(puback((await client.published()).id, 0, list));
    return { client, good: () => client.quiet() };
  },
  PUBREC: async (server, list) => {
    const client = await receives(server, 2);
    const { id } = await client.published();
    await client.send(pubrec(id, 0, list));
    return { client, good: async () => equal(readAcknowledgement(5, PUBREL, await client.next()).id, id, "PUBREL") };
  },
  PUBREL: async (server, list) => {
    const client = await connect(server, 5);
    await client.send(publish({ level: 5, topic: "n", payload: "x", qos: 2, id: 9 }));
    await client.acknowledged(PUBREC, 9);
    await client.send(pubrel(9, 0, list));
    return { client, good: async () => void (await client.acknowledged(7, 9, [0])) };
  },
  PUBCOMP: async (server, list) => {
    const client = await receives(server, 2);
    const { id } = await client.published();
    await client.send(pubrec(id));
    await client.acknowledged(PUBREL, id, [0]);
    await client.send(pubcomp(id, 0, list));
    return { client, good: () => client.quiet() };
  },
  SUBSCRIBE: async (server, list) => {
    const client = await connect(server, 5);
    await client.send(subscribe(5, 9, [["t", 0]], list));
    return { client, good: () => client.expect([0x90, 4, 0, 9, 0, 0]) };
  },
  UNSUBSCRIBE: async (server, list) => {
    const client = await connect(server, 5);
    await client.send(unsubscribe(5, 9, ["t"], list));
    return { client, good: () => client.expect([0xb0, 4, 0, 9, 0, 0x11]) };
  },
  DISCONNECT: async (server, list) => {
    const client = await connect(server, 5, persistent(5));
    await client.send(disconnect(0, list));
    return { client, good: () => client.closed() };
  },
};

/** A client to which a message of this QoS is on its way. */
async function receives(server: Server, qos: number): Promise<Client> {
  const client = await connect(server, 5);
  await client.subscribe("t", qos);
  const publisher = await connect(server, 5, { id: "publisher" });
  await publisher.publish("t", "x", { qos });
  return client;
}

const placeNames = Object.keys(places) as Place[];
const five: readonly Level[] = [5];

/** In CONNECT, a wrong property may be told by a CONNACK; later, by a DISCONNECT. */
async function refuses(place: Place, server: Server, list: Bytes): Promise<void> {
  const { client } = await places[place](server, list);
  if (place === "CONNECT" || place === "Will") await client.notConnected(...MALFORMED);
  else await client.disconnected(...MALFORMED);
}

for (const place of placeNames) {
  rule(`${place} without properties is accepted`, { levels: five }, async (server) => {
    await (await places[place](server, [])).good();
  });

  for (const [name, example, allowed] of PROPERTIES) {
    const may = allowed.includes(place);
    // What the server does not offer has its own tests: Topic Alias, Authentication Method and Data.
    if (may && [0x23, 0x15, 0x16].includes(example[0])) continue;
    rule(`${name} ${may ? "is accepted in" : "closes in"} ${place}`, { levels: five }, async (server) => {
      await connect(server, 5, { id: "control" });
      if (may) await (await places[place](server, example)).good();
      else await refuses(place, server, example);
    });
    if (!may) continue;
    const repeatable = name === "User Property";
    rule(`${name} twice ${repeatable ? "is accepted in" : "closes"} ${place}`, { levels: five }, async (server) => {
      await connect(server, 5, { id: "control" });
      const twice = [...example, ...example];
      if (repeatable) await (await places[place](server, twice)).good();
      else await refuses(place, server, twice);
    });
  }

  rule(`a property that does not exist closes ${place}`, { levels: five }, async (server) => {
    await connect(server, 5, { id: "control" });
    for (const id of [0x00, 0x04, 0x10, 0x2b, 0x7f]) await refuses(place, server, [id, 0]);
    // An identifier of two bytes.
    await refuses(place, server, [0x80, 0x01, 0]);
  });

  rule(`a property that is cut off closes ${place}`, { levels: five }, async (server) => {
    await connect(server, 5, { id: "control" });
    const [, example] = PROPERTIES.find(([, , allowed]) => allowed.includes(place)) as (typeof PROPERTIES)[number];
    for (let length = 1; length < example.length; length++) await refuses(place, server, example.slice(0, length));
    const pair = property.user("name", "value");
    for (let length = 1; length < pair.length; length++) await refuses(place, server, pair.slice(0, length));
  });
}

const OUT_OF_RANGE: readonly [name: string, place: Place, list: Bytes][] = [
  ["Receive Maximum 0", "CONNECT", property.receiveMaximum(0)],
  ["Maximum Packet Size 0", "CONNECT", property.maximumPacketSize(0)],
  ["Request Problem Information 2", "CONNECT", property.requestProblemInformation(2)],
  ["Request Response Information 2", "CONNECT", property.requestResponseInformation(2)],
  ["Subscription Identifier 0", "SUBSCRIBE", property.subscriptionIdentifier(0)],
];

for (const [name, place, list] of OUT_OF_RANGE) {
  rule(`${name} closes`, { levels: five }, async (server) => {
    await connect(server, 5, { id: "control" });
    await refuses(place, server, list);
  });
}

rule("properties at the ends of their ranges are accepted", { levels: five }, async (server) => {
  const lists = [
    property.receiveMaximum(1),
    property.receiveMaximum(65535),
    property.maximumPacketSize(0xffffffff),
    property.topicAliasMaximum(65535),
    property.requestProblemInformation(0),
    property.requestResponseInformation(1),
    property.sessionExpiry(0),
    property.sessionExpiry(0xffffffff),
    property.user("", ""),
  ];
  for (const list of lists) await (await places.CONNECT(server, list)).good();
  await (await places.SUBSCRIBE(server, property.subscriptionIdentifier(268435455))).good();
  await (await places.PUBLISH(server, property.messageExpiry(0xffffffff))).good();
  await (await places.PUBLISH(server, property.correlationData([]))).good();
});

rule("several properties may come in any order", { levels: five }, async (server) => {
  const list = [
    property.user("a", "b"),
    property.maximumPacketSize(1000),
    property.requestProblemInformation(0),
    property.topicAliasMaximum(3),
    property.receiveMaximum(5),
    property.sessionExpiry(10),
    property.user("a", "c"),
  ];
  await (await places.CONNECT(server, list.flat())).good();
  await (await places.CONNECT(server, [...list].reverse().flat())).good();
});

rule("a CONNECT without a Property Length closes", { "5.0": "2.2.2-1" }, async (server, level) => {
  await connect(server, level, { id: "control" });
  const client = await open(server, level);
  // The length of the Client Identifier is taken for a Property Length, and one byte is left.
  await client.send(packet(1, 0, string("MQTT"), [5, 2], u16(60), string("c")));
  await client.notConnected(...MALFORMED);
});
