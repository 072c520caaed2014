import type { ServableSignature } from '@mserve/wire';
import { MethodQueue } from './method-queue.js';
import type { Holder } from './portion.js';

/** One servable version: its replicas and the queues of its methods. */
export class ServablePool {
  /** Usable and draining ones. */
  readonly replicas: Holder[] = [];
  /** Replicas that will take work, now or when they have credits again: those that are not draining. */
  usableReplicas = 0;
  readonly queues: readonly MethodQueue[];
  /** On the dispatcher's list of pools to fill. */
  touched = false;
  /** Without usable replica: until then what is queued waits for one. */
  orphanedUntil = Infinity;
  private readonly byMethod = new Map<string, MethodQueue>();
  /** Of equals that are busy, each in turn; of idle ones the one used last, whose weights are still in the caches. */
  private lastReplica = 0;
  /** Where the search for a queue starts: methods take turns. */
  private queueTurn = 0;

  constructor(readonly signature: ServableSignature) {
    this.queues = signature.methods.map((method) => new MethodQueue(method.name, Math.max(1, method.batchSize)));
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

  addReplica(replica: Holder): void {
    this.replicas.push(replica);
    this.usableReplicas += 1;
    this.orphanedUntil = Infinity;
  }

  drainReplica(replica: Holder): void {
    if (!replica.draining) this.usableReplicas -= 1;
    replica.draining = true;
  }

  removeReplica(replica: Holder): void {
    const at = this.replicas.indexOf(replica);
    if (at < 0) return;
    this.replicas.splice(at, 1);
    if (at < this.lastReplica) this.lastReplica -= 1;
    if (!replica.draining) this.usableReplicas -= 1;
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
      const score = free === 0 ? 0 : free / replica.credits + (free >= want ? 1 : 0);
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
