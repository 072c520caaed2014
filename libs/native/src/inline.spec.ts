import { describe, expect, it } from '@jest/globals';
import { addModel, loopModel, onnxModel, type OnnxModel } from '../../../test/support/onnx-model.js';
import { NativeError } from './native-error.js';
import { Session } from './session.js';
import type { RunOptions } from './session-options.js';
import type { NativeTensor } from './tensor.js';
import { floatTensor, floatsOf, loopLimit, nextTurn, tensor } from './testing/tensors.js';

/** As high as it can be: only what must never run in place goes to a thread. */
const options = { inlineBelowUs: 100_000 };
const pair = (rows: number, value: number): NativeTensor[] =>
  [value, 1].map((one) => floatTensor([rows, 2], new Array<number>(rows * 2).fill(one)));

/** Enough runs for the session to know how long they take. */
async function warmUp(session: Session, inputs: readonly NativeTensor[]): Promise<void> {
  for (let i = 0; i < 8; i++) await session.run(inputs);
}

/** Whether a run is settled without the event loop having turned. */
async function settlesInPlace(session: Session, inputs: readonly NativeTensor[], options?: Omit<RunOptions, 'atOnce'>): Promise<boolean> {
  let settled = false;
  const run = session.run(inputs, options).then(
    () => (settled = true),
    () => (settled = true),
  );
  for (let i = 0; i < 10; i++) await Promise.resolve();
  const inPlace = settled;
  await run;
  return inPlace;
}

/**
 * Whether one of the next runs is settled in place. One run says little: how long runs take is measured by the clock on the wall, and a machine
 * that stalled for a second in the last one makes the next be expected to take too long. What is expected then halves with every run.
 */
async function comesToSettleInPlace(
  session: Session,
  inputs: readonly NativeTensor[],
  options?: Omit<RunOptions, 'atOnce'>,
): Promise<boolean> {
  for (let i = 0; i < 50; i++) if (await settlesInPlace(session, inputs, options)) return true;
  return false;
}

describe('runs in place', () => {
  it('begin when recent runs tell how long they take, and are right', async () => {
    const session = await Session.open(addModel(), options);
    expect(await settlesInPlace(session, pair(4, 1))).toBe(false);
    await warmUp(session, pair(4, 1));
    expect(await comesToSettleInPlace(session, pair(4, 1))).toBe(true);
    const [sum] = await session.run(pair(3, 41));
    expect(sum!.shape).toEqual([3, 2]);
    expect(floatsOf(sum!)).toEqual([42, 42, 42, 42, 42, 42]);
    await session.close();
  });

  it('never for inputs larger than any before, and not by default', async () => {
    const session = await Session.open(addModel(), options);
    await warmUp(session, pair(4, 1));
    expect(await settlesInPlace(session, pair(5, 1))).toBe(false);
    expect(await comesToSettleInPlace(session, pair(5, 1))).toBe(true);
    await session.close();
    const plain = await Session.open(addModel());
    await warmUp(plain, pair(4, 1));
    expect(await settlesInPlace(plain, pair(4, 1))).toBe(false);
    await plain.close();
  });

  it('inlineAloneBelowUs counts only while nothing else is in hand', async () => {
    const session = await Session.open(addModel(), { inlineAloneBelowUs: 100_000 });
    const other = await Session.open(loopModel());
    await warmUp(session, pair(4, 1));
    expect(await comesToSettleInPlace(session, pair(4, 1))).toBe(true);
    const abort = new AbortController();
    const endless = other.run(loopLimit('forever'), { signal: abort.signal });
    expect(await settlesInPlace(session, pair(4, 1))).toBe(false);
    abort.abort();
    await expect(endless).rejects.toMatchObject({ kind: 'cancelled' });
    await Promise.all([session.close(), other.close()]);
  });

  it('a run may be allowed more than its session allows', async () => {
    const session = await Session.open(addModel(), { inlineBelowUs: 1 });
    await warmUp(session, pair(4096, 1));
    expect(await settlesInPlace(session, pair(4096, 1))).toBe(false);
    expect(await comesToSettleInPlace(session, pair(4096, 1), { inlineBelowUs: 100_000 })).toBe(true);
    await session.close();
  });

  it('larger inputs than those of recent runs are expected to take longer in proportion', async () => {
    const session = await Session.open(addModel(), { inlineBelowUs: 1 });
    await session.run(pair(200_000, 1));
    for (let i = 0; i < 200; i++) await session.run(pair(1, 1));
    const limit = { inlineBelowUs: 50_000 };
    // Recent runs took a microsecond or more with 8 bytes: 200,000 times as many are not expected within 50 ms
    expect(await settlesInPlace(session, pair(200_000, 1), limit)).toBe(false);
    expect(await comesToSettleInPlace(session, pair(1, 1), limit)).toBe(true);
    await session.close();
  });

  it('report failures like others, and leave no listener on their signal', async () => {
    const session = await Session.open(addModel(), options);
    await warmUp(session, pair(4, 1));
    const misfit = [pair(4, 1)[0]!, floatTensor([3, 2], [1, 2, 3, 4, 5, 6])];
    expect(await comesToSettleInPlace(session, misfit)).toBe(true);
    await expect(session.run(misfit)).rejects.toMatchObject({ kind: 'run' });
    const abort = new AbortController();
    await session.run(pair(4, 1), { signal: abort.signal });
    const next = session.run(pair(4, 1));
    abort.abort();
    await next;
    await session.close();
  });

  it('never for a model with a loop: a run that would not end can be cancelled', async () => {
    const session = await Session.open(loopModel(), options);
    await warmUp(session, loopLimit(1));
    const abort = new AbortController();
    const endless = session.run(loopLimit('forever'), { signal: abort.signal });
    await nextTurn();
    abort.abort();
    await expect(endless).rejects.toMatchObject({ kind: 'cancelled' });
    await session.close();
  });

  const sizes = tensor('int64', [1], new Uint8Array(BigInt64Array.of(2n).buffer));
  const fill = (shape: string): OnnxModel['nodes'] => [{ op: 'ConstantOfShape', inputs: [shape], outputs: ['y'] }];
  const filled = (more: Partial<OnnxModel>): Uint8Array =>
    onnxModel({
      inputs: [{ name: 'x', dtype: 'int64', shape: [1] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: [-1] }],
      nodes: fill('x'),
      ...more,
    });

  it.each<[string, boolean, Uint8Array]>([
    ['a size that an input decides', false, filled({})],
    [
      'a size computed from an input',
      false,
      filled({ nodes: [{ op: 'Neg', inputs: ['x'], outputs: ['n'] }, { op: 'Abs', inputs: ['n'], outputs: ['s'] }, ...fill('s')] }),
    ],
    [
      'a size that the model fixes',
      true,
      filled({ initializers: [{ name: 's', dtype: 'int64', shape: [1], bytes: sizes.bytes }], nodes: fill('s') }),
    ],
  ])('%s: %p', async (_, inPlace, model) => {
    const session = await Session.open(model, options);
    await warmUp(session, [sizes]);
    expect(await settlesInPlace(session, [sizes])).toBe(inPlace);
    await session.close();
  });

  it('gives outputs at once where that is asked for, with memory of their own', async () => {
    const session = await Session.open(addModel(), options);
    const first = pair(1, 1);
    await warmUp(session, first);
    const outputs = [1, 2, 3].map((value) => session.run(pair(1, value), { ...options, atOnce: true }));
    expect(outputs.every(Array.isArray)).toBe(true);
    const later = await Promise.all([1, 2, 3].map((value) => session.run(pair(1, value))));
    expect(outputs).toEqual(later);
    const all = (await Promise.all(outputs)).flat();
    for (const { bytes } of all) expect(bytes.byteOffset % 8).toBe(0);
    all[0]?.bytes.fill(0);
    expect(all.slice(1)).toEqual(later.flat().slice(1));
    expect(() => session.run([], { atOnce: true })).toThrow(NativeError);
    await expect(session.run([])).rejects.toThrow(NativeError);
    await session.close();
    expect(() => session.run(first, { atOnce: true })).toThrow('the session is closed');
  });
});
