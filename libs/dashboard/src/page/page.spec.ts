import { describe, expect, it } from '@jest/globals';
import type { MethodSignature, TensorSignature } from '@mserve/wire';
import { packElements } from '@mserve/wire/tensors';
import { inferBody, nestedText, readInput, startGiven } from './input.js';
import { pythonOf, shellQuoted, snippets } from './snippets.js';
import { readTensor } from './tensor.js';

const matrix: TensorSignature = { name: 'x', dtype: 'float32', shape: [2, 2] };

describe('what is typed into a field', () => {
  it.each<[string, TensorSignature, string, readonly number[], readonly unknown[]]>([
    ['nested lists', matrix, '[[1, 2],\n [3, -4.5e2]]', [2, 2], [1, 2, 3, -450]],
    ['numbers alone', matrix, '1 2, 3;4', [2, 2], [1, 2, 3, 4]],
    ['a free dim', { name: 'x', dtype: 'int32', shape: [-1, 2] }, '[[1, 2], [3, 4], [5, 6]]', [3, 2], [1, 2, 3, 4, 5, 6]],
    ['a free dim by its count', { name: 'x', dtype: 'int32', shape: [-1, 2] }, '1 2 3 4', [2, 2], [1, 2, 3, 4]],
    ['no known shape', { name: 'x' }, '[[[7]]]', [1, 1, 1], [7]],
    ['one number of no known shape', { name: 'x' }, '7', [], [7]],
    ['truths', { name: 'x', dtype: 'bool', shape: [3] }, 'true, false, 1', [3], [true, false, true]],
    ['a whole number beyond the doubles', { name: 'x', dtype: 'int64', shape: [] }, '9007199254740993', [], ['9007199254740993']],
    ['a text', { name: 'x', dtype: 'string', shape: [] }, ' as it is ', [], [' as it is ']],
    ['none', { name: 'x', dtype: 'float32', shape: [-1] }, '[]', [0], []],
  ])('%s', (_, input, text, shape, elements) => {
    expect(readInput(input, { text })).toMatchObject({ name: 'x', shape, elements });
  });

  it.each<[TensorSignature, string, string]>([
    [matrix, '', 'x: numbers are missing'],
    [matrix, '1 2 3', 'x: 3 values in the shape [3] are given, [2, 2] is expected'],
    [matrix, '[[1, 2], [3]]', 'x: lists of 2 and of 1 are mixed'],
    [matrix, '[[1, 2], 3]', 'x: lists and numbers are mixed'],
    [matrix, '[[1, 2], [3, 4]', 'x: a ] is missing'],
    [matrix, '[[1, 2], [3, 4]] 5', "x: '5' is left over"],
    [matrix, '[[1, 2], [3, four]]', "x: 'four]]' is not understood"],
    [matrix, '1 2 3 4x', "x: '4x' is not a number"],
    [{ name: 'x', dtype: 'int8', shape: [] }, '1.5', "x: '1.5' is not a whole number"],
    [{ name: 'x', dtype: 'bool', shape: [] }, 'yes', "x: 'yes' is neither true nor false"],
    [{ name: 'x', dtype: 'bytes', shape: [] }, '', 'x: type a text or choose a file'],
  ])('%j: %j is refused', (input, text, problem) => {
    expect(() => readInput(input, { text })).toThrow(problem);
  });

  it('begins with the example, else with zeros', () => {
    expect(startGiven(matrix)).toEqual({ text: '[[0, 0],\n [0, 0]]' });
    expect(startGiven({ ...matrix, optional: true })).toEqual({ text: '' });
    const b64 = Buffer.from(Float32Array.of(1.5, 2, 3, 4).buffer).toString('base64');
    expect(startGiven({ ...matrix, example: { dtype: 'float32', shape: [2, 2], b64 } })).toEqual({ text: '[[1.5, 2],\n [3, 4]]' });
    const packed = (content: Uint8Array): string => Buffer.from(packElements([content])).toString('base64');
    const image: TensorSignature = { name: 'x', dtype: 'bytes', shape: [] };
    const of = (content: Uint8Array) => startGiven({ ...image, example: { dtype: 'bytes', shape: [], b64: packed(content) } });
    expect(of(Buffer.from('<svg/>'))).toEqual({ text: '<svg/>' });
    expect(of(Uint8Array.of(0xff, 0xd8))).toMatchObject({ text: '', file: { name: 'example' } });
    // It comes from another process
    for (const broken of ['!', '', 'AAAA'])
      expect(startGiven({ ...image, example: { dtype: 'bytes', shape: [], b64: broken } })).toEqual({ text: '' });
  });

  it('what is written out is read back', () => {
    const elements = ['1', '2', '3', '4', '5', '6', '7', '8'];
    const text = nestedText(elements, [2, 2, 2]);
    expect(readInput({ name: 'x', shape: [2, 2, 2] }, { text }).elements.map(String)).toEqual(elements);
  });
});

describe('tensors on the wire', () => {
  it.each<[string, Uint8Array, readonly unknown[]]>([
    ['FP32', new Uint8Array(Float32Array.of(1.5, -2).buffer), [1.5, -2]],
    ['FP64', new Uint8Array(Float64Array.of(0.1).buffer), [0.1]],
    ['INT64', new Uint8Array(BigInt64Array.of(2n ** 62n, -1n).buffer), [2n ** 62n, -1n]],
    ['UINT64', new Uint8Array(BigUint64Array.of(2n ** 64n - 1n).buffer), [2n ** 64n - 1n]],
    ['INT8', Uint8Array.of(255, 1), [-1, 1]],
    ['BOOL', Uint8Array.of(0, 1), [false, true]],
    ['FP16', new Uint8Array(Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7c00).buffer), [1, -2, 2 ** -24, Infinity]],
    ['BF16', new Uint8Array(Uint16Array.of(0x3f80, 0xc000).buffer), [1, -2]],
  ])('%s', (datatype, body, values) => {
    expect(readTensor('y', datatype, [values.length], body).values).toEqual(values);
  });

  it('BYTES, and one that is cut off', () => {
    const packed = packElements([Buffer.from('a'), Buffer.from(''), Buffer.from('bcd')]);
    expect(readTensor('y', 'BYTES', [3], packed).texts.map((text) => Buffer.from(text).toString())).toEqual(['a', '', 'bcd']);
    expect(() => readTensor('y', 'BYTES', [3], packed.subarray(0, packed.length - 1))).toThrow("output 'y' is cut off");
  });
});

describe('a call', () => {
  const method: MethodSignature = { name: 'm', inputs: [matrix], outputs: [], batched: true, batchSize: 4 };
  const base = { servable: "it's", version: 2, method, rest: 'http://127.0.0.1:1500', grpc: '127.0.0.1:5500', isTls: false };

  it('has the dim of instances where the method is batched, files behind its JSON, and large whole numbers with all their digits', () => {
    const file = { name: 'f.png', bytes: Uint8Array.of(1, 2, 3) };
    const inputs = [
      readInput({ name: 'n', dtype: 'int64', shape: [2] }, { text: '9007199254740993 1' }),
      readInput({ name: 'b', dtype: 'bytes', shape: [] }, { text: '', file }),
    ];
    const { json, binary } = inferBody(inputs, true);
    expect(json).toContain('"data":[9007199254740993,1]');
    expect(JSON.parse(json)).toMatchObject({ inputs: [{ shape: [1, 2] }, { shape: [1], parameters: { binary_data_size: 7 } }] });
    expect(binary.map((piece) => [...piece])).toEqual([[3, 0, 0, 0, 1, 2, 3]]);
    expect(JSON.parse(inferBody(inputs, false).json)).toMatchObject({ inputs: [{ shape: [2] }, { shape: [1] }] });
  });

  it('is quoted for a shell, and is Python where it is Python', () => {
    expect(shellQuoted("it's")).toBe(`'it'\\''s'`);
    expect(pythonOf('{"true":[true,false,null,"null \\" true"]}')).toBe('{"true":[True,False,None,"null \\" true"]}');
    const made = snippets({ ...base, inputs: [readInput(matrix, { text: '1 2 3 4' })] });
    expect(made.map(({ name }) => name)).toEqual(['curl', 'Python', 'TypeScript', 'grpcurl']);
    for (const { text } of made.filter(({ name }) => name !== 'Python' && name !== 'TypeScript')) expect(text).toContain(`it'\\''s`);
    expect(snippets({ ...base, grpc: undefined, inputs: [] }).map(({ name }) => name)).not.toContain('grpcurl');
  });
});
