import type { AppLog } from '@mserve/app';
import type { LoadingServable, ReplicaList, ReplicaStatus, WorkerHello, WorkerReport } from '@mserve/bus';
import { readReplicaList } from '@mserve/bus/nest';
import { versionKey, type ServableSignature } from '@mserve/wire';
import type { Dispatcher } from '../dispatch/dispatcher.js';
import { LostVersions } from './lost-versions.js';
import { RememberedContents } from './remembered-contents.js';
import { WorkerRecord, type Difference } from './worker-record.js';

/** What the replica table asks and tells. */
export interface ReplicaTableContext {
  /** Asks the worker at the address for its replicas; the answer is not checked yet. */
  fetchReplicas(address: string): Promise<unknown>;
  now(): number;
  /** Whether this process does not even hear itself over the bus. */
  isCutOff(now: number): boolean;
  /** Replicas came, changed or went. */
  onChange(): void;
  /** A worker that did not say that it leaves is taken for dead. */
  onDeath(): void;
  readonly log: AppLog;
  /** Servables whose replicas may be loaded from different files. */
  readonly mixedModels?: ReadonlySet<string> | undefined;
  readonly workerLostMs: number;
  readonly suspectLostMs: number;
  /** How long the queues of workers that all fell silent together are kept. */
  readonly busReturnMs: number;
}

/** A replica that is not used. */
export interface SetAside {
  readonly servable: string;
  readonly version: number;
  readonly reason: Difference;
}

const differenceTexts: Readonly<Record<Difference, string>> = {
  signature: 'a replica is not used: its signature differs from that of the replicas in use',
  content: 'a replica is not used: it was loaded from other files than the replicas in use',
};

/** Of the reason why a replica failed, in reports. */
const maxErrorLength = 300;

/** How late the check may run before the silence of workers is blamed on this process' own event loop. */
const ownDelayMs = 200;

/**
 * The workers that are heard and their replicas; tells the dispatcher which of them it may use.
 * A replica is used when its worker lists it as ready, until it is listed as draining or worse, or its worker falls silent.
 */
export class ReplicaTable {
  private readonly workers = new Map<string, WorkerRecord>();
  private readonly lost = new LostVersions();
  private readonly remembered = new RememberedContents();
  private checkedAt: number | undefined;

  constructor(
    private readonly dispatcher: Dispatcher,
    private readonly context: ReplicaTableContext,
  ) {}

  get size(): number {
    return this.workers.size;
  }

  /** Ids of the replicas that are not used, because their signature or their files differ from those of the replicas in use. */
  get setAside(): string[] {
    return [...this.workers.values()].flatMap(({ quarantined }) => [...quarantined.keys()]);
  }

  /** What these replicas are of, and why. */
  get setAsideVersions(): SetAside[] {
    return [...this.workers.values()].flatMap(({ quarantined, replicas }) =>
      [...quarantined].flatMap(([id, reason]) => {
        const status = replicas.get(id);
        return status === undefined ? [] : [{ servable: status.servable, version: status.version, reason }];
      }),
    );
  }

  /** What workers that stay are loading, each once. */
  get loading(): LoadingServable[] {
    const found = new Map<string, LoadingServable>();
    for (const { leaving, replicas } of this.workers.values()) {
      if (leaving) continue;
      for (const { state, servable, version } of replicas.values())
        if (state === 'loading') found.set(versionKey({ servable, version }), { servable, version });
    }
    return [...found.values()];
  }

  /** Versions without a replica whose workers went, and did not unload them. They are forgotten after a while. */
  get lostVersions(): ServableSignature[] {
    return this.lost.signatures;
  }

  /** The workers that stay, whose list is up to date, and that are loading nothing. */
  get settled(): string[] {
    return [...this.workers.values()]
      .filter(
        ({ leaving, revision, heardRevision, replicas }) =>
          !leaving && revision === heardRevision && [...replicas.values()].every(({ state }) => state !== 'loading'),
      )
      .map(({ address }) => address);
  }

  /** The workers that are heard, with at most `most` replicas in all. */
  reports(most: number): WorkerReport[] {
    let left = most;
    return [...this.workers.values()].map(({ address, leaving, replicas, quarantined }) => {
      const shown = [...replicas.values()].slice(0, left);
      left -= shown.length;
      return {
        address,
        leaving,
        replicas: shown.map(({ signature: _signature, content: _content, credits: _credits, leastCredits: _leastCredits, ...status }) => {
          const difference = quarantined.get(status.replica);
          const error = difference === undefined ? status.error?.slice(0, maxErrorLength) : differenceTexts[difference];
          return error === undefined ? status : { ...status, error };
        }),
      };
    });
  }

  /** A beacon of a worker; fetches its list when the revision is new. */
  hear(hello: WorkerHello): void {
    const now = this.context.now();
    let record = this.workers.get(hello.address);
    if (record !== undefined && hello.epoch < record.epoch) return;
    if (record !== undefined && hello.epoch > record.epoch) {
      // A process that is restarted has another address: this one was cut off from the bus, and lives. What is queued waits for its list
      this.lose(record, 'was cut off from the bus', 'unreachable', now + this.context.busReturnMs);
      record = undefined;
    }
    if (record === undefined) {
      // Nothing can be given to it any more, and what it still has in hand is another scheduler's.
      if (hello.leaving) return;
      record = new WorkerRecord(hello.address, hello.epoch, now);
      this.workers.set(hello.address, record);
    }
    record.heardAt = now;
    record.heardRevision = hello.revision;
    if (record.suspectedAt !== Infinity) {
      record.suspectedAt = Infinity;
      this.dispatcher.resume([...record.replicas.keys()], now);
    }
    if (hello.leaving && !record.leaving) this.leave(record, now);
    if (hello.revision !== record.revision && !record.fetching) void this.refresh(record);
  }

  /** An assignment did not reach the worker: it has to be heard soon, or it is lost. */
  suspect(address: string): void {
    const record = this.workers.get(address);
    if (record !== undefined && record.suspectedAt === Infinity) record.suspectedAt = this.context.now();
  }

  /**
   * To be called every `intervalMs`: finds the workers that fell silent. When this process does not hear itself either, or several workers are as good as
   * silent and nobody else is heard, they are no dead ones: this process is cut off from them.
   */
  check(intervalMs: number): void {
    const now = this.context.now();
    const lateMs = this.checkedAt === undefined ? 0 : now - this.checkedAt - intervalMs;
    this.checkedAt = now;
    const { workerLostMs, busReturnMs, log } = this.context;
    if (this.lost.expire(now)) this.context.onChange();
    if (this.remembered.expire(now)) this.admitQuarantined();
    const isSilent = (record: WorkerRecord): boolean => now - record.heardAt > workerLostMs;
    if (lateMs <= ownDelayMs && [...this.workers.values()].some(isSilent) && this.isCutOff(now)) {
      log.warn({ workers: this.workers.size }, 'no worker is heard any more: this scheduler is cut off from the bus');
      return this.loseAll(now + busReturnMs);
    }
    for (const record of [...this.workers.values()]) {
      if (lateMs > ownDelayMs) {
        // This loop was blocked: their beacons may be waiting behind this very timer.
        record.heardAt = now;
        if (record.suspectedAt !== Infinity) record.suspectedAt = now;
      } else if (isSilent(record)) this.lose(record, 'was not heard any more');
      else if (now - record.suspectedAt > this.context.suspectLostMs) this.lose(record, 'could not be reached');
    }
  }

  /** The bus is down, or cut: nothing is known of anybody. Workers come back with their next beacon. */
  loseAll(keepQueuedUntil: number): void {
    const all = [...this.workers.values()];
    const ids = all.flatMap((record) => [...record.replicas.keys()]);
    for (const record of all) this.remember(record);
    this.workers.clear();
    this.dispatcher.removeReplicas(ids, 'unreachable', this.context.now(), keepQueuedUntil);
    this.expectBack(all);
    this.context.onChange();
  }

  /** Asked when one worker is silent. Their beacons do not end in the same moment, so half the time is silence enough for the others. */
  private isCutOff(now: number): boolean {
    if (this.context.isCutOff(now)) return true;
    const { workers } = this;
    return workers.size > 1 && [...workers.values()].every(({ heardAt }) => now - heardAt > this.context.workerLostMs / 2);
  }

  private leave(record: WorkerRecord, now: number): void {
    record.leaving = true;
    this.dispatcher.drainReplicas([...record.replicas.keys()], now);
    record.used.clear();
    this.admitQuarantined();
    this.expectBack([record]);
    this.context.log.info({ worker: record.address }, 'a worker is leaving');
    this.context.onChange();
  }

  private lose(record: WorkerRecord, why: string, cause: 'died' | 'unreachable' = 'died', keepQueuedUntil?: number): void {
    this.workers.delete(record.address);
    this.remember(record);
    this.dispatcher.removeReplicas([...record.replicas.keys()], cause, this.context.now(), keepQueuedUntil);
    // A worker that said that it leaves needs no warning.
    if (!record.leaving) this.context.log.warn({ worker: record.address, replicas: record.replicas.size }, `a worker ${why}`);
    this.admitQuarantined();
    if (!record.leaving) this.expectBack([record]);
    if (!record.leaving && cause === 'died') this.context.onDeath();
    this.context.onChange();
  }

  /** What these workers had ready, and no other worker has. */
  private expectBack(records: readonly WorkerRecord[]): void {
    const now = this.context.now();
    for (const { replicas } of records) {
      for (const { state, signature } of replicas.values())
        if (state === 'ready' && signature !== undefined && !this.dispatcher.isUsable(signature)) this.lost.add(signature, now);
    }
  }

  private async refresh(record: WorkerRecord): Promise<void> {
    record.fetching = true;
    const heardBefore = record.heardRevision;
    let isApplied = false;
    try {
      const answer = await this.context.fetchReplicas(record.address);
      const warn = (text: string): void => this.warnOnce(record, text, {}, `a listed replica is not valid: ${text}`);
      const list = readReplicaList(answer, warn, record.checked);
      isApplied = this.workers.get(record.address) === record;
      if (isApplied) this.apply(record, list);
    } catch (error) {
      // Its next beacon asks again.
      this.warnOnce(record, 'list', { error }, 'the replicas of a worker could not be listed');
    } finally {
      record.fetching = false;
    }
    // It changed again meanwhile. Asked at once: a worker that unloads a servable does not wait long for what is still given to it.
    if (isApplied && record.heardRevision > heardBefore && record.heardRevision > record.revision) void this.refresh(record);
  }

  private apply(record: WorkerRecord, list: ReplicaList): void {
    const now = this.context.now();
    record.revision = list.revision;
    record.warned.delete('list');
    const before = record.replicas;
    record.replicas = new Map();
    const gone: string[] = [];
    const draining: string[] = [];
    for (const status of list.replicas) {
      if (!status.replica.startsWith(`${record.address}.`)) {
        this.warnOnce(record, status.replica, { replica: status.replica }, 'a worker listed a replica that is not its own');
        continue;
      }
      record.replicas.set(status.replica, status);
      if (status.state === 'ready') this.admit(record, status, now);
      else if (status.state === 'draining') draining.push(status.replica);
      else if (status.state !== 'loading') gone.push(status.replica);
      if (status.state === 'failed') {
        const { replica, servable, version, deviceId, error } = status;
        this.warnOnce(record, `failed ${replica}`, { replica, servable, version, deviceId, error }, 'a replica failed');
      }
    }
    for (const id of before.keys()) if (!record.replicas.has(id)) gone.push(id);
    for (const id of gone) record.quarantined.delete(id);
    const ended = [...gone, ...draining].filter((id) => record.used.delete(id));
    this.dispatcher.drainReplicas(record.leaving ? [...record.replicas.keys()] : draining, now);
    if (gone.length > 0) this.dispatcher.removeReplicas(gone, 'died', now);
    if (gone.length + ended.length > 0) this.admitQuarantined();
    this.context.onChange();
  }

  private admit(record: WorkerRecord, status: ReplicaStatus, now: number): void {
    const { replica, credits, leastCredits, signature } = status;
    if (record.leaving) return;
    if (signature === undefined || credits < 1 || signature.servable !== status.servable || signature.version !== status.version) {
      this.warnOnce(
        record,
        `unusable ${replica}`,
        { replica, credits },
        'a replica says that it is ready without credits, or without its own signature',
      );
      return;
    }
    if (!this.hasKnownContent(record, status)) return this.quarantine(record, status, 'content');
    const outcome = this.dispatcher.putReplica({ replica, worker: record.address, credits, leastCredits, signature }, now);
    if (outcome === 'conflict') this.quarantine(record, status, 'signature');
    else {
      record.quarantined.delete(replica);
      record.used.add(replica);
      this.lost.remove(signature);
      if (outcome === 'added')
        this.context.log.info({ replica, servable: status.servable, version: status.version, credits }, 'a replica is ready');
    }
  }

  private quarantine(record: WorkerRecord, { replica, servable, version, content }: ReplicaStatus, reason: Difference): void {
    record.quarantined.set(replica, reason);
    this.warnOnce(record, `${reason} ${replica}`, { replica, servable, version, content }, differenceTexts[reason]);
  }

  /**
   * Whether a replica was loaded from the files that the version is known by: those of the replicas in use, or of workers that were lost a moment ago. What is in use may be
   * exchanged by its own worker (servables.load with reload, watched directories).
   */
  private hasKnownContent(record: WorkerRecord, { replica, servable, version, content }: ReplicaStatus): boolean {
    if (record.used.has(replica) || this.context.mixedModels?.has(servable) === true) return true;
    const known = new Set(this.remembered.of(servable, version));
    for (const other of this.workers.values()) {
      for (const id of other.used) {
        const status = other.replicas.get(id);
        if (status?.servable !== servable || status.version !== version) continue;
        if (other === record) return true;
        known.add(status.content);
      }
    }
    return known.size === 0 || known.has(content);
  }

  /** Its workers may come back, and until then others do not get their place with other files. Who says that it leaves makes room. */
  private remember({ used, replicas }: WorkerRecord): void {
    const now = this.context.now();
    for (const id of used) {
      const status = replicas.get(id);
      if (status !== undefined) this.remembered.add(status.servable, status.version, status.content, now);
    }
  }

  /** Replicas went: the signature, or the files, that kept others out may have gone with them. */
  private admitQuarantined(): void {
    for (const record of this.workers.values()) {
      for (const id of [...record.quarantined.keys()]) {
        const status = record.replicas.get(id);
        if (status?.state === 'ready') this.admit(record, status, this.context.now());
      }
    }
  }

  private warnOnce(record: WorkerRecord, key: string, fields: object, text: string): void {
    if (record.warned.has(key)) return;
    record.warned.add(key);
    this.context.log.warn({ worker: record.address, ...fields }, text);
  }
}
