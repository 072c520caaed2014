/** Starts batches in the order of their numbers, whatever the order in which they come: numbers follow each other without a gap, from 1. */
export class BatchOrder {
  private next = 1;
  private readonly waiting = new Map<number, () => void>();

  /** Calls `start` at its turn: now, or while a later call of this function. A batch that comes twice is started once. */
  enter(batch: number, start: () => void): void {
    if (batch < this.next || this.waiting.has(batch)) return;
    this.waiting.set(batch, start);
    for (let turn = this.waiting.get(this.next); turn !== undefined; turn = this.waiting.get(this.next)) {
      this.waiting.delete(this.next++);
      turn();
    }
  }

  /** Begins anew; what waits is never started. */
  reset(): void {
    this.next = 1;
    this.waiting.clear();
  }
}
