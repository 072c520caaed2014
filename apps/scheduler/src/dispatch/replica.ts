import { creditLimit } from './credit-limit.js';
import type { Holder, Portion } from './portion.js';
import { type LimitRule, Place } from './replica-order.js';
import { ServiceTime } from './service-time.js';
import type { ServablePool } from './servable-pool.js';

/** A replica as the dispatcher sees it: credits, and what it has in hand. */
export class Replica implements Holder {
  /** Instances in hand; above `credits` only after the worker lowered them. */
  inHand = 0;
  portions = 0;
  /** Takes only what waits for it already, when its pool has no other replica; what it has in hand it finishes. */
  draining = false;
  /** An assignment did not reach its worker: gets nothing until the worker is heard again. */
  private isSuspended = false;
  /** The last portion given in the current fill: a directly following part of the same ticket is added to it. */
  lastGiven: Portion | undefined = undefined;
  readonly place: Place<Holder> = new Place<Holder>(this);
  private head: Portion | undefined = undefined;
  private allowed: number;
  private least: number;
  /** Of its credits, those that it gets now; undefined while its service time is not known. */
  private ownLimit: number | undefined = undefined;
  private readonly service = new ServiceTime();

  constructor(
    readonly id: string,
    /** Bus address. */
    readonly worker: string,
    readonly pool: ServablePool,
    credits: number,
    leastCredits = credits,
  ) {
    this.allowed = credits;
    this.least = leastCredits;
  }

  get suspended(): boolean {
    return this.isSuspended;
  }

  suspend(): void {
    this.isSuspended = true;
    this.pool.stand(this);
  }

  resume(now: number): void {
    this.isSuspended = false;
    this.service.begin(now);
    this.pool.stand(this);
  }

  get credits(): number {
    return this.allowed;
  }

  /** `leastCredits`: as many it gets while an instance takes long, or while it is not known how long. */
  setCredits(credits: number, leastCredits = credits): void {
    this.allowed = credits;
    this.least = leastCredits;
    this.setLimit();
  }

  get serviceMs(): number | undefined {
    return this.service.ms;
  }

  /** Instances it would take now. */
  get free(): number {
    if (this.isSuspended || (this.draining && this.pool.usableReplicas > 0)) return 0;
    // Taken for as fast as the others while its own time is not known, which it may be for good: they take everything that comes
    const limit = this.ownLimit ?? creditLimit(this.allowed, this.least, this.pool.replicaMs);
    return Math.max(0, limit - this.inHand);
  }

  get limitRule(): LimitRule {
    return this.ownLimit ?? { credits: this.allowed, leastCredits: this.least };
  }

  begin(now: number): void {
    this.service.begin(now);
  }

  ended(instances: number, givenAt: number, now: number, wasRun: boolean): void {
    const before = this.service.ms;
    this.service.ended(instances, givenAt, now, this.pool.waitedSince, wasRun);
    if (before === this.service.ms) return;
    this.setLimit();
    if (!this.draining) this.pool.serviceChanged(before, this.service.ms);
  }

  private setLimit(): void {
    const { ms } = this.service;
    this.ownLimit = ms === undefined ? undefined : creditLimit(this.allowed, this.least, ms);
    this.pool.orderOf(this).limited(this.place, this.limitRule);
  }

  put(portion: Portion): void {
    portion.state = 'in-hand';
    portion.replica = this;
    portion.previous = undefined;
    portion.next = this.head;
    if (this.head !== undefined) this.head.previous = portion;
    this.head = portion;
    this.count(portion.count);
    this.portions += 1;
  }

  extend(portion: Portion, count: number): void {
    portion.count += count;
    this.count(count);
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
    this.count(-portion.count);
    this.portions -= 1;
  }

  /** What is in hand, newest first; a copy, so that it may be released on the way. */
  list(): Portion[] {
    const portions: Portion[] = [];
    for (let portion = this.head; portion !== undefined; portion = portion.next) portions.push(portion);
    return portions;
  }

  /** So many more, or fewer, are in hand. */
  private count(instances: number): void {
    this.inHand += instances;
    this.pool.inHand += instances;
    this.pool.orderOf(this).moved(this.place);
  }
}
