// All memory of a client, in the order of its plan.

import { Blocks } from "../memory/blocks";
import { Layout } from "../memory/layout";
import { type Plan, planOf } from "../memory/plan";
import { Decoder } from "../mqtt/decoder";
import { HEADROOM } from "../ports";
import { Inbox } from "../session/inbox";
import { Messages, type Names } from "../session/messages";
import { Outbox } from "../session/outbox";
import { Sessions } from "../session/sessions";
import { Aliases } from "./aliases";
import { type ClientLimits, checkClientLimits } from "./limits";
import { Subscriptions } from "./subscriptions";

/** A client has one Network Connection and one Session; their rows have this number. */
export const ONE = 1;

export class Tables {
  readonly blocks: Blocks;
  readonly received: Blocks;
  /** Blocks for the topic and the properties of a PUBLISH. */
  readonly headBlocks: number;
  readonly decoder: Decoder;
  readonly sessions: Sessions;
  readonly messages: Messages;
  readonly outbox: Outbox;
  readonly inbox: Inbox;
  readonly subscriptions: Subscriptions;
  readonly aliasesIn: Aliases;
  readonly aliasesOut: Aliases;
  readonly input: number;
  readonly output: number;
  readonly stage: number;
  /** Topic Name and properties of the message at hand. */
  readonly head: number;
  readonly clientId: number;
  /** Where a packet's head is composed. */
  readonly packetHead: number;
  // Columns of the connection, of one row
  readonly sendOffset: number;
  readonly sendExpiry: number;
  readonly sendDup: number;

  constructor(layout: Layout, limits: ClientLimits) {
    this.input = layout.area("input", limits.inputBytes);
    layout.area("output, headroom", HEADROOM);
    this.output = layout.area("output", limits.outputBytes);
    this.stage = layout.area("stage", limits.stageBytes);
    this.head = layout.area("topic and properties received", limits.topicBytes + limits.headBytes);
    this.packetHead = layout.area("packet head", limits.topicBytes + 32);
    this.clientId = layout.area("client identifier", limits.clientIdBytes);
    layout.table("connection", 1);
    this.sendOffset = layout.u32Column();
    this.sendExpiry = layout.u32Column();
    this.sendDup = layout.u8Column();
    this.blocks = new Blocks(layout, "blocks", Math.floor(limits.payloadBytes / limits.blockBytes), limits.blockBytes);
    // What is received has blocks of its own: topic and properties, each ending a block, and what comes in pieces.
    const heads = Math.ceil(limits.headBytes / limits.blockBytes) + 1;
    const pieces = Math.ceil(limits.stageBytes / limits.blockBytes);
    this.headBlocks = heads;
    this.received = new Blocks(layout, "blocks received", heads + pieces, limits.blockBytes);
    this.decoder = new Decoder(
      layout,
      this.received,
      {
        connections: 1,
        topicBytes: limits.topicBytes,
        topicLevels: limits.topicLevels,
        stageBytes: limits.stageBytes,
        headBytes: limits.headBytes,
      },
      this.stage,
      limits.aliasesIn,
    );
    this.sessions = new Sessions(layout, { sessions: 1, clientIdBytes: 1 }, 0);
    this.messages = new Messages(layout, limits.messages, 0, this.blocks, nameless);
    this.outbox = new Outbox(layout, limits.messages, 0, this.sessions, this.messages);
    this.inbox = new Inbox(layout, 1, limits.receiveMaximum, limits.receiveShared, this.sessions);
    this.subscriptions = new Subscriptions(layout, limits.subscriptions, this.blocks);
    this.aliasesIn = new Aliases(layout, "topic aliases received", limits.aliasesIn, limits.topicBytes);
    this.aliasesOut = new Aliases(layout, "topic aliases sent", limits.aliasesOut, limits.topicBytes);
  }
}

/** Messages of a client carry their topics themselves. */
const nameless: Names = Object.freeze({ copyName: nothing, release: nothing });

function nothing(): void {}

// allocates: start-up only
/**
 * What a client with these limits takes, computed without taking it.
 * @throws LimitsError when the limits can't be.
 */
export function planClient(limits: ClientLimits): Plan {
  checkClientLimits(limits);
  return planWith(limits, indexBytesFor(limits));
}

// allocates: start-up only
/** Bytes of a row number: 2 where every table has fewer than 65,535 rows, else 4. */
export function indexBytesFor(limits: ClientLimits): number {
  let most = 0;
  for (const row of planWith(limits, 2).rows) most = Math.max(most, row.count);
  return most < 65535 ? 2 : 4;
}

// allocates: start-up only
function planWith(limits: ClientLimits, indexBytes: number): Plan {
  return planOf((layout: Layout) => new Tables(layout, limits), indexBytes);
}

// allocates: start-up only
export function layoutFor(limits: ClientLimits): Layout {
  return new Layout(new ArrayBuffer(planClient(limits).arenaBytes), indexBytesFor(limits));
}
