import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import type { NumericDType } from './element.js';
import { centerCropImage, chwToHwc, hwcToChw, normalizeImage, resizeImage } from './image.js';
import { Tensor, type Nested } from './tensor.js';

/** What numpy answers: test/parity/numpy/make_cases.py writes the table. */
interface Encoded {
  readonly dtype: NumericDType;
  readonly shape: number[];
  readonly values: (number | string)[];
}
interface Case {
  readonly op: string;
  readonly inputs: Encoded[];
  readonly args: unknown[];
  readonly expected: Encoded[];
  readonly rtol: number;
}
const { cases } = JSON.parse(readFileSync(new URL('./numpy-cases.json', import.meta.url), 'utf8')) as { cases: Case[] };

const is64 = (dtype: NumericDType): boolean => dtype === 'int64' || dtype === 'uint64';

function decode({ dtype, shape, values }: Encoded): Tensor {
  const numbers = values.map((value) => (is64(dtype) ? BigInt(value) : Number(value)));
  return Tensor.of(dtype, numbers as Nested, shape);
}

const free: Readonly<Record<string, (inputs: Tensor[], args: unknown[]) => unknown>> = {
  concat: (inputs, args) => Tensor.concat(inputs, ...(args as [number])),
  stack: (inputs, args) => Tensor.stack(inputs, ...(args as [number])),
  where: ([condition, a, b]) => Tensor.where(condition as Tensor, a as Tensor, b as Tensor),
  hwcToChw: ([image]) => hwcToChw(image as Tensor),
  chwToHwc: ([image]) => chwToHwc(image as Tensor),
  normalizeImage: ([image], args) => normalizeImage(image as Tensor, ...(args as [number[], number[]])),
  resizeImage: ([image], args) => resizeImage(image as Tensor, ...(args as [[number, number]])),
  centerCropImage: ([image], args) => centerCropImage(image as Tensor, ...(args as [[number, number]])),
};

function compute({ op, inputs, args }: Case): Tensor[] {
  const tensors = inputs.map(decode);
  const [first, ...rest] = tensors;
  const method = (first as unknown as Record<string, (...args: unknown[]) => unknown>)[op];
  const result = free[op] !== undefined ? free[op](tensors, args) : method?.apply(first, [...rest, ...args]);
  if (op === 'topK') return Object.values(result as { values: Tensor; indexes: Tensor });
  return Array.isArray(result) ? (result as Tensor[]) : [result as Tensor];
}

function expectClose(actual: Tensor, expected: Encoded, rtol: number): void {
  expect([actual.dtype, actual.shape]).toEqual([expected.dtype, expected.shape]);
  const wanted = [...decode(expected).values()];
  const got = [...actual.values()];
  if (rtol === 0) return expect(got).toEqual(wanted);
  got.forEach((value, index) => {
    const right = Number(wanted[index]);
    if (!Object.is(Number(value), right)) expect(Math.abs(Number(value) - right)).toBeLessThanOrEqual(rtol * Math.max(1, Math.abs(right)));
  });
}

describe('Tensor answers as numpy does', () => {
  const byOperation = group(cases);
  it.each([...byOperation.keys()])('%s', (op) => {
    for (const one of byOperation.get(op) ?? []) {
      const label = `${op}(${one.inputs.map(({ dtype, shape }) => `${dtype}[${shape.join(', ')}]`).join(', ')}; ${JSON.stringify(one.args)})`;
      try {
        const results = compute(one);
        expect(results.length).toBe(one.expected.length);
        results.forEach((result, index) => expectClose(result, one.expected[index] as Encoded, one.rtol));
      } catch (error) {
        throw new Error(`${label}: ${(error as Error).message}`, { cause: error });
      }
    }
  });
});

function group(all: readonly Case[]): Map<string, Case[]> {
  const groups = new Map<string, Case[]>();
  for (const one of all) groups.set(one.op, [...(groups.get(one.op) ?? []), one]);
  return groups;
}

describe('Tensor refuses', () => {
  const t = Tensor.of('float32', [
    [1, 2, 3],
    [4, 5, 6],
  ]);
  it.each<[string, () => unknown, string]>([
    ['an axis that it does not have', () => t.sum(2), 'axis 2 is out of bounds for a tensor of rank 2'],
    ['an axis named twice', () => t.transpose(0, 0), 'should name each of 2 axes once'],
    ['a split that does not divide', () => t.split(2, 1), 'an axis of 3 entries cannot be split into 2 equal parts'],
    ['a squeeze of a longer axis', () => t.squeeze(0), 'axis 0 has size 2'],
    ['a k beyond the axis', () => t.topK(4), 'topK takes a whole number from 0 to 3'],
    ['matrices that do not fit', () => t.matmul(t), '3 columns against 2 rows'],
    ['the greatest of nothing', () => Tensor.zeros('float32', [0]).max(), 'no entries'],
    ['parts of unequal shapes', () => Tensor.concat([t, Tensor.zeros('float32', [1, 2])]), 'all other dims should be equal'],
    ['a stack of unequal shapes', () => Tensor.stack([t, Tensor.zeros('float32', [3])]), 'needs tensors of one shape'],
    ['nothing to concatenate', () => Tensor.concat([]), 'at least one tensor'],
    ['a negative border', () => t.pad([-1, 0]), 'whole numbers of 0 or more'],
    ['exp of bool', () => Tensor.of('bool', [true]).exp(), 'use astype first'],
    ['an image without axes', () => resizeImage(Tensor.scalar('uint8', 1), [2, 2]), 'takes an image of shape'],
    ['an interpolation that is none', () => resizeImage(t, [2, 2], 'cubic' as 'linear'), "but not 'cubic'"],
    ['a mean too many', () => normalizeImage(t, [1, 2], 1), '2 values of mean for an image with 3 channels'],
  ])('%s', (_, run, text) => {
    expect(run).toThrow(text);
  });
});

describe('Tensor as text', () => {
  it('shows dtype, shape and values', () => {
    expect(
      String(
        Tensor.of('float32', [
          [0.1, -0],
          [1e10, NaN],
        ]),
      ),
    ).toBe('Tensor<float32>[2, 2] [[0.1, -0], [10000000000, NaN]]');
    expect(`${Tensor.of('bool', [true, false])}`).toBe('Tensor<bool>[2] [true, false]');
    expect(`${Tensor.scalar('int64', 2n ** 60n)}`).toBe('Tensor<int64>[] 1152921504606846976');
  });

  it('shortens what is long', () => {
    expect(String(Tensor.zeros('uint8', [2000]))).toBe('Tensor<uint8>[2000] [0, 0, 0, ..., 0, 0, 0]');
  });

  it('adds up and compares without an axis', () => {
    const t = Tensor.of('int8', [
      [3, -4],
      [5, 5],
    ]);
    expect([t.max(), t.min(), t.argMax(), t.argMin(), t.sum(), t.mean()]).toEqual([5, -4, 2, 1, 9, 2.25]);
    expect(Tensor.of('float32', [1, NaN]).max()).toBeNaN();
  });
});
