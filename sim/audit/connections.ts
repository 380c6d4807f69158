// Connections: what each holds of the pools, and the queues they stand in.

import { Owes, State } from "../../src/broker/connections";
import type { Fifo } from "../../src/memory/fifo";
import { NONE } from "../../src/memory/layout";
import { PacketType } from "../../src/mqtt/constants";
import { isOfPublish } from "../../src/mqtt/decoded";
import type { Ledger } from "./ledger";

export function auditConnections(ledger: Ledger): void {
  const { broker, u8 } = ledger;
  const { connections, limits } = broker;
  let open = 0;
  let connected = 0;
  for (let row = 1; row <= limits.connections; row++) {
    const state: State = u8[connections.state + row];
    if (state === State.Free) free(ledger, row);
    else open++;
    if (state === State.Connected) connected++;
    decoder(ledger, row);
    filtersAck(ledger, row);
    connection(ledger, row, state);
  }
  ledger.equal(connections.openCount, open, "openCount");
  ledger.equal(connections.connectedCount, connected, "connectedCount");
  fifo(ledger, "readers", broker.readers);
  fifo(ledger, "senders", broker.senders);
  fifo(ledger, "held", broker.held);
  fifo(ledger, "starved", broker.starved);
}

function free(ledger: Ledger, row: number): void {
  const { connections: c, decoder } = ledger.broker;
  const bytes = [c.version, c.holds, c.isClosed, c.owes, c.connack, c.pings, c.listener, c.ackType, c.refusedBy];
  const rows = [c.session, c.incoming, c.heldBy, c.codesFirst, c.codesLast, c.codesPromise, c.undoAfter];
  const isEmpty =
    bytes.every((column) => ledger.u8[column + row] === 0) && rows.every((column) => ledger.index[column + row] === 0);
  ledger.check(isEmpty, `connection ${row} is free, but its row is not empty`);
  ledger.check(!decoder.hasBegun(row), `connection ${row} is free, but a packet has begun on it`);
}

/** What the decoder keeps for a connection. Each is promised one block to carry in, unless it has it. */
function decoder(ledger: Ledger, row: number): void {
  const { blocks, decoder } = ledger.broker;
  const { body, input } = decoder;
  const carried = decoder.hasBegun(row) ? input.lengthOf(row) : 0;
  if (carried === 0) ledger.promised++;
  else ledger.chain(ledger.blocks, blocks, input.firstOf(row), carried, `what connection ${row} carries`);
  if (!decoder.hasBegun(row) || !isOfPublish(ledger.u8[decoder.steps + row])) return;
  ledger.chain(ledger.blocks, blocks, body.firstOf(row), body.lengthOf(row), `the PUBLISH of connection ${row}`);
  ledger.promised += body.promisedTo(row);
}

/** The codes of a SUBACK or UNSUBACK, and what a SUBSCRIBE that fails would undo. */
function filtersAck(ledger: Ledger, row: number): void {
  const { index, u8, u32 } = ledger;
  const { blocks, connections: c, limits, subscriptions } = ledger.broker;
  const isMade = u8[c.ackType + row] !== 0;
  const isOwed = (u8[c.owes + row] & Owes.FiltersAck) !== 0;
  const codes = isMade ? Math.min(u32[c.ackCount + row], limits.filtersPerSubscribe) : 0;
  ledger.chain(ledger.blocks, blocks, index[c.codesFirst + row], codes, `the codes of connection ${row}`);
  const promise = index[c.codesPromise + row];
  ledger.promised += promise;
  ledger.check(isMade || !isOwed, `connection ${row} is owed a SUBACK that is none`);
  ledger.check(promise === 0 || (isMade && !isOwed), `connection ${row} keeps a promise of codes`);
  const undo = index[c.undoAfter + row];
  if (u8[c.ackType + row] !== PacketType.SUBACK || isOwed || undo === NONE) return;
  ledger.equal(subscriptions.session(undo), index[c.session + row], `session that connection ${row} would undo in`);
}

function connection(ledger: Ledger, row: number, state: State): void {
  const { broker, index, u8 } = ledger;
  const { connections: c, sessions } = broker;
  const session = index[c.session + row];
  if (state !== State.Connected) ledger.equal(session, NONE, `session of connection ${row}, which is not connected`);
  else ledger.equal(index[sessions.connection + session], row, `connection of session ${session}`);
  const incoming = index[c.incoming + row];
  if (incoming !== NONE) {
    ledger.messages.own(incoming, `connection ${row}`);
    ledger.messages.hold(incoming);
  }
  // Nobody else wakes a connection that is held.
  const isQueued = broker.held.has(row) || broker.readers.has(row);
  ledger.check(u8[c.holds + row] === 0 || isQueued, `connection ${row} is held, but stands in no queue`);
}

function fifo(ledger: Ledger, name: string, queue: Fifo): void {
  const rows = new Set<number>();
  for (let row = queue.first(); row !== NONE && !rows.has(row); row = queue.nextOf(row)) rows.add(row);
  ledger.equal(queue.length, rows.size, `length of ${name}`);
  for (let row = 1; row <= ledger.broker.limits.connections; row++) {
    const stands = rows.has(row);
    ledger.check(queue.has(row) === stands, `${name}: connection ${row} ${stands ? "stands" : "does not stand"} in it`);
  }
}
