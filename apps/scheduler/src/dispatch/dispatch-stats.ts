import type { ReplicaUse } from '@mserve/bus';
import { versionLabels, type Count, type MetricDeclaration, type MetricRegistry, type Series } from '@mserve/metrics';
import { reasons, servingErrorCodes, type Failure } from '@mserve/wire';

/** The metrics of the dispatcher. */
export const dispatchMetrics = {
  tickets: { name: 'mserve_scheduler_tickets_total', help: 'Tickets received.' },
  accepted: {
    name: 'mserve_scheduler_accepted_instances_total',
    help: 'Instances of accepted and refused tickets, without those that were here already.',
  },
  duplicates: {
    name: 'mserve_scheduler_duplicate_instances_total',
    help: 'Instances that were here already: their ticket was delivered twice.',
  },
  assignments: { name: 'mserve_scheduler_assignments_total', help: 'Assignments given to replicas.' },
  batches: { name: 'mserve_scheduler_batches_total', help: 'Batches given to replicas.' },
  batched: { name: 'mserve_scheduler_batched_instances_total', help: 'Instances given to replicas.' },
  receipted: { name: 'mserve_scheduler_receipted_instances_total', help: 'Instances that left their replica.' },
  cancelled: { name: 'mserve_scheduler_cancelled_instances_total', help: 'Instances that nobody waited for any more.' },
  retried: { name: 'mserve_scheduler_retried_instances_total', help: 'Instances given again after their worker was lost.' },
  undelivered: { name: 'mserve_scheduler_undelivered_assignments_total', help: 'Assignments that reached nobody.' },
  lateReceipts: {
    name: 'mserve_scheduler_late_receipts_total',
    help: 'Receipts that match nothing in hand: late ones of lost workers, duplicates, forgeries.',
  },
  missingReceipts: {
    name: 'mserve_scheduler_missing_receipt_instances_total',
    help: 'Instances in hand long after their deadline without receipt; their credits were taken back.',
  },
  refused: {
    name: 'mserve_scheduler_refused_instances_total',
    help: 'Instances refused, by code and reason.',
    labels: [
      { name: 'code', values: servingErrorCodes },
      { name: 'reason', values: ['', ...reasons] },
    ],
  },
  queuedRequests: { name: 'mserve_scheduler_queued_requests', help: 'Requests, and parts of them, that wait for a replica.' },
  queued: { name: 'mserve_scheduler_queued_instances', help: 'Instances that wait for a replica.' },
  running: { name: 'mserve_scheduler_running_instances', help: 'Instances in hand of replicas.' },
  setAside: {
    name: 'mserve_scheduler_replicas_set_aside',
    help: 'Replicas that are not used, because their signature, or what they were loaded from, differs from that of the replicas in use.',
    labels: [...versionLabels, { name: 'reason', values: ['signature', 'content'] }],
  },
  workers: { name: 'mserve_scheduler_workers', help: 'Workers that are heard.' },
  workersLost: {
    name: 'mserve_scheduler_workers_lost_total',
    help: 'Workers that fell silent without having said that they leave: they crashed, were killed, or hang.',
  },
} as const satisfies Readonly<Record<string, MetricDeclaration>>;

/** What the dispatcher counts; {@link dispatchMetrics} says what each is. */
export class DispatchCounters {
  readonly tickets: Count;
  readonly accepted: Count;
  readonly duplicates: Count;
  readonly assignments: Count;
  readonly batches: Count;
  readonly batched: Count;
  readonly receipted: Count;
  readonly cancelled: Count;
  readonly retried: Count;
  readonly undelivered: Count;
  readonly lateReceipts: Count;
  readonly missingReceipts: Count;
  private readonly refused: Series<Count>;

  constructor(registry: MetricRegistry) {
    const of = (declaration: MetricDeclaration): Count => registry.counter(declaration).of([]);
    this.tickets = of(dispatchMetrics.tickets);
    this.accepted = of(dispatchMetrics.accepted);
    this.duplicates = of(dispatchMetrics.duplicates);
    this.assignments = of(dispatchMetrics.assignments);
    this.batches = of(dispatchMetrics.batches);
    this.batched = of(dispatchMetrics.batched);
    this.receipted = of(dispatchMetrics.receipted);
    this.cancelled = of(dispatchMetrics.cancelled);
    this.retried = of(dispatchMetrics.retried);
    this.undelivered = of(dispatchMetrics.undelivered);
    this.lateReceipts = of(dispatchMetrics.lateReceipts);
    this.missingReceipts = of(dispatchMetrics.missingReceipts);
    this.refused = registry.counter(dispatchMetrics.refused);
  }

  countRefused({ code, reason }: Failure, instances: number): void {
    this.refused.of([code, reason ?? '']).add(instances);
  }

  /** Refused instances by code. */
  get refusedByCode(): Record<string, number> {
    const byCode: Record<string, number> = {};
    for (const { values, state } of this.refused.all) {
      const code = values[0] as string;
      byCode[code] = (byCode[code] ?? 0) + state.value;
    }
    return byCode;
  }
}

/** Answer to the request `scheduler.stats`. Counts are since the start, in instances unless the name says otherwise. */
export interface DispatchStats {
  readonly queuedRequests: number;
  readonly queued: number;
  readonly running: number;
  readonly tickets: number;
  readonly accepted: number;
  readonly duplicates: number;
  readonly assignments: number;
  readonly batches: number;
  readonly averageBatchSize: number;
  readonly receipted: number;
  readonly cancelled: number;
  readonly retried: number;
  readonly undelivered: number;
  readonly lateReceipts: number;
  readonly missingReceipts: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly replicas: readonly ReplicaUse[];
}

/** The dispatcher's counts at this moment. */
export function dispatchStats(
  counters: DispatchCounters,
  queued: { portions: number; instances: number },
  replicas: readonly ReplicaUse[],
): DispatchStats {
  const { batches, batched } = counters;
  return {
    queuedRequests: queued.portions,
    queued: queued.instances,
    running: replicas.reduce((sum, replica) => sum + replica.inHand, 0),
    tickets: counters.tickets.value,
    accepted: counters.accepted.value,
    duplicates: counters.duplicates.value,
    assignments: counters.assignments.value,
    batches: counters.batches.value,
    receipted: counters.receipted.value,
    cancelled: counters.cancelled.value,
    retried: counters.retried.value,
    undelivered: counters.undelivered.value,
    lateReceipts: counters.lateReceipts.value,
    missingReceipts: counters.missingReceipts.value,
    averageBatchSize: batches.value === 0 ? 0 : batched.value / batches.value,
    refused: counters.refusedByCode,
    replicas,
  };
}
