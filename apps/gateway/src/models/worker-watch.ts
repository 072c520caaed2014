import { subjects, topics, type Bus, type ReplicaList, type ReplicaStatus, type Subscription } from '@mserve/bus';
import { encodeJson, parseControl, parseJson, readReplicaList, WorkerHelloDto } from '@mserve/bus/nest';

/** Workers say hello four times as often. */
const workerLostMs = 1_000;
/** Until then every worker that lives has said hello. */
const firstHellosMs = 350;
const tickMs = 250;

/** A worker that is heard, and its replicas as it listed them last. */
export interface WatchedWorker {
  readonly address: string;
  readonly leaving: boolean;
  /** Of the list; -1 before the first. */
  readonly revision: number;
  readonly replicas: readonly ReplicaStatus[];
}

interface WorkerEntry extends WatchedWorker {
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

  constructor(private readonly bus: Bus) {}

  /** Resolves when the workers that live are known. */
  begin(): Promise<void> {
    this.begun ??= this.listen();
    return this.begun;
  }

  get workers(): readonly WatchedWorker[] {
    return [...this.known.values()].filter(({ revision }) => revision >= 0);
  }

  find(address: string): WatchedWorker | undefined {
    return this.known.get(address);
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
    this.timer = setInterval(() => this.tick(), tickMs);
    this.timer.unref();
    await new Promise((resolve) => setTimeout(resolve, firstHellosMs));
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
      entry = { address, leaving, revision: -1, replicas: [], heardRevision: revision, silentMs: 0, isFetching: false };
      this.known.set(address, entry);
    }
    entry.heardRevision = revision;
    entry.silentMs = 0;
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

  /** Silence counts only while this process' own loop runs. */
  private tick(): void {
    const now = performance.now();
    const heardMs = Math.min(now - this.lastTickAt, 2 * tickMs);
    this.lastTickAt = now;
    let isLost = false;
    for (const [address, entry] of this.known) {
      entry.silentMs += heardMs;
      if (entry.silentMs <= workerLostMs) continue;
      this.known.delete(address);
      isLost = true;
    }
    if (isLost) this.tell();
  }

  private tell(): void {
    for (const listener of [...this.listeners]) listener();
  }
}
