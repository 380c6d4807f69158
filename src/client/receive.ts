// What the server sends: bytes are received and decoded until they are used up, or the application takes no more.

import { isReasonCodeOf } from "../mqtt/acknowledgement";
import { PacketType, PublishFlag, ReasonCode, SUBACK_FAILURE_311, Version } from "../mqtt/constants";
import { Decoded } from "../mqtt/decoded";
import { Delivery, Receipt } from "../session/qos";
import { type Client, ClientState, Waits } from "./client";
import { Stage } from "./subscriptions";
import { ONE } from "./tables";

/** True when more may wait. */
export function receive(client: Client): boolean {
  const { decoder, limits, tables, transport } = client;
  for (let packets = limits.packetsPerStep; packets > 0; ) {
    if (client.isPaused) return false;
    const found = decoder.next();
    if (found === Decoded.Nothing) {
      // What it does not use yet stays in the input, which nobody else has.
      const count = transport.receive(ONE, limits.inputBytes);
      if (count === 0) return false;
      client.receivedAt = client.time.now;
      decoder.feed(tables.input, count);
      continue;
    }
    if (!dispatch(client, found)) return false;
    packets--;
  }
  return true;
}

/** False when reading does not go on. */
function dispatch(client: Client, found: Decoded): boolean {
  switch (found) {
    case Decoded.Header:
      return admit(client);
    case Decoded.Payload:
      return client.message.payload();
    case Decoded.Publish:
      return client.message.end();
    case Decoded.Packet:
      handlePacket(client);
      return client.isOnline;
    default:
      client.fail(client.decoder.error === ReasonCode.Success ? ReasonCode.QuotaExceeded : client.decoder.error);
      return false;
  }
}

/** A fixed header has come: is the packet allowed now, is there room for it? */
function admit(client: Client): boolean {
  const { decoder, limits, tables } = client;
  const isConnected = client.state === ClientState.Connected;
  const v5 = client.version === Version.V5_0;
  switch (decoder.type) {
    case PacketType.PUBLISH: {
      if (!isConnected) break;
      if (v5 && decoder.headerLength + decoder.remaining > limits.packetBytes)
        return fail(client, ReasonCode.PacketTooLarge);
      // QoS 2 may be one that we have already: its identifier will tell.
      const isQoS1 = (decoder.flags & PublishFlag.QoS) === 2;
      if (isQoS1 && !hasReceipt(client)) return false;
      decoder.begin(false, tables.headBlocks);
      return true;
    }
    case PacketType.CONNACK:
      if (isConnected) break;
      return begin(client);
    case PacketType.PUBREC:
    case PacketType.PUBREL:
      if (!isConnected) break;
      return hasAnswer(client) && begin(client);
    case PacketType.PUBACK:
    case PacketType.PUBCOMP:
    case PacketType.SUBACK:
    case PacketType.UNSUBACK:
    case PacketType.PINGRESP:
      if (!isConnected) break;
      return begin(client);
    case PacketType.DISCONNECT:
      if (!isConnected || !v5) break;
      return begin(client);
    default:
      break; // what only clients send, a second CONNACK, AUTH without a method [MQTT-4.12.0-6]
  }
  return fail(client, ReasonCode.ProtocolError);
}

/**
 * Whether a message of QoS 1 or 2 can be acknowledged. If not, it waits while we owe something that makes room, or the
 * application has something to accept: a server counts anew on each connection. Else it has sent too many.
 */
export function hasReceipt(client: Client): boolean {
  const { inbox } = client;
  const has = hasRoom(client, true);
  client.waits = has ? Waits.Nothing : Waits.Receipt;
  if (has || inbox.firstOwed(ONE) !== 0 || inbox.hasOpen(ONE)) return has;
  if (!client.isDoubtful) {
    client.fail(ReasonCode.ReceiveMaximumExceeded);
    return false;
  }
  inbox.clear(ONE); // all of them may be of a session that is gone
  client.waits = Waits.Nothing;
  return true;
}

/**
 * Whether a PUBREC or PUBREL is read now. Each may need an answer, when its Packet Identifier is unknown: a server that
 * resumes sends PUBREL for all whose PUBCOMP it did not get, which may be more than the Receive Maximum.
 */
function hasAnswer(client: Client): boolean {
  const waits = !hasRoom(client, false) && client.inbox.firstOwed(ONE) !== 0;
  client.waits = waits ? Waits.Answer : Waits.Nothing;
  return !waits;
}

/** Whether there is a receipt for a PUBLISH, or for the answer to something unknown. */
export function hasRoom(client: Client, forPublish: boolean): boolean {
  const isStrict = client.version === Version.V5_0 && client.limits.receiveShared === 0;
  return client.inbox.hasRoom(ONE, forPublish, isStrict);
}

function begin(client: Client): boolean {
  const { decoder, limits } = client;
  if (decoder.remaining > limits.stageBytes) return fail(client, ReasonCode.PacketTooLarge);
  decoder.begin(false, 0);
  return true;
}

function fail(client: Client, reason: ReasonCode): boolean {
  client.fail(reason);
  return false;
}

function handlePacket(client: Client): void {
  const { decoder } = client;
  const { at, length, type } = decoder;
  client.reasonLength = 0;
  handle(client, at, length, type);
  client.reasonLength = 0;
}

function handle(client: Client, at: number, length: number, type: PacketType): void {
  const { acknowledgement, version } = client;
  switch (type) {
    case PacketType.CONNACK:
      return handleConnack(client, at, length);
    case PacketType.SUBACK:
    case PacketType.UNSUBACK:
      return handleFiltersAck(client, at, length, type);
    case PacketType.PINGRESP:
      if (length !== 0) return client.fail(ReasonCode.MalformedPacket);
      client.isPingOwed = false;
      return client.events.pinged?.();
  }
  const error = acknowledgement.read(at, length, type, version);
  if (error !== ReasonCode.Success) return client.fail(error);
  client.reasonAt = acknowledgement.reasonAt;
  client.reasonLength = acknowledgement.reasonLength;
  switch (type) {
    case PacketType.PUBREL:
      return handlePubrel(client);
    case PacketType.DISCONNECT:
      return client.end(acknowledgement.reasonCode);
    default:
      return handleAcknowledgement(client, type);
  }
}

function handleConnack(client: Client, at: number, length: number): void {
  const { response, version } = client;
  const error = response.readConnack(at, length, version);
  if (error !== ReasonCode.Success) return client.fail(error);
  client.reasonAt = response.reasonAt;
  client.reasonLength = response.reasonLength;
  const { reasonCode } = response;
  if (reasonCode !== 0) return client.end(version === Version.V5_0 ? reasonCode : fromReturnCode(reasonCode));
  if (response.sessionPresent && client.isClean) return client.fail(ReasonCode.ProtocolError); // [MQTT-3.2.2-4]
  if (response.assignedLength > client.limits.clientIdBytes) return client.fail(ReasonCode.QuotaExceeded);
  client.entered();
}

/** The Reason Code of 5.0 that says what a return code of 3.1.1 says. */
function fromReturnCode(code: number): ReasonCode {
  switch (code) {
    case 1:
      return ReasonCode.UnsupportedProtocolVersion;
    case 2:
      return ReasonCode.ClientIdentifierNotValid;
    case 3:
      return ReasonCode.ServerUnavailable;
    case 4:
      return ReasonCode.BadUserNameOrPassword;
    case 5:
      return ReasonCode.NotAuthorized;
    default:
      return ReasonCode.UnspecifiedError;
  }
}

/** PUBACK, PUBREC, PUBCOMP: how far a message of ours has come. */
function handleAcknowledgement(client: Client, type: PacketType): void {
  const { acknowledgement, outbox } = client;
  const { packetId, reasonCode } = acknowledgement;
  const isRefused = reasonCode >= ReasonCode.UnspecifiedError;
  const state = outbox.acknowledge(ONE, packetId, type, isRefused);
  if (state === Delivery.Done) {
    // PUBCOMP can't refuse: it may only say that the server knows nothing of it any more.
    client.events.published(outbox.found, type === PacketType.PUBCOMP ? ReasonCode.Success : reasonCode);
  } else if (state === Delivery.Unexpected && type === PacketType.PUBREC && !isRefused) {
    answer(client, Receipt.PubrelOwed);
  }
}

/** The server gives a Packet Identifier free. */
function handlePubrel(client: Client): void {
  if (!client.inbox.release(ONE, client.acknowledgement.packetId)) answer(client, Receipt.PubcompOwed);
}

/** The server names a Packet Identifier that we do not know. */
function answer(client: Client, owed: Receipt): void {
  if (!hasRoom(client, false)) return client.fail(ReasonCode.ReceiveMaximumExceeded);
  client.inbox.add(ONE, client.acknowledgement.packetId, owed, ReasonCode.PacketIdentifierNotFound);
}

function handleFiltersAck(client: Client, at: number, length: number, type: PacketType): void {
  const { events, layout, response, subscriptions, version } = client;
  const error = response.readFiltersAck(at, length, type, version);
  if (error !== ReasonCode.Success) return client.fail(error);
  client.reasonAt = response.reasonAt;
  client.reasonLength = response.reasonLength;
  if (response.codeCount > 1) return client.fail(ReasonCode.ProtocolError); // each of ours has one Topic Filter
  const code = response.codeCount === 1 ? layout.u8[response.codesAt] : 0;
  const isKnown = version === Version.V5_0 ? isReasonCodeOf(code, type) : code <= 2 || code === SUBACK_FAILURE_311;
  if (!isKnown) return client.fail(ReasonCode.ProtocolError);
  const row = subscriptions.byPacketId(response.packetId);
  const isSubscribe = type === PacketType.SUBACK;
  // The application may have thought better of it.
  if (row === 0 || (subscriptions.stage(row) === Stage.Asked) !== isSubscribe) return;
  if (isSubscribe && code < ReasonCode.UnspecifiedError) {
    subscriptions.setStage(row, Stage.Granted);
    return events.subscribed(row, code);
  }
  // Who can't unsubscribe is subscribed as before.
  if (!isSubscribe && code >= ReasonCode.UnspecifiedError) subscriptions.setStage(row, Stage.Granted);
  else subscriptions.remove(row);
  if (isSubscribe) events.subscribed(row, code);
  else events.unsubscribed(row, code);
}
