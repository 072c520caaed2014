/** Something with a deadline that can be in one {@link DeadlineHeap} at a time. */
export interface Expiring {
  /** performance.now() clock, in ms; never Infinity in a heap. Must not change while it is in one. */
  readonly deadlineAt: number;
  /** Place in the heap; the heap's own, -1 while it is in none. */
  deadlineIndex: number;
}

/**
 * A binary heap by deadline that knows where each entry is: adding and removing cost O(log n), and one timer serves all.
 * It has no clock: its owner asks {@link popDue} when it is time. See {@link DeadlineTimer} for one with a clock.
 */
export class DeadlineHeap<E extends Expiring> {
  private readonly entries: E[] = [];

  get size(): number {
    return this.entries.length;
  }

  /** The earliest deadline, Infinity when empty. */
  get nextAt(): number {
    return this.entries[0]?.deadlineAt ?? Infinity;
  }

  add(entry: E): void {
    this.entries.push(entry);
    this.rise(this.entries.length - 1, entry);
  }

  /** No error when it is not in the heap. */
  remove(entry: E): void {
    const { deadlineIndex } = entry;
    if (deadlineIndex < 0) return;
    entry.deadlineIndex = -1;
    const last = this.entries.pop() as E;
    if (last === entry) return;
    const parent = this.entries[(deadlineIndex - 1) >> 1];
    if (deadlineIndex > 0 && parent !== undefined && last.deadlineAt < parent.deadlineAt) this.rise(deadlineIndex, last);
    else this.sink(deadlineIndex, last);
  }

  /** Takes out the earliest entry when its deadline is not after `now`. */
  popDue(now: number): E | undefined {
    const top = this.entries[0];
    if (top === undefined || top.deadlineAt > now) return undefined;
    this.remove(top);
    return top;
  }

  /** Takes out all entries. */
  clear(): void {
    for (const entry of this.entries) entry.deadlineIndex = -1;
    this.entries.length = 0;
  }

  private rise(index: number, entry: E): void {
    const { entries } = this;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = entries[above] as E;
      if (parent.deadlineAt <= entry.deadlineAt) break;
      this.put(index, parent);
      index = above;
    }
    this.put(index, entry);
  }

  private sink(index: number, entry: E): void {
    const { entries } = this;
    for (;;) {
      let below = 2 * index + 1;
      if (below >= entries.length) break;
      if (below + 1 < entries.length && (entries[below + 1] as E).deadlineAt < (entries[below] as E).deadlineAt) below++;
      const child = entries[below] as E;
      if (child.deadlineAt >= entry.deadlineAt) break;
      this.put(index, child);
      index = below;
    }
    this.put(index, entry);
  }

  private put(index: number, entry: E): void {
    this.entries[index] = entry;
    entry.deadlineIndex = index;
  }
}
