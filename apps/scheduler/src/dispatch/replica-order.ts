import { creditLimit } from './credit-limit.js';

/** How many instances a replica may have in hand: a number, or what follows from these and from the service time of the others while its own is not known. */
export type LimitRule = number | { readonly credits: number; readonly leastCredits: number };

/** What can be given work. */
interface Ordered {
  /** Instances in hand. */
  readonly inHand: number;
}

/** Where a replica stands in a {@link ReplicaOrder}. Owned by the order; a replica stands in one order at a time. */
export class Place<R extends Ordered> {
  group: Group<R> | undefined = undefined;
  level = 0;
  /** The higher, the later it came to its level. */
  stamp = 0;
  before: Place<R> | undefined = undefined;
  after: Place<R> | undefined = undefined;

  constructor(readonly holder: R) {}
}

/** Places with the same number of instances in hand, from the one that is chosen next on. */
class Level<R extends Ordered> {
  first: Place<R> | undefined = undefined;
  private last: Place<R> | undefined = undefined;
  size = 0;

  addFirst(place: Place<R>): void {
    place.after = this.first;
    if (this.first === undefined) this.last = place;
    else this.first.before = place;
    this.first = place;
    this.size += 1;
  }

  addLast(place: Place<R>): void {
    place.before = this.last;
    if (this.last === undefined) this.first = place;
    else this.last.after = place;
    this.last = place;
    this.size += 1;
  }

  remove(place: Place<R>): void {
    const { before, after } = place;
    if (before === undefined) this.first = after;
    else before.after = after;
    if (after === undefined) this.last = before;
    else after.before = before;
    place.before = undefined;
    place.after = undefined;
    this.size -= 1;
  }
}

/** Replicas with the same limit, by what they have in hand. */
class Group<R extends Ordered> {
  size = 0;
  /** Nobody here has less in hand. */
  lowest = Infinity;
  /** Place in the list of groups. */
  index = 0;
  private readonly levels: (Level<R> | undefined)[] = [];

  constructor(
    readonly key: number | string,
    private readonly rule: LimitRule,
  ) {}

  limit(othersMs: number | undefined): number {
    return typeof this.rule === 'number' ? this.rule : creditLimit(this.rule.credits, this.rule.leastCredits, othersMs);
  }

  get idle(): number {
    return this.levels[0]?.size ?? 0;
  }

  /** Of those with the least in hand the one whose turn it is. Not empty. */
  get next(): Place<R> {
    return (this.levels[this.lowest] as Level<R>).first as Place<R>;
  }

  /** `isUsed`: it had something in hand just now, so of idle ones it is the next. */
  add(place: Place<R>, level: number, isUsed: boolean): void {
    const at = (this.levels[level] ??= new Level<R>());
    place.group = this;
    place.level = level;
    if (level === 0 && isUsed) at.addFirst(place);
    else at.addLast(place);
    this.size += 1;
    if (level < this.lowest) this.lowest = level;
  }

  remove(place: Place<R>): void {
    (this.levels[place.level] as Level<R>).remove(place);
    place.group = undefined;
    this.size -= 1;
    if (this.size === 0) this.lowest = Infinity;
    else this.raise();
  }

  move(place: Place<R>, level: number): void {
    (this.levels[place.level] as Level<R>).remove(place);
    this.size -= 1;
    this.add(place, level, true);
    this.raise();
  }

  private raise(): void {
    while ((this.levels[this.lowest]?.size ?? 0) === 0) this.lowest += 1;
  }
}

/**
 * Replicas in the order in which they are given work: kept with each change, so that a choice costs the same however many there are. It grows with the number
 * of different limits only, which are small numbers.
 */
export class ReplicaOrder<R extends Ordered> {
  private readonly byKey = new Map<number | string, Group<R>>();
  private readonly groups: Group<R>[] = [];
  private stamp = 0;

  /** Replicas that have nothing in hand. */
  get idle(): number {
    let idle = 0;
    for (const group of this.groups) idle += group.idle;
    return idle;
  }

  /** `place` stands nowhere yet. Of idle ones it is the last, until it was used. */
  add(place: Place<R>, rule: LimitRule): void {
    place.stamp = place.holder.inHand === 0 ? 0 : ++this.stamp;
    this.groupOf(rule).add(place, place.holder.inHand, false);
  }

  /** No error when it stands nowhere. */
  remove(place: Place<R>): void {
    const { group } = place;
    if (group === undefined) return;
    group.remove(place);
    this.dropEmpty(group);
  }

  /** What it has in hand has changed. No error when it stands nowhere. */
  moved(place: Place<R>): void {
    const { group, holder } = place;
    if (group === undefined || place.level === holder.inHand) return;
    place.stamp = ++this.stamp;
    group.move(place, holder.inHand);
  }

  /** Its limit has changed. No error when it stands nowhere. */
  limited(place: Place<R>, rule: LimitRule): void {
    const { group, level } = place;
    if (group === undefined || group.key === keyOf(rule)) return;
    group.remove(place);
    this.groupOf(rule).add(place, level, true);
    this.dropEmpty(group);
  }

  /**
   * The replica with the largest free part of its limit, those that can take `want` instances whole before the others; of equals that are busy each in turn,
   * of idle ones the one used last, whose weights are still in the caches. Undefined when none has anything free.
   * `othersMs`: service time of those whose own is not known.
   */
  choose(want: number, othersMs: number | undefined): R | undefined {
    let best: Place<R> | undefined;
    let bestScore = 0;
    for (const group of this.groups) {
      const limit = group.limit(othersMs);
      const free = limit - group.lowest;
      if (free <= 0) continue;
      const score = free / limit + (free >= want ? 1 : 0);
      if (score < bestScore) continue;
      const { next } = group;
      if (best !== undefined && score === bestScore && !isBefore(next, best)) continue;
      best = next;
      bestScore = score;
    }
    return best?.holder;
  }

  private groupOf(rule: LimitRule): Group<R> {
    const key = keyOf(rule);
    let group = this.byKey.get(key);
    if (group === undefined) {
      group = new Group<R>(key, rule);
      group.index = this.groups.length;
      this.byKey.set(key, group);
      this.groups.push(group);
    }
    return group;
  }

  private dropEmpty(group: Group<R>): void {
    if (group.size > 0) return;
    this.byKey.delete(group.key);
    const last = this.groups.pop();
    if (last === undefined || last === group) return;
    last.index = group.index;
    this.groups[group.index] = last;
  }
}

function keyOf(rule: LimitRule): number | string {
  return typeof rule === 'number' ? rule : `${rule.credits}/${rule.leastCredits}`;
}

/** Of two whose free parts are the same. */
function isBefore<R extends Ordered>(a: Place<R>, b: Place<R>): boolean {
  return a.level === 0 && b.level === 0 ? a.stamp > b.stamp : a.stamp < b.stamp;
}
