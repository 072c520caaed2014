import { availableParallelism } from 'node:os';
import { silentLog, type AppLog } from '@mserve/app';
import type { Bus, ReplicaList, ReplicaStatus, TensorStore } from '@mserve/bus';
import { defaults } from '@mserve/config';
import { ServingError } from '@mserve/wire';
import { LoneClient } from '../execution/lone-client.js';
import { AssignmentHandler, type HandlerStats } from './assignment-handler.js';
import { Beacon } from './beacon.js';
import { FailureLog } from './failure-log.js';
import { LateModelCaller, loadServable } from './load-servable.js';
import { Replica } from './replica.js';
import type { WorkerDefaults } from './worker-defaults.js';
import type { DeviceWorkerOptions, ServableOptions } from './worker-options.js';

/** Longest time that an assignment is expected to be on its way. */
const lateArrivalMs = 50;
const settings = defaults['device-worker'];
/** Longest time that work in hand may take when a servable is unloaded and nobody says otherwise. */
const defaultGraceMs = settings.graceMs;

interface Plan {
  readonly replica: Replica;
  readonly servable: ServableOptions;
  readonly threads: number;
  /** Replicas planned with this one, itself included. */
  readonly siblings: number;
}

/** Counts and states, for operators. */
export interface WorkerStats extends HandlerStats {
  /** Assignments in hand. */
  readonly inHand: number;
  readonly replicas: readonly ReplicaStatus[];
}

/**
 * The device-worker: makes replicas, says where it is and what it has, runs what schedulers assign. Servable versions come and go while it
 * runs ({@link load}, {@link unload}). A servable that fails to load is a failed replica and does not stop the others.
 */
export class DeviceWorker {
  private readonly replicas = new Map<string, Replica>();
  private readonly plans: readonly Plan[];
  private readonly handler: AssignmentHandler;
  private readonly beacon: Beacon;
  private readonly loneClient = new LoneClient();
  private readonly log: AppLog;
  /** Of replicas that are loading. */
  private readonly loads = new Map<Replica, Promise<void>>();
  /** Replicas made so far: no id is given twice. */
  private made = 0;
  private closing: Promise<number> | undefined;

  constructor(
    private readonly bus: Bus,
    store: TensorStore,
    servables: readonly ServableOptions[],
    private readonly options: DeviceWorkerOptions,
    private readonly defaults: WorkerDefaults,
  ) {
    this.log = options.log ?? silentLog;
    this.handler = new AssignmentHandler(bus, store, this.replicas, this.loneClient, options);
    this.beacon = new Beacon(bus);
    this.plans = servables.flatMap((servable) => this.plan(servable));
  }

  /** Says hello and loads the servables it was made with. Resolves when every replica is ready or failed; never rejects. Once. */
  async start(): Promise<void> {
    this.beacon.start();
    await this.loadAll(this.plans);
  }

  /**
   * Makes a replica of a servable version on each of its devices, beside what is there; schedulers hear of them as they become ready.
   * Resolves with their states when each is ready or failed; never rejects. Failed replicas of the same version give way to the new ones.
   * Throws ServingError INVALID_ARGUMENT when this version is loading or ready here already, UNAVAILABLE when the worker is leaving.
   */
  load(servable: ServableOptions): Promise<readonly ReplicaStatus[]> {
    const { name, version = 0 } = servable;
    if (this.closing !== undefined) throw new ServingError('UNAVAILABLE', 'this worker is leaving and loads nothing any more');
    if (version !== 0) this.checkNew(name, version, []);
    for (const [id, replica] of this.replicas) {
      if (replica.state === 'failed' && matches(replica, name, version)) this.replicas.delete(id);
    }
    const plans = this.plan(servable);
    this.beacon.changed();
    const replicas = plans.map(({ replica }) => replica);
    const checkVersion = (found: number): void => this.checkNew(name, found, replicas);
    return this.loadAll(plans, checkVersion).then(() => replicas.map(({ status }) => status));
  }

  /**
   * Takes a servable version out: its replicas get nothing new, finish what they have in hand for at most `graceMs`, and are freed. Version 0
   * stands for all versions. Resolves with the number of assignments given up (their clients are told UNAVAILABLE).
   * Throws ServingError NOT_FOUND when there is no such replica.
   */
  unload(name: string, version: number, graceMs = defaultGraceMs): Promise<number> {
    const replicas = [...this.replicas.values()].filter((replica) => replica.state !== 'draining' && matches(replica, name, version));
    if (replicas.length === 0) {
      throw new ServingError(
        'NOT_FOUND',
        `${version === 0 ? '' : `version ${version} of `}servable '${name.slice(0, 64)}' is not loaded here`,
      );
    }
    return Promise.all(replicas.map((replica) => this.remove(replica, graceMs))).then((counts) =>
      counts.reduce((sum, count) => sum + count, 0),
    );
  }

  get address(): string {
    return this.bus.address;
  }

  get statuses(): readonly ReplicaStatus[] {
    return [...this.replicas.values()].map((replica) => replica.status);
  }

  /** The answer to `replicas.list`. */
  get list(): ReplicaList {
    return { revision: this.beacon.revision, replicas: this.statuses };
  }

  get stats(): WorkerStats {
    return { ...this.handler.stats, inHand: this.handler.size, replicas: this.statuses };
  }

  /**
   * Leaves: says so, takes nothing new, finishes what is in hand for at most `graceMs`, frees everything. The bus stays the caller's.
   * Resolves with the number of assignments given up. A second call returns the first one's promise.
   */
  close(graceMs: number): Promise<number> {
    this.closing ??= this.leave(graceMs);
    return this.closing;
  }

  private async leave(graceMs: number): Promise<number> {
    for (const replica of this.replicas.values()) replica.drain();
    this.beacon.leave();
    const until = performance.now() + graceMs;
    await idleWithin(this.handler, graceMs);
    // What a scheduler sent before it heard of the leaving is still on its way.
    await new Promise((resolve) => setTimeout(resolve, Math.min(lateArrivalMs, graceMs)));
    await idleWithin(this.handler, until - performance.now());
    const unfinished = this.handler.size;
    this.handler.close();
    // Quiet from here: who hears of a change asks what changed, and soon nobody is here to answer.
    this.beacon.stop();
    await Promise.allSettled([...this.replicas.values()].map((replica) => replica.close()));
    return unfinished;
  }

  /** New replicas of a servable, one for each of its devices. */
  private plan(servable: ServableOptions): Plan[] {
    const deviceIds = servable.deviceIds ?? this.options.deviceIds ?? settings.deviceIds;
    const wanted = servable.numParallelWorkers ?? this.options.numParallelWorkers ?? settings.numParallelWorkers;
    const threads = Math.max(1, Math.ceil(wanted / Math.max(1, deviceIds.length)));
    return deviceIds.map((deviceId) => {
      const id = `${this.bus.address}.${this.made++}`;
      const replica = new Replica(id, servable.name, servable.version ?? 0, deviceId, () => this.beacon.changed());
      this.replicas.set(id, replica);
      return { replica, servable, threads, siblings: deviceIds.length };
    });
  }

  /** Throws ServingError INVALID_ARGUMENT when a replica other than `own` has this version. */
  private checkNew(name: string, version: number, own: readonly Replica[]): void {
    for (const replica of this.replicas.values()) {
      const isLive = replica.state === 'loading' || replica.state === 'ready';
      if (isLive && replica.servable === name && replica.version === version && !own.includes(replica))
        throw new ServingError('INVALID_ARGUMENT', `version ${version} of servable '${name.slice(0, 64)}' is loaded here already`);
    }
  }

  /**
   * One after the other: loading takes all cores by itself, and what is first in the list serves first.
   * `onVersion` may throw: the replica fails then.
   */
  private async loadAll(plans: readonly Plan[], onVersion: (version: number) => void = () => undefined): Promise<void> {
    const loads: Promise<void>[] = [];
    // The same for all of them: replicas that share a model have to agree on it.
    const intraOpThreads = this.options.intraOpThreads ?? Math.max(1, Math.floor((availableParallelism() - 1) / this.liveCount));
    for (const plan of plans) {
      const { replica } = plan;
      if (this.closing !== undefined) break;
      if (replica.state === 'gone') continue;
      await new Promise<void>((next) => {
        const patience = setTimeout(next, this.options.configPatienceMs ?? settings.configPatienceMs);
        const isFound = (version: number): void => {
          clearTimeout(patience);
          onVersion(version);
        };
        const load = this.loadOne(plan, intraOpThreads, isFound).finally(() => {
          clearTimeout(patience);
          this.loads.delete(replica);
          next();
        });
        this.loads.set(replica, load);
        loads.push(load);
      });
    }
    await Promise.all(loads);
  }

  private async remove(replica: Replica, graceMs: number): Promise<number> {
    const { id, servable, version, deviceId } = replica;
    replica.drain();
    if (replica.state === 'draining') await quietWithin(replica, graceMs);
    const unfinished = replica.inHand;
    if (unfinished > 0) this.handler.giveUp(replica);
    this.replicas.delete(id);
    await Promise.all([replica.close(), this.loads.get(replica)]);
    this.beacon.changed();
    this.log.info({ servable, version, deviceId, replica: id, unfinished }, 'replica was unloaded');
    return unfinished;
  }

  /** Replicas that load or serve now: they share the cores. */
  private get liveCount(): number {
    let live = 0;
    for (const { state } of this.replicas.values()) if (state !== 'failed') live++;
    return Math.max(1, live);
  }

  /** `onVersion`: the config is loaded, what follows are models. Never rejects. */
  private async loadOne(
    { replica, servable, threads, siblings }: Plan,
    intraOpThreads: number,
    onVersion: (version: number) => void,
  ): Promise<void> {
    const { options, log } = this;
    const about = { servable: servable.name, deviceId: replica.deviceId };
    const startedAt = performance.now();
    const caller = new LateModelCaller();
    try {
      const loaded = await loadServable(
        {
          servable: servable.name,
          version: servable.version ?? 0,
          provider: options.provider ?? settings.provider,
          deviceId: replica.deviceId,
          threads,
          directory: servable.directory ?? options.directory,
          open: this.defaults.open,
          openers: this.defaults.openers,
          intraOpThreads,
          concurrentRuns: options.concurrentRuns ?? settings.concurrentRuns,
          sharedBy: siblings,
          credits: options.credits,
          warmUp: options.warmUp ?? settings.warmUp,
          decryption: servable.decKey && { key: servable.decKey, mode: servable.decMode },
          onVersion: (version) => {
            replica.version = version;
            onVersion(version);
          },
          onProgress: (progress) => options.onProgress?.({ ...about, version: replica.version, ...progress }),
          onWarning: (text, cause) => log.warn({ ...about, version: replica.version, ...(cause !== undefined && { err: cause }) }, text),
          onVerdict: (model, { outcome, text }) => {
            if (outcome !== 'unproven' && outcome !== 'refuted')
              log.info({ ...about, version: replica.version, model, batching: outcome }, text);
          },
        },
        caller,
      );
      try {
        const failures = new FailureLog(log, { ...about, version: loaded.version, replica: replica.id });
        replica.ready(loaded, this.loneClient, failures, { tracer: options.tracer, onDeviceLost: options.onDeviceLost });
        caller.executor = replica.executor;
      } catch (thrown) {
        await loaded.close();
        throw thrown;
      }
      log.info(
        { ...about, version: replica.version, replica: replica.id, ms: Math.round(performance.now() - startedAt) },
        'replica is ready',
      );
    } catch (thrown) {
      if (this.closing !== undefined || replica.state === 'gone') return;
      log.error({ ...about, version: replica.version, err: thrown }, 'replica could not be loaded');
      replica.fail(thrown instanceof Error ? thrown.message : String(thrown));
    }
  }
}

/** Version 0 stands for all versions. */
function matches(replica: Replica, servable: string, version: number): boolean {
  return replica.servable === servable && (version === 0 || replica.version === version);
}

/** Resolves when a draining replica has nothing in hand and nothing has come for a while, or after `graceMs`. */
async function quietWithin(replica: Replica, graceMs: number): Promise<void> {
  const until = performance.now() + graceMs;
  for (let leftMs = graceMs; leftMs > 0; leftMs = until - performance.now()) {
    await idleWithin(replica, leftMs);
    const { taken } = replica;
    // What a scheduler sent before it heard of the change is still on its way.
    await new Promise((resolve) => setTimeout(resolve, Math.min(lateArrivalMs, Math.max(0, until - performance.now()))));
    if (replica.inHand === 0 && replica.taken === taken) return;
  }
}

async function idleWithin(handler: { whenIdle(): Promise<void> }, graceMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, graceMs)));
  await Promise.race([handler.whenIdle(), late]);
  clearTimeout(timer);
}
