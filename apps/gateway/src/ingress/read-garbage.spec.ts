import { constants, PerformanceObserver } from 'node:perf_hooks';
import { expect, it } from '@jest/globals';
import { ReadGarbage } from './read-garbage.js';

interface Collection {
  readonly kind: number;
  readonly flags: number;
}

/** The next collections that were asked for; those that V8 makes by itself are left out. */
function forced(count: number): Promise<readonly number[]> {
  const kinds: number[] = [];
  return new Promise((resolve) => {
    const observer = new PerformanceObserver((list) => {
      for (const { detail } of list.getEntries() as unknown as readonly { readonly detail: Collection }[])
        if ((detail.flags & constants.NODE_PERFORMANCE_GC_FLAGS_FORCED) !== 0) kinds.push(detail.kind);
      if (kinds.length < count) return;
      observer.disconnect();
      resolve(kinds);
    });
    observer.observe({ entryTypes: ['gc'] });
  });
}

it('has the young generation collected, and nothing else, for every 16 MB that were read', async () => {
  const garbage = new ReadGarbage();
  const seen = forced(2);
  for (let turn = 0; turn < 4; turn++) {
    for (let i = 0; i < 100; i++) garbage.add(100_000);
    await new Promise(setImmediate);
  }
  expect(await seen).toEqual([constants.NODE_PERFORMANCE_GC_MINOR, constants.NODE_PERFORMANCE_GC_MINOR]);
});
