import { describe, expect, it } from '@jest/globals';
import type { SessionDescription } from '@mserve/native';
import type { ExampleTensor } from '@mserve/wire';
import { functionOf, input, method, model, output, servable, stage } from '../../../../test/support/declarations.js';
import { planModel } from '../execution/model-plan.js';
import { signatureOf } from './signature.js';

const value = (name: string, shape: readonly number[], dtype: 'float32' | 'string' = 'float32'): SessionDescription['inputs'][number] => ({
  name,
  dtype,
  shape,
  dimNames: shape.map(() => ''),
});

const fixed = planModel(
  model('fixed.onnx', { withoutBatchDimInputs: [1] }),
  { inputs: [value('x', [8, 3]), value('bias', [3])], outputs: [value('y', [8, 3])] },
  0,
);
const dynamic = planModel(
  model('dynamic.onnx', { maxBatchSize: 5 }),
  { inputs: [value('x', [-1, -1, 2])], outputs: [value('y', [-1, 4]), value('z', [])] },
  0,
);
const whole = planModel(model('whole.onnx', { withBatchDim: false }), { inputs: [value('x', [2, 2])], outputs: [value('y', [])] }, 0);
const models = [fixed, dynamic, whole];
const declarations = [model('fixed.onnx'), model('dynamic.onnx'), model('whole.onnx')];

describe('signatureOf', () => {
  it.each([
    {
      title: 'inputs that feed a model and outputs that come from one have its types',
      method: method('m', ['a', 'b'], [stage(1, 'model', 0, [input(1), input(0)])], [output(1), input(1)]),
      inputs: [
        { name: 'a', dtype: 'float32', shape: [3] },
        { name: 'b', dtype: 'float32', shape: [3] },
      ],
      outputs: [
        { name: 'y', dtype: 'float32', shape: [3] },
        { name: 'y1', dtype: 'float32', shape: [3] },
      ],
      batched: true,
    },
    {
      title: 'dims decided at run time are -1; an output without known shape has none',
      method: method('m', ['a'], [stage(1, 'model', 1, [input(0)], { outputsCount: 2 })], [output(1, 0), output(1, 1)]),
      inputs: [{ name: 'a', dtype: 'float32', shape: [-1, 2] }],
      outputs: [
        { name: 'y', dtype: 'float32', shape: [4] },
        { name: 'y1', dtype: 'float32' },
      ],
      batched: true,
    },
    {
      title: 'only models without batch dim: not batched, shapes as in the model',
      method: method('m', ['a'], [stage(1, 'model', 2, [input(0)])], [output(1)]),
      inputs: [{ name: 'a', dtype: 'float32', shape: [2, 2] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: [] }],
      batched: false,
    },
    {
      title: 'functions hide types; a method without models is batched',
      method: method('m', ['a'], [stage(1, 'function', 0, [input(0)])], [output(1)]),
      inputs: [{ name: 'a' }],
      outputs: [{ name: 'y' }],
      batched: true,
    },
  ])('$title', ({ method: declared, inputs, outputs, batched }) => {
    const signature = signatureOf(servable({ models: declarations, functions: [functionOf(0, 'S.f')], methods: [declared] }), 7, models);
    // The largest batch size of the servable, also for methods that do not use that model
    const nameOf = (kind: string, index: number): string | undefined => (kind === 'model' ? declarations[index]?.files[0] : 'S.f');
    const graph = {
      stages: declared.stages.map(({ number, kind, index, inputs: from }) => ({ number, kind, name: nameOf(kind, index), inputs: from })),
      returns: declared.returns,
    };
    expect(signature).toEqual({ servable: 'S', version: 7, methods: [{ name: 'm', inputs, outputs, batched, batchSize: 8, graph }] });
  });

  it("the author's types and docs complete the model's; a contradiction is refused", () => {
    const declared = method('m', ['a'], [stage(1, 'model', 1, [input(0)], { outputsCount: 2 })], [output(1)]);
    const of = (dtype: 'float32' | 'int32'): ReturnType<typeof signatureOf> =>
      signatureOf(
        servable({
          models: declarations,
          methods: [{ ...declared, doc: 'what it does', inputs: [{ name: 'a', dtype, shape: [3, 2], doc: 'points' }] }],
        }),
        1,
        models,
      );
    expect(of('float32').methods[0]).toMatchObject({
      doc: 'what it does',
      inputs: [{ name: 'a', dtype: 'float32', shape: [3, 2], doc: 'points' }],
    });
    expect(() => of('int32')).toThrow("'a' of method 'm' is declared int32, the model has float32");
  });

  it.each<[string, ExampleTensor, string | undefined]>([
    ["of the model's dtype and shape", { dtype: 'float32', shape: [5, 2], b64: '' }, undefined],
    [
      'of another dtype',
      { dtype: 'int64', shape: [5, 2], b64: '' },
      "the example of 'a' of method 'm' is int64 [5, 2], the input is float32 [-1, 2]",
    ],
    [
      'of another shape',
      { dtype: 'float32', shape: [2, 5], b64: '' },
      "the example of 'a' of method 'm' is float32 [2, 5], the input is float32 [-1, 2]",
    ],
    [
      'of another rank',
      { dtype: 'float32', shape: [2], b64: '' },
      "the example of 'a' of method 'm' is float32 [2], the input is float32 [-1, 2]",
    ],
  ])('an example %s', (_, example, refusal) => {
    const declared = method('m', ['a'], [stage(1, 'model', 1, [input(0)], { outputsCount: 2 })], [input(0)]);
    const of = (): ReturnType<typeof signatureOf> =>
      signatureOf(servable({ models: declarations, methods: [{ ...declared, inputs: [{ name: 'a', example }] }] }), 1, models);
    if (refusal !== undefined) expect(of).toThrow(refusal);
    // It is the input's alone, also where an output is the input
    else
      expect(of().methods[0]).toMatchObject({
        inputs: [{ name: 'a', dtype: 'float32', example }],
        outputs: [{ name: 'y', dtype: 'float32', shape: [-1, 2] }],
      });
  });
});
