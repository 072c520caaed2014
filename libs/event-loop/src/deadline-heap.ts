import { emptyList } from './empty-list.js';

/** Something with a deadline that can be in one {@link DeadlineHeap} at a time. */
export interface Expiring {
  /** performance.now() clock, in ms; never Infinity in a heap. Must not change while it is in one. */
  readonly deadlineAt: number;
  /** Place in the heap; the heap's own, -1 while it is in none. */
  deadlineIndex: number;
}

/** Removed entries leave holes in the row; so many, beyond the entries that are left, are tolerated. */
const toleratedHoles = 64;

/**
 * Entries by deadline, each of which can be removed at any time; one timer serves all. Most have the same time from when they come, so that their deadlines
 * come in order: those stand in a row, and adding and removing one costs O(1). What comes out of order is in a binary heap, O(log n).
 * It has no clock: its owner asks {@link popDue} when it is time. See {@link DeadlineTimer} for one with a clock.
 */
export class DeadlineHeap<E extends Expiring> {
  /** In order of deadlines, with holes; what is before `first` is gone. The entry at place p has the deadlineIndex -2 - p. */
  private row: (E | undefined)[] = [];
  private first = 0;
  private inRow = 0;
  /** The latest deadline that was added to the row. */
  private rowEndsAt = -Infinity;
  /** An entry's deadlineIndex is its place here. */
  private readonly heap: E[] = [];

  get size(): number {
    return this.inRow + this.heap.length;
  }

  /** The earliest deadline, Infinity when empty. */
  get nextAt(): number {
    return this.top()?.deadlineAt ?? Infinity;
  }

  add(entry: E): void {
    if (entry.deadlineAt >= this.rowEndsAt) {
      this.rowEndsAt = entry.deadlineAt;
      entry.deadlineIndex = -2 - this.row.length;
      this.row.push(entry);
      this.inRow++;
      return;
    }
    this.heap.push(entry);
    this.rise(this.heap.length - 1, entry);
  }

  /** No error when it is not in the heap. */
  remove(entry: E): void {
    const { deadlineIndex } = entry;
    if (deadlineIndex === -1) return;
    entry.deadlineIndex = -1;
    if (deadlineIndex < 0) this.leaveRow(-2 - deadlineIndex);
    else this.leaveHeap(deadlineIndex, entry);
  }

  /** Takes out the earliest entry when its deadline is not after `now`. */
  popDue(now: number): E | undefined {
    const top = this.top();
    if (top === undefined || top.deadlineAt > now) return undefined;
    this.remove(top);
    return top;
  }

  /** Takes out all entries. */
  clear(): void {
    for (const entry of this.heap) entry.deadlineIndex = -1;
    for (const entry of this.row) if (entry !== undefined) entry.deadlineIndex = -1;
    this.heap.length = 0;
    this.emptyRow();
  }

  private top(): E | undefined {
    const [top] = this.heap;
    const next = this.row[this.first];
    if (top === undefined || next === undefined) return top ?? next;
    return top.deadlineAt < next.deadlineAt ? top : next;
  }

  private leaveRow(place: number): void {
    const { row } = this;
    row[place] = undefined;
    this.inRow--;
    if (this.inRow === 0) return this.emptyRow();
    while (row[this.first] === undefined) this.first++;
    if (row.length > 2 * this.inRow + toleratedHoles) this.closeRanks();
  }

  private emptyRow(): void {
    emptyList(this.row);
    this.first = 0;
    this.inRow = 0;
    this.rowEndsAt = -Infinity;
  }

  /** Takes the holes out of the row. */
  private closeRanks(): void {
    const { row } = this;
    let place = 0;
    for (let from = this.first; from < row.length; from++) {
      const entry = row[from];
      if (entry === undefined) continue;
      entry.deadlineIndex = -2 - place;
      row[place++] = entry;
    }
    row.length = place;
    this.first = 0;
  }

  private leaveHeap(place: number, entry: E): void {
    const last = this.heap.pop() as E;
    if (last === entry) return;
    const parent = this.heap[(place - 1) >> 1];
    if (place > 0 && parent !== undefined && last.deadlineAt < parent.deadlineAt) this.rise(place, last);
    else this.sink(place, last);
  }

  private rise(index: number, entry: E): void {
    const { heap } = this;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above] as E;
      if (parent.deadlineAt <= entry.deadlineAt) break;
      this.put(index, parent);
      index = above;
    }
    this.put(index, entry);
  }

  private sink(index: number, entry: E): void {
    const { heap } = this;
    for (;;) {
      let below = 2 * index + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && (heap[below + 1] as E).deadlineAt < (heap[below] as E).deadlineAt) below++;
      const child = heap[below] as E;
      if (child.deadlineAt >= entry.deadlineAt) break;
      this.put(index, child);
      index = below;
    }
    this.put(index, entry);
  }

  private put(index: number, entry: E): void {
    this.heap[index] = entry;
    entry.deadlineIndex = index;
  }
}
