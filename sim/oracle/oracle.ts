// The oracle sits between broker and transport and sees, in the broker's own order, every byte taken and sent, every
// event, and when a message is routed. From that it knows what must follow. Of the broker itself it reads only how much
// input is left, which tells the packet at hand, whether a SUBACK is owed, and the Client Identifier of a session.

import { Owes } from "../../src/broker/connections";
import { Drop, Event, Limit } from "../../src/events";
import type { Broker } from "../../src/index";
import type { Tap } from "../network";
import { PacketReader, type PublishPacket } from "../packets";
import type { Piece, Stream } from "../stream";
import { droppedExpired, droppedTooLarge } from "./drops";
import { isRepeated, taken } from "./incoming";
import { Connection, isExpired, type Message, type Model, messageOf, type Session, Violation } from "./model";
import { sent } from "./outgoing";
import { type Routing, replaced, routed } from "./routing";
import { abandoned, checkTime, connected, disconnected, ended, reads, refused, unfinished, willGoes } from "./sessions";

/** Who wants to know what happened. */
export interface Observer {
  packet(connection: number, direction: "in" | "out", name: string, id: number): void;
  event(code: Event, a: number, b: number): void;
  /** A message went out `latency` ms after it was accepted. */
  delivered(latency: number): void;
  accepted(message: Message): void;
}

export class Oracle implements Tap {
  readonly model: Model;
  readonly #broker: Broker;
  readonly #observer: Observer;
  /** Sessions that ended and whose will may still go, by row. */
  readonly #ended = new Map<number, Session>();
  /** The connection whose input is at hand. */
  #current: Connection | undefined;
  #routing: Routing | undefined;
  /** Whose turn it is, or was last. */
  #turn = 0;
  #limit = 0;

  constructor(broker: Broker, observer: Observer) {
    this.#broker = broker;
    this.#observer = observer;
    this.model = {
      limits: broker.limits,
      now: 0,
      sessions: new Map(),
      retained: new Map(),
      connections: new Map(),
      sequence: 0,
    };
    this.#watchRouter();
  }

  violation(text: string): never {
    throw new Violation(text);
  }

  // From the network

  opened(stream: Stream): void {
    const connection = new Connection(stream.connection, stream, new PacketReader(stream.version));
    connection.openedAt = connection.lastReceivedAt = this.model.now;
    this.model.connections.set(stream.connection, connection);
  }

  received(stream: Stream): void {
    const connection = this.#connection(stream.connection);
    if (connection !== this.#current) this.#turnOver();
    this.#progress(connection, stream.consumed - stream.received, true);
    this.#current = connection;
    if (connection.heldAt >= 0) {
      // Its Keep Alive and the time for its packet begin anew.
      connection.lastReceivedAt = this.model.now;
      if (connection.beganAt >= 0) connection.beganAt = this.model.now;
      connection.heldAt = -1;
    }
    if (stream.received === 0) return;
    connection.lastReceivedAt = this.model.now;
    this.#noteFull(connection);
    if (connection.beganAt < 0) connection.beganAt = this.model.now;
  }

  gaveBack(stream: Stream): void {
    this.#current = undefined;
    this.#progress(this.#connection(stream.connection), stream.consumed, true);
  }

  sent(stream: Stream, bytes: Uint8Array): void {
    const connection = this.#connection(stream.connection);
    const { reader } = connection;
    // In the middle of its turn only what comes before the packet at hand is done with.
    this.#progress(connection, this.#offset(connection), connection !== this.#current, true);
    if (reader.partial === 0) connection.frameBeganAt = this.model.now;
    reader.push(bytes);
    for (;;) {
      const found = this.#next(reader);
      if (found === undefined) break;
      const { packet, size } = found;
      stream.lastEnd += size;
      stream.packets.push({ end: stream.lastEnd, packet });
      this.#observer.packet(connection.number, "out", packet.cmd, packet.messageId ?? 0);
      const message = sent(this.model, connection, packet, size);
      if (packet.cmd.startsWith("pub")) connection.answered(this.model.now);
      if (message !== undefined) this.#observer.delivered(this.model.now - message.acceptedAt);
      connection.frameBeganAt = this.model.now;
    }
  }

  closed(stream: Stream, number: number): void {
    const connection = this.#connection(number);
    if (this.#current === connection) this.#current = undefined;
    if (connection.isConnected && connection.endedFor < 0) throw new Violation("closed without an event");
    this.model.connections.delete(number);
    stream.pieces.length = 0;
  }

  // From the broker

  event(code: Event, a: number, b: number): void {
    this.#observer.event(code, a, b);
    switch (code) {
      case Event.Connected: {
        const connection = this.#connection(a);
        this.#takeConnect(connection);
        connected(this.model, connection, this.#broker.clientId(a), this.#broker.sessionOf(a), b === 1);
        return;
      }
      case Event.ConnectRefused: {
        const connection = this.#connection(a);
        this.#takeConnect(connection);
        refused(this.model, connection, b, this.#limit);
        this.#limit = 0;
        return;
      }
      case Event.LimitReached:
        this.#limit = b;
        if (b === Limit.receiveMaximum) this.#progress(this.#connection(a), this.#offset(this.#connection(a)), false);
        return;
      case Event.Disconnected: {
        const connection = this.#connection(a);
        this.#progress(connection, this.#offset(connection), true);
        this.#reopen(connection);
        disconnected(this.model, connection, b);
        return;
      }
      case Event.Abandoned:
        return abandoned(this.model, this.#connection(a), b, this.#limit);
      case Event.SessionEnded: {
        const session = this.#session(a);
        ended(this.model, session, b === 1);
        if (session.will !== undefined) this.#ended.set(a, session);
        return;
      }
      case Event.PublishRefused:
      case Event.PublishDropped: {
        const connection = this.#connection(a);
        const packet = this.#publishAtHand(connection);
        if ((packet.qos === 0) !== (code === Event.PublishDropped)) throw new Violation("refused as another QoS");
        if (connection.publish !== "lenient") connection.publish = "refused";
        return;
      }
      case Event.SubscribeRefused:
        return this.#subscribeRefused(this.#connection(a), b);
      case Event.Dropped:
        return this.#dropped(this.#session(a), b);
      case Event.RetainRefused:
        return;
      case Event.WillPublished:
      case Event.WillDropped:
        return willGoes(this.model, this.#session(a));
      case Event.Held:
        this.#connection(a).heldAt = this.model.now;
        return;
      default:
        return;
    }
  }

  /** A SUBSCRIBE of which all is read may still be in the making: a turn can end before it is. */
  #reopen(connection: Connection): void {
    const { connections, layout } = this.#broker;
    const last = connection.filterAcks[connection.filterAcks.length - 1];
    const isOwed = (layout.u8[connections.owes + connection.number] & Owes.FiltersAck) !== 0;
    if (last !== undefined && !isOwed) last.isComplete = false;
  }

  /** The broker's step is over. */
  stepped(): void {
    this.#turnOver();
    for (const connection of this.model.connections.values()) {
      this.#progress(connection, connection.stream.consumed, true);
    }
    for (const session of this.#ended.values()) {
      if (session.will !== undefined) throw new Violation(`the will of ${session.id} did not go with its session`);
    }
    this.#ended.clear();
  }

  tick(now: number): void {
    this.model.now = now;
    checkTime(this.model);
  }

  /** Whether nothing is left to send to a session or to expect from it; otherwise what. */
  leftFor(id: string): string {
    const session = this.model.sessions.get(id);
    if (session === undefined) return "";
    const { expected, flights, connection, replays } = session;
    let full = session.droppedFull;
    const superseded = new Map(session.droppedSuperseded);
    for (const { message, isOptional } of expected) {
      if (isOptional || isExpired(message, this.model.now, -500)) continue;
      const count = superseded.get(message.topic) ?? 0;
      if (count > 0) superseded.set(message.topic, count - 1);
      else if (full-- <= 0) return `"${message.payload.subarray(0, 12).toString("latin1")}" was not delivered to ${id}`;
    }
    if (flights.length > 0) return `${flights.length} messages to ${id} are not acknowledged`;
    if (connection === undefined) return `${id} is away`;
    if (connection.owed.length > 0) return `${connection.owed[0].cmd} is owed to ${id}`;
    if (connection.filterAcks.length > 0) return `${connection.filterAcks[0].cmd} is owed to ${id}`;
    const missing = replays.filter(
      ({ isRequired, message }) => isRequired && !isExpired(message, this.model.now, -500),
    );
    const forgiven = [...superseded.values()].reduce(
      (sum, count) => sum + count,
      session.lostReplays + Math.max(full, 0),
    );
    if (missing.length > forgiven) return `retained "${missing[0].message.topic}" was not sent to ${id}`;
    return "";
  }

  // Which packet is at hand

  #connection(number: number): Connection {
    const connection = this.model.connections.get(number);
    if (connection === undefined) throw new Violation(`connection ${number} is not open`);
    return connection;
  }

  #session(row: number): Session {
    const id = this.#broker.sessionClientId(row);
    const session = this.model.sessions.get(id) ?? this.#ended.get(row);
    if (session === undefined) throw new Violation(`session ${row}, "${id}", does not exist`);
    return session;
  }

  /** How many bytes of a connection the broker has used. */
  #offset(connection: Connection): number {
    const { consumed } = connection.stream;
    return connection === this.#current ? consumed - this.#broker.decoder.input.left : consumed;
  }

  /** What was read by the connection at hand before is done with. */
  #turnOver(): void {
    const connection = this.#current;
    if (connection === undefined) return;
    this.#current = undefined;
    this.#progress(connection, connection.stream.consumed, true);
  }

  /** The broker has used the stream up to `offset`; what ends there is done with too, if `inclusive`. */
  #progress(connection: Connection, offset: number, inclusive: boolean, isAnswered = false): void {
    const { pieces } = connection.stream;
    while (pieces.length > 0) {
      const piece = pieces[0];
      const { publish } = connection;
      const isPublish = piece.packet.cmd === "publish";
      const isRouted = publish === "accepted" || publish === "cleared" || (isAnswered && publish !== "waits");
      const isDone = isRouted || (isAnswered && !isPublish && piece.filter < 0);
      if (piece.end > offset || (piece.end === offset && !inclusive && !isDone)) break;
      if (!this.#finish(connection, piece)) {
        if (offset > piece.end) throw new Violation("a PUBLISH was neither routed nor refused");
        return;
      }
    }
    const { begins } = connection.stream;
    if (offset <= begins) connection.beganAt = -1;
    else if (connection.beganAt < 0) connection.beganAt = this.model.now;
  }

  /** A piece is done with. False when it waits. */
  #finish(connection: Connection, piece: Piece, isRefused = false, code = 0): boolean {
    if (!taken(this.model, connection, piece, isRefused, code)) return false;
    connection.stream.pieces.shift();
    this.#noteFull(connection);
    const { packet } = piece;
    if (piece.filter < 0) {
      connection.beganAt = -1;
      const name = piece.isMalformed ? "malformed" : packet.cmd;
      this.#observer.packet(connection.number, "in", name, packet.messageId ?? 0);
    }
    return true;
  }

  /** It has as many unfinished PUBLISH as it may: the next may be refused, even if it is complete only later. */
  #noteFull(connection: Connection): void {
    if (unfinished(this.model, connection) >= this.model.limits.receiveMaximum) connection.fullAt = this.model.now;
  }

  #takeConnect(connection: Connection): void {
    const piece = connection.stream.pieces[0];
    if (piece === undefined || connection.connect !== undefined) return;
    if (piece.isMalformed) connection.sawMalformed = true;
    else if (piece.packet.cmd === "connect") reads(connection, piece.packet);
  }

  #publishAtHand(connection: Connection): PublishPacket {
    if (connection !== this.#current) this.#turnOver();
    this.#progress(connection, this.#offset(connection), false);
    const piece = connection.stream.pieces[0];
    if (piece === undefined || piece.packet.cmd !== "publish" || piece.isMalformed) {
      throw new Violation("a PUBLISH is routed or refused that nobody sent");
    }
    if (piece.end !== this.#offset(connection))
      throw new Violation("a PUBLISH is routed or refused before it is complete");
    if (connection.publish === "accepted" || connection.publish === "cleared") {
      throw new Violation("a PUBLISH is routed twice");
    }
    return piece.packet as PublishPacket;
  }

  #subscribeRefused(connection: Connection, limit: number): void {
    this.#progress(connection, this.#offset(connection), false);
    const piece = connection.stream.pieces[0];
    if (piece === undefined || piece.filter < 0) throw new Violation("a subscription is refused that nobody wants");
    const { limits, sessions } = this.model;
    const count = connection.session!.subscriptions.size;
    if (limit === Limit.subscriptionsPerSession && count < limits.subscriptionsPerSession) {
      throw new Violation(`a subscription is refused with ${count}`);
    }
    if (limit === Limit.subscriptions) {
      let all = 0;
      for (const { subscriptions } of sessions.values()) all += subscriptions.size;
      if (all < limits.subscriptions) throw new Violation(`a subscription is refused with ${all} in all`);
    }
    this.#finish(connection, piece, true, limit === Limit.topicLevels || limit === Limit.topicBytes ? 0x8f : 0x97);
  }

  #next(reader: PacketReader): ReturnType<PacketReader["next"]> {
    try {
      return reader.next();
    } catch (error) {
      throw new Violation(`malformed packet sent: ${(error as Error).message}`);
    }
  }

  // Routing

  /** The router is where a message is accepted: what comes before and after is told apart here. */
  #watchRouter(): void {
    const { router } = this.#broker;
    const route = router.route.bind(router);
    router.route = (message, topicAt, publisher, lenient) => {
      const { connection, routing } = this.#routeBegins(publisher, lenient);
      this.#routing = routing;
      const limit = route(message, topicAt, publisher, lenient);
      this.#routing = undefined;
      if (limit !== 0 && routing.full.size + routing.superseded.size > 0) {
        throw new Violation("a refused message made others drop");
      }
      if (limit !== 0) return limit;
      this.#checkShortage(router.retainShortage);
      const { matched, dropped } = routed(this.model, routing, router.retainShortage === 0);
      this.#observer.accepted(routing.message);
      if (connection === undefined) return limit;
      connection.publish = lenient ? "lenient" : "accepted";
      connection.publishReceivers = matched;
      connection.publishDrops = dropped;
      return limit;
    };
    // A turn to read begins; reading is over when sending begins.
    const { decoder, sender } = this.#broker;
    const load = decoder.load.bind(decoder);
    decoder.load = (connection) => {
      this.#turnOver();
      this.#turn = connection;
      load(connection);
    };
    const pump = sender.pump.bind(sender);
    sender.pump = (connection) => {
      this.#turnOver();
      pump(connection);
    };
    const { overflows } = this.#broker.tables;
    const shift = overflows.shift.bind(overflows);
    overflows.shift = () => {
      this.#turnOver();
      return shift();
    };
    const clearUnseen = router.clearUnseen.bind(router);
    router.clearUnseen = (at, length) => {
      const isCleared = clearUnseen(at, length);
      if (isCleared) this.#cleared();
      return isCleared;
    };
  }

  #checkShortage(shortage: Limit | 0): void {
    const { limits, retained } = this.model;
    if (shortage === Limit.retained && retained.size < limits.retained) {
      throw new Violation(`no room to retain with ${retained.size} retained messages`);
    }
  }

  #routeBegins(row: number, isLenient: boolean): { connection: Connection | undefined; routing: Routing } {
    const session = this.#session(row);
    const { connection } = session;
    let message: Message;
    if (connection === undefined) {
      if (session.will === undefined) throw new Violation(`a message of ${session.id} is routed, and it is away`);
      message = session.will.message;
    } else {
      const packet = this.#publishAtHand(connection);
      if (connection.publish === "refused" && !isLenient)
        throw new Violation("a PUBLISH is routed after it was refused");
      if (isRepeated(connection, packet)) throw new Violation(`QoS 2 ${packet.messageId} is routed again`);
      message = messageOf(packet, connection.stream.version);
      if (connection.arrivedAt < 0) connection.arrivedAt = this.model.now;
    }
    const arrivedAt = connection?.arrivedAt ?? this.model.now;
    const routing = { arrivedAt, message, publisher: session.id, isLenient, full: new Map(), superseded: new Map() };
    return { connection, routing };
  }

  #cleared(): void {
    const connection = this.model.connections.get(this.#turn);
    if (connection === undefined) throw new Violation("a retained message is cleared by nobody");
    const packet = this.#publishAtHand(connection);
    if (!packet.retain || packet.payload.length > 0) throw new Violation("a PUBLISH cleared what it did not ask for");
    this.model.retained.delete(packet.topic);
    replaced(this.model, packet.topic, ++this.model.sequence);
    connection.publish = "cleared";
  }

  #dropped(session: Session, cause: Drop): void {
    const routing = this.#routing;
    if (cause === Drop.QueueFull || cause === Drop.Superseded) {
      if (routing === undefined) throw new Violation("dropped for a full queue while nothing is routed");
      const map = cause === Drop.QueueFull ? routing.full : routing.superseded;
      map.set(session, (map.get(session) ?? 0) + 1);
      return;
    }
    if (cause === Drop.TooLarge) droppedTooLarge(session);
    else droppedExpired(this.model, session);
  }
}
