// All memory of a broker, in the order of the plan. The number of rows of a table is the sum of those who hold them.

import { Blocks } from "../memory/blocks";
import { Fifo } from "../memory/fifo";
import type { Layout } from "../memory/layout";
import type { Limits } from "../memory/limits";
import { Wheel } from "../memory/wheel";
import { Decoder } from "../mqtt/decoder";
import { HEADROOM, type Log } from "../ports";
import { Inbox } from "../session/inbox";
import { Messages } from "../session/messages";
import { Outbox } from "../session/outbox";
import { Replayer } from "../session/replay";
import { Router } from "../session/router";
import { Sessions } from "../session/sessions";
import { Subscriptions } from "../session/subscriptions";
import { Topics } from "../session/topics";
import { Connections } from "./connections";
import { Counters } from "./counters";

export class Tables {
  readonly connections: Connections;
  readonly sessions: Sessions;
  readonly subscriptions: Subscriptions;
  readonly topics: Topics;
  readonly messages: Messages;
  readonly outbox: Outbox;
  readonly inbox: Inbox;
  readonly replayer: Replayer;
  readonly router: Router;
  readonly blocks: Blocks;
  readonly decoder: Decoder;
  readonly timers: Wheel;
  /** Connections that may have something to read, to send; that are held; that wait for a free delivery to replay. */
  readonly readers: Fifo;
  readonly senders: Fifo;
  readonly held: Fifo;
  readonly starved: Fifo;
  /** Connections to end because their session's queue is full. */
  readonly overflows: Fifo;
  readonly counters: Counters;
  readonly input: number;
  readonly output: number;
  readonly stage: number;
  readonly head: number;

  constructor(layout: Layout, limits: Limits, seed: number, log: Log) {
    this.input = layout.area("input", limits.inputBytes);
    layout.area("output, headroom", HEADROOM);
    this.output = layout.area("output", limits.outputBytes);
    this.stage = layout.area("stage", limits.stageBytes);
    // The longest head of a PUBLISH: fixed header, topic, Packet Identifier, property length, expiry, identifiers.
    this.head = layout.area("packet head", limits.topicBytes + 32 + 5 * (limits.subscriptionIdentifiers + 1));
    this.counters = new Counters(layout, log);
    this.connections = new Connections(layout, limits.connections);
    this.readers = new Fifo(layout, "turns to read", limits.connections);
    this.senders = new Fifo(layout, "turns to send", limits.connections);
    this.held = new Fifo(layout, "held connections", limits.connections);
    this.starved = new Fifo(layout, "turns to replay", limits.connections);
    this.overflows = new Fifo(layout, "overflows", limits.connections);
    this.timers = new Wheel(layout, limits.connections + limits.sessions);
    // payloads, and one block a connection to carry an incomplete packet in
    const blockCount = Math.floor(limits.payloadBytes / limits.blockBytes) + limits.connections;
    this.blocks = new Blocks(layout, "blocks", blockCount, limits.blockBytes);
    this.decoder = new Decoder(layout, this.blocks, limits, this.stage);
    this.sessions = new Sessions(layout, limits, seed);
    this.topics = new Topics(layout, limits, seed);
    this.subscriptions = new Subscriptions(layout, limits.subscriptions, this.topics);
    // messages on their way; and those that are kept: retained messages, and one Will Message a session
    const keepCount = limits.retained + limits.sessions;
    this.messages = new Messages(layout, limits.messages, keepCount, this.blocks, this.topics);
    const { deliveries, subscriptionIdentifiers } = limits;
    this.outbox = new Outbox(layout, deliveries, subscriptionIdentifiers, this.sessions, this.messages);
    this.inbox = new Inbox(layout, limits.sessions, limits.receiveMaximum, limits.receiveShared, this.sessions);
    this.replayer = new Replayer(
      layout,
      limits.topicLevels,
      this.sessions,
      this.subscriptions,
      this.topics,
      this.messages,
      this.outbox,
    );
    this.router = new Router(
      layout,
      limits,
      this.sessions,
      this.subscriptions,
      this.topics,
      this.messages,
      this.outbox,
      this.senders,
      this.overflows,
      this.counters,
    );
  }
}
