import { availableParallelism } from 'node:os';
import { logWith, silentLog, type AppLog } from '@mserve/app';
import type { AcquiredRanks, Bus, FoundServable, MethodWork, ReplicaList, ReplicaStatus, TensorStore } from '@mserve/bus';
import { defaults, wantedVersions, type VersionPolicy } from '@mserve/config';
import { ServingError } from '@mserve/wire';
import { LoneClient } from '../execution/lone-client.js';
import type { MethodTimes, RunCounts } from '../execution/run-metrics.js';
import { MetricRegistry } from '@mserve/metrics';
import { ProcessWatch } from '@mserve/ops';
import { listServables } from '../servable/servable-directory.js';
import { versionPolicyOf } from '../versions/chosen-versions.js';
import { DirectoryWatch } from '../versions/directory-watch.js';
import { idleWithin, lateArrivalMs, quietWithin } from './idle.js';
import { journalKey, LoadJournal, type JournalKey } from './load-journal.js';
import { VersionContents } from '../versions/version-content.js';
import { versionFiles } from '../versions/version-files.js';
import { DistributedServables } from '../distributed/distributed-servables.js';
import { AssignmentHandler, type WorkerStats } from './assignment-handler.js';
import { Beacon } from './beacon.js';
import { chooseRuntime, type Runtime } from './choose-provider.js';
import { FailureLog } from './failure-log.js';
import { byServable, type LoadPlan } from './load-plan.js';
import { LateModelCaller, loadServable } from './load-servable.js';
import { Replica, type LoadedServable } from './replica.js';
import { isLive, matches, servedVersions, versionHolder } from './replica-versions.js';
import type { WorkerDefaults } from './worker-defaults.js';
import { WorkBook } from './work-book.js';
import { showWorker } from './worker-metrics.js';
import type { DeviceWorkerOptions, ServableOptions } from './worker-options.js';

const settings = defaults['device-worker'];
/** Longest time that work in hand may take when a servable is unloaded and nobody says otherwise. */
const defaultGraceMs = settings.graceMs;

/** Servables that are loaded at the same time at most: each load may hold a model file in memory. */
const mostLoads = 8;

/** How a version is loaded. */
export interface LoadOptions {
  /** A version that serves already is loaded anew from what lies on disk now, and takes the place of the old one when it is ready. Default false. */
  readonly reload?: boolean | undefined;
}

/**
 * The device-worker: makes replicas, says where it is and what it has, runs what schedulers assign. Servable versions come and go while it
 * runs ({@link load}, {@link unload}). A servable that fails to load is a failed replica and does not stop the others.
 */
export class DeviceWorker {
  private readonly replicas = new Map<string, Replica>();
  private readonly plans: readonly LoadPlan[];
  private readonly metrics: MetricRegistry;
  private readonly work: WorkBook;
  private readonly processWatch = new ProcessWatch();
  private readonly handler: AssignmentHandler;
  private readonly beacon: Beacon;
  private readonly distributed: DistributedServables;
  private readonly loneClient = new LoneClient();
  private readonly contents = new VersionContents();
  private readonly journal: LoadJournal | undefined;
  private readonly log: AppLog;
  /** Of replicas that are loading. */
  private readonly loads = new Map<Replica, Promise<void>>();
  /** Replicas made so far: no id is given twice. */
  private made = 0;
  /** How each servable was loaded last: what a further load does not say is as it was then. */
  private readonly known = new Map<string, ServableOptions>();
  private watch: DirectoryWatch | undefined;
  private chosenRuntime: Promise<Runtime> | undefined;
  private closing: Promise<number> | undefined;

  constructor(
    private readonly bus: Bus,
    store: TensorStore,
    servables: readonly ServableOptions[],
    private readonly options: DeviceWorkerOptions,
    private readonly defaults: WorkerDefaults,
  ) {
    this.log = options.log ?? silentLog;
    this.metrics = options.metrics ?? new MetricRegistry();
    this.handler = new AssignmentHandler(bus, store, this.replicas, this.loneClient, { ...options, metrics: this.metrics });
    this.work = new WorkBook(this.metrics);
    this.beacon = new Beacon(bus);
    this.journal = options.loadJournal === undefined ? undefined : new LoadJournal(options.loadJournal);
    this.distributed = new DistributedServables(bus, options);
    showWorker(
      this.metrics,
      () => this.replicas.values(),
      () => this.distributed.models,
    );
    this.plans = servables.flatMap((servable) => this.plan(servable));
  }

  /** Says hello and loads the servables it was made with. Resolves when every replica is ready or failed; never rejects. Once. */
  async start(): Promise<void> {
    this.beacon.start();
    // Before the loads: what changes while they read is a change
    if (this.options.watchModels === true) await this.startWatch();
    await this.loadAll(this.plans);
  }

  /**
   * Makes a replica of a servable version on each of its devices, beside what is there; schedulers hear of them as they become ready.
   * Resolves with their states when each is ready or failed; never rejects. Failed replicas of the same version give way to the new ones.
   * With `reload` those that serve this version go when all new ones are ready; else the new ones go.
   * Throws ServingError INVALID_ARGUMENT when this version is loading or ready here already (and is not to be loaded anew), or version 0 is to be; UNAVAILABLE
   * when the worker is leaving.
   */
  load(asked: ServableOptions, { reload = false }: LoadOptions = {}): Promise<readonly ReplicaStatus[]> {
    const servable = this.completed(asked);
    const { name, version = 0 } = servable;
    if (this.closing !== undefined) throw new ServingError('UNAVAILABLE', 'this worker is leaving and loads nothing any more');
    if (reload && version === 0) throw new ServingError('INVALID_ARGUMENT', 'what is to be loaded anew has to be named by its version');
    if (version !== 0 && !reload) this.checkNew(name, version, []);
    const old = reload ? [...this.replicas.values()].filter((replica) => isLive(replica) && matches(replica, name, version)) : [];
    for (const [id, replica] of this.replicas) {
      if (replica.state === 'failed' && matches(replica, name, version)) this.replicas.delete(id);
    }
    const plans = this.plan(servable);
    this.beacon.changed();
    const replicas = plans.map(({ replica }) => replica);
    const checkVersion = (found: number): void => (reload ? undefined : this.checkNew(name, found, replicas));
    const loading = this.loadAll(plans, checkVersion);
    return (reload ? loading.then(() => this.exchange(old, replicas)) : loading).then(() => replicas.map(({ status }) => status));
  }

  /** What ended workers while it was loaded may be loaded again: an operator wants it. Version 0: all versions. */
  forgive(name: string, version: number): void {
    this.journal?.forgive(name, version);
  }

  /** The servables of the directory and their versions; of one servable when it is named. */
  async found(servable?: string): Promise<FoundServable[]> {
    const listed = this.options.servables ?? listServables(this.options.directory).map((name) => ({ name }));
    const names = [...new Set([...listed, ...this.known.values()].map(({ name }) => name))];
    const all: FoundServable[] = [];
    for (const name of servable === undefined ? names.sort() : names.filter((one) => one === servable)) {
      const files = await versionFiles(this.directoryOf(name), name);
      const wanted = wantedVersions(this.policyOf(name), [...files.keys()]);
      const served = new Map(servedVersions(this.replicas.values(), name).map((one) => [one.version, one.files]));
      const versions = [...files].map(([version, text]) => ({
        version,
        wanted: wanted.includes(version),
        changed: served.has(version) && served.get(version) !== text,
      }));
      all.push({ servable: name, versions });
    }
    return all;
  }

  /**
   * Takes a servable version out: its replicas get nothing new, finish what they have in hand for at most `graceMs`, and are freed. Version 0
   * stands for all versions. Resolves with the number of assignments given up (their clients get UNAVAILABLE); never rejects.
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

  /** Where the time of each method of its replicas went since the start. */
  get methodWork(): MethodWork[] {
    return this.work.of(this.replicas.values());
  }

  get stats(): WorkerStats {
    const { handler, distributed, statuses: replicas } = this;
    return { ...handler.stats, inHand: handler.size, replicas, process: this.processWatch.report(), agents: distributed.agents };
  }

  /**
   * Leaves: says so, takes nothing new, finishes what is in hand for at most `graceMs`, frees everything. The bus stays the caller's.
   * Resolves with the number of assignments given up. A second call returns the first one's promise.
   */
  close(graceMs: number): Promise<number> {
    this.closing ??= this.leave(graceMs);
    return this.closing;
  }

  /** The answer to `distributed.acquire`. Throws ServingError NOT_FOUND. */
  ranksOf(servable: string | undefined): AcquiredRanks {
    return this.distributed.ranksOf(servable);
  }

  private async leave(graceMs: number): Promise<number> {
    this.distributed.end();
    this.journal?.close();
    const watchClosed = this.watch?.close();
    for (const replica of this.replicas.values()) replica.drain();
    this.beacon.leave();
    this.processWatch.close();
    const until = performance.now() + graceMs;
    await idleWithin(this.handler, graceMs);
    // What a scheduler sent before it heard of the leaving is still on its way.
    await new Promise((resolve) => setTimeout(resolve, Math.min(lateArrivalMs, graceMs)));
    await idleWithin(this.handler, until - performance.now());
    const unfinished = this.handler.size;
    this.handler.close();
    // Quiet from here: who hears of a change asks what changed, and soon nobody is here to answer.
    this.beacon.stop();
    await Promise.all([...this.replicas.values()].map((replica) => this.free(replica)));
    await watchClosed;
    await this.defaults.logs?.flush();
    return unfinished;
  }

  private async startWatch(): Promise<void> {
    const { directory, servables } = this.options;
    const chosen = servables?.filter((one) => one.directory === undefined || one.directory === directory).map(({ name }) => name);
    const watch = new DirectoryWatch(
      versionHolder(this.replicas, this),
      {
        directory,
        list: () => chosen ?? listServables(directory),
        policyOf: (name) => this.policyOf(name),
        intervalMs: this.options.watchIntervalMs ?? settings.watchIntervalMs,
      },
      this.log,
    );
    this.watch = watch;
    await watch.start();
  }

  /** A servable that was chosen as NAME:VERSION stays at that version. */
  private policyOf(name: string): VersionPolicy {
    const held = (this.options.servables ?? []).flatMap((one) => (one.name === name && one.version ? [one.version] : []));
    if (held.length > 0) return { kind: 'specific', versions: held };
    return versionPolicyOf(this.options.versionPolicy ?? settings.versionPolicy);
  }

  private directoryOf(name: string): string {
    return this.known.get(name)?.directory ?? this.options.directory;
  }

  /** With what the servable was loaded with before, where `asked` does not say otherwise: its key, its directory, its devices. */
  private completed(asked: ServableOptions): ServableOptions {
    const said = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
    return { ...(this.known.get(asked.name) ?? {}), version: 0, ...said, name: asked.name };
  }

  /** All of `fresh` are ready: `old` go. Else those of `fresh` that are go, and `old` stay. */
  private async exchange(old: readonly Replica[], fresh: readonly Replica[]): Promise<void> {
    const ready = fresh.filter(({ state }) => state === 'ready');
    await Promise.all((ready.length === fresh.length ? old : ready).map((replica) => this.remove(replica, defaultGraceMs)));
  }

  /** New replicas of a servable, one for each of its devices. */
  private plan(servable: ServableOptions): LoadPlan[] {
    const deviceIds = servable.deviceIds ?? this.options.deviceIds ?? settings.deviceIds;
    const wanted = servable.numParallelWorkers ?? this.options.numParallelWorkers ?? settings.numParallelWorkers;
    const threads = Math.max(1, Math.ceil(wanted / Math.max(1, deviceIds.length)));
    this.known.set(servable.name, servable);
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
      if (isLive(replica) && replica.servable === name && replica.version === version && !own.includes(replica))
        throw new ServingError('INVALID_ARGUMENT', `version ${version} of servable '${name.slice(0, 64)}' is loaded here already`);
    }
  }

  /**
   * Begun in the order of the list; as many servables at a time as there are cores, replicas of one servable one after the other: they share models.
   * `onVersion` may throw: the replica fails then.
   */
  private async loadAll(plans: readonly LoadPlan[], onVersion: (version: number) => void = () => undefined): Promise<void> {
    const cores = availableParallelism();
    // The same for all of them: replicas that share a model have to agree on it.
    const intraOpThreads = this.options.intraOpThreads ?? Math.max(1, Math.floor((cores - 1) / this.liveCount));
    const suspects = new Set<LoadPlan>();
    if (this.journal !== undefined) for (const plan of plans) if (await this.isSuspect(plan, this.journal)) suspects.add(plan);
    const queues = byServable(plans.filter((plan) => !suspects.has(plan)));
    const loads: Promise<void>[] = [];
    const loadNext = async (): Promise<void> => {
      for (let queue = queues.shift(); queue !== undefined; queue = queues.shift())
        for (const plan of queue) await this.beginLoad(plan, intraOpThreads, onVersion, loads);
    };
    await Promise.all(Array.from({ length: Math.min(cores, mostLoads) }, loadNext));
    await Promise.all(loads);
    for (const plan of suspects) {
      await this.beginLoad(plan, intraOpThreads, onVersion, loads);
      await Promise.all(loads);
    }
  }

  /** Whether a worker has ended while it was loaded: it is loaded alone then, after the others. */
  private async isSuspect({ servable, replica }: LoadPlan, journal: LoadJournal): Promise<boolean> {
    const files = await versionFiles(this.directoryOf(servable.name), servable.name);
    const key = keyOf(replica, files);
    return key !== undefined && journal.isSuspect(key);
  }

  /** Notes that a replica is being loaded. Throws ServingError when workers have ended of that. */
  private noteLoad(replica: Replica, files: ReadonlyMap<number, string>): JournalKey | undefined {
    const { journal } = this;
    const key = journal && keyOf(replica, files);
    if (journal === undefined || key === undefined) return undefined;
    const { version } = key;
    const deaths = journal.fatalFor(key);
    if (deaths !== undefined) {
      replica.version = version;
      replica.isSetAside = true;
      throw new ServingError(
        'UNAVAILABLE',
        `version ${version} of servable '${replica.servable}' is set aside: ${deaths} times a worker ended while it was being loaded (mserve models load ${replica.servable}:${version} tries again)`,
      );
    }
    journal.begin(key);
    return key;
  }

  /** Adds the load to `loads`. Resolves when it has ended, or its config has taken longer than is waited for: the next one may begin. */
  private async beginLoad(
    plan: LoadPlan,
    intraOpThreads: number,
    onVersion: (version: number) => void,
    loads: Promise<void>[],
  ): Promise<void> {
    const { replica } = plan;
    if (this.closing !== undefined || replica.state === 'gone') return;
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

  private async remove(replica: Replica, graceMs: number): Promise<number> {
    const { id, servable, version, deviceId } = replica;
    replica.drain();
    if (replica.state === 'draining') await quietWithin(replica, graceMs);
    const unfinished = replica.inHand;
    if (unfinished > 0) this.handler.giveUp(replica);
    this.replicas.delete(id);
    await Promise.all([this.free(replica), this.loads.get(replica)]);
    this.beacon.changed();
    this.log.info({ servable, version, deviceId, replica: id, unfinished }, 'replica was unloaded');
    return unfinished;
  }

  /** Never rejects: a replica that cannot be freed as a whole is gone all the same, and the log says of what. */
  private async free(replica: Replica): Promise<void> {
    const { id, servable, version } = replica;
    try {
      await replica.close();
    } catch (thrown) {
      this.log.error({ servable, version, replica: id, err: thrown }, 'replica could not be freed as a whole');
    }
  }

  /** Chosen once, when the first servable is loaded. Rejects with NativeError when the setting names no library. */
  private runtime(): Promise<Runtime> {
    const { directory, onnxruntimeLibrary, provider = settings.provider } = this.options;
    this.chosenRuntime ??= chooseRuntime({ provider, onnxruntimeLibrary, directory, log: this.log });
    return this.chosenRuntime;
  }

  /** Within one process nobody else brings the same version. */
  private contentOf(directory: string, name: string, version: number, files: string | undefined): Promise<string | undefined> | undefined {
    if (this.bus.maxMessageBytes === Infinity || files === undefined) return undefined;
    return this.contents.of(directory, name, version, files);
  }

  /** Replicas that load or serve now: they share the cores. */
  private get liveCount(): number {
    let live = 0;
    for (const { state } of this.replicas.values()) if (state !== 'failed') live++;
    return Math.max(1, live);
  }

  /** `onVersion`: the config is loaded, what follows are models. Never rejects. */
  private async loadOne(
    { replica, servable, threads, siblings }: LoadPlan,
    intraOpThreads: number,
    onVersion: (version: number) => void,
  ): Promise<void> {
    const { options, log } = this;
    const about = { servable: servable.name, deviceId: replica.deviceId };
    const startedAt = performance.now();
    const caller = new LateModelCaller();
    const directory = servable.directory ?? options.directory;
    let content: Promise<string | undefined> | undefined;
    let noted: JournalKey | undefined;
    try {
      const files = await versionFiles(directory, servable.name);
      noted = this.noteLoad(replica, files);
      const runtime = await this.runtime();
      const loaded = await loadServable(
        {
          servable: servable.name,
          version: servable.version ?? 0,
          ...runtime,
          devices: options,
          deviceId: replica.deviceId,
          threads,
          directory,
          open: this.defaults.open,
          openers: this.defaults.openers,
          intraOpThreads,
          concurrentRuns: options.concurrentRuns ?? settings.concurrentRuns,
          sharedBy: siblings,
          credits: options.credits,
          warmUp: options.warmUp ?? settings.warmUp,
          decryption: servable.decKey && { key: servable.decKey, mode: servable.decMode },
          openRanks: (declaration, use) =>
            this.distributed.open({
              servable: servable.name,
              version: replica.version,
              provider: runtime.provider,
              declaration,
              use,
              log: logWith(log, { ...about, version: replica.version }),
            }),
          onVersion: (version) => {
            replica.version = version;
            replica.files = files.get(version);
            content = this.contentOf(directory, servable.name, version, replica.files);
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
        replica.content = await content;
        this.makeReady(replica, loaded, about);
        caller.executor = replica.executor;
      } catch (thrown) {
        await loaded.close();
        throw thrown;
      }
      const ms = performance.now() - startedAt;
      replica.loadMs = ms;
      log.info({ ...about, version: replica.version, replica: replica.id, ms: Math.round(ms) }, 'replica is ready');
    } catch (thrown) {
      if (this.closing !== undefined || replica.state === 'gone') return;
      log.error({ ...about, version: replica.version, err: thrown }, 'replica could not be loaded');
      replica.fail(thrown instanceof Error ? thrown.message : String(thrown));
    } finally {
      if (noted !== undefined) this.journal?.end(noted);
    }
  }

  private makeReady(replica: Replica, loaded: LoadedServable, about: { readonly servable: string; readonly deviceId: number }): void {
    const failures = new FailureLog(this.log, { ...about, version: loaded.version, replica: replica.id });
    const countsOf = (model: string): RunCounts => this.work.countsOf(about.servable, loaded.version, model);
    const timesOf = (method: string): MethodTimes => this.work.timesOf(about.servable, loaded.version, method);
    const { tracer, onDeviceLost } = this.options;
    replica.ready(loaded, this.loneClient, failures, { tracer, onDeviceLost, countsOf, timesOf });
  }
}

/** What a journal calls the version that a replica is to have; undefined when it is not on disk. */
function keyOf({ servable, version }: Replica, files: ReadonlyMap<number, string>): JournalKey | undefined {
  const wanted = version || Math.max(0, ...files.keys());
  const found = files.get(wanted);
  return found === undefined ? undefined : journalKey(servable, wanted, found);
}
