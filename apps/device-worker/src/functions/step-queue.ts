import { Fifo } from './fifo.js';
import type { FunctionRun, Step } from './function-run.js';

/** Steps that one message takes to a thread when there is more work than threads. */
const largestBatch = 32;

/** What a queue has to know of the threads. */
export interface Threads {
  /** Batches that could be given out now. */
  readonly idleCount: number;
  /** Whether a call of this function has to wait though a thread is idle. */
  isHeldBack(functionIndex: number): boolean;
}

/** The steps that wait for a thread, and how they are put together. */
export class StepQueue {
  private readonly waiting = new Fifo<readonly Step[]>();
  /** Steps that a thread did not come to, or that had to wait; they go before what waits. */
  private readonly returned: Step[] = [];

  constructor(private readonly threads: Threads) {}

  /** Batches that could be given to threads beyond what is waiting. */
  get free(): number {
    const returned = this.returned.some(({ run }) => !this.threads.isHeldBack(run.index)) ? 1 : 0;
    return Math.max(0, this.threads.idleCount - this.waiting.length - returned);
  }

  push(steps: readonly Step[]): void {
    this.waiting.push(steps);
  }

  giveBack(steps: readonly Step[]): void {
    for (const step of steps) this.returned.push(step);
  }

  /**
   * The next batch, empty when there is nothing for a thread to do: what came back first, else the oldest runs; more than one run only when there are more
   * than idle threads. A batch calls one function, so that no result waits for another function's call.
   */
  take(): Step[] {
    const returned = this.takeReturned();
    if (returned !== undefined) return [returned];
    const steps: Step[] = [];
    while (this.waiting.length > 0 && steps.length < largestBatch) {
      if (steps.length > 0 && (this.waiting.length < this.threads.idleCount || this.waiting.peek()?.[0]?.run.index !== steps[0]?.run.index))
        break;
      const next = (this.waiting.shift() ?? []).filter(isWanted);
      if (next[0] !== undefined && this.threads.isHeldBack(next[0].run.index)) this.giveBack(next);
      else steps.push(...next);
    }
    return steps;
  }

  /** One step of those that came back and need not wait longer. It goes by itself: it may have come back because it was too large beside others. */
  private takeReturned(): Step | undefined {
    for (let at = 0; at < this.returned.length; at++) {
      const step = this.returned[at] as Step;
      const wanted = isWanted(step);
      if (wanted && this.threads.isHeldBack(step.run.index)) continue;
      this.returned.splice(at--, 1);
      if (wanted) return step;
    }
    return undefined;
  }
}

/** Whether anybody waits for a result of this step. */
export function isWanted({ run, first, end }: { readonly run: FunctionRun; readonly first: number; readonly end: number }): boolean {
  for (let i = first; i < end; i++) if (!run.hasResult(i)) return true;
  return false;
}
