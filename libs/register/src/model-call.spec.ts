import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Instance } from '@mserve/wire';
import { declareModel, outputKinds, startRegistry, Tensor, type Model, type Registry } from './index.js';

let registry: Registry;
let model: Model;
let seen: { modelKey: string; subgraph: number; instances: readonly Instance[] }[];
beforeEach(() => {
  registry = startRegistry('S');
  model = declareModel(['a.onnx', 'b.onnx'], 'ONNX');
  seen = [];
  registry.callModel = (modelKey, subgraph, instances) => {
    seen.push({ modelKey, subgraph, instances });
    return Promise.resolve(instances.map(([first]) => [first as Instance[number]]));
  };
});

describe('Model.call', () => {
  it('runs one instance and gives its output', async () => {
    expect(await model.call(Tensor.of('float32', [1]), 2)).toEqual(Tensor.of('float32', [1]));
    expect(seen[0]).toMatchObject({
      modelKey: 'a.onnx;b.onnx',
      subgraph: 0,
      instances: [[{ dtype: 'float32' }, { dtype: 'int64', shape: [] }]],
    });
  });

  it('gives an array of outputs where the model has several', async () => {
    registry.callModel = (_key, _subgraph, instances) => Promise.resolve(instances.map(([first]) => [first, first] as Instance));
    expect(await model.call(Tensor.scalar('int8', 1))).toEqual([Tensor.scalar('int8', 1), Tensor.scalar('int8', 1)]);
  });

  it('runs instances and gives an array of outputs per instance', async () => {
    expect(await model.call([[Float32Array.of(1)], [true]])).toEqual([[Tensor.of('float32', [1])], [Tensor.scalar('bool', true)]]);
  });

  it('names another subgraph', async () => {
    await model.call(1, { subgraph: 1 });
    await model.call([[1]], { subgraph: 2 });
    expect(seen.map(({ subgraph }) => subgraph)).toEqual([1, 2]);
  });

  it('gives bytes to a model as uint8', async () => {
    await model.call(Buffer.from([1, 2]));
    const input = seen[0]?.instances[0]?.[0];
    expect([input?.dtype, input?.shape, [...(input?.bytes ?? [])]]).toEqual(['uint8', [2], [1, 2]]);
  });

  const loose = (...args: unknown[]): Promise<unknown> => (model.call as (...values: unknown[]) => Promise<unknown>).apply(model, args);
  const forms = 'call(x1, x2) runs one instance, call([[x1, x2], [x1, x2]]) several';
  const prefix = 'Model(a.onnx;b.onnx).call() failed: ';
  const rows: readonly (readonly [string, () => Promise<unknown>, string])[] = [
    ['no inputs', () => loose(), `${prefix}there are no inputs: ${forms}`],
    ['no instances', () => loose([]), `${prefix}there are no inputs: ${forms}`],
    ['an instance that is no array', () => loose([1]), `${prefix}the inputs are nested in another way than these: ${forms}`],
    ['an array among single inputs', () => loose(1, [2]), `${prefix}the inputs are nested in another way than these: ${forms}`],
    ['an array in an instance', () => loose([[[1]]]), `${prefix}the inputs are nested in another way than these: ${forms}`],
    ['an illegal value', () => loose(undefined), `${prefix}a value of type undefined was given where ${outputKinds} is expected`],
    [
      'a promise',
      () => loose(Promise.resolve(1)),
      `${prefix}a value of type Promise was given where ${outputKinds} is expected (is an await missing?)`,
    ],
    ['an unknown option', () => loose(1, { subGraph: 1 }), "Model.call has no option subGraph, did you mean 'subgraph'?"],
    ['a negative subgraph', () => loose(1, { subgraph: -1 }), "'subgraph' must be at least 0, not -1"],
    ['a subgraph that is no integer', () => loose(1, { subgraph: '1' }), "'subgraph' must be an integer, not string"],
  ];
  it.each(rows)('refuses %s', async (_what, act, text) => {
    await expect(act()).rejects.toMatchObject({ message: text });
  });

  it('prefixes what the server says, with the subgraph unless it is the first', async () => {
    registry.callModel = () =>
      Promise.reject(new Error('The model does not have subgraph of index 2, the subgraph count of the model is 1'));
    await expect(model.call(1, { subgraph: 2 })).rejects.toMatchObject({
      message:
        'Model(a.onnx;b.onnx, subgraph=2).call() failed: The model does not have subgraph of index 2, the subgraph count of the model is 1',
    });
    await expect(model.call(1)).rejects.toThrow('Model(a.onnx;b.onnx).call() failed: The model does not have');
  });

  it('is refused while the config is loaded', async () => {
    registry.callModel = undefined;
    await expect(model.call(1)).rejects.toThrow('models run only inside a server');
  });
});
