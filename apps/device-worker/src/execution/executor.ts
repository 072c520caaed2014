import { DeadlineTimer, emptyList, EndOfTurn } from '@mserve/event-loop';
import type { Tracer } from '@mserve/metrics';
import { failureOf, ServingError, type Failure, type Instance } from '@mserve/wire';
import type { ServableDeclaration } from '@mserve/register';
import type { FunctionRunner, ModelCaller } from '../functions/function-runner.js';
import type { BatchRun } from './batch-run.js';
import { cancelled } from './failures.js';
import { mismatchOf } from './declared-inputs.js';
import { FunctionDispatch, type ReportFault } from './function-dispatch.js';
import { LoneClient } from './lone-client.js';
import { planMethod, type MethodPlan } from './method-plan.js';
import { ModelCall } from './model-call.js';
import type { ModelPlan } from './model-plan.js';
import { ModelQueue } from './model-queue.js';
import type { ModelSession } from './model-session.js';
import { Passage, type MethodRoute, type ResultSink, type StageRoute } from './passage.js';
import type { MethodTimes, RunCounts } from './run-metrics.js';

/** Longest time of a Model.call, waiting included. */
const modelCallTimeoutMs = 60_000;

/** One subgraph of a model, loaded. */
export interface LoadedModel {
  readonly plan: ModelPlan;
  readonly session: ModelSession;
  /** Runs that the session takes at the same time. */
  readonly concurrentRuns: number;
  /** A run for warming up has ended well. Default false. */
  readonly isWarm?: boolean | undefined;
}

/** What the methods of a servable version are run with. */
export interface ExecutorOptions {
  readonly declaration: ServableDeclaration;
  /** By position in declaration.models; each with its subgraphs in order. */
  readonly models: readonly (readonly LoadedModel[])[];
  /** Undefined when no method has a function stage. */
  readonly runner?: FunctionRunner | undefined;
  /** Of the worker; undefined: runs never hold the JavaScript thread for one. */
  readonly loneClient?: LoneClient | undefined;
  /** What is counted of the runs of a model, by its key. Default: nothing. */
  readonly countsOf?: ((model: string) => RunCounts) | undefined;
  /** Where the time of a method is counted. Default: nowhere. */
  readonly timesOf?: ((method: string) => MethodTimes) | undefined;
  /** Default: nothing is traced. */
  readonly tracer?: Tracer | undefined;
  /** Why a native run failed: for operators. */
  readonly reportFailure: (plan: ModelPlan, cause: unknown) => void;
  /** See {@link ModelQueueOptions.onDeviceLost}. */
  readonly onDeviceLost?: (() => void) | undefined;
  /** What a function did wrong: for operators. */
  readonly reportFault: ReportFault;
}

/** The instances of one ticket under way. */
export interface Execution {
  /**
   * Nobody waits any more: what only waits fails with `failure` (default CANCELLED) now, what runs when its run ends, which is ended when
   * nobody else needs it.
   */
  cancel(failure?: Failure): void;
}

/**
 * Runs the methods of one replica. Each method is a pipeline of stages; instances move on one by one, whatever ticket they belong to,
 * and meet in the queues of the models (shared by all methods and Model.call) and functions. The failure of one stays its own.
 */
export class Executor implements ModelCaller {
  private readonly servable: string;
  private readonly tracer: Tracer | undefined;
  private readonly timesOf: ((method: string) => MethodTimes) | undefined;
  private readonly routes = new Map<string, MethodRoute>();
  private readonly models = new Map<string, readonly ModelQueue[]>();
  private readonly watch = new DeadlineTimer<BatchRun>((run) => run.expire());
  private readonly dispatch: FunctionDispatch | undefined;
  private readonly closers: (() => void)[] = [];
  /** What is to be pumped when this turn's pushes are done, so that instances that came together are run together. */
  private readonly awake: (ModelQueue | FunctionDispatch | undefined)[] = [];
  private readonly end = new EndOfTurn(() => this.pumpAwake());

  /** Throws ServingError INVALID_ARGUMENT when methods and models do not fit. */
  constructor(options: ExecutorOptions) {
    const { declaration, runner, loneClient = new LoneClient(), reportFailure, reportFault, onDeviceLost, countsOf, tracer } = options;
    this.tracer = tracer;
    this.timesOf = options.timesOf;
    this.servable = declaration.servable;
    const wake = (queue: ModelQueue | FunctionDispatch): void => this.wake(queue);
    declaration.models.forEach((model, i) => {
      const subgraphs = options.models[i] ?? [];
      const counts = countsOf?.(model.key);
      const lanes = subgraphs.reduce((sum, { concurrentRuns }) => sum + concurrentRuns, 0);
      counts?.lanes.add(lanes);
      this.closers.push(() => counts?.lanes.add(-lanes));
      const common = { watch: this.watch, wake, loneClient, reportFailure, onDeviceLost, counts, tracer };
      this.models.set(
        model.key,
        subgraphs.map((loaded) => new ModelQueue({ ...loaded, ...common })),
      );
    });
    const dispatch: FunctionDispatch | undefined =
      runner && new FunctionDispatch(runner, this.watch, reportFault, () => dispatch && wake(dispatch));
    this.dispatch = dispatch;
    const plans = options.models.map((subgraphs) => subgraphs[0]?.plan).filter((plan): plan is ModelPlan => plan !== undefined);
    for (const method of declaration.methods) this.routes.set(method.name, this.route(declaration, planMethod(declaration, method, plans)));
  }

  /** Where the time of a method is counted; undefined where it is not, or there is no such method. */
  times(method: string): MethodTimes | undefined {
    return this.routes.get(method)?.times;
  }

  get methods(): readonly MethodPlan[] {
    return [...this.routes.values()].map((route) => route.plan);
  }

  /**
   * Starts instances of a method; `sink` gets one result each. Nothing runs before the current turn's synchronous work is done.
   * `deadlineAt`: performance.now() clock, Infinity = none. An unknown method, or an instance with another number of tensors than
   * the method has inputs, is a failure of the instances.
   */
  start(method: string, instances: readonly Instance[], deadlineAt: number, sink: ResultSink): Execution {
    const route = this.routes.get(method);
    if (route === undefined) {
      const failure = failureOf('method-not-found', { servable: this.servable, method });
      for (let i = 0; i < instances.length; i++) sink.settle(i, { failure });
      return { cancel: () => undefined };
    }
    const { declaredInputs: declared, inputNames } = route.plan;
    const count = inputNames.length;
    const passages: Passage[] = [];
    for (let i = 0; i < instances.length; i++) {
      const instance = instances[i] as Instance;
      const passage = new Passage(route, i, instance, deadlineAt, sink);
      passages.push(passage);
      const misfit: Failure | undefined =
        instance.length === count
          ? mismatchOf(method, declared, instance)
          : failureOf('input-count', { method, expected: `${count}`, given: `${instance.length}` });
      if (misfit === undefined) passage.enter();
      else passage.fail(misfit);
    }
    return new PassageExecution(method, passages);
  }

  /** See ModelCaller. A call that brings no deadline (performance.now() clock) may take {@link modelCallTimeoutMs}: an endless run must not keep the model for ever. */
  async call(modelKey: string, subgraph: number, instances: readonly Instance[], deadlineAt = Infinity): Promise<readonly Instance[]> {
    const subgraphs = this.models.get(modelKey);
    if (subgraphs === undefined)
      throw new ServingError('NOT_FOUND', `The model is not declared, the declared models are: ${[...this.models.keys()].join(', ')}`);
    const queue = subgraphs[subgraph];
    if (queue === undefined) {
      throw new ServingError(
        'INVALID_ARGUMENT',
        `The model does not have subgraph of index ${subgraph}, the subgraph count of the model is ${subgraphs.length}`,
      );
    }
    return ModelCall.start(queue, instances, Math.min(deadlineAt, performance.now() + modelCallTimeoutMs));
  }

  /** Ends the watch over deadlines. Instances under way are the caller's matter: drain first. */
  close(): void {
    for (const close of this.closers.splice(0)) close();
    this.watch.clear();
  }

  private route(declaration: ServableDeclaration, plan: MethodPlan): MethodRoute {
    const functions = this.dispatch?.addMethod(plan);
    const stages = plan.stages.map((stage): StageRoute => {
      if (stage.declaration.kind === 'model') {
        const model = this.models.get(declaration.models[stage.declaration.index]?.key ?? '')?.[0];
        if (model === undefined) throw new ServingError('INTERNAL', `method '${plan.name}' uses a model that is not loaded`);
        return { plan: stage, model };
      }
      const queue = functions?.get(stage);
      if (queue === undefined || this.dispatch === undefined)
        throw new ServingError('INTERNAL', `method '${plan.name}' needs functions, there is nothing to run them`);
      return { plan: stage, queue, dispatch: this.dispatch };
    });
    return { plan, stages, tracer: this.tracer, times: this.timesOf?.(plan.name) };
  }

  private pumpAwake(): void {
    const { awake } = this;
    // Those that wake meanwhile are pumped too: the list grows under the loop
    for (let i = 0; i < awake.length; i++) {
      const queue = awake[i];
      awake[i] = undefined;
      queue?.pump();
    }
    emptyList(awake);
  }

  private wake(queue: ModelQueue | FunctionDispatch): void {
    if (this.awake.length === 0) this.end.ask();
    if (!this.awake.includes(queue)) this.awake.push(queue);
  }
}

class PassageExecution implements Execution {
  constructor(
    private readonly method: string,
    private readonly passages: readonly Passage[],
  ) {}

  cancel(failure = cancelled(this.method)): void {
    for (const passage of this.passages) passage.abandon(failure);
  }
}
