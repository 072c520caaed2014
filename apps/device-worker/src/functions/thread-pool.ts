import type { ServableDeclaration } from '@mserve/register';
import { FunctionThread, type ThreadOptions } from './function-thread.js';
import type { FromThread } from './thread-message.js';
import type { Step } from './function-run.js';

/** One thread of the pool and the batch it has. */
export interface Slot {
  readonly thread: FunctionThread;
  /**
   * busy: its JavaScript is in a batch. full: idle, but it awaits as much as it may.
   * given up: nobody waits for what it does; it is ended when its replacement is there, unless it comes back before.
   */
  state: 'loading' | 'idle' | 'busy' | 'full' | 'given up';
  /** It has been busy with one call for long: a spare thread stands in for it. */
  isStuck: boolean;
  /** The batch it is busy with; steps that were taken back are no longer here. */
  steps: readonly Step[];
  batch: number;
  /** Batches, by their number, that await something. */
  readonly parked: Map<number, ParkedBatch>;
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
  /** performance.now() */
  readonly since: number;
}

export interface PoolEvents {
  /** A slot became idle for the first time. */
  ready(): void;
  message(slot: Slot, message: FromThread): void;
  /** A slot's thread ended by itself. It is no longer in the pool. */
  ended(slot: Slot, reason: string): void;
  /** A slot's thread was ended because of what it hung in; its parked batches are lost. */
  replaced(slot: Slot): void;
  /** No thread is left, and none could be started. */
  empty(): void;
  log(level: 'warn' | 'error', text: string): void;
}

const firstRetryMs = 100;
const longestRetryMs = 30_000;
/** How long a thread that is too many is kept: calls that take long come again. */
const surplusMs = 30_000;
/** Batches that one thread may have parked. */
const mostParked = 64;
/** A thread that ends before this age without having been called counts as a failed start, so that a config that ends its thread is not reloaded in a loop. */
const infancyMs = 1_000;

/** Keeps `target` threads that can work. Threads that are stuck or given up don't count, but there are never more than twice as many in all. */
export class ThreadPool {
  readonly slots = new Set<Slot>();
  private readonly options: ThreadOptions;
  private readonly target: number;
  private readonly events: PoolEvents;
  private declared = '';
  private retryMs = 0;
  private retryTimer: NodeJS.Timeout | undefined;
  private retireTimer: NodeJS.Timeout | undefined;
  private isClosed = false;

  constructor(options: ThreadOptions, target: number, events: PoolEvents) {
    this.options = options;
    this.target = target;
    this.events = events;
  }

  /**
   * Loads the config in a first thread, then in the others: what it declares. Without functions no thread stays.
   * Rejects with ConfigError as FunctionThread.load does; no thread is left then.
   */
  async open(): Promise<ServableDeclaration> {
    try {
      const declaration = await this.spawn();
      if (declaration === undefined) throw new Error('the servable was closed while it was loaded');
      if (declaration.functions.length === 0) await this.close();
      else await Promise.all(Array.from({ length: this.target - 1 }, () => this.spawn()));
      return declaration;
    } catch (thrown) {
      await this.close();
      throw thrown;
    }
  }

  get idle(): Slot | undefined {
    for (const slot of this.slots) if (slot.state === 'idle') return slot;
    return undefined;
  }

  get idleCount(): number {
    let count = 0;
    for (const slot of this.slots) if (slot.state === 'idle') count++;
    return count;
  }

  /** true while no thread lives and the next attempt to start one is still to come. */
  get isDown(): boolean {
    return this.slots.size === 0 && this.retryTimer !== undefined;
  }

  /** A slot's batch is done or parked. */
  release(slot: Slot): void {
    slot.steps = [];
    slot.isStuck = false;
    slot.isReclaimed = false;
    slot.deadSince = undefined;
    slot.state = slot.parked.size < mostParked ? 'idle' : 'full';
    this.retryMs = 0;
    if (this.ableCount > this.target) this.retireTimer ??= setTimeout(() => this.retireSurplus(), surplusMs).unref();
  }

  /** A parked batch is done, or nobody waits for it. */
  unpark(slot: Slot, batch: number): void {
    slot.parked.delete(batch);
    if (slot.state === 'full') slot.state = 'idle';
  }

  /** Nobody waits for this slot any more: starts a replacement, at whose arrival the slot's thread is ended. */
  giveUp(slot: Slot): void {
    slot.state = 'given up';
    if (this.slots.size >= 2 * this.target) this.end(slot);
    this.replenish();
  }

  /** Starts threads until enough of them can work. */
  replenish(): void {
    if (this.isClosed || this.retryTimer !== undefined) return;
    while (this.ableCount < this.target && this.slots.size < 2 * this.target) {
      this.spawn().catch((thrown: unknown) => {
        this.events.log(
          'error',
          `a function thread of servable ${this.options.servable} could not be started: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
        );
        this.retryLater();
      });
    }
  }

  async close(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.retryTimer);
    clearTimeout(this.retireTimer);
    const slots = [...this.slots];
    this.slots.clear();
    await Promise.all(slots.map(({ thread }) => thread.terminate()));
  }

  private get ableCount(): number {
    let count = 0;
    for (const slot of this.slots) if (slot.state !== 'given up' && !slot.isStuck) count++;
    return count;
  }

  /** undefined when the thread was ended on purpose before it was ready. Rejects when it could not be started. */
  private async spawn(): Promise<ServableDeclaration | undefined> {
    const now = performance.now();
    const thread = new FunctionThread(this.options);
    const slot: Slot = {
      thread,
      state: 'loading',
      isStuck: false,
      isReclaimed: false,
      steps: [],
      batch: 0,
      parked: new Map(),
      forgotten: 0,
      startedSeen: 0,
      progressAt: now,
      deadSince: undefined,
      bornAt: now,
    };
    this.slots.add(slot);
    try {
      const declaration = await thread.load({
        message: (message) => this.events.message(slot, message),
        ended: (reason) => this.lost(slot, reason),
      });
      this.checkSame(declaration);
      if (this.slots.has(slot)) this.arrived(slot);
      return declaration;
    } catch (thrown) {
      void thread.terminate();
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
    slot.thread.unref();
    const replaced = [...this.slots].find(({ state }) => state === 'given up');
    if (replaced !== undefined) this.end(replaced);
    this.events.ready();
  }

  private end(slot: Slot): void {
    this.slots.delete(slot);
    void slot.thread.terminate();
    if (slot.parked.size > 0) this.events.replaced(slot);
  }

  /** When a stuck thread has come back there is one too many. */
  private retireSurplus(): void {
    this.retireTimer = undefined;
    while (this.ableCount > this.target) {
      const surplus = [...this.slots].find(({ state, parked }) => state === 'idle' && parked.size === 0);
      if (surplus === undefined) return;
      this.end(surplus);
    }
  }

  private lost(slot: Slot, reason: string): void {
    if (!this.slots.delete(slot)) return;
    const wasIdle = slot.state === 'idle' && slot.parked.size === 0;
    this.events.log('warn', `a function thread of servable ${this.options.servable} ended: ${reason}`);
    this.events.ended(slot, reason);
    const isConfigsFault = wasIdle && performance.now() - slot.bornAt < infancyMs;
    if (isConfigsFault) this.retryLater();
    else this.replenish();
  }

  private retryLater(): void {
    if (this.isClosed || this.retryTimer !== undefined) return;
    this.retryMs = Math.min(longestRetryMs, Math.max(firstRetryMs, this.retryMs * 2));
    this.retryTimer = setTimeout(() => {
      this.retryTimer = undefined;
      this.replenish();
    }, this.retryMs).unref();
    if (this.slots.size === 0) this.events.empty();
  }
}
