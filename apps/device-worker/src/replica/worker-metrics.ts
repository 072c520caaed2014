import type { Count, MetricDeclaration, MetricRegistry } from '@mserve/metrics';

/** The metrics of a worker. */
export const workerMetrics = {
  assignments: { name: 'mserve_worker_assignments_total', help: 'Assignments received.' },
  succeeded: { name: 'mserve_worker_succeeded_instances_total', help: 'Instances that left with outputs.' },
  failed: { name: 'mserve_worker_failed_instances_total', help: 'Instances that left with a failure, cancelled ones included.' },
  inHand: { name: 'mserve_worker_assignments_in_hand', help: 'Assignments that have not left yet.' },
} as const satisfies Readonly<Record<string, MetricDeclaration>>;

/** What the worker counts; {@link workerMetrics} says what each is. */
export class HandlerCounters {
  readonly assignments: Count;
  readonly succeeded: Count;
  readonly failed: Count;

  constructor(registry: MetricRegistry) {
    this.assignments = registry.counter(workerMetrics.assignments).of([]);
    this.succeeded = registry.counter(workerMetrics.succeeded).of([]);
    this.failed = registry.counter(workerMetrics.failed).of([]);
  }
}
