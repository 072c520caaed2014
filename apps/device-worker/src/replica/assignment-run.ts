import {
  isFailure,
  type Answer,
  type Assignment,
  type Failure,
  type InstanceResult,
  type Receipt,
  type RequestContext,
  type StepTimes,
} from '@mserve/wire';
import type { BorrowedMemory, TensorReader } from '@mserve/bus';
import type { Span } from '@mserve/metrics';
import type { Execution } from '../execution/executor.js';
import type { ResultSink } from '../execution/passage.js';
import type { TimeSpent } from '../execution/run-metrics.js';
import type { Replica } from './replica.js';

/** An answer before its results are placed. */
export interface ReadyAnswer extends Answer {
  readonly results: readonly InstanceResult[];
}

/** Results of consecutive instances that are ready to leave: what the gateway gets of them, and the scheduler. */
export interface ReadyResults {
  readonly answer: ReadyAnswer;
  readonly receipt: Receipt;
}

/**
 * One assignment in hand: collects the results of its instances as they come, in any order, and gives them out as runs of
 * consecutive instances. Every instance leaves exactly once.
 */
export class AssignmentRun implements ResultSink, TensorReader {
  readonly assignment: Assignment;
  /** That it was sent to; undefined when this worker has no such replica. */
  readonly replica: Replica | undefined;
  /** When it came; where its tensors had to be fetched, when they were there. On the performance.now() clock. */
  cameAt: number;
  /** Instances that left with a failure. */
  failed = 0;
  /** Nobody waits for its answers: only receipts leave. */
  cancelled = false;
  /** Results came since the last {@link takeReady}; the worker keeps it on its list. */
  queued = false;
  /** When its request is traced. */
  span: Span | undefined = undefined;
  /** Of the gateway, where its tensors are read in place. */
  private borrowed: BorrowedMemory | undefined = undefined;
  /** Of the instance that was done last, where its gateway asks. */
  private steps: StepTimes | undefined = undefined;
  private execution: Execution | undefined;
  /** Made when it is asked for: most tensors are there already. */
  private reading: AbortController | undefined;
  private readonly count: number;
  /** By index; emptied as results leave. */
  private readonly results: (InstanceResult | undefined)[];
  private missing: number;
  private readonly onResults: (run: AssignmentRun) => void;

  constructor(
    assignment: Assignment,
    replica: Replica | undefined,
    count: number,
    cameAt: number,
    onResults: (run: AssignmentRun) => void,
  ) {
    this.assignment = assignment;
    this.cameAt = cameAt;
    this.replica = replica;
    this.count = count;
    this.missing = count;
    this.results = new Array<InstanceResult | undefined>(count);
    this.onResults = onResults;
  }

  /** All instances have a result (which may not have left yet). */
  get isComplete(): boolean {
    return this.missing === 0;
  }

  /** Requests without an id of their client's are called by their gateway and number, which are the same in every attempt. */
  get requestContext(): RequestContext {
    const { gateway, id, context } = this.assignment.ticket;
    const { headers = '', parameters = '' } = context ?? {};
    return { id: context === undefined || context.id === '' ? `${gateway}.${id}` : context.id, headers, parameters };
  }

  get isTimed(): boolean {
    return this.assignment.ticket.watch?.isTimed === true;
  }

  settle(index: number, result: InstanceResult, spent?: TimeSpent): void {
    if (spent !== undefined) this.steps = stepsOf(this.assignment, spent);
    this.results[index] = result;
    this.missing--;
    if (!this.queued) {
      this.queued = true;
      this.onResults(this);
    }
  }

  /** Ends the fetching of its tensors. */
  get readingSignal(): AbortSignal {
    this.reading ??= new AbortController();
    return this.reading.signal;
  }

  /** Its tensors are no longer worth fetching. */
  stopReading(): void {
    this.reading?.abort();
  }

  /** Its tensors are views of this memory. */
  borrow(memory: BorrowedMemory | undefined): void {
    this.borrowed = memory;
  }

  /** Results leave. Where one failed, something may still be at work on the tensors; where one is a view of them, they have another reader. Their memory goes back when it is collected, then. */
  left(results: readonly InstanceResult[]): void {
    const { borrowed } = this;
    if (borrowed === undefined) return;
    for (const result of results)
      if (isFailure(result) || result.outputs.some(({ bytes }) => borrowed.isUnder(bytes))) this.borrowed = undefined;
  }

  /** All results have left: what worked on its tensors is done. */
  giveBack(): void {
    if (!this.cancelled) this.borrowed?.giveBack();
    this.borrowed = undefined;
  }

  /** The executor has it. */
  started(execution: Execution): void {
    this.execution = execution;
    if (this.cancelled) execution.cancel();
  }

  /** It did not come to the executor: all instances fail alike. */
  fail(failure: Failure): void {
    for (let i = 0; i < this.count; i++) this.settle(i, { failure });
  }

  /** Its replica goes: what has no result yet fails with `failure`, which its client is told. */
  giveUp(failure: Failure): void {
    this.stopReading();
    this.execution?.cancel(failure);
  }

  /** Its client is gone. */
  cancel(): void {
    if (this.cancelled) return;
    this.cancelled = true;
    this.stopReading();
    this.execution?.cancel();
  }

  /** What came since the last call, as runs of consecutive instances. */
  takeReady(): ReadyResults[] {
    this.queued = false;
    if (this.missing === 0 && !this.partly) return [this.resultsFrom(0, this.results as InstanceResult[])];
    this.partly = true;
    const ready: ReadyResults[] = [];
    for (let from = 0; from < this.count; from++) {
      if (this.results[from] === undefined) continue;
      const run: InstanceResult[] = [];
      for (let result = this.results[from]; result !== undefined; result = this.results[from]) {
        run.push(result);
        this.results[from++] = undefined;
      }
      ready.push(this.resultsFrom(from - run.length, run));
    }
    return ready;
  }

  /** Some of the results have left already. */
  private partly = false;

  private resultsFrom(from: number, results: readonly InstanceResult[]): ReadyResults {
    const { replica, ticket, grant } = this.assignment;
    const { id, attempt, gateway } = ticket;
    const firstInstance = ticket.firstInstance + from;
    const { count: grantedInstances, steps } = this;
    // Written out, no spread: this runs once per ticket, and spreading costs more than all the rest of it.
    return {
      answer: { id, attempt, firstInstance, results, grant, grantedFirst: ticket.firstInstance, grantedInstances, steps },
      receipt: { replica, gateway, id, attempt, firstInstance, instances: results.length, grant },
    };
  }
}

function stepsOf({ queuedUs }: Assignment, { waitMs, runMs, functionMs }: TimeSpent): StepTimes {
  const us = (ms: number): number => Math.max(0, Math.round(ms * 1000));
  return { queuedUs, waitUs: us(waitMs), runUs: us(runMs), functionUs: us(functionMs) };
}

/** Number of failures among results; for counters. */
export function failureCount(results: readonly InstanceResult[]): number {
  let count = 0;
  for (const result of results) if (isFailure(result)) count++;
  return count;
}
