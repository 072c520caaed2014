import { describe, expect, it } from '@jest/globals';
import { bytesOfNumbers, commonDtype, dtypeOfMindir, float16Bits, numbersOfBytes } from './dtypes.js';

describe('numbers as bytes', () => {
  it.each([
    ['bool', [0, 1]],
    ['int8', [-128, 127]],
    ['uint8', [0, 255]],
    ['int16', [-32768, 32767]],
    ['uint16', [0, 65535]],
    ['int32', [-(2 ** 31), 2 ** 31 - 1]],
    ['uint32', [0, 2 ** 32 - 1]],
    ['int64', [-(2 ** 53), 2 ** 53]],
    ['uint64', [0, 2 ** 53]],
    ['float32', [0.5, -(2 ** 100)]],
    ['float64', [Math.PI, -1e300]],
    ['float16', [1, -2, 65504, 2 ** -24, 0.333251953125, Infinity]],
    ['bfloat16', [1, -2, 0.33203125, 2 ** 100]],
  ] as const)('%s comes back as it was', (dtype, values) => {
    expect(numbersOfBytes(dtype, bytesOfNumbers(dtype, values))).toEqual([...values]);
  });

  it('clamps sentinels to the ends of int64', () => {
    const bytes = bytesOfNumbers('int64', [2 ** 63, -(2 ** 63) * 4]);
    const view = new DataView(bytes.buffer);
    expect([view.getBigInt64(0, true), view.getBigInt64(8, true)]).toEqual([2n ** 63n - 1n, -(2n ** 63n)]);
  });

  it('refuses integers that are no numbers', () => {
    expect(() => bytesOfNumbers('int64', [NaN])).toThrow(expect.objectContaining({ kind: 'format' }));
  });

  it('rounds float16 half to even', () => {
    expect([
      float16Bits(1 + 2 ** -11),
      float16Bits(1 + 3 * 2 ** -11),
      float16Bits(65519),
      float16Bits(65520),
      float16Bits(NaN),
      float16Bits(-0),
    ]).toEqual([0x3c00, 0x3c02, 0x7bff, 0x7c00, 0x7e00, 0x8000]);
  });
});

describe('dtypes', () => {
  it('knows both numbers of float64 and refuses what ONNX cannot hold', () => {
    expect([dtypeOfMindir(11, 'x'), dtypeOfMindir(17, 'x'), dtypeOfMindir(16, 'x')]).toEqual(['float64', 'float64', 'bfloat16']);
    expect(() => dtypeOfMindir(14, 'x')).toThrow(expect.objectContaining({ kind: 'unsupported' }));
  });

  it.each([
    ['int32', 'float16', 'float16'],
    ['int8', 'uint8', 'int16'],
    ['float16', 'bfloat16', 'float32'],
    ['bool', 'int8', 'int8'],
    ['int64', 'int32', 'int64'],
  ] as const)('%s and %s meet in %s', (a, b, both) => {
    expect(commonDtype(a, b)).toBe(both);
    expect(commonDtype(b, a)).toBe(both);
  });
});
