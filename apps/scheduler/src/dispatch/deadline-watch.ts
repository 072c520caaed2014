import { Heap } from './heap.js';
import type { Portion } from './portion.js';

/** Queued portions with a deadline, earliest first. Those that leave their queue otherwise stay until they come up, or are the majority. */
export class DeadlineWatch {
  private readonly heap = new Heap<Portion>((a, b) => a.ticket.deadlineAt < b.ticket.deadlineAt);

  /** `queuedPortions`: how many are queued altogether. */
  add(portion: Portion, queuedPortions: number): void {
    if (portion.ticket.deadlineAt === Infinity) return;
    this.heap.push(portion);
    if (this.heap.size > 2 * queuedPortions + 64) this.heap.retain((other) => other.state === 'queued');
  }

  /** The next queued portion whose deadline has passed, taken out. */
  popDue(now: number): Portion | undefined {
    for (let head = this.heap.peek(); head !== undefined; head = this.heap.peek()) {
      if (head.state === 'queued' && head.ticket.deadlineAt > now) return undefined;
      this.heap.pop();
      if (head.state === 'queued') return head;
    }
    return undefined;
  }

  /** The next deadline, perhaps of a portion that is not queued any more; Infinity = none. */
  get nextAt(): number {
    return this.heap.peek()?.ticket.deadlineAt ?? Infinity;
  }
}
