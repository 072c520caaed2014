import type { QueueReport, ReplicaUse } from '@mserve/bus';
import type { ServableSignature } from '@mserve/wire';
import { Replica } from './replica.js';
import { type AllQueues, ServablePool } from './servable-pool.js';

/** A replica that can be given work. */
export interface ReadyReplica {
  readonly replica: string;
  /** Bus address of its worker. */
  readonly worker: string;
  /** Instances it takes at a time, >= 1. */
  readonly credits: number;
  /** As many keep it busy when an instance takes long. Default: all of them. */
  readonly leastCredits?: number | undefined;
  readonly signature: ServableSignature;
}

/** All replicas and pools, by their names. */
export class ReplicaSet {
  private readonly byId = new Map<string, Replica>();
  private readonly byWorker = new Map<string, Set<Replica>>();
  private readonly servables = new Map<string, Map<number, ServablePool>>();

  constructor(private readonly queued: AllQueues) {}

  get(id: string): Replica | undefined {
    return this.byId.get(id);
  }

  all(): IterableIterator<Replica> {
    return this.byId.values();
  }

  ofWorker(worker: string): Iterable<Replica> {
    return this.byWorker.get(worker) ?? [];
  }

  poolOf(servable: string, version: number): ServablePool | undefined {
    return this.servables.get(servable)?.get(version);
  }

  *pools(): IterableIterator<ServablePool> {
    for (const versions of this.servables.values()) yield* versions.values();
  }

  /** Queues that are not empty, at most `most`. */
  queues(most: number): QueueReport[] {
    const found: QueueReport[] = [];
    for (const { signature, queues } of this.pools()) {
      for (const { method, instances } of queues) {
        if (instances === 0) continue;
        if (found.length === most) return found;
        found.push({ servable: signature.servable, version: signature.version, method, instances });
      }
    }
    return found;
  }

  /**
   * Adds a replica or updates its credits. conflict: other replicas of the same servable version have another signature; nothing was done.
   * A pool without replicas gives way to the new signature; `beforeReplaced` is called with it.
   */
  put(ready: ReadyReplica, beforeReplaced: (pool: ServablePool) => void): 'added' | 'updated' | 'conflict' {
    const known = this.byId.get(ready.replica);
    if (known !== undefined) {
      known.setCredits(ready.credits, ready.leastCredits);
      return 'updated';
    }
    const { servable, version } = ready.signature;
    let pool = this.poolOf(servable, version);
    if (pool !== undefined && !sameSignature(pool.signature, ready.signature)) {
      if (pool.replicas.size > 0) return 'conflict';
      beforeReplaced(pool);
      pool = undefined;
    }
    if (pool === undefined) {
      pool = new ServablePool(ready.signature, this.queued);
      const versions = this.servables.get(servable) ?? new Map<number, ServablePool>();
      versions.set(version, pool);
      this.servables.set(servable, versions);
    }
    const replica = new Replica(ready.replica, ready.worker, pool, ready.credits, ready.leastCredits);
    this.byId.set(ready.replica, replica);
    const ofWorker = this.byWorker.get(ready.worker) ?? new Set();
    this.byWorker.set(ready.worker, ofWorker.add(replica));
    pool.addReplica(replica);
    return 'added';
  }

  remove(id: string): Replica | undefined {
    const replica = this.byId.get(id);
    if (replica === undefined) return undefined;
    this.byId.delete(id);
    const ofWorker = this.byWorker.get(replica.worker);
    ofWorker?.delete(replica);
    if (ofWorker?.size === 0) this.byWorker.delete(replica.worker);
    replica.pool.removeReplica(replica);
    return replica;
  }

  /** `pool` has neither replicas nor anything queued. */
  forget(pool: ServablePool): void {
    const { servable, version } = pool.signature;
    const versions = this.servables.get(servable);
    if (versions?.get(version) !== pool) return;
    versions.delete(version);
    if (versions.size === 0) this.servables.delete(servable);
  }

  stats(): ReplicaUse[] {
    return [...this.byId.values()].map((replica) => ({
      replica: replica.id,
      servable: replica.pool.signature.servable,
      version: replica.pool.signature.version,
      credits: replica.credits,
      inHand: replica.inHand,
      draining: replica.draining,
      suspended: replica.suspended,
    }));
  }
}

/** Whether gateways and workers could mix replicas of the two: docs do not count. */
export function sameSignature(a: ServableSignature, b: ServableSignature): boolean {
  return a === b || comparable(a) === comparable(b);
}

function comparable(signature: ServableSignature): string {
  const tensors = (list: ServableSignature['methods'][number]['inputs']): unknown[] =>
    list.map((tensor) => [tensor.name, tensor.dtype, tensor.shape, tensor.optional]);
  const methods = signature.methods.map((method) => [
    method.name,
    tensors(method.inputs),
    tensors(method.outputs),
    method.batched,
    method.batchSize,
  ]);
  methods.sort((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1));
  return JSON.stringify([signature.servable, signature.version, methods]);
}
