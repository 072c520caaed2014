import { describe, expect, it } from '@jest/globals';
import { float32Bytes, onnxModel } from '../../../test/support/onnx-model.js';
import { Session } from './session.js';
import { floatsOf, floatTensor } from './testing/tensors.js';

describe('what a model says of its inputs and outputs', () => {
  it('a scalar is told from an input whose rank the file does not tell', async () => {
    const session = await Session.open(
      onnxModel({
        inputs: [
          { name: 'scalar', dtype: 'float32', shape: [] },
          { name: 'any', dtype: 'float32' },
        ],
        outputs: [{ name: 'y', dtype: 'float32' }],
        nodes: [{ op: 'Mul', inputs: ['scalar', 'any'], outputs: ['y'] }],
      }),
    );
    const { inputs, outputs } = session.describe();
    expect([...inputs, ...outputs].map(({ name, shape }) => [name, shape])).toEqual([
      ['scalar', []],
      ['any', undefined],
      ['y', undefined],
    ]);
    const [y] = await session.run([floatTensor([], [2]), floatTensor([1, 2, 1], [3, 4])]);
    expect([y?.shape, y && floatsOf(y)]).toEqual([
      [1, 2, 1],
      [6, 8],
    ]);
    await expect(session.run([floatTensor([1], [2]), floatTensor([1], [3])])).rejects.toThrow('input "scalar": expected shape [], got [1]');
    await session.close();
  });

  it('inputs with a value of their own: given, left out, some of them', async () => {
    const part = (name: string): { name: string; dtype: 'float32'; shape: number[] } => ({ name, dtype: 'float32', shape: [1] });
    const session = await Session.open(
      onnxModel({
        inputs: [part('a'), part('x'), part('b')],
        outputs: [{ name: 'y', dtype: 'float32', shape: [1] }],
        initializers: [
          { ...part('b'), bytes: float32Bytes([100]) },
          { ...part('a'), bytes: float32Bytes([10]) },
        ],
        nodes: [{ op: 'Sum', inputs: ['a', 'x', 'b'], outputs: ['y'] }],
      }),
    );
    const { inputs, defaults = [], inputOrder } = session.describe();
    expect([inputs, defaults].map((list) => list.map(({ name }) => name))).toEqual([['x'], ['a', 'b']]);
    expect(inputOrder).toEqual([1, 0, 2]);
    const [x, five, seven] = [1, 5, 7].map((value) => floatTensor([1], [value]));
    const sum = async (...given: Parameters<Session['run']>[0]): Promise<number | undefined> => floatsOf((await session.run(given))[0]!)[0];
    expect([await sum(x), await sum(x, five), await sum(x, undefined, seven), await sum(x, five, seven), await sum(x, undefined)]).toEqual([
      111, 106, 18, 13, 111,
    ]);
    await expect(session.run([])).rejects.toThrow('the model takes 1 to 3 inputs (x), got 0');
    await expect(session.run([undefined, five])).rejects.toThrow('input "x": it is missing');
    await expect(session.run([x, floatTensor([2], [1, 2])])).rejects.toThrow('input "a": expected shape [1], got [2]');
    await session.close();
  });

  it('outputs that are no tensors are left out, unless all are', async () => {
    const sequence = { name: 's', dtype: 'float32', kind: 'sequence' } as const;
    const model = {
      inputs: [{ name: 'x', dtype: 'float32', shape: ['n'] }],
      nodes: [
        { op: 'SequenceConstruct', inputs: ['x'], outputs: ['s'] },
        { op: 'Neg', inputs: ['x'], outputs: ['y'] },
      ],
    } as const;
    const session = await Session.open(onnxModel({ ...model, outputs: [sequence, { name: 'y', dtype: 'float32', shape: ['n'] }] }));
    expect(session.describe()).toMatchObject({
      outputs: [{ name: 'y' }],
      unusable: [expect.stringContaining('output "s" is a sequence; only tensors are supported')],
    });
    expect((await session.run([floatTensor([1], [3])])).map(floatsOf)).toEqual([[-3]]);
    await session.close();
    await expect(Session.open(onnxModel({ ...model, outputs: [sequence] }))).rejects.toThrow('output "s" is a sequence');
  });

  it('an input of optional type takes the tensor', async () => {
    const session = await Session.open(
      onnxModel({
        opset: 18,
        inputs: [{ name: 'x', dtype: 'float32', shape: ['n'], kind: 'optional' }],
        outputs: [{ name: 'y', dtype: 'float32', shape: ['n'] }],
        nodes: [{ op: 'OptionalGetElement', inputs: ['x'], outputs: ['y'] }],
      }),
    );
    expect(session.describe().inputs).toEqual([{ name: 'x', dtype: 'float32', shape: [-1], dimNames: ['n'] }]);
    expect((await session.run([floatTensor([2], [3, 4])])).map(floatsOf)).toEqual([[3, 4]]);
    await session.close();
  });

  it.each<[where: string, first: boolean]>([
    ['first', true],
    ['last', false],
  ])('a ZipMap that is the %s output is the tensor that it takes', async (_, first) => {
    const map = { name: 'z', dtype: 'float32', kind: 'map' } as const;
    const label = { name: 'l', dtype: 'int64', shape: ['n'] } as const;
    const session = await Session.open(
      onnxModel({
        opsets: { 'ai.onnx.ml': 3 },
        inputs: [{ name: 'x', dtype: 'float32', shape: ['n', 2] }],
        outputs: first ? [map, label] : [label, map],
        nodes: [
          {
            op: 'LinearClassifier',
            domain: 'ai.onnx.ml',
            inputs: ['x'],
            outputs: ['l', 'p'],
            attributes: {
              coefficients: { floats: [1, 0, 0, 1] },
              intercepts: { floats: [0, 0] },
              classlabels_ints: { ints: [10, 20] },
            },
          },
          { op: 'ZipMap', domain: 'ai.onnx.ml', inputs: ['p'], outputs: ['z'], attributes: { classlabels_int64s: { ints: [10, 20] } } },
        ],
      }),
    );
    const { outputs, hasClassicOperators } = session.describe();
    const place = first ? 0 : 1;
    expect([hasClassicOperators, outputs.map(({ name, isUnzipped }) => [name, isUnzipped])[place]]).toEqual([true, ['z', true]]);
    const run = await session.run([floatTensor([2, 2], [1, 5, 7, 2])]);
    expect([run[place]?.shape, floatsOf(run[place]!)]).toEqual([
      [2, 2],
      [1, 5, 7, 2],
    ]);
    await session.close();
  });
});
