import type { DeadlineTimer } from '@mserve/event-loop';
import type { Span, Tracer } from '@mserve/metrics';
import type { NativeTensor } from '@mserve/native';
import type { Instance } from '@mserve/wire';
import { assemble, split, Staging } from './batch.js';
import { BatchRun, stillWanted } from './batch-run.js';
import { isDeviceLost, predictFailed } from './failures.js';
import { Fifo } from '../functions/fifo.js';
import type { LoneClient } from './lone-client.js';
import { mayShareRun, type ModelPlan } from './model-plan.js';
import type { ModelSession } from './model-session.js';
import type { MethodTimes, RunCounts, RunTimes } from './run-metrics.js';
import type { Waiting } from './waiting.js';

/** Runs handed to the session beyond those it works at, so that its device goes from one to the next without waiting for this thread. */
const runsAhead = 1;
/** How much the last batch counts for the typical one. */
const newestShare = 1 / 8;

/** A place for one native run at a time. */
interface Slot {
  readonly staging: Staging;
  /** Kept from run to run (making one costs more than a small model's run); replaced after it was used. */
  controller: AbortController;
}

/** How a queue of a model forms its batches. */
export interface ModelQueueOptions {
  readonly plan: ModelPlan;
  readonly session: ModelSession;
  /** Runs that the session takes at the same time. */
  readonly concurrentRuns: number;
  /** A run for warming up has ended well. Default false. */
  readonly isWarm?: boolean | undefined;
  readonly watch: DeadlineTimer<BatchRun>;
  readonly loneClient: LoneClient;
  /** Called when the queue has work and is not being served: {@link ModelQueue.pump} is to be called at the end of this turn's work. */
  readonly wake: (queue: ModelQueue) => void;
  /** Default: runs are not counted. */
  readonly counts?: RunCounts | undefined;
  /** Default: nothing is traced. */
  readonly tracer?: Tracer | undefined;
  /** Why a native run failed: for operators. What clients are told: {@link predictFailed}. */
  readonly reportFailure: (plan: ModelPlan, cause: unknown) => void;
  /**
   * A device ended its work for good: called in place of an answer to the run's instances, so that who made the process can end it and others take
   * over what it had in hand. Default: the instances fail.
   */
  readonly onDeviceLost?: (() => void) | undefined;
}

/**
 * The instances that wait for one model subgraph, whichever method or Model.call they come from. Work-conserving: the moment a slot
 * is free it runs what waits, up to the batch size; nothing waits for a batch to become full.
 */
export class ModelQueue {
  readonly plan: ModelPlan;
  private readonly waiting = new Fifo<Waiting>();
  private readonly slots: Slot[] = [];
  private readonly options: ModelQueueOptions;
  /** Instances of a run, smoothed. */
  private typicalBatch = 1;
  /** A run, warm-up included, has ended well. */
  private hasRunWell: boolean;
  private pumping = false;

  constructor(options: ModelQueueOptions) {
    this.plan = options.plan;
    this.options = options;
    this.hasRunWell = options.isWarm ?? false;
    for (let i = 0; i < options.concurrentRuns + runsAhead; i++)
      this.slots.push({ staging: new Staging(), controller: new AbortController() });
  }

  /** The waiting's inputs have passed checkInputs for this plan. */
  push(waiting: Waiting): void {
    this.waiting.push(waiting);
    if (this.slots.length > 0) this.options.wake(this);
  }

  /**
   * Starts as many runs as there are free slots and waiting instances. A run ahead is formed only of as many instances as runs have here: it does not
   * begin before another one ends, and until then more may come.
   */
  pump(): void {
    // A run that is over at once asks for the next one: that comes when its own results are given out
    if (this.pumping) return;
    this.pumping = true;
    while (this.slots.length > 0 && this.waiting.length > 0) {
      if (this.slots.length <= runsAhead && this.waiting.length < this.typicalBatch) break;
      const now = performance.now();
      const members = this.take(now);
      if (members.length === 0) continue;
      this.typicalBatch += (members.length - this.typicalBatch) * newestShare;
      this.start(this.slots.pop() as Slot, members, now);
    }
    this.pumping = false;
  }

  private take(now: number): Waiting[] {
    const { plan } = this;
    const members: Waiting[] = [];
    const passedOver: Waiting[] = [];
    const most = plan.alone ? 1 : plan.batchSize;
    while (members.length < most) {
      const next = this.waiting.shift();
      if (next === undefined) break;
      if (!stillWanted(next, now)) continue;
      const first = members[0];
      if (first !== undefined && (next.alone || (plan.picky && !this.mayJoin(members, first, next)))) {
        passedOver.push(next);
        continue;
      }
      members.push(next);
      if (next.alone) break;
    }
    this.waiting.unshift(passedOver);
    return members;
  }

  private mayJoin(members: readonly Waiting[], first: Waiting, next: Waiting): boolean {
    const { plan } = this;
    return (
      mayShareRun(plan, first.inputs, next.inputs, false) ||
      (members.some(({ request }) => request === next.request) && mayShareRun(plan, first.inputs, next.inputs, true))
    );
  }

  private start(slot: Slot, members: readonly Waiting[], takenAt: number): void {
    if (slot.controller.signal.aborted) slot.controller = new AbortController();
    const { session, watch, loneClient, counts, tracer } = this.options;
    const run = new BatchRun(members, slot.controller, watch);
    if (tracer !== undefined) run.span = beginRun(tracer, this.plan, members);
    counts?.running.add(1);
    let begunAt = takenAt;
    let outputs: readonly NativeTensor[] | Promise<readonly NativeTensor[]>;
    try {
      const instances = members.length === 1 ? [(members[0] as Waiting).inputs] : members.map((member) => member.inputs);
      const inputs = assemble(this.plan, instances, slot.staging);
      if (members.length > 1) begunAt = performance.now();
      outputs = session.run(inputs, { signal: slot.controller.signal, inlineBelowUs: loneClient.inlineBelowUs, atOnce: true });
    } catch (thrown) {
      return this.fail(slot, run, thrown);
    }
    if (!(outputs instanceof Promise)) return this.finish(slot, run, outputs, takenAt, begunAt);
    outputs.then(
      (tensors) => this.finish(slot, run, tensors, takenAt, begunAt),
      (cause: unknown) => this.fail(slot, run, cause),
    );
  }

  private finish(slot: Slot, run: BatchRun, tensors: readonly NativeTensor[], takenAt: number, begunAt: number): void {
    const { counts } = this.options;
    const endedAt = performance.now();
    run.span?.end();
    counts?.running.add(-1);
    run.release();
    let results: Instance[];
    try {
      results = split(this.plan, tensors, run.members.length);
    } catch (thrown) {
      this.settleFailed(slot, run, thrown);
      return;
    }
    this.hasRunWell = true;
    const now = run.members.length > 1 ? performance.now() : endedAt;
    const times = { inputMs: begunAt - takenAt, computeMs: endedAt - begunAt, outputMs: now - endedAt };
    counts?.ran(run.members.length, times);
    countRequests(run.members, takenAt, times);
    // The next run first: the device works while this one's results are given out.
    this.slots.push(slot);
    this.pump();
    for (let i = 0; i < results.length; i++) {
      const member = run.members[i] as Waiting;
      if (stillWanted(member, now)) member.advance(results[i] as Instance, now);
    }
  }

  private fail(slot: Slot, run: BatchRun, cause: unknown): void {
    run.span?.end(run.ended ?? 'model-failed');
    this.options.counts?.failed.add();
    this.options.counts?.running.add(-1);
    run.release();
    this.settleFailed(slot, run, cause);
  }

  /**
   * A failed run. One instance of a batch may have been at fault, so those of a larger batch are run again, one by one,
   * before anything else; a run of one has had its verdict.
   */
  private settleFailed(slot: Slot, run: BatchRun, cause: unknown): void {
    const now = performance.now();
    const wanted = run.members.filter((member) => stillWanted(member, now));
    if (run.ended === undefined) this.options.reportFailure(this.plan, cause);
    if (this.options.onDeviceLost !== undefined && isDeviceLost(cause)) {
      // The slot stays taken: nothing runs here any more
      this.options.onDeviceLost();
      return;
    }
    if (run.members.length > 1) {
      for (const member of wanted) member.alone = true;
      this.waiting.unshift(wanted);
    } else {
      for (const member of wanted) member.fail(predictFailed(cause, this.hasRunWell));
    }
    this.slots.push(slot);
    this.pump();
  }
}

/** What the run took of the time of each request that it had instances of: those of one request lie side by side. */
function countRequests(members: readonly Waiting[], takenAt: number, times: RunTimes): void {
  let last: object | undefined;
  // Instances of more than one method are rare: no list is made for one
  let first: MethodTimes | undefined;
  let others: MethodTimes[] | undefined;
  for (let i = 0; i < members.length; i++) {
    const member = members[i] as Waiting;
    member.spent?.ran(takenAt - member.since, times);
    if (member.request === last) continue;
    last = member.request;
    const { times: ofMethod } = member;
    if (ofMethod === undefined) continue;
    ofMethod.ran(takenAt - member.since, times);
    if (ofMethod === first || others?.includes(ofMethod) === true) continue;
    if (first === undefined) first = ofMethod;
    else (others ??= []).push(ofMethod);
    ofMethod.runs.add();
  }
}

/** Below the stage of one of its instances, with links to the stages of all. undefined when none of them is traced. */
function beginRun(tracer: Tracer, plan: ModelPlan, members: readonly Waiting[]): Span | undefined {
  const links = members.flatMap(({ span }) => (span === undefined ? [] : [span]));
  return links[0] === undefined ? undefined : tracer.begin('run', links[0], { model: plan.key, instances: members.length }, links);
}
