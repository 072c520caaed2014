import type { Instance, InstanceResult } from '@mserve/wire';
import type { ServableDeclaration } from '@mserve/register';

/** Lets user functions call models (Model.call, SPEC 6.7); the worker's executor implements it. Instances of one call may be batched with others. */
export interface ModelCaller {
  /** Rejects with ServingError (texts of SPEC 6.7 without the `Model(K).call() failed: ` prefix). Results in the order of `instances`. */
  call(modelKey: string, subgraph: number, instances: readonly Instance[]): Promise<readonly Instance[]>;
}

export interface FunctionRunOptions {
  /** Earliest moment at which nobody waits any more for any of the instances (performance.now() clock); the call is cut then. */
  readonly deadlineAt: number;
  readonly signal?: AbortSignal;
}

/**
 * Runs a servable's functions in worker threads that loaded its servable_config (`numParallelWorkers` of them, at least one).
 * A thread that hangs past the deadline, exits or runs out of memory is replaced, and only the instances it had fail.
 */
export interface FunctionRunner {
  /** What the config declares. */
  readonly declaration: ServableDeclaration;
  /** Threads that are free now; run() beyond it queues. */
  readonly free: number;
  /** false while calls of function `index` had better wait though threads are free: others of it take long, and must not take all of them. Default true. */
  takes?: ((index: number) => boolean) | undefined;
  /**
   * Called, on a turn of its own, whenever `free` grew without a run() having settled: a function awaits something and its thread can take
   * more meanwhile, a thread stands in for one that is stuck, or a replacement arrived. One listener; the last one set counts.
   */
  onFree?: ((listener: () => void) => void) | undefined;
  /**
   * Calls function `index` with these instances: one call for a batch function, one call per instance otherwise.
   * Resolves with one result per instance, in order; never rejects for what user code does. A failure's message is the exception's text
   * (or the contract violation's text of SPEC 6.6), without the `Call Function ...` prefix, which the executor adds; its code is ABORTED,
   * DEADLINE_EXCEEDED when it was cut.
   */
  run(index: number, instances: readonly Instance[], options: FunctionRunOptions): Promise<readonly InstanceResult[]>;
  close(): Promise<void>;
}
