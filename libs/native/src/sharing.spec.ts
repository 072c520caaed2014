import { describe, expect, it } from '@jest/globals';
import { doubleModel, float32Bytes, loopModel, onnxModel } from '../../../test/support/onnx-model.js';
import { Session } from './session.js';
import { ScriptProcess } from './testing/script-process.js';
import { countOf, floatTensor, floatsOf, loopLimit } from './testing/tensors.js';

/** y = x w, with `width` x `width` weights. */
function weightsModel(width: number): Uint8Array {
  return onnxModel({
    inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', width] }],
    outputs: [{ name: 'y', dtype: 'float32', shape: ['batch', width] }],
    initializers: [{ name: 'w', dtype: 'float32', shape: [width, width], bytes: new Uint8Array(4 * width * width) }],
    nodes: [{ op: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }],
  });
}

async function double(session: Session, value: number): Promise<number | undefined> {
  const [y] = await session.run([floatTensor([1], [value])]);
  return floatsOf(y!)[0];
}

describe('share()', () => {
  it('gives another session over the same model, with a queue and threads of its own', async () => {
    const first = await Session.open(loopModel());
    const second = await first.share();
    expect(second.describe()).toEqual(first.describe());
    const abort = new AbortController();
    const endless = first.run(loopLimit('forever'), { signal: abort.signal });
    const [count] = await second.run(loopLimit(4));
    expect(countOf(count!)).toBe(4n);
    abort.abort();
    await expect(endless).rejects.toMatchObject({ kind: 'cancelled' });
    expect(countOf((await first.run(loopLimit(3)))[0]!)).toBe(3n);
    await Promise.all([first.close(), second.close()]);
  });

  it.each([1, 3])('many runs on four sessions, %p threads in a run: each has its own results', async (intraOpThreads) => {
    const first = await Session.open(doubleModel(['n']), { intraOpThreads, sharedBy: 4 });
    const sessions = [first, ...(await Promise.all([first.share(), first.share(), first.share()]))];
    const runs = Array.from({ length: 400 }, (_unused, index) => {
      const size = index % 3 === 0 ? 20_000 : 3;
      return sessions[index % 4]!.run([floatTensor([size], new Array<number>(size).fill(index))]).then(([y]) => floatsOf(y!)[size - 1]);
    });
    expect(await Promise.all(runs)).toEqual(runs.map((_unused, index) => 2 * index));
    await Promise.all(sessions.map((session) => session.close()));
  });

  it('the model lives as long as one of its sessions', async () => {
    const first = await Session.open(doubleModel([1]));
    const second = await first.share();
    await first.close();
    expect(await double(second, 4)).toBe(8);
    const third = await second.share();
    await second.close();
    expect(await double(third, 5)).toBe(10);
    await third.close();
  });

  it('weights given by reference are kept for as long', async () => {
    const value = { dtype: 'float32', shape: [4096] } as const;
    const model = onnxModel({
      inputs: [{ name: 'x', ...value }],
      outputs: [{ name: 'y', ...value }],
      initializers: [{ name: 'w', ...value, external: { location: 'nowhere' } }],
      nodes: [{ op: 'Add', inputs: ['x', 'w'], outputs: ['y'] }],
    });
    const weights = { ...value, bytes: float32Bytes(Array.from({ length: 4096 }, (_unused, index) => index)) };
    const first = await Session.open(model, { initializers: [{ name: 'w', tensor: weights }], graphOptimization: 'none' });
    const second = await first.share();
    await first.close();
    const [y] = await second.run([floatTensor([4096], new Array<number>(4096).fill(1))]);
    expect(floatsOf(y!)).toEqual(Array.from({ length: 4096 }, (_unused, index) => index + 1));
    await second.close();
  });

  it('a closed session has nothing to share; one that is shared while it closes is', async () => {
    const session = await Session.open(doubleModel([1]));
    const shared = session.share();
    await session.close();
    await expect(session.share()).rejects.toMatchObject({ name: 'NativeError', kind: 'closed' });
    expect(await double(await shared, 2)).toBe(4);
    await (await shared).close();
  });

  // In a process of its own: the memory of this one is other specs' too
  it('costs no second copy of the weights', async () => {
    const script = new ScriptProcess({ weights: weightsModel(4096) });
    const { ended, stdout, stderr } = await script.run(`
      const mib = () => process.memoryUsage().rss / 2 ** 20;
      const first = await Session.open(weights, { sharedBy: 3 });
      const one = mib();
      const others = [await first.share(), await first.share()];
      const shared = mib() - one;
      const again = await Session.open(weights);
      console.log(JSON.stringify({ shared, separate: mib() - one }));
      await Promise.all([first, again, ...others].map((session) => session.close()));
    `);
    expect([ended, stderr]).toEqual([0, '']);
    const { shared, separate } = JSON.parse(stdout) as { shared: number; separate: number };
    const weightsMiB = 64;
    expect(shared).toBeLessThan(weightsMiB / 4);
    expect(separate).toBeGreaterThan(weightsMiB / 2);
  });
});
