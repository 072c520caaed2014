import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MemoryExchange, type Bus, type Catalog, type SchedulerHello, type ServableStatus } from '@mserve/bus';
import { method, servable } from '../testing/fake-scheduler.js';
import { CatalogFeed } from './catalog-feed.js';
import { MethodCatalog } from './method-catalog.js';
import { SchedulerWatch } from './scheduler-watch.js';

function hello(address: string, epoch: number, changes: Partial<SchedulerHello> = {}): SchedulerHello {
  return { address, epoch, revision: 1, leaving: false, ...changes };
}

describe('SchedulerWatch', () => {
  let bus: Bus;
  let watch: SchedulerWatch;
  let changes: (string | undefined)[];
  beforeEach(() => {
    bus = new MemoryExchange().connect('gateway');
    watch = new SchedulerWatch(bus);
    watch.onModuleInit();
    changes = [];
    watch.onChange((scheduler) => changes.push(scheduler));
  });
  afterEach(() => watch.onApplicationShutdown());

  it('chooses the lowest epoch, then the lowest address', () => {
    for (const said of [hello('s-b', 5), hello('s-a', 9), hello('s-a', 9), hello('s-aa', 5)]) watch.heard(said);
    expect(watch.current).toBe('s-aa');
    expect(changes).toEqual(['s-b', 's-aa']);
  });

  it('tells of a scheduler restarted at the same address', () => {
    watch.heard(hello('s', 1));
    watch.heard(hello('s', 2));
    expect(changes).toEqual(['s', 's']);
  });

  it('drops one that leaves, or that took no message', () => {
    for (const said of [hello('s-1', 1), hello('s-2', 2), hello('s-3', 3), hello('s-1', 1, { leaving: true })]) watch.heard(said);
    watch.suspect('s-2');
    watch.suspect('s-2');
    expect(changes).toEqual(['s-1', 's-2', 's-3']);
    watch.heard(hello('s-2', 2));
    expect(watch.current).toBe('s-2');
  });

  it('loses all with the bus: what was on its way may be lost, whoever is heard after that', async () => {
    watch.heard(hello('s', 1));
    await bus.close();
    expect(changes).toEqual(['s', undefined]);
  });

  it('loses one that is silent for more than a second, but not by a stall of its own', () => {
    const start = performance.now();
    watch.heard(hello('s', 1));
    watch.tick(start + 60_000);
    expect(watch.current).toBe('s');
    watch.heard(hello('s', 1));
    for (let at = 250; at <= 1_000; at += 250) watch.tick(start + 60_000 + at);
    expect(watch.current).toBe('s');
    watch.tick(start + 61_250);
    expect(changes).toEqual(['s', undefined]);
  });

  it('counts a late tick once: hellos may wait behind it', () => {
    const start = performance.now() + 250;
    watch.tick(start);
    watch.heard(hello('s', 1));
    for (let at = 500; at <= 2_000; at += 500) watch.tick(start + at);
    expect(watch.current).toBe('s');
    watch.tick(start + 2_500);
    expect(watch.current).toBeUndefined();
  });
});

describe('CatalogFeed', () => {
  const full = [servable('kit', [method('echo')]), servable('old', [method('echo')])];
  const catalogs = new Map<string, Catalog>();
  const awaitMs = 300;
  let fetched: string[];
  let watch: SchedulerWatch;
  let catalog: MethodCatalog;
  let feed: CatalogFeed;
  let problems: string[];
  beforeEach(() => {
    fetched = [];
    problems = [];
    catalogs.clear();
    watch = new SchedulerWatch(new MemoryExchange().connect('gateway'));
    catalog = new MethodCatalog();
    const fetch = async (scheduler: string): Promise<Catalog> => {
      fetched.push(scheduler);
      const found = catalogs.get(scheduler);
      if (found === undefined) throw new Error('silent');
      return found;
    };
    feed = new CatalogFeed(watch, catalog, fetch, (text) => problems.push(text), 2_000, awaitMs);
  });
  afterEach(() => {
    feed.onApplicationShutdown();
    watch.onApplicationShutdown();
  });
  const say = async (said: SchedulerHello): Promise<void> => {
    watch.heard(said);
    feed.heard(said);
    await new Promise((resolve) => setImmediate(resolve));
  };

  it('fetches when the revision is new, and only from the chosen scheduler', async () => {
    catalogs.set('s-1', { revision: 1, servables: full });
    await say(hello('s-1', 1));
    await say(hello('s-1', 1));
    await say(hello('s-2', 2));
    expect(fetched).toEqual(['s-1']);
    catalogs.set('s-1', { revision: 2, servables: [] });
    await say(hello('s-1', 1, { revision: 2 }));
    expect(fetched).toEqual(['s-1', 's-1']);
    expect(catalog.ready).toEqual([]);
  });

  it('passes on what is being loaded', async () => {
    catalogs.set('s-1', { revision: 1, servables: full, loading: [{ servable: 'late', version: 0 }] });
    await say(hello('s-1', 1));
    expect(() => catalog.resolve('late', 0, 'm')).toThrow(expect.objectContaining({ reason: 'servable-loading' }));
    catalogs.set('s-1', { revision: 2, servables: full });
    await say(hello('s-1', 1, { revision: 2 }));
    expect(() => catalog.resolve('late', 0, 'm')).toThrow(expect.objectContaining({ reason: 'servable-not-found' }));
  });

  it('takes requests of a version whose last replica went with its worker, for a while', async () => {
    const [kit, old] = full as [ServableStatus, ServableStatus];
    catalogs.set('s-1', { revision: 1, servables: [kit, old] });
    await say(hello('s-1', 1));
    const lost = { ...old, readyReplicas: 0 };
    catalogs.set('s-1', { revision: 2, servables: [kit, lost] });
    await say(hello('s-1', 1, { revision: 2 }));
    const ask = [
      () => catalog.resolve('old', 0, 'echo'),
      () => catalog.resolve('old', 1, 'echo'),
      () => catalog.resolveModel('old', ''),
      () => catalog.resolveModel('old', '1'),
    ];
    expect(ask.map((one) => one().version)).toEqual([1, 1, 1, 1]);
    expect([catalog.isConfirmed('old', 1), catalog.ready.length]).toEqual([false, 1]);
    expect(() => catalog.findModel('old', '')).toThrow(expect.objectContaining({ reason: 'servable-unavailable' }));
    // What is said anew does not begin it anew
    catalogs.set('s-1', { revision: 3, servables: [lost] });
    await say(hello('s-1', 1, { revision: 3 }));
    await new Promise<void>((resolve) => {
      const updates = catalog.onUpdate(() => {
        updates.unsubscribe();
        resolve();
      });
    });
    for (const one of ask) expect(one).toThrow(expect.objectContaining({ reason: 'servable-unavailable' }));
    catalogs.set('s-1', { revision: 4, servables: [] });
    await say(hello('s-1', 1, { revision: 4 }));
    for (const one of ask) expect(one).toThrow(expect.objectContaining({ reason: 'servable-not-found' }));
  });

  it('tries again at the next hello', async () => {
    await say(hello('s-1', 1));
    catalogs.set('s-1', { revision: 1, servables: full });
    await say(hello('s-1', 1));
    expect([problems.length, catalog.ready.length]).toEqual([1, 2]);
  });

  it('keeps what a new scheduler does not list yet', async () => {
    catalogs.set('s-1', { revision: 7, servables: full });
    await say(hello('s-1', 1, { revision: 7 }));
    catalogs.set('s-2', { revision: 1, servables: full.slice(0, 1) });
    await say(hello('s-1', 1, { leaving: true }));
    await say(hello('s-2', 2));
    expect(fetched).toEqual(['s-1', 's-2']);
    expect(catalog.ready.map(({ signature }) => signature.servable)).toEqual(['kit', 'old']);
    // What only the last one said is known, and waits until this one says it too
    expect(['kit', 'old'].map((name) => catalog.isConfirmed(name, 1))).toEqual([true, false]);
    catalogs.set('s-2', { revision: 2, servables: full });
    await say(hello('s-2', 2, { revision: 2 }));
    expect(catalog.isConfirmed('old', 1)).toBe(true);
    await say(hello('s-2', 2, { leaving: true }));
    expect([catalog.isConfirmed('kit', 1), catalog.ready.length]).toEqual([false, 2]);
  });
});
