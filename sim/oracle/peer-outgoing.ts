// What a client of ours sends, packet by packet, against what the application asked of it and what it was sent.

import type { ConnectPacket, Packet, PublishPacket, SubscribePacket, UnsubscribePacket } from "../packets";
import { type PacketReader, travelling } from "../packets";
import { Violation } from "./model";
import { remove, settle } from "./peer-incoming";
import { type Filter, type Outgoing, type Owed, type PeerModel, type Said, textOf } from "./peer-model";

/** How far the client's seconds may be from ours, ms. */
const SLACK = 1200;

export function sentPacket(model: PeerModel, packet: Packet, size: number): void {
  const { server } = model;
  if (packet.cmd === "connect") return connect(model, packet);
  if (!model.isOnline) throw new Violation(`${packet.cmd} before CONNACK`);
  if (model.saidWhy >= 0) throw new Violation(`${packet.cmd} after DISCONNECT [MQTT-3.14.4-2]`);
  if (server.maximumPacketSize > 0 && size > server.maximumPacketSize) {
    const most = server.maximumPacketSize;
    throw new Violation(`${packet.cmd} of ${size} bytes, Maximum Packet Size is ${most} [MQTT-3.2.2-15]`);
  }
  switch (packet.cmd) {
    case "publish":
      return publish(model, packet as PublishPacket);
    case "puback":
    case "pubrec":
    case "pubcomp":
    case "pubrel":
      return acknowledgement(model, packet);
    case "subscribe":
      return subscribe(model, packet);
    case "unsubscribe":
      return unsubscribe(model, packet);
    case "pingreq":
      if (!model.isPingOwed) model.pingedAt = model.now;
      model.isPingOwed = true;
      model.reach("PINGREQ");
      return;
    case "disconnect":
      model.saidWhy = packet.reasonCode ?? 0;
      return;
    default:
      throw new Violation(`${packet.cmd} is nothing that this client sends`);
  }
}

function connect(model: PeerModel, packet: ConnectPacket): void {
  const { isFirst, limits, options, v5 } = model;
  const fail = (what: string): never => {
    throw new Violation(`CONNECT: ${what}`);
  };
  if (model.state !== "connecting") fail("not as the first packet");
  if (model.connackSeen) fail("twice [MQTT-3.1.0-2]");
  model.connackSeen = true;
  const clean = (options.cleanStart ?? true) && (isFirst || !v5);
  if (packet.clean !== clean) fail(`Clean Start is ${packet.clean}`);
  if (packet.protocolVersion !== model.version) fail(`version ${packet.protocolVersion}`);
  if (packet.clientId !== model.clientId) fail(`Client Identifier "${packet.clientId}", not "${model.clientId}"`);
  if (packet.keepalive !== (options.keepAlive ?? 60)) fail(`Keep Alive ${packet.keepalive}`);
  if (v5) {
    const { properties } = packet;
    if (properties?.receiveMaximum !== limits.receiveMaximum) fail("Receive Maximum");
    if (properties?.maximumPacketSize !== limits.packetBytes) fail("Maximum Packet Size");
    if ((properties?.topicAliasMaximum ?? 0) !== limits.aliasesIn) fail("Topic Alias Maximum");
    if ((properties?.sessionExpiryInterval ?? 0) !== (options.sessionExpiry ?? 0)) fail("Session Expiry Interval");
  }
  const { will } = options;
  if ((packet.will !== undefined) !== (will !== undefined)) fail("Will Flag");
  if (will === undefined || packet.will === undefined) return;
  const isSame =
    packet.will.topic === will.topic &&
    Buffer.from(packet.will.payload).equals(Buffer.from(will.payload ?? [])) &&
    packet.will.qos === (will.qos ?? 0) &&
    packet.will.retain === (will.retain ?? false);
  if (!isSame) fail("another will");
  model.reach("will");
}

// PUBLISH

/** The message whose PUBLISH goes next: what is not finished goes again, in order, before what is new. */
function next(model: PeerModel): Outgoing | undefined {
  return model.outgoing.find(({ isOnThis, state }) => !isOnThis && state !== "pubrel owed" && state !== "pubcomp");
}

function publish(model: PeerModel, packet: PublishPacket): void {
  const topic = topicOf(model, packet);
  const text = `PUBLISH QoS ${packet.qos} on ${JSON.stringify(topic)}, ${textOf(packet.payload)}`;
  const outgoing = next(model);
  if (outgoing === undefined) throw new Violation(`${text} that the application did not give it, or not now`);
  const { said } = outgoing;
  const fail = (what: string): never => {
    throw new Violation(`${text}: ${what}`);
  };
  if (topic !== said.topic || !packet.payload.equals(said.payload)) {
    const isKnown = model.outgoing.some((other) => other.said.payload.equals(packet.payload));
    fail(`${isKnown ? "before" : "unknown, where it was to be"} ${textOf(said.payload)} on ${said.topic}`);
  }
  const age = (model.beganAt < 0 ? model.now : model.beganAt) - outgoing.acceptedAt;
  if (said.expiry >= 0 && !outgoing.isBegun && age > said.expiry * 1000 + SLACK) fail("it has expired");
  if (packet.qos !== said.qos) fail(`QoS is ${said.qos}`);
  if (packet.retain !== said.retain) fail(`RETAIN is ${said.retain}`);
  if (model.v5) checkProperties(packet, said, age, fail);
  const { server } = model;
  if (packet.qos > server.maximumQoS) fail(`Maximum QoS is ${server.maximumQoS} [MQTT-3.2.2-11]`);
  if (packet.retain && !server.retainAvailable) fail("Retain Available is 0 [MQTT-3.2.2-14]");
  outgoing.isOnThis = true;
  if (packet.qos === 0) {
    if (packet.dup) fail("DUP [MQTT-3.3.1-2]");
    if (outgoing.isTold) remove(model, outgoing);
    return;
  }
  if (packet.dup !== outgoing.isBegun) fail(`DUP is ${packet.dup} [MQTT-3.3.1-1]`);
  const packetId = packet.messageId ?? 0;
  if (outgoing.state !== "queued" && packetId !== outgoing.packetId) fail(`Packet Identifier was ${outgoing.packetId}`);
  if (packetId === 0) fail("without a Packet Identifier [MQTT-2.2.1-2]");
  checkPacketId(model, packetId, outgoing, text);
  if (packet.dup) model.reach("PUBLISH again");
  outgoing.packetId = packetId;
  outgoing.isBegun = true;
  outgoing.isMaybeThere = false;
  outgoing.state = packet.qos === 1 ? "puback" : "pubrec";
  checkWindow(model);
}

function topicOf(model: PeerModel, packet: PublishPacket): string {
  const alias = packet.properties?.topicAlias;
  if (alias === undefined) return packet.topic;
  const most = Math.min(model.server.aliasMaximum, model.limits.aliasesOut);
  if (alias === 0 || alias > most) throw new Violation(`Topic Alias ${alias}, the maximum is ${most} [MQTT-3.3.2-9]`);
  if (packet.topic !== "") {
    model.aliasesUp.set(alias, packet.topic);
    return packet.topic;
  }
  const topic = model.aliasesUp.get(alias);
  if (topic === undefined) throw new Violation(`Topic Alias ${alias} stands for nothing on this connection`);
  model.reach("alias used");
  return topic;
}

function checkProperties(packet: PublishPacket, said: Said, age: number, fail: (what: string) => never): void {
  const { properties } = packet;
  if (travelling(properties) !== travelling(said.properties)) fail(`properties ${travelling(properties)}`);
  const left = properties?.messageExpiryInterval;
  if ((left !== undefined) !== said.expiry >= 0) fail(`Message Expiry Interval ${left}`);
  if (left === undefined) return;
  const right = Math.max(0, said.expiry * 1000 - age);
  if (Math.abs(left * 1000 - right) > SLACK) fail(`Message Expiry Interval ${left}, not ${right / 1000}`);
}

function checkPacketId(model: PeerModel, packetId: number, own: unknown, text: string): void {
  const isOther = (it: { packetId: number }): boolean => it !== own && it.packetId === packetId;
  const isAsked = [...model.filters.values()].some(
    (filter) => isOther(filter) && (filter.stage === "asked" || filter.stage === "leaving"),
  );
  if (isAsked || model.orphans.has(packetId) || model.outgoing.some(isOther)) {
    throw new Violation(`${text}: Packet Identifier ${packetId} is in use [MQTT-2.2.1-3]`);
  }
}

function checkWindow({ limits, outgoing, server }: PeerModel): void {
  const count = outgoing.filter(({ isOnThis, said }) => isOnThis && said.qos > 0).length;
  const most = Math.min(server.receiveMaximum, limits.inflight);
  if (count > most) throw new Violation(`${count} unfinished PUBLISH, Receive Maximum is ${most} [MQTT-3.3.4-7]`);
}

/** The connection ends: a PUBLISH that was half sent must be the beginning of the one whose turn it was. */
export function checkHalfSent(model: PeerModel, reader: PacketReader): void {
  if (reader.partial === 0 || reader.partialHeader >> 4 !== 3) return;
  const outgoing = next(model);
  if (outgoing === undefined) throw new Violation("half a PUBLISH was sent, and none was to be");
  model.reach("PUBLISH half sent");
  if (outgoing.said.qos > 0) outgoing.isBegun = true;
  const begun = reader.partialPublish(model.version);
  if (begun === undefined) return;
  const topic = begun.topic === "" ? outgoing.said.topic : begun.topic;
  const isIt = outgoing.said.payload.subarray(0, begun.payload.length).equals(begun.payload);
  if (topic !== outgoing.said.topic || !isIt) throw new Violation(`half a PUBLISH on "${topic}" was not to be sent`);
}

// SUBSCRIBE, UNSUBSCRIBE

function subscribe(model: PeerModel, packet: SubscribePacket): void {
  const [asked] = packet.subscriptions;
  if (packet.subscriptions.length !== 1) throw new Violation("SUBSCRIBE for more than one Topic Filter");
  const { nl = false, rap = false, rh = 0 } = asked;
  const options = asked.qos | (nl ? 4 : 0) | (rap ? 8 : 0) | (rh << 4);
  const identifier = packet.properties?.subscriptionIdentifier ?? 0;
  const isIt = (it: Filter): boolean => it.stage === "wanted" && it.options === options && it.identifier === identifier;
  const known = recent(model, asked.topic, isIt);
  if (known === undefined) {
    const { filters } = model;
    throw new Violation(
      `SUBSCRIBE ${JSON.stringify(asked)} as ${identifier}, it is ${filters.get(asked.topic)?.stage}`,
    );
  }
  if (identifier !== 0 && !model.server.identifiersAvailable) {
    throw new Violation(`SUBSCRIBE "${asked.topic}" with an identifier that the server does not know [3.2.2.3.12]`);
  }
  checkPacketId(model, packet.messageId!, known, `SUBSCRIBE "${asked.topic}"`);
  if (known.isAgain) model.reach("subscribed again");
  asks(model, known, "asked", packet.messageId!);
}

/** The application may have changed its mind since the packet was put together; then another follows. */
function recent(model: PeerModel, filter: string, isIt: (it: Filter) => boolean): Filter | undefined {
  let known = model.filters.get(filter);
  while (known !== undefined && !isIt(known)) known = known.before;
  return known;
}

function unsubscribe(model: PeerModel, packet: UnsubscribePacket): void {
  const [filter] = packet.unsubscriptions;
  const known = recent(model, filter, ({ stage }) => stage === "unwanted");
  if (known === undefined) throw new Violation(`UNSUBSCRIBE "${filter}", which is ${model.filters.get(filter)?.stage}`);
  checkPacketId(model, packet.messageId!, known, `UNSUBSCRIBE "${filter}"`);
  asks(model, known, "leaving", packet.messageId!);
}

function asks(model: PeerModel, filter: Filter, stage: Filter["stage"], packetId: number): void {
  const now = model.filters.get(filter.filter)!;
  if (now !== filter && now.stage !== stage) {
    model.orphans.add(packetId);
    return;
  }
  if (now.stage === stage) model.orphans.add(now.packetId); // asked twice: the last one counts
  now.stage = stage;
  now.packetId = packetId;
}

// Acknowledgements

function acknowledgement(
  model: PeerModel,
  packet: Extract<Packet, { cmd: "puback" | "pubrec" | "pubcomp" | "pubrel" }>,
): void {
  const { cmd, messageId } = packet;
  const packetId = messageId!;
  const code = packet.reasonCode ?? 0;
  if (cmd === "pubrel") {
    const isIt = (it: Outgoing): boolean =>
      it.packetId === packetId && (it.state === "pubrel owed" || (it.isMaybeThere && !it.isOnThis));
    settle(model, () => model.outgoing.some(isIt) || find(model, cmd, packetId) !== undefined);
    const outgoing = model.outgoing.find(isIt);
    if (outgoing !== undefined) {
      if (code !== 0) throw new Violation(`PUBREL ${packetId} with 0x${code.toString(16)}`);
      outgoing.state = "pubcomp";
      outgoing.isMaybeThere = false;
      return;
    }
  }
  settle(model, () => find(model, cmd, packetId) !== undefined);
  const owed = find(model, cmd, packetId);
  if (owed === undefined) throw new Violation(`${cmd} ${packetId}, which is not owed`);
  // PUBACK and PUBREC go out in the order of the PUBLISH packets [MQTT-4.6.0-2].
  const first = model.owed.find((other) => other.cmd === "puback" || other.cmd === "pubrec");
  const isOrdered = cmd === "puback" || cmd === "pubrec";
  if (isOrdered && first !== owed) throw new Violation(`${cmd} ${packetId}, before ${first?.cmd} ${first?.packetId}`);
  if (owed.isOpen) throw new Violation(`${cmd} ${packetId}, before the application has accepted the message`);
  if (model.v5 && !owed.codes.includes(code)) throw new Violation(`${cmd} ${packetId} with 0x${code.toString(16)}`);
  model.owed.splice(model.owed.indexOf(owed), 1);
}

function find(model: PeerModel, cmd: string, packetId: number): Owed | undefined {
  return model.owed.find((owed) => owed.cmd === cmd && owed.packetId === packetId);
}
