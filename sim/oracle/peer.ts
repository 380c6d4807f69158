// The oracle of one client of ours: between it and its application on one side, its stream on the other. It knows what
// follows from what passed, and how long that may take by the client's own clock.

import { type Client, Waits } from "../../src/client/client";
import type { ClientLimits } from "../../src/client/limits";
import type { ConnectOptions } from "../../src/client/options";
import { ClientCause, NotAccepted } from "../../src/client/ports";
import { causeName, notAcceptedNames } from "../names";
import type { Packet, PacketReader } from "../packets";
import type { WireTap } from "../peer-wire";
import { Violation } from "./model";
import { accepts, describe, forget, messageBegins, messageEnds, remove, settle, told } from "./peer-incoming";
import { type Filter, type Got, type Outgoing, PeerModel, type Said, sizeOf, textOf } from "./peer-model";
import { checkHalfSent, sentPacket } from "./peer-outgoing";

/** Reason Codes with which the client ends a message itself. */
const OWN_REASONS = [0x95, 0x9a, 0x9b, ClientCause.Expired];

export class PeerOracle implements WireTap {
  readonly model: PeerModel;
  /** How late the client may be with what time brings, ms; it is asked to do something once in a tick. */
  readonly #late: number;
  /** Asked whether it can send at all. */
  isFull: () => boolean = () => false;
  /** How often the broker has accepted a message with this payload, which no other has. */
  routedOf: (payload: Buffer) => number = () => 1;

  constructor(limits: ClientLimits, tick: number, reach: (what: string) => void) {
    this.model = new PeerModel(limits, reach);
    this.#late = 3 * tick + 100;
  }

  violation(text: string): never {
    throw new Violation(text);
  }

  // From the application

  starts(options: ConnectOptions, acceptsByHand: boolean): void {
    const { model } = this;
    model.options = options;
    model.version = options.version ?? 5;
    model.clientId = options.clientId ?? "";
    model.acceptsByHand = acceptsByHand;
    model.isFirst = true;
    model.attempts = -1;
    model.since = model.now;
  }

  stops(): void {
    const { model } = this;
    if (model.state === "waiting") this.#enters("stopped");
    else if (model.state !== "stopped") model.isStopping = true;
  }

  /** `publish` returned `row`. */
  accepted(said: Said, row: number): void {
    const { model } = this;
    const { isOnline, outgoing } = model;
    const text = `${textOf(said.payload)} on ${JSON.stringify(said.topic)}`;
    if (!isTopicName(said.topic, model.limits)) throw new Violation(`accepted ${text}, which is no Topic Name for it`);
    if (said.qos === 0 && !isOnline) throw new Violation(`accepted ${text} at QoS 0 without a connection`);
    if (outgoing.some((other) => other.row === row && !other.isTold))
      throw new Violation(`accepted ${text} as ${row}, which is in use`);
    if (outgoing.filter(({ isTold }) => !isTold).length >= model.limits.messages)
      throw new Violation(`accepted ${text} beyond messages`);
    const fresh = { packetId: 0, isBegun: false, isOnThis: false, isTold: false, isMaybeThere: false, isAnew: false };
    outgoing.push({ said, row, acceptedAt: model.now, state: "queued", ...fresh });
    model.reach(`accepted QoS ${said.qos}`);
  }

  /** `publish` returned why not: is that so? */
  notAccepted(said: Said, reason: NotAccepted): void {
    const { model } = this;
    const { isOnline, limits, outgoing, server } = model;
    model.reach(`not accepted: ${nameOf(reason)}`);
    const check = (holds: boolean): void => {
      const text = `${textOf(said.payload)} on ${JSON.stringify(said.topic)}`;
      if (!holds) throw new Violation(`not accepted: ${text}, for ${nameOf(reason)}, which is not so`);
    };
    switch (reason) {
      case NotAccepted.Messages:
        return check(outgoing.length >= limits.messages);
      case NotAccepted.PayloadBytes: {
        const { blockBytes, payloadBytes } = limits;
        const needed = Math.ceil(sizeOf(said) / blockBytes);
        return check(model.blocksTaken() + needed > Math.floor(payloadBytes / blockBytes));
      }
      case NotAccepted.Topic:
        return check(!isTopicName(said.topic, limits));
      case NotAccepted.Offline:
        return check(said.qos === 0 && (!isOnline || this.model.losing));
      case NotAccepted.Unsupported:
        return check(isOnline && (said.qos > server.maximumQoS || (said.retain && !server.retainAvailable)));
      default:
        return check(false);
    }
  }

  /** `subscribe` returned a row or why not. */
  subscribes(filter: string, options: number, identifier: number, result: number): void {
    const { model } = this;
    const { filters, limits, v5 } = model;
    const known = filters.get(filter);
    if (result < 0) {
      model.reach(`not accepted: ${nameOf(result)}`);
      const isFull = known === undefined && filters.size >= limits.subscriptions;
      const needed = Math.ceil(Buffer.byteLength(filter) / limits.blockBytes);
      const isShort = model.blocksTaken() + needed > Math.floor(limits.payloadBytes / limits.blockBytes);
      const isUnknown = model.isOnline && !model.server.identifiersAvailable;
      const isRight =
        (result === NotAccepted.Topic && !isTopicFilter(filter, limits)) ||
        (result === NotAccepted.Messages && isFull) ||
        (result === NotAccepted.PayloadBytes && known === undefined && isShort) ||
        (result === NotAccepted.Unsupported && identifier > 0 && (!v5 || isUnknown));
      if (!isRight) throw new Violation(`subscription "${filter}" not accepted for ${nameOf(result)}`);
      return;
    }
    if (!isTopicFilter(filter, limits)) throw new Violation(`accepted "${filter}", which is no Topic Filter for it`);
    if (known !== undefined && known.row !== result)
      throw new Violation(`"${filter}" is ${result}, it was ${known.row}`);
    const bits = v5 ? options : options & 3;
    if (known !== undefined) this.#leaves(known);
    const { isAgain = false } = known ?? {};
    const wanted = { filter, row: result, options: bits, identifier, packetId: 0, isAgain, before: known };
    filters.set(filter, { ...wanted, stage: "wanted" });
  }

  unsubscribes(filter: string, result: number): void {
    const known = this.model.filters.get(filter);
    if (result < 0) {
      this.model.reach(`not accepted: ${nameOf(result)}`);
      if (known !== undefined || result !== NotAccepted.Unknown) throw new Violation(`"${filter}" is not unsubscribed`);
      return;
    }
    if (known === undefined || known.row !== result) throw new Violation(`"${filter}" is unsubscribed as ${result}`);
    this.#leaves(known);
    this.model.filters.set(filter, { ...known, stage: "unwanted", before: known });
  }

  /** What was asked for it is not answered, and does not matter any more. */
  #leaves({ packetId, stage }: Filter): void {
    if (stage === "asked" || stage === "leaving") this.model.orphans.add(packetId);
  }

  /** `accept` returned `result`. */
  accepts(packetId: number, result: boolean): void {
    if (accepts(this.model, packetId) !== result) throw new Violation(`accept of ${packetId} returned ${result}`);
  }

  // From its stream

  dialed(): void {
    const { model } = this;
    if (model.state === "waiting") {
      const waited = model.now - model.since;
      const [least, most] = this.#wait();
      if (waited < least) throw new Violation(`connects again after ${waited} ms, the wait is ${least} ms at least`);
      if (waited > most + this.#late) throw new Violation(`connects again after ${waited} ms instead of ${most}`);
      model.reach(model.attempts > 0 ? "dialed again and again" : "dialed again");
    }
    this.#enters("dialing");
    model.isTold = false;
  }

  opened(): void {
    const { model } = this;
    this.#enters("connecting");
    model.connackSeen = false;
    model.isClean = (model.options.cleanStart ?? true) && (model.isFirst || !model.v5);
    model.saidWhy = -1;
    model.receivedAt = model.sentAt = model.wroteAt = model.pingedAt = model.busyAt = model.now;
  }

  told(): void {
    this.model.isTold = true;
  }

  closed(reader: PacketReader): void {
    checkHalfSent(this.model, reader);
  }

  received(count: number): void {
    if (count > 0) this.model.receivedAt = this.model.now;
  }

  receivedPacket(packet: Packet, size: number): void {
    if (packet.cmd === "pingresp") this.model.isPingOwed = false;
    this.model.arrived.push({ packet, size });
  }

  sending(wasHalf: boolean, isHalf: boolean): void {
    const { model } = this;
    if (!isHalf) model.beganAt = -1;
    else if (model.beganAt < 0) model.beganAt = model.now;
    model.sentAt = model.wroteAt = model.now;
    if (wasHalf || isHalf) model.busyAt = model.now; // a PINGREQ has to wait
  }

  sentPacket(packet: Packet, size: number): void {
    sentPacket(this.model, packet, size);
    this.model.beganAt = -1;
  }

  // From the client

  connected(present: boolean): void {
    const { model } = this;
    const due = told(model, "connected");
    if (due.present !== present) throw new Violation(`connected with Session Present ${present}`);
    this.#enters("connected");
    model.isFirst = false;
    model.reach("connected");
  }

  disconnected(reason: number): void {
    const { model } = this;
    const { state } = model;
    if (model.got !== undefined) throw new Violation("disconnected, and the message that began is not lost");
    this.#checkReason(reason);
    model.reach(`disconnected: ${causeName(reason)}`);
    forget(model);
    model.isLost = model.losing = model.isPaused = model.isPingOwed = false;
    const forgotten = model.outgoing.find(({ said, isTold }) => said.qos === 0 && !isTold);
    if (forgotten !== undefined) throw new Violation(`QoS 0 ${textOf(forgotten.said.payload)} never ends`);
    model.outgoing = model.outgoing.filter(({ said }) => said.qos > 0);
    for (const outgoing of model.outgoing) {
      outgoing.isOnThis = false;
      if (outgoing.state === "pubcomp") outgoing.state = "pubrel owed";
    }
    for (const filter of model.filters.values()) {
      if (filter.stage === "asked") filter.stage = "wanted";
      else if (filter.stage === "leaving") filter.stage = "unwanted";
    }
    model.attempts = state === "connected" ? 0 : model.attempts + 1;
    if (state === "connecting") model.isUnsure = true;
    if (state === "stopped") throw new Violation("disconnected after it was stopped");
    this.#enters(model.isStopping ? "stopped" : "waiting");
    model.isStopping = false;
  }

  published(row: number, code: number): void {
    const { model } = this;
    const outgoing = model.outgoing.find((other) => other.row === row && !other.isTold);
    if (outgoing !== undefined && !outgoing.isOnThis && OWN_REASONS.includes(code)) {
      this.#dropped(outgoing, code);
      return;
    }
    if (outgoing?.isMaybeThere && code === 0 && !outgoing.isOnThis) {
      remove(model, outgoing); // and the server has forgotten the session
    } else if (outgoing !== undefined && outgoing.said.qos === 0 && code === ClientCause.Lost) {
      model.losing = true;
      outgoing.isTold = true;
      model.reach("QoS 0 is lost with its connection");
      return;
    } else if (outgoing !== undefined && outgoing.said.qos === 0) {
      if (code !== 0) throw new Violation(`QoS 0 ended with 0x${code.toString(16)}`);
      if (outgoing.isOnThis) remove(model, outgoing);
      outgoing.isTold = true;
    } else {
      const due = told(model, "published");
      if (outgoing?.state === "pubrel owed") remove(model, outgoing);
      if (code < 0x80) this.#checkRouted(due.outgoing);
      if (due.row !== row || due.code !== code) {
        throw new Violation(
          `published ${row} with 0x${code.toString(16)}, not ${due.row} with 0x${due.code.toString(16)}`,
        );
      }
    }
    model.reach(code < 0x80 ? "published" : "published, refused");
  }

  /** What it told as published the broker has, and QoS 2 once. Before 5.0 it does not say what it refuses. */
  #checkRouted({ isAnew, said }: Outgoing): void {
    if (said.payload.length === 0) return;
    const count = this.routedOf(said.payload);
    const text = `${textOf(said.payload)}, QoS ${said.qos}, which the broker has accepted ${count} times, is published`;
    if (count === 0 && this.model.v5) throw new Violation(text);
    if (count > 1 && said.qos === 2 && !isAnew) throw new Violation(text);
  }

  /** The client itself gave a message up. */
  #dropped(outgoing: Outgoing, code: number): void {
    const { model } = this;
    const { said } = outgoing;
    const { maximumPacketSize, maximumQoS, retainAvailable } = model.server;
    const age = model.now - outgoing.acceptedAt;
    // The head of a PUBLISH is 20 bytes at most.
    const mayBeLarge = maximumPacketSize > 0 && sizeOf(said) + 20 > maximumPacketSize;
    const isSo =
      (code === 0x95 && mayBeLarge) ||
      (code === 0x9a && said.retain && !retainAvailable) ||
      (code === 0x9b && said.qos > maximumQoS) ||
      (code === ClientCause.Expired && said.expiry >= 0 && age >= said.expiry * 1000 - 70);
    if (!isSo) throw new Violation(`${textOf(said.payload)} was given up for 0x${code.toString(16)}, which is not so`);
    if (code === ClientCause.Expired && outgoing.isBegun) throw new Violation("given up as expired after it had begun");
    remove(model, outgoing);
    model.reach(`given up: ${causeName(code)}`);
  }

  subscribed(kind: "subscribed" | "unsubscribed", row: number, code: number): void {
    if (this.#givesUpFilter(kind, row, code)) return;
    const due = told(this.model, kind);
    if (due.row !== row || due.code !== code) throw new Violation(`${kind} ${row} with ${code}, not ${due.code}`);
    this.model.reach(kind);
  }

  /** The client itself gave a Topic Filter up, which the server would not take. */
  #givesUpFilter(kind: string, row: number, code: number): boolean {
    const { filters, server } = this.model;
    const stage = kind === "subscribed" ? "wanted" : "unwanted";
    const filter = [...filters.values()].find((other) => other.row === row && other.stage === stage);
    if (filter === undefined) return false;
    const size = Buffer.byteLength(filter.filter) + 14;
    const isLarge = code === 0x95 && server.maximumPacketSize > 0 && size > server.maximumPacketSize;
    if (!isLarge && !(code === 0xa1 && filter.identifier > 0 && !server.identifiersAvailable)) return false;
    filters.delete(filter.filter);
    this.model.strays.add(filter.filter);
    this.model.reach(`${stage} filter given up: ${causeName(code)}`);
    return true;
  }

  messageBegins(got: Got): void {
    if (this.model.state !== "connected") throw new Violation("a message without a connection");
    messageBegins(this.model, got);
  }

  messageEnds(): Got {
    this.model.reach("message");
    return messageEnds(this.model);
  }

  messageLost(): void {
    const { model } = this;
    if (model.got === undefined) throw new Violation("a message is lost that did not begin");
    model.got = undefined;
    model.isLost = true;
    model.reach("message lost");
  }

  // Time

  tick(now: number): void {
    this.model.now = now;
    for (const filter of this.model.filters.values()) filter.before = undefined;
  }

  /** Nothing is late. After the client had its turn. */
  check(client: Client): void {
    const { model } = this;
    const { limits, now, state } = model;
    if (model.isLost || model.losing) throw new Violation("a message was lost, and the connection is not");
    const unsent = model.outgoing.find(({ isTold }) => isTold);
    if (unsent !== undefined) throw new Violation(`QoS 0 ${textOf(unsent.said.payload)} is told as sent, and is not`);
    if (client.waits !== Waits.Nothing) model.reach("waits for room");
    const since = now - model.since;
    if (state === "waiting" && since > this.#wait()[1] + this.#late)
      throw new Violation(`has not connected for ${since} ms`);
    if (state === "dialing" || state === "connecting") {
      if (since > limits.connectMilliseconds + this.#late) throw new Violation(`still ${state} after ${since} ms`);
    }
    if (state !== "connected") return;
    if (model.isPaused || model.owed.length > 0) model.busyAt = now;
    if (this.isFull()) model.sentAt = now;
    if (model.keepAlive === 0) return;
    const silent = now - Math.max(model.receivedAt, model.busyAt);
    if (silent > model.keepAlive * 1500 + this.#late) throw new Violation(`the server is silent for ${silent} ms`);
    const idle = now - model.sentAt;
    if (idle > model.keepAlive * 1000 + this.#late) throw new Violation(`nothing sent for ${idle} ms [MQTT-3.1.2-20]`);
  }

  /** It says that it has nothing to do: then it has worked on all that it was given, unless something keeps it. */
  checkRest(): void {
    const { model } = this;
    const { incoming, limits, owed } = model;
    if (model.isPaused || owed.length > 0 || incoming.size >= limits.receiveMaximum) return;
    settle(model, () => false);
    if (model.due.length > 0) throw new Violation(`rests, and has to tell ${describe(model.due[0])}`);
  }

  /** What is not finished; "" for nothing. */
  left(): string {
    const { arrived, due, filters, outgoing, owed } = this.model;
    if (outgoing.length > 0) return `${textOf(outgoing[0].said.payload)} is ${outgoing[0].state}`;
    if (owed.length > 0) return `${owed[0].cmd} ${owed[0].packetId} is owed${owed[0].isOpen ? ", not accepted" : ""}`;
    for (const { filter, stage } of filters.values()) if (stage !== "granted") return `"${filter}" is ${stage}`;
    if (due.length > 0) return `has not told ${due[0].kind}`;
    return arrived.some(({ packet }) => packet.cmd === "publish") ? "has not worked on all it was sent" : "";
  }

  #enters(state: PeerModel["state"]): void {
    this.model.state = state;
    this.model.since = this.model.now;
  }

  /** Between half of what it is, and that: it doubles from attempt to attempt. */
  #wait(): [least: number, most: number] {
    const { reconnectMilliseconds, reconnectMostMilliseconds } = this.model.limits;
    const doubled = reconnectMilliseconds * 2 ** Math.max(0, this.model.attempts);
    const most = Math.min(doubled, reconnectMostMilliseconds);
    return [Math.floor(most / 2), most];
  }

  #checkReason(reason: number): void {
    const { model } = this;
    const { limits, now, state } = model;
    const fail = (why: string): never => {
      throw new Violation(`disconnected with ${causeName(reason)}: ${why}`);
    };
    // What was stopped while it lost its messages was lost before.
    if (model.isStopping && !model.losing && reason !== ClientCause.Stopped) fail("it was stopped");
    switch (reason) {
      case ClientCause.Lost:
        if (!model.isTold) fail("its stream is whole");
        return;
      case ClientCause.ConnectTimeout:
        if (state !== "dialing" && state !== "connecting") fail("it was connected");
        if (now - model.since < limits.connectMilliseconds) fail(`after ${now - model.since} ms`);
        return;
      case ClientCause.Silent: {
        // No answer to a PINGREQ; or one that could not even be sent.
        const silent = now - model.receivedAt;
        const unanswered = Math.min(silent, now - Math.min(model.pingedAt, model.wroteAt));
        const patience = model.keepAlive * 750 - this.#late;
        if (model.keepAlive === 0) fail("its Keep Alive is 0");
        if (!model.isPingOwed && now - model.wroteAt < patience) fail("its PINGREQ was answered");
        if (unanswered < patience) fail(`${silent} ms after the last byte`);
        return;
      }
      case ClientCause.Stopped:
        if (!model.isStopping) fail("nobody stopped it");
        return;
      default: {
        settle(model, () => false);
        const [due] = model.due;
        if (due?.kind !== "disconnected") return this.#checkBlame(reason, fail);
        if (due.reason !== reason) fail(`the server said 0x${due.reason.toString(16)}`);
      }
    }
  }

  /** The client called the server wrong: the broker is not, but one before 5.0 does not know its Receive Maximum. */
  #checkBlame(reason: number, fail: (why: string) => never): void {
    const { incoming, limits, owed, v5 } = this.model;
    const most = limits.receiveMaximum + (v5 ? 0 : limits.receiveShared);
    if (reason !== 0x93 || incoming.size + owed.length < most) fail("the server did nothing wrong");
  }
}

function nameOf(reason: number): string {
  return notAcceptedNames[-reason] ?? String(reason);
}

function isText(text: string, { topicBytes, topicLevels }: ClientLimits): boolean {
  const bytes = Buffer.byteLength(text);
  return bytes > 0 && bytes <= topicBytes && !text.includes("\0") && text.split("/").length <= topicLevels;
}

function isTopicName(topic: string, limits: ClientLimits): boolean {
  return isText(topic, limits) && !/[+#]/.test(topic);
}

function isTopicFilter(filter: string, limits: ClientLimits): boolean {
  const levels = filter.split("/");
  const isValid = levels.every(
    (level, i) => level === "+" || (level === "#" && i === levels.length - 1) || !/[+#]/.test(level),
  );
  return isText(filter, limits) && isValid;
}
