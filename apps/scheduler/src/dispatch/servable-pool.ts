import type { MethodWaits } from '@mserve/bus';
import { DeadlineHeap, type Expiring } from '@mserve/event-loop';
import type { ServableSignature } from '@mserve/wire';
import { GatewayShares } from './gateway-shares.js';
import { MethodQueue, type WaitsOf } from './method-queue.js';
import type { Holder } from './portion.js';
import { ReplicaOrder } from './replica-order.js';

/** What pools share: the queues of all of them, and when the next one is due. */
export class AllQueues {
  portions = 0;
  instances = 0;
  /** Of pools for which something is queued. */
  pools = 0;
  readonly dues = new DeadlineHeap<Due>();

  constructor(readonly waitsOf: WaitsOf) {}
}

/** From when on a queue goes in less than a full batch; Infinity while it is due, or empty. */
export class Due implements Expiring {
  deadlineAt = Infinity;
  deadlineIndex = -1;

  constructor(readonly pool: ServablePool) {}
}

/** One servable version: its replicas and the queues of its methods. */
export class ServablePool {
  /** Usable and draining ones. */
  readonly replicas = new Set<Holder>();
  /** Replicas that will take work, now or when they have credits again: those that are not draining. */
  usableReplicas = 0;
  readonly queues: readonly MethodQueue[];
  /** Instances in hand of its replicas. */
  inHand = 0;
  /** Since when something has been waiting for a credit all the time; NaN while nothing is. */
  waitedSince = NaN;
  /** Replicas that will take work and whose service time is known, and what they do in a millisecond. */
  private known = 0;
  private perMs = 0;
  /** On the dispatcher's list of pools to fill. */
  touched = false;
  /** Without usable replica: until then what is queued waits for one. */
  orphanedUntil = Infinity;
  private readonly byMethod = new Map<string, MethodQueue>();
  /** Of what is queued. */
  queuedPortions = 0;
  queuedInstances = 0;
  readonly shares = new GatewayShares();
  private readonly usable = new ReplicaOrder<Holder>();
  /** Those that drain: chosen only when there are no others. */
  private readonly draining = new ReplicaOrder<Holder>();
  /** Where the search for a queue starts: methods take turns. */
  private queueTurn = 0;

  constructor(
    readonly signature: ServableSignature,
    private readonly all: AllQueues,
  ) {
    this.queues = signature.methods.map(({ name, batchSize }) => this.makeQueue(name, Math.max(1, batchSize)));
    for (const queue of this.queues) this.byMethod.set(queue.method, queue);
  }

  queueOf(method: string): MethodQueue | undefined {
    return this.byMethod.get(method);
  }

  /** How long its assignments waited, by method. */
  waits(): MethodWaits[] {
    const { servable, version } = this.signature;
    return this.queues.map(({ method, waited }) => ({ servable, version, method, assignments: waited.count, waitMs: waited.sum * 1000 }));
  }

  /** Milliseconds that a replica takes for one instance of many; undefined while it is not known of any. */
  get replicaMs(): number | undefined {
    return this.known === 0 ? undefined : this.known / this.perMs;
  }

  /** Time from one instance that leaves one of the replicas to the next; undefined while it is not known of any. Those of which it is not known count as the others. */
  get msPerInstance(): number | undefined {
    const { replicaMs, usableReplicas } = this;
    return replicaMs === undefined || usableReplicas === 0 ? undefined : replicaMs / usableReplicas;
  }

  /** Whether what comes is queued: some replica will take it, or one is expected back. */
  get takesWork(): boolean {
    return this.usableReplicas > 0 || this.orphanedUntil !== Infinity;
  }

  /** Replicas that have nothing to do. */
  get idleReplicas(): number {
    return this.order.idle;
  }

  /** The service time of a replica that will take work was `before`, and is `after`. */
  serviceChanged(before: number | undefined, after: number | undefined): void {
    if (before !== undefined) {
      this.known -= 1;
      this.perMs -= 1 / before;
    }
    if (after !== undefined) {
      this.known += 1;
      this.perMs += 1 / after;
    }
    if (this.known === 0) this.perMs = 0;
  }

  /** At the end of a fill: whether anything is left that only waits for a credit. */
  noteWaiting(isWaiting: boolean, now: number): void {
    if (!isWaiting) this.waitedSince = NaN;
    else if (!(this.waitedSince <= now)) this.waitedSince = now;
  }

  addReplica(replica: Holder): void {
    this.replicas.add(replica);
    this.usableReplicas += 1;
    this.orphanedUntil = Infinity;
    this.stand(replica);
  }

  drainReplica(replica: Holder): void {
    if (replica.draining) return;
    this.loseUsable(replica);
    this.usable.remove(replica.place);
    replica.draining = true;
    this.stand(replica);
  }

  removeReplica(replica: Holder): void {
    if (!this.replicas.delete(replica)) return;
    this.orderOf(replica).remove(replica.place);
    if (!replica.draining) this.loseUsable(replica);
  }

  /** Where the replica stands, unless it gets nothing for now. */
  orderOf(replica: Holder): ReplicaOrder<Holder> {
    return replica.draining ? this.draining : this.usable;
  }

  /** `replica` was suspended or resumed, or has come: puts it where it belongs. */
  stand(replica: Holder): void {
    const order = this.orderOf(replica);
    order.remove(replica.place);
    if (!replica.suspended) order.add(replica.place, replica.limitRule);
  }

  private loseUsable(replica: Holder): void {
    this.usableReplicas -= 1;
    this.serviceChanged(replica.serviceMs, undefined);
  }

  /** The replica that gets the next `want` instances (see {@link ReplicaOrder.choose}). Undefined when none has a free credit. */
  chooseReplica(want: number): Holder | undefined {
    return this.order.choose(want, this.replicaMs);
  }

  /** What one replica should take of the queue, so that every idle one gets something: Infinity when at most one is idle. */
  idleShare(queue: MethodQueue): number {
    const idle = this.idleReplicas;
    return idle < 2 ? Infinity : Math.ceil(queue.instances / idle);
  }

  /**
   * The method whose turn it is: of those whose head has the highest priority, each in turn. Undefined when nothing may go at `now`.
   * Its turn is over when {@link passTurn} is called.
   */
  chooseQueue(now: number): MethodQueue | undefined {
    const { queues } = this;
    let best: MethodQueue | undefined;
    let bestPriority = -Infinity;
    for (let i = 0; i < queues.length; i++) {
      const at = (this.queueTurn + i) % queues.length;
      const queue = queues[at] as MethodQueue;
      if (queue.portions === 0 || (queue.instances < queue.batchSize && now < queue.dueAt)) continue;
      const priority = queue.peek()?.ticket.priority ?? -Infinity;
      if (priority > bestPriority) {
        best = queue;
        bestPriority = priority;
      }
    }
    return best;
  }

  /** `queue` was served: the next search starts behind it. */
  passTurn(queue: MethodQueue): void {
    this.queueTurn = this.queues.indexOf(queue) + 1;
  }

  /** Those that get what comes. */
  private get order(): ReplicaOrder<Holder> {
    return this.usableReplicas > 0 ? this.usable : this.draining;
  }

  private makeQueue(method: string, batchSize: number): MethodQueue {
    const { all, signature } = this;
    const due = new Due(this);
    return new MethodQueue(method, batchSize, all.waitsOf(signature, method), {
      count: (portions, instances) => this.countQueued(portions, instances),
      dueAt: (at) => {
        all.dues.remove(due);
        due.deadlineAt = at;
        if (at !== Infinity) all.dues.add(due);
      },
    });
  }

  private countQueued(portions: number, instances: number): void {
    const { all } = this;
    if (this.queuedPortions === 0) all.pools += 1;
    this.queuedPortions += portions;
    this.queuedInstances += instances;
    if (this.queuedPortions === 0) all.pools -= 1;
    all.portions += portions;
    all.instances += instances;
  }
}
