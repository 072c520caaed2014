import {
  methodLabels,
  replicaLabel,
  secondsBuckets,
  versionLabels,
  type HistogramDeclaration,
  type Label,
  type MetricDeclaration,
  type MetricRegistry,
} from '@mserve/metrics';
import type { MethodQueue, WaitsOf } from './method-queue.js';
import type { ServablePool } from './servable-pool.js';

const replicaLabels: readonly Label[] = [...versionLabels, replicaLabel];

/** What a scheduler tells of each method, and of the replicas of each servable version. */
export const queueMetrics = {
  waited: {
    name: 'mserve_scheduler_method_queue_seconds',
    help: 'Time that assignments waited in the queue of their method: from the arrival of their ticket to their replica.',
    labels: methodLabels,
    buckets: secondsBuckets,
    isAlwaysKept: true,
  },
  queued: { name: 'mserve_scheduler_method_queued_instances', help: 'Instances that wait for a replica, by method.', labels: methodLabels },
  queuedRequests: {
    name: 'mserve_scheduler_method_queued_requests',
    help: 'Requests, and parts of them, that wait for a replica, by method.',
    labels: methodLabels,
  },
  oldest: {
    name: 'mserve_scheduler_method_oldest_seconds',
    help: 'How long the oldest of what waits for a replica has waited, by method; 0 when nothing waits.',
    labels: methodLabels,
  },
  replicas: {
    name: 'mserve_scheduler_servable_replicas',
    help: 'Replicas that are given work, by servable version.',
    labels: versionLabels,
  },
  credits: {
    name: 'mserve_scheduler_servable_credits',
    help: 'Instances that the replicas of a servable version take at a time, those that leave included.',
    labels: versionLabels,
  },
  inHand: {
    name: 'mserve_scheduler_servable_running_instances',
    help: 'Instances in hand of the replicas of a servable version.',
    labels: versionLabels,
  },
  replicaInHand: {
    name: 'mserve_scheduler_replica_running_instances',
    help: 'Instances in hand of a replica. Those that are gone are not there.',
    labels: replicaLabels,
  },
  replicaService: {
    name: 'mserve_scheduler_replica_service_seconds',
    help: 'Time that a replica takes for one instance of many, as measured; 0 while that is not known.',
    labels: replicaLabels,
  },
} as const satisfies Readonly<Record<string, MetricDeclaration | HistogramDeclaration>>;

/** Waits by method, in a registry. */
export function waitsIn(registry: MetricRegistry): WaitsOf {
  const waited = registry.histogram(queueMetrics.waited);
  return ({ servable, version }, method) => waited.of([servable, `${version}`, method]);
}

/** Gauges of the queues and replicas there are, set by the returned function. Versions and methods that are gone stay with 0. */
export function poolGauges(registry: MetricRegistry): (pools: Iterable<ServablePool>, now: number) => void {
  const queued = registry.gauge(queueMetrics.queued);
  const requests = registry.gauge(queueMetrics.queuedRequests);
  const oldest = registry.gauge(queueMetrics.oldest);
  const replicas = registry.gauge(queueMetrics.replicas);
  const credits = registry.gauge(queueMetrics.credits);
  const inHand = registry.gauge(queueMetrics.inHand);
  const replicaInHand = registry.gauge(queueMetrics.replicaInHand);
  const replicaService = registry.gauge(queueMetrics.replicaService);
  return (pools, now) => {
    for (const gauge of [queued, requests, oldest, replicas, credits, inHand]) for (const { state } of gauge.all) state.set(0);
    replicaInHand.clear();
    replicaService.clear();
    for (const pool of pools) {
      const version = [pool.signature.servable, `${pool.signature.version}`];
      replicas.of(version).add(pool.usableReplicas);
      for (const replica of pool.replicas) {
        credits.of(version).add(replica.credits);
        inHand.of(version).add(replica.inHand);
        replicaInHand.of([...version, replica.id]).set(replica.inHand);
        replicaService.of([...version, replica.id]).set((replica.serviceMs ?? 0) / 1000);
      }
      for (const queue of pool.queues) {
        const method = [...version, queue.method];
        queued.of(method).add(queue.instances);
        requests.of(method).add(queue.portions);
        const level = oldest.of(method);
        level.set(Math.max(level.value, oldestSeconds(queue, now)));
      }
    }
  };
}

function oldestSeconds(queue: MethodQueue, now: number): number {
  if (queue.portions === 0) return 0;
  return queue.list().reduce((longest, { queuedAt }) => Math.max(longest, (now - queuedAt) / 1000), 0);
}
