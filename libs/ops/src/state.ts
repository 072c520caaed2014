import type { BusState, ProcessReport, QueueReport, ReplicaState } from '@mserve/bus';
import type { MethodSignature } from '@mserve/wire';

export * from './figures.js';

/** Version of the messages below; it grows when a reader of an older one would misunderstand them. */
export const stateFormat = 1;

/** Paths of the operations port that a gateway answers with its state. */
export const statePaths = { snapshot: '/state', events: '/state/events' } as const;

/** How far back the recorded history goes, and how far its samples are apart. */
export const historyStepMs = 1000;
export const historyLength = 900;

/** What a gateway says of itself and of the fleet: the answer to `GET /state`. Times are in ms since 1970. */
export interface State extends StateTick {
  readonly servables: readonly ServableState[];
  readonly history: History;
}

/** What changes all the time: the event `tick` of `/state/events`. */
export interface StateTick {
  readonly format: typeof stateFormat;
  readonly at: number;
  /** Of mserve. */
  readonly version: string;
  /** Whether requests can be served. */
  readonly ready: boolean;
  readonly bus: { readonly kind: 'memory' | 'nats'; readonly state: BusState; readonly address: string };
  readonly ports: {
    readonly rest?: string | undefined;
    readonly grpc?: string | undefined;
    readonly admin?: string | undefined;
    readonly tls: boolean;
  };
  readonly replicas: readonly ReplicaView[];
  /** Those that are not empty. */
  readonly queues: readonly QueueReport[];
  readonly processes: readonly ProcessView[];
  /** The last ones, the newest first. */
  readonly failures: readonly FailureView[];
  /** Requests that failed in the time of the history, by reason; of those that have none, by code. */
  readonly failuresByReason: Readonly<Record<string, number>>;
  /** The newest of the history. */
  readonly sample: Sample;
}

/** A servable version: the event `servables` has all of them. */
export interface ServableState {
  readonly servable: string;
  readonly version: number;
  readonly state: 'ready' | 'loading' | 'unavailable';
  readonly readyReplicas: number;
  /** None while it is loading. */
  readonly methods: readonly MethodSignature[];
}

/** A replica, as its worker and its scheduler see it. */
export interface ReplicaView {
  readonly replica: string;
  readonly servable: string;
  readonly version: number;
  readonly worker: string;
  readonly deviceId: number;
  /** `suspended`: its worker did not take an assignment; `set aside`: its signature differs from that of the replicas in use. */
  readonly state: ReplicaState | 'suspended' | 'set aside';
  /** Instances. */
  readonly credits: number;
  readonly inHand: number;
  readonly error?: string | undefined;
}

/** A participant of the bus and its process. */
export interface ProcessView {
  /** Bus address. */
  readonly address: string;
  readonly role: 'gateway' | 'scheduler' | 'worker' | 'agent';
  /** Of an agent: what it holds, `servable rank 0`. */
  readonly holds?: string | undefined;
  /** Undefined when it does not say: it did not answer, or this gateway may not ask. */
  readonly report?: ProcessReport | undefined;
  readonly problem?: string | undefined;
}

/** A request that failed, as a whole or in part. */
export interface FailureView {
  readonly at: number;
  /** Undefined where the request did not name one that exists. */
  readonly servable?: string | undefined;
  readonly version?: number | undefined;
  readonly method?: string | undefined;
  readonly protocol: string;
  readonly code: string;
  readonly reason?: string | undefined;
  readonly text: string;
  /** As in the answer's `x-request-id` and in the log. */
  readonly requestId: string;
  /** Of its span, or else of the client's traceparent. */
  readonly traceId?: string | undefined;
}

/** Requests of one second, and how long they took. */
export interface Rates {
  /** Requests answered with results. */
  readonly ok: number;
  readonly failed: number;
  /** Seconds; null when there was no request. */
  readonly p50: number | null;
  readonly p90: number | null;
  readonly p99: number | null;
}

/** What was recorded of one second. */
export interface Sample extends Rates {
  readonly at: number;
  /** Requests in hand of this gateway. */
  readonly inHand: number;
  /** Instances at the scheduler. */
  readonly queued: number;
  readonly running: number;
  /** Mean instances per batch; null when there was none. */
  readonly batch: number | null;
  /** By `servable/version/method`; those with requests only. */
  readonly methods: Readonly<Record<string, Rates>>;
  /** Failed requests by reason, or code. */
  readonly failures: Readonly<Record<string, number>>;
}

/** The last {@link historyLength} samples, the oldest first: the event `history`. */
export interface History {
  readonly stepMs: number;
  readonly samples: readonly Sample[];
}

/** How methods are named in samples. */
export function methodKey(servable: string, version: number | string, method: string): string {
  return `${servable}/${version}/${method}`;
}

/**
 * The value below which the share `quantile` of a histogram lies, from counts per bucket (the last for +Inf): between the bounds of its bucket it is
 * taken for evenly spread. undefined without counts; above the last bound, that bound.
 */
export function bucketQuantile(quantile: number, bounds: readonly number[], counts: readonly number[]): number | undefined {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return undefined;
  let below = 0;
  const wanted = quantile * total;
  for (const [i, count] of counts.entries()) {
    if (count > 0 && below + count >= wanted) {
      const low = bounds[i - 1] ?? 0;
      const high = bounds[i] ?? low;
      return low + (high - low) * Math.max(0, (wanted - below) / count);
    }
    below += count;
  }
  return bounds.at(-1);
}
