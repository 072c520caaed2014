import { describe, expect, it } from '@jest/globals';
import { dtypeTable, expectedBytes, isVariableSize, packElements, stringTensor, type Tensor as WireTensor } from '@mserve/wire';
import { Tensor } from './tensor/tensor.js';
import { inputValue, OutputKindError, outputTensor } from './value.js';

const bytesTensor = (...elements: Uint8Array[]): WireTensor => {
  return { dtype: 'bytes', shape: elements.length === 1 ? [] : [elements.length], bytes: packElements(elements) };
};

/** As newer versions of Node have it, as far as it is looked at. */
class Float16Array extends Uint16Array {
  override get [Symbol.toStringTag](): 'Uint16Array' {
    return 'Float16Array' as 'Uint16Array';
  }
}

describe('what a function sees', () => {
  it('a string for a string, of rank 0 or 1', () => {
    expect(inputValue(stringTensor('grüße'))).toBe('grüße');
    expect(inputValue(stringTensor(['a'], [1]))).toBe('a');
    expect(inputValue(stringTensor(['a', 'b']))).toEqual(['a', 'b']);
  });

  it('a string to the last character, or an error', () => {
    for (const text of ['', '\ufeffbom', 'a\0b', '\ufffd', '😀']) expect(inputValue(stringTensor(text))).toBe(text);
    expect(() => inputValue({ dtype: 'string', shape: [], bytes: packElements([Uint8Array.of(0x61, 0xff)]) })).toThrow(
      'a string is not valid UTF-8',
    );
  });

  it('a uint8 tensor of rank 1 for bytes', () => {
    expect(inputValue(bytesTensor(Uint8Array.of(0, 255)))).toEqual(Tensor.of('uint8', [0, 255]));
    expect(inputValue(bytesTensor(Uint8Array.of(1), Uint8Array.of()))).toEqual([Tensor.of('uint8', [1]), Tensor.of('uint8', [])]);
  });

  it('dtype and shape as they are, rank 0 stays rank 0', () => {
    expect(inputValue({ dtype: 'float32', shape: [], bytes: new Uint8Array(4) })).toMatchObject({ dtype: 'float32', shape: [], size: 1 });
    expect(inputValue({ dtype: 'int8', shape: [0], bytes: new Uint8Array(0) })).toMatchObject({ shape: [0], size: 0 });
  });

  it('a view on the request where that is aligned', () => {
    const bytes = new Uint8Array(8);
    expect((inputValue({ dtype: 'float64', shape: [1], bytes }) as Tensor).data.buffer).toBe(bytes.buffer);
  });
});

describe('what a function may return', () => {
  const rows: readonly (readonly [string, unknown, WireTensor])[] = [
    ['a string', 'hé', stringTensor('hé')],
    ['a Buffer', Buffer.from([0, 255]), bytesTensor(Uint8Array.of(0, 255))],
    ['a Uint8Array', Uint8Array.of(1), bytesTensor(Uint8Array.of(1))],
    ['an ArrayBuffer', Uint8Array.of(1, 2).buffer, bytesTensor(Uint8Array.of(1, 2))],
    ['true', true, Tensor.scalar('bool', true)],
    ['false', false, Tensor.scalar('bool', false)],
    ['a bigint', 2n ** 62n, Tensor.scalar('int64', 2n ** 62n)],
    ['a whole number', 2 ** 40, Tensor.scalar('int64', 2 ** 40)],
    ['a number with a fraction', 2.5, Tensor.scalar('float64', 2.5)],
    ['NaN', NaN, Tensor.scalar('float64', NaN)],
    ['Infinity', -Infinity, Tensor.scalar('float64', -Infinity)],
    ['-0', -0, Tensor.scalar('float64', -0)],
    ['a number beyond 2^53', 2 ** 60, Tensor.scalar('float64', 2 ** 60)],
    ['a Float32Array', Float32Array.of(1, 2), Tensor.of('float32', [1, 2])],
    ['a BigUint64Array', BigUint64Array.of(1n), Tensor.of('uint64', [1n])],
    ['a Float16Array', new Float16Array(Uint16Array.of(0x3800).buffer), Tensor.of('float16', [0.5])],
    ['a Tensor', Tensor.of('float16', [[1]]), Tensor.of('float16', [[1]])],
    ['a Tensor of another copy of this package', { dtype: 'int16', shape: [1], data: Int16Array.of(3) }, Tensor.of('int16', [3])],
  ];
  it.each(rows)('%s', (_what, value, expected) => {
    const { dtype, shape, bytes } = outputTensor(value);
    expect({ dtype, shape, bytes: [...bytes] }).toEqual({ dtype: expected.dtype, shape: expected.shape, bytes: [...expected.bytes] });
  });

  const refused: readonly (readonly [string, unknown, string])[] = [
    ['undefined', undefined, 'undefined'],
    ['null', null, 'null'],
    ['an object', {}, 'Object'],
    ['a Map', new Map(), 'Map'],
    ['an array of strings', ['a'], 'Array'],
    ['a function', () => 1, 'function'],
    ['a symbol', Symbol('s'), 'symbol'],
    ['a DataView', new DataView(new ArrayBuffer(1)), 'DataView'],
  ];
  it.each(refused)('not %s', (_what, value, given) => {
    const error = new OutputKindError(value);
    expect(error.given).toBe(given);
    expect(() => outputTensor(value)).toThrow(error);
  });

  it('a bool of other bytes than 0 and 1 is made one', () => {
    expect([...outputTensor(new Tensor('bool', [3], Uint8Array.of(0, 1, 255))).bytes]).toEqual([0, 1, 1]);
  });

  it('a tensor whose buffer was given away is refused', () => {
    const tensor = Tensor.of('int8', [1, 2]);
    structuredClone(tensor.data.buffer, { transfer: [tensor.data.buffer as ArrayBuffer] });
    expect(() => outputTensor(tensor)).toThrow('the elements of a tensor of shape [2] are gone');
  });

  it.each<[string, object, string]>([
    ['dtype', { dtype: 'nope' }, "a tensor has the unknown dtype 'nope'"],
    ['shape', { shape: [2] }, 'the elements of a tensor of shape [2] are gone'],
    ['shape, by one of too many dims', { shape: new Array(65).fill(1) }, 'shape has 65 dims, at most 64 are allowed'],
    ['elements', { data: { length: 1, buffer: 3 } }, 'the elements of a tensor of shape [] are gone'],
  ])('a tensor whose %s was overwritten is refused', (_what, change, text) => {
    expect(() => outputTensor(Object.assign(Tensor.scalar('float32', 1), change))).toThrow(text);
  });

  it('does not change with the tensor afterwards', () => {
    const tensor = Tensor.of('int8', [1, 2]);
    const output = outputTensor(tensor);
    Object.assign(tensor, { dtype: 'float64', shape: [7], data: new Float64Array(9) });
    expect(output).toEqual({ dtype: 'int8', shape: [2], bytes: Uint8Array.of(1, 2) });
  });

  it('an integer beyond int64 is refused, not wrapped', () => {
    expect(() => outputTensor(2n ** 63n)).toThrow('9223372036854775808 is out of the range of int64');
  });
});

describe('an identity function', () => {
  const numeric = dtypeTable.filter(({ dtype }) => !isVariableSize(dtype));
  it.each(numeric)('gives back $dtype bit by bit', ({ dtype }) => {
    const bytes = Uint8Array.from({ length: expectedBytes(dtype, [3, 2]) }, (_, index) =>
      dtype === 'bool' ? index % 2 : (index * 37 + 129) & 255,
    );
    const back = outputTensor(inputValue({ dtype, shape: [3, 2], bytes }));
    expect({ dtype: back.dtype, shape: back.shape, bytes: [...back.bytes] }).toEqual({ dtype, shape: [3, 2], bytes: [...bytes] });
  });

  it('gives strings back, and bytes as the uint8 tensor that it saw', () => {
    expect(outputTensor(inputValue(stringTensor('x', [1])))).toEqual(stringTensor('x'));
    expect(outputTensor(inputValue(bytesTensor(Uint8Array.of(1, 2))))).toMatchObject({ dtype: 'uint8', shape: [2] });
  });
});
