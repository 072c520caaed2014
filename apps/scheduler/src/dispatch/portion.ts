import type { Expiring } from '@mserve/event-loop';
import type { Distribution, Span } from '@mserve/metrics';
import type { DeadlineSlot } from './deadline-load.js';
import type { LimitRule, Place } from './replica-order.js';
import { instanceCount, sliceInstances, type Ticket } from '@mserve/wire';

/** Where portions wait for a replica: the queue of a method. */
export interface WaitingRoom {
  /** How long portions were here, in seconds. */
  readonly waited: Distribution;
  /** `dueAt`: from then on it may go in less than a full batch. */
  push(portion: Portion, dueAt: number): void;
  /** A queued portion has left (its state says so already): its place is free at once. */
  drop(portion: Portion): void;
}

/** Who has portions in hand: a replica. */
export interface Holder {
  readonly id: string;
  /** Bus address. */
  readonly worker: string;
  /** Instances it takes at a time. */
  readonly credits: number;
  /** Instances it would take now. */
  readonly free: number;
  inHand: number;
  /** Takes only what waits for it already, when its pool has no other replica; what it has in hand it finishes. */
  draining: boolean;
  /** Milliseconds that it takes for one instance of many; undefined while that is not known. */
  readonly serviceMs: number | undefined;
  /** Gets nothing for now. */
  readonly suspended: boolean;
  /** Where it stands in the order of its pool. */
  readonly place: Place<Holder>;
  readonly limitRule: LimitRule;
  /** The last portion given in the current fill: a directly following part of the same ticket is added to it. */
  lastGiven: Portion | undefined;
  put(portion: Portion): void;
  /** `portion`, which is in hand here, has `count` instances more. */
  extend(portion: Portion, count: number): void;
  /** `portion` is in hand here. The caller gives it its new state. */
  release(portion: Portion): void;
  /** It has nothing in hand, and gets something at `now`. */
  begin(now: number): void;
  /** `instances` that it was given at `givenAt` are done. `wasRun`: they were not dropped. */
  ended(instances: number, givenAt: number, now: number, wasRun: boolean): void;
}

/** queued: in a method queue · in-hand: with a replica, no receipt yet · done: refused, receipted or cancelled. done is final. */
export type PortionState = 'queued' | 'in-hand' | 'done';

/**
 * Consecutive instances of a ticket that share a fate. A ticket starts as one portion; it is split where a replica takes less than
 * all of it. Owned by the dispatcher; fields are written by it and by the queue and the replica that hold the portion.
 */
export class Portion implements Expiring {
  state: PortionState = 'queued';
  /** Nobody waits for it any more; in hand it stays until its receipt, but it is never queued again. */
  cancelled = false;
  /** Workers that died while they had it in hand. */
  deaths = 0;
  /** Since when it waits, or waited last, for a replica. */
  queuedAt: number;
  /** That its replica was given with it. */
  grant = 0;
  /** When its replica got it. */
  givenAt = 0;
  /** Where its deadline counts while it is queued. */
  slot: DeadlineSlot = -1;
  /** Assignments of it that reached nobody. */
  undelivered = 0;
  /** The replica that has it in hand. */
  replica: Holder | undefined = undefined;
  /** Neighbours in that replica's list. */
  previous: Portion | undefined = undefined;
  next: Portion | undefined = undefined;
  /** Next living portion of the same request. */
  sibling: Portion | undefined = undefined;
  /** Place in the dispatcher's heap of deadlines: there while it is queued, but not when it got a replica on arrival. */
  deadlineIndex = -1;
  /** Of its wait in the queue, when its request is traced. A part that is split off has none: the last part that goes ends the wait. */
  span: Span | undefined = undefined;

  constructor(
    /** As it was received. */
    readonly ticket: Ticket,
    readonly queue: WaitingRoom,
    /** Arrival number: of two portions that are equal otherwise, the lower goes first; kept by retries. */
    readonly order: number,
    /** Index in the request of the first instance. */
    public first: number,
    public count: number,
    public attempt: number,
    now: number,
  ) {
    this.queuedAt = now;
  }

  get deadlineAt(): number {
    return this.ticket.deadlineAt;
  }

  /** Takes the first `count` instances (fewer than there are) away into a portion of their own, in the same state and linked nowhere. */
  split(count: number): Portion {
    const taken = new Portion(this.ticket, this.queue, this.order, this.first, count, this.attempt, this.queuedAt);
    taken.state = this.state;
    taken.cancelled = this.cancelled;
    taken.deaths = this.deaths;
    taken.undelivered = this.undelivered;
    taken.grant = this.grant;
    taken.givenAt = this.givenAt;
    this.first += count;
    this.count -= count;
    return taken;
  }

  /** The ticket of these instances: the received one itself where it is still whole. */
  toTicket(): Ticket {
    const { ticket, first, count, attempt } = this;
    const from = first - ticket.firstInstance;
    const whole = from === 0 && count === instanceCount(ticket.instances);
    if (whole && attempt === ticket.attempt) return ticket;
    return {
      gateway: ticket.gateway,
      id: ticket.id,
      key: ticket.key,
      attempt,
      servable: ticket.servable,
      version: ticket.version,
      method: ticket.method,
      firstInstance: first,
      instances: whole ? ticket.instances : sliceInstances(ticket.instances, from, from + count),
      deadlineAt: ticket.deadlineAt,
      priority: ticket.priority,
      watch: ticket.watch,
      context: ticket.context,
    };
  }
}

/** Higher priority, then earlier deadline, then earlier arrival, then lower instance. */
export function goesBefore(a: Portion, b: Portion): boolean {
  if (a.ticket.priority !== b.ticket.priority) return a.ticket.priority > b.ticket.priority;
  if (a.ticket.deadlineAt !== b.ticket.deadlineAt) return a.ticket.deadlineAt < b.ticket.deadlineAt;
  if (a.order !== b.order) return a.order < b.order;
  return a.first < b.first;
}

/** Of the `count` instances from `first`, those that are in none of the portions of the request (`known` and its siblings). */
export function missingRanges(known: Portion, first: number, count: number): { first: number; instances: number }[] {
  const living: Portion[] = [];
  for (let portion: Portion | undefined = known; portion !== undefined; portion = portion.sibling) living.push(portion);
  living.sort((a, b) => a.first - b.first);
  const missing: { first: number; instances: number }[] = [];
  const end = first + count;
  let at = first;
  for (const portion of living) {
    if (portion.first >= end) break;
    if (portion.first > at) missing.push({ first: at, instances: portion.first - at });
    at = Math.max(at, portion.first + portion.count);
  }
  if (at < end) missing.push({ first: at, instances: end - at });
  return missing;
}
