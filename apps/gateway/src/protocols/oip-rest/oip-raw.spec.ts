import { describe, expect, it } from '@jest/globals';
import type { TensorSignature } from '@mserve/wire';
import { rawBody } from './oip-raw.js';

function read(input: Omit<TensorSignature, 'name'>, body: Uint8Array, batched = true): unknown {
  const target = {
    servable: 'm',
    version: 1,
    method: { name: 'f', inputs: [{ name: 'x', ...input }], outputs: [{ name: 'y' }], batched, batchSize: 1 },
  };
  const { inputs, outputs } = rawBody(body, target);
  return [inputs.map((given) => given && [given.entry.oipName, given.shape, [...given.bytes]]), outputs];
}

describe('a raw request', () => {
  const outputs = [{ index: 0, binary: true, classes: 0 }];

  it.each<[string, Omit<TensorSignature, 'name'>, boolean, string, number[], number[]]>([
    ['one instance of the declared shape', { dtype: 'int8', shape: [2, 2] }, true, 'INT8', [1, 2, 2], [1, 2, 3, 4]],
    ['a dim that follows from the length', { dtype: 'int16', shape: [-1, 2] }, true, 'INT16', [1, 1, 2], [1, 2, 3, 4]],
    ['a method that is not batched', { dtype: 'int8', shape: [-1] }, false, 'INT8', [4], [1, 2, 3, 4]],
    ['text, which is one element', { dtype: 'string', shape: [] }, true, 'BYTES', [1], [4, 0, 0, 0, 1, 2, 3, 4]],
    ['a shape of one element', { dtype: 'bytes', shape: [-1] }, true, 'BYTES', [1, 1], [4, 0, 0, 0, 1, 2, 3, 4]],
    ['an input of unknown dtype', {}, true, 'BYTES', [1], [4, 0, 0, 0, 1, 2, 3, 4]],
  ])('has %s', (_, input, batched, datatype, shape, bytes) => {
    expect(read(input, Uint8Array.of(1, 2, 3, 4), batched)).toEqual([[[datatype, shape, bytes]], outputs]);
  });

  it.each<[string, Omit<TensorSignature, 'name'>, string]>([
    ['two open dims', { dtype: 'int8', shape: [-1, -1] }, `input 'x' has shape [-1, -1]: that of a raw request cannot follow`],
    ['any shape', { dtype: 'int8' }, `input 'x' has any shape: that of a raw request cannot follow`],
    ['a rest', { dtype: 'int8', shape: [-1, 3] }, `input 'x' has shape [-1, 3], 4 elements do not make one of it`],
  ])('is refused for %s', (_, input, text) => {
    expect(() => read(input, Uint8Array.of(1, 2, 3, 4))).toThrow(text);
  });

  it('is refused for a method with two inputs', () => {
    const inputs = [{ name: 'a' }, { name: 'b' }];
    const target = { servable: 'm', version: 1, method: { name: 'f', inputs, outputs: [], batched: true, batchSize: 1 } };
    expect(() => rawBody(Uint8Array.of(1), target)).toThrow('is the bytes of one input, m.f has 2');
  });
});
