import type { Span } from '@mserve/metrics';
import type { Failure, Instance, RequestContext } from '@mserve/wire';
import type { MethodTimes, TimeSpent } from './run-metrics.js';

/** What a waiting instance tells when it is no longer wanted: the work it is part of may be ended early. */
export interface SharedRun {
  /** One of its members was abandoned. */
  reconsider(): void;
}

/**
 * One instance that waits for a stage, or is in one. It is settled once: by {@link advance} or {@link fail}.
 * Queues skip what was settled while it waited, so that nothing has to be searched for when a ticket is cancelled.
 */
export abstract class Waiting {
  /** Inputs of the stage it is at, in that stage's order. */
  inputs: Instance;
  /** On the performance.now() clock; Infinity = none. */
  readonly deadlineAt: number;
  /** The run that it is part of now. */
  run: SharedRun | undefined = undefined;
  /** Nobody wants the result any more; set while it is part of a run, which settles it. */
  abandoned: Failure | undefined = undefined;
  /** The same for instances of one request, or of one Model.call. */
  readonly request: object;
  settled = false;
  /** Since when it waits for the stage that it is at, on the performance.now() clock. */
  since: number;
  /** Of the stage it is at, when its request is traced. */
  span: Span | undefined = undefined;
  /** Where its time went; undefined where nobody asks. */
  spent: TimeSpent | undefined = undefined;
  /** A batch with it failed: it is to be run by itself, so that only the one at fault fails. */
  alone = false;

  protected constructor(inputs: Instance, deadlineAt: number, request: object, since: number) {
    this.inputs = inputs;
    this.since = since;
    this.request = request;
    this.deadlineAt = deadlineAt;
  }

  /** What functions may know of its request. */
  get requestContext(): RequestContext | undefined {
    return undefined;
  }

  /** Where the time of its method is counted. */
  get times(): MethodTimes | undefined {
    return undefined;
  }

  /** The stage is done. `now`: performance.now(). */
  abstract advance(outputs: Instance, now: number): void;
  abstract fail(failure: Failure): void;
  /** What it fails with when its deadline has passed. */
  abstract expired(): Failure;

  /** Nobody waits for it any more: settled at once when it only waits, else as soon as the run it is part of lets go of it. */
  abandon(failure: Failure): void {
    if (this.settled || this.abandoned !== undefined) return;
    if (this.run === undefined) {
      this.fail(failure);
      return;
    }
    this.abandoned = failure;
    this.run.reconsider();
  }
}
