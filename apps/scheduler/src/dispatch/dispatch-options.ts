import { defaults } from '@mserve/config';
import type { MetricRegistry, Tracer } from '@mserve/metrics';
import type { Assignment, Cancellation, Refusal } from '@mserve/wire';

/** Limits of the dispatcher. */
export interface DispatchOptions {
  /** Requests that may wait, over all servables; more are refused RESOURCE_EXHAUSTED. */
  readonly maxQueuedRequests: number;
  /** Instances that may wait, over all servables; also the most one request may have. */
  readonly maxQueuedInstances: number;
  /** How long a free replica may be left idle for a batch to fill. 0: never. */
  readonly maxQueueDelayMs: number;
  /** How often instances are given to a replica, the first time included, when workers are lost. */
  readonly maxAttempts: number;
  /** Assignments of the same instances that may reach nobody before they are refused. */
  readonly maxUndelivered: number;
  /** After the deadline of instances in hand, how long their receipt may still take. */
  readonly receiptGraceMs: number;
}

const declared = defaults.scheduler;

/** What the settings of a scheduler are when nobody gives them. */
export const defaultDispatchOptions: DispatchOptions = {
  maxQueuedRequests: declared.maxQueuedRequests,
  maxQueuedInstances: declared.maxQueuedInstances,
  maxQueueDelayMs: declared.maxQueueDelayMs,
  maxAttempts: declared.maxAttempts,
  maxUndelivered: declared.maxUndelivered,
  receiptGraceMs: declared.receiptGraceMs,
};

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
