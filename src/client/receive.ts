// What the server sends: bytes are received and decoded until they are used up, or the application takes no more. Each
// packet has its handler: message.ts has PUBLISH, the others are in files of their names.

import { PacketType, PublishFlag, ReasonCode, Version } from "../mqtt/constants";
import { Decoded } from "../mqtt/decoded";
import { handleAcknowledgement, handlePubrel } from "./acknowledgements";
import { type Client, ClientState } from "./client";
import { handleConnack } from "./connack";
import { hasAnswer, hasReceipt } from "./receipts";
import { handleFiltersAck } from "./suback";
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
