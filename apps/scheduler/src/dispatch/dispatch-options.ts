import type { OwnSettingsOf } from '@mserve/config';
import type { MetricRegistry, Tracer } from '@mserve/metrics';
import type { Assignment, Cancellation, Refusal } from '@mserve/wire';

/** Limits of the dispatcher: settings of the scheduler, see their declarations. */
export type DispatchOptions = Pick<
  OwnSettingsOf<'scheduler'>,
  'maxQueuedRequests' | 'maxQueuedInstances' | 'maxQueueDelayMs' | 'maxAttempts' | 'maxUndelivered' | 'receiptGraceMs'
>;

/** Who is told what the dispatcher does. Neither may call it back. */
export interface DispatchObservers {
  /** Where it counts. Default: a registry of its own. */
  readonly metrics?: MetricRegistry | undefined;
  /** Default: nothing is traced. */
  readonly tracer?: Tracer | undefined;
}

/** What the dispatcher decides. Called synchronously; must not call the dispatcher back before it returns, and must not throw. */
export interface DispatchOutlet {
  /** `onUndelivered` (with the time) when it is known that the worker did not get it. */
  assign(worker: string, assignment: Assignment, onUndelivered: (now: number) => void): void;
  cancel(worker: string, cancellation: Cancellation): void;
  refuse(gateway: string, refusal: Refusal): void;
}
