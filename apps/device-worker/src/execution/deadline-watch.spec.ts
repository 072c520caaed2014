import { describe, expect, it } from '@jest/globals';
import { DeadlineWatch, type Watched } from './deadline-watch.js';

function watched(inMs: number): Watched & { readonly expired: Promise<number>; deadlineAt: number } {
  let resolve: (at: number) => void = () => undefined;
  const expired = new Promise<number>((settle) => (resolve = settle));
  return { deadlineAt: performance.now() + inMs, expired, expire: () => resolve(performance.now()) };
}

describe('DeadlineWatch', () => {
  it('expires what is due, in order, never early', async () => {
    const watch = new DeadlineWatch();
    const runs = [watched(30), watched(5), watched(15)];
    for (const run of runs) watch.add(run);
    const times = await Promise.all(runs.map((run) => run.expired));
    times.forEach((at, i) => expect(at).toBeGreaterThanOrEqual((runs[i] as Watched).deadlineAt));
    expect([...times].sort((a, b) => a - b)).toEqual([times[1], times[2], times[0]]);
  });

  it('what was removed does not expire, what has no deadline is not watched', async () => {
    const watch = new DeadlineWatch();
    const removed = watched(1);
    let expired = 0;
    const never: Watched = { deadlineAt: Infinity, expire: () => void expired++ };
    const last = watched(10);
    const removedToo: Watched = { deadlineAt: removed.deadlineAt, expire: () => void expired++ };
    for (const run of [removedToo, never, last]) watch.add(run);
    watch.remove(removedToo);
    await last.expired;
    expect(expired).toBe(0);
  });
});
