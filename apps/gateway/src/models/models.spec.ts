import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MemoryExchange, subjects, topics, type Bus, type ReplicaStatus } from '@mserve/bus';
import { ServingError } from '@mserve/wire';
import { MethodCatalog } from '../catalog/method-catalog.js';
import { method, servable } from '../testing/fake-scheduler.js';
import { Models } from './models.js';

/** A worker's control messages without a worker: what it is told to load becomes ready, or fails, when the spec says so. */
class FakeWorker {
  readonly bus: Bus;
  /** Versions on disk, those whose files changed, and those that cannot be loaded, with the reason. */
  onDisk: number[] = [1, 2];
  changed: number[] = [];
  readonly broken = new Map<number, string>();
  readonly asked: string[] = [];
  /** Loads wait for this. */
  gate: Promise<unknown> = Promise.resolve();
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
    this.bus.respond(subject, async (bytes) => Buffer.from(JSON.stringify(act(JSON.parse(Buffer.from(bytes).toString())))));
  }
}

let exchange: MemoryExchange;
let catalog: MethodCatalog;
let models: Models;
let workers: FakeWorker[];
let beating: NodeJS.Timeout;
beforeEach(() => {
  exchange = new MemoryExchange();
  catalog = new MethodCatalog();
  models = new Models(exchange.connect('gateway'), catalog);
  models.begin();
  workers = [new FakeWorker(exchange), new FakeWorker(exchange)];
  beating = setInterval(() => {
    for (const worker of workers) worker.hello();
    // A scheduler that has heard everything
    const ready = new Set(
      workers.flatMap(({ versions }) => versions.filter((text) => text.endsWith('ready')).map((text) => Number(text.split(' ')[0]))),
    );
    catalog.update([...ready].map((version) => servable('sums', [method('add')], version)));
  }, 20);
});
afterEach(() => {
  clearInterval(beating);
  models.onApplicationShutdown();
});

const addresses = (): string[] => workers.map(({ bus }) => bus.address);
const worker = (at: number): FakeWorker => workers[at] as FakeWorker;

describe('a switch', () => {
  it('loads the version everywhere, and only then unloads the others', async () => {
    let open: () => void = () => undefined;
    worker(1).gate = new Promise<void>((resolve) => (open = resolve));
    const switching = models.switch('sums', 2);
    while (!worker(0).versions.includes('2 ready') || worker(1).asked.length === 0) await new Promise(setImmediate);
    expect([worker(0).asked, worker(1).asked]).toEqual([['load 2'], ['load 2']]);
    open();
    expect(await switching).toEqual({
      servable: 'sums',
      versions: [2],
      ok: true,
      workers: addresses().map((address) => ({ worker: address, loaded: [2], unloaded: [1] })),
    });
    expect(workers.map(({ versions }) => versions)).toEqual([['2 ready'], ['2 ready']]);
    expect(await models.switch('sums')).toMatchObject({
      ok: true,
      versions: [2],
      workers: [
        { loaded: [], unloaded: [] },
        { loaded: [], unloaded: [] },
      ],
    });
  });

  it('that one worker cannot do leaves what served everywhere, and says why', async () => {
    worker(1).broken.set(2, 'no such operator');
    const change = await models.switch('sums', 2);
    const [first, second] = addresses();
    expect(change).toMatchObject({
      ok: false,
      workers: [
        { worker: first, loaded: [], unloaded: [], error: 'not switched: another worker could not load it' },
        { worker: second, loaded: [], unloaded: [], error: 'no such operator' },
      ],
    });
    expect(workers.map(({ versions }) => versions)).toEqual([['1 ready'], ['1 ready', '2 failed']]);
  });

  it('reaches the workers that are named, and no others', async () => {
    const [first] = addresses();
    expect(await models.switch('sums', 2, { workers: [first as string] })).toMatchObject({ ok: true, workers: [{ worker: first }] });
    expect(workers.map(({ versions }) => versions)).toEqual([['2 ready'], ['1 ready']]);
    await expect(models.switch('sums', 2, { workers: ['worker-x'] })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining("'worker-x'"),
    });
  });

  it('passes by workers that do not have the servable', async () => {
    workers.push(new FakeWorker(exchange, 'others', []));
    expect((await models.switch('sums', 2)).workers.map((one) => one.worker)).toEqual(addresses().slice(0, 2));
    await expect(models.switch('nope', 2)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('waits for the change of the servable that is under way', async () => {
    const both = await Promise.all([models.switch('sums', 2), models.switch('sums', 1)]);
    expect(both.map(({ ok }) => ok)).toEqual([true, true]);
    expect(workers.map(({ versions }) => versions)).toEqual([['1 ready'], ['1 ready']]);
  });
});

describe('a load', () => {
  it('puts a version beside the others; one that is ready stays as it is, unless it is to be loaded anew', async () => {
    expect(await models.load('sums')).toMatchObject({ ok: true, versions: [2] });
    expect(await models.load('sums', 2)).toMatchObject({ ok: true, workers: [{ loaded: [] }, { loaded: [] }] });
    expect(worker(0).asked).toEqual(['load 2']);
    expect(await models.load('sums', 2, { reload: true })).toMatchObject({ ok: true, workers: [{ loaded: [2] }, { loaded: [2] }] });
    expect([worker(0).asked, worker(0).versions]).toEqual([
      ['load 2', 'reload 2'],
      ['1 ready', '2 ready'],
    ]);
  });

  it('that takes too long is said to go on', async () => {
    worker(0).gate = new Promise(() => undefined);
    const change = await models.load('sums', 2, { timeoutMs: 50 });
    expect(change).toMatchObject({ ok: false, workers: [{ error: 'it is not ready after 50 ms, and goes on loading' }, { loaded: [2] }] });
  });
});

describe('bringing a servable in line', () => {
  it('loads what the policy wants, anew where it changed, and unloads the rest', async () => {
    expect(await models.bringInLine('sums')).toMatchObject({ ok: true, workers: [{ loaded: [2], unloaded: [1] }, {}] });
    for (const one of workers) one.changed = [2];
    expect(await models.bringInLine('sums')).toMatchObject({ ok: true, workers: [{ loaded: [2], unloaded: [] }, {}] });
    expect(worker(0).asked).toEqual(['load 2', 'unload 1', 'reload 2']);
  });

  it('can be told what is wanted', async () => {
    expect(await models.bringInLine('sums', () => [1, 2])).toMatchObject({ ok: true, versions: [1, 2] });
    expect(await models.bringInLine('sums', () => [])).toMatchObject({
      ok: false,
      workers: [{ error: expect.stringContaining('none of the versions') }, {}],
    });
    expect(worker(0).versions).toEqual(['1 ready', '2 ready']);
  });
});

describe('an unloading', () => {
  it('takes a version or all, and says what was not there', async () => {
    await models.load('sums', 2);
    expect(await models.unload('sums', 1)).toMatchObject({ ok: true, versions: [1], workers: [{ unloaded: [1] }, { unloaded: [1] }] });
    expect(await models.unload('sums')).toMatchObject({ ok: true, workers: [{ unloaded: [2] }, { unloaded: [2] }] });
    await expect(models.unload('sums')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

it('the list has what is loaded and what is on disk, and which version is the latest', async () => {
  worker(1).broken.set(2, 'no such operator');
  await models.load('sums', 2, { workers: [worker(1).bus.address] });
  worker(0).onDisk = [1, 2, 7];
  const [first, second] = addresses();
  expect(await models.list()).toEqual({
    workers: [first, second].map((address) => ({ worker: address, host: 'here', leaving: false })),
    servables: [
      {
        servable: 'sums',
        latest: 1,
        versions: [
          { version: 1, state: 'ready', replicas: [first, second].map((address) => ({ worker: address, deviceId: 0, state: 'ready' })) },
          { version: 2, state: 'failed', replicas: [{ worker: second, deviceId: 0, state: 'failed', error: 'no such operator' }] },
          { version: 7, state: 'unloaded', replicas: [] },
        ],
      },
    ],
  });
  expect((await models.list('others')).servables).toEqual([]);
});

it('without workers changes are refused', async () => {
  clearInterval(beating);
  models.onApplicationShutdown();
  models = new Models(new MemoryExchange().connect('gateway'), catalog);
  await expect(models.load('sums')).rejects.toMatchObject({ code: 'UNAVAILABLE', message: 'no worker is heard' });
  expect(await models.list()).toEqual({ workers: [], servables: [] });
});
