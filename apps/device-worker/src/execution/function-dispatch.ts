import type { DeadlineTimer } from '@mserve/event-loop';
import type { InstanceResult } from '@mserve/wire';
import type { FunctionRunner } from '../functions/function-runner.js';
import { BatchRun, stillWanted } from './batch-run.js';
import { functionFailed } from './failures.js';
import { Fifo } from '../functions/fifo.js';
import type { MethodPlan, StagePlan } from './method-plan.js';
import type { Waiting } from './waiting.js';

/** Instances of a function called one by one are sent to a thread in groups that take about this long: the way there costs, too. */
const groupMs = 1;
const largestGroup = 32;

/** The instances that wait for one function stage of one method. */
export class FunctionQueue {
  readonly waiting = new Fifo<Waiting>();
  readonly method: MethodPlan;
  readonly stage: StagePlan;
  /** Milliseconds per instance, smoothed; unknown at first, so that nothing is put behind what may be slow. */
  private instanceMs = Infinity;

  constructor(method: MethodPlan, stage: StagePlan) {
    this.method = method;
    this.stage = stage;
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
 * Gives function stages to the servable's worker threads: methods in turn, and in a method the highest stage that has work,
 * so that what was begun is finished first (SPEC 5.2).
 */
export class FunctionDispatch {
  private readonly runner: FunctionRunner;
  private readonly watch: DeadlineTimer<BatchRun>;
  /** Per method its function stages, the highest first. */
  private readonly methods: (readonly FunctionQueue[])[] = [];
  private turn = 0;
  private underWay = 0;
  private readonly wake: () => void;

  /** `wake`: called when there is work; {@link pump} is to be called at the end of this turn's work. */
  constructor(runner: FunctionRunner, watch: DeadlineTimer<BatchRun>, wake: () => void) {
    this.runner = runner;
    this.watch = watch;
    this.wake = wake;
    runner.onFree?.(() => this.pump());
  }

  /** Queues of a method's function stages, by stage position; to be pushed to with {@link push}. */
  addMethod(method: MethodPlan): ReadonlyMap<StagePlan, FunctionQueue> {
    const queues = method.stages.filter((stage) => stage.function !== undefined).map((stage) => new FunctionQueue(method, stage));
    if (queues.length > 0) this.methods.push([...queues].reverse());
    return new Map(queues.map((queue) => [queue.stage, queue]));
  }

  push(queue: FunctionQueue, waiting: Waiting): void {
    queue.waiting.push(waiting);
    this.wake();
  }

  pump(): void {
    // With nothing under way the runner is asked even if it has no free thread: nobody would call pump again when it has one.
    while (this.runner.free > 0 || this.underWay === 0) {
      const queue = this.next();
      if (queue === undefined) return;
      const members = this.take(queue);
      if (members.length > 0) this.start(queue, members);
    }
  }

  private next(): FunctionQueue | undefined {
    for (let i = 0; i < this.methods.length; i++) {
      const position = (this.turn + i) % this.methods.length;
      const queue = this.methods[position]?.find((candidate) => candidate.waiting.length > 0 && this.isTaken(candidate));
      if (queue === undefined) continue;
      this.turn = (position + 1) % this.methods.length;
      return queue;
    }
    return undefined;
  }

  private isTaken({ stage }: FunctionQueue): boolean {
    const { runner } = this;
    return runner.takes === undefined || this.underWay === 0 || runner.takes(stage.function?.index ?? -1);
  }

  private take(queue: FunctionQueue): Waiting[] {
    const most = queue.groupSize(this.runner.free);
    const now = performance.now();
    const members: Waiting[] = [];
    while (members.length < most) {
      const next = queue.waiting.shift();
      if (next === undefined) break;
      if (stillWanted(next, now)) members.push(next);
    }
    return members;
  }

  private start(queue: FunctionQueue, members: readonly Waiting[]): void {
    const controller = new AbortController();
    const run = new BatchRun(members, controller, this.watch);
    const startedAt = performance.now();
    this.underWay++;
    const finish = (results: readonly InstanceResult[]): void => {
      this.underWay--;
      run.release();
      queue.took(members.length, performance.now() - startedAt);
      this.pump();
      this.settle(queue, members, results);
    };
    const index = queue.stage.function?.index ?? -1;
    // async: what run() throws at once is treated like a rejection.
    const call = async (): Promise<readonly InstanceResult[]> =>
      this.runner.run(
        index,
        members.map((member) => member.inputs),
        { deadlineAt: run.deadlineAt, signal: controller.signal },
      );
    call().then(finish, () => finish([]));
  }

  private settle(queue: FunctionQueue, members: readonly Waiting[], results: readonly InstanceResult[]): void {
    const now = performance.now();
    const { declaration, function: called } = queue.stage;
    for (let i = 0; i < members.length; i++) {
      const member = members[i] as Waiting;
      if (!stillWanted(member, now)) continue;
      const result = results[i];
      if (result !== undefined && 'outputs' in result && result.outputs.length === declaration.outputsCount) {
        member.advance(result.outputs);
        continue;
      }
      const failure =
        result !== undefined && 'failure' in result
          ? result.failure
          : ({ code: 'INTERNAL', message: 'the function could not be run' } as const);
      member.fail(functionFailed(called?.name ?? '', queue.method.name, declaration, failure));
    }
  }
}
