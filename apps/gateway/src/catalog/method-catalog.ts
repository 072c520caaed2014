import { Injectable } from '@nestjs/common';
import type { LoadingServable, ServableStatus, Subscription } from '@mserve/bus';
import {
  comparableName,
  longestServableName,
  refusal,
  versionKey,
  type Facts,
  type MethodSignature,
  type ServingError,
} from '@mserve/wire';
import { clip } from '../edge/clip.js';
import type { MethodLookup, ResolvedMethod } from '../protocols/protocol.js';

interface VersionEntry {
  readonly version: number;
  readonly status: ServableStatus;
  readonly methods: ReadonlyMap<string, ResolvedMethod>;
}

interface ServableEntry {
  /** Ready or not. */
  readonly listed: ReadonlySet<number>;
  /** Ready ones only. */
  readonly versions: ReadonlyMap<number, VersionEntry>;
  /** Highest ready version; undefined when none is ready. */
  readonly latest: VersionEntry | undefined;
  /** Versions without a replica, one of which is expected in a moment. */
  readonly awaited: ReadonlyMap<number, VersionEntry>;
}

/** What a model of the Open Inference Protocol is here. */
export interface ResolvedModel extends ResolvedMethod {
  /** Ready versions of the servable that have the method, ascending. */
  readonly versions: readonly number[];
}

/** The method that stands for a servable with several, when a client names the servable alone. */
const defaultMethod = 'predict';
/** Methods that an error text lists. */
const maxListed = 10;

/** The servables that run now, as the scheduler listed them last; looks methods up for the protocols. */
@Injectable()
export class MethodCatalog implements MethodLookup {
  private servables: ReadonlyMap<string, ServableEntry> = new Map();
  /** Versions that are being loaded, by servable; 0 = not known yet which. */
  private loading: ReadonlyMap<string, ReadonlySet<number>> = new Map();
  /** How many hold it: more servables are to come. */
  private holds = 0;
  /** false until a scheduler was asked for the first time: until then everything is unavailable, nothing unknown. */
  private known = false;
  /** What model names without a version have been resolved to; only names that exist get here. */
  private readonly latestModels = new Map<string, ResolvedMethod>();
  private readonly listeners = new Set<() => void>();
  /** Everything listed, ready or not. */
  all: readonly ServableStatus[] = [];
  /** Versions with a ready replica. */
  ready: readonly ServableStatus[] = [];

  /** Versions that the scheduler in charge has not listed itself; all of them while none has said anything. */
  private unconfirmed: ReadonlySet<string> | 'all' = 'all';

  /** What workers are loading, as the scheduler listed it last. */
  get loadingVersions(): readonly LoadingServable[] {
    return [...this.loading].flatMap(([servable, versions]) => [...versions].map((version) => ({ servable, version })));
  }

  /**
   * Replaces everything. `kept`: of `list`, what an earlier scheduler said and the one in charge has not said yet. `awaited`: of `list`, versions whose last replica
   * has just gone with its worker: requests for them are taken, and wait for the next one.
   */
  update(
    list: readonly ServableStatus[],
    loading: readonly LoadingServable[] = [],
    kept: readonly ServableStatus[] = [],
    awaited: readonly ServableStatus[] = [],
  ): void {
    const grouped = new Map<string, ServableStatus[]>();
    for (const status of list) {
      const group = grouped.get(status.signature.servable);
      if (group === undefined) grouped.set(status.signature.servable, [status]);
      else group.push(status);
    }
    const isAwaited = new Set(awaited);
    this.servables = new Map([...grouped].map(([name, statuses]) => [name, servableEntry(name, statuses, isAwaited)]));
    const versions = new Map<string, Set<number>>();
    for (const { servable, version } of loading) versions.set(servable, (versions.get(servable) ?? new Set()).add(version));
    this.loading = versions;
    this.latestModels.clear();
    this.known = true;
    this.unconfirmed = new Set(kept.map(({ signature }) => versionKey(signature)));
    this.all = list;
    this.ready = [...this.servables.values()].flatMap((entry) => [...entry.versions.values()].map((version) => version.status));
    this.notifyListeners();
  }

  /** Another scheduler is in charge, or none: what is known stays, and is not confirmed before the next update. */
  suspend(): void {
    this.unconfirmed = 'all';
  }

  /** Whether the scheduler in charge itself has listed the version as ready: it takes its requests. */
  isConfirmed(servable: string, version: number): boolean {
    const { unconfirmed } = this;
    if (unconfirmed === 'all') return false;
    if (unconfirmed.size > 0 && unconfirmed.has(versionKey({ servable, version }))) return false;
    return this.servables.get(servable)?.versions.has(version) === true;
  }

  /** Whether requests for the latest version go to another one than this, which the scheduler in charge has. */
  hasOtherLatest(servable: string, version: number): boolean {
    const latest = this.servables.get(servable)?.latest?.version;
    return latest !== undefined && latest !== version && this.isConfirmed(servable, latest);
  }

  /** Whether somebody is loading a version (0: any one) that the scheduler in charge has nobody for. */
  isLoading(servable: string, version: number): boolean {
    if (this.unconfirmed === 'all') return false;
    const entry = this.servables.get(servable);
    const isReady = version === 0 ? entry?.latest !== undefined : entry?.versions.has(version) === true;
    return !isReady && this.loads(servable, version);
  }

  /** Until the function given back is called (once), more servables are to come: what nobody has is unavailable, not unknown. */
  hold(): () => void {
    this.holds += 1;
    this.notifyListeners();
    return () => {
      this.holds -= 1;
      this.notifyListeners();
    };
  }

  get isHeld(): boolean {
    return this.holds > 0;
  }

  /** Called after every update, and when a hold begins or ends. */
  onUpdate(listener: () => void): Subscription {
    this.listeners.add(listener);
    return { unsubscribe: () => void this.listeners.delete(listener) };
  }

  resolve(servable: string, version: number, method: string): ResolvedMethod {
    const entry = this.servables.get(servable) ?? this.servables.get(comparableName(servable));
    const running = entry && versionOf(entry, version, true);
    if (running === undefined) throw this.absent(servable, version, { servable, method, version: version > 0 ? `${version}` : undefined });
    const resolved = running.methods.get(method) ?? running.methods.get(comparableName(method));
    if (resolved === undefined) throw refusal('method-not-found', { servable, method });
    return resolved;
  }

  resolveModel(model: string, version: string): ResolvedMethod {
    if (version !== '') return this.lookUp(model, version, true);
    let found = this.latestModels.get(model);
    if (found === undefined) this.latestModels.set(model, (found = this.lookUp(model, '', true)));
    return found;
  }

  /** As {@link resolveModel}, with what metadata needs besides; only what has a replica now. */
  findModel(model: string, version: string): ResolvedModel {
    return this.lookUp(model, version, false);
  }

  private lookUp(model: string, version: string, isPatient: boolean): ResolvedModel {
    const [servable, methodName] = this.splitModel(comparableName(model));
    const entry = this.servables.get(servable);
    const wanted = version === '' ? 0 : modelVersion(model, version);
    const running = entry && versionOf(entry, wanted, isPatient);
    if (entry === undefined || running === undefined) {
      throw this.absent(servable, wanted, { servable: clip(servable), model: clip(model), version: version === '' ? undefined : version });
    }
    const name = methodName ?? onlyMethod(model, [...running.methods.keys()]);
    const resolved = running.methods.get(name);
    if (resolved === undefined) throw refusal('method-not-found', { model: clip(model), servable, method: clip(name) });
    const versions = [...entry.versions.values()].filter((other) => other.methods.has(name)).map((other) => other.version);
    return { ...resolved, versions };
  }

  /**
   * The servable and the method of a model's name. Both may have dots in their own names: the longest servable that exists wins, and where none
   * does, the last dot is the one between them.
   */
  private splitModel(model: string): [servable: string, method: string | undefined] {
    if (this.isListed(model)) return [model, undefined];
    const last = model.lastIndexOf('.');
    if (last < 0) return [model, undefined];
    for (let dot = model.lastIndexOf('.', longestServableName); dot > 0; dot = model.lastIndexOf('.', dot - 1)) {
      if (this.isListed(model.slice(0, dot))) return [model.slice(0, dot), model.slice(dot + 1)];
    }
    return [model.slice(0, last), model.slice(last + 1)];
  }

  private isListed(servable: string): boolean {
    return this.servables.has(servable) || this.loading.has(servable);
  }

  private loads(servable: string, version: number): boolean {
    const loading = this.loading.get(servable);
    return loading !== undefined && (version === 0 || loading.has(version) || loading.has(0));
  }

  private notifyListeners(): void {
    for (const listener of [...this.listeners]) listener();
  }

  /** NOT_FOUND only when it is certain that nobody has it: a client that may try again gets 503. */
  private absent(servable: string, version: number, facts: Facts): ServingError {
    if (this.loads(servable, version)) return refusal('servable-loading', facts);
    const listed = this.servables.get(servable)?.listed;
    const mayCome = !this.known || this.isHeld || (listed !== undefined && (version === 0 || listed.has(version)));
    return refusal(mayCome ? 'servable-unavailable' : 'servable-not-found', facts);
  }
}

function servableEntry(servable: string, statuses: readonly ServableStatus[], isAwaited: ReadonlySet<ServableStatus>): ServableEntry {
  const byVersion = (some: readonly ServableStatus[]): ReadonlyMap<number, VersionEntry> =>
    new Map(
      [...some]
        .sort((a, b) => a.signature.version - b.signature.version)
        .map((status) => [status.signature.version, versionEntry(servable, status)]),
    );
  const versions = byVersion(statuses.filter((status) => status.readyReplicas > 0));
  return {
    listed: new Set(statuses.map((status) => status.signature.version)),
    versions,
    latest: [...versions.values()].at(-1),
    awaited: byVersion(statuses.filter((status) => isAwaited.has(status))),
  };
}

/** `version`: 0 = the latest. `isPatient`: one that is awaited will do where none is ready. */
function versionOf({ versions, latest, awaited }: ServableEntry, version: number, isPatient: boolean): VersionEntry | undefined {
  const ready = version === 0 ? latest : versions.get(version);
  if (ready !== undefined || !isPatient) return ready;
  return version === 0 ? [...awaited.values()].at(-1) : awaited.get(version);
}

function versionEntry(servable: string, status: ServableStatus): VersionEntry {
  const { version, methods } = status.signature;
  const entries = methods.map((method: MethodSignature) => [method.name, { servable, version, method }] as const);
  return { version, status, methods: new Map(entries) };
}

function onlyMethod(model: string, names: readonly string[]): string {
  if (names.length === 1) return names[0] as string;
  if (names.includes(defaultMethod)) return defaultMethod;
  const all = names.map((name) => `${model}.${name}`);
  const shown = all.length <= maxListed ? all.join(', ') : `${all.slice(0, maxListed).join(', ')} and ${all.length - maxListed} more`;
  throw refusal('method-not-named', { model, expected: shown });
}

function modelVersion(model: string, text: string): number {
  if (!/^[1-9]\d{0,15}$/.test(text)) throw refusal('version-malformed', { model: clip(model), given: text.slice(0, 40) });
  return Number(text);
}
