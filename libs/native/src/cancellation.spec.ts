import { describe, expect, it } from '@jest/globals';
import { addModel, loopModel } from '../../../test/support/onnx-model.js';
import { Session } from './session.js';
import { countOf, floatTensor, loopLimit, nextTurn } from './testing/tensors.js';

const cancelled = { name: 'NativeError', kind: 'cancelled' };

describe('cancelling runs', () => {
  it('ends a run that would never end; the session runs on', async () => {
    const session = await Session.open(loopModel());
    const abort = new AbortController();
    const endless = session.run(loopLimit('forever'), { signal: abort.signal });
    await nextTurn();
    abort.abort();
    await expect(endless).rejects.toMatchObject(cancelled);
    const [count] = await session.run(loopLimit(3));
    expect(countOf(count!)).toBe(3n);
    await session.close();
  });

  it('takes a queued run out without running it; the others keep their order', async () => {
    const session = await Session.open(loopModel());
    const first = new AbortController();
    const queued = new AbortController();
    const events: string[] = [];
    const endless = session
      .run(loopLimit('forever'), { signal: first.signal })
      .catch((error: Error) => events.push(`first ${error.message}`));
    const waiting = session
      .run(loopLimit('forever'), { signal: queued.signal })
      .catch((error: Error) => events.push(`queued ${error.message}`));
    const last = session.run(loopLimit(1)).then(() => events.push('last'));
    await nextTurn();
    queued.abort();
    await waiting;
    first.abort();
    await Promise.all([endless, last]);
    expect(events).toEqual(['queued the run was cancelled before it began', expect.stringMatching(/^first the run was cancelled/), 'last']);
    await session.close();
  });

  it('refuses a run whose signal is already aborted', async () => {
    const session = await Session.open(addModel());
    const input = floatTensor([1, 2], [1, 2]);
    await expect(session.run([input, input], { signal: AbortSignal.abort() })).rejects.toMatchObject(cancelled);
    await session.close();
  });

  it('aborting after the end changes nothing, and leaves no listener behind', async () => {
    const session = await Session.open(loopModel());
    const abort = new AbortController();
    let listeners = 0;
    const { signal } = abort;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => (listeners++, add(...args));
    signal.removeEventListener = (...args: Parameters<typeof remove>) => (listeners--, remove(...args));
    const [count] = await session.run(loopLimit(5), { signal });
    expect(listeners).toBe(0);
    abort.abort();
    expect(countOf(count!)).toBe(5n);
    expect(countOf((await session.run(loopLimit(6)))[0]!)).toBe(6n);
    await session.close();
  });

  it('one signal for many runs: all end, on several threads', async () => {
    const session = await Session.open(loopModel(), { concurrentRuns: 3 });
    const abort = new AbortController();
    const runs = Array.from({ length: 10 }, () => session.run(loopLimit('forever'), { signal: abort.signal }));
    await nextTurn();
    abort.abort();
    const results = await Promise.allSettled(runs);
    expect(results.map((result) => result.status === 'rejected' && result.reason)).toEqual(
      results.map(() => expect.objectContaining(cancelled)),
    );
    expect(countOf((await session.run(loopLimit(2)))[0]!)).toBe(2n);
    await session.close();
  });
});
