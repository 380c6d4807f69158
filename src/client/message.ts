// The message that is being received. Its payload is not stored: it is given to the application as it comes, and what the
// application does not take is not read. Its Topic Name and properties lie in one piece while it lasts.

import { PublishFlag, ReasonCode, Version } from "../mqtt/constants";
import { Refusal } from "../mqtt/decoded";
import { Receipt } from "../session/qos";
import type { Client } from "./client";
import { hasReceipt } from "./receipts";
import { ONE } from "./tables";

export class Message {
  topicAt = 0;
  topicLength = 0;
  /** Properties as they came, without Message Expiry Interval and Topic Alias. */
  propertiesAt = 0;
  propertiesLength = 0;
  /** Bytes of payload in all. */
  payloadLength = 0;
  qos = 0;
  retain = false;
  dup = false;
  /** 0 at QoS 0. */
  packetId = 0;
  /** Message Expiry Interval, seconds; -1: none. */
  expiry = -1;
  readonly #client: Client;
  #isOpen = false;
  /** We have it already: it is read and not given to the application. */
  #isRepeated = false;

  constructor(client: Client) {
    this.#client = client;
  }

  /** Payload has come. False when the application takes no more now. */
  payload(): boolean {
    const client = this.#client;
    const { decoder } = client;
    const { input } = decoder;
    const count = Math.min(input.left, decoder.remaining);
    if (decoder.refusal === Refusal.None && !this.#isOpen && !this.#open()) return false;
    if (decoder.refusal !== Refusal.None || this.#isRepeated) {
      decoder.take(count);
      return true;
    }
    const taken = client.events.payload(input.position, count);
    if (!this.#isOpen) return false; // the application has stopped the client
    decoder.take(taken);
    if (taken < count) client.isPaused = true;
    return taken === count;
  }

  /** The PUBLISH is complete. False when the connection has ended. */
  end(): boolean {
    const client = this.#client;
    const { decoder, inbox } = client;
    if (decoder.refusal === Refusal.None && !this.#isOpen && !this.#open()) return false;
    if (decoder.refusal !== Refusal.None) return this.#refuse();
    this.#isOpen = false;
    const { qos, packetId } = this;
    decoder.finish();
    if (this.#isRepeated) inbox.repeat(ONE, packetId); // PUBREC again, but not before the server has sent all of it
    if (this.#isRepeated) return true;
    if (qos > 0) inbox.add(ONE, packetId, this.#receipt(qos), ReasonCode.Success);
    client.events.messageEnd();
    return client.isOnline;
  }

  /** The connection is gone. */
  lose(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    if (!this.#isRepeated) this.#client.events.messageLost();
  }

  #receipt(qos: number): Receipt {
    if (this.#client.acceptsByHand) return qos === 1 ? Receipt.PubackOpen : Receipt.PubrecOpen;
    return qos === 1 ? Receipt.PubackOwed : Receipt.PubrecOwed;
  }

  /** Topic Name and properties have come. False when the connection was ended. */
  #open(): boolean {
    const client = this.#client;
    const { decoder, inbox, tables } = client;
    const { aliasesIn, head, received } = tables;
    const { alias, body, flags } = decoder;
    if (decoder.topicLength === 0 && aliasesIn.lengthOf(alias) === 0) return this.#openUnknown();
    if ((flags & PublishFlag.QoS) === 4) {
      // Without DUP it is no other's repetition [MQTT-3.3.1-1]: the identifier was of a session that is gone.
      if (client.isDoubtful && (flags & PublishFlag.Dup) === 0) inbox.forget(ONE, decoder.packetId);
      this.#isRepeated = inbox.knows(ONE, decoder.packetId); // [MQTT-4.3.3-10]
      if (!this.#isRepeated && !hasReceipt(client)) return false;
    } else {
      this.#isRepeated = false;
    }
    this.topicAt = head;
    this.topicLength = decoder.topicLength;
    this.qos = (flags & PublishFlag.QoS) >>> 1;
    this.retain = (flags & PublishFlag.Retain) !== 0;
    this.dup = (flags & PublishFlag.Dup) !== 0;
    this.packetId = decoder.packetId;
    this.expiry = decoder.hasExpiry ? decoder.expiry : -1;
    this.payloadLength = decoder.remaining;
    this.propertiesLength = decoder.propertiesLength;
    if (this.topicLength > 0) {
      received.copy(body.first, 0, head, this.topicLength);
      if (alias !== 0) aliasesIn.set(alias, head, this.topicLength);
    } else {
      this.topicLength = aliasesIn.lengthOf(alias);
      client.layout.u8.copyWithin(head, aliasesIn.textOf(alias), aliasesIn.textOf(alias) + this.topicLength);
    }
    this.propertiesAt = head + this.topicLength;
    const from = bodyStart(decoder.topicLength, this.retain, received.blockBytes);
    if (this.propertiesLength > 0) received.copy(body.first, from, this.propertiesAt, this.propertiesLength);
    this.#isOpen = true;
    if (!this.#isRepeated) client.events.message();
    return client.isOnline;
  }

  /** Nothing that we know stands behind its Topic Alias: an error [section 3.3.2.3.4], unless it is we who lost it. */
  #openUnknown(): boolean {
    const { decoder, tables } = this.#client;
    if (tables.aliasesIn.isAnyLost) decoder.refusal = Refusal.Caller;
    else this.#client.fail(ReasonCode.ProtocolError);
    return tables.aliasesIn.isAnyLost;
  }

  /** Its topic or properties are longer than we can take: it is refused, as far as the version knows how. */
  #refuse(): boolean {
    const client = this.#client;
    const { decoder, inbox, version } = client;
    const qos = (decoder.flags & PublishFlag.QoS) >>> 1;
    const { alias, packetId } = decoder;
    if (alias !== 0 && decoder.topicLength > 0) client.tables.aliasesIn.lose(alias); // [MQTT-3.3.2-10]
    const isRepeated = qos === 2 && inbox.repeat(ONE, packetId);
    if (qos > 0 && !isRepeated && !hasReceipt(client)) return false;
    decoder.finish();
    if (isRepeated) return true;
    client.refusedCount++;
    if (qos === 0) return true;
    const code = version === Version.V5_0 ? ReasonCode.QuotaExceeded : ReasonCode.Success;
    inbox.add(ONE, packetId, qos === 1 ? Receipt.PubackOwed : Receipt.PubrecOwed, code);
    return true;
  }
}

/** Where the properties begin in the chain: what may be retained begins a block of its own there. */
function bodyStart(topicLength: number, retain: boolean, blockBytes: number): number {
  return retain ? Math.ceil(topicLength / blockBytes) * blockBytes : topicLength;
}
