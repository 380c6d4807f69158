// The topic tree: found from its root; its labels and the hash tables beside it; the subscriptions that hang on it.

import { NONE } from "../../src/memory/layout";
import { type Ledger, Rows } from "./ledger";

/** After the sessions, which own the subscriptions. */
export function auditTopics(ledger: Ledger): void {
  const { limits, router, topics } = ledger.broker;
  ledger.nodes.own(topics.root, "the tree");
  ledger.nodes.hold(topics.root);
  ledger.labels.hold(topics.plus);
  ledger.labels.hold(topics.hash);
  const waiting = [topics.root];
  const named = subscriptionsByNode(ledger);
  let retained = 0;
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    waiting.push(...children(ledger, node));
    subscriptionsAt(ledger, node, named.get(node) ?? []);
    if (topics.retained(node) !== NONE) retained++;
  }
  ledger.equal(router.retainedCount, retained, "retainedCount");
  ledger.check(retained <= limits.retained, `${retained} messages are retained`);
  buckets(ledger);
  labels(ledger);
}

function children(ledger: Ledger, node: number): number[] {
  const { topics } = ledger.broker;
  const all = ledger.list(ledger.nodes, topics.firstChild(node), (it) => topics.nextSibling(it), "the tree");
  let wildcards = 0;
  for (const [i, it] of all.entries()) {
    ledger.equal(topics.parent(it), node, `parent of topic node ${it}`);
    ledger.equal(topics.previousSibling(it), all[i - 1] ?? NONE, `previous sibling of topic node ${it}`);
    ledger.nodes.hold(node);
    ledger.labels.hold(topics.label(it));
    if (topics.label(it) === topics.plus) wildcards |= 1;
    if (topics.label(it) === topics.hash) wildcards |= 2;
  }
  ledger.equal(topics.wildcards(node), wildcards, `wildcards below topic node ${node}`);
  return all;
}

/** Topic nodes with the subscriptions that name them. */
function subscriptionsByNode(ledger: Ledger): Map<number, number[]> {
  const { subscriptions } = ledger.broker;
  const named = new Map<number, number[]>();
  for (const row of ledger.subscriptions.owners.keys()) {
    const node = subscriptions.node(row);
    const rows = named.get(node);
    if (rows === undefined) named.set(node, [row]);
    else rows.push(row);
  }
  return named;
}

/** The list at a node holds the subscriptions that name it. */
function subscriptionsAt(ledger: Ledger, node: number, named: readonly number[]): void {
  const { subscriptions, topics } = ledger.broker;
  const listed = new Set<number>();
  let previous = NONE;
  for (
    let row = topics.firstSubscription(node);
    row !== NONE && !listed.has(row);
    row = subscriptions.nextAtNode(row)
  ) {
    ledger.equal(subscriptions.previousAtNode(row), previous, `previous at its node of subscription ${row}`);
    listed.add(row);
    previous = row;
  }
  if (listed.size === named.length && named.every((row) => listed.has(row))) return;
  ledger.say(`topic node ${node} lists subscriptions ${[...listed].join(" ")}, but has ${named.join(" ")}`);
}

/** Every node of the tree, and no other, is in one bucket and found by its name. */
function buckets(ledger: Ledger): void {
  const { tables, topics } = ledger.broker;
  const bucketed = new Rows("topic node", topics.pool, ledger.say);
  ledger.buckets(bucketed, topics.bucketCount, (bucket) => topics.firstInBucket(bucket));
  for (const row of bucketed.owners.keys()) {
    ledger.check(ledger.nodes.owners.has(row), `topic node ${row} is in a bucket, but not in the tree`);
  }
  for (const row of ledger.nodes.owners.keys()) {
    if (row === topics.root) continue;
    const length = nameLength(ledger, row);
    if (length < 0) continue;
    topics.copyName(row, tables.stage, length);
    topics.split(tables.stage, length);
    ledger.equal(topics.find(), row, `topic node that is found by the name of ${row}`);
  }
}

/** Bytes of the name of a node, or -1 when it does not lead to the root. */
export function nameLength(ledger: Ledger, node: number): number {
  const { limits, topics } = ledger.broker;
  let levels = 0;
  for (let row = node; row !== topics.root; row = topics.parent(row)) {
    if (row === NONE || ++levels > limits.topicLevels) return -1;
  }
  return topics.nameLength(node);
}

function labels(ledger: Ledger): void {
  const { labels } = ledger.broker.topics;
  ledger.buckets(ledger.labels, labels.bucketCount, (bucket) => labels.firstInBucket(bucket));
  for (const row of ledger.labels.owners.keys()) {
    ledger.equal(labels.references(row), ledger.labels.holdersOf(row), `references of label ${row}`);
    ledger.chain(ledger.texts, labels.text, labels.textOf(row), labels.lengthOf(row), `label ${row}`);
  }
}
