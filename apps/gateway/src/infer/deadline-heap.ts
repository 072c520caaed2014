/** Something with a deadline that can sit in one {@link DeadlineHeap}. */
export interface Expiring {
  /** performance.now() clock; never Infinity in a heap. */
  readonly deadlineAt: number;
  /** Place in the heap; the heap's own, -1 while it is in none. */
  heapIndex: number;
}

/**
 * A binary heap by deadline that knows where each entry is: adding and removing cost O(log n), and one timer serves all requests.
 * Its owner asks {@link popDue} when the timer fires.
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
    const { heapIndex } = entry;
    if (heapIndex < 0) return;
    entry.heapIndex = -1;
    const last = this.entries.pop() as E;
    if (last === entry) return;
    const parent = this.entries[(heapIndex - 1) >> 1];
    if (heapIndex > 0 && parent !== undefined && last.deadlineAt < parent.deadlineAt) this.rise(heapIndex, last);
    else this.sink(heapIndex, last);
  }

  /** Takes out the earliest entry when its deadline is not after `now`. */
  popDue(now: number): E | undefined {
    const top = this.entries[0];
    if (top === undefined || top.deadlineAt > now) return undefined;
    this.remove(top);
    return top;
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
    entry.heapIndex = index;
  }
}
