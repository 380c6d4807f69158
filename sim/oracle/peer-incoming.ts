// What a client of ours was sent, in order, and what it must make of it. It shows what it has worked on by what it tells
// and sends; packets before that are done with, and what it should have told of them is missed here.

import type { Packet, PublishPacket } from "../packets";
import { travelling } from "../packets";
import { Violation } from "./model";
import { type Due, type Got, type Outgoing, type PeerModel, textOf, UNLIMITED } from "./peer-model";

/** Goes on to the next packets until `holds`; stops where something is to be told first. */
export function settle(model: PeerModel, holds: () => boolean): void {
  while (!holds() && model.due.length === 0) {
    const arrived = model.arrived.shift();
    if (arrived === undefined) return;
    works(model, arrived.packet, arrived.size);
  }
}

/** The client tells something that must follow from a packet: from which? */
export function told<K extends Due["kind"]>(model: PeerModel, kind: K): Extract<Due, { kind: K }> {
  settle(model, () => false);
  const due = model.due.shift();
  if (due === undefined) throw new Violation(`told "${kind}", and no packet says so`);
  if (due.kind !== kind) throw new Violation(`told "${kind}", where it had to tell ${describe(due)}`);
  return due as Extract<Due, { kind: K }>;
}

export function describe(due: Due): string {
  if (due.kind === "published") return `that ${due.row} ended with ${due.code}`;
  if (due.kind !== "message") return JSON.stringify(due);
  return `the message ${textOf(due.packet.payload)} on ${JSON.stringify(due.packet.topic)}`;
}

/** The client has worked on a packet. */
function works(model: PeerModel, packet: Packet, size: number): void {
  const packetId = packet.messageId ?? 0;
  switch (packet.cmd) {
    case "connack":
      return connack(model, packet);
    case "publish":
      return publish(model, packet as PublishPacket, size);
    case "puback":
    case "pubrec":
    case "pubcomp":
      return acknowledgement(model, packet.cmd, packetId, packet.reasonCode ?? 0);
    case "pubrel": {
      const isKnown = model.incoming.delete(packetId);
      const isMaybe = model.released.delete(packetId);
      model.owed.push({ cmd: "pubcomp", packetId, codes: [isKnown ? 0 : 0x92, isMaybe ? 0x92 : 0], isOpen: false });
      if (!isKnown) model.reach("PUBREL unknown");
      return;
    }
    case "suback":
    case "unsuback":
      return filtersAck(model, packet.cmd, packetId, (packet.granted ?? []) as number[]);
    case "pingresp":
      return;
    case "disconnect":
      model.due.push({ kind: "disconnected", reason: packet.reasonCode ?? 0 });
      model.reach("DISCONNECT received");
      return;
    default:
      throw new Violation(`${packet.cmd} came from the server`);
  }
}

/** What return codes of 3.1.1 are in 5.0. */
const REASONS = [0, 0x84, 0x85, 0x88, 0x86, 0x87];

function connack(model: PeerModel, packet: Extract<Packet, { cmd: "connack" }>): void {
  const { limits, v5 } = model;
  const code = v5 ? (packet.reasonCode ?? 0) : REASONS[packet.returnCode ?? 0];
  if (code !== 0) {
    model.due.push({ kind: "disconnected", reason: code });
    model.reach("CONNECT refused");
    return;
  }
  const properties = packet.properties ?? {};
  model.server = {
    ...UNLIMITED,
    receiveMaximum: properties.receiveMaximum ?? 65535,
    maximumPacketSize: properties.maximumPacketSize ?? 0,
    aliasMaximum: properties.topicAliasMaximum ?? 0,
    maximumQoS: properties.maximumQoS ?? 2,
    retainAvailable: properties.retainAvailable ?? true,
    identifiersAvailable: properties.subscriptionIdentifiersAvailable ?? true,
  };
  model.keepAlive = properties.serverKeepAlive ?? model.options.keepAlive ?? 60;
  if (properties.assignedClientIdentifier !== undefined) model.clientId = properties.assignedClientIdentifier;
  model.aliasesUp.clear();
  model.aliasesDown.clear();
  const { sessionPresent: present } = packet;
  if (present && model.isUnsure) doubts(model);
  model.isUnsure = false;
  if (!present) begins(model);
  else model.reach(model.outgoing.some(({ isBegun }) => isBegun) ? "resumed with messages" : "resumed");
  model.due.push({ kind: "connected", present });
  if (limits.aliasesIn > 0) model.reach("aliases allowed");
}

/** The server has no session: all begins anew, and what it had received it has. */
function begins(model: PeerModel): void {
  model.incoming.clear();
  model.released.clear();
  model.strays.clear();
  for (const outgoing of [...model.outgoing]) {
    if (outgoing.state === "pubrel owed" || outgoing.state === "pubcomp") {
      model.due.push({ kind: "published", row: outgoing.row, code: 0, outgoing });
      model.reach("released without PUBCOMP");
      continue;
    }
    if (outgoing.isBegun) {
      outgoing.isAnew = true;
      model.reach("sent anew");
    }
    outgoing.state = "queued";
    outgoing.isBegun = false;
    outgoing.packetId = 0;
  }
  subscribesAgain(model);
}

function subscribesAgain(model: PeerModel): void {
  for (const filter of model.filters.values()) {
    if (filter.stage !== "granted") continue;
    filter.stage = "wanted";
    filter.isAgain = true;
  }
}

/** The session that is present may not be the one that the client knows: it asks for all that it had asked for. */
function doubts(model: PeerModel): void {
  for (const outgoing of model.outgoing) if (outgoing.isBegun) outgoing.isAnew = true;
  subscribesAgain(model);
  model.reach("present after a CONNECT without an answer");
}

export function remove(model: PeerModel, outgoing: Outgoing): void {
  model.outgoing.splice(model.outgoing.indexOf(outgoing), 1);
}

function acknowledgement(model: PeerModel, cmd: string, packetId: number, code: number): void {
  const outgoing = model.outgoing.find((it) => it.packetId === packetId && it.state !== "queued");
  const state = outgoing?.isOnThis || outgoing?.state === "pubcomp" ? outgoing.state : undefined;
  const ends = (told: number): void => {
    remove(model, outgoing!);
    model.due.push({ kind: "published", row: outgoing!.row, code: told, outgoing: outgoing! });
  };
  if (cmd === "puback") {
    if (state === "puback") ends(code);
  } else if (cmd === "pubcomp") {
    if (state === "pubcomp") ends(0);
  } else if (state === "pubrec") {
    if (code >= 0x80) ends(code);
    else outgoing!.state = "pubrel owed";
  } else if (state === "pubcomp") {
    outgoing!.state = "pubrel owed";
  } else if (state !== "pubrel owed" && outgoing?.state !== "pubrel owed" && code < 0x80) {
    model.owed.push({ cmd: "pubrel", packetId, codes: [0x92], isOpen: false });
  }
}

/**
 * The connection is gone. Of the packets that the client was given, up to the first of which it had to tell, nobody knows
 * how many it has worked on.
 */
export function forget(model: PeerModel): void {
  for (const { packet } of model.due.length > 0 ? [] : model.arrived) {
    const packetId = packet.messageId ?? 0;
    if (packet.cmd === "pubrel") {
      if (model.incoming.has(packetId)) model.released.add(packetId);
    } else if (packet.cmd === "pubrec" && (packet.reasonCode ?? 0) < 0x80) {
      const outgoing = model.outgoing.find((it) => it.packetId === packetId && it.isOnThis && it.state === "pubrec");
      if (outgoing !== undefined) outgoing.isMaybeThere = true;
    } else if (packet.cmd === "puback" || packet.cmd === "publish") {
      break;
    }
  }
  model.orphans.clear();
  model.beganAt = -1;
  model.arrived = [];
  model.due = [];
  model.owed = [];
}

function filtersAck(model: PeerModel, cmd: string, packetId: number, codes: number[]): void {
  const stage = cmd === "suback" ? "asked" : "leaving";
  const filter = [...model.filters.values()].find((it) => it.stage === stage && it.packetId === packetId);
  model.orphans.delete(packetId);
  if (filter === undefined) return; // the application has thought better of it
  const code = codes[0] ?? 0;
  if (cmd === "suback" && code < 0x80) filter.stage = "granted";
  else model.filters.delete(filter.filter);
  model.due.push({ kind: cmd === "suback" ? "subscribed" : "unsubscribed", row: filter.row, code });
  if (cmd === "suback" && code >= 0x80) model.reach("SUBSCRIBE refused");
}

// Messages

function publish(model: PeerModel, packet: PublishPacket, size: number): void {
  const packetId = packet.messageId ?? 0;
  const alias = packet.properties?.topicAlias;
  const tooLong = tooLongPart(model, packet, size);
  const isRefused = tooLong !== "";
  let { topic } = packet;
  if (alias !== undefined) {
    // A Topic Name that it could not take is not known to it either.
    if (topic !== "") model.aliasesDown.set(alias, isRefused ? "" : topic);
    else topic = model.aliasesDown.get(alias) ?? "";
    model.reach("alias received");
  }
  // Of properties that it could not take it does not know which alias was among them.
  if (tooLong === "properties" && packet.topic !== "") {
    for (let any = 1; any <= model.limits.aliasesIn; any++) model.aliasesDown.set(any, "");
  }
  const isUnknown = packet.topic === "" && topic === "";
  const isRepeated = packet.qos === 2 && model.incoming.has(packetId);
  if (isRepeated) {
    const isPending = model.owed.some((owed) => owed.cmd === "pubrec" && owed.packetId === packetId);
    const isOpen = model.incoming.get(packetId) === false;
    if (!isPending) model.owed.push({ cmd: "pubrec", packetId, codes: [0], isOpen });
    model.reach("QoS 2 repeated");
    return;
  }
  if (isRefused || isUnknown) {
    const cmd = packet.qos === 1 ? "puback" : "pubrec";
    if (packet.qos > 0) model.owed.push({ cmd, packetId, codes: [model.v5 ? 0x97 : 0], isOpen: false });
    if (packet.qos === 2 && !model.v5) model.incoming.set(packetId, true);
    model.reach(isUnknown ? "message refused for its alias" : "message refused");
    return;
  }
  model.due.push({ kind: "message", packet: { ...packet, topic }, size });
}

/** What of it is longer than the client's limits. */
function tooLongPart({ limits, v5 }: PeerModel, packet: PublishPacket, size: number): "" | "topic" | "properties" {
  const topicBytes = Buffer.byteLength(packet.topic);
  const hasLevels = packet.topic !== "" && packet.topic.split("/").length > limits.topicLevels;
  const topic = topicBytes > limits.topicBytes || hasLevels ? "topic" : "";
  if (!v5) return topic;
  const remaining = size - 1 - variableLength(packet.length ?? 0);
  const rest = remaining - 2 - topicBytes - (packet.qos > 0 ? 2 : 0) - packet.payload.length;
  const properties = rest - (rest > 128 ? 2 : 1); // with their length of one byte, or two
  const { correlationData, responseTopic, contentType } = packet.properties ?? {};
  const longest = Math.max(correlationData?.length ?? 0, responseTopic?.length ?? 0, contentType?.length ?? 0);
  return topicBytes + properties > limits.headBytes || longest + 3 > limits.stageBytes ? "properties" : topic;
}

function variableLength(value: number): number {
  return value < 128 ? 1 : value < 16384 ? 2 : value < 2097152 ? 3 : 4;
}

/** A message begins for the application. */
export function messageBegins(model: PeerModel, got: Got): void {
  if (model.got !== undefined) throw new Violation("a message begins within another");
  settle(model, () => false);
  model.got = got;
  const [due] = model.due;
  if (due !== undefined) {
    if (due.kind !== "message") throw new Violation(`a message begins, where it had to tell ${describe(due)}`);
    checkHead(got, due.packet);
  } else if (got.qos === 2 && model.incoming.has(got.packetId)) {
    throw new Violation(`QoS 2 ${got.packetId} is given again [MQTT-4.3.3-10]`);
  }
}

/** It is complete. */
export function messageEnds(model: PeerModel): Got {
  const { got } = model;
  if (got === undefined) throw new Violation("the end of no message");
  model.got = undefined;
  const { packet } = told(model, "message");
  checkHead(got, packet);
  if (!got.payload.equals(packet.payload)) {
    throw new Violation(`message ${textOf(got.payload)}: its payload is ${textOf(packet.payload)}`);
  }
  if (got.payloadLength !== packet.payload.length) throw new Violation(`payload of ${got.payloadLength} bytes`);
  const { packetId, qos } = got;
  if (qos === 0) return got;
  model.owed.push({ cmd: qos === 1 ? "puback" : "pubrec", packetId, codes: [0], isOpen: model.acceptsByHand });
  if (qos === 2) model.incoming.set(packetId, !model.acceptsByHand);
  return got;
}

function checkHead(got: Got, packet: PublishPacket): void {
  const fail = (what: string): never => {
    throw new Violation(`message ${textOf(packet.payload)} on ${JSON.stringify(packet.topic)}: ${what}`);
  };
  if (got.topic !== packet.topic) fail(`its topic is ${JSON.stringify(got.topic)}`);
  if (got.qos !== packet.qos) fail(`QoS ${got.qos}`);
  if (got.retain !== packet.retain) fail(`RETAIN ${got.retain}`);
  if (got.dup !== packet.dup) fail(`DUP ${got.dup}`);
  if (got.packetId !== (packet.messageId ?? 0)) fail(`Packet Identifier ${got.packetId}`);
  if (got.expiry !== (packet.properties?.messageExpiryInterval ?? -1)) fail(`Message Expiry Interval ${got.expiry}`);
  if (travelling(got.properties) !== travelling(packet.properties)) fail(`properties ${travelling(got.properties)}`);
  const identifiers = JSON.stringify(got.properties?.subscriptionIdentifier);
  if (identifiers !== JSON.stringify(packet.properties?.subscriptionIdentifier)) fail(`identifiers ${identifiers}`);
}

/** The application accepts a message: does that count? */
export function accepts(model: PeerModel, packetId: number): boolean {
  const owed = model.owed.find((other) => other.isOpen && other.packetId === packetId);
  const isWaiting = owed !== undefined || model.incoming.get(packetId) === false;
  if (owed !== undefined) owed.isOpen = false;
  if (model.incoming.has(packetId)) model.incoming.set(packetId, true);
  return isWaiting;
}
