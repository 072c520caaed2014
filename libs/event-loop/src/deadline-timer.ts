import { DeadlineHeap, type Expiring } from './deadline-heap.js';
import { WakeTimer } from './wake-timer.js';

/**
 * Ends what passes its deadline, with one timer for all entries: a timer each would cost more than many of the things that are timed.
 * Adding and removing cost O(log n). The timer does not keep the process alive.
 */
export class DeadlineTimer<E extends Expiring> {
  readonly #heap = new DeadlineHeap<E>();
  readonly #timer: WakeTimer;

  /** `expire` is called for each entry that is due, earliest first, once it is out; `onTurn` after the last one of a turn. Neither may throw. */
  constructor(expire: (entry: E) => void, onTurn: () => void = () => undefined) {
    this.#timer = new WakeTimer((now) => {
      for (let due = this.#heap.popDue(now); due !== undefined; due = this.#heap.popDue(now)) expire(due);
      this.#timer.arm(this.#heap.nextAt);
      onTurn();
    });
  }

  /** Entries with a deadline ahead. */
  get size(): number {
    return this.#heap.size;
  }

  /** No error when it is there already. One without a deadline (Infinity) is left out. */
  add(entry: E): void {
    if (entry.deadlineIndex !== -1 || entry.deadlineAt === Infinity) return;
    this.#heap.add(entry);
    this.#timer.arm(entry.deadlineAt);
  }

  /** No error when it is not there. */
  remove(entry: E): void {
    this.#heap.remove(entry);
  }

  /** Forgets all entries. */
  clear(): void {
    this.#heap.clear();
    this.#timer.disarm();
  }
}
