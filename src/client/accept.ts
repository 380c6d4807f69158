// What the application gives, checked and stored: whole, or not at all.

import { NONE } from "../memory/layout";
import { Version } from "../mqtt/constants";
import { writeText } from "../mqtt/text";
import { topicFilterLevels, topicNameLevels } from "../mqtt/utf8";
import { MessageFlag } from "../session/messages";
import { arePublishProperties, checkSubscription, isQoS, refusalOf } from "./allowed";
import { type Client, ClientState } from "./client";
import { NotAccepted } from "./ports";
import { ONE } from "./tables";

/** The longest packet that there can be [5.0 section 2.1.4], less what its head can take beside Topic Name and properties. */
export const MOST_BYTES = 268435455 - 64;

/** See `Client.publish` and `Client.publishStream`. */
export function acceptMessage(
  client: Client,
  topic: string | Uint8Array,
  payload: Uint8Array | undefined,
  qos: number,
  retain: boolean,
  properties: Uint8Array | undefined,
  expiry: number,
  rest = 0,
): number | NotAccepted {
  const { blocks, layout, limits, messages, outbox, tables, time } = client;
  const at = tables.stage;
  if (!isQoS(qos) || (properties !== undefined && !areGiven(client, properties))) return NotAccepted.Invalid;
  if (qos === 0 && client.state !== ClientState.Connected) return NotAccepted.Offline;
  if (!isSupported(client, qos, retain)) return NotAccepted.Unsupported;
  const topicLength = writeTopic(client, topic, at);
  const levels = topicLength > 0 ? topicNameLevels(layout.u8, at, topicLength) : 0;
  if (levels <= 0 || levels > limits.topicLevels) return NotAccepted.Topic;
  if (outbox.pool.free === 0 || messages.pool.free === 0) return NotAccepted.Messages;
  const propertiesLength = properties === undefined ? 0 : properties.length;
  const total = topicLength + propertiesLength + (payload === undefined ? 0 : payload.length);
  if (blocks.blocksFor(total) > blocks.available || total + rest > MOST_BYTES) return NotAccepted.PayloadBytes;
  let last = blocks.append(NONE, 0, at, topicLength);
  const { first } = blocks;
  if (properties !== undefined) last = append(client, last, topicLength, properties);
  if (payload !== undefined) append(client, last, topicLength + propertiesLength, payload);
  // The Topic Name is followed at once by the rest: not a message that the topic tree may name.
  const message = messages.add(first, total, topicLength, propertiesLength, qos & MessageFlag.QoS);
  if (expiry >= 0) messages.setExpiry(message, time.secondsAfter(expiry), time.sixteenth);
  const row = outbox.add(ONE, message, qos, retain, 0);
  messages.release(message);
  client.ready();
  return row;
}

/** More of the payload of a message that is not being sent yet; there are blocks for it. */
export function acceptPayload(client: Client, row: number, bytes: Uint8Array): void {
  const { blocks, messages, outbox } = client;
  const message = outbox.message(row);
  let last = messages.first(message);
  for (let next = blocks.nextOf(last); next !== NONE; next = blocks.nextOf(next)) last = next;
  append(client, last, messages.topicLength(message) + messages.bodyLength(message), bytes);
  messages.lengthen(message, bytes.length);
}

/** See `Client.subscribe`. */
export function acceptFilter(
  client: Client,
  filter: string | Uint8Array,
  options: number,
  identifier: number,
): number | NotAccepted {
  const { blocks, response, state, subscriptions, tables, version } = client;
  const length = writeFilter(client, filter);
  if (length <= 0) return NotAccepted.Topic;
  const { u8 } = client.layout;
  const isV5 = version === Version.V5_0;
  const wrong = checkSubscription(u8, tables.stage, length, options, identifier, isV5);
  if (wrong !== 0) return wrong;
  if (identifier !== 0 && !isV5) return NotAccepted.Unsupported;
  const isConnected = state === ClientState.Connected;
  if (isConnected && refusalOf(response, u8, tables.stage, length, identifier) !== 0) return NotAccepted.Unsupported;
  let row = findFilter(client, length);
  if (row === NONE) {
    if (subscriptions.pool.free === 0) return NotAccepted.Messages;
    if (blocks.blocksFor(length) > blocks.available) return NotAccepted.PayloadBytes;
    row = subscriptions.add(tables.stage, length);
  }
  subscriptions.want(row, isV5 ? options : options & 3, identifier);
  client.ready();
  return row;
}

/** Writes a Topic Filter to the stage; its length, or -1 when it is none. */
export function writeFilter(client: Client, filter: string | Uint8Array): number {
  const { layout, limits, tables } = client;
  const length = writeTopic(client, filter, tables.stage);
  if (length <= 0) return -1;
  const levels = topicFilterLevels(layout.u8, tables.stage, length);
  return levels <= 0 || levels > limits.topicLevels ? -1 : length;
}

/** The row of the Topic Filter in the stage, or NONE. */
export function findFilter(client: Client, length: number): number {
  const { stage, packetHead } = client.tables;
  return client.subscriptions.find(stage, length, packetHead);
}

/** Writes a Topic Name or Topic Filter to `at`; its length, or -1 when it is too long. */
function writeTopic(client: Client, topic: string | Uint8Array, at: number): number {
  const { topicBytes } = client.limits;
  const { u8 } = client.layout;
  if (topic instanceof Uint8Array) {
    if (topic.length > topicBytes) return -1;
    u8.set(topic, at);
    return topic.length;
  }
  const end = writeText(u8, at, at + topicBytes, topic);
  return end < 0 ? -1 : end - at;
}

/** Whether these are properties that an application may give a PUBLISH; they are looked at in the stage. */
function areGiven(client: Client, properties: Uint8Array): boolean {
  const { stage } = client.tables;
  if (properties.length > client.limits.stageBytes) return false;
  client.layout.u8.set(properties, stage);
  return arePublishProperties(client.properties, stage, stage + properties.length);
}

function isSupported(client: Client, qos: number, retain: boolean): boolean {
  if (client.state !== ClientState.Connected) return true; // the server may be another one next time
  const { maximumQoS, retainAvailable } = client.response;
  return qos <= maximumQoS && (!retain || retainAvailable === 1); // [MQTT-3.2.2-11], [MQTT-3.2.2-14]
}

// allocates: a view for each `stageBytes` of a large payload
/** Appends what the application gives, by way of the stage. */
function append(client: Client, last: number, length: number, bytes: Uint8Array): number {
  const { blocks, layout, limits, tables } = client;
  const { stage } = tables;
  const { u8 } = layout;
  if (bytes.length <= limits.stageBytes) {
    u8.set(bytes, stage);
    return blocks.append(last, length, stage, bytes.length);
  }
  for (let from = 0; from < bytes.length; from += limits.stageBytes) {
    const count = Math.min(limits.stageBytes, bytes.length - from);
    u8.set(bytes.subarray(from, from + count), stage);
    last = blocks.append(last, length + from, stage, count);
  }
  return last;
}
