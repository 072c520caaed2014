const settled = Promise.resolve();

/**
 * Calls `act` in a microtask of its own, as queueMicrotask does, without the async resource that Node makes for each of those: a third of
 * the price, which counts where every request has several. `act` must not throw.
 */
export function soon(act: () => void): void {
  void settled.then(act);
}

/**
 * When a turn counts as over:
 *
 * - microtask: when the JavaScript that runs now has returned
 * - check: after the poll phase, when all sockets that are readable in this turn have been read
 */
export type TurnPhase = 'microtask' | 'check';

/**
 * One call at the end of an event-loop turn, however often the turn asks for it. What is to be handed over then is gathered by its owner in
 * a list of its own, so that nothing is allocated per entry.
 */
export class EndOfTurn {
  #due = false;
  /** Due in a microtask, not only in the check phase. */
  #isNear = false;
  readonly #handOver: () => void;
  readonly #phase: TurnPhase;
  readonly #onEnd = (): void => this.flush();

  /** `handOver` must not throw; it may ask for the end of the next turn. */
  constructor(handOver: () => void, phase: TurnPhase = 'microtask') {
    this.#handOver = handOver;
    this.#phase = phase;
  }

  /** Somebody asked for the call in this turn, and it was not made yet. */
  get isDue(): boolean {
    return this.#due;
  }

  /** Asks for the call. Of several phases the earliest counts. */
  ask(phase: TurnPhase = this.#phase): void {
    const isNear = phase === 'microtask';
    if (this.#due && (this.#isNear || !isNear)) return;
    this.#due = true;
    this.#isNear = isNear;
    if (isNear) soon(this.#onEnd);
    else setImmediate(this.#onEnd);
  }

  /** Makes the call now if one was asked for. */
  flush(): void {
    if (!this.#due) return;
    this.#due = false;
    this.#handOver();
  }
}
