import { describe, expect, it } from '@jest/globals';
import { Session } from '@mserve/native';
import { readOnnxModel } from '@mserve/onnx';
import { float32Bytes, int64Bytes, onnxModel } from '../../../../test/support/onnx-model.js';
import { elementwise, FakeSession, floats } from '../../../../test/support/fake-session.js';
import { compareWithPlain } from './plain-comparison.js';

/** Zeros around x, then the largest of each window: 0 wherever all numbers inside are negative. */
const padThenPool = onnxModel({
  inputs: [{ name: 'x', dtype: 'float32', shape: ['N', 1, 4, 4] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: ['N', 1, 2, 2] }],
  initializers: [
    { name: 'pads', dtype: 'int64', shape: [8], bytes: int64Bytes([0, 0, 1, 1, 0, 0, 1, 1]) },
    { name: 'zero', dtype: 'float32', shape: [], bytes: float32Bytes([0]) },
  ],
  nodes: [
    { op: 'Pad', inputs: ['x', 'pads', 'zero'], outputs: ['p'] },
    { op: 'MaxPool', inputs: ['p'], outputs: ['y'], attributes: { kernel_shape: { ints: [3, 3] }, strides: { ints: [2, 2] } } },
  ],
});

async function compared(disabledOptimizers: readonly string[] | undefined): Promise<string | undefined> {
  const session = await Session.open(padThenPool, disabledOptimizers && { disabledOptimizers });
  const inputs = [
    floats(
      [1, 1, 4, 4],
      Array.from({ length: 16 }, (_, i) => -i - 1),
    ),
  ];
  const outputs = await session.run(inputs);
  const plain = await compareWithPlain(
    session,
    { inputs, outputs },
    {
      open: () => Session.open(padThenPool, { graphOptimization: 'none' }),
      fitsBudget: true,
      readGraph: () => readOnnxModel(padThenPool),
    },
  );
  await plain?.session.close();
  await session.close();
  return plain?.text;
}

describe('compareWithPlain', () => {
  it("finds what an optimizer of the runtime changes (Pad_Fusion, when it isn't left out)", async () => {
    expect(await compared([])).toMatch(/output 0 differs by more than rounding/);
  });

  it('finds nothing where the runtime is right', async () => {
    expect(await compared(undefined)).toBeUndefined();
  });

  it.each([
    ['rounding', 1 + 1e-6, undefined],
    ['more than rounding', 1.1, /output 0/],
  ])('%s', async (_, factor, text) => {
    const session = elementwise([-1, 2], 1, (x) => x);
    const inputs = [floats([1, 2], [3, 4])];
    const other = elementwise([-1, 2], 1, (x) => x * factor);
    const options = { open: () => Promise.resolve(other), fitsBudget: true, readGraph: () => readOnnxModel(padThenPool) };
    const plain = await compareWithPlain(session, { inputs, outputs: inputs }, options);
    if (text === undefined) expect(plain).toBeUndefined();
    else expect(plain?.text).toMatch(text);
    expect(other.isClosed).toBe(text === undefined);
  });

  it('a model that is another each time is believed', async () => {
    let n = 0;
    const session = new FakeSession(elementwise([-1, 1], 1, (x) => x).describe(), () => [floats([1, 1], [n++])]);
    const inputs = [floats([1, 1], [5])];
    const outputs = [floats([1, 1], [100])];
    const options = {
      open: () => Promise.resolve(elementwise([-1, 1], 1, (x) => x)),
      fitsBudget: true,
      readGraph: () => readOnnxModel(padThenPool),
    };
    expect(await compareWithPlain(session, { inputs, outputs }, options)).toBeUndefined();
  });

  it('one that cannot be opened so is believed', async () => {
    const options = { open: () => Promise.reject(new Error('no')), fitsBudget: true, readGraph: () => readOnnxModel(padThenPool) };
    expect(
      await compareWithPlain(
        elementwise([-1, 1], 1, (x) => x),
        { inputs: [], outputs: [] },
        options,
      ),
    ).toBeUndefined();
  });
});
