import type { ServingErrorCode } from '@mserve/wire';

/** Counters since the start; all in instances unless the name says otherwise. */
export class DispatchCounters {
  tickets = 0;
  /** Instances of accepted and refused tickets, without those already here (a ticket that was delivered twice). */
  accepted = 0;
  duplicates = 0;
  assignments = 0;
  batches = 0;
  batched = 0;
  receipted = 0;
  cancelled = 0;
  /** Given again after their worker was lost. */
  retried = 0;
  /** Assignments that reached nobody. */
  undelivered = 0;
  /** Receipts that match nothing in hand: late ones of lost workers, duplicates, forgeries. */
  lateReceipts = 0;
  /** In hand long after their deadline without receipt; their credits were taken back. */
  missingReceipts = 0;
  readonly refused = new Map<ServingErrorCode, number>();
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
  readonly replicas: readonly ReplicaStats[];
}

export interface ReplicaStats {
  readonly replica: string;
  readonly servable: string;
  readonly version: number;
  readonly credits: number;
  readonly inHand: number;
  readonly draining: boolean;
  readonly suspended: boolean;
}

export function dispatchStats(
  counters: DispatchCounters,
  queued: { portions: number; instances: number },
  replicas: readonly ReplicaStats[],
): DispatchStats {
  const {
    tickets,
    accepted,
    duplicates,
    assignments,
    batches,
    batched,
    receipted,
    cancelled,
    retried,
    undelivered,
    lateReceipts,
    missingReceipts,
    refused,
  } = counters;
  return {
    queuedRequests: queued.portions,
    queued: queued.instances,
    running: replicas.reduce((sum, replica) => sum + replica.inHand, 0),
    ...{ tickets, accepted, duplicates, assignments, batches, receipted, cancelled, retried, undelivered, lateReceipts, missingReceipts },
    averageBatchSize: batches === 0 ? 0 : batched / batches,
    refused: Object.fromEntries(refused),
    replicas,
  };
}
