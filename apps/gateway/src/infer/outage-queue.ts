import { WakeTimer } from '@mserve/event-loop';
import type { PendingRequest } from './pending-request.js';

/** Requests that cannot be sent now: the bus, or every scheduler that has their servable, is away. Each waits so long at most. */
export class OutageQueue {
  /** Until when (performance.now() clock), in the order in which they came. */
  private readonly waiting = new Map<PendingRequest, number>();
  private readonly timer: WakeTimer;

  /** `onOver` is called for each that has waited long enough, `onTurn` after the last one of a turn. */
  constructor(
    private readonly onOver: (pending: PendingRequest) => void,
    private readonly onTurn: () => void,
  ) {
    this.timer = new WakeTimer((now) => this.giveUp(now));
  }

  get size(): number {
    return this.waiting.size;
  }

  /** One that waits already goes on waiting as it was. */
  add(pending: PendingRequest, until: number): void {
    if (this.waiting.has(pending)) return;
    this.waiting.set(pending, until);
    this.timer.arm(until);
  }

  /** No error when it is not there. */
  remove(pending: PendingRequest): void {
    if (this.waiting.size > 0) this.waiting.delete(pending);
  }

  clear(): void {
    this.waiting.clear();
    this.timer.disarm();
  }

  private giveUp(now: number): void {
    let next = Infinity;
    for (const [pending, until] of [...this.waiting]) {
      if (until > now) next = Math.min(next, until);
      else {
        this.waiting.delete(pending);
        this.onOver(pending);
      }
    }
    this.timer.arm(next);
    this.onTurn();
  }
}
