import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { MemoryExchange } from '@mserve/bus';
import { FakeWorker } from '../testing/fake-worker.js';
import { WorkerWatch } from './worker-watch.js';

let watch: WorkerWatch;
let worker: FakeWorker;
beforeEach(async () => {
  const exchange = new MemoryExchange();
  // The least that settings allow, and less than a tick
  watch = new WorkerWatch(exchange.connect('gateway'), { workerLostMs: 500, returnMs: 200 });
  const begun = watch.begin();
  worker = new FakeWorker(exchange);
  await begun;
});
afterEach(() => watch.close());

/** Ages the worker by ticks that come so long after each other, in one turn: its own timer does not come between. */
async function silence(...gapsMs: readonly number[]): Promise<(boolean | undefined)[]> {
  worker.hello();
  await new Promise(setImmediate);
  let now = performance.now();
  watch.tick(now);
  worker.hello();
  await Promise.resolve();
  return gapsMs.map((gapMs) => {
    watch.tick((now += gapMs));
    return watch.find(worker.bus.address)?.isLost;
  });
}

it('a worker that is silent is lost, waited for, and given up', async () => {
  expect(await silence(250, 250, 150, 100)).toEqual([false, false, true, undefined]);
});

it('nobody is lost by a loop that stood still: what workers said is read after the tick', async () => {
  expect(await silence(250, 60_000)).toEqual([false, false]);
});

it('nobody is given up in the tick that finds it lost', async () => {
  expect(await silence(250, 200, 60_000)).toEqual([false, false, true]);
});
