import type { MethodWaits } from '@mserve/bus';
import type { ServableSignature } from '@mserve/wire';
import { MethodQueue, type WaitsOf } from './method-queue.js';
import type { Holder } from './portion.js';

/** One servable version: its replicas and the queues of its methods. */
export class ServablePool {
  /** Usable and draining ones. */
  readonly replicas: Holder[] = [];
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
  /** Of equals that are busy, each in turn; of idle ones the one used last, whose weights are still in the caches. */
  private lastReplica = 0;
  /** Where the search for a queue starts: methods take turns. */
  private queueTurn = 0;

  constructor(
    readonly signature: ServableSignature,
    waitsOf: WaitsOf,
  ) {
    this.queues = signature.methods.map(({ name, batchSize }) => new MethodQueue(name, Math.max(1, batchSize), waitsOf(signature, name)));
    for (const queue of this.queues) this.byMethod.set(queue.method, queue);
  }

  queueOf(method: string): MethodQueue | undefined {
    return this.byMethod.get(method);
  }

  get queuedInstances(): number {
    let instances = 0;
    for (const queue of this.queues) instances += queue.instances;
    return instances;
  }

  /** How long its assignments waited, by method. */
  waits(): MethodWaits[] {
    const { servable, version } = this.signature;
    return this.queues.map(({ method, waited }) => ({ servable, version, method, assignments: waited.count, waitMs: waited.sum * 1000 }));
  }

  get queuedPortions(): number {
    let portions = 0;
    for (const queue of this.queues) portions += queue.portions;
    return portions;
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
    let idle = 0;
    for (const replica of this.replicas) if (replica.inHand === 0 && replica.free > 0) idle += 1;
    return idle;
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
    this.replicas.push(replica);
    this.usableReplicas += 1;
    this.orphanedUntil = Infinity;
  }

  drainReplica(replica: Holder): void {
    if (!replica.draining) this.loseUsable(replica);
    replica.draining = true;
  }

  removeReplica(replica: Holder): void {
    const at = this.replicas.indexOf(replica);
    if (at < 0) return;
    this.replicas.splice(at, 1);
    if (at < this.lastReplica) this.lastReplica -= 1;
    if (!replica.draining) this.loseUsable(replica);
  }

  private loseUsable(replica: Holder): void {
    this.usableReplicas -= 1;
    this.serviceChanged(replica.serviceMs, undefined);
  }

  /**
   * The replica with the largest free part of its credits, those that can take `want` instances whole before the others.
   * Undefined when none has a free credit.
   */
  chooseReplica(want: number): Holder | undefined {
    const { replicas } = this;
    let best: Holder | undefined;
    let bestAt = 0;
    let bestScore = 0;
    for (let i = 0; i < replicas.length; i++) {
      const at = (this.lastReplica + 1 + i) % replicas.length;
      const replica = replicas[at] as Holder;
      const { free } = replica;
      const score = free === 0 ? 0 : free / (replica.inHand + free) + (free >= want ? 1 : 0);
      if (score > bestScore || (at === this.lastReplica && replica.inHand === 0 && score > 0 && score === bestScore)) {
        best = replica;
        bestAt = at;
        bestScore = score;
      }
    }
    if (best !== undefined) this.lastReplica = bestAt;
    return best;
  }

  /** What one replica should take of the queue, so that every idle one gets something: Infinity when at most one is idle. */
  idleShare(queue: MethodQueue): number {
    let idle = 0;
    for (const replica of this.replicas) if (replica.inHand === 0 && replica.free > 0) idle += 1;
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

  /** When the next queue that waits for more instances becomes due; Infinity when none waits. What is due already waits for credits, not for time. */
  nextDueAt(now: number): number {
    let dueAt = Infinity;
    for (const queue of this.queues) if (queue.dueAt > now && queue.dueAt < dueAt) dueAt = queue.dueAt;
    return dueAt;
  }
}
