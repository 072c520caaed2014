import { subjects, topics, type Bus, type ReplicaList, type ReplicaStatus, type Subscription } from '@mserve/bus';
import { encodeJson, parseControl, parseJson, readReplicaList, WorkerHelloDto } from '@mserve/bus/nest';

const tickMs = 250;
/** For so long it is remembered what a worker had that went without leaving: as long as schedulers expect it back. */
const rememberedMs = 60_000;

/** When a worker is taken for lost. */
export interface WorkerWatchOptions {
  /** A worker that is silent for longer is lost. Schedulers have the same setting. */
  readonly workerLostMs: number;
  /** How long it is waited for a lost one to come back: its machine may be busy, and a change cannot go to another worker. */
  readonly returnMs: number;
}

/** A worker, and its replicas as it listed them last. */
export interface WatchedWorker {
  readonly address: string;
  /** Silent for longer than a worker that lives is; it may come back. */
  readonly isLost: boolean;
  readonly leaving: boolean;
  /** Of the list; -1 before the first. */
  readonly revision: number;
  readonly replicas: readonly ReplicaStatus[];
}

interface WorkerEntry extends WatchedWorker {
  isLost: boolean;
  leaving: boolean;
  revision: number;
  replicas: readonly ReplicaStatus[];
  heardRevision: number;
  silentMs: number;
  isFetching: boolean;
}

/** Which workers there are and what they have, for who changes it. Listens from the first {@link begin} on: gateways that change nothing need no right to. */
export class WorkerWatch {
  private readonly known = new Map<string, WorkerEntry>();
  private readonly listeners = new Set<() => void>();
  private begun: Promise<void> | undefined;
  private subscription: Subscription | undefined;
  private timer: NodeJS.Timeout | undefined;
  private lastTickAt = 0;

  constructor(
    private readonly bus: Bus,
    private readonly options: WorkerWatchOptions,
  ) {}

  /** Resolves when the workers that live are known. */
  begin(): Promise<void> {
    this.begun ??= this.listen();
    return this.begun;
  }

  /** Those that are heard, and lost ones that are waited for. */
  get workers(): readonly WatchedWorker[] {
    return [...this.known.values()].filter((entry) => entry.revision >= 0 && this.isWaitedFor(entry));
  }

  /** Undefined when it is not waited for any longer. */
  find(address: string): WatchedWorker | undefined {
    const entry = this.known.get(address);
    return entry !== undefined && this.isWaitedFor(entry) ? entry : undefined;
  }

  /** Workers that went without leaving, in the last minute. */
  get missing(): readonly WatchedWorker[] {
    return [...this.known.values()].filter(({ isLost, leaving }) => isLost && !leaving);
  }

  /** Resolves with what `look` gives as soon as it is not undefined; it is asked now and at every change. `undefined` after `timeoutMs`. */
  until<T>(look: () => T | undefined, timeoutMs: number): Promise<T | undefined> {
    return new Promise((resolve) => {
      const end = (found: T | undefined): void => {
        this.listeners.delete(check);
        clearTimeout(timer);
        resolve(found);
      };
      const check = (): void => {
        const found = look();
        if (found !== undefined) end(found);
      };
      const timer = setTimeout(() => end(undefined), timeoutMs);
      this.listeners.add(check);
      check();
    });
  }

  close(): void {
    this.subscription?.unsubscribe();
    clearInterval(this.timer);
  }

  private async listen(): Promise<void> {
    this.subscription = this.bus.listen(topics.workersHello, (body) => this.hear(body));
    this.lastTickAt = performance.now();
    this.timer = setInterval(() => this.tick(performance.now()), tickMs);
    this.timer.unref();
    const { workerLostMs } = this.options;
    // Until then every worker that is not lost has said hello
    await new Promise((resolve) => setTimeout(resolve, workerLostMs));
    await this.until(() => [...this.known.values()].every(({ revision }) => revision >= 0) || undefined, workerLostMs);
  }

  private hear(body: Uint8Array): void {
    let hello: WorkerHelloDto;
    try {
      hello = parseControl(WorkerHelloDto, body);
    } catch {
      return; // The scheduler complains of it
    }
    const { address, revision, leaving } = hello;
    let entry = this.known.get(address);
    if (entry === undefined) {
      if (leaving) return;
      entry = { address, isLost: false, leaving, revision: -1, replicas: [], heardRevision: revision, silentMs: 0, isFetching: false };
      this.known.set(address, entry);
    }
    entry.heardRevision = revision;
    entry.silentMs = 0;
    entry.isLost = false;
    if (entry.leaving !== leaving) {
      entry.leaving = leaving;
      this.tell();
    }
    if (entry.revision !== revision && !entry.isFetching) void this.fetch(entry);
  }

  private async fetch(entry: WorkerEntry): Promise<void> {
    entry.isFetching = true;
    const before = entry.heardRevision;
    let list: ReplicaList | undefined;
    try {
      const answer = await this.bus.request(entry.address, subjects.replicasList, encodeJson({}));
      list = readReplicaList(parseJson(answer), () => undefined);
      entry.revision = list.revision;
      entry.replicas = list.replicas;
    } catch {
      // Its next hello asks again; one that cannot be asked is lost when it falls silent
    } finally {
      entry.isFetching = false;
    }
    if (list === undefined) return;
    this.tell();
    if (entry.heardRevision > before && entry.heardRevision > entry.revision) void this.fetch(entry);
  }

  /**
   * Ages everybody; called by the own timer. Silence counts only while this process' own loop runs, and it is on the bus: a late tick counts as one, since
   * hellos may wait behind it. So a worker is lost, and waited for, in one tick before it is given up in another.
   */
  tick(now: number): void {
    const heardMs = this.bus.state === 'up' ? Math.min(now - this.lastTickAt, tickMs) : 0;
    this.lastTickAt = now;
    let isTold = false;
    for (const [address, entry] of this.known) {
      const wasWaitedFor = this.isWaitedFor(entry);
      entry.silentMs += heardMs;
      entry.isLost = entry.silentMs > this.options.workerLostMs;
      if (entry.isLost && (entry.leaving || entry.silentMs > rememberedMs)) this.known.delete(address);
      if (wasWaitedFor && !this.isWaitedFor(entry)) isTold = true;
    }
    if (isTold) this.tell();
  }

  /** One that said that it leaves does not come back. */
  private isWaitedFor({ silentMs, leaving }: WorkerEntry): boolean {
    return silentMs <= this.options.workerLostMs + (leaving ? 0 : this.options.returnMs);
  }

  private tell(): void {
    for (const listener of [...this.listeners]) listener();
  }
}
