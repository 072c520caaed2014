import { emptyList } from '@mserve/event-loop';

/** First in, first out, without moving the rest at every shift. */
export class Fifo<T> {
  private entries: (T | undefined)[] = [];
  private head = 0;

  get length(): number {
    return this.entries.length - this.head;
  }

  /** What shift() would give. */
  peek(): T | undefined {
    return this.entries[this.head];
  }

  push(entry: T): void {
    this.entries.push(entry);
  }

  shift(): T | undefined {
    if (this.head === this.entries.length) return undefined;
    const entry = this.entries[this.head];
    this.entries[this.head++] = undefined;
    if (this.head === this.entries.length) {
      emptyList(this.entries);
      this.head = 0;
    } else if (this.head >= 1024 && this.head * 2 >= this.entries.length) {
      this.entries = this.entries.slice(this.head);
      this.head = 0;
    }
    return entry;
  }

  /** Puts entries back in front of the others, in the order given. */
  unshift(entries: readonly T[]): void {
    if (entries.length === 0) return;
    if (entries.length <= this.head) {
      this.head -= entries.length;
      for (let i = 0; i < entries.length; i++) this.entries[this.head + i] = entries[i];
      return;
    }
    this.entries = [...entries, ...this.entries.slice(this.head)];
    this.head = 0;
  }
}
