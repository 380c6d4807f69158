// Problem: the XS task of a device has a queue of few places, and a release build that finds it full stands still for ever,
// in a write or in lwIP's task. Each socket has at most one message there; one that was closed may have one too, until that
// is delivered, and nobody is told when.
// Form: the main loop delivers at least one message in each turn, so after as many turns as the queue has places all that
// waited are gone. Sockets closed are counted in two spans of so many turns: this one and the one before.
// Cost: a few numbers. Rejected: a message of our own as a mark, such as a promise, which allocates.

/** Places for the listener, promises, the network interface, and sockets closed before they were taken. */
const RESERVE = 6;
/** Timers of the transport that can be due in one turn of the main loop. */
const CALLS_A_TURN = 2;

export class QueueLedger {
  /** Sockets that can have a message in the queue; Infinity where there is no queue. */
  readonly #places: number;
  /** Calls of `turn` in which the queue was delivered once. */
  readonly #span: number;
  #turns = 0;
  /** Sockets closed in this span of turns, and in the one before. */
  #closedNow = 0;
  #closedBefore = 0;

  /** @throws RangeError when `sockets` sockets don't fit. */
  constructor(sockets: number, queueLength = Number.POSITIVE_INFINITY) {
    if (!(queueLength >= sockets + RESERVE)) {
      throw new RangeError(`queueLength: at least ${sockets + RESERVE} for ${sockets} sockets`);
    }
    this.#places = queueLength - RESERVE;
    this.#span = queueLength * CALLS_A_TURN;
  }

  /** Whether one more socket beside `open` ones can have its message. */
  hasRoom(open: number): boolean {
    return open + this.#closedNow + this.#closedBefore < this.#places;
  }

  closed(): void {
    if (this.#span !== Number.POSITIVE_INFINITY) this.#closedNow++;
  }

  /** The transport's turn: at most twice in one of the main loop. True when the next should come soon, because there is no room. */
  turn(open: number): boolean {
    if (this.#closedNow + this.#closedBefore === 0) return false;
    if (++this.#turns >= this.#span) {
      this.#turns = 0;
      this.#closedBefore = this.#closedNow;
      this.#closedNow = 0;
    }
    return !this.hasRoom(open);
  }
}
