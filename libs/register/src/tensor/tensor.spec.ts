import { describe, expect, it } from '@jest/globals';
import { isNumericDType, type ElementArray, type NumericDType } from './element.js';
import { doubleToHalf, halfToFloat } from '@mserve/wire';
import { promote } from './promotion.js';
import { Tensor } from './tensor.js';

const dtypes: readonly NumericDType[] = [
  'bool',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'float16',
  'float32',
  'float64',
];

/** numpy.promote_types of numpy 2.4.6, in the order of `dtypes`. */
const promotions: Readonly<Record<string, string>> = {
  bool: 'bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64',
  int8: 'int8 int8 int16 int16 int32 int32 int64 int64 float64 float16 float32 float64',
  uint8: 'uint8 int16 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64',
  int16: 'int16 int16 int16 int16 int32 int32 int64 int64 float64 float32 float32 float64',
  uint16: 'uint16 int32 uint16 int32 uint16 int32 uint32 int64 uint64 float32 float32 float64',
  int32: 'int32 int32 int32 int32 int32 int32 int64 int64 float64 float64 float64 float64',
  uint32: 'uint32 int64 uint32 int64 uint32 int64 uint32 int64 uint64 float64 float64 float64',
  int64: 'int64 int64 int64 int64 int64 int64 int64 int64 float64 float64 float64 float64',
  uint64: 'uint64 float64 uint64 float64 uint64 float64 uint64 float64 uint64 float64 float64 float64',
  float16: 'float16 float16 float16 float32 float32 float64 float64 float64 float64 float16 float32 float64',
  float32: 'float32 float32 float32 float32 float32 float64 float64 float64 float64 float32 float32 float64',
  float64: 'float64 float64 float64 float64 float64 float64 float64 float64 float64 float64 float64 float64',
};

describe('promotion', () => {
  it.each(Object.entries(promotions))('of %s with every type is numpy’s', (dtype, row) => {
    expect(dtypes.map((other) => promote(dtype as NumericDType, other)).join(' ')).toBe(row);
  });

  it('of bfloat16 with another type is float32', () => {
    expect(promote('bfloat16', 'float16')).toBe('float32');
    expect(promote('bfloat16', 'bfloat16')).toBe('bfloat16');
    expect(promote('float64', 'bfloat16')).toBe('float64');
  });
});

describe('float16', () => {
  it('keeps every one of its values', () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = halfToFloat(bits);
      if (Number.isNaN(value)) expect(doubleToHalf(value)).toBe(0x7e00);
      else if (doubleToHalf(value) !== bits) throw new Error(`0x${bits.toString(16)} became 0x${doubleToHalf(value).toString(16)}`);
    }
  });

  /** numpy.array(value, 'float64').astype('float16'). */
  const rounded: readonly (readonly [number, number])[] = [
    [65504, 0x7bff],
    [65519.99, 0x7bff],
    [65520, 0x7c00],
    [-Infinity, 0xfc00],
    [5.960464477539063e-8, 1],
    [2.980232238769532e-8, 1],
    [2.98e-8, 0],
    [6.1e-5, 0x3ff],
    [1.0009765625, 0x3c01],
    [1.00048828125, 0x3c00],
    [1.0014648, 0x3c01],
    [-0, 0x8000],
    [1e-10, 0],
    [0.1, 0x2e66],
    [1 / 3, 0x3555],
    [2049, 0x6800],
    [2051, 0x6802],
  ];
  it.each(rounded)('rounds %d to the nearest, ties to even', (value, bits) => {
    expect(doubleToHalf(value)).toBe(bits);
  });
});

describe('Tensor.of', () => {
  it('takes its shape from nested arrays, or the one given', () => {
    expect(
      Tensor.of('int32', [
        [1, 2, 3],
        [4, 5, 6],
      ]),
    ).toMatchObject({ shape: [2, 3], data: Int32Array.of(1, 2, 3, 4, 5, 6) });
    expect(Tensor.of('float32', 1.5).shape).toEqual([]);
    expect(Tensor.of('float32', []).shape).toEqual([0]);
    expect(Tensor.of('uint8', [1, 2, 3, 4], [2, 2]).shape).toEqual([2, 2]);
    expect(Tensor.of('int64', [1, 2n]).data).toEqual(BigInt64Array.of(1n, 2n));
    expect(Tensor.of('bool', [true, 0, 5]).data).toEqual(Uint8Array.of(1, 0, 1));
    expect(Tensor.of('float16', [0.5]).data).toEqual(Uint16Array.of(0x3800));
  });

  it.each<readonly [string, () => unknown, string]>([
    ['ragged arrays', () => Tensor.of('int32', [[1], [1, 2]]), 'nested arrays should all have the same lengths'],
    ['a number out of range', () => Tensor.of('uint8', [300]), '300 is out of the range of uint8'],
    ['a negative number for an unsigned type', () => Tensor.of('uint64', [-1n]), '-1 is out of the range of uint64'],
    [
      'a fraction for an integer type',
      () => Tensor.of('int32', [1.5]),
      '1.5 is not a whole number, it cannot be an element of a int32 tensor (astype cuts fractions)',
    ],
    ['a string', () => Tensor.of('int32', ['1'] as unknown as number[]), 'an element of a int32 tensor should be a number, but is string'],
    ['a shape of another size', () => Tensor.of('int32', [1, 2], [3]), 'shape [3] has 3 elements, but 2 are given'],
    [
      'an unknown type',
      () => Tensor.of('float' as 'float32', [1]),
      "a tensor's data type can be bool, int8, uint8, int16, uint16, int32, uint32, int64, uint64, float16, bfloat16, float32, float64, but not 'float'",
    ],
    [
      'another TypedArray',
      () => new Tensor('int8', [1], Uint8Array.of(1) as unknown as Int8Array),
      'the elements of a int8 tensor should be Int8Array',
    ],
    [
      'bytes of another size',
      () => Tensor.fromBytes('int16', [2], new Uint8Array(3)),
      'a int16 tensor of shape [2] has 4 bytes, but 3 are given',
    ],
  ])('refuses %s', (_what, act, text) => {
    expect(act).toThrow(text);
  });
});

describe('a tensor', () => {
  const matrix = Tensor.of('int32', [
    [1, 2, 3],
    [4, 5, 6],
  ]);

  it('gives rows, elements and slices as views', () => {
    expect(matrix.at(1).toArray()).toEqual([4, 5, 6]);
    expect(matrix.at(-1, 0).item()).toBe(4);
    expect(matrix.get(0, 2)).toBe(3);
    expect(matrix.slice(1)).toMatchObject({ shape: [1, 3] });
    expect(matrix.slice(-2, -1).toArray()).toEqual([[1, 2, 3]]);
    expect(matrix.slice(5).shape).toEqual([0, 3]);
    expect(matrix.at(1).data.buffer).toBe(matrix.data.buffer);
    expect(matrix.slice(0, Infinity).shape).toEqual([2, 3]);
    expect(() => matrix.slice(0.5)).toThrow('slice takes whole numbers, but got 0.5 and undefined');
    expect(() => matrix.slice(0, NaN)).toThrow('slice takes whole numbers, but got 0 and NaN');
    expect(() => matrix.at(2)).toThrow('index 2 is out of bounds for axis 0 with size 2');
    expect(() => matrix.get(1)).toThrow('get needs 2 indexes, but got 1');
    expect(() => Tensor.scalar('int8', 1).slice(0)).toThrow('a tensor of rank 0 cannot be sliced');
  });

  it('reshapes, one dim left open', () => {
    expect(matrix.reshape(3, -1).shape).toEqual([3, 2]);
    expect(matrix.reshape(6).toArray()).toEqual([1, 2, 3, 4, 5, 6]);
    expect(matrix.reshape([1, -1]).shape).toEqual([1, 6]);
    expect(matrix.slice(0, 1).at(0, 0).reshape([]).toArray()).toBe(1);
    expect(Tensor.zeros('int8', [0, 3]).reshape(-1, 5).shape).toEqual([0, 5]);
  });

  it.each<readonly [number[], string]>([
    [[4], 'shape [4] has 4 elements, but 6 are given'],
    [[4, -1], '6 elements cannot have the shape [4, -1]'],
    [[0, -1], '6 elements cannot have the shape [0, -1]'],
    [[-1, -1], 'only one dim of a shape can be -1, but [-1, -1] is given'],
    [[-2, -3], 'shape [-2, -3] has a dim that is not a non-negative integer'],
    [[1.5, 4], 'shape [1.5, 4] has a dim that is not a non-negative integer'],
  ])('cannot be reshaped to %j', (shape, text) => {
    expect(() => matrix.reshape(...shape)).toThrow(text);
  });

  it('sums, and finds its greatest element', () => {
    expect(matrix.sum()).toBe(21);
    expect(Tensor.of('int64', [2n ** 62n, 2n ** 62n]).sum()).toBe(2n ** 63n);
    expect(Tensor.of('float16', [0.5, 0.25]).sum()).toBe(0.75);
    expect(Tensor.of('float32', [1, 3, 3]).argMax()).toBe(1);
    expect(Tensor.of('float32', [1, NaN, 3]).argMax()).toBe(1);
    expect(() => Tensor.zeros('int8', [0]).argMax()).toThrow('argMax of an empty tensor');
  });

  it('maps, and answers questions about its elements', () => {
    expect(matrix.map((value) => Number(value) * 10).toArray()).toEqual([
      [10, 20, 30],
      [40, 50, 60],
    ]);
    expect([matrix.some((value) => value > 5), matrix.every((value) => value > 5)]).toEqual([true, false]);
    expect([...matrix.slice(0, 1).values()]).toEqual([1, 2, 3]);
  });

  it.each([...dtypes, 'bfloat16' as const])('of %s comes back from its bytes as it was', (dtype) => {
    const tensor = Tensor.full(dtype, [2, 3], dtype === 'bool' ? true : 7);
    const unaligned = new Uint8Array(tensor.bytes.length + 1);
    unaligned.set(tensor.bytes, 1);
    const back = Tensor.fromBytes(dtype, [2, 3], unaligned.subarray(1));
    expect(back.toArray()).toEqual(tensor.toArray());
    expect(back.bytes).toEqual(tensor.bytes);
  });
});

describe('astype', () => {
  const rows: readonly (readonly [NumericDType, unknown, NumericDType, unknown])[] = [
    ['float32', [1.9, -1.9, 300], 'int8', [1, -1, 44]],
    ['float64', [NaN, Infinity], 'int64', [0n, 0n]],
    ['int64', [2n ** 40n + 5n], 'int32', [5]],
    ['int64', [-1n], 'uint64', [2n ** 64n - 1n]],
    ['int32', [-1], 'uint8', [255]],
    ['float32', [0.5, 0, NaN], 'bool', [true, false, true]],
    ['bool', [true, false], 'float16', [1, 0]],
    ['float32', [1.0009765625], 'bfloat16', [1]],
    ['float32', [0.1], 'float64', [Math.fround(0.1)]],
    // Just above the middle of two floats: numpy rounds once, up
    ['int64', [2n ** 60n + 2n ** 36n + 1n, -(2n ** 60n) - 2n ** 36n - 1n], 'float32', [2 ** 60 + 2 ** 37, -(2 ** 60) - 2 ** 37]],
    [
      'uint64',
      [2n ** 63n + 2n ** 39n + 1n, 2n ** 64n - 2n ** 39n - 1n, 2n ** 64n - 1n],
      'float32',
      [2 ** 63 + 2 ** 40, 2 ** 64 - 2 ** 40, 2 ** 64],
    ],
    ['int64', [2n ** 60n + 2n ** 36n, 2n ** 53n + 1n], 'float32', [2 ** 60, 2 ** 53]],
  ];
  it.each(rows)('%s %j to %s', (from, values, to, expected) => {
    expect(
      Tensor.of(from, values as number[])
        .astype(to)
        .toArray(),
    ).toEqual(expected);
  });

  it('refuses what is no type', () => {
    expect(() => Tensor.scalar('int8', 1).astype('float' as 'float32')).toThrow("data type 'float' not understood");
  });

  it('gives float32 of every type for a look at the values', () => {
    expect(Tensor.of('float16', [0.5, 65504]).toFloat32()).toEqual(Float32Array.of(0.5, 65504));
  });
});

describe('arithmetic', () => {
  const of = (dtype: NumericDType, values: unknown): Tensor => Tensor.of(dtype, values as number[]);
  const rows: readonly (readonly [string, Tensor, NumericDType, unknown])[] = [
    ['adds with promotion', of('int32', [1, 2]).add(of('float32', [0.5, 0.5])), 'float64', [1.5, 2.5]],
    ['wraps around', of('int8', [127]).add(of('int8', [1])), 'int8', [-128]],
    ['multiplies 32 bits exactly', of('int32', [123456789]).mul(of('int32', [987654321])), 'int32', [-67153019]],
    ['multiplies 64 bits exactly', of('int64', [2n ** 62n]).mul(of('int64', [2n])), 'int64', [-(2n ** 63n)]],
    ['computes float16 in float32', of('float16', [2048]).add(of('float16', [1])), 'float16', [2048]],
    ['rounds float32', of('float32', [0.1]).add(of('float32', [0.2])), 'float32', [Math.fround(Math.fround(0.1) + Math.fround(0.2))]],
    [
      'broadcasts a row',
      of('int32', [
        [1, 2],
        [3, 4],
      ]).sub(of('int32', [1, 1])),
      'int32',
      [
        [0, 1],
        [2, 3],
      ],
    ],
    [
      'broadcasts a column',
      of('int32', [[1], [2]]).add(of('int32', [10, 20])),
      'int32',
      [
        [11, 21],
        [12, 22],
      ],
    ],
    ['broadcasts a scalar', of('int64', [1, 2]).add(of('int64', 1)), 'int64', [2n, 3n]],
    ['keeps rank 0', of('int32', 1).add(of('int32', 2)), 'int32', 3],
    ['keeps the type for a whole number', of('uint8', [1]).add(1), 'uint8', [2]],
    ['keeps float types for any number', of('float16', [1]).mul(0.5), 'float16', [0.5]],
    ['gives float64 for a fraction', of('int32', [1]).add(0.5), 'float64', [1.5]],
    ['gives int64 for bool and a number', of('bool', [true]).mul(2), 'int64', [2n]],
    ['takes a bigint', of('int64', [1n]).sub(2n), 'int64', [-1n]],
    ['divides integers in float64', of('int32', [1]).div(2), 'float64', [0.5]],
    ['divides float32 in float32', of('float32', [1]).div(3), 'float32', [Math.fround(1 / 3)]],
    ['divides float16 in float16', of('float16', [1]).div(of('float16', [2])), 'float16', [0.5]],
    ['or-s bools', of('bool', [true, false]).add(of('bool', [false, false])), 'bool', [true, false]],
    ['works on nothing', of('float32', []).add(of('float32', [1])), 'float32', []],
  ];
  it.each(rows)('%s', (_what, result, dtype, values) => {
    expect([result.dtype, result.toArray()]).toEqual([dtype, values]);
  });

  it.each<readonly [string, () => unknown, string]>([
    [
      'shapes that do not fit',
      () => of('int8', [1, 2]).add(of('int8', [1, 2, 3])),
      'operands could not be broadcast together with shapes [2] and [3]',
    ],
    ['a number out of the type’s range', () => of('uint8', [1]).add(300), '300 is out of the range of uint8'],
    ['bool minus bool', () => of('bool', [true]).sub(of('bool', [true])), 'bool tensors cannot be subtracted, use astype first'],
  ])('refuses %s', (_what, act, text) => {
    expect(act).toThrow(text);
  });
});

it('Tensor.from lays a tensor over a TypedArray', () => {
  const arrays: ElementArray[] = [
    Int8Array.of(1),
    Uint8Array.of(1),
    Int16Array.of(1),
    Uint16Array.of(1),
    Int32Array.of(1),
    Uint32Array.of(1),
    BigInt64Array.of(1n),
    BigUint64Array.of(1n),
    Float32Array.of(1),
    Float64Array.of(1),
  ];
  expect(arrays.map((array) => Tensor.from(array).dtype)).toEqual([
    'int8',
    'uint8',
    'int16',
    'uint16',
    'int32',
    'uint32',
    'int64',
    'uint64',
    'float32',
    'float64',
  ]);
  const array = Float32Array.of(1, 2, 3, 4);
  expect(Tensor.from(array, [2, 2]).data).toBe(array);
  expect(Tensor.from(Buffer.from([1, 2])).dtype).toBe('uint8');
  expect(isNumericDType('string')).toBe(false);
});
