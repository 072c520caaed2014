import type { FreeThreads } from './function-runner.js';
import { isWanted, type Step } from './function-run.js';

/** Steps that a thread was given and did not come to, or whose results it took with it. They go before everything that waits. */
export class ReturnedSteps {
  private readonly steps: Step[] = [];

  add(steps: readonly Step[]): void {
    for (const step of steps) this.steps.push(step);
  }

  /** Whether there is one that was begun before. */
  get hasBegun(): boolean {
    return this.steps.some((step) => step.lostRuns > 0 && isWanted(step));
  }

  /**
   * One that need not wait longer; `begun`: of those that were begun before, or of the others. It goes by itself: it may have come back
   * because it was too large beside others.
   */
  take(threads: FreeThreads, begun: boolean): Step | undefined {
    for (let at = 0; at < this.steps.length; at++) {
      const step = this.steps[at] as Step;
      const wanted = isWanted(step);
      if (wanted && (step.lostRuns > 0 !== begun || threads.isHeldBack(step.run.index))) continue;
      this.steps.splice(at--, 1);
      if (wanted) return step;
    }
    return undefined;
  }
}
