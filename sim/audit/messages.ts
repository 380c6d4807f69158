// Messages: who refers to each, and the chain of blocks that it is.

import { NONE } from "../../src/memory/layout";
import type { Ledger } from "./ledger";
import { nameLength } from "./topics";

/** After all who refer to messages, and after the tree. */
export function auditMessages(ledger: Ledger): void {
  const { messages, sessions, topics } = ledger.broker;
  let kept = 0;
  for (const row of ledger.sessions.owners.keys()) if (ledger.index[sessions.will + row] !== NONE) kept++;
  for (const node of ledger.nodes.owners.keys()) {
    const message = topics.retained(node);
    if (message === NONE) continue;
    retained(ledger, node, message);
    kept++;
  }
  ledger.equal(messages.kept, kept, "messages that are kept");
  // Wills and PUBLISH on their way have their owner; the others have as many as refer to them.
  for (const row of ledger.messages.held()) {
    if (!ledger.messages.owners.has(row)) ledger.messages.own(row, "a delivery or a topic");
  }
  for (const row of ledger.messages.owners.keys()) {
    ledger.equal(messages.references(row), ledger.messages.holdersOf(row), `references of message ${row}`);
    body(ledger, row);
  }
  for (const row of ledger.nodes.owners.keys()) {
    ledger.equal(topics.references(row), ledger.nodes.holdersOf(row), `references of topic node ${row}`);
  }
}

function retained(ledger: Ledger, node: number, message: number): void {
  const { messages } = ledger.broker;
  ledger.messages.hold(message);
  ledger.equal(messages.node(message), node, `topic node of retained message ${message}`);
  const isRetained = messages.retain(message) && messages.payloadLength(message) > 0;
  ledger.check(isRetained, `message ${message} is retained, but should not be`);
}

function body(ledger: Ledger, row: number): void {
  const { blocks, messages } = ledger.broker;
  const node = messages.node(row);
  const topic = messages.topicLength(row);
  // In front of properties and payload: nothing when a node has the name; whole blocks when one may be going to.
  let head = 0;
  if (node === NONE) head = messages.retain(row) ? blocks.blocksFor(topic) * blocks.blockBytes : topic;
  else {
    ledger.nodes.hold(node);
    ledger.equal(nameLength(ledger, node), topic, `topic length of message ${row}`);
  }
  ledger.check(messages.payloadLength(row) >= 0, `message ${row} has properties beyond its end`);
  ledger.chain(ledger.blocks, blocks, messages.first(row), head + messages.bodyLength(row), `message ${row}`);
}
