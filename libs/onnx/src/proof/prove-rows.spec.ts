import { describe, expect, it } from '@jest/globals';
import { float32Bytes, int64Bytes, onnxModel, type OnnxModel, type OnnxNode } from '../../../../test/support/onnx-model.js';
import { readOnnxModel } from '../model/read-model.js';
import { proveRows, type ProveOptions, type RowProof } from './prove-rows.js';

/** What test/batching shows on real sessions is not repeated here: this is about what cannot be run, and about the texts. */
function prove(model: Partial<OnnxModel>, options: Partial<ProveOptions> = {}): RowProof {
  const whole = {
    inputs: [{ name: 'x', dtype: 'float32' as const, shape: ['N', 4] }],
    outputs: [{ name: 'y', dtype: 'float32' as const, shape: ['N', 4] }],
    nodes: [],
    ...model,
  };
  return proveRows(readOnnxModel(onnxModel(whole)), { rowInputs: ['x'], ...options });
}
const node = (
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: OnnxNode['attributes'] = {},
  domain?: string,
): OnnxNode => ({
  op,
  inputs,
  outputs,
  attributes,
  ...(domain !== undefined && { domain }),
});

describe('proveRows', () => {
  it('names the operator that it does not know', () => {
    expect(prove({ nodes: [node('Blur', ['x'], ['y'], {}, 'com.example')] })).toMatchObject({
      outcome: 'unknown',
      fault: { op: 'com.example.Blur', node: 'y', reason: 'is not an operator whose effect on rows is known' },
    });
  });

  it('an unknown operator over constants gives a constant', () => {
    const initializers = [{ name: 'w', dtype: 'float32' as const, shape: [1, 4], bytes: float32Bytes([1, 2, 3, 4]) }];
    const nodes = [
      node('Blur', ['w'], ['b'], {}, 'com.example'),
      node('ReduceSum', ['b'], ['s'], { keepdims: { int: 0 } }),
      node('Mul', ['x', 's'], ['y']),
    ];
    expect(prove({ nodes, initializers }).fault?.reason).toBe('takes a tensor whose rank the graph does not tell');
  });

  it('of two faults the one that is sure is told', () => {
    const nodes = [node('Blur', ['x'], ['b']), node('CumSum', ['x', 'zero'], ['c']), node('Add', ['b', 'c'], ['y'])];
    const initializers = [{ name: 'zero', dtype: 'int64' as const, shape: [], bytes: int64Bytes([0]) }];
    expect(prove({ nodes, initializers })).toMatchObject({ outcome: 'mixed', fault: { op: 'CumSum', sequence: true } });
  });

  it('an input that is the same for all rows may be anything, but has no entries for the rows', () => {
    const inputs = [
      { name: 'x', dtype: 'float32' as const, shape: ['N', 4] },
      { name: 'w', dtype: 'float32' as const, shape: [4] },
    ];
    expect(prove({ inputs, nodes: [node('Mul', ['x', 'w'], ['y'])] }).outcome).toBe('proven');
    const rows = [inputs[0] as (typeof inputs)[0], { name: 'w', dtype: 'float32' as const, shape: ['M', 4] }];
    expect(prove({ inputs: rows, nodes: [node('Mul', ['x', 'w'], ['y'])] }).outcome).toBe('unknown');
  });

  it('weights that old files list as inputs are weights, unless they are given', () => {
    const inputs = [
      { name: 'x', dtype: 'float32' as const, shape: ['N', 4] },
      { name: 'shape', dtype: 'int64' as const, shape: [2] },
    ];
    const initializers = [{ name: 'shape', dtype: 'int64' as const, shape: [2], bytes: int64Bytes([-1, 4]) }];
    const nodes = [node('Reshape', ['x', 'shape'], ['y'])];
    expect(prove({ inputs, initializers, nodes }).outcome).toBe('proven');
    expect(prove({ inputs, initializers, nodes }, { givenInputs: ['x', 'shape'] }).outcome).toBe('unknown');
  });

  it.each<[string, readonly (number | string)[] | undefined, string]>([
    ['no dims', undefined, "input 'x' has no dims in the file"],
    ['a scalar', [], "input 'x' has no dims in the file"],
  ])('an input with %s proves nothing', (_, shape, reason) => {
    expect(
      prove({ inputs: [{ name: 'x', dtype: 'float32', ...(shape && { shape }) }], nodes: [node('Relu', ['x'], ['y'])] }),
    ).toMatchObject({ outcome: 'unknown', fault: { reason } });
  });

  it('a second dim of the same name is not the number of rows', () => {
    const inputs = [{ name: 'x', dtype: 'float32' as const, shape: ['N', 'N'] }];
    expect(prove({ inputs, nodes: [node('Transpose', ['x'], ['y'])] })).toMatchObject({
      outcome: 'mixed',
      fault: { reason: expect.stringContaining('dim 1') },
    });
  });

  it('says which outputs cannot be given out row by row', () => {
    const outputs = [
      { name: 'y', dtype: 'float32' as const, shape: ['N', 4] },
      { name: 'z', dtype: 'float32' as const, shape: [4, 'N'] },
    ];
    const { outputs: told } = prove({ outputs, nodes: [node('Relu', ['x'], ['y']), node('Transpose', ['x'], ['z'])] });
    expect(told.map(({ name, outcome, isCounted, firstDim }) => ({ name, outcome, isCounted, firstDim }))).toEqual([
      { name: 'y', outcome: 'proven', isCounted: true, firstDim: 'N' },
      { name: 'z', outcome: 'mixed', isCounted: false, firstDim: '' },
    ]);
  });

  it('tells of other values than the outputs of the graph, when those are given out', () => {
    const nodes = [node('Relu', ['x'], ['inside']), node('CumSum', ['inside', 'zero'], ['y'])];
    const initializers = [{ name: 'zero', dtype: 'int64' as const, shape: [], bytes: int64Bytes([0]) }];
    expect(prove({ nodes, initializers }).outcome).toBe('mixed');
    expect(prove({ nodes, initializers }, { outputs: ['inside'] }).outcome).toBe('proven');
    expect(prove({ nodes, initializers }, { outputs: ['gone'] }).outcome).toBe('unknown');
  });

  it('a value that nothing gives proves nothing', () => {
    expect(prove({ nodes: [node('Add', ['x', 'gone'], ['y'])] }).outcome).toBe('unknown');
    expect(prove({ nodes: [] }).outcome).toBe('unknown');
  });
});
