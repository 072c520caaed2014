import { describe, expect, it } from '@jest/globals';
import { addModel, doubleModel, loopModel } from '../../../test/support/onnx-model.js';
import { Session } from './session.js';
import { countOf, floatTensor, floatsOf, loopLimit, nextTurn } from './testing/tensors.js';

describe('runs at the same time', () => {
  it('the event loop turns while a run goes on', async () => {
    const session = await Session.open(loopModel());
    const abort = new AbortController();
    let settled = false;
    const endless = session.run(loopLimit('forever'), { signal: abort.signal }).finally(() => (settled = true));
    for (let turn = 0; turn < 1000; turn++) await nextTurn();
    expect(settled).toBe(false);
    abort.abort();
    await expect(endless).rejects.toMatchObject({ kind: 'cancelled' });
    await session.close();
  });

  it('loading does not hold the event loop: two loads overlap', async () => {
    const events: string[] = [];
    const first = Session.open(addModel()).finally(() => events.push('first'));
    const second = Session.open(addModel()).finally(() => events.push('second'));
    events.push('called');
    const sessions = await Promise.all([first, second]);
    expect(events[0]).toBe('called');
    await Promise.all(sessions.map((session) => session.close()));
  });

  it('one thread keeps the order of calls; results are those of their own inputs', async () => {
    const session = await Session.open(doubleModel([1]));
    const order: number[] = [];
    const results = await Promise.all(
      Array.from({ length: 500 }, (_, index) =>
        session.run([floatTensor([1], [index])]).then(([output]) => {
          order.push(index);
          return floatsOf(output!)[0];
        }),
      ),
    );
    expect(results).toEqual(results.map((_, index) => 2 * index));
    expect(order).toEqual(order.map((_, index) => index));
    await session.close();
  });

  it('with two threads a short run overtakes an endless one', async () => {
    const session = await Session.open(loopModel(), { concurrentRuns: 2 });
    const abort = new AbortController();
    const endless = session.run(loopLimit('forever'), { signal: abort.signal });
    const [count] = await session.run(loopLimit(4));
    expect(countOf(count!)).toBe(4n);
    abort.abort();
    await expect(endless).rejects.toMatchObject({ kind: 'cancelled' });
    await session.close();
  });

  it('many sessions and threads, small and large outputs mixed', async () => {
    const sessions = await Promise.all(Array.from({ length: 4 }, () => Session.open(doubleModel(['n']), { concurrentRuns: 3 })));
    const runs = Array.from({ length: 400 }, async (_, index) => {
      const size = index % 3 === 0 ? 2000 : 3;
      const [output] = await sessions[index % 4]!.run([floatTensor([size], new Array<number>(size).fill(index))]);
      return floatsOf(output!)[size - 1];
    });
    expect(await Promise.all(runs)).toEqual(runs.map((_, index) => 2 * index));
    await Promise.all(sessions.map((session) => session.close()));
  });
});

describe('close()', () => {
  it('waits for the runs in hand and refuses later ones; twice is the same', async () => {
    const session = await Session.open(doubleModel([1]));
    const events: string[] = [];
    const runs = [1, 2, 3].map((value) => session.run([floatTensor([1], [value])]).then(() => events.push(`run ${value}`)));
    const closed = session.close().then(() => events.push('closed'));
    await expect(session.run([floatTensor([1], [4])])).rejects.toMatchObject({ name: 'NativeError', kind: 'closed' });
    await Promise.all([...runs, closed, session.close()]);
    expect(events).toEqual(['run 1', 'run 2', 'run 3', 'closed']);
  });

  it('a run in hand can still be cancelled', async () => {
    const session = await Session.open(loopModel());
    const abort = new AbortController();
    const endless = session.run(loopLimit('forever'), { signal: abort.signal });
    const closed = session.close();
    await nextTurn();
    abort.abort();
    await expect(endless).rejects.toMatchObject({ kind: 'cancelled' });
    await closed;
  });
});
