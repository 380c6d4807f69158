// The QoS protocols as pure, total functions [5.0 section 4.3]. States are named by who owes what; what follows from a
// transition (freeing, sending) is the caller's business.

import { broken } from "../memory/broken";
import { PacketType } from "../mqtt/constants";

/** One delivery to a receiver, on the sender's side. */
export const enum Delivery {
  /** Not sent yet. */
  Queued = 0,
  /** QoS 1: PUBLISH sent, the receiver owes PUBACK. */
  PubackPending = 1,
  /** QoS 2: PUBLISH sent, the receiver owes PUBREC. */
  PubrecPending = 2,
  /** QoS 2: PUBREC came, we owe PUBREL. */
  PubrelOwed = 3,
  /** QoS 2: PUBREL sent, the receiver owes PUBCOMP. */
  PubcompPending = 4,
  /** Over; the row can go. */
  Done = 5,
  /** The packet makes no sense in this state; nothing changes. */
  Unexpected = 6,
}

/** What a packet of the receiver makes of a delivery. `refused`: its Reason Code is 0x80 or more. */
export function received(state: Delivery, packet: PacketType, refused: boolean): Delivery {
  switch (packet) {
    case PacketType.PUBACK:
      return state === Delivery.PubackPending ? Delivery.Done : Delivery.Unexpected; // refused or not [MQTT-4.4.0-2]
    case PacketType.PUBREC:
      if (state === Delivery.PubrecPending) return refused ? Delivery.Done : Delivery.PubrelOwed; // [MQTT-4.3.3-4]
      // Said again, because the connection was lost or by mistake: PUBREL again.
      if (state === Delivery.PubcompPending || state === Delivery.PubrelOwed) return Delivery.PubrelOwed;
      return Delivery.Unexpected;
    case PacketType.PUBCOMP:
      return state === Delivery.PubcompPending ? Delivery.Done : Delivery.Unexpected;
    default:
      return broken("only acknowledgements change a delivery");
  }
}

/** What sending makes of a delivery of QoS 0, 1 or 2: the PUBLISH, or the PUBREL when that is owed. */
export function sent(state: Delivery, qos: number): Delivery {
  switch (state) {
    case Delivery.Queued:
      if (qos === 0) return Delivery.Done;
      return qos === 1 ? Delivery.PubackPending : Delivery.PubrecPending;
    case Delivery.PubackPending:
    case Delivery.PubrecPending:
    case Delivery.PubcompPending:
      return state; // sent again after a reconnection
    case Delivery.PubrelOwed:
      return Delivery.PubcompPending;
    default:
      return Delivery.Unexpected;
  }
}

/** What the loss of the connection makes of a delivery that had been sent: what is owed is sent again [MQTT-4.4.0-1]. */
export function disconnected(state: Delivery): Delivery {
  return state === Delivery.PubcompPending ? Delivery.PubrelOwed : state;
}

/** One Packet Identifier of a sender, on the receiver's side. */
export const enum Receipt {
  /** QoS 1: we owe PUBACK. */
  PubackOwed = 0,
  /** QoS 2: we owe PUBREC. */
  PubrecOwed = 1,
  /** QoS 2: PUBREC sent, the sender owes PUBREL. */
  PubrelPending = 2,
  /** QoS 2: PUBREL came, we owe PUBCOMP. */
  PubcompOwed = 3,
  /** PUBREC for a Packet Identifier that we do not know: we owe PUBREL with Packet Identifier not found. */
  PubrelOwed = 4,
  /** Over; the row can go. */
  Done = 5,
  /** QoS 1 or QoS 2: the application has the message and has not accepted it yet; until then nothing is owed. */
  PubackOpen = 6,
  PubrecOpen = 7,
}

/** What the application's acceptance makes of a receipt. */
export function accepted(state: Receipt): Receipt {
  if (state === Receipt.PubackOpen) return Receipt.PubackOwed;
  return state === Receipt.PubrecOpen ? Receipt.PubrecOwed : state;
}

/** What sending the acknowledgement that is owed makes of a receipt. `refused`: its Reason Code is 0x80 or more. */
export function acknowledged(state: Receipt, refused: boolean): Receipt {
  switch (state) {
    case Receipt.PubrecOwed:
      return refused ? Receipt.Done : Receipt.PubrelPending; // [MQTT-4.3.3-9]
    case Receipt.PubrelPending:
    case Receipt.PubackOpen:
    case Receipt.PubrecOpen:
      return state;
    default:
      return Receipt.Done;
  }
}

/** What the loss of the connection makes of a receipt: QoS 2 goes on until PUBREL, all else the sender begins again. */
export function receiptDisconnected(state: Receipt, refused: boolean): Receipt {
  if (state === Receipt.PubrecOwed) return refused ? Receipt.Done : Receipt.PubrelPending;
  return state === Receipt.PubrelPending || state === Receipt.PubrecOpen ? state : Receipt.Done;
}

/** The packet that a receipt owes. */
export function owedPacket(state: Receipt): PacketType {
  switch (state) {
    case Receipt.PubackOwed:
      return PacketType.PUBACK;
    case Receipt.PubrecOwed:
      return PacketType.PUBREC;
    case Receipt.PubcompOwed:
      return PacketType.PUBCOMP;
    case Receipt.PubrelOwed:
      return PacketType.PUBREL;
    default:
      return broken("nothing is owed");
  }
}
