import { soon } from '@mserve/event-loop';
import type { FunctionFault } from './function-call.js';
import type { Failure, Instance, InstanceResult } from '@mserve/wire';
import type { SentContext } from './thread-message.js';

const cancelled: Failure = { code: 'CANCELLED', message: 'the request was cancelled' };

/** Why a function gave no outputs for an instance. */
export interface FunctionFailure extends Failure {
  /** What it did wrong, for operators; undefined: nothing, or it is told elsewhere (a thread that ended). */
  readonly fault?: FunctionFault | undefined;
}

/** What came of one instance in a function. */
export type FunctionResult = InstanceResult | { readonly failure: FunctionFailure };

/**
 * Instances that go through one function together, and what came of them. {@link finish} is called once, on a turn of its own, when every
 * instance has a result.
 */
export abstract class FunctionRun {
  /** Of the function in the servable's declaration. */
  readonly index: number;
  readonly instances: readonly Instance[];
  /** From then on nobody waits for any of them (performance.now() clock); Infinity = no limit. */
  readonly deadlineAt: number;
  private readonly results: (FunctionResult | undefined)[];
  private left: number;

  /** `instances`: at least one. */
  constructor(index: number, instances: readonly Instance[], deadlineAt: number) {
    this.index = index;
    this.instances = instances;
    this.deadlineAt = deadlineAt;
    this.results = new Array<FunctionResult | undefined>(instances.length);
    this.left = instances.length;
  }

  /** One result per instance, in order. Must not throw. */
  protected abstract finish(results: readonly FunctionResult[]): void;

  /** For functions that take it: what is known of the request of an instance. */
  contextOf(_instance: number): SentContext {
    return { id: '', headers: '', parameters: '', deadline: Infinity, traceparent: '', tracestate: '' };
  }

  /** Every instance has a result. */
  get isOver(): boolean {
    return this.left === 0;
  }

  hasResult(instance: number): boolean {
    return this.results[instance] !== undefined;
  }

  /** The first result of an instance counts; later ones (of a thread that was given up) are dropped. */
  settle(instance: number, result: FunctionResult): void {
    if (instance >= this.results.length || this.results[instance] !== undefined) return;
    this.results[instance] = result;
    if (--this.left === 0) soon(() => this.finish(this.results as FunctionResult[]));
  }

  /** Fails these instances, or all that have no result yet. */
  fail(failure: Failure, first = 0, end = this.instances.length): void {
    for (let instance = first; instance < end; instance++) this.settle(instance, { failure });
  }

  /** Called every few milliseconds while it is under way. */
  review(_now: number): void {
    // Only who knows its instances one by one can do something here.
  }

  /** The result of an instance, as long as it has one. */
  protected resultOf(instance: number): FunctionResult | undefined {
    return this.results[instance];
  }

  /** Nobody waits for its results any more. */
  abort(): void {
    this.fail(cancelled);
  }
}

/** One call of a function in a thread: instances [first, end) of a run. */
export interface Step {
  readonly run: FunctionRun;
  readonly first: number;
  readonly end: number;
  /** How often it was given to a thread that ended before it came to it. */
  attempts: number;
  /** How often it was begun by a thread that ended before it gave a result. */
  lostRuns: number;
}

/** A batch function is called once with all instances, another function once per instance. */
export function stepsOf(run: FunctionRun, isBatchFunction: boolean): Step[] {
  if (isBatchFunction) return [{ run, first: 0, end: run.instances.length, attempts: 0, lostRuns: 0 }];
  return run.instances.map((_, first) => ({ run, first, end: first + 1, attempts: 0, lostRuns: 0 }));
}

/** Whether anybody waits for a result of this step. */
export function isWanted({ run, first, end }: Step): boolean {
  for (let i = first; i < end; i++) if (!run.hasResult(i)) return true;
  return false;
}
