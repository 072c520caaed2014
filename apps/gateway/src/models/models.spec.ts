import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MemoryExchange } from '@mserve/bus';
import { MethodCatalog } from '../catalog/method-catalog.js';
import { method, servable } from '../testing/fake-scheduler.js';
import { FakeWorker } from '../testing/fake-worker.js';
import { codeOfChange } from './model-change.js';
import { Models } from './models.js';

let exchange: MemoryExchange;
let catalog: MethodCatalog;
let models: Models;
let workers: FakeWorker[];
let beating: NodeJS.Timeout;
beforeEach(() => {
  exchange = new MemoryExchange();
  catalog = new MethodCatalog();
  models = new Models(exchange.connect('gateway'), catalog, { workerLostMs: 400, returnMs: 300 });
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
        { worker: first, loaded: [], unloaded: [], code: 'ABORTED', error: `not switched: another worker, '${second}', could not load it` },
        { worker: second, loaded: [], unloaded: [], code: 'INTERNAL', error: 'no such operator' },
      ],
    });
    expect(codeOfChange(change)).toBe('INTERNAL');
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
    expect(codeOfChange(change)).toBe('DEADLINE_EXCEEDED');
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
  models = new Models(new MemoryExchange().connect('gateway'), catalog, { workerLostMs: 50, returnMs: 0 });
  await expect(models.load('sums')).rejects.toMatchObject({ code: 'UNAVAILABLE', message: 'no worker is heard' });
  expect(await models.list()).toEqual({ workers: [], servables: [] });
});

describe('a worker that falls silent', () => {
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) await new Promise(setImmediate);
  };
  const isMissing = (): boolean => models.missing('sums').length > 0;
  const notHeard = 'the worker is not heard any more';

  it('while it loads is waited for', async () => {
    let open: () => void = () => undefined;
    worker(1).gate = new Promise<void>((resolve) => (open = resolve));
    const switching = models.switch('sums', 2);
    await until(() => worker(1).asked.length > 0);
    worker(1).isStopped = true;
    await until(isMissing);
    worker(1).isStopped = false;
    open();
    expect(await switching).toMatchObject({
      ok: true,
      workers: [
        { loaded: [2], unloaded: [1] },
        { loaded: [2], unloaded: [1] },
      ],
    });
  });

  it('for good is not available, and what served before goes on', async () => {
    const [first, second] = addresses();
    worker(1).gate = new Promise(() => undefined);
    const switching = models.switch('sums', 2);
    await until(() => worker(1).asked.length > 0);
    worker(1).isStopped = true;
    const change = await switching;
    expect(change).toMatchObject({
      ok: false,
      workers: [
        { worker: first, loaded: [], unloaded: [], code: 'ABORTED', error: `not switched: another worker, '${second}', could not load it` },
        { worker: second, loaded: [], unloaded: [], code: 'UNAVAILABLE', error: notHeard },
      ],
    });
    expect(codeOfChange(change)).toBe('UNAVAILABLE');
    expect(worker(0).versions).toEqual(['1 ready']);
  });

  it('weighs less than one that could not do it', async () => {
    worker(0).broken.set(2, 'no such operator');
    worker(1).gate = new Promise(() => undefined);
    const switching = models.switch('sums', 2);
    await until(() => worker(1).asked.length > 0);
    worker(1).isStopped = true;
    const change = await switching;
    expect(change.workers.map(({ code }) => code)).toEqual(['INTERNAL', 'UNAVAILABLE']);
    expect(codeOfChange(change)).toBe('INTERNAL');
  });

  it('while it unloads has not unloaded', async () => {
    const unloading = models.unload('sums', 1, { workers: [worker(1).bus.address] });
    await until(() => worker(1).asked.length > 0);
    worker(1).isStopped = true;
    expect(await unloading).toMatchObject({ ok: false, workers: [{ unloaded: [], code: 'UNAVAILABLE', error: notHeard }] });
  });

  it('is no reason to say that nobody has the servable, or that there is no such worker', async () => {
    await models.list();
    const lost = addresses();
    for (const one of workers) {
      one.isStopped = true;
      await one.bus.close();
    }
    workers.push(new FakeWorker(exchange, 'others', []));
    await until(() => models.missing('sums').length === 2);
    const refused = { code: 'UNAVAILABLE', message: expect.stringMatching(`^worker '(${lost.join('|')})' is not available: ${notHeard}$`) };
    await expect(models.load('sums', 2)).rejects.toMatchObject(refused);
    await expect(models.unload('sums')).rejects.toMatchObject(refused);
    await expect(models.load('others', 2, { workers: [lost[1] as string] })).rejects.toMatchObject(refused);
    expect(await models.load('others', 2)).toMatchObject({ ok: true });
  });

  it('for long is passed over, and named', async () => {
    await models.list();
    const [first, second] = addresses();
    worker(1).isStopped = true;
    await worker(1).bus.close();
    await until(isMissing);
    expect(await models.switch('sums', 2)).toMatchObject({ ok: true, workers: [{ worker: first }], passedOver: [second] });
    expect(await models.switch('sums', 1, { workers: [first as string] })).not.toHaveProperty('passedOver');
  });

  it.each(['load', 'switch', 'unload'] as const)('before a %s, but is there, has to take part', async (change) => {
    await models.list();
    worker(1).isStopped = true;
    await until(isMissing);
    const refused = { code: 'UNAVAILABLE', message: `worker '${worker(1).bus.address}' is not available: ${notHeard}` };
    await expect(models[change]('sums', 1)).rejects.toMatchObject(refused);
    expect(worker(0).asked).toEqual([]);
    expect(await models[change]('sums', 1, { workers: [worker(0).bus.address] })).toMatchObject({ ok: true });
  });
});
