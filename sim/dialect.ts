// What a client of ours hears of a server that offers less than the broker, or Topic Aliases, which the broker does not:
// it sits at the client's end of the stream, changes the CONNACK and translates aliases both ways.

import type { Packet, PublishPacket } from "./packets";
import type { Random } from "./random";

export interface Offer {
  /** Topic Alias Maximum of the server. */
  aliasMaximum: number;
  /** How many PUBLISH of 100 get a Topic Alias, of those the client allows. */
  aliases: number;
  receiveMaximum: number;
  /** 0: as the broker says. */
  maximumPacketSize: number;
  maximumQoS: 1 | 2;
  retainAvailable: boolean;
  subscriptionIdentifiersAvailable: boolean;
  /** Server Keep Alive, seconds; 0: as the broker says. */
  keepAlive: number;
}

export function drawOffer(random: Random): Offer {
  return {
    aliasMaximum: random.pick([0, 1, 2, 10]),
    aliases: random.pick([50, 80, 100]),
    receiveMaximum: random.pick([1, 2, 65535]),
    maximumPacketSize: random.pick([0, 0, 30, 30, 60, 150]),
    maximumQoS: random.pick([1, 2, 2]),
    retainAvailable: random.chance(3, 4),
    subscriptionIdentifiersAvailable: random.chance(2, 3),
    keepAlive: random.pick([0, 0, 0, 3]),
  };
}

/** One connection's. */
export class Dialect {
  readonly #offer: Offer;
  readonly #random: Random;
  #allowed = 0;
  readonly #fromClient = new Map<number, string>();
  readonly #toClient = new Map<number, string>();

  constructor(offer: Offer, random: Random) {
    this.#offer = offer;
    this.#random = random;
  }

  /** What the broker gets when the client sends `packet`. */
  up(packet: Packet): Packet {
    if (packet.cmd === "connect") this.#allowed = packet.properties?.topicAliasMaximum ?? 0;
    if (packet.cmd !== "publish") return packet;
    const { topicAlias, ...properties } = packet.properties ?? {};
    if (topicAlias === undefined) return packet;
    if (packet.topic !== "") this.#fromClient.set(topicAlias, packet.topic);
    const topic = this.#fromClient.get(topicAlias) ?? "";
    return { ...packet, topic, properties };
  }

  /** What the client gets when the broker sends `packet`. */
  down(packet: Packet): Packet {
    if (packet.cmd === "connack") return this.#connack(packet);
    return packet.cmd === "publish" ? this.#publish(packet as PublishPacket) : packet;
  }

  #connack(packet: Extract<Packet, { cmd: "connack" }>): Packet {
    if (packet.reasonCode !== 0) return packet;
    const { aliasMaximum, keepAlive, maximumPacketSize, maximumQoS, receiveMaximum } = this.#offer;
    const { retainAvailable, subscriptionIdentifiersAvailable } = this.#offer;
    const properties = { ...packet.properties };
    if (aliasMaximum > 0) properties.topicAliasMaximum = aliasMaximum;
    if (receiveMaximum < (properties.receiveMaximum ?? 65535)) properties.receiveMaximum = receiveMaximum;
    if (maximumPacketSize > 0) properties.maximumPacketSize = maximumPacketSize;
    if (maximumQoS < 2) properties.maximumQoS = maximumQoS;
    if (!retainAvailable) properties.retainAvailable = false;
    if (!subscriptionIdentifiersAvailable) properties.subscriptionIdentifiersAvailable = false;
    if (keepAlive > 0) properties.serverKeepAlive = keepAlive;
    return { ...packet, properties };
  }

  #publish(packet: PublishPacket): Packet {
    if (this.#allowed === 0 || !this.#random.chance(this.#offer.aliases, 100)) return packet;
    const known = [...this.#toClient].find(([, topic]) => topic === packet.topic)?.[0];
    const topicAlias = known ?? 1 + this.#random.below(this.#allowed);
    this.#toClient.set(topicAlias, packet.topic);
    const topic = known === undefined ? packet.topic : "";
    return { ...packet, topic, properties: { ...packet.properties, topicAlias } };
  }
}
