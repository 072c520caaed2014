import { defaults } from '@mserve/config';
import type { MethodWaits, QueueReport } from '@mserve/bus';
import { DeadlineHeap, emptyList } from '@mserve/event-loop';
import { grantOf, instanceCount, type Cancellation, type Failure, type Receipt, type ServableSignature, type Ticket } from '@mserve/wire';
import type { DispatchObservers, DispatchOptions, DispatchOutlet } from './dispatch-options.js';
import { isInTime } from './admission.js';
import { DispatchCounters, type DispatchStats, dispatchStats } from './dispatch-stats.js';
import { failures } from './failures.js';
import { type FillContext, fillReplicas } from './fill-replicas.js';
import { MetricRegistry, type Tracer } from '@mserve/metrics';
import { poolGauges, waitsIn } from './method-metrics.js';
import { MethodQueue } from './method-queue.js';
import { missingRanges, Portion, type Holder } from './portion.js';
import { type ReadyReplica, ReplicaSet } from './replica-set.js';
import { RequestBook } from './request-book.js';
import { AllQueues, type ServablePool } from './servable-pool.js';
import { settleReceipt } from './settle-receipt.js';

/** What others see of a servable version. */
export type PoolStatus = Pick<ServablePool, 'signature' | 'usableReplicas' | 'queuedInstances'>;

/**
 * The scheduler's core: queues, batches, replicas, retries. Pure: it has no clock (every call brings `now`, on the performance.now()
 * clock), no timers and no promises; what it decides it tells its outlet at once. Not reentrant: the outlet must not call back.
 *
 * Every instance of an accepted ticket is at any time exactly one of: queued, in hand of a replica, receipted, refused, cancelled.
 */
export class Dispatcher {
  private readonly counters: DispatchCounters;
  private readonly book = new RequestBook();
  private readonly queued: AllQueues;
  private readonly replicas: ReplicaSet;
  private readonly showPools: (pools: Iterable<ServablePool>, now: number) => void;
  /** Of queued portions with a deadline, but for those that get a replica on arrival. */
  private readonly deadlines = new DeadlineHeap<Portion>();
  private readonly filling: FillContext = {
    book: this.book,
    deadlines: this.deadlines,
    given: [],
    expire: (portion) => this.expire(portion),
    giveUp: (portion) => this.refuseQueued(portion, failures.deadlineUnreachable(portion.ticket)),
  };
  private options: DispatchOptions;
  private readonly arrivals: Portion[] = [];
  private readonly touched: ServablePool[] = [];
  private readonly tracer: Tracer | undefined;
  private order = 0;

  /** `address`: receipts are sent there. */
  constructor(
    private readonly address: string,
    private readonly outlet: DispatchOutlet,
    options: Partial<DispatchOptions> = {},
    { metrics = new MetricRegistry(), tracer }: DispatchObservers = {},
  ) {
    this.counters = new DispatchCounters(metrics);
    this.queued = new AllQueues(waitsIn(metrics));
    this.replicas = new ReplicaSet(this.queued);
    this.showPools = poolGauges(metrics);
    this.tracer = tracer;
    this.options = { ...defaults.scheduler, ...options };
  }

  /** Further requests are refused while more than so many wait. `maxQueuedInstances`: default: as it is. */
  limitQueue(maxQueuedRequests: number, maxQueuedInstances = this.options.maxQueuedInstances): void {
    this.options = { ...this.options, maxQueuedRequests, maxQueuedInstances };
  }

  /** Takes everything one turn brought: all of it is queued before any replica is filled, so that batches form. */
  submit(tickets: readonly Ticket[], now: number): void {
    for (const ticket of tickets) this.accept(ticket, now);
    this.fill(now);
    this.settleArrivals(now);
  }

  /** Instances have left their replicas: credits come back and are used at once. */
  settle(receipts: readonly Receipt[], now: number): void {
    for (const receipt of receipts) {
      const replica = this.replicas.get(receipt.replica);
      const found = replica === undefined ? 0 : settleReceipt(this.book, receipt, replica, now);
      if (replica === undefined || found === 0) this.counters.lateReceipts.add();
      else this.touch(replica.pool);
      this.counters.receipted.add(found);
    }
    this.fill(now);
  }

  /** Nobody waits for these: queued instances are forgotten, for others their workers are told. Unknown ones are ignored. */
  cancel(cancellations: readonly Cancellation[]): void {
    for (const cancellation of cancellations) this.cancelOne(cancellation);
  }

  /** A replica may have come, changed its credits or be heard again. */
  putReplica(replica: ReadyReplica, now: number): 'added' | 'updated' | 'conflict' {
    const outcome = this.replicas.put(replica, (pool) => this.refusePool(pool));
    const pool = this.replicas.get(replica.replica)?.pool;
    if (pool !== undefined) this.touch(pool);
    this.fill(now);
    return outcome;
  }

  /**
   * Gives these no further tickets; what they have in hand they finish. Where a servable version has no other replica, they also get what is queued
   * for it already: those tickets were taken.
   */
  drainReplicas(ids: readonly string[], now: number): void {
    for (const id of ids) {
      const replica = this.replicas.get(id);
      if (replica === undefined || replica.draining) continue;
      replica.pool.drainReplica(replica);
      this.touch(replica.pool);
    }
    this.fill(now);
  }

  /**
   * These are lost. What they have in hand goes to others, while the deadline and the number of attempts allow.
   * died: the worker (or the replica) is gone, and the instances that it had in hand may be the cause. unreachable: the bus is down, no instance is the cause.
   * A servable that has no replica left keeps its queue until `keepQueuedUntil`, by default it is refused at once.
   */
  removeReplicas(ids: readonly string[], cause: 'died' | 'unreachable', now: number, keepQueuedUntil = now): void {
    const pools = new Set<ServablePool>();
    const lost: Portion[] = [];
    // All of them first: what one had must not go to another one that is lost too.
    for (const id of ids) {
      const replica = this.replicas.remove(id);
      if (replica === undefined) continue;
      pools.add(replica.pool);
      for (const portion of replica.list()) {
        replica.release(portion);
        lost.push(portion);
      }
    }
    for (const portion of lost) this.retry(portion, cause, now);
    for (const pool of pools) {
      this.checkOrphan(pool, now, keepQueuedUntil);
      this.touch(pool);
    }
    this.fill(now);
  }

  /** A worker was heard again: its replicas may be used again after an undelivered assignment. */
  resume(ids: readonly string[], now: number): void {
    for (const id of ids) {
      const replica = this.replicas.get(id);
      if (replica === undefined || !replica.suspended) continue;
      replica.resume(now);
      this.touch(replica.pool);
    }
    this.fill(now);
  }

  /** To be called at {@link nextWakeAt}: refuses what has expired and sends what has waited for a fuller batch long enough. */
  wake(now: number): void {
    for (let due = this.deadlines.popDue(now); due !== undefined; due = this.deadlines.popDue(now)) this.expire(due);
    this.fill(now);
  }

  /** When {@link wake} has something to do; Infinity = nothing is waiting for a time. */
  nextWakeAt(): number {
    return Math.min(this.deadlines.nextAt, this.queued.dues.nextAt);
  }

  /**
   * To be called every second or so: takes back the credits of instances whose receipt should have come long ago (it was lost, or the
   * assignment was), and refuses what waits for a servable that has not come back.
   */
  sweep(now: number): void {
    for (const replica of this.replicas.all()) {
      for (const portion of replica.list()) {
        if (portion.ticket.deadlineAt + this.options.receiptGraceMs > now) continue;
        this.counters.missingReceipts.add(portion.count);
        replica.release(portion);
        this.refuse(portion, failures.deadlineExceeded(portion.ticket));
        this.touch(replica.pool);
      }
    }
    for (const pool of [...this.replicas.pools()]) if (pool.orphanedUntil <= now) this.checkOrphan(pool, now, now);
    this.book.sweep();
    this.fill(now);
  }

  /** Refuses everything that is queued: the scheduler leaves and nobody takes over. */
  refuseAll(): void {
    for (const pool of this.replicas.pools()) this.refusePool(pool, failures.leaving);
  }

  /** Servable versions that have replicas, or had and may have again. */
  pools(): Iterable<PoolStatus> {
    return this.replicas.pools();
  }

  /** Whether a replica of the version can be given work. */
  isUsable({ servable, version }: ServableSignature): boolean {
    return (this.replicas.poolOf(servable, version)?.usableReplicas ?? 0) > 0;
  }

  /** Queues that are not empty, at most `most`. */
  queues(most: number): QueueReport[] {
    return this.replicas.queues(most);
  }

  /** How long assignments waited, by method of the servable versions there are. */
  waits(): MethodWaits[] {
    return [...this.replicas.pools()].flatMap((pool) => pool.waits());
  }

  /** Nothing is queued or in hand. */
  get isIdle(): boolean {
    if (this.queued.portions > 0) return false;
    for (const pool of this.replicas.pools()) if (pool.inHand > 0) return false;
    return true;
  }

  /** Sets the gauges of queues and replicas. To be called before they are read. */
  showGauges(now: number): void {
    this.showPools(this.replicas.pools(), now);
  }

  stats(): DispatchStats {
    return dispatchStats(this.counters, this.queued, this.replicas.stats());
  }

  private accept(ticket: Ticket, now: number): void {
    this.counters.tickets.add();
    const count = instanceCount(ticket.instances);
    const pool = this.replicas.poolOf(ticket.servable, ticket.version);
    pool?.shares.see(ticket.gateway, now);
    const target = this.targetOf(ticket, count, now, pool);
    const known = this.book.find(ticket.gateway, ticket.id);
    if (target instanceof MethodQueue) pool?.shares.take(ticket.gateway, count, now);
    if (known === undefined) this.take(ticket, target, ticket.firstInstance, count, now);
    else {
      // Sent again while it is (partly) still here: only the instances that are not here are taken.
      let missing = 0;
      for (const { first, instances } of missingRanges(known, ticket.firstInstance, count)) {
        missing += instances;
        this.take(ticket, target, first, instances, now);
      }
      this.counters.duplicates.add(count - missing);
    }
    if (pool !== undefined) this.touch(pool);
  }

  /** The queue that the ticket is for, or why it cannot be taken. */
  private targetOf(ticket: Ticket, count: number, now: number, pool: ServablePool | undefined): MethodQueue | Failure {
    const { maxQueuedInstances } = this.options;
    if (pool === undefined || !pool.takesWork) return failures.servableUnavailable(ticket);
    if (count === 0) return failures.noInstances(ticket);
    if (count > maxQueuedInstances) return failures.tooManyInstances(maxQueuedInstances);
    if (ticket.deadlineAt <= now) return failures.deadlineExceeded(ticket);
    const queue = pool.queueOf(ticket.method);
    if (queue === undefined) return failures.unknownMethod(ticket);
    return isInTime(pool, queue, ticket, count, now) ? queue : failures.deadlineUnreachable(ticket);
  }

  private take(ticket: Ticket, target: MethodQueue | Failure, first: number, count: number, now: number): void {
    this.counters.accepted.add(count);
    if (!(target instanceof MethodQueue)) {
      this.tellRefusal(ticket, ticket.attempt, first, count, target);
      return;
    }
    const portion = new Portion(ticket, target, this.order++, first, count, ticket.attempt, now);
    target.push(portion, now + this.options.maxQueueDelayMs);
    this.book.add(portion);
    this.arrivals.push(portion);
    if (this.tracer !== undefined) this.beginWait(portion);
  }

  /** After a fill: refuses the newest of what this turn brought where the queues are over their bound, and watches the deadlines of the rest. */
  private settleArrivals(now: number): void {
    const { arrivals, options, queued } = this;
    for (let i = arrivals.length - 1; i >= 0; i--) {
      const portion = arrivals[i] as Portion;
      if (portion.state !== 'queued') continue;
      // What has begun to run is not refused any more for want of room.
      const untouched = portion.count === instanceCount(portion.ticket.instances);
      const overRequests = queued.portions > options.maxQueuedRequests;
      if (untouched && (overRequests || queued.instances > options.maxQueuedInstances) && this.hasItsShare(portion, queued.pools, now)) {
        this.refuseQueued(
          portion,
          overRequests ? failures.tooManyRequests(options.maxQueuedRequests) : failures.tooManyInstances(options.maxQueuedInstances),
        );
      } else {
        this.watchDeadline(portion);
      }
    }
    emptyList(arrivals);
  }

  /**
   * Whether the servable of the portion has as much of the queues as it is entitled to while so many `pools` want some, and its gateway what it may have of the servable: the
   * others have to find room, too. Nothing goes beyond twice the bound.
   */
  private hasItsShare({ ticket, count }: Portion, pools: number, now: number): boolean {
    const { maxQueuedRequests, maxQueuedInstances } = this.options;
    const pool = this.replicas.poolOf(ticket.servable, ticket.version);
    if (pool === undefined) return true;
    const { queuedPortions, queuedInstances, shares } = pool;
    if (queuedPortions * pools <= maxQueuedRequests && queuedInstances * pools <= maxQueuedInstances) return false;
    const isFull = queuedPortions > 2 * maxQueuedRequests || queuedInstances > 2 * maxQueuedInstances;
    if (!isFull && shares.standing(ticket.gateway, now) === 'within') return false;
    shares.take(ticket.gateway, -count, now);
    return true;
  }

  private watchDeadline(portion: Portion): void {
    if (portion.deadlineAt !== Infinity) this.deadlines.add(portion);
  }

  private touch(pool: ServablePool): void {
    if (pool.touched) return;
    pool.touched = true;
    this.touched.push(pool);
  }

  private fill(now: number): void {
    const { touched, filling, counters } = this;
    // What is due waits for credits from now on, not for a time
    const { dues } = this.queued;
    for (let due = dues.popDue(now); due !== undefined; due = dues.popDue(now)) this.touch(due.pool);
    const { given } = filling;
    for (let i = 0; i < touched.length; i++) {
      const pool = touched[i] as ServablePool;
      pool.touched = false;
      counters.batches.add(fillReplicas(pool, now, filling));
      for (const portion of given) this.assign(portion, pool, now);
      emptyList(given);
    }
    emptyList(touched);
  }

  private assign(portion: Portion, pool: ServablePool, now: number): void {
    const { replica } = portion;
    if (replica === undefined) return;
    const { attempt } = portion;
    this.counters.assignments.add();
    this.counters.batched.add(portion.count);
    const queuedMs = now - portion.queuedAt;
    portion.queue.waited.observe(queuedMs / 1000);
    portion.span?.end();
    portion.span = undefined;
    const grant = grantOf(portion.ticket.key, attempt, portion.first, portion.count);
    portion.grant = grant;
    const ticket = portion.toTicket();
    const queuedUs = ticket.watch?.isTimed === true ? Math.round(queuedMs * 1000) : 0;
    const assignment = { scheduler: this.address, replica: replica.id, ticket, grant, queuedUs };
    this.outlet.assign(replica.worker, assignment, (now) => this.returnUndelivered(portion, replica, pool, attempt, now));
  }

  /** Nobody got the assignment, so nothing ran: the same attempt goes to another replica, and this worker's get nothing until it is heard again. */
  private returnUndelivered(portion: Portion, replica: Holder, pool: ServablePool, attempt: number, now: number): void {
    if (portion.state !== 'in-hand' || portion.replica !== replica || portion.attempt !== attempt) return;
    this.counters.undelivered.add();
    for (const other of this.replicas.ofWorker(replica.worker)) other.suspend();
    replica.release(portion);
    portion.undelivered += 1;
    if (portion.cancelled) this.finishCancelled(portion);
    else if (portion.undelivered >= this.options.maxUndelivered) this.refuse(portion, failures.servableUnavailable(portion.ticket));
    else {
      this.queueAgain(portion, now);
      portion.span?.event('retry: its assignment reached nobody');
    }
    this.checkOrphan(pool, now, now);
    this.touch(pool);
    this.fill(now);
  }

  private retry(portion: Portion, cause: 'died' | 'unreachable', now: number): void {
    const { ticket } = portion;
    if (cause === 'died') portion.deaths += 1;
    if (portion.cancelled) this.finishCancelled(portion);
    else if (portion.deaths >= 2) this.refuse(portion, failures.workersDied(ticket));
    else if (ticket.attempt - 1 + portion.deaths >= this.options.maxAttempts)
      this.refuse(portion, failures.attemptsUsedUp(ticket, portion.attempt));
    else if (ticket.deadlineAt <= now) this.refuse(portion, failures.deadlineExceeded(ticket));
    else {
      portion.attempt += 1;
      this.counters.retried.add(portion.count);
      this.queueAgain(portion, now);
      portion.span?.event(cause === 'died' ? 'retry: its worker was lost' : 'retry: its worker was out of reach');
    }
  }

  private queueAgain(portion: Portion, now: number): void {
    // Due at once: it has waited before.
    portion.queuedAt = now;
    portion.queue.push(portion, now);
    this.watchDeadline(portion);
    if (this.tracer !== undefined) this.beginWait(portion);
  }

  private beginWait(portion: Portion): void {
    const { ticket, count, attempt } = portion;
    const { servable, version, method, watch } = ticket;
    if (watch === undefined) return;
    portion.span = this.tracer?.begin('queue', watch, { servable, version, method, attempt, instances: count });
  }

  private cancelOne(cancellation: Cancellation): void {
    let toldWorkers: string[] | undefined;
    let portion = this.book.find(cancellation.gateway, cancellation.id);
    while (portion !== undefined) {
      const next: Portion | undefined = portion.sibling;
      if (portion.state === 'queued') {
        this.finishCancelled(portion);
        this.leaveQueue(portion, 'CANCELLED');
      } else if (!portion.cancelled && portion.replica !== undefined) {
        portion.cancelled = true;
        const { worker } = portion.replica;
        toldWorkers ??= [];
        if (!toldWorkers.includes(worker)) {
          toldWorkers.push(worker);
          this.outlet.cancel(worker, cancellation);
        }
      }
      portion = next;
    }
  }

  private finishCancelled(portion: Portion): void {
    portion.state = 'done';
    this.counters.cancelled.add(portion.count);
    this.book.remove(portion);
  }

  private checkOrphan(pool: ServablePool, now: number, keepQueuedUntil: number): void {
    // Replicas that drain still take what is queued
    if (pool.replicas.size > 0) return;
    if (keepQueuedUntil > now) {
      pool.orphanedUntil = keepQueuedUntil;
      return;
    }
    pool.orphanedUntil = Infinity;
    this.refusePool(pool);
    this.replicas.forget(pool);
  }

  private refusePool(pool: ServablePool, why = failures.servableUnavailable): void {
    for (const queue of pool.queues) {
      for (const portion of queue.list()) this.refuseQueued(portion, why(portion.ticket));
    }
  }

  private expire(portion: Portion): void {
    this.refuseQueued(portion, failures.deadlineExceeded(portion.ticket));
  }

  /** Refuses what waits in its queue. */
  private refuseQueued(portion: Portion, failure: Failure): void {
    this.refuse(portion, failure);
    this.leaveQueue(portion, failure.code);
  }

  /** It has its new state, and nobody gets it from its queue any more. */
  private leaveQueue(portion: Portion, error: string): void {
    portion.queue.drop(portion);
    this.deadlines.remove(portion);
    portion.span?.end(error);
    portion.span = undefined;
  }

  /** What is in no queue: it was taken out of its replica. */
  private refuse(portion: Portion, failure: Failure): void {
    portion.state = 'done';
    this.book.remove(portion);
    if (portion.cancelled) this.counters.cancelled.add(portion.count);
    else this.tellRefusal(portion.ticket, portion.attempt, portion.first, portion.count, failure);
  }

  private tellRefusal(ticket: Ticket, attempt: number, firstInstance: number, instances: number, failure: Failure): void {
    this.counters.countRefused(failure, instances);
    this.outlet.refuse(ticket.gateway, { id: ticket.id, attempt, firstInstance, instances, failure, key: ticket.key });
  }
}
