import { type Failure, type Instance, type InstanceResult } from '@mserve/wire';

/** One run() of a function: instances, what came of them, and who waits. Settles once every instance has a result. */
export class FunctionRun {
  readonly index: number;
  readonly instances: readonly Instance[];
  readonly deadlineAt: number;
  readonly promise: Promise<readonly InstanceResult[]>;
  private readonly results: (InstanceResult | undefined)[];
  private left: number;
  private resolve!: (results: readonly InstanceResult[]) => void;

  constructor(index: number, instances: readonly Instance[], deadlineAt: number) {
    this.index = index;
    this.instances = instances;
    this.deadlineAt = deadlineAt;
    this.results = new Array<InstanceResult | undefined>(instances.length);
    this.left = instances.length;
    this.promise = new Promise((resolve) => (this.resolve = resolve));
    if (this.left === 0) this.resolve([]);
  }

  get isOver(): boolean {
    return this.left === 0;
  }

  hasResult(instance: number): boolean {
    return this.results[instance] !== undefined;
  }

  /** The first result of an instance counts; later ones (of a thread that was given up) are dropped. */
  settle(instance: number, result: InstanceResult): void {
    if (instance >= this.results.length || this.results[instance] !== undefined) return;
    this.results[instance] = result;
    if (--this.left === 0) this.resolve(this.results as InstanceResult[]);
  }

  /** Fails these instances, or all that have no result yet. */
  fail(failure: Failure, first = 0, end = this.instances.length): void {
    for (let instance = first; instance < end; instance++) this.settle(instance, { failure });
  }
}

/** One call of a function in a thread: instances [first, end) of a run. */
export interface Step {
  readonly run: FunctionRun;
  readonly first: number;
  readonly end: number;
  /** How often it was given to a thread that ended before it gave a result. */
  attempts: number;
}

/** A batch function is called once with all instances, another function once per instance. */
export function stepsOf(run: FunctionRun, isBatchFunction: boolean): Step[] {
  if (isBatchFunction) return [{ run, first: 0, end: run.instances.length, attempts: 0 }];
  return run.instances.map((_, first) => ({ run, first, end: first + 1, attempts: 0 }));
}
