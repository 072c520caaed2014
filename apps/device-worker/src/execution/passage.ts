import { type Failure, type Instance, type InstanceResult, type RequestContext } from '@mserve/wire';
import type { Span, Tracer } from '@mserve/metrics';
import { deadlineExceeded } from './failures.js';
import type { FunctionDispatch, FunctionQueue } from './function-dispatch.js';
import { pick, type MethodPlan, type StagePlan } from './method-plan.js';
import { checkInputs } from './model-plan.js';
import type { ModelQueue } from './model-queue.js';
import { TimeSpent, type MethodTimes } from './run-metrics.js';
import { Waiting } from './waiting.js';

/** Who wants the results of a ticket's instances. */
export interface ResultSink {
  /** What the stages are a part of, when the request is traced. */
  readonly span?: Span | undefined;
  /** When the ticket came, on the performance.now() clock. Default: now. */
  readonly cameAt?: number | undefined;
  /** What functions may know of the ticket's request; asked for by those that do. */
  readonly requestContext?: RequestContext | undefined;
  /** It is to be told where the time of its instances went. Default: no. */
  readonly isTimed?: boolean | undefined;
  /** Called once per instance, in any order, possibly before Executor.start returns. Must not throw. `spent`: where {@link isTimed} asks, and it ran at all. */
  settle(index: number, result: InstanceResult, spent?: TimeSpent): void;
}

/** A stage with the queue it is served from. */
export type StageRoute =
  | { readonly plan: StagePlan; readonly model: ModelQueue; readonly queue?: undefined }
  | { readonly plan: StagePlan; readonly model?: undefined; readonly queue: FunctionQueue; readonly dispatch: FunctionDispatch };

/** A method's plan with the queues of its stages, in order. */
export interface MethodRoute {
  readonly plan: MethodPlan;
  readonly stages: readonly StageRoute[];
  /** undefined: nothing is traced. */
  readonly tracer: Tracer | undefined;
  /** undefined: nothing is measured. */
  readonly times: MethodTimes | undefined;
}

/** One instance on its way through the stages of a method. */
export class Passage extends Waiting {
  private readonly route: MethodRoute;
  private readonly index: number;
  private readonly sink: ResultSink;
  private stage = 0;
  /** By slot; made when a stage needs more than the instance as it came. */
  private values: Instance;

  constructor(route: MethodRoute, index: number, instance: Instance, deadlineAt: number, sink: ResultSink) {
    super(instance, deadlineAt, sink, sink.cameAt ?? performance.now());
    this.route = route;
    this.index = index;
    this.sink = sink;
    this.values = instance;
    if (sink.isTimed === true) this.spent = new TimeSpent();
  }

  /** Puts the instance into the queue of the stage it has come to, or settles it after the last one. */
  enter(): void {
    const route = this.route.stages[this.stage];
    if (route === undefined) {
      this.complete(pick(this.values, this.route.plan.returnSlots));
      return;
    }
    this.inputs = this.stage === 0 && route.plan.takesInstance ? this.values : pick(this.values, route.plan.inputSlots);
    if (this.route.tracer !== undefined) this.beginStage(this.route.tracer, this.stage + 1);
    if (route.model === undefined) {
      route.dispatch.push(route.queue, this);
      return;
    }
    const failure = checkInputs(route.model.plan, this.inputs);
    if (failure === undefined) route.model.push(this);
    else this.fail(failure);
  }

  override get times(): MethodTimes | undefined {
    return this.route.times;
  }

  override advance(outputs: Instance, now: number): void {
    this.since = now;
    this.endStage();
    this.stage++;
    if (this.stage === this.route.stages.length && this.route.plan.returnsStage) {
      this.complete(outputs);
      return;
    }
    this.values = [...this.values, ...outputs];
    this.enter();
  }

  override fail(failure: Failure): void {
    if (this.settled) return;
    this.settled = true;
    this.endStage(failure.reason ?? failure.code);
    this.sink.settle(this.index, { failure }, this.spent);
  }

  override get requestContext(): RequestContext | undefined {
    return this.sink.requestContext;
  }

  override expired(): Failure {
    return deadlineExceeded(this.route.plan.name, this.stage + 1);
  }

  private beginStage(tracer: Tracer, stage: number): void {
    const { span } = this.sink;
    if (span !== undefined) this.span = tracer.begin('stage', span, { method: this.route.plan.name, stage });
  }

  private endStage(error?: string): void {
    if (this.span === undefined) return;
    this.span.end(error);
    this.span = undefined;
  }

  private complete(outputs: Instance): void {
    if (this.settled) return;
    this.settled = true;
    this.sink.settle(this.index, { outputs }, this.spent);
  }
}
