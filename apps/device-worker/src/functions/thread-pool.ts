import type { ServableDeclaration } from '@mserve/register';
import type { FunctionIsolation } from '../servable/declared-isolation.js';
import type { FunctionThreads } from './function-runner.js';
import type { FunctionHost, HostOptions } from './function-host.js';
import { FunctionProcess } from './function-process.js';
import { FunctionThread } from './function-thread.js';
import type { FromThread } from './thread-message.js';
import type { Step } from './function-run.js';
import { Pulse } from './pulse.js';

/** One thread (or process: in this file a thread is either) of the pool and the batch it has. */
export interface Slot {
  readonly host: FunctionHost;
  readonly pulse: Pulse;
  /**
   * busy: its JavaScript is in a batch. full: idle, but it awaits as much as it may.
   * given up: nobody waits for what it does; it is ended when its replacement is there, unless it comes back before.
   */
  state: 'loading' | 'idle' | 'busy' | 'full' | 'given up';
  /** It has been busy with one call for long: another thread stands in for it. */
  isStuck: boolean;
  /** The function that its batch calls. */
  functionIndex: number;
  /** The batch it is busy with; steps that were taken back are no longer here. */
  steps: readonly Step[];
  batch: number;
  /** Batches, by their number, that await something. */
  readonly parked: Map<number, ParkedBatch>;
  /**
   * What it has parked was begun once before, by a thread that was ended. Such calls don't share a thread with calls that are begun for the
   * first time, of which one may block it.
   */
  isSecondTry: boolean;
  /** When somebody last stopped waiting for a parked call that gave no result; undefined: the thread was heard after that. */
  abandonedAt: number | undefined;
  /** Parked batches that nobody waits for any more and that may never end. */
  forgotten: number;
  startedSeen: number;
  /** When it last began a step or gave a result (performance.now()). */
  progressAt: number;
  /** The finished steps whose results it keeps back were given to another thread. */
  isReclaimed: boolean;
  /** Since when nobody waits for the step it is at; undefined while somebody does. */
  deadSince: number | undefined;
  readonly bornAt: number;
}

/** A batch whose functions await something. */
export interface ParkedBatch {
  readonly steps: readonly Step[];
  /** Steps that gave no result yet and that somebody waited for when last looked at. */
  readonly left: Set<Step>;
  /** performance.now() */
  readonly since: number;
}

export interface PoolEvents {
  /** There may be a thread for calls that had none: one has loaded, or another one is not to be had. */
  ready(): void;
  message(slot: Slot, message: FromThread): void;
  /** What a slot has ended by itself. It is no longer in the pool. */
  ended(slot: Slot, reason: string): void;
  /** A slot's thread was ended because of what it hung in; its parked batches are lost. */
  replaced(slot: Slot): void;
  /** No thread is left, and none could be started. */
  empty(): void;
  log(level: 'warn' | 'error', text: string): void;
}

/** What the pool keeps, and what they load. */
export interface PoolOptions extends HostOptions {
  readonly isolation: FunctionIsolation;
}

const firstRetryMs = 100;
const longestRetryMs = 30_000;
/** How long a thread that is too many is kept: calls that take long come again. */
const surplusMs = 30_000;
/** Threads loaded beyond those that work, so that one can stand in at once for a thread that is stuck. */
const spareThreads = 1;
/** Batches that one thread may have parked. */
const mostParked = 64;
/** A thread that ends before this age without having been called counts as a failed start, so that a config that ends its thread is not reloaded in a loop. */
const infancyMs = 1_000;

/**
 * Keeps `target` threads that can work, and a spare one. At most `target` work at a time; those that are stuck or given up don't count, but there are
 * never more than `mostThreads` in all.
 */
export class ThreadPool {
  readonly slots = new Set<Slot>();
  private readonly options: PoolOptions;
  private readonly target: number;
  private readonly mostThreads: number;
  /** A config of which a second copy cannot be loaded (it binds a port, say) has to do without. */
  private spares = 0;
  /** Threads beyond all others, while there are calls that want a thread of their own. */
  private extras = 0;
  private readonly events: PoolEvents;
  private declared = '';
  private retryMs = 0;
  private retryTimer: NodeJS.Timeout | undefined;
  private retireTimer: NodeJS.Timeout | undefined;
  private isClosed = false;
  private replaced = 0;

  constructor(options: PoolOptions, target: number, events: PoolEvents) {
    this.options = options;
    this.target = target;
    this.mostThreads = 2 * target + 4;
    this.events = events;
  }

  /**
   * Loads the config in a first thread, then in the others: what it declares. Without functions no thread stays.
   * Rejects with ServableConfigError as FunctionThread.load does; no thread is left then.
   */
  async open(): Promise<ServableDeclaration> {
    try {
      const declaration = await this.spawn();
      if (declaration === undefined) throw new Error('the servable was closed while it was loaded');
      if (declaration.functions.length === 0) await this.close();
      else {
        await Promise.all(Array.from({ length: this.target - 1 }, () => this.spawn()));
        this.spares = spareThreads;
        this.replenish();
      }
      return declaration;
    } catch (thrown) {
      await this.close();
      throw thrown;
    }
  }

  /**
   * A thread for the next batch, if one more may work. `isSecondTry`: see {@link Slot.isSecondTry}. Where a second thread cannot be had, both
   * kinds of calls share the one.
   */
  idleFor(isSecondTry: boolean): Slot | undefined {
    if (this.idleCount === 0) return undefined;
    const sharing = isSecondTry ? this.find((slot) => slot.state === 'idle' && slot.parked.size > 0 && slot.isSecondTry) : undefined;
    const isAlone = this.spares === 0 && this.livingCount === 1;
    return sharing ?? this.find((slot) => slot.state === 'idle' && (isAlone || slot.parked.size === 0 || slot.isSecondTry === isSecondTry));
  }

  /** A call waits for a thread on which nothing is parked: starts one more, which goes when it is not needed for long. */
  reserve(): void {
    if (this.spares === 0 || this.extras > 0) return;
    this.extras = 1;
    this.replenish();
  }

  /** For operators. */
  get threads(): FunctionThreads {
    const states = [...this.slots].map(({ state, isStuck }) => (state === 'given up' ? 'given-up' : isStuck ? 'stuck' : state));
    return { states, replaced: this.replaced };
  }

  /** Batches that could be given out now. */
  get idleCount(): number {
    let idle = 0;
    let busy = 0;
    for (const { state, isStuck } of this.slots) {
      if (state === 'idle') idle++;
      else if (state === 'busy' && !isStuck) busy++;
    }
    return Math.max(0, Math.min(idle, this.target - busy));
  }

  /**
   * Whether a call of this function has to wait though a thread is idle. A function whose calls get stuck may go on with others (they need not be like
   * those), but with no more than `target` + 1 stuck ones, and never so that no thread is left for the other functions.
   */
  isHeldBack(functionIndex: number): boolean {
    let stuck = 0;
    let own = 0;
    for (const slot of this.slots) {
      if (!slot.isStuck) continue;
      stuck++;
      if (slot.functionIndex === functionIndex) own++;
    }
    return own > this.target || (own > 0 && stuck >= this.mostThreads - this.target - spareThreads);
  }

  /** true while no thread lives and the next attempt to start one is still to come. */
  get isDown(): boolean {
    return this.livingCount === 0 && this.retryTimer !== undefined;
  }

  /** A slot's batch is done or parked. */
  release(slot: Slot): void {
    slot.steps = [];
    slot.isStuck = false;
    slot.isReclaimed = false;
    slot.deadSince = undefined;
    slot.state = slot.parked.size < mostParked ? 'idle' : 'full';
    this.retryMs = 0;
    if (!slot.host.regain() && slot.parked.size === 0) {
      this.end(slot);
      this.replenish();
    }
    if (this.ableCount > this.target + this.spares || this.extras > 0)
      this.retireTimer ??= setTimeout(() => this.retireSurplus(), surplusMs).unref();
  }

  /** A parked batch is done, or nobody waits for it. */
  unpark(slot: Slot, batch: number): void {
    slot.parked.delete(batch);
    if (slot.state === 'full') slot.state = 'idle';
  }

  /** Nobody waits for this slot any more: its thread is ended, or, when no other one can take its place yet, at its replacement's arrival. */
  giveUp(slot: Slot): void {
    if (slot.state !== 'given up') this.replaced += 1;
    slot.state = 'given up';
    if (this.loadedCount >= this.target || this.slots.size >= this.mostThreads) this.end(slot);
    this.replenish();
  }

  /** Starts threads until enough of them can work; after one that could not be started, when its time has come. */
  replenish(): void {
    if (this.isClosed) return;
    if (this.retryTimer !== undefined) {
      if (this.livingCount === 0) this.events.empty();
      return;
    }
    while (this.ableCount < this.target + this.spares + this.extras && this.slots.size < this.mostThreads) {
      const isSpare = this.ableCount >= this.target;
      this.spawn().catch((thrown: unknown) => {
        const reason = thrown instanceof Error ? thrown.message : String(thrown);
        if (isSpare) {
          this.spares = 0;
          this.extras = 0;
          this.events.log(
            'warn',
            `servable ${this.options.servable} has no spare ${this.options.isolation} for calls that take long: ${reason}`,
          );
          // It may have been the only one: the thread for which it was the spare may have ended while it was loaded
          this.replenish();
          // Calls that waited for a thread of their own share one now
          this.events.ready();
        } else {
          this.events.log(
            'error',
            `a function ${this.options.isolation} of servable ${this.options.servable} could not be started: ${reason}`,
          );
          this.retryLater();
        }
      });
    }
  }

  async close(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.retryTimer);
    clearTimeout(this.retireTimer);
    const slots = [...this.slots];
    this.slots.clear();
    await Promise.all(slots.map(({ host }) => host.terminate()));
  }

  /** Threads that may give a result yet. */
  private get livingCount(): number {
    return this.count(({ state }) => state !== 'given up');
  }

  private get ableCount(): number {
    return this.count(({ state, isStuck }) => state !== 'given up' && !isStuck);
  }

  private get loadedCount(): number {
    return this.count(({ state, isStuck }) => state !== 'given up' && state !== 'loading' && !isStuck);
  }

  private count(matches: (slot: Slot) => boolean): number {
    let count = 0;
    for (const slot of this.slots) if (matches(slot)) count++;
    return count;
  }

  private find(matches: (slot: Slot) => boolean): Slot | undefined {
    for (const slot of this.slots) if (matches(slot)) return slot;
    return undefined;
  }

  /** undefined when the thread was ended on purpose before it was ready. Rejects when it could not be started. */
  private async spawn(): Promise<ServableDeclaration | undefined> {
    const now = performance.now();
    const host = this.options.isolation === 'process' ? new FunctionProcess(this.options) : new FunctionThread(this.options);
    const slot: Slot = {
      host,
      pulse: new Pulse(host),
      state: 'loading',
      isStuck: false,
      functionIndex: -1,
      isReclaimed: false,
      steps: [],
      batch: 0,
      parked: new Map(),
      isSecondTry: false,
      abandonedAt: undefined,
      forgotten: 0,
      startedSeen: 0,
      progressAt: now,
      deadSince: undefined,
      bornAt: now,
    };
    this.slots.add(slot);
    try {
      const declaration = await host.load({
        message: (message) => this.events.message(slot, message),
        ended: (reason) => this.lost(slot, reason),
      });
      this.checkSame(declaration);
      if (this.slots.has(slot)) this.arrived(slot);
      return declaration;
    } catch (thrown) {
      void host.terminate();
      if (!this.slots.delete(slot)) return undefined;
      throw thrown;
    }
  }

  /** Functions are named by their index, so every thread has to have the same ones. */
  private checkSame(declaration: ServableDeclaration): void {
    const declared = JSON.stringify(declaration);
    if (this.declared === '') this.declared = declared;
    if (this.declared !== declared) throw new Error('servable_config declares something else than when it was loaded first');
  }

  private arrived(slot: Slot): void {
    slot.state = 'idle';
    slot.host.unref();
    const replaced = this.find(({ state }) => state === 'given up');
    if (replaced !== undefined) this.end(replaced);
    this.events.ready();
  }

  private end(slot: Slot): void {
    this.slots.delete(slot);
    void slot.host.terminate();
    if (slot.parked.size > 0) this.events.replaced(slot);
  }

  /** When a stuck thread has come back there is one too many. */
  private retireSurplus(): void {
    this.retireTimer = undefined;
    this.extras = 0;
    while (this.ableCount > this.target + this.spares) {
      const surplus = this.find(({ state, parked }) => state === 'idle' && parked.size === 0);
      if (surplus === undefined) return;
      this.end(surplus);
    }
  }

  private lost(slot: Slot, reason: string): void {
    if (!this.slots.delete(slot)) return;
    const wasCalled = slot.batch !== 0;
    if (slot.state !== 'given up') this.replaced += 1;
    this.events.ended(slot, reason);
    const isConfigsFault = !wasCalled && performance.now() - slot.bornAt < infancyMs;
    if (isConfigsFault) this.retryLater();
    else this.replenish();
  }

  private retryLater(): void {
    if (this.isClosed) return;
    if (this.retryTimer === undefined) {
      this.retryMs = Math.min(longestRetryMs, Math.max(firstRetryMs, this.retryMs * 2));
      this.retryTimer = setTimeout(() => {
        this.retryTimer = undefined;
        this.replenish();
      }, this.retryMs).unref();
    }
    // Others may have been loaded at the same time, and the last one to fail leaves nobody
    if (this.livingCount === 0) this.events.empty();
  }
}
