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
    [{ rankSize: 0 }, "Parameter 'rankSize' should be >= 1"],
    [{ stageSize: '1' }, "Parameter 'stageSize' should be integer, but actually string"],
    [{ rankSize: 5, stageSize: 2 }, 'Rank size must be an integral multiple of stage size, rank size: 5, stage size: 2'],
    [{ withBatchDim: 1 }, "Parameter 'withBatchDim' should be boolean, but actually number"],
    [{ withoutBatchDimInputs: [0, 0] }, "The item value '0' in parameter 'withoutBatchDimInputs' should not be repeated"],
    [{ batching: 'always' }, "Parameter 'batching' should be 'proven', 'trust' or 'off', but actually 'always'"],
    [{ ranks: 2 }, 'Declare distributed servable failed, unsupported parameter ranks'],
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
