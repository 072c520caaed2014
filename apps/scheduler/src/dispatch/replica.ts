import type { Holder, Portion } from './portion.js';
import type { ServablePool } from './servable-pool.js';

/** A replica as the dispatcher sees it: credits, and what it has in hand. */
export class Replica implements Holder {
  /** Instances in hand; above `credits` only after the worker lowered them. */
  inHand = 0;
  portions = 0;
  /** Takes only what waits for it already, when its pool has no other replica; what it has in hand it finishes. */
  draining = false;
  /** An assignment did not reach its worker: gets nothing until the worker is heard again. */
  suspended = false;
  /** The last portion given in the current fill: a directly following part of the same ticket is added to it. */
  lastGiven: Portion | undefined = undefined;
  private head: Portion | undefined = undefined;

  constructor(
    readonly id: string,
    /** Bus address. */
    readonly worker: string,
    readonly pool: ServablePool,
    public credits: number,
  ) {}

  /** Instances it would take now. */
  get free(): number {
    if (this.suspended || this.inHand >= this.credits || (this.draining && this.pool.usableReplicas > 0)) return 0;
    return this.credits - this.inHand;
  }

  put(portion: Portion): void {
    portion.state = 'in-hand';
    portion.replica = this;
    portion.previous = undefined;
    portion.next = this.head;
    if (this.head !== undefined) this.head.previous = portion;
    this.head = portion;
    this.inHand += portion.count;
    this.portions += 1;
  }

  /** `portion` is in hand here. The caller gives it its new state. */
  release(portion: Portion): void {
    const { previous, next } = portion;
    if (previous === undefined) this.head = next;
    else previous.next = next;
    if (next !== undefined) next.previous = previous;
    portion.previous = undefined;
    portion.next = undefined;
    portion.replica = undefined;
    this.inHand -= portion.count;
    this.portions -= 1;
  }

  /** What is in hand, newest first; a copy, so that it may be released on the way. */
  list(): Portion[] {
    const portions: Portion[] = [];
    for (let portion = this.head; portion !== undefined; portion = portion.next) portions.push(portion);
    return portions;
  }
}
