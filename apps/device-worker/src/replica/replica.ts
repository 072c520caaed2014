import { ServingError, type ServableSignature } from '@mserve/wire';
import type { ReplicaState, ReplicaStatus } from '@mserve/bus';
import type { ServableDeclaration } from '@mserve/register';
import { Executor, type ExecutorOptions, type LoadedModel } from '../execution/executor.js';
import type { LoneClient } from '../execution/lone-client.js';
import type { FunctionRunner } from '../functions/function-runner.js';
import type { FailureLog } from './failure-log.js';

/** What a replica was made from; {@link Replica.close} closes it. */
export interface LoadedServable {
  readonly declaration: ServableDeclaration;
  /** >= 1 */
  readonly version: number;
  /** By position in declaration.models; each with its subgraphs in order. */
  readonly models: readonly (readonly LoadedModel[])[];
  readonly signature: ServableSignature;
  /** Undefined when no method has a function stage. */
  readonly runner: FunctionRunner | undefined;
  /** Instances to take at a time. */
  readonly credits: number;
  /** See ReplicaStatus. */
  readonly leastCredits?: number | undefined;
  /** Frees sessions and threads. */
  close(): Promise<void>;
}

/** What a replica tells whom, beyond its log. */
export type ReplicaObservers = Pick<ExecutorOptions, 'tracer' | 'onDeviceLost' | 'countsOf' | 'timesOf'>;

/** Control messages are small; the whole text is in the worker's log. */
const maxProblemLength = 4096;

const order: readonly ReplicaState[] = ['loading', 'ready', 'draining', 'gone', 'failed'];

/**
 * One loaded copy of a servable version on a device, with a count of the assignments it has in hand. Its state only moves forward: loading, ready, draining,
 * gone; or loading, failed. */
export class Replica {
  /** What it was loaded from, see versionFiles. */
  files: string | undefined;
  /** Digest of these files, see VersionContents; undefined where none is made. */
  content: string | undefined;
  /** It failed because workers ended while its version was being loaded. */
  isSetAside = false;
  /** In which it was loaded; 0 until it is ready. */
  loadMs = 0;
  private current: ReplicaState = 'loading';
  private loaded: LoadedServable | undefined;
  private run: Executor | undefined;
  private problem: string | undefined;
  private inHandNow = 0;
  private totalTaken = 0;
  private readonly idleWaiters: (() => void)[] = [];

  constructor(
    readonly id: string,
    readonly servable: string,
    /** As asked for; 0 = the highest there is, until it is known which that is. */
    public version: number,
    readonly deviceId: number,
    private readonly onState: (replica: Replica) => void,
  ) {}

  get state(): ReplicaState {
    return this.current;
  }

  /** There while ready or draining. */
  get executor(): Executor | undefined {
    return this.run;
  }

  get status(): ReplicaStatus {
    const { id, servable, version, deviceId, state, loaded, problem, content } = this;
    const usable = state === 'ready' || state === 'draining';
    const base = { replica: id, servable, version, deviceId, state, credits: usable ? (loaded?.credits ?? 0) : 0 };
    const { leastCredits } = loaded ?? {};
    const least = usable && leastCredits !== undefined ? { leastCredits } : {};
    const made = loaded && { signature: loaded.signature, ...(content !== undefined && { content }) };
    return { ...base, ...least, ...made, ...(problem === undefined ? {} : { error: problem }) };
  }

  /** What its config declares; undefined until it is ready. */
  get declaration(): ServableDeclaration | undefined {
    return this.run === undefined ? undefined : this.loaded?.declaration;
  }

  /** What runs its functions; undefined when it has none, and until it is ready. */
  get runner(): FunctionRunner | undefined {
    return this.run === undefined ? undefined : this.loaded?.runner;
  }

  /** Assignments in hand. */
  get inHand(): number {
    return this.inHandNow;
  }

  /** Assignments taken since it was made. */
  get taken(): number {
    return this.totalTaken;
  }

  /** An assignment came for it. */
  took(): void {
    this.inHandNow++;
    this.totalTaken++;
  }

  /** All results of an assignment have left. */
  released(): void {
    if (--this.inHandNow > 0) return;
    for (const resolve of this.idleWaiters.splice(0)) resolve();
  }

  /** Resolves when nothing is in hand. */
  whenIdle(): Promise<void> {
    if (this.inHandNow === 0) return Promise.resolve();
    return new Promise((resolve) => this.idleWaiters.push(resolve));
  }

  /** From loading to ready. Throws ServingError when methods and models do not fit; the caller then calls {@link fail}. */
  ready(loaded: LoadedServable, loneClient: LoneClient, failures: FailureLog, observers: ReplicaObservers = {}): void {
    if (this.current !== 'loading')
      throw new ServingError('CANCELLED', `replica of servable ${this.servable} was given up while it was loading`);
    const { declaration, models, runner } = loaded;
    this.run = new Executor({
      declaration,
      models,
      runner,
      loneClient,
      reportFailure: (plan, cause) => failures.report(plan, cause),
      reportFault: (fault, place) => failures.reportFault(fault, place),
      ...observers,
    });
    this.loaded = loaded;
    this.version = loaded.version;
    this.move('ready');
  }

  /** From loading to failed; `problem` is for operators. */
  fail(problem: string): void {
    this.problem = problem.slice(0, maxProblemLength);
    this.move('failed');
  }

  /** Takes nothing new from now on. */
  drain(): void {
    if (this.current === 'ready') this.move('draining');
  }

  /** Frees everything. What is still under way fails. */
  async close(): Promise<void> {
    if (this.current === 'gone') return;
    if (this.current !== 'failed') this.move('gone');
    this.run?.close();
    this.run = undefined;
    await this.loaded?.close();
  }

  private move(state: ReplicaState): void {
    if (order.indexOf(state) <= order.indexOf(this.current)) return;
    this.current = state;
    this.onState(this);
  }
}
