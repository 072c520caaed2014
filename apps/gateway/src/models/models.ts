import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import {
  subjects,
  type Bus,
  type FoundServable,
  type FoundServables,
  type FoundVersion,
  type LoadServable,
  type ReplicaStatus,
} from '@mserve/bus';
import { BUS, encodeJson, FoundServablesDto, parseControl, parseJson, readReplicaList } from '@mserve/bus/nest';
import { ServingError, type ServingErrorCode } from '@mserve/wire';
import { MethodCatalog } from '../catalog/method-catalog.js';
import type {
  ChangeOptions,
  ListedServable,
  ListedVersion,
  LoadChangeOptions,
  ModelChange,
  ModelList,
  WorkerResult,
} from './model-change.js';
import { WorkerWatch, type WatchedWorker, type WorkerWatchOptions } from './worker-watch.js';

/** Injection token of the {@link WorkerWatchOptions}. */
export const workerWatchToken = Symbol('worker watch');

/** How long a worker may take to answer: its directory may be on a slow share, and its machine busy. */
const askTimeoutMs = 8_000;
const defaultTimeoutMs = 600_000;
/** Beyond the grace, an unloading worker frees what is left. */
const unloadSlackMs = 10_000;
const defaultGraceMs = 30_000;
/** Until then the scheduler should have told this gateway of a change. */
const catalogWaitMs = 2_000;

/** What is to be changed on each worker. */
interface Plan {
  readonly servable: string;
  /** Of what the worker's directory has; Throws ServingError when it has nothing that would do. */
  readonly wanted: (found: readonly FoundVersion[]) => readonly number[];
  readonly reload: 'never' | 'changed' | 'always';
  /** Unload every other version when all that is wanted is ready everywhere. */
  readonly unloadOthers: boolean;
}

/** One worker on the way. */
interface Course {
  readonly worker: string;
  readonly wanted: readonly number[];
  readonly loaded: number[];
  readonly reloaded: number[];
  readonly unloaded: number[];
  failure?: Trouble;
}

/** Why a worker did not do what was asked, see {@link WorkerResult}. */
interface Trouble {
  readonly code: ServingErrorCode;
  readonly error: string;
}

/**
 * Loads, unloads and switches servable versions on all workers or on some of them, and says per worker what happened. One change of a servable at a
 * time. A switch has two halves: the new version is loaded everywhere, and only when all workers have it ready are the others unloaded; when one cannot
 * load it, those that did unload it again, and what served before goes on.
 *
 * A worker that falls silent meanwhile is waited for; one that does not come back is UNAVAILABLE in the answer. It may still do what it was asked.
 *
 * Every call throws ServingError, and then changes nothing: NOT_FOUND for a servable or a worker that is not there, UNAVAILABLE when no worker is heard,
 * or one that may have the servable does not answer.
 */
@Injectable()
export class Models implements OnApplicationShutdown {
  private readonly watch: WorkerWatch;
  private readonly changes = new Map<string, Promise<unknown>>();

  constructor(
    @Inject(BUS) private readonly bus: Bus,
    @Inject(MethodCatalog) private readonly catalog: MethodCatalog,
    @Inject(workerWatchToken) private readonly options: WorkerWatchOptions,
  ) {
    this.watch = new WorkerWatch(bus, options);
  }

  /** Begins to listen to workers, so that the first call need not wait for their hellos. Any call does it too. */
  begin(): void {
    void this.watch.begin();
  }

  /** Bus addresses of workers that went in the last minute without leaving, and had the servable. */
  missing(servable: string): string[] {
    return this.watch.missing.filter((worker) => has(worker, servable, 0)).map(({ address }) => address);
  }

  /** Every servable version that a worker has, loaded or on disk; of one servable when it is named. */
  async list(servable?: string): Promise<ModelList> {
    await this.watch.begin();
    const { workers } = this.watch;
    const found = await Promise.all(workers.map(({ address }) => this.find(address, servable).catch(() => undefined)));
    const names = new Set<string>([
      ...workers.flatMap(({ replicas }) => replicas.map((replica) => replica.servable)),
      ...found.flatMap((one) => one?.servables.map((listed) => listed.servable) ?? []),
    ]);
    return {
      workers: workers.map(({ address, leaving }, i) => ({ worker: address, host: found[i]?.host, leaving })),
      servables: [...names]
        .filter((name) => servable === undefined || name === servable)
        .sort()
        .map((name) => listedServable(name, workers, found)),
    };
  }

  /** Loads a version beside what is there; 0 = the highest on disk. */
  load(servable: string, version = 0, { reload = false, ...options }: LoadChangeOptions = {}): Promise<ModelChange> {
    const plan: Plan = { servable, wanted: chosen(servable, version), reload: reload ? 'always' : 'never', unloadOthers: false };
    return this.inTurn(servable, options.workers !== undefined, () => this.carryOut(plan, options));
  }

  /** Loads a version (0 = the highest on disk) where it is not ready yet, then unloads all others. */
  switch(servable: string, version = 0, { reload = false, ...options }: LoadChangeOptions = {}): Promise<ModelChange> {
    const plan: Plan = { servable, wanted: chosen(servable, version), reload: reload ? 'always' : 'never', unloadOthers: true };
    return this.inTurn(servable, options.workers !== undefined, () => this.carryOut(plan, options));
  }

  /**
   * Brings the servable in line with the directories: what `wanted` chooses is loaded, anew where its files changed, and the rest is unloaded. Default:
   * each worker's own version policy.
   */
  bringInLine(
    servable: string,
    wanted?: (found: readonly number[]) => readonly number[],
    options: ChangeOptions = {},
  ): Promise<ModelChange> {
    const choose = (found: readonly FoundVersion[]): readonly number[] => {
      const versions =
        wanted === undefined
          ? found.filter((one) => one.wanted).map(({ version }) => version)
          : wanted(found.map(({ version }) => version));
      if (versions.length === 0) throw new ServingError('NOT_FOUND', `servable '${servable}' has none of the versions that are wanted`);
      return versions;
    };
    return this.inTurn(servable, options.workers !== undefined, () =>
      this.carryOut({ servable, wanted: choose, reload: 'changed', unloadOthers: true }, options),
    );
  }

  /** Unloads a version, or all of them (0), when they have finished what they have in hand. */
  unload(servable: string, version = 0, options: ChangeOptions = {}): Promise<ModelChange> {
    return this.inTurn(servable, options.workers !== undefined, async () => {
      const targets = await this.targets(servable, options.workers, (worker) => has(worker, servable, version));
      const results = await Promise.all(
        targets.map(async ({ address }): Promise<WorkerResult> => {
          const course: Course = { worker: address, wanted: [], loaded: [], reloaded: [], unloaded: [] };
          await this.unloadOn(course, servable, version, options.graceMs);
          return resultOf(course);
        }),
      );
      return changeOf(servable, version === 0 ? [] : [version], results);
    });
  }

  onApplicationShutdown(): void {
    this.watch.close();
  }

  /** After the change of this servable that is under way. Its clients see it by then: what is loaded can be called through this gateway. */
  private inTurn(servable: string, areNamed: boolean, act: () => Promise<ModelChange>): Promise<ModelChange> {
    const before = this.changes.get(servable) ?? Promise.resolve();
    const visible = async (): Promise<ModelChange> => {
      const change = await act();
      await this.catalogShows(servable);
      const passedOver = areNamed ? [] : this.missing(servable).filter((one) => !change.workers.some(({ worker }) => worker === one));
      return passedOver.length === 0 ? change : { ...change, passedOver };
    };
    const change = before.then(visible, visible);
    this.changes.set(servable, change);
    const forget = (): void => void (this.changes.get(servable) === change && this.changes.delete(servable));
    change.then(forget, forget);
    return change;
  }

  private async carryOut(plan: Plan, { workers, timeoutMs = defaultTimeoutMs, graceMs }: ChangeOptions): Promise<ModelChange> {
    const { servable } = plan;
    await this.watch.begin();
    const found = new Map<string, FoundServable | undefined>();
    const targets = await this.targets(servable, workers, async (worker) => {
      const there = (await this.findNamed(worker.address, servable)).servables.find((one) => one.servable === servable);
      found.set(worker.address, there);
      return (there?.versions.length ?? 0) > 0 || has(worker, servable, 0);
    });
    const courses = targets.map((worker) => this.begun(plan, worker, found.get(worker.address)?.versions ?? []));
    await Promise.all(courses.map((course) => this.loadAll(plan, course, found.get(course.worker)?.versions ?? [], timeoutMs)));
    const broken = courses.filter(({ failure }) => failure !== undefined);
    if (plan.unloadOthers && broken.length === 0) await Promise.all(courses.map((course) => this.unloadOthers(course, servable, graceMs)));
    else if (plan.unloadOthers) await Promise.all(courses.map((course) => this.takeBack(course, servable, graceMs, broken)));
    return changeOf(
      servable,
      [...new Set(courses.flatMap(({ wanted }) => wanted))].sort((a, b) => a - b),
      courses.map(resultOf),
    );
  }

  private begun(plan: Plan, { address }: WatchedWorker, there: readonly FoundVersion[]): Course {
    const course: Course = { worker: address, wanted: [], loaded: [], reloaded: [], unloaded: [] };
    try {
      return { ...course, wanted: plan.wanted(there) };
    } catch (error) {
      return { ...course, failure: troubleOf(error) };
    }
  }

  private async loadAll({ servable, reload }: Plan, course: Course, there: readonly FoundVersion[], timeoutMs: number): Promise<void> {
    for (const version of course.wanted) {
      const isReady =
        this.watch.find(course.worker)?.replicas.some((one) => isOf(one, servable, version) && one.state === 'ready') === true;
      const isChanged = there.find((one) => one.version === version)?.changed === true;
      if (isReady && (reload === 'never' || (reload === 'changed' && !isChanged))) continue;
      const failure = await this.loadOn(course.worker, { servable, version, ...(isReady && { reload: true }) }, timeoutMs);
      if (failure === undefined) (isReady ? course.reloaded : course.loaded).push(version);
      else {
        course.failure = failure;
        return;
      }
    }
  }

  /** Resolves when the catalog lists the versions of a servable that workers have ready, or after a while: a scheduler may be away. */
  private catalogShows(servable: string): Promise<void> {
    const ready = new Set<number>();
    for (const { replicas, leaving } of this.watch.workers) {
      for (const one of replicas) if (one.servable === servable && one.state === 'ready' && !leaving) ready.add(one.version);
    }
    const shows = (): boolean => {
      const listed = this.catalog.ready
        .filter(({ signature }) => signature.servable === servable)
        .map(({ signature }) => signature.version);
      return listed.length === ready.size && listed.every((version) => ready.has(version));
    };
    return new Promise((resolve) => {
      if (shows()) return resolve();
      const end = (): void => {
        clearTimeout(timer);
        subscription.unsubscribe();
        resolve();
      };
      const timer = setTimeout(end, catalogWaitMs);
      const subscription = this.catalog.onUpdate(() => shows() && end());
    });
  }

  /** Why it could not be loaded; undefined when it is ready. */
  private async loadOn(worker: string, load: LoadServable, timeoutMs: number): Promise<Trouble | undefined> {
    const { servable, version } = load;
    const earlier = new Set(this.watch.find(worker)?.replicas.map(({ replica }) => replica));
    let begun;
    try {
      const answer = await this.bus.request(worker, subjects.servablesLoad, encodeJson(load), { timeoutMs: askTimeoutMs });
      begun = readReplicaList(parseJson(answer), () => undefined);
    } catch (error) {
      return troubleOf(error);
    }
    const { revision } = begun;
    const ids = begun.replicas.filter((one) => isOf(one, servable, version) && !earlier.has(one.replica)).map(({ replica }) => replica);
    const outcome = await this.watch.until((): { readonly failure?: Trouble } | undefined => {
      const now = this.watch.find(worker);
      if (now === undefined) return { failure: notHeard };
      if (now.revision < revision) return undefined;
      const mine = now.replicas.filter(({ replica }) => ids.includes(replica));
      if (mine.some(({ state }) => state === 'loading')) return undefined;
      const failed = mine.find(({ state }) => state === 'failed');
      if (failed !== undefined) return { failure: { code: 'INTERNAL', error: failed.error ?? 'it failed' } };
      if (now.leaving) return { failure: { code: 'UNAVAILABLE', error: 'the worker is leaving' } };
      if (mine.length < ids.length || ids.length === 0)
        return { failure: { code: 'CANCELLED', error: 'it was unloaded while it was loading' } };
      // Loaded anew: done when the old copy is gone
      if (load.reload === true && now.replicas.some((one) => isOf(one, servable, version) && earlier.has(one.replica))) return undefined;
      return {};
    }, timeoutMs);
    if (outcome !== undefined) return outcome.failure;
    return { code: 'DEADLINE_EXCEEDED', error: `it is not ready after ${timeoutMs} ms, and goes on loading` };
  }

  private async unloadOthers(course: Course, servable: string, graceMs: number | undefined): Promise<void> {
    const replicas = this.watch.find(course.worker)?.replicas ?? [];
    const others = new Set(
      replicas.filter((one) => one.servable === servable && !course.wanted.includes(one.version)).map(({ version }) => version),
    );
    await Promise.all([...others].filter((version) => version > 0).map((version) => this.unloadOn(course, servable, version, graceMs)));
  }

  /** Workers are broken, they could not load what this one did: it goes, so that all serve the same again. */
  private async takeBack(course: Course, servable: string, graceMs: number | undefined, broken: readonly Course[]): Promise<void> {
    if (course.failure !== undefined && (course.loaded.length === 0 || this.watch.find(course.worker) === undefined)) return;
    const taken = course.loaded.splice(0);
    for (const version of taken) await this.unloadOn(course, servable, version, graceMs);
    course.unloaded.length = 0;
    if (course.failure !== undefined) return;
    const culprit = broken.find(({ failure }) => failure?.code !== 'UNAVAILABLE') ?? broken[0];
    course.failure = { code: 'ABORTED', error: `not switched: another worker, '${culprit?.worker}', could not load it` };
  }

  private async unloadOn(course: Course, servable: string, version: number, graceMs = defaultGraceMs): Promise<void> {
    const { worker } = course;
    const isMeant = (one: ReplicaStatus): boolean => one.servable === servable && (version === 0 || one.version === version);
    const watched = this.watch.find(worker);
    const known = watched?.replicas.filter(isMeant) ?? [];
    let begun;
    try {
      const answer = await this.bus.request(worker, subjects.servablesUnload, encodeJson({ servable, version, graceMs }), {
        timeoutMs: askTimeoutMs,
      });
      begun = readReplicaList(parseJson(answer), () => undefined);
    } catch (error) {
      course.failure ??= troubleOf(error);
      return;
    }
    const { revision } = begun;
    // One that had failed is gone at once
    const meant = [...known, ...begun.replicas.filter(isMeant)];
    const ids = meant.map(({ replica }) => replica);
    const outcome = await this.watch.until((): { readonly failure?: Trouble } | undefined => {
      const now = this.watch.find(worker);
      // What it had went with it, if it left
      if (now === undefined) return watched?.leaving === true ? {} : { failure: notHeard };
      return now.revision >= revision && !now.replicas.some(({ replica }) => ids.includes(replica)) ? {} : undefined;
    }, graceMs + unloadSlackMs);
    const goesOn: Trouble = { code: 'DEADLINE_EXCEEDED', error: `version ${version} is still being unloaded` };
    const failure = outcome === undefined ? goesOn : outcome.failure;
    if (failure === undefined) course.unloaded.push(...new Set(meant.map((one) => one.version).filter((one) => one > 0)));
    else course.failure ??= failure;
  }

  /** Throws ServingError when a named worker is not there, none has the servable, or one that is asked for it does not answer. */
  private async targets(
    servable: string,
    named: readonly string[] | undefined,
    hasIt: (worker: WatchedWorker) => boolean | Promise<boolean>,
  ): Promise<WatchedWorker[]> {
    await this.watch.begin();
    const all = this.watch.workers.filter(({ leaving }) => !leaving);
    if (all.length === 0) throw new ServingError('UNAVAILABLE', 'no worker is heard');
    const strange = named?.find((name) => !all.some(({ address }) => address === name));
    if (strange !== undefined) {
      if (this.watch.missing.some(({ address }) => address === strange)) throw unavailable(strange, notHeard.error);
      throw new ServingError(
        'NOT_FOUND',
        `there is no worker '${strange.slice(0, 100)}'; there are: ${all.map(({ address }) => address).join(', ')}`,
      );
    }
    const asked = await this.living(
      all.filter(({ address }) => named === undefined || named.includes(address)),
      named !== undefined,
    );
    const have = await Promise.all(asked.map(async (worker) => hasIt(worker)));
    const targets = asked.filter((_, i) => have[i] === true || named !== undefined);
    if (have.includes(true)) return targets;
    const [holder] = named === undefined ? this.missing(servable) : [];
    if (holder !== undefined) throw unavailable(holder, notHeard.error);
    throw new ServingError(
      'NOT_FOUND',
      `no worker has a servable '${servable.slice(0, 64)}'${named === undefined ? '' : ' of those that are named'}`,
    );
  }

  /** Those of the workers that are there. A silent one is asked: nobody answers for one that is gone; one that is only slow has to take part, as those named. */
  private async living(workers: readonly WatchedWorker[], areNamed: boolean): Promise<WatchedWorker[]> {
    const there = await Promise.all(
      workers.map(async ({ address, isLost }) => {
        if (!isLost) return true;
        const trouble = await this.find(address, '', this.options.returnMs).then(() => undefined, troubleOf);
        if (trouble === undefined) return true;
        if (areNamed || trouble === silent) throw unavailable(address, notHeard.error);
        return trouble.code !== 'UNAVAILABLE';
      }),
    );
    return workers.filter((_, i) => there[i] === true);
  }

  /** As {@link find}; what is thrown names the worker. */
  private async findNamed(worker: string, servable: string): Promise<FoundServables> {
    try {
      return await this.find(worker, servable);
    } catch (thrown) {
      const { code, error } = troubleOf(thrown);
      throw code === 'UNAVAILABLE' ? unavailable(worker, error) : new ServingError(code, `worker '${worker}': ${error}`);
    }
  }

  private async find(worker: string, servable: string | undefined, timeoutMs = askTimeoutMs): Promise<FoundServables> {
    const body = encodeJson(servable === undefined ? {} : { servable });
    const answer = await this.bus.request(worker, subjects.servablesFound, body, { timeoutMs });
    return parseControl(FoundServablesDto, answer);
  }
}

const silent: Trouble = { code: 'UNAVAILABLE', error: 'the worker does not answer' };
const notHeard: Trouble = { code: 'UNAVAILABLE', error: 'the worker is not heard any more' };

function unavailable(worker: string, text: string): ServingError {
  return new ServingError('UNAVAILABLE', `worker '${worker}' is not available: ${text}`);
}

/** Of a request to a worker that did not succeed. */
function troubleOf(thrown: unknown): Trouble {
  const { code, message } = ServingError.from(thrown);
  return code === 'DEADLINE_EXCEEDED' ? silent : { code, error: message };
}

function chosen(servable: string, version: number): Plan['wanted'] {
  return (found) => {
    if (version !== 0) return [version];
    const highest = Math.max(0, ...found.map((one) => one.version));
    if (highest === 0) throw new ServingError('NOT_FOUND', `servable '${servable.slice(0, 64)}' is not in the worker's directory`);
    return [highest];
  };
}

function isOf(replica: ReplicaStatus, servable: string, version: number): boolean {
  return replica.servable === servable && replica.version === version;
}

function has({ replicas }: WatchedWorker, servable: string, version: number): boolean {
  return replicas.some((one) => one.servable === servable && (version === 0 || one.version === version));
}

function resultOf({ worker, loaded, reloaded, unloaded, failure }: Course): WorkerResult {
  return { worker, loaded: [...loaded, ...reloaded], unloaded: [...unloaded].sort((a, b) => a - b), ...failure };
}

function changeOf(servable: string, versions: readonly number[], workers: readonly WorkerResult[]): ModelChange {
  return { servable, versions, ok: workers.every(({ error }) => error === undefined), workers };
}

const bestFirst = ['ready', 'loading', 'draining', 'failed'] as const;

function listedServable(
  servable: string,
  workers: readonly WatchedWorker[],
  found: readonly (FoundServables | undefined)[],
): ListedServable {
  const replicas = workers.flatMap((worker) =>
    worker.replicas.filter((one) => one.servable === servable).map((one) => ({ worker: worker.address, ...one })),
  );
  const onDisk = found.flatMap(
    (one) => one?.servables.find((listed) => listed.servable === servable)?.versions.map(({ version }) => version) ?? [],
  );
  const numbers = [...new Set([...onDisk, ...replicas.map(({ version }) => version)])].sort((a, b) => a - b);
  const versions = numbers.map((version): ListedVersion => {
    const own = replicas.filter((one) => one.version === version);
    return {
      version,
      state: bestFirst.find((state) => own.some((one) => one.state === state)) ?? 'unloaded',
      replicas: own.map(({ worker, deviceId, state, error }) => ({ worker, deviceId, state, ...(error !== undefined && { error }) })),
    };
  });
  const latest = versions.filter(({ state }) => state === 'ready').at(-1)?.version;
  return { servable, ...(latest !== undefined && { latest }), versions };
}
