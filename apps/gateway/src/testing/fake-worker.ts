import { subjects, topics, type Bus, type MemoryExchange, type ReplicaStatus } from '@mserve/bus';
import { ServingError } from '@mserve/wire';

/** A worker's control messages without a worker: what it is told to load becomes ready, or fails, when the spec says so. */
export class FakeWorker {
  readonly bus: Bus;
  /** Versions on disk, those whose files changed, and those that cannot be loaded, with the reason. */
  onDisk: number[] = [1, 2];
  changed: number[] = [];
  readonly broken = new Map<number, string>();
  readonly asked: string[] = [];
  /** Loads wait for this. */
  gate: Promise<unknown> = Promise.resolve();
  /** Stopped, as by SIGSTOP: it says nothing, and answers nothing. */
  isStopped = false;
  private replicas: ReplicaStatus[] = [];
  private revision = 1;
  private made = 0;

  constructor(
    exchange: MemoryExchange,
    private readonly servable: string | undefined = 'sums',
    serving: readonly number[] = [1],
  ) {
    this.bus = exchange.connect('worker');
    for (const version of serving) this.add(version, 'ready');
    this.answer(subjects.replicasList, () => this.list());
    this.answer(subjects.servablesFound, () => ({
      host: 'here',
      servables:
        this.servable === undefined
          ? []
          : [
              {
                servable: this.servable,
                versions: this.onDisk.map((version) => ({
                  version,
                  wanted: version === Math.max(...this.onDisk),
                  changed: this.changed.includes(version),
                })),
              },
            ],
    }));
    this.answer(subjects.servablesLoad, (body) => this.load(body as { version: number; reload?: boolean }));
    this.answer(subjects.servablesUnload, (body) => this.unload((body as { version: number }).version));
    this.hello();
  }

  get versions(): string[] {
    return this.replicas.map(({ version, state }) => `${version} ${state}`).sort();
  }

  hello(): void {
    if (this.isStopped) return;
    const hello = { address: this.bus.address, epoch: 1, revision: this.revision, leaving: false };
    this.bus.broadcast(topics.workersHello, Buffer.from(JSON.stringify(hello)));
  }

  private load({ version, reload = false }: { version: number; reload?: boolean }): object {
    this.asked.push(`${reload ? 'reload' : 'load'} ${version}`);
    const old = this.replicas.filter((one) => one.version === version);
    if (!reload && old.some(({ state }) => state === 'ready')) throw new ServingError('INVALID_ARGUMENT', 'is loaded here already');
    const replica = this.add(version, 'loading');
    void this.gate.then(() => {
      const reason = this.broken.get(version);
      this.set(replica, reason === undefined ? { state: 'ready' } : { state: 'failed', error: reason });
      if (reason === undefined) this.remove(old);
    });
    return this.list();
  }

  private unload(version: number): object {
    this.asked.push(`unload ${version}`);
    const mine = this.replicas.filter((one) => version === 0 || one.version === version);
    if (mine.length === 0) throw new ServingError('NOT_FOUND', 'is not loaded here');
    setImmediate(() => this.remove(mine));
    return this.list();
  }

  private add(version: number, state: ReplicaStatus['state']): string {
    const replica = `${this.bus.address}.${this.made++}`;
    this.replicas.push({ replica, servable: this.servable ?? 'none', version, deviceId: 0, state, credits: 0 });
    this.change();
    return replica;
  }

  private set(replica: string, to: Partial<ReplicaStatus>): void {
    this.replicas = this.replicas.map((one) => (one.replica === replica ? { ...one, ...to } : one));
    this.change();
  }

  private remove(gone: readonly ReplicaStatus[]): void {
    this.replicas = this.replicas.filter(({ replica }) => !gone.some((one) => one.replica === replica));
    this.change();
  }

  private list(): object {
    return { revision: this.revision, replicas: this.replicas };
  }

  private change(): void {
    this.revision++;
    this.hello();
  }

  private answer(subject: string, act: (body: unknown) => object): void {
    this.bus.respond(subject, async (bytes) => {
      if (this.isStopped) await new Promise(() => undefined);
      return Buffer.from(JSON.stringify(act(JSON.parse(Buffer.from(bytes).toString()))));
    });
  }
}
