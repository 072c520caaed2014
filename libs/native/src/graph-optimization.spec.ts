import { describe, expect, it } from '@jest/globals';
import { int64Bytes, onnxModel } from '../../../test/support/onnx-model.js';
import type { SessionOptions } from './session-options.js';
import { Session } from './session.js';
import { floatTensor, floatsOf } from './testing/tensors.js';

/** A border of zeros around a 2 x 2 picture, then the largest of each 2 x 2 window: 3 x 3. */
const padThenMaxPool = onnxModel({
  inputs: [{ name: 'x', dtype: 'float32', shape: [1, 1, 2, 2] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: [1, 1, 3, 3] }],
  initializers: [{ name: 'pads', dtype: 'int64', shape: [8], bytes: int64Bytes([0, 0, 1, 1, 0, 0, 1, 1]) }],
  nodes: [
    { op: 'Pad', inputs: ['x', 'pads'], outputs: ['padded'] },
    { op: 'MaxPool', inputs: ['padded'], outputs: ['y'], attributes: { kernel_shape: { ints: [2, 2] } } },
  ],
});
const negative = floatTensor([1, 1, 2, 2], [-1, -2, -3, -4]);
/** Every window but the middle one has a zero of the border in it. */
const right = [0, 0, 0, 0, -1, 0, 0, 0, 0];

async function run(options: SessionOptions): Promise<number[]> {
  const session = await Session.open(padThenMaxPool, options);
  const [y] = await session.run([negative]);
  await session.close();
  return floatsOf(y!);
}

describe('what ONNX Runtime makes of a model', () => {
  it('zeros padded before MaxPool count, as the model says', async () => {
    expect(await run({})).toEqual(right);
  });

  it.each(['none', 'basic', 'extended', 'all'] as const)('level %s gives the right values', async (graphOptimization) => {
    expect(await run({ graphOptimization })).toEqual(right);
  });

  it('Pad_Fusion still loses those zeros: when this fails, take it out of brokenOptimizers', async () => {
    expect(await run({ disabledOptimizers: [] })).toEqual([-1, -1, -2, -1, -1, -2, -3, -3, -4]);
  });

  it.each([
    [{ disabledOptimizers: ['a;b'] }, 'disabledOptimizers: "a;b" is not the name of an optimizer'],
    [{ graphOptimization: 'disable' as 'none' }, 'graphOptimization must be one of none, basic, extended, all'],
  ])('%j is refused', async (options, message) => {
    await expect(run(options)).rejects.toMatchObject({ name: 'NativeError', kind: 'load', message });
  });
});
