const emptyKey = -1;
const smallest = 64;

/**
 * Values by number, for tables whose entries come and go with every request. V8's Map is slow there: a Map that lives long and is added to and
 * deleted from all the time gets a new table every few deletions, and each discarded one keeps what it held from being collected cheaply (that
 * took a quarter of the CPU of a small request). Here entries are written in place, and deletion leaves nothing behind.
 *
 * Open addressing with linear probing; at most half full; grows, never shrinks.
 */
export class IdTable<V> {
  private keys = new Float64Array(smallest).fill(emptyKey);
  private values = new Array<V | undefined>(smallest).fill(undefined);
  private mask = smallest - 1;
  private count = 0;

  get size(): number {
    return this.count;
  }

  /** Ids are integers from 0 to 2^53 - 1. */
  get(id: number): V | undefined {
    return this.values[this.find(id)];
  }

  /** Adds or replaces. */
  set(id: number, value: V): void {
    let at = this.find(id);
    if (this.keys[at] === emptyKey) {
      if (this.count * 2 >= this.mask) {
        this.grow();
        at = this.find(id);
      }
      this.keys[at] = id;
      this.count++;
    }
    this.values[at] = value;
  }

  /** false when it was not there. */
  delete(id: number): boolean {
    const { keys, values, mask } = this;
    let hole = this.find(id);
    if (keys[hole] === emptyKey) return false;
    this.count--;
    // Moves back whatever probed past the hole, so that no marker has to stay
    for (let at = (hole + 1) & mask; keys[at] !== emptyKey; at = (at + 1) & mask) {
      const home = this.homeOf(keys[at] as number);
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      keys[hole] = keys[at] as number;
      values[hole] = values[at];
      hole = at;
    }
    keys[hole] = emptyKey;
    values[hole] = undefined;
    return true;
  }

  clear(): void {
    this.keys.fill(emptyKey);
    this.values.fill(undefined);
    this.count = 0;
  }

  /** A copy of the values, in no order: the table may be changed while they are gone through. */
  list(): V[] {
    const list: V[] = [];
    for (let at = 0; at <= this.mask; at++) if (this.keys[at] !== emptyKey) list.push(this.values[at] as V);
    return list;
  }

  private homeOf(id: number): number {
    // Fibonacci hashing of the low bits; ids count up, so that the high ones hardly differ
    return (Math.imul(id | 0, 0x9e3779b1) >>> 8) & this.mask;
  }

  /** Where the id is, or the free place where it would go. */
  private find(id: number): number {
    const { keys, mask } = this;
    let at = this.homeOf(id);
    while (keys[at] !== id && keys[at] !== emptyKey) at = (at + 1) & mask;
    return at;
  }

  private grow(): void {
    const { keys, values } = this;
    this.mask = keys.length * 2 - 1;
    this.keys = new Float64Array(keys.length * 2).fill(emptyKey);
    this.values = new Array<V | undefined>(keys.length * 2).fill(undefined);
    for (let from = 0; from < keys.length; from++) {
      if (keys[from] === emptyKey) continue;
      const at = this.find(keys[from] as number);
      this.keys[at] = keys[from] as number;
      this.values[at] = values[from];
    }
  }
}
