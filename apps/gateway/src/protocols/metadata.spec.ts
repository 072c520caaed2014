import { describe, expect, it } from '@jest/globals';
import type { TensorSignature } from '@mserve/wire';
import { modelMetadata } from './metadata.js';
import { method } from './testing/fake-catalog.js';

function inputsOf(inputs: readonly TensorSignature[], batched: boolean): unknown {
  return modelMetadata({ servable: 's', version: 1, method: method('m', inputs, [], batched) }).inputs;
}

const known: TensorSignature = { name: 'a', dtype: 'float32', shape: [2, -1] };

describe('modelMetadata', () => {
  it('puts the instance count before the shape of a batched method', () => {
    expect(inputsOf([known], true)).toEqual([{ name: 'a', datatype: 'FP32', shape: [-1, 2, -1] }]);
  });

  it('shows shapes as they are without batch dim', () => {
    expect(inputsOf([known], false)).toEqual([{ name: 'a', datatype: 'FP32', shape: [2, -1] }]);
  });

  it('shows what is unknown as BYTES and [-1]', () => {
    expect(inputsOf([{ name: 'a' }, { name: 'b', dtype: 'string' }], true)).toEqual([
      { name: 'a', datatype: 'BYTES', shape: [-1] },
      { name: 'b', datatype: 'BYTES', shape: [-1] },
    ]);
  });

  it('is named servable.method, or as asked', () => {
    const resolved = { servable: 's', version: 1, method: method('m', [], []) };
    expect([modelMetadata(resolved).name, modelMetadata(resolved, 's').name]).toEqual(['s.m', 's']);
  });
});
