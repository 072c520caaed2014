import type { DeadlineTimer } from '@mserve/event-loop';
import { Fifo } from '../functions/fifo.js';
import type { FunctionFault } from '../functions/function-call.js';
import { FunctionRun, type FunctionFailure, type FunctionResult } from '../functions/function-run.js';
import type { SentContext } from '../functions/thread-message.js';
import type { FreeThreads, FunctionRunner, FunctionWork } from '../functions/function-runner.js';
import { BatchRun, latestDeadline, stillWanted } from './batch-run.js';
import { cancelled, functionFailed } from './failures.js';
import type { MethodPlan, StagePlan } from './method-plan.js';
import type { Waiting } from './waiting.js';

/** Instances of a function called one by one are sent to a thread in groups that take about this long: the way there costs, too. */
const groupMs = 1;
const largestGroup = 32;

/** Where a function is used. */
export interface FunctionPlace {
  readonly method: MethodPlan;
  readonly stage: StagePlan;
}

/** Tells operators what a function did wrong. */
export type ReportFault = (fault: FunctionFault, place: FunctionPlace) => void;

/** The instances that wait for one function stage of one method. */
export class FunctionQueue implements FunctionPlace {
  readonly waiting = new Fifo<Waiting>();
  readonly method: MethodPlan;
  readonly stage: StagePlan;
  /** Milliseconds per instance, smoothed; unknown at first, so that nothing is put behind what may be slow. */
  private instanceMs = Infinity;

  constructor(
    method: MethodPlan,
    stage: StagePlan,
    private readonly reportFault: ReportFault,
  ) {
    this.method = method;
    this.stage = stage;
  }

  get functionIndex(): number {
    return this.stage.declaration.index;
  }

  /** What a wanted instance gets of its call. */
  settle(member: Waiting, result: FunctionResult | undefined, now: number): void {
    const { declaration, function: called } = this.stage;
    if (result !== undefined && 'outputs' in result && result.outputs.length === declaration.outputsCount) {
      member.advance(result.outputs, now);
      return;
    }
    const failure: FunctionFailure =
      result !== undefined && 'failure' in result ? result.failure : { code: 'INTERNAL', message: 'the function could not be run' };
    if (failure.fault !== undefined) this.reportFault(failure.fault, this);
    member.fail(functionFailed(called?.name ?? '', this.method.name, declaration, failure));
  }

  /** How many of the waiting instances to give to one of `free` threads. */
  groupSize(free: number): number {
    const { batchSize } = this.stage;
    if (batchSize !== undefined) return batchSize;
    const affordable = Math.max(1, Math.min(largestGroup, Math.floor(groupMs / this.instanceMs)));
    return Math.min(affordable, Math.max(1, Math.ceil(this.waiting.length / Math.max(1, free))));
  }

  took(instances: number, ms: number): void {
    const each = ms / instances;
    this.instanceMs = this.instanceMs === Infinity ? each : this.instanceMs * 0.75 + each * 0.25;
  }
}

/**
 * The queue of a servable's function stages, which its threads take their work from: methods in turn, and in a method the highest stage that
 * has work, so that what was begun is finished first, as in the original.
 */
export class FunctionDispatch implements FunctionWork {
  /** Per method its function stages, the highest first. */
  private readonly methods: (readonly FunctionQueue[])[] = [];
  private turn = 0;

  /** `onWork`: called when there is work; {@link pump} is to be called at the end of this turn's work. */
  constructor(
    private readonly runner: FunctionRunner,
    private readonly watch: DeadlineTimer<BatchRun>,
    private readonly reportFault: ReportFault,
    private readonly onWork: () => void,
  ) {
    runner.serve(this);
  }

  /** Queues of a method's function stages, by stage position; to be pushed to with {@link push}. */
  addMethod(method: MethodPlan): ReadonlyMap<StagePlan, FunctionQueue> {
    const queues = method.stages
      .filter((stage) => stage.function !== undefined)
      .map((stage) => new FunctionQueue(method, stage, this.reportFault));
    if (queues.length > 0) this.methods.push([...queues].reverse());
    return new Map(queues.map((queue) => [queue.stage, queue]));
  }

  push(queue: FunctionQueue, waiting: Waiting): void {
    queue.waiting.push(waiting);
    this.onWork();
  }

  pump(): void {
    this.runner.wake();
  }

  take(threads: FreeThreads): FunctionRun | undefined {
    for (let queue = this.next(threads); queue !== undefined; queue = this.next(threads)) {
      const members = this.membersOf(queue, threads.idleCount);
      if (members.length > 0) return new StageRun(queue, members, this.watch);
    }
    return undefined;
  }

  private next(threads: FreeThreads): FunctionQueue | undefined {
    for (let i = 0; i < this.methods.length; i++) {
      const position = (this.turn + i) % this.methods.length;
      const queue = this.methods[position]?.find((each) => each.waiting.length > 0 && !threads.isHeldBack(each.functionIndex));
      if (queue === undefined) continue;
      this.turn = (position + 1) % this.methods.length;
      return queue;
    }
    return undefined;
  }

  private membersOf(queue: FunctionQueue, idleCount: number): Waiting[] {
    const most = queue.groupSize(idleCount);
    const now = performance.now();
    const members: Waiting[] = [];
    while (members.length < most) {
      const next = queue.waiting.shift();
      if (next === undefined) break;
      if (stillWanted(next, now)) members.push(next);
    }
    return members;
  }
}

/** Instances of one stage that a thread has. */
class StageRun extends FunctionRun {
  private readonly batch: BatchRun;
  private readonly startedAt = performance.now();
  /** Instances that went on before the others. */
  private readonly early = new Set<number>();

  constructor(
    private readonly queue: FunctionQueue,
    private readonly members: readonly Waiting[],
    watch: DeadlineTimer<BatchRun>,
  ) {
    super(
      queue.functionIndex,
      members.map((member) => member.inputs),
      latestDeadline(members),
    );
    this.batch = new BatchRun(members, this, watch);
  }

  override contextOf(instance: number): SentContext {
    const { requestContext, deadlineAt = Infinity, span } = this.members[instance] ?? {};
    const { id = '', headers = '', parameters = '' } = requestContext ?? {};
    const deadline = deadlineAt === Infinity ? Infinity : Date.now() + (deadlineAt - performance.now());
    return { id, headers, parameters, deadline, traceparent: span?.traceparent ?? '', tracestate: span?.tracestate ?? '' };
  }

  protected override finish(results: readonly FunctionResult[]): void {
    this.batch.release();
    const now = performance.now();
    this.queue.took(this.members.length, now - this.startedAt);
    let last: object | undefined;
    for (let i = 0; i < this.members.length; i++) {
      const member = this.members[i];
      if (member === undefined || this.early.has(i)) continue;
      if (member.request !== last) member.times?.called(this.startedAt - member.since, now - this.startedAt);
      last = member.request;
      member.spent?.called(this.startedAt - member.since, now - this.startedAt);
      if (stillWanted(member, now)) this.queue.settle(member, results[i], now);
    }
  }

  /** Nobody's call is held to the time of those that it was put together with: it ends at its own deadline, and its result goes on. */
  override review(now: number): void {
    for (const [i, member] of this.members.entries()) {
      if (this.early.has(i)) continue;
      if (!this.hasResult(i) && (member.abandoned !== undefined || member.deadlineAt <= now))
        this.fail(cancelled(this.queue.method.name), i, i + 1);
      if (!this.hasResult(i)) continue;
      this.early.add(i);
      member.run = undefined;
      member.times?.called(this.startedAt - member.since, now - this.startedAt);
      member.spent?.called(this.startedAt - member.since, now - this.startedAt);
      if (stillWanted(member, now)) this.queue.settle(member, this.resultOf(i), now);
    }
  }
}
