import { beforeEach, describe, expect, it } from '@jest/globals';
import { distributed, type DistributedParameters } from './distributed.js';
import { declareModel } from './model.js';
import { startRegistry, type Registry } from './registry.js';

let registry: Registry;
beforeEach(() => {
  registry = startRegistry('bert');
});

describe('distributed.declareServable', () => {
  it('declares a model without files, which is called by the name of its servable', () => {
    const model = distributed.declareServable({ rankSize: 8, stageSize: 2, withBatchDim: false });
    expect(model.key).toBe('bert');
    expect(registry.models).toEqual([
      {
        key: 'bert',
        files: [],
        format: 'MindIR',
        withBatchDim: false,
        withoutBatchDimInputs: [],
        maxBatchSize: 32,
        batching: 'proven',
        distributed: { rankSize: 8, stageSize: 2 },
      },
    ]);
  });

  it("takes the original's order of parameters", () => {
    distributed.declareServable(4, 1, true, [1]);
    expect(registry.models).toMatchObject([{ withBatchDim: true, withoutBatchDimInputs: [1], distributed: { rankSize: 4, stageSize: 1 } }]);
  });

  it.each<[Partial<Record<keyof DistributedParameters | 'ranks', unknown>>, string]>([
    [{ rankSize: 0 }, "'rankSize' must be at least 1, not 0"],
    [{ stageSize: '1' }, "'stageSize' must be an integer, not string"],
    [{ rankSize: 5, stageSize: 2 }, "'rankSize' must be a multiple of 'stageSize', 5 is none of 2"],
    [{ withBatchDim: 1 }, "'withBatchDim' must be true or false, not number"],
    [{ withoutBatchDimInputs: [0, 0] }, "'withoutBatchDimInputs' has '0' twice"],
    [{ batching: 'always' }, "'batching' must be 'proven', 'trust' or 'off', not 'always'"],
    [
      { ranks: 2 },
      'distributed.declareServable has no parameter ranks, it can be rankSize, stageSize, withBatchDim, withoutBatchDimInputs, maxBatchSize or batching',
    ],
  ])('refuses %j', (parameters, text) => {
    const given = { rankSize: 2, stageSize: 1, ...parameters } as unknown as DistributedParameters;
    expect(() => distributed.declareServable(given)).toThrow(text);
  });

  it('is called once, and never beside declareModel', () => {
    const both = 'cannot be used together with';
    distributed.declareServable(2, 1);
    expect(() => distributed.declareServable(2, 1)).toThrow('can only be called once');
    expect(() => declareModel({ modelFile: 'a.onnx', modelFormat: 'ONNX' })).toThrow(both);
    startRegistry('bert');
    declareModel({ modelFile: 'a.onnx', modelFormat: 'ONNX' });
    expect(() => distributed.declareServable(2, 1)).toThrow(both);
  });
});
