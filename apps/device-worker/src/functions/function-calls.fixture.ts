import type { Instance, InstanceResult } from '@mserve/wire';
import { FunctionRun, type FunctionResult } from './function-run.js';
import type { FreeThreads, FunctionRunner, FunctionWork } from './function-runner.js';

class AwaitedRun extends FunctionRun {
  readonly promise: Promise<readonly InstanceResult[]>;
  private resolve: (results: readonly InstanceResult[]) => void = () => undefined;

  constructor(index: number, instances: readonly Instance[], deadlineAt: number) {
    super(index, instances, deadlineAt);
    this.promise = new Promise((resolve) => (this.resolve = resolve));
  }

  protected override finish(results: readonly FunctionResult[]): void {
    this.resolve(results);
  }
}

/** Calls the functions of a runner in the order in which a spec asks for them. */
export class FunctionCalls implements FunctionWork {
  private readonly waiting: AwaitedRun[] = [];
  private watchers: { idleCount: number; resolve: () => void }[] = [];

  constructor(private readonly runner: FunctionRunner) {
    runner.serve(this);
  }

  /** One result per instance. */
  run(index: number, instances: readonly Instance[], deadlineAt = Infinity, signal?: AbortSignal): Promise<readonly InstanceResult[]> {
    if (instances.length === 0) return Promise.resolve([]);
    const run = new AwaitedRun(index, instances, deadlineAt);
    if (signal?.aborted === true) run.abort();
    else {
      signal?.addEventListener('abort', () => run.abort());
      this.waiting.push(run);
      this.runner.wake();
    }
    return run.promise;
  }

  /** Resolves when the runner next asks for work with so many idle threads, and finds none. */
  idle(idleCount = 1): Promise<void> {
    return new Promise((resolve) => this.watchers.push({ idleCount, resolve }));
  }

  take(threads: FreeThreads): FunctionRun | undefined {
    const at = this.waiting.findIndex(({ index }) => !threads.isHeldBack(index));
    if (at >= 0) return this.waiting.splice(at, 1)[0];
    const met = this.watchers.filter(({ idleCount }) => threads.idleCount >= idleCount);
    this.watchers = this.watchers.filter((watcher) => !met.includes(watcher));
    for (const { resolve } of met) resolve();
    return undefined;
  }
}
