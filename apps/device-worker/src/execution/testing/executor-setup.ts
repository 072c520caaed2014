import { isFailure, type Instance, type InstanceResult } from '@mserve/wire';
import type { ModelDeclaration, ServableDeclaration } from '@mserve/register';
import type { FunctionRun } from '../../functions/function-run.js';
import type { FunctionRunner, FunctionThreads, FunctionWork } from '../../functions/function-runner.js';
import { input, method, model, output, servable, stage } from '../../../../../test/support/declarations.js';
import { elementwise, floats, valuesOf, type FakeSession } from '../../../../../test/support/fake-session.js';
import { Executor, type Execution } from '../executor.js';
import { planModel } from '../model-plan.js';

/** Collects the results of one ticket. */
export class Ticket {
  readonly results: InstanceResult[] = [];
  readonly done: Promise<readonly InstanceResult[]>;
  execution: Execution;
  constructor(executor: Executor, name: string, instances: readonly Instance[], deadlineAt = Infinity) {
    let missing = instances.length;
    let finish: (results: readonly InstanceResult[]) => void = () => undefined;
    this.done = new Promise((resolve) => (finish = resolve));
    this.execution = executor.start(name, instances, deadlineAt, {
      settle: (index, result) => {
        if (this.results[index] !== undefined) throw new Error(`instance ${index} was settled twice`);
        this.results[index] = result;
        if (--missing === 0) finish(this.results);
      },
    });
  }
}

export function run(
  executor: Executor,
  name: string,
  instances: readonly Instance[],
  deadlineAt?: number,
): Promise<readonly InstanceResult[]> {
  return new Ticket(executor, name, instances, deadlineAt).done;
}

export interface Setup {
  readonly executor: Executor;
  readonly causes: unknown[];
}

export function setUp(
  declaration: ServableDeclaration,
  sessions: readonly (readonly FakeSession[])[],
  runner?: FunctionRunner,
  concurrentRuns = 1,
): Setup {
  const causes: unknown[] = [];
  const models = sessions.map((subgraphs, i) =>
    subgraphs.map((session, subgraph) => ({
      plan: planModel(declaration.models[i] as ModelDeclaration, session.describe(), subgraph),
      session,
      concurrentRuns,
    })),
  );
  return {
    executor: new Executor({
      declaration,
      models,
      runner,
      reportFailure: (_, cause) => causes.push(cause),
      reportFault: (fault) => causes.push(fault),
    }),
    causes,
  };
}

/** One model, method `add(x1, x2)`. */
export function addition(
  shape: readonly number[],
  options: Partial<ModelDeclaration> = {},
  concurrentRuns = 1,
): Setup & { session: FakeSession } {
  const session = elementwise(shape, 2, (a, b) => a + b);
  const declaration = servable({
    models: [model('add.onnx', options)],
    methods: [method('add', ['x1', 'x2'], [stage(1, 'model', 0, [input(0), input(1)])], [output(1)])],
  });
  return { ...setUp(declaration, [[session]], undefined, concurrentRuns), session };
}

export function pairs(count: number, shape: readonly number[] = [2]): Instance[] {
  const size = shape.reduce((a, b) => a * b, 1);
  return Array.from({ length: count }, (_, i) => [floats(shape, Array(size).fill(i)), floats(shape, Array(size).fill(100))]);
}

export function outputsOf(results: readonly InstanceResult[]): (number[] | string)[] {
  return results.map((result) => (isFailure(result) ? `${result.failure.code} ${result.failure.message}` : valuesOf(result.outputs[0])));
}

/** Runs functions in this thread, on a later turn, as if it had so many threads. {@link hold} keeps what it takes from then on. */
export class FakeRunner implements FunctionRunner {
  idleCount: number;
  readonly runs: FunctionRun[] = [];
  private work: FunctionWork = { take: () => undefined };
  private isHolding = false;
  private held: FunctionRun[] = [];

  constructor(
    readonly declaration: ServableDeclaration,
    private readonly functions: readonly ((instance: Instance) => InstanceResult)[],
    threads = 1,
  ) {
    this.idleCount = threads;
  }

  get threads(): FunctionThreads {
    return { states: [], replaced: 0 };
  }

  serve(work: FunctionWork): void {
    this.work = work;
  }

  wake(): void {
    while (this.idleCount > 0) {
      const run = this.work.take({ idleCount: this.idleCount, isHeldBack: () => false });
      if (run === undefined) return;
      this.idleCount--;
      this.runs.push(run);
      if (this.isHolding) this.held.push(run);
      else setImmediate(() => this.finish(run));
    }
  }

  hold(): void {
    this.isHolding = true;
  }

  letGo(): void {
    this.isHolding = false;
    for (const run of this.held.splice(0)) this.finish(run);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private finish(run: FunctionRun): void {
    const call = this.functions[run.index];
    run.instances.forEach((instance, i) => run.settle(i, call?.(instance) ?? { failure: { code: 'INTERNAL', message: 'no function' } }));
    this.idleCount++;
    this.wake();
  }
}

export const plusOne = ([x]: Instance): InstanceResult => ({
  outputs: [
    floats(
      x?.shape ?? [],
      valuesOf(x).map((value) => value + 1),
    ),
  ],
});
export const noNegatives = (instance: Instance): InstanceResult =>
  (valuesOf(instance[0])[0] as number) < 0 ? { failure: { code: 'ABORTED', message: 'negative value' } } : plusOne(instance);
