import { EndOfTurn } from '@mserve/event-loop';
import type { ServableDeclaration } from '@mserve/register';
import { reasonTable, type Failure, type Instance } from '@mserve/wire';
import type { FreeThreads, FunctionRunner, FunctionThreads, FunctionWork, ModelCaller } from './function-runner.js';
import { isWanted, stepsOf, type FunctionFailure, type FunctionResult, type FunctionRun, type Step } from './function-run.js';
import { textOf, type StepFailure } from './function-call.js';
import { PackReader } from './instance-pack.js';
import type { FromThread } from './thread-message.js';
import { ReturnedSteps } from './returned-steps.js';
import { canRaisePriority } from './thread-priority.js';
import { ThreadPool, type PoolOptions, type Slot } from './thread-pool.js';

/** What functions run in, and their limits. */
export interface FunctionRunnerOptions extends PoolOptions {
  /** Threads, >= 1. */
  readonly numParallelWorkers: number;
  /** Longest time of one call for which nobody set a deadline. */
  readonly functionTimeoutMs: number;
  /** When a call takes longer than this, another thread stands in for its thread. */
  readonly stuckAfterMs: number;
  /** How long a thread whose callers are all gone may take to come back before it is replaced. */
  readonly cutGraceMs: number;
  /** How long a thread may leave a batch untouched, when nothing that it awaits is wanted, before it is replaced. */
  readonly deafAfterMs: number;
}

const logLevels: readonly string[] = ['debug', 'info', 'warn', 'error'];
const tickMs = 10;
/** After this time with one call the results that a thread keeps back for it are given up: their calls are made again. */
const reclaimAfterMs = 500;
/** A call gives way to everything else on the machine after this time, or after the longer one where its thread's priority cannot be raised again. */
const giveWayAfterMs = 100;
const giveWayForGoodAfterMs = 2_000;
/** Threads that a step may see ending before they come to it. */
const mostAttempts = 3;
/** Times that a step is begun: it may have had an effect outside. */
const mostRuns = 2;
/** Batches of a thread that were answered without their having ended, after which the thread is replaced to be rid of them. */
const mostForgotten = 256;

/** FunctionRunner over worker threads; see the contract for what holds. Made by {@link createFunctionRunner}. */
class ThreadFunctionRunner implements FunctionRunner {
  declaration!: ServableDeclaration;
  private readonly options: FunctionRunnerOptions;
  private readonly models: ModelCaller;
  private readonly pool: ThreadPool;
  private readonly returned = new ReturnedSteps();
  private work: FunctionWork = noWork;
  private readonly runs = new Set<FunctionRun>();
  /** Warnings of the config that were logged: every thread loads the config, replacements too, and says the same of it. */
  private readonly warnings = new Set<string>();
  private readonly givesWayAfterMs = canRaisePriority() ? giveWayAfterMs : giveWayForGoodAfterMs;
  private ticker: NodeJS.Timeout | undefined;
  /** Threads get work when all that a turn changes about them is known. */
  private readonly end = new EndOfTurn(() => this.dispatch());
  private isClosed = false;
  private lastBatch = 0;

  constructor(options: FunctionRunnerOptions, models: ModelCaller) {
    this.options = options;
    this.models = models;
    this.pool = new ThreadPool(options, options.numParallelWorkers, {
      ready: () => this.end.ask(),
      message: (slot, message) => this.receive(slot, message),
      ended: (slot, reason) => this.recover(slot, reason),
      replaced: (slot) => this.runAgain(parkedSteps(slot), 'another call blocked it'),
      empty: () => this.failAll(this.noThread),
      log: options.log,
    });
  }

  async open(): Promise<this> {
    this.declaration = await this.pool.open();
    return this;
  }

  get threads(): FunctionThreads {
    return this.pool.threads;
  }

  serve(work: FunctionWork): void {
    this.work = work;
  }

  wake(): void {
    if (this.isClosed) this.refuseWaiting(this.unloaded);
    else if (this.pool.isDown) this.refuseWaiting(this.noThread);
    else this.dispatch();
  }

  async close(): Promise<void> {
    this.isClosed = true;
    clearInterval(this.ticker);
    this.failAll(this.unloaded);
    await this.pool.close();
  }

  private get unloaded(): Failure {
    return { code: 'UNAVAILABLE', message: `servable '${this.options.servable}' is being unloaded` };
  }

  private get noThread(): Failure {
    return {
      code: 'UNAVAILABLE',
      message: `servable '${this.options.servable}' has no ${this.options.isolation} for its functions at the moment`,
    };
  }

  private dispatch(): void {
    if (this.isClosed) return;
    while ((this.returned.hasBegun && this.giveOut(true)) || this.giveOut(false)) continue;
    if (this.returned.hasBegun && this.pool.idleFor(true) === undefined) this.pool.reserve();
  }

  /** Gives the next work of its kind to an idle thread. false: there is none, or no thread. */
  private giveOut(isSecondTry: boolean): boolean {
    const slot = this.pool.idleFor(isSecondTry);
    const steps = slot && this.nextSteps(isSecondTry);
    if (slot === undefined || steps === undefined) return false;
    if (steps.length > 0) this.send(slot, steps);
    return true;
  }

  /** What came back first, then what waits. Empty: it needs no thread any more; undefined: there is nothing. */
  private nextSteps(isSecondTry: boolean): Step[] | undefined {
    const returned = this.returned.take(this.pool, isSecondTry);
    if (returned !== undefined) return [returned];
    if (isSecondTry) return undefined;
    const run = this.work.take(this.pool);
    return run && this.begin(run);
  }

  private begin(run: FunctionRun): Step[] {
    const declaration = this.declaration.functions[run.index];
    if (declaration === undefined)
      run.fail({ code: 'INTERNAL', message: `servable '${this.options.servable}' has no function ${run.index}` });
    else if (run.deadlineAt <= performance.now()) this.failLate(run);
    if (declaration === undefined || run.isOver) return [];
    this.runs.add(run);
    this.ticker ??= setInterval(() => this.tick(), tickMs);
    return stepsOf(run, declaration.batchSize !== undefined);
  }

  private send(slot: Slot, steps: readonly Step[]): void {
    const index = steps[0]?.run.index ?? -1;
    const batch = ++this.lastBatch;
    try {
      slot.host.post(batch, steps, this.declaration.functions[index]?.takesContext === true);
    } catch (thrown) {
      this.refuse(steps, thrown);
      return;
    }
    slot.state = 'busy';
    slot.steps = steps;
    slot.functionIndex = index;
    slot.isSecondTry = (steps[0]?.lostRuns ?? 0) > 0;
    slot.startedSeen = 0;
    slot.progressAt = performance.now();
    slot.batch = batch;
  }

  /** Steps that cannot be handed over together: each goes by itself, and the one that is too large even so fails. */
  private refuse(steps: readonly Step[], thrown: unknown): void {
    if (steps.length > 1) {
      this.returned.add(steps);
      return;
    }
    for (const { run, first, end } of steps) {
      run.fail(
        {
          code: 'RESOURCE_EXHAUSTED',
          message: `the inputs of function '${this.nameOf(run)}' could not be handed to its ${this.options.isolation}: ${textOf(thrown)}`,
        },
        first,
        end,
      );
    }
  }

  private receive(slot: Slot, message: FromThread): void {
    if (message.kind === 'results') this.takeResults(slot, message);
    else if (message.kind === 'modelCall') void this.callModel(slot, message);
    else if (message.kind === 'warning') this.warn(message.text);
    else if (message.kind === 'log') this.writeLog(message);
  }

  private warn(text: string): void {
    if (this.warnings.has(text)) return;
    this.warnings.add(text);
    this.options.log('warn', `servable ${this.options.servable}: ${text}`);
  }

  /** Levels and texts come from the author's code. */
  private writeLog({ level, text, requestId }: FromThread & { kind: 'log' }): void {
    if (logLevels.includes(level)) this.options.log(level, text, { requestId });
  }

  private takeResults(slot: Slot, message: FromThread & { kind: 'results' }): void {
    const reader = new PackReader(message.pack);
    const isCurrent = message.batch === slot.batch && !slot.parked.has(message.batch);
    const parked = slot.parked.get(message.batch);
    const steps = isCurrent ? slot.steps : (parked?.steps ?? []);
    while (!reader.atEnd) {
      const step = steps[reader.number()];
      const instance = reader.number();
      const isSuccess = reader.number() === 1;
      const result: FunctionResult = isSuccess
        ? { outputs: reader.instance() }
        : { failure: failureOfStep(message.failures[reader.number()]) };
      step?.run.settle(step.first + instance, result);
      if (step !== undefined) parked?.left.delete(step);
      if (step?.run.isOver === true) this.runs.delete(step.run);
    }
    const now = performance.now();
    if (isCurrent) slot.progressAt = now;
    if (message.state === 'running') return;
    if (message.state === 'parked') slot.parked.set(message.batch, { steps, left: new Set(steps.filter(isWanted)), since: now });
    const leftOut = message.state === 'done' ? steps.filter(isWanted) : [];
    for (const step of leftOut) this.cutOff(step, 'it gave no result');
    if (isCurrent) this.pool.release(slot);
    else this.pool.unpark(slot, message.batch);
    // The author's code has changed what the thread's program stands on
    if (leftOut.length > 0) this.pool.giveUp(slot);
    // The next work first: the thread is at it while this one's results are given out.
    this.dispatch();
  }

  private async callModel(slot: Slot, message: FromThread & { kind: 'modelCall' }): Promise<void> {
    const { call, modelKey, subgraph } = message;
    try {
      const reader = new PackReader(message.pack);
      const instances: Instance[] = [];
      while (!reader.atEnd) instances.push(reader.instance());
      slot.host.answerModelCall(call, await this.models.call(modelKey, subgraph, instances));
    } catch (thrown) {
      slot.host.answerModelCall(call, thrown instanceof Error ? thrown.message : 'the model could not be run');
    }
  }

  /** Deadlines, and threads that do not get on. */
  private tick(): void {
    const now = performance.now();
    for (const run of this.runs) {
      if (run.deadlineAt <= now) this.failLate(run);
      else run.review(now);
      if (run.isOver) this.runs.delete(run);
    }
    for (const slot of [...this.pool.slots]) {
      if (slot.parked.size > 0) this.lookAtParked(slot, now);
      if (slot.parked.size > 0 || slot.abandonedAt !== undefined) this.listen(slot, now);
      if (slot.state === 'busy') this.look(slot, now);
    }
    if (this.runs.size > 0) return;
    for (const slot of this.pool.slots) if (slot.state === 'busy' || slot.abandonedAt !== undefined) return;
    clearInterval(this.ticker);
    this.ticker = undefined;
  }

  private look(slot: Slot, now: number): void {
    const started = Math.min(slot.host.started, slot.steps.length);
    if (started !== slot.startedSeen) {
      slot.startedSeen = started;
      slot.progressAt = now;
    }
    const standsMs = now - slot.progressAt;
    if (standsMs > this.options.functionTimeoutMs) this.timeOut(current(slot, started));
    const isOnItsWay = slot.steps.slice(started, slot.host.handed).some(isWanted);
    if ((started === 0 || isOnItsWay) && standsMs > this.options.deafAfterMs && !parkedSteps(slot).some(isWanted)) {
      // A process that does not come to the step that it was sent
      this.sendBack(slot.steps.slice(started), `it did not come to it within ${this.options.deafAfterMs} ms`);
      slot.steps = slot.steps.slice(0, started);
      this.pool.giveUp(slot);
      return;
    }
    const isForNobody = started > 0 && !isOnItsWay && current(slot, started).length === 0;
    slot.deadSince = isForNobody ? (slot.deadSince ?? now) : undefined;
    if (slot.deadSince !== undefined && now - slot.deadSince > this.options.cutGraceMs) {
      this.takeBack(slot, true);
      this.pool.giveUp(slot);
      this.end.ask();
    } else if (standsMs > this.options.stuckAfterMs) {
      this.standIn(slot, standsMs);
    }
  }

  /** A call that takes long must delay nobody else's: another thread takes what is behind it, and it gives way. */
  private standIn(slot: Slot, standsMs: number): void {
    if (!slot.isStuck) {
      slot.isStuck = true;
      this.takeBack(slot, false);
      this.pool.replenish();
      this.end.ask();
    }
    if (standsMs > reclaimAfterMs) this.takeBack(slot, true);
    if (standsMs > this.givesWayAfterMs) slot.host.giveWay();
  }

  /**
   * Gives the steps that the thread has not begun to other threads. `withFinished`: also those that it finished in the last moments before
   * the call that it hangs in, since their results won't come; they are run again.
   */
  private takeBack(slot: Slot, withFinished: boolean): void {
    const from = slot.host.takeBack();
    const steps = slot.steps.slice(from);
    slot.steps = slot.steps.slice(0, from);
    if (withFinished && !slot.isReclaimed && !slot.host.hasPending) {
      slot.isReclaimed = true;
      const finished = slot.steps.slice(0, slot.host.finished).filter(isWanted);
      for (const step of finished) step.lostRuns++;
      steps.unshift(...finished);
    }
    if (steps.length === 0) return;
    this.returned.add(steps);
    this.end.ask();
  }

  /** A parked batch blocks nobody, so its thread stays when it never ends; but not with ever more of them. */
  private lookAtParked(slot: Slot, now: number): void {
    for (const [batch, { steps, left, since }] of slot.parked) {
      if (now - since > this.options.functionTimeoutMs) this.timeOut(steps.filter(isWanted));
      for (const step of left) {
        if (isWanted(step)) continue;
        left.delete(step);
        slot.abandonedAt = now;
      }
      if (steps.some(isWanted)) continue;
      this.pool.unpark(slot, batch);
      slot.forgotten++;
      this.end.ask();
    }
    if (slot.forgotten > mostForgotten && slot.state === 'idle') this.pool.giveUp(slot);
  }

  /**
   * A call that awaited something may go on to block its thread, and which one does that nobody knows. When a caller gives up while the thread is blocked, it
   * is ended: the calls that somebody still waits for are begun again. That they are begun a second time is the most that is done for them: in
   * their own thread they have the time that they were given.
   */
  private listen(slot: Slot, now: number): void {
    slot.pulse.take(now);
    if (slot.abandonedAt === undefined || slot.state === 'given up') return;
    if (slot.pulse.heardAfter > slot.abandonedAt) {
      slot.abandonedAt = undefined;
      return;
    }
    const isInStep = slot.state === 'busy' && slot.host.started > 0 && slot.steps.length > 0;
    if (isInStep || slot.pulse.silentMs(now) <= this.options.cutGraceMs) return;
    if (slot.isSecondTry && parkedSteps(slot).some(isWanted)) return;
    slot.abandonedAt = undefined;
    if (slot.state === 'busy') {
      this.takeBack(slot, false);
      // What is on its way to a process would go with it
      this.sendBack(slot.steps.slice(slot.host.started), 'another call blocked it');
      slot.steps = slot.steps.slice(0, slot.host.started);
    }
    this.pool.giveUp(slot);
    this.end.ask();
  }

  /** Fails calls for which nobody set a deadline. */
  private timeOut(steps: readonly Step[]): void {
    for (const { run, first, end } of steps) {
      if (run.deadlineAt !== Infinity) continue;
      run.fail(
        { code: 'DEADLINE_EXCEEDED', message: `function '${this.nameOf(run)}' did not finish within ${this.options.functionTimeoutMs} ms` },
        first,
        end,
      );
    }
  }

  /** A thread ended with its batches: the step it was at fails; the others are begun again by another thread. */
  private recover(slot: Slot, reason: string): void {
    const started = Math.min(slot.host.started, slot.steps.length);
    const guilty = current(slot, started);
    const innocent = slot.steps.slice(0, started).filter((step) => !guilty.includes(step));
    this.sendBack(slot.steps.slice(started), reason);
    // Busy with nothing: one of those that await something ended the thread, and which one nobody knows.
    if (guilty.length > 0) innocent.push(...parkedSteps(slot));
    else guilty.push(...parkedSteps(slot));
    const names = [...new Set(guilty.map(({ run }) => `'${this.nameOf(run)}'`))].join(', ');
    const doing = names === '' ? '' : ` while it ran ${names}`;
    this.options.log('warn', `a function ${slot.host.kind} of servable ${this.options.servable} ended${doing}: ${reason}`);
    for (const step of guilty) this.cutOff(step, reason);
    this.runAgain(innocent, reason);
  }

  private runAgain(steps: readonly Step[], reason: string): void {
    for (const step of steps) {
      if (++step.lostRuns < mostRuns) this.returned.add([step]);
      else this.cutOff(step, reason);
    }
    this.end.ask();
  }

  /** Steps that were not begun. */
  private sendBack(steps: readonly Step[], reason: string): void {
    for (const step of steps) {
      if (++step.attempts < mostAttempts) this.returned.add([step]);
      else this.cutOff(step, reason);
    }
    this.end.ask();
  }

  private cutOff({ run, first, end }: Step, reason: string): void {
    run.fail(
      { code: 'ABORTED', message: `function '${this.nameOf(run)}' was cut off because its ${this.options.isolation} ended: ${reason}` },
      first,
      end,
    );
  }

  private failLate(run: FunctionRun): void {
    run.fail({ code: 'DEADLINE_EXCEEDED', message: `function '${this.nameOf(run)}' did not finish before the deadline` });
  }

  private failAll(failure: Failure): void {
    for (const run of this.runs) run.fail(failure);
    this.runs.clear();
    this.refuseWaiting(failure);
  }

  private refuseWaiting(failure: Failure): void {
    for (let run = this.work.take(anyThread); run !== undefined; run = this.work.take(anyThread)) run.fail(failure);
  }

  private nameOf(run: FunctionRun): string {
    return this.declaration.functions[run.index]?.name ?? '';
  }
}

function failureOfStep(failure: StepFailure | undefined): FunctionFailure {
  if (failure === undefined) throw new TypeError('a result without outputs or a failure');
  const { reason, facts, fault } = failure;
  return { code: reasonTable[reason].code, message: fault?.text ?? facts.detail ?? '', reason, facts, fault };
}

const noWork: FunctionWork = { take: () => undefined };
/** For work that is refused: it needs no thread. */
const anyThread: FreeThreads = { idleCount: 1, isHeldBack: () => false };

function parkedSteps(slot: Slot): Step[] {
  return [...slot.parked.values()].flatMap(({ steps }) => steps.filter(isWanted));
}

/** The steps that a thread is at, as far as anybody waits: the last one begun, or all begun ones when functions of the batch await something. */
function current(slot: Slot, started: number): Step[] {
  const begun = slot.steps.slice(0, started).filter(isWanted);
  if (slot.host.hasPending) return begun;
  const last = slot.steps[started - 1];
  return last !== undefined && slot.host.finished < started && isWanted(last) ? [last] : [];
}

/**
 * Loads a servable's config in `numParallelWorkers` threads and gives the runner of its functions; without functions no thread stays.
 * Rejects with ServableConfigError for a config that cannot be loaded. The caller owns the runner: close() ends its threads.
 */
export async function createFunctionRunner(options: FunctionRunnerOptions, models: ModelCaller): Promise<FunctionRunner> {
  return new ThreadFunctionRunner(options, models).open();
}
