// What becomes of the messages on their way to the server when their connection, or their session, is over.

import { NONE } from "../memory/layout";
import { ReasonCode } from "../mqtt/constants";
import { DeliveryFlag } from "../session/outbox";
import { Delivery } from "../session/qos";
import { type Client, ClientState } from "./client";
import { ClientCause } from "./ports";
import { ONE } from "./tables";

/** Messages that end with the connection: of QoS 0, and those of which only the application has the payload. */
export function loseMessages(client: Client): void {
  const { events, outbox } = client;
  let previous = NONE;
  let row = outbox.first(ONE);
  while (row !== NONE) {
    const next = outbox.next(row);
    const isGone = outbox.qos(row) === 0 || outbox.has(row, DeliveryFlag.Streamed);
    if (isGone && outbox.message(row) !== NONE) {
      outbox.remove(ONE, previous, row);
      events.published(row, ClientCause.Lost);
    } else {
      previous = row;
    }
    row = next;
  }
}

/**
 * The server has forgotten the session: what was on its way begins anew, as if it had never been sent. False when the
 * application has stopped the client meanwhile.
 */
export function beginAnew(client: Client): boolean {
  const { events, layout, outbox, sessions } = client;
  const { u16 } = layout;
  let row = outbox.first(ONE);
  for (; row !== NONE; row = outbox.next(row)) {
    if (outbox.state(row) === Delivery.PubrelOwed) continue;
    outbox.setState(row, Delivery.Queued);
    outbox.setPacketId(row, 0);
    outbox.clearFlag(row, DeliveryFlag.Begun);
  }
  let previous = NONE;
  for (row = outbox.first(ONE); row !== NONE; ) {
    const next = outbox.next(row);
    if (outbox.state(row) !== Delivery.PubrelOwed) {
      previous = row;
    } else {
      outbox.remove(ONE, previous, row); // it had the message
      u16[sessions.inflight + ONE]--;
      u16[sessions.relOwed + ONE]--;
      events.published(row, ReasonCode.Success);
      if (client.state !== ClientState.Connected) return false;
    }
    row = next;
  }
  return true;
}
